#pragma once
// One request from its head to its answer: route, identity, rights, negotiation, then the handler of the route. Each
// check answers for itself, in the order that tells a stranger the least: what a path is (404, 405) is public; who he
// is (401); whether he belongs there (403); only a member hears what is wrong with his request.
//
// A handler is a plain function of an Exchange, callable without a socket.

#include <atomic>
#include <optional>
#include <string_view>

#include <boost/asio/any_io_executor.hpp>

#include "http/message.h"
#include "http/query.h"
#include "server/application.h"
#include "server/auth.h"
#include "server/event_hub.h"
#include "server/metrics.h"
#include "server/read_context.h"
#include "server/router.h"
#include "server/upload.h"
#include "store/database.h"

namespace tideline::server {

/// What handlers work with. All of it outlives every request.
struct Services {
  const Gate& gate;
  store::Database& database;         // rows
  store::Database& rights_database;  // questions that come before rows: connections of their own
  Membership& membership;
  Watch& watch;
  EventHub& events;
  ReadContext& reads;
  UploadSpace& uploads;
  Metrics& metrics;
  boost::asio::any_io_executor blocking;
  ServerLimits limits;
  const std::atomic<bool>& draining;
};

/// A request that got through all checks. For public routes, there is no caller.
struct Exchange {
  Services& services;
  http::Request& request;
  const Route& route;
  std::string_view id;  // the second parameter of the path, where there is one
  Caller caller;
  Credential credential;
  http::Encoding encoding = http::Encoding::kIdentity;
  http::Query query;

  ReadRequest read() const { return {caller.tenant, caller.state, encoding, request.deadline}; }
};

class Service {
 public:
  explicit Service(Services services) : services_(std::move(services)) {}

  /// Never throws for anything a client sends.
  http::awaitable<http::Response> handle(http::Request& request);

 private:
  std::optional<http::Response> check(const http::Request& request, const Route& route, const Caller& caller) const;

  Services services_;
  Router router_;
};

/// Asks the primary: what it says is not older than anything that was answered before, by whichever process.
/// kUnavailable; kPermissionDenied when there is no such organization (any more).
http::awaitable<Result<store::OrganizationState>> ask_state(Services& services, OrganizationId organization);

/// After a write: asks the primary for the organization's state, so that what this process answers next is not older
/// than what it has just acknowledged.
http::awaitable<void> refresh(Services& services, OrganizationId organization);

}  // namespace tideline::server
