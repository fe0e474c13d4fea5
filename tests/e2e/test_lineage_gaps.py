"""What is not known of the lineage, as who works with it sees it: `show`, `lineage`, `lineage --gaps`, with what to do."""
import pytest

from developer import Developer
from test_lineage import project

ADVICE = "Run `dbt docs generate` and push the catalog, or document the columns of the relation."
# Without a catalog: nobody knows what is behind the * of `base`.
SQL = {
    "base": "select * from warehouse.raw.payments",
    "middle": "select *, 'web' as channel from warehouse.analytics.base",
    "last": "select m.id, m.channel, x.name\nfrom warehouse.analytics.middle m join elsewhere.x on x.id = m.id",
    "known": "select 1 as one",
}


@pytest.fixture()
def ada(server, acme, tmp_path):
    document = project(SQL)
    document["nodes"]["model.shop.base"]["columns"] = {"note": {"name": "note"}}
    acme.push("acme/shop", document)
    developer = Developer(tmp_path / "ada", server, acme.organization, acme.token).at_work()
    developer.run("sync", cwd=developer.shop)
    return developer


def test_causes_come_once_with_all_they_reach(ada):
    assert ada.text("lineage", "--gaps", cwd=ada.shop).splitlines() == [
        "acme/shop: 1 of 4 models in full, 3 in part, 0 not at all",
        "unknown_columns: " + ADVICE,
        "  warehouse.raw.payments  in base 1:15; through it in 1 more",
        "unknown_relation: Declare the relation as a source, or use ref().",
        "  elsewhere.x  in last 2:40",
    ]
    found, = ada.json("lineage", "--gaps", cwd=ada.shop)["connections"]
    assert {key: found[key] for key in ("connection", "models", "analysed", "partial", "failed")} == {
        "connection": "acme/shop", "models": 4, "analysed": 1, "partial": 3, "failed": 0}
    of_source = found["causes"][0]
    assert (of_source["reason"], of_source["subject"]) == ("unknown_columns", "warehouse.raw.payments")
    assert of_source["advice"] == ADVICE
    assert [(one["name"], one["path"], one["at"], one["of"]) for one in of_source["models"]] == [
        ("base", "models/base.sql", "1:15", "compiled")]
    assert [one["name"] for one in of_source["through"]] == ["middle"]


def test_show_says_what_is_not_known_and_what_to_do(ada):
    lines = ada.text("show", "base", cwd=ada.shop).splitlines()
    assert "  lineage       in part" in lines
    at = lines.index("not known of its lineage (places in its compiled SQL)")
    assert lines[at + 1:at + 3] == ["  1:15  unknown_columns  warehouse.raw.payments", "      " + ADVICE]
    known = ada.text("show", "known", cwd=ada.shop)
    assert "  lineage       in full\n" in known and "not known" not in known
    assert "lineage " not in ada.text("show", "payments", cwd=ada.shop), "a source has none of its own"


def test_a_tree_says_why_it_ends(ada):
    assert ada.text("lineage", "last.channel", "--up", cwd=ada.shop).splitlines() == [
        "upstream", "last.channel", "└─ middle.channel  direct  = 'web'"]
    lines = ada.text("lineage", "last.name", "--up", cwd=ada.shop).splitlines()
    assert lines[:2] == ["upstream", "last.name  (not known: unknown_relation)"]
    assert lines[2].startswith("why, and what to do: tideline show")
    found = ada.json("lineage", "last.channel", "--up", cwd=ada.shop)["upstream"]["nodes"]
    assert found[1]["name"] == "middle" and found[1]["constant"] == "'web'" and "gaps" not in found[1]
    assert ada.json("lineage", "last.name", "--up", cwd=ada.shop)["upstream"]["nodes"][0]["gaps"] == ["unknown_relation"]


def test_arguments(ada):
    for wrong in (["lineage"], ["lineage", "base", "--gaps"], ["lineage", "--gaps", "--file", "x.sql"]):
        assert ada.run(*wrong, cwd=ada.shop, check=False).returncode == 2, wrong
