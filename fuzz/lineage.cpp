// SQL from a stranger, the dialect by its first byte: lineage ends within its budget of steps, and says nothing that
// does not hang together.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "lineage/lineage.h"

namespace {

void demand(bool condition) {
  if (!condition) std::abort();
}

tideline::lineage::Relations make_relations() {
  using namespace tideline::lineage;
  const auto columns = [](std::vector<std::string> names, bool complete) {
    const std::size_t count = names.size();
    return std::make_shared<RelationColumns>(std::move(names), count, complete);
  };
  Relations relations;
  relations.add({"db", "shop", "orders"}, RelationOrigin::kBuilt, columns({"id", "amount", "status", "items"}, true));
  relations.add({"db", "shop", "customers"}, RelationOrigin::kSource, columns({"id", "name", "ID"}, true));
  relations.add({"", "", "events"}, RelationOrigin::kBuilt, columns({"id"}, false));
  relations.add({"db", "other", "orders"}, RelationOrigin::kOtherProject, nullptr);
  relations.add({"db", "shop", "t"}, RelationOrigin::kSource, nullptr);
  return relations;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tideline;
  using namespace tideline::lineage;
  static const Relations relations = make_relations();
  if (size == 0) return 0;
  const auto& dialect = sql::dialect(static_cast<sql::DialectId>(data[0] % sql::kDialectCount));
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  static const RelationColumns expected({"id", "total", "x"}, 3, true);
  Reader reader;
  if ((data[0] & 0x80) != 0) reader.expected = &expected;
  const QueryLineage result = analyse(text, dialect, relations, reader);

  // The step that is one too many may be a large one: a * over every column there is.
  demand(result.steps <= kFreeSteps + kStepsPerByte * text.size() + 4 * kMaxColumns + text.size());
  for (const auto& source : result.sources) demand(source.read < result.reads.size());
  for (const auto& column : result.columns) {
    std::uint32_t last = kNone;
    for (const auto& edge : column.edges) {
      demand(edge.source < result.sources.size() && (last == kNone || last < edge.source));
      demand(edge.kind <= EdgeKind::kAggregated && edge.confidence <= 1000);
      demand((edge.confidence < 1000) == (edge.doubt != Reason::kNone));
      last = edge.source;
    }
    for (const auto gap : column.gaps) demand(gap < result.gaps.size());
    demand(column.expression.begin <= column.expression.end && column.expression.end <= text.size());
    demand(!column.constant || (column.edges.empty() && column.gaps.empty()));
  }
  for (const auto& influence : result.influences)
    demand(influence.source < result.sources.size() && influence.kind >= EdgeKind::kJoined);
  for (const auto& gap : result.gaps) demand(gap.reason != Reason::kNone && gap.span.end <= text.size());
  demand(!result.failed || !result.gaps.empty());
  return 0;
}
