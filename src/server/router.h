#pragma once
// Which path and method mean what: the one table of the server's routes, and who may take them. Pure. What a route does
// is in routes.h.

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "http/message.h"

namespace tideline::server {

enum class Action : std::uint8_t {
  kHealth,
  kReadiness,
  kMetrics,
  kOpenApi,
  kSyncPackage,
  kMatchWorkspace,
  kListConnections,
  kRegisterConnection,
  kUpdateConnection,
  kRemoveConnection,
  kPush,
  kPushByName,
  kReadDocumentation,
  kWriteDocumentation,
  kRegisterSession,
  kListSessions,
  kUpdateSession,
  kHeads,
  kChanges,
  kEvents,
  kDigest,
  kRows,
};
inline constexpr std::size_t kActionCount = 22;

inline constexpr std::string_view kEventsType = "text/event-stream";

/// What a route asks of who takes it; rights.h says who has it.
enum class Right : std::uint8_t {
  kPublic,    // no identity at all
  kRead,      // the organization's rows, and one's own sessions
  kPush,      // artifacts
  kDocument,  // documentation
  kAdminister,
};

enum class BodyKind : std::uint8_t { kNone, kJson, kArtifacts };

struct Route {
  Action action;
  http::Method method;
  std::string_view path;  // "{orgId}" stands for one segment
  Right right;
  BodyKind body;
  std::string_view name;                           // in logs and metrics
  std::string_view produces = "application/json";  // media type of its answers
};

/// All routes; HEAD is taken wherever GET is.
std::span<const Route> routes();

struct Match {
  const Route* route = nullptr;
  /// What stood for the path's parameters, in order: the organization, then an id.
  std::array<std::string_view, 2> parameters{};
};

class Router {
 public:
  Router();

  /// Outcome of `find`: route is set, or allow is (405, or the answer to OPTIONS), or neither (404).
  struct Outcome {
    Match match;
    std::string_view allow;
  };
  /// The views refer to `segments` and to this router. O(number of paths).
  Outcome find(http::Method method, std::span<const std::string> segments) const;

 private:
  struct Path {
    std::vector<std::string_view> parts;  // empty: a parameter
    std::vector<const Route*> routes;
    std::string allow;
  };
  std::vector<Path> paths_;
};

}  // namespace tideline::server
