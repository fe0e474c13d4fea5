// A dbt project from a stranger: files that begin with a line "=== path" each. Whatever they hold, the project is
// refused, or described by a manifest that the reader of manifests takes, whole, and that has a lineage.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "extract/artifacts.h"
#include "extract/lineage_rows.h"
#include "extract/project_source.h"
#include "extract/rows.h"
#include "extract/yaml.h"

namespace {

void demand(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tideline;
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  if (const auto yaml = extract::read_yaml(rest, "f.yml"); yaml) {
    const std::string text = yaml->to_json().canonical();
    const auto again = Json::parse(text, "yaml");
    demand(again && again->canonical() == text);
  }
  extract::ProjectFiles files;
  files.packages.push_back({"", {}});
  while (rest.starts_with("=== ")) {
    const std::size_t line = rest.find('\n');
    if (line == rest.npos) break;
    extract::SourceFile file;
    file.path = rest.substr(4, line - 4);
    std::size_t end = rest.find("\n=== ", line);
    if (end == rest.npos) end = rest.size() - 1;
    file.text = rest.substr(line + 1, end > line ? end - line : 0);
    rest.remove_prefix(end + 1);
    if (file.path.starts_with("q/")) {
      if (files.packages.size() == 1) files.packages.push_back({"dbt_packages/q", {}});
      file.path.erase(0, 2);
      files.packages.back().files.push_back(std::move(file));
    } else {
      files.packages.front().files.push_back(std::move(file));
    }
  }
  const auto document = extract::describe_project(files, size % 3 == 0 ? "redshift" : "");
  if (!document) {
    demand(!document.error().message.empty() && document.error().code != Code::kInternal);
    return 0;
  }
  demand(document->objects == 0 || !document->manifest.empty());
  if (document->objects == 0) return 0;
  const auto artifacts = extract::Artifacts::from_memory(document->manifest);
  if (!artifacts) {  // a name too long for a database, say; never text that is no manifest
    demand(artifacts.error().message.find("not valid JSON") == std::string::npos);
    return 0;
  }
  for (std::size_t i = 0; i < artifacts->size(); ++i) demand(artifacts->read(i).has_value());
  // Its lineage is resolved, and becomes rows.
  auto lineage = extract::ProjectLineage::read(*artifacts, size % 2 == 0 ? "postgres" : "", 1);
  demand(lineage.has_value());
  if (!lineage->resolve(1)) std::abort();
  for (std::size_t i = 0; i < artifacts->size(); ++i) {
    const auto facts = artifacts->read(i);
    auto rows = extract::to_rows(*facts, nullptr, ConnectionId{});
    lineage->add_to(i, *facts, nullptr, ConnectionId{}, rows);
    for (const auto& row : rows.lineage)
      demand(!row.target_column.empty() && !row.source_column.empty() && !row.transformation_type.empty());
  }
  return 0;
}
