#!/usr/bin/env python3
"""The figures of sync, on the organization of docs/benchmarks.md, beside their floor on the same machine.

    bench/sync.py --program build/tideline --organization build/bench/make_organization --load build/bench/replica_load
                  [--clients 1000] [--large 10] [--markdown FILE]

Starts a server with a private database in a temporary directory, loads the organization and twenty smaller ones, and
measures: a first sync into a verified, searchable replica by `tideline sync`, and the loading of the same rows beside
sqlite3's .import (replica_load); what `show`, `search`, `lineage` and `impact` take from the start of the process; an
empty poll and a page of changes from cache, beside nginx; how long after a push's answer `tideline sync --watch` has it
in its replica; --clients streams of events that each fetch and check one push, with eight replicas among them, and then
all pages at once; and the first sync of an organization --large times as large. Every result is checked before it is
timed. Needs psql, wrk, nginx, sqlite3 and python3.
"""

import argparse
import asyncio
import gzip
import json
import os
import pathlib
import queue
import re
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
QUESTIONS = 20
REPLICAS = 8  # among the crowd
PUSHES = 200
PUSH_GAP = 0.3  # seconds; hints that come closer are joined to four a second, and that would be measured


def memory_peak(pid):
    """Of a process, in MB; 0 once it has ended."""
    try:
        found = re.search(r"VmHWM:\s+(\d+) kB", pathlib.Path(f"/proc/{pid}/status").read_text())
    except OSError:
        return 0
    return int(found[1]) / 1024 if found else 0


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

    def first_sync(self):
        """Where there is no replica: the answer; seconds, CPU seconds, peak of memory in MB."""
        self.forget()
        with tempfile.TemporaryFile() as output:
            began = time.monotonic()
            process = subprocess.Popen([self.program, "sync", "--json"], cwd=self.home, env=self.environment, stdout=output)
            # Not ru_maxrss: that has what this process had when it forked.
            peak, ended = 0, 0
            while not ended:
                peak = max(peak, memory_peak(process.pid))
                ended, status, used = os.wait4(process.pid, os.WNOHANG)
                time.sleep(0 if ended else 0.005)
            seconds = time.monotonic() - began
            if status != 0:
                sys.exit("tideline sync failed")
            output.seek(0)
            return json.load(output), seconds, used.ru_utime + used.ru_stime, peak

    def file(self):
        return next(iter((self.home / ".local/share/tideline").glob("*.sqlite")))

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
        return memory_peak(self.process.pid)

    def stop(self):
        self.process.terminate()
        self.process.wait(30)


def push(server, base, token, document, name="bench/live"):
    body = json.dumps(document).encode()
    connection = bench.http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    connection.request("PUT", f"{base}/artifacts?full_name={name}", body,
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


def cpu_seconds(pid):
    """Of a process and of what it has started and still runs."""
    parents, ticks = {}, {}
    for status in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        parents[int(status.parent.name)] = int(fields[1])
        ticks[int(status.parent.name)] = int(fields[11]) + int(fields[12])
    family = {pid}
    while True:
        children = {child for child, parent in parents.items() if parent in family} - family
        if not children:
            return sum(ticks.get(member, 0) for member in family) / os.sysconf("SC_CLK_TCK")
        family |= children


def first_syncs(server, base, token, workspace, data, organization, report):
    """Of a server that has just started; of one that has made these pages, but of an older version; with all of them
    cached. Then the replica is there, and is sound."""
    server_cpu = cpu_seconds(server.process.pid)
    answer, seconds, cpu, _ = workspace.first_sync()
    server_cpu = cpu_seconds(server.process.pid) - server_cpu
    verified = workspace.tideline("verify")
    if "sound" not in verified:
        sys.exit(verified)
    report("rows; bytes on the wire (MB); the file (MB)",
           f"{answer['rows_received']}; {answer['bytes_received'] / 1e6:.2f}; {workspace.file().resolve().stat().st_size / 1e6:.1f}")
    report("first sync, the server just started (s)", f"{seconds:.2f}", f"CPU: client {cpu:.2f}, server and database {server_cpu:.2f}")
    times = []
    for number in range(COLD_RUNS):
        push(server, base, token, projects.manifest(models=3, minute=number, project="news", note=f" {number}"), "bench/news")
        times.append(workspace.first_sync()[1])
    report("first sync after a push, so of new pages (s): median of 5", f"{statistics.median(times):.2f}")
    runs = [workspace.first_sync() for _ in range(COLD_RUNS)]
    report("first sync, pages cached (s): median of 5", f"{statistics.median(run[1] for run in runs):.2f}",
           f"CPU of the client {statistics.median(run[2] for run in runs):.2f}; COPY binary of the rows: {bench.copy_seconds(data, organization['id']):.2f}")
    report("memory of a first sync at its peak (MB)", f"{max(run[3] for run in runs):.0f}")


def questions(workspace, report):
    """From the start of the process to its answer."""
    hits = json.loads(workspace.tideline("search", "customer_model", "--json"))["hits"]
    objects = [hit["unique_id"] for hit in hits if hit["kind"] == "object" and hit["object_type"] == "model"]
    if not objects:
        sys.exit("nothing to ask about")
    for what, command in (("show", ("show", objects[0])), ("search", ("search", "shipment ledger")),
                          ("lineage", ("lineage", objects[0])), ("impact", ("impact", objects[0]))):
        times = []
        for _ in range(QUESTIONS):
            began = time.monotonic()
            workspace.tideline(*command, "--json")
            times.append((time.monotonic() - began) * 1000)
        times.sort()
        report(f"`tideline {what}`, from the start of the process (ms)", f"p50 {times[QUESTIONS // 2]:.0f} worst {times[-1]:.0f}")


def beside_import(load, report):
    """replica_load says what it checked."""
    out = subprocess.run([load, "--rounds", "7"], check=True, capture_output=True, text=True).stdout
    ours = re.search(r"first sync: (\d+) ms .*?; cpu (\d+) ms", out)
    theirs = re.search(r"\.import: (\d+) ms.*?cpu (\d+) ms: ([\d.]+) times as long, with ([\d.]+) times", out)
    report("the rows into the replica, from memory (ms): median of 7", f"{ours[1]}; CPU {ours[2]}",
           f".import into the same tables {theirs[1]}; CPU {theirs[2]}: {theirs[3]} times as long, {theirs[4]} times the CPU")
    changed = re.search(r"a push of (\d+) rows: p50 ([\d.]+) ms, worst of (\d+) ([\d.]+) ms; cpu ([\d.]+)", out)
    report(f"a push of {changed[1]} rows merged into the replica (ms)", f"p50 {changed[2]} worst of {changed[3]} {changed[4]}", f"CPU {changed[5]}")


async def crowd(server, base, headers, token, count, largest, live, watches, report):
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
    replicas = sorted([(await asyncio.to_thread(watch.version, answer["version"]) - answered) * 1000 for watch in watches])
    report(f"{count} clients, one push of {pushed} rows: hint after (ms)", f"p50 {hints[count // 2]:.0f} p99 {hints[count * 99 // 100]:.0f}")
    report(f"{count} clients: fetched, decoded, checked after (ms)", f"p50 {done[count // 2]:.0f} p99 {done[count * 99 // 100]:.0f}",
           f"decoded in one Python process; {len(body) / 1000:.1f} KB each")
    report(f"{len(watches)} replicas among them: in the replica after (ms)", f"p50 {replicas[len(replicas) // 2]:.0f} last {replicas[-1]:.0f}")
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
    parser.add_argument("--load", default="build/bench/replica_load")
    parser.add_argument("--scale", default="1")
    parser.add_argument("--large", default="10", help="another organization, so many times as large; 0: none")
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
            first_syncs(server, base, token, workspace, data, organization, report)
            questions(workspace, report)
            beside_import(os.path.abspath(arguments.load), report)

            _, body, answer = server.get(f"{base}/heads", headers)
            connection = max(json.loads(body)["connections"], key=lambda head: int(head["digest"][2 * 96:2 * 96 + 16], 16))["id"]
            paths, _, _ = chain(server, base, headers, connection)
            page = server.get(paths[0], {**headers, "Accept-Encoding": "zstd"})[1]
            (pathlib.Path(directory) / "page").write_bytes(page)
            (pathlib.Path(directory) / "tiny").write_bytes(b"x" * 400)
            polls = {**headers, "If-None-Match": answer.getheader("ETag")}
            for what, path, ours_headers, file, file_headers in (
                    ("empty poll (heads, 304)", f"{base}/heads", polls, "tiny", {"If-None-Match": "*"}),
                    (f"page of changes from cache ({len(page) / 1e6:.1f} MB)", paths[0], {**headers, "Accept-Encoding": "zstd"}, "page", {})):
                for connections in (1, 16):
                    ours = bench.load(f"{url}{path}", connections, ours_headers)
                    floor = bench.nginx_load(directory, file, connections, file_headers)
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
            report("push answered -> in the replica (ms)", f"p50 {delays[PUSHES // 2]:.0f} p99 {delays[PUSHES * 99 // 100]:.0f}",
                   f"{PUSHES} pushes of 30 models, worst {delays[-1]:.0f}")
            report("memory of the watching client at its peak (MB)", f"{watch.memory():.0f}")
            watches = [watch]
            for number in range(1, REPLICAS):
                other = Workspace(program, f"{directory}/home{number}", url, organization["id"], token)
                watches.append(Watch(other))
            for other in watches[1:]:
                other.version(last)
            asyncio.run(crowd(server, base, headers, token, arguments.clients, connection, live, watches, report))
            for other in watches:
                other.stop()
            memory = server.memory()
            report("server's memory afterwards, at its peak (MB)", f"{memory['VmRSS']:.0f}, {memory['VmHWM']:.0f}")
        if arguments.large != "0":
            data = f"{directory}/large"
            organization, token = bench.load_organization(program, data, arguments.organization, arguments.large)
            report(f"{arguments.large} times as large: objects", f"{organization['rows']['objects']}")
            base = f"/api/metadata-sync/organizations/{organization['id']}"
            with bench.Server(program, data) as server:
                workspace = Workspace(program, f"{directory}/home-large", f"http://127.0.0.1:{server.port}", organization["id"], token)
                first_syncs(server, base, token, workspace, data, organization, report)
                questions(workspace, report)
                memory = server.memory()
                report("server's memory afterwards, at its peak (MB)", f"{memory['VmRSS']:.0f}, {memory['VmHWM']:.0f}")
        if arguments.markdown:
            table = "\n".join(f"| {what} | {ours} | {beside} |" for what, ours, beside in rows)
            pathlib.Path(arguments.markdown).write_text(f"| what | tideline | beside it |\n|---|---|---|\n{table}\n")
    finally:
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
