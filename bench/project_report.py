#!/usr/bin/python3
"""How much of the column lineage a project's sources give without dbt: against that of the compiled SQL of the same
project, read by the same program.

    bench/project_report.py [--data DIR] [--clones DIR] [--keep DIR] [--verbose]

DIR has dbt/**/manifest.json (TIDELINE_TEST_DATA by default). Each that holds compiled SQL is laid out as a project:
models, snapshots, seeds, macros and packages as the manifest holds their texts, and .yml files with sources, columns,
versions and what configures materialization. dbt's own macros are left out, as they are where dbt is not installed; so
are variables, which no manifest holds. Neither side has a catalog. An edge is (model, column, source relation, source
column), conditions included. Precision: how many of the sources' edges the compiled SQL has too; recall: how many of
the compiled SQL's edges the sources have; "or told" counts those as well whose column says that its edges may not be
all, or whose model says that it may have more columns. "full" are models in which nothing is left open.

Where --clones has a folder of the same name, with the project as its repository has it, that is taken instead, with its
variables; packages that are not in it (`dbt deps` was not run) are laid out as above.
"""
import argparse
import collections
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

# What comes with dbt and its adapters, and stands in no project.
DBTS_OWN = re.compile(r"^dbt(_(postgres|redshift|snowflake|bigquery|spark|databricks|duckdb|trino|athena|clickhouse|"
                      r"sqlserver|fabric|synapse|oracle|vertica|starrocks|mysql|sqlite|glue|materialize))?$")


def code(node):
    return node.get("raw_code") or node.get("raw_sql") or ""


def compiled(node):
    return node.get("compiled_code") or node.get("compiled_sql")


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def columns(node):
    return [{"name": column["name"]} for column in (node.get("columns") or {}).values()]


def lay_out(manifest, root):
    """The project's name; its files below `root`. Packages that are there stay as they are."""
    there = {file.parent for pattern in ("dbt_project.yml", "dbt_packages/*/dbt_project.yml")
             for file in root.glob(pattern)}
    name = manifest["metadata"].get("project_name")
    if not name:
        packages = collections.Counter(node["package_name"] for node in manifest["nodes"].values())
        name = packages.most_common(1)[0][0]
    folders = lambda package: root if package == name else root / "dbt_packages" / package
    paths = collections.defaultdict(lambda: collections.defaultdict(set))
    described = collections.defaultdict(lambda: collections.defaultdict(dict))
    texts = {}
    for node in manifest["nodes"].values():
        package, path, kind = node["package_name"], node["original_file_path"].replace("\\", "/"), node["resource_type"]
        if kind not in ("model", "snapshot", "seed") or DBTS_OWN.match(package):
            continue
        paths[package][kind].add(path.split("/")[0])
        file = folders(package) / path
        if kind == "seed":
            names = [column["name"] for column in columns(node)]
            texts[file] = ",".join(names) + "\n"
        elif kind == "snapshot":
            block = "{% snapshot " + node["name"] + " %}" + code(node) + "{% endsnapshot %}\n"
            texts[file] = texts.get(file, "") + block
        else:
            texts[file] = code(node)
        entry = described[package][kind + "s"].setdefault(node["name"], {"name": node["name"]})
        settings = {key: node["config"][key] for key in ("materialized", "alias") if node["config"].get(key)}
        if node.get("version") is not None:
            version = {"v": node["version"], "config": settings, "defined_in": pathlib.PurePath(path).stem}
            entry.setdefault("versions", []).append(version)
            entry["latest_version"] = node["latest_version"]
        else:
            entry["config"] = settings
        entry["columns"] = columns(node)
    for source in manifest["sources"].values():
        package = source["package_name"]
        group = described[package]["sources"].setdefault(source["source_name"], {
            "name": source["source_name"], "schema": source["schema"], "tables": []})
        if source.get("database"):
            group["database"] = source["database"]
        group["tables"].append({"name": source["name"], "identifier": source["identifier"], "columns": columns(source)})
    for macro in manifest["macros"].values():
        package, path = macro["package_name"], macro["original_file_path"].replace("\\", "/")
        if DBTS_OWN.match(package) or not path.endswith(".sql"):
            continue
        paths[package]["macro"].add(path.split("/")[0])
        file = folders(package) / path
        texts[file] = texts.get(file, "") + macro["macro_sql"] + "\n\n"
    missing = {package for package in set(paths) | set(described) if folders(package) not in there}
    for file, text in texts.items():
        if any(file.is_relative_to(folders(package)) for package in missing if package != name) or name in missing:
            write(file, text)
    for package in missing:
        settings = {"name": package, "version": "1.0.0"}
        for kind in ("model", "seed", "snapshot", "macro"):
            settings[kind + "-paths"] = sorted(paths[package][kind]) or [kind + "s"]
        write(folders(package) / "dbt_project.yml", json.dumps(settings, indent=1))
        about = {section: list(entries.values()) for section, entries in described[package].items()}
        if about:
            write(folders(package) / settings["model-paths"][0] / "_described.yml", json.dumps(about, indent=1))
    return name


def answers(options, *arguments):
    ran = subprocess.run([options.answers, *map(str, arguments)], capture_output=True, text=True, check=False)
    if ran.returncode != 0:
        raise RuntimeError(ran.stderr.strip()[-500:])
    if options.verbose and ran.stderr:
        print(ran.stderr.strip())
    return json.loads(ran.stdout)


def edges(model):
    found, doubtful = set(), set()
    for column in model["columns"]:
        if column["gaps"] or not model["complete"]:
            doubtful.add(column["name"])
        for relation, source, *_ in column["edges"]:
            found.add((column["name"], relation, source))
    return found, doubtful


class Score:
    def __init__(self):
        self.models = self.same = self.full = self.full_same = self.ours = self.theirs = self.both = self.told = 0
        self.upstream = 0

    def add(self, other):
        for key, value in vars(other).items():
            setattr(self, key, getattr(self, key) + value)

    def line(self, name):
        share = lambda a, b: f"{a / b:.1%}" if b else "-"
        return (f"{name:<46} {self.models:>6} {self.upstream:>8} {self.same:>6} {self.full:>6} {self.full_same:>6} "
                f"{self.theirs:>7} {share(self.both, self.ours):>10} {share(self.both, self.theirs):>8} "
                f"{share(self.both + self.told, self.theirs):>8}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default=os.environ.get("TIDELINE_TEST_DATA", ""))
    parser.add_argument("--answers", default="build/bench/lineage_answers")
    parser.add_argument("--clones", default="", help="folders with projects as they are cloned, named as in DIR")
    parser.add_argument("--keep", default="", help="a folder for the projects that were laid out")
    parser.add_argument("--only", default="", help="projects whose path contains this")
    parser.add_argument("--minimum", type=float, default=0.98, help="of the precision: below it the exit code is 1")
    parser.add_argument("--verbose", action="store_true", help="every edge that differs")
    options = parser.parse_args()
    data = pathlib.Path(options.data) / "dbt"
    manifests = sorted(data.rglob("manifest.json")) if options.data else []
    manifests = [path for path in manifests if options.only in str(path)]
    if not manifests:
        print("no projects: set TIDELINE_TEST_DATA to a folder with dbt/**/manifest.json")
        return 77
    total, lines, subjects, failed = Score(), [], collections.Counter(), 0
    by_confidence = collections.defaultdict(lambda: [0, 0])
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(options.keep or folder)
        for path in manifests:
            manifest = json.loads(path.read_text(encoding="utf-8"))
            with_sql = {key for key, node in manifest["nodes"].items()
                        if node["resource_type"] in ("model", "snapshot") and compiled(node)}
            if not with_sql:
                continue
            project = str(path.parent.relative_to(data))
            directory = root / project.replace("/", "+")
            shutil.rmtree(directory, ignore_errors=True)
            if options.clones and (pathlib.Path(options.clones) / project).is_dir():
                shutil.copytree(pathlib.Path(options.clones) / project, directory)
            lay_out(manifest, directory)
            theirs = answers(options, path)
            ours = answers(options, "--project", directory, theirs["adapter"])
            score = Score()
            for model_id in sorted(with_sql):
                other, mine = theirs["models"].get(model_id), ours["models"].get(model_id)
                if other is None or other["failed"]:
                    continue
                wanted, _ = edges(other)
                found, doubtful = edges(mine) if mine else (set(), set())
                if mine is None:
                    failed += 1
                told = {edge for edge in wanted - found
                        if mine is None or mine["failed"] or not mine["complete"] or edge[0] in doubtful}
                score.models += 1
                score.same += found == wanted
                score.upstream += mine is not None and sorted(mine["upstream"]) == sorted(other["upstream"])
                if options.verbose and mine and sorted(mine["upstream"]) != sorted(other["upstream"]):
                    ours_only, theirs_only = (set(a["upstream"]) - set(b["upstream"])
                                              for a, b in ((mine, other), (other, mine)))
                    print(project, model_id, "upstream", *(f"+{one}" for one in sorted(ours_only)),
                          *(f"-{one}" for one in sorted(theirs_only)))
                full = mine is not None and not mine["gaps"]
                score.full += full
                score.full_same += full and found == wanted
                score.ours += len(found)
                score.theirs += len(wanted)
                score.both += len(found & wanted)
                score.told += len(told)
                for column in mine["columns"] if mine else []:
                    for relation, source, _, _, confidence in column["edges"]:
                        by_confidence[confidence][0] += 1
                        by_confidence[confidence][1] += (column["name"], relation, source) not in wanted
                for gap in mine["gaps"] if mine else []:
                    subjects[gap.split(" at ")[0]] += 1
                if options.verbose:
                    for edge in sorted(found - wanted):
                        print(project, model_id, "+", *edge, "(told)" if edge[0] in doubtful else "")
                    for edge in sorted(wanted - found):
                        print(project, model_id, "-", *edge, "(told)" if edge in told else "")
            total.add(score)
            lines.append(score.line(project))
    head = (f"{'':<46} {'models':>6} {'upstream':>8} {'equal':>6} {'full':>6} {'equal':>6} {'edges':>7} "
            f"{'precision':>10} {'recall':>8} {'or told':>8}")
    print(head + "\n" + "\n".join(lines) + "\n" + total.line("all"))
    print("\ngaps, in how many models: " + ", ".join(f"{text} {count}" for text, count in subjects.most_common(40)))
    print(f"{failed} models are not there: variables disable them")
    for confidence, (edges_of_it, wrong) in sorted(by_confidence.items(), reverse=True):
        print(f"confidence {confidence / 1000:.3f}: {edges_of_it} edges, {wrong} of them not the compiled SQL's")
    return 0 if total.ours == 0 or total.both / total.ours >= options.minimum else 1


if __name__ == "__main__":
    sys.exit(main())
