#!/usr/bin/python3
"""How good the column lineage is: precision and recall against what another engine says of the same real projects.

    bench/lineage_report.py [--data DIR] [--answers build/bench/lineage_answers] [--verbose]

DIR has dbt/**/manifest.json and catalog.json, and lineage/<the same path>.json with the other engine's answers
(TIDELINE_TEST_DATA by default). An answer is an edge (model, output column, source relation, source column). Precision:
how many of ours the other side has. Recall: how many of the other side's we have. Only models are counted that the other
side itself trusts. Disagreements in which the other side was found to be wrong are listed, with the reason, in
bench/lineage_disagreements.json; they are shown, and counted apart ("settled").

--without-catalog gives us the manifest alone, and says of every edge that is missing what is not known there.

Exit code 1 where precision or recall is below --minimum, or the output columns equal the catalog's in fewer models than
--minimum-columns.
"""
import argparse
import collections
import json
import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent


class Score:
    def __init__(self):
        self.ours = self.theirs = self.both = self.models = self.same = 0
        self.ours_settled = self.theirs_settled = 0
        self.columns = self.columns_same = 0

    def add(self, other):
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)

    def precision(self):
        return (self.both + self.ours_settled) / self.ours if self.ours else 1.0

    def recall(self):
        # What the other side has and should not have is not looked for.
        wanted = self.theirs - self.theirs_settled
        return self.both / wanted if wanted else 1.0

    def line(self, name):
        columns = f"{self.columns_same}/{self.columns}" if self.columns else "-"
        return (f"{name:<34} {self.models:>6} {self.same:>6} {self.theirs:>7} {self.precision():>10.2%} "
                f"{self.recall():>8.2%} {self.ours_settled + self.theirs_settled:>8} {columns:>11}")


def edges_of_ours(model, with_conditions):
    edges, seen = set(), collections.Counter()
    for position, column in enumerate(model["columns"]):
        name = column["name"]
        seen[name] += 1
        if seen[name] > 1:
            name = f"{name}#{position}"
        for relation, source, _, conditional, _ in column["edges"]:
            if with_conditions or not conditional:
                edges.add((name, relation, source))
    return edges


def edges_of_theirs(model, with_conditions):
    edges = set()
    for name, column in model["columns"].items():
        conditions = {tuple(source) for source in column.get("cond_only", [])}
        for source in column["sources"]:
            if with_conditions or tuple(source) not in conditions:
                edges.add((name, *source))
    return edges


def relation_name(text, unknown):
    """The other side names relations it does not know by their last parts; so do we, with what was written."""
    return text if text not in unknown else unknown[text]


def is_settled(settled, project, model, edge, side):
    for entry in settled:
        if entry["side"] == side and project in entry["projects"] and model == entry["model"] and (
                entry["column"] == edge[0]) and entry.get("source") in (None, [edge[1], edge[2]]):
            entry["used"] = True
            return True
    return False


def compare(project, ours, theirs, settled, with_conditions, disagreements):
    score = Score()
    for model_id, their_model in sorted(theirs["models"].items()):
        our_model = ours["models"].get(model_id)
        if their_model.get("trust") is False or our_model is None:
            if our_model is None and their_model.get("trust") is not False:
                disagreements.append((project, model_id, "not analysed by us"))
                score.theirs += len(edges_of_theirs(their_model, with_conditions))
            continue
        mine = edges_of_ours(our_model, with_conditions)
        other = edges_of_theirs(their_model, with_conditions)
        # Both with and without conditions: what the other side has as a condition is no wrong edge.
        spurious = mine - edges_of_theirs(their_model, True) if not with_conditions else mine - other
        missing = other - edges_of_ours(our_model, True) if not with_conditions else other - mine
        score.models += 1
        score.ours += len(mine)
        score.theirs += len(other)
        score.both += len(other) - len(missing) if with_conditions else len(mine) - len(spurious)
        if not with_conditions:
            score.theirs += (len(mine) - len(spurious)) - (len(other) - len(missing))
        score.same += not spurious and not missing
        for edge in sorted(spurious):
            known = is_settled(settled, project, model_id, edge, "ours")
            score.ours_settled += known
            disagreements.append((project, model_id, "settled +" if known else "+", *edge))
        for edge in sorted(missing):
            known = is_settled(settled, project, model_id, edge, "theirs")
            score.theirs_settled += known
            disagreements.append((project, model_id, "settled -" if known else "-", *edge))
    return score


def unknown_upstream(ours, model_id, seen=()):
    """What kinds of relations, whose columns nobody told us, are at the upper end of this model's *."""
    model = ours["models"].get(model_id)
    if model is None or model_id in seen:
        kind = model_id.split(".")[0] if "." in model_id else "relation"
        return {kind if kind in ("source", "seed") else "unknown relation"}
    if model["failed"]:
        return {"model without SQL"}
    return set().union(*(unknown_upstream(ours, read, seen + (model_id,)) for read in model["reads"]), set()) if (
        not model["complete"]) else set()


def why_missing(ours, model_id, edge):
    """The class of an edge that the other side has and we have not."""
    model = ours["models"].get(model_id)
    if model is None or model["failed"]:
        return "model not analysed"
    column = next((one for one in model["columns"] if one["name"] == edge[0].partition("#")[0]), None)
    if column is not None:
        return "column with a gap" if column["gaps"] else "column without the edge"
    return "column that only * gives, over a " + " and a ".join(sorted(unknown_upstream(ours, model_id)) or ["known one"])


def compare_columns(project, ours, theirs, score, disagreements):
    """Our output columns against the catalog, where what the model reads is known."""
    for model_id, model in sorted(ours["models"].items()):
        their_model = theirs["models"].get(model_id)
        if not model["catalog"] or their_model is None or not their_model.get("schema_complete"):
            continue
        score.columns += 1
        mine = {column["name"] for column in model["columns"]}
        catalog = set(model["catalog"]) - {c for c in model["catalog"] if c.startswith("dbt_") and
                                           model_id.startswith("snapshot.")}
        if mine == catalog:
            score.columns_same += 1
        else:
            disagreements.append((project, model_id, "columns", "not in catalog: " + ", ".join(sorted(mine - catalog)),
                                  "only in catalog: " + ", ".join(sorted(catalog - mine))))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default=os.environ.get("TIDELINE_TEST_DATA", ""))
    parser.add_argument("--answers", default="build/bench/lineage_answers")
    parser.add_argument("--minimum", type=float, default=0.99)
    parser.add_argument("--minimum-columns", type=float, default=0.98)
    parser.add_argument("--only", default="", help="projects whose path contains this")
    parser.add_argument("--without-catalog", action="store_true", help="what is known from the manifests alone")
    parser.add_argument("--verbose", action="store_true", help="gaps of every model")
    options = parser.parse_args()
    data = pathlib.Path(options.data)
    references = sorted((data / "lineage").rglob("*.json")) if options.data else []
    references = [path for path in references if options.only in str(path)]
    if not references:
        print("no reference data: set TIDELINE_TEST_DATA to a folder with dbt/ and lineage/")
        return 77
    settled = json.loads((HERE / "lineage_disagreements.json").read_text(encoding="utf-8"))
    total = {True: Score(), False: Score()}
    dialects = {}
    lines, disagreements, reasons = [], [], collections.Counter()
    report = collections.Counter()
    missing, spurious, confident = collections.Counter(), collections.Counter(), collections.Counter()
    milliseconds = 0
    for path in references:
        theirs = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(theirs.get("models"), dict):
            continue
        project = str(path.relative_to(data / "lineage"))[:-5]
        folder = data / "dbt" / project
        files = [folder / "manifest.json"] + ([] if options.without_catalog else [folder / "catalog.json"])
        ran = subprocess.run([options.answers, *files], capture_output=True, text=True, check=False)
        if ran.returncode != 0:
            print(f"{project}: {ran.stderr.strip()} (exit code {ran.returncode})")
            disagreements.append((project, "", "no answer"))
            score = Score()
            for model in theirs["models"].values():
                if model.get("trust") is not False:
                    score.theirs += len(edges_of_theirs(model, True))
            total[True].add(score)
            continue
        ours = json.loads(ran.stdout)
        milliseconds += ours["microseconds"] / 1000
        first = len(disagreements)
        score = compare(project, ours, theirs, settled, True, disagreements)
        for _, model_id, side, *edge in disagreements[first:]:
            if side == "-":
                missing[why_missing(ours, model_id, edge)] += 1
            elif side == "+":
                columns = ours["models"][model_id]["columns"]
                confidence = next((e[4] for c in columns if c["name"] == edge[0].partition("#")[0] for e in c["edges"]
                                   if e[:2] == edge[1:]), 1000)
                spurious[confidence] += 1
        for model in ours["models"].values():
            confident.update(e[4] for column in model["columns"] for e in column["edges"])
        compare_columns(project, ours, theirs, score, disagreements)
        total[True].add(score)
        total[False].add(compare(project, ours, theirs, settled, False, []))
        dialects.setdefault(ours["adapter"], Score()).add(score)
        lines.append(score.line(project))
        reasons.update(ours["report"]["reasons"])
        report.update({key: value for key, value in ours["report"].items() if isinstance(value, int)})
        if options.verbose:
            for model_id, model in sorted(ours["models"].items()):
                for gap in model["gaps"]:
                    disagreements.append((project, model_id, "gap", gap))

    for row in disagreements:
        print("  ".join(row))
    head = f"{'':<34} {'models':>6} {'equal':>6} {'edges':>7} {'precision':>10} {'recall':>8} {'settled':>8} {'columns':>11}"
    print("\n" + head)
    print("\n".join(lines))
    print("\nby adapter\n" + head)
    for name, score in sorted(dialects.items()):
        print(score.line(name))
    print("\nall\n" + head)
    print(total[True].line("with conditions"))
    print(total[False].line("without conditions"))
    print(f"\nmodels {report['models']}: analysed {report['analysed']}, partial {report['partial']}, failed "
          f"{report['failed']}; by reason " + json.dumps(dict(sorted(reasons.items()))))
    print(f"resolved in {milliseconds:.0f} ms, reading of the manifests included")
    for name, count in missing.most_common():
        print(f"missing {count:>6}  {name}")
    for confidence, count in sorted(confident.items(), reverse=True):
        print(f"confidence {confidence / 1000:.3f}: {count} edges, {spurious[confidence]} of them not the other side's")
    if options.without_catalog:
        return 0
    for entry in settled:
        if not entry.get("used") and not options.only:
            print(f"no longer needed in lineage_disagreements.json: {entry['model']} {entry['column']}")
    good = all(score.precision() >= options.minimum and score.recall() >= options.minimum for score in total.values())
    columns = total[True]
    good &= columns.columns == 0 or columns.columns_same / columns.columns >= options.minimum_columns
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
