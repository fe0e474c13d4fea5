#include "store/row_writer.h"

namespace tideline::store {
namespace {

// In all of these: $1 organization, $2 version, $3 stamp, then the arrays. A row that comes back takes the place its
// tombstone kept for it.
constexpr pg::Statement kWriteFiles{
    "write_files",
    "insert into metadata.files as t (organization_id, repository_id, " TIDELINE_FILE_FIELDS
    ", row_hash, row_version, updated_at, created_at, parsed_at, created_version)"
    " select $1, u.connection_id, u.*, $2, $3, $3, $3,"
    " coalesce((select d.created_version from metadata.tombstones d"
    "            where d.organization_id = $1 and d.kind = 2 and d.id = u.id), $2)"
    " from unnest($4, $5, $6, $7, $8, $9, $10, $11, $12, $13) as u (" TIDELINE_FILE_FIELDS
    ", row_hash)"
    " on conflict (organization_id, id) do update set"
    " relative_path = excluded.relative_path, file_type = excluded.file_type, dialect = excluded.dialect,"
    " size_bytes = excluded.size_bytes, file_hash = excluded.file_hash, parser_used = excluded.parser_used,"
    " parse_confidence = excluded.parse_confidence, row_hash = excluded.row_hash, row_version = excluded.row_version,"
    " updated_at = excluded.updated_at, parsed_at = excluded.parsed_at"};
// $4, $5: when the compiled SQL and the catalog's facts were generated. They stand since the artifact that brought
// them, not since the last one that repeated them.
constexpr pg::Statement kWriteObjects{
    "write_objects",
    "insert into metadata.objects as t (organization_id, repository_id, " TIDELINE_OBJECT_FIELDS
    ", row_hash, row_version, updated_at, created_at, changed_version, compiled_as_of, catalog_as_of, created_version)"
    " select $1, u.connection_id, " TIDELINE_OBJECT_FIELDS
    ", row_hash, $2, $3, $3, $2, case when brings_compiled then $4 end, case when brings_catalog then $5 end,"
    " coalesce((select d.created_version from metadata.tombstones d"
    "            where d.organization_id = $1 and d.kind = 3 and d.id = u.id), $2)"
    " from unnest($6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26)"
    " as u (" TIDELINE_OBJECT_FIELDS
    ", row_hash, brings_compiled, brings_catalog)"
    " on conflict (organization_id, id) do update set"
    " file_id = excluded.file_id, name = excluded.name, schema_name = excluded.schema_name,"
    " database_name = excluded.database_name, full_name = excluded.full_name, object_type = excluded.object_type,"
    " definition = excluded.definition, compiled_definition = excluded.compiled_definition,"
    " description = excluded.description, metadata = excluded.metadata, line_start = excluded.line_start,"
    " line_end = excluded.line_end, content_hash = excluded.content_hash, confidence = excluded.confidence,"
    " extracted_from = excluded.extracted_from, extraction_tier = excluded.extraction_tier,"
    " row_hash = excluded.row_hash, row_version = excluded.row_version, updated_at = excluded.updated_at,"
    " changed_version = excluded.changed_version,"
    " compiled_as_of = case when excluded.compiled_definition is not distinct from t.compiled_definition"
    "   then t.compiled_as_of else excluded.compiled_as_of end,"
    " catalog_as_of = coalesce(excluded.catalog_as_of, t.catalog_as_of)"};
constexpr pg::Statement kWriteColumns{
    "write_columns",
    "insert into metadata.columns as t (organization_id, " TIDELINE_COLUMN_FIELDS
    ", row_hash, row_version, updated_at)"
    " select $1, u.*, $2, $3 from unnest($4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)"
    " as u (" TIDELINE_COLUMN_FIELDS
    ", row_hash)"
    " on conflict (organization_id, id) do update set"
    " object_id = excluded.object_id, name = excluded.name, data_type = excluded.data_type,"
    " is_nullable = excluded.is_nullable, is_primary_key = excluded.is_primary_key,"
    " is_foreign_key = excluded.is_foreign_key, default_value = excluded.default_value,"
    " description = excluded.description, position = excluded.position, metadata = excluded.metadata,"
    " row_hash = excluded.row_hash, row_version = excluded.row_version, updated_at = excluded.updated_at"};
constexpr pg::Statement kWriteDependencies{
    "write_dependencies",
    "insert into metadata.dependencies as t (organization_id, " TIDELINE_DEPENDENCY_FIELDS
    ", row_hash, row_version, updated_at)"
    " select $1, u.*, $2, $3 from unnest($4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)"
    " as u (" TIDELINE_DEPENDENCY_FIELDS
    ", row_hash)"
    " on conflict (organization_id, id) do update set"
    " source_object_id = excluded.source_object_id, target_object_id = excluded.target_object_id,"
    " dependency_type = excluded.dependency_type, column_level = excluded.column_level,"
    " source_column = excluded.source_column, target_column = excluded.target_column,"
    " expression = excluded.expression, confidence = excluded.confidence, metadata = excluded.metadata,"
    " source_connection_id = excluded.source_connection_id, source_full_name = excluded.source_full_name,"
    " row_hash = excluded.row_hash, row_version = excluded.row_version, updated_at = excluded.updated_at"};
constexpr pg::Statement kWriteLineage{
    "write_columns_lineage",
    "insert into metadata.columns_lineage as t (organization_id, " TIDELINE_LINEAGE_FIELDS
    ", row_hash, row_version, updated_at)"
    " select $1, u.*, $2, $3 from unnest($4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)"
    " as u (" TIDELINE_LINEAGE_FIELDS
    ", row_hash)"
    " on conflict (organization_id, id) do update set"
    " source_object_id = excluded.source_object_id, source_column = excluded.source_column,"
    " target_object_id = excluded.target_object_id, target_column = excluded.target_column,"
    " expression = excluded.expression, transformation_type = excluded.transformation_type,"
    " confidence = excluded.confidence, extracted_from = excluded.extracted_from, metadata = excluded.metadata,"
    " source_connection_id = excluded.source_connection_id, source_full_name = excluded.source_full_name,"
    " row_hash = excluded.row_hash, row_version = excluded.row_version, updated_at = excluded.updated_at"};

constexpr pg::Statement kTouchObjects{
    "touch_objects", "update metadata.objects set changed_version = $2 where organization_id = $1 and id = any ($3)"};
constexpr pg::Statement kDateCatalog{
    "date_catalog", "update metadata.objects set catalog_as_of = $2 where organization_id = $1 and id = any ($3)"};
constexpr pg::Statement kForgetTombstones{"forget_tombstones",
                                          "delete from metadata.tombstones t using unnest($2, $3) as back (kind, id)"
                                          " where t.organization_id = $1 and t.kind = back.kind and t.id = back.id"};
constexpr pg::Statement kShowDocumentation{
    "show_documentation",
    "with shown as (update metadata.object_documentation"
    "   set hidden_at = null, row_version = $2, updated_at = $3"
    "   where organization_id = $1 and object_id = any ($4) and hidden_at is not null returning id, row_hash),"
    " back as (delete from metadata.tombstones t using shown"
    "   where t.organization_id = $1 and t.kind = 7 and t.id = shown.id)"
    " select row_hash from shown"};
constexpr pg::Statement kHideDocumentation{
    "hide_documentation",
    "with hidden as (update metadata.object_documentation"
    "   set hidden_at = $3, row_version = $2, updated_at = $3"
    "   where organization_id = $1 and object_id = any ($4) and hidden_at is null returning id, connection_id, "
    "row_hash),"
    " gone as (insert into metadata.tombstones"
    "     (organization_id, kind, id, connection_id, row_version, created_version)"
    "   select $1, 7, id, connection_id, $2, $2 from hidden"
    "   on conflict (organization_id, kind, id) do update set row_version = excluded.row_version)"
    " select row_hash from hidden"};

// $1 organization, $2 version, $3 ids.
constexpr pg::Statement kRemoveFiles{
    "remove_files",
    "with gone as (delete from metadata.files where organization_id = $1 and id = any ($3)"
    "   returning id, connection_id, created_version)"
    " insert into metadata.tombstones (organization_id, kind, id, connection_id, row_version, created_version)"
    " select $1, 2, id, connection_id, $2, created_version from gone"};
constexpr pg::Statement kRemoveObjects{
    "remove_objects",
    "with gone as (delete from metadata.objects where organization_id = $1 and id = any ($3)"
    "   returning id, connection_id, created_version)"
    " insert into metadata.tombstones (organization_id, kind, id, connection_id, row_version, created_version)"
    " select $1, 3, id, connection_id, $2, created_version from gone"};
#define TIDELINE_REMOVE_HANGING(table, object, kind)                                     \
  "with gone as (delete from metadata." table                                            \
  "   where organization_id = $1 and id = any ($3) returning id, connection_id, " object \
  " as object_id),"                                                                      \
  " buried as (insert into metadata.tombstones"                                          \
  "     (organization_id, kind, id, connection_id, row_version, created_version)"        \
  "   select $1, " kind                                                                  \
  ", id, connection_id, $2, $2 from gone)"                                               \
  " update metadata.objects set changed_version = $2"                                    \
  " where organization_id = $1 and changed_version < $2 and id in (select object_id from gone)"
constexpr pg::Statement kRemoveColumns{"remove_columns", TIDELINE_REMOVE_HANGING("columns", "object_id", "4")};
constexpr pg::Statement kRemoveDependencies{"remove_dependencies",
                                            TIDELINE_REMOVE_HANGING("dependencies", "target_object_id", "5")};
constexpr pg::Statement kRemoveLineage{"remove_columns_lineage",
                                       TIDELINE_REMOVE_HANGING("columns_lineage", "target_object_id", "6")};

pg::Params stamped(const Tenant& tenant, const LockedHead& head) {
  pg::Params params;
  params.add(tenant.organization).add(head.next).add(head.next_stamp);
  return params;
}

template <class Record>
void add_write(pg::Pipeline& pipeline, pg::Statement statement, pg::Params params, RowArrays<Record>& rows) {
  if (rows.size() == 0) return;
  rows.take(params);
  pipeline.add(statement, std::move(params));
}

DocumentationHashes hashes_of(const pg::ResultSet& rows) {
  DocumentationHashes hashes(static_cast<std::size_t>(rows.rows()));
  for (int row = 0; row < rows.rows(); ++row) hashes[static_cast<std::size_t>(row)] = row_hash_at(rows, row, 0);
  return hashes;
}

pg::Statement removal_of(Kind kind) {
  switch (kind) {
    case Kind::kFile:
      return kRemoveFiles;
    case Kind::kObject:
      return kRemoveObjects;
    case Kind::kColumn:
      return kRemoveColumns;
    case Kind::kDependency:
      return kRemoveDependencies;
    default:
      return kRemoveLineage;
  }
}

}  // namespace

void add_touch(pg::Pipeline& pipeline, const Tenant& tenant, Version version, const std::vector<Uuid>& objects) {
  if (objects.empty()) return;
  pg::Params params;
  params.add(tenant.organization).add(version).add(array_of(objects));
  pipeline.add(kTouchObjects, std::move(params));
}

void add_forget_tombstones(pg::Pipeline& pipeline, const Tenant& tenant,
                           const std::vector<std::pair<Kind, Uuid>>& rows) {
  if (rows.empty()) return;
  pg::Int8Array kinds;
  pg::UuidArray ids;
  for (const auto& [kind, id] : rows) kinds.add(static_cast<std::int64_t>(kind)), ids.add(id);
  pg::Params params;
  params.add(tenant.organization).add(std::move(kinds)).add(std::move(ids));
  pipeline.add(kForgetTombstones, std::move(params));
}

awaitable<Result<DocumentationHashes>> write_batch(TenantTransaction& transaction, const WriteContext& context,
                                                   RowBatch batch, Deadline deadline) {
  const Tenant tenant = transaction.tenant();
  const LockedHead& head = context.head;
  pg::Pipeline pipeline;
  add_write(pipeline, kWriteFiles, stamped(tenant, head), batch.files);
  if (batch.objects.size() != 0) {
    pg::Params params = stamped(tenant, head);
    params.add(context.generated_at).add(context.catalog_generated_at);
    batch.objects.take(params);
    params.add(std::move(batch.brings_compiled)).add(std::move(batch.brings_catalog));
    pipeline.add(kWriteObjects, std::move(params));
  }
  add_write(pipeline, kWriteColumns, stamped(tenant, head), batch.columns);
  add_write(pipeline, kWriteDependencies, stamped(tenant, head), batch.dependencies);
  add_write(pipeline, kWriteLineage, stamped(tenant, head), batch.lineage);
  add_touch(pipeline, tenant, head.next, batch.touched);
  if (!batch.catalogued.empty() && context.catalog_generated_at) {
    pg::Params params;
    params.add(tenant.organization).add(*context.catalog_generated_at).add(array_of(batch.catalogued));
    pipeline.add(kDateCatalog, std::move(params));
  }
  if (context.has_tombstones) add_forget_tombstones(pipeline, tenant, batch.added);

  std::vector<Uuid> added_objects;
  if (context.has_hidden_documentation) {
    for (const auto& [kind, id] : batch.added) {
      if (kind == Kind::kObject) added_objects.push_back(id);
    }
  }
  if (!added_objects.empty()) {
    pg::Params params = stamped(tenant, head);
    params.add(array_of(added_objects));
    pipeline.add(kShowDocumentation, std::move(params));
  }
  if (pipeline.size() == 0) co_return DocumentationHashes();
  CO_TRY(const auto results, co_await transaction.run(std::move(pipeline), deadline));
  co_return added_objects.empty() ? DocumentationHashes() : hashes_of(results.back());
}

awaitable<Result<DocumentationHashes>> remove_rows(TenantTransaction& transaction, const WriteContext& context,
                                                   Kind kind, std::vector<Uuid> ids, Deadline deadline) {
  if (ids.empty()) co_return DocumentationHashes();
  const Tenant tenant = transaction.tenant();
  pg::Params params;
  params.add(tenant.organization).add(context.head.next).add(array_of(ids));
  pg::Pipeline pipeline;
  pipeline.add(removal_of(kind), std::move(params));
  if (kind == Kind::kObject) {
    pg::Params hide = stamped(tenant, context.head);
    hide.add(array_of(ids));
    pipeline.add(kHideDocumentation, std::move(hide));
  }
  CO_TRY(const auto results, co_await transaction.run(std::move(pipeline), deadline));
  co_return kind == Kind::kObject ? hashes_of(results[1]) : DocumentationHashes();
}

}  // namespace tideline::store
