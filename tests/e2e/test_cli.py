"""The program as its operator meets it: flags, variables and file, administration with and without a server, signals."""
import datetime
import json
import os
import pathlib
import re
import signal
import stat
import subprocess
import time

import pytest

import harness
import projects


MANIFEST = harness.ROOT / "examples/shop/target/manifest.json"
ID = "0b3f9c1e-7d42-4c55-9e0a-5a4f6c1d2e3f"


def settings(*arguments, **variables):
    done = harness.run("serve", "--print-config", *arguments, **variables)
    return dict(line.split(" = ", 1) for line in done.stdout.splitlines())


def test_version():
    assert re.fullmatch(r"tideline \d+\.\d+\.\d+\n", harness.run("version").stdout)
    assert harness.run("--version").stdout == harness.run("version").stdout
    assert re.fullmatch(r"\d+\.\d+\.\d+", json.loads(harness.run("version", "--json").stdout)["version"])


@pytest.mark.parametrize("arguments", [
    [], ["nonsense"], ["serve", "--nonsense"], ["serve", "--threads", "many"], ["serve", "--threads", "0"],
    ["serve", "--listen", "somewhere"], ["serve", "--listen", "127.0.0.1:70000"], ["serve", "--log-level", "loud"],
    ["serve", "--jwks-file", "a", "--jwks-url", "https://b"], ["serve", "--config", "/nonexistent/file.toml"],
    ["admin"], ["admin", "org"], ["admin", "org", "create"], ["admin", "user", "add", "--org", "x"],
    ["admin", "user", "add", "--org", "x", "--email", "a@b", "--role", "king"], ["push"],
    ["admin", "api-token", "create", "--org", "x", "--name", "n", "--scope", "everything"],
    *[["push", "--manifest", MANIFEST, "--server", "http://127.0.0.1:1", "--org", ID, "--connection", "a/b", *wrong] for wrong in (
        ["--type", "gitlb"], ["--subdir", "/x"], ["--project", "."])],
    ["push", "--manifest", MANIFEST, "--server", "http://127.0.0.1:1", "--org", "acme", "--connection", "a/b"],
    ["push", "--manifest", MANIFEST, "--server", "127.0.0.1:3001", "--org", ID, "--connection", "a/b"],
    ["push", "--manifest", MANIFEST, "--server", "http://127.0.0.1:1", "--org", ID, "--connection", ""],
    ["push", "--connection", "a/b"],
    ["lineage", "--file", MANIFEST, "--dialect", "foo"], ["lineage", "x", "--depth", "-1"],
    ["search", ""], ["show", " "], ["status", "-C", "/nonexistent"], ["sync", "--org", "acme", "--server", "http://127.0.0.1:1"],
    ["login"], ["search", "x", "--in", "nowhere"], ["help", "nonsense"],
])
def test_wrong_arguments_are_exit_code_2(arguments):
    done = harness.run(*arguments, check=False, TIDELINE_TOKEN="t", HOME="/nonexistent", XDG_DATA_HOME="/nonexistent")
    assert done.returncode == 2, done
    assert done.stderr and not done.stdout, done


@pytest.mark.parametrize("arguments,words", [
    (["nonsense"], 'no command "nonsense"'), (["admin", "org", "make"], 'tideline: admin org: there is no command "make"'),
    (["serch"], "tideline: there is no command \"serch\"\n  did you mean search?"), (["help", "usr"], 'no command "usr"'),
    (["--verson"], "there is no option --verson\n  did you mean --version?"),
    (["push", "--conection", "a/b"], "there is no option --conection\n  did you mean --connection?"),
    (["search", "order", "extra"], '"extra" is one argument too many'), (["search"], "tideline: TEXT is required"),
    (["admin"], "Usage: tideline admin [OPTIONS]"),
    ([], "serve"), (["admin", "user"], "remove")])
def test_a_command_that_is_not_there_is_named_and_a_missing_one_listed(arguments, words):
    assert words in harness.run(*arguments, check=False).stderr


def test_the_reason_of_the_database_is_told():
    done = harness.run("admin", "org", "list", "--database-url", "postgresql://someone@127.0.0.1:1/none", check=False)
    assert done.returncode == 1 and "refused" in done.stderr, done


def test_push_says_what_is_no_id_and_no_url():
    manifest = harness.ROOT / "examples/shop/target/manifest.json"
    push = ["push", "--connection", "a/b", "--manifest", manifest]
    done = harness.run(*push, "--org", "Acme", "--server", "http://127.0.0.1:1", check=False)
    assert "--org Acme is no id" in done.stderr, done
    done = harness.run(*push, "--org", "0b3f9c1e-7d42-4c55-9e0a-5a4f6c1d2e3f", "--server", "127.0.0.1:1", check=False)
    assert "--server 127.0.0.1:1 is no URL" in done.stderr, done


@pytest.mark.parametrize("arguments", [["--help"], ["serve", "--help"], ["admin", "--help"], ["push", "--help"],
                                       ["admin", "user", "add", "--help"], ["help"], ["help", "admin", "user", "add"]])
def test_help(arguments):
    done = harness.run(*arguments)
    assert "Usage" in done.stdout and not done.stderr


def test_flag_over_variable_over_file_over_default(tmp_path):
    file = tmp_path / "server.toml"
    file.write_text('listen = "127.0.0.1:1111"\nthreads = 3\nmax_pushes = 7\njwt-audience = ["a", "b"]\npage-cache-bytes = "64MiB"\n')
    given = settings("--config", file, "--listen", "127.0.0.1:3333", TIDELINE_LISTEN="127.0.0.1:2222", TIDELINE_THREADS="2")
    assert given["listen"] == "127.0.0.1:3333"
    assert given["threads"] == "2"
    assert given["max-pushes"] == "7"
    assert given["jwt-audience"] == "a,b"
    assert given["database-connections"] == "8"
    assert settings("--config", file, TIDELINE_LISTEN="127.0.0.1:2222")["listen"] == "127.0.0.1:2222"
    assert settings(TIDELINE_CONFIG=str(file))["listen"] == "127.0.0.1:1111"
    assert settings()["listen"] == "127.0.0.1:3001"
    assert settings(TIDELINE_JWT_AUDIENCE="x,y")["jwt-audience"] == "x,y"


def admin_commands(*path):
    """Each command below `admin`, with the flags that have a variable and those that must be given."""
    text = harness.run("admin", *path, "--help").stdout
    if "Subcommands:" in text:
        for name in re.findall(r"^  ([a-z][a-z-]*)", text.split("Subcommands:")[1], re.M):
            yield from admin_commands(*path, name)
        return
    flags = re.findall(r"^  (?:-\w,)? *--([\w-]+) (.*)", text, re.M)
    yield path, {name for name, rest in flags if "(Env:" in rest}, {name for name, rest in flags if "REQUIRED" in rest}


VALUES = {"org": "0b3f9c1e-7d42-4c55-9e0a-5a4f6c1d2e3f", "id": "0b3f9c1e-7d42-4c55-9e0a-5a4f6c1d2e3f", "scope": "push",
          "role": "member"}


def test_a_flag_wins_over_every_variable_of_administration(server, tmp_path):
    plain = tmp_path / "flag-not-a-directory"
    plain.write_text("")
    commands = list(admin_commands())
    assert len(commands) >= 14, commands
    dead = "postgresql://variable@127.0.0.1:1/x"
    for path, variables, required in commands:
        assert {"data-dir", "database-url", "admin-database-url"} <= variables, path
        given = [part for name in required - {"org"} for part in (f"--{name}", VALUES.get(name, "flag-value"))]
        if path == ("restore",):
            given += ["--epoch-only"]

        def error(*more, **variables):
            done = harness.run("admin", *path, *given, *more, check=False, **{"TIDELINE_ORG": VALUES["org"], **variables})
            assert done.returncode != 0 and not done.stdout, done
            return done.stderr

        everything = {"TIDELINE_DATA_DIR": str(server.data_dir), "TIDELINE_DATABASE_URL": dead, "TIDELINE_ADMIN_DATABASE_URL": dead}
        assert str(plain) in error("--data-dir", plain, **everything), path
        for flag in ("database-url", "admin-database-url"):
            flagged = "postgresql://flag@127.0.0.1:2/x"
            assert "port 2 " in error(f"--{flag}", flagged, **everything), (path, flag)
        assert "port 1 " in error(TIDELINE_DATA_DIR=str(server.data_dir), TIDELINE_DATABASE_URL=dead), path
        assert str(plain) in error(TIDELINE_DATA_DIR=str(plain)), path
        assert variables <= {"data-dir", "database-url", "admin-database-url", "org"}, "a new one: ask of it as well"
        if "org" in variables:
            done = harness.run("admin", *path, *given, "--org", "flag-value", "--data-dir", server.data_dir, check=False,
                               TIDELINE_ORG=VALUES["org"])
            assert "--org flag-value is no id" in done.stderr, (path, done)


def test_an_id_is_taken_from_no_variable(server):
    made = server.admin("org", "create", "--name", "No variable", "--id", "0b3f9c1e-7d42-4c55-9e0a-5a4f6c1d2e30")
    assert made["id"] == "0b3f9c1e-7d42-4c55-9e0a-5a4f6c1d2e30"
    done = harness.run("admin", "org", "create", "--name", "No variable either", "--data-dir", server.data_dir,
                       TIDELINE_ORG="0b3f9c1e-7d42-4c55-9e0a-5a4f6c1d2e31", TIDELINE_ID="0b3f9c1e-7d42-4c55-9e0a-5a4f6c1d2e32")
    assert not done.stdout.startswith("0b3f9c1e"), done


@pytest.mark.parametrize("text,words", [
    ("listen = ", ":1:"), ("nonsense = 1", "nonsense"), ("threads = 0", "threads"), ("\n[listen]\nx = 1", ":2:"),
    ("threads = 'many'", "threads"), ("listen = 1.5", "listen")])
def test_errors_of_the_file_name_the_place(tmp_path, text, words):
    file = tmp_path / "server.toml"
    file.write_text(text)
    done = harness.run("serve", "--print-config", "--config", file, check=False)
    assert done.returncode == 2 and words in done.stderr, done


def test_passwords_are_not_printed():
    for url in ("postgresql://server:hunter2@db.example/x", "host=db password=hunter2",
                "postgresql://db.example/x?user=a&password=hunter2"):
        done = harness.run("serve", "--print-config", "--database-url", url)
        assert "hunter2" not in done.stdout


def test_unreachable_database_is_told(tmp_path):
    done = harness.run("serve", "--listen", "127.0.0.1:0", "--data-dir", tmp_path / "data",
                       "--database-url", "postgresql://nobody:hunter2@127.0.0.1:1/x", check=False)
    assert done.returncode == 1
    assert "hunter2" not in done.stdout + done.stderr


def test_admin_does_not_make_a_database_of_a_mistyped_directory():
    with harness.directory() as home:
        done = harness.run("admin", "org", "list", "--data-dir", home / "typo", check=False)
        assert done.returncode == 1 and "--data-dir" in done.stderr
        assert not (home / "typo").exists()


def test_admin_without_a_server_then_with_one():
    with harness.directory() as home:
        data = home / "data"
        harness.run("admin", "migrate", "--data-dir", data)
        made = json.loads(harness.run("admin", "org", "create", "--name", "Early", "--data-dir", data, "--json").stdout)
        server = harness.Server(home)
        try:
            listed = server.admin("org", "list")["organizations"]
            assert [(o["id"], o["name"]) for o in listed] == [(made["id"], "Early")]
            client = server.client(made["id"], server.user(made["id"], "a@example.com", "admin"))
            assert client.get("/connections") == {"connections": []}
            server.stop()
            assert len(json.loads(harness.run("admin", "user", "list", "--org", made["id"], "--data-dir", data,
                                              "--json").stdout)["users"]) == 1
            server.start()
            assert client.get("/connections") == {"connections": []}
        finally:
            server.close()


def test_admin_commands(server):
    organization = server.organization("Commands", id="0b3f9c1e-7d42-4c55-9e0a-5a4f6c1d2e3f")
    assert organization == "0b3f9c1e-7d42-4c55-9e0a-5a4f6c1d2e3f"
    done = harness.run("admin", "org", "create", "--name", "commands", "--data-dir", server.data_dir, check=False)
    assert done.returncode == 1 and "ommands" in done.stderr
    user = server.admin("user", "add", "--org", organization, "--email", "Ada@Example.com", "--role", "member")
    again = server.admin("user", "add", "--org", organization, "--email", "ada@example.com", "--role", "admin")
    assert user["id"] == again["id"] and again["role"] == "admin"
    assert server.admin("user", "role", "--org", organization, "--email", "ada@example.com", "--role", "member")["role"] == "member"
    users = server.admin("user", "list", "--org", organization)["users"]
    assert [(u["id"], u["role"]) for u in users] == [(user["id"], "member")]
    server.admin("user", "link", "--email", "ada@example.com", "--issuer", "https://id.example", "--subject", "ada")
    other = server.admin("user", "add", "--org", organization, "--email", "bob@example.com", "--role", "member")
    done = harness.run("admin", "user", "link", "--email", "bob@example.com", "--issuer", "https://id.example",
                       "--subject", "ada", "--data-dir", server.data_dir, check=False)
    assert done.returncode == 1, done
    assert server.admin("user", "remove", "--org", organization, "--email", "bob@example.com")["id"] == other["id"]
    done = harness.run("admin", "user", "remove", "--org", organization, "--email", "bob@example.com",
                       "--data-dir", server.data_dir, check=False)
    assert done.returncode == 1
    done = harness.run("admin", "token", "--user", "nobody@example.com", "--data-dir", server.data_dir, check=False)
    assert done.returncode == 1 and not done.stdout

    made = server.admin("api-token", "create", "--org", organization, "--name", "ci", "--scope", "push,read", "--ttl", 3600)
    listed = server.admin("api-token", "list", "--org", organization)["api_tokens"]
    assert [(t["id"], t["name"], sorted(t["scopes"]), t["revoked_at"]) for t in listed] == [
        (made["id"], "ci", ["push", "read"], None)]
    assert made["token"] not in json.dumps(listed)
    assert [o["users"] for o in server.admin("org", "list")["organizations"] if o["id"] == organization] == [1], "people only"
    server.admin("api-token", "revoke", "--org", organization, "--id", made["id"])
    assert server.admin("api-token", "list", "--org", organization)["api_tokens"][0]["revoked_at"]

    text = harness.run("admin", "token", "--user", "ada@example.com", "--data-dir", server.data_dir)
    assert re.fullmatch(r"[\w-]+\.[\w-]+\.[\w-]+\n", text.stdout), "a token alone on standard output, for $(…)"


@pytest.mark.parametrize("arguments", [
    ["user", "list", "--org", "not-an-id"], ["org", "create", "--name", "x", "--id", "not-an-id"],
    ["token", "--user", "a@b", "--ttl", "-5"], ["token", "--user", "a@b", "--ttl", "0"], ["token", "--user", "a@b", "--ttl", "never"],
    ["token", "--user", "a@b", "--ttl", "1h"],
    *[["api-token", "create", "--org", VALUES["org"], "--name", "n", "--scope", "push", "--ttl", ttl] for ttl in ("0", "-1", "ever", "316224001")], ["api-token", "revoke", "--org", "0b3f9c1e-7d42-4c55-9e0a-5a4f6c1d2e3f", "--id", "x"]])
def test_bad_values_are_exit_code_2(server, arguments):
    done = harness.run("admin", *arguments, "--data-dir", server.data_dir, check=False)
    assert done.returncode == 2 and done.stderr, done


def test_an_api_token_ends_unless_it_is_said(server):
    organization = server.organization("Ends")
    create = ["api-token", "create", "--org", organization, "--name", "ci", "--scope", "push"]
    text = server.admin(*create)["expires_at"]
    ends = datetime.datetime.fromisoformat(text.replace("Z", "+00:00")) - datetime.datetime.now(datetime.timezone.utc)
    assert 364 <= ends.days <= 365
    assert server.admin(*create, "--ttl", "never")["expires_at"] is None
    done = harness.run("admin", *create, "--ttl", "never", "--data-dir", server.data_dir)
    assert "holds until it is revoked" in done.stderr, done


def test_an_answer_that_cannot_be_written_is_a_failure(server):
    organization = server.organization("Full disk")
    for arguments in (["version"], ["manual"], ["--help"], ["admin", "org", "list", "--data-dir", server.data_dir]):
        with open("/dev/full", "wb") as full:
            done = subprocess.run([harness.PROGRAM, *map(str, arguments)], stdout=full, stderr=subprocess.PIPE, text=True,
                                  env=harness.environment())
        assert done.returncode == 1 and "No space left on device" in done.stderr, (arguments, done)
    create = [harness.PROGRAM, "admin", "api-token", "create", "--org", organization, "--name", "lost", "--scope", "push",
              "--data-dir", str(server.data_dir)]
    read, write = os.pipe()
    os.close(read)
    for output, reason in ((write, "Broken pipe"), (open("/dev/full", "wb"), "No space left on device")):
        done = subprocess.run(create, stdout=output, stderr=subprocess.PIPE, text=True, env=harness.environment())
        assert done.returncode == 1 and reason in done.stderr and "tdl_" not in done.stderr, done
        revoke = re.search(r"nobody has seen it: tideline (admin api-token revoke --org \S+ --id \S+)", done.stderr).group(1)
        harness.run(*revoke.split(), "--data-dir", server.data_dir)
    closed = subprocess.run(["/bin/sh", "-c", 'exec "$@" >&-', "sh", *create], stderr=subprocess.PIPE, text=True,
                            env=harness.environment())
    assert closed.returncode == 1 and "Bad file descriptor" in closed.stderr, closed
    assert [t["revoked_at"] is None for t in server.admin("api-token", "list", "--org", organization)["api_tokens"]].count(True) == 1


def test_a_password_in_an_address_is_not_repeated(tmp_path):
    manifest = harness.ROOT / "examples/shop/target/manifest.json"
    place = ["--org", VALUES["org"]]
    commands = [["push", "--connection", "a/b", "--manifest", manifest], ["login"], ["logout"], ["sync", "-C", tmp_path],
                ["status", "-C", tmp_path], ["connections", "-C", tmp_path], ["search", "x", "-C", tmp_path]]
    for command in commands:
        for server in ("http://tdl_user:s3cret@127.0.0.1:1", "tdl_user:s3cret@host", "https://tdl_user:s3/cret@host/x"):
            for done in (harness.run(*command, *place, "--server", server, check=False, TIDELINE_TOKEN="t"),
                         harness.run(*command, *place, check=False, TIDELINE_SERVER=server, TIDELINE_TOKEN="t")):
                assert done.returncode != 0 and "before an @" in done.stderr, (command, done)
                assert "cret" not in done.stderr + done.stdout and "tdl_user" not in done.stderr + done.stdout, done
    for proxy in ("foo://tdl_user:s3cret@127.0.0.1:1", "http://tdl_user:s3cret@127.0.0.1:1 x"):
        done = harness.run("login", *place, "--server", "https://example.com", check=False, TIDELINE_TOKEN="t", HTTPS_PROXY=proxy)
        assert done.returncode == 1 and "cret" not in done.stderr, done


def test_second_server_on_one_directory_is_refused(server):
    began = time.monotonic()
    done = harness.run("serve", "--data-dir", server.data_dir, "--listen", "127.0.0.1:0", check=False)
    assert done.returncode == 1 and f"in use by another process (pid {server.process.pid})" in done.stderr, done
    assert time.monotonic() - began < 2.5, "there is nothing to wait for: a server that ends is waited for 3 s"


def test_address_taken_is_told(server):
    with harness.directory() as home:
        done = harness.run("serve", "--data-dir", home / "data", "--listen", f"127.0.0.1:{server.port}", check=False)
        assert done.returncode == 1 and str(server.port) in done.stderr, done
        assert not (home / "data/postgres").exists(), "no database is made for a server that cannot serve"


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("log", ["creating the database", "migrated"])
def test_a_signal_during_the_first_start_ends_it_and_the_next_one_mends(sign, log):
    with harness.directory() as home:
        command = [harness.PROGRAM, "serve", "--data-dir", str(home / "data"), "--listen", "127.0.0.1:0"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=harness.environment()) as process:
            for line in process.stderr:
                if log in line:
                    break
            process.send_signal(sign)
            began = time.monotonic()
            assert process.wait(harness.PATIENCE) == 0
            assert time.monotonic() - began < 2
            assert process.stdout.read() == ""
        server = harness.Server(home)
        server.organization("Mended")
        server.close()


def test_files_are_the_servers_alone(server, admin):
    mode = stat.S_IMODE(os.stat(server.data_dir).st_mode)
    assert mode & 0o007 == 0, oct(mode)
    for path in [server.data_dir / "postgres"]:
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
    if os.getuid() == 0:
        owner = server.data_dir.stat().st_uid
        assert owner != 0
        uids = {line.split()[1] for line in pathlib.Path(f"/proc/{server.process.pid}/status").read_text().splitlines()
                if line.startswith("Uid:")}
        assert uids == {str(owner)}, "the server still is root"


def test_log_is_lines_of_json_without_secrets(server, admin):
    admin.push("made/log", projects.manifest())
    admin.api("GET", "/connections", note="query-secret")
    assert admin.as_user("eyJub3QiOiJhIn0.dG9rZW4.c2VjcmV0").api("GET", "/connections").status == 401
    lines = [line for line in server.log().splitlines() if line]
    assert lines
    for line in lines:
        record = json.loads(line)
        assert {"time", "level", "event"} <= set(record), line
    text = server.log()
    for secret in (admin.token, admin.token.split(".")[2], "query-secret", "dG9rZW4.c2VjcmV0"):
        assert secret not in text


@pytest.mark.skipif(os.getuid() != 0, reason="needs a second user")
def test_a_directory_of_another_user_is_not_called_empty():
    with harness.directory() as home:
        (home / "data/postgres").mkdir(parents=True)
        (home / "data").chmod(0o700)
        nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
        done = subprocess.run([*nobody, harness.PROGRAM, "admin", "org", "list", "--data-dir", str(home / "data")],
                              capture_output=True, text=True, env=harness.environment())
        assert done.returncode == 1 and "cannot be looked into: Permission denied" in done.stderr, done


def test_a_refused_file_is_named_as_it_was_given(server, admin, tmp_path):
    empty = tmp_path / "nothing.json"
    empty.write_text(" ")
    push = ["push", "--server", f"http://127.0.0.1:{server.port}", "--org", admin.organization, "--connection", "a/named"]
    done = harness.run(*push, "--manifest", empty, check=False, TIDELINE_TOKEN=admin.token)
    assert done.returncode == 1 and f"tideline: {empty} is empty" in done.stderr, done
    done = harness.run(*push, "--manifest", MANIFEST, "--catalog", empty, check=False, TIDELINE_TOKEN=admin.token)
    assert done.returncode == 1 and f"tideline: {empty} " in done.stderr, done


def test_a_file_that_is_no_backup_is_named_and_changes_nothing(server, tmp_path):
    organization = server.organization("Not replaced")
    file = tmp_path / "no.dump"
    file.write_text("no backup")
    done = harness.run("admin", "restore", "--from", file, "--replace", "--data-dir", server.data_dir, check=False)
    assert done.returncode == 1 and f"{file} could not be read" in done.stderr and "admin backup" in done.stderr, done
    assert done.stderr.count("pg_restore: error") == 1, done
    assert organization in {each["id"] for each in server.admin("org", "list")["organizations"]}
