#pragma once
// Records ⇄ columns: the columns of a synced table's content in the order of the record's tags, and the record read
// back from them. A SELECT of TIDELINE_COLUMN_FIELDS and record_of<ColumnRecord> belong together, and the record hashes
// to the row's row_hash.

#include <algorithm>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "model/records.h"
#include "model/row_hash.h"
#include "pg/params.h"
#include "pg/result.h"

namespace tideline::store {

/// The content columns of each table, in tag order. Macros, because statements are put together from literals.
#define TIDELINE_CONNECTION_FIELDS "id, type, name, full_name, subdir, url, aliases"
#define TIDELINE_FILE_FIELDS \
  "id, connection_id, relative_path, file_type, dialect, size_bytes, file_hash, parser_used, parse_confidence"
#define TIDELINE_OBJECT_FIELDS                                                                                   \
  "id, connection_id, file_id, name, schema_name, database_name, full_name, object_type, definition, "           \
  "compiled_definition, description, metadata, line_start, line_end, content_hash, confidence, extracted_from, " \
  "extraction_tier"
#define TIDELINE_COLUMN_FIELDS                                                                                  \
  "id, connection_id, object_id, name, data_type, is_nullable, is_primary_key, is_foreign_key, default_value, " \
  "description, position, metadata"
#define TIDELINE_DEPENDENCY_FIELDS                                                                        \
  "id, connection_id, source_object_id, target_object_id, dependency_type, column_level, source_column, " \
  "target_column, expression, confidence, metadata, source_connection_id, source_full_name"
#define TIDELINE_LINEAGE_FIELDS                                                                       \
  "id, connection_id, source_object_id, source_column, target_object_id, target_column, expression, " \
  "transformation_type, confidence, extracted_from, metadata, source_connection_id, source_full_name"
#define TIDELINE_DOCUMENTATION_FIELDS                                                                              \
  "id, connection_id, object_id, executive_summary, business_narrative, transformation_cards, code_explanations, " \
  "business_rules, impact_analysis, generated_at, model, doc_version, extra"

namespace detail {

inline void read_field(const pg::ResultSet& rows, int row, int column, Uuid& out) { out = rows.uuid(row, column); }
inline void read_field(const pg::ResultSet& rows, int row, int column, std::string& out) {
  out = rows.text(row, column);
}
inline void read_field(const pg::ResultSet& rows, int row, int column, JsonText& out) {
  out.text = rows.text(row, column);
}
inline void read_field(const pg::ResultSet& rows, int row, int column, std::int64_t& out) {
  out = rows.int64(row, column);
}
inline void read_field(const pg::ResultSet& rows, int row, int column, bool& out) { out = rows.boolean(row, column); }
inline void read_field(const pg::ResultSet& rows, int row, int column, Confidence& out) {
  out.thousandths = rows.int64(row, column);
}
inline void read_field(const pg::ResultSet& rows, int row, int column, Timestamp& out) {
  out = rows.timestamp(row, column);
}
template <class T>
void read_field(const pg::ResultSet& rows, int row, int column, std::optional<T>& out) {
  if (rows.is_null(row, column)) {
    out.reset();
  } else {
    read_field(rows, row, column, out.emplace());
  }
}

}  // namespace detail

/// The record whose fields stand in the columns from `first_column` on.
template <class Record>
Record record_of(const pg::ResultSet& rows, int row, int first_column = 0) {
  Record record;
  int column = first_column;
  Record::for_each_field(record, [&](int, auto& value) { detail::read_field(rows, row, column++, value); });
  return record;
}

inline pg::UuidArray array_of(std::span<const Uuid> ids) {
  pg::UuidArray array;
  array.reserve(ids.size(), sizeof(Uuid));
  for (const Uuid& id : ids) array.add(id);
  return array;
}
/// Of the first column.
inline std::vector<Uuid> ids_of(const pg::ResultSet& rows) {
  std::vector<Uuid> ids;
  ids.reserve(static_cast<std::size_t>(rows.rows()));
  for (int row = 0; row < rows.rows(); ++row) ids.push_back(rows.uuid(row, 0));
  return ids;
}

/// A column `row_hash`.
inline RowHash row_hash_at(const pg::ResultSet& rows, int row, int column) {
  const auto bytes = rows.bytea(row, column);
  RowHash hash;
  std::copy_n(bytes.begin(), std::min(bytes.size(), hash.bytes.size()), hash.bytes.begin());
  return hash;
}

}  // namespace tideline::store

/// JSON that is kept as the text it came as: type json, not jsonb.
template <>
struct tideline::pg::wire::Format<tideline::JsonText> {
  static constexpr TypeId kType = 114, kArray = 199;
  using View = std::string_view;
  static void append(std::string& out, View text) { out.append(text); }
};
