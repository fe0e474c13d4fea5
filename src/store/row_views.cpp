#include "store/row_views.h"

#include "store/sync_package.h"

namespace tideline::store {
namespace {

wire::FileRow file_view(const pg::ResultSet& r, int row) {
  return {.id = r.uuid(row, 0),
          .repository_id = r.uuid(row, 1),
          .organization_id = r.uuid(row, 2),
          .connection_id = r.uuid(row, 3),
          .relative_path = r.text(row, 4),
          .absolute_path = r.text_or_null(row, 5),
          .file_type = r.text(row, 6),
          .dialect = r.text_or_null(row, 7),
          .size_bytes = r.int64_or_null(row, 8),
          .file_hash = r.text_or_null(row, 9),
          .parsed_at = r.timestamp(row, 10),
          .parser_used = r.text(row, 11),
          .parse_confidence = r.int64(row, 12),
          .created_at = r.timestamp(row, 13),
          .updated_at = r.timestamp(row, 14),
          .row_version = r.int64(row, 15)};
}

wire::ObjectRow object_view(const pg::ResultSet& r, int row) {
  return {.id = r.uuid(row, 0),
          .file_id = r.uuid_or_null(row, 1),
          .repository_id = r.uuid(row, 2),
          .organization_id = r.uuid(row, 3),
          .connection_id = r.uuid(row, 4),
          .name = r.text(row, 5),
          .schema_name = r.text_or_null(row, 6),
          .database_name = r.text_or_null(row, 7),
          .full_name = r.text(row, 8),
          .object_type = r.text(row, 9),
          .definition = r.text_or_null(row, 10),
          .compiled_definition = r.text_or_null(row, 11),
          .description = r.text_or_null(row, 12),
          .metadata = r.text(row, 13),
          .line_start = r.int64_or_null(row, 14),
          .line_end = r.int64_or_null(row, 15),
          .content_hash = r.text_or_null(row, 16),
          .confidence = r.int64(row, 17),
          .extracted_from = r.text(row, 18),
          .extraction_tier = r.text(row, 19),
          .compiled_as_of = r.timestamp_or_null(row, 20),
          .catalog_as_of = r.timestamp_or_null(row, 21),
          .created_at = r.timestamp(row, 22),
          .updated_at = r.timestamp(row, 23),
          .row_version = r.int64(row, 24)};
}

wire::ColumnRow column_view(const pg::ResultSet& r, int row) {
  return {.id = r.uuid(row, 0),
          .object_id = r.uuid(row, 1),
          .organization_id = r.uuid(row, 2),
          .connection_id = r.uuid(row, 3),
          .name = r.text(row, 4),
          .data_type = r.text_or_null(row, 5),
          .is_nullable = r.boolean_or_null(row, 6),
          .is_primary_key = r.boolean(row, 7),
          .is_foreign_key = r.boolean(row, 8),
          .default_value = r.text_or_null(row, 9),
          .description = r.text_or_null(row, 10),
          .position = r.int64(row, 11),
          .metadata = r.text(row, 12),
          .updated_at = r.timestamp(row, 13),
          .row_version = r.int64(row, 14)};
}

wire::DependencyRow dependency_view(const pg::ResultSet& r, int row) {
  return {.id = r.uuid(row, 0),
          .organization_id = r.uuid(row, 1),
          .connection_id = r.uuid(row, 2),
          .source_object_id = r.uuid(row, 3),
          .target_object_id = r.uuid(row, 4),
          .dependency_type = r.text(row, 5),
          .column_level = r.boolean(row, 6),
          .source_column = r.text_or_null(row, 7),
          .target_column = r.text_or_null(row, 8),
          .expression = r.text_or_null(row, 9),
          .confidence = r.int64(row, 10),
          .metadata = r.text(row, 11),
          .source_connection_id = r.uuid(row, 12),
          .source_full_name = r.text(row, 13),
          .updated_at = r.timestamp(row, 14),
          .row_version = r.int64(row, 15)};
}

wire::ColumnLineageRow lineage_view(const pg::ResultSet& r, int row) {
  return {.id = r.uuid(row, 0),
          .organization_id = r.uuid(row, 1),
          .connection_id = r.uuid(row, 2),
          .source_object_id = r.uuid(row, 3),
          .source_column = r.text(row, 4),
          .target_object_id = r.uuid(row, 5),
          .target_column = r.text(row, 6),
          .expression = r.text_or_null(row, 7),
          .transformation_type = r.text(row, 8),
          .confidence = r.int64(row, 9),
          .extracted_from = r.text(row, 10),
          .metadata = r.text(row, 11),
          .source_connection_id = r.uuid(row, 12),
          .source_full_name = r.text(row, 13),
          .updated_at = r.timestamp(row, 14),
          .row_version = r.int64(row, 15)};
}

wire::DocumentationRow documentation_view(const pg::ResultSet& r, int row) {
  wire::DocumentationRow view{.id = r.uuid(row, 0),
                              .object_id = r.uuid(row, 1),
                              .organization_id = r.uuid(row, 2),
                              .connection_id = r.uuid(row, 3),
                              .executive_summary = r.text_or_null(row, 4),
                              .business_narrative = r.text_or_null(row, 5),
                              .transformation_cards = r.text_or_null(row, 6),
                              .code_explanations = r.text_or_null(row, 7),
                              .business_rules = r.text_or_null(row, 8),
                              .impact_analysis = r.text_or_null(row, 9),
                              .generated_at = r.timestamp_or_null(row, 10),
                              .model = r.text_or_null(row, 11),
                              .doc_version = r.text_or_null(row, 12),
                              .extra = r.text_or_null(row, 13),
                              .updated_at = r.timestamp(row, 14),
                              .row_version = r.int64(row, 15)};
  constexpr int kObjectAt = 16;
  if (r.columns() > kObjectAt)
    view.object = wire::DocumentedObject{.name = r.text(row, kObjectAt),
                                         .full_name = r.text(row, kObjectAt + 1),
                                         .object_type = r.text(row, kObjectAt + 2),
                                         .relative_path = r.text_or_null(row, kObjectAt + 3)};
  return view;
}

}  // namespace

void append_rows(wire::JsonRows& json, const RowChunk& chunk) {
  const pg::ResultSet& rows = chunk.rows;
  const auto add_all = [&](auto view) {
    for (int row = 0; row < rows.rows(); ++row) json.add(view(rows, row));
  };
  switch (chunk.kind) {
    case Kind::kFile:
      return add_all(file_view);
    case Kind::kObject:
      return add_all(object_view);
    case Kind::kColumn:
      return add_all(column_view);
    case Kind::kDependency:
      return add_all(dependency_view);
    case Kind::kColumnLineage:
      return add_all(lineage_view);
    case Kind::kDocumentation:
      return add_all(documentation_view);
    case Kind::kConnection:
      return;  // told otherwise: store/listing.h
  }
}

}  // namespace tideline::store
