"""The real program, as its users see it: a server in a directory of its own, a client that checks every answer against
the server's own OpenAPI document, and the few steps that tests share. Nothing is mocked."""
import contextlib
import http.client
import json
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import urllib.parse

import jsonschema

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("TIDELINE_PROGRAM", str(ROOT / "build" / "tideline"))
SOAK = bool(os.environ.get("TIDELINE_SOAK"))
DATA = os.environ.get("TIDELINE_TEST_DATA")
SANITIZED = "san" in pathlib.Path(PROGRAM).parent.name
# What a sanitizer or a busy machine may take longer; only ever used as "so long before a test gives up".
PATIENCE = 120

TABLES = ("files", "objects", "columns", "dependencies", "columns_lineage")
COUNTED = ("model", "seed", "snapshot", "source", "exposure", "analysis")


def seed():
    """The seed of this run: TIDELINE_SEED to repeat one."""
    value = int(os.environ.get("TIDELINE_SEED") or random.SystemRandom().randrange(1 << 32))
    print(f"TIDELINE_SEED={value}")
    return value


def environment(**more):
    """Without what the person running the tests has set for tideline."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("TIDELINE_")}
    return {**kept, "XDG_CONFIG_HOME": "/nonexistent", **more}


def run(*arguments, check=True, **more):
    done = subprocess.run([PROGRAM, *map(str, arguments)], capture_output=True, text=True, timeout=PATIENCE,
                          env=environment(**more))
    if check and done.returncode != 0:
        raise AssertionError(f"tideline {' '.join(map(str, arguments))}: {done.returncode}\n{done.stdout}{done.stderr}")
    return done


@contextlib.contextmanager
def directory():
    """A directory whose parents the server's own user can pass, should the tests run as root."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="tideline-test-"))
    path.chmod(0o755)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


class Server:
    """`tideline serve` on a private database under `home`, on a free port."""

    def __init__(self, home, *flags, env=None):
        self.home = pathlib.Path(home)
        self.data_dir = self.home / "data"
        self.flags = flags
        self.env = env or {}
        self.process = None
        self.port = None
        self.wanted_port = 0  # any free one
        self.start()

    def start(self):
        began = time.monotonic()
        with open(self.home / "server.log", "ab") as log:
            self.process = subprocess.Popen(
                [PROGRAM, "serve", "--data-dir", str(self.data_dir), "--listen", f"127.0.0.1:{self.wanted_port}", *self.flags],
                stdout=subprocess.PIPE, stderr=log, env=environment(**self.env))
        line = self._first_line()
        match = re.fullmatch(r"listening on http://127\.0\.0\.1:(\d+)\n", line)
        if not match:
            self.kill()
            raise AssertionError(f"not started ({line!r}):\n{self.log()[-4000:]}")
        self.port = int(match.group(1))
        self.seconds_to_start = time.monotonic() - began
        return self

    def _first_line(self):
        result = []
        reader = threading.Thread(target=lambda: result.append(self.process.stdout.readline().decode()), daemon=True)
        reader.start()
        reader.join(PATIENCE)
        return result[0] if result else "(nothing)"

    def stop(self):
        """SIGTERM; returns the seconds it took. A stop that is not clean is an error."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(PATIENCE)
        assert code == 0, f"serve ended with {code}:\n{self.log()[-4000:]}"
        return time.monotonic() - began

    def kill(self):
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait(PATIENCE)
        self.process.stdout.close()

    def close(self):
        """Whatever state it is in: gone, and its database with it."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(30)
        self.kill()
        pid = self.postmaster()
        deadline = time.monotonic() + 30
        while pid and alive(pid) and time.monotonic() < deadline:
            time.sleep(0.05)
        if pid and alive(pid):
            os.kill(pid, signal.SIGKILL)

    def postmaster(self):
        """Pid of the private database's first process, or None."""
        with contextlib.suppress(OSError, ValueError, IndexError):
            pid = int((self.data_dir / "postgres" / "postmaster.pid").read_text().splitlines()[0])
            cwd = os.readlink(f"/proc/{pid}/cwd")
            if pathlib.Path(cwd) == (self.data_dir / "postgres"):
                return pid
        return None

    def log(self):
        return (self.home / "server.log").read_text(errors="replace")

    def admin(self, *arguments):
        return json.loads(run("admin", *arguments, "--data-dir", self.data_dir, "--json").stdout)

    def organization(self, name, **more):
        return self.admin("org", "create", "--name", name, *flags(more))["id"]

    def user(self, organization, email, role="member"):
        """A member, and a token for him."""
        self.admin("user", "add", "--org", organization, "--email", email, "--role", role)
        return self.token(email)

    def token(self, email, **more):
        return self.admin("token", "--user", email, *flags(more))["token"]

    def client(self, organization, token):
        return Client(self, organization, token)


def flags(values):
    return [part for name, value in values.items() for part in (f"--{name}", str(value))]


def alive(pid):
    try:
        return "Z" not in pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False


class Answer:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"{self.status} {self.body[:400]!r}"


class Contract:
    """The server's OpenAPI document, and whether an answer is one that it promises."""

    def __init__(self, document):
        self.document = document
        self.resolver = jsonschema.RefResolver("", document)
        self.paths = []
        for path, item in document["paths"].items():
            pattern = re.compile(re.sub(r"\\?\{[^}]*\\?\}", "[^/]+", re.escape(path).replace(r"\{", "{").replace(r"\}", "}")))
            self.paths.append((path.count("{"), pattern, path, item))
        self.paths.sort(key=lambda entry: entry[0])
        self.seen = set()

    def operation(self, method, target):
        path = target.split("?")[0]
        for _, pattern, name, item in self.paths:
            if pattern.fullmatch(path):
                return name, self.deref(item.get(method.lower()))
        return None, None

    def deref(self, node):
        while isinstance(node, dict) and "$ref" in node:
            node = self.resolver.resolve(node["$ref"])[1]
        return node

    def check(self, method, target, answer):
        where = f"{method} {target[:200]} -> {answer!r}"
        name, operation = self.operation("GET" if method == "HEAD" else method, target)
        if operation is None:
            # No such path or method: still a problem document.
            assert answer.status in (400, 404, 405, 413, 414, 431, 501, 503) or method == "OPTIONS", where
            if method not in ("HEAD", "OPTIONS"):
                assert_problem(answer, where)
            return
        responses = operation["responses"]
        response = self.deref(responses.get(str(answer.status)))
        assert response is not None, f"undocumented status for {method} {name}: {where}"
        self.seen.add((method, name, answer.status))
        content = response.get("content")
        if method == "HEAD" or answer.status in (204, 304):
            assert answer.body == b"", where
            return
        media = answer.headers.get("content-type", "").split(";")[0].strip()
        assert content and media in content, f"undocumented media type {media!r}: {where}"
        for header, what in response.get("headers", {}).items():
            if what.get("required") or self.deref(what).get("required"):
                assert header.lower() in answer.headers, f"no {header}: {where}"
        if answer.status >= 400:
            assert_problem(answer, where)
        schema = content[media].get("schema")
        if schema is not None and media.endswith("json"):
            validator = jsonschema.Draft202012Validator(schema, resolver=self.resolver)
            error = jsonschema.exceptions.best_match(validator.iter_errors(answer.json))
            assert error is None, f"{error.message if error else ''} at {list(error.absolute_path) if error else ''}: {where}"


def assert_problem(answer, where):
    assert answer.headers.get("content-type", "").startswith("application/problem+json"), where
    assert answer.headers.get("cache-control") == "no-store", where
    body = answer.json
    assert body["status"] == answer.status and body["title"] and body["message"], where
    if answer.status == 401:
        assert answer.headers.get("www-authenticate", "").startswith("Bearer"), where
    if answer.status in (429, 503):
        assert int(answer.headers["retry-after"]) >= 1, where


_contracts = {}


class Client:
    """One user's connection to one organization's API; not for two threads at once. Every answer is held against the
    contract."""

    def __init__(self, server, organization, token):
        self.server = server
        self.organization = organization
        self.token = token
        self.base = f"/api/metadata-sync/organizations/{organization}"
        self.connection = None
        # Whether answers are held against the contract. Checking a large page takes Python longer than making it takes
        # the server: tests that are about many pages do without.
        self.checked = True

    def as_user(self, token):
        return Client(self.server, self.organization, token)

    def unchecked(self):
        client = self.as_user(self.token)
        client.checked = False
        return client

    def send(self, method, target, body=None, headers=None):
        """As it comes: no check but that there is an answer."""
        headers = dict(headers or {})
        if self.token is not None:
            headers.setdefault("Authorization", f"Bearer {self.token}")
        for attempt in (1, 2):
            fresh = self.connection is None
            if fresh:
                self.connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=PATIENCE)
            try:
                self.connection.request(method, target, body=body, headers=headers)
                response = self.connection.getresponse()
                answer = Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
                if response.will_close:
                    self.close()
                return answer
            except (http.client.HTTPException, OSError):
                self.close()
                # A kept connection may have been closed by the server in the meantime; a fresh one has no excuse.
                if fresh or attempt == 2 or method not in ("GET", "HEAD"):
                    raise

    def close(self):
        if self.connection:
            self.connection.close()
            self.connection = None

    def call(self, method, target, body=None, headers=None):
        answer = self.send(method, target, body, headers)
        if self.checked:
            contract(self.server).check(method, target, answer)
        return answer

    def api(self, method, path, body=None, headers=None, **query):
        """`body`: anything but bytes is sent as JSON."""
        headers = dict(headers or {})
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            headers.setdefault("Content-Type", "application/json")
        target = self.base + path + ("?" + urllib.parse.urlencode(query, doseq=True) if query else "")
        return self.call(method, target, body, headers)

    def get(self, path, **query):
        answer = self.api("GET", path, **query)
        assert answer.status == 200, answer
        return answer.json

    def register(self, full_name, **more):
        answer = self.api("PUT", "/connections", {"full_name": full_name, **more})
        assert answer.status in (200, 201), answer
        return answer.json["connection"]["id"]

    def push(self, full_name, manifest, catalog=None, expect=(200, 201), **query):
        """Documents (dict, str, bytes) or paths."""
        parts = [("manifest", content_of(manifest))]
        if catalog is not None:
            parts.append(("catalog", content_of(catalog)))
        body, content_type = multipart(parts)
        answer = self.api("PUT", "/artifacts", body, {"Content-Type": content_type}, full_name=full_name, **query)
        assert answer.status in expect, answer
        return answer.json

    def package(self, **query):
        return self.get("/sync-package", **query)

    def pages(self, limit=1000, pause=None, **query):
        """All pages of a full or incremental answer, in order."""
        offset = 0
        while True:
            page = self.package(limit=limit, offset=offset, **query)
            yield page
            rows = page["metadata"]
            if len(rows["objects"]) < limit and len(rows["files"]) < limit:
                return
            offset += limit
            if pause:
                pause()

    def full(self, limit=10_000, **query):
        return Copy().take(self.pages(limit, **query))


def contract(server):
    key = str(server.home)
    if key not in _contracts:
        answer = Client(server, "-", None).send("GET", "/openapi.json")
        assert answer.status == 200, answer
        _contracts[key] = Contract(answer.json)
    return _contracts[key]


def content_of(document):
    if isinstance(document, pathlib.Path):
        return document.read_bytes()
    if isinstance(document, bytes):
        return document
    return (document if isinstance(document, str) else json.dumps(document)).encode()


def multipart(parts):
    boundary = "----tideline" + os.urandom(12).hex()
    out = b""
    for name, content in parts:
        out += (f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="{name}.json"\r\n'
                "Content-Type: application/json\r\n\r\n").encode() + content + b"\r\n"
    return out + f"--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"


class Copy:
    """What a client keeps: rows by id, put together from pages, brought forward by incremental answers."""

    def __init__(self):
        self.rows = {table: {} for table in TABLES}
        self.documentation = {}
        self.timestamp = None
        self.repeats = 0

    def take(self, pages):
        """The timestamp kept is that of the first page."""
        first = True
        for page in pages:
            if first:
                self.timestamp = page["sync_metadata"]["timestamp"]
                first = False
            self._merge(page)
        return self

    def _merge(self, page):
        for table, ids in page.get("deleted", {}).items():
            if table == "connections":
                for rows in self.rows.values():
                    for gone in [i for i, row in rows.items() if row["connection_id"] in ids]:
                        del rows[gone]
                continue
            target = self.documentation if table == "documentation" else self.rows[table]
            for gone in ids:
                target.pop(gone, None)
        for table in TABLES:
            for row in page["metadata"][table]:
                self.repeats += row["id"] in self.rows[table]
                self.rows[table][row["id"]] = row
        for row in page["documentation"]:
            self.documentation[row["id"]] = row

    def update(self, client, limit=10_000, **query):
        """Applies what changed since; a full answer replaces everything."""
        pages = list(client.pages(limit, last_sync_timestamp=self.timestamp, **query))
        if not pages[0]["sync_metadata"]["incremental"]:
            self.__init__()
        return self.take(pages)

    def without(self, *names):
        return {table: {i: {k: v for k, v in row.items() if k not in names} for i, row in rows.items()}
                for table, rows in self.rows.items()}

    def counts(self):
        return {table: len(rows) for table, rows in self.rows.items()}


def same(left, right, ignoring=()):
    """Asserts that two copies hold the same rows; names the first differences."""
    a, b = left.without(*ignoring), right.without(*ignoring)
    for table in TABLES:
        assert a[table].keys() == b[table].keys(), (
            table, "only left", [left.rows[table][i] for i in sorted(a[table].keys() - b[table].keys())[:2]],
            "only right", [right.rows[table][i] for i in sorted(b[table].keys() - a[table].keys())[:2]])
        for i, row in a[table].items():
            assert row == b[table][i], (table, {k: (v, b[table][i].get(k)) for k, v in row.items()
                                                if v != b[table][i].get(k)})


def wait_until(condition, seconds=PATIENCE, every=0.02):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return
        time.sleep(every)
    raise AssertionError(f"did not come true within {seconds} s")
