#include "lineage/functions.h"

#include <algorithm>
#include <array>
#include <string>

#include "base/text.h"

namespace tideline::lineage {
namespace {

using namespace std::string_view_literals;

// Sorted, for binary search.
// clang-format off: as a list
constexpr std::array kAggregates{
    "any"sv, "any_value"sv, "anylast"sv, "approx_count_distinct"sv, "approx_distinct"sv, "approx_percentile"sv,
    "approx_quantiles"sv, "approx_set"sv, "approx_top_count"sv, "approx_top_k"sv, "approx_top_sum"sv, "arbitrary"sv,
    "arg_max"sv, "arg_min"sv, "argmax"sv, "argmin"sv, "array_agg"sv, "array_concat_agg"sv, "array_union_agg"sv,
    "array_unique_agg"sv, "avg"sv, "avgif"sv, "bit_and"sv, "bit_or"sv, "bit_xor"sv, "bitand_agg"sv,
    "bitmap_construct_agg"sv, "bitor_agg"sv, "bitxor_agg"sv, "bool_and"sv, "bool_or"sv, "booland_agg"sv,
    "boolor_agg"sv, "boolxor_agg"sv, "checksum_agg"sv, "collect_list"sv, "collect_set"sv, "corr"sv, "count"sv,
    "count_big"sv, "count_if"sv, "count_star"sv, "countif"sv, "covar_pop"sv, "covar_samp"sv, "every"sv, "favg"sv,
    "first"sv, "fsum"sv, "geometric_mean"sv, "group_array"sv, "group_concat"sv, "grouparray"sv, "groupuniqarray"sv,
    "hash_agg"sv, "histogram"sv, "hll"sv, "hll_accumulate"sv, "hll_combine"sv, "hll_estimate"sv, "hll_union_agg"sv,
    "json_agg"sv, "json_arrayagg"sv, "json_group_array"sv, "json_group_object"sv, "json_object_agg"sv,
    "json_objectagg"sv, "jsonb_agg"sv, "jsonb_object_agg"sv, "kurtosis"sv, "last"sv, "list"sv, "listagg"sv,
    "logical_and"sv, "logical_or"sv, "mad"sv, "map_agg"sv, "map_union"sv, "max"sv, "max_by"sv, "maxif"sv, "mean"sv,
    "median"sv, "min"sv, "min_by"sv, "minhash"sv, "minif"sv, "mode"sv, "multimap_agg"sv, "object_agg"sv,
    "percentile"sv, "percentile_approx"sv, "percentile_cont"sv, "percentile_disc"sv, "product"sv, "quantile"sv,
    "quantile_cont"sv, "quantile_disc"sv, "quantiles"sv, "range_agg"sv, "regr_avgx"sv, "regr_avgy"sv, "regr_count"sv,
    "regr_intercept"sv, "regr_r2"sv, "regr_slope"sv, "regr_sxx"sv, "regr_sxy"sv, "regr_syy"sv,
    "reservoir_quantile"sv, "skewness"sv, "st_collect"sv, "st_extent"sv, "st_union"sv, "st_union_agg"sv, "std"sv,
    "stddev"sv, "stddev_pop"sv, "stddev_samp"sv, "stddevpop"sv, "stddevsamp"sv, "stdev"sv, "stdevp"sv,
    "string_agg"sv, "sum"sv, "sumif"sv, "uniq"sv, "uniqexact"sv, "var"sv, "var_pop"sv, "var_samp"sv, "variance"sv,
    "variance_pop"sv, "variance_samp"sv, "varp"sv, "varpop"sv, "varsamp"sv, "wm_concat"sv, "xmlagg"sv};

constexpr std::array kWindowFunctions{
    "conditional_change_event"sv, "conditional_true_event"sv, "cume_dist"sv, "dense_rank"sv, "first_value"sv, "lag"sv,
    "last_value"sv, "lead"sv, "nth_value"sv, "ntile"sv, "percent_rank"sv, "rank"sv, "ratio_to_report"sv,
    "row_number"sv, "width_bucket"sv};

constexpr std::array kPseudoColumns{"current_catalog"sv,   "current_database"sv, "current_date"sv,  "current_datetime"sv,
                                    "current_role"sv,      "current_schema"sv,   "current_time"sv,  "current_timestamp"sv,
                                    "current_user"sv,      "localtime"sv,        "localtimestamp"sv, "session_user"sv,
                                    "sysdate"sv,           "systimestamp"sv};
constexpr std::array kDateParts{
    "day"sv, "dayofweek"sv, "dayofyear"sv, "days"sv, "decade"sv, "dow"sv, "doy"sv, "epoch"sv, "hour"sv, "hours"sv,
    "isodow"sv, "isoweek"sv, "isoyear"sv, "microsecond"sv, "millisecond"sv, "minute"sv, "minutes"sv, "month"sv,
    "months"sv, "nanosecond"sv, "quarter"sv, "second"sv, "seconds"sv, "week"sv, "weeks"sv, "year"sv, "years"sv};
constexpr std::array kOfBigquery{"_file_name"sv, "_partitiondate"sv, "_partitiontime"sv, "_table_suffix"sv};
constexpr std::array kOfPostgres{"cmax"sv, "cmin"sv, "ctid"sv, "tableoid"sv, "user"sv, "xmax"sv, "xmin"sv};
constexpr std::array kOfOracle{"ora_rowscn"sv, "rowid"sv, "rownum"sv, "uid"sv, "user"sv};
constexpr std::array kOfDuckdb{"filename"sv, "rowid"sv};
// clang-format on

static_assert(std::ranges::is_sorted(kAggregates) && std::ranges::is_sorted(kWindowFunctions));
static_assert(std::ranges::is_sorted(kPseudoColumns) && std::ranges::is_sorted(kDateParts));
static_assert(std::ranges::is_sorted(kOfBigquery) && std::ranges::is_sorted(kOfPostgres));
static_assert(std::ranges::is_sorted(kOfOracle) && std::ranges::is_sorted(kOfDuckdb));

template <class Words>
bool has(const Words& words, std::string_view word) {
  return std::binary_search(words.begin(), words.end(), word);
}

struct Function {
  std::string_view name;
  std::array<std::string_view, 7> columns;
  bool alias_is_column;
};
constexpr std::array kTableFunctions{
    Function{"explode", {"col"}, false},
    Function{"explode_outer", {"col"}, false},
    Function{"flatten", {"seq", "key", "path", "index", "value", "this"}, false},
    Function{"generate_array", {"generate_array"}, true},
    Function{"generate_date_array", {"generate_date_array"}, true},
    Function{"generate_series", {"generate_series"}, true},
    Function{"generate_subscripts", {"generate_subscripts"}, true},
    Function{"generate_timestamp_array", {"generate_timestamp_array"}, true},
    Function{"generator", {}, false},
    Function{"inline", {}, false},
    Function{"json_array_elements", {"value"}, true},
    Function{"json_array_elements_text", {"value"}, true},
    Function{"json_each", {"key", "value"}, false},
    Function{"json_each_text", {"key", "value"}, false},
    Function{"json_object_keys", {"json_object_keys"}, true},
    Function{"jsonb_array_elements", {"value"}, true},
    Function{"jsonb_array_elements_text", {"value"}, true},
    Function{"jsonb_each", {"key", "value"}, false},
    Function{"jsonb_each_text", {"key", "value"}, false},
    Function{"jsonb_object_keys", {"jsonb_object_keys"}, true},
    Function{"numbers", {"number"}, false},
    Function{"openjson", {"key", "value", "type"}, false},
    Function{"posexplode", {"pos", "col"}, false},
    Function{"posexplode_outer", {"pos", "col"}, false},
    Function{"range", {"range"}, true},
    Function{"regexp_split_to_table", {"regexp_split_to_table"}, true},
    Function{"sequence", {"sequence"}, true},
    Function{"split_to_table", {"seq", "index", "value"}, false},
    Function{"string_split", {"value", "ordinal"}, false},
    Function{"string_to_table", {"string_to_table"}, true},
    Function{"strtok_split_to_table", {"seq", "index", "value"}, false},
    Function{"unnest", {"unnest"}, true},
};

static_assert(std::ranges::is_sorted(kTableFunctions, {}, &Function::name));

}  // namespace

bool is_aggregate(std::string_view name) { return has(kAggregates, name); }
bool is_window_function(std::string_view name) { return has(kWindowFunctions, name); }

std::size_t deciding_arguments(std::string_view name) {
  if (name == "if" || name == "iff" || name == "iif" || name == "nvl2" || name == "decode") return 1;
  return 0;
}

bool is_date_part(std::string_view name) { return has(kDateParts, ascii_lower(name)); }

bool is_pseudo_of_hierarchy(std::string_view name) {
  const std::string lower = ascii_lower(name);
  return lower == "level" || lower == "connect_by_iscycle" || lower == "connect_by_isleaf";
}

bool is_pseudo_column(std::string_view name, const sql::Dialect& dialect) {
  const std::string lower = ascii_lower(name);
  if (has(kPseudoColumns, lower)) return true;
  switch (dialect.id) {
    case sql::DialectId::kBigquery:
      return has(kOfBigquery, lower);
    case sql::DialectId::kSnowflake:
      return lower.starts_with("metadata$") || lower.starts_with('$');
    case sql::DialectId::kPostgres:
    case sql::DialectId::kRedshift:
      return has(kOfPostgres, lower);
    case sql::DialectId::kOracle:
      return has(kOfOracle, lower);
    case sql::DialectId::kDuckdb:
      return has(kOfDuckdb, lower);
    case sql::DialectId::kDatabricks:
      return lower == "_metadata";
    default:
      return false;
  }
}

std::optional<TableFunctionColumns> table_function_columns(std::string_view name, const sql::Dialect&) {
  const auto found = std::lower_bound(kTableFunctions.begin(), kTableFunctions.end(), name,
                                      [](const Function& f, std::string_view n) { return f.name < n; });
  if (found == kTableFunctions.end() || found->name != name) return std::nullopt;
  std::size_t count = 0;
  while (count < found->columns.size() && !found->columns[count].empty()) ++count;
  if (count == 0 && name != "generator") return std::nullopt;
  return TableFunctionColumns{std::span(found->columns).first(count), found->alias_is_column};
}

bool has_lateral_aliases(const sql::Dialect& dialect) {
  switch (dialect.id) {
    case sql::DialectId::kPostgres:
    case sql::DialectId::kTsql:
    case sql::DialectId::kOracle:
    case sql::DialectId::kTrino:
    case sql::DialectId::kBigquery:
    case sql::DialectId::kMysql:
      return false;
    default:
      return true;
  }
}

bool prefers_aliases(const sql::Dialect& dialect) { return dialect.id == sql::DialectId::kClickhouse; }

}  // namespace tideline::lineage
