#pragma once
// What the artifacts say of one object, before anything is merged with what is known from earlier pushes. Plain values;
// text is UTF-8 without U+0000. JSON members are canonical text (sorted keys, no white space).

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "model/records.h"

namespace tideline::extract {

/// Warnings kept of one object: a hostile one could give millions.
inline constexpr std::size_t kMaxObjectWarnings = 50;

inline void note(std::vector<std::string>& warnings, std::string text) {
  if (warnings.size() < kMaxObjectWarnings) warnings.push_back(std::move(text));
}

/// A column as the manifest documents it. Only documented columns are there.
struct ManifestColumn {
  std::string name;
  std::optional<std::string> data_type = std::nullopt;
  std::optional<std::string> description = std::nullopt;
  std::string tags = "[]";
  std::string meta = "{}";
  std::string constraints = "[]";
  std::optional<bool> is_nullable = std::nullopt;  // false where a constraint says so; else unknown
  bool is_primary_key = false;
  bool is_foreign_key = false;
};

struct CatalogColumn {
  std::string name;
  std::optional<std::string> data_type;
  std::optional<std::string> comment;
};

/// What the warehouse said of a relation when the catalog was made. Columns in the warehouse's order.
struct CatalogFacts {
  std::optional<std::string> type;  // "BASE TABLE", "VIEW" …, as the adapter words it
  std::optional<std::string> owner;
  std::optional<std::string> comment;
  std::vector<CatalogColumn> columns;
};

/// An edge into this object. `type`, closed, says how the upstream is used:
///   source    the upstream is a source
///   semantic  the upstream is a metric, a semantic model or a saved query
///   ref       any other upstream: model, seed, snapshot, analysis
///   test      as the three above, but this object is a test or unit test: no data flows
///   macro     the upstream is one of the project's own macros
struct DependencyFacts {
  std::string upstream_unique_id;
  std::string upstream_full_name;
  std::string type;
};

/// Of what a project's sources say without dbt: names and texts are exact, what macros decide is not known.
inline constexpr Confidence kProjectConfidence{800};

struct ObjectFacts {
  std::string unique_id;
  std::string object_type;
  std::string name;
  std::optional<std::string> schema_name;
  std::optional<std::string> database_name;
  std::string full_name;
  std::optional<std::string> relative_path;  // that of its FileRecord
  std::optional<std::string> definition;
  std::optional<std::string> compiled_definition;
  std::vector<std::string> seed_columns;    // of a project's sources: the header of a seed's file
  std::optional<std::string> template_sql;  // of a project's sources, as JSON: template_sql.h
  std::optional<std::string> description;
  std::optional<std::string> owner;  // from group, exposure or meta; the catalog's comes after these
  /// The other members of ObjectRecord::metadata: key and canonical JSON, sorted by key, without `catalog`,
  /// `columns_from` and `owner`.
  std::vector<std::pair<std::string, std::string>> metadata;
  std::vector<ManifestColumn> columns;
  std::optional<CatalogFacts> catalog;        // nullopt: no catalog, or one that does not cover this object
  std::vector<DependencyFacts> dependencies;  // sorted by upstream_unique_id; each edge once
  std::vector<std::string> warnings;          // at most kMaxObjectWarnings, each names the object
  bool is_relation = false;   // a table or view of its own: a catalog can cover it (an ephemeral model it cannot)
  bool from_project = false;  // read from the project's sources, without dbt: what only dbt knows is absent
  bool has_compiled = false;  // of a type that dbt compiles, whether or not this manifest carries the result
};

}  // namespace tideline::extract
