#include "extract/rows.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "base/json.h"
#include "base/text.h"
#include "extract/artifacts.h"
#include "model/row_hash.h"
#include "tests/support/generated_manifest.h"

namespace tideline::extract {
namespace {

using testing_support::generated_catalog;
using testing_support::generated_manifest;
using testing_support::ManifestOptions;

const ConnectionId kConnection{*Uuid::parse("11111111-2222-4333-8444-555555555555")};

using Project = std::map<std::string, ObjectRows>;  // by unique_id

/// What a database would hold after these pushes, the last one's objects alone.
Project pushed(const std::vector<std::pair<std::string, std::optional<std::string>>>& pushes) {
  Project held;
  for (const auto& [manifest, catalog] : pushes) {
    const auto artifacts = Artifacts::from_memory(manifest, catalog);
    if (!artifacts) {
      ADD_FAILURE() << describe(artifacts.error());
      return {};
    }
    Project next;
    for (std::size_t i = 0; i < artifacts->size(); ++i) {
      const std::string id(artifacts->unique_id(i));
      const auto facts = artifacts->read(i).value();
      std::optional<Retained> retained;
      if (const auto before = held.find(id); before != held.end() && needs_retained(facts)) {
        const auto& [object, columns, dependencies, lineage] = before->second;
        retained = Retained{object.compiled_definition, object.content_hash, object.metadata, columns};
      }
      next[id] = to_rows(facts, retained ? &*retained : nullptr, kConnection);
    }
    held = std::move(next);
  }
  return held;
}

std::string text(const std::optional<std::string>& value) { return value ? "\"" + *value + "\"" : "-"; }
std::string text(bool value) { return value ? "yes" : "no"; }
std::string text(const std::optional<bool>& value) { return value ? text(*value) : "-"; }

/// One readable line per field.
std::string print(const ObjectRows& rows) {
  const auto& o = rows.object;
  std::string out = fmt::format("object {}\n", o.id.to_string());
  const auto line = [&out](std::string_view name, const std::string& value) {
    std::string shown;
    for (const char c : value) c == '\n' ? shown += "\\n" : shown += c;
    out += fmt::format("  {:20} {}\n", name, shown);
  };
  line("name", o.name), line("type", o.object_type), line("full_name", o.full_name);
  line("schema", text(o.schema_name)), line("database", text(o.database_name));
  line("file_id", o.file_id ? o.file_id->to_string() : "-");
  line("definition", text(o.definition)), line("compiled_definition", text(o.compiled_definition));
  line("description", text(o.description)), line("content_hash", text(o.content_hash));
  line("confidence", std::to_string(o.confidence.thousandths));
  line("extracted", o.extracted_from + " " + o.extraction_tier), line("metadata", o.metadata.text);
  for (const auto& c : rows.columns) {
    out += fmt::format("column {} {} {}\n", c.position, c.name, c.id.to_string());
    line("data_type", text(c.data_type)), line("nullable", text(c.is_nullable));
    line("keys", fmt::format("primary {}, foreign {}", text(c.is_primary_key), text(c.is_foreign_key)));
    line("description", text(c.description)), line("metadata", c.metadata.text);
  }
  for (const auto& d : rows.dependencies)
    out += fmt::format("dependency {} on {} {} ({})\n", d.dependency_type, d.source_full_name,
                       d.source_object_id.to_string(), d.id.to_string());
  return out;
}

/// Compares with tests/extract/golden/<name>.txt; TIDELINE_UPDATE_GOLDEN=1 writes it instead.
void expect_golden(const std::string& name, const std::string& found) {
  const auto path = std::filesystem::path(TIDELINE_SOURCE_DIR) / "tests/extract/golden" / (name + ".txt");
  if (std::getenv("TIDELINE_UPDATE_GOLDEN") != nullptr) {
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << found;
    return;
  }
  std::ifstream in(path);
  const std::string wanted{std::istreambuf_iterator<char>(in), {}};
  EXPECT_EQ(found, wanted) << path;
}

TEST(Rows, AreAsWrittenDown) {
  const auto newest = pushed({{generated_manifest({}), generated_catalog({})}});
  std::string all;
  for (const char* id : {"model.shop.m0", "model.shop.m4", "seed.shop.rates", "source.shop.raw.orders",
                         "test.shop.not_null_m0_c0.0000000000", "macro.shop.cents", "exposure.shop.board",
                         "metric.shop.revenue", "semantic_model.shop.orders", "unit_test.shop.m0.rounds"})
    all += print(newest.at(id)) + "\n";
  expect_golden("v12_with_catalog", all);

  const auto oldest = pushed({{generated_manifest({.version = 1}), std::nullopt}});
  all.clear();
  for (const char* id : {"model.shop.m1", "source.shop.raw.orders", "exposure.shop.board"})
    all += print(oldest.at(id)) + "\n";
  expect_golden("v1", all);
}

TEST(Rows, OfTheSameProjectInAnotherFolderAndRunAreTheSame) {
  for (int version = kOldestManifest; version <= kNewestManifest; ++version) {
    ManifestOptions elsewhere{.version = version};
    elsewhere.invocation_id = "ffffffff-1111-4222-8333-00000000000b";
    elsewhere.generated_at = "2027-02-01T00:00:00Z";
    elsewhere.root_path = "C:\\Users\\bob\\shop";
    elsewhere.created_at = 5;
    const auto a = pushed({{generated_manifest({.version = version}), generated_catalog({})}});
    const auto b = pushed({{generated_manifest(elsewhere), generated_catalog(elsewhere)}});
    ASSERT_EQ(a.size(), b.size());
    for (const auto& [id, rows] : a) EXPECT_EQ(print(rows), print(b.at(id)));
    EXPECT_NE(a.at("model.shop.m0").object.compiled_definition->find("00000000-0000-0000-0000-000000000000"),
              std::string::npos);
  }
}

TEST(Retained, AManifestWithoutCompiledSqlLosesNothing) {
  const ManifestOptions parsed{.compiled = false};
  const auto before = pushed({{generated_manifest({}), generated_catalog({})}});
  const auto after =
      pushed({{generated_manifest({}), generated_catalog({})}, {generated_manifest(parsed), std::nullopt}});
  for (const auto& [id, rows] : before) EXPECT_EQ(print(rows), print(after.at(id)));
}

TEST(Retained, CompiledSqlOfEarlierSourceIsMarked) {
  ManifestOptions changed{.compiled = false};
  changed.revision = 1, changed.changed_models = 1;
  const auto first = pushed({{generated_manifest({}), std::nullopt}});
  const auto then = [&](int pushes) {
    std::vector<std::pair<std::string, std::optional<std::string>>> all{{generated_manifest({}), std::nullopt}};
    for (int i = 0; i < pushes; ++i) all.emplace_back(generated_manifest(changed), std::nullopt);
    return pushed(all).at("model.shop.m0").object;
  };
  const auto& old = first.at("model.shop.m0").object;
  for (const int pushes : {1, 2}) {
    const auto object = then(pushes);
    EXPECT_EQ(object.compiled_definition, old.compiled_definition);
    EXPECT_EQ(Json::parse(object.metadata.text, "m")->string_at("compiled_from_hash"), old.content_hash);
  }
  EXPECT_EQ(then(1).metadata, then(2).metadata);
}

TEST(Retained, AnEphemeralModelHasNoCatalogFacts) {
  std::string manifest = generated_manifest({});
  const auto tables = pushed({{manifest, generated_catalog({})}});
  EXPECT_NE(tables.at("model.shop.m0").object.metadata.text.find("\"catalog\":{"), std::string::npos);
  for (std::size_t at; (at = manifest.find("\"table\"")) != std::string::npos;)
    manifest.replace(at, 7, "\"ephemeral\"");
  const auto alone = pushed({{manifest, generated_catalog({})}});
  const auto after = pushed({{generated_manifest({}), generated_catalog({})}, {manifest, generated_catalog({})}});
  EXPECT_EQ(alone.at("model.shop.m0").object.metadata.text.find("\"catalog\":{"), std::string::npos);
  for (const auto& [id, rows] : alone) EXPECT_EQ(print(rows), print(after.at(id)));
}

TEST(Columns, MatchWithoutRegardToCaseEqualNamesFirst) {
  ObjectFacts facts;
  facts.unique_id = "model.p.a";
  facts.object_type = "model";
  facts.is_relation = true;
  facts.columns = {{.name = "id", .description = "lower"}, {.name = "Name", .description = "mixed"}, {.name = "extra"}};
  facts.catalog = CatalogFacts{};
  facts.catalog->columns = {{"ID", "NUMBER", {}}, {"id", "TEXT", "c"}, {"NAME", {}, "from the warehouse"}};
  const auto rows = to_rows(facts, nullptr, kConnection);
  std::string found;
  std::set<Uuid> ids;
  for (const auto& column : rows.columns) {
    ids.insert(column.id);
    found += fmt::format("{} {} {} {} {}\n", column.position, column.name, text(column.data_type),
                         text(column.description), column.metadata.text);
  }
  EXPECT_EQ(found,
            "1 ID \"NUMBER\" - {\"extracted_from\":\"catalog\"}\n"
            "2 id \"TEXT\" \"lower\" {\"comment\":\"c\",\"extracted_from\":\"catalog\"}\n"
            "3 NAME - \"mixed\" {\"comment\":\"from the warehouse\",\"extracted_from\":\"catalog\"}\n"
            "4 extra - - {\"extracted_from\":\"manifest\",\"in_catalog\":false}\n");
  EXPECT_EQ(ids.size(), 4U);
  EXPECT_EQ(rows.columns[0].id, column_id(kConnection, "model.p.a", "ID"));  // two spellings: as it is
  EXPECT_EQ(rows.columns[2].id, column_id(kConnection, "model.p.a", "name"));
}

TEST(Columns, AModelWithNoneSaysSo) {
  ObjectFacts facts;
  facts.object_type = "model";
  facts.is_relation = true;
  const auto from = [&] {
    const auto metadata = to_rows(facts, nullptr, kConnection).object.metadata.text;
    return Json::parse(metadata, "m")->string_at("columns_from").value_or("");
  };
  EXPECT_EQ(from(), "none");
  facts.columns.push_back({.name = "c"});
  EXPECT_EQ(from(), "manifest");
  facts.catalog = CatalogFacts{};
  facts.catalog->columns = {{"c", {}, {}}};
  EXPECT_EQ(from(), "catalog");
}

// Facts made at random over few names, so that they meet.
rc::Gen<std::optional<std::string>> maybe_text() {
  return rc::gen::element<std::optional<std::string>>(std::nullopt, "a", "b", "é");
}

std::vector<std::string> some_of(std::initializer_list<const char*> names) {
  std::vector<std::string> some;
  for (const char* name : names)
    if (*rc::gen::arbitrary<bool>()) some.emplace_back(name);
  return some;
}

std::vector<ManifestColumn> manifest_columns() {
  std::vector<ManifestColumn> columns;
  for (auto& name : some_of({"id", "NAME", "ID", "x", "Id", "name"})) {
    ManifestColumn& column = columns.emplace_back();
    column.name = std::move(name);
    column.description = *maybe_text();
    column.data_type = *maybe_text();
  }
  return columns;
}

ObjectFacts random_facts(bool with_catalog) {
  ObjectFacts facts;
  facts.unique_id = "model.p.a";
  facts.object_type = "model";
  facts.is_relation = facts.has_compiled = true;
  facts.definition = *maybe_text();
  facts.compiled_definition = *maybe_text();
  facts.owner = *maybe_text();
  facts.columns = manifest_columns();
  if (!with_catalog) return facts;
  facts.catalog = CatalogFacts{*maybe_text(), *maybe_text(), *maybe_text(), {}};
  for (auto& name : some_of({"ID", "Z", "name", "Id"}))
    facts.catalog->columns.push_back({name, *maybe_text(), *maybe_text()});
  return facts;
}

TEST(Retained, AProjectsSourcesTakeNothingFromAManifest) {
  ObjectFacts facts;
  facts.unique_id = "model.p.a";
  facts.object_type = "model";
  facts.name = facts.full_name = "a";
  facts.definition = "select 1";
  facts.from_project = facts.is_relation = facts.has_compiled = true;
  facts.metadata = {{"project_source", R"({"opaque":[]})"}};
  facts.columns = {{.name = "id"}};
  facts.dependencies = {{"model.p.b", "b", "ref"}};
  const auto alone = to_rows(facts, nullptr, kConnection);
  EXPECT_EQ(alone.object.extraction_tier, "SILVER");
  EXPECT_EQ(alone.object.full_name, "a");
  EXPECT_EQ(alone.object.confidence, kProjectConfidence);

  ObjectFacts of_manifest = facts;
  of_manifest.from_project = false;
  of_manifest.metadata = {{"relation_name", R"("d.s.a")"}};
  of_manifest.database_name = "d";
  of_manifest.schema_name = "s";
  of_manifest.full_name = "d.s.a";
  of_manifest.compiled_definition = "select 1 as compiled";
  of_manifest.columns[0].is_primary_key = true;
  of_manifest.dependencies = {{"model.p.b", "d.s.b", "ref"}, {"model.p.c", "d.s.c", "ref"}};
  const auto dbt = to_rows(of_manifest, nullptr, kConnection);
  Retained held{.compiled_definition = dbt.object.compiled_definition,
                .content_hash = dbt.object.content_hash,
                .object_metadata = dbt.object.metadata,
                .columns = dbt.columns,
                .schema_name = dbt.object.schema_name,
                .database_name = dbt.object.database_name,
                .extraction_tier = dbt.object.extraction_tier,
                .dependencies = dbt.dependencies};
  // The same definition: all is as it was.
  EXPECT_EQ(print(to_rows(facts, &held, kConnection)), print(dbt));

  // Another: what it says is new, what it cannot know stays; the edge that dbt alone had found goes.
  facts.definition = "select 2";
  const auto changed = to_rows(facts, &held, kConnection);
  EXPECT_EQ(changed.object.extraction_tier, "SILVER");
  EXPECT_EQ(changed.object.full_name, "d.s.a");
  EXPECT_EQ(changed.object.compiled_definition, dbt.object.compiled_definition);
  EXPECT_NE(changed.object.metadata.text.find(R"("relation_name":"d.s.a")"), std::string::npos);
  EXPECT_NE(changed.object.metadata.text.find("project_source"), std::string::npos);
  EXPECT_FALSE(changed.columns[0].is_primary_key);
  ASSERT_EQ(changed.dependencies.size(), 1U);
  EXPECT_EQ(changed.dependencies[0].source_full_name, "d.s.b");
}

RC_GTEST_PROP(Retained, CatalogFactsSurviveAPushWithoutACatalog, ()) {
  const auto with = random_facts(true);
  auto later = random_facts(false);
  const auto first = to_rows(with, nullptr, kConnection);
  Retained held{first.object.compiled_definition, first.object.content_hash, first.object.metadata, first.columns};
  std::reverse(held.columns.begin(), held.columns.end());  // a database gives them in any order
  const auto kept = to_rows(later, &held, kConnection);
  later.catalog = with.catalog;
  const auto given = to_rows(later, &held, kConnection);
  RC_ASSERT(print(kept) == print(given));
  RC_ASSERT(kept.object.compiled_definition ==
            (later.compiled_definition ? later.compiled_definition : with.compiled_definition));
  std::set<Uuid> ids;
  for (const auto& column : kept.columns) RC_ASSERT(ids.insert(column.id).second);
}

}  // namespace
}  // namespace tideline::extract
