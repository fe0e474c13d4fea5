// SQL made of a template: what stands in for a relation is that relation, what only dbt can replace is a gap, never a
// column, and never takes an edge away.

#include <gtest/gtest.h>

#include "lineage/lineage.h"
#include "lineage/names.h"
#include "tests/lineage/golden.h"

namespace tideline::lineage::testing {
namespace {

std::string answer(std::string_view sql, StandIns stand_ins = {}) {
  const Relations relations = relations_of("orders(id, amount, status) raw.events(id, kind)");
  stand_ins.relations.emplace("__ref__.orders", 0);
  stand_ins.relations.emplace("__source__.raw.events", 1);
  stand_ins.relations.emplace("__ref__.gone", kNone);
  stand_ins.unknown.emplace("__jinja_1__", "utils.star");
  stand_ins.unknown.emplace("__jinja_2__", "var x");
  Reader reader;
  reader.stand_ins = &stand_ins;
  return render(analyse(sql, sql::dialect_of_adapter("postgres"), relations, reader), relations);
}

std::uint16_t confidence(std::string_view sql, bool several) {
  const Relations relations = relations_of("orders(id, amount, status)");
  StandIns stand_ins;
  stand_ins.relations.emplace("__ref__.orders", 0);
  stand_ins.unknown.emplace("__jinja_1__", "utils.star");
  stand_ins.is_one_of_several = several;
  Reader reader;
  reader.stand_ins = &stand_ins;
  const auto result = analyse(sql, sql::dialect_of_adapter("postgres"), relations, reader);
  return result.columns.empty() || result.columns[0].edges.empty() ? std::uint16_t{0}
                                                                   : result.columns[0].edges[0].confidence;
}

TEST(StandIns, ARefIsTheRelationItStandsFor) {
  EXPECT_EQ(answer("select o.id, e.kind as what from __ref__.orders o join __source__.raw.events e using (id)"),
            answer("select o.id, e.kind as what from orders o join raw.events e using (id)"));
  EXPECT_EQ(answer("select * from __ref__.orders"), answer("select * from orders"));
}

TEST(StandIns, ARefToNothingIsAnUnknownRelationWhateverElseHasTheName) {
  const std::string text = answer("select id from __ref__.gone");
  EXPECT_NE(text.find("unknown_relation"), std::string::npos) << text;
}

TEST(StandIns, AnErrorIsToldInTheWordsOfTheTemplate) {
  EXPECT_NE(answer("__jinja_1__select id from orders").find("found `{{ utils.star }}select`"), std::string::npos)
      << answer("__jinja_1__select id from orders");
}

TEST(StandIns, WhatOnlyDbtCanPutThereIsNoColumn) {
  const Relations relations = relations_of("orders(id, amount, status)");
  StandIns stand_ins;
  stand_ins.relations.emplace("__ref__.orders", 0);
  stand_ins.unknown.emplace("__jinja_1__", "utils.star");
  Reader reader;
  reader.stand_ins = &stand_ins;
  const auto run = [&](std::string_view sql) {
    return analyse(sql, sql::dialect_of_adapter("postgres"), relations, reader);
  };
  // Alone it may be many columns; in a name it may be any name.
  for (const char* sql :
       {"select id, __jinja_1__ from __ref__.orders", "select id, amount as sum___jinja_1__ from orders",
        "select id, o.__jinja_1__ from orders o", "select id, __jinja_1__::date from orders"}) {
    const auto result = run(sql);
    ASSERT_EQ(result.columns.size(), 1U) << sql;
    EXPECT_EQ(result.columns[0].name, "id");
    EXPECT_FALSE(result.columns_complete) << sql;
    ASSERT_EQ(result.gaps.size(), 1U) << sql;
    EXPECT_EQ(result.gaps[0].reason, Reason::kOpaqueMacro);
    EXPECT_EQ(result.gaps[0].subject, "utils.star");
  }
  // Under an alias it is one column, whose sources are not all known.
  for (const char* sql : {"select __jinja_1__ as x, id from orders", "select amount + __jinja_1__ as x, id from orders",
                          "select __jinja_1__(amount) as x, id from orders",
                          "select x, id from (select __jinja_1__ as x, id from orders) o"}) {
    const auto result = run(sql);
    ASSERT_EQ(result.columns.size(), 2U) << sql;
    EXPECT_EQ(result.columns[0].gaps.size(), 1U) << sql;
    EXPECT_TRUE(result.columns[1].gaps.empty()) << sql;
    EXPECT_FALSE(result.columns[0].constant);
    EXPECT_TRUE(result.columns_complete) << sql;
  }
  // As a relation it may have any columns.
  const auto result = run("select id, x from __jinja_1__");
  ASSERT_EQ(result.columns.size(), 2U);
  EXPECT_TRUE(result.columns[0].edges.empty());
  EXPECT_EQ(result.gaps[0].reason, Reason::kOpaqueMacro);
}

TEST(StandIns, AQueryOverThemReadsWhatItCan) {
  const auto text = answer("with s as (select id, __jinja_1__ from __ref__.orders) select id, further from s");
  EXPECT_NE(text.find("orders.id"), std::string::npos) << text;
  EXPECT_NE(text.find("opaque_macro"), std::string::npos) << text;
}

TEST(StandIns, NamesThatOnlyLookLikeThemAreNames) {
  EXPECT_EQ(answer("select __jinja_9__ from orders"), answer("select __jinja_9__ from __ref__.orders"));
  EXPECT_EQ(answer("select __jinja_ as a, __jinja_x as b from orders").find("opaque_macro"), std::string::npos);
}

TEST(StandIns, EdgesUnderAMacroOrABranchAreLessSure) {
  EXPECT_EQ(confidence("select amount from __ref__.orders", false), 1000);
  EXPECT_EQ(confidence("select amount from __ref__.orders", true), 800);
  EXPECT_EQ(confidence("select amount + __jinja_1__ as x from __ref__.orders", false), 800);
}

TEST(StandIns, MarksAreGapsOfTheWhole) {
  StandIns stand_ins;
  stand_ins.marks = {"if target.name == 'prod'", "utils.star"};
  const Relations relations = relations_of("orders(id)");
  Reader reader;
  reader.stand_ins = &stand_ins;
  stand_ins.unknown.emplace("__jinja_1__", "utils.star");
  const auto result =
      analyse("select id, __jinja_1__ from orders", sql::dialect_of_adapter("postgres"), relations, reader);
  ASSERT_EQ(result.gaps.size(), 2U);  // each once
  EXPECT_EQ(result.gaps[1].subject, "if target.name == 'prod'");
}

}  // namespace
}  // namespace tideline::lineage::testing
