#pragma once
// Column lineage of one query: for each output column the columns of relations it takes its value from, what happens to
// them on the way, and which columns decide about rows. Names are resolved against the relations given; what is not
// understood is a gap with a reason, never a guess without a mark.
//
// Pure; any number of threads at once. Time is linear in the text and in the columns * stands for, within a budget:
// beyond it the query is given up (Reason::kTooComplex). Recursion is bounded by sql::kMaxDepth.

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "lineage/relations.h"
#include "lineage/result.h"
#include "sql/dialect.h"
#include "sql/parser.h"

namespace tideline::lineage {

/// Steps a query may take: a step is a node of the tree visited, a column put into a shape, an input of a value walked
/// over. Real queries take 0.2 a byte; the free ones are for short queries over wide tables.
inline constexpr std::size_t kStepsPerByte = 64;
inline constexpr std::size_t kFreeSteps = std::size_t{1} << 21;
/// Columns of one result; wider ones are given up. As many as the store takes for an object, and room.
inline constexpr std::size_t kMaxColumns = 100'000;

/// Of SQL made of a template (sql/jinja.h): what stands in it in place of what the template says.
struct StandIns {
  /// By name as written: "__ref__.orders". kNone: there is no such relation.
  std::unordered_map<std::string, RelationIndex> relations;
  /// "__jinja_1__" → what only dbt can put there: the name of a macro, of a variable. Such a name stands for anything:
  /// an expression, several columns, a relation, a part of a name. It is a gap (Reason::kOpaqueMacro), never a column.
  std::unordered_map<std::string, std::string> unknown;
  /// What else only dbt can put there, and stands nowhere in the SQL: each is a gap of the whole.
  std::vector<std::string> marks;
  /// The text is one of several that it may be, for a branch was taken whose condition is not known: in any place, or
  /// in these alone. A place in a select list is of the columns it touches; one behind FROM, or in a condition of a
  /// join, is of the rows alone; one that is a whole query is of its columns; of any other the whole hangs on it.
  bool is_one_of_several = false;
  std::vector<sql::Span> doubtful;
};

/// For whom a query is resolved.
struct Reader {
  /// The relations it says it reads, sorted: they come first where a name is not unique, and of them alone the inferred
  /// columns are used.
  std::span<const RelationIndex> upstream;
  /// What the query builds, or kNone: its own inferred columns are not used.
  RelationIndex self = kNone;
  /// Columns the result is known to have, in order (its catalog): they complete a * that cannot be expanded. Where they
  /// are only documented, what the query does not list must come through such a *, if the documentation is right.
  const RelationColumns* expected = nullptr;
  /// Columns that others are known to read of the result: where a * cannot be expanded, it must give them.
  std::span<const std::string> demanded;
  /// The same of others that are only documented to have them.
  std::span<const std::string> documented;
  /// dbt adds the columns of is_snapshot_column() to the result.
  bool is_snapshot = false;
  /// Whether inferred columns of every relation may be used: once all are there.
  bool all_inferred = false;
  /// nullptr: the SQL is as it was sent to the warehouse.
  const StandIns* stand_ins = nullptr;
};

/// Of the last statement that has a query. `parsed` must be of the same dialect.
QueryLineage analyse(const sql::Parsed& parsed, const sql::Dialect& dialect, const Relations& relations,
                     const Reader& reader);
/// Parses as well.
QueryLineage analyse(std::string_view text, const sql::Dialect& dialect, const Relations& relations,
                     const Reader& reader = {});

}  // namespace tideline::lineage
