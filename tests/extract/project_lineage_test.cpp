// Column lineage of a project that dbt has not compiled: what its files say, seen through ephemeral models, with places
// in the files.

#include <gtest/gtest.h>

#include <set>

#include "base/hash.h"
#include "base/json.h"
#include "base/text.h"
#include "extract/artifacts.h"
#include "extract/ephemeral.h"
#include "extract/lineage_rows.h"
#include "extract/project_source.h"
#include "extract/rows.h"
#include "extract/template_sql.h"

namespace tideline::extract {
namespace {

using Files = std::vector<std::pair<std::string, std::string>>;

struct Pushed {
  std::set<std::string> edges;  // "model.column <- upstream.column kind confidence"
  std::map<std::string, Json> metadata;
  std::map<std::string, std::string> dependencies;  // "orders <- raw.orders": its metadata, where there is any
  std::map<std::string, std::vector<std::string>> columns;
  lineage::Report report;
};

/// What a push of these files brings. `held`, by unique_id, is what the server holds.
Pushed push(const Files& files, const std::map<std::string, Retained>& held = {}) {
  ProjectFiles project;
  project.packages.push_back({"", {}});
  project.packages.back().files.push_back({"dbt_project.yml", "name: shop\n"});
  for (const auto& [path, text] : files) project.packages.back().files.push_back({path, text});
  auto document = describe_project(project);
  EXPECT_TRUE(document);
  const auto artifacts = Artifacts::from_memory(document->manifest);
  EXPECT_TRUE(artifacts) << artifacts.error().message;
  Pushed pushed;
  auto resolved = ProjectLineage::read(*artifacts, "postgres", 1);
  EXPECT_TRUE(resolved);
  std::map<Uuid, std::string> names;
  const ConnectionId connection{};
  for (std::size_t i = 0; i < artifacts->size(); ++i) {
    const std::string id(artifacts->unique_id(i));
    names[object_id(connection, id)] = id.substr(id.find('.', id.find('.') + 1) + 1);
    if (const auto one = held.find(id); one != held.end()) EXPECT_TRUE(resolved->learn(i, one->second));
  }
  if (!resolved->resolve(2)) throw std::runtime_error("not resolved");
  for (std::size_t i = 0; i < artifacts->size(); ++i) {
    const auto facts = artifacts->read(i);
    const auto one = held.find(facts->unique_id);
    const Retained* retained = one == held.end() ? nullptr : &one->second;
    auto rows = to_rows(*facts, retained, connection);
    resolved->add_to(i, *facts, retained, connection, rows);
    for (const auto& row : rows.lineage)
      pushed.edges.insert(facts->name + "." + row.target_column + " <- " + names[row.source_object_id] + "." +
                          row.source_column + " " + row.transformation_type + " " +
                          std::to_string(row.confidence.thousandths) + (row.expression ? " " + *row.expression : ""));
    for (const auto& row : rows.dependencies)
      if (row.metadata != JsonText{})
        pushed.dependencies[facts->name + " <- " + names[row.source_object_id]] = row.metadata.text;
    pushed.metadata.emplace(facts->name, *Json::parse(rows.object.metadata.text, "metadata"));
    for (const auto& column : rows.columns) pushed.columns[names[rows.object.id]].push_back(column.name);
  }
  pushed.report = resolved->report();
  return pushed;
}

const char kSources[] =
    "sources:\n"
    "  - name: raw\n"
    "    schema: landing\n"
    "    tables:\n"
    "      - name: orders\n"
    "        columns: [{name: id}, {name: cents}, {name: status}]\n";

std::set<std::string> values(const Pushed& pushed) {
  std::set<std::string> some;
  for (const auto& edge : pushed.edges)
    if (edge.find(".* <- ") == std::string::npos) some.insert(edge);
  return some;
}

TEST(ProjectLineage, RefsAndSourcesAreTheRelationsTheyMean) {
  const Pushed pushed = push({{"models/sources.yml", kSources},
                              {"models/stg.sql", "select id, cents as amount from {{ source('raw', 'orders') }}\n"},
                              {"models/orders.sql", "select s.*, amount * 2 as twice from {{ ref('stg') }} s"}});
  EXPECT_EQ(values(pushed), (std::set<std::string>{
                                "stg.id <- raw.orders.id direct 1000",
                                "stg.amount <- raw.orders.cents renamed 1000",
                                "orders.id <- stg.id direct 1000",
                                "orders.amount <- stg.amount direct 1000",
                                "orders.twice <- stg.amount calculated 1000 amount * 2",
                            }));
  EXPECT_EQ(pushed.columns.at("orders"), (std::vector<std::string>{"id", "amount", "twice"}));
  EXPECT_EQ(pushed.metadata.at("orders").find("lineage")->canonical(), R"({"of":"template","status":"complete"})");
  EXPECT_EQ(pushed.report.analysed, 2U);
}

TEST(ProjectLineage, EphemeralModelsAreSeenThrough) {
  const Pushed pushed = push({{"models/sources.yml", kSources},
                              {"models/inner.sql",
                               "{{ config(materialized='ephemeral') }}\nselect id, cents / 100 as amount, 'eur' as "
                               "currency from {{ source('raw', 'orders') }} where status = 'paid'"},
                              {"models/outer.sql",
                               "{{ config(materialized='ephemeral') }}\nselect id as order_id, amount, currency from "
                               "{{ ref('inner') }}"},
                              {"models/orders.sql",
                               "select order_id, sum(amount) as total, max(currency) as currency from {{ ref('outer') "
                               "}} group by order_id"}});
  std::set<std::string> of_orders;
  for (const auto& edge : pushed.edges)
    if (edge.starts_with("orders.")) of_orders.insert(edge);
  EXPECT_EQ(of_orders, (std::set<std::string>{
                           "orders.order_id <- raw.orders.id renamed 1000",
                           "orders.total <- raw.orders.cents aggregated 1000 sum(amount)",
                           "orders.* <- raw.orders.id grouped 1000",
                           "orders.* <- raw.orders.status filtered 1000",
                       }));
  // What comes out of those that are read stands with the dependency on them.
  EXPECT_EQ(pushed.dependencies.size(), 2U);
  const std::string out_of_outer =
      R"x({"columns":[{"expression":"sum(amount)","source_column":"amount","target_column":"total",)x"
      R"x("transformation_type":"aggregated"},{"source_column":"currency","target_column":"currency",)x"
      R"x("transformation_type":"aggregated"},{"source_column":"order_id","target_column":"*",)x"
      R"x("transformation_type":"grouped"},{"source_column":"order_id","target_column":"order_id",)x"
      R"x("transformation_type":"direct"}]})x";
  EXPECT_EQ(pushed.dependencies.at("orders <- outer"), out_of_outer);
  EXPECT_TRUE(pushed.dependencies.contains("outer <- inner"));
}

TEST(ProjectLineage, AnEmptyNameIsNoColumn) {
  const Pushed pushed = push({{"models/sources.yml", kSources},
                              {"models/stg.sql", "select id, \"\" from {{ source('raw', 'orders') }}\n"},
                              {"models/orders.sql", "select id, \"\" as x, id as \"\" from {{ ref('stg') }}"}});
  EXPECT_EQ(values(pushed),
            (std::set<std::string>{"stg.id <- raw.orders.id direct 1000", "orders.id <- stg.id direct 1000"}));
  EXPECT_EQ(pushed.columns.at("stg"), std::vector<std::string>{"id"});
  EXPECT_EQ(pushed.columns.at("orders"), (std::vector<std::string>{"id", "x"}));
}

TEST(ProjectLineage, ModelsThatReadEachOtherEndAtOne) {
  const Pushed pushed = push({{"models/a.sql", "{{ config(materialized='ephemeral') }} select x from {{ ref('b') }}"},
                              {"models/b.sql", "{{ config(materialized='ephemeral') }} select x from {{ ref('a') }}"},
                              {"models/c.sql", "select x from {{ ref('a') }}"}});
  EXPECT_GT(pushed.report.reasons.count(lineage::Reason::kCycle), 0U);
}

TEST(ProjectLineage, GapsHaveThePlaceInTheFile) {
  const Pushed pushed = push({{"models/sources.yml", kSources},
                              {"models/orders.sql",
                               "\n\n  {{ config(materialized='table') }}\n"
                               "select\n"
                               "  id,\n"
                               "  {{ far.away('cents') }} as amount\n"
                               "from {{ source('raw', 'orders') }}\n"}});
  EXPECT_EQ(pushed.metadata.at("orders").find("lineage")->canonical(),
            R"({"of":"template","reasons":[{"at":"6:3","reason":"opaque_macro","subject":"far.away"}],)"
            R"("status":"partial"})");
  const Pushed branch =
      push({{"models/orders.sql", "select 1 as one\n{% if target.name == 'prod' %}, 2 as two{% endif %}"}});
  EXPECT_EQ(branch.metadata.at("orders").find("lineage")->canonical(),
            R"({"of":"template","reasons":[{"at":"2:1","reason":"opaque_macro","subject":"if target.name == 'prod'"}],)"
            R"("status":"partial"})");
}

TEST(ProjectLineage, AnExpressionIsShownAsItIsWrittenWhereItIsNotKnown) {
  const Pushed pushed = push({{"models/sources.yml", kSources},
                              {"models/orders.sql",
                               "{% set rate = 100 %}select cents / {{ rate }} as amount,\n  coalesce(id, {{ far.away() "
                               "}}) as x from {{ source('raw', 'orders') }}"}});
  EXPECT_EQ(values(pushed), (std::set<std::string>{
                                "orders.amount <- raw.orders.cents calculated 1000 cents / 100",
                                "orders.x <- raw.orders.id calculated 800 coalesce(id, {{ far.away() }})",
                            }));
}

TEST(ProjectLineage, ANameWithASchemaIsNoModelOfUnknownPlace) {
  const Pushed pushed = push({{"models/sources.yml", kSources},
                              {"models/orders.sql", "select id from old.orders"},
                              {"models/again.sql", "select id from landing.orders"}});
  EXPECT_EQ(values(pushed), (std::set<std::string>{"again.id <- raw.orders.id direct 1000"}));
  EXPECT_EQ(pushed.report.reasons.at(lineage::Reason::kUnknownRelation), 1U);
}

TEST(ProjectLineage, MacrosOfTheProjectAreWorkedOut) {
  const Pushed pushed = push({{"models/sources.yml", kSources},
                              {"macros/money.sql", "{% macro cents(c) %}{{ c }} / 100{% endmacro %}"},
                              {"models/orders.sql",
                               "select {{ cents('cents') }} as amount, {{ dbt.date_trunc('day', 'status') }} as day\n"
                               "from {{ source('raw', 'orders') }}"}});
  EXPECT_EQ(values(pushed), (std::set<std::string>{
                                "orders.amount <- raw.orders.cents calculated 1000 cents / 100",
                                "orders.day <- raw.orders.status calculated 1000 date_trunc('day', status)",
                            }));
  EXPECT_EQ(pushed.report.analysed, 1U);
}

TEST(ProjectLineage, ASeedHasTheColumnsOfItsFile) {
  const Pushed pushed = push({{"seeds/rates.csv", "\xEF\xBB\xBFid,\"the \"\"rate\"\"\",Day \r\n1,2,3\n"},
                              {"models/rates_used.sql", "select * from {{ ref('rates') }}"}});
  EXPECT_EQ(pushed.columns.at("rates"), (std::vector<std::string>{"id", "the \"rate\"", "Day"}));
  EXPECT_EQ(pushed.columns.at("rates_used").size(), 3U);
  EXPECT_EQ(values(pushed).size(), 3U);
  EXPECT_EQ(pushed.metadata.at("rates").string_at("columns_from"), "seed");
  // What is no header tells nothing.
  for (const char* csv : {"", "\n", "a,,b\n", "a,A\n"}) {
    const Pushed none = push({{"seeds/rates.csv", csv}, {"models/rates_used.sql", "select * from {{ ref('rates') }}"}});
    EXPECT_EQ(none.columns.count("rates_used"), 0U) << csv;
  }
}

TEST(ProjectLineage, WhatWasCompiledFromTheSameTextComesFirst) {
  const std::string sql = "select id from {{ source('raw', 'orders') }}";
  Retained held;
  held.compiled_definition = "select id, status from landing.orders";
  held.extraction_tier = "GOLD";
  held.content_hash = hex(sha256(std::string_view(sql)));
  const Files files{{"models/sources.yml", kSources}, {"models/orders.sql", sql}};
  EXPECT_EQ(values(push(files, {{"model.shop.orders", held}})).size(), 2U);
  // Once the text has changed, the text counts.
  held.content_hash = hex(sha256("select 1"));
  EXPECT_EQ(values(push(files, {{"model.shop.orders", held}})),
            (std::set<std::string>{"orders.id <- raw.orders.id direct 1000"}));
}

TEST(TemplateSql, IsReadAsItWasWritten) {
  const std::string text =
      "{% if var('x') %}select{% endif %} a, {{ far.away() }} b from {{ ref('t') }} join {{ ref('u') }}";
  const auto read = sql::read_jinja(text);
  const auto json = to_json(read, text, {3, 5}, [](const sql::JinjaRelation& relation) {
    return relation.name == "t" ? std::string("model.p.t") : std::string();
  });
  ASSERT_TRUE(json);
  const auto again = read_template_sql(json->canonical());
  ASSERT_TRUE(again);
  EXPECT_EQ(again->sql, read.sql);
  ASSERT_EQ(again->map.pieces().size(), read.map.pieces().size());
  for (std::uint32_t at = 0; at < read.sql.size(); ++at)
    EXPECT_EQ(again->map.to_file({at, at + 1}), read.map.to_file({at, at + 1})) << at;
  EXPECT_EQ(again->relations,
            (std::vector<std::pair<std::string, std::string>>{{"__ref__.t", "model.p.t"}, {"__ref__.u", ""}}));
  ASSERT_EQ(again->unknown.size(), 1U);
  EXPECT_EQ(again->unknown[0].second, "far.away");
  ASSERT_EQ(again->marks.size(), 1U);
  EXPECT_EQ(again->marks[0].subject, "if var('x')");
  // "select" hangs on the condition, and nothing else.
  EXPECT_FALSE(again->is_one_of_several);
  EXPECT_EQ(again->doubtful, (std::vector<sql::Span>{{0, 6}}));
  EXPECT_EQ(again->line, 3U);
  EXPECT_EQ(again->column, 5U);
}

TEST(TemplateSql, WhatIsNoneIsRefused) {
  for (const char* json :
       {"[]", "{}", R"({"sql":1,"map":[]})", R"({"sql":"ab","map":[1]})", R"({"sql":"ab","map":[3,0,-1]})",
        R"({"sql":"ab","map":[1,-1,2]})", R"({"sql":"ab","map":[],"doubtful":[1,3]})",
        R"({"sql":"ab","map":[],"doubtful":[2,1]})", R"({"sql":"ab","map":[1,4294967295,2]})", "nothing"})
    EXPECT_FALSE(read_template_sql(json)) << json;
  EXPECT_TRUE(read_template_sql(R"({"sql":"ab","map":[1,4294967290,2],"marks":[[]],"unknown":[],"line":0})"));
}

}  // namespace
}  // namespace tideline::extract
