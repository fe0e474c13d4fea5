// The column lineage of a project as this program sees it, as JSON on stdout, for bench/lineage_report.py to compare
// with what others say of the same project, and for bench/project_report.py with what it says of the compiled one.
//
//   build/bench/lineage_answers target/manifest.json [target/catalog.json]
//   build/bench/lineage_answers --project DIR ADAPTER

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <string>
#include <thread>

#include "base/json.h"
#include "base/text.h"
#include "extract/artifacts.h"
#include "extract/lineage_rows.h"
#include "extract/project_source.h"
#include "sql/parser.h"

namespace {

tideline::Result<tideline::extract::Artifacts> read_project(const char* directory, const char* adapter) {
  using namespace tideline;
  TRY(const auto files, extract::load_project(directory));
  TRY(auto document, extract::describe_project(files, adapter));
  for (const auto& problem : document.problems) std::fprintf(stderr, "%s\n", problem.c_str());
  return extract::Artifacts::from_memory(std::move(document.manifest));
}

}  // namespace

int main(int argc, char** argv) {
  using namespace tideline;
  const bool is_project = argc == 4 && std::string_view(argv[1]) == "--project";
  if (argc < 2 || (argc > 3 && !is_project)) {
    std::fprintf(stderr, "usage: lineage_answers MANIFEST [CATALOG] | --project DIR ADAPTER\n");
    return 2;
  }
  const auto start = std::chrono::steady_clock::now();
  const auto artifacts =
      is_project ? read_project(argv[2], argv[3]) : extract::Artifacts::open(argv[1], argc > 2 ? argv[2] : "");
  if (!artifacts) {
    std::fprintf(stderr, "%s\n", describe(artifacts.error()).c_str());
    return 1;
  }
  const std::string adapter = is_project ? argv[3] : artifacts->manifest().adapter_type;
  const unsigned threads = std::max(std::thread::hardware_concurrency(), 1U);
  auto project = extract::ProjectLineage::read(*artifacts, adapter, threads);
  if (!project) {
    std::fprintf(stderr, "%s\n", describe(project.error()).c_str());
    return 1;
  }
  if (const auto resolved = project->resolve(threads); !resolved) {
    std::fprintf(stderr, "%s\n", describe(resolved.error()).c_str());
    return 1;
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();

  std::string out;
  JsonWriter json(out);
  json.begin_object();
  json.key("adapter").string(adapter);
  json.key("microseconds").number(static_cast<std::int64_t>(seconds * 1e6));
  json.key("models").begin_object();
  for (std::size_t i = 0; i < artifacts->size(); ++i) {
    const auto result = project->lineage(i);
    if (!result) continue;
    std::string id;
    append_json_string(id, artifacts->unique_id(i));
    json.key(std::string_view(id).substr(1, id.size() - 2)).begin_object();
    const auto facts = artifacts->read(i);
    const std::string sql = facts ? facts->compiled_definition.value_or("") : "";
    const auto name_of = [&](std::uint32_t read) {
      const auto& one = result->reads[read];
      return one.relation == lineage::kNone ? ascii_lower(one.name) : std::string(project->unique_id(one.relation));
    };
    json.key("failed").boolean(result->failed).key("complete").boolean(result->columns_complete);
    json.key("catalog").begin_array();
    if (facts && facts->catalog)
      for (const auto& column : facts->catalog->columns) json.string(ascii_lower(column.name));
    json.end_array();
    json.key("reads").begin_array();
    for (std::uint32_t r = 0; r < result->reads.size(); ++r) json.string(name_of(r));
    json.end_array();
    json.key("upstream").begin_array();
    if (facts)
      for (const auto& dependency : facts->dependencies)
        if (dependency.type == "ref" || dependency.type == "source") json.string(dependency.upstream_unique_id);
    json.end_array();
    json.key("gaps").begin_array();
    for (const auto& gap : result->gaps) {
      const auto at =
          sql::position_of(std::min<std::uint32_t>(gap.span.begin, static_cast<std::uint32_t>(sql.size())), sql);
      json.string(std::string(to_string(gap.reason)) + " " + gap.subject + " at " + std::to_string(at.line) + ":" +
                  std::to_string(at.column));
    }
    json.end_array();
    json.key("columns").begin_array();
    for (const auto& column : result->columns) {
      json.begin_object().key("name").string(ascii_lower(column.name));
      json.key("constant").boolean(column.constant);
      json.key("gaps").begin_array();
      for (const auto gap : column.gaps) json.number(gap);
      json.end_array().key("edges").begin_array();
      for (const auto& edge : column.edges) {
        const auto& source = result->sources[edge.source];
        json.begin_array().string(name_of(source.read)).string(ascii_lower(source.name));
        json.string(to_string(edge.kind)).boolean(edge.conditional).number(edge.confidence).end_array();
      }
      json.end_array().end_object();
    }
    json.end_array();
    json.key("influences").number(static_cast<std::int64_t>(result->influences.size()));
    json.key("steps").number(static_cast<std::int64_t>(result->steps)).end_object();
  }
  json.end_object();
  const auto report = project->report();
  json.key("report").begin_object();
  json.key("models").number(static_cast<std::int64_t>(report.models));
  json.key("analysed").number(static_cast<std::int64_t>(report.analysed));
  json.key("partial").number(static_cast<std::int64_t>(report.partial));
  json.key("failed").number(static_cast<std::int64_t>(report.failed));
  json.key("reasons").begin_object();
  for (const auto& [reason, count] : report.reasons)
    json.key(to_string(reason)).number(static_cast<std::int64_t>(count));
  json.end_object().end_object().end_object();
  std::puts(out.c_str());
  return 0;
}
