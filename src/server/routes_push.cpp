// What generators and CI deliver: artifacts and documentation.

#include <malloc.h>

#include <filesystem>
#include <utility>
#include <vector>

#include "base/deadline.h"
#include "base/json.h"
#include "base/log.h"
#include "base/text.h"
#include "http/problem.h"
#include "pg/blocking.h"
#include "server/answer.h"
#include "server/push.h"
#include "server/routes.h"
#include "store/connections.h"
#include "store/documentation.h"

namespace tideline::server {
namespace {

// For extraction and writing once everything is here: a 500 MB manifest takes about a minute.
constexpr std::chrono::minutes kPushDeadline{15};
constexpr std::chrono::seconds kNoteDeadline{2};
constexpr std::uintmax_t kLargeManifestBytes = 16ULL * 1024 * 1024;
// One transaction of documentation; parsed it takes some five times as much memory, so it counts as a push.
constexpr std::uint64_t kMaxDocumentationBytes = 16ULL * 1024 * 1024;

Result<store::ConnectionRef> only_one_named(const std::vector<store::ConnectionState>& connections,
                                            const PushTarget& target) {
  const auto is_alias = [&](const ConnectionRecord& record) {
    const auto aliases = Json::parse(record.aliases.text, "aliases");
    if (!aliases || aliases->if_array() == nullptr) return false;
    for (const Json& alias : *aliases->if_array())
      if (alias.if_string() != nullptr && equal_ignoring_case(*alias.if_string(), target.full_name)) return true;
    return false;
  };
  const auto find = [&](auto&& is_named) -> std::vector<ConnectionId> {
    std::vector<ConnectionId> found;
    for (const auto& connection : connections)
      if (connection.record.subdir == target.subdir && is_named(connection.record))
        found.push_back({connection.record.id});
    return found;
  };
  auto found =
      find([&](const ConnectionRecord& record) { return equal_ignoring_case(record.full_name, target.full_name); });
  if (found.empty()) found = find(is_alias);
  if (found.size() > 1)
    return fail(Code::kConflict, "several connections are named " + target.full_name,
                "say which: add type=… to the query, or push to …/connections/<id>/artifacts");
  if (found.size() == 1) return store::ConnectionRef(found.front());
  return store::ConnectionRef(
      store::ConnectionKey{std::string(kDefaultConnectionType), target.full_name, target.subdir});
}

http::awaitable<Result<store::ConnectionRef>> resolve(Exchange& exchange, PushTarget target) {
  if (target.type) co_return store::ConnectionRef(store::ConnectionKey{*target.type, target.full_name, target.subdir});
  auto connections =
      co_await store::list_connections(exchange.services.database, exchange.caller.tenant, exchange.request.deadline);
  if (!connections) co_return tl::unexpected(std::move(connections.error()));
  co_return only_one_named(*connections, target);
}

bool is_refusal(const Error& error) {
  switch (error.code) {
    case Code::kInvalidInput:
    case Code::kConflict:
    case Code::kNotFound:
    case Code::kTooLarge:
    case Code::kUnsupported:
    case Code::kPermissionDenied:
      return true;
    default:
      return false;
  }
}

http::Response busy(const http::Request& request) {
  http::Response response = http::problem(503, "the server takes no more pushes at the same time", request.request_id);
  response.headers.set("Retry-After", "10");
  return response;
}

http::awaitable<http::Response> push_to(Exchange& exchange, store::ConnectionRef target, PushNotes notes) {
  Services& services = exchange.services;
  const store::Tenant tenant = exchange.caller.tenant;
  const auto form = upload_form(exchange.request.headers);  // there is one: checked before
  auto received = co_await receive_upload(exchange.request, *form, std::move(notes), services.limits.upload_bytes,
                                          services.uploads, services.blocking);
  if (!received) {
    services.metrics.count_push(Metrics::PushResult::kRefused);
    if (!received.error().fields.empty())
      co_return field_errors_answer(exchange.request, std::move(received.error().fields));
    const Error& error = received.error().error;
    co_await store::note_refused_push(services.database, tenant, target, error.message, within(kNoteDeadline));
    co_return error_answer(exchange.request, error);
  }

  auto upload = std::make_shared<Upload>(std::move(*received));
  ArtifactPush push;
  push.tenant = tenant;
  push.target = std::move(target);
  push.url = upload->notes.url;
  push.manifest = upload->manifest.path();
  if (upload->catalog) push.catalog = upload->catalog->path();
  push.force = upload->notes.force;
  push.commit = upload->notes.commit;
  push.branch = upload->notes.branch;
  auto outcome = co_await push_artifacts(services.database, std::move(push), services.blocking, within(kPushDeadline));
  // Freeing the blocks of a large file takes its time; not on this thread. And what a large one took of memory malloc
  // would keep for the next one, which may never come.
  auto remove = [upload] {
    std::error_code ignored;
    const bool is_large = std::filesystem::file_size(upload->manifest.path(), ignored) >= kLargeManifestBytes;
    upload->manifest.remove();
    if (upload->catalog) upload->catalog->remove();
    return is_large && ::malloc_trim(0) != 0;
  };
  co_await pg::run_blocking(services.blocking, std::move(remove));
  co_await refresh(services, tenant.organization);
  if (!outcome) {
    const bool refused = is_refusal(outcome.error());
    services.metrics.count_push(refused ? Metrics::PushResult::kRefused : Metrics::PushResult::kFailed);
    co_return error_answer(exchange.request, outcome.error(), true);
  }
  services.metrics.count_push(outcome->stored.made ? Metrics::PushResult::kVersion : Metrics::PushResult::kUnchanged);
  log(LogLevel::kInfo, "push accepted",
      {{"request_id", exchange.request.request_id},
       {"organization", tenant.organization.to_string()},
       {"connection", outcome->stored.connection.to_string()},
       {"version", std::to_string(outcome->stored.version.value)}});
  co_return json_answer(exchange.request, to_json(*outcome), exchange.encoding);
}

void append(FieldErrors& errors, FieldErrors more) {
  errors.insert(errors.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
}

// How an item named its object.
void write_name(JsonWriter& json, const DocumentationItem& item) {
  json.begin_object();
  if (item.object_id) json.key("object_id").string(item.object_id->to_string());
  if (item.connection_id) json.key("connection_id").string(item.connection_id->to_string());
  if (!item.unique_id.empty()) json.key("unique_id").string(item.unique_id);
  json.end_object();
}

store::DocumentationItem to_store(DocumentationItem item) {
  store::DocumentationItem out;
  out.object = item.object_id;
  out.connection = item.connection_id;
  out.unique_id = std::move(item.unique_id);
  DocumentationRecord& content = out.content;
  content.executive_summary = std::move(item.executive_summary);
  content.business_narrative = std::move(item.business_narrative);
  content.transformation_cards = std::move(item.transformation_cards);
  content.code_explanations = std::move(item.code_explanations);
  content.business_rules = std::move(item.business_rules);
  content.impact_analysis = std::move(item.impact_analysis);
  content.generated_at = item.generated_at;
  content.model = std::move(item.model);
  content.doc_version = std::move(item.doc_version);
  content.extra = std::move(item.extra);
  return out;
}

}  // namespace

http::awaitable<http::Response> put_artifacts(Exchange& exchange) {
  FieldErrors errors;
  const auto id = decode_connection(exchange.id);
  if (!id) append(errors, id.error());
  auto notes = decode_push_notes(exchange.query);
  if (!notes) append(errors, std::move(notes.error()));
  if (!errors.empty()) co_return field_errors_answer(exchange.request, std::move(errors));
  const auto slot = exchange.services.uploads.enter();
  if (!slot) co_return busy(exchange.request);
  // Told now rather than after an upload of a gigabyte.
  auto held = co_await store::find_connection(exchange.services.database, exchange.caller.tenant, *id,
                                              exchange.request.deadline);
  if (!held) co_return error_answer(exchange.request, held.error());
  if (!*held)
    co_return error_answer(exchange.request,
                           Error{Code::kNotFound,
                                 "no such connection in this organization",
                                 "PUT …/artifacts?full_name=owner/repo registers one with its first push",
                                 {}});
  co_return co_await push_to(exchange, *id, std::move(*notes));
}

http::awaitable<http::Response> put_artifacts_by_name(Exchange& exchange) {
  FieldErrors errors;
  auto target = decode_push_target(exchange.query);
  if (!target) append(errors, std::move(target.error()));
  auto notes = decode_push_notes(exchange.query);
  if (!notes) append(errors, std::move(notes.error()));
  if (!errors.empty()) co_return field_errors_answer(exchange.request, std::move(errors));
  const auto slot = exchange.services.uploads.enter();
  if (!slot) co_return busy(exchange.request);
  auto resolved = co_await resolve(exchange, std::move(*target));
  if (!resolved) co_return error_answer(exchange.request, resolved.error());
  co_return co_await push_to(exchange, std::move(*resolved), std::move(*notes));
}

http::awaitable<http::Response> put_documentation(Exchange& exchange) {
  const auto slot = exchange.services.uploads.enter();
  if (!slot) co_return busy(exchange.request);
  exchange.request.body.limit(kMaxDocumentationBytes);
  auto body = co_await exchange.request.body.read_all(kMaxDocumentationBytes);
  if (!body) co_return error_answer(exchange.request, body.error());
  const std::string* text = &*body;
  auto decode = [text] { return std::optional(decode_write_documentation(*text)); };
  auto request = co_await pg::run_blocking(exchange.services.blocking, std::move(decode));
  if (!*request) co_return field_errors_answer(exchange.request, std::move(request->error()));

  std::vector<DocumentationItem>& items = (*request)->items;
  std::vector<store::DocumentationItem> stored;
  stored.reserve(items.size());
  for (const DocumentationItem& item : items) stored.push_back(to_store(item));
  auto outcome = co_await store::put_documentation(exchange.services.database, exchange.caller.tenant,
                                                   std::move(stored), exchange.request.deadline);
  if (!outcome) co_return error_answer(exchange.request, outcome.error());
  co_await refresh(exchange.services, exchange.caller.tenant.organization);
  std::string out;
  JsonWriter json(out);
  json.begin_object().key("version").number(outcome->version.value).key("added").number(outcome->added);
  json.key("updated").number(outcome->updated).key("unchanged").number(outcome->unchanged);
  json.key("unknown").begin_array();
  for (const std::size_t index : outcome->unknown) write_name(json, items.at(index));
  json.end_array().end_object();
  co_return json_answer(exchange.request, std::move(out), exchange.encoding);
}

}  // namespace tideline::server
