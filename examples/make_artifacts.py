#!/usr/bin/python3
"""Writes examples/shop/target/manifest.json and catalog.json from the project's own .sql and .yml files.

    examples/make_artifacts.py            (needs python3-yaml and python3-jinja2)

A stand-in for `dbt docs generate`, for this one project and without a warehouse: it knows as much of dbt as the
project uses. What the warehouse would answer stands in shop/warehouse.yml. The result depends on nothing but the files.
"""
import csv
import hashlib
import json
import pathlib
import re

import jinja2
import yaml

ROOT = pathlib.Path(__file__).resolve().parent / "shop"
CONFIG = yaml.safe_load((ROOT / "dbt_project.yml").read_text())
PROJECT = CONFIG["name"]
DATABASE, SCHEMA = "shop", "analytics"
GENERATED_AT = "2026-03-02T06:00:00.000000Z"
INVOCATION = "5a7d0b8e-2f64-4c1b-9a56-0d8f1c3e7b21"
CREATED_AT = 1772431200.0
ADAPTER = "postgres"


def sha256(text):
    return hashlib.sha256(text.encode()).hexdigest()


def hashable(value):
    """As dbt hashes what a generic test is given."""
    if isinstance(value, dict):
        return {key: hashable(value[key]) for key in sorted(value)}
    return [hashable(item) for item in value] if isinstance(value, list) else str(value)


def listed(value):
    return value if isinstance(value, list) else [] if value is None else [value]


class Project:
    def __init__(self):
        self.nodes, self.sources, self.macros = {}, {}, {}
        self.exposures, self.metrics, self.semantic_models = {}, {}, {}
        self.saved_queries, self.unit_tests, self.groups = {}, {}, {}
        self.documented = {}  # (section, name) -> (entry, path of its .yml)
        self.used = None      # what the text being rendered refers to
        self.environment = jinja2.Environment(extensions=["jinja2.ext.do"], keep_trailing_newline=True)

    # --- names -------------------------------------------------------------------------------------------------

    def named(self, name):
        for kind in ("model", "seed", "snapshot"):
            if f"{kind}.{PROJECT}.{name}" in self.nodes:
                return self.nodes[f"{kind}.{PROJECT}.{name}"]
        raise SystemExit(f"no model, seed or snapshot is called {name}")

    def target_of(self, reference):
        """unique_id of "ref('x')", "metric('x')" or "semantic_model('x')"."""
        kind, name = re.fullmatch(r"(\w+)\('(\w+)'\)", reference).groups()
        return self.named(name)["unique_id"] if kind == "ref" else f"{kind}.{PROJECT}.{name}"

    # --- rendering ---------------------------------------------------------------------------------------------

    def render(self, text, node):
        self.used = {"nodes": [], "macros": [], "refs": [], "sources": [], "config": {}}

        def ref(name):
            target = self.named(name)
            self.used["nodes"].append(target["unique_id"])
            self.used["refs"].append({"name": name, "package": None, "version": None})
            if target["config"]["materialized"] == "ephemeral":
                return f"__dbt__cte__{name}"
            return target["relation_name"]

        def source(group, table):
            found = self.sources[f"source.{PROJECT}.{group}.{table}"]
            self.used["nodes"].append(found["unique_id"])
            self.used["sources"].append([group, table])
            return found["relation_name"]

        def config(**given):
            self.used["config"].update(given)
            return ""

        names = {"ref": ref, "source": source, "config": config, "var": lambda name: CONFIG["vars"][name],
                 "is_incremental": lambda: False, "this": node.get("relation_name")}
        for macro in self.macros.values():
            names[macro["name"]] = self.recorded(macro)
        return self.environment.from_string(text).render(**names).strip() + "\n", self.used

    def recorded(self, macro):
        function = getattr(self.environment.from_string(macro["macro_sql"]).module, macro["name"])

        def call(*arguments, **named):
            self.used["macros"].append(macro["unique_id"])
            return function(*arguments, **named)

        return call

    # --- reading the project -----------------------------------------------------------------------------------

    def common(self, kind, name, path, **more):
        return {"unique_id": f"{kind}.{PROJECT}.{name}", "resource_type": kind, "name": name,
                "package_name": PROJECT, "path": str(path).partition("/")[2], "original_file_path": str(path),
                "fqn": [PROJECT, *pathlib.Path(path).with_suffix("").parts[1:]], "created_at": CREATED_AT, **more}

    def read_yaml(self):
        for path in sorted(ROOT.rglob("*.yml")):
            relative = path.relative_to(ROOT)
            if len(relative.parts) == 1:
                continue
            for section, entries in yaml.safe_load(path.read_text()).items():
                if section != "version":
                    for entry in entries:
                        self.documented[section, entry["name"]] = (entry, str(relative))

    def settings(self, path):
        """Of dbt_project.yml, for a model in this folder."""
        level, found = CONFIG["models"][PROJECT], {}
        for part in path.parent.parts[1:]:
            level = level.get(part, {})
            found.update({key[1:]: value for key, value in level.items() if key.startswith("+")})
        return found

    def columns(self, entry):
        return {column["name"]: {"name": column["name"], "description": column.get("description", ""),
                                 "meta": column.get("meta", {}), "data_type": column.get("data_type"),
                                 "constraints": column.get("constraints", []), "quote": None, "tags": []}
                for column in entry.get("columns", [])}

    def add_node(self, kind, name, path, text, section=None, **config):
        entry, patch = self.documented.get((section, name), ({}, None))
        config = {"enabled": True, "tags": [], "meta": {}, "group": None, **config, **entry.get("config", {})}
        schema = SCHEMA + ("_" + config["schema"] if config.get("schema") else "")
        node = self.common(
            kind, name, path, database=DATABASE, schema=config.get("target_schema", schema), alias=name,
            checksum={"name": "sha256", "checksum": sha256(text)}, config=config, tags=listed(config["tags"]),
            description=entry.get("description", ""), columns=self.columns(entry),
            meta=entry.get("meta", config["meta"]), group=config["group"], docs={"show": True, "node_color": None},
            patch_path=f"{PROJECT}://{patch}" if patch else None, build_path=None, unrendered_config={},
            relation_name=None, raw_code=text if kind == "snapshot" else text.strip())
        if kind in ("model", "seed", "snapshot") and config["materialized"] != "ephemeral":
            node["relation_name"] = f'"{DATABASE}"."{node["schema"]}"."{name}"'
        self.nodes[node["unique_id"]] = node
        return node

    def read_files(self):
        for path in sorted((ROOT / "macros").glob("*.sql")):
            for text, name in re.findall(r"(\{% macro (\w+).*?endmacro %\})", path.read_text(), re.S):
                entry, patch = self.documented.get(("macros", name), ({}, None))
                macro = self.common("macro", name, path.relative_to(ROOT), macro_sql=text, depends_on={"macros": []},
                                    description=entry.get("description", ""), meta={}, docs={"show": True},
                                    patch_path=f"{PROJECT}://{patch}" if patch else None,
                                    arguments=entry.get("arguments", []), supported_languages=None)
                del macro["fqn"]
                self.macros[macro["unique_id"]] = macro
        for (section, name), (entry, path) in self.documented.items():
            if section == "sources":
                self.add_sources(entry, path)
            if section == "groups":
                unique_id = f"group.{PROJECT}.{name}"
                self.groups[unique_id] = {"name": name, "resource_type": "group", "package_name": PROJECT,
                                          "path": path.partition("/")[2], "original_file_path": path,
                                          "unique_id": unique_id, "owner": entry["owner"]}
        for path in sorted((ROOT / "seeds").glob("*.csv")):
            node = self.add_node("seed", path.stem, path.relative_to(ROOT), "", "seeds", materialized="seed")
            node["checksum"]["checksum"] = sha256(path.read_text())
            header = next(csv.reader(path.read_text().splitlines()))
            assert [c for c in node["columns"] if c not in header] == [], path
            node["depends_on"] = {"macros": []}
        for path in sorted((ROOT / "models").rglob("*.sql")):
            relative, text = path.relative_to(ROOT), path.read_text()
            own = dict(re.findall(r"(\w+)='(\w+)'", "".join(re.findall(r"\{\{ config\((.*?)\) \}\}", text))))
            self.add_node("model", path.stem, relative, text, "models", **{**self.settings(relative), **own})
        for path in sorted((ROOT / "snapshots").glob("*.sql")):
            text = re.search(r"\{% snapshot \w+ %\}(.*)\{% endsnapshot %\}", path.read_text(), re.S).group(1)
            self.add_node("snapshot", path.stem, path.relative_to(ROOT), text, "snapshots", materialized="snapshot",
                          target_schema="snapshots", unique_key="product_id", strategy="check")
        for path in sorted((ROOT / "analyses").glob("*.sql")):
            self.add_node("analysis", path.stem, path.relative_to(ROOT), path.read_text(), materialized="view")
        for path in sorted((ROOT / "tests").glob("*.sql")):
            self.add_node("test", path.stem, path.relative_to(ROOT), path.read_text(), materialized="test",
                          severity="ERROR")

    def add_sources(self, group, path):
        for table in group["tables"]:
            identifier = table.get("identifier", table["name"])
            unique_id = f"source.{PROJECT}.{group['name']}.{table['name']}"
            self.sources[unique_id] = {
                **self.common("source", table["name"], path), "unique_id": unique_id,
                "database": group["database"], "schema": group["schema"], "identifier": identifier,
                "relation_name": f'"{group["database"]}"."{group["schema"]}"."{identifier}"',
                "source_name": group["name"], "source_description": group.get("description", ""),
                "loader": group.get("loader", ""), "freshness": group.get("freshness"), "loaded_at_field": None,
                "description": table.get("description", ""), "columns": self.columns(table), "meta": {}, "tags": [],
                "config": {"enabled": True}, "patch_path": None, "quoting": {}, "external": None}

    def add_generic_tests(self):
        tested = [(self.named(name), entry, path) for (section, name), (entry, path) in self.documented.items()
                  if section in ("models", "seeds", "snapshots")]
        for (section, _), (group, path) in self.documented.items():
            if section == "sources":
                tested += [(self.sources[f"source.{PROJECT}.{group['name']}.{table['name']}"], table, path)
                           for table in group["tables"]]
        for target, entry, path in tested:
            for column in entry.get("columns", []):
                for test in column.get("data_tests", []):
                    self.add_generic_test(target, column["name"], test, path)

    def add_generic_test(self, target, column, test, path):
        kind, arguments = (test, {}) if isinstance(test, str) else next(iter(test.items()))
        is_source = target["resource_type"] == "source"
        subject = f"source_{target['source_name']}_{target['name']}" if is_source else target["name"]
        kwargs = {"column_name": column, **arguments}
        words = "__".join(re.sub("[^0-9a-zA-Z_]+", "_", str(word))
                          for _, value in sorted(kwargs.items()) for word in listed(value))
        prefix = "source_" if is_source else ""
        name = f"{prefix}{kind}_{subject.removeprefix('source_')}_{words}"
        reference = f"source('{target['source_name']}', '{target['name']}')" if is_source else f"ref('{target['name']}')"
        kwargs["model"] = "{{ get_where_subquery(" + reference + ") }}"
        metadata = {"name": kind, "namespace": None, "kwargs": kwargs}
        code = "{{ test_" + kind + "(**_dbt_generic_test_kwargs) }}"
        if len(name) >= 64:  # the name of a relation
            code += '{{ config(alias="' + f"{prefix}{kind}_{subject.removeprefix('source_')}"[:30]
            code += f'_{hashlib.md5(name.encode()).hexdigest()}") }}}}'
        relation = target["relation_name"] or f"__dbt__cte__{target['name']}"
        other = self.named(self.target_of(arguments["to"]).rpartition(".")[2]) if "to" in arguments else None
        sql = {
            "not_null": f"select {column}\nfrom {relation}\nwhere {column} is null\n",
            "unique": f"select {column}, count(*)\nfrom {relation}\nwhere {column} is not null\ngroup by {column}\n"
                      "having count(*) > 1\n",
            "accepted_values": f"select {column}\nfrom {relation}\nwhere {column} not in ("
                               + ", ".join(f"'{value}'" for value in arguments.get("values", [])) + ")\n",
            "relationships": f"select c.{column}\nfrom {relation} as c\nleft join "
                             f"{other and other['relation_name']} as p on p.{arguments.get('field')} = c.{column}\n"
                             f"where c.{column} is not null and p.{arguments.get('field')} is null\n",
        }[kind]
        node = self.add_node("test", name, path, code, materialized="test", severity="ERROR")
        del self.nodes[node["unique_id"]]
        node["unique_id"] += "." + hashlib.md5((name + repr(hashable(metadata))).encode()).hexdigest()[-10:]
        self.nodes[node["unique_id"]] = node
        node["checksum"] = {"name": "none", "checksum": ""}
        node["column_name"] = column
        node["attached_node"] = None if is_source else target["unique_id"]
        node["test_metadata"] = metadata
        upstream = [target["unique_id"]] + ([other["unique_id"]] if other else [])
        node["depends_on"] = {"macros": [], "nodes": sorted(upstream)}
        node.update(language="sql", compiled=True, compiled_code=sql)

    # --- compiling ---------------------------------------------------------------------------------------------

    def compile(self):
        bodies = {}
        for node in [n for n in self.nodes.values() if "depends_on" not in n]:
            bodies[node["unique_id"]], used = self.render(node["raw_code"], node)
            node["config"].update(used["config"])
            node["depends_on"] = {"macros": sorted(set(used["macros"])), "nodes": sorted(set(used["nodes"]))}
            node["refs"], node["sources"] = used["refs"], used["sources"]
            node.update(language="sql", compiled=True, extra_ctes_injected=True)
            if node["resource_type"] == "model":
                node.update(access=node["config"].get("access", "protected"), constraints=[], version=None,
                            latest_version=None, primary_key=[name for name, c in node["columns"].items()
                                                              if c["constraints"][:1] == [{"type": "primary_key"}]])

        def ephemeral_upstreams(unique_id, seen):
            for upstream in self.nodes[unique_id]["depends_on"]["nodes"]:
                node = self.nodes.get(upstream)
                if node and node["config"]["materialized"] == "ephemeral" and upstream not in seen:
                    ephemeral_upstreams(upstream, seen)
                    seen[upstream] = f" __dbt__cte__{node['name']} as (\n{bodies[upstream]})"
            return seen

        for unique_id, body in bodies.items():
            added = ", ".join(ephemeral_upstreams(unique_id, {}).values())
            if added:  # as dbt does: in front of the model's own `with`, or as one
                body = re.sub(r"^with\b", f"with{added},", body) if body.startswith("with") else f"with{added}\n{body}"
            self.nodes[unique_id]["compiled_code"] = body

    def add_others(self):
        for (section, name), (entry, path) in self.documented.items():
            kind = section[:-1] if section != "saved_queries" else "saved_query"
            if kind not in ("exposure", "metric", "semantic_model", "saved_query", "unit_test"):
                continue
            members = {key: value for key, value in entry.items() if key not in ("name", "depends_on")}
            upstream = [self.target_of(reference) for reference in entry.get("depends_on", [])]
            node = self.common(kind, name, path, **members, config={"enabled": True}, meta={}, tags=[])
            if kind == "semantic_model":
                upstream = [self.target_of(entry["model"])]
            if kind == "unit_test":
                upstream = [self.named(entry["model"])["unique_id"]]
                node["unique_id"] = f"unit_test.{PROJECT}.{entry['model']}.{name}"
            node["depends_on"] = {"macros": [], "nodes": sorted(upstream)}
            into = {"exposure": self.exposures, "metric": self.metrics, "semantic_model": self.semantic_models,
                    "saved_query": self.saved_queries, "unit_test": self.unit_tests}[kind]
            into[node["unique_id"]] = node

    # --- writing -----------------------------------------------------------------------------------------------

    def metadata(self, kind, version):
        return {"dbt_schema_version": f"https://schemas.getdbt.com/dbt/{kind}/v{version}.json", "dbt_version": "1.10.6",
                "generated_at": GENERATED_AT, "invocation_id": INVOCATION, "env": {}}

    def manifest(self):
        children, parents = {}, {}
        everything = {**self.nodes, **self.sources, **self.exposures, **self.metrics, **self.semantic_models,
                      **self.saved_queries, **self.unit_tests}
        for unique_id, node in everything.items():
            parents[unique_id] = node.get("depends_on", {}).get("nodes", [])
            children.setdefault(unique_id, [])
            for parent in parents[unique_id]:
                children.setdefault(parent, []).append(unique_id)
        return {"metadata": {**self.metadata("manifest", 12), "project_name": PROJECT,
                             "project_id": hashlib.md5(PROJECT.encode()).hexdigest(), "user_id": None,
                             "send_anonymous_usage_stats": False, "adapter_type": ADAPTER},
                "nodes": self.nodes, "sources": self.sources, "macros": self.macros, "docs": {},
                "exposures": self.exposures, "metrics": self.metrics, "groups": self.groups, "selectors": {},
                "disabled": {}, "parent_map": parents, "child_map": children, "group_map": {},
                "saved_queries": self.saved_queries, "semantic_models": self.semantic_models,
                "unit_tests": self.unit_tests, "functions": {}}

    def catalog(self):
        warehouse = yaml.safe_load((ROOT / "warehouse.yml").read_text())
        tables = {"nodes": {}, "sources": {}}
        for section, members in (("nodes", self.nodes), ("sources", self.sources)):
            for unique_id, node in members.items():
                if not node.get("relation_name"):
                    continue
                table = warehouse.pop(node["relation_name"].replace('"', ""))
                view = node.get("config", {}).get("materialized") == "view"
                columns = {}
                for index, (name, known) in enumerate(table["columns"].items(), 1):
                    known = listed(known)
                    columns[name] = {"type": known[0], "index": index, "name": name,
                                     "comment": known[1] if len(known) > 1 else None}
                tables[section][unique_id] = {
                    "metadata": {"type": "VIEW" if view else "BASE TABLE", "schema": node["schema"],
                                 "name": node.get("identifier", node["name"]), "database": node["database"],
                                 "comment": table.get("comment"), "owner": "loader" if section == "sources" else "dbt"},
                    "columns": columns, "stats": {}, "unique_id": unique_id}
        assert not warehouse, f"relations of no object: {list(warehouse)}"
        return {"metadata": self.metadata("catalog", 1), **tables, "errors": None}


def main():
    project = Project()
    project.read_yaml()
    project.read_files()
    project.add_generic_tests()
    project.compile()
    project.add_others()
    target = ROOT / "target"
    target.mkdir(exist_ok=True)
    for name, artifact in (("manifest", project.manifest()), ("catalog", project.catalog())):
        (target / f"{name}.json").write_text(json.dumps(artifact) + "\n")
    print(f"{len(project.nodes)} nodes, {len(project.sources)} sources, {len(project.macros)} macros")


if __name__ == "__main__":
    main()
