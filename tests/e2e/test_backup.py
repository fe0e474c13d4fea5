"""Backups, and what a database that is not what it was looks like to those who hold replicas of it: restored, forked,
or read from a standby that is behind. Never wrong data: refused by name, asked of the primary, or 503."""
import contextlib
import json
import stat
import subprocess

import psycopg2
import pytest

import harness
import projects
from reference_client import Busy, Replica
from test_external import BIN, Postgres
from test_sync import Stream, assert_equal, superuser, url


def acme(server):
    organization = server.organization("Acme")
    return server.client(organization, server.user(organization, "admin@acme.example", "admin"))


@contextlib.contextmanager
def running(home, *flags):
    home.mkdir(exist_ok=True)
    home.chmod(0o755)
    server = harness.Server(home, *flags)
    try:
        yield server
    finally:
        server.close()


def code_of(client, replica, connection):
    answer = client.api("GET", f"/connections/{connection}/changes", cursor=replica.cursors[connection])
    return answer.json["code"] if answer.status == 410 else answer.status


def test_a_restored_backup_is_the_database_it_was_and_another_epoch():
    with harness.directory() as home, running(home / "one") as one:
        client = acme(one)
        connection = client.push("acme/shop", projects.manifest(models=5))["connection_id"]
        replica = Replica(url(one), client.organization, client.token)
        kept = client.full()
        replica.sync()
        backup = home / "backup.dump"
        made = one.admin("backup", "--to", backup)
        assert made["bytes"] == backup.stat().st_size > 0 and stat.S_IMODE(backup.stat().st_mode) == 0o600
        assert made["epoch"] == client.get("/heads")["epoch"]
        client.push("acme/shop", projects.manifest(models=2, minute=1, note=" later"))
        assert code_of(client, replica, connection) == 200

        # Into an empty directory, and served from there: tokens hold, rows are those of the backup.
        restored = harness.run("admin", "restore", "--from", backup, "--data-dir", home / "two" / "data", "--json")
        assert json.loads(restored.stdout)["epoch"] != made["epoch"]
        with running(home / "two") as two:
            again = two.client(client.organization, client.token)
            harness.same(again.full(), kept)
            assert code_of(again, replica, connection) == "epoch"
            moved = Replica(url(two), client.organization, client.token)
            moved.rows, moved.cursors = replica.rows, replica.cursors
            moved.sync()
            assert moved.resets == ["epoch"]
            moved.sync()
            with contextlib.closing(superuser(two)) as database:
                assert_equal(database, moved)
            assert again.push("acme/shop", projects.manifest(models=3, minute=2))["version"]  # and it takes writes

        # In the place of the one that runs.
        newest = Replica(url(one), client.organization, client.token)
        newest.sync()
        stream = Stream(one, client.organization, client.token)
        epoch = stream.hint()["epoch"]
        refused = harness.run("admin", "restore", "--from", backup, "--data-dir", one.data_dir, check=False)
        assert refused.returncode == 1 and "--replace" in refused.stderr
        assert client.get("/heads")["epoch"] == epoch
        renewed = one.admin("restore", "--from", backup, "--replace")["epoch"]
        while stream.hint()["epoch"] != renewed:
            pass
        stream.close()
        harness.wait_until(lambda: code_of(client, newest, connection) == "epoch")
        newest.sync()
        newest.sync()
        with contextlib.closing(superuser(one)) as database:
            assert_equal(database, newest)
        harness.same(client.full(), kept)

        # Restored by other means: the same, without a file.
        assert one.admin("restore", "--epoch-only")["epoch"] != renewed
        harness.wait_until(lambda: code_of(client, newest, connection) == "epoch")


def test_what_is_no_backup_changes_nothing():
    with harness.directory() as home, running(home / "one") as one:
        client = acme(one)
        client.push("acme/shop", projects.manifest())
        before = client.get("/heads")
        good, bad = home / "good.dump", home / "bad.dump"
        one.admin("backup", "--to", good)
        for content in (b"", b"not a dump", good.read_bytes()[:-2000]):
            bad.write_bytes(content)
            done = harness.run("admin", "restore", "--from", bad, "--replace", "--data-dir", one.data_dir, check=False)
            assert done.returncode == 1 and "failed" in done.stderr, done
            assert client.get("/heads") == before
        assert harness.run("admin", "restore", "--data-dir", one.data_dir, check=False).returncode == 2
        nowhere = harness.run("admin", "backup", "--to", home / "no" / "such", "--data-dir", one.data_dir, check=False)
        assert nowhere.returncode == 1


def test_a_copied_database_that_went_its_own_way_is_a_fork():
    with harness.directory() as home:
        with running(home / "one") as one:
            client = acme(one)
            connection = client.push("acme/shop", projects.manifest())["connection_id"]
        (home / "two").mkdir()
        subprocess.run(["cp", "-a", home / "one" / "data", home / "two" / "data"], check=True)
        with running(home / "one") as one, running(home / "two") as two:
            here, there = one.client(client.organization, client.token), two.client(client.organization, client.token)
            here.push("acme/shop", projects.manifest(minute=1, note=" here"))
            there.push("acme/shop", projects.manifest(minute=1, note=" there"))
            replica = Replica(url(one), client.organization, client.token)
            replica.sync()
            assert code_of(there, replica, connection) == "fork"
            there.push("acme/shop", projects.manifest(minute=2, note=" there again"))
            assert code_of(there, replica, connection) == "fork"
            here.push("acme/shop", projects.manifest(minute=2, note=" here again"))
            here.push("acme/shop", projects.manifest(minute=3, note=" and again"))
            replica.sync()
            assert code_of(there, replica, connection) == "ahead"
            # Its replica there: dropped, synced anew, right.
            moved = Replica(url(two), client.organization, client.token)
            moved.rows, moved.cursors = replica.rows, replica.cursors
            moved.sync()
            moved.sync()
            assert moved.resets == ["ahead"]
            with contextlib.closing(superuser(two)) as database:
                assert_equal(database, moved)


class Standby(Postgres):
    """A hot standby of `primary`, made by pg_basebackup."""

    def __init__(self, primary):
        self.home, self.data, self.port = primary.home, primary.home / "standby", self.free_port()
        self.run("pg_basebackup", "-D", self.data, "-R", "-X", "stream", "--checkpoint=fast",
                 "-d", f"host=127.0.0.1 port={primary.port} user=postgres password=root-secret")
        self.start()

    def start(self):
        self.run("pg_ctl", "-D", self.data, "-w", "-l", self.home / "standby.log", "-o",
                 f"-c listen_addresses=127.0.0.1 -c port={self.port} -c unix_socket_directories='' -c fsync=off", "start")

    def value(self, statement):
        with contextlib.closing(psycopg2.connect(host="127.0.0.1", port=self.port, user="postgres", password="root-secret",
                                                 dbname="warehouse")) as connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchone()[0]


@pytest.mark.skipif(BIN is None, reason="no PostgreSQL programs under /usr/lib/postgresql")
def test_a_standby_that_lags_stops_and_catches_up_never_shows_old_data():
    with harness.directory() as home:
        primary = Postgres(home)
        standby = None
        try:
            primary.sql("create database warehouse", "postgres")
            harness.run("admin", "migrate", "--admin-database-url", primary.url("postgres", "root-secret"))
            primary.sql("alter role tideline_server password 'server-secret'")
            primary.sql("alter role tideline_admin password 'admin-secret'")
            standby = Standby(primary)
            admin_url = primary.url("tideline_admin", "admin-secret")

            def admin(*arguments):
                return json.loads(harness.run("admin", *arguments, "--admin-database-url", admin_url, "--json").stdout)

            organization = admin("org", "create", "--name", "Outside")["id"]
            admin("user", "add", "--org", organization, "--email", "a@b.example", "--role", "admin")
            token = admin("token", "--user", "a@b.example")["token"]
            with running(home / "one", "--database-url", primary.url("tideline_server", "server-secret"),
                         "--read-database-url", standby.url("tideline_server", "server-secret")) as one:
                client = one.client(organization, token)
                replica = Replica(url(one), organization, token, page_bytes=lambda: 3000)

                def synced(version):
                    """At that version, and the primary's rows value by value."""
                    harness.wait_until(lambda: replica.sync() >= version)
                    with contextlib.closing(superuser_of(primary)) as connection:
                        assert_equal(connection, replica)

                version = client.push("acme/shop", projects.manifest(models=4))["version"]
                harness.wait_until(lambda: standby.value("select count(*) from metadata.objects") > 0)
                synced(version)

                # It lags: what is newer comes from the primary, at once.
                standby.sql("select pg_wal_replay_pause()")
                for minute in (1, 2, 3):
                    version = client.push("acme/shop", projects.manifest(models=4 - minute, minute=minute, note=f" {minute}"))["version"]
                    assert replica.sync() == version
                    synced(version)
                    joiner = Replica(url(one), organization, token, page_bytes=lambda: 2000)
                    assert joiner.sync() == version and not joiner.repaired
                    assert client.get("/heads")["version"] == version
                assert standby.value("select max(version) from metadata.heads") < version
                # Removed on the primary, while the standby still has it.
                gone = client.register("acme/gone")
                assert client.api("DELETE", f"/connections/{gone}").status == 200
                assert client.api("GET", f"/connections/{gone}/changes").status == 404

                # It stops.
                standby.stop()
                version = client.push("acme/shop", projects.manifest(models=6, minute=4))["version"]
                synced(version)

                # It is there again, and catches up.
                standby.start()
                standby.sql("select pg_wal_replay_resume() where pg_is_wal_replay_paused()")
                harness.wait_until(lambda: standby.value("select max(version) from metadata.heads") == version)
                version = client.push("acme/shop", projects.manifest(models=5, minute=5))["version"]
                synced(version)
                assert replica.resets == [] and replica.repaired == 0

                # Without the primary there is nobody to say that the standby is not behind: 503, and nothing old.
                primary.stop()
                began = harness.time.monotonic()
                answer = client.api("PUT", "/connections", {"type": "git", "full_name": "acme/late"})
                took = harness.time.monotonic() - began
                assert answer.status == 503 and answer.headers["retry-after"], answer
                print(f"503 after {took:.1f} s")
                assert took < 15, "it does not wait as long as a request may"
                harness.time.sleep(1)  # what was confirmed before counts that long
                for _ in range(3):
                    with pytest.raises(Busy):
                        replica.sync()
                assert client.api("GET", "/heads").status == 503
        finally:
            for cluster in (standby, primary):
                with contextlib.suppress(subprocess.CalledProcessError, AttributeError):
                    cluster.stop()


def superuser_of(cluster):
    connection = psycopg2.connect(host="127.0.0.1", port=cluster.port, user="postgres", password="root-secret", dbname="warehouse")
    connection.autocommit = True
    return connection


@pytest.mark.skipif(BIN is None, reason="no PostgreSQL programs under /usr/lib/postgresql")
def test_an_operators_own_database_is_backed_up_and_restored_elsewhere():
    with harness.directory() as home:
        postgres = Postgres(home)
        try:
            postgres.sql("create database warehouse", "postgres")
            root = postgres.url("postgres", "root-secret")
            harness.run("admin", "migrate", "--admin-database-url", root)
            made = json.loads(harness.run("admin", "org", "create", "--name", "Outside", "--admin-database-url", root, "--json").stdout)
            harness.run("admin", "backup", "--to", home / "b.dump", "--admin-database-url", root)
            postgres.sql("create database elsewhere", "postgres")
            other = root.replace("/warehouse", "/elsewhere")
            harness.run("admin", "restore", "--from", home / "b.dump", "--admin-database-url", other)
            listed = json.loads(harness.run("admin", "org", "list", "--admin-database-url", other, "--json").stdout)
            assert [org["id"] for org in listed["organizations"]] == [made["id"]]
        finally:
            postgres.stop()
