#pragma once
// The synced rows, as values: what extraction makes, the store keeps, the wire carries and a replica holds. The names
// are those of the public columns. `organization_id`, `row_version` and `updated_at` are the store's and not here.
//
// Every field visited by `for_each_field` is content: it is hashed, compared and synced. Tags never change their
// meaning and are never reused; docs/formats.md lists them.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/ids.h"
#include "base/time.h"

namespace tideline {

/// The synced kinds. Closed and numbered: the numbers are on the wire and in hashes.
enum class Kind : std::uint8_t {
  kConnection = 1,
  kFile = 2,
  kObject = 3,
  kColumn = 4,
  kDependency = 5,
  kColumnLineage = 6,
  kDocumentation = 7,
};
inline constexpr std::size_t kKindCount = 7;
/// The public table name: "connections", "files", … "columns_lineage", "documentation".
std::string_view table_name(Kind kind);

/// Certainty in thousandths, 0–1000: an integer, so that it hashes and compares exactly. The API shows value / 1000.
struct Confidence {
  std::int64_t thousandths = 1000;
  auto operator<=>(const Confidence&) const = default;
};

/// JSON made canonical at ingest (Json::canonical) and kept as that text.
struct JsonText {
  std::string text = "{}";
  auto operator<=>(const JsonText&) const = default;
};

struct ConnectionRecord {
  static constexpr Kind kKind = Kind::kConnection;
  Uuid id;
  std::string type;       // github, gitlab, git, local …
  std::string name;       // shown to people
  std::string full_name;  // "owner/repo"
  std::string subdir;     // "" at the root of the repository
  std::optional<std::string> url;
  JsonText aliases{"[]"};  // former full names, oldest first

  template <class Record, class Visit>
  static void for_each_field(Record& r, Visit&& visit) {
    visit(1, r.id), visit(2, r.type), visit(3, r.name), visit(4, r.full_name), visit(5, r.subdir), visit(6, r.url);
    visit(7, r.aliases);
  }
};

struct FileRecord {
  static constexpr Kind kKind = Kind::kFile;
  Uuid id;
  Uuid connection_id;
  std::string relative_path;           // from the dbt project's root; a package's file under dbt_packages/<package>/
  std::string file_type;               // sql, python, yaml, csv, markdown, other
  std::optional<std::string> dialect;  // the adapter: snowflake, bigquery …
  std::optional<std::int64_t> size_bytes;
  std::optional<std::string> file_hash;  // lower-case hex
  std::string parser_used;               // "dbt-manifest"
  Confidence parse_confidence;

  template <class Record, class Visit>
  static void for_each_field(Record& r, Visit&& visit) {
    visit(1, r.id), visit(2, r.connection_id), visit(3, r.relative_path), visit(4, r.file_type), visit(5, r.dialect);
    visit(6, r.size_bytes), visit(7, r.file_hash), visit(8, r.parser_used), visit(9, r.parse_confidence);
  }
};

struct ObjectRecord {
  static constexpr Kind kKind = Kind::kObject;
  Uuid id;
  Uuid connection_id;
  std::optional<Uuid> file_id;
  std::string name;
  std::optional<std::string> schema_name;
  std::optional<std::string> database_name;
  std::string full_name;    // database.schema.identifier of a relation; the unique_id of what is none
  std::string object_type;  // model, seed, snapshot, source, exposure, analysis, test, unit_test, metric, …, macro
  std::optional<std::string> definition;
  std::optional<std::string> compiled_definition;
  std::optional<std::string> description;
  JsonText metadata;
  std::optional<std::int64_t> line_start;
  std::optional<std::int64_t> line_end;
  std::optional<std::string> content_hash;  // SHA-256 of definition, lower-case hex
  Confidence confidence;
  std::string extracted_from;   // manifest, project, sql
  std::string extraction_tier;  // GOLD, SILVER, BRONZE

  template <class Record, class Visit>
  static void for_each_field(Record& r, Visit&& visit) {
    visit(1, r.id), visit(2, r.connection_id), visit(3, r.file_id), visit(4, r.name), visit(5, r.schema_name);
    visit(6, r.database_name), visit(7, r.full_name), visit(8, r.object_type), visit(9, r.definition);
    visit(10, r.compiled_definition), visit(11, r.description), visit(12, r.metadata), visit(13, r.line_start);
    visit(14, r.line_end), visit(15, r.content_hash), visit(16, r.confidence), visit(17, r.extracted_from);
    visit(18, r.extraction_tier);
  }
};

struct ColumnRecord {
  static constexpr Kind kKind = Kind::kColumn;
  Uuid id;
  Uuid connection_id;
  Uuid object_id;
  std::string name;
  std::optional<std::string> data_type;
  std::optional<bool> is_nullable;
  bool is_primary_key = false;
  bool is_foreign_key = false;
  std::optional<std::string> default_value;
  std::optional<std::string> description;
  std::int64_t position = 0;  // from 1; in the catalog's order where there is one
  JsonText metadata;

  template <class Record, class Visit>
  static void for_each_field(Record& r, Visit&& visit) {
    visit(1, r.id), visit(2, r.connection_id), visit(3, r.object_id), visit(4, r.name), visit(5, r.data_type);
    visit(6, r.is_nullable), visit(7, r.is_primary_key), visit(8, r.is_foreign_key), visit(9, r.default_value);
    visit(10, r.description), visit(11, r.position), visit(12, r.metadata);
  }
};

/// Belongs to the connection of its target (the downstream end) and names its source so that it stands alone.
struct DependencyRecord {
  static constexpr Kind kKind = Kind::kDependency;
  Uuid id;
  Uuid connection_id;
  Uuid source_object_id;  // upstream
  Uuid target_object_id;  // downstream
  std::string dependency_type;
  bool column_level = false;
  std::optional<std::string> source_column;
  std::optional<std::string> target_column;
  std::optional<std::string> expression;
  Confidence confidence;
  JsonText metadata;
  Uuid source_connection_id;
  std::string source_full_name;

  template <class Record, class Visit>
  static void for_each_field(Record& r, Visit&& visit) {
    visit(1, r.id), visit(2, r.connection_id), visit(3, r.source_object_id), visit(4, r.target_object_id);
    visit(5, r.dependency_type), visit(6, r.column_level), visit(7, r.source_column), visit(8, r.target_column);
    visit(9, r.expression), visit(10, r.confidence), visit(11, r.metadata), visit(12, r.source_connection_id);
    visit(13, r.source_full_name);
  }
};

/// As DependencyRecord: of the target's connection, with its source's names.
struct ColumnLineageRecord {
  static constexpr Kind kKind = Kind::kColumnLineage;
  Uuid id;
  Uuid connection_id;
  Uuid source_object_id;
  std::string source_column;
  Uuid target_object_id;
  std::string target_column;
  std::optional<std::string> expression;
  std::string
      transformation_type;  // direct, renamed, calculated, aggregated, window; joined, filtered, grouped, ordered
  Confidence confidence;
  std::string extracted_from;
  JsonText metadata;
  Uuid source_connection_id;
  std::string source_full_name;

  template <class Record, class Visit>
  static void for_each_field(Record& r, Visit&& visit) {
    visit(1, r.id), visit(2, r.connection_id), visit(3, r.source_object_id), visit(4, r.source_column);
    visit(5, r.target_object_id), visit(6, r.target_column), visit(7, r.expression), visit(8, r.transformation_type);
    visit(9, r.confidence), visit(10, r.extracted_from), visit(11, r.metadata), visit(12, r.source_connection_id);
    visit(13, r.source_full_name);
  }
};

struct DocumentationRecord {
  static constexpr Kind kKind = Kind::kDocumentation;
  Uuid id;
  Uuid connection_id;
  Uuid object_id;
  std::optional<std::string> executive_summary;
  std::optional<std::string> business_narrative;
  std::optional<JsonText> transformation_cards;
  std::optional<JsonText> code_explanations;
  std::optional<JsonText> business_rules;
  std::optional<JsonText> impact_analysis;
  std::optional<Timestamp> generated_at;
  std::optional<std::string> model;
  std::optional<std::string> doc_version;
  std::optional<JsonText> extra;  // members the generator sent that have no column, kept as they came

  template <class Record, class Visit>
  static void for_each_field(Record& r, Visit&& visit) {
    visit(1, r.id), visit(2, r.connection_id), visit(3, r.object_id), visit(4, r.executive_summary);
    visit(5, r.business_narrative), visit(6, r.transformation_cards), visit(7, r.code_explanations);
    visit(8, r.business_rules), visit(9, r.impact_analysis), visit(10, r.generated_at), visit(11, r.model);
    visit(12, r.doc_version), visit(13, r.extra);
  }
};

/// Ids of rows: UUIDv5 in the name space of the connection's id over "<kind>:<natural key>". The natural keys:
/// a file's relative path; an object's unique_id; for a column its object's unique_id, a newline and the column's key
/// (its name in lower case, unless two columns of the object differ by case alone: then the name as it is); for a
/// dependency target unique_id, upstream object id, type; for lineage target unique_id, target column key, source
/// object id, source column key, transformation type; a documentation's object id.
Uuid file_id(const ConnectionId& connection, std::string_view relative_path);
Uuid object_id(const ConnectionId& connection, std::string_view unique_id);
Uuid column_id(const ConnectionId& connection, std::string_view unique_id, std::string_view column_key);
Uuid dependency_id(const ConnectionId& connection, std::string_view target_unique_id, const Uuid& source_object,
                   std::string_view dependency_type);
Uuid column_lineage_id(const ConnectionId& connection, std::string_view target_unique_id,
                       std::string_view target_column_key, const Uuid& source_object,
                       std::string_view source_column_key, std::string_view transformation_type);
Uuid documentation_id(const ConnectionId& connection, const Uuid& object);

/// Whether an object of this type counts in `object_count`: model, seed, snapshot, source, exposure, analysis.
bool is_counted_object_type(std::string_view object_type);

}  // namespace tideline
