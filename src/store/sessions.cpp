#include "store/sessions.h"

#include <utility>

#include "store/row_views.h"

namespace tideline::store {
namespace {

#define TIDELINE_SESSION_FIELDS                                                                               \
  "id, user_id, workspace_identifier, workspace_hash, ide_version, sync_mode, connection_ids, last_sync_at, " \
  "sync_status, total_objects_synced, error_message, created_at, updated_at"

constexpr pg::Statement kUpsert{"session_upsert", "select metadata.upsert_ide_sync_session($1, $2, $3, $4, $5, $6)"};
// $5: whether $6 is said. A session that is active again has no error unless one is said.
constexpr pg::Statement kUpdate{
    "session_update",
    "update metadata.ide_sync_sessions"
    "   set total_objects_synced = coalesce($3, total_objects_synced), sync_status = coalesce($4, sync_status),"
    "       error_message = case when $5 then $6 when $4 = 'active' then null else error_message end,"
    "       last_sync_at = clock_timestamp(), updated_at = clock_timestamp()"
    " where organization_id = $1 and id = $2 and user_id = (select auth.uid())"
    " returning " TIDELINE_SESSION_FIELDS};
constexpr pg::Statement kList{"session_list", "select " TIDELINE_SESSION_FIELDS
                                              "  from metadata.ide_sync_sessions where organization_id = $1"
                                              " order by updated_at desc, id"};
// Nobody's sessions are an empty list; those of who is no member, a refusal.
constexpr pg::Statement kMayRead{"session_may_read", "select enterprise.current_organization() is not null"};

std::optional<std::string> owned(std::optional<std::string_view> text) {
  return text ? std::optional<std::string>(*text) : std::nullopt;
}

Session session_of(const pg::ResultSet& rows, int row) {
  Session session{.id = rows.id<SessionId>(row, 0),
                  .user = rows.id<UserId>(row, 1),
                  .workspace_identifier = std::string(rows.text(row, 2)),
                  .workspace_hash = owned(rows.text_or_null(row, 3)),
                  .ide_version = owned(rows.text_or_null(row, 4)),
                  .sync_mode = std::string(rows.text(row, 5)),
                  .connections = std::nullopt,
                  .last_sync_at = rows.timestamp_or_null(row, 7),
                  .sync_status = std::string(rows.text(row, 8)),
                  .total_objects_synced = rows.int64(row, 9),
                  .error_message = owned(rows.text_or_null(row, 10)),
                  .created_at = rows.timestamp(row, 11),
                  .updated_at = rows.timestamp(row, 12)};
  if (!rows.is_null(row, 6)) {
    session.connections.emplace();
    for (const Uuid& id : rows.uuids(row, 6)) session.connections->push_back({id});
  }
  return session;
}

}  // namespace

awaitable<Result<SessionId>> register_session(Database& database, Tenant tenant, SessionSpec spec, Deadline deadline) {
  CO_TRY(auto transaction, co_await database.begin(tenant, TenantTransaction::Mode::kWrite, deadline));
  pg::Params params;
  params.add(tenant.organization).add(spec.workspace_identifier).add(spec.workspace_hash).add(spec.ide_version);
  params.add(spec.sync_mode);
  add_connections(params, spec.connections);
  CO_TRY(const auto rows, co_await transaction.exec(kUpsert, std::move(params), deadline));
  const auto id = rows.id<SessionId>(0, 0);
  CO_TRY_VOID(co_await transaction.commit(deadline));
  co_return id;
}

awaitable<Result<Session>> update_session(Database& database, Tenant tenant, SessionId id, SessionChange change,
                                          Deadline deadline) {
  CO_TRY(auto transaction, co_await database.begin(tenant, TenantTransaction::Mode::kWrite, deadline));
  pg::Params params;
  params.add(tenant.organization).add(id).add(change.total_objects_synced).add(change.sync_status);
  params.add(change.error_message.has_value());
  params.add(change.error_message ? *change.error_message : std::optional<std::string>());
  CO_TRY(const auto rows, co_await transaction.exec(kUpdate, std::move(params), deadline));
  if (rows.empty()) co_return fail(Code::kNotFound, "No such session of yours in this organization");
  Session session = session_of(rows, 0);
  CO_TRY_VOID(co_await transaction.commit(deadline));
  co_return std::move(session);
}

awaitable<Result<std::vector<Session>>> list_sessions(Database& database, Tenant tenant, Deadline deadline) {
  std::vector<Query> queries(2);
  queries[0].statement = kMayRead;
  queries[1].statement = kList;
  queries[1].params.add(tenant.organization);
  // Of the primary: who has just registered a session expects to see it.
  CO_TRY(const auto results, co_await database.read(tenant, std::move(queries), deadline, Consistency::kPrimary));
  if (!results[0].boolean(0, 0)) co_return fail(Code::kPermissionDenied, "Access denied to organization");
  std::vector<Session> sessions;
  sessions.reserve(static_cast<std::size_t>(results[1].rows()));
  for (int row = 0; row < results[1].rows(); ++row) sessions.push_back(session_of(results[1], row));
  co_return std::move(sessions);
}

}  // namespace tideline::store
