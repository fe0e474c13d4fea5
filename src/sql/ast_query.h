#pragma once
// What stands in FROM, and queries. Begin reading at ast.h.

#include "sql/ast_expression.h"

namespace tideline::sql {

// ---- Tables ----

struct Sample {  // TABLESAMPLE …, as written; values are constants
  std::string_view text;
  Span span;
};

struct Table : TableReference {
  static constexpr NodeKind kKind = NodeKind::kTable;
  List<Identifier> name;     // at least one. 'file.parquet' has Quote::kSingle
  std::string_view stage;    // @stage/path; then name is empty
  bool only = false;         // ONLY t
  std::string_view version;  // time travel, hints, partitions, FINAL …: as written, after the name
  bool unpivot = false;      // UNPIVOT o.doc AS value AT name: the attributes of an object (Redshift)
  TableAlias alias;
  Identifier position;  // o.items AS i AT position (Redshift)
  Sample sample;
};

struct DerivedTable : TableReference {  // [LATERAL] (query) AS t (a, b)
  static constexpr NodeKind kKind = NodeKind::kDerivedTable;
  bool lateral = false;
  bool transparent = false;  // what stands before a pipe: the aliases inside can still be used (FROM t AS a |> …)
  const Query* query;
  TableAlias alias;
  Sample sample;
};

struct ColumnDefinition {  // t (a int, b text)
  Identifier name;
  TypeName type;
};

/// f(…), TABLE(f(…)), LATERAL FLATTEN(…), UNNEST(…), ROWS FROM (f(…), g(…))
struct TableFunction : TableReference {
  static constexpr NodeKind kKind = NodeKind::kTableFunction;
  bool lateral = false;
  bool table_keyword = false;  // TABLE(…)
  bool rows_from = false;
  bool with_ordinality = false;
  bool with_offset = false;  // UNNEST(…) WITH OFFSET [AS offset_alias]
  Identifier offset_alias;
  List<const Call*> calls;  // one, but for ROWS FROM
  TableAlias alias;
  List<ColumnDefinition> definitions;  // AS t (a int, …), WITH (a int '$.x' …)
  Sample sample;
};

enum class JoinKind : std::uint8_t {
  kComma,
  kInner,
  kLeft,
  kRight,
  kFull,
  kCross,
  kSemi,
  kAnti,
  kRightSemi,
  kRightAnti,
  kAsof,
  kAsofLeft,
  kPositional,
  kCrossApply,
  kOuterApply,
  kArray,
  kLeftArray,  // ARRAY JOIN: the right side is a TableFunction without name
  kLateralView,
  kLateralViewOuter,  // LATERAL VIEW explode(x) t AS a: the right side is a TableFunction
};
struct Join {
  JoinKind join{};
  bool natural = false;
  std::string_view strictness;  // ANY, ALL, GLOBAL, a join hint …, as written
  const TableReference* right;
  const Expression* on;  // or null
  List<Identifier> using_columns;
  TableAlias using_alias;             // USING (…) AS a
  const Expression* match_condition;  // ASOF JOIN … MATCH_CONDITION (…); or null
  Span span;                          // from the first word of the join
};

/// first join … join …; also in parentheses of its own, where it may have an alias.
struct JoinChain : TableReference {
  static constexpr NodeKind kKind = NodeKind::kJoinChain;
  const TableReference* first;
  List<Join> joins;
  TableAlias alias;
};

/// value AS alias; a tuple is a Struct.
struct AliasedValue {
  const Expression* value;
  Identifier alias;
  const Expression* alias_value;  // UNPIVOT … IN (a AS 'x', b AS 1): an alias that is a value; or null
  Span span;
};

struct PivotColumn {        // FOR value IN (…): DuckDB and others have several
  const Expression* value;  // a Column, or a tuple of them
  List<AliasedValue> in;
  const Query* query;  // IN (SELECT …); or null
  bool any = false;    // IN (ANY …)
  List<OrderItem> any_order;
  Identifier in_enum;  // IN enumeration
};

struct Pivot : TableReference {
  static constexpr NodeKind kKind = NodeKind::kPivot;
  bool statement = false;  // DuckDB's PIVOT t ON … USING … GROUP BY …
  bool xml = false;        // PIVOT XML (Oracle)
  const TableReference* source;
  List<AliasedValue> aggregates;
  List<PivotColumn> columns;
  List<const Expression*> group_by;
  const Expression* default_on_null;  // or null
  TableAlias alias;
};

struct Unpivot : TableReference {
  static constexpr NodeKind kKind = NodeKind::kUnpivot;
  bool statement = false;  // DuckDB's UNPIVOT t ON … INTO NAME … VALUE …
  bool include_nulls = false;
  bool exclude_nulls = false;
  const TableReference* source;
  List<Identifier> values;     // the new columns of values; several: UNPIVOT ((a, b) FOR …)
  List<Identifier> names;      // the new column(s) of names
  List<AliasedValue> columns;  // what is turned; a tuple is a Struct; * EXCLUDE … and COLUMNS(…) may stand here
  TableAlias alias;
};

struct MatchRecognize : TableReference {
  static constexpr NodeKind kKind = NodeKind::kMatchRecognize;
  const TableReference* source;
  List<const Expression*> partition_by;
  List<OrderItem> order_by;
  List<AliasedValue> measures;
  bool all_rows = false;      // ALL ROWS PER MATCH
  std::string_view rows;      // ONE ROW PER MATCH … AFTER MATCH … PATTERN … SUBSET …: as written
  List<AliasedValue> define;  // a condition, under the name of the pattern's variable
  TableAlias alias;
};

/// JSON_TABLE, XMLTABLE: `text` is what stands in the parentheses, of which only values and columns are read.
struct OpaqueTable : TableReference {
  static constexpr NodeKind kKind = NodeKind::kOpaqueTable;
  std::string_view what;  // "json_table"
  std::string_view text;  // as written, with its parentheses
  List<const Expression*> arguments;
  List<ColumnDefinition> columns;  // those of NESTED too; of type "for ordinality" is a number
  TableAlias alias;
};

struct ErrorTable : TableReference {
  static constexpr NodeKind kKind = NodeKind::kErrorTable;
  std::string_view text;
  bool is_template = false;
  TableAlias alias;
};

// ---- Queries ----

struct SelectItem {
  const Expression* value;
  Identifier alias;
  List<Identifier> aliases;  // explode(m) AS (k, v)
  Span span;                 // with its alias
};

struct NamedWindow {
  Identifier name;
  const WindowSpec* window;
  Span span;
};

struct Select : QueryTerm {
  static constexpr NodeKind kKind = NodeKind::kSelect;
  bool distinct = false;
  List<const Expression*> distinct_on;
  std::string_view as_what;   // "struct", "value": SELECT AS STRUCT
  const Expression* top;      // TOP n; or null
  std::string_view top_rest;  // "percent", "with ties"
  List<SelectItem> items;     // FROM t alone (DuckDB): one Star with an empty span
  List<Identifier> into;
  List<const TableReference*> from;  // between commas
  const Expression* prewhere;        // or null
  const Expression* where;           // or null
  bool group_by_all = false;
  List<const Expression*> group_by;  // GroupingSets among them
  bool with_totals = false;          // GROUP BY … WITH TOTALS (ClickHouse)
  const Expression* having;          // or null
  const Expression* qualify;         // or null
  List<NamedWindow> windows;
  const Expression* start_with;  // or null
  const Expression* connect_by;  // or null
  bool no_cycle = false;
  std::string_view model;   // MODEL … (Oracle), as written
  std::string_view sample;  // USING SAMPLE … (DuckDB), as written
};

enum class SetKind : std::uint8_t { kUnion, kIntersect, kExcept };  // kExcept: MINUS as well
struct SetLink {
  SetKind set{};
  bool all = false;
  bool distinct = false;  // said
  bool by_name = false;   // BY NAME, CORRESPONDING
  std::string_view side;  // "full", "left", "inner" before it, "strict" after: as written
  List<Identifier> by;    // ON (…), BY (…)
  Span span;
};
/// terms[0] links[0] terms[1] …: of one precedence, to be read from the left.
struct SetOperation : QueryTerm {
  static constexpr NodeKind kKind = NodeKind::kSetOperation;
  List<const QueryTerm*> terms;  // at least two: Select, Values, SetOperation, Query
  List<SetLink> links;
};

struct ValuesRow {
  List<const Expression*> values;
  Span span;
};
struct Values : QueryTerm {
  static constexpr NodeKind kKind = NodeKind::kValues;
  List<ValuesRow> rows;
};

enum class Materialized : std::uint8_t { kUnsaid, kYes, kNo };
struct Cte {
  Identifier name;
  List<Identifier> columns;
  Materialized materialized{};
  const Query* query;          // or null: then `statement`, or `value`
  const Statement* statement;  // WITH x AS (INSERT … RETURNING …); or null
  const Expression* value;     // WITH expression AS name (ClickHouse); or null
  std::string_view rest;       // SEARCH …, CYCLE …, USING KEY …: as written
  List<Identifier> added;      // the columns that SEARCH and CYCLE set
  Span span;
};
struct With {
  bool recursive = false;
  List<Cte> ctes;
  Span span;  // empty: there is none
};

enum class SortKind : std::uint8_t { kOrderBy, kSortBy, kClusterBy, kDistributeBy };
struct SortClause {  // Spark's further ones
  SortKind sort{};
  List<OrderItem> items;
};

struct Query : QueryTerm {
  static constexpr NodeKind kKind = NodeKind::kQuery;
  With with;
  const QueryTerm* body;
  bool order_by_all = false;
  bool order_all_descending = false;
  NullsOrder order_all_nulls{};
  List<OrderItem> order_by;
  List<SortClause> sorts;
  const Expression* limit;  // LIMIT, FETCH FIRST; or null
  bool limit_all = false;
  bool limit_percent = false;
  bool with_ties = false;
  const Expression* offset;          // or null
  const Expression* limit_by_count;  // LIMIT n BY … (ClickHouse); or null
  List<const Expression*> limit_by;
  std::string_view rest;  // FOR UPDATE, OPTION (…), SETTINGS …, FORMAT …: as written
};

}  // namespace tideline::sql
