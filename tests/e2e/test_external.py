"""An existing PostgreSQL instead of the private one: migrated by its administrator, served by a login that may little."""
import os
import pathlib
import shutil
import socket
import subprocess

import psycopg2
import pytest

import harness
import projects

BIN = next((path for path in sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), None)


class Postgres:
    """A cluster like an operator's: TCP with passwords, a superuser who is nobody's server."""

    def __init__(self, home):
        self.home = home
        self.data = home / "operator"
        self.port = self.free_port()
        (home / "password").write_text("root-secret")
        if os.geteuid() == 0:
            shutil.chown(home, "postgres")
            shutil.chown(home / "password", "postgres")
        self.run("initdb", "-D", self.data, "-U", "postgres", "-A", "scram-sha-256", f"--pwfile={home / 'password'}",
                 "--no-sync", "--locale=C", "-E", "UTF8")
        self.run("pg_ctl", "-D", self.data, "-w", "-l", home / "operator.log", "-o",
                 f"-c listen_addresses=127.0.0.1 -c port={self.port} -c unix_socket_directories='' -c fsync=off", "start")

    @staticmethod
    def free_port():
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return probe.getsockname()[1]

    def run(self, program, *arguments):
        prefix = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        subprocess.run([*prefix, BIN / program, *map(str, arguments)], check=True, stdout=subprocess.DEVNULL,
                       cwd=self.home, timeout=harness.PATIENCE)

    def url(self, user, password):
        return f"postgresql://{user}:{password}@127.0.0.1:{self.port}/warehouse"

    def sql(self, statement, database="warehouse"):
        connection = psycopg2.connect(host="127.0.0.1", port=self.port, user="postgres", password="root-secret", dbname=database)
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)
        connection.close()

    def stop(self):
        self.run("pg_ctl", "-D", self.data, "-m", "immediate", "stop")


@pytest.fixture(scope="module")
def postgres():
    if BIN is None:
        pytest.skip("no PostgreSQL programs under /usr/lib/postgresql")
    with harness.directory() as home:
        postgres = Postgres(home)
        try:
            postgres.sql("create database warehouse", "postgres")
            yield postgres
        finally:
            postgres.stop()


def serve(url, home):
    return harness.run("serve", "--data-dir", home / "data", "--listen", "127.0.0.1:0", "--database-url", url, check=False)


def test_from_empty_database_to_answers(postgres):
    administrator = postgres.url("postgres", "root-secret")
    with harness.directory() as home:
        postgres.sql("create role early login password 'early'; grant connect on database warehouse to early")
        done = serve(postgres.url("early", "early"), home)
        assert done.returncode == 1 and "migrat" in done.stderr, done

        done = harness.run("admin", "org", "list", "--admin-database-url", administrator, check=False)
        assert done.returncode == 1 and "tideline admin migrate" in done.stderr, done
        done = harness.run("admin", "org", "list", "--admin-database-url", postgres.url("postgres", "wrong-secret"), check=False)
        assert done.returncode == 1 and "takes no such login" in done.stderr and "secret" not in done.stderr, done

        done = harness.run("admin", "migrate", "--admin-database-url", administrator)
        assert "0001" in done.stdout
        assert "release" in harness.run("admin", "migrate", "--admin-database-url", administrator).stdout
        done = serve(administrator, home)
        assert done.returncode == 1 and "tideline_server" in done.stderr and "root-secret" not in done.stderr, done

        postgres.sql("alter role tideline_server password 'server-secret'")
        postgres.sql("alter role tideline_admin password 'admin-secret'")
        admin_url = postgres.url("tideline_admin", "admin-secret")
        organization = harness.json.loads(harness.run(
            "admin", "org", "create", "--name", "Outside", "--admin-database-url", admin_url, "--json").stdout)["id"]
        harness.run("admin", "user", "add", "--org", organization, "--email", "a@b.example", "--role", "admin",
                    "--database-url", admin_url)
        token = harness.run("admin", "token", "--user", "a@b.example", TIDELINE_ADMIN_DATABASE_URL=admin_url).stdout.strip()
        done = serve(admin_url, home)
        assert done.returncode == 1 and "tideline_server" in done.stderr, done

        servers = []
        try:
            for name in ("one", "two"):
                place = home / name
                place.mkdir()
                place.chmod(0o755)
                servers.append(harness.Server(place, env={"TIDELINE_DATABASE_URL": postgres.url("tideline_server", "server-secret")}))
            one, two = (server.client(organization, token) for server in servers)
            version = one.push("acme/outside", projects.manifest())["version"]
            assert two.push("acme/outside", projects.manifest())["version"] == version
            harness.same(one.full(), two.full())
            for server in servers:
                assert not (server.data_dir / "postgres").exists()
                assert "server-secret" not in server.log()
        finally:
            for server in servers:
                server.close()
