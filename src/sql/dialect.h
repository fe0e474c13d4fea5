#pragma once
// What differs between the SQL dialects we read. One grammar reads the union of what they have; a flag stands only
// where two dialects give the same text different meanings. A dialect is one row of the table in dialect.cpp.

#include <cstdint>
#include <string>
#include <string_view>

namespace tideline::sql {

enum class DialectId : std::uint8_t {
  kGeneric,  // unknown adapters, and those that have no row yet
  kSnowflake,
  kBigquery,
  kRedshift,
  kDatabricks,  // and Spark, Hive
  kDuckdb,
  kPostgres,
  kTrino,  // and Athena, Presto
  kTsql,   // SQL Server, Synapse, Fabric
  kClickhouse,
  kMysql,  // and StarRocks, Doris, SingleStore
  kOracle,
  kSqlite,
};
inline constexpr std::size_t kDialectCount = 13;

enum class IdentifierCase : std::uint8_t {
  kUpperUnlessQuoted,  // Snowflake, Oracle
  kLowerUnlessQuoted,  // PostgreSQL
  kInsensitive,        // quoted or not: compared in lower case
  kSensitive,          // as written
};

struct Dialect {
  DialectId id = DialectId::kGeneric;
  std::string_view name = "generic";

  IdentifierCase column_case = IdentifierCase::kInsensitive;
  IdentifierCase relation_case = IdentifierCase::kInsensitive;

  // Lexer.
  bool double_quote_is_string = false;  // "x" is a string (BigQuery, Databricks, MySQL), else an identifier
  bool bracket_identifiers = false;     // [x]; then x[1] is no index
  bool backslash_escapes = false;       // in '…': \' does not end the string
  bool dollar_quotes = false;           // $$ … $$, $tag$ … $tag$
  bool prefixed_strings = false;        // r'…', b'…', rb'…' and ''' … ''' (BigQuery; Databricks has r'…')
  bool triple_quotes = false;           // '''…''' and """…"""
  bool nested_comments = false;         // /* /* */ */
  bool hash_comments = false;           // # … to the end of the line
  bool slash_comments = false;          // // … to the end of the line (Snowflake)
  bool hash_in_words = false;           // #temp, a#b (T-SQL)
  bool digit_names = false;             // 7_days is a name (Databricks, MySQL)
  bool dash_needs_space = false;        // `--` starts a comment only before a blank (MySQL)

  // Parser.
  bool colon_path = false;       // v:a.b[0] (Snowflake, Databricks); else `:x` is a parameter
  bool at_is_variable = false;   // @x, @@x; else @stage, or an operator
  bool lambdas = false;          // x -> f(x)
  bool json_arrows = false;      // x -> 'key', x ->> 'key'
  bool generic_types = false;    // ARRAY<…>, STRUCT<…>
  bool date_part_words = false;  // date_trunc(month, x): the word is no column
  bool equals_alias = false;     // select total = a + b (T-SQL)
  bool dashed_paths = false;     // from my-project.dataset.t, and `my-project.dataset.t` is three names (BigQuery)
  bool caret_is_power = false;   // ^ binds above * (PostgreSQL, DuckDB, Redshift), else it is XOR
  bool pipes_are_or = false;     // || is OR (MySQL), else concatenation
  bool top = false;              // select top 10 …
  bool select_into = false;      // select … into t from …
  bool qualify = false;          // QUALIFY is reserved; elsewhere it may name a table
  bool string_alias = false;     // select a 'x'
  bool method_calls = false;     // x.f(y) is f(x, y); else f of the schema x
};

const Dialect& dialect(DialectId id);

/// By the name dbt gives its adapters ("snowflake", "sqlserver", "spark" …), ignoring case; generic if unknown.
const Dialect& dialect_of_adapter(std::string_view adapter_type);
/// Whether it is one of those names, or that of a dialect.
bool is_adapter_or_dialect(std::string_view name);

enum class NameKind : std::uint8_t { kColumn, kRelation };  // of which BigQuery takes one as written

/// The name under which the dialect stores and compares an identifier. `text` is without quotes, escapes undone.
/// Two names of one dialect are the same name exactly when these are equal. Folds ASCII only.
std::string normalize_identifier(std::string_view text, bool quoted, NameKind kind, const Dialect& dialect);

}  // namespace tideline::sql
