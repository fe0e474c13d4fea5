#pragma once
// Rows as the wire layer's views: what to select, in which order, and how to read it. A SELECT of TIDELINE_COLUMN_VIEW
// (from a table under the alias named there) and column_view belong together. The views live as long as the result.

#include "pg/result.h"
#include "store/sync_package.h"
#include "wire/rows.h"

namespace tideline::store {

// Macros, because statements are put together from literals.
#define TIDELINE_FILE_VIEW                                                                                     \
  "f.id, f.repository_id, f.organization_id, f.connection_id, f.relative_path, f.absolute_path, f.file_type, " \
  "f.dialect, f.size_bytes, f.file_hash, f.parsed_at, f.parser_used, f.parse_confidence, f.created_at, "       \
  "f.updated_at, f.row_version"
#define TIDELINE_OBJECT_VIEW                                                                                       \
  "o.id, o.file_id, o.repository_id, o.organization_id, o.connection_id, o.name, o.schema_name, o.database_name, " \
  "o.full_name, o.object_type, o.definition, o.compiled_definition, o.description, o.metadata, o.line_start, "     \
  "o.line_end, o.content_hash, o.confidence, o.extracted_from, o.extraction_tier, o.compiled_as_of, "              \
  "o.catalog_as_of, o.created_at, o.updated_at, o.row_version"
#define TIDELINE_COLUMN_VIEW                                                                                      \
  "c.id, c.object_id, c.organization_id, c.connection_id, c.name, c.data_type, c.is_nullable, c.is_primary_key, " \
  "c.is_foreign_key, c.default_value, c.description, c.position, c.metadata, c.updated_at, c.row_version"
#define TIDELINE_DEPENDENCY_VIEW                                                                          \
  "d.id, d.organization_id, d.connection_id, d.source_object_id, d.target_object_id, d.dependency_type, " \
  "d.column_level, d.source_column, d.target_column, d.expression, d.confidence, d.metadata, "            \
  "d.source_connection_id, d.source_full_name, d.updated_at, d.row_version"
#define TIDELINE_LINEAGE_VIEW                                                                           \
  "l.id, l.organization_id, l.connection_id, l.source_object_id, l.source_column, l.target_object_id, " \
  "l.target_column, l.expression, l.transformation_type, l.confidence, l.extracted_from, l.metadata, "  \
  "l.source_connection_id, l.source_full_name, l.updated_at, l.row_version"
#define TIDELINE_DOCUMENTATION_VIEW                                                                             \
  "d.id, d.object_id, d.organization_id, d.connection_id, d.executive_summary, d.business_narrative, "          \
  "d.transformation_cards, d.code_explanations, d.business_rules, d.impact_analysis, d.generated_at, d.model, " \
  "d.doc_version, d.extra, d.updated_at, d.row_version"
/// After TIDELINE_DOCUMENTATION_VIEW where the object is told too.
#define TIDELINE_DOCUMENTED_OBJECT_VIEW "o.name, o.full_name, o.object_type, f.relative_path"

/// The connections a query is narrowed to as a parameter; null: all.
void add_connections(pg::Params& params, const std::optional<std::vector<ConnectionId>>& connections);

}  // namespace tideline::store
