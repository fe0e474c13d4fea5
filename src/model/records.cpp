#include "model/records.h"

#include <algorithm>
#include <array>

namespace tideline {
namespace {

std::string key(std::string_view kind, std::initializer_list<std::string_view> parts) {
  std::string text(kind);
  char separator = ':';
  for (const auto part : parts) {
    text += separator;
    text += part;
    separator = '\n';
  }
  return text;
}

}  // namespace

std::string_view table_name(Kind kind) {
  switch (kind) {
    case Kind::kConnection:
      return "connections";
    case Kind::kFile:
      return "files";
    case Kind::kObject:
      return "objects";
    case Kind::kColumn:
      return "columns";
    case Kind::kDependency:
      return "dependencies";
    case Kind::kColumnLineage:
      return "columns_lineage";
    case Kind::kDocumentation:
      return "documentation";
  }
  return {};
}

Uuid file_id(const ConnectionId& connection, std::string_view relative_path) {
  return Uuid::v5(connection.value, key("file", {relative_path}));
}

Uuid object_id(const ConnectionId& connection, std::string_view unique_id) {
  return Uuid::v5(connection.value, key("object", {unique_id}));
}

Uuid column_id(const ConnectionId& connection, std::string_view unique_id, std::string_view column_key) {
  return Uuid::v5(connection.value, key("column", {unique_id, column_key}));
}

Uuid dependency_id(const ConnectionId& connection, std::string_view target_unique_id, const Uuid& source_object,
                   std::string_view dependency_type) {
  return Uuid::v5(connection.value, key("dependency", {target_unique_id, source_object.to_string(), dependency_type}));
}

Uuid column_lineage_id(const ConnectionId& connection, std::string_view target_unique_id,
                       std::string_view target_column_key, const Uuid& source_object,
                       std::string_view source_column_key, std::string_view transformation_type) {
  return Uuid::v5(connection.value,
                  key("column_lineage", {target_unique_id, target_column_key, source_object.to_string(),
                                         source_column_key, transformation_type}));
}

Uuid documentation_id(const ConnectionId& connection, const Uuid& object) {
  return Uuid::v5(connection.value, key("documentation", {object.to_string()}));
}

bool is_counted_object_type(std::string_view object_type) {
  static constexpr std::array<std::string_view, 6> kCounted{"model",  "seed",     "snapshot",
                                                            "source", "exposure", "analysis"};
  return std::find(kCounted.begin(), kCounted.end(), object_type) != kCounted.end();
}

}  // namespace tideline
