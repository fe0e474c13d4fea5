import pytest

import harness

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


@pytest.fixture(scope="module")
def member(server, admin):
    return admin.as_user(server.user(admin.organization, "member@acme.example"))


def pytest_sessionfinish(session, exitstatus):
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if exitstatus == 0 and reporter.stats.get("skipped") and not reporter.stats.get("passed"):
        session.exitstatus = ALL_SKIPPED
