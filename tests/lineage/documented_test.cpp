// Columns that only documentation knows: through * they are less sure than where a query names them.
#include <gtest/gtest.h>

#include "lineage/lineage.h"
#include "lineage/project.h"

namespace tideline::lineage {
namespace {

/// "column confidence reason" of the only edge of each column, over raw.payments: `id` by the catalog or by use where
/// `documented` is 1, the rest by documentation.
std::vector<std::string> edges(std::string_view sql, bool complete, std::size_t documented) {
  Relations relations;
  std::vector<std::string> names{"id", "amount"};
  relations.add({"", "raw", "payments"}, RelationOrigin::kSource,
                std::make_shared<RelationColumns>(names, complete ? documented : names.size(), complete, documented));
  const auto result = analyse(sql, sql::dialect(sql::DialectId::kPostgres), relations);
  std::vector<std::string> out;
  for (const auto& column : result.columns) {
    std::string text = column.name;
    for (const auto& edge : column.edges)
      text += " " + std::to_string(edge.confidence) + " " + std::string(to_string(edge.doubt));
    out.push_back(std::move(text));
  }
  return out;
}
using Edges = std::vector<std::string>;

TEST(Documented, ThroughAStarItIsLessSure) {
  EXPECT_EQ(edges("select * from raw.payments", false, 0),
            (Edges{"id 900 unknown_columns", "amount 900 unknown_columns"}));
  EXPECT_EQ(edges("select * from raw.payments", false, 1), (Edges{"id 1000 ", "amount 900 unknown_columns"}));
  EXPECT_EQ(edges("with a as (select * from raw.payments) select * from a", false, 0),
            (Edges{"id 900 unknown_columns", "amount 900 unknown_columns"}));
  EXPECT_EQ(edges("select * from raw.payments union all select * from raw.payments", false, 1),
            (Edges{"id 1000 ", "amount 900 unknown_columns"}));
}

TEST(Documented, NamedOnTheWayItIsSure) {
  EXPECT_EQ(edges("select id, p.amount from raw.payments p", false, 0), (Edges{"id 1000 ", "amount 1000 "}));
  EXPECT_EQ(
      edges("with a as (select * from raw.payments), b as (select id, amount * 2 as twice from a) select * from b",
            false, 0),
      (Edges{"id 1000 ", "twice 1000 "}));
}

/// raw.payments, of which nothing is known, and models, each with the SQL and the documented columns given, that read
/// the one before. As `edges`, of the last.
class Chain {
 public:
  explicit Chain(bool is_snapshot = false) : is_snapshot_(is_snapshot) {
    relations_->add({"", "raw", "payments"}, RelationOrigin::kSource, nullptr);
  }
  Chain& model(std::string name, std::string sql, std::vector<std::string> documented) {
    std::shared_ptr<const RelationColumns> columns;
    const std::size_t count = documented.size();
    if (count > 0) columns = std::make_shared<RelationColumns>(std::move(documented), count, false, 0);
    Model model;
    model.id = name;
    model.relation = relations_->add({"", "", name}, RelationOrigin::kBuilt, columns);
    model.upstream = {model.relation - 1};
    model.dialect = &sql::dialect(sql::DialectId::kPostgres);
    model.is_snapshot = is_snapshot_;
    models_.push_back(std::move(model));
    sql_.push_back(std::move(sql));
    return *this;
  }
  std::vector<Edges> resolve() {
    Project project(std::move(relations_));
    for (auto& model : models_) project.add(std::move(model));
    project.resolve([this](std::size_t model, std::string&) -> std::string_view { return sql_[model]; }, 1);
    std::vector<Edges> all;
    for (std::size_t i = 0; i < project.size(); ++i) {
      Edges& of_model = all.emplace_back();
      const QueryLineage lineage = project.lineage(i);
      for (const auto& column : lineage.columns) {
        std::string text = column.name;
        for (const auto& edge : column.edges)
          text += " " + std::to_string(edge.confidence) + " " + std::string(to_string(edge.doubt));
        if (column.demanded) text += column.documented ? " (documented)" : " (read)";
        of_model.push_back(std::move(text));
      }
    }
    return all;
  }

 private:
  std::unique_ptr<Relations> relations_ = std::make_unique<Relations>();
  std::vector<Model> models_;
  std::vector<std::string> sql_;
  bool is_snapshot_;
};

TEST(Documented, WhatAModelIsDocumentedToHaveComesThroughItsStar) {
  EXPECT_EQ(Chain().model("a", "select * from raw.payments", {"id", "amount"}).resolve(),
            (std::vector<Edges>{{"id 900 unknown_columns (documented)", "amount 900 unknown_columns (documented)"}}));
  // Known otherwise it is no matter of documentation.
  EXPECT_EQ(Chain().model("a", "select id, p.* from raw.payments p", {"id"}).resolve(),
            (std::vector<Edges>{{"id 950 unknown_columns"}}));
  EXPECT_EQ(Chain().model("a", "select * from raw.payments", {"id"}).model("b", "select name from a", {}).resolve(),
            (std::vector<Edges>{{"name 950 unknown_columns (read)", "id 900 unknown_columns (documented)"},
                                {"name 950 unknown_columns"}}));
}

TEST(Documented, WhereNothingIsOpenItStaysDocumentation) {
  EXPECT_EQ(Chain().model("a", "select id from raw.payments", {"id", "gone"}).resolve(),
            (std::vector<Edges>{{"id 950 unknown_columns"}}));
}

TEST(Documented, ThroughAStarOverAStarItIsKnownNoBetter) {
  EXPECT_EQ(Chain().model("a", "select * from raw.payments", {}).model("b", "select * from a", {"id"}).resolve(),
            (std::vector<Edges>{{"id 900 unknown_columns (documented)"}, {"id 900 unknown_columns (documented)"}}));
}

TEST(Documented, ColumnsThatDbtAddsToASnapshotComeFromNowhere) {
  EXPECT_EQ(Chain(true).model("a", "select * from raw.payments", {"id", "dbt_valid_from"}).resolve(),
            (std::vector<Edges>{{"id 900 unknown_columns (documented)"}}));
}

TEST(Documented, ACatalogLeavesItOutOfTheStarAndKnowsItByName) {
  EXPECT_EQ(edges("select * from raw.payments", true, 1), (Edges{"id 1000 "}));
  EXPECT_EQ(edges("select amount from raw.payments", true, 1), (Edges{"amount 1000 "}));
}

}  // namespace
}  // namespace tideline::lineage
