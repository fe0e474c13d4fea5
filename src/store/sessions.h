#pragma once
// The sessions of editors: one per user and workspace, registered again and again, never twice.

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "store/database.h"

namespace tideline::store {

struct SessionSpec {
  std::string workspace_identifier;
  std::optional<std::string> workspace_hash;
  std::optional<std::string> ide_version;
  std::string sync_mode = "workspace-aware";
  std::optional<std::vector<ConnectionId>> connections;
};

/// Null leaves a value as it is.
struct SessionChange {
  std::optional<std::int64_t> total_objects_synced;
  std::optional<std::string> sync_status;                   // active, inactive, error
  std::optional<std::optional<std::string>> error_message;  // inner nullopt: none any more
  std::optional<std::int64_t> synced_version{};
  std::optional<std::vector<std::pair<ConnectionId, Version>>> connection_versions{};
};

struct Session {
  SessionId id;
  UserId user;
  std::optional<std::string> user_email;  // nullopt: none, or not a member any more
  std::string workspace_identifier;
  std::optional<std::string> workspace_hash;
  std::optional<std::string> ide_version;
  std::string sync_mode;
  std::optional<std::vector<ConnectionId>> connections;
  std::optional<Timestamp> last_sync_at;
  std::string sync_status;
  std::int64_t total_objects_synced = 0;
  std::optional<std::string> error_message;
  std::optional<std::int64_t> synced_version{};
  std::optional<std::string> connection_versions;  // JSON: {connection: version}
  std::optional<std::string> last_error;           // stays when all is well again
  std::optional<Timestamp> last_error_at;
  Timestamp created_at;
  Timestamp updated_at;
};

/// The user's session of this workspace, made or renewed. kPermissionDenied when the user is not a member.
awaitable<Result<SessionId>> register_session(Database& database, Tenant tenant, SessionSpec spec, Deadline deadline);
/// kNotFound: no such session of this user's in this organization.
awaitable<Result<Session>> update_session(Database& database, Tenant tenant, SessionId id, SessionChange change,
                                          Deadline deadline);
/// An admin sees all of the organization, others their own; newest use first.
awaitable<Result<std::vector<Session>>> list_sessions(Database& database, Tenant tenant, Deadline deadline);

}  // namespace tideline::store
