#pragma once
// Who is asking, and whether he may. Two steps: `credential` checks what the request carries (no I/O; 401), `admit`
// asks what that identity is in the organization (from memory while that is confirmed, else the primary; 403, 503).
// Not for what a role may do (rights.h). Thread-safe.

#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "http/message.h"
#include "server/api_token.h"
#include "server/jwt_token.h"
#include "server/membership.h"
#include "server/token_keys.h"
#include "server/watch.h"
#include "store/database.h"

namespace tideline::server {

/// The one answer to everybody who is not a member, whatever the reason and whether the organization exists.
inline constexpr std::string_view kAccessDenied = "Access denied to organization";

/// A token that holds, or has the form of one that is looked up.
struct Credential {
  std::variant<VerifiedToken, ApiTokenClaim> token;
  std::string caller;  // names the identity in a Membership
};

/// A member, with what was confirmed about the organization at this moment.
struct Caller {
  store::Tenant tenant;
  Rights rights;
  store::OrganizationState state;
  std::optional<Timestamp> expires_at{};  // of an API token
};

/// Until when the token says that it holds; nullopt: until it is revoked.
std::optional<Timestamp> expiry_of(const Credential& credential, const Caller& caller);

class Gate {
 public:
  struct Parts {
    const TokenKeys& keys;
    store::Database& database;
    Membership& membership;
    Watch& watch;
    bool create_users = false;
  };
  explicit Gate(Parts parts) : parts_(parts) {}

  /// kUnauthenticated: no Authorization, another scheme than Bearer, several, or a token that does not hold. A token in
  /// the query is refused as well: it would stand in every log on the way.
  Result<Credential> credential(const http::Request& request, Timestamp now) const;

  /// From memory; nullopt when the primary has to be asked.
  std::optional<Caller> remembered(const Credential& credential, OrganizationId organization, Timestamp now) const;
  /// kPermissionDenied with kAccessDenied; kUnauthenticated for an API token that is unknown, revoked or expired;
  /// kUnavailable when the primary cannot be asked.
  http::awaitable<Result<Caller>> admit(const Credential& credential, OrganizationId organization,
                                        Deadline deadline) const;

 private:
  http::awaitable<Result<Access>> ask(const Credential& credential, OrganizationId organization,
                                      Deadline deadline) const;
  http::awaitable<Result<Access>> ask_person(const VerifiedToken& token, OrganizationId organization,
                                             Deadline deadline) const;
  http::awaitable<Result<Access>> ask_api_token(const ApiTokenClaim& claim, OrganizationId organization,
                                                Deadline deadline) const;

  Parts parts_;
};

}  // namespace tideline::server
