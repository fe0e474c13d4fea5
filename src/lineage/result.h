#pragma once
// What lineage says of one query, as values that hang on nothing.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "lineage/reason.h"
#include "lineage/relations.h"
#include "sql/token.h"

namespace tideline::lineage {

/// How an upstream column takes part. The first five give the value, the last four decide about rows only.
enum class EdgeKind : std::uint8_t {
  kDirect,      // the value as it is, under its name
  kRenamed,     // the value as it is, under another name
  kCalculated,  // part of an expression
  kWindow,      // through a window function
  kAggregated,  // through an aggregate: values of several rows
  kJoined,      // in a join condition
  kFiltered,    // in WHERE, HAVING, QUALIFY …
  kGrouped,     // in GROUP BY, DISTINCT ON
  kOrdered,     // in ORDER BY
};
/// "direct" … "ordered": the public words.
std::string_view to_string(EdgeKind kind);

/// A relation the query reads.
struct ReadRelation {
  RelationIndex relation = kNone;  // kNone: one that is not known
  std::string name;                // as written, without quotes: db.schema.orders
  friend bool operator==(const ReadRelation&, const ReadRelation&) = default;
};

/// A column of a relation that is read.
struct SourceColumn {
  std::uint32_t read = 0;  // index of QueryLineage::reads
  std::string name;        // as the relation has it, or as written where its columns are not known
  bool known = true;       // the relation is known to have it
  friend bool operator==(const SourceColumn&, const SourceColumn&) = default;
};

struct ValueEdge {
  std::uint32_t source = 0;  // index of QueryLineage::sources
  EdgeKind kind = EdgeKind::kDirect;
  bool conditional = false;         // it only decides: reached through conditions of CASE and IF, FILTER, PARTITION BY
                                    // and ORDER BY of windows and aggregates, and nothing else
  std::uint16_t confidence = 1000;  // thousandths
  Reason doubt = Reason::kNone;     // why it is not 1000
  friend bool operator==(const ValueEdge&, const ValueEdge&) = default;
};

/// What dbt calls the CTE of an ephemeral model: __dbt__cte__orders; before 0.19 __dbt__CTE__orders.
inline constexpr std::string_view kEphemeralPrefix = "__dbt__cte__";

/// Those dbt adds to every snapshot.
inline constexpr std::string_view kSnapshotColumns[] = {"dbt_scd_id", "dbt_updated_at", "dbt_valid_from",
                                                        "dbt_valid_to"};
bool is_snapshot_column(std::string_view name);

/// A column of an ephemeral model, which dbt has put into the query as a CTE.
struct EphemeralColumn {
  std::string cte;   // as written
  std::string name;  // as the dialect stores it
  friend bool operator==(const EphemeralColumn&, const EphemeralColumn&) = default;
};

struct Gap {
  Reason reason = Reason::kNone;
  std::string subject;  // the relation, column, function or text it is about
  sql::Span span;       // where; empty: the whole
  friend bool operator==(const Gap&, const Gap&) = default;
};

struct OutputColumn {
  std::string name;              // as the dialect stores it
  std::vector<ValueEdge> edges;  // by source; each source once
  sql::Span expression;          // of what computes it; empty where it is passed on as it is
  sql::Span place;               // of the item of the outermost SELECT that gives it; empty: none does
  bool documented = false;       // a * gives it, and only documentation knows of it
  bool demanded = false;  // only known because another query reads it (Reader::demanded), or because it is documented
                          // (`documented` too)
  bool constant = false;  // computed without any column, and nothing is missing
  std::vector<std::uint32_t> gaps;  // indexes of QueryLineage::gaps: the edges may not be all
  /// Through which ephemeral models it comes on its last step: `source` is an index of QueryLineage::ephemerals. Beside
  /// `edges`, which see through them.
  std::vector<ValueEdge> ephemerals;
  friend bool operator==(const OutputColumn&, const OutputColumn&) = default;
};

/// The rows of the result depend on it, whatever the column.
struct Influence {
  std::uint32_t source = 0;
  EdgeKind kind = EdgeKind::kFiltered;
  friend auto operator<=>(const Influence&, const Influence&) = default;
};

struct QueryLineage {
  std::vector<ReadRelation> reads;  // in order of the text
  std::vector<SourceColumn> sources;
  std::vector<OutputColumn> columns;  // by position
  bool columns_complete = true;       // false: there are more, see gaps
  std::vector<Influence> influences;  // sorted, each once
  std::vector<EphemeralColumn> ephemerals;
  std::vector<Influence> ephemeral_influences;  // `source` is an index of `ephemerals`; sorted, each once
  std::vector<Gap> gaps;                        // of what the result depends on; each once
  std::vector<std::string> target;              // of INSERT, CREATE, MERGE, UPDATE: the parts of its name
  bool failed = false;                          // nothing could be said
  std::size_t steps = 0;                        // work done
  friend bool operator==(const QueryLineage&, const QueryLineage&) = default;
};

}  // namespace tideline::lineage
