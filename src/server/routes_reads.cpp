#include "server/answer.h"
#include "server/connections_listing.h"
#include "server/documentation_listing.h"
#include "server/routes.h"
#include "server/sync_package.h"

namespace tideline::server {
namespace {

http::Response answer(const Exchange& exchange, const Result<Page>& page) {
  if (!page) return error_answer(exchange.request, page.error());
  return page_answer(exchange.request, *page);
}

}  // namespace

http::awaitable<http::Response> get_sync_package(Exchange& exchange) {
  auto request = decode_sync_package(exchange.query);
  if (!request) co_return field_errors_answer(exchange.request, std::move(request.error()));
  ReadRequest read = exchange.read();
  if (may_have_seen_newer(*request, read.state)) {
    auto state = co_await ask_state(exchange.services, read.tenant.organization);
    if (!state) co_return error_answer(exchange.request, state.error());
    read.state = *state;
  }
  if (const auto page = cached_sync_package(exchange.services.reads, read, *request))
    co_return page_answer(exchange.request, *page);
  const auto page = co_await sync_package(exchange.services.reads, read, std::move(*request));
  co_return answer(exchange, page);
}

http::awaitable<http::Response> get_connections(Exchange& exchange) {
  const ReadRequest read = exchange.read();
  if (const auto page = cached_connections(exchange.services.reads, read))
    co_return page_answer(exchange.request, *page);
  const auto page = co_await list_connections(exchange.services.reads, read);
  co_return answer(exchange, page);
}

http::awaitable<http::Response> get_documentation(Exchange& exchange) {
  auto request = decode_read_documentation(exchange.query);
  if (!request) co_return field_errors_answer(exchange.request, std::move(request.error()));
  const auto page = co_await list_documentation(exchange.services.reads, exchange.read(), std::move(*request));
  co_return answer(exchange, page);
}

http::awaitable<http::Response> post_match_workspace(Exchange& exchange) {
  auto body = co_await exchange.request.body.read_all(kMaxJsonBytes);
  if (!body) co_return error_answer(exchange.request, body.error());
  auto request = decode_match_workspace(*body);
  if (!request) co_return field_errors_answer(exchange.request, std::move(request.error()));
  auto json = co_await match_workspace(exchange.services.reads, exchange.read(), std::move(*request));
  if (!json) co_return error_answer(exchange.request, json.error());
  co_return json_answer(exchange.request, std::move(*json), exchange.encoding);
}

}  // namespace tideline::server
