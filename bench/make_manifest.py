#!/usr/bin/python3
"""Multiplies a manifest (and its catalog) until it has a wanted size: input for measuring, always the same.

    bench/make_manifest.py --manifest target/manifest.json [--catalog target/catalog.json] --megabytes 500 --out DIR

Each copy of an object has a number at the end of its unique_id, name and path, and refers to objects of its own copy.
Macros are written once. DIR gets manifest.json and catalog.json.
"""
import argparse
import json
import pathlib

MARK = "\x01"  # never in an artifact: JSON text has it escaped
SECTIONS = ("nodes", "sources", "exposures", "metrics", "semantic_models", "saved_queries", "unit_tests")


def marked(value, ids):
    """The value with the mark after each unique_id."""
    if isinstance(value, str):
        return value + MARK if value in ids else value
    if isinstance(value, list):
        return [marked(item, ids) for item in value]
    if isinstance(value, dict):
        return {key + MARK if key in ids else key: marked(item, ids) for key, item in value.items()}
    return value


def marked_object(node, ids):
    node = marked(node, ids)
    for key in ("name", "alias", "identifier"):
        if isinstance(node.get(key), str):
            node[key] += MARK
    path = node.get("original_file_path")
    if isinstance(path, str):
        stem, dot, extension = path.rpartition(".")
        node["original_file_path"] = stem + MARK + dot + extension
    return node


def template(section, ids, mark):
    """One copy of a section's members, as text without the braces."""
    text = json.dumps({key + MARK: mark(value, ids) for key, value in section.items()}, separators=(", ", ": "))
    return text[1:-1].replace("\\u0001", MARK)


def write(path, whole, sections, mark, ids, copies):
    with path.open("w", encoding="utf-8") as out:
        out.write("{")
        first = True
        for key, value in whole.items():
            out.write(("" if first else ", ") + json.dumps(key) + ": ")
            first = False
            if key not in sections or not value:
                json.dump({} if key in ("parent_map", "child_map", "docs", "disabled") else value, out)
                continue
            one = template(value, ids, mark)
            out.write("{")
            for copy in range(copies):
                out.write((", " if copy else "") + one.replace(MARK, f"_{copy}"))
            out.write("}")
        out.write("}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--manifest", type=pathlib.Path, required=True)
    parser.add_argument("--catalog", type=pathlib.Path)
    parser.add_argument("--megabytes", type=int, required=True, help="least size of the manifest")
    parser.add_argument("--out", type=pathlib.Path, required=True)
    arguments = parser.parse_args()

    manifest = json.loads(arguments.manifest.read_text(encoding="utf-8"))
    ids = {key for section in SECTIONS for key in manifest.get(section) or {}}
    one = sum(len(json.dumps(manifest.get(section) or {})) for section in SECTIONS)
    copies = arguments.megabytes * 1_000_000 // one + 1
    arguments.out.mkdir(parents=True, exist_ok=True)
    write(arguments.out / "manifest.json", manifest, SECTIONS, marked_object, ids, copies)
    if arguments.catalog:
        catalog = json.loads(arguments.catalog.read_text(encoding="utf-8"))
        write(arguments.out / "catalog.json", catalog, ("nodes", "sources"), marked, ids, copies)
    print(f"{copies} copies of {len(ids)} objects")


if __name__ == "__main__":
    main()
