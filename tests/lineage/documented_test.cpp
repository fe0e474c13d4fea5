// Columns that only documentation knows: through * they are less sure than where a query names them.
#include <gtest/gtest.h>

#include "lineage/lineage.h"

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

TEST(Documented, ACatalogLeavesItOutOfTheStarAndKnowsItByName) {
  EXPECT_EQ(edges("select * from raw.payments", true, 1), (Edges{"id 1000 "}));
  EXPECT_EQ(edges("select amount from raw.payments", true, 1), (Edges{"amount 1000 "}));
}

}  // namespace
}  // namespace tideline::lineage
