"""What a name means: the workspace's own before all else in the replica, and every name that is printed can be given."""
import re

import pytest

import harness
import projects
from developer import Developer

SHOP = harness.ROOT / "examples/shop/target"


@pytest.fixture()
def ada(server, acme, tmp_path):
    developer = Developer(tmp_path / "ada", server, acme.organization,
                          server.user(acme.organization, f"ada.{tmp_path.name}@acme.example"))
    developer.login()
    yield developer
    developer.close()


def ids(answer):
    return {hit["connection_id"] for hit in answer["hits"] if hit["here"]}


def test_a_name_is_the_workspaces_own_and_what_is_elsewhere_is_reached_by_its_connection(acme, ada):
    """Two repositories with one project: a fork, or a project that was renamed. Each clone means its own."""
    acme.push("acme/shop", projects.manifest(note="of shop"))
    acme.push("acme/fork", projects.manifest(note="of fork"))
    shop, fork = ada.clone("shop"), ada.clone("fork", remote="git@github.com:acme/fork.git")
    ada.run("sync", cwd=shop)
    ada.run("sync", cwd=fork)
    for clone, own, other in ((shop, "acme/shop", "acme/fork"), (fork, "acme/fork", "acme/shop")):
        for name in ("step_2", "model.shop.step_2", "analytics.step_2", "STEP_2"):
            assert ada.json("show", name, cwd=clone)["connection"] == own, name
            assert ada.json("show", f"{other}:{name}", cwd=clone)["connection"] == other, name
        there = ada.json("show", f"{other}:step_2", cwd=clone)
        assert not there["here"] and there["in_replica"]
        assert ada.json("show", there["id"], cwd=clone)["connection"] == other
        found = ada.json("search", "step_2", "--in", "objects", cwd=clone)
        assert len(ids(found)) == 1 and {hit["connection_id"] for hit in found["hits"]} > ids(found)
        assert found["hits"][0]["here"], "the own ones first"
        text = ada.text("search", "step_2", cwd=clone)
        assert re.search(rf"^{other}:step_2 ", text, re.M) and re.search(r"^step_2 ", text, re.M), text
        assert f"{other}:" not in ada.text("lineage", "step_2", "--up", cwd=clone)
        assert f"{other}:step_1" in ada.text("lineage", f"{other}:step_2", "--up", cwd=clone)
    # All of the organization: what the workspace's remote matches still is its own.
    ada.run("connections", "all", cwd=shop)
    ada.run("sync", cwd=shop)
    assert ada.json("show", "step_2", cwd=shop)["connection"] == "acme/shop"
    (shop / "models").mkdir()
    (shop / "models/totals.sql").write_text("select amount from {{ ref('step_2') }}")
    answer = ada.json("lineage", "--file", "models/totals.sql", cwd=shop)
    assert [source["in_replica"] for source in answer["sources"]] == [True], answer
    # A directory that is no workspace of any: the forms that are printed are taken.
    elsewhere = ada.home / "elsewhere"
    elsewhere.mkdir()
    done = ada.run("show", "step_2", cwd=elsewhere, check=False)
    forms = re.findall(r"^ +(\S+:model\.shop\.step_2)$", done.stderr, re.M)
    assert done.returncode == 1 and sorted(forms) == ["acme/fork:model.shop.step_2", "acme/shop:model.shop.step_2"], done
    for form in forms:
        assert ada.json("show", form, cwd=elsewhere)["connection"] == form.split(":")[0]
        assert ada.run("lineage", form + ".amount", cwd=elsewhere).returncode == 0


def test_the_projects_of_one_repository_are_told_apart_by_their_directories(acme, ada):
    for subdir in ("sales", "finance"):
        acme.push("acme/mono", projects.manifest(note="of " + subdir), subdir=subdir)
    sales = ada.clone("mono", remote="git@github.com:acme/mono.git", subdir="sales")
    finance = ada.home / "mono/finance"
    finance.mkdir()
    (finance / "dbt_project.yml").write_text("name: shop\n")
    ada.run("sync", cwd=sales)
    ada.run("sync", cwd=finance)
    for clone, own, other in ((sales, "sales", "finance"), (finance, "finance", "sales")):
        assert f"of {own}" in ada.json("show", "step_2", cwd=clone)["description"]
        assert f"of {other}" in ada.json("show", f"acme/mono//{other}:step_2", cwd=clone)["description"]
    done = ada.run("show", "acme/mono:step_2", cwd=ada.home, check=False)
    assert "acme/mono//sales:model.shop.step_2" in done.stderr and "acme/mono//finance:model.shop.step_2" in done.stderr


def test_every_name_that_is_printed_can_be_given(acme, ada):
    acme.push("acme/shop", (SHOP / "manifest.json").read_bytes(), (SHOP / "catalog.json").read_bytes())
    clone = ada.clone("shop")
    ada.run("sync", cwd=clone)
    names = set()
    for word in ("a", "e", "o", "s", "c", "p", "d", "m", "r", "n", "u", "i", "t"):
        table = ada.text("search", word, "--limit", "1000", cwd=clone).splitlines()[1:]
        names |= {line.split("  ")[0] for line in table if "  " in line}
    assert {"orders", "shop_system.orders", "orders.gross_amount", "payments.charges.amount_cents"} <= names, names
    for name in sorted(names):
        for line in ada.text("lineage", name, cwd=clone).splitlines():
            if found := re.match(r"[│├└─ ]*(\S+)  ", line):
                names.add(found.group(1))
    assert len(names) > 150
    for name in sorted(names):
        shown = ada.json("show", name, cwd=clone)
        ada.run("impact", name, cwd=clone)
        assert "no documentation" in ada.run("docs", name, cwd=clone, check=False).stderr
        for other in (shown["unique_id"], shown["full_name"], shown["id"], "acme/shop:" + name):
            assert ada.json("show", other, cwd=clone)["id"] == shown["id"], (name, other)


def test_a_column_that_is_not_there_is_told_as_one(acme, ada):
    acme.push("acme/shop", projects.manifest())
    clone = ada.clone("shop")
    ada.run("sync", cwd=clone)
    done = ada.run("lineage", "step_2.amunt", cwd=clone, check=False)
    assert done.returncode == 1 and "step_2 has no column amunt" in done.stderr and "amount" in done.stderr, done
    assert "Nothing here is called nosuch" in ada.run("show", "nosuch", cwd=clone, check=False).stderr


def edges(lineage):
    """(source, target, type, conditional) by label."""
    names = [node["name"] + ("." + node["column"] if "column" in node else "") for node in lineage["nodes"]]
    return {(names[edge["source"]], names[edge["target"]], edge["type"], edge["conditional"]) for edge in lineage["edges"]}


def test_what_decides_on_rows_is_shown_upstream_and_what_only_decides_is_marked(acme, ada):
    acme.push("acme/shop", (SHOP / "manifest.json").read_bytes(), (SHOP / "catalog.json").read_bytes())
    clone = ada.clone("shop")
    ada.run("sync", cwd=clone)
    decided = {("orders.status", "customers.*", "filtered", False), ("charges.state", "stg_payments.*", "filtered", False)}
    for name in ("customers", "customers.customer_id"):
        assert not decided & edges(ada.json("lineage", name, "--up", cwd=clone)["upstream"])
        found = edges(ada.json("lineage", name, "--up", "--influence", cwd=clone)["upstream"])
        assert decided | {("customers.*", name, "rows", False)} <= found
        near = edges(ada.json("lineage", name, "--up", "--influence", "--depth", "1", cwd=clone)["upstream"])
        assert ("orders.status", "customers.*", "filtered", False) in near and not decided <= near
    assert decided <= edges(ada.json("lineage", "customers.*", "--up", cwd=clone)["upstream"])
    assert ada.json("show", "customers.*", cwd=clone)["columns"], "the object"
    assert ada.json("impact", "customers.*", cwd=clone)["objects"] == ada.json("impact", "customers", cwd=clone)["objects"]
    paid = ada.json("lineage", "orders.is_paid", "--up", cwd=clone)["upstream"]
    assert ("stg_orders.status", "orders.is_paid", "calculated", True) in edges(paid)
    assert "stg_orders.status  calculated, only decides" in ada.text("lineage", "orders.is_paid", "--up", cwd=clone)
