"""Column lineage as a push brings it: edges, inferred columns, gaps with reasons; what is kept, and what hangs together."""
import copy
import pathlib

import pytest

import harness
import projects


def project(sql, minute=0, compiled=True, name="shop"):
    """One source, warehouse.raw.payments, without columns, and models of the SQL given."""
    document = projects.manifest(models=len(sql), minute=minute, project=name)
    template = copy.deepcopy(document["nodes"][f"model.{name}.step_0"])
    document["nodes"] = {}
    document["exposures"] = {}
    document["sources"][f"source.{name}.raw.payments"]["columns"] = {}
    for model, text in sql.items():
        node = copy.deepcopy(template)
        unique_id = f"model.{name}.{model}"
        node.update(unique_id=unique_id, name=model, alias=model, columns={}, raw_code=text,
                    original_file_path=f"models/{model}.sql", path=f"{model}.sql")
        node["depends_on"]["nodes"] = [f"source.{name}.raw.payments"] + [f"model.{name}.{one}" for one in sql
                                                                        if one != model and one in text]
        node.pop("compiled_code", None)
        if compiled:
            node["compiled_code"] = text
        document["nodes"][unique_id] = node
    return document


def edges(client, connection):
    """(target, column, kind, source, column) of everything the connection has."""
    copy_ = client.full(connection_ids=connection)
    names = {row["id"]: row["name"] for row in copy_.rows["objects"].values()}
    return {(names.get(row["target_object_id"], row["target_object_id"]), row["target_column"], row["transformation_type"],
             names.get(row["source_object_id"], row["source_full_name"]), row["source_column"])
            for row in copy_.rows["columns_lineage"].values()}, copy_


SQL = {
    "staged": "select id, cast(amount as numeric) as amount, 'web' as channel from warehouse.raw.payments where id > 0",
    "totals": "select channel, sum(amount) as total from warehouse.analytics.staged group by channel",
}


def test_edges_and_inferred_columns(admin):
    answer = admin.push("lineage/plain", project(SQL))
    assert answer["lineage"] == {"models": 2, "analysed": 2, "partial": 0, "failed": 0, "reasons": {}}
    found, copy_ = edges(admin, answer["connection_id"])
    assert found == {
        ("staged", "id", "direct", "payments", "id"),
        ("staged", "amount", "calculated", "payments", "amount"),
        ("staged", "*", "filtered", "payments", "id"),
        ("totals", "channel", "direct", "staged", "channel"),
        ("totals", "total", "aggregated", "staged", "amount"),
        ("totals", "*", "grouped", "staged", "channel"),
    }
    objects = {row["id"]: row for row in copy_.rows["objects"].values()}
    columns = {(objects[row["object_id"]]["name"], row["name"]): row for row in copy_.rows["columns"].values()}
    assert set(columns) == {("payments", "amount"), ("payments", "id"), ("staged", "id"), ("staged", "amount"),
                            ("staged", "channel"), ("totals", "channel"), ("totals", "total")}
    channel = columns["staged", "channel"]
    assert channel["metadata"] == {"constant": "'web'", "extracted_from": "sql", "inferred": True}
    assert [columns["staged", name]["position"] for name in ("id", "amount", "channel")] == [1, 2, 3]
    assert columns["payments", "amount"]["metadata"]["extracted_from"] == "usage"
    amount = next(row for row in copy_.rows["columns_lineage"].values() if row["transformation_type"] == "calculated")
    assert amount["expression"] == "cast(amount as numeric)" and amount["extracted_from"] == "sql"
    assert 0 < amount["confidence"] < 1 and amount["metadata"]["reason"] == "unknown_columns"


def test_a_manifest_without_compiled_sql_loses_nothing(admin):
    first = admin.push("lineage/kept", project(SQL))
    before, _ = edges(admin, first["connection_id"])
    second = admin.push("lineage/kept", project(SQL, minute=1, compiled=False))
    assert second["version"] == first["version"] and second["changed"] == {}
    assert second["lineage"] == first["lineage"]
    assert edges(admin, first["connection_id"])[0] == before
    # Alone it has none, and says so.
    alone = admin.push("lineage/none", project(SQL, compiled=False))
    assert alone["lineage"]["failed"] == 2 and alone["lineage"]["reasons"] == {"no_sql": 2}


def test_one_changed_model_changes_its_edges_alone(admin):
    first = admin.push("lineage/changed", project(SQL))
    changed = dict(SQL, totals="select channel, max(id) as last_id from warehouse.analytics.staged group by channel")
    second = admin.push("lineage/changed", project(changed, minute=1))
    assert second["version"] == first["version"] + 1
    assert second["changed"]["columns_lineage"] == {"added": 1, "updated": 0, "removed": 1}
    assert second["changed"]["columns"] == {"added": 1, "updated": 0, "removed": 1}
    found, _ = edges(admin, first["connection_id"])
    assert ("totals", "last_id", "aggregated", "staged", "id") in found


def test_a_star_waits_for_the_columns_of_its_upstream(admin):
    sql = {"b_last": "select * from warehouse.analytics.a_first",
           "a_first": "select id, amount from warehouse.raw.payments"}
    answer = admin.push("lineage/star", project(sql))
    found, _ = edges(admin, answer["connection_id"])
    assert ("b_last", "amount", "direct", "a_first", "amount") in found


def test_gaps_have_reasons_and_places(admin):
    sql = {"lost": "select p.id,\n  x.name\nfrom warehouse.raw.payments p join elsewhere.x on x.id = p.id"}
    answer = admin.push("lineage/gaps", project(sql))
    assert answer["lineage"] == {"models": 1, "analysed": 0, "partial": 1, "failed": 0, "reasons": {"unknown_relation": 1}}
    found, copy_ = edges(admin, answer["connection_id"])
    assert ("lost", "id", "direct", "payments", "id") in found
    assert not any(edge[1] == "name" for edge in found), "nothing is invented"
    objects = {row["name"]: row for row in copy_.rows["objects"].values()}
    assert objects["lost"]["metadata"]["lineage"] == {
        "status": "partial", "reasons": [{"at": "3:36", "reason": "unknown_relation", "subject": "elsewhere.x"}]}
    name = next(row for row in copy_.rows["columns"].values() if row["name"] == "name")
    assert name["metadata"]["lineage_gaps"] == ["unknown_relation"]


def test_the_push_command_says_how_much_is_known(server, admin, tmp_path):
    manifest = tmp_path / "manifest.json"
    manifest.write_bytes(harness.content_of(project({"lost": "select x.name from elsewhere.x"})))
    done = harness.run("push", "--server", f"http://127.0.0.1:{server.port}", "--org", admin.organization, "--connection",
                       "lineage/command", "--manifest", str(manifest), TIDELINE_TOKEN=admin.token)
    assert done.stdout.splitlines()[-3:] == [
        "lineage: 0 of 1 models in full, 1 in part, 0 not at all",
        "  unknown_relation in 1 model: Declare the relation as a source, or use ref().",
        "  which, and where: tideline lineage --gaps, once it is synced"]
    listed = next(one for one in admin.get("/connections")["connections"] if one["full_name"] == "lineage/command")
    assert listed["lineage"] == {"models": 1, "analysed": 0, "partial": 1, "failed": 0, "reasons": {"unknown_relation": 1}}


def test_a_source_hangs_on_the_connection_that_builds_it(admin):
    builder = project({"payments": "select id, amount from warehouse.raw.input"}, name="upstream")
    builder["nodes"]["model.upstream.payments"]["schema"] = "raw"
    built = admin.push("lineage/upstream", builder)
    answer = admin.push("lineage/downstream", project(SQL))
    copy_ = admin.full(connection_ids=answer["connection_id"])
    crossing = [row for row in copy_.rows["columns_lineage"].values()
                if row["source_connection_id"] == built["connection_id"]]
    assert {(row["source_full_name"], row["source_column"], row["target_column"]) for row in crossing} == {
        ("warehouse.raw.payments", "id", "id"), ("warehouse.raw.payments", "amount", "amount")}
    assert all(row["connection_id"] == answer["connection_id"] for row in crossing)


def crossing(client, connection):
    rows = client.full(connection_ids=connection).rows["columns_lineage"].values()
    return {(row["source_full_name"], row["source_column"], row["target_column"]) for row in rows
            if row["source_connection_id"] != connection}


def test_an_upstream_push_brings_its_edges_to_who_reads_it(server):
    organization = server.organization("Crossing")
    admin = server.client(organization, server.user(organization, "crossing@acme.example", "admin"))

    def builder(alias, columns, minute):
        made = project({"payments": f"select {columns} from warehouse.raw.input"}, name="late", minute=minute)
        made["nodes"]["model.late.payments"].update(schema="raw", alias=alias)
        return made

    reader = admin.push("crossing/reader", project(SQL))["connection_id"]
    assert crossing(admin, reader) == set()
    before = admin.full(connection_ids=reader)
    both = {("warehouse.raw.payments", "id", "id"), ("warehouse.raw.payments", "amount", "amount")}
    built = admin.push("crossing/builder", builder("payments", "id, amount, fee", 0))
    assert crossing(admin, reader) == both, "by the upstream's push, in its version"
    before.update(admin, connection_ids=reader)
    assert {row["source_column"] for row in before.rows["columns_lineage"].values()
            if row["source_connection_id"] == built["connection_id"]} == {"id", "amount"}, "an incremental answer has them"
    again = admin.push("crossing/reader", project(SQL, minute=1))
    assert again["changed"] == {} and again["version"] == built["version"]
    # A column that goes, a relation that is renamed, one that comes back, a connection that is removed.
    admin.push("crossing/builder", builder("payments", "id, fee", 1))
    assert crossing(admin, reader) == {("warehouse.raw.payments", "id", "id")}
    admin.push("crossing/builder", builder("payments_v2", "id, amount", 2))
    assert crossing(admin, reader) == set()
    admin.push("crossing/builder", builder("payments", "id, amount", 3))
    assert crossing(admin, reader) == both
    assert admin.api("DELETE", f"/connections/{built['connection_id']}").status in (200, 204)
    assert crossing(admin, reader) == set()
    assert admin.push("crossing/reader", project(SQL, minute=2))["changed"] == {}


def test_of_many_that_build_a_relation_a_source_hangs_on_the_first_eight(server):
    organization = server.organization("Copies")
    admin = server.client(organization, server.user(organization, "copies@acme.example", "admin"))
    reader = admin.push("copies/reader", project(SQL))["connection_id"]
    objects = {}

    def holds():
        copy_ = admin.full(connection_ids=reader)
        edges = [row for row in copy_.rows["columns_lineage"].values() if row["extracted_from"] == "relation_name"]
        assert len(edges) == 2 * len({row["source_object_id"] for row in edges}), "id and amount, of each"
        assert {row["source_object_id"] for row in edges} == set(sorted(objects.values())[:8]), objects

    for number in range(11):
        made = project({"payments": "select id, amount from warehouse.raw.input"}, name=f"copy_{number}")
        made["nodes"][f"model.copy_{number}.payments"].update(schema="raw")
        built = admin.push(f"copies/{number}", made)["connection_id"]
        rows = admin.full(connection_ids=built).rows["objects"].values()
        objects[built] = next(row["id"] for row in rows if row["object_type"] == "model")
        holds()
    for _ in range(4):  # of those it hangs on, one after the other; the next one comes in
        gone = min(objects, key=objects.get)
        admin.api("DELETE", f"/connections/{gone}")
        del objects[gone]
        holds()
    assert admin.push("copies/reader", project(SQL, minute=1))["changed"] == {}


@pytest.mark.skipif(not harness.DATA, reason="no real projects: TIDELINE_TEST_DATA is not set")
def test_real_project_pushed_twice_makes_no_version(admin):
    folder = pathlib.Path(harness.DATA) / "dbt" / "colibri" / "ephemeral_finance_core"
    if not folder.exists():
        pytest.skip("ephemeral_finance_core is not there")
    manifest, catalog = (folder / "manifest.json").read_bytes(), (folder / "catalog.json").read_bytes()
    first = admin.push("lineage/real", manifest, catalog)
    assert first["changed"]["columns_lineage"]["added"] > 300 and first["lineage"]["failed"] == 0
    second = admin.push("lineage/real", manifest, catalog)
    assert second["version"] == first["version"] and second["changed"] == {}
    # The catalog left out: what it said still stands, and so does what hangs on it.
    third = admin.push("lineage/real", manifest)
    assert third["version"] == first["version"] and third["changed"] == {}
