#pragma once
// The compiled SQL of the real projects under TIDELINE_TEST_DATA, with its dialect.

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "base/json.h"
#include "sql/dialect.h"

namespace tideline::sql::test {

struct CorpusText {
  std::string origin;  // folder::unique_id
  std::string adapter;
  std::string text;
};

/// Empty without TIDELINE_TEST_DATA.
inline std::vector<CorpusText> corpus() {
  std::vector<CorpusText> out;
  const char* root = std::getenv("TIDELINE_TEST_DATA");
  if (root == nullptr || *root == '\0') return out;
  std::vector<std::filesystem::path> manifests;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(std::filesystem::path(root) / "dbt")) {
    if (entry.path().filename() == "manifest.json") manifests.push_back(entry.path());
  }
  std::sort(manifests.begin(), manifests.end());
  for (const auto& path : manifests) {
    std::ifstream file(path);
    std::stringstream content;
    content << file.rdbuf();
    auto manifest = Json::parse(content.str(), path.string());
    if (!manifest) continue;
    const auto* metadata = manifest->find("metadata");
    const auto* nodes = manifest->find("nodes");
    if (metadata == nullptr || nodes == nullptr || nodes->if_object() == nullptr) continue;
    auto adapter = metadata->string_at("adapter_type").value_or("");
    for (const auto& [id, node] : *nodes->if_object()) {
      if (node.string_at("language").value_or("sql") != "sql") continue;
      auto text = node.string_at("compiled_code");
      if (!text || text->empty()) text = node.string_at("compiled_sql");
      if (!text || text->empty()) continue;
      out.push_back({path.parent_path().filename().string() + "::" + id, adapter, *text});
    }
  }
  return out;
}

}  // namespace tideline::sql::test
