#include "server/router.h"

#include <algorithm>

#include "base/text.h"
#include "wire/changes_page.h"

namespace tideline::server {
namespace {

using http::Method;

#define TIDELINE_ORG "/api/metadata-sync/organizations/{orgId}"
constexpr std::array<Route, kActionCount + 1> kRoutes = {{
    {Action::kHealth, Method::kGet, "/healthz", Right::kPublic, BodyKind::kNone, "/healthz"},
    {Action::kReadiness, Method::kGet, "/readyz", Right::kPublic, BodyKind::kNone, "/readyz"},
    {Action::kMetrics, Method::kGet, "/metrics", Right::kPublic, BodyKind::kNone, "/metrics"},
    {Action::kOpenApi, Method::kGet, "/openapi.json", Right::kPublic, BodyKind::kNone, "/openapi.json"},
    {Action::kSyncPackage, Method::kGet, TIDELINE_ORG "/sync-package", Right::kRead, BodyKind::kNone, "/sync-package"},
    {Action::kMatchWorkspace, Method::kPost, TIDELINE_ORG "/connections/match-workspace", Right::kRead, BodyKind::kJson,
     "/connections/match-workspace"},
    {Action::kListConnections, Method::kGet, TIDELINE_ORG "/connections", Right::kRead, BodyKind::kNone,
     "/connections"},
    {Action::kRegisterConnection, Method::kPut, TIDELINE_ORG "/connections", Right::kAdminister, BodyKind::kJson,
     "/connections"},
    {Action::kUpdateConnection, Method::kPut, TIDELINE_ORG "/connections/{id}", Right::kAdminister, BodyKind::kJson,
     "/connections/:id"},
    {Action::kUpdateConnection, Method::kPatch, TIDELINE_ORG "/connections/{id}", Right::kAdminister, BodyKind::kJson,
     "/connections/:id"},
    {Action::kRemoveConnection, Method::kDelete, TIDELINE_ORG "/connections/{id}", Right::kAdminister, BodyKind::kNone,
     "/connections/:id"},
    {Action::kPush, Method::kPut, TIDELINE_ORG "/connections/{id}/artifacts", Right::kPush, BodyKind::kArtifacts,
     "/connections/:id/artifacts"},
    {Action::kPushByName, Method::kPut, TIDELINE_ORG "/artifacts", Right::kPush, BodyKind::kArtifacts, "/artifacts"},
    {Action::kReadDocumentation, Method::kGet, TIDELINE_ORG "/documentation", Right::kRead, BodyKind::kNone,
     "/documentation"},
    {Action::kWriteDocumentation, Method::kPut, TIDELINE_ORG "/documentation", Right::kDocument, BodyKind::kJson,
     "/documentation"},
    {Action::kRegisterSession, Method::kPost, TIDELINE_ORG "/ide-sessions", Right::kRead, BodyKind::kJson,
     "/ide-sessions"},
    {Action::kListSessions, Method::kGet, TIDELINE_ORG "/ide-sessions", Right::kRead, BodyKind::kNone, "/ide-sessions"},
    {Action::kUpdateSession, Method::kPatch, TIDELINE_ORG "/ide-sessions/{id}", Right::kRead, BodyKind::kJson,
     "/ide-sessions/:id"},
    {Action::kHeads, Method::kGet, TIDELINE_ORG "/heads", Right::kRead, BodyKind::kNone, "/heads"},
    {Action::kEvents, Method::kGet, TIDELINE_ORG "/events", Right::kRead, BodyKind::kNone, "/events", kEventsType},
    {Action::kChanges, Method::kGet, TIDELINE_ORG "/connections/{id}/changes", Right::kRead, BodyKind::kNone,
     "/connections/:id/changes", wire::kChangesType},
    {Action::kDigest, Method::kGet, TIDELINE_ORG "/connections/{id}/digest", Right::kRead, BodyKind::kNone,
     "/connections/:id/digest"},
    {Action::kRows, Method::kGet, TIDELINE_ORG "/connections/{id}/rows", Right::kRead, BodyKind::kNone,
     "/connections/:id/rows", wire::kChangesType},
}};
#undef TIDELINE_ORG

std::vector<std::string_view> parts_of(std::string_view path) {
  std::vector<std::string_view> parts = split(path.substr(1), '/');
  for (std::string_view& part : parts)
    if (part.starts_with('{')) part = {};
  return parts;
}

// A literal part beats a parameter: "match-workspace" is never an id.
bool is_more_literal(const std::vector<std::string_view>& a, const std::vector<std::string_view>& b) {
  return std::ranges::count(a, std::string_view()) < std::ranges::count(b, std::string_view());
}

}  // namespace

std::span<const Route> routes() { return kRoutes; }

Router::Router() {
  for (const Route& route : kRoutes) {
    auto parts = parts_of(route.path);
    auto path = std::ranges::find(paths_, parts, &Path::parts);
    if (path == paths_.end()) path = paths_.insert(paths_.end(), Path{std::move(parts), {}, {}});
    path->routes.push_back(&route);
  }
  std::ranges::sort(paths_, [](const Path& a, const Path& b) { return is_more_literal(a.parts, b.parts); });
  for (Path& path : paths_) {
    for (const Route* route : path.routes) {
      path.allow += http::to_string(route->method);
      path.allow += route->method == Method::kGet ? ", HEAD, " : ", ";
    }
    path.allow += "OPTIONS";
  }
}

Router::Outcome Router::find(Method method, std::span<const std::string> segments) const {
  if (method == Method::kHead) method = Method::kGet;
  for (const Path& path : paths_) {
    if (path.parts.size() != segments.size()) continue;
    Match match;
    std::size_t parameter = 0;
    bool fits = true;
    for (std::size_t i = 0; fits && i < segments.size(); ++i) {
      if (!path.parts[i].empty()) {
        fits = path.parts[i] == segments[i];
      } else {
        fits = !segments[i].empty();
        match.parameters.at(parameter++) = segments[i];
      }
    }
    if (!fits) continue;
    const auto route = std::ranges::find(path.routes, method, &Route::method);
    if (route == path.routes.end()) return {{}, path.allow};
    match.route = *route;
    return {match, path.allow};
  }
  return {};
}

}  // namespace tideline::server
