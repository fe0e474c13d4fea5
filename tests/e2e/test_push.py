"""Pushing: by the program and by curl alone, what is merged and kept, and what is refused and how."""
import gzip
import json
import os
import pathlib
import pty
import re
import subprocess
import tempfile
import threading

import pytest

import harness
import projects


def no_change(answer):
    return not any(sum(counts.values()) for counts in answer["changed"].values())


def write(folder, name, document):
    path = pathlib.Path(folder) / name
    path.write_bytes(harness.content_of(document))
    return path


@pytest.fixture()
def folder():
    with tempfile.TemporaryDirectory() as path:
        yield path


@pytest.mark.parametrize("version", range(1, 13))
def test_every_manifest_version_is_taken(admin, version):
    document = projects.manifest(models=4, version=version)
    answer = admin.push(f"made/v{version}", document, projects.catalog(document))
    assert answer["changed"]["objects"]["added"] == 1 + 4 + 4 + 1 + 1  # source, models, tests, exposure, own macro
    copy_ = admin.full(connection_ids=answer["connection_id"])
    by_name = {row["name"]: row for row in copy_.rows["objects"].values()}
    model = by_name["step_2"]
    assert model["object_type"] == "model"
    assert model["metadata"]["unique_id"] == "model.shop.step_2"
    assert "daily" in model["metadata"]["tags"]
    assert model["definition"].startswith("select id, amount") and model["compiled_definition"]
    columns = sorted((row for row in copy_.rows["columns"].values() if row["object_id"] == model["id"]),
                     key=lambda row: row["position"])
    # The catalog's types and order, the manifest's descriptions; matched whatever the case.
    assert [c["name"].lower() for c in columns] == ["id", "amount", "loaded_at"]
    assert [c["data_type"] for c in columns] == ["NUMBER", "NUMBER", "TIMESTAMP"]
    assert [c["description"] for c in columns] == ["The key.", "What was paid.", None]


def test_same_project_compiled_twice_makes_no_version(admin):
    first = admin.push("made/twice", projects.manifest(minute=0))
    second = admin.push("made/twice", projects.manifest(minute=7))
    assert second["version"] == first["version"] and no_change(second)


def test_what_changed_is_counted_and_what_went_is_gone(admin):
    first = admin.push("made/change", projects.manifest(models=5))
    second = admin.push("made/change", projects.manifest(models=4, minute=1, note=" v2"))
    assert second["version"] == first["version"] + 1
    # The chain lost its last model and that model's test; every other model changed, as did the exposure's upstream.
    assert second["changed"]["objects"]["removed"] == 2
    assert second["changed"]["objects"]["updated"] >= 4
    assert second["changed"]["objects"]["added"] == 0
    names = {row["name"] for row in admin.full(connection_ids=first["connection_id"]).rows["objects"].values()}
    assert "step_3" in names and "step_4" not in names


def test_object_that_comes_back_has_its_id_and_its_place(admin):
    full = projects.manifest(models=5)
    connection = admin.push("made/return", full)["connection_id"]
    before = admin.full(connection_ids=connection)
    order = [row["id"] for page in admin.pages(3, connection_ids=connection) for row in page["metadata"]["objects"]]
    admin.push("made/return", projects.manifest(models=3, minute=1))
    admin.push("made/return", projects.manifest(models=5, minute=2))
    after = admin.full(connection_ids=connection)
    harness.same(before, after, ignoring=("created_at", "updated_at", "parsed_at", "compiled_as_of", "row_version"))
    again = [row["id"] for page in admin.pages(3, connection_ids=connection) for row in page["metadata"]["objects"]]
    assert list(dict.fromkeys(again)) == order


def test_catalog_facts_outlive_a_push_without_catalog(admin):
    document = projects.manifest()
    connection = admin.push("made/keep", document, projects.catalog(document))["connection_id"]
    before = admin.full(connection_ids=connection)
    answer = admin.push("made/keep", projects.manifest(minute=1))
    harness.same(before, admin.full(connection_ids=connection))
    assert no_change(answer)
    # A catalog that is there replaces what the last one said.
    admin.push("made/keep", projects.manifest(minute=2), projects.catalog(document, 2, extra=["NEW"]))
    after = admin.full(connection_ids=connection)
    assert [row["name"].lower() for row in after.rows["columns"].values()].count("new") == 3
    # Since when the catalog's facts stand: also where they changed in the columns alone.
    models = [id for id, row in after.rows["objects"].items() if row["object_type"] == "model"]
    for full, minute in ((before, 0), (after, 2)):
        assert {full.rows["objects"][id]["catalog_as_of"][:19] for id in models} == {projects.stamp(minute)[:19]}


@pytest.mark.parametrize("number", [2**63, 2**64 + 1, -(10**30) - 7])
def test_integers_beyond_64_bits_lose_no_digit(admin, number):
    def mark(document):
        for node in document["nodes"].values():
            node["meta"] = {"big": number}
            node.setdefault("config", {})["meta"] = {"big": number}

    document = projects.changed(projects.manifest(), mark)
    connection = admin.push(f"made/big{number}", document, projects.catalog(document))["connection_id"]
    models = [row["metadata"] for row in admin.full(connection_ids=connection).rows["objects"].values()
              if row["object_type"] == "model"]
    assert models and all(metadata["meta"] == {"big": number} and metadata["unique_id"] for metadata in models)


def test_manifest_without_compiled_sql_keeps_it(admin):
    connection = admin.push("made/bare", projects.manifest(minute=0))["connection_id"]
    before = admin.full(connection_ids=connection)
    answer = admin.push("made/bare", projects.manifest(minute=1, compiled=False))
    assert no_change(answer)
    harness.same(before, admin.full(connection_ids=connection))


def test_older_manifest_is_refused_unless_forced(admin):
    admin.push("made/older", projects.manifest(minute=10))
    version = admin.get("/connections")
    refusal = admin.push("made/older", projects.manifest(minute=5, note=" old"), expect=(409,))
    assert "before the one that is here" in refusal["message"]
    assert status_of(admin, "made/older") == "completed"
    assert no_changes_since(admin, version)
    forced = admin.push("made/older", projects.manifest(minute=5, note=" old"), force="true")
    assert forced["changed"]["objects"]["updated"] > 0


def status_of(client, full_name):
    return next(c["status"] for c in client.get("/connections")["connections"] if c["full_name"] == full_name)


def no_changes_since(client, listing):
    keep = ("id", "object_count", "status")
    return [[c[k] for k in keep] for c in client.get("/connections")["connections"]] == [
        [c[k] for k in keep] for c in listing["connections"]]


def truncated():
    return json.dumps(projects.manifest())[:3000].encode()


def edited(edit):
    return projects.changed(projects.manifest(), edit)


REFUSED = {
    "not JSON": (b"this is no JSON", 400, "JSON"),
    "empty": (b"", 400, None),
    "cut off": (truncated(), 400, r"3,?000|cut off|ends"),
    "an array": (b"[]", 400, None),
    "a number": (b"17", 400, None),
    "no metadata": (b'{"nodes":{}}', (400, 422), "metadata"),
    "no nodes": (edited(lambda d: d.update(nodes={}, sources={}, macros={}, exposures={})), 400, "node"),
    "nodes is a list": (edited(lambda d: d.update(nodes=[])), 400, None),
    "unknown schema": (edited(lambda d: d["metadata"].update(
        dbt_schema_version="https://schemas.getdbt.com/dbt/manifest/v99.json")), (400, 415, 422), "99"),
    "a catalog instead": (projects.catalog(projects.manifest()), (400, 415, 422), None),
    "not UTF-8": (json.dumps(projects.manifest()).encode().replace(b"The board.", b"\xff\xfe board"), 400, None),
    "NUL bytes": (b"\0" * 4096, 400, None),
    "deep": (b'{"metadata":' + b"[" * 100_000 + b"]" * 100_000 + b"}", 400, None),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refused_push_changes_nothing_and_says_why(admin, what):
    document, status, words = REFUSED[what]
    name = "made/refused"
    if not any(c["full_name"] == name for c in admin.get("/connections")["connections"]):
        admin.push(name, projects.manifest())
    connection = next(c["id"] for c in admin.get("/connections")["connections"] if c["full_name"] == name)
    before = admin.full(connection_ids=connection)
    refusal = admin.push(name, document, expect=status if isinstance(status, tuple) else (status,))
    if words:
        assert re.search(words, refusal["message"], re.IGNORECASE), refusal["message"]
    after = admin.full(connection_ids=connection)
    harness.same(before, after)
    assert after.timestamp == before.timestamp
    assert status_of(admin, name) == "completed"


def test_broken_catalog_refuses_the_whole_push(admin):
    document = projects.manifest()
    connection = admin.push("made/catalog", document)["connection_id"]
    before = admin.full(connection_ids=connection)
    admin.push("made/catalog", projects.manifest(minute=1, note=" new"), b'{"nodes":', expect=(400,))
    harness.same(before, admin.full(connection_ids=connection))


def test_first_push_refused_leaves_no_data(admin):
    admin.push("made/never", b"{", expect=(400,))
    rows = [c for c in admin.get("/connections")["connections"] if c["full_name"] == "made/never"]
    assert all(c["object_count"] == 0 and c["status"] in ("connected", "error") for c in rows)


def test_subdirectories_are_connections_of_their_own(admin):
    one = admin.push("made/mono", projects.manifest(), subdir="one")
    two = admin.push("made/mono", projects.manifest(), subdir="two")
    assert one["connection_id"] != two["connection_id"]
    ids = [set(admin.full(connection_ids=c["connection_id"]).rows["objects"]) for c in (one, two)]
    assert ids[0] and not ids[0] & ids[1]


def test_json_body_and_compressed_bodies(admin):
    document = projects.manifest()
    admin.push("made/encodings", document)
    connection = next(c["id"] for c in admin.get("/connections")["connections"] if c["full_name"] == "made/encodings")
    plain = json.dumps(document).encode()
    for body, headers in [
        (plain, {"Content-Type": "application/json"}),
        (gzip.compress(plain), {"Content-Type": "application/json", "Content-Encoding": "gzip"}),
    ]:
        answer = admin.api("PUT", f"/connections/{connection}/artifacts", body, headers)
        assert answer.status == 200, answer
        assert no_change(answer.json)
    body, content_type = harness.multipart([("manifest", harness.content_of(document))])
    answer = admin.api("PUT", f"/connections/{connection}/artifacts", gzip.compress(body),
                       {"Content-Type": content_type, "Content-Encoding": "gzip"})
    assert answer.status == 200, answer
    answer = admin.api("PUT", f"/connections/{connection}/artifacts", b"x", {"Content-Type": "text/csv"})
    assert answer.status == 415
    answer = admin.api("PUT", f"/connections/{connection}/artifacts", plain,
                       {"Content-Type": "application/json", "Content-Encoding": "br"})
    assert answer.status == 415
    answer = admin.api("PUT", f"/connections/{connection}/artifacts", gzip.compress(plain)[:-9],
                       {"Content-Type": "application/json", "Content-Encoding": "gzip"})
    assert answer.status == 400


def test_curl_alone(server, admin, folder):
    manifest = write(folder, "manifest.json", projects.manifest())
    done = subprocess.run(
        ["curl", "-sS", "-X", "PUT", "-H", f"Authorization: Bearer {admin.token}", "-F", f"manifest=@{manifest}",
         f"http://127.0.0.1:{server.port}{admin.base}/artifacts?full_name=made/curl"],
        capture_output=True, text=True, timeout=harness.PATIENCE)
    assert json.loads(done.stdout)["changed"]["objects"]["added"] > 0, done


def push_arguments(server, client, manifest, *more, name="made/cli"):
    return ["push", "--server", f"http://127.0.0.1:{server.port}", "--org", client.organization, "--connection", name,
            "--manifest", str(manifest), *more]


def test_push_command(server, admin, folder):
    document = projects.manifest()
    manifest = write(folder, "manifest.json", document)
    catalog = write(folder, "catalog.json", projects.catalog(document))
    arguments = push_arguments(server, admin, manifest, "--catalog", str(catalog))
    answer = json.loads(harness.run(*arguments, "--json", TIDELINE_TOKEN=admin.token).stdout)
    assert set(answer) >= {"connection_id", "version", "changed", "warnings"}
    assert answer["changed"]["objects"] == {"added": 9, "updated": 0, "removed": 0}
    text = harness.run(*arguments, TIDELINE_TOKEN=admin.token)
    assert text.stdout.startswith("nothing changed") and text.stderr == ""

    older = write(folder, "older.json", projects.manifest(minute=-5, note=" old"))
    done = harness.run(*push_arguments(server, admin, older), check=False, TIDELINE_TOKEN=admin.token)
    assert done.returncode == 1 and "before the one" in done.stderr and "--force" in done.stderr
    done = harness.run(*push_arguments(server, admin, older, "--force"), TIDELINE_TOKEN=admin.token)
    assert "updated" in done.stdout


def test_push_command_says_what_to_do(server, admin, folder):
    manifest = write(folder, "manifest.json", projects.manifest())
    done = harness.run(*push_arguments(server, admin, manifest), check=False)
    assert done.returncode == 1 and "TIDELINE_TOKEN" in done.stderr
    done = harness.run(*push_arguments(server, admin, manifest), check=False, TIDELINE_TOKEN="wrong")
    assert done.returncode == 1 and "wrong" not in done.stderr
    done = harness.run(*push_arguments(server, admin, pathlib.Path(folder) / "none.json"), check=False, TIDELINE_TOKEN="x")
    assert done.returncode == 2 and "none.json" in done.stderr
    arguments = push_arguments(server, admin, manifest)
    arguments[2] = "http://example.com"
    done = harness.run(*arguments, check=False, TIDELINE_TOKEN=admin.token)
    assert done.returncode == 1 and "https" in done.stderr
    arguments[2] = "http://127.0.0.1:1"
    done = harness.run(*arguments, check=False, TIDELINE_TOKEN=admin.token)
    assert done.returncode == 1 and done.stderr


def test_push_command_reads_the_login_file(server, admin, folder):
    manifest = write(folder, "manifest.json", projects.manifest())
    config = pathlib.Path(folder) / "tideline"
    config.mkdir()
    login = config / "credentials.toml"
    login.write_text(f'[servers."http://127.0.0.1:{server.port}/"]\ntoken = "{admin.token}"\n')
    login.chmod(0o644)
    arguments = push_arguments(server, admin, manifest)
    done = harness.run(*arguments, check=False, XDG_CONFIG_HOME=folder)
    assert done.returncode == 1 and "chmod 600" in done.stderr and admin.token not in done.stderr
    login.chmod(0o600)
    harness.run(*arguments, XDG_CONFIG_HOME=folder)


def test_progress_is_for_terminals_only(server, admin, folder):
    manifest = write(folder, "manifest.json", projects.manifest())
    primary, replica = pty.openpty()
    process = subprocess.Popen([harness.PROGRAM, *push_arguments(server, admin, manifest)], stdout=subprocess.DEVNULL,
                               stderr=replica, env=harness.environment(TIDELINE_TOKEN=admin.token, NO_COLOR="1"))
    assert process.wait(harness.PATIENCE) == 0
    os.close(replica)
    shown = b""
    try:
        while chunk := os.read(primary, 4096):
            shown += chunk
    except OSError:
        pass  # Linux ends a pseudo-terminal so
    os.close(primary)
    assert b"pushing" in shown and b"\x1b" not in shown


def test_api_token_scopes(server, admin):
    """A token for CI pushes, and reads only where it was given that."""
    made = {scope: server.admin("api-token", "create", "--org", admin.organization, "--name", scope, "--scope", scope)
            for scope in ("push", "read", "documentation")}
    assert all(re.fullmatch(rf"tdl_{admin.organization}_[A-Za-z0-9_-]{{43}}", t["token"]) for t in made.values())
    pusher, reader, writer = (admin.as_user(made[scope]["token"]) for scope in ("push", "read", "documentation"))
    connection = pusher.push("made/ci", projects.manifest())["connection_id"]
    reader.push("made/ci", projects.manifest(), expect=(403,))
    writer.push("made/ci", projects.manifest(), expect=(403,))
    assert reader.package(connection_ids=connection)["sync_metadata"]["object_count"] == 9
    item = {"documentation": [{"connection_id": connection, "unique_id": "model.shop.step_0", "executive_summary": "x"}]}
    assert writer.api("PUT", "/documentation", item).status == 200
    assert reader.api("PUT", "/documentation", item).status == 403
    assert reader.api("PUT", "/connections", {"full_name": "made/no"}).status == 403


def test_pushes_to_one_connection_at_the_same_time_leave_one_of_them(server, admin):
    notes = [f" by {i}" for i in range(6)]
    outcomes = []

    def push(note):
        client = admin.as_user(admin.token)
        outcomes.append(client.push("made/race", projects.manifest(models=20, note=note), expect=(200, 201, 409, 429, 503)))

    admin.push("made/race", projects.manifest(models=20))
    threads = [threading.Thread(target=push, args=(note,)) for note in notes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert any("changed" in outcome for outcome in outcomes)
    connection = next(c["id"] for c in admin.get("/connections")["connections"] if c["full_name"] == "made/race")
    seen = {row["definition"].split(" by ")[-1] for row in admin.full(connection_ids=connection).rows["objects"].values()
            if row["object_type"] == "model"}
    assert len(seen) == 1, seen
