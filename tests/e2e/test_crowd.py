"""Many who want the same thing: one organization's crowd costs the others nothing."""
import threading
import time

import psycopg2

import harness
import projects


def superuser(server):
    lines = (server.data_dir / "postgres" / "postmaster.pid").read_text().splitlines()
    return psycopg2.connect(host=lines[4], port=lines[3], user="postgres", dbname="tideline")


def test_writers_that_wait_in_one_organization_hold_up_no_other(server, admin):
    """More writers than the server has connections to the database, all waiting for one that takes long."""
    other_organization = server.organization("Other")
    other = server.client(other_organization, server.user(other_organization, "admin@other.example", "admin"))
    other.push("other/shop", projects.manifest())
    statuses = []

    def write(number):
        answer = admin.as_user(admin.token).api("PUT", "/connections", {"full_name": f"acme/{number}"})
        statuses.append(answer.status)

    with superuser(server) as holder, holder.cursor() as cursor:
        cursor.execute("select from metadata.heads where organization_id = %s for update", (admin.organization,))
        threads = [threading.Thread(target=write, args=(number,)) for number in range(24)]
        for thread in threads:
            thread.start()
        with superuser(server) as watcher, watcher.cursor() as look:
            began = time.monotonic()

            def crowded():
                look.execute("select count(*) from pg_stat_activity where wait_event_type = 'Lock'")
                return look.fetchone()[0] >= 8 or time.monotonic() - began > 1

            harness.wait_until(crowded)
        began = time.monotonic()
        assert other.package(limit=7)["sync_metadata"]["object_count"] > 0
        waited = time.monotonic() - began
    for thread in threads:
        thread.join()
    assert waited < 4, f"a reader of another organization waited {waited:.1f} s"
    assert set(statuses) <= {200, 201, 503} and len(statuses) == len(threads), statuses
