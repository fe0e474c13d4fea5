// The real projects under TIDELINE_TEST_DATA: every manifest and catalog is taken, and what is counted in the rows is
// what another reader (a plain document tree of the whole file) counts in the file.

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>

#include <gtest/gtest.h>

#include "base/json.h"
#include "base/text.h"
#include "extract/artifacts.h"
#include "extract/rows.h"
#include "model/row_hash.h"

namespace tideline::extract {
namespace {

const ConnectionId kConnection{*Uuid::parse("11111111-2222-4333-8444-555555555555")};

std::string slurp(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

struct Counts {
  std::map<std::string, int> objects, columns, dependencies;  // by type
  std::set<std::string> files;
  bool operator==(const Counts&) const = default;
};

std::ostream& operator<<(std::ostream& out, const Counts& counts) {
  for (const auto& [name, map] :
       {std::pair("objects", &counts.objects), {"columns", &counts.columns}, {"dependencies", &counts.dependencies}}) {
    out << name << ":";
    for (const auto& [type, count] : *map) out << " " << type << "=" << count;
    out << "\n";
  }
  return out << "files: " << counts.files.size() << "\n";
}

/// Counted in the document tree.
Counts count_in_file(const Json& manifest, const Json* catalog) {
  const std::map<std::string, std::string> sections{{"sources", "source"},
                                                    {"exposures", "exposure"},
                                                    {"metrics", "metric"},
                                                    {"macros", "macro"},
                                                    {"semantic_models", "semantic_model"},
                                                    {"saved_queries", "saved_query"},
                                                    {"unit_tests", "unit_test"}};
  const std::set<std::string> node_types{"model", "seed", "snapshot", "analysis", "test"};
  const std::set<std::string> relations{"model", "seed", "snapshot", "source"};

  std::string project = manifest.find("metadata")->string_at("project_name").value_or("");
  if (project.empty()) {  // v1–v9: the root is the package none of the others is, known here by its dbt_project
    const std::string id = *manifest.find("metadata")->string_at("project_id");
    for (const char* name : {"jaffle_shop", "netsuite_integration_tests"})
      if (id == (std::string(name) == "jaffle_shop" ? "06e5b98c2db46f8a72cc4f66410e9b3b"
                                                    : "1288e68047c03dc418c42073e1469b09"))
        project = name;
  }

  std::map<std::string, std::pair<std::string, const Json*>> objects;
  const auto enabled = [](const Json& node) {
    const Json* config = node.find("config");
    const Json* flag = config != nullptr ? config->find("enabled") : nullptr;
    return flag == nullptr || flag->if_bool() == nullptr || *flag->if_bool();
  };
  for (const auto& [id, node] : *manifest.find("nodes")->if_object())
    if (const std::string type = *node.string_at("resource_type"); node_types.contains(type) && enabled(node))
      objects[id] = {type, &node};
  for (const auto& [section, type] : sections) {
    const Json* members = manifest.find(section);
    if (members == nullptr || members->if_object() == nullptr) continue;
    for (const auto& [id, node] : *members->if_object())
      if (enabled(node) && (type != "macro" || node.string_at("package_name") == project)) objects[id] = {type, &node};
  }

  Counts counts;
  for (const auto& [id, object] : objects) {
    const auto& [type, node] = object;
    ++counts.objects[type];
    const std::string package = *node->string_at("package_name"), path = *node->string_at("original_file_path");
    counts.files.insert(package == project ? path : "dbt_packages/" + package + "/" + path);

    std::multiset<std::string> documented, found;
    if (const Json* columns = node->find("columns"))
      for (const auto& [name, column] : *columns->if_object()) documented.insert(ascii_lower(name));
    const Json* config = node->find("config");
    const bool ephemeral = config != nullptr && config->string_at("materialized") == "ephemeral";
    if (catalog != nullptr && relations.contains(type) && !ephemeral)
      for (const char* section : {"nodes", "sources"})
        if (const Json* relation = catalog->find(section)->find(id))
          for (const auto& [name, column] : *relation->find("columns")->if_object()) found.insert(ascii_lower(name));
    int total = static_cast<int>(found.size());
    for (const auto& name : documented)
      if (const auto at = found.find(name); at != found.end())
        found.erase(at);
      else
        ++total;
    if (total > 0) counts.columns[type] += total;

    const Json* depends = node->find("depends_on");
    if (depends == nullptr) continue;
    std::set<std::string> upstreams;
    for (const char* list : {"nodes", "macros"})
      if (const Json* ids = depends->find(list); ids != nullptr && ids->if_array() != nullptr)
        for (const Json& upstream : *ids->if_array()) upstreams.insert(*upstream.if_string());
    for (const auto& upstream : upstreams)
      if (objects.contains(upstream)) ++counts.dependencies[objects[upstream].first + " → " + type];
  }
  return counts;
}

Counts count_in_rows(const Artifacts& artifacts) {
  Counts counts;
  std::map<Uuid, std::string> types;
  for (std::size_t i = 0; i < artifacts.size(); ++i)
    types[object_id(kConnection, artifacts.unique_id(i))] = artifacts.object_type(i);
  std::set<Uuid> ids, file_ids;
  for (const auto& file : artifacts.files(kConnection)) {
    counts.files.insert(file.relative_path);
    EXPECT_TRUE(file_ids.insert(file.id).second) << file.relative_path;
  }
  for (std::size_t i = 0; i < artifacts.size(); ++i) {
    const auto facts = artifacts.read(i);
    if (!facts) {
      ADD_FAILURE() << describe(facts.error());
      continue;
    }
    const auto rows = to_rows(*facts, nullptr, kConnection);
    ++counts.objects[rows.object.object_type];
    EXPECT_TRUE(ids.insert(rows.object.id).second);
    EXPECT_TRUE(!rows.object.file_id || file_ids.contains(*rows.object.file_id));
    if (!rows.columns.empty()) counts.columns[rows.object.object_type] += static_cast<int>(rows.columns.size());
    std::int64_t position = 0;
    for (const auto& column : rows.columns) {
      EXPECT_TRUE(ids.insert(column.id).second) << rows.object.full_name << "." << column.name;
      EXPECT_EQ(column.position, ++position);
      EXPECT_TRUE(Json::parse(column.metadata.text, "metadata"));
    }
    for (const auto& edge : rows.dependencies) {
      EXPECT_TRUE(ids.insert(edge.id).second);
      ++counts.dependencies[types.at(edge.source_object_id) + " → " + rows.object.object_type];
      EXPECT_FALSE(edge.source_full_name.empty());
    }
    const auto metadata = Json::parse(rows.object.metadata.text, "metadata");
    EXPECT_TRUE(metadata) << rows.object.metadata.text;
    if (metadata) EXPECT_EQ(metadata->canonical(), rows.object.metadata.text);
    for (const char* never : {"created_at", "root_path", "build_path", "compiled_path"})
      EXPECT_EQ(rows.object.metadata.text.find("\"" + std::string(never) + "\":"), std::string::npos) << never;
  }
  return counts;
}

class RealProjects : public testing::Test {
 protected:
  void SetUp() override {
    const char* root = std::getenv("TIDELINE_TEST_DATA");
    if (root == nullptr || *root == '\0') GTEST_SKIP() << "TIDELINE_TEST_DATA is not set";
    for (const auto& file : std::filesystem::recursive_directory_iterator(root))
      if (file.path().filename() == "manifest.json") manifests_.push_back(file.path());
    std::sort(manifests_.begin(), manifests_.end());
    ASSERT_FALSE(manifests_.empty()) << root << " holds no manifest.json";
  }

  static std::filesystem::path catalog_of(const std::filesystem::path& manifest) {
    const auto catalog = manifest.parent_path() / "catalog.json";
    return std::filesystem::exists(catalog) ? catalog : std::filesystem::path();
  }

  std::vector<std::filesystem::path> manifests_;
};

TEST_F(RealProjects, CountsEqualWhatTheFilesHold) {
  int catalogs = 0;
  for (const auto& path : manifests_) {
    SCOPED_TRACE(path.string());
    const auto catalog_path = catalog_of(path);
    const auto artifacts = Artifacts::open(path, catalog_path);
    ASSERT_TRUE(artifacts) << describe(artifacts.error());
    const auto manifest = Json::parse(slurp(path), "manifest");
    ASSERT_TRUE(manifest) << describe(manifest.error());
    std::optional<Json> catalog;
    if (!catalog_path.empty()) {
      ++catalogs;
      catalog = Json::parse(slurp(catalog_path), "catalog").value();
      ASSERT_NE(artifacts->catalog(), nullptr);
      EXPECT_EQ(artifacts->catalog()->relations,
                catalog->find("nodes")->if_object()->size() + catalog->find("sources")->if_object()->size());
    }
    EXPECT_EQ(count_in_rows(*artifacts), count_in_file(*manifest, catalog ? &*catalog : nullptr));
    for (const auto& warning : artifacts->warnings().texts) ADD_FAILURE() << warning;
  }
  std::printf("%zu manifests, %d catalogs\n", manifests_.size(), catalogs);
}

TEST_F(RealProjects, RowsDoNotDependOnTheRun) {
  for (const auto& path : manifests_) {
    SCOPED_TRACE(path.string());
    std::string text = slurp(path);
    const auto first = Artifacts::from_memory(text);
    ASSERT_TRUE(first);
    const auto replace = [&text](const std::string& from, const std::string& to) {
      for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
        text.replace(at, from.size(), to);
    };
    replace(first->manifest().invocation_id, "0f0e0d0c-1111-4222-8333-444455556666");
    replace("\"created_at\": 1", "\"created_at\": 2");
    replace("\"root_path\": \"", "\"root_path\": \"/elsewhere");
    const auto second = Artifacts::from_memory(text);
    ASSERT_TRUE(second);
    ASSERT_EQ(first->size(), second->size());
    for (std::size_t i = 0; i < first->size(); ++i) {
      const auto a = to_rows(*first->read(i), nullptr, kConnection),
                 b = to_rows(*second->read(i), nullptr, kConnection);
      EXPECT_EQ(row_hash(a.object), row_hash(b.object)) << a.object.full_name;
    }
  }
}

TEST_F(RealProjects, AHistoryPushedInOrderLeavesWhatItsLastVersionLeavesAlone) {
  using Rows = std::map<std::string, ObjectRows>;
  const auto push = [](const std::filesystem::path& path, const Rows& held) {
    const auto artifacts = Artifacts::open(path, catalog_of(path)).value();
    Rows rows;
    for (std::size_t i = 0; i < artifacts.size(); ++i) {
      const auto facts = artifacts.read(i).value();
      const auto before = held.find(facts.unique_id);
      std::optional<Retained> retained;
      if (before != held.end() && needs_retained(facts))
        retained = Retained{before->second.object.compiled_definition, before->second.object.content_hash,
                            before->second.object.metadata, before->second.columns};
      rows[facts.unique_id] = to_rows(facts, retained ? &*retained : nullptr, kConnection);
    }
    return rows;
  };
  std::vector<std::filesystem::path> history;
  for (const auto& path : manifests_)
    if (path.string().find("/history/") != std::string::npos) history.push_back(path);
  if (history.empty()) GTEST_SKIP() << "no project with a history";
  Rows held;
  for (const auto& path : history) held = push(path, held);
  const Rows alone = push(history.back(), {});
  ASSERT_EQ(held.size(), alone.size());
  for (const auto& [id, rows] : alone) {
    EXPECT_EQ(row_hash(held.at(id).object), row_hash(rows.object)) << id;
    ASSERT_EQ(held.at(id).columns.size(), rows.columns.size()) << id;
    for (std::size_t i = 0; i < rows.columns.size(); ++i)
      EXPECT_EQ(row_hash(held.at(id).columns[i]), row_hash(rows.columns[i])) << id;
  }
}

TEST_F(RealProjects, PackagesOwnNothingOfTheMacros) {
  for (const auto& path : manifests_) {
    const auto artifacts = Artifacts::open(path, {});
    ASSERT_TRUE(artifacts);
    EXPECT_FALSE(artifacts->manifest().project_name.empty());
    for (std::size_t i = 0; i < artifacts->size(); ++i)
      if (artifacts->object_type(i) == "macro")
        EXPECT_TRUE(artifacts->unique_id(i).starts_with("macro." + artifacts->manifest().project_name + "."));
  }
}

}  // namespace
}  // namespace tideline::extract
