#pragma once
// Why lineage is missing or uncertain: a closed list. Each has a word that is stored and shown, and what to do about it
// (docs/lineage.md says more). Words are never reused for another meaning.

#include <cstdint>
#include <string_view>

namespace tideline::lineage {

enum class Reason : std::uint8_t {
  kNone,
  kNoSql,               // the model has no compiled SQL
  kPythonModel,         // its code is not SQL
  kNoQuery,             // the SQL has no SELECT
  kParseError,          // a part that could not be read
  kOpaqueMacro,         // Jinja that nothing has replaced
  kUnsupported,         // read, but not understood by lineage
  kUnknownRelation,     // reads what no object of the organization is
  kUnknownColumns,      // a relation whose columns are not known
  kUnknownColumn,       // a column that nothing in reach has
  kUndocumentedColumn,  // a column its relation is not known to have
  kAmbiguousColumn,     // several relations have it, or may have it
  kDynamicPivot,        // columns made of values
  kTableFunction,       // a table function whose columns are not known
  kUnionByName,         // columns of a set operation matched by name, as their positions are not known
  kColumnCount,         // the terms of a set operation differ in their number of columns
  kDuplicateColumn,     // two output columns of one name
  kTooComplex,          // more steps or columns than we take
  kCycle,               // models that read each other
};
inline constexpr std::size_t kReasonCount = 19;

/// "unknown_columns"; empty for kNone.
std::string_view to_string(Reason reason);
/// kNone: no such word.
Reason reason_of(std::string_view word);
/// What the reader can do about it, a sentence; empty for kNone.
std::string_view advice(Reason reason);

}  // namespace tideline::lineage
