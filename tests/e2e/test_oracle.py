"""Whatever happens on the server and whenever a client comes by: what its replica says it holds is what it holds."""
import collections
import contextlib
import hashlib
import random
import shutil
import sqlite3
import struct
import uuid

import harness
import histories
import reference_client
from developer import Developer

STEPS = 10_000 if harness.SOAK else 200
CLIENTS = 20
COMES_BY = 0.12    # how likely a client syncs after a step
COMPARED = 50      # every so many steps all clients sync and are compared value by value
PRUNED = 25        # every so many steps history is forgotten below a random version
# How a value lies in a replica, by its type in a row (docs/formats.md).
TO_BYTES = {1: lambda v: v.encode(), 2: lambda v: struct.pack(">q", v), 3: bytes, 4: lambda v: bytes([v]),
            5: lambda v: v.encode(), 6: lambda v: struct.pack(">q", v)}


class Copy:
    """A replica, read by stock SQLite and by what docs/replica.md says of it."""

    def __init__(self, developer):
        self.developer = developer

    @contextlib.contextmanager
    def open(self):
        with contextlib.closing(sqlite3.connect(f"file:{self.developer.replica}?mode=ro", uri=True)) as database:
            database.execute("begin")
            yield database

    def fields(self, database):
        tables = collections.defaultdict(list)
        for kind, tag, table, column, kind_of_value in database.execute(
                "select kind, tag, table_name, column_name, type from sync_fields order by kind, tag"):
            tables[kind, table].append((tag, column, kind_of_value))
        return tables

    def rows(self, database):
        """{connection: {kind: {id: (version, row bytes)}}}, the bytes made anew from the columns."""
        found = collections.defaultdict(lambda: {kind: {} for kind in reference_client.KINDS})
        for (kind, table), fields in self.fields(database).items():
            of = "id" if kind == 1 else "connection_id"
            names = ", ".join(name for _, name, _ in fields)
            for connection, version, row_hash, unknown, *values in database.execute(
                    f"select {of}, row_version, row_hash, unknown_fields, {names} from {table}"):
                row = bytes([kind])
                for (tag, _, kind_of_value), value in zip(fields, values):
                    if value is not None:
                        content = TO_BYTES[kind_of_value](value)
                        row += struct.pack(">HBI", tag, kind_of_value, len(content)) + content
                assert not unknown
                assert hashlib.sha256(row).digest()[:16] == row_hash, (table, values)
                found[str(uuid.UUID(bytes=connection))][kind][row[8:24]] = (version, row)
        return found

    def state(self, database):
        """{connection: (version, valid_through, digest)}"""
        return {str(uuid.UUID(bytes=id)): (version, valid_through, digest) for id, version, valid_through, digest in
                database.execute("select id, version, valid_through, digest from sync_connections")}

    def digests(self, database):
        """{connection: digest}, summed from the hashes that stand beside the rows."""
        sums = collections.defaultdict(lambda: {kind: [0, 0] for kind in reference_client.KINDS})
        for (kind, table) in self.fields(database):
            of = "id" if kind == 1 else "connection_id"
            for connection, row_hash in database.execute(f"select {of}, row_hash from {table}"):
                entry = sums[str(uuid.UUID(bytes=connection))][kind]
                entry[0] += 1
                entry[1] += int.from_bytes(row_hash, "big")
        return {connection: b"".join(struct.pack(">Q", count) + (total % (1 << 128)).to_bytes(16, "big")
                                     for count, total in kinds.values()) for connection, kinds in sums.items()}


class Crowd:
    def __init__(self, home, servers, organization, admin, choice):
        self.home, self.servers, self.organization, self.admin, self.choice = home, servers, organization, admin, choice
        self.made = 0
        self.tokens = [servers[0].user(organization, f"dev{n}@oracle.example") for n in range(3)]
        self.developers = []

    def join(self):
        self.made += 1
        developer = Developer(self.home / f"dev{self.made}", self.choice.choice(self.servers), self.organization,
                              self.choice.choice(self.tokens))
        developer.login()
        developer.clone("work", None)
        developer.run("connections", "all", cwd=developer.home / "work")
        developer.slept = False
        self.developers.append(developer)
        return developer

    def leave(self, developer):
        self.developers.remove(developer)
        shutil.rmtree(developer.home)

    def choose(self, developer, names):
        """Other connections than before, chosen by hand."""
        if names and self.choice.random() < 0.7:
            picked = self.choice.sample(sorted(names), self.choice.randrange(1, len(names) + 1))
            developer.run("connections", "use", *picked, cwd=developer.home / "work")
        else:
            developer.run("connections", "all", cwd=developer.home / "work")


def sync(developer):
    """A sync; one that is told to come back does. The other server process may not have heard of the last write yet."""
    done = []

    def tried():
        done[:] = [developer.run("sync", "--json", cwd=developer.home / "work", check=False)]
        return done[0].returncode == 0

    try:
        harness.wait_until(tried)
    except AssertionError:
        raise AssertionError(f"{done[0].stdout}{done[0].stderr}") from None


def server_digest(database, organization, connection, version):
    """The connection's digest at an organization's version; None where that is forgotten or the connection was not."""
    with database.cursor() as cursor:
        cursor.execute("select digest from metadata.connection_versions where organization_id = %s and connection_id = %s"
                       " and version <= %s order by version desc limit 1", (organization, connection, version))
        row = cursor.fetchone()
        return bytes(row[0]) if row else None


def check(developer, database, organization):
    """What it says of itself is so: digests by its own rows, and the server's at that version."""
    copy = Copy(developer)
    with copy.open() as replica:
        state, sums = copy.state(replica), copy.digests(replica)
    assert set(sums) <= set(state)
    for connection, (version, valid_through, digest) in state.items():
        assert version <= valid_through
        assert sums[connection] == digest, (connection, valid_through)
        theirs = server_digest(database, organization, connection, valid_through)
        assert theirs is None or theirs == digest, (connection, valid_through)
    return state


def compare(developer, database, organization):
    """Value by value with PostgreSQL, which stands still."""
    state = check(developer, database, organization)
    copy = Copy(developer)
    with copy.open() as replica:
        rows = copy.rows(replica)
    with database.cursor() as cursor:
        cursor.execute("select version from metadata.heads where organization_id = %s", (organization,))
        head = cursor.fetchone()[0]
        cursor.execute("select id::text from enterprise.connections where organization_id = %s", (organization,))
        connections = {id for (id,) in cursor}
    assert set(rows) == set(state) <= connections
    for connection, kinds in rows.items():
        assert state[connection][1] == head
        theirs = histories.rows_of(database, connection)
        for kind in reference_client.KINDS:
            ours = {id: reference_client.fields(row)[1] for id, (_, row) in kinds[kind].items()}
            assert ours == theirs[kind], histories.TABLES[kind][0]
    return len(rows)


def test_every_replica_is_what_it_says_whatever_happens(server, second_server, database, home):
    choice = random.Random(harness.seed())
    organization = server.organization("Oracle")
    token = server.user(organization, "admin@oracle.example", "admin")
    history = histories.History(server.client(organization, token).unchecked(), choice, histories.real_versions())
    history.push("acme/shop")
    crowd = Crowd(home, [server, second_server], organization, token, choice)
    for _ in range(CLIENTS):
        crowd.join()
    python = reference_client.Replica(f"http://127.0.0.1:{second_server.port}", organization, token,
                                      lambda: choice.randrange(2000, 60_000))
    floor = compared = 0
    for step in range(1, STEPS + 1):
        history.happen()
        for developer in list(crowd.developers):
            what = choice.random()
            if what < 0.003:
                crowd.leave(developer)
                crowd.join()
            elif what < 0.013:
                crowd.choose(developer, history.connections)
            elif what < 0.013 + COMES_BY:
                sync(developer)
                check(developer, database, organization)
        if step % PRUNED == 0:
            with database.cursor() as cursor:
                cursor.execute("select version from metadata.heads where organization_id = %s", (organization,))
                floor = choice.randrange(floor, cursor.fetchone()[0] + 1)
            histories.forget_below(database, organization, floor)
        if step % COMPARED == 0 or step == STEPS:
            histories.settle(server, second_server, organization, token)
            for developer in crowd.developers:
                sync(developer)
                compared += compare(developer, database, organization)
            python.sync()
            for connection, rows in python.rows.items():
                with database.cursor() as cursor:
                    cursor.execute("select digest from enterprise.connections where organization_id = %s and id = %s",
                                   (organization, connection))
                    assert reference_client.digest_of(rows) == bytes(cursor.fetchone()[0])
    assert python.repaired == 0
    print(f"{STEPS} steps, {crowd.made} clients, {compared} connections compared value by value")
