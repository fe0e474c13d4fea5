"""A manifest far larger than the memory it may cost."""
import json
import pathlib
import threading

import pytest

import harness
import projects

MEGABYTE = 1_000_000
SIZE = (500 if harness.SOAK else 40) * MEGABYTE
PUSHING = (256 if harness.SOAK else 128) * 1024 * 1024  # of anonymous memory
READING = 256 * 1024 * 1024


def multiplied(path, size):
    """A real project (or a made one), its nodes again and again under other package names, until the file is `size`."""
    real = pathlib.Path(harness.DATA or "/nonexistent", "dbt", "fivetran_netsuite", "manifest.json")
    base = json.loads(real.read_text()) if real.exists() else projects.manifest(models=300)
    packages = sorted({unique_id.split(".")[1] for unique_id in base["nodes"]})
    nodes = [(unique_id, json.dumps(node)) for unique_id, node in base["nodes"].items()]
    sources = [(unique_id, json.dumps(node)) for unique_id, node in base["sources"].items()]
    with open(path, "w", encoding="utf-8") as out:
        out.write('{"metadata":' + json.dumps(base["metadata"]))
        copies = 0
        for section, entries in (("nodes", nodes), ("sources", sources)):
            out.write(f',"{section}":{{')
            copy = 0
            while (section == "nodes" and out.tell() < size) or (section == "sources" and copy < copies):
                for number, (unique_id, text) in enumerate(entries):
                    for package in packages:
                        text = text.replace(f".{package}.", f".{package}_{copy}.")
                        unique_id = unique_id.replace(f".{package}.", f".{package}_{copy}.")
                    out.write(("," if copy or number else "") + json.dumps(unique_id) + ":" + text)
                copy += 1
            copies = copy
            out.write("}")
        out.write(',"macros":{},"exposures":{},"docs":{},"disabled":{},"parent_map":{},"child_map":{},"selectors":{}}')
    return copies * (len(nodes) + len(sources))


class Watch(threading.Thread):
    """The most anonymous memory a process had, looked at all the time."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.status = pathlib.Path(f"/proc/{pid}/status")
        self.most = 0
        self.ending = threading.Event()

    def look(self):
        return next(int(line.split()[1]) * 1024 for line in self.status.read_text().splitlines() if line.startswith("RssAnon:"))

    def run(self):
        while not self.ending.wait(0.02):
            self.most = max(self.most, self.look())

    def stop(self):
        self.ending.set()
        self.join()
        return self.most


def test_large_manifest_in_little_memory(server, admin, home):
    path = home / "manifest.json"
    objects = multiplied(path, SIZE)
    arguments = ["push", "--server", f"http://127.0.0.1:{server.port}", "--org", admin.organization, "--connection",
                 "acme/large", "--manifest", path, "--json"]
    for turn in ("first", "again"):
        watch = Watch(server.process.pid)
        watch.start()
        done = harness.subprocess.run([harness.PROGRAM, *map(str, arguments)], capture_output=True, text=True, timeout=1800,
                                      env=harness.environment(TIDELINE_TOKEN=admin.token))
        most = watch.stop()
        assert done.returncode == 0, done.stderr
        answer = json.loads(done.stdout)
        print(f"{turn}: {path.stat().st_size / MEGABYTE:.0f} MB, {objects} objects, {most / 2**20:.0f} MiB of anonymous memory")
        if turn == "first":
            assert answer["changed"]["objects"]["added"] == objects
        else:
            assert answer["changed"] == {}
        # Sanitizers keep what is freed and shadow what is not.
        if not harness.SANITIZED:
            assert most <= PUSHING, f"{most} bytes"
    assert admin.unchecked().package(limit=1)["sync_metadata"]["object_count"] == 1


def test_a_relation_with_many_names_and_many_that_build_it(server):
    """Each of 1,000 sources stands for what each of 1,000 models builds: what hangs on both does not multiply."""
    organization = server.organization("Many")
    many = server.client(organization, server.user(organization, "many@acme.example", "admin"))
    document = projects.manifest(models=1)
    (model, source), columns = (document["nodes"]["model.shop.step_0"], document["sources"].popitem()[1]), {}
    for name in ("id", "amount", "currency", "paid_at", "channel"):
        columns[name] = {"name": name, "description": "", "data_type": None, "meta": {}, "tags": []}
    document["nodes"], document["exposures"] = {}, {}
    model.pop("compiled_code")
    for number in range(1000):
        built, read = f"model.shop.payments_{number}", f"source.shop.raw.payments_{number}"
        document["nodes"][built] = {**model, "unique_id": built, "name": f"payments_{number}", "alias": "payments", "schema": "raw",
                                    "columns": columns, "depends_on": {"macros": [], "nodes": []}}
        document["sources"][read] = {**source, "unique_id": read, "name": f"payments_{number}", "columns": columns}
    watch = Watch(server.process.pid)
    before = watch.look()
    watch.start()
    answer = many.push("many/shop", document)
    most = watch.stop()
    print(f"{answer['changed']}, {(most - before) / 2**20:.0f} MiB of anonymous memory")
    assert answer["changed"]["columns_lineage"]["added"] == 1000 * 8 * len(columns)
    if not harness.SANITIZED:
        assert most - before <= 100 * 1024 * 1024


@pytest.mark.skipif(harness.SANITIZED, reason="a sanitizer's memory is its own")
def test_reading_it_all_takes_little_memory(server, admin):
    client = admin.unchecked()
    watch = Watch(server.process.pid)
    watch.start()
    count = sum(page["sync_metadata"]["object_count"] for page in client.pages(5000))
    most = watch.stop()
    print(f"{count} objects in pages of 5000: {most / 2**20:.0f} MiB of anonymous memory")
    assert most <= READING
