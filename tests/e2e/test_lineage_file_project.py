"""`tideline lineage --file` in a project with macros, its own and those of a package: of a file that is as it was when
the project was pushed it says what the push said."""
import shutil

import pytest

import harness
from developer import Developer

FILES = {
    "dbt_project.yml": "name: shop\nvars:\n  currency: EUR\n  parts:\n    level: net\n  statuses: [open, paid]\n",
    "packages.yml": "packages:\n  - package: acme/parts\n    version: 1.0.0\n",
    "macros/money.sql": "{% macro cents(column) %}round({{ column }} / 100.0, 2){% endmacro %}\n"
                        "{% macro wrapped() %}with inner_ as ({{ caller() }}){% endmacro %}\n"
                        "{% macro hash(column) %}{{ return(adapter.dispatch('hash')(column)) }}{% endmacro %}\n"
                        "{% macro default__hash(column) %}md5({{ column }}){% endmacro %}\n"
                        "{% macro snowflake__hash(column) %}hash({{ column }}, status){% endmacro %}\n"
                        "{% macro asked() %}{{ return(run_query('select 1')) }}{% endmacro %}\n",
    "dbt_packages/parts/dbt_project.yml": "name: parts\n",
    "dbt_packages/parts/macros/parts.sql": "{% macro parts_of(relation) %}select order_id, {{ var('level') }}_amount as amount "
                                           "from {{ relation }}{% endmacro %}\n",
    "dbt_packages/parts/models/of_package.sql": "select {{ var('level') }}_amount as amount from {{ ref('orders') }}\n",
    "models/schema.yml": "sources:\n  - name: raw\n    tables:\n      - name: orders\n        columns:\n"
                         + "".join(f"          - name: {name}\n" for name in
                                   ("id", "net_amount", "status", "customer_id", "created")),
    "models/orders.sql": "select id as order_id, {{ cents('net_amount') }} as net_amount, {{ hash('customer_id') }} as customer\n"
                         "from {{ source('raw', 'orders') }}\n",
    "models/parts.sql": "{{ parts.parts_of(ref('orders')) }}\n",
    "models/called.sql": "{% call wrapped() %}select order_id, customer from {{ ref('orders') }}{% endcall %}\nselect * from inner_\n",
    "models/several.sql": "{% set columns = asked() %}\nselect order_id\n{% for c in columns %}, net_amount as {{ c }}{% endfor %}\n"
                          "from {{ ref('orders') }}\n",
    "models/looped.sql": "select id,\n{% for status in var('statuses') %}"
                         "sum(case when status = '{{ status }}' then {{ cents('net_amount') }} end) as {{ status }},\n{% endfor %}"
                         "'{{ var('currency') }}' as currency\nfrom {{ source('raw', 'orders') }}\n",
    "models/target.sql": "select id{% if target.name == 'dev' %}, created{% endif %} from {{ source('raw', 'orders') }}\n",
    "models/asked.sql": "select id, {{ asked() }} as answer from {{ source('raw', 'orders') }}\n",
}


@pytest.fixture(scope="module")
def ada(server, tmp_path_factory):
    organization = server.organization("files_of_projects")
    admin = server.client(organization, server.user(organization, "files@acme.example", "admin"))
    developer = Developer(tmp_path_factory.mktemp("ada") / "home", server, organization, admin.token).at_work()
    for name, text in FILES.items():
        path = developer.shop / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    harness.run("push", "--server", f"http://127.0.0.1:{server.port}", "--org", organization, "--connection", "acme/shop",
                "--project", developer.shop, "--adapter", "snowflake", TIDELINE_TOKEN=admin.token)
    developer.run("sync", cwd=developer.shop)
    return developer


def pushed(developer, model):
    """{(column, source, source column, type, confidence)} of the value edges into the model."""
    return {(column.lower(), source, of.lower(), kind, confidence) for column, source, of, kind, confidence in developer.rows(
        "select l.target_column, s.name, l.source_column, l.transformation_type, l.confidence from columns_lineage l "
        "join objects s on s.id = l.source_object_id join objects t on t.id = l.target_object_id "
        "where t.name = ? and t.object_type = 'model' and l.target_column <> '*'", model)}


def of_file(found):
    return {(column["name"].lower(), found["sources"][edge["source"]]["name"], found["sources"][edge["source"]]["column"].lower(),
             edge["type"], round(edge["confidence"] * 1000)) for column in found["columns"] for edge in column["edges"]}


@pytest.mark.parametrize("path", [path for path in FILES if "models/" in path and path.endswith(".sql")])
def test_a_file_is_what_the_push_made_of_it(ada, path):
    found = ada.json("lineage", "--file", path, cwd=ada.shop)
    model = path.rsplit("/", 1)[-1][:-4]
    assert found["object"] is not None and found["object"]["name"] == model
    expected = pushed(ada, model)
    assert expected, "the push knows some"
    assert of_file(found) == expected


def test_an_unsaved_buffer_has_the_macros_too(ada):
    text = "select {{ cents('net_amount') }} as amount, {{ hash('id') }} as h from {{ source('raw', 'orders') }}\n"
    found = ada.json("lineage", "--file", "-", cwd=ada.shop, stdin=text)
    assert found["gaps"] == []
    assert of_file(found) == {("amount", "orders", "net_amount", "calculated", 1000), ("h", "orders", "id", "calculated", 1000),
                              ("h", "orders", "status", "calculated", 1000)}


def test_without_its_macros_they_are_gaps(ada, tmp_path):
    copy = tmp_path / "shop"
    shutil.copytree(ada.shop, copy)
    shutil.rmtree(copy / "macros")
    found = ada.json("lineage", "--file", "models/orders.sql", cwd=copy)
    assert {gap["reason"] for gap in found["gaps"]} == {"opaque_macro"}
    (copy / "dbt_project.yml").write_text("name: [\n")
    ada.run("lineage", "--file", "models/orders.sql", cwd=copy)
