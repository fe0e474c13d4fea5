#include <algorithm>
#include <utility>

#include "base/deadline.h"
#include "http/conditional.h"
#include "http/problem.h"
#include "server/answer.h"
#include "server/changes.h"
#include "server/events.h"
#include "server/routes.h"
#include "wire/changes_page.h"

namespace tideline::server {
namespace {

http::Response answer(const Exchange& exchange, const Result<Page>& page, std::string_view type) {
  if (!page) return error_answer(exchange.request, page.error());
  return page_answer(exchange.request, *page, type);
}

http::Response too_many(const Exchange& exchange) {
  return http::problem(503, "as many clients wait for events as this server takes", exchange.request.request_id);
}

/// The state, of the primary where the client has seen one at or above `at_least` and memory does not reach that.
http::awaitable<Result<store::OrganizationState>> state_at_least(const Exchange& exchange, std::int64_t at_least) {
  if (exchange.caller.state.version.value >= at_least) co_return exchange.caller.state;
  auto state = co_await ask_state(exchange.services, exchange.caller.tenant.organization);
  if (state && state->version.value < at_least)
    co_return fail(Code::kUnavailable, "The database is behind what this client has seen", "Try again.");
  co_return state;
}

/// Until the organization is not at `tag` any more, or `until`. kPermissionDenied and the like when the caller lost his
/// rights meanwhile.
http::awaitable<Result<void>> wait_for_news(Exchange& exchange, std::shared_ptr<EventHub::Place> place, std::string tag,
                                            Deadline until) {
  for (;;) {
    if (heads_tag(exchange.caller.state) != tag || is_past(until)) co_return Result<void>();
    co_await EventHub::Place::wait(place, until);
    auto caller = co_await exchange.services.gate.admit(exchange.credential, exchange.caller.tenant.organization,
                                                        exchange.request.deadline);
    if (!caller) co_return tl::unexpected(std::move(caller).error());
    if (!caller->rights.has(exchange.route.right))
      co_return fail(Code::kPermissionDenied, "you may not do this in this organization");
    exchange.caller = std::move(*caller);
  }
}

}  // namespace

http::awaitable<http::Response> get_heads(Exchange& exchange) {
  auto request = decode_heads(exchange.query);
  if (!request) co_return field_errors_answer(exchange.request, std::move(request.error()));
  const auto has = [&] {
    const std::string tag = heads_tag(exchange.caller.state);
    return request->since == tag || http::if_none_match(exchange.request.headers.get("If-None-Match"), tag);
  };
  if (request->wait.count() > 0 && has()) {
    auto place = exchange.services.events.take(exchange.caller.tenant.organization);
    if (!place) co_return too_many(exchange);
    const Deadline until = std::min(within(request->wait), exchange.request.deadline - kLongPollMargin);
    auto waited = co_await wait_for_news(exchange, std::move(place), heads_tag(exchange.caller.state), until);
    if (!waited) co_return error_answer(exchange.request, waited.error());
  }
  const std::string tag = heads_tag(exchange.caller.state);
  if (auto unchanged = http::not_modified(exchange.request, tag, kCacheControl, kVary)) co_return std::move(*unchanged);
  if (request->since == tag) {
    http::Response nothing_new;
    nothing_new.status = 204;
    nothing_new.headers.add("ETag", tag);
    nothing_new.headers.add("Cache-Control", kCacheControl);
    nothing_new.headers.add("Vary", kVary);
    co_return nothing_new;
  }
  const auto page = co_await heads_page(exchange.services.reads, exchange.read());
  co_return answer(exchange, page, http::kJsonType);
}

http::awaitable<http::Response> get_changes(Exchange& exchange) {
  auto decoded = decode_changes(exchange.id, exchange.query);
  if (!decoded) co_return field_errors_answer(exchange.request, std::move(decoded.error()));
  ChangesRequest request{.connection = decoded->connection, .cursor = std::nullopt, .max_bytes = decoded->max_bytes};
  ReadRequest read = exchange.read();
  if (decoded->cursor) {
    auto cursor = decode_cursor(*decoded->cursor, exchange.services.reads.cursor_key);
    if (!cursor) co_return error_answer(exchange.request, cursor.error());
    if (cursor->organization != read.tenant.organization || cursor->connection != request.connection) {
      FieldErrors errors;
      errors.push_back({"cursor", "is of another connection"});
      co_return field_errors_answer(exchange.request, std::move(errors));
    }
    if (may_have_seen_newer(*cursor, read.state)) {
      auto state = co_await ask_state(exchange.services, read.tenant.organization);
      if (!state) co_return error_answer(exchange.request, state.error());
      read.state = *state;
      if (auto seen = check_seen(*cursor, read.state); !seen) co_return error_answer(exchange.request, seen.error());
    }
    request.cursor = std::move(*cursor);
  }
  ReadContext& reads = exchange.services.reads;
  const auto cached = cached_changes(reads, read, request);
  const auto page = cached ? Result<Page>(*cached) : co_await changes_page(reads, read, request);
  if (page) read_ahead(reads, read, std::move(request), *page, co_await boost::asio::this_coro::executor);
  co_return answer(exchange, page, wire::kChangesType);
}

http::awaitable<http::Response> get_digest(Exchange& exchange) {
  auto request = decode_buckets(exchange.id, exchange.query);
  if (!request) co_return field_errors_answer(exchange.request, std::move(request.error()));
  ReadRequest read = exchange.read();
  auto state = co_await state_at_least(exchange, request->at_least);
  if (!state) co_return error_answer(exchange.request, state.error());
  read.state = *state;
  const auto page = co_await buckets_page(exchange.services.reads, read, {request->connection, request->kind});
  co_return answer(exchange, page, http::kJsonType);
}

http::awaitable<http::Response> get_rows(Exchange& exchange) {
  auto request = decode_buckets(exchange.id, exchange.query, true);
  if (!request) co_return field_errors_answer(exchange.request, std::move(request.error()));
  ReadRequest read = exchange.read();
  auto state = co_await state_at_least(exchange, request->at_least);
  if (!state) co_return error_answer(exchange.request, state.error());
  read.state = *state;
  const auto page =
      co_await bucket_page(exchange.services.reads, read, {request->connection, request->kind, request->bucket});
  co_return answer(exchange, page, wire::kChangesType);
}

http::awaitable<http::Response> get_events(Exchange& exchange) {
  auto place = exchange.services.events.take(exchange.caller.tenant.organization);
  if (!place) co_return too_many(exchange);
  http::Response response;
  response.headers.add("Content-Type", kEventsType);
  response.headers.add("Cache-Control", "no-store");
  // nginx and its kin gather what is small, unless told.
  response.headers.add("X-Accel-Buffering", "no");
  response.body = event_stream(exchange.services.gate, exchange.services.events, std::move(place), exchange.credential,
                               exchange.caller);
  co_return response;
}

}  // namespace tideline::server
