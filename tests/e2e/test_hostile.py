"""Whatever is sent, what comes back is what the OpenAPI document promises: an answer of the endpoint, or a problem
document that names each bad parameter. Never a 500, never silence."""
import gzip
import itertools
import json
import random
import socket

import pytest

import harness
import projects

NAUGHTY = [
    "", " ", "0", "-1", "1.5", "1e3", "10001", "99999999999999999999", "NaN", "true", "null", "undefined", "[]", "{}",
    "'", '"', "';drop table metadata.objects;--", "%00", "%", "%zz", "%ff%fe", "%C0%80", "\u202e", "😀", "a" * 3000,
    "../../etc/passwd", "..%2f..", "2026-13-45T99:99:99Z", "2026-01-01T00:00:00+99:99", "1767225600", "-infinity",
    "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "00000000-0000-0000-0000-000000000000",
    "{11111111-1111-4111-8111-111111111111}", "11111111-1111-4111-8111-11111111111", ",", ",,,", "a,b", "*", "$1",
]


def encoded(text):
    """As a hostile client would: what is half percent-encoded already stays so."""
    return "".join(c if c.isalnum() or c in "%-._~,:+*" else "".join(f"%{b:02X}" for b in c.encode()) for c in text)


@pytest.fixture(scope="module")
def shop(admin):
    return admin.push("acme/shop", projects.manifest())["connection_id"]


@pytest.mark.parametrize("path,parameter", [
    *itertools.product(["/sync-package"], ["connection_ids", "last_sync_timestamp", "include_documentation", "limit", "offset", "as_of"]),
    *itertools.product(["/documentation"], ["connection_ids", "object_ids"]), ("/connections", "anything"),
])
def test_query(member, shop, path, parameter):
    for value in NAUGHTY:
        answer = member.call("GET", f"{member.base}{path}?{parameter}={encoded(value)}")
        assert answer.status in (200, 400, 414), (value, answer)
        if answer.status == 400 and answer.json.get("errors"):
            assert [e["parameter"] for e in answer.json["errors"]] == [parameter], (value, answer)


def test_all_bad_parameters_are_named(member):
    answer = member.call("GET", member.base + "/sync-package?limit=x&offset=-1&last_sync_timestamp=y&connection_ids=z&include_documentation=perhaps")
    assert answer.status == 400
    assert sorted(e["parameter"] for e in answer.json["errors"]) == [
        "connection_ids", "include_documentation", "last_sync_timestamp", "limit", "offset"]


@pytest.mark.parametrize("limit,status", [(0, 400), (1, 200), (10_000, 200), (10_001, 400), ("007", None), ("+5", None)])
def test_limit_bounds(member, limit, status):
    answer = member.api("GET", "/sync-package", limit=limit)
    assert answer.status == status if status else answer.status in (200, 400)


def test_paths(member):
    for part in NAUGHTY:
        for path in (f"/api/metadata-sync/organizations/{encoded(part)}/connections", f"{member.base}/{encoded(part)}",
                     f"{member.base}/connections/{encoded(part)}", f"{member.base}/connections/{encoded(part)}/artifacts",
                     f"{member.base}/ide-sessions/{encoded(part)}", f"/{encoded(part)}"):
            for method in ("GET", "PUT", "PATCH", "DELETE", "POST"):
                answer = member.call(method, path, b"{}" if method != "GET" else None, {"Content-Type": "application/json"})
                assert answer.status < 500, (method, path, answer)


def test_methods(member):
    for path in ("/sync-package", "/connections", "/documentation", "/ide-sessions", "/connections/match-workspace", "/artifacts"):
        for method in ("TRACE", "CONNECT", "PROPFIND", "BREW", "GET", "POST", "PUT", "DELETE", "PATCH"):
            if method == "CONNECT":
                continue
            answer = member.call(method, member.base + path, b"" if method in ("POST", "PUT", "PATCH") else None)
            if answer.status == 405:
                assert method not in answer.headers["allow"].split(", ")
            assert answer.status in (200, 400, 403, 404, 405, 411, 415, 501), (method, path, answer)
    options = member.send("OPTIONS", member.base + "/connections")
    assert options.status in (200, 204) and "GET" in options.headers["allow"]


BODIES = [
    b"", b"null", b"true", b"17", b'"x"', b"[]", b"{}", b"{", b"}", b"{]", b'{"a":}', b'{"workspace_identifier":null}',
    b'{"workspace_identifier":17}', b'{"workspace_identifier":""}', b'{"workspace_identifier":"\\u0000"}',
    b'{"workspace_identifier":"\xff"}', b'{"workspace_identifier":"\\ud800"}', b'{"workspace_identifier":"a","workspace_identifier":"b"}',
    b'{"workspace_identifier":"' + b"x" * 100_000 + b'"}', b"[" * 50_000, b'{"a":' * 20_000, b"\xef\xbb\xbf{}", b"\0" * 100,
    b'{"full_name":"x","type":"; drop"}', b'{"full_name":"x","id":"nope"}', b'{"full_name":"x","subdir":"../.."}',
    b'{"full_name":"x","url":"javascript:alert(1)"}', b'{"full_name":"' + "😀".encode() * 200 + b'"}',
    b'{"documentation":null}', b'{"documentation":{}}', b'{"documentation":[null]}', b'{"documentation":[{}]}',
    b'{"documentation":[{"object_id":"x"}]}', b'{"documentation":[{"object_id":"99999999-9999-4999-8999-999999999999","executive_summary":1e999}]}',
    b'{"documentation":[{"object_id":"99999999-9999-4999-8999-999999999999","executive_summary":"fine"}]}',
    b'{"workspace_identifier":"a","sync_mode":"never"}', b'{"workspace_identifier":"a","connection_ids":"all"}',
    b'{"workspace_identifier":"a","connection_ids":[1]}', b'{"total_objects_synced":-1}', b'{"total_objects_synced":1e300}',
    b'{"total_objects_synced":9223372036854775808}', b'{"sync_status":"asleep"}', b'{"error_message":{}}',
]


def writing_places(shop):
    return [("POST", "/connections/match-workspace"), ("PUT", "/connections"), ("PUT", f"/connections/{shop}"),
            ("PUT", "/documentation"), ("POST", "/ide-sessions"),
            ("PATCH", "/ide-sessions/99999999-9999-4999-8999-999999999999")]


def test_bodies(admin, shop):
    for (method, path), body in itertools.product(writing_places(shop), BODIES):
        answer = admin.api(method, path, body, {"Content-Type": "application/json"})
        assert answer.status < 500, (method, path, body[:80], answer)
    assert admin.package(connection_ids=shop)["sync_metadata"]["object_count"] == 9


def test_media_types(admin, shop):
    for method, path in writing_places(shop):
        for media in ("text/plain", "application/x-www-form-urlencoded", "application/xml", "x", "", "multipart/form-data"):
            answer = admin.api(method, path, b"{}", {"Content-Type": media})
            assert answer.status in (400, 415), (method, path, media, answer)
        answer = admin.api(method, path, b'{"workspace_identifier":"a","full_name":"acme/media"}',
                           {"Content-Type": "application/json; charset=utf-8"})
        assert answer.status < 415, answer
    answer = admin.api("GET", "/connections", headers={"Accept": "text/csv"})
    assert answer.status in (200, 406)


MULTIPARTS = [
    ("multipart/form-data", b""), ("multipart/form-data; boundary=", b""), ("multipart/form-data; boundary=x", b""),
    ("multipart/form-data; boundary=x", b"--x--\r\n"), ("multipart/form-data; boundary=x", b"--x\r\n\r\n--x--\r\n"),
    ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="manifest"\r\n\r\n{'),
    ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="other"\r\n\r\n{}\r\n--x--\r\n'),
    ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="manifest"\r\n\r\n{}\r\n' * 2 + b"--x--\r\n"),
    ("multipart/form-data; boundary=x", b"--x\r\n" + b"A: b\r\n" * 10_000 + b"\r\n--x--\r\n"),
    ("multipart/form-data; boundary=" + "x" * 500, b"--x--"),
    ("application/json", b'{"manifest":null}'), ("application/json", b'{"manifest":17}'), ("application/json", b'{"catalog":{}}'),
    ("application/json", b'{"manifest":{},"manifest":{}}'), ("application/json", b"[1,2]"), ("application/json", b'{"manifest":{'),
]


@pytest.mark.parametrize("media,body", MULTIPARTS, ids=range(len(MULTIPARTS)))
def test_push_bodies(admin, shop, media, body):
    for path in (f"/connections/{shop}/artifacts", "/artifacts?full_name=acme/hostile"):
        target = admin.base + path
        answer = admin.call("PUT", target, body, {"Content-Type": media})
        assert answer.status in (400, 413, 415, 422), answer


def test_mutated_manifests(admin, shop):
    """A real push with a few bytes changed at random: taken or refused, and what is served stays whole."""
    random.seed(harness.seed())
    good = bytearray(json.dumps(projects.manifest()).encode())
    connection = admin.push("acme/mutants", bytes(good))["connection_id"]
    for _ in range(150 if not harness.SOAK else 3000):
        bad = bytearray(good)
        for _ in range(random.choice([1, 1, 1, 5, 50])):
            where = random.randrange(len(bad))
            match random.randrange(3):
                case 0: bad[where] = random.randrange(256)
                case 1: del bad[where:where + random.randrange(1, 40)]
                case 2: bad[where:where] = random.choice([b'"', b"{", b"]", b"\\u0000", b"null", b",", b"\xff", b"9" * 400])
        body, media = harness.multipart([("manifest", bytes(bad))])
        answer = admin.api("PUT", f"/connections/{connection}/artifacts", body, {"Content-Type": media}, force="true")
        assert answer.status in (200, 400, 413, 415, 422), (bytes(bad), answer)
    page = admin.package(connection_ids=connection)
    objects = {row["id"] for row in page["metadata"]["objects"]}
    assert {row["object_id"] for row in page["metadata"]["columns"]} <= objects


def raw(server, request, timeout=30):
    with socket.create_connection(("127.0.0.1", server.port), timeout=timeout) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
    return answer


@pytest.mark.parametrize("request_,statuses", [
    (b"GET / HTTP/1.1\r\n\r\n", (400,)),                                             # no Host
    (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", (400,)),
    (b"GET /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx", (400,)),
    (b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", (400,)),
    (b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: wonder\r\n\r\n", (400, 501)),
    (b"GET /healthz HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n", (400,)),               # folded
    (b"GET /healthz HTTP/1.1\r\nHost : a\r\n\r\n", (400,)),
    (b"GET /healthz HTTP/3.9\r\nHost: a\r\n\r\n", (400, 505)),
    (b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", (400, 414, 431)),
    (b"GET /healthz HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 40_000 + b"\r\n\r\n", (400, 431)),
    (b"GET /healthz HTTP/1.1\r\nHost: a\r\n" + b"".join(b"X%d: a\r\n" % i for i in range(500)) + b"\r\n", (400, 431)),
    (b"GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n", (400,)),
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 100, (400,)),           # TLS
    (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", (400, 501, 505)),
    (b"nonsense\r\n\r\n", (400,)),
    (b"GET http://other.example/healthz HTTP/1.1\r\nHost: a\r\n\r\n", (200, 400, 404)),
])
def test_malformed_http(server, request_, statuses):
    answer = raw(server, request_)
    assert answer.startswith(b"HTTP/1.1 "), answer[:200]
    assert int(answer.split()[1]) in statuses, answer[:200]


def test_decompression_bombs_are_refused(admin):
    bomb = gzip.compress(b'{"workspace_identifier":"' + b" " * 200_000_000 + b'"}', 9)
    answer = admin.api("POST", "/connections/match-workspace", bomb, {"Content-Type": "application/json", "Content-Encoding": "gzip"})
    assert answer.status in (400, 413, 415), answer


def test_nothing_was_a_server_error(server):
    """Last: the whole file's answers, by the server's own count."""
    metrics = harness.Client(server, "-", None).call("GET", "/metrics").body.decode()
    bad = [line for line in metrics.splitlines() if 'status="5' in line or 'code="5' in line]
    assert not [line for line in bad if not line.endswith(" 0") and '501' not in line and '503' not in line and '505' not in line], bad
