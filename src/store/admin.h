#pragma once
// What an operator does with `tideline admin`: organizations, users, roles, tokens. On a connection logged in as
// tideline_admin (or a superuser); never from a request. Each function is one transaction, and works while servers run:
// they hear of it at once (NOTIFY) or within a poll.

#include <optional>
#include <string>
#include <vector>

#include "base/deadline.h"
#include "base/hash.h"
#include "base/ids.h"
#include "base/time.h"
#include "pg/connection.h"
#include "store/database.h"

namespace tideline::store::admin {

using pg::awaitable;

/// The issuer of the tokens the server signs itself; their subject is the user's id.
inline constexpr std::string_view kOwnIssuer = "tideline";

struct Organization {
  OrganizationId id;
  std::string name;
  Timestamp created_at;
  std::int64_t users = 0;  // members, service users included
  std::int64_t connections = 0;
  Version version{};
};

struct User {
  UserId id;
  std::optional<std::string> email;
  std::optional<std::string> display_name;
  std::string role;  // in the organization asked about
  Timestamp created_at;
};

struct ApiToken {
  Uuid id;
  UserId user;
  std::string name;
  std::vector<std::string> scopes;
  Timestamp created_at;
  std::optional<Timestamp> expires_at;
  std::optional<Timestamp> revoked_at;
  std::optional<Timestamp> last_used_at;
};

/// `id`: chosen by the operator, else random. kConflict when the name (in any case) or the id is taken; kInvalidInput
/// for an empty or overlong name.
awaitable<Result<Organization>> create_organization(pg::Connection& connection, std::string name,
                                                    std::optional<OrganizationId> id, Deadline deadline);
/// By name.
awaitable<Result<std::vector<Organization>>> list_organizations(pg::Connection& connection, Deadline deadline);

/// Makes the user known by this e-mail address (in any case) a member, creating him when there is none, with an
/// identity of our own issuer so that tokens of `tideline admin token` resolve. A second call sets the role. `role`:
/// admin, member. kNotFound: no such organization.
awaitable<Result<User>> add_user(pg::Connection& connection, OrganizationId organization, std::string email,
                                 std::string role, Deadline deadline);
/// Ends the membership (the user remains, and with him what he is elsewhere). kNotFound when he is no member.
awaitable<Result<UserId>> remove_user(pg::Connection& connection, OrganizationId organization, std::string email_or_id,
                                      Deadline deadline);
/// kNotFound when he is no member.
awaitable<Result<User>> set_role(pg::Connection& connection, OrganizationId organization, std::string email_or_id,
                                 std::string role, Deadline deadline);
/// Persons, by e-mail.
awaitable<Result<std::vector<User>>> list_users(pg::Connection& connection, OrganizationId organization,
                                                Deadline deadline);
/// Binds an identity of another issuer to a user. kConflict when it is another user's.
awaitable<Result<void>> add_identity(pg::Connection& connection, std::string email_or_id, std::string issuer,
                                     std::string subject, Deadline deadline);

/// What is needed to sign a token for a user: whom it names, and the key.
struct TokenSubject {
  UserId user;
  std::string signing_key;
};
/// kNotFound: nobody has this e-mail address or id.
awaitable<Result<TokenSubject>> token_subject(pg::Connection& connection, std::string email_or_id, Deadline deadline);

/// `digest`: SHA-256 of the token's text, which is never stored. `scopes`: read, push, documentation. A service user is
/// made to stand behind it.
awaitable<Result<ApiToken>> create_api_token(pg::Connection& connection, OrganizationId organization, std::string name,
                                             std::vector<std::string> scopes, std::optional<Timestamp> expires_at,
                                             Sha256Digest digest, Deadline deadline);
/// Newest first, revoked ones too.
awaitable<Result<std::vector<ApiToken>>> list_api_tokens(pg::Connection& connection, OrganizationId organization,
                                                         Deadline deadline);
/// kNotFound; revoking twice is no error.
awaitable<Result<void>> revoke_api_token(pg::Connection& connection, OrganizationId organization, Uuid id,
                                         Deadline deadline);

/// Pushes that died with their server left their connection `extracting`. For a server that is the database's only one,
/// before it serves: back to completed where data is served, else to connected.
awaitable<Result<void>> settle_interrupted_pushes(pg::Connection& connection, Deadline deadline);

}  // namespace tideline::store::admin
