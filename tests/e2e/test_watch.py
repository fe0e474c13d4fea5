"""`tideline sync --watch` where the way on is closed (each 410), where events do not get through, where it was stopped
for a while, and over TLS with a private authority and a proxy. The database is the real one: what a server refuses, it
refuses because it is so."""
import itertools
import signal
import time
import types

import pytest

import faults
import harness
import histories
import projects
from developer import Developer
from faults import Fault
from test_network import Place, other_digit
from tls import ForwardProxy, TlsEnd, certificates


numbers = itertools.count(1)


@pytest.fixture()
def place(server, database, home):
    return Place(server, database, home, f"Place{next(numbers)}")


@pytest.fixture()
def watched(server, place):
    """A developer who watches through a proxy, live."""
    with faults.Proxy(server.port) as proxy:
        developer = place.developer(proxy)
        watcher = developer.watch(developer.home / "work")
        watcher.until("live")
        yield types.SimpleNamespace(developer=developer, watcher=watcher, proxy=proxy)
        developer.close()


def execute(place, statement, *values):
    with place.database.cursor() as cursor:
        cursor.execute(statement, values)


def forgotten(place):
    place.push(models=4)
    histories.forget_below(place.database, place.organization, place.push(models=1))


def forked(place):
    execute(place, "update metadata.connection_versions set digest = overlay(digest placing '\\x55' from 9)"
            " where connection_id = %s", place.connections["acme/shop"])
    place.push()


def move_head(place, by):
    version = place.admin.get("/heads")["version"] + by
    execute(place, "update metadata.heads set version = %s, stamp = stamp + %s * interval '1 second'"
            " where organization_id = %s", version, by, place.organization)
    harness.wait_until(lambda: place.admin.get("/heads")["version"] == version)


def lost(place):
    """A version without rows, which watchers have seen."""
    move_head(place, -1)


def restored(place):
    place.epoch = place.server.admin("restore", "--epoch-only")["epoch"]


def replaced(place):
    """Removed, and made anew under its id."""
    connection = place.connections["acme/shop"]
    assert place.admin.api("DELETE", f"/connections/{connection}").status == 200
    place.admin.register("acme/shop", id=connection, type="git")
    place.push()


CLOSED = {
    "below_floor": (forgotten, "below_floor", "older than what the server can bring forward"),
    "fork": (forked, "fork", "history is another one"),
    "ahead": (lost, "ahead", "history is another one"),
    "epoch": (restored, None, "restored from a backup"),
    "connection_removed": (replaced, None, ""),
}


@pytest.mark.parametrize("name", CLOSED)
def test_a_way_that_is_closed(place, watched, name):
    """It is told, what is behind it is fetched anew, once, and the watcher is live again."""
    happens, code, note = CLOSED[name]
    if happens is lost:  # its cursors are to have seen what will be lost
        begin_anew(watched, lambda: move_head(place, 1))
    watched.watcher.process.send_signal(signal.SIGSTOP)
    happens(place)
    watched.proxy.forget()
    watched.proxy.break_off()  # who connects again is told where the server is, also where it went back
    watched.watcher.process.send_signal(signal.SIGCONT)
    line = watched.watcher.wait(lambda line: note in " ".join(line.get("notes", ["-"])), 60)
    assert line["state"] == "live", line
    if code:
        assert watched.proxy.refused[code] == 1, watched.proxy.refused
    settled(place, watched)
    anew = sum(count for path, count in watched.proxy.count("/changes").items() if "cursor=" not in path)
    assert anew <= len(place.connections), "fetched anew more than once"


def begin_anew(watched, meanwhile):
    watched.watcher.stop()
    for file in watched.developer.data.glob("*.sqlite*"):
        file.unlink()
    meanwhile()
    watched.watcher = watched.developer.watch(watched.developer.home / "work")
    watched.watcher.until("live")


def test_a_version_that_was_confirmed_and_is_lost(place, watched):
    """No page was of it, so no cursor says so: the replica is of the version there is, and nothing is fetched anew."""
    move_head(place, 1)
    watched.developer.until_status(lambda status: status["replica"]["version"] == 3)
    watched.proxy.forget()
    move_head(place, -1)
    watched.proxy.break_off()
    watched.developer.until_status(lambda status: status["replica"]["version"] == 2)
    settled(place, watched)
    assert all("cursor=" in path for path in watched.proxy.count("/changes"))


def settled(place, watched):
    """Right with the next push, and live."""
    version = place.push(models=2)
    watched.watcher.until_version(version)
    place.compare(watched.developer)
    watched.developer.until_status(lambda status: status["state"] == "live" and status["problem"] is None)


@pytest.mark.parametrize("code", ["schema", "connection_removed"])
def test_a_refusal_that_passes(place, watched, code):
    """What this server never says to this program: rows of another schema; and a connection that is gone between the
    heads and its page, and there again."""
    watched.proxy.script("/changes", Fault("gone", code=code))
    version = place.push()
    watched.watcher.until_version(version)
    assert watched.proxy.done["gone"] == 1
    settled(place, watched)


def test_a_connection_that_is_removed(place, watched):
    connection = place.connections.pop("acme/web")
    assert place.admin.api("DELETE", f"/connections/{connection}").status == 200
    watched.watcher.wait(lambda line: line.get("rows_removed", 0) > 0 or line.get("changed"))
    settled(place, watched)


@pytest.mark.parametrize("events", ["404", "502", "cut"])
def test_where_events_do_not_get_through_it_asks(place, server, events):
    """A proxy that does not know the path, one that cannot hold a stream, one that cuts it off at once."""
    with faults.Proxy(server.port) as proxy:
        fault = Fault("cut", 0.0) if events == "cut" else Fault("page", status=int(events))
        proxy.choose = lambda method, path: fault if "/events" in path else None
        developer = place.developer(proxy)
        watcher = developer.watch(developer.home / "work")
        try:
            if events == "cut":
                watcher.until("live")
            else:
                harness.wait_until(lambda: "/heads?wait=" in " ".join(proxy.count("/heads")), 30)
            version = place.push()
            began = time.monotonic()
            watcher.until_version(version)
            took = time.monotonic() - began
            print(f"{events}: after {took:.2f} s; {proxy.count('/events').total()} streams were tried")
            if events != "cut":
                assert took < 5 and watcher.seen[-1]["state"] == "polling", watcher.seen
                assert proxy.count("/events").total() <= 3
            place.compare(developer)
            watcher.stop()
        finally:
            developer.close()


@pytest.mark.parametrize("broken", [False, True], ids=["connected", "broken"])
def test_a_client_that_stood_still(place, watched, broken):
    """Suspended, pushes meanwhile, and its connections there or gone: it catches up at once, and with few questions."""
    watched.watcher.process.send_signal(signal.SIGSTOP)
    for _ in range(5):
        version = place.push()
    time.sleep(4)
    if broken:
        watched.proxy.break_off()
    watched.proxy.forget()
    watched.watcher.process.send_signal(signal.SIGCONT)
    began = time.monotonic()
    watched.watcher.until_version(version)
    took = time.monotonic() - began
    assert took < (10 if broken or harness.SANITIZED else 5), took
    assert watched.proxy.count("/changes").total() <= 4 and watched.proxy.count("/heads").total() <= 4
    settled(place, watched)


def test_heads_that_are_damaged_are_asked_for_again(place, watched):
    watched.proxy.change = ("/heads", other_digit(b'"version":'))
    version = place.push()
    watched.watcher.until_version(version)
    assert watched.proxy.change is None
    assert any("its check does not hold" in line.get("message", "") for line in watched.watcher.seen)
    settled(place, watched)


def test_over_tls_with_a_private_authority_and_a_proxy(place, server, home, tmp_path):
    """The token goes by TLS alone; the authority is remembered with the login; the proxy sees names and no paths."""
    ca, certificate = certificates(tmp_path, "DNS:tideline.test", "DNS:localhost", "IP:127.0.0.1")
    with TlsEnd(certificate, server.port) as end, ForwardProxy() as proxy:
        direct = Developer(home / "direct", types.SimpleNamespace(port=end.port), place.organization, place.token)
        login = ("login", "--org", place.organization, "--token-file", "-")
        url = f"https://127.0.0.1:{end.port}"
        refused = direct.run(*login, "--server", url, stdin=place.token, check=False)
        assert refused.returncode == 1 and "certificate" in refused.stderr and "CA file" in refused.stderr, refused
        direct.run(*login, "--server", url, "--ca-file", ca, stdin=place.token)
        work = direct.clone("work")
        # Never by way of a proxy to this machine.
        direct.run("connections", "all", cwd=work, HTTPS_PROXY="http://127.0.0.1:9")
        assert direct.json("sync", cwd=work)["changed"]
        place.compare(direct)

        far = Developer(home / "far", None, place.organization, place.token)
        url = f"https://tideline.test:{end.port}"
        through = {"HTTPS_PROXY": f"http://127.0.0.1:{proxy.port}"}
        far.run(*login, "--server", url, "--ca-file", ca, stdin=place.token, **through)
        work = far.clone("work")
        far.run("connections", "all", cwd=work, **through)
        watcher = far.watch(work, **through)
        try:
            watcher.until("live")
            version = place.push()
            watcher.until_version(version)
            place.compare(far)
            watcher.stop()
        finally:
            far.close()
        assert set(proxy.asked) == {f"CONNECT tideline.test:{end.port}"}
        unnamed = far.run("sync", "--json", cwd=work, check=False)
        assert unnamed.returncode == 1 and "not known" in unnamed.stderr, unnamed


@pytest.mark.skipif(not harness.SOAK, reason="as long as a long poll takes: in the soak")
def test_a_long_poll_through_a_proxy_may_be_as_silent_as_it_is(place, server, home, tmp_path):
    """The proxy's own answer, that there is a way, is not the server's: its body is not waited for."""
    ca, certificate = certificates(tmp_path, "DNS:tideline.test")
    with faults.Proxy(server.port) as between, TlsEnd(certificate, between.port) as end, ForwardProxy() as proxy:
        between.choose = lambda method, path: Fault("page", status=404) if "/events" in path else None
        through = {"HTTPS_PROXY": f"http://127.0.0.1:{proxy.port}"}
        far = Developer(home / "silent", None, place.organization, place.token)
        far.run("login", "--org", place.organization, "--token-file", "-", "--server", f"https://tideline.test:{end.port}",
                "--ca-file", ca, stdin=place.token, **through)
        work = far.clone("work")
        far.run("connections", "all", cwd=work, **through)
        watcher = far.watch(work, **through)
        try:
            harness.wait_until(lambda: between.count("/heads?wait=").total() >= 2)
            version = place.push()
            watcher.until_version(version)
            assert not any("message" in line and "slowly" in line["message"] for line in watcher.seen), watcher.seen
            watcher.stop()
        finally:
            far.close()
