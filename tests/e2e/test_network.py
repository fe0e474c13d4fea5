"""The network between client and server does what networks do (faults.py). Whatever comes through: nothing wrong is
ever applied, what is wrong is said, requests are bounded, and once the network is well again the replica is the
server's."""
import concurrent.futures
import json
import random
import time

import pytest

import faults
import harness
import projects
from developer import Developer
from faults import Fault
from test_oracle import Copy, check, compare

SEEDED = 60 if harness.SOAK else 1          # random mixtures
STEPS = 40 if harness.SOAK else 6           # pushes in each
FLIPS = 400 if harness.SOAK else 6         # bits of one page
HEALS_IN = 3                                # syncs after the healing until it has to be right: one says, the next does


class Place:
    """An organization with two connections, and who looks at it through a bad network."""

    def __init__(self, server, database, home, name):
        self.server, self.database, self.home = server, database, home
        self.organization = server.organization(name)
        admin = server.user(self.organization, f"a@{name}.example", "admin")
        self.admin = server.client(self.organization, admin).unchecked()
        self.token = server.user(self.organization, f"m@{name}.example")
        self.minute = self.made = 0
        self.connections = {}
        for each in ("acme/shop", "acme/web"):
            self.push(each)
        self.epoch = self.admin.get("/heads")["epoch"]

    def push(self, name="acme/shop", **more):
        self.minute += 1
        manifest = projects.manifest(**{"models": 1 + self.minute % 5, **more}, minute=self.minute,
                                     project=name.split("/")[1], note=f" {self.minute}")
        self.admin.close()  # the server may have ended it since
        answer = self.admin.push(name, manifest)
        self.connections[name] = answer["connection_id"]
        return answer["version"]

    def developer(self, proxy):
        """Logged in through the proxy, without a replica."""
        self.made += 1
        developer = Developer(self.home / f"{self.organization[:8]}-{self.made}", proxy, self.organization, self.token)
        developer.login()
        developer.clone("work", None)
        developer.run("connections", "all", cwd=developer.home / "work")
        proxy.forget()
        return developer

    def whole(self, developer):
        """What readers see is nothing, or a version of the server's with all that is in it."""
        if not list(developer.data.glob("*.sqlite")):
            return None
        state = check(developer, self.database, self.organization)
        assert set(state) == set(self.connections.values()), "a connection is not there, or one that never was"
        with Copy(developer).open() as replica:
            epoch = replica.execute("select value from sync_state where key = 'epoch'").fetchone()[0]
        with self.database.cursor() as cursor:
            cursor.execute("select version from metadata.heads where organization_id = %s", (self.organization,))
            head = cursor.fetchone()[0]
        assert all(through <= head for _, through, _ in state.values()), f"it says it is of a version to come: {state}"
        assert epoch == self.epoch
        return state

    def compare(self, developer):
        self.whole(developer)
        assert compare(developer, self.database, self.organization) == len(self.connections)


def attempt(place, developer):
    """A sync: done, or it says why not; nothing wrong is there afterwards either way."""
    done = developer.run("sync", "--json", cwd=developer.home / "work", check=False)
    if done.returncode == 0:
        assert json.loads(done.stdout)["version"] is not None
    else:
        assert done.returncode == 1 and done.stderr.startswith("tideline: ") and len(done.stderr) > 12, done
    place.whole(developer)
    return done


def heals(place, developer, proxy):
    """The number of syncs it took."""
    proxy.heal()
    said = []
    for count in range(1, HEALS_IN + 1):
        done = attempt(place, developer)
        if done.returncode == 0:
            place.compare(developer)
            return count
        said.append(done.stderr)
    raise AssertionError(f"not right after {HEALS_IN} syncs over a good network: {said}")


def bounded(proxy, attempts):
    """At one cursor (and without one) a sync asks once, and three times again at most; the same once more where a round
    or a repair follows."""
    for path, count in proxy.count("/changes").items():
        assert count <= 2 * 4 * attempts, (path, count, attempts)


@pytest.fixture(scope="module")
def place(server, database, home):
    return Place(server, database, home, "Network")


@pytest.fixture(scope="module")
def one(server, place):
    """A developer and the proxy before him, for all tests that follow one another."""
    with faults.Proxy(server.port) as proxy:
        yield place.developer(proxy), proxy


@pytest.fixture()
def developer(one, place):
    """Without a replica."""
    developer, proxy = one
    for file in developer.data.glob("*.sqlite*"):
        file.unlink()
    proxy.heal()
    proxy.forget()
    proxy.done.clear()
    proxy.earlier.clear()
    return developer


@pytest.fixture()
def proxy(one):
    return one[1]


# ---- What takes the client's own patience. Begun first and waited for last: it is waiting and no work.

def silent(place, proxy, part, fault, patience):
    """An answer that stops, or never comes: given up, and said so."""
    developer = place.developer(proxy)
    proxy.script(part, *[fault] * 9)
    began = time.monotonic()
    done = attempt(place, developer)
    took = time.monotonic() - began
    assert done.returncode == 1 and f"silent for {patience} s" in done.stderr, done
    assert "trying again" not in done.stderr, done
    assert patience - 1 < took < patience + 30
    return heals(place, developer, proxy), took


def trickling(place, proxy, fault, said):
    """A byte a second never ends, or none: it is given up, and nothing of it shown."""
    developer = place.developer(proxy)
    proxy.script("/changes", fault)
    began = time.monotonic()
    done = attempt(place, developer)
    took = time.monotonic() - began
    assert done.returncode == 1 and said in done.stderr, done
    assert place.whole(developer) is None
    assert took < 90
    return heals(place, developer, proxy), took


def healing(place, proxy):
    """A byte a second for a while, then the rest: it is patient so long."""
    developer = place.developer(proxy)
    proxy.script("/changes", Fault("trickle"))
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        running = pool.submit(attempt, place, developer)
        time.sleep(5)
        assert not running.done()
        assert place.whole(developer) is None
        proxy.heal()
        assert running.result(30).returncode == 0
    place.compare(developer)


def watching(place, proxy, events, within):
    """Events that are held back, or whose connection is dead without a word: pushes arrive all the same."""
    developer = place.developer(proxy)
    proxy.events = events
    watcher = developer.watch(developer.home / "work")
    try:
        watcher.wait(lambda line: line["state"] in ("live", "polling"))
        time.sleep(5)
        began = time.monotonic()
        version = place.push("acme/web")
        watcher.wait(lambda line: (line.get("version") or 0) >= version, within)
        took = time.monotonic() - began
        place.whole(developer)
        watcher.stop()
        return took
    finally:
        developer.close()


def useless(place, proxy, happens, within):
    """Five pages in a row that came damaged: it tries now and then only, and at once when something happens."""
    developer = place.developer(proxy)
    watcher = developer.watch(developer.home / "work")
    try:
        watcher.until("live")
        proxy.choose = lambda method, path: Fault("flip", 0.5) if "/changes" in path else None
        version = place.push("acme/web")
        harness.wait_until(lambda: proxy.done["flip"] >= 5, 60)
        assert watcher.until("trouble")["message"].startswith("The page of changes is malformed")
        assert developer.json("status", cwd=developer.home / "work")["state"] == "trouble"
        session = lambda: place.admin.get("/ide-sessions")["sessions"][0]
        harness.wait_until(lambda: session()["sync_status"] == "error" and "malformed" in session()["error_message"], 60)
        proxy.heal()
        if happens == "login":
            developer.login()
        else:
            version = place.push("acme/web")
        watcher.wait(lambda line: (line.get("version") or 0) >= version, within)
        harness.wait_until(lambda: session()["sync_status"] == "active", 60)
        assert session()["error_message"] is None and "malformed" in session()["last_error"]
        watcher.stop()
    finally:
        developer.close()


PATIENT = {
    "heads half open": (silent, "/heads", Fault("half_open"), 25),
    "a page stops": (trickling, Fault("blackhole", 0.7), "comes too slowly"),
    "a page trickles": (trickling, Fault("trickle"), "comes too slowly"),
    "a page trickles and goes on": (healing,),
}
# Apart from those, which compare with a server that stands still.
PUSHED = {"events held back": (watching, "buffered", 60), "useless until a login": (useless, "login", 20)}
if harness.SOAK:  # a minute each
    PATIENT |= {
        "the head of a page stops": (silent, "/changes", Fault("blackhole", 0.02), 60),
        "the head of a page trickles": (trickling, Fault("trickle", in_head=True), "silent for 60 s"),
    }
    PUSHED |= {"events half open": (watching, "half_open", 90), "useless until a push": (useless, "push", 60)}


@pytest.fixture(scope="module")
def slow(server, database, home):
    """{name: what becomes of it}"""
    cases, proxies = {}, []
    still = Place(server, database, home, "Slow")
    with concurrent.futures.ThreadPoolExecutor(len(PATIENT) + len(PUSHED)) as pool:
        for name, (case, *arguments) in {**PATIENT, **PUSHED}.items():
            proxies.append(faults.Proxy(server.port))
            place = still if name in PATIENT else Place(server, database, home, name.replace(" ", "-"))
            cases[name] = pool.submit(case, place, proxies[-1], *arguments)
        yield cases
        for case in cases.values():
            case.exception()
    for each in proxies:
        each.close()


@pytest.fixture(scope="module", autouse=True)
def begun(slow):
    """The slow ones are under way while the others run."""


# ---- Each by itself

CASES = {
    "cut before anything": Fault("cut", 0.0), "cut in the head": Fault("cut", 0.05),
    "cut in the body": Fault("cut", 0.6),
    "cut at the last byte": Fault("cut", 0.9999), "late": Fault("delay", seconds=1.0),
    "twice on the wire": Fault("duplicate"),
    "twice in the body": Fault("doubled"), "an earlier answer": Fault("stale"), "another's answer": Fault("reorder"),
    "compressed and cut off": Fault("truncate", 0.5), "compressed and a little cut off": Fault("truncate", 0.99),
    "nothing of the body": Fault("truncate", 0.0), "length too small": Fault("length_small", 0.3),
    "length too large": Fault("length_large", 0.3), "a bit of the body": Fault("flip", 0.5, bit=3),
    "503": Fault("busy"), "429": Fault("too_many"),
}
# What a sync may get over without a word; of all else it says that it asks again.
QUIET = {"cut before anything", "late", "twice on the wire", "an earlier answer"}
SOME = sorted(CASES) if harness.SOAK else [
    "cut in the body", "an earlier answer", "another's answer", "compressed and cut off", "length too small", "503"]


def gets_over(place, developer, proxy, part, name):
    proxy.script(part, CASES[name])
    done = attempt(place, developer)
    assert proxy.done[CASES[name].what] == 1 and done.returncode == 0, done
    assert name in QUIET or "trying again" in done.stderr, done
    assert heals(place, developer, proxy) == 1
    bounded(proxy, 2)


@pytest.mark.parametrize("name", SOME)
@pytest.mark.parametrize("first", [True, False] if harness.SOAK else [False], ids={True: "first", False: "later"}.get)
def test_a_page_that_does_not_come_as_it_was_sent(place, developer, proxy, name, first):
    if not first:
        attempt(place, developer)
        place.push()
        proxy.forget()
    gets_over(place, developer, proxy, "/changes", name)


def test_the_first_page_again_while_a_first_sync_goes_on(place, developer, proxy):
    """A push lands between the first pages of two connections, so the one before it is asked on; and gets its first
    page again, which is no older than what is here."""
    asked = []

    def chosen(method, path):
        if "/changes" in path:
            asked.append(path)
            if len(asked) == 2:
                place.push(next(name for name, id in place.connections.items() if id in path))
            if "cursor=" in path and "stale" not in proxy.done:
                return Fault("stale")
        return None

    proxy.choose = chosen
    done = attempt(place, developer)
    assert proxy.done["stale"] == 1 and "cursor=" not in "".join(asked[:2]), asked
    assert done.returncode == 0 and "trying again" in done.stderr, done
    assert heals(place, developer, proxy) == 1


@pytest.mark.parametrize("name", SOME)
def test_heads_that_do_not_come_as_they_were_sent(place, developer, proxy, name):
    assert attempt(place, developer).returncode == 0
    place.push()
    proxy.forget()
    gets_over(place, developer, proxy, "/heads", name)
    assert all("cursor=" in path for path in proxy.count("/changes")), "what was there was fetched anew"


def test_patience_with_a_busy_server_has_an_end(place, developer, proxy):
    """Three times again, as late as the server says; then it says so."""
    proxy.script("/heads", *[Fault("busy")] * 9)
    began = time.monotonic()
    done = attempt(place, developer)
    assert done.returncode == 1 and done.stderr.count("trying again in") == 3, done
    assert proxy.count("/heads").total() == 4 and time.monotonic() - began > 3
    assert heals(place, developer, proxy) == 1


def test_any_bit_of_a_page(place, developer, proxy):
    """Wherever it is: the page is refused, or the bit is one that means nothing (a date, the name of a header)."""
    choice = random.Random(harness.seed())
    refused = 0
    for turn in range(FLIPS):
        for file in developer.data.glob("*.sqlite*"):
            file.unlink()
        fault = Fault("flip", choice.random(), in_head=turn % 4 == 0, bit=choice.randrange(8))
        proxy.script("/changes", fault)
        # With a bit of Content-Length the client may wait for more: its connection ends here, so that nobody waits.
        refused += "trying again" in attempt(place, developer).stderr
        assert heals(place, developer, proxy) == 1
    print(f"{FLIPS} bits, {refused} pages refused")
    assert refused > FLIPS / 2


HEADS_BITS = {
    "organization's version": (b'"version":', 0), "connection's id": (b'{"id":"', 0), "epoch": (b'"epoch":"', 0),
    "connection's version": (b',"version":', -1), "digest": (b'"digest":"', 5), "incarnation": (b'"incarnation":', 0)}


def other_digit(needle, offset=0):
    """A digit behind the first (-1: the last) `needle` of a body becomes another: still JSON, still a number or id."""
    def change(answer):
        body = answer.body
        at = (body.rindex(needle) if offset < 0 else body.index(needle)) + len(needle) + max(offset, 0)
        answer.body = body[:at] + (b"9" if body[at:at + 1] != b"9" else b"8") + body[at + 1:]
    return change


@pytest.mark.parametrize("name", HEADS_BITS)
def test_a_digit_of_heads(place, developer, proxy, name):
    assert attempt(place, developer).returncode == 0
    refused_once(place, developer, proxy, "/heads", other_digit(*HEADS_BITS[name]))


def without_digest(answer):
    answer.headers = [(name, value) for name, value in answer.headers if name.lower() != "unencoded-digest"]


def test_heads_without_their_digest(place, developer, proxy):
    refused_once(place, developer, proxy, "/heads", without_digest)


def refused_once(place, developer, proxy, part, change, why="its check"):
    """The next answer to such a path is changed on its way: said so, nothing of it used, and asked for again."""
    proxy.change = (part, change)
    done = attempt(place, developer)
    assert proxy.change is None
    assert done.returncode == 0 and why in done.stderr and "trying again" in done.stderr, done
    place.compare(developer)


def test_a_digit_of_what_a_workspace_is_matched_with(place, developer, proxy):
    """Another id would be one that the organization does not have: the right connection would be dropped."""
    clone = developer.clone("matched", "git@github.com:acme/shop.git")
    shop = place.connections["acme/shop"]
    proxy.change = ("/match-workspace", other_digit(b'"id":"', 3))
    done = developer.run("sync", "--json", cwd=clone)
    assert proxy.change is None and "its check" in done.stderr
    assert [each["id"] for each in json.loads(done.stdout)["connections"]] == [shop]
    proxy.change = ("/connections", other_digit(b'"id":"', 3))
    done = developer.run("connections", "use", "acme/shop", cwd=clone, check=False)
    assert proxy.change is None and done.returncode == 1 and "its check" in done.stderr, done
    assert developer.json("status", cwd=clone)["sync_mode"] == "workspace-aware"


def test_the_page_of_another_connection(place, developer, proxy):
    """Whole, and its digest holds; with its cursor the client would be refused from then on."""
    assert attempt(place, developer).returncode == 0
    for name in place.connections:
        place.push(name)
    proxy.script("/changes", None, Fault("reorder"))
    done = attempt(place, developer)
    assert proxy.done["reorder"] == 1 and "of another question" in done.stderr, done
    place.compare(developer)


def test_heads_from_before_a_connection_was_there_remove_nothing(server, database, home):
    """A cache between answers with what is whole, and old."""
    place = Place(server, database, home, "Stale")
    with faults.Proxy(server.port) as proxy:
        developer = place.developer(proxy)
        assert attempt(place, developer).returncode == 0
        place.push("acme/late")
        assert attempt(place, developer).returncode == 0
        proxy.script("/heads", Fault("stale"))
        done = attempt(place, developer)
        assert proxy.done["stale"] == 1 and done.returncode == 0, done
        assert len(place.whole(developer)) == 3
        place.compare(developer)


def test_a_status_that_is_not_that_of_the_body_is_nobodys(place, developer, proxy):
    """One bit makes 403 of 401, or of 402: the replica would be closed."""
    assert attempt(place, developer).returncode == 0

    def denied(answer):
        answer.status, answer.reason, answer.body = 403, "Forbidden", faults.refusal(401).body
        answer.headers = [("Content-Type", "application/problem+json")]

    refused_once(place, developer, proxy, "/heads", denied, "not as a Tideline server answers")
    assert developer.json("status", cwd=developer.home / "work")["replica"]["closed"] is None


def test_any_bit_of_heads(place, developer, proxy):
    """The answer is refused, or the bit is one that means nothing."""
    choice = random.Random(harness.seed())
    assert attempt(place, developer).returncode == 0
    proxy.forget()
    for turn in range(FLIPS):
        place.push()
        fault = Fault("flip", choice.random(), in_head=turn % 2 == 0, bit=choice.randrange(8))
        proxy.script("/heads", fault)
        attempt(place, developer)
        assert heals(place, developer, proxy) == 1
    assert all("cursor=" in path for path in proxy.count("/changes")), "what was there was fetched anew"


# ---- Mixtures of all over a history

@pytest.mark.parametrize("number", range(SEEDED))
def test_all_of_it_at_random(place, developer, proxy, number):
    choice = random.Random(f"{harness.seed()} {number}")
    attempts = done = 0
    for _ in range(STEPS):
        place.push(choice.choice(sorted(place.connections)), models=choice.randrange(1, 9))
        share = choice.choice([0.1, 0.4, 0.8])

        def chosen(method, path):
            if choice.random() > share or "/changes" not in path and "/heads" not in path:
                return None
            return faults.random_fault(choice)

        proxy.choose = chosen
        for _ in range(choice.randrange(1, 4)):
            attempts += 1
            done += attempt(place, developer).returncode == 0
        if choice.random() < 0.3:
            heals(place, developer, proxy)
            attempts += 1
    assert heals(place, developer, proxy) <= 2
    bounded(proxy, attempts + HEALS_IN)
    anew = sum(count for path, count in proxy.count("/changes").items() if "cursor=" not in path)
    print(f"{attempts} syncs, {done} of them done; {dict(proxy.done)}; {anew} pages from the beginning")


def test_a_watcher_under_all_of_it(place, developer, proxy):
    """Faults for some seconds, also on its connections as a whole; then it is live by itself, within its back-off."""
    choice = random.Random(harness.seed())
    watcher = developer.watch(developer.home / "work")
    try:
        watcher.until("live")
        names = [name for name in faults.PASSING if name not in ("flip", "truncate", "doubled", "reorder")]
        proxy.choose = lambda method, path: faults.random_fault(choice, names) if choice.random() < 0.5 else None
        for _ in range(20 if harness.SOAK else 4):
            version = place.push()
            time.sleep(choice.random())
            if choice.random() < 0.5:
                proxy.break_off()
            place.whole(developer)
        proxy.heal()
        healed = time.monotonic()
        watcher.wait(lambda line: (line.get("version") or 0) >= version or line["state"] == "live", 60)
        harness.wait_until(lambda: min(v for _, v, _ in place.whole(developer).values()) >= version, 60)
        print(f"right {time.monotonic() - healed:.1f} s after the healing")
        place.compare(developer)
        assert developer.json("status", cwd=developer.home / "work")["state"] == "live"
        watcher.stop()
        asked = proxy.count("/changes")
        assert max(asked.values()) <= 20, asked
        assert sum(count for path, count in asked.items() if "cursor=" not in path) <= 6, asked
    finally:
        developer.close()


@pytest.mark.parametrize("name", [*PATIENT, *PUSHED])
def test_patience(slow, name):
    print(name, slow[name].result(harness.PATIENCE))
