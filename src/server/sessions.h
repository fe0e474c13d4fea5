#pragma once
// The editors' sessions: POST, PATCH and GET /ide-sessions. Each gives the JSON of its answer.

#include <string>

#include "server/requests.h"
#include "store/sessions.h"

namespace tideline::server {

/// {"session_id", "message", "token_expires_at"}: the last is of the token it was asked with. Errors of all:
/// kPermissionDenied, kUnavailable, kDeadline.
store::awaitable<Result<std::string>> register_session(store::Database& database, store::Tenant tenant,
                                                       RegisterSessionRequest request,
                                                       std::optional<Timestamp> token_expires_at, Deadline deadline);
/// The session as it is now. kNotFound: no such session of this user's.
store::awaitable<Result<std::string>> update_session(store::Database& database, store::Tenant tenant,
                                                     UpdateSessionRequest request, Deadline deadline);
/// {"sessions": […]}: an admin's list has all of the organization.
store::awaitable<Result<std::string>> list_sessions(store::Database& database, store::Tenant tenant, Deadline deadline);

}  // namespace tideline::server
