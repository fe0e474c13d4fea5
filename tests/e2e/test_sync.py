"""The sync protocol from outside: the reference client, which knows nothing but docs/protocol.md, against the rows of
the database; and what the endpoints promise one by one."""
import base64
import contextlib
import gzip
import hashlib
import http.client
import json
import random
import threading
import time

import pytest

import harness
import projects
import reference_client
from histories import TABLES, History, forget_below, rows_of, superuser
from reference_client import KINDS, Replica

# What is promised is a second; sanitizers and a busy machine get more.
SLACK = 10 if harness.SANITIZED else 3
STEPS = 400 if harness.SOAK else 40
def url(server):
    return f"http://127.0.0.1:{server.port}"


def assert_equal(database, replica):
    with database.cursor() as cursor:
        cursor.execute("select id, digest from enterprise.connections where organization_id = %s", (replica.base[-36:],))
        digests = {id: bytes(digest) for id, digest in cursor}
    assert set(replica.rows) == set(digests)
    for connection, rows in replica.rows.items():
        assert reference_client.digest_of(rows) == digests[connection]
        theirs = rows_of(database, connection)
        for kind in KINDS:
            ours = {id: reference_client.fields(row) for id, (_, row) in rows[kind].items()}
            assert all(number == kind for number, _ in ours.values())
            assert {id: values for id, (_, values) in ours.items()} == theirs[kind], TABLES[kind][0]


def test_replicas_equal_the_database_whatever_happens(server, second_server, database):
    choice = random.Random(harness.seed())
    organization = server.organization("History")
    token = server.user(organization, "history@acme.example", "admin")
    history = History(server.client(organization, token).unchecked(), choice)
    history.push("acme/shop")

    def joined():
        place = choice.choice([server, second_server])
        sizes = choice.choice([None, lambda: choice.randrange(1, 3000), lambda: choice.randrange(2000, 60_000)])
        return Replica(url(place), organization, token, sizes)

    replicas = [joined() for _ in range(4)]
    floor = 0
    for step in range(STEPS):
        history.happen()
        for replica in replicas:
            if choice.random() < 0.3:  # a part of the way only: the rest another time, of a later state
                for connection in list(history.connections.values()):
                    with contextlib.suppress(reference_client.Gone, reference_client.Busy):
                        replica.step(connection)
            elif choice.random() < 0.5:
                sync(replica)
        if choice.random() < 0.15:
            replicas[choice.randrange(len(replicas))] = joined()
        if step % 10 == 9:
            with database.cursor() as cursor:
                cursor.execute("select version from metadata.heads where organization_id = %s", (organization,))
                floor = choice.randrange(floor, cursor.fetchone()[0] + 1)
            forget_below(database, organization, floor)
            for replica in replicas:
                sync(replica)
                assert_equal(database, replica)
    assert sum(replica.repaired for replica in replicas) == 0, "digests that did not match"
    print("resets:", [replica.resets for replica in replicas])


def sync(replica):
    """Also over the moment in which the other server has not yet heard of the last write."""
    def done():
        with contextlib.suppress(reference_client.Busy):
            heads = json.loads(replica.get("/heads"))
            return replica.sync() >= heads["version"] and not set(head["id"] for head in heads["connections"]) - set(replica.valid)
    harness.wait_until(done)
    harness.wait_until(lambda: replica.sync() >= json.loads(replica.get("/heads"))["version"])
    time.sleep(0.3)  # the longest a server process may not have heard of a write
    replica.sync()


def test_what_was_damaged_is_found_and_repaired_by_its_buckets(server, admin, database):
    admin.push("acme/damaged", projects.manifest(models=40))
    replica = Replica(url(server), admin.organization, admin.token)
    replica.sync()
    for rows in replica.rows.values():
        if not rows[4]:
            continue
        gone, changed, invented = sorted(rows[4])[:1][0], sorted(rows[3])[0], bytes(range(16))
        del rows[4][gone]
        version, row = rows[3][changed]
        rows[3][changed] = (version, row[:-1] + b"X")
        rows[4][invented] = (1, b"\x04" + b"\x00\x01\x03\x00\x00\x00\x10" + invented)
    assert replica.repaired == 0
    replica.sync()
    assert replica.repaired >= 1
    assert_equal(database, replica)
    replica.sync()
    assert replica.repaired == 1


def test_heads_are_304_until_something_changes(server, admin):
    admin.push("acme/heads", projects.manifest())
    first = admin.api("GET", "/heads")
    assert first.status == 200 and first.headers["etag"] == f'"{first.json["epoch"]}.{first.json["version"]}.1"'
    again = admin.api("GET", "/heads", headers={"If-None-Match": first.headers["etag"]})
    assert again.status == 304 and again.headers["etag"] == first.headers["etag"]
    assert admin.api("GET", "/heads", since=first.headers["etag"]).status == 204
    assert admin.api("GET", "/heads", since=first.headers["etag"].strip('"')).status == 204
    admin.push("acme/heads", projects.manifest(minute=1, note=" new"))
    later = admin.api("GET", "/heads", since=first.headers["etag"])
    assert later.status == 200 and later.json["version"] == first.json["version"] + 1


@pytest.mark.parametrize("coding", ["identity", "gzip"])
def test_json_that_clients_act_on_carries_its_digest(admin, coding):
    connection = admin.push("acme/digest", projects.manifest())["connection_id"]
    head = admin.api("GET", "/heads").headers["etag"]
    client = admin if coding == "identity" else admin.unchecked()
    answers = [client.api(*question, headers={"Accept-Encoding": coding}) for question in (
        ("GET", "/heads"), ("GET", "/heads?wait=1&since=another"), ("GET", f"/connections/{connection}/digest?kind=4"),
        ("GET", "/connections"), ("POST", "/connections/match-workspace", {"workspace_identifier": "acme/digest"}),
        ("POST", "/ide-sessions", {"workspace_identifier": "acme/digest"}), ("GET", "/ide-sessions"))]
    codings = set()
    for answer in answers:
        codings.add(answer.headers.get("content-encoding", "identity"))
        body = gzip.decompress(answer.body) if answer.headers.get("content-encoding") == "gzip" else answer.body
        digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
        assert answer.status == 200 and answer.headers["unencoded-digest"] == f"sha-256=:{digest}:", answer
    assert coding in codings
    assert "unencoded-digest" not in admin.api("GET", "/heads", headers={"If-None-Match": head}).headers


def test_a_long_poll_is_answered_by_the_write_it_waits_for(server, second_server, admin):
    admin.push("acme/poll", projects.manifest())
    waiter = second_server.client(admin.organization, admin.token)
    tag = {}

    def settled():
        tag["now"] = waiter.api("GET", "/heads").headers["etag"]
        return tag["now"] == admin.api("GET", "/heads").headers["etag"]

    harness.wait_until(settled)
    began = time.monotonic()
    assert waiter.api("GET", "/heads", wait=1, since=tag["now"]).status == 204
    assert time.monotonic() - began >= 0.9
    answers = []
    thread = threading.Thread(target=lambda: answers.append(waiter.api("GET", "/heads", wait=25, since=tag["now"])))
    thread.start()
    time.sleep(0.2)
    began = time.monotonic()
    version = admin.push("acme/poll", projects.manifest(minute=1, note=" polled"))["version"]
    thread.join(harness.PATIENCE)
    assert answers[0].status == 200 and answers[0].json["version"] == version
    assert time.monotonic() - began < 10


class Stream:
    """GET /events, read line by line."""

    def __init__(self, server, organization, token):
        self.connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=harness.PATIENCE)
        self.connection.request("GET", f"/api/metadata-sync/organizations/{organization}/events",
                                headers={"Authorization": f"Bearer {token}", "Accept": "text/event-stream"})
        self.answer = self.connection.getresponse()

    def line(self):
        return self.answer.readline().decode().rstrip("\n")

    def hint(self):
        """The next event's data, or None at the end of the stream."""
        while True:
            line = self.answer.readline()
            if not line:
                return None
            if line.startswith(b"data: "):
                return json.loads(line[6:])

    def close(self):
        self.connection.close()


def test_events_state_the_head_and_hint_at_each_new_one(server, second_server, admin):
    version = admin.push("acme/events", projects.manifest())["version"]
    streams = [Stream(place, admin.organization, admin.token) for place in (server, second_server)]
    for stream in streams:
        assert stream.answer.status == 200 and stream.answer.headers["content-type"] == "text/event-stream"
        assert 1000 <= int(stream.line().removeprefix("retry: ")) <= 5000
        hint = stream.hint()
        assert set(hint) == {"epoch", "version", "spread_ms"} and hint["version"] <= version
        while hint["version"] < version:
            hint = stream.hint()
    for minute in (1, 2, 3):
        version = admin.push("acme/events", projects.manifest(minute=minute, note=f" {minute}"))["version"]
        began = time.monotonic()
        for stream in streams:
            while stream.hint()["version"] < version:
                pass
        print(f"hint after {time.monotonic() - began:.3f} s")
        assert time.monotonic() - began < 10
    for stream in streams:
        stream.close()


def test_a_stream_ends_with_the_membership_and_with_the_token(server, second_server, admin, database):
    organization = admin.organization
    leaver = server.user(organization, "leaver@acme.example")
    stays = server.user(organization, "stays@acme.example")
    streams = [Stream(place, organization, leaver) for place in (server, second_server)]
    kept = Stream(server, organization, stays)
    for stream in [*streams, kept]:
        assert stream.hint()
    made = server.admin("api-token", "create", "--org", organization, "--name", "watcher", "--scope", "read")
    by_token = Stream(server, organization, made["token"])
    assert by_token.hint()

    server.admin("user", "remove", "--org", organization, "--email", "leaver@acme.example")
    began = time.monotonic()
    for stream in streams:
        assert stream.hint() is None
    taken = time.monotonic() - began
    print(f"ended {taken:.3f} s after the removal")
    assert taken < SLACK

    # At the token's expiry, told to nobody by then.
    with database.cursor() as cursor:
        cursor.execute("update enterprise.api_tokens set expires_at = clock_timestamp() + interval '2 seconds' where id = %s", (made["id"],))
    began = time.monotonic()
    assert by_token.hint() is None
    assert 1.5 < time.monotonic() - began < 2 + SLACK
    version = admin.push("acme/still", projects.manifest())["version"]
    while kept.hint()["version"] < version:
        pass
    kept.close()


def test_cursors_are_of_no_use_to_others_and_cannot_be_made(server, admin):
    connection = admin.push("acme/mine", projects.manifest())["connection_id"]
    other_connection = admin.push("acme/other", projects.manifest())["connection_id"]
    replica = Replica(url(server), admin.organization, admin.token)
    while not replica.step(connection):
        pass
    cursor = replica.cursors[connection]
    elsewhere = server.organization("Elsewhere")
    stranger = server.client(elsewhere, server.user(elsewhere, "stranger@elsewhere.example", "admin"))
    its = stranger.register("else/where")
    changes = f"/connections/{connection}/changes"
    assert stranger.as_user(stranger.token).api("GET", f"/connections/{its}/changes", cursor=cursor).status == 400
    assert stranger.api("GET", changes).status == 404
    assert stranger.api("GET", f"/connections/{connection}/digest", kind=3).status == 404
    assert stranger.api("GET", f"/connections/{connection}/rows", kind=3, bucket=1).status == 404
    assert connection not in str(stranger.get("/heads"))
    assert server.client(admin.organization, stranger.token).api("GET", changes, cursor=cursor).status == 403
    assert admin.api("GET", f"/connections/{other_connection}/changes", cursor=cursor).status == 400
    assert admin.api("GET", changes, cursor="nonsense!").status == 400
    raw = bytearray(base64.urlsafe_b64decode(cursor + "=="))
    for at in (0, 5, 40, 70, len(raw) - 1):
        raw[at] ^= 1
        bad = admin.api("GET", changes, cursor=base64.urlsafe_b64encode(raw).decode().rstrip("="))
        assert bad.status == 410 and bad.json["code"] == "epoch", bad
        raw[at] ^= 1
    assert admin.api("GET", changes, cursor=cursor).status == 200


def test_each_refusal_of_a_cursor_by_its_name(server, admin, database):
    organization = server.organization("Refusals")
    client = server.client(organization, server.user(organization, "refusals@acme.example", "admin"))
    connection = client.push("acme/shop", projects.manifest())["connection_id"]

    def synced():
        replica = Replica(url(server), organization, client.token)
        replica.sync()
        return replica

    def refused(replica):
        answer = client.api("GET", f"/connections/{connection}/changes", cursor=replica.cursors[connection])
        if answer.status == 200:
            return None
        assert answer.status == 410 and answer.json["hint"], answer
        return answer.json["code"]

    def execute(statement, *values):
        with database.cursor() as cursor:
            cursor.execute(statement, values)

    # Removals that nobody remembers any more.
    sleeper = synced()
    version = client.push("acme/shop", projects.manifest(models=1, minute=1))["version"]
    forget_below(database, organization, version)
    assert refused(sleeper) == "below_floor"
    sleeper.sync()
    assert sleeper.resets == ["below_floor"]

    # The connection removed, and made anew under its id.
    last = synced()
    assert client.api("DELETE", f"/connections/{connection}").status == 200
    assert refused(last) == "connection_removed"
    client.register("acme/shop", id=connection, type="git")
    assert refused(last) == "connection_removed"
    client.push("acme/shop", projects.manifest(minute=2))

    # Another history at the version the client was at.
    forked = synced()
    execute("update metadata.connection_versions set digest = overlay(digest placing '\\x55' from 9) where connection_id = %s", connection)
    client.push("acme/shop", projects.manifest(minute=3, note=" after the fork"))
    # On a busy machine the server may answer of the version before for a moment: nothing new there.
    harness.wait_until(lambda: refused(forked) == "fork")

    # The database lost versions: a client has seen one that is not there.
    ahead = synced()
    execute("update metadata.heads set version = version - 1, stamp = stamp - interval '1 second' where organization_id = %s", organization)
    harness.wait_until(lambda: refused(ahead) == "ahead")
    execute("update metadata.heads set version = version + 1, stamp = stamp + interval '1 second' where organization_id = %s", organization)
    harness.wait_until(lambda: client.api("GET", f"/connections/{connection}/changes", cursor=ahead.cursors[connection]).status == 200)


def test_pages_are_shared_and_the_same_in_every_coding(server, admin):
    connection = admin.push("acme/shared", projects.manifest(models=30))["connection_id"]
    path = f"{admin.base}/connections/{connection}/changes"

    def hits():
        text = harness.Client(server, "-", None).send("GET", "/metrics").body.decode()
        return int(next(line.split()[1] for line in text.splitlines() if line.startswith("tideline_page_cache_hits_total ")))

    plain = admin.call("GET", path)
    gzipped = admin.call("GET", path, headers={"Accept-Encoding": "gzip"})
    assert reference_client.gzip.decompress(gzipped.body) == plain.body
    assert gzipped.headers["content-encoding"] == "gzip" and gzipped.headers["etag"] != plain.headers["etag"]
    assert admin.call("GET", path, headers={"Accept-Encoding": "zstd"}).headers["content-encoding"] == "zstd"
    before = hits()
    other = server.client(admin.organization, server.user(admin.organization, "reader@acme.example"))
    assert other.call("GET", path).body == plain.body and other.call("GET", path).headers["etag"] == plain.headers["etag"]
    assert hits() >= before + 2
    assert admin.call("GET", path, headers={"If-None-Match": plain.headers["etag"]}).status == 304
    assert admin.call("GET", path, headers={"Accept": "application/json"}).status == 406
