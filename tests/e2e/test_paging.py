"""Reading while others write: paged syncs skip nothing that stayed, and each, with one incremental after it, is the
server exactly. What commits late is not missed."""
import random
import threading
import time

import psycopg2
import pytest

import harness
import projects

SYNCS = 1000 if harness.SOAK else 200
READERS = 2


@pytest.fixture(scope="module")
def admin(admin):
    return admin.unchecked()


@pytest.fixture(scope="module")
def member(member):
    return member.unchecked()


class Writer(threading.Thread):
    """Pushes two versions of a project in turn until told to stop. Models 0 to 29 are in both, with other content."""

    def __init__(self, client, name):
        super().__init__()
        self.client = client.unchecked()
        self.name = f"acme/{name}"
        self.documents = [projects.manifest(models=40, minute=0, note=" one"),
                          projects.manifest(models=30, minute=0, note=" two")]
        self.catalogs = [projects.catalog(self.documents[0]), projects.catalog(self.documents[1], extra=["MORE"])]
        self.connection = self.push(0)["connection_id"]
        self.pushes = 0
        self.ending = threading.Event()
        self.error = None

    def push(self, which):
        return self.client.push(self.name, self.documents[which], self.catalogs[which], force="true")

    def run(self):
        try:
            while not self.ending.is_set():
                self.pushes += 1
                self.push(self.pushes % 2)
        except BaseException as error:  # noqa: BLE001 - told by the test
            self.error = error

    def stop(self):
        self.ending.set()
        self.join()
        if self.error:
            raise self.error


def stable_ids(client, connection):
    return {row["id"] for row in client.full(connection_ids=connection).rows["objects"].values()
            if row["name"] in {f"step_{n}" for n in range(30)} | {"payments", "board", "cents"}}


def one_sync(client, rng, connections, stayed):
    """A full paged sync; returns the copy after it was checked for what may not be missing."""
    limit = rng.choice([7, 13, 50, 100, 1000])
    wanted = {} if rng.random() < 0.5 else {"connection_ids": connections}
    copy = harness.Copy().take(client.pages(limit, **wanted))
    missing = stayed - copy.rows["objects"].keys()
    assert not missing, (limit, wanted, missing)
    copy.update(client, limit=rng.choice([11, 1000]), **wanted)
    return copy, wanted


def no_loose_ends(copy):
    """Every edge has its target, and its source where that is of a connection in the copy."""
    connections = {row["connection_id"] for row in copy.rows["objects"].values()}
    for edge in (*copy.rows["dependencies"].values(), *copy.rows["columns_lineage"].values()):
        assert edge["target_object_id"] in copy.rows["objects"], edge
        assert edge["source_connection_id"] not in connections or edge["source_object_id"] in copy.rows["objects"], edge
    for column in copy.rows["columns"].values():
        assert column["object_id"] in copy.rows["objects"], column


def test_paged_syncs_while_two_versions_are_pushed_in_turn(admin, member):
    seed = harness.seed()
    writers = [Writer(admin, "left"), Writer(admin, "right")]
    connections = [w.connection for w in writers]
    stayed = set().union(*(stable_ids(member, c) for c in connections))
    assert len(stayed) == 2 * 33
    for writer in writers:
        writer.start()
    errors = []

    def read(number):
        rng = random.Random(seed + number)
        client = member.unchecked()
        try:
            for _ in range(SYNCS // READERS):
                one_sync(client, rng, connections, stayed)
        except BaseException as error:  # noqa: BLE001
            errors.append(error)

    readers = [threading.Thread(target=read, args=(n,)) for n in range(READERS)]
    began = time.monotonic()
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    seconds = time.monotonic() - began
    for writer in writers:
        writer.stop()
    pushes = sum(w.pushes for w in writers)
    print(f"{SYNCS} syncs in {seconds:.0f} s beside {pushes} pushes")
    if errors:
        raise errors[0]
    assert pushes > 10


def test_sync_plus_incremental_is_the_server(admin, member):
    """The same with a pause of the writers after each sync, so that there is a server to be equal to."""
    rng = random.Random(harness.seed())
    writer = Writer(admin, "paused")
    stayed = stable_ids(member, writer.connection)
    for _ in range(SYNCS // 10):
        turns = rng.randrange(3)
        pages = 0

        def push_between():
            nonlocal pages
            pages += 1
            if pages <= turns:
                writer.pushes += 1
                writer.push(writer.pushes % 2)

        copy = harness.Copy().take(member.pages(rng.choice([7, 9, 20]), pause=push_between, connection_ids=writer.connection))
        assert stayed <= copy.rows["objects"].keys()
        copy.update(member, limit=rng.choice([5, 1000]), connection_ids=writer.connection)
        harness.same(copy, member.full(connection_ids=writer.connection))
        no_loose_ends(copy)


def test_incrementals_alone_follow_for_ever(admin, member):
    rng = random.Random(harness.seed())
    copy = member.full()
    for step in range(30):
        name = rng.choice(["a", "b", "c"])
        match rng.randrange(5):
            case 0 | 1 | 2:
                admin.push(f"acme/follow-{name}", projects.manifest(models=rng.randrange(1, 12), note=f" {rng.randrange(4)}"), force="true")
            case 3:
                found = [c["id"] for c in member.get("/connections")["connections"] if c["full_name"] == f"acme/follow-{name}"]
                if found:
                    admin.api("DELETE", f"/connections/{found[0]}")
            case 4:
                document = projects.manifest(models=5)
                admin.push(f"acme/follow-{name}", document, projects.catalog(document, extra=["X"] * (step % 2)), force="true")
        if rng.random() < 0.6:
            copy.update(member, limit=rng.choice([3, 1000]))
            harness.same(copy, member.full(limit=rng.choice([4, 10_000])))
    copy.update(member)
    harness.same(copy, member.full())


def superuser(server):
    lines = (server.data_dir / "postgres" / "postmaster.pid").read_text().splitlines()
    return psycopg2.connect(host=lines[4], port=lines[3], user="postgres", dbname="tideline")


def test_reader_misses_nothing_that_commits_late(server, admin, member):
    """A push that is held open while readers take timestamps: whatever they saw, asking from it shows the push."""
    connection = admin.push("acme/late", projects.manifest(models=2))["connection_id"]
    before = member.full()
    holder = superuser(server)
    with holder, holder.cursor() as cursor:
        # The organization's head is held by another writer: the push waits for it, its rows not yet stamped.
        cursor.execute("select version from metadata.heads where organization_id = %s for update", (member.organization,))
        pushed = []
        thread = threading.Thread(target=lambda: pushed.append(
            admin.as_user(admin.token).push("acme/late", projects.manifest(models=3, minute=1, note=" late"))))
        thread.start()
        with superuser(server) as watcher, watcher.cursor() as look:
            def waits():
                look.execute("select count(*) from pg_stat_activity where wait_event_type = 'Lock'")
                return look.fetchone()[0] > 0 or pushed
            harness.wait_until(waits)
        seen = member.package(limit=1)["sync_metadata"]["timestamp"]
        assert member.package(last_sync_timestamp=seen)["sync_metadata"]["object_count"] == 0
    holder.close()
    thread.join()
    assert pushed[0]["changed"]["objects"]["added"] == 2
    page = member.package(last_sync_timestamp=seen)
    assert page["sync_metadata"]["incremental"] is True and page["sync_metadata"]["timestamp"] > seen
    assert {"step_2"} <= {row["name"] for row in page["metadata"]["objects"]}
    before.update(member)
    harness.same(before, member.full())
    assert connection in {row["connection_id"] for row in before.rows["objects"].values()}


@pytest.mark.parametrize("held_seconds", [11])
def test_writer_that_cannot_have_its_turn_is_asked_to_come_back(server, admin, held_seconds):
    if not harness.SOAK:
        pytest.skip("takes the lock timeout of 10 s: make soak")
    with superuser(server) as holder, holder.cursor() as cursor:
        cursor.execute("select version from metadata.heads where organization_id = %s for update", (admin.organization,))
        answer = admin.push("acme/late", projects.manifest(models=9, minute=9), expect=(503,))
        assert answer["message"]
