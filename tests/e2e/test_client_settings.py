"""Where the client's settings come from: a token in a variable, files that are broken or misspelt, no HOME, and
connections that share a name."""
import contextlib
import os
import pwd
import subprocess

import pytest

import harness
from developer import Developer

SHOP = harness.ROOT / "examples/shop/target"


@pytest.fixture()
def ada(server, acme, tmp_path):
    developer = Developer(tmp_path / "ada", server, acme.organization, acme.token)
    developer.admin = acme
    yield developer
    developer.close()


def synced(ada):
    ada.login()
    clone = ada.clone("shop")
    ada.admin.push("acme/shop", SHOP / "manifest.json")
    ada.run("sync", cwd=clone)
    return clone


def test_login_says_that_the_token_is_a_variables(ada):
    place = ("login", "--server", ada.url, "--org", ada.organization)
    done = ada.run(*place, TIDELINE_TOKEN=ada.token)
    assert "the token is taken from the variable TIDELINE_TOKEN" in done.stderr
    done = ada.run(*place, "--token-file", "-", stdin=ada.token, TIDELINE_TOKEN="another")
    assert "TIDELINE_TOKEN" not in done.stderr


def test_a_refused_token_is_said_to_be_a_variables(ada, server):
    push_only = server.admin("api-token", "create", "--org", ada.organization, "--name", "ci", "--scope", "push")["token"]
    read_only = server.admin("api-token", "create", "--org", ada.organization, "--name", "ci", "--scope", "read")["token"]
    ada.login()
    clone = ada.clone("shop")
    push = ("push", "--connection", "acme/shop", "--manifest", SHOP / "manifest.json")
    for token, arguments in ((push_only, ("sync",)), ("garbage", ("sync",)), ("garbage", push), (read_only, push),
                             (push_only, ("login", "--server", ada.url, "--org", ada.organization))):
        done = ada.run(*arguments, cwd=clone, check=False, TIDELINE_TOKEN=token)
        assert done.returncode == 1 and "the token is that of the variable TIDELINE_TOKEN" in done.stderr, (arguments, done)
    done = ada.run("sync", cwd=clone, check=False, TIDELINE_TOKEN="")
    assert "TIDELINE_TOKEN" not in done.stderr, done


def test_a_broken_file_of_tokens_stops_only_what_needs_one(ada):
    clone = synced(ada)
    file = ada.home / ".config/tideline/credentials.toml"
    broken = file.read_text() + "x = [\n"
    file.write_text(broken)
    assert "orders" in ada.text("search", "order", cwd=clone)
    ada.run("status", cwd=clone)
    done = ada.run("sync", cwd=clone, check=False)
    assert done.returncode == 1 and f"{file}:" in done.stderr and "tideline login" in done.stderr, done
    done = ada.run("login", "--server", ada.url, "--org", ada.organization, "--token-file", "-", stdin=ada.token)
    assert f"{file}:" in done.stderr and f"{file}.broken" in done.stderr, done
    assert file.with_name("credentials.toml.broken").read_text() == broken
    ada.run("sync", cwd=clone)


def test_a_misspelt_setting_is_told_once(ada):
    clone = synced(ada)
    file = ada.home / ".config/tideline/config.toml"
    file.write_text(f'color = true\n[workspaces."{clone}"]\nidentifer = "acme/shop"\nserver = 3\n')
    done = ada.run("search", "order", cwd=clone)
    assert done.stderr.splitlines() == [
        f'warning: {file}:1: there is no setting "color"',
        f'warning: {file}:3: there is no setting "identifer" of a workspace: identifier, server, organization',
        f'warning: {file}:4: server is to be a text'], done
    file.write_text("workspaces = 3\n")
    assert f"warning: {file}:1: workspaces is to be a table" in ada.run("search", "order", cwd=clone).stderr
    file.write_text(f'[workspaces."{clone}"]\nidentifier = "acme/shop"\n')
    assert ada.run("search", "order", cwd=clone).stderr == ""


def test_without_home_it_is_the_users_own():
    home = pwd.getpwuid(os.geteuid()).pw_dir
    for variables in ({}, {"HOME": ""}, {"HOME": "relative"}):
        environment = {k: v for k, v in harness.environment().items() if k not in ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME")}
        done = subprocess.run([harness.PROGRAM, "push", "--help"], capture_output=True, text=True, env={**environment, **variables})
        assert f"{home}/.config/tideline/credentials.toml" in done.stdout, done


def test_connections_that_share_a_name_are_told_apart(ada):
    ada.login()
    clone = ada.clone("gap", remote="git@github.com:acme/gap.git")
    push = ("push", "--connection", "acme/gap", "--manifest", SHOP / "manifest.json")
    for kind in ("git", "local"):
        ada.run(*push, "--type", kind)
    done = ada.run(*push, check=False)
    assert done.returncode == 1 and "--type" in done.stderr and "type=" not in done.stderr and "--force" not in done.stderr, done
    ids = {each["type"]: each["id"] for each in ada.json("connections", cwd=clone)["connections"]}
    listed = ada.text("connections", cwd=clone)
    assert "git:acme/gap" in listed and "local:acme/gap" in listed
    done = ada.run("connections", "use", "acme/gap", cwd=clone, check=False)
    assert "git:acme/gap" in done.stderr and "local:acme/gap" in done.stderr, done
    chosen = ada.json("connections", "use", "local:acme/gap", cwd=clone)["connections"]
    assert [each["id"] for each in chosen if each["synced"]] == [ids["local"]]


def test_options_take_one_value_each(ada):
    clone = synced(ada)
    models = ada.json("search", "--type", "model", "order", cwd=clone)["hits"]
    assert models and {(hit["kind"], hit["object_type"]) for hit in models} == {("object", "model")}
    both = ada.json("search", "--type", "model", "--type", "source,seed", "order", cwd=clone)["hits"]
    assert len(both) > len(models) and {hit["kind"] for hit in both} == {"object"}
    columns = ada.json("search", "--in", "columns", "--type", "model", "order", cwd=clone)["hits"]
    assert columns and {(hit["kind"], hit["object_type"]) for hit in columns} == {("column", "model")}
    assert {hit["kind"] for hit in ada.json("search", "--in", "columns", "email", cwd=clone)["hits"]} <= {"column"}


def test_a_server_that_is_no_tideline_is_asked_about(ada):
    import http.server
    import threading

    class Other(http.server.BaseHTTPRequestHandler):
        def do_PUT(self):
            self.send_error(501)

        def log_message(self, *_):
            pass

    other = http.server.HTTPServer(("127.0.0.1", 0), Other)
    threading.Thread(target=other.serve_forever, daemon=True).start()
    with contextlib.closing(other.socket):
        done = ada.run("push", "--server", f"http://127.0.0.1:{other.server_port}", "--org", ada.organization, "--connection", "a/b",
                       "--manifest", SHOP / "manifest.json", check=False, TIDELINE_TOKEN="t")
        other.shutdown()
    assert done.returncode == 1 and "is there a Tideline at" in done.stderr, done


def test_completions_know_the_words_of_an_option():
    script = harness.run("completions", "bash").stdout
    asked = [("tideline admin user add --role", "", "admin member"), ("tideline search --in", "co", "columns"),
             ("tideline push --type", "git", "github gitlab git"), ("tideline completions", "", "bash zsh fish")]
    for words, current, _ in asked:
        script += f'\nCOMP_WORDS=({words} "{current}"); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); _tideline; echo "${{COMPREPLY[@]}}"'
    done = subprocess.run(["bash", "--norc"], input=script + "\n", capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [answer for _, _, answer in asked], done
    assert "-l role -x -a 'admin member'" in harness.run("completions", "fish").stdout
