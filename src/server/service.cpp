#include "server/service.h"

#include <stdexcept>
#include <utility>
#include <vector>

#include "base/text.h"
#include "http/compress.h"
#include "http/problem.h"
#include "server/answer.h"
#include "server/decode.h"
#include "server/routes.h"

namespace tideline::server {
namespace {

// Reading a state is a look-up by key; a write that is through is not held up longer for it.
constexpr std::chrono::seconds kRefreshDeadline{2};

http::Response problem(const http::Request& request, unsigned status, std::string message, std::string hint = {}) {
  http::Problem what;
  what.status = status;
  what.message = std::move(message);
  what.hint = std::move(hint);
  return http::problem(what, request.request_id);
}

http::Response no_such_path(const http::Request& request) {
  return problem(request, 404, "there is nothing at this path", "GET /openapi.json lists all paths");
}

http::Response not_allowed(const http::Request& request, std::string_view allow) {
  if (request.method == http::Method::kOptions) {
    http::Response response;
    response.status = 204;
    response.headers.add("Allow", allow);
    return response;
  }
  http::Response response =
      problem(request, 405, "this path does not take the method " + std::string(http::to_string(request.method)),
              "it takes " + std::string(allow));
  response.headers.add("Allow", allow);
  return response;
}

bool takes_media_type(const http::Request& request, BodyKind kind) {
  if (kind == BodyKind::kNone) return true;
  if (kind == BodyKind::kArtifacts) return upload_form(request.headers).has_value();
  const auto value = request.headers.find("Content-Type");
  return !value || equal_ignoring_case(trim(value->substr(0, value->find(';'))), "application/json");
}

// The handlers of public routes answer without waiting.
http::Response answer_public(Exchange& exchange) {
  switch (exchange.route.action) {
    case Action::kHealth:
      return get_health(exchange);
    case Action::kReadiness:
      return get_readiness(exchange);
    case Action::kMetrics:
      return get_metrics(exchange);
    default:
      return get_openapi(exchange);
  }
}

http::awaitable<http::Response> answer_member(Exchange& exchange) {
  switch (exchange.route.action) {
    case Action::kSyncPackage:
      return get_sync_package(exchange);
    case Action::kMatchWorkspace:
      return post_match_workspace(exchange);
    case Action::kListConnections:
      return get_connections(exchange);
    case Action::kRegisterConnection:
      return put_connection(exchange);
    case Action::kUpdateConnection:
      return update_connection(exchange);
    case Action::kRemoveConnection:
      return delete_connection(exchange);
    case Action::kPush:
      return put_artifacts(exchange);
    case Action::kPushByName:
      return put_artifacts_by_name(exchange);
    case Action::kReadDocumentation:
      return get_documentation(exchange);
    case Action::kWriteDocumentation:
      return put_documentation(exchange);
    case Action::kRegisterSession:
      return post_session(exchange);
    case Action::kListSessions:
      return get_sessions(exchange);
    case Action::kUpdateSession:
      return patch_session(exchange);
    case Action::kHeads:
      return get_heads(exchange);
    case Action::kChanges:
      return get_changes(exchange);
    case Action::kEvents:
      return get_events(exchange);
    case Action::kDigest:
      return get_digest(exchange);
    case Action::kRows:
      return get_rows(exchange);
    case Action::kHealth:
    case Action::kReadiness:
    case Action::kMetrics:
    case Action::kOpenApi:
      break;
  }
  throw std::logic_error("a public route came to the members' handlers");
}

http::Response unauthenticated(const http::Request& request, const Error& error) {
  http::Response response = error_answer(request, error);
  // RFC 6750 §3: no error code where no token was sent.
  const bool has_token = request.headers.find("Authorization").has_value();
  response.headers.set("WWW-Authenticate",
                       has_token ? R"(Bearer realm="tideline", error="invalid_token")" : R"(Bearer realm="tideline")");
  return response;
}

http::Response error_of_identity(const http::Request& request, const Error& error) {
  return error.code == Code::kUnauthenticated ? unauthenticated(request, error) : error_answer(request, error);
}

}  // namespace

std::optional<http::Response> Service::check(const http::Request& request, const Route& route,
                                             const Caller& caller) const {
  if (!caller.rights.has(route.right))
    return problem(request, 403, "you may not do this in this organization",
                   "it takes " + std::string(what_it_takes(route.right)));
  if (!accepts(request.headers, route.produces))
    return problem(request, 406, "the answer is " + std::string(route.produces) + ", which the Accept header excludes");
  if (!takes_media_type(request, route.body)) {
    if (route.body == BodyKind::kArtifacts)
      return problem(request, 415, "artifacts are sent as multipart/form-data or application/json",
                     "curl -F manifest=@target/manifest.json, or curl -T target/manifest.json");
    return problem(request, 415, "the body is to be application/json",
                   "send the header Content-Type: application/json");
  }
  return std::nullopt;
}

http::awaitable<http::Response> Service::handle(http::Request& request) {
  const Router::Outcome outcome = router_.find(request.method, request.segments);
  const Route* route = outcome.match.route;
  if (route == nullptr) {
    if (outcome.allow.empty()) co_return no_such_path(request);
    co_return not_allowed(request, outcome.allow);
  }
  request.route = route->name;

  Exchange exchange{services_, request, *route, outcome.match.parameters[1], {}, {}, {}, {}};
  const auto encoding = http::negotiate(request.headers.joined("Accept-Encoding"));
  exchange.encoding = encoding.value_or(http::Encoding::kIdentity);
  if (route->right == Right::kPublic) co_return answer_public(exchange);

  const Timestamp now = Timestamp::now();
  auto credential = services_.gate.credential(request, now);
  if (!credential) co_return error_of_identity(request, credential.error());
  const auto organization = decode_organization(outcome.match.parameters[0]);
  if (!organization) co_return field_errors_answer(request, organization.error());

  auto remembered = services_.gate.remembered(*credential, *organization, now);
  services_.metrics.count_rights(remembered.has_value());
  if (remembered) {
    exchange.caller = *remembered;
  } else {
    auto asked = co_await services_.gate.admit(*credential, *organization, request.deadline);
    if (!asked) co_return error_of_identity(request, asked.error());
    exchange.caller = *asked;
  }

  exchange.credential = std::move(*credential);
  if (auto refusal = check(request, *route, exchange.caller)) co_return std::move(*refusal);
  if (!encoding) co_return problem(request, 406, "the Accept-Encoding header excludes all of zstd, gzip and identity");
  auto query = http::Query::parse(request.query);
  if (!query) co_return field_errors_answer(request, std::move(query.error()));
  exchange.query = std::move(*query);
  co_return co_await answer_member(exchange);
}

http::awaitable<Result<store::OrganizationState>> ask_state(Services& services, OrganizationId organization) {
  const Instant asked = std::chrono::steady_clock::now();
  std::vector<OrganizationId> one;
  one.push_back(organization);
  auto states = co_await services.rights_database.watch(std::move(one), asked + kRefreshDeadline);
  if (!states) {
    co_return fail(Code::kUnavailable, "the database cannot be asked just now", "try again", describe(states.error()));
  }
  if (states->empty()) co_return fail(Code::kPermissionDenied, std::string(kAccessDenied));
  services.membership.confirm(states->front(), asked, std::chrono::steady_clock::now());
  co_return states->front();
}

http::awaitable<void> refresh(Services& services, OrganizationId organization) {
  (void)co_await ask_state(services, organization);
}

}  // namespace tideline::server
