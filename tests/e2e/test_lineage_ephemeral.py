"""Ephemeral models: objects that nothing is built of. Edges see through them; and they are on the way all the same."""
import pytest

from developer import Developer
from test_lineage import edges, project

CTE = """with __dbt__cte__cleaned as (
select id, lower(status) as status, amount * 100 as cents from warehouse.raw.payments
), __dbt__cte__paid as (
select id, cents from __dbt__cte__cleaned where status = 'paid'
) """
SQL = {
    "cleaned": "select id, lower(status) as status, amount * 100 as cents from warehouse.raw.payments",
    "paid": "with __dbt__cte__cleaned as (\nselect id, lower(status) as status, amount * 100 as cents "
            "from warehouse.raw.payments\n) select id, cents from __dbt__cte__cleaned where status = 'paid'",
    "totals": CTE + "select sum(p.cents) as total, c.status from __dbt__cte__paid p join __dbt__cte__cleaned c "
                    "on c.id = p.id group by 2",
    "report": "select total, status from warehouse.analytics.totals",
}


def document():
    made = project(SQL)
    raw = {"cleaned": SQL["cleaned"].replace("warehouse.raw.payments", "{{ source('raw', 'payments') }}"),
           "paid": "select id, cents from {{ ref('cleaned') }} where status = 'paid'",
           "totals": "select sum(p.cents) as total, c.status from {{ ref('paid') }} p join {{ ref('cleaned') }} c "
                     "on c.id = p.id group by 2"}
    for model, upstream in {"cleaned": ["source.shop.raw.payments"], "paid": ["model.shop.cleaned"],
                            "totals": ["model.shop.paid", "model.shop.cleaned"], "report": ["model.shop.totals"]}.items():
        node = made["nodes"][f"model.shop.{model}"]
        node["depends_on"]["nodes"] = upstream
        node["raw_code"] = raw.get(model, node["raw_code"])
        if model in ("cleaned", "paid"):
            node["config"]["materialized"] = "ephemeral"
    made["exposures"] = {"exposure.shop.board": {
        "unique_id": "exposure.shop.board", "resource_type": "exposure", "name": "board", "package_name": "shop",
        "path": "models/e.yml", "original_file_path": "models/e.yml", "type": "dashboard", "owner": {"name": "x"},
        "depends_on": {"macros": [], "nodes": ["model.shop.report"]}, "description": "", "fqn": ["shop", "board"]}}
    return made


EDGES = {
    # relation to relation, through the ephemeral models
    ("totals", "total", "aggregated", "payments", "amount"), ("totals", "status", "calculated", "payments", "status"),
    ("totals", "*", "filtered", "payments", "status"), ("totals", "*", "joined", "payments", "id"),
    ("totals", "*", "grouped", "payments", "status"),
    ("report", "total", "direct", "totals", "total"), ("report", "status", "direct", "totals", "status"),
    ("cleaned", "id", "direct", "payments", "id"), ("cleaned", "status", "calculated", "payments", "status"),
    ("cleaned", "cents", "calculated", "payments", "amount"),
    ("paid", "id", "direct", "payments", "id"), ("paid", "cents", "calculated", "payments", "amount"),
    ("paid", "*", "filtered", "payments", "status"),
}
# Out of the nearest of them: no relation, so no column lineage; they stand with the dependency.
OUT_OF_EPHEMERAL = {
    ("totals", "total", "aggregated", "paid", "cents"), ("totals", "status", "direct", "cleaned", "status"),
    ("totals", "*", "joined", "paid", "id"), ("totals", "*", "joined", "cleaned", "id"),
    ("totals", "*", "grouped", "cleaned", "status"), ("totals", "*", "filtered", "cleaned", "status"),
    ("paid", "id", "direct", "cleaned", "id"), ("paid", "cents", "direct", "cleaned", "cents"),
    ("paid", "*", "filtered", "cleaned", "status"),
}


def test_edges_see_through_them_and_come_from_them(admin):
    answer = admin.push("ephemeral/edges", document())
    assert answer["lineage"]["analysed"] == 4, answer["lineage"]
    found, copy_ = edges(admin, answer["connection_id"])
    assert found == EDGES, (sorted(found - EDGES), sorted(EDGES - found))
    name_of = {row["id"]: row["name"] for row in copy_.rows["objects"].values()}
    behind = {(name_of[row["target_object_id"]], edge["target_column"], edge["transformation_type"],
               name_of[row["source_object_id"]], edge["source_column"])
              for row in copy_.rows["dependencies"].values() for edge in row["metadata"].get("columns", ())}
    assert behind == OUT_OF_EPHEMERAL, (sorted(behind - OUT_OF_EPHEMERAL), sorted(OUT_OF_EPHEMERAL - behind))


@pytest.fixture()
def ada(server, acme, tmp_path):
    acme.push("acme/shop", document())
    developer = Developer(tmp_path / "ada", server, acme.organization, acme.token).at_work()
    developer.run("sync", cwd=developer.shop)
    return developer


def test_impact_goes_on_behind_them(ada):
    def impact(name):
        found = ada.json("impact", name, cwd=ada.shop)
        return ({f"{node['name']}.{node['column']}" for node in found["columns"]},
                {node["name"] for node in found["objects"]}, {node["name"] for node in found["exposures"]})

    assert impact("cleaned.cents") == ({"paid.cents", "totals.total", "report.total"}, {"paid", "totals", "report"},
                                       {"board"})
    assert impact("paid.cents") == ({"totals.total", "report.total"}, {"totals", "report"}, {"board"})
    source = impact("raw.payments.amount")
    assert source == ({"cleaned.cents", "paid.cents", "totals.total", "report.total"},
                      {"cleaned", "paid", "totals", "report"}, {"board"})
    assert impact("cleaned")[1:] == ({"paid", "totals", "report"}, {"board"})
    assert impact("payments")[1:] == ({"cleaned", "paid", "totals", "report"}, {"board"})


def test_the_tree_shows_them(ada):
    assert ada.text("lineage", "totals.total", "--up", cwd=ada.shop).splitlines() == [
        "upstream",
        "totals.total",
        "├─ paid.cents  aggregated  sum(p.cents)",
        "│  ├─ cleaned.cents  direct",
        "│  │  └─ raw.payments.amount  calculated  amount * 100  (confidence 0.950: unknown_columns)",
        "│  └─ raw.payments.amount  calculated  amount * 100  (confidence 0.950: unknown_columns)",
        "└─ raw.payments.amount  aggregated  sum(p.cents)  (confidence 0.950: unknown_columns)",
    ]
