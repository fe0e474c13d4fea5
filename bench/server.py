#!/usr/bin/env python3
"""The server's figures, on the organization of docs/benchmarks.md, beside their floor on the same machine.

    bench/server.py --program build/tideline --organization build/bench/make_organization [--markdown FILE]

Starts a server with a private database in a temporary directory, loads the organization and twenty smaller ones, checks
that a full sync carries every row exactly once, and only then measures: full syncs cold and from cache, single pages,
`connections`, incremental requests with nothing new, the server's memory; and, in the same run, COPY of the same rows
out of the same database and nginx serving the same bytes as files. Needs psql, wrk and nginx.
"""

import argparse
import gzip
import http.client
import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TABLES = ("files", "objects", "columns", "dependencies", "columns_lineage")
PAGE_ROWS = 1000
COLD_RUNS = 5
WARM_RUNS = 20
LOAD_SECONDS = 5
SETTLE_SECONDS = 10


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def run(*command, **options):
    return subprocess.run(command, check=True, capture_output=True, text=True, **options).stdout


class Server:
    """`tideline serve` on a directory; the page cache is empty after each start."""

    def __init__(self, program, directory):
        self.program, self.directory, self.port, self.process = program, directory, free_port(), None

    def __enter__(self):
        begin = time.monotonic()
        self.process = subprocess.Popen(
            [self.program, "serve", "--data-dir", self.directory, "--listen", f"127.0.0.1:{self.port}", "--log-level", "warning"],
            stdout=subprocess.DEVNULL,
        )
        while True:
            if self.process.poll() is not None or time.monotonic() - begin > 60:
                sys.exit("the server did not start")
            try:
                if self.get("/readyz")[0] == 200:
                    break
            except OSError:
                time.sleep(0.02)
        self.started_in = time.monotonic() - begin
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)

    def get(self, path, headers=None, connection=None):
        connection = connection or http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request("GET", path, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read(), answer

    def memory(self):
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return {key: int(re.search(rf"{key}:\s+(\d+) kB", status)[1]) / 1024 for key in ("VmRSS", "VmHWM")}


def pages(server, base, headers, objects):
    """A full sync in pages over one connection; the bodies as they came."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    bodies = []
    for offset in range(0, max(objects, 1), PAGE_ROWS):
        status, body, _ = server.get(f"{base}/sync-package?limit={PAGE_ROWS}&offset={offset}", headers, connection)
        if status != 200:
            sys.exit(f"a page was answered {status}: {body[:500]!r}")
        bodies.append(body)
    return bodies


def check(server, base, headers, positions, expected):
    """Every row once. Returns the timestamp of the sync and the plain size in bytes."""
    seen, size, timestamp = {table: [] for table in TABLES}, 0, None
    for body in pages(server, base, {**headers, "Accept-Encoding": "gzip"}, positions):
        text = gzip.decompress(body)
        size += len(text)
        page = json.loads(text)
        timestamp = timestamp or page["sync_metadata"]["timestamp"]
        for table in TABLES:
            seen[table] += [row["id"] for row in page["metadata"][table]]
    for table in TABLES:
        if len(seen[table]) != expected[table] or len(set(seen[table])) != expected[table]:
            sys.exit(f"{table}: {len(seen[table])} rows, {len(set(seen[table]))} of them different; {expected[table]} are there")
    return timestamp, size


def load(url, connections, headers):
    """wrk for LOAD_SECONDS: requests per second and latency in ms; any answer that is not 2xx or 304 ends the run."""
    flags = [flag for name, value in headers.items() for flag in ("-H", f"{name}: {value}")]
    out = run("wrk", "-t1", f"-c{connections}", f"-d{LOAD_SECONDS}", "--latency", *flags, url)
    if re.search(r"Non-2xx|Socket errors", out):
        sys.exit(f"errors under load at {url}:\n{out}")
    unit = {"us": 1e-3, "ms": 1.0, "s": 1e3}
    quantile = {q: float(v) * unit[u] for q, v, u in re.findall(r"(50|99)%\s+([\d.]+)(us|ms|s)\b", out)}
    return {"rate": float(re.search(r"Requests/sec:\s+([\d.]+)", out)[1]), "p50": quantile["50"], "p99": quantile["99"]}


class Nginx:
    """Files from a directory: the same bytes as the server's answers."""

    def __init__(self, directory, workers):
        self.root, self.workers, self.port = directory, workers, free_port()
        self.directory = Path(directory) / "nginx"

    def __enter__(self):
        self.directory.mkdir()
        (self.directory / "nginx.conf").write_text(
            f"daemon off; pid {self.directory}/nginx.pid; error_log {self.directory}/error.log; worker_processes {self.workers};"
            f"{'user root;' if os.getuid() == 0 else ''} events {{ worker_connections 256; }}"
            f"http {{ access_log off; sendfile on; keepalive_requests 1000000000; default_type application/json;"
            f"client_body_temp_path {self.directory}/b; proxy_temp_path {self.directory}/p; fastcgi_temp_path {self.directory}/f;"
            f"uwsgi_temp_path {self.directory}/u; scgi_temp_path {self.directory}/s;"
            f"server {{ listen 127.0.0.1:{self.port}; root {self.root}; }} }}"
        )
        nginx = shutil.which("nginx") or "/usr/sbin/nginx"
        self.process = subprocess.Popen([nginx, "-p", self.directory, "-c", self.directory / "nginx.conf"], stderr=subprocess.DEVNULL)
        for _ in range(500):
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                return self
            except OSError:
                time.sleep(0.01)
        sys.exit("nginx did not start")

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)
        shutil.rmtree(self.directory)


def nginx_load(directory, file, connections, headers):
    """With one worker or one per core, whichever is faster: that depends on what the load leaves of the cores."""
    loads = []
    for workers in (1, os.cpu_count()):
        with Nginx(directory, workers) as nginx:
            loads.append(load(f"http://127.0.0.1:{nginx.port}/{file}", connections, headers))
    return max(loads, key=lambda each: each["rate"])


def copy_seconds(directory, organization):
    """COPY of the five tables' rows out of the server's own database, to nowhere."""
    statements = [
        f"copy (select * from metadata.{table} where organization_id = '{organization}') to stdout (format binary)" for table in TABLES
    ]
    arguments = [flag for statement in statements for flag in ("-c", statement)]
    psql = ["psql", "-q", "-h", f"{directory}/run", "-U", "postgres", "-d", "tideline", *arguments]
    times = []
    for _ in range(5):
        begin = time.monotonic()
        subprocess.run(psql, check=True, stdout=subprocess.DEVNULL)
        times.append(time.monotonic() - begin)
    return statistics.median(times)


def load_organization(program, data, generator, scale, started=lambda seconds: None):
    """A new server's database with the organization and its neighbours: ({id, email, rows by table}, an admin's token)."""
    command = [generator, "--scale", scale]
    organization = json.loads(run(*command, "--ids"))[0]
    with Server(program, data) as server:
        started(server.started_in)
        psql = ["psql", "-q", "-v", "ON_ERROR_STOP=1", "-h", f"{data}/run", "-U", "postgres", "-d", "tideline"]
        maker = subprocess.Popen(command, stdout=subprocess.PIPE)
        subprocess.run(psql, stdin=maker.stdout, check=True, stdout=subprocess.DEVNULL)
        if maker.wait() != 0:
            sys.exit("the organization could not be made")
        run(*psql, "-c", "vacuum analyze")
        token = json.loads(run(program, "admin", "token", "--user", organization["email"], "--data-dir", data, "--json"))["token"]
        count = "select count(*) from metadata.{} where organization_id = '{}'"
        organization["rows"] = {table: int(run(*psql, "-At", "-c", count.format(table, organization["id"]))) for table in TABLES}
    return organization, token


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", default="build/tideline")
    parser.add_argument("--organization", default="build/bench/make_organization")
    parser.add_argument("--scale", default="1")
    parser.add_argument("--markdown", help="also write the table to this file")
    arguments = parser.parse_args()
    program = os.path.abspath(arguments.program)

    directory = tempfile.mkdtemp(prefix="tideline-bench-", dir="/tmp")
    os.chmod(directory, 0o755)
    data = f"{directory}/data"
    rows = []

    def report(what, ours, beside=""):
        rows.append((what, ours, beside))
        print(f"{what:58} {ours:>24}   {beside}", flush=True)

    try:
        organization, token = load_organization(program, data, arguments.organization, arguments.scale,
                                                lambda seconds: report("first start, with initdb (s)", f"{seconds:.2f}"))
        base = f"/api/metadata-sync/organizations/{organization['id']}"
        expected = organization["rows"]
        headers = {"Authorization": f"Bearer {token}"}
        zstd = {**headers, "Accept-Encoding": "zstd"}
        positions = max(expected["objects"], expected["files"])

        cold, starts = [], []
        for _ in range(COLD_RUNS):
            with Server(program, data) as server:
                starts.append(server.started_in)
                server.get(f"{base}/connections", headers)
                begin = time.monotonic()
                bodies = pages(server, base, zstd, positions)
                cold.append(time.monotonic() - begin)
        report("later start (s)", f"{statistics.median(starts):.2f}")

        with Server(program, data) as server:
            timestamp, plain = check(server, base, headers, positions, expected)
            report("rows of the organization", " + ".join(str(expected[table]) for table in TABLES), "files, objects, columns, dependencies, lineage")
            report("full sync, bytes: plain, zstd (MB)", f"{plain / 1e6:.1f}, {sum(map(len, bodies)) / 1e6:.2f}")
            copy = copy_seconds(data, organization["id"])
            report("full sync, cold (s): median of 5", f"{statistics.median(cold):.3f}", f"COPY binary of the rows: {copy:.3f}")
            warm = []
            pages(server, base, zstd, positions)
            for _ in range(WARM_RUNS):
                begin = time.monotonic()
                pages(server, base, zstd, positions)
                warm.append(time.monotonic() - begin)
            report("full sync, from cache (s): median of 20", f"{statistics.median(warm):.4f}")

            (Path(directory) / "page").write_bytes(bodies[0])
            (Path(directory) / "tiny").write_bytes(b"x" * 400)
            since = f"{base}/sync-package?last_sync_timestamp={timestamp}"
            _, body, answer = server.get(f"{base}/connections", headers)
            ours_304 = {**headers, "If-None-Match": answer.getheader("ETag")}
            for what, url, request, file, file_headers in (
                ("page of 1,000 from cache", f"{base}/sync-package?limit={PAGE_ROWS}&offset=0", zstd, "page", {}),
                ("connections", f"{base}/connections", headers, "tiny", {}),
                ("connections, 304", f"{base}/connections", ours_304, "tiny", {"If-None-Match": "*"}),
                ("incremental with nothing new", since, headers, "tiny", {}),
            ):
                for connections in (1, 16):
                    ours = load(f"http://127.0.0.1:{server.port}{url}", connections, request)
                    floor = nginx_load(directory, file, connections, file_headers)
                    report(
                        f"{what}, {connections} connection{'s' if connections > 1 else ''}",
                        f"{ours['rate']:.0f}/s p50 {ours['p50']:.2f} p99 {ours['p99']:.2f} ms",
                        f"nginx, the like as a file: {floor['rate']:.0f}/s; ratio {ours['rate'] / floor['rate']:.2f}",
                    )
            time.sleep(SETTLE_SECONDS)
            memory = server.memory()
            report("server's memory afterwards, at its peak (MB)", f"{memory['VmRSS']:.0f}, {memory['VmHWM']:.0f}")
        if arguments.markdown:
            table = "\n".join(f"| {what} | {ours} | {beside} |" for what, ours, beside in rows)
            Path(arguments.markdown).write_text(f"| what | tideline | beside it |\n|---|---|---|\n{table}\n")
    finally:
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
