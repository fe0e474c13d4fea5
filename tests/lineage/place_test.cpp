// Where in the text an output column is written.
#include <gtest/gtest.h>

#include "lineage/lineage.h"
#include "tests/lineage/golden.h"

namespace tideline::lineage {
namespace {

QueryLineage lineage_of(std::string_view text, std::string_view tables) {
  const Relations relations = testing::relations_of(tables);
  return analyse(text, sql::dialect(sql::DialectId::kSnowflake), relations);
}

TEST(Place, IsThatOfTheItemOfTheOutermostSelect) {
  const std::string_view text = "with a as (select id, amount from orders) select id, amount as total, a.* from a";
  const auto result = lineage_of(text, "orders(id, amount)");
  ASSERT_EQ(result.columns.size(), 4U);
  const auto at = [&](std::size_t i) { return sql::text_of(result.columns[i].place, text); };
  EXPECT_EQ(at(0), "id");
  EXPECT_EQ(at(1), "amount as total");
  EXPECT_EQ(at(2), "a.*");
  EXPECT_EQ(at(3), "a.*");
}

}  // namespace
}  // namespace tideline::lineage
