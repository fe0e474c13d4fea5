"""Pushing a project's sources, without dbt: the example as its manifest has it, and neither takes from the other."""
import json
import pathlib
import re
import shutil
import tempfile

import pytest

import harness

SHOP = harness.ROOT / "examples/shop"


@pytest.fixture()
def project():
    with tempfile.TemporaryDirectory() as folder:
        yield pathlib.Path(shutil.copytree(SHOP, pathlib.Path(folder) / "shop"))


def push(admin, name, *arguments, check=True):
    done = harness.run("push", "--server", f"http://127.0.0.1:{admin.server.port}", "--org", admin.organization, "--connection", name, "--json",
                       *arguments, check=False, TIDELINE_TOKEN=admin.token)
    assert (done.returncode == 0) == check, done
    return json.loads(done.stdout) if check else done


def rows(admin, answer):
    copy = admin.full(connection_ids=answer["connection_id"])
    objects = {row["metadata"]["unique_id"]: row for row in copy.rows["objects"].values()}
    names = {row["id"]: id for id, row in objects.items()}
    edges = {(names.get(row["source_object_id"]), names[row["target_object_id"]], row["dependency_type"])
             for row in copy.rows["dependencies"].values()}
    columns = {}
    for row in copy.rows["columns"].values():
        columns.setdefault(names[row["object_id"]], {})[row["name"]] = row
    files = {row["relative_path"]: row for row in copy.rows["files"].values()}
    return objects, edges, columns, files


def test_an_adapter_nobody_knows_is_told(admin, project):
    done = harness.run("push", "--server", f"http://127.0.0.1:{admin.server.port}", "--org", admin.organization,
                       "--connection", "p/adapter", "--project", project, "--adapter", "snowflakee", TIDELINE_TOKEN=admin.token)
    assert "warning: no adapter is known as snowflakee: its SQL is read as a mixture of dialects" in done.stderr
    assert done.returncode == 0


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_the_sources_give_what_the_manifest_gives(admin, project):
    sources = rows(admin, push(admin, "p/sources", "--project", project))
    manifest = rows(admin, push(admin, "p/manifest", "--manifest", SHOP / "target/manifest.json"))
    assert sources[0].keys() == manifest[0].keys()
    assert sources[1] == manifest[1]
    assert sources[3].keys() == manifest[3].keys()
    # The manifest has the compiled SQL, and so the columns that nobody documented, and their order.
    described = lambda columns: {(o, c): (row["description"], row["is_foreign_key"])
                                 for o, of in columns.items() for c, row in of.items()
                                 if not row["metadata"].get("inferred")}
    assert described(sources[2]) == described(manifest[2])
    for unique_id, theirs in manifest[2].items():
        ours = sources[2].get(unique_id, {})
        order, their_order = ([name for name, _ in sorted(of.items(), key=lambda item: item[1]["position"])]
                              for of in (ours, theirs))
        for of in (ours, theirs):
            assert sorted(row["position"] for row in of.values()) == list(range(1, len(of) + 1)), unique_id
        status = sources[0][unique_id]["metadata"].get("lineage", {"status": "complete"})
        if status["status"] == "complete":
            assert order == their_order, "without dbt it is known as well"
            assert {n for n in ours if ours[n]["metadata"].get("inferred")} == {
                n for n in theirs if theirs[n]["metadata"].get("inferred")}, unique_id
        else:
            # What a macro gives is missing; of the rest each stands where it stood.
            assert order == [name for name in their_order if name in ours], unique_id
    for unique_id, ours in sources[0].items():
        theirs = manifest[0][unique_id]
        for key in ("name", "object_type", "definition", "content_hash", "description"):
            assert ours[key] == theirs[key], (unique_id, key)
        assert (ours["extraction_tier"], ours["extracted_from"], ours["confidence"]) == ("SILVER", "project", 0.8)
        # What differs, and all of it: the place that only the target gives, what was compiled and what follows of it,
        # what was left open.
        assert ours["compiled_definition"] is None
        if ours["object_type"] not in ("source", "snapshot"):
            assert ours["schema_name"] is None and ours["database_name"] is None, unique_id
        differing = {key for key in ours["metadata"].keys() | theirs["metadata"].keys()
                     if ours["metadata"].get(key) != theirs["metadata"].get(key)}
        assert differing <= {"relation_name", "project_source", "lineage", "columns_from"}, (unique_id, differing)
    left_open = {unique_id: row["metadata"]["project_source"]["opaque"] for unique_id, row in sources[0].items()
                 if "project_source" in row["metadata"]}
    assert left_open == {}, left_open  # its macros are known


def lineage(admin, answer):
    copy = admin.full(connection_ids=answer["connection_id"])
    names = {row["id"]: row["metadata"]["unique_id"] for row in copy.rows["objects"].values()}
    return {(names[row["target_object_id"]], row["target_column"], names[row["source_object_id"]], row["source_column"],
             row["transformation_type"]): row for row in copy.rows["columns_lineage"].values()}


def test_the_sources_give_the_lineage_that_the_compiled_sql_gives(admin, project):
    answer = push(admin, "p/edges-sources", "--project", project)
    ours = lineage(admin, answer)
    theirs = lineage(admin, push(admin, "p/edges-manifest", "--manifest", SHOP / "target/manifest.json"))
    assert len(theirs) > 100 and ours.keys() <= theirs.keys(), ours.keys() - theirs.keys()
    # What is missing is said to be.
    objects, _, columns, _ = rows(admin, answer)
    for model, column, *_ in theirs.keys() - ours.keys():
        if column != "*":
            assert columns[model][column]["metadata"]["lineage_gaps"] == ["opaque_macro"], (model, column)
        assert objects[model]["metadata"]["lineage"]["status"] == "partial"
    assert all(row["extracted_from"] == "project" for row in ours.values())
    assert objects["model.shop.customers"]["metadata"]["lineage"] == {"of": "template", "status": "complete"}


def test_a_manifest_over_it_has_the_last_word_and_no_trace_is_left(admin, project):
    first = push(admin, "p/over", "--project", project)
    second = push(admin, "p/over", "--manifest", SHOP / "target/manifest.json", "--catalog", SHOP / "target/catalog.json")
    assert second["connection_id"] == first["connection_id"]
    assert not second["changed"]["objects"].get("removed") and not second["changed"]["objects"].get("added")
    alone = push(admin, "p/alone", "--manifest", SHOP / "target/manifest.json", "--catalog", SHOP / "target/catalog.json")
    over, fresh = rows(admin, second), rows(admin, alone)
    ignored = {"id", "connection_id", "repository_id", "file_id", "created_at", "updated_at", "row_version", "parsed_at"}
    bare = lambda objects: {unique_id: {k: v for k, v in row.items() if k not in ignored} for unique_id, row in objects.items()}
    assert bare(over[0]) == bare(fresh[0]) and over[1] == fresh[1]


def test_the_sources_take_nothing_from_the_manifest(admin, project):
    whole = push(admin, "p/kept", "--manifest", SHOP / "target/manifest.json", "--catalog", SHOP / "target/catalog.json")
    before = rows(admin, whole)
    again = push(admin, "p/kept", "--project", project)
    assert again["changed"].keys() <= {"files"}, again  # who read them last
    after = rows(admin, again)
    assert after[:3] == before[:3]
    assert {row["dialect"] for row in after[3].values()} == {"postgres"}
    assert push(admin, "p/kept", "--project", project)["version"] == again["version"]

    # One model is written anew, one column described: these change, and nothing else does.
    edit(project / "models/marts/orders.sql", "o.status,", "o.status, o.channel,")
    edit(project / "models/marts/_marts.yml", "Units and money by product and month.", "Units by product and month.")
    changed = push(admin, "p/kept", "--project", project)
    assert changed["changed"]["objects"] == {"added": 0, "updated": 2, "removed": 0}, changed
    objects = rows(admin, changed)[0]
    orders, held = objects["model.shop.orders"], before[0]["model.shop.orders"]
    assert "o.channel" in orders["definition"] and orders["extraction_tier"] == "SILVER"
    assert orders["compiled_definition"] == held["compiled_definition"]
    assert orders["metadata"]["compiled_from_hash"] == held["content_hash"]
    assert orders["full_name"] == "shop.analytics_marts.orders"
    assert objects["model.shop.product_sales"]["extraction_tier"] == "GOLD"
    assert objects["model.shop.product_sales"]["description"] == "Units by product and month."
    # The manifest's clock is its own: this one is not older than what the sources said.
    push(admin, "p/kept", "--manifest", SHOP / "target/manifest.json")


def test_a_bad_file_loses_only_itself(admin, project):
    (project / "models/marts/broken.yml").write_text("models:\n  - name: [\n")
    (project / "models/marts/broken.sql").write_text("select {{ ref('orders' }}")
    done = harness.run("push", "--server", f"http://127.0.0.1:{admin.server.port}", "--org", admin.organization, "--connection", "p/bad",
                       "--project", project, TIDELINE_TOKEN=admin.token)
    assert re.search(r"warning: models/marts/broken\.yml:\d+:\d+: ", done.stderr), done
    assert "warning: models/marts/broken.sql:1:23: expected `,` or `)`, found the end of the tag" in done.stderr, done
    assert "objects: 60 added" in done.stdout, done


def test_a_link_out_of_the_project_sends_nothing(admin, project):
    secret = project.parent / "secret"
    secret.write_text("select 'a secret of this machine' as secret")
    (project / "models/marts/leak.sql").symlink_to(secret)
    (project / "models/marts/fine.sql").symlink_to("orders.sql")
    name = "p/links"
    done = harness.run("push", "--server", f"http://127.0.0.1:{admin.server.port}", "--org", admin.organization, "--connection", name,
                       "--project", project, TIDELINE_TOKEN=admin.token)
    assert f"warning: models/marts/leak.sql: leads out of the project, to {secret}; it was left out" in done.stderr, done
    objects, _, _, files = rows(admin, push(admin, name, "--project", project))
    assert "models/marts/leak.sql" not in files and "models/marts/fine.sql" in files
    assert "a secret of this machine" not in json.dumps(list(objects.values()))


def test_packages_that_are_not_installed_are_asked_about(admin, project):
    (project / "packages.yml").write_text("packages:\n  - package: dbt-labs/dbt_utils\n    version: 1.1.1\n")
    refused = push(admin, "p/packages", "--project", project, check=False)
    assert "not installed: dbt-labs/dbt_utils" in refused.stderr and "dbt deps" in refused.stderr, refused
    push(admin, "p/packages", "--project", project, "--without-packages")
    package = project / "dbt_packages/dbt_utils"
    (package / "models").mkdir(parents=True)
    (package / "dbt_project.yml").write_text("name: dbt_utils\n")
    (package / "models/numbers.sql").write_text("select 1 as n")
    objects = rows(admin, push(admin, "p/packages", "--project", project))[0]
    assert "model.dbt_utils.numbers" in objects


def test_what_is_no_project_is_said(admin, project):
    assert "there is no dbt_project.yml in" in push(admin, "p/none", "--project", project / "models", check=False).stderr
    both = harness.run("push", "--server", f"http://127.0.0.1:{admin.server.port}", "--org", admin.organization, "--connection", "p/none",
                       "--project", project, "--manifest", SHOP / "target/manifest.json", check=False)
    assert both.returncode == 2
    (project / "dbt_project.yml").write_text("name: [\n")
    assert re.search(r"dbt_project\.yml:\d+:\d+: ", push(admin, "p/none", "--project", project, check=False).stderr)
