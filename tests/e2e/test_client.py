"""The client as its user meets it: real server, real git clones, the replica read by stock SQLite."""
import contextlib
import hashlib
import json
import os
import pathlib
import random
import re
import sqlite3
import stat
import subprocess
import time
import uuid

import pytest

import faults
import harness
import projects
from developer import Developer

SHOP = harness.ROOT / "examples/shop/target"
GOLDEN = pathlib.Path(__file__).parent / "golden"


def golden(name, text):
    """Compared with the kept text, in which ids and directories are masked; TIDELINE_UPDATE_GOLDEN=1 keeps it anew."""
    text = re.sub(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "<id>", text)
    file = GOLDEN / f"{name}.txt"
    if os.environ.get("TIDELINE_UPDATE_GOLDEN"):
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
    assert text == file.read_text(), f"{file} is kept otherwise"


@pytest.fixture()
def developers(server, acme, tmp_path):
    made = []

    def make(name="ada", token=None):
        token = token or server.user(acme.organization, f"{name}.{tmp_path.name}@acme.example")
        developer = Developer(tmp_path / name, server, acme.organization, token)
        made.append(developer)
        return developer

    yield make
    for developer in made:
        developer.close()


@pytest.fixture()
def ada(developers):
    return developers()


def push_shop(admin, full_name="acme/shop", **query):
    return admin.push(full_name, SHOP / "manifest.json", SHOP / "catalog.json", **query)


TABLES = {"files": "files", "objects": "objects", "columns": "columns", "dependencies": "dependencies",
          "columns_lineage": "columns_lineage"}


def assert_same_as_server(developer, client):
    """Row by row: ids and every column that both name, by stock SQLite against the JSON of the API."""
    server = client.full()
    for name, table in TABLES.items():
        with contextlib.closing(sqlite3.connect(f"file:{developer.replica}?mode=ro", uri=True)) as database:
            database.row_factory = sqlite3.Row
            here = {}
            for row in database.execute(f"select * from {table}"):
                here[uuid_of(row["id"])] = {key: row[key] for key in row.keys()}
        there = server.rows[name]
        assert here.keys() == there.keys(), name
        for id_, row in there.items():
            for key, value in row.items():
                if key in here[id_] and key not in ("seq",):
                    assert same_value(here[id_][key], value), (name, id_, key, here[id_][key], value)


def uuid_of(blob):
    return str(uuid.UUID(bytes=bytes(blob)))


def same_value(here, there):
    if isinstance(here, bytes):
        return uuid_of(here) == there if len(here) == 16 else here == there
    if isinstance(there, bool):
        return here == int(there)
    if isinstance(there, float) or (isinstance(there, int) and isinstance(here, int) and here != there):
        return here == round(there * 1000)  # confidence, kept in thousandths
    if isinstance(there, (dict, list)):
        return json.loads(here) == there
    return here == there


# ---- The way of a new user

def test_login_sync_query_and_offline(server, acme, ada):
    push_shop(acme)
    answer = ada.login()
    assert answer["connections"] == 1 and answer["token_expires_at"]
    credentials = ada.home / ".config/tideline/credentials.toml"
    assert stat.S_IMODE(credentials.stat().st_mode) == 0o600
    clone = ada.clone("shop")

    first = ada.json("sync", cwd=clone)
    assert first["version"] == 1 and first["changed"] and first["new_file"]
    assert [c["name"] for c in first["connections"]] == ["acme/shop"]
    assert first["connections"][0]["why"] == 'git remote "origin" (git@github.com:acme/shop.git)'
    assert first["rows_written"] == first["rows_received"] > 0
    assert_same_as_server(ada, acme)
    again = ada.json("sync", cwd=clone)
    assert not again["changed"] and again["rows_received"] == 0 and again["bytes_received"] == 0

    # From here on there is no server.
    server.stop()
    try:
        golden("search", ada.text("search", "order", "--limit", "8", cwd=clone))
        golden("show", ada.text("show", "orders", cwd=clone))
        golden("lineage", ada.text("lineage", "orders", cwd=clone))
        golden("impact", ada.text("impact", "stg_orders", cwd=clone))
        golden("verify", ada.text("verify", cwd=clone))
        status = ada.json("status", cwd=clone)
        assert status["replica"]["version"] == 1 and status["identifier"] == "acme/shop" and not status["watching"]
        found = ada.json("search", "orders", cwd=clone)["hits"]
        assert found[0]["name"] == "orders" and found[0]["kind"] == "object"
        tree = ada.json("lineage", "orders", "--up", cwd=clone)
        assert "downstream" not in tree
        assert {n["object_type"] for n in tree["upstream"]["nodes"]} >= {"model"}
        failed = ada.run("sync", cwd=clone, check=False)
        assert failed.returncode == 1 and "no server answers" in failed.stderr
        # Questions go on.
        assert ada.run("show", "orders", cwd=clone).returncode == 0
    finally:
        server.start()


def test_names_that_are_not_there_or_mean_several_things(acme, ada):
    push_shop(acme)
    ada.login()
    clone = ada.clone("shop")
    ada.run("sync", cwd=clone)
    done = ada.run("show", "ordrs", cwd=clone, check=False)
    assert done.returncode == 1 and done.stderr.startswith("tideline: ")
    assert ada.run("search", "zzzzzz", cwd=clone).stdout == "nothing found\n"
    assert ada.run("search", cwd=clone, check=False).returncode == 2
    assert ada.run("docs", "orders", cwd=clone, check=False).returncode == 1


def test_documentation_is_there_and_searched(acme, ada):
    pushed = push_shop(acme)
    orders = next(r for r in acme.full().rows["objects"].values() if r["metadata"]["unique_id"] == "model.shop.orders")
    answer = acme.api("PUT", "/documentation", {"documentation": [
        {"connection_id": pushed["connection_id"], "unique_id": orders["metadata"]["unique_id"], "model": "writer-1",
         "executive_summary": "One row per order.\nPaid or \x1b[31mnot.", "business_rules": {"a": 1}}]})
    assert answer.status == 200
    ada.login()
    clone = ada.clone("shop")
    ada.run("sync", cwd=clone)
    text = ada.text("docs", "orders", cwd=clone)
    assert "  One row per order.\n  Paid or  [31mnot.\n" in text and "\x1b" not in text
    assert ada.json("docs", "orders", cwd=clone)["documentation"][0]["business_rules"] == {"a": 1}
    assert any(hit["kind"] == "documentation" for hit in ada.json("search", "paid", cwd=clone)["hits"])


# ---- Which connections

def test_nothing_matches_so_it_suggests_and_one_chooses(acme, ada):
    push_shop(acme, "acme/shop-dbt")
    acme.register("zeta/omega")
    ada.login()
    clone = ada.clone("shop", "https://user:secret@example.com/elsewhere/shop.git")
    done = ada.run("sync", cwd=clone, check=False)
    assert done.returncode == 1 and "secret" not in done.stderr
    golden("nothing_matched", done.stderr)
    assert not list(ada.data.glob("*.sqlite"))

    chosen = ada.json("connections", "use", "acme/shop-dbt", cwd=clone)
    assert [c["full_name"] for c in chosen["connections"] if c["synced"]] == ["acme/shop-dbt"]
    assert ada.json("sync", cwd=clone)["sync_mode"] == "manual"
    golden("connections", ada.text("connections", cwd=clone))
    # Remembered, also from a sub-directory; and the session says how.
    (clone / "models").mkdir()
    assert ada.json("sync", cwd=clone / "models")["connections"][0]["why"] == "chosen by hand"
    session = acme.get("/ide-sessions")["sessions"][0]
    assert session["sync_mode"] == "manual" and session["sync_status"] == "active"
    assert session["total_objects_synced"] == 59 and session["ide_version"].startswith("tideline ")

    everything = ada.json("connections", "all", cwd=clone)
    assert all(c["synced"] for c in everything["connections"])
    ada.run("sync", cwd=clone)
    assert ada.rows("select count(*) from connections") == [(2,)]
    # And less again.
    ada.run("connections", "use", "zeta/omega", cwd=clone)
    ada.run("sync", cwd=clone)
    assert ada.rows("select full_name from connections") == [("zeta/omega",)]
    assert ada.rows("select count(*) from objects") == [(0,)]


def test_monorepo_sub_directory_and_the_repository_as_a_whole(acme, ada):
    for subdir in ("finance", "sales"):
        acme.push("acme/mono", projects.manifest(project=subdir), subdir=subdir)
    acme.push("acme/whole", projects.manifest())
    ada.login()
    sales = ada.clone("mono", "git@github.com:acme/mono.git", "sales")
    assert [c["name"] for c in ada.json("sync", cwd=sales)["connections"]] == ["acme/mono//sales"]
    whole = ada.clone("whole", "git@github.com:acme/whole.git", "analytics/dbt")
    answer = ada.json("sync", cwd=whole)
    assert [c["name"] for c in answer["connections"]] == ["acme/whole"]
    assert answer["connections"][0]["why"].endswith("which is registered as a whole")
    # Both workspaces share one replica.
    assert ada.rows("select count(*) from connections") == [(2,)]


def test_the_users_configuration_names_a_workspace(acme, ada):
    push_shop(acme)
    ada.login()
    clone = ada.clone("anything", None)
    assert ada.run("sync", cwd=clone, check=False).returncode == 1
    (ada.home / ".config/tideline/config.toml").write_text(f'[workspaces."{clone}"]\nidentifier = "acme/shop"\n')
    assert ada.json("sync", cwd=clone)["connections"][0]["name"] == "acme/shop"


def test_variables_are_enough_for_ci(acme, ada, server):
    push_shop(acme)
    clone = ada.clone("shop")
    answer = ada.json("sync", cwd=clone, TIDELINE_SERVER=ada.url, TIDELINE_ORG=acme.organization, TIDELINE_TOKEN=ada.token)
    assert answer["changed"]
    assert not (ada.home / ".config").exists()


# ---- Who may

def test_tokens_go_where_they_are_safe_and_only_good_ones_are_kept(acme, ada):
    done = ada.run("login", "--server", "http://tideline.example.com", "--org", acme.organization, "--token-file", "-",
                   stdin="t\n", check=False)
    assert done.returncode == 1 and "a token is not sent to" in done.stderr
    done = ada.run("login", "--server", ada.url, "--org", acme.organization, "--token-file", "-", stdin="wrong\n", check=False)
    assert done.returncode == 1 and not (ada.home / ".config").exists()
    ada.login()
    credentials = ada.home / ".config/tideline/credentials.toml"
    credentials.chmod(0o644)
    clone = ada.clone("shop")
    done = ada.run("sync", cwd=clone, check=False)
    assert done.returncode == 1 and "could be read by others" in done.stderr and "chmod 600" in done.stderr


def test_logout_keeps_the_replica_and_purge_deletes_it(acme, ada):
    push_shop(acme)
    ada.login()
    clone = ada.clone("shop")
    watcher = ada.watch(clone)
    watcher.until("live")
    watcher.stop()
    ada.run("logout", cwd=clone)
    assert ada.run("search", "orders", cwd=clone).returncode == 0
    done = ada.run("sync", cwd=clone, check=False)
    assert done.returncode == 1 and "tideline login" in done.stderr
    ada.run("logout", "--purge", cwd=clone)
    left = [p.name for p in ada.data.iterdir() if "sqlite" in p.name]
    assert left == [], left
    assert ada.run("search", "orders", cwd=clone, check=False).returncode == 1


def test_access_removed_closes_the_replica(server, acme, ada):
    push_shop(acme)
    ada.login()
    clone = ada.clone("shop")
    watcher = ada.watch(clone)
    watcher.until("live")
    email = f"ada.{ada.home.parent.name}@acme.example"
    server.admin("user", "remove", "--org", acme.organization, "--email", email)
    watcher.until("denied")
    done = ada.run("search", "orders", cwd=clone, check=False)
    assert done.returncode == 1 and "nothing found" not in done.stdout
    assert ada.json("status", cwd=clone)["replica"]["closed"]
    # Back again: the next sync opens it.
    server.admin("user", "add", "--org", acme.organization, "--email", email, "--role", "member")
    watcher.stop()
    ada.run("sync", cwd=clone)
    assert ada.run("search", "orders", cwd=clone).returncode == 0


# ---- The watcher

def test_a_push_arrives_by_itself(acme, ada):
    push_shop(acme)
    ada.login()
    clone = ada.clone("shop")
    watcher = ada.watch(clone)
    watcher.until("live")
    times = []
    for minute in range(1, 6):
        time.sleep(0.6)  # hints that come close upon each other are one: this is about a push after a quiet time
        version = acme.push("acme/shop", projects.manifest(models=3, minute=minute, note=str(minute)), force="true")["version"]
        answered = time.time()
        times.append(watcher.until_version(version)["received"] - answered)
        assert ada.rows("select count(*) from objects where description like ?", f"%.{minute}")[0][0] > 0
    print("push answered -> in the replica, ms:", [round(1000 * t) for t in times])
    assert sorted(times)[len(times) // 2] < 1 or harness.SANITIZED
    assert_same_as_server(ada, acme)
    assert ada.json("status", cwd=clone)["state"] == "live"
    watcher.stop()
    assert ada.json("status", cwd=clone)["state"] == "not watching"
    assert acme.get("/ide-sessions")["sessions"][0]["sync_status"] == "inactive"


def test_sessions_say_who_syncs_what_and_in_which_version(acme, ada):
    connections = {name: push_shop(acme, name)["connection_id"] for name in ("acme/shop", "acme/crm")}
    ada.login()

    def sessions():
        return {each["workspace_identifier"]: each for each in acme.get("/ide-sessions")["sessions"]}

    def at(name, version):
        session = sessions().get(name, {})
        return session.get("synced_version") == version and session["connection_versions"].keys() == {connections[name]}

    shop = ada.clone("shop")
    ada.run("sync", cwd=shop)
    session = sessions()["acme/shop"]
    heads = acme.get("/heads")
    assert session["user_email"].startswith("ada.") and session["sync_status"] == "active"
    assert at("acme/shop", heads["version"]) and session["connection_ids"] == [connections["acme/shop"]]
    assert session["connection_versions"] == {
        each["id"]: each["version"] for each in heads["connections"] if each["id"] == connections["acme/shop"]}
    # Whoever watches tells of all workspaces of his replica, each with its own connections.
    watcher = ada.watch(shop)
    watcher.until("live")
    ada.run("sync", cwd=ada.clone("crm", "git@github.com:acme/crm.git"))
    version = acme.push("acme/crm", projects.manifest(models=1), force="true")["version"]
    harness.wait_until(lambda: at("acme/shop", version) and at("acme/crm", version))
    assert sessions()["acme/shop"]["total_objects_synced"] == 59 > sessions()["acme/crm"]["total_objects_synced"] > 0
    watcher.stop()
    assert {each["sync_status"] for each in sessions().values()} == {"inactive"}


def test_all_connections_are_those_that_come_later_too(acme, ada):
    push_shop(acme)
    ada.login()
    clone = ada.clone("shop")
    ada.run("connections", "all", cwd=clone)
    ada.run("sync", cwd=clone)
    later = push_shop(acme, "acme/later")["connection_id"]
    assert ada.json("sync", cwd=clone)["rows_written"] > 0
    assert sorted(ada.rows("select full_name from connections")) == [("acme/later",), ("acme/shop",)]
    assert all(each["synced"] for each in ada.json("connections", cwd=clone)["connections"])
    session = acme.get("/ide-sessions")["sessions"][0]
    assert later in session["connection_ids"] and later in session["connection_versions"]


def test_a_second_watcher_steps_back_and_a_sync_beside_it_waits_for_it(acme, ada):
    push_shop(acme)
    acme.push("acme/crm", projects.manifest(project="crm"))
    ada.login()
    clone = ada.clone("shop")
    watcher = ada.watch(clone)
    watcher.until("live")
    done = ada.run("sync", "--watch", "--json", cwd=clone)
    assert json.loads(done.stdout)["state"] == "elsewhere"
    # Another workspace's connection is fetched by the one who watches.
    crm = ada.clone("crm", "git@github.com:acme/crm.git")
    answer = ada.json("sync", cwd=crm)
    assert answer["notes"] and sorted(ada.rows("select full_name from connections")) == [("acme/crm",), ("acme/shop",)]
    watcher.stop()


def test_a_token_that_ends_is_told_and_a_new_one_taken(server, acme, developers):
    push_shop(acme)
    made = server.admin("api-token", "create", "--org", acme.organization, "--name", "ada", "--scope", "read")
    ada = developers(token=made["token"])
    ada.login()
    clone = ada.clone("shop")
    watcher = ada.watch(clone)
    watcher.until("live")
    server.admin("api-token", "revoke", "--org", acme.organization, "--id", made["id"])
    watcher.until("expired")
    status = ada.json("status", cwd=clone)
    assert status["watching"] and status["state"] == "expired" and "tideline login" in status["problem"]
    assert ada.run("search", "orders", cwd=clone).returncode == 0  # what is here stays
    again = server.admin("api-token", "create", "--org", acme.organization, "--name", "ada2", "--scope", "read")
    ada.login(again["token"])
    watcher.until("live")
    version = acme.push("acme/shop", projects.manifest(minute=1, note="x"), force="true")["version"]
    watcher.until_version(version)
    watcher.stop()


def test_status_says_when_the_token_ends(server, acme, developers):
    push_shop(acme)
    create = ["api-token", "create", "--org", acme.organization, "--scope", "read"]
    short, endless = (server.admin(*create, "--name", ttl, "--ttl", ttl) for ttl in ("259300", "never"))
    ada = developers(token=short["token"])
    ada.login()
    clone = ada.clone("shop")
    ada.run("sync", cwd=clone)
    assert ada.json("status", cwd=clone)["token_expires_at"] == short["expires_at"]
    text = ada.text("status", cwd=clone)
    assert f"it ends in 3 days, at {short['expires_at'][:19]}Z" in text, text
    # It is of that token alone.
    assert ada.json("status", cwd=clone, TIDELINE_TOKEN=endless["token"])["token_expires_at"] is None
    ada.login(endless["token"])
    assert ada.json("status", cwd=clone)["token_expires_at"] is None
    # One who watches hears it of each.
    watcher = ada.watch(clone)
    watcher.until("live")
    ada.login(short["token"])
    harness.wait_until(lambda: ada.json("status", cwd=clone)["token_expires_at"] == short["expires_at"], 20)
    watcher.stop()


def test_the_server_goes_and_comes_back(acme, ada, server):
    push_shop(acme)
    ada.login()
    clone = ada.clone("shop")
    watcher = ada.watch(clone)
    watcher.until("live")
    server.wanted_port = server.port
    server.stop()
    watcher.until("waiting")
    assert ada.json("status", cwd=clone)["state"] == "waiting"
    try:
        server.start()
        watcher.until("live")
        acme.close()
        version = acme.push("acme/shop", projects.manifest(minute=2, note="y"), force="true")["version"]
        watcher.until_version(version)
    finally:
        server.wanted_port = 0
    watcher.stop()


# ---- Damage

def test_damage_is_found_and_only_that_is_fetched_again(acme, ada):
    push_shop(acme)
    ada.login()
    clone = ada.clone("shop")
    ada.run("sync", cwd=clone)
    with contextlib.closing(sqlite3.connect(ada.replica)) as database:
        database.execute("update objects set description = 'forged' where name = 'orders' and object_type = "
                         "'model'")
        database.execute("delete from columns where seq in (select seq from columns limit 1)")
        database.commit()
    done = ada.run("verify", cwd=clone, check=False)
    assert done.returncode == 1 and "damaged" in done.stdout
    (forged,), = ada.rows("select id from objects where description = 'forged'")
    bucket = hashlib.sha256(forged).digest()[0]
    assert f"objects {uuid_of(forged)}: " in done.stdout and f"objects, bucket {bucket}: not" in done.stdout
    assert re.search(r"columns, bucket \d+: not what the server verified, \d+ of \d+ rows", done.stdout)
    damage = json.loads(ada.run("verify", "--json", cwd=clone, check=False).stdout)["damage"]
    row, = damage["rows"]
    assert (row["kind"], row["bucket"], row["id"]) == ("objects", bucket, uuid_of(forged))
    assert {(each["kind"], each["rows_expected"] - each["rows"]) for each in damage["buckets"]} == {
        ("objects", 0), ("columns", 1)}
    answer = ada.json("verify", "--repair", cwd=clone)
    assert not answer["sound"] and answer["repaired"]["sound"] and 0 < answer["repaired"]["buckets_repaired"] <= 4
    assert ada.json("verify", cwd=clone)["sound"]
    assert_same_as_server(ada, acme)


def test_a_file_that_is_none_is_made_anew(acme, ada):
    push_shop(acme)
    ada.login()
    clone = ada.clone("shop")
    ada.run("sync", cwd=clone)
    os.truncate(ada.replica.resolve(), 5000)
    answer = ada.json("sync", cwd=clone)
    assert answer["new_file"] and answer["changed"]
    assert ada.json("verify", cwd=clone)["sound"]
    assert_same_as_server(ada, acme)


PAGE = 8192


def damaged(replica, page, count, seed):
    """Noise over some pages, as a broken disk leaves it; its search index, tables and indexes alike."""
    file = replica.resolve()
    noise = random.Random(seed).randbytes(count * PAGE)
    with open(file, "r+b") as stream:
        stream.seek(page * PAGE)
        stream.write(noise[:max(0, file.stat().st_size - page * PAGE)])


@pytest.mark.parametrize("command", [["verify", "--repair"], ["sync"]])
def test_pages_that_cannot_be_read_lead_to_a_new_file(acme, ada, command):
    push_shop(acme)
    ada.login()
    clone = ada.clone("shop")
    ada.run("sync", cwd=clone)
    for number in range(10):
        page = max(1, ada.replica.resolve().stat().st_size // PAGE * number // 10)
        for times in ada.data.glob("*.repairs"):
            times.unlink()
        damaged(ada.replica, page, 3, seed=page)
        done = ada.run("verify", cwd=clone, check=False)
        assert done.returncode == 1 and "verify --repair" in done.stdout, (page, done)
        if command == ["sync"]:
            acme.push("acme/shop", projects.manifest(minute=number, note=f"page {page}"), force="true")
        done = ada.run(*command, cwd=clone, check=False)
        assert done.returncode == 0, (page, done)
        if command == ["sync"]:  # which reads what it writes to, and no more
            ada.run("verify", "--repair", cwd=clone)
        assert ada.json("verify", cwd=clone)["sound"], page
        assert_same_as_server(ada, acme)


def test_a_repair_that_nobody_answered_does_not_count_and_one_that_is_asked_for_is_made(server, acme, ada):
    push_shop(acme)
    ada.login()
    clone = ada.clone("shop")
    ada.run("sync", cwd=clone)
    damaged(ada.replica, 1, 20, seed=1)
    server.wanted_port = server.port
    server.stop()
    try:
        for command in (["verify", "--repair"], ["sync"]):
            done = ada.run(*command, cwd=clone, check=False)
            assert done.returncode == 1 and "no server answers" in done.stderr, done
    finally:
        server.start()
        server.wanted_port = 0
    assert ada.json("verify", "--repair", cwd=clone)["repaired"]["sound"]
    damaged(ada.replica, 1, 20, seed=2)
    done = ada.run("sync", cwd=clone, check=False)
    assert done.returncode == 1 and "tideline verify --repair" in done.stderr, "one a moment ago was enough: " + str(done)
    assert ada.json("verify", "--repair", cwd=clone)["repaired"]["sound"], "a person who asks is no loop"
    assert_same_as_server(ada, acme)


def test_a_session_that_is_not_taken_note_of_holds_nobody_up(server, acme, ada):
    push_shop(acme)
    with faults.Proxy(server.port) as proxy:
        ada.run("login", "--server", f"http://127.0.0.1:{proxy.port}", "--org", acme.organization, "--token-file", "-",
                stdin=ada.token + "\n")
        clone = ada.clone("shop")
        proxy.choose = lambda method, path: faults.Fault("half_open") if "/ide-sessions" in path else None
        began = time.monotonic()
        assert ada.json("sync", cwd=clone)["changed"]
        assert 2 < time.monotonic() - began < 15, "a courtesy, of three seconds"


def test_status_says_what_was_refused_where_the_token_is_from_and_what_is_synced(acme, ada):
    push_shop(acme)
    ada.login()
    clone = ada.clone("shop")
    ada.run("sync", cwd=clone)
    status = ada.json("status", cwd=clone)
    assert status["problem"] is None and status["token_from"] == "login"
    text = ada.text("status", cwd=clone)
    assert re.search(r"^login +token of .*credentials\.toml$", text, re.M) and "acme/shop, as matched" in text, text
    assert "compared with the server just now" in text
    done = ada.run("sync", cwd=clone, check=False, TIDELINE_TOKEN="tdl_" + "a" * 43)
    assert done.returncode == 1, done
    status = ada.json("status", cwd=clone, TIDELINE_TOKEN="tdl_" + "a" * 43)
    assert "token" in status["problem"] and status["token_from"] == "TIDELINE_TOKEN", status
    assert "token of TIDELINE_TOKEN" in ada.text("status", cwd=clone, TIDELINE_TOKEN="x")
    ada.run("sync", cwd=clone)
    assert ada.json("status", cwd=clone)["problem"] is None
    ada.run("connections", "use", "acme/shop", cwd=clone)
    assert "acme/shop, chosen by hand" in ada.text("status", cwd=clone)
    ada.run("connections", "all", cwd=clone)
    assert "all connections of the organization" in ada.text("status", cwd=clone)
    elsewhere = ada.clone("elsewhere", remote="git@github.com:acme/elsewhere.git")
    assert "nothing yet: tideline sync" in ada.text("status", cwd=elsewhere)


@contextlib.contextmanager
def mounted(directory, options):
    """A file system in memory at `directory`, which is made; skipped where that is not allowed."""
    directory.mkdir(parents=True)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tideline-test", directory], capture_output=True).returncode:
        pytest.skip("needs the right to mount")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", directory], check=True)


def test_a_home_that_may_not_be_written_is_told_with_a_way_out(acme, ada):
    push_shop(acme)
    ada.login()
    clone = ada.clone("shop")
    with mounted(ada.data, "ro"):
        done = ada.run("sync", cwd=clone, check=False)
        assert done.returncode == 1 and "Read-only file system" in done.stderr and "XDG_DATA_HOME" in done.stderr, done


def test_a_full_disk_is_named_and_no_half_made_file_stays(acme, ada):
    push_shop(acme)
    ada.login()
    clone = ada.clone("shop")
    with mounted(ada.data, "size=400k"):
        done = ada.run("sync", cwd=clone, check=False)
        assert done.returncode == 1 and "disk is full" in done.stderr and f"Make room in {ada.data}." in done.stderr, done
        assert not list(ada.data.glob("*.sqlite.[0-9]*")), "what does not fit does not stay"
        subprocess.run(["mount", "-o", "remount,size=10m", ada.data], check=True)
        assert ada.json("sync", cwd=clone)["changed"]
        assert ada.json("verify", cwd=clone)["sound"]


# ---- The command line itself

def test_manual_and_completions_are_made_from_the_arguments(ada):
    page = ada.text("manual")
    assert page == (harness.ROOT / "docs/tideline.1").read_text(), "build/tideline manual > docs/tideline.1"
    for command in ("login", "sync", "lineage", "impact", "verify", "serve"):
        assert f'.SS "tideline {command}"' in page
    bash = ada.text("completions", "bash")
    script = bash + '\nCOMP_WORDS=(tideline sync --w) COMP_CWORD=2; _tideline; echo "${COMPREPLY[@]}"\n' \
                    'COMP_WORDS=(tideline connections "") COMP_CWORD=2; _tideline; echo "${COMPREPLY[@]}"\n' \
                    'COMP_WORDS=(tideline li) COMP_CWORD=1; _tideline; echo "${COMPREPLY[@]}"\n'
    done = subprocess.run(["bash", "--norc"], input=script, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["--watch --workspace", "use auto all", "lineage"], done
    assert "-a lineage" in ada.text("completions", "fish")
    assert ada.text("completions", "zsh").startswith("#compdef tideline\n")
    assert ada.run("completions", "csh", check=False).returncode == 2


@pytest.mark.parametrize("arguments", [["show"], ["lineage"], ["search", "x", "--limit", "0"], ["connections", "use"],
                                       ["search", "x", "--in", "nowhere"]])
def test_wrong_arguments_are_exit_code_2(ada, arguments):
    assert ada.run(*arguments, check=False).returncode == 2


def test_without_a_login_it_says_so(ada):
    clone = ada.clone("shop")
    for command in (["sync"], ["status"], ["search", "x"], ["connections"], ["verify"]):
        done = ada.run(*command, cwd=clone, check=False)
        assert done.returncode == 1 and "tideline login" in done.stderr, (command, done)
