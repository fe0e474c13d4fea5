#include <utility>

#include "base/json.h"
#include "server/answer.h"
#include "server/routes.h"
#include "store/connections.h"

namespace tideline::server {
namespace {

std::string to_json(const store::ConnectionState& state, Version organization_version) {
  const ConnectionRecord& record = state.record;
  const auto time = [](JsonWriter& json, const std::optional<Timestamp>& value) {
    value ? json.string(value->to_string()) : json.null();
  };
  std::string out;
  JsonWriter json(out);
  json.begin_object().key("connection").begin_object();
  json.key("id").string(record.id.to_string()).key("type").string(record.type).key("name").string(record.name);
  json.key("full_name").string(record.full_name).key("subdir").string(record.subdir);
  json.key("url").optional_string(record.url).key("aliases").raw(record.aliases.text);
  json.key("status").string(state.status).key("last_error").optional_string(state.last_error);
  json.key("object_count").number(state.object_count).key("last_extracted_at");
  time(json, state.last_extracted_at);
  json.key("created_at").string(state.created_at.to_string()).key("updated_at").string(state.updated_at.to_string());
  json.end_object().key("version").number(organization_version.value).end_object();
  return out;
}

tl::unexpected<Error> no_such_connection() {
  return fail(Code::kNotFound, "no such connection in this organization", "GET …/connections lists them");
}

// The connection as the write left it.
http::awaitable<http::Response> answer_written(Exchange& exchange, Result<store::WriteOutcome> written) {
  if (!written) co_return error_answer(exchange.request, written.error());
  co_await refresh(exchange.services, exchange.caller.tenant.organization);
  auto state = co_await store::find_connection(exchange.services.database, exchange.caller.tenant, written->connection,
                                               exchange.request.deadline);
  if (!state) co_return error_answer(exchange.request, state.error());
  if (!*state) co_return error_answer(exchange.request, no_such_connection().value());  // removed meanwhile
  co_return json_answer(exchange.request, to_json(**state, written->version), exchange.encoding);
}

}  // namespace

http::awaitable<http::Response> put_connection(Exchange& exchange) {
  auto body = co_await exchange.request.body.read_all(kMaxJsonBytes);
  if (!body) co_return error_answer(exchange.request, body.error());
  auto request = decode_register_connection(*body);
  if (!request) co_return field_errors_answer(exchange.request, std::move(request.error()));
  store::ConnectionSpec spec;
  spec.id = request->id;
  spec.key.type = std::move(request->type);
  spec.key.full_name = std::move(request->full_name);
  spec.key.subdir = std::move(request->subdir);
  spec.name = std::move(request->name);
  spec.url = std::move(request->url);
  auto written = co_await store::register_connection(exchange.services.database, exchange.caller.tenant,
                                                     std::move(spec), exchange.request.deadline);
  co_return co_await answer_written(exchange, std::move(written));
}

http::awaitable<http::Response> update_connection(Exchange& exchange) {
  auto body = co_await exchange.request.body.read_all(kMaxJsonBytes);
  if (!body) co_return error_answer(exchange.request, body.error());
  auto request = decode_update_connection(exchange.id, *body);
  if (!request) co_return field_errors_answer(exchange.request, std::move(request.error()));
  if (request->type) {
    // A whole connection may be sent back as it was read; but what it is does not change.
    auto held = co_await store::find_connection(exchange.services.database, exchange.caller.tenant, request->id,
                                                exchange.request.deadline);
    if (!held) co_return error_answer(exchange.request, held.error());
    if (!*held) co_return error_answer(exchange.request, no_such_connection().value());
    if ((*held)->record.type != *request->type) {
      FieldErrors errors;
      errors.push_back({"type", "cannot be changed: register another connection"});
      co_return field_errors_answer(exchange.request, std::move(errors));
    }
  }
  store::ConnectionChange change;
  change.name = std::move(request->name);
  change.full_name = std::move(request->full_name);
  change.subdir = std::move(request->subdir);
  change.url = std::move(request->url);
  auto written = co_await store::update_connection(exchange.services.database, exchange.caller.tenant, request->id,
                                                   std::move(change), exchange.request.deadline);
  co_return co_await answer_written(exchange, std::move(written));
}

http::awaitable<http::Response> delete_connection(Exchange& exchange) {
  const auto id = decode_connection(exchange.id);
  if (!id) co_return field_errors_answer(exchange.request, id.error());
  auto written = co_await store::delete_connection(exchange.services.database, exchange.caller.tenant, *id,
                                                   exchange.request.deadline);
  if (!written) co_return error_answer(exchange.request, written.error());
  co_await refresh(exchange.services, exchange.caller.tenant.organization);
  std::string out;
  JsonWriter json(out);
  json.begin_object().key("connection_id").string(id->to_string());
  json.key("version").number(written->version.value).end_object();
  co_return json_answer(exchange.request, std::move(out), exchange.encoding);
}

}  // namespace tideline::server
