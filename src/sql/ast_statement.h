#pragma once
// Statements. Begin reading at ast.h.

#include "sql/ast_query.h"

namespace tideline::sql {

struct QueryStatement : Statement {
  static constexpr NodeKind kKind = NodeKind::kQueryStatement;
  const Query* query;
};

enum class CreateKind : std::uint8_t { kTable, kView, kMaterializedView, kDynamicTable };
struct Create : Statement {
  static constexpr NodeKind kKind = NodeKind::kCreate;
  CreateKind create{};
  bool or_replace = false;
  bool temporary = false;
  bool if_not_exists = false;
  List<Identifier> name;
  List<ColumnDefinition> columns;  // without types where only names stand: CREATE VIEW v (a, b)
  std::string_view options;        // what stands between, as written
  const Query* query;              // AS …; or null
  const TableReference* like;      // CLONE t, LIKE t, COPY t; or null
  std::string_view rest;           // what stands after the query: WITH NO DATA …
};

struct Assignment {
  List<Identifier> column;
  List<const Expression*> columns;  // (a, b) = (…): then column is empty
  const Expression* value;
  std::string_view op;  // "=", "+=" …
  Span span;
};

struct Insert : Statement {
  static constexpr NodeKind kKind = NodeKind::kInsert;
  With with;
  bool overwrite = false;
  bool by_name = false;
  const TableReference* target;
  List<Identifier> columns;
  std::string_view options;      // PARTITION (…), OVERRIDING …: as written
  const Query* query;            // or null: DEFAULT VALUES
  std::string_view on_conflict;  // as written up to SET
  List<Assignment> conflict_set;
  const Expression* conflict_where;  // or null
  List<SelectItem> returning;
};

enum class MergeMatch : std::uint8_t { kMatched, kNotMatched, kNotMatchedBySource };
enum class MergeAction : std::uint8_t { kUpdate, kInsert, kDelete, kNothing };
struct MergeWhen {
  MergeMatch match{};
  bool by_target = false;  // said
  MergeAction action{};
  const Expression* condition;     // AND …; or null
  const Expression* delete_where;  // UPDATE … DELETE WHERE … (Oracle); or null
  bool star = false;               // UPDATE SET *, INSERT *; INSERT ROW (BigQuery)
  bool row = false;
  List<Assignment> assignments;
  List<List<Identifier>> columns;  // of INSERT; a column's parts
  List<const Expression*> values;
  Span span;
};
struct Merge : Statement {
  static constexpr NodeKind kKind = NodeKind::kMerge;
  With with;
  const TableReference* target;
  const TableReference* source;
  const Expression* on;
  List<MergeWhen> whens;
  List<SelectItem> returning;
};

struct Update : Statement {
  static constexpr NodeKind kKind = NodeKind::kUpdate;
  With with;
  const TableReference* target;
  List<Assignment> assignments;
  List<const TableReference*> from;
  const Expression* where;  // or null
  List<SelectItem> returning;
};

struct Delete : Statement {
  static constexpr NodeKind kKind = NodeKind::kDelete;
  With with;
  const TableReference* target;
  List<const TableReference*> using_tables;
  const Expression* where;  // or null
  List<SelectItem> returning;
};

/// A statement that is not read (SET, GRANT, BEGIN …: no diagnostic), or could not be (a diagnostic).
struct ErrorStatement : Statement {
  static constexpr NodeKind kKind = NodeKind::kErrorStatement;
  std::string_view text;
  bool unread = false;         // one we do not read, not one that is wrong
  List<Identifier> variables;  // of DECLARE
};

}  // namespace tideline::sql
