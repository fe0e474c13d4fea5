#pragma once
// dbt artifacts of any schema version, made up: a chain of models over sources and seeds, with tests, macros and, where
// the version has them, exposures, metrics, semantic models, saved queries, unit tests and groups. The same options
// give the same bytes. What a version spells otherwise (raw_sql, root_path, the missing project_name …) is spelt so.

#include <cstdint>
#include <functional>
#include <random>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "base/json.h"

namespace tideline::testing_support {

struct ManifestOptions {
  int version = 12;
  int models = 5;
  int columns = 3;         // documented, of each model
  bool compiled = true;    // whether models and tests carry compiled SQL
  std::uint32_t seed = 1;  // of the made-up words
  /// The first `changed_models` models have other SQL and descriptions for each `revision`.
  int revision = 0;
  int changed_models = 0;
  /// What differs from run to run and from folder to folder.
  std::string invocation_id = "6f1c2a30-0000-4000-8000-00000000000a";
  std::string generated_at = "2026-01-31T12:00:00.000000Z";
  std::string root_path = "/home/ada/shop";
  double created_at = 1'769'860'800.25;
};

inline constexpr std::string_view kGeneratedProject = "shop";
/// MD5 of "shop".
inline constexpr std::string_view kGeneratedProjectId = "fb54f3c5992b96d001bb16e8e92d968d";

/// The number of each model's relation: m0, m1 …; model i reads model i-1, model 0 reads the source and the seed.
class GeneratedProject {
 public:
  explicit GeneratedProject(ManifestOptions options) : o_(std::move(options)), random_(o_.seed) {}

  std::string manifest() {
    std::string out;
    JsonWriter w(out);
    w.begin_object();
    metadata(w, "manifest", o_.version);
    w.key("nodes").begin_object();
    for (int i = 0; i < o_.models; ++i) model(w, i);
    seed(w);
    for (int i = 0; i < o_.models; ++i) test(w, i);
    w.end_object();
    w.key("sources").begin_object();
    source(w);
    w.end_object();
    w.key("macros").begin_object();
    macro(w, kGeneratedProject, "cents");
    macro(w, "dbt", "run_query");
    w.end_object();
    w.key("exposures").begin_object();
    exposure(w);
    w.end_object();
    if (o_.version >= 4) {
      w.key("metrics").begin_object();
      metric(w);
      w.end_object();
    }
    if (o_.version >= 9) groups(w);
    if (o_.version >= 10) semantic_models(w);
    if (o_.version >= 11) unit_tests(w);
    w.key("docs").begin_object().end_object();
    w.key(o_.version >= 3 ? "disabled" : "a_key_nobody_knows").begin_object().end_object();
    w.key("parent_map").begin_object().end_object();
    w.end_object();
    return out;
  }

  /// Covers the models (but the last, as if it had failed to build) and the source. Each model has one column more than
  /// is documented, names are in upper case as Snowflake has them.
  std::string catalog() {
    std::string out;
    JsonWriter w(out);
    w.begin_object();
    metadata(w, "catalog", 1);
    w.key("nodes").begin_object();
    for (int i = 0; i + 1 < o_.models; ++i) table(w, model_id(i), fmt::format("M{}", i), o_.columns + 1);
    w.end_object();
    w.key("sources").begin_object();
    table(w, "source.shop.raw.orders", "ORDERS", 2);
    w.end_object();
    w.key("errors").null();
    w.end_object();
    return out;
  }

  static std::string model_id(int i) { return fmt::format("model.shop.m{}", i); }

 private:
  bool old_sql() const { return o_.version < 7; }
  std::string word() {
    static constexpr std::string_view kWords[] = {"order", "customer", "price",  "paid",  "daily", "net",
                                                  "store", "weekly",   "refund", "gross", "açaí",  "\"quoted\""};
    return std::string(kWords[random_() % std::size(kWords)]);
  }
  std::string words(int count) {
    std::string text;
    for (int i = 0; i < count; ++i) text += (i > 0 ? " " : "") + word();
    return text;
  }

  void metadata(JsonWriter& w, std::string_view kind, int version) {
    w.key("metadata").begin_object();
    w.key("dbt_schema_version").string(fmt::format("https://schemas.getdbt.com/dbt/{}/v{}.json", kind, version));
    w.key("dbt_version").string(fmt::format("1.{}.0", o_.version - 4 > 0 ? o_.version - 4 : 0));
    w.key("generated_at").string(o_.generated_at);
    w.key("invocation_id").string(o_.invocation_id);
    w.key("env").begin_object().end_object();
    if (kind == "manifest") {
      w.key("project_id").string(kGeneratedProjectId);
      w.key("user_id").null();
      w.key("adapter_type").string("snowflake");
      if (o_.version >= 10) w.key("project_name").string(kGeneratedProject);
    }
    w.end_object();
  }

  void common(JsonWriter& w, std::string_view id, std::string_view type, std::string_view name, std::string_view path) {
    w.key("unique_id").string(id);
    w.key("resource_type").string(type);
    w.key("name").string(name);
    w.key("package_name").string(kGeneratedProject);
    w.key("path").string(path);
    w.key("original_file_path").string(path);
    if (o_.version < 8) w.key("root_path").string(o_.root_path);
    w.key("created_at").raw(fmt::format("{}", o_.created_at));
  }
  void list(JsonWriter& w, const char* key, std::initializer_list<std::string> items) {
    w.key(key).begin_array();
    for (const auto& item : items) w.string(item);
    w.end_array();
  }
  void depends(JsonWriter& w, std::initializer_list<std::string> nodes, std::initializer_list<std::string> macros) {
    w.key("depends_on").begin_object();
    list(w, "macros", macros);
    list(w, "nodes", nodes);
    w.end_object();
  }
  void code(JsonWriter& w, const std::string& raw, const std::string& compiled) {
    w.key(old_sql() ? "raw_sql" : "raw_code").string(raw);
    if (!old_sql()) w.key("language").string("sql");
    if (!o_.compiled) return;
    w.key("compiled").boolean(true);
    w.key("compiled_path").string(o_.root_path + "/target/compiled/x.sql");
    w.key(old_sql() ? "compiled_sql" : "compiled_code").string(compiled);
  }

  void model(JsonWriter& w, int i) {
    const std::string id = model_id(i), name = fmt::format("m{}", i);
    const int revision = i < o_.changed_models ? o_.revision : 0;
    const std::string upstream = i == 0 ? "{{ source('raw', 'orders') }}" : fmt::format("{{{{ ref('m{}') }}}}", i - 1);
    w.key(id).begin_object();
    common(w, id, "model", name, fmt::format("models/{}.sql", name));
    w.key("database").string("analytics").key("schema").string("main").key("alias").string(name);
    w.key("checksum").begin_object().key("name").string("sha256");
    w.key("checksum").string(fmt::format("{:064x}", i * 1000 + revision)).end_object();
    w.key("description").string(fmt::format("Model {} of {}, revision {}", i, words(4), revision));
    w.key("tags").begin_array().string("nightly").string("core").string("nightly").end_array();
    w.key("meta").begin_object().key("owner").string(i % 2 == 0 ? "Ada" : "").key("rank").number(i).end_object();
    w.key("config").begin_object().key("enabled").boolean(true);
    w.key("materialized").string(i % 2 == 0 ? "table" : "view").end_object();
    w.key("columns").begin_object();
    for (int c = 0; c < o_.columns; ++c) {
      const std::string column = fmt::format("c{}", c);
      w.key(column).begin_object().key("name").string(column).key("description");
      w.string(c == 1 ? "" : fmt::format("column {} {}", c, words(3))).key("data_type").null();
      w.key("meta").begin_object().end_object().key("tags").begin_array().end_array();
      if (o_.version >= 9 && c == 0)
        w.key("constraints").begin_array().begin_object().key("type").string("primary_key").end_object().end_array();
      w.end_object();
    }
    w.end_object();
    w.key("patch_path").string("shop://models/schema.yml");
    w.key("relation_name").string(fmt::format("\"analytics\".\"main\".\"{}\"", name));
    if (i == 0)
      depends(w, {"source.shop.raw.orders", "seed.shop.rates"}, {"macro.shop.cents", "macro.dbt.run_query"});
    else
      depends(w, {model_id(i - 1)}, {});
    code(w,
         fmt::format("select *, '{}' as run, {} as r -- {}\nfrom {}", o_.invocation_id, revision, words(5), upstream),
         fmt::format("select *, '{}' as run, {} as r\nfrom analytics.main.x", o_.invocation_id, revision));
    if (o_.version >= 9) w.key("group").string("finance").key("access").string("protected");
    w.end_object();
  }

  void seed(JsonWriter& w) {
    w.key("seed.shop.rates").begin_object();
    common(w, "seed.shop.rates", "seed", "rates", "seeds/rates.csv");
    w.key("database").string("analytics").key("schema").string("main").key("alias").string("rates");
    w.key("config").begin_object().key("enabled").boolean(true).key("materialized").string("seed").end_object();
    w.key("columns").begin_object().end_object();
    depends(w, {}, {});
    w.key(old_sql() ? "raw_sql" : "raw_code").string("");
    w.end_object();
  }

  void test(JsonWriter& w, int i) {
    const std::string id = fmt::format("test.shop.not_null_m{}_c0.{:010x}", i, i);
    w.key(id).begin_object();
    common(w, id, "test", fmt::format("not_null_m{}_c0", i), "models/schema.yml");
    w.key("config").begin_object().key("enabled").boolean(true).key("severity").string("ERROR").end_object();
    w.key("column_name").string("c0");
    w.key("test_metadata").begin_object().key("name").string("not_null").key("kwargs").begin_object();
    w.key("column_name").string("c0").end_object().key("namespace").null().end_object();
    depends(w, {model_id(i)}, {"macro.dbt.run_query"});
    code(w, "{{ test_not_null(**_dbt_generic_test_kwargs) }}", fmt::format("select c0 from m{} where c0 is null", i));
    w.end_object();
  }

  void source(JsonWriter& w) {
    w.key("source.shop.raw.orders").begin_object();
    common(w, "source.shop.raw.orders", "source", "orders", "models/schema.yml");
    w.key("database").string("lake").key("schema").string("raw").key("identifier").string("ORDERS_V2");
    w.key("source_name").string("raw").key("loader").string("fivetran").key("description").string(words(6));
    w.key("freshness").begin_object().key("warn_after").begin_object().key("count").number(12).key("period");
    w.string("hour").end_object().key("error_after").begin_object().key("count").null().end_object().end_object();
    w.key("columns").begin_object().end_object();
    w.end_object();
  }

  void macro(JsonWriter& w, std::string_view package, std::string_view name) {
    const std::string id = fmt::format("macro.{}.{}", package, name);
    w.key(id).begin_object();
    w.key("unique_id").string(id).key("name").string(name).key("package_name").string(package);
    w.key("original_file_path").string(fmt::format("macros/{}.sql", name));
    w.key("macro_sql").string(fmt::format("{{% macro {}(x) %}} {{{{ x }}}} / 100 {{% endmacro %}}", name));
    w.key("depends_on").begin_object();
    list(w, "macros", {"macro.dbt.run_query"});
    w.end_object();
    w.end_object();
  }

  void exposure(JsonWriter& w) {
    w.key("exposure.shop.board").begin_object();
    common(w, "exposure.shop.board", "exposure", "board", "models/schema.yml");
    w.key("type").string("dashboard").key("maturity").string("high").key("url").string("https://bi.example/1");
    w.key("owner").begin_object().key("name").string("Grace").key("email").string("grace@shop.example").end_object();
    depends(w, {model_id(o_.models - 1)}, {});
    w.end_object();
  }

  void metric(JsonWriter& w) {
    w.key("metric.shop.revenue").begin_object();
    common(w, "metric.shop.revenue", "metric", "revenue", "models/schema.yml");
    w.key("label").string("Revenue").key(o_.version >= 6 && o_.version < 10 ? "calculation_method" : "type");
    w.string("sum");
    depends(w, {model_id(0)}, {});
    w.end_object();
  }

  void groups(JsonWriter& w) {
    w.key("groups").begin_object().key("group.shop.finance").begin_object();
    w.key("name").string("finance").key("package_name").string(kGeneratedProject);
    w.key("owner").begin_object().key("name").null().key("email").string("finance@shop.example").end_object();
    w.end_object().end_object();
  }

  void semantic_models(JsonWriter& w) {
    w.key("semantic_models").begin_object().key("semantic_model.shop.orders").begin_object();
    common(w, "semantic_model.shop.orders", "semantic_model", "orders", "models/schema.yml");
    w.key("model").string("ref('m0')").key("entities").begin_array().begin_object().key("name").string("order");
    w.key("type").string("primary").key("role").null().end_object().end_array();
    depends(w, {model_id(0)}, {});
    w.end_object().end_object();
    w.key("saved_queries").begin_object().key("saved_query.shop.weekly").begin_object();
    common(w, "saved_query.shop.weekly", "saved_query", "weekly", "models/schema.yml");
    depends(w, {"metric.shop.revenue"}, {});
    w.end_object().end_object();
  }

  void unit_tests(JsonWriter& w) {
    w.key("unit_tests").begin_object().key("unit_test.shop.m0.rounds").begin_object();
    common(w, "unit_test.shop.m0.rounds", "unit_test", "rounds", "models/schema.yml");
    w.key("model").string("m0").key("checksum").string("abc");
    depends(w, {model_id(0)}, {});
    w.end_object().end_object();
  }

  void table(JsonWriter& w, std::string_view id, std::string_view name, int columns) {
    w.key(id).begin_object().key("unique_id").string(id).key("metadata").begin_object();
    w.key("type").string("BASE TABLE").key("schema").string("MAIN").key("name").string(name);
    w.key("database").string("ANALYTICS").key("comment").null().key("owner").string("LOADER").end_object();
    w.key("columns").begin_object();
    for (int c = columns - 1; c >= 0; --c) {  // not in order: `index` says what the order is
      w.key(fmt::format("C{}", c)).begin_object().key("name").string(fmt::format("C{}", c)).key("type");
      w.string(c % 2 == 0 ? "NUMBER" : "TEXT").key("index").number(c + 1).key("comment");
      if (c == 1) w.string("what the warehouse says");
      if (c != 1) w.null();
      w.end_object();
    }
    w.end_object().key("stats").begin_object().end_object().end_object();
  }

  ManifestOptions o_;
  std::mt19937 random_;
};

inline std::string generated_manifest(const ManifestOptions& options) { return GeneratedProject(options).manifest(); }
inline std::string generated_catalog(const ManifestOptions& options) { return GeneratedProject(options).catalog(); }

}  // namespace tideline::testing_support
