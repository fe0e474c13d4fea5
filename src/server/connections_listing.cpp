#include "server/connections_listing.h"

#include <utility>

#include "base/json.h"
#include "server/body_encoder.h"
#include "server/query_text.h"
#include "server/workspace_match.h"

namespace tideline::server {
namespace {

using Listing = std::shared_ptr<const store::ConnectionListing>;

bool is_as_new(const store::ConnectionListing& listing, const ReadRequest& read) {
  return is_current(read, listing.epoch, listing.version) &&
         (listing.version > read.state.version || listing.activity >= read.state.activity);
}

/// Of the state asked for or a newer one.
awaitable<Result<Listing>> listing_of(ReadContext& context, ReadRequest read) {
  if (auto listing = context.listings.find(read.state)) co_return std::move(listing);
  const auto ask = [&context, &read](store::Consistency consistency) {
    return store::read_connection_listing(context.database, read.tenant, consistency, read.deadline);
  };
  const auto judge = [&read](const store::ConnectionListing& listing) -> Result<void> {
    if (!is_as_new(listing, read)) return behind();
    return {};
  };
  CO_TRY(auto listing, co_await ask_standby_then_primary<store::ConnectionListing>(context, ask, judge));
  auto shared = std::make_shared<const store::ConnectionListing>(std::move(listing));
  context.listings.put(read.tenant.organization, shared);
  co_return Listing(std::move(shared));
}

void write_names(JsonWriter& json, const store::ListedConnection& connection) {
  json.key("id").string(connection.id.to_string()).key("type").string(connection.type);
  json.key("name").string(connection.name).key("full_name").string(connection.full_name);
  json.key("subdir").string(connection.subdir);
}

void write_state(JsonWriter& json, const store::ListedConnection& connection) {
  json.key("status").string(connection.status).key("object_count").number(connection.object_count);
  json.key("last_extracted_at");
  if (connection.last_extracted_at) {
    json.string(connection.last_extracted_at->to_string());
  } else {
    json.null();
  }
}

void write_matched(JsonWriter& json, const store::ListedConnection& connection, const std::string* reason) {
  json.begin_object();
  write_names(json, connection);
  write_state(json, connection);
  if (reason) json.key("reason").string(*reason);
  json.end_object();
}

PageKey key_of(const ReadRequest& read) {
  PageKey key{.organization = read.tenant.organization, .version = read.state.version, .query = {}};
  QueryText(key.query, "connections", read.encoding).add(read.state.activity);
  return key;
}

awaitable<Result<Page>> load(ReadContext& context, ReadRequest read) {
  CO_TRY(const auto listing, co_await listing_of(context, read));
  std::string text;
  JsonWriter json(text);
  json.begin_object().key("connections").begin_array();
  for (const auto& connection : listing->connections) {
    json.begin_object();
    write_names(json, connection);
    json.key("url").optional_string(connection.url);
    write_state(json, connection);
    json.key("last_error").optional_string(connection.last_error);
    json.key("sources").raw(connection.sources);
    json.key("lineage");
    if (connection.lineage) {
      json.raw(*connection.lineage);
    } else {
      json.null();
    }
    json.end_object();
  }
  json.end_array().end_object();
  co_return checked_page(text, read.encoding, listing->version);
}

}  // namespace

std::optional<Page> cached_connections(ReadContext& context, const ReadRequest& read) {
  return context.pages.find(key_of(read));
}

awaitable<Result<Page>> list_connections(ReadContext& context, ReadRequest read) {
  auto key = key_of(read);
  const Deadline deadline = read.deadline;
  co_return co_await context.pages.get(std::move(key), [&context, read] { return load(context, read); }, deadline);
}

awaitable<Result<std::string>> match_workspace(ReadContext& context, ReadRequest read, MatchWorkspaceRequest request) {
  CO_TRY(const auto listing, co_await listing_of(context, read));
  const WorkspaceMatch match = match_connections(request.workspace_identifier, listing->connections);
  std::string body;
  JsonWriter json(body);
  json.begin_object().key("matched_connections").begin_array();
  for (const auto* connection : match.matched) write_matched(json, *connection, nullptr);
  json.end_array().key("suggested_connections").begin_array();
  for (const auto& suggested : match.suggested) write_matched(json, *suggested.connection, &suggested.reason);
  json.end_array().key("other_connections").begin_array();
  for (const auto* connection : match.other) write_matched(json, *connection, nullptr);
  json.end_array().end_object();
  co_return std::move(body);
}

}  // namespace tideline::server
