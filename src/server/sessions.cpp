#include "server/sessions.h"

#include <utility>

#include "base/json.h"

namespace tideline::server {
namespace {

void write_session(JsonWriter& json, const store::Session& session, OrganizationId organization) {
  json.begin_object();
  json.key("id").string(session.id.to_string()).key("organization_id").string(organization.to_string());
  json.key("user_id").string(session.user.to_string()).key("user_email").optional_string(session.user_email);
  json.key("workspace_identifier").string(session.workspace_identifier);
  json.key("workspace_hash").optional_string(session.workspace_hash);
  json.key("ide_version").optional_string(session.ide_version);
  json.key("sync_mode").string(session.sync_mode);
  json.key("connection_ids");
  if (session.connections) {
    json.begin_array();
    for (const ConnectionId& id : *session.connections) json.string(id.to_string());
    json.end_array();
  } else {
    json.null();
  }
  const auto time = [&json](const std::optional<Timestamp>& value) {
    value ? json.string(value->to_string()) : json.null();
  };
  json.key("last_sync_at");
  time(session.last_sync_at);
  json.key("synced_version");
  session.synced_version ? json.number(*session.synced_version) : json.null();
  json.key("connection_versions").raw(session.connection_versions.value_or("null"));
  json.key("sync_status").string(session.sync_status);
  json.key("total_objects_synced").number(session.total_objects_synced);
  json.key("error_message").optional_string(session.error_message);
  json.key("last_error").optional_string(session.last_error).key("last_error_at");
  time(session.last_error_at);
  json.key("created_at").string(session.created_at.to_string());
  json.key("updated_at").string(session.updated_at.to_string());
  json.end_object();
}

}  // namespace

store::awaitable<Result<std::string>> register_session(store::Database& database, store::Tenant tenant,
                                                       RegisterSessionRequest request,
                                                       std::optional<Timestamp> token_expires_at, Deadline deadline) {
  store::SessionSpec spec{.workspace_identifier = std::move(request.workspace_identifier),
                          .workspace_hash = std::move(request.workspace_hash),
                          .ide_version = std::move(request.ide_version),
                          .sync_mode = std::move(request.sync_mode),
                          .connections = std::move(request.connection_ids)};
  CO_TRY(const auto id, co_await store::register_session(database, tenant, std::move(spec), deadline));
  std::string body;
  JsonWriter json(body);
  json.begin_object().key("session_id").string(id.to_string());
  json.key("message").string("Session registered successfully").key("token_expires_at");
  json.optional_string(token_expires_at ? std::optional(token_expires_at->to_string()) : std::nullopt).end_object();
  co_return std::move(body);
}

store::awaitable<Result<std::string>> update_session(store::Database& database, store::Tenant tenant,
                                                     UpdateSessionRequest request, Deadline deadline) {
  store::SessionChange change{.total_objects_synced = request.total_objects_synced,
                              .sync_status = std::move(request.sync_status),
                              .error_message = std::move(request.error_message),
                              .synced_version = request.synced_version,
                              .connection_versions = std::move(request.connection_versions)};
  CO_TRY(const auto session, co_await store::update_session(database, tenant, request.id, std::move(change), deadline));
  std::string body;
  JsonWriter json(body);
  write_session(json, session, tenant.organization);
  co_return std::move(body);
}

store::awaitable<Result<std::string>> list_sessions(store::Database& database, store::Tenant tenant,
                                                    Deadline deadline) {
  CO_TRY(const auto sessions, co_await store::list_sessions(database, tenant, deadline));
  std::string body;
  JsonWriter json(body);
  json.begin_object().key("sessions").begin_array();
  for (const auto& session : sessions) write_session(json, session, tenant.organization);
  json.end_array().end_object();
  co_return std::move(body);
}

}  // namespace tideline::server
