"""Every real project at hand is taken, and the server holds what its files hold, counted here without the server."""
import collections
import hashlib
import json
import pathlib
import re

import pytest

import harness

pytestmark = pytest.mark.skipif(not harness.DATA, reason="no real projects: TIDELINE_TEST_DATA is not set")

MANIFESTS = sorted(pathlib.Path(harness.DATA or "/nonexistent", "dbt").glob("**/manifest.json"))
KEPT = {"model", "seed", "snapshot", "analysis", "test"}
SECTIONS = {"sources": "source", "exposures": "exposure", "metrics": "metric", "semantic_models": "semantic_model",
            "saved_queries": "saved_query", "unit_tests": "unit_test"}


def own_package(manifest):
    metadata = manifest["metadata"]
    if metadata.get("project_name"):
        return metadata["project_name"]
    for name in sorted({node["package_name"] for node in manifest["nodes"].values()}):
        if hashlib.md5(name.encode()).hexdigest() == metadata.get("project_id"):
            return name
    return None


class Expected:
    """Objects by unique_id, their columns by folded name, and edges, as the two files have them."""

    def __init__(self, manifest, catalog):
        self.types = {}
        entries = {}
        for unique_id, node in manifest["nodes"].items():
            if node["resource_type"] in KEPT and (node.get("config") or {}).get("enabled") is not False:
                self.types[unique_id] = node["resource_type"]
                entries[unique_id] = node
        for section, kind in SECTIONS.items():
            for unique_id, node in (manifest.get(section) or {}).items():
                if (node.get("config") or {}).get("enabled") is not False:
                    self.types[unique_id] = kind
                    entries[unique_id] = node
        own = own_package(manifest)
        for unique_id, macro in manifest["macros"].items():
            if macro["package_name"] == own:
                self.types[unique_id] = "macro"
                entries[unique_id] = macro
        self.columns = collections.defaultdict(set)
        self.twins = 0
        self.edges = set()
        for unique_id, node in entries.items():
            for column in (node.get("columns") or {}).values():
                self.columns[unique_id].add(column["name"].lower())
            depends = node.get("depends_on") or {}
            for upstream in (depends.get("nodes") or []) + (depends.get("macros") or []):
                if upstream in self.types:
                    self.edges.add((upstream, unique_id))
        relations = {**catalog.get("nodes", {}), **catalog.get("sources", {})} if catalog else {}
        for unique_id, relation in relations.items():
            if unique_id in self.types:
                # The warehouse's word on which columns there are; those only documented stay as well. It may have two
                # whose names differ by case alone.
                names = {column["name"] for column in relation["columns"].values()}
                self.columns[unique_id] |= {name.lower() for name in names}
                self.twins += len(names) - len({name.lower() for name in names})


def load(path):
    return json.loads(path.read_text()) if path.exists() else None


def check_inferred(path, expected, copy, unique):
    """Columns that SQL alone tells of, exactly: of models those that another engine finds in the same SQL (where it is
    trusted); of what models read, those that an edge starts from."""
    inferred = {"sql": collections.defaultdict(set), "usage": collections.defaultdict(set)}
    for row in copy.rows["columns"].values():
        if row["metadata"].get("inferred"):
            inferred[row["metadata"]["extracted_from"]][unique[row["object_id"]]].add(row["name"].lower())
    read = collections.defaultdict(set)
    for row in copy.rows["columns_lineage"].values():
        if row["source_object_id"] in unique:  # not in another connection, which may build what this one reads
            read[unique[row["source_object_id"]]].add(row["source_column"].lower())
    known = {u: expected.columns[u] | inferred["sql"][u] for u in expected.types}
    assert {u: c for u, c in inferred["usage"].items() if c} == {u: c - known[u] for u, c in read.items() if c - known[u]}
    project = path.parent.relative_to(pathlib.Path(harness.DATA, "dbt"))
    reference = load(pathlib.Path(harness.DATA, "lineage", f"{project}.json"))
    if not reference:
        return 0
    checked = 0
    for unique_id, model in reference["models"].items():
        if model.get("trust") is False or unique_id not in expected.types:
            continue
        # Two output columns of one name are told apart there: name, name#3.
        # A column without a name has one of each engine's own making: _col_0, its text with quotes or without.
        wanted = {name.partition("#")[0] for name in model["columns"]} - expected.columns[unique_id]
        named = {name for name in wanted if not re.fullmatch(r"_col_\d+|.*\W.*", name)}
        found = inferred["sql"][unique_id]
        assert named <= found and (len(found) == len(wanted) if named != wanted else found == named), unique_id
        checked += 1
    return checked


@pytest.fixture(scope="module")
def connections(admin):
    return {}


# Names as a list: a function would be asked to name the placeholder that stands where there are no projects.
@pytest.mark.parametrize("path", MANIFESTS,
                         ids=["/".join(path.parent.parts[len(pathlib.Path(harness.DATA).parts) + 1:]) for path in MANIFESTS])
def test_project_is_served_as_its_files_say(admin, path):
    catalog_path = path.parent / "catalog.json"
    catalog_path = catalog_path if catalog_path.exists() else None
    expected = Expected(load(path), load(path.parent / "catalog.json"))
    name = "real/" + "-".join(path.parent.parts[-3:])
    pushed = admin.push(name, path, catalog_path)
    connection = pushed["connection_id"]

    copy = admin.full(connection_ids=connection, limit=500)
    unique = {row["id"]: row["metadata"]["unique_id"] for row in copy.rows["objects"].values()}
    assert {u: copy.rows["objects"][i]["object_type"] for i, u in unique.items()} == expected.types

    columns = collections.defaultdict(set)
    # What SQL alone tells of stands beside what the files say.
    told = [row for row in copy.rows["columns"].values() if not row["metadata"].get("inferred")]
    for row in told:
        columns[unique[row["object_id"]]].add(row["name"].lower())
    assert {u: c for u, c in columns.items() if c} == {u: c for u, c in expected.columns.items() if c}
    assert len(told) == sum(map(len, columns.values())) + expected.twins, "a column stands twice"

    check_inferred(path, expected, copy, unique)

    edges = {(unique[row["source_object_id"]], unique[row["target_object_id"]])
             for row in copy.rows["dependencies"].values()}
    assert edges == expected.edges
    assert len(copy.rows["dependencies"]) == len(edges)

    counted = sum(kind in harness.COUNTED for kind in expected.types.values())
    listed = {row["id"]: row for row in admin.get("/connections")["connections"]}
    assert listed[connection]["object_count"] == counted
    assert listed[connection]["status"] == "completed"

    # The same again: no version, no other id. The same compiled elsewhere at another time: neither.
    again = admin.push(name, path, catalog_path)
    assert again["version"] == pushed["version"]
    assert not any(sum(counts.values()) for counts in again["changed"].values())
    harness.same(copy, admin.full(connection_ids=connection, limit=10_000))
    moved = elsewhere(load(path))
    third = admin.push(name, moved, catalog_path)
    assert third["version"] == pushed["version"], {k: v for k, v in third["changed"].items() if sum(v.values())}


def elsewhere(manifest):
    """The same project compiled a year later by somebody else in another folder."""
    # Some compiled SQL has the invocation's id in it.
    manifest = json.loads(json.dumps(manifest).replace(manifest["metadata"].get("invocation_id") or "\0",
                                                       "11111111-2222-4333-8444-555555555555"))
    manifest["metadata"]["generated_at"] = "2031" + manifest["metadata"]["generated_at"][4:]
    for section in ("nodes", "sources", "macros", "exposures"):
        for node in manifest.get(section, {}).values():
            if "root_path" in node:
                node["root_path"] = "/somewhere/else"
            if "created_at" in node:
                node["created_at"] = 2000000000.5
    return manifest


def history():
    root = pathlib.Path(harness.DATA or "/nonexistent", "dbt", "fivetran_netsuite", "history")
    return sorted(path for path in root.glob("*") if (path / "manifest.json").exists())


def push_version(client, name, path):
    catalog = path / "catalog.json"
    return client.push(name, path / "manifest.json", catalog if catalog.exists() else None)


# What a row may carry of when and in which version it was written.
WHEN = ("created_at", "updated_at", "parsed_at", "compiled_as_of", "catalog_as_of", "row_version")


def test_history_pushed_in_order_is_the_last_alone(server):
    """Over the same organization and connection id, on two servers' worth of databases: here two organizations whose
    connections have the same id would not have the same rows' organization, so the organization is left out."""
    connection = "5f0c9a52-3d43-4d6c-9b7a-0c2b4c1d0e11"
    walker = fresh_organization(server, "Walker")
    jumper = fresh_organization(server, "Jumper")
    for client in (walker, jumper):
        client.register("fivetran/dbt_netsuite", id=connection)
    copies = []
    follower = None
    for path in history():
        push_version(walker, "fivetran/dbt_netsuite", path)
        if follower is None:
            follower = walker.full(limit=100)
        else:
            follower.update(walker, limit=97)
        now = walker.full()
        harness.same(follower, now)
        copies.append(now)
    push_version(jumper, "fivetran/dbt_netsuite", history()[-1])
    # A catalog covers what it names; objects that an older catalog named and the last does not keep its facts.
    harness.same(copies[-1], jumper.full(), ignoring=(*WHEN, "organization_id"))
    assert {c["object_count"] for c in walker.get("/connections")["connections"]} == {
        c["object_count"] for c in jumper.get("/connections")["connections"]}


def fresh_organization(server, name):
    organization = server.organization(name)
    return server.client(organization, server.user(organization, f"{name.lower()}@example.com", "admin"))


def test_manifest_without_compiled_sql_loses_nothing(server):
    """`dbt test` and `dbt parse` write such a manifest over the one of `dbt run`."""
    client = fresh_organization(server, "Tester")
    path = pathlib.Path(harness.DATA, "dbt", "fivetran_netsuite")
    push_version(client, "fivetran/dbt_netsuite", path)
    before = client.full()
    assert any(row["compiled_definition"] for row in before.rows["objects"].values())
    bare = elsewhere(json.loads((path / "manifest.json").read_text()))
    for node in bare["nodes"].values():
        for key in ("compiled_code", "compiled_sql", "compiled", "compiled_path", "extra_ctes", "extra_ctes_injected"):
            node.pop(key, None)
    answer = client.push("fivetran/dbt_netsuite", bare)
    after = client.full()
    harness.same(before, after)
    assert not any(sum(counts.values()) for counts in answer["changed"].values())
