#include "store/admin.h"

#include <algorithm>
#include <array>

#include "base/text.h"
#include "pg/sqlstate.h"

namespace tideline::store::admin {
namespace {

constexpr std::size_t kMaxNameBytes = 200;   // shown in lists
constexpr std::size_t kMaxEmailBytes = 320;  // RFC 3696 erratum 1690: 64 + 1 + 255

constexpr pg::Statement kSettleInterruptedPushes{"settle_interrupted_pushes",
                                                 "update enterprise.connections set status = case when "
                                                 "last_extracted_at is null then 'connected' else 'completed' end,"
                                                 " activity = activity + 1 where status = 'extracting'"};
constexpr pg::Statement kCreateOrganization{
    nullptr,
    "with made as (insert into enterprise.organizations (id, name) values (coalesce($1, gen_random_uuid()), $2)"
    "   returning id, created_at),"
    " head as (insert into metadata.heads (organization_id) select id from made)"
    " select id, created_at from made"};
constexpr pg::Statement kListOrganizations{
    nullptr,
    "select o.id, o.name, o.created_at,"
    " (select count(*) from enterprise.user_organization_roles r where r.organization_id = o.id"
    "  and r.role <> 'service'),"
    " (select count(*) from enterprise.connections c where c.organization_id = o.id),"
    " coalesce((select h.version from metadata.heads h where h.organization_id = o.id), 0)"
    " from enterprise.organizations o order by lower(o.name)"};
constexpr pg::Statement kHasOrganization{nullptr, "select from enterprise.organizations where id = $1"};
constexpr pg::Statement kAddUser{
    nullptr,
    "with found as (select id, email, display_name, created_at from enterprise.users"
    "   where lower(email) = lower($2)),"
    " made as (insert into enterprise.users (email) select $2 where not exists (select from found)"
    "   returning id, email, display_name, created_at),"
    " member as (select * from found union all select * from made),"
    " identity as (insert into enterprise.user_identities (issuer, subject, user_id)"
    "   select $4, id::text, id from member on conflict (issuer, subject) do nothing),"
    " role as (insert into enterprise.user_organization_roles (organization_id, user_id, role)"
    "   select $1, id, $3 from member"
    "   on conflict (organization_id, user_id) do update set role = excluded.role returning role)"
    " select m.id, m.email, m.display_name, role.role, m.created_at from member m, role"};
// A person is named by id or by e-mail address.
constexpr pg::Statement kFindUser{
    nullptr,
    "select id from enterprise.users where id::text = lower($1) or lower(email) = lower($1)"
    " order by id::text = lower($1) desc limit 1"};
constexpr pg::Statement kRemoveUser{
    nullptr,
    "delete from enterprise.user_organization_roles where organization_id = $1 and role <> 'service' and user_id ="
    " (select id from enterprise.users where id::text = lower($2) or lower(email) = lower($2)"
    "  order by id::text = lower($2) desc limit 1)"
    " returning user_id"};
constexpr pg::Statement kSetRole{
    nullptr,
    "update enterprise.user_organization_roles r set role = $3 from enterprise.users u"
    " where r.organization_id = $1 and r.role <> 'service' and u.id = r.user_id and u.id ="
    " (select id from enterprise.users where id::text = lower($2) or lower(email) = lower($2)"
    "  order by id::text = lower($2) desc limit 1)"
    " returning u.id, u.email, u.display_name, r.role, u.created_at"};
constexpr pg::Statement kListUsers{
    nullptr,
    "select u.id, u.email, u.display_name, r.role, u.created_at"
    " from enterprise.user_organization_roles r join enterprise.users u on u.id = r.user_id"
    " where r.organization_id = $1 and r.role <> 'service' order by lower(u.email) nulls last, u.id"};
constexpr pg::Statement kAddIdentity{
    nullptr,
    "insert into enterprise.user_identities as i (issuer, subject, user_id) values ($1, $2, $3)"
    " on conflict (issuer, subject) do update set user_id = excluded.user_id where i.user_id = excluded.user_id"
    " returning user_id"};
constexpr pg::Statement kTokenSubject{
    nullptr,
    "select u.id, k.value from enterprise.users u, enterprise.server_keys k"
    " where k.name = 'signing' and (u.id::text = lower($1) or lower(u.email) = lower($1))"
    " order by u.id::text = lower($1) desc limit 1"};
// Users created by a foreign token have no identity of our issuer yet.
constexpr pg::Statement kOwnIdentity{
    nullptr,
    "insert into enterprise.user_identities (issuer, subject, user_id) values ($1, $2::uuid::text, $2)"
    " on conflict (issuer, subject) do nothing"};
constexpr pg::Statement kCreateApiToken{
    nullptr,
    "with service as (insert into enterprise.users (display_name, kind) values ($2, 'service') returning id),"
    " role as (insert into enterprise.user_organization_roles (organization_id, user_id, role)"
    "   select $1, id, 'service' from service)"
    " insert into enterprise.api_tokens (organization_id, user_id, name, token_sha256, scopes, expires_at)"
    " select $1, id, $2, $3, $4, $5 from service"
    " returning id, user_id, name, scopes, created_at, expires_at, revoked_at, last_used_at"};
constexpr pg::Statement kListApiTokens{
    nullptr,
    "select id, user_id, name, scopes, created_at, expires_at, revoked_at, last_used_at"
    " from enterprise.api_tokens where organization_id = $1 order by created_at desc, id"};
constexpr pg::Statement kRevokeApiToken{nullptr,
                                        "update enterprise.api_tokens set revoked_at = coalesce(revoked_at, now())"
                                        " where organization_id = $1 and id = $2"};

Result<void> check_name(std::string_view what, std::string_view name) {
  if (trim(name).empty()) return fail(Code::kInvalidInput, std::string(what) + " must not be empty.");
  if (name.size() > kMaxNameBytes || !is_valid_utf8(name) || name.find('\0') != std::string_view::npos) {
    return fail(Code::kInvalidInput,
                std::string(what) + " must be UTF-8 text of at most " + std::to_string(kMaxNameBytes) + " bytes.");
  }
  return {};
}

Result<void> check_email(std::string_view email) {
  const std::size_t at = email.find('@');
  const bool printable =
      std::all_of(email.begin(), email.end(), [](char c) { return static_cast<unsigned char>(c) > ' '; });
  if (email.size() > kMaxEmailBytes || at == 0 || at == std::string_view::npos || at + 1 == email.size() ||
      !printable || !is_valid_utf8(email)) {
    return fail(Code::kInvalidInput, "This is not an e-mail address: " + std::string(email.substr(0, 80)));
  }
  return {};
}

Result<void> check_role(std::string_view role) {
  if (role != "admin" && role != "member") return fail(Code::kInvalidInput, "The role must be admin or member.");
  return {};
}

tl::unexpected<Error> no_such_user(const std::string& email_or_id) {
  return fail(Code::kNotFound, "There is no user " + email_or_id + ".",
              "`tideline admin user list` shows those of an organization.");
}

tl::unexpected<Error> no_such_member(const std::string& email_or_id) {
  return fail(Code::kNotFound, email_or_id + " is not a user of this organization.",
              "`tideline admin user list` shows who is.");
}

awaitable<Result<void>> check_organization(pg::Connection& connection, OrganizationId organization, Deadline deadline) {
  pg::Params params;
  params.add(organization);
  CO_TRY(const auto rows, co_await connection.exec(kHasOrganization, std::move(params), deadline));
  if (rows.empty()) {
    co_return fail(Code::kNotFound, "There is no organization " + organization.to_string() + ".",
                   "`tideline admin org list` shows them.");
  }
  co_return Result<void>();
}

std::optional<std::string> optional_text(const pg::ResultSet& rows, int row, int column) {
  if (const auto text = rows.text_or_null(row, column)) return std::string(*text);
  return std::nullopt;
}

User user_of(const pg::ResultSet& rows, int row) {
  return {.id = rows.id<UserId>(row, 0),
          .email = optional_text(rows, row, 1),
          .display_name = optional_text(rows, row, 2),
          .role = std::string(rows.text(row, 3)),
          .created_at = rows.timestamp(row, 4)};
}

ApiToken api_token_of(const pg::ResultSet& rows, int row) {
  ApiToken token{.id = rows.uuid(row, 0),
                 .user = rows.id<UserId>(row, 1),
                 .name = std::string(rows.text(row, 2)),
                 .scopes = {},
                 .created_at = rows.timestamp(row, 4),
                 .expires_at = rows.timestamp_or_null(row, 5),
                 .revoked_at = rows.timestamp_or_null(row, 6),
                 .last_used_at = rows.timestamp_or_null(row, 7)};
  for (const auto scope : rows.texts(row, 3)) token.scopes.emplace_back(scope);
  return token;
}

}  // namespace

awaitable<Result<Organization>> create_organization(pg::Connection& connection, std::string name,
                                                    std::optional<OrganizationId> id, Deadline deadline) {
  CO_TRY_VOID(check_name("The organization's name", name));
  pg::Params params;
  params.add(id).add(name);
  auto rows = co_await connection.exec(kCreateOrganization, std::move(params), deadline);
  if (!rows) {
    if (pg::constraint_of(rows.error()) == "organizations_name") {
      co_return fail(Code::kConflict, "There is an organization " + name + " already.");
    }
    if (pg::constraint_of(rows.error()) == "organizations_pkey") {
      co_return fail(Code::kConflict, "There is an organization " + id->to_string() + " already.");
    }
    co_return fail(std::move(rows).error());
  }
  co_return Organization{
      .id = rows->id<OrganizationId>(0, 0), .name = std::move(name), .created_at = rows->timestamp(0, 1)};
}

awaitable<Result<std::vector<Organization>>> list_organizations(pg::Connection& connection, Deadline deadline) {
  CO_TRY(const auto rows, co_await connection.exec(kListOrganizations, deadline));
  std::vector<Organization> organizations;
  for (int row = 0; row < rows.rows(); ++row) {
    organizations.push_back({.id = rows.id<OrganizationId>(row, 0),
                             .name = std::string(rows.text(row, 1)),
                             .created_at = rows.timestamp(row, 2),
                             .users = rows.int64(row, 3),
                             .connections = rows.int64(row, 4),
                             .version = Version{rows.int64(row, 5)}});
  }
  co_return std::move(organizations);
}

awaitable<Result<User>> add_user(pg::Connection& connection, OrganizationId organization, std::string email,
                                 std::string role, Deadline deadline) {
  CO_TRY_VOID(check_email(email));
  CO_TRY_VOID(check_role(role));
  CO_TRY_VOID(co_await check_organization(connection, organization, deadline));
  // Two that add the same person at once: the second finds him on its second try.
  for (int attempt = 0;; ++attempt) {
    pg::Params params;
    params.add(organization).add(email).add(role).add(kOwnIssuer);
    auto rows = co_await connection.exec(kAddUser, std::move(params), deadline);
    if (rows) co_return user_of(*rows, 0);
    if (rows.error().code != Code::kConflict || attempt > 0) co_return fail(std::move(rows).error());
  }
}

awaitable<Result<UserId>> remove_user(pg::Connection& connection, OrganizationId organization, std::string email_or_id,
                                      Deadline deadline) {
  CO_TRY_VOID(co_await check_organization(connection, organization, deadline));
  pg::Params params;
  params.add(organization).add(email_or_id);
  CO_TRY(const auto rows, co_await connection.exec(kRemoveUser, std::move(params), deadline));
  if (rows.empty()) co_return no_such_member(email_or_id);
  co_return rows.id<UserId>(0, 0);
}

awaitable<Result<User>> set_role(pg::Connection& connection, OrganizationId organization, std::string email_or_id,
                                 std::string role, Deadline deadline) {
  CO_TRY_VOID(check_role(role));
  CO_TRY_VOID(co_await check_organization(connection, organization, deadline));
  pg::Params params;
  params.add(organization).add(email_or_id).add(role);
  CO_TRY(const auto rows, co_await connection.exec(kSetRole, std::move(params), deadline));
  if (rows.empty()) co_return no_such_member(email_or_id);
  co_return user_of(rows, 0);
}

awaitable<Result<std::vector<User>>> list_users(pg::Connection& connection, OrganizationId organization,
                                                Deadline deadline) {
  CO_TRY_VOID(co_await check_organization(connection, organization, deadline));
  pg::Params params;
  params.add(organization);
  CO_TRY(const auto rows, co_await connection.exec(kListUsers, std::move(params), deadline));
  std::vector<User> users;
  for (int row = 0; row < rows.rows(); ++row) users.push_back(user_of(rows, row));
  co_return std::move(users);
}

awaitable<Result<void>> add_identity(pg::Connection& connection, std::string email_or_id, std::string issuer,
                                     std::string subject, Deadline deadline) {
  pg::Params who;
  who.add(email_or_id);
  CO_TRY(const auto user, co_await connection.exec(kFindUser, std::move(who), deadline));
  if (user.empty()) co_return no_such_user(email_or_id);
  pg::Params params;
  params.add(issuer).add(subject).add(user.uuid(0, 0));
  CO_TRY(const auto rows, co_await connection.exec(kAddIdentity, std::move(params), deadline));
  if (rows.empty()) co_return fail(Code::kConflict, "This identity belongs to another user already.");
  co_return Result<void>();
}

awaitable<Result<TokenSubject>> token_subject(pg::Connection& connection, std::string email_or_id, Deadline deadline) {
  pg::Params who;
  who.add(email_or_id);
  CO_TRY(const auto rows, co_await connection.exec(kTokenSubject, std::move(who), deadline));
  if (rows.empty()) co_return no_such_user(email_or_id);
  const auto key = rows.bytea(0, 1);
  TokenSubject subject{rows.id<UserId>(0, 0), std::string(reinterpret_cast<const char*>(key.data()), key.size())};
  pg::Params identity;
  identity.add(kOwnIssuer).add(subject.user);
  CO_TRY_VOID(co_await connection.exec(kOwnIdentity, std::move(identity), deadline));
  co_return std::move(subject);
}

awaitable<Result<ApiToken>> create_api_token(pg::Connection& connection, OrganizationId organization, std::string name,
                                             std::vector<std::string> scopes, std::optional<Timestamp> expires_at,
                                             Sha256Digest digest, Deadline deadline) {
  static constexpr std::array<std::string_view, 3> kScopes{"read", "push", "documentation"};
  CO_TRY_VOID(check_name("The token's name", name));
  std::sort(scopes.begin(), scopes.end());
  scopes.erase(std::unique(scopes.begin(), scopes.end()), scopes.end());
  for (const auto& scope : scopes) {
    if (std::find(kScopes.begin(), kScopes.end(), scope) == kScopes.end()) {
      co_return fail(Code::kInvalidInput, "There is no scope " + scope + ".", "Scopes are read, push, documentation.");
    }
  }
  if (scopes.empty()) {
    co_return fail(Code::kInvalidInput, "A token needs at least one scope.", "Scopes are read, push, documentation.");
  }
  CO_TRY_VOID(co_await check_organization(connection, organization, deadline));
  pg::TextArray scope_array;
  for (const auto& scope : scopes) scope_array.add(scope);
  pg::Params params;
  params.add(organization).add(name).add_bytea(digest).add(std::move(scope_array)).add(expires_at);
  CO_TRY(const auto rows, co_await connection.exec(kCreateApiToken, std::move(params), deadline));
  co_return api_token_of(rows, 0);
}

awaitable<Result<std::vector<ApiToken>>> list_api_tokens(pg::Connection& connection, OrganizationId organization,
                                                         Deadline deadline) {
  CO_TRY_VOID(co_await check_organization(connection, organization, deadline));
  pg::Params params;
  params.add(organization);
  CO_TRY(const auto rows, co_await connection.exec(kListApiTokens, std::move(params), deadline));
  std::vector<ApiToken> tokens;
  for (int row = 0; row < rows.rows(); ++row) tokens.push_back(api_token_of(rows, row));
  co_return std::move(tokens);
}

awaitable<Result<void>> revoke_api_token(pg::Connection& connection, OrganizationId organization, Uuid id,
                                         Deadline deadline) {
  pg::Params params;
  params.add(organization).add(id);
  CO_TRY(const auto rows, co_await connection.exec(kRevokeApiToken, std::move(params), deadline));
  if (rows.affected_rows() == 0) {
    co_return fail(Code::kNotFound, "There is no such API token in this organization.",
                   "`tideline admin api-token list` shows them.");
  }
  co_return Result<void>();
}

awaitable<Result<void>> settle_interrupted_pushes(pg::Connection& connection, Deadline deadline) {
  CO_TRY_VOID(co_await connection.exec(kSettleInterruptedPushes, deadline));
  co_return Result<void>();
}

}  // namespace tideline::store::admin
