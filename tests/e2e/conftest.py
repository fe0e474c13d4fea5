import contextlib

import pytest

import harness
import histories

# ctest shows this code as "Skipped": nothing of the file could run here, for the reasons pytest prints.
ALL_SKIPPED = 77


@pytest.fixture(scope="module")
def home():
    with harness.directory() as path:
        yield path


@pytest.fixture(scope="module")
def server(home):
    server = harness.Server(home)
    try:
        yield server
    finally:
        server.close()


@pytest.fixture(scope="module")
def admin(server):
    """An admin of an organization of the module's own."""
    organization = server.organization("Acme")
    return server.client(organization, server.user(organization, "admin@acme.example", "admin"))


@pytest.fixture()
def acme(server, request):
    """An admin of an organization of the test's own."""
    organization = server.organization(request.node.name)
    return server.client(organization, server.user(organization, f"{request.node.name}@acme.example", "admin"))


@pytest.fixture(scope="module")
def member(server, admin):
    return admin.as_user(server.user(admin.organization, "member@acme.example"))


@pytest.fixture(scope="module")
def database(server):
    with contextlib.closing(histories.superuser(server)) as connection:
        yield connection


@pytest.fixture(scope="module")
def second_server(server):
    lines = (server.data_dir / "postgres" / "postmaster.pid").read_text().splitlines()
    with harness.directory() as home:
        second = harness.Server(home, "--database-url", f"host={lines[4]} port={lines[3]} user=tideline_server dbname=tideline")
        try:
            yield second
        finally:
            second.close()


def pytest_sessionfinish(session, exitstatus):
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if exitstatus == 0 and reporter.stats.get("skipped") and not reporter.stats.get("passed"):
        session.exitstatus = ALL_SKIPPED
