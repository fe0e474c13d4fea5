"""`tideline lineage --file`: files that were never pushed, over a replica, with the server stopped or not."""
import json
import re

import pytest

import harness
from developer import Developer
from test_lineage import project

SHOP = harness.ROOT / "examples/shop/target"


@pytest.fixture()
def ada(server, acme, tmp_path):
    """A developer in the workspace of acme/shop, synced."""
    acme.push("acme/shop", SHOP / "manifest.json", SHOP / "catalog.json")
    developer = Developer(tmp_path / "ada", server, acme.organization, acme.token).at_work()
    developer.admin = acme
    (developer.shop / "models").mkdir()
    developer.run("sync", cwd=developer.shop)
    return developer


def write(developer, name, text):
    path = developer.shop / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return name


def answer(developer, file, *arguments, **more):
    return developer.json("lineage", "--file", file, *arguments, cwd=developer.shop, **more)


def edges(found):
    """{column: {(source relation, source column, kind)}}"""
    return {column["name"]: {(found["sources"][e["source"]]["name"], found["sources"][e["source"]]["column"], e["type"])
                             for e in column["edges"]} for column in found["columns"]}


MODEL = """{{ config(materialized='table') }}
{# one row for each customer #}
with paid as (
  select * from {{ ref('orders') }} where status = 'completed'
)
select
  c.customer_id,
  sum(p.gross_amount) as total,
  '{{ var("currency", "EUR") }}' as currency
from {{ ref('stg_customers') }} as c
join paid as p on p.customer_id = c.customer_id
group by 1
"""


def test_a_model_with_jinja(ada):
    found = answer(ada, write(ada, "models/totals.sql", MODEL))
    assert found["failed"] is False and found["columns_complete"] is True and found["gaps"] == []
    assert found["connection"] == "acme/shop" and found["object"] is None
    assert edges(found) == {"customer_id": {("stg_customers", "customer_id", "direct")},
                            "total": {("orders", "gross_amount", "aggregated")}, "currency": set()}
    places = {column["name"]: (column["at"]["line"], column["at"]["column"]) for column in found["columns"]}
    assert places == {"customer_id": (7, 3), "total": (8, 3), "currency": (9, 3)}, "of the file, not of the SQL"
    total = found["columns"][1]
    assert total["expression"] == "sum(p.gross_amount)"
    assert found["columns"][2]["constant"] is True
    influences = {(found["sources"][i["source"]]["name"], found["sources"][i["source"]]["column"], i["type"])
                  for i in found["influences"]}
    assert influences == {("orders", "status", "filtered"), ("orders", "customer_id", "joined"),
                          ("stg_customers", "customer_id", "joined"), ("stg_customers", "customer_id", "grouped")}


def test_as_text_without_a_network(ada):
    name = write(ada, "models/totals.sql", MODEL)
    text = ada.text("lineage", "--file", name, cwd=ada.shop, http_proxy="http://127.0.0.1:9", TIDELINE_TOKEN="void")
    assert text.splitlines() == [
        "models/totals.sql  postgres, acme/shop",
        "customer_id  7:3",
        "└─ stg_customers.customer_id  direct",
        "total  8:3  sum(p.gross_amount)",
        "└─ orders.gross_amount  aggregated",
        "currency  9:3  '{{ var(\"currency\", \"EUR\") }}'  (no column)",
        "its rows depend on",
        "  orders.customer_id  joined",
        "  orders.status  filtered",
        "  stg_customers.customer_id  joined, grouped",
    ]


def test_depth_goes_on_where_the_file_ends(ada):
    name = write(ada, "models/totals.sql", "select gross_amount as amount from {{ ref('orders') }}")
    deep = ada.text("lineage", "--file", name, "--depth", "0", cwd=ada.shop)
    known = ada.text("lineage", "orders.gross_amount", "--up", cwd=ada.shop).splitlines()[2:]
    assert deep.splitlines()[1:] == ["amount  1:8", "└─ orders.gross_amount  renamed"] + ["   " + line for line in known]


def test_plain_sql_from_standard_input(ada):
    relation = ada.rows("select full_name from objects where name = 'orders' and object_type = 'model'")[0][0]
    found = answer(ada, "-", stdin=f"select o.*, upper(status) as shouted from {relation} o")
    names = [row[0] for row in ada.rows(
        "select c.name from columns c join objects o on o.id = c.object_id where o.name = 'orders' and "
        "o.object_type = 'model' order by c.position")]
    assert [column["name"].lower() for column in found["columns"]] == [n.lower() for n in names] + ["shouted"]
    assert edges(found)["shouted"] == {("orders", "status", "calculated")}


def test_gaps_say_where_and_what_to_do(ada):
    name = write(ada, "models/odd.sql", """select
  {{ cents('amount') }} as amount,
  x.name,
  {% for m in methods() %} sum({{ m }}) as {{ m }}_total, {% endfor %}
  n.id
from {{ ref('nowhere') }} n
join elsewhere.x on x.id = n.id
""")
    found = answer(ada, name)
    gaps = {(gap["reason"], gap["subject"], gap["at"]["line"], gap["at"]["column"]) for gap in found["gaps"]}
    assert ("opaque_macro", "{{ cents('amount') }}", 2, 3) in gaps, gaps
    assert ("unknown_relation", "ref('nowhere')", 6, 9) in gaps
    assert any(gap[0] == "unknown_relation" and gap[1] == "elsewhere.x" and gap[2] == 7 for gap in gaps)
    assert any(gap[0] == "opaque_macro" and gap[2] == 4 for gap in gaps)
    assert found["columns_complete"] is False, "the loop was read once"
    assert all(gap["advice"] for gap in found["gaps"])
    assert not any("__jinja_" in json.dumps(found[key]) for key in ("columns", "gaps", "sources")), "the file's own words"
    amount = found["columns"][0]
    assert amount["name"] == "amount" and amount["edges"] == [] and len(amount["gaps"]) == 1
    text = ada.text("lineage", "--file", name, cwd=ada.shop)
    assert "… and columns that are not known, see below" in text and "what is not understood" in text


def test_the_pushed_file_is_recognised_and_is_what_its_manifest_says(ada):
    """Every model of the shop, its raw code as a file: the same edges as the push found in the compiled SQL."""
    manifest = json.loads((SHOP / "manifest.json").read_text())
    seen = in_part = 0

    def is_ephemeral(source):
        node = manifest["nodes"].get(source["unique_id"])
        return node is not None and node["config"]["materialized"] == "ephemeral"

    for unique_id, node in manifest["nodes"].items():
        if node["resource_type"] != "model":
            continue
        name = write(ada, node["original_file_path"], node["raw_code"])
        found = answer(ada, name)
        assert found["object"]["unique_id"] == unique_id
        here = {(column, *edge) for column, sources in edges(found).items() for edge in sources}
        there = set(ada.rows(
            "select l.target_column, s.name, l.source_column, l.transformation_type from columns_lineage l "
            "join objects t on t.id = l.target_object_id join objects s on s.id = l.source_object_id "
            "where json_extract(t.metadata, '$.unique_id') = ?1 and l.target_column <> '*' "
            # Out of an ephemeral model they stand with the dependency on it.
            "union all select e.value ->> 'target_column', s.name, e.value ->> 'source_column', "
            "e.value ->> 'transformation_type' from dependencies d, json_each(d.metadata, '$.columns') e "
            "join objects t on t.id = d.target_object_id join objects s on s.id = d.source_object_id "
            "where json_extract(t.metadata, '$.unique_id') = ?1 and e.value ->> 'target_column' <> '*'", unique_id))
        # Of an ephemeral model the compiled SQL has the text within it, the file only the name.
        through = {source["name"] for source in found["sources"] if is_ephemeral(source)}
        if through:
            there = {edge for edge in there if edge[1] in {source["name"] for source in found["sources"]}}
        assert here <= there, unique_id
        told = {column["name"] for column in found["columns"] if column["gaps"]}
        assert {edge[0] for edge in there - here} <= told, f"{unique_id}: what a macro gives is said to be missing"
        seen += 1
        in_part += bool(told)
    assert seen > 5 and 0 < in_part < seen


def test_a_star_over_a_model_whose_sql_alone_is_known(ada):
    """Without a catalog: what its SQL gives, and not what is only documented."""
    sql = {"base": "select id, amount from warehouse.raw.payments", "open": "select * from warehouse.raw.payments"}
    document = project(sql)
    for column in ("amount", "note"):
        document["nodes"]["model.shop.base"]["columns"][column] = {
            "name": column, "description": "", "data_type": None, "meta": {}, "tags": []}
    ada.admin.push("acme/shop", document, force="true")
    ada.run("sync", cwd=ada.shop)
    found = answer(ada, "-", stdin="select * from {{ ref('base') }}")
    assert [column["name"] for column in found["columns"]] == ["id", "amount"] and found["columns_complete"]
    note = ada.rows("select json_extract(metadata, '$.in_sql') from columns where name = 'note'")
    assert note == [(0,)]
    found = answer(ada, "-", stdin="select * from {{ ref('open') }}")
    assert found["columns_complete"] is False
    assert [(gap["reason"], gap["subject"]) for gap in found["gaps"]] == [("unknown_columns", "ref('open')")]


def test_of_several_dialects_none_is_guessed(ada):
    """In a workspace with two warehouses, a file of neither: what one of them alone would read is not taken for it."""
    other = json.loads((SHOP / "manifest.json").read_text())
    other["metadata"]["adapter_type"] = "bigquery"
    ada.admin.push("acme/other", other)
    ada.run("connections", "use", "acme/shop", "acme/other", cwd=ada.shop)
    ada.run("sync", cwd=ada.shop)
    assert answer(ada, "-", stdin="select 1 as one")["dialect"] == "generic"
    ada.run("connections", "all", cwd=ada.shop)
    ada.run("sync", cwd=ada.shop)
    assert answer(ada, "-", stdin="select 1 as one")["dialect"] == "postgres", "that of the connection it matches"
    assert answer(ada, "-", "--dialect", "bigquery", stdin="select 1 as one")["dialect"] == "bigquery"
    ada.run("connections", "use", "acme/other", cwd=ada.shop)
    ada.run("sync", cwd=ada.shop)
    assert answer(ada, "-", stdin="select 1 as one")["dialect"] == "bigquery"


def test_errors_say_what_to_do(ada, server, tmp_path):
    def refused(*arguments, cwd=None, code=1, **more):
        done = ada.run("lineage", *arguments, cwd=cwd or ada.shop, check=False, **more)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stderr

    assert re.search("nothing.sql cannot be read", refused("--file", "nothing.sql"))
    assert "is a directory" in refused("--file", "models")
    name = write(ada, "models/x.sql", "select 1 as one")
    assert "there is no dialect klingon" in refused("--file", name, "--dialect", "klingon", code=2)
    assert "snowflake" in refused("--file", name, "--dialect", "klingon", code=2)
    (ada.shop / "models/latin.sql").write_bytes("select 'ä'".encode("latin-1"))
    assert "not UTF-8" in refused("--file", "models/latin.sql")
    refused(code=2)
    refused("orders", "--file", name, code=2)
    refused("orders", "--dialect", "duckdb", code=2)
    fresh = Developer(tmp_path / "new", server, ada.organization, ada.admin.token)
    fresh.login()
    done = fresh.run("lineage", "--file", "-", stdin="select 1 as x", check=False)
    assert done.returncode == 1 and "tideline sync makes it" in done.stderr
    assert answer(ada, name, "--dialect", "SQLServer")["dialect"] == "SQLServer"
