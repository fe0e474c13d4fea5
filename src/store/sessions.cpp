#include "store/sessions.h"

#include <utility>

#include "base/json.h"
#include "store/row_views.h"

namespace tideline::store {
namespace {

#define TIDELINE_SESSIONS                                                                                    \
  "select s.id, s.user_id, s.workspace_identifier, s.workspace_hash, s.ide_version, s.sync_mode,"            \
  "       s.connection_ids, s.last_sync_at, s.sync_status, s.total_objects_synced, s.error_message,"         \
  "       s.created_at, s.updated_at, m.email, s.synced_version, s.connection_versions::text, s.last_error," \
  "       s.last_error_at"                                                                                   \
  "  from metadata.ide_sync_sessions s left join enterprise.member_emails() m on m.user_id = s.user_id"      \
  " where s.organization_id = $1"

constexpr pg::Statement kUpsert{"session_upsert", "select metadata.upsert_ide_sync_session($1, $2, $3, $4, $5, $6)"};
constexpr pg::Statement kUpdate{"session_update", "select metadata.update_sync_statistics($1, $2, $3, $4, $5, $6, $7)"};
constexpr pg::Statement kOne{"session_one", TIDELINE_SESSIONS " and s.id = $2"};
constexpr pg::Statement kList{"session_list", TIDELINE_SESSIONS " order by s.updated_at desc, s.id"};
// Nobody's sessions are an empty list; those of who is no member, a refusal.
constexpr pg::Statement kMayRead{"session_may_read", "select enterprise.current_organization() is not null"};

std::optional<std::string> owned(std::optional<std::string_view> text) {
  return text ? std::optional<std::string>(*text) : std::nullopt;
}

std::optional<std::string> json_of(const std::optional<std::vector<std::pair<ConnectionId, Version>>>& versions) {
  if (!versions) return std::nullopt;
  std::string text;
  JsonWriter json(text);
  json.begin_object();
  for (const auto& [connection, version] : *versions) json.key(connection.to_string()).number(version.value);
  json.end_object();
  return text;
}

Session session_of(const pg::ResultSet& rows, int row) {
  Session session{.id = rows.id<SessionId>(row, 0),
                  .user = rows.id<UserId>(row, 1),
                  .user_email = owned(rows.text_or_null(row, 13)),
                  .workspace_identifier = std::string(rows.text(row, 2)),
                  .workspace_hash = owned(rows.text_or_null(row, 3)),
                  .ide_version = owned(rows.text_or_null(row, 4)),
                  .sync_mode = std::string(rows.text(row, 5)),
                  .connections = std::nullopt,
                  .last_sync_at = rows.timestamp_or_null(row, 7),
                  .sync_status = std::string(rows.text(row, 8)),
                  .total_objects_synced = rows.int64(row, 9),
                  .error_message = owned(rows.text_or_null(row, 10)),
                  .synced_version = rows.int64_or_null(row, 14),
                  .connection_versions = owned(rows.text_or_null(row, 15)),
                  .last_error = owned(rows.text_or_null(row, 16)),
                  .last_error_at = rows.timestamp_or_null(row, 17),
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
  // To the function an empty message is none any more.
  params.add(change.error_message ? std::optional(change.error_message->value_or("")) : std::nullopt);
  params.add(change.synced_version).add_json(json_of(change.connection_versions));
  CO_TRY(const auto updated, co_await transaction.exec(kUpdate, std::move(params), deadline));
  if (!updated.boolean(0, 0)) co_return fail(Code::kNotFound, "No such session of yours in this organization");
  pg::Params of_session;
  of_session.add(tenant.organization).add(id);
  CO_TRY(const auto rows, co_await transaction.exec(kOne, std::move(of_session), deadline));
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
