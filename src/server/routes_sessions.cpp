#include "server/answer.h"
#include "server/routes.h"
#include "server/sessions.h"

namespace tideline::server {
namespace {

http::Response answer(const Exchange& exchange, Result<std::string> json) {
  if (!json) return error_answer(exchange.request, json.error());
  return json_answer(exchange.request, std::move(*json), exchange.encoding);
}

}  // namespace

http::awaitable<http::Response> post_session(Exchange& exchange) {
  auto body = co_await exchange.request.body.read_all(kMaxJsonBytes);
  if (!body) co_return error_answer(exchange.request, body.error());
  auto request = decode_register_session(*body);
  if (!request) co_return field_errors_answer(exchange.request, std::move(request.error()));
  auto json =
      co_await server::register_session(exchange.services.database, exchange.caller.tenant, std::move(*request),
                                        expiry_of(exchange.credential, exchange.caller), exchange.request.deadline);
  co_return answer(exchange, std::move(json));
}

http::awaitable<http::Response> get_sessions(Exchange& exchange) {
  auto json =
      co_await server::list_sessions(exchange.services.database, exchange.caller.tenant, exchange.request.deadline);
  co_return answer(exchange, std::move(json));
}

http::awaitable<http::Response> patch_session(Exchange& exchange) {
  auto body = co_await exchange.request.body.read_all(kMaxJsonBytes);
  if (!body) co_return error_answer(exchange.request, body.error());
  auto request = decode_update_session(exchange.id, *body);
  if (!request) co_return field_errors_answer(exchange.request, std::move(request.error()));
  auto json = co_await server::update_session(exchange.services.database, exchange.caller.tenant, std::move(*request),
                                              exchange.request.deadline);
  co_return answer(exchange, std::move(json));
}

}  // namespace tideline::server
