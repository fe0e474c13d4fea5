// A result that was packed comes back as it was.

#include "lineage/packed.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "lineage/lineage.h"

namespace tideline::lineage {
namespace {

/// Any, or one of a few that come up again.
std::string any_name() {
  const std::vector<std::string> few{"", "id", "ID", "amount"};
  return *rc::gen::oneOf(rc::gen::elementOf(few), rc::gen::arbitrary<std::string>());
}

std::uint32_t any_number() {
  return *rc::gen::oneOf(rc::gen::inRange<std::uint32_t>(0, 300), rc::gen::arbitrary<std::uint32_t>(),
                         rc::gen::just(kNone));
}

sql::Span any_span() { return *rc::gen::arbitrary<bool>() ? sql::Span{} : sql::Span{any_number(), any_number()}; }
EdgeKind any_kind() { return static_cast<EdgeKind>(*rc::gen::inRange(0, 9)); }
Reason any_reason() { return static_cast<Reason>(*rc::gen::inRange<std::size_t>(0, kReasonCount)); }
bool any_bool() { return *rc::gen::arbitrary<bool>(); }

template <class Make>
auto several(const Make& make) {
  std::vector<decltype(make())> all(*rc::gen::inRange<std::size_t>(0, 6));
  for (auto& one : all) one = make();
  return all;
}

ValueEdge any_edge() {
  ValueEdge edge{any_number(), any_kind(), any_bool()};
  if (any_bool()) edge.confidence = *rc::gen::arbitrary<std::uint16_t>();
  if (any_bool()) edge.doubt = any_reason();
  return edge;
}

OutputColumn any_column() {
  OutputColumn column;
  column.name = any_name();
  column.edges = several(any_edge);
  column.expression = any_span();
  column.place = any_span();
  column.documented = any_bool();
  column.demanded = any_bool();
  column.constant = any_bool();
  column.gaps = several(any_number);
  column.ephemerals = several(any_edge);
  return column;
}

QueryLineage any_lineage() {
  const auto influence = [] { return Influence{any_number(), any_kind()}; };
  QueryLineage lineage;
  lineage.reads = several([] { return ReadRelation{any_number(), any_name()}; });
  lineage.sources = several([] { return SourceColumn{any_number(), any_name(), any_bool()}; });
  lineage.columns = several(any_column);
  lineage.columns_complete = any_bool();
  lineage.influences = several(influence);
  lineage.ephemerals = several([] { return EphemeralColumn{any_name(), any_name()}; });
  lineage.ephemeral_influences = several(influence);
  lineage.gaps = several([] { return Gap{any_reason(), any_name(), any_span()}; });
  lineage.target = several(any_name);
  lineage.failed = any_bool();
  lineage.steps = *rc::gen::arbitrary<std::size_t>();
  return lineage;
}

RC_GTEST_PROP(PackedLineage, ComesBackAsItWas, ()) {
  const QueryLineage lineage = any_lineage();
  RC_ASSERT(unpack(pack(lineage)) == lineage);
}

TEST(PackedLineage, NothingIsAnEmptyResult) {
  EXPECT_EQ(unpack(""), QueryLineage());
  EXPECT_EQ(unpack(pack({})), QueryLineage());
}

TEST(PackedLineage, ANameIsKeptOnce) {
  const Relations relations;
  std::string sql = "select ";
  for (int i = 0; i < 100; ++i) sql += "a_rather_long_name_of_a_column_" + std::to_string(i) + ", ";
  const auto lineage = analyse(sql + "1 as one from orders", sql::dialect(sql::DialectId::kPostgres), relations);
  ASSERT_EQ(lineage.columns.size(), 101U);
  EXPECT_LT(pack(lineage).size(), 100 * 60U);
}

}  // namespace
}  // namespace tideline::lineage
