"""The five endpoints, and the writing ones beside them, as their clients use them."""
import datetime
import gzip
import threading

import pytest

import harness
import projects

CONNECTION_KEYS = {"id", "type", "name", "full_name", "status", "object_count", "last_extracted_at"}


@pytest.fixture(scope="module")
def shop(admin):
    """A connection with a project in it."""
    document = projects.manifest(models=6)
    return admin.push("acme/shop", document, projects.catalog(document), type="github")["connection_id"]


def test_connections(admin, member, shop):
    listed = member.get("/connections")["connections"]
    one = next(c for c in listed if c["id"] == shop)
    assert CONNECTION_KEYS | {"url"} <= set(one)
    assert (one["type"], one["full_name"], one["name"], one["status"]) == ("github", "acme/shop", "shop", "completed")
    assert one["object_count"] == 8  # source, six models, exposure: not the tests, not the macro
    assert one["last_extracted_at"]


def test_sync_package_shape(member, shop):
    page = member.package()
    assert set(page) == {"metadata", "documentation", "sync_metadata"}
    assert set(page["metadata"]) == set(harness.TABLES)
    about = page["sync_metadata"]
    assert about["organization_id"] == member.organization
    assert about["connection_ids"] is None and about["incremental"] is False
    assert about["object_count"] == len(page["metadata"]["objects"])
    assert about["file_count"] == len(page["metadata"]["files"])
    assert page["documentation"] == []
    assert datetime.datetime.fromisoformat(about["timestamp"].replace("Z", "+00:00"))
    assert len(about["timestamp"]) == len("2026-01-31T12:00:00.000000Z")


def test_connection_filter(admin, member, shop):
    other = admin.push("acme/other", projects.manifest(models=2))["connection_id"]
    unknown = "99999999-9999-4999-8999-999999999999"
    only = member.package(connection_ids=[shop, unknown])
    assert only["sync_metadata"]["connection_ids"] == [shop]
    assert {row["connection_id"] for row in only["metadata"]["objects"]} == {shop}
    both = member.package(connection_ids=f"{shop},{other}")
    assert sorted(both["sync_metadata"]["connection_ids"]) == sorted([shop, other])
    none = member.package(connection_ids=unknown)
    assert none["sync_metadata"]["connection_ids"] == [] and none["sync_metadata"]["object_count"] == 0


@pytest.mark.parametrize("limit", [1, 2, 7, 1000])
def test_pages_are_the_whole(member, shop, limit):
    whole = member.full(connection_ids=shop)
    paged = harness.Copy()
    seen = []
    for page in member.pages(limit, connection_ids=shop):
        assert len(page["metadata"]["objects"]) <= limit and len(page["metadata"]["files"]) <= limit
        objects = {row["id"] for row in page["metadata"]["objects"]}
        seen += [row["id"] for row in page["metadata"]["objects"]]
        assert {row["object_id"] for row in page["metadata"]["columns"]} <= objects
        assert {row["target_object_id"] for row in page["metadata"]["dependencies"]} <= objects
        paged.take([page])
    harness.same(whole, paged)
    assert len(seen) == len(set(seen))


def test_incremental(admin, member, shop):
    copy = member.full()
    empty = member.package(last_sync_timestamp=copy.timestamp)
    assert empty["sync_metadata"]["incremental"] is True and empty["sync_metadata"]["object_count"] == 0
    assert all(rows == [] for rows in empty["metadata"].values())
    assert all(ids == [] for ids in empty["deleted"].values())
    assert set(empty["deleted"]) == {*harness.TABLES, "documentation", "connections"}
    assert empty["sync_metadata"]["timestamp"] == copy.timestamp

    document = projects.manifest(models=5, minute=1)
    answer = admin.push("acme/shop", document, projects.catalog(document, 1), type="github")
    page = member.package(last_sync_timestamp=copy.timestamp)
    assert page["sync_metadata"]["incremental"] is True
    assert len(page["deleted"]["objects"]) == answer["changed"]["objects"]["removed"] == 2
    # The exposure's upstream is another one: the object counts as changed though its own row is the same.
    assert "board" in {row["name"] for row in page["metadata"]["objects"]}
    copy.update(member)
    harness.same(copy, member.full())
    assert "deleted" not in member.package(offset=0)


@pytest.mark.parametrize("when,incremental", [
    ("1999-01-01T00:00:00Z", None), ("2099-01-01T00:00:00Z", False), ("2099-01-01", False),
])
def test_timestamps_beyond_history(member, shop, when, incremental):
    page = member.package(last_sync_timestamp=when)
    if incremental is False:
        assert page["sync_metadata"]["incremental"] is False
    assert page["sync_metadata"]["object_count"] == len(member.package()["metadata"]["objects"])


def test_timestamp_in_other_spellings(member, shop):
    copy = member.full()
    moment = datetime.datetime.fromisoformat(copy.timestamp.replace("Z", "+00:00"))
    shifted = moment.astimezone(datetime.timezone(datetime.timedelta(hours=5, minutes=30))).isoformat()
    for text in (copy.timestamp, copy.timestamp.replace("Z", "+00:00"), shifted):
        page = member.package(last_sync_timestamp=text)
        assert page["sync_metadata"]["incremental"] is True and page["sync_metadata"]["object_count"] == 0, text


def test_as_of_repeats_the_first_pages_timestamp(admin, member, shop):
    first = member.package(limit=2)
    admin.push("acme/as-of", projects.manifest())
    second = member.package(limit=2, offset=2, as_of=first["sync_metadata"]["timestamp"])
    assert second["sync_metadata"]["timestamp"] == first["sync_metadata"]["timestamp"]
    assert member.package(limit=2, offset=2)["sync_metadata"]["timestamp"] > first["sync_metadata"]["timestamp"]


@pytest.mark.parametrize("asked,listed", [
    ("acme/shop", "matched_connections"), ("ACME/Shop", "matched_connections"), ("shop", "matched_connections"),
    ("git@github.com:acme/shop.git", "matched_connections"), ("https://github.com/acme/shop", "matched_connections"),
    ("https://github.com/acme/shop.git", "matched_connections"), ("ssh://git@github.com/Acme/shop.git", "matched_connections"),
    ("sho", "suggested_connections"), ("acme/shop-analytics", "suggested_connections"),
    ("nothing-of-the-kind", "other_connections"),
])
def test_match_workspace(member, shop, asked, listed):
    answer = member.api("POST", "/connections/match-workspace", {"workspace_identifier": asked})
    assert answer.status == 200
    groups = answer.json
    assert set(groups) == {"matched_connections", "suggested_connections", "other_connections"}
    assert shop in {c["id"] for c in groups[listed]}, groups
    everywhere = [c["id"] for group in groups.values() for c in group]
    assert len(everywhere) == len(set(everywhere)) == len(member.get("/connections")["connections"])
    assert all(CONNECTION_KEYS <= set(c) for group in groups.values() for c in group)
    assert all(c["reason"] for c in groups["suggested_connections"])


def test_renamed_connection_keeps_id_and_old_name(admin, member):
    connection = admin.push("acme/before", projects.manifest())["connection_id"]
    copy = member.full()
    answer = admin.api("PUT", f"/connections/{connection}", {"full_name": "acme/after"})
    assert answer.status == 200, answer
    listed = {c["id"]: c["full_name"] for c in member.get("/connections")["connections"]}
    assert listed[connection] == "acme/after"
    for name in ("acme/before", "acme/after"):
        groups = member.api("POST", "/connections/match-workspace", {"workspace_identifier": name}).json
        assert [c["id"] for c in groups["matched_connections"]] == [connection]
    again = admin.push("acme/before", projects.manifest())
    assert again["connection_id"] == connection
    copy.update(member)
    harness.same(copy, member.full())


def test_removed_connection_is_one_deletion(admin, member):
    connection = admin.push("acme/gone", projects.manifest(models=9))["connection_id"]
    copy = member.full()
    assert admin.api("DELETE", f"/connections/{connection}").status in (200, 204)
    page = member.package(last_sync_timestamp=copy.timestamp)
    assert page["deleted"]["connections"] == [connection]
    assert page["deleted"]["objects"] == []
    copy.update(member)
    harness.same(copy, member.full())
    assert admin.api("DELETE", f"/connections/{connection}").status == 404
    assert connection not in {c["id"] for c in member.get("/connections")["connections"]}


def test_names_taken_are_conflicts(admin):
    one = admin.register("acme/one")
    two = admin.register("acme/two")
    assert admin.api("PUT", f"/connections/{two}", {"full_name": "Acme/ONE"}).status == 409
    assert admin.register("acme/one") == one
    assert admin.api("PUT", "/connections", {"full_name": "acme/three", "id": one}).status == 409


def test_documentation(admin, member, shop):
    objects = {row["name"]: row["id"] for row in member.package(connection_ids=shop)["metadata"]["objects"]}
    item = {
        "object_id": objects["step_1"], "executive_summary": "What step 1 is for.", "business_narrative": "A story.",
        "transformation_cards": [{"title": "Join", "n": 1}], "code_explanations": {"a": "b"}, "business_rules": ["r"],
        "impact_analysis": {"high": []}, "generated_at": "2026-02-01T00:00:00Z", "model": "writer-1", "doc_version": "2",
    }
    copy = member.full(include_documentation="true")
    answer = admin.api("PUT", "/documentation", {"documentation": [
        item, {"connection_id": shop, "unique_id": "model.shop.step_2", "executive_summary": "Step 2."}]})
    assert answer.status == 200, answer
    documents = {d["object_id"]: d for d in member.get("/documentation", connection_ids=shop)["documentation"]}
    got = documents[objects["step_1"]]
    assert {k: got[k] for k in item if k != "generated_at"} == {k: v for k, v in item.items() if k != "generated_at"}
    assert got["generated_at"] == "2026-02-01T00:00:00.000000Z"
    assert got["objects"]["name"] == "step_1" and got["objects"]["files"]["relative_path"] == "models/step_1.sql"
    assert documents[objects["step_2"]]["executive_summary"] == "Step 2."
    only = member.get("/documentation", object_ids=objects["step_2"])["documentation"]
    assert [d["object_id"] for d in only] == [objects["step_2"]]
    assert member.package()["documentation"] == []
    shown = {d["object_id"] for d in member.package(include_documentation="true")["documentation"]}
    assert {objects["step_1"], objects["step_2"]} <= shown

    copy.update(member, include_documentation="true")
    assert {d["object_id"] for d in copy.documentation.values()} >= {objects["step_1"], objects["step_2"]}
    # Said again, written later: nothing new.
    item["generated_at"] = "2026-03-01T00:00:00Z"
    admin.api("PUT", "/documentation", {"documentation": [item]})
    assert member.package(last_sync_timestamp=copy.timestamp)["sync_metadata"]["timestamp"] == copy.timestamp
    assert member.api("PUT", "/documentation", {"documentation": [item]}).status == 403


def test_documentation_leaves_and_returns_with_its_object(admin, member):
    connection = admin.push("acme/docs", projects.manifest(models=3))["connection_id"]
    admin.api("PUT", "/documentation", {"documentation": [
        {"connection_id": connection, "unique_id": "model.shop.step_2", "executive_summary": "Kept."}]})
    copy = member.full(connection_ids=connection, include_documentation="true")
    assert len(copy.documentation) == 1
    admin.push("acme/docs", projects.manifest(models=2, minute=1))
    assert member.get("/documentation", connection_ids=connection)["documentation"] == []
    copy.update(member, connection_ids=connection, include_documentation="true")
    assert not copy.documentation
    admin.push("acme/docs", projects.manifest(models=3, minute=2))
    copy.update(member, connection_ids=connection, include_documentation="true")
    assert [d["executive_summary"] for d in copy.documentation.values()] == ["Kept."]


def session(**more):
    return {"workspace_identifier": "acme/shop", "workspace_hash": "f" * 64, "ide_version": "1.99", **more}


def test_sessions(server, admin, member, shop):
    answer = member.api("POST", "/ide-sessions", session(connection_ids=[shop]))
    assert answer.status in (200, 201), answer
    assert answer.json["message"] == "Session registered successfully"
    mine = answer.json["session_id"]
    assert answer.json["token_expires_at"].startswith("20"), "that of the token"
    assert member.api("POST", "/ide-sessions", session(ide_version="2.0")).json["session_id"] == mine
    assert admin.api("POST", "/ide-sessions", session()).json["session_id"] != mine
    assert member.api("POST", "/ide-sessions", session(workspace_hash=None)).json["session_id"] != mine

    answer = member.api("PATCH", f"/ide-sessions/{mine}",
                        {"total_objects_synced": 8, "sync_status": "error", "error_message": "no disk"})
    assert answer.status == 200, answer
    shown = {s["id"]: s for s in member.get("/ide-sessions")["sessions"]}
    assert (shown[mine]["total_objects_synced"], shown[mine]["sync_status"], shown[mine]["error_message"]) == (8, "error", "no disk")
    assert len(shown) == 2
    assert shown[mine]["user_email"] == "member@acme.example" and shown[mine]["synced_version"] is None
    versions = {"synced_version": 9, "connection_versions": {shop: 7}}
    answer = member.api("PATCH", f"/ide-sessions/{mine}", {"sync_status": "active", **versions})
    assert answer.status == 200 and answer.json["error_message"] is None and answer.json["last_error"] == "no disk"
    seen = next(s for s in admin.get("/ide-sessions")["sessions"] if s["id"] == mine)
    assert {name: seen[name] for name in versions} == versions and seen["user_email"] == "member@acme.example"
    assert seen["last_error"] == "no disk" and seen["last_error_at"] <= seen["last_sync_at"]
    for wrong in ({"synced_version": -1}, {"connection_versions": {"x": 1}}, {"connection_versions": {shop: "1"}}):
        assert member.api("PATCH", f"/ide-sessions/{mine}", wrong).status == 400, wrong
    assert {s["id"] for s in admin.get("/ide-sessions")["sessions"]} > set(shown)
    assert admin.api("PATCH", f"/ide-sessions/{mine}", {"sync_status": "active"}).status == 404, "not one's own"


def test_sixteen_registrations_at_once_leave_one_session(member):
    ids = []
    barrier = threading.Barrier(16)

    def register():
        client = member.as_user(member.token)
        barrier.wait()
        answer = client.api("POST", "/ide-sessions", session(workspace_identifier="acme/race"))
        assert answer.status in (200, 201), answer
        ids.append(answer.json["session_id"])

    threads = [threading.Thread(target=register) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ids) == 16 and len(set(ids)) == 1
    assert sum(s["workspace_identifier"] == "acme/race" for s in member.get("/ide-sessions")["sessions"]) == 1


@pytest.mark.parametrize("path", ["/connections", "/sync-package", "/documentation"])
def test_etag(admin, member, shop, path):
    first = member.api("GET", path)
    tag = first.headers["etag"]
    assert tag.startswith('"') and first.headers["cache-control"] == "private, no-cache"
    assert member.api("GET", path, headers={"If-None-Match": tag}).status == 304
    assert member.api("GET", path, headers={"If-None-Match": f'"other", {tag}'}).status == 304
    assert member.api("GET", path, headers={"If-None-Match": '"other"'}).status == 200
    assert admin.api("GET", path).headers["etag"] == tag, "the same whoever asks"
    admin.push(f"acme/etag{path.replace('/', '-')}", projects.manifest())
    if path != "/documentation":
        assert member.api("GET", path, headers={"If-None-Match": tag}).status == 200


def test_encodings(member, shop):
    plain = member.api("GET", "/sync-package")
    packed = member.send("GET", member.base + "/sync-package", headers={"Accept-Encoding": "gzip"})
    assert packed.headers["content-encoding"] == "gzip" and gzip.decompress(packed.body) == plain.body
    assert "accept-encoding" in packed.headers["vary"].lower()
    assert packed.headers["etag"] != plain.headers["etag"]
    squeezed = member.send("GET", member.base + "/sync-package", headers={"Accept-Encoding": "zstd, gzip;q=0.5"})
    assert squeezed.headers["content-encoding"] == "zstd" and squeezed.body[:4] == b"\x28\xb5\x2f\xfd"
    none = member.send("GET", member.base + "/sync-package", headers={"Accept-Encoding": "identity;q=0, *;q=0"})
    assert none.status in (200, 406)


def test_head(member, shop):
    full = member.api("GET", "/sync-package")
    head = member.api("HEAD", "/sync-package")
    assert head.status == 200 and head.headers["etag"] == full.headers["etag"]


def test_public_places(member):
    for path, media in [("/healthz", "application/json"), ("/readyz", "application/json"), ("/openapi.json", "application/json"),
                        ("/metrics", "text/plain")]:
        answer = harness.Client(member.server, "-", None).call("GET", path)
        assert answer.status == 200 and answer.headers["content-type"].startswith(media), (path, answer)
    document = harness.contract(member.server).document
    assert document["openapi"].startswith("3.1")
    metrics = harness.Client(member.server, "-", None).call("GET", "/metrics").body.decode()
    assert "tideline_" in metrics and member.organization not in metrics


def test_request_ids_come_back(member):
    answer = member.send("GET", member.base + "/connections", headers={"X-Request-Id": "trace-17"})
    assert answer.headers["x-request-id"] == "trace-17"
    assert member.send("GET", member.base + "/connections").headers["x-request-id"]
    bad = member.send("GET", member.base + "/nothing", headers={"X-Request-Id": "a b" * 500})
    assert bad.headers["x-request-id"] != "a b" * 500
