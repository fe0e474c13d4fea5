// The real projects under TIDELINE_TEST_DATA: what is read from a template is what dbt itself noted of it.

#include <cstdlib>
#include <deque>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <set>

#include <gtest/gtest.h>

#include "base/json.h"
#include "sql/jinja.h"
#include "sql/jinja_macros.h"

namespace tideline::sql {
namespace {

using Names = std::set<std::string>;

std::string ref_name(std::string_view package, std::string_view name, std::string_view version) {
  return "ref " + (package.empty() ? "" : std::string(package) + ".") + std::string(name) +
         (version.empty() ? "" : " v" + std::string(version));
}

/// `refs` and `sources` of a node, in any version's spelling.
Names noted(const Json& node) {
  Names names;
  if (const Json* refs = node.find("refs"); refs != nullptr && refs->if_array() != nullptr)
    for (const Json& ref : *refs->if_array()) {
      if (const auto* parts = ref.if_array()) {
        names.insert(ref_name(parts->size() > 1 ? *(*parts)[0].if_string() : "", *parts->back().if_string(), ""));
      } else {
        const Json* version = ref.find("version");
        const std::string number = version == nullptr || version->is_null() ? ""
                                   : version->if_string() != nullptr        ? *version->if_string()
                                                                            : version->canonical();
        names.insert(ref_name(ref.string_at("package").value_or(""), *ref.string_at("name"), number));
      }
    }
  if (const Json* sources = node.find("sources"); sources != nullptr && sources->if_array() != nullptr)
    for (const Json& source : *sources->if_array())
      names.insert("source " + *(*source.if_array())[0].if_string() + "." + *(*source.if_array())[1].if_string());
  return names;
}

/// What comes with dbt and its adapters, and stands in no project.
bool is_dbts_own(const std::string& package) {
  static const Names kOwn{"dbt",           "dbt_postgres", "dbt_redshift", "dbt_snowflake",  "dbt_bigquery",
                          "dbt_spark",     "dbt_duckdb",   "dbt_trino",    "dbt_clickhouse", "dbt_databricks",
                          "dbt_sqlserver", "dbt_oracle",   "dbt_vertica",  "dbt_starrocks",  "dbt_athena",
                          "dbt_fabric"};
  return kOwn.contains(package);
}

/// The macros of a manifest, but dbt's own.
class Macros {
 public:
  explicit Macros(const Json& manifest) : library(manifest.find("metadata")->string_at("project_name").value_or("")) {
    for (const auto& [id, macro] : *manifest.find("macros")->if_object()) {
      const std::string package = *macro.string_at("package_name");
      if (is_dbts_own(package)) continue;
      texts_.push_back(macro.string_at("macro_sql").value_or(""));
      library.add(package, texts_.back());
      bodies_[*macro.string_at("name")] = read_jinja(texts_.back());
    }
  }
  struct Found {
    Names sure, possible;
    bool marked = false;  // what it refers to depends on a variable, or on a macro that is not known
    Names seen;
  };
  void add(const JinjaResult& result, Found& found, bool sure) const {
    for (const auto& relation : result.relations) {
      if (relation.certainty == Certainty::kNever || relation.kind == JinjaRelation::Kind::kThis) continue;
      const std::string name = relation.kind == JinjaRelation::Kind::kRef
                                   ? ref_name(relation.package, relation.name, relation.version)
                                   : "source " + relation.source + "." + relation.name;
      found.possible.insert(name);
      if (sure && relation.certainty == Certainty::kAlways) found.sure.insert(name);
    }
    for (const auto& opaque : result.opaque) found.marked |= opaque.reason == OpaqueReason::kVariable;
    for (const auto& dynamic : result.dynamic) found.marked |= dynamic.certainty != Certainty::kNever;
    for (const auto& call : result.macros) {
      if (call.certainty == Certainty::kNever || call.expanded) continue;
      for (const std::string& name : {call.name, "default__" + call.name}) {
        const auto body = bodies_.find(name);
        if (body != bodies_.end() && found.seen.insert(name).second) add(body->second, found, false);
      }
    }
  }

  JinjaMacros library;

 private:
  std::deque<std::string> texts_;
  std::map<std::string, JinjaResult> bodies_;
};

TEST(JinjaRealData, FindsTheRefsAndSourcesThatDbtNoted) {
  const char* root = std::getenv("TIDELINE_TEST_DATA");
  if (root == nullptr) GTEST_SKIP() << "TIDELINE_TEST_DATA is not set";
  std::size_t models = 0, same = 0, exact = 0, unmarked = 0, relations = 0, opaque = 0, problems = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(std::filesystem::path(root) / "dbt")) {
    if (entry.path().filename() != "manifest.json") continue;
    std::ifstream in(entry.path(), std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(in), {}};
    const auto manifest = Json::parse(text, "manifest");
    ASSERT_TRUE(manifest) << entry.path();
    const Macros macros(*manifest);
    for (const auto& [id, node] : *manifest->find("nodes")->if_object()) {
      const auto type = node.string_at("resource_type");
      if (type != "model" && type != "snapshot" && type != "analysis") continue;
      if (node.string_at("language").value_or("sql") != "sql") continue;
      auto code = node.string_at("raw_code");
      if (!code) code = node.string_at("raw_sql");
      if (!code) continue;
      JinjaOptions options;
      options.macros = &macros.library;
      options.package = node.string_at("package_name").value_or("");
      const JinjaResult result = read_jinja(*code, options);
      Macros::Found found;
      macros.add(result, found, true);
      const Names expected = noted(node);
      ++models;
      relations += expected.size();
      opaque += result.opaque.empty() ? 0 : 1;
      problems += result.problems.size();
      for (const auto& problem : result.problems)
        std::cout << id << " at " << problem.file.begin << ": " << problem.message << "\n";
      std::string missing, wrong;
      for (const auto& name : expected)
        if (!found.possible.contains(name)) missing += " -" + name;
      for (const auto& name : found.sure)
        if (!expected.contains(name)) wrong += " +" + name;
      same += missing.empty() && wrong.empty() ? 1 : 0;
      exact += found.possible == expected ? 1 : 0;
      unmarked += (!missing.empty() && !found.marked) || !wrong.empty() ? 1 : 0;
      if (!missing.empty() || !wrong.empty())
        std::cout << std::filesystem::relative(entry.path().parent_path(), root).string() << " " << id << ":" << missing
                  << wrong << (found.marked ? " (marked)\n" : "\n");
    }
  }
  std::cout << same << " of " << models << " models (" << relations << " relations), " << exact
            << " with not even a possible one too many; " << opaque << " with something opaque\n";
  ASSERT_GT(models, 0U);
  EXPECT_EQ(problems, 0U);
  // Where something is missing it says that it could not know.
  EXPECT_LE(static_cast<double>(unmarked), 0.005 * static_cast<double>(models));
}

}  // namespace
}  // namespace tideline::sql
