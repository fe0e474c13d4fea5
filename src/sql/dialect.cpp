#include "sql/dialect.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/text.h"

namespace tideline::sql {
namespace {

constexpr std::array<Dialect, kDialectCount> kDialects = {{
    // What most of them have, for text of which nothing is known. Backticks and brackets hurt nobody here.
    {.id = DialectId::kGeneric,
     .name = "generic",
     .dollar_quotes = true,
     .lambdas = true,
     .json_arrows = true,
     .generic_types = true,
     .date_part_words = true,
     .top = true,
     .qualify = true},
    {.id = DialectId::kSnowflake,
     .name = "snowflake",
     .column_case = IdentifierCase::kUpperUnlessQuoted,
     .relation_case = IdentifierCase::kUpperUnlessQuoted,
     .backslash_escapes = true,
     .dollar_quotes = true,
     .slash_comments = true,
     .colon_path = true,
     .lambdas = true,
     .date_part_words = true,
     .top = true,
     .qualify = true},
    {.id = DialectId::kBigquery,
     .name = "bigquery",
     .column_case = IdentifierCase::kInsensitive,
     .relation_case = IdentifierCase::kSensitive,
     .double_quote_is_string = true,
     .backslash_escapes = true,
     .prefixed_strings = true,
     .triple_quotes = true,
     .hash_comments = true,
     .at_is_variable = true,
     .lambdas = true,
     .generic_types = true,
     .date_part_words = true,
     .dashed_paths = true,
     .qualify = true},
    {.id = DialectId::kRedshift,
     .name = "redshift",
     .backslash_escapes = true,
     .dollar_quotes = true,
     .nested_comments = true,
     .hash_in_words = true,
     .json_arrows = true,
     .date_part_words = true,
     .caret_is_power = true,
     .top = true,
     .select_into = true,
     .qualify = true},
    {.id = DialectId::kDatabricks,
     .name = "databricks",
     .double_quote_is_string = true,
     .backslash_escapes = true,
     .prefixed_strings = true,
     .nested_comments = true,
     .digit_names = true,
     .colon_path = true,
     .lambdas = true,
     .generic_types = true,
     .date_part_words = true,
     .qualify = true},
    {.id = DialectId::kDuckdb,
     .name = "duckdb",
     .dollar_quotes = true,
     .lambdas = true,
     .json_arrows = true,
     .caret_is_power = true,
     .qualify = true,
     .method_calls = true},
    {.id = DialectId::kPostgres,
     .name = "postgres",
     .column_case = IdentifierCase::kLowerUnlessQuoted,
     .relation_case = IdentifierCase::kLowerUnlessQuoted,
     .dollar_quotes = true,
     .nested_comments = true,
     .json_arrows = true,
     .caret_is_power = true,
     .select_into = true},
    {.id = DialectId::kTrino, .name = "trino", .lambdas = true},
    {.id = DialectId::kTsql,
     .name = "tsql",
     .bracket_identifiers = true,
     .nested_comments = true,
     .hash_in_words = true,
     .at_is_variable = true,
     .date_part_words = true,
     .equals_alias = true,
     .top = true,
     .select_into = true,
     .string_alias = true},
    {.id = DialectId::kClickhouse,
     .name = "clickhouse",
     .column_case = IdentifierCase::kSensitive,
     .relation_case = IdentifierCase::kSensitive,
     .backslash_escapes = true,
     .dollar_quotes = true,
     .hash_comments = true,
     .lambdas = true,
     .date_part_words = true,
     .qualify = true},
    {.id = DialectId::kMysql,
     .name = "mysql",
     .column_case = IdentifierCase::kInsensitive,
     .relation_case = IdentifierCase::kSensitive,
     .double_quote_is_string = true,
     .backslash_escapes = true,
     .hash_comments = true,
     .digit_names = true,
     .dash_needs_space = true,
     .at_is_variable = true,
     .lambdas = true,
     .json_arrows = true,
     .generic_types = true,
     .date_part_words = true,
     .pipes_are_or = true,
     .string_alias = true},
    {.id = DialectId::kOracle,
     .name = "oracle",
     .column_case = IdentifierCase::kUpperUnlessQuoted,
     .relation_case = IdentifierCase::kUpperUnlessQuoted},
    {.id = DialectId::kSqlite, .name = "sqlite", .bracket_identifiers = true, .json_arrows = true},
}};

constexpr bool in_order() {
  for (std::size_t i = 0; i < kDialects.size(); ++i) {
    if (static_cast<std::size_t>(kDialects[i].id) != i) return false;
  }
  return true;
}
static_assert(in_order(), "dialect() takes an id for an index");

constexpr std::pair<std::string_view, DialectId> kAdapters[] = {
    {"snowflake", DialectId::kSnowflake},
    {"bigquery", DialectId::kBigquery},
    {"redshift", DialectId::kRedshift},
    {"databricks", DialectId::kDatabricks},
    {"spark", DialectId::kDatabricks},
    {"spark2", DialectId::kDatabricks},
    {"sparksql", DialectId::kDatabricks},
    {"hive", DialectId::kDatabricks},
    {"impala", DialectId::kDatabricks},
    {"fabricspark", DialectId::kDatabricks},
    {"glue", DialectId::kDatabricks},
    {"duckdb", DialectId::kDuckdb},
    {"motherduck", DialectId::kDuckdb},
    {"postgres", DialectId::kPostgres},
    {"postgresql", DialectId::kPostgres},
    {"alloydb", DialectId::kPostgres},
    {"greenplum", DialectId::kPostgres},
    {"materialize", DialectId::kPostgres},
    {"risingwave", DialectId::kPostgres},
    {"cratedb", DialectId::kPostgres},
    {"vertica", DialectId::kGeneric},
    {"trino", DialectId::kTrino},
    {"presto", DialectId::kTrino},
    {"athena", DialectId::kTrino},
    {"starburst", DialectId::kTrino},
    {"tsql", DialectId::kTsql},
    {"sqlserver", DialectId::kTsql},
    {"synapse", DialectId::kTsql},
    {"fabric", DialectId::kTsql},
    {"mssql", DialectId::kTsql},
    {"clickhouse", DialectId::kClickhouse},
    {"mysql", DialectId::kMysql},
    {"mariadb", DialectId::kMysql},
    {"starrocks", DialectId::kMysql},
    {"doris", DialectId::kMysql},
    {"singlestore", DialectId::kMysql},
    {"tidb", DialectId::kMysql},
    {"oracle", DialectId::kOracle},
    {"sqlite", DialectId::kSqlite},
};

std::string ascii_upper(std::string_view text) {
  std::string out(text);
  for (auto& c : out) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return out;
}

}  // namespace

const Dialect& dialect(DialectId id) {
  auto index = static_cast<std::size_t>(id);
  return kDialects[index < kDialects.size() ? index : 0];
}

const Dialect& dialect_of_adapter(std::string_view adapter_type) {
  for (const auto& [name, id] : kAdapters) {
    if (equal_ignoring_case(name, adapter_type)) return dialect(id);
  }
  return dialect(DialectId::kGeneric);
}

bool is_adapter_or_dialect(std::string_view name) {
  const auto is_it = [name](std::string_view one) { return equal_ignoring_case(one, name); };
  return std::any_of(std::begin(kAdapters), std::end(kAdapters), [&](const auto& one) { return is_it(one.first); }) ||
         std::any_of(kDialects.begin(), kDialects.end(), [&](const Dialect& one) { return is_it(one.name); });
}

std::string normalize_identifier(std::string_view text, bool quoted, NameKind kind, const Dialect& dialect) {
  switch (kind == NameKind::kColumn ? dialect.column_case : dialect.relation_case) {
    case IdentifierCase::kUpperUnlessQuoted:
      return quoted ? std::string(text) : ascii_upper(text);
    case IdentifierCase::kLowerUnlessQuoted:
      return quoted ? std::string(text) : ascii_lower(text);
    case IdentifierCase::kInsensitive:
      return ascii_lower(text);
    case IdentifierCase::kSensitive:
      return std::string(text);
  }
  return std::string(text);
}

}  // namespace tideline::sql
