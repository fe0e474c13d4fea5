#pragma once
// Facts → the rows of the model: a pure merge of what this push says with what the database holds.
//
// Facts have a source (manifest, catalog, compiled SQL). A source that covers the object in this push replaces all its
// earlier facts; one that does not keeps them. So for all manifests m1, m2 and a catalog c:
//   rows(m2, retained from rows(m1, c)) and rows(m2, c) hold the same catalog facts; likewise for compiled SQL.
// A project's sources, read without dbt, bring less than a manifest and take nothing away: what they cannot know
// (database and schema of the target, compiled SQL, the catalog's facts) stays as it is held; and while the definition
// is the one that a manifest described, so do the tier, the keys dbt inferred and the dependencies that dbt found.
// All functions are pure and thread-safe.

#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "extract/facts.h"
#include "model/records.h"

namespace tideline::extract {

/// What the database holds for one object: the columns of its row and its column rows, in any order.
struct Retained {
  std::optional<std::string> compiled_definition;
  std::optional<std::string> content_hash;
  std::optional<JsonText> object_metadata;
  std::vector<ColumnRecord> columns;
  // The rest is looked at by what a project's sources bring alone.
  std::optional<std::string> schema_name = std::nullopt;
  std::optional<std::string> database_name = std::nullopt;
  std::string extraction_tier = {};
  std::vector<DependencyRecord> dependencies = {};  // into the object, from objects that are still there
};

struct ObjectRows {
  ObjectRecord object;
  std::vector<ColumnRecord> columns;           // by position
  std::vector<DependencyRecord> dependencies;  // by upstream unique_id
  std::vector<ColumnLineageRecord> lineage;    // see lineage_rows.h; `to_rows` leaves it empty
};

/// What of the object counts after the merge: the catalog's facts and the compiled SQL, of this push or held.
std::optional<CatalogFacts> catalog_of(const ObjectFacts& facts, const Retained* retained);
std::optional<std::string> compiled_of(const ObjectFacts& facts, const Retained* retained);

/// Whether `to_rows` would look at what is retained: the object is of a type with compiled SQL and brings none, or of a
/// type a catalog covers and none covers it. For any other object Retained need not be fetched.
bool needs_retained(const ObjectFacts& facts);

/// `retained` may be null: nothing is held. Upstreams are objects of the same connection.
ObjectRows to_rows(const ObjectFacts& facts, const Retained* retained, const ConnectionId& connection);

}  // namespace tideline::extract
