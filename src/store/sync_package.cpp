#include "store/sync_package.h"

#include <algorithm>
#include <span>
#include <utility>

#include "store/record_rows.h"
#include "store/row_views.h"

namespace tideline::store {
namespace {

// The plans that serve large arrays of ids well are those made without looking at them (index scans, object by object):
// the arrays themselves would make the planner read whole tables.
// A connection that came back under its old id since the base: what its first life left behind at a client cannot be
// told row by row, so that answer is in full.
constexpr pg::Statement kHead{
    "sync_head",
    "with base as materialized ("
    "  select v.version from metadata.versions v"
    "   where v.organization_id = $1 and v.committed_at <= $2 order by v.committed_at desc limit 1)"
    "select h.version, h.stamp, h.floor, (select version from base),"
    "       (select coalesce(array_agg(c.id order by c.id), '{}') from enterprise.connections c"
    "         where c.organization_id = $1 and c.id = any ($3)),"
    "       $2 is not null and exists ("
    "         select from enterprise.connections c"
    "          where c.organization_id = $1 and ($3 is null or c.id = any ($3))"
    "            and c.incarnation > coalesce((select version from base), 0)"
    "            and (exists (select from metadata.objects o where o.organization_id = $1 and o.connection_id = c.id"
    "                            and o.created_version < c.incarnation)"
    "              or exists (select from metadata.files f where f.organization_id = $1 and f.connection_id = c.id"
    "                            and f.created_version < c.incarnation)"
    "              or exists (select from metadata.tombstones t where t.organization_id = $1 and t.connection_id = c.id"
    "                            and t.kind in (2, 3) and t.created_version < c.incarnation))),"
    "       enterprise.epoch(), set_config('plan_cache_mode', 'force_generic_plan', true)"
    "  from metadata.heads h where h.organization_id = $1"};

// Places: live rows and tombstones in one order, cut by offset first and by the number of live rows then.
// $1 organization, $2 connections or null, $3 offset, $4 limit; the incremental ones: $5 base.
#define TIDELINE_PLACES(table, kind, live_condition, dead_condition)                                      \
  "select p.id from ("                                                                                    \
  "  select r.created_version, r.id, true as live from metadata." table                                   \
  " r"                                                                                                    \
  "   where r.organization_id = $1 and ($2::uuid[] is null or r.connection_id = any ($2))" live_condition \
  "  union all"                                                                                           \
  "  select t.created_version, t.id, false from metadata.tombstones t"                                    \
  "   where t.organization_id = $1 and t.kind = " kind                                                    \
  "     and ($2::uuid[] is null or t.connection_id = any ($2))" dead_condition                            \
  "  order by 1, 2 offset $3) p"                                                                          \
  " where p.live order by p.created_version, p.id limit $4"

constexpr pg::Statement kFilePlaces{"sync_file_places", TIDELINE_PLACES("files", "2", "", "")};
constexpr pg::Statement kObjectPlaces{"sync_object_places", TIDELINE_PLACES("objects", "3", "", "")};
constexpr pg::Statement kChangedFilePlaces{
    "sync_changed_file_places", TIDELINE_PLACES("files", "2", " and r.row_version > $5", " and t.row_version > $5")};
constexpr pg::Statement kChangedObjectPlaces{
    "sync_changed_object_places",
    TIDELINE_PLACES("objects", "3", " and r.changed_version > $5", " and t.row_version > $5")};
#undef TIDELINE_PLACES

// $1 organization, $2 connections or null, $3 base. The tombstone of a connection stays when one is registered under
// its id again; that one is not gone. (Had the first held rows, the answer would be in full: see above.)
constexpr pg::Statement kDeletions{
    "sync_deletions",
    "select t.kind, t.id from metadata.tombstones t"
    " where t.organization_id = $1 and ($2::uuid[] is null or t.connection_id = any ($2)) and t.row_version > $3"
    "   and case when t.kind = 1 then not exists ("
    "     select from enterprise.connections c where c.organization_id = $1 and c.id = t.id)"
    "   else not exists ("
    "     select from metadata.tombstones c"
    "      where c.organization_id = $1 and c.kind = 1 and c.id = t.connection_id and t.row_version <= c.row_version) "
    "end"
    " order by t.kind, t.id"};

// Rows by id, or by the object they hang on, in the order of the ids given. $1 organization, $2 ids.
constexpr pg::Statement kFiles{"sync_files", "select " TIDELINE_FILE_VIEW
                                             " from unnest($2) with ordinality p(id, n) join metadata.files f"
                                             "   on f.organization_id = $1 and f.id = p.id order by p.n"};
constexpr pg::Statement kObjects{"sync_objects", "select " TIDELINE_OBJECT_VIEW
                                                 " from unnest($2) with ordinality p(id, n) join metadata.objects o"
                                                 "   on o.organization_id = $1 and o.id = p.id order by p.n"};
constexpr pg::Statement kColumns{
    "sync_columns", "select " TIDELINE_COLUMN_VIEW
                    " from unnest($2) with ordinality p(id, n) cross join lateral ("
                    "   select * from metadata.columns c where c.organization_id = $1 and c.object_id = p.id"
                    "    order by c.position, c.id) c order by p.n"};
constexpr pg::Statement kDependencies{
    "sync_dependencies",
    "select " TIDELINE_DEPENDENCY_VIEW
    " from unnest($2) with ordinality p(id, n) cross join lateral ("
    "   select * from metadata.dependencies d where d.organization_id = $1 and d.target_object_id = p.id"
    "    order by d.id) d order by p.n"};
constexpr pg::Statement kColumnLineage{
    "sync_columns_lineage",
    "select " TIDELINE_LINEAGE_VIEW
    " from unnest($2) with ordinality p(id, n) cross join lateral ("
    "   select * from metadata.columns_lineage l where l.organization_id = $1 and l.target_object_id = p.id"
    "    order by l.id) l order by p.n"};
constexpr pg::Statement kDocumentation{
    "sync_documentation",
    "select " TIDELINE_DOCUMENTATION_VIEW
    " from unnest($2) with ordinality p(id, n) join metadata.object_documentation d"
    "   on d.organization_id = $1 and d.object_id = p.id and d.hidden_at is null order by p.n, d.id"};

/// In the order of the answer. A chunk is what lies in memory: few rows where they are large. Batches of ids, and not
/// one statement read row by row, because libpq takes three times as long over rows one by one.
struct Section {
  Kind kind;
  pg::Statement statement;
  std::size_t batch;  // files or objects
};
constexpr Section kSections[] = {
    {Kind::kFile, kFiles, 500},
    {Kind::kObject, kObjects, 125},
    {Kind::kColumn, kColumns, 250},
    {Kind::kDependency, kDependencies, 500},
    {Kind::kColumnLineage, kColumnLineage, 250},
    {Kind::kDocumentation, kDocumentation, 125},
};

}  // namespace

void add_connections(pg::Params& params, const std::optional<std::vector<ConnectionId>>& connections) {
  if (!connections) {
    params.add_null();
    return;
  }
  pg::UuidArray array;
  for (const ConnectionId& id : *connections) array.add(id);
  params.add(std::move(array));
}

awaitable<Result<SyncPackageReader>> SyncPackageReader::open(Database& database, Tenant tenant, SyncPackageQuery query,
                                                             Consistency consistency, Deadline deadline) {
  CO_TRY(auto transaction, co_await database.begin(tenant, TenantTransaction::Mode::kSnapshot, deadline, consistency));
  SyncPackageReader reader(std::move(transaction), std::move(query));
  CO_TRY_VOID(co_await reader.read_head(deadline));
  CO_TRY_VOID(co_await reader.read_places(deadline));
  co_return std::move(reader);
}

awaitable<Result<void>> SyncPackageReader::read_head(Deadline deadline) {
  pg::Params params;
  params.add(transaction_.tenant().organization).add(query_.last_sync);
  add_connections(params, query_.connections);
  CO_TRY(const auto rows, co_await transaction_.exec(kHead, std::move(params), deadline));
  // The head is there for every organization, and hidden from those who are not in it.
  if (rows.empty()) co_return fail(Code::kPermissionDenied, "Access denied to organization");

  head_.version = Version{rows.int64(0, 0)};
  head_.stamp = rows.timestamp(0, 1);
  const Version floor{rows.int64(0, 2)};
  const auto base = rows.int64_or_null(0, 3);
  head_.timestamp = query_.as_of && *query_.as_of <= head_.stamp ? *query_.as_of : head_.stamp;
  if (query_.connections) {
    head_.connections.emplace();
    for (const Uuid& id : rows.uuids(0, 4)) head_.connections->push_back({id});
  }
  const bool came_back = rows.boolean(0, 5);
  head_.epoch = rows.uuid(0, 6);
  // No version that old: since the organization's start, unless what is below the floor is forgotten.
  head_.base = Version{base.value_or(0)};
  head_.incremental = query_.last_sync && *query_.last_sync <= head_.stamp && head_.base >= floor && !came_back;
  if (!head_.incremental) head_.base = Version{};
  co_return Result<void>();
}

awaitable<Result<void>> SyncPackageReader::read_places(Deadline deadline) {
  const auto places = [this] {
    pg::Params params;
    params.add(transaction_.tenant().organization);
    add_connections(params, query_.connections);
    params.add(query_.offset).add(query_.limit);
    if (head_.incremental) params.add(head_.base);
    return params;
  };
  pg::Pipeline pipeline;
  pipeline.add(head_.incremental ? kChangedFilePlaces : kFilePlaces, places());
  pipeline.add(head_.incremental ? kChangedObjectPlaces : kObjectPlaces, places());
  const bool tells_deletions = head_.incremental && query_.offset == 0;
  if (tells_deletions) {
    pg::Params params;
    params.add(transaction_.tenant().organization);
    add_connections(params, query_.connections);
    params.add(head_.base);
    pipeline.add(kDeletions, std::move(params));
  }
  CO_TRY(const auto results, co_await transaction_.run(std::move(pipeline), deadline));
  files_ = ids_of(results[0]);
  objects_ = ids_of(results[1]);
  if (tells_deletions) {
    const auto& rows = results[2];
    for (int row = 0; row < rows.rows(); ++row)
      deletions_.ids[static_cast<std::size_t>(rows.int64(row, 0)) - 1].push_back(rows.uuid(row, 1));
  }
  co_return Result<void>();
}

awaitable<Result<std::optional<RowChunk>>> SyncPackageReader::next(Deadline deadline) {
  for (; section_ < std::size(kSections); ++section_, read_ = 0) {
    const Section& section = kSections[section_];
    if (section.kind == Kind::kDocumentation && !query_.include_documentation) continue;
    const std::span<const Uuid> ids = section.kind == Kind::kFile ? files_ : objects_;
    while (read_ < ids.size()) {
      const auto batch = ids.subspan(read_, std::min(section.batch, ids.size() - read_));
      read_ += batch.size();
      pg::Params params;
      params.add(transaction_.tenant().organization).add(array_of(batch));
      CO_TRY(auto rows, co_await transaction_.exec(section.statement, std::move(params), deadline));
      if (!rows.empty()) co_return std::optional(RowChunk{section.kind, std::move(rows)});
    }
  }
  co_return std::optional<RowChunk>();
}

}  // namespace tideline::store
