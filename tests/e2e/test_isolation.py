"""Two organizations with identical data: nothing of one is ever seen through the other, whatever is asked, however busy
the connections to the database are, and also if a WHERE were forgotten."""
import json
import random
import threading

import psycopg2
import pytest

import harness
import projects

SECRET = {"left": "lapis-lazuli", "right": "rose-quartz"}
UNKNOWN = "99999999-9999-4999-8999-999999999999"
DENIED = "Access denied to organization"


class Side:
    """One organization, with the same project under the same names, but for one word."""

    def __init__(self, server, name):
        self.name = name
        self.organization = server.organization(name.title())
        self.admin = server.client(self.organization, server.user(self.organization, f"admin@{name}.example", "admin"))
        self.member = self.admin.as_user(server.user(self.organization, f"member@{name}.example"))
        document = projects.manifest(models=5, note=f" {SECRET[name]}")
        self.connection = self.admin.push("acme/shop", document, projects.catalog(document))["connection_id"]
        self.copy = self.admin.full()
        self.object = next(iter(self.copy.rows["objects"]))
        self.admin.api("PUT", "/documentation", {"documentation": [
            {"object_id": i, "executive_summary": SECRET[name]} for i in self.copy.rows["objects"]]})
        self.session = self.admin.api("POST", "/ide-sessions", {"workspace_identifier": f"acme/{SECRET[name]}"}).json["session_id"]

    def words(self):
        """What must not be found on the other side: every id of ours, and our word."""
        ids = [i for rows in self.copy.rows.values() for i in rows]
        return [SECRET[self.name], self.organization, self.connection, self.session, *ids]


@pytest.fixture(scope="module")
def sides(server):
    return Side(server, "left"), Side(server, "right")


def leaks(answer, side, given=()):
    text = answer.body.decode(errors="replace") + json.dumps(answer.headers)
    return [word for word in side.words() if word in text and word not in given]


def test_same_content_has_no_id_in_common(sides):
    left, right = sides
    for table in harness.TABLES:
        assert not left.copy.rows[table].keys() & right.copy.rows[table].keys(), table


def requests(side, other):
    """Every endpoint and method with the other side's ids in every place that takes one."""
    ids = {"connection": other.connection, "object": other.object, "session": other.session}
    for connection in (ids["connection"], UNKNOWN, "nonsense"):
        yield "GET", f"/sync-package?connection_ids={connection}&include_documentation=true", None
        yield "GET", f"/sync-package?connection_ids={connection},{side.connection}", None
        yield "GET", f"/documentation?connection_ids={connection}", None
        yield "PUT", f"/connections/{connection}", {"full_name": "acme/stolen"}
        yield "DELETE", f"/connections/{connection}", None
        yield "PUT", f"/connections/{connection}/artifacts", {"manifest": projects.manifest()}
        yield "PUT", "/documentation", {"documentation": [{"connection_id": connection, "unique_id": "model.shop.step_0", "executive_summary": "x"}]}
        yield "POST", "/ide-sessions", {"workspace_identifier": "acme/x", "connection_ids": [connection]}
    for object_ in (ids["object"], UNKNOWN, "nonsense"):
        yield "GET", f"/documentation?object_ids={object_}", None
        yield "PUT", "/documentation", {"documentation": [{"object_id": object_, "executive_summary": "x"}]}
    for session in (ids["session"], UNKNOWN, "nonsense"):
        yield "PATCH", f"/ide-sessions/{session}", {"sync_status": "error"}
    yield "GET", "/ide-sessions", None
    yield "GET", "/connections", None
    yield "GET", "/sync-package?include_documentation=true", None
    yield "GET", "/sync-package?last_sync_timestamp=2020-01-01T00:00:00Z", None
    yield "POST", "/connections/match-workspace", {"workspace_identifier": f"acme/{SECRET[other.name]}"}
    yield "POST", "/connections/match-workspace", {"workspace_identifier": other.connection}


def test_foreign_ids_within_ones_own_organization(sides):
    for side, other in (sides, sides[::-1]):
        before = other.admin.full(include_documentation="true")
        for user in (side.admin, side.member):
            for method, path, body in requests(side, other):
                given = (other.connection, other.object, other.session, SECRET[other.name])
                answer = user.api(method, path, body)
                assert not leaks(answer, other, given), (method, path, answer)
                if method in ("PUT", "PATCH", "DELETE") and other.connection in path or other.session in path:
                    assert answer.status in (403, 404), (method, path, answer)
        after = other.admin.full(include_documentation="true")
        harness.same(before, after)
        assert before.documentation == after.documentation and before.timestamp == after.timestamp


def test_foreign_and_unknown_organizations_are_one_and_the_same(sides):
    left, right = sides
    for user in (left.admin, left.member):
        for method, path, body in requests(right, left):
            answers = []
            for organization in (right.organization, UNKNOWN):
                client = harness.Client(user.server, organization, user.token)
                answer = client.api(method, path, body)
                assert not leaks(answer, right, (right.connection, right.organization)), (method, path, answer)
                assert answer.status == 403 and answer.json["message"] == DENIED, (method, path, answer)
                answers.append({k: v for k, v in answer.json.items() if k not in ("request_id", "instance")})
            assert answers[0] == answers[1], (method, path)


@pytest.mark.parametrize("organization", ["nonsense", "", "%00", "0", "*", "null", "..", "' or 1=1 --"])
def test_malformed_organizations(sides, organization):
    left = sides[0]
    for path in ("/connections", "/sync-package", "/documentation"):
        client = harness.Client(left.admin.server, organization.replace(" ", "%20").replace("'", "%27"), left.admin.token)
        answer = client.api("GET", path)
        assert answer.status in (400, 403, 404), answer
        assert not leaks(answer, left) and not leaks(answer, sides[1])


def test_api_token_is_of_one_organization(server, sides):
    left, right = sides
    token = server.admin("api-token", "create", "--org", left.organization, "--name", "t", "--scope", "read,push")["token"]
    assert left.admin.as_user(token).api("GET", "/connections").status == 200
    assert right.admin.as_user(token).api("GET", "/connections").status == 403
    swapped = token.replace(left.organization, right.organization)
    for side in sides:
        assert side.admin.as_user(swapped).api("GET", "/connections").status == 401


def test_interleaved_on_the_same_connections_under_load(sides):
    """Sixteen threads, two organizations, the same pool: no answer ever carries a byte of the other side."""
    rng = random.Random(harness.seed())
    seeds = [rng.random() for _ in range(16)]
    errors = []
    rounds = 40 if not harness.SOAK else 400

    def ask(number):
        chance = random.Random(seeds[number])
        mine, other = sides if number % 2 else sides[::-1]
        client = mine.member.as_user(mine.member.token)
        foreign = harness.Client(client.server, other.organization, client.token)
        try:
            for _ in range(rounds):
                kind = chance.randrange(6)
                if kind == 0:
                    answer = client.api("GET", f"/sync-package?limit={chance.choice([3, 100])}&offset={chance.randrange(4)}&include_documentation=true")
                elif kind == 1:
                    answer = client.api("GET", "/connections")
                elif kind == 2:
                    answer = client.api("GET", "/documentation")
                elif kind == 3:
                    answer = client.api("GET", f"/sync-package?connection_ids={other.connection}")
                    assert answer.json["sync_metadata"]["object_count"] == 0
                elif kind == 4:
                    answer = foreign.api("GET", "/sync-package")
                    assert answer.status == 403
                else:
                    answer = client.api("POST", "/ide-sessions", {"workspace_identifier": f"load/{number}"})
                found = leaks(answer, other, (other.connection,) if kind == 3 else ())
                assert not found, (kind, found, answer)
        except BaseException as error:  # noqa: BLE001 - told below
            errors.append(error)

    def write():
        try:
            for turn in range(6):
                for side in sides:
                    side.admin.as_user(side.admin.token).push(
                        "acme/load", projects.manifest(models=3 + turn % 2, note=f" {SECRET[side.name]}"), force="true")
        except BaseException as error:  # noqa: BLE001
            errors.append(error)

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(16)] + [threading.Thread(target=write)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def connect(server, role):
    lines = (server.data_dir / "postgres" / "postmaster.pid").read_text().splitlines()
    return psycopg2.connect(host=lines[4], port=lines[3], user=role, dbname="tideline")


TENANT_TABLES = """
  select format('%I.%I', n.nspname, c.relname) from pg_class c join pg_namespace n on n.oid = c.relnamespace
   where n.nspname in ('enterprise', 'metadata') and c.relkind in ('r', 'p')
     and exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'organization_id' and not a.attisdropped)"""


def user_of(server, email):
    with connect(server, "postgres") as db, db.cursor() as cursor:
        cursor.execute("select id::text from enterprise.users where email = %s", (email,))
        return cursor.fetchone()[0]


def identity(cursor, user, organization):
    cursor.execute("set local role authenticated")
    cursor.execute("select set_config('request.jwt.claims', %s, true), set_config('request.organization_id', %s, true)",
                   (json.dumps({"sub": user}) if user else "", organization or ""))


def test_database_itself_shows_nothing_foreign(server, sides):
    """The server's own login, the same transaction, no WHERE at all."""
    left, right = sides
    user = user_of(server, "member@left.example")
    with connect(server, "postgres") as db, db.cursor() as cursor:
        cursor.execute(TENANT_TABLES)
        tables = [row[0] for row in cursor.fetchall()]
        cursor.execute("""select format('%%I.%%I', n.nspname, c.relname) from pg_class c join pg_namespace n on n.oid = c.relnamespace
                           where format('%%I.%%I', n.nspname, c.relname) = any (%s) and not (c.relrowsecurity and c.relforcerowsecurity)""", (tables,))
        assert cursor.fetchall() == [], "a tenant table without FORCEd row level security"
    assert len(tables) >= 12
    for who, organization, visible in ((user, left.organization, left.organization), (user, right.organization, None),
                                       (user, UNKNOWN, None), (user, None, None), (None, left.organization, None), (None, None, None)):
        with connect(server, "tideline_server") as db, db.cursor() as cursor:
            for table in tables:
                cursor.execute("savepoint one")
                identity(cursor, who, organization)
                try:
                    cursor.execute(f"select distinct organization_id::text from {table}")
                    found = {row[0] for row in cursor.fetchall()}
                except psycopg2.errors.InsufficientPrivilege:
                    found = set()
                if table == "enterprise.user_organization_roles":
                    assert found <= ({left.organization} if who else set()), (table, who, organization, found)
                else:
                    assert found <= {visible}, (table, who, organization, found)
                cursor.execute("rollback to savepoint one")


def test_database_itself_refuses_foreign_writes(server, sides):
    left, right = sides
    user = user_of(server, "admin@left.example")
    statements = [
        ("update metadata.objects set description = 'mine' where organization_id = %s", 0),
        ("delete from metadata.objects where organization_id = %s", 0),
        ("delete from enterprise.connections where organization_id = %s", 0),
        ("insert into metadata.tombstones (organization_id, kind, id, connection_id, row_version, created_version) "
         "values (%s, 3, gen_random_uuid(), gen_random_uuid(), 1, 1)", None),
        ("insert into enterprise.user_organization_roles (organization_id, user_id, role) "
         f"values (%s, '{user}', 'admin')", None),
    ]
    for organization in (left.organization, right.organization):
        for statement, rows in statements:
            with connect(server, "tideline_server") as db, db.cursor() as cursor:
                identity(cursor, user, organization)
                try:
                    cursor.execute(statement, (right.organization,))
                    assert rows is not None and cursor.rowcount == rows, (statement, cursor.rowcount)
                except psycopg2.errors.InsufficientPrivilege:
                    assert rows is None, statement
                db.rollback()
    harness.same(right.copy, right.admin.full(connection_ids=right.connection))


def test_servers_login_sees_nothing_without_becoming_somebody(server, sides):
    statements = [f"select * from {table}" for table in
                  ("metadata.objects", "enterprise.connections", "enterprise.users", "enterprise.organizations",
                   "enterprise.api_tokens", "enterprise.user_identities")]
    statements += [f"set role {role}" for role in ("tideline_owner", "tideline_admin", "postgres")]
    for statement in statements:
        with connect(server, "tideline_server") as db, db.cursor() as cursor:
            with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                cursor.execute(statement)
            db.rollback()
