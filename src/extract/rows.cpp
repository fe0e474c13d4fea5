#include "extract/rows.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "base/hash.h"
#include "base/json.h"
#include "base/text.h"
#include "extract/json_value.h"
#include "extract/project.h"

namespace tideline::extract {
namespace {

constexpr std::size_t kNone = static_cast<std::size_t>(-1);

/// An object of JSON members that are canonical already, in canonical form.
class Metadata {
 public:
  void add(std::string key, std::string json) { members_.emplace_back(std::move(key), std::move(json)); }
  void text(std::string key, const std::optional<std::string>& value) {
    if (!value) return;
    std::string json;
    append_json_string(json, *value);
    add(std::move(key), std::move(json));
  }
  JsonText finish() const { return {object_of(members_)}; }

 private:
  std::vector<std::pair<std::string, std::string>> members_;
};

/// The catalog's facts as an earlier push left them in the rows; nullopt where none covered the object.
std::optional<CatalogFacts> retained_catalog(const Retained& retained) {
  if (!retained.object_metadata) return std::nullopt;
  const auto metadata = Json::parse(retained.object_metadata->text, "metadata");
  const Json* catalog = metadata ? metadata->find("catalog") : nullptr;
  if (catalog == nullptr) return std::nullopt;
  CatalogFacts facts;
  facts.type = catalog->string_at("type");
  facts.owner = catalog->string_at("owner");
  facts.comment = catalog->string_at("comment");
  std::vector<const ColumnRecord*> columns;
  for (const auto& column : retained.columns) columns.push_back(&column);
  std::sort(columns.begin(), columns.end(), [](auto* a, auto* b) { return a->position < b->position; });
  for (const ColumnRecord* column : columns) {
    const auto of_column = Json::parse(column->metadata.text, "metadata");
    if (!of_column || of_column->string_at("extracted_from") != "catalog") continue;
    CatalogColumn& fact = facts.columns.emplace_back();
    fact.name = column->name;
    if (of_column->string_at("data_type_from") != "manifest") fact.data_type = column->data_type;
    fact.comment = of_column->string_at("comment");
  }
  return facts;
}

/// For each column of the catalog the manifest's column of the same name, or kNone: equal names first, then names that
/// differ by case alone; each manifest column once.
std::vector<std::size_t> match(const std::vector<CatalogColumn>& catalog, const std::vector<ManifestColumn>& manifest) {
  std::unordered_map<std::string_view, std::size_t> exact;
  for (std::size_t i = 0; i < manifest.size(); ++i) exact.emplace(manifest[i].name, i);
  std::vector<std::size_t> matches(catalog.size(), kNone);
  std::vector<bool> taken(manifest.size(), false);
  for (std::size_t i = 0; i < catalog.size(); ++i) {
    const auto found = exact.find(catalog[i].name);
    if (found == exact.end() || taken[found->second]) continue;
    matches[i] = found->second;
    taken[found->second] = true;
  }
  std::unordered_map<std::string, std::vector<std::size_t>> folded;  // first of the manifest at the back
  for (std::size_t i = manifest.size(); i-- > 0;)
    if (!taken[i]) folded[ascii_lower(manifest[i].name)].push_back(i);
  for (std::size_t i = 0; i < catalog.size(); ++i) {
    if (matches[i] != kNone) continue;
    const auto found = folded.find(ascii_lower(catalog[i].name));
    if (found == folded.end() || found->second.empty()) continue;
    matches[i] = found->second.back();
    found->second.pop_back();
  }
  return matches;
}

ColumnRecord to_column(const CatalogColumn* catalog, const ManifestColumn* manifest, bool object_in_catalog) {
  ColumnRecord row;
  Metadata metadata;
  row.name = catalog != nullptr ? catalog->name : manifest->name;
  metadata.text("extracted_from", catalog != nullptr ? "catalog" : "manifest");
  if (catalog != nullptr) {
    row.data_type = catalog->data_type;
    metadata.text("comment", catalog->comment);
  } else if (object_in_catalog) {
    metadata.add("in_catalog", "false");
  }
  if (manifest != nullptr) {
    row.description = manifest->description;
    row.is_nullable = manifest->is_nullable;
    row.is_primary_key = manifest->is_primary_key;
    row.is_foreign_key = manifest->is_foreign_key;
    if (!row.data_type && manifest->data_type) {
      row.data_type = manifest->data_type;
      if (catalog != nullptr) metadata.text("data_type_from", "manifest");
    }
    if (manifest->tags != "[]") metadata.add("tags", manifest->tags);
    if (manifest->meta != "{}") metadata.add("meta", manifest->meta);
    if (manifest->constraints != "[]") metadata.add("constraints", manifest->constraints);
  }
  if (!row.description && catalog != nullptr && catalog->comment) {
    row.description = catalog->comment;
    metadata.text("description_from", "catalog");
  }
  row.metadata = metadata.finish();
  return row;
}

std::vector<ColumnRecord> to_columns(const ObjectFacts& facts, const CatalogFacts* catalog,
                                     const ConnectionId& connection, const Uuid& object) {
  std::vector<ColumnRecord> rows;
  std::vector<bool> placed(facts.columns.size(), false);
  const bool in_catalog = catalog != nullptr && !catalog->columns.empty();
  if (catalog != nullptr) {
    const auto matches = match(catalog->columns, facts.columns);
    for (std::size_t i = 0; i < matches.size(); ++i) {
      const bool found = matches[i] != kNone;
      if (found) placed[matches[i]] = true;
      rows.push_back(to_column(&catalog->columns[i], found ? &facts.columns[matches[i]] : nullptr, true));
    }
  }
  for (std::size_t i = 0; i < facts.columns.size(); ++i)
    if (!placed[i]) rows.push_back(to_column(nullptr, &facts.columns[i], in_catalog));

  // Facts name each column once; rows held by a database may not. Ids must differ in any case.
  std::unordered_set<std::string> names;
  std::erase_if(rows, [&](const ColumnRecord& row) { return !names.insert(row.name).second; });
  std::unordered_map<std::string, int> spellings;
  for (const auto& row : rows) ++spellings[ascii_lower(row.name)];
  std::int64_t position = 0;
  for (auto& row : rows) {
    const std::string lower = ascii_lower(row.name);
    row.id = column_id(connection, facts.unique_id, spellings[lower] > 1 ? row.name : lower);
    row.connection_id = connection.value;
    row.object_id = object;
    row.position = ++position;
  }
  return rows;
}

/// Database and schema as they are held, where the sources do not name them; and the full name made of them.
void keep_place(const ObjectFacts& facts, const Retained& retained, ObjectRecord& object) {
  std::string last = facts.full_name;
  for (const auto* part : {&facts.database_name, &facts.schema_name})
    if (*part && last.starts_with(**part + ".")) last.erase(0, (*part)->size() + 1);
  if (!object.database_name) object.database_name = retained.database_name;
  if (!object.schema_name) object.schema_name = retained.schema_name;
  if (!is_relation_type(facts.object_type)) return;
  object.full_name.clear();
  for (const auto* part : {&object.database_name, &object.schema_name})
    if (*part) object.full_name += **part + ".";
  object.full_name += last;
}

/// An edge that is held stays as it is: its source is named in full there. Those that only dbt found stay with `all`.
void keep_dependencies(const Retained& retained, bool all, std::vector<DependencyRecord>& rows) {
  std::unordered_map<Uuid, std::size_t> places;
  for (std::size_t i = 0; i < rows.size(); ++i) places.emplace(rows[i].id, i);
  for (const DependencyRecord& held : retained.dependencies) {
    const auto found = places.find(held.id);
    if (found != places.end())
      rows[found->second] = held;
    else if (all)
      rows.push_back(held);
  }
}

}  // namespace

bool needs_retained(const ObjectFacts& facts) {
  return facts.from_project || (facts.has_compiled && !facts.compiled_definition) ||
         (facts.is_relation && !facts.catalog);
}

std::optional<CatalogFacts> catalog_of(const ObjectFacts& facts, const Retained* retained) {
  if (!facts.is_relation) return std::nullopt;
  if (facts.catalog) return facts.catalog;
  return retained != nullptr ? retained_catalog(*retained) : std::nullopt;
}

std::optional<std::string> compiled_of(const ObjectFacts& facts, const Retained* retained) {
  if (!facts.has_compiled) return std::nullopt;
  if (facts.compiled_definition) return facts.compiled_definition;
  return retained != nullptr ? retained->compiled_definition : std::nullopt;
}

ObjectRows to_rows(const ObjectFacts& facts, const Retained* retained, const ConnectionId& connection) {
  ObjectRows rows;
  ObjectRecord& object = rows.object;
  object.id = object_id(connection, facts.unique_id);
  object.connection_id = connection.value;
  if (facts.relative_path) object.file_id = file_id(connection, *facts.relative_path);
  object.name = facts.name;
  object.schema_name = facts.schema_name;
  object.database_name = facts.database_name;
  object.full_name = facts.full_name;
  object.object_type = facts.object_type;
  object.definition = facts.definition;
  object.description = facts.description;
  if (facts.definition) object.content_hash = hex(sha256(*facts.definition));
  object.extracted_from = "manifest";
  object.extraction_tier = "GOLD";
  const bool known_to_dbt = facts.from_project && retained != nullptr && retained->extraction_tier == "GOLD" &&
                            retained->content_hash == object.content_hash;
  if (facts.from_project) {
    if (retained != nullptr) keep_place(facts, *retained, object);
    if (!known_to_dbt) {
      object.extracted_from = "project";
      object.extraction_tier = "SILVER";
      object.confidence = kProjectConfidence;
    }
  }

  Metadata metadata;
  for (const auto& [key, json] : facts.metadata)
    if (!known_to_dbt || key != "project_source") metadata.add(key, json);  // dbt has left nothing open
  if (facts.from_project && retained != nullptr && retained->object_metadata)
    if (const auto earlier = Json::parse(retained->object_metadata->text, "metadata"))
      metadata.text("relation_name", earlier->string_at("relation_name"));

  object.compiled_definition = facts.compiled_definition;
  if (facts.has_compiled && !facts.compiled_definition && retained != nullptr && retained->compiled_definition) {
    object.compiled_definition = retained->compiled_definition;
    // Says so where the SQL has changed since it was last compiled.
    std::optional<std::string> compiled_from = retained->content_hash;
    if (retained->object_metadata)
      if (const auto earlier = Json::parse(retained->object_metadata->text, "metadata"))
        if (auto hash = earlier->string_at("compiled_from_hash")) compiled_from = std::move(hash);
    if (compiled_from && compiled_from != object.content_hash) metadata.text("compiled_from_hash", compiled_from);
  }

  const auto merged = catalog_of(facts, retained);
  const CatalogFacts* catalog = merged ? &*merged : nullptr;
  rows.columns = to_columns(facts, catalog, connection, object.id);
  if (known_to_dbt)
    for (const ColumnRecord& column : retained->columns)
      if (column.is_primary_key)
        for (ColumnRecord& row : rows.columns)
          if (row.id == column.id) row.is_primary_key = true;

  if (catalog != nullptr) {
    Metadata of_catalog;
    of_catalog.text("type", catalog->type);
    of_catalog.text("owner", catalog->owner);
    of_catalog.text("comment", catalog->comment);
    metadata.add("catalog", of_catalog.finish().text);
  }
  metadata.text("owner", facts.owner ? facts.owner : catalog != nullptr ? catalog->owner : std::nullopt);
  const std::string& type = facts.object_type;
  if (type == "model" || type == "seed" || type == "snapshot" || type == "source")
    metadata.text("columns_from", catalog != nullptr && !catalog->columns.empty() ? "catalog"
                                  : rows.columns.empty()                          ? "none"
                                                                                  : "manifest");
  object.metadata = metadata.finish();

  for (const auto& fact : facts.dependencies) {
    DependencyRecord& row = rows.dependencies.emplace_back();
    row.source_object_id = object_id(connection, fact.upstream_unique_id);
    row.target_object_id = object.id;
    row.id = dependency_id(connection, facts.unique_id, row.source_object_id, fact.type);
    row.connection_id = connection.value;
    row.dependency_type = fact.type;
    row.source_connection_id = connection.value;
    row.source_full_name = fact.upstream_full_name;
  }
  if (facts.from_project && retained != nullptr) keep_dependencies(*retained, known_to_dbt, rows.dependencies);
  return rows;
}

}  // namespace tideline::extract
