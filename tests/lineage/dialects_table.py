#!/usr/bin/python3
"""The table of docs/lineage.md that says which constructs are understood in which dialect is made of the golden cases.

    tests/lineage/dialects_table.py            exit code 1 where the table is not what the cases say
    tests/lineage/dialects_table.py --update   writes it

A dialect has a construct where a case for it has SQL with that construct, and nothing of that SQL is left unread or not
followed. Every construct below must be found in some dialect.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "docs/lineage.md"
BEGIN, END = "<!-- made by tests/lineage/dialects_table.py -->\n", "<!-- end -->\n"
DIALECTS = ["snowflake", "bigquery", "redshift", "databricks", "duckdb", "postgres", "trino", "sqlserver", "clickhouse",
            "mysql", "oracle"]
CONSTRUCTS = [
    ("`WITH`, also within `WITH`", r"\bwith\b[^;]*\bas\s*(not\s+)?(materialized\s*)?\("),
    ("recursive `WITH`", r"\bwith\s+recursive\b|union all[^;]*join (t|tree|r|c|h|up|cte|chain|org|nums?|n) "),
    ("`USING`, `NATURAL`", r"\bjoin\b[^;]*\busing\s*\(|\bnatural\b"),
    ("`LATERAL`, `CROSS APPLY`", r"\blateral\s*\(|\blateral\s+(?!view|flatten)\w+|\b(cross|outer)\s+apply\b"),
    ("`SEMI`, `ANTI` joins", r"\b(semi|anti)\s+join\b|\bleft (semi|anti)\b"),
    ("`ASOF JOIN`", r"\basof\b"),
    ("`(+)`", r"\(\+\)"),
    ("`CONNECT BY`", r"\bconnect\s+by\b"),
    ("set operations by position", r"\b(union(\s+all|\s+distinct)?|intersect|except|minus)\b\s*\(?\s*select\b"),
    ("`UNION BY NAME`", r"\bby\s+name\b[^;]*\bselect\b"),
    ("`*` without some columns", r"\*\s*(exclude|except)\b"),
    ("`* REPLACE`, `RENAME`", r"\*[^,;]*\b(replace|rename)\b"),
    ("`COLUMNS(…)`", r"\bcolumns\s*\(\s*(''|\*|c\s*->|\[|lambda)"),
    ("`FROM` first, pipes", r"\A\s*from\b|\|>"),
    ("aliases in the same `SELECT`", None),
    ("`GROUPING SETS`, `ROLLUP`, `CUBE`", r"\bgrouping\s+sets\b|\b(rollup|cube)\b"),
    ("`GROUP BY ALL`", r"\bgroup\s+by\s+all\b"),
    ("`FILTER (WHERE …)`", r"\bfilter\s*\(\s*where\b"),
    ("`WITHIN GROUP`", r"\bwithin\s+group\b"),
    ("named windows", r"\bwindow\s+\w+\s+as\s*\("),
    ("`QUALIFY`", r"\bqualify\b"),
    ("`DISTINCT ON`, `LIMIT BY`", r"\bdistinct\s+on\b|\blimit\s+\d+[\d, ]*(offset\s+\d+\s+)?by\b"),
    ("`PIVOT`", r"\bpivot\b"),
    ("`UNPIVOT`", r"\bunpivot\b"),
    ("`UNNEST`, `EXPLODE`, `FLATTEN`, `ARRAY JOIN`",
     r"\bunnest\s*\(|\b(pos)?explode\w*\s*\(|\bflatten\s*\(|\barray\s*join\b|\barrayjoin\s*\("),
    ("`LATERAL VIEW`", r"\blateral\s+view\b"),
    ("`JSON_TABLE`, `OPENJSON`, `XMLTABLE`", r"\bjson_table\b|\bopenjson\b|\bxmltable\b|\bjson_tuple\b"),
    ("paths into JSON and variants", r"\w:\w|->>?|\bjson_value\b|\bjson_extract\w*\b|\bjsonextract\w*\b|\bget_path\b"),
    ("structs, rows, maps", r"\bstruct\s*[(<]|\brow\s*\(|\bnamed_struct\b|\bmap\s*[(\[{]|\bobject_construct\b|\btuple\s*\(|\{'"),
    ("lambdas", r"->\s*[a-z(]|\blambda\b"),
    ("`MATCH_RECOGNIZE`", r"\bmatch_recognize\b"),
    ("`TABLESAMPLE`, `SAMPLE`", r"\b(tablesample|sample)\b"),
    ("time travel", r"\bfor\s+system_?\s*time\b|\b(version|timestamp)\s+as\s+of\b|\bat\s*\(\s*(timestamp|offset|statement)|\bas\s+of\s+(scn|timestamp)"),
    ("`CREATE TABLE`, `VIEW … AS`", r"\bcreate\b[^;]*\bas\b"),
    ("`INSERT … SELECT`", r"\binsert\s+(overwrite\s+|or\s+replace\s+)?(into\b|table\b)?[^;]*\bselect\b"),
    ("`INSERT ALL`, `FIRST`", r"\binsert\s+(overwrite\s+)?(all|first)\b"),
    ("`MERGE`", r"\bmerge\s+into\b|\bmerge\s+\w+\b"),
    ("`UPDATE … FROM`, with a join", r"\bupdate\b[^;]*\b(from|join)\b"),
    ("`DELETE`", r"\bdelete\s+(from\b|\w+\s+from\b)"),
    ("`BEGIN … END`", r"\A\s*(declare\b[^;]*;\s*)*begin\b"),
]
UNREAD = re.compile(r"\b(parse_error|unsupported)\b|^failed$", re.M)


def cases():
    for path in sorted((ROOT / "tests/lineage/golden").glob("*.txt")):
        for text in re.split(r"^== ", path.read_text(encoding="utf-8"), flags=re.M)[1:]:
            title, rest = text.split("\n", 1)
            head, rest = rest.split("sql:\n", 1)
            sql, expected = rest.split("\nexpect:", 1)
            dialects = re.search(r"^dialects: (.*)$", head, re.M)
            # Neither comments nor strings are constructs.
            code = re.sub(r"'[^']*'", "''", re.sub(r"--.*|/\*(?s:.*?)\*/", " ", sql))
            yield title, dialects.group(1).split() if dialects else [], code.lower(), expected


def table():
    found = {name: set() for name, _ in CONSTRUCTS}
    for title, dialects, sql, expected in cases():
        if UNREAD.search(expected):
            continue
        for name, pattern in CONSTRUCTS:
            if (re.search(pattern, sql) if pattern else re.match(r"Lateral (column )?alias|Aliases used ", title)):
                found[name].update(dialects)
    lines = ["| | " + " | ".join(DIALECTS) + " |", "|---" * (len(DIALECTS) + 1) + "|"]
    for name, _ in CONSTRUCTS:
        if not found[name]:
            sys.exit(f"no golden case has {name}")
        lines.append(f"| {name} | " + " | ".join("●" if one in found[name] else "" for one in DIALECTS) + " |")
    return "\n".join(lines) + "\n"


def main():
    text = DOCUMENT.read_text(encoding="utf-8")
    begin, end = text.index(BEGIN) + len(BEGIN), text.index(END)
    made = table()
    if sys.argv[1:] == ["--update"]:
        DOCUMENT.write_text(text[:begin] + made + text[end:], encoding="utf-8")
    elif text[begin:end] != made:
        print("docs/lineage.md: the table of constructs is not what tests/lineage/golden says: "
              "tests/lineage/dialects_table.py --update")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
