#pragma once
// GET /events: server-sent events (WHATWG HTML, "Server-sent events") that say an organization has a new version. Hints
// alone, never content: a client pulls, on every hint and on every (re)connect.

#include <chrono>
#include <memory>

#include "http/body.h"
#include "server/auth.h"
#include "server/event_hub.h"

namespace tideline::server {

/// The first hint goes out at once; further ones of this time are one.
inline constexpr std::chrono::milliseconds kHintsEvery{250};
/// A comment when there was nothing to say: proxies keep the connection, clients know that it lives.
inline constexpr std::chrono::seconds kKeepAliveEvery{20};
/// A stream ends after so long, ±20 %: clients spread over the servers that are there.
inline constexpr std::chrono::minutes kStreamLife{30};
/// How wide clients spread their pulls, at most: 1,000 that pull at once would wait for each other longer than that.
inline constexpr std::chrono::milliseconds kMaxSpread{100};
inline constexpr std::size_t kClientsPerSpreadMillisecond = 10;

/// `places` wait for the organization: the width of the spread.
std::chrono::milliseconds spread_of(std::size_t places);
/// When this caller's token is taken no longer.
Timestamp end_of(const Credential& credential, const Caller& caller);

/// `caller` is who was admitted by `credential`. What is referred to outlives the stream.
std::unique_ptr<http::BodySource> event_stream(const Gate& gate, EventHub& hub, std::shared_ptr<EventHub::Place> place,
                                               Credential credential, Caller caller);

}  // namespace tideline::server
