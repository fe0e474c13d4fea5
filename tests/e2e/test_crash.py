"""kill -9 at any moment: what was acknowledged is there, what was not is there whole or not at all, and the next start
needs nobody's help."""
import os
import random
import signal
import threading
import time

import harness
import projects

ROUNDS = 100 if harness.SOAK else 10
CONNECTIONS = 3


class Pusher(threading.Thread):
    """Pushes numbered versions of one project until the server goes away; remembers what was acknowledged."""

    def __init__(self, client, name, number, acknowledged):
        super().__init__()
        self.client, self.name = client, name
        self.number, self.acknowledged = number, acknowledged

    def run(self):
        client = self.client.unchecked()
        try:
            while True:
                self.number += 1
                document = projects.manifest(models=15 + self.number % 5, note=f" push {self.number}.", minute=self.number)
                answer = client.push(self.name, document, projects.catalog(document, self.number), expect=(200, 201, 503))
                if "changed" in answer:
                    self.acknowledged = self.number
        except (OSError, harness.http.client.HTTPException, AssertionError) as gone:
            # A connection that broke, or a problem document on the way down: not acknowledged.
            if isinstance(gone, AssertionError) and "503" not in str(gone) and "500" not in str(gone):
                self.error = gone
        finally:
            client.close()

    error = None


def held(client, connection):
    """Which push the server holds, from its rows alone; fails when they are of more than one."""
    copies = []

    def read():  # 503 is "try again": a slow machine may still be busy with what the crash left
        try:
            copies.append(client.full(connection_ids=connection, limit=7))
        except AssertionError as refused:
            if "503" not in str(refused):
                raise
        return copies

    harness.wait_until(read)
    copy = copies[0]
    models = [row for row in copy.rows["objects"].values() if row["object_type"] == "model"]
    pushes = {int(row["description"].split(" push ")[1].rstrip(".")) for row in models}
    assert len(pushes) <= 1, pushes
    if not pushes:
        return 0
    number = pushes.pop()
    names = {row["name"] for row in models}
    assert names == {f"step_{n}" for n in range(15 + number % 5)}, (number, names)
    # Beside what the artifacts name, lineage finds that the source has an amount, too.
    columns = [row for row in copy.rows["columns"].values()
               if row["name"].lower() in ("id", "amount", "loaded_at") and not row["metadata"].get("inferred")]
    assert len(columns) == 3 * len(models) + 1, (number, len(columns))
    assert len(copy.rows["dependencies"]) == len(models) * 3 + 1, (number, len(copy.rows["dependencies"]))
    return number


def test_kill_at_random_moments_during_pushes():
    rng = random.Random(harness.seed())
    with harness.directory() as home:
        server = harness.Server(home)
        try:
            organization = server.organization("Crash")
            client = server.client(organization, server.user(organization, "a@crash.example", "admin")).unchecked()
            names = [f"acme/crash-{n}" for n in range(CONNECTIONS)]
            ids = {name: client.register(name) for name in names}
            client.close()
            tried, kept = dict.fromkeys(names, 0), dict.fromkeys(names, 0)
            slowest = 0.0
            for turn in range(ROUNDS):
                pushers = [Pusher(client, name, tried[name], kept[name]) for name in names]
                for pusher in pushers:
                    pusher.start()
                time.sleep(rng.random() * 1.2)  # the moment is the point of this test
                victims = rng.choice([("server",), ("postmaster",), ("server", "postmaster"), ("postmaster", "server")])
                for victim in victims:
                    pid = server.process.pid if victim == "server" else server.postmaster()
                    if pid:
                        os.kill(pid, signal.SIGKILL)
                if "server" in victims:
                    for pusher in pushers:
                        pusher.join()
                    server.kill()
                    server.start()
                    slowest = max(slowest, server.seconds_to_start)
                else:
                    # The server lives: it brings its database back by itself and answers 503 until then.
                    harness.wait_until(lambda: client.as_user(client.token).send("GET", client.base + "/connections").status == 200)
                    server.process.kill()
                    for pusher in pushers:
                        pusher.join()
                    server.kill()
                    server.start()
                client.close()
                for pusher in pushers:
                    if pusher.error:
                        raise pusher.error
                    number = held(client, ids[pusher.name])
                    assert pusher.acknowledged <= number <= pusher.number, (turn, victims, pusher.name, pusher.acknowledged, number)
                    tried[pusher.name], kept[pusher.name] = pusher.number, number
                statuses = {c["status"] for c in client.get("/connections")["connections"] if c["object_count"]}
                assert statuses <= {"completed"}, statuses
            print(f"{ROUNDS} kills; slowest start afterwards {slowest:.2f} s")
            server.stop()
            server.start()
            copy = client.full()
            assert copy.rows["objects"]
        finally:
            server.close()
