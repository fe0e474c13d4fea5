"""A developer at a machine of his own: a home, git clones, the client's commands, and the replica read by stock SQLite."""
import contextlib
import json
import os
import pathlib
import queue
import sqlite3
import subprocess
import threading
import time

import harness


class Developer:
    def __init__(self, home, server, organization, token=None):
        self.home = pathlib.Path(home)
        self.home.mkdir(parents=True, exist_ok=True)
        self.server = server
        self.organization = organization
        self.token = token
        self.watchers = []

    def environment(self, **more):
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("TIDELINE_", "XDG_", "GIT_"))}
        return {**kept, "HOME": str(self.home), "GIT_CONFIG_NOSYSTEM": "1", "TZ": "UTC", **more}

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server.port}"

    def run(self, *arguments, cwd=None, check=True, stdin=None, **more):
        done = subprocess.run([harness.PROGRAM, *map(str, arguments)], capture_output=True, text=True, input=stdin,
                              timeout=harness.PATIENCE, cwd=cwd or self.home, env=self.environment(**more))
        if check and done.returncode != 0:
            raise AssertionError(f"tideline {' '.join(map(str, arguments))}: {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def text(self, *arguments, **more):
        return self.run(*arguments, **more).stdout

    def json(self, *arguments, **more):
        return json.loads(self.run(*arguments, "--json", **more).stdout)

    def login(self, token=None):
        return self.json("login", "--server", self.url, "--org", self.organization, "--token-file", "-",
                         stdin=(token or self.token) + "\n")

    def clone(self, name, remote="git@github.com:acme/shop.git", subdir=""):
        """A repository with a dbt project, whose origin is `remote`; the project's directory."""
        root = self.home / name
        project = root / subdir
        project.mkdir(parents=True)
        (project / "dbt_project.yml").write_text(f"name: {name.replace('-', '_')}\n")
        self.git("init", "-q", cwd=root)
        if remote:
            self.git("remote", "add", "origin", remote, cwd=root)
        return project

    def at_work(self):
        """Logged in, in a clone of acme/shop: `shop`."""
        self.login()
        self.shop = self.clone("shop")
        return self

    def git(self, *arguments, cwd):
        subprocess.run(["git", *arguments], cwd=cwd, check=True, env=self.environment(), capture_output=True)

    def until_status(self, condition):
        harness.wait_until(lambda: condition(self.json("status", cwd=self.home / "work")), every=0.1)

    @property
    def data(self):
        return self.home / ".local/share/tideline"

    @property
    def replica(self):
        found = list(self.data.glob("*.sqlite"))
        assert len(found) == 1, sorted(self.data.iterdir())
        return found[0]

    def rows(self, sql, *parameters):
        with contextlib.closing(sqlite3.connect(f"file:{self.replica}?mode=ro", uri=True)) as database:
            return database.execute(sql, parameters).fetchall()

    def watch(self, cwd, *arguments, **more):
        watcher = Watcher(self, cwd, arguments, more)
        self.watchers.append(watcher)
        return watcher

    def close(self):
        for watcher in self.watchers:
            watcher.stop(check=False)


class Watcher:
    """`tideline sync --watch --json`: its lines as they come."""

    def __init__(self, developer, cwd, arguments, more):
        self.process = subprocess.Popen([harness.PROGRAM, "sync", "--watch", "--json", *arguments], cwd=cwd,
                                        env=developer.environment(**more), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.lines = queue.Queue()
        self.seen = []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.put((time.time(), json.loads(line)))
        self.lines.put((time.time(), None))

    def wait(self, condition, seconds=harness.PATIENCE):
        """The first line from here on for which it holds."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                at, line = self.lines.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"not within {seconds} s; lines: {self.seen}") from None
            if line is None:
                raise AssertionError(f"the watcher ended; lines: {self.seen}; {self.process.stderr.read().decode()}")
            self.seen.append(line)
            if condition(line):
                line["received"] = at
                return line

    def until(self, state):
        return self.wait(lambda line: line["state"] == state)

    def until_version(self, version):
        return self.wait(lambda line: (line.get("version") or 0) >= version)

    def stop(self, check=True):
        if self.process.poll() is None:
            self.process.terminate()
        code = self.process.wait(harness.PATIENCE)
        if check:
            assert code == 0, self.process.stderr.read().decode()
        return code
