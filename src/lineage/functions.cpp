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
constexpr std::string_view kAggregates[] = {
    "ai_agg", "ai_summarize_agg", "any", "any_respect_nulls", "any_value", "anyheavy", "anylast",
    "anylast_respect_nulls", "approx_count_distinct", "approx_distinct", "approx_median", "approx_most_frequent",
    "approx_percentile", "approx_percentile_accumulate", "approx_percentile_combine", "approx_percentile_estimate",
    "approx_quantile", "approx_quantiles", "approx_set", "approx_top_count", "approx_top_k",
    "approx_top_k_accumulate", "approx_top_k_combine", "approx_top_k_estimate", "approx_top_sum",
    "approximate_jaccard_index", "approximate_percentile", "approximate_similarity", "arbitrary", "arg_max",
    "arg_max_null", "arg_min", "arg_min_null", "argmax", "argmin", "array_agg", "array_concat_agg", "array_union_agg",
    "array_unique_agg", "avg", "avgif", "avgweighted", "bit_and", "bit_or", "bit_xor", "bitand_agg", "bitmap_agg",
    "bitmap_and_agg", "bitmap_construct_agg", "bitmap_intersect", "bitmap_or_agg", "bitmap_union",
    "bitmap_union_count", "bitor_agg", "bitstring_agg", "bitwise_and_agg", "bitwise_or_agg", "bitwise_xor_agg",
    "bitxor_agg", "bool_and", "bool_or", "booland_agg", "boolor_agg", "boolxor_agg", "boundingratio", "checksum",
    "checksum_agg", "cluster_set", "collect", "collect_list", "collect_set", "corr", "corr_k", "corr_s", "count",
    "count_big", "count_if", "count_min_sketch", "count_star", "countif", "covar_pop", "covar_samp", "covarpop",
    "covarsamp", "datasketches_hll_accumulate", "datasketches_hll_combine", "deltasum", "deltasumtimestamp",
    "ds_hll_estimate", "entropy", "evaluate_classifier_predictions", "every", "exponentialmovingaverage", "favg",
    "first", "first_value_respect_nulls", "fmode", "fsum", "geometric_mean", "group_array", "group_bit_xor",
    "group_concat", "grouparray", "grouparrayinsertat", "grouparraylast", "grouparraymovingavg",
    "grouparraymovingsum", "grouparraysample", "grouparraysorted", "groupbitand", "groupbitmap", "groupbitor",
    "groupbitxor", "groupconcat", "groupuniqarray", "hash_agg", "histogram", "histogram_exact", "hll",
    "hll_accumulate", "hll_combine", "hll_estimate", "hll_export", "hll_sketch_agg", "hll_union", "hll_union_agg",
    "intersect_count", "json_agg", "json_agg_strict", "json_arrayagg", "json_group_array", "json_group_object",
    "json_object_agg", "json_objectagg", "jsonb_agg", "jsonb_agg_strict", "jsonb_object_agg",
    "jsonb_object_agg_strict", "jsonb_object_agg_unique", "kahan_sum", "kurtosis", "kurtpop", "kurtsamp",
    "largesttrianglethreebuckets", "last", "learn_classifier", "list", "listagg", "logical_and", "logical_or", "mad",
    "map_agg", "map_union", "max", "max_by", "maxif", "maxmap", "mean", "median", "min", "min_by", "minhash",
    "minhash_combine", "minif", "minmap", "mode", "multimap_agg", "ndv", "numeric_histogram", "object_agg",
    "percentile", "percentile_approx", "percentile_cont", "percentile_disc", "product", "qdigest_agg", "quantile",
    "quantile_cont", "quantile_disc", "quantilebfloat16", "quantiledeterministic", "quantileexact",
    "quantileexacthigh", "quantileexactlow", "quantileexactweighted", "quantileinterpolatedweighted", "quantiles",
    "quantilesexact", "quantilestdigest", "quantilestiming", "quantiletdigest", "quantiletdigestweighted",
    "quantiletiming", "range_agg", "range_intersect_agg", "reduce_agg", "regr_avgx", "regr_avgy", "regr_count",
    "regr_intercept", "regr_r2", "regr_slope", "regr_sxx", "regr_sxy", "regr_syy", "reservoir_quantile", "retention",
    "schema_of_json_agg", "schema_of_variant_agg", "sem", "sequencecount", "sequencematch", "set_agg",
    "simplelinearregression", "skewness", "skewpop", "skewsamp", "st_aggregate_union", "st_clusterintersecting",
    "st_collect", "st_extent", "st_makeline", "st_memunion", "st_union", "st_union_agg", "stats_mode", "std",
    "stddev", "stddev_pop", "stddev_samp", "stddevpop", "stddevsamp", "stdev", "stdevp", "stochasticlinearregression",
    "string_agg", "sum", "sumcount", "sumif", "sumkahan", "summap", "summapwithoverflow", "sumwithoverflow",
    "tdigest_agg", "topk", "topkweighted", "try_avg", "try_sum", "uniq", "uniqcombined", "uniqcombined64",
    "uniqexact", "uniqhll12", "uniqthetasketch", "uniqupto", "var", "var_pop", "var_samp", "variance", "variance_pop",
    "variance_samp", "varp", "varpop", "varsamp", "windowfunnel", "wm_concat", "xmlagg"};

constexpr std::array kCombinators{"simplestate"sv, "distinct"sv, "ordefault"sv, "foreach"sv, "resample"sv, "argmax"sv,
                                  "argmin"sv,      "ornull"sv,   "array"sv,     "merge"sv,   "state"sv,    "map"sv,
                                  "if"sv};

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
  return std::binary_search(std::begin(words), std::end(words), word);
}

struct Function {
  std::string_view name;
  std::array<std::string_view, 8> columns;
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

/// Those of one name that are others in some dialect.
struct OwnFunction {
  sql::DialectId dialect;
  Function function;
};
constexpr std::array<std::string_view, 8> kJsonEach{"key", "value", "type", "atom", "id", "parent", "fullkey", "path"};
constexpr OwnFunction kOwnFunctions[] = {
    {sql::DialectId::kDatabricks, {"range", {"id"}, false}},
    {sql::DialectId::kTrino, {"sequence", {"sequential_number"}, false}},
    {sql::DialectId::kTsql, {"generate_series", {"value"}, false}},
    {sql::DialectId::kSqlite, {"generate_series", {"value"}, false}},
    {sql::DialectId::kSqlite, {"json_each", kJsonEach, false}},
    {sql::DialectId::kSqlite, {"json_tree", kJsonEach, false}},
    {sql::DialectId::kDuckdb, {"json_each", kJsonEach, false}},
    {sql::DialectId::kDuckdb, {"json_tree", kJsonEach, false}},
};

}  // namespace

bool is_aggregate(std::string_view name) {
  if (has(kAggregates, name)) return true;
  // ClickHouse's combinators: sumIf, uniqStateOrNull, avgMergeIf …
  bool more = true;
  while (more) {
    more = false;
    for (const std::string_view suffix : kCombinators) {
      if (name.size() <= suffix.size() || !name.ends_with(suffix)) continue;
      name.remove_suffix(suffix.size());
      if (has(kAggregates, name)) return true;
      more = true;
      break;
    }
  }
  return false;
}

bool is_conditional_aggregate(std::string_view name) {
  return name.size() > 2 && name.ends_with("if") && name != "countif" && name != "count_if" && is_aggregate(name);
}
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

std::optional<TableFunctionColumns> table_function_columns(std::string_view name, const sql::Dialect& dialect) {
  const Function* known = nullptr;
  for (const auto& own : kOwnFunctions)
    if (own.dialect == dialect.id && own.function.name == name) known = &own.function;
  if (known == nullptr) {
    const auto found = std::lower_bound(kTableFunctions.begin(), kTableFunctions.end(), name,
                                        [](const Function& f, std::string_view n) { return f.name < n; });
    if (found == kTableFunctions.end() || found->name != name) return std::nullopt;
    known = &*found;
  }
  std::size_t count = 0;
  while (count < known->columns.size() && !known->columns[count].empty()) ++count;
  if (count == 0 && name != "generator") return std::nullopt;
  return TableFunctionColumns{std::span(known->columns).first(count), known->alias_is_column};
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
