#include "server/auth.h"

#include <algorithm>
#include <vector>

#include "base/deadline.h"
#include "base/text.h"
#include "http/query.h"

namespace tideline::server {
namespace {

// Asking is a look-up by key. A primary that takes longer is not there.
constexpr std::chrono::seconds kAskDeadline{2};

Result<std::string_view> bearer_of(const http::Headers& headers) {
  const auto value = headers.find("Authorization");
  if (!value)
    return fail(Code::kUnauthenticated, "authentication required", "send the header Authorization: Bearer <token>");
  if (headers.count("Authorization") > 1)
    return fail(Code::kUnauthenticated, "there are several Authorization headers", "send one");
  constexpr std::string_view kScheme = "Bearer";
  const std::string_view text = trim(*value);
  const std::size_t space = text.find(' ');
  if (!equal_ignoring_case(text.substr(0, space), kScheme))
    return fail(Code::kUnauthenticated, "the Authorization header is not of the scheme Bearer",
                "send the header Authorization: Bearer <token>");
  const std::string_view token = space == std::string_view::npos ? std::string_view() : trim(text.substr(space));
  if (token.empty()) return fail(Code::kUnauthenticated, "the Authorization header has no token");
  return token;
}

bool has_token_in_query(std::string_view query) {
  return std::ranges::any_of(split(query, '&'), [](std::string_view parameter) {
    return equal_ignoring_case(parameter.substr(0, parameter.find('=')), "access_token");
  });
}

tl::unexpected<Error> denied() { return fail(Code::kPermissionDenied, std::string(kAccessDenied)); }

// The primary could not be asked: whatever the reason, the client's way out is the same.
tl::unexpected<Error> unavailable(Error error) {
  if (error.code == Code::kInternal || error.code == Code::kCorrupt) return fail(std::move(error));
  return fail(Code::kUnavailable, "the database cannot be asked just now", "try again", describe(error));
}

bool is_expired(const Access& access, Timestamp now) { return access.expires_at && *access.expires_at <= now; }

}  // namespace

std::optional<Timestamp> expiry_of(const Credential& credential, const Caller& caller) {
  if (const auto* token = std::get_if<VerifiedToken>(&credential.token)) return token->expires_at;
  return caller.expires_at;
}

Result<Credential> Gate::credential(const http::Request& request, Timestamp now) const {
  if (has_token_in_query(request.query))
    return fail(Code::kUnauthenticated, "a token in the URL is not accepted",
                "send the header Authorization: Bearer <token>, and replace the token: it may stand in logs by now");
  TRY(const std::string_view token, bearer_of(request.headers));
  if (looks_like_api_token(token)) {
    TRY(ApiTokenClaim claim, parse_api_token(token));
    std::string caller = "api:";
    caller.append(reinterpret_cast<const char*>(claim.digest.data()), claim.digest.size());
    return Credential{claim, std::move(caller)};
  }
  auto checked = parts_.keys.verifier().verify(token, now);
  if (!checked) {
    if (is_unknown_kid(checked.error())) parts_.keys.report_unknown_key();
    return fail(std::move(checked.error()));
  }
  VerifiedToken& verified = *checked;
  // A subject has no control characters, so the pair is unambiguous.
  std::string caller = "jwt:" + verified.subject;
  caller += '\n';
  caller += verified.issuer;
  return Credential{std::move(verified), std::move(caller)};
}

std::optional<Caller> Gate::remembered(const Credential& credential, OrganizationId organization, Timestamp now) const {
  const Instant instant = std::chrono::steady_clock::now();
  auto known = parts_.membership.find(organization, credential.caller, instant);
  if (!known || is_expired(known->access, now)) return std::nullopt;
  if (known->access.api_token) parts_.watch.note_use(organization, *known->access.api_token, instant);
  return Caller{{organization, known->access.user}, known->access.rights, known->state, known->access.expires_at};
}

http::awaitable<Result<Caller>> Gate::admit(const Credential& credential, OrganizationId organization,
                                            Deadline deadline) const {
  const Timestamp now = Timestamp::now();
  if (auto caller = remembered(credential, organization, now)) co_return std::move(*caller);

  deadline = std::min(deadline, within(kAskDeadline));
  const Instant asked = std::chrono::steady_clock::now();
  std::vector<OrganizationId> one;
  one.push_back(organization);
  auto states = co_await parts_.database.watch(std::move(one), deadline);
  if (!states) co_return unavailable(std::move(states.error()));
  if (!states->empty()) {
    parts_.membership.confirm(states->front(), asked, std::chrono::steady_clock::now());
    if (auto caller = remembered(credential, organization, now)) co_return std::move(*caller);
  }
  // The version of the rights was read before the rights: if they change in between, what is remembered is of a version
  // that has passed, and so is not used.
  auto access = co_await ask(credential, organization, deadline);
  if (!access) co_return tl::unexpected(std::move(access.error()));
  if (states->empty()) co_return denied();
  const store::OrganizationState& state = states->front();
  parts_.membership.remember(organization, credential.caller, *access, state.access_version);
  if (access->api_token) parts_.watch.note_use(organization, *access->api_token, std::chrono::steady_clock::now());
  co_return Caller{{organization, access->user}, access->rights, state, access->expires_at};
}

http::awaitable<Result<Access>> Gate::ask(const Credential& credential, OrganizationId organization,
                                          Deadline deadline) const {
  if (const auto* token = std::get_if<VerifiedToken>(&credential.token))
    co_return co_await ask_person(*token, organization, deadline);
  co_return co_await ask_api_token(std::get<ApiTokenClaim>(credential.token), organization, deadline);
}

http::awaitable<Result<Access>> Gate::ask_person(const VerifiedToken& token, OrganizationId organization,
                                                 Deadline deadline) const {
  auto user = co_await parts_.database.resolve_identity(token.issuer, token.subject, deadline);
  if (!user) co_return unavailable(std::move(user.error()));
  if (!*user) {
    // A stranger becomes a user in no organization; an admin can then add him to one.
    if (parts_.create_users) {
      auto created = co_await parts_.database.create_identity(token.issuer, token.subject, std::nullopt, deadline);
      if (!created) co_return unavailable(std::move(created.error()));
    }
    co_return denied();
  }
  auto membership = co_await parts_.database.membership(**user, organization, deadline);
  if (!membership) co_return unavailable(std::move(membership.error()));
  if (!*membership) co_return denied();
  const Rights rights = Rights::of_role((*membership)->role);
  if (rights == Rights()) co_return denied();
  Access access;
  access.user = **user;
  access.rights = rights;
  co_return access;
}

http::awaitable<Result<Access>> Gate::ask_api_token(const ApiTokenClaim& claim, OrganizationId organization,
                                                    Deadline deadline) const {
  auto grant = co_await parts_.database.resolve_api_token(claim.digest, deadline);
  if (!grant) co_return unavailable(std::move(grant.error()));
  if (!*grant || (*grant)->organization != claim.organization)
    co_return fail(Code::kUnauthenticated, "the API token is unknown, revoked or expired");
  if ((*grant)->organization != organization) co_return denied();
  auto membership = co_await parts_.database.membership((*grant)->user, organization, deadline);
  if (!membership) co_return unavailable(std::move(membership.error()));
  if (!*membership) co_return denied();
  Access access;
  access.user = (*grant)->user;
  access.rights = Rights::of_scopes((*grant)->scopes);
  access.api_token = (*grant)->id;
  access.expires_at = (*grant)->expires_at;
  co_return access;
}

}  // namespace tideline::server
