// Column lineage: parsing, one query, a whole project of thousands of models, and one changed model of it. Over the
// real projects in TIDELINE_TEST_DATA; a project of 6,000 models is made of as many copies of them as it takes.

#include <benchmark/benchmark.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "extract/artifacts.h"
#include "extract/lineage_rows.h"
#include "lineage/project.h"
#include "sql/parser.h"

namespace tideline {
namespace {

constexpr std::size_t kModels = 6'000;

void check(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "%s\n", what);
  std::abort();
}

struct Query {
  const sql::Dialect* dialect;
  std::string sql;
  std::vector<lineage::RelationIndex> upstream;  // of its project's relations
  lineage::RelationIndex relation = lineage::kNone;
};

/// The relations and the models of one real project.
struct Source {
  struct Relation {
    lineage::RelationName name;
    lineage::RelationOrigin origin;
    std::shared_ptr<const lineage::RelationColumns> columns;
  };
  std::vector<Relation> relations;
  std::vector<Query> queries;
};

Source source_of(const extract::Artifacts& artifacts) {
  Source source;
  std::vector<lineage::RelationIndex> numbers(artifacts.size(), lineage::kNone);
  for (std::size_t i = 0; i < artifacts.size(); ++i) {
    const auto facts = artifacts.read(i);
    check(facts.has_value(), "an object cannot be read");
    if (!facts->is_relation) continue;
    numbers[i] = static_cast<lineage::RelationIndex>(source.relations.size());
    std::vector<std::string> names;
    if (facts->catalog)
      for (const auto& column : facts->catalog->columns) names.push_back(column.name);
    const std::size_t count = names.size();
    source.relations.push_back(
        {{facts->database_name.value_or(""), facts->schema_name.value_or(""),
          facts->full_name.substr(facts->full_name.rfind('.') + 1)},
         facts->object_type == "source" ? lineage::RelationOrigin::kSource : lineage::RelationOrigin::kBuilt,
         count == 0 ? nullptr : std::make_shared<lineage::RelationColumns>(std::move(names), count, true)});
  }
  for (std::size_t i = 0; i < artifacts.size(); ++i) {
    const auto facts = artifacts.read(i);
    if ((facts->object_type != "model" && facts->object_type != "snapshot") || !facts->compiled_definition) continue;
    Query& query = source.queries.emplace_back();
    query.dialect = &sql::dialect_of_adapter(artifacts.manifest().adapter_type);
    query.sql = *facts->compiled_definition;
    query.relation = numbers[i];
    for (const auto& dependency : facts->dependencies)
      if (const auto at = artifacts.find(dependency.upstream_unique_id); at && numbers[*at] != lineage::kNone)
        query.upstream.push_back(numbers[*at]);
  }
  return source;
}

const std::vector<Source>& sources() {
  static const std::vector<Source> all = [] {
    std::vector<Source> out;
    const char* data = std::getenv("TIDELINE_TEST_DATA");
    if (data == nullptr) return out;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(std::filesystem::path(data) / "dbt")) {
      if (entry.path().filename() != "catalog.json") continue;
      const auto artifacts = extract::Artifacts::open(entry.path().parent_path() / "manifest.json", entry.path());
      if (artifacts) out.push_back(source_of(*artifacts));
    }
    return out;
  }();
  return all;
}

/// Copies of all projects until there are kModels. Copies have relations of the same names: what a model declares
/// decides.
struct Large {
  std::unique_ptr<lineage::Project> project;
  std::vector<const Query*> queries;
  std::size_t bytes = 0;
};

Large make_large() {
  Large large;
  auto relations = std::make_unique<lineage::Relations>();
  struct Copy {
    const Source* source;
    lineage::RelationIndex first;
  };
  std::vector<Copy> copies;
  std::size_t models = 0;
  while (models < kModels) {
    for (const Source& source : sources()) {
      if (models >= kModels) break;
      copies.push_back({&source, static_cast<lineage::RelationIndex>(relations->size())});
      for (const auto& one : source.relations) relations->add(one.name, one.origin, one.columns);
      models += source.queries.size();
    }
  }
  large.project = std::make_unique<lineage::Project>(std::move(relations));
  for (const Copy& copy : copies) {
    for (const Query& query : copy.source->queries) {
      lineage::Model model;
      model.id = std::to_string(large.queries.size());
      model.dialect = query.dialect;
      if (query.relation != lineage::kNone) model.relation = copy.first + query.relation;
      for (const auto upstream : query.upstream) model.upstream.push_back(copy.first + upstream);
      large.project->add(std::move(model));
      large.queries.push_back(&query);
      large.bytes += query.sql.size();
    }
  }
  return large;
}

void parse(benchmark::State& state) {
  if (sources().empty()) return state.SkipWithError("TIDELINE_TEST_DATA has no projects");
  std::int64_t bytes = 0, queries = 0;
  for (auto _ : state) {
    for (const Source& source : sources()) {
      for (const Query& query : source.queries) {
        benchmark::DoNotOptimize(sql::parse(query.sql, *query.dialect));
        bytes += static_cast<std::int64_t>(query.sql.size());
        ++queries;
      }
    }
  }
  state.SetBytesProcessed(bytes);
  state.SetItemsProcessed(queries);
}
BENCHMARK(parse)->Unit(benchmark::kMillisecond);

void whole_project(benchmark::State& state) {
  if (sources().empty()) return state.SkipWithError("TIDELINE_TEST_DATA has no projects");
  std::size_t models = 0;
  for (auto _ : state) {
    state.PauseTiming();
    Large large = make_large();
    state.ResumeTiming();
    large.project->resolve([&](std::size_t i, std::string&) -> std::string_view { return large.queries[i]->sql; },
                           static_cast<unsigned>(state.range(0)));
    state.PauseTiming();
    models = large.project->size();
    check(large.project->resolved() >= models, "not every model was resolved");
    const auto report = large.project->report();
    check(report.analysed * 10 > models * 9, "most models should be analysed in full");
    large = {};
    state.ResumeTiming();
  }
  state.counters["models"] = static_cast<double>(models);
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(models));
}
BENCHMARK(whole_project)->Arg(1)->Arg(2)->Unit(benchmark::kMillisecond)->UseRealTime()->Iterations(3);

void one_changed_model(benchmark::State& state) {
  if (sources().empty()) return state.SkipWithError("TIDELINE_TEST_DATA has no projects");
  Large large = make_large();
  large.project->resolve([&](std::size_t i, std::string&) -> std::string_view { return large.queries[i]->sql; }, 2);
  std::size_t round = 0;
  for (auto _ : state) {
    const std::size_t changed = (++round * 7919) % large.queries.size();
    large.project->resolve(
        [&](std::size_t i, std::string& buffer) -> std::string_view {
          if (i != changed) return large.queries[i]->sql;
          buffer = large.queries[i]->sql + " -- " + std::to_string(round);
          return buffer;
        },
        2);
    check(large.project->resolved() >= 1 && large.project->resolved() < 300, "only what changed is resolved again");
  }
}
BENCHMARK(one_changed_model)->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace
}  // namespace tideline
