"""dbt artifacts made here: small, of any manifest version, and as different or as alike as a test needs them."""
import copy
import datetime
import zlib

MACRO_SQL = "{% macro cents(column) %}({{ column }} / 100){% endmacro %}"


def stamp(minute):
    return (datetime.datetime(2026, 1, 1) + datetime.timedelta(minutes=minute)).isoformat() + ".000000Z"


def manifest(models=3, version=12, minute=0, project="shop", compiled=True, note="", schema="analytics", first=0):
    """A project of one source, `models` models in a chain, a test on each, an exposure at the end and one macro.
    `note` changes the content of every model; `first` is the number of the first model."""
    newer = version >= 7
    source_id = f"source.{project}.raw.payments"
    document = {
        "metadata": {
            "dbt_schema_version": f"https://schemas.getdbt.com/dbt/manifest/v{version}.json",
            "dbt_version": "1.8.0" if newer else "0.20.0",
            "generated_at": stamp(minute),
            "invocation_id": f"00000000-0000-4000-8000-{minute:012d}",
            "project_id": "5d41402abc4b2a76b9719d911017c592",
            "adapter_type": "postgres",
            "env": {},
            "send_anonymous_usage_stats": False,
        },
        "nodes": {}, "sources": {}, "macros": {}, "docs": {}, "exposures": {}, "selectors": {}, "disabled": {} if newer else [],
        "parent_map": {}, "child_map": {},
    }
    if version >= 2:
        document["metrics"] = {}
    if version >= 10:
        document["metadata"]["project_name"] = project
        document["groups"] = {}
        document["semantic_models"] = {}
    if version >= 12:
        document["saved_queries"] = {}
        document["unit_tests"] = {}

    def node(unique_id, kind, name, path, code, upstream, columns):
        text = ("raw_code", "compiled_code", "language") if newer else ("raw_sql", "compiled_sql", None)
        out = {
            "unique_id": unique_id, "resource_type": kind, "name": name, "package_name": project,
            "path": path, "original_file_path": f"models/{path}", "database": "warehouse", "schema": schema,
            "alias": name, "fqn": [project, name], "description": f"The {name} {kind}.{note}",
            "checksum": {"name": "sha256", "checksum": f"{zlib.crc32((name + note).encode()):064x}"[:64]},
            "config": {"enabled": True, "materialized": "table" if kind == "model" else kind, "tags": ["daily"]},
            "tags": ["daily"], "meta": {"owner": "finance"}, "columns": columns, "refs": [], "sources": [],
            "depends_on": {"macros": [f"macro.{project}.cents"] if kind == "model" else [], "nodes": upstream},
            text[0]: code + note, "created_at": 1700000000.0 + minute, "root_path": f"/home/somebody/{minute}",
        }
        if text[2]:
            out[text[2]] = "sql"
        if not newer:
            out["root_path"] = f"/tmp/run{minute}"
        if compiled:
            out[text[1]] = code.replace("{{ ref('", "").replace("') }}", "") + note
            out["compiled"] = True
        return out

    document["sources"][source_id] = {
        "unique_id": source_id, "resource_type": "source", "name": "payments", "source_name": "raw",
        "package_name": project, "path": "models/sources.yml", "original_file_path": "models/sources.yml",
        "database": "warehouse", "schema": "raw", "identifier": "payments", "description": "Payments as they come.",
        "fqn": [project, "raw", "payments"], "loader": "", "source_description": "", "tags": [], "meta": {}, "config": {"enabled": True},
        "columns": {"id": {"name": "id", "description": "The key.", "data_type": None, "meta": {}, "tags": []}},
    }
    document["macros"][f"macro.{project}.cents"] = {
        "unique_id": f"macro.{project}.cents", "resource_type": "macro", "name": "cents", "package_name": project,
        "path": "macros/cents.sql", "original_file_path": "macros/cents.sql", "macro_sql": MACRO_SQL, "tags": [],
        "depends_on": {"macros": []}, "description": "", "meta": {}, "docs": {"show": True}, "arguments": [],
    }
    document["macros"]["macro.dbt.ref"] = {
        "unique_id": "macro.dbt.ref", "resource_type": "macro", "name": "ref", "package_name": "dbt",
        "path": "macros/ref.sql", "original_file_path": "macros/ref.sql", "macro_sql": "x", "tags": [],
        "depends_on": {"macros": []}, "description": "", "meta": {}, "docs": {"show": True}, "arguments": [],
    }
    previous = source_id
    for number in range(first, first + models):
        name = f"step_{number}"
        unique_id = f"model.{project}.{name}"
        columns = {
            "id": {"name": "id", "description": "The key.", "data_type": "integer", "meta": {}, "tags": []},
            "amount": {"name": "amount", "description": f"What was paid.{note}", "data_type": None, "meta": {}, "tags": []},
        }
        document["nodes"][unique_id] = node(unique_id, "model", name, f"{name}.sql",
                                            f"select id, amount from {{{{ ref('{previous.split('.')[-1]}') }}}}",
                                            [previous], columns)
        test_id = f"test.{project}.not_null_{name}_id.abc{number:07d}"
        document["nodes"][test_id] = node(test_id, "test", f"not_null_{name}_id", f"not_null_{name}_id.sql",
                                          f"select id from {name} where id is null", [unique_id], {})
        previous = unique_id
    document["exposures"][f"exposure.{project}.board"] = {
        "unique_id": f"exposure.{project}.board", "resource_type": "exposure", "name": "board", "type": "dashboard",
        "package_name": project, "path": "exposures.yml", "original_file_path": "models/exposures.yml",
        "fqn": [project, "board"], "owner": {"name": "Ada", "email": "ada@example.com"}, "description": "The board.",
        "depends_on": {"macros": [], "nodes": [previous]}, "refs": [], "sources": [], "tags": [], "meta": {},
    }
    return document


def catalog(of, minute=0, extra=()):
    """What a warehouse would say of the models of `of`: every name in upper case, one column more than documented."""
    document = {
        "metadata": {"dbt_schema_version": "https://schemas.getdbt.com/dbt/catalog/v1.json", "dbt_version": "1.8.0",
                     "generated_at": stamp(minute), "invocation_id": "00000000-0000-4000-8000-00000000000c", "env": {}},
        "nodes": {}, "sources": {}, "errors": None,
    }
    for unique_id, node in of["nodes"].items():
        if node["resource_type"] != "model":
            continue
        names = ["ID", "AMOUNT", "LOADED_AT", *extra]
        document["nodes"][unique_id] = {
            "unique_id": unique_id,
            "metadata": {"type": "BASE TABLE", "schema": node["schema"].upper(), "name": node["name"].upper(),
                         "database": "WAREHOUSE", "comment": None, "owner": "LOADER"},
            "columns": {name: {"type": "NUMBER" if name != "LOADED_AT" else "TIMESTAMP", "index": i + 1, "name": name,
                               "comment": None} for i, name in enumerate(names)},
            "stats": {},
        }
    return document


def changed(document, edit):
    """A copy with `edit` applied to it."""
    out = copy.deepcopy(document)
    edit(out)
    return out
