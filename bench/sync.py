#!/usr/bin/env python3
"""The figures of sync, on the organization of docs/benchmarks.md, beside their floor on the same machine.

    bench/sync.py --program build/tideline --organization build/bench/make_organization [--clients 1000] [--markdown FILE]

Starts a server with a private database in a temporary directory, loads the organization and twenty smaller ones, and
measures: a first sync into a verified, searchable replica by `tideline sync`; an empty poll and a page of changes from
cache, beside nginx; how long after a push's answer `tideline sync --watch` has it in its replica; and --clients streams
of events that each fetch and check one push, and then all pages at once. Every result is checked before it is timed.
Needs psql, wrk, nginx and python3.
"""

import argparse
import asyncio
import gzip
import json
import os
import pathlib
import queue
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time

import server as bench

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests/e2e"))
import projects  # noqa: E402
import reference_client  # noqa: E402

COLD_RUNS = 5
PUSHES = 60
PUSH_GAP = 0.4  # seconds; hints that come closer are joined to four a second, and that would be measured


class Workspace:
    """A developer's home with a login, that syncs all of the organization."""

    def __init__(self, program, home, url, organization, token):
        self.program, self.home = program, pathlib.Path(home)
        self.home.mkdir()
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("TIDELINE_", "XDG_"))}
        self.environment = {**kept, "HOME": str(home), "TIDELINE_SERVER": url, "TIDELINE_ORG": organization, "TIDELINE_TOKEN": token}
        self.tideline("connections", "all")

    def tideline(self, *arguments):
        done = subprocess.run([self.program, *arguments], cwd=self.home, env=self.environment, capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"tideline {' '.join(arguments)}: {done.stderr}")
        return done.stdout

    def forget(self):
        for file in (self.home / ".local/share/tideline").glob("*.sqlite*"):
            file.unlink()


class Watch:
    """`tideline sync --watch --json`: (time, line) as they come."""

    def __init__(self, workspace):
        self.process = subprocess.Popen([workspace.program, "sync", "--watch", "--json"], cwd=workspace.home,
                                        env=workspace.environment, stdout=subprocess.PIPE)
        self.lines = queue.Queue()
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            self.lines.put((time.monotonic(), json.loads(line)))

    def version(self, number):
        """When the replica was first said to hold that version."""
        while True:
            at, line = self.lines.get(timeout=60)
            if (line.get("version") or 0) >= number:
                return at

    def memory(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) / 1024

    def stop(self):
        self.process.terminate()
        self.process.wait(30)


def push(server, base, token, document):
    body = json.dumps(document).encode()
    connection = bench.http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    connection.request("PUT", f"{base}/artifacts?full_name=bench/live", body,
                       {"Authorization": f"Bearer {token}", "Content-Type": "application/json"})
    answer = connection.getresponse()
    text = answer.read()
    if answer.status not in (200, 201):
        sys.exit(f"a push was answered {answer.status}: {text[:500]!r}")
    return json.loads(text)


async def request(reader, writer, path, headers):
    """One GET on a connection that stays; the body."""
    writer.write((f"GET {path} HTTP/1.1\r\nHost: bench\r\n" + "".join(f"{k}: {v}\r\n" for k, v in headers.items()) + "\r\n").encode())
    head = await reader.readuntil(b"\r\n\r\n")
    if b" 200 " not in head.split(b"\r\n", 1)[0]:
        raise RuntimeError(head.decode())
    length = next(int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
    return await reader.readexactly(length)


class Client:
    """Listens to events; at the one it waits for it fetches the changes of one connection, decodes and checks them."""

    def __init__(self, port, base, headers):
        self.port, self.base, self.headers = port, base, headers

    async def listen(self):
        self.events, writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.writer = writer
        writer.write((f"GET {self.base}/events HTTP/1.1\r\nHost: bench\r\nAccept: text/event-stream\r\n"
                      + "".join(f"{k}: {v}\r\n" for k, v in self.headers.items()) + "\r\n").encode())
        await self.events.readuntil(b"data: ")
        self.reader, self.requests = await asyncio.open_connection("127.0.0.1", self.port)

    async def follow(self, path):
        """Seconds-stamps of the hint and of the checked page, and how many rows it had."""
        await self.events.readuntil(b"data: ")
        hinted = time.monotonic()
        entries, end = reference_client.read_page(gzip.decompress(
            await request(self.reader, self.requests, path, {**self.headers, "Accept-Encoding": "gzip"})))
        if not end["up_to_date"]:
            raise RuntimeError("more than one page")
        return hinted, time.monotonic(), len(entries)

    async def fetch(self, paths, sizes):
        for path, size in zip(paths, sizes):
            body = await request(self.reader, self.requests, path, {**self.headers, "Accept-Encoding": "zstd"})
            if len(body) != size:
                raise RuntimeError(f"{len(body)} bytes of {size}")

    def close(self):
        self.writer.close()
        self.requests.close()


def chain(server, base, headers, connection):
    """The pages of a first sync of a connection: paths, bodies, and how the last one ends."""
    paths, bodies, cursor = [], [], ""
    while True:
        path = f"{base}/connections/{connection}/changes" + (f"?cursor={cursor}" if cursor else "")
        status, body, _ = server.get(path, {**headers, "Accept-Encoding": "gzip"})
        if status != 200:
            sys.exit(f"a page was answered {status}: {body[:300]!r}")
        paths.append(path)
        bodies.append(body)
        _, end = reference_client.read_page(gzip.decompress(body))
        cursor = end["cursor"]
        if end["up_to_date"]:
            return paths, bodies, end


async def crowd(server, base, headers, token, count, largest, live, report):
    clients = [Client(server.port, base, headers) for _ in range(count)]
    began = time.monotonic()
    for start in range(0, count, 100):
        await asyncio.gather(*(client.listen() for client in clients[start:start + 100]))
    report(f"{count} streams of events open (s)", f"{time.monotonic() - began:.2f}", f"server {server.memory()['VmRSS']:.0f} MB")
    _, _, end = chain(server, base, headers, live)
    path = f"{base}/connections/{live}/changes?cursor={end['cursor']}"
    waits = [asyncio.ensure_future(client.follow(path)) for client in clients]
    await asyncio.sleep(1)
    answer = await asyncio.to_thread(push, server, base, token, projects.manifest(models=30, minute=900, project="live", note=" crowd"))
    answered = time.monotonic()
    _, body, _ = await asyncio.to_thread(server.get, path, {**headers, "Accept-Encoding": "gzip"})
    pushed = len(reference_client.read_page(gzip.decompress(body))[0])
    times = await asyncio.gather(*waits)
    if {count for _, _, count in times} != {pushed}:
        raise RuntimeError(f"not every client got the {pushed} rows of the push")
    hints = sorted((hinted - answered) * 1000 for hinted, _, _ in times)
    done = sorted((checked - answered) * 1000 for _, checked, _ in times)
    report(f"{count} clients, one push of {pushed} rows: hint after (ms)", f"p50 {hints[count // 2]:.0f} p99 {hints[count * 99 // 100]:.0f}")
    report(f"{count} clients: fetched, decoded, checked after (ms)", f"p50 {done[count // 2]:.0f} p99 {done[count * 99 // 100]:.0f}",
           "decoded in one Python process")
    # Anew: a page says which version of the organization it is of.
    paths, _, _ = chain(server, base, headers, largest)
    sizes = [len(server.get(path, {**headers, "Accept-Encoding": "zstd"})[1]) for path in paths]
    began = time.monotonic()
    await asyncio.gather(*(client.fetch(paths, sizes) for client in clients))
    seconds = time.monotonic() - began
    report(f"{count} clients cold at once (s)", f"{seconds:.2f}", f"{count * sum(sizes) / seconds / 1e9:.2f} GB/s; read by one Python process")
    for client in clients:
        client.close()
    return answer


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", default="build/tideline")
    parser.add_argument("--organization", default="build/bench/make_organization")
    parser.add_argument("--scale", default="1")
    parser.add_argument("--clients", type=int, default=1000)
    parser.add_argument("--markdown", help="also write the table to this file")
    arguments = parser.parse_args()
    program = os.path.abspath(arguments.program)
    directory = tempfile.mkdtemp(prefix="tideline-bench-", dir="/tmp")
    os.chmod(directory, 0o755)
    data, rows = f"{directory}/data", []

    def report(what, ours, beside=""):
        rows.append((what, ours, beside))
        print(f"{what:62} {ours:>24}   {beside}", flush=True)

    try:
        organization, token = bench.load_organization(program, data, arguments.organization, arguments.scale)
        base = f"/api/metadata-sync/organizations/{organization['id']}"
        headers = {"Authorization": f"Bearer {token}"}
        with bench.Server(program, data) as server:
            url = f"http://127.0.0.1:{server.port}"
            workspace = Workspace(program, f"{directory}/home", url, organization["id"], token)
            cold = []
            for run in range(COLD_RUNS + 1):  # the first one fills the server's cache
                workspace.forget()
                began = time.monotonic()
                answer = json.loads(workspace.tideline("sync", "--json"))
                cold.append(time.monotonic() - began)
                if run == 0:
                    verified = workspace.tideline("verify")
                    if "sound" not in verified:
                        sys.exit(verified)
                    report("rows; bytes on the wire (MB)", f"{answer['rows_received']}; {answer['bytes_received'] / 1e6:.2f}")
                    report("first sync, nothing cached on the server (s)", f"{cold[0]:.2f}")
            copy = bench.copy_seconds(data, organization["id"])
            report("first sync, pages cached (s): median of 5", f"{statistics.median(cold[1:]):.2f}", f"COPY binary of the rows: {copy:.2f}")

            _, body, answer = server.get(f"{base}/heads", headers)
            connection = max(json.loads(body)["connections"], key=lambda head: int(head["digest"][2 * 96:2 * 96 + 16], 16))["id"]
            paths, _, _ = chain(server, base, headers, connection)
            page = server.get(paths[0], {**headers, "Accept-Encoding": "zstd"})[1]
            with bench.Nginx(pathlib.Path(directory)) as nginx:
                (pathlib.Path(directory) / "page").write_bytes(page)
                (pathlib.Path(directory) / "tiny").write_bytes(b"x" * 400)
                etag = bench.http.client.HTTPConnection("127.0.0.1", nginx.port)
                etag.request("GET", "/tiny")
                not_modified = {"If-None-Match": etag.getresponse().getheader("ETag")}
                polls = {**headers, "If-None-Match": answer.getheader("ETag")}
                for what, path, ours_headers, file, file_headers in (
                        ("empty poll (heads, 304)", f"{base}/heads", polls, "tiny", not_modified),
                        (f"page of changes from cache ({len(page) / 1e6:.1f} MB)", paths[0], {**headers, "Accept-Encoding": "zstd"}, "page", {})):
                    for connections in (1, 16):
                        ours = bench.load(f"{url}{path}", connections, ours_headers)
                        floor = bench.load(f"http://127.0.0.1:{nginx.port}/{file}", connections, file_headers)
                        report(f"{what}, {connections} connection{'s' if connections > 1 else ''}",
                               f"{ours['rate']:.0f}/s p99 {ours['p99']:.2f} ms", f"nginx: {floor['rate']:.0f}/s; ratio {ours['rate'] / floor['rate']:.2f}")

            live = push(server, base, token, projects.manifest(models=30, project="live"))["connection_id"]
            watch = Watch(workspace)
            delays, last = [], 0
            for number in range(1, PUSHES + 1):
                answer = push(server, base, token, projects.manifest(models=30, minute=number, project="live", note=f" {number}"))
                answered = time.monotonic()
                if answer["version"] <= last:
                    sys.exit("a push made no version")
                last = answer["version"]
                delays.append((watch.version(last) - answered) * 1000)
                time.sleep(PUSH_GAP)
            delays.sort()
            report("push answered -> in the replica (ms)", f"p50 {delays[PUSHES // 2]:.0f} p99 {delays[-1]:.0f}", f"{PUSHES} pushes of 30 models, worst as p99")
            report("memory of the watching client at its peak (MB)", f"{watch.memory():.0f}")
            asyncio.run(crowd(server, base, headers, token, arguments.clients, connection, live, report))
            watch.stop()
            memory = server.memory()
            report("server's memory afterwards, at its peak (MB)", f"{memory['VmRSS']:.0f}, {memory['VmHWM']:.0f}")
        if arguments.markdown:
            table = "\n".join(f"| {what} | {ours} | {beside} |" for what, ours, beside in rows)
            pathlib.Path(arguments.markdown).write_text(f"| what | tideline | beside it |\n|---|---|---|\n{table}\n")
    finally:
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
