#include "server/sync_package.h"

#include <array>
#include <memory>
#include <utility>

#include "base/json.h"
#include "server/body_encoder.h"
#include "server/query_text.h"
#include "store/sync_package.h"
#include "wire/json_rows.h"

namespace tideline::server {
namespace {

/// The text of an answer as it grows: sections in their fixed order, each there even when empty.
class SyncBody {
 public:
  SyncBody(http::Encoding encoding, OrganizationId organization)
      : encoder_(encoding), rows_(encoder_.plain()), organization_(organization) {}

  void add(const store::RowChunk& chunk) {
    open_until(chunk.kind);
    store::append_rows(rows_, chunk);
    if (chunk.kind == Kind::kFile) files_ += chunk.rows.rows();
    if (chunk.kind == Kind::kObject) objects_ += chunk.rows.rows();
    encoder_.settle();
  }

  Page finish(const store::SyncPackageHead& head, const store::Deletions& deletions) {
    open_until(Kind::kDocumentation);
    encoder_.plain() += ']';
    if (head.incremental) write_deletions(deletions);
    write_metadata(head);
    encoder_.plain() += '}';
    return encoder_.finish(head.version);
  }

 private:
  struct Section {
    Kind kind;
    std::string_view opening;
  };
  static constexpr std::array<Section, 6> kSections{{{Kind::kFile, R"({"metadata":{"files":[)"},
                                                     {Kind::kObject, R"(],"objects":[)"},
                                                     {Kind::kColumn, R"(],"columns":[)"},
                                                     {Kind::kDependency, R"(],"dependencies":[)"},
                                                     {Kind::kColumnLineage, R"(],"columns_lineage":[)"},
                                                     {Kind::kDocumentation, R"(]},"documentation":[)"}}};

  void open_until(Kind kind) {
    while (open_ == 0 || kSections[open_ - 1].kind != kind) {
      encoder_.plain() += kSections.at(open_++).opening;
      rows_.begin_array();
    }
  }

  void write_deletions(const store::Deletions& deletions) {
    encoder_.plain() += R"(,"deleted":)";
    JsonWriter json(encoder_.plain());
    json.begin_object();
    for (const Kind kind : {Kind::kFile, Kind::kObject, Kind::kColumn, Kind::kDependency, Kind::kColumnLineage,
                            Kind::kDocumentation, Kind::kConnection}) {
      json.key(table_name(kind)).begin_array();
      for (const Uuid& id : deletions.of(kind)) json.string(id.to_string());
      json.end_array();
    }
    json.end_object();
  }

  void write_metadata(const store::SyncPackageHead& head) {
    encoder_.plain() += R"(,"sync_metadata":)";
    JsonWriter json(encoder_.plain());
    json.begin_object();
    json.key("organization_id").string(organization_.to_string());
    json.key("connection_ids");
    if (head.connections) {
      json.begin_array();
      for (const ConnectionId& id : *head.connections) json.string(id.to_string());
      json.end_array();
    } else {
      json.null();
    }
    json.key("object_count").number(objects_).key("file_count").number(files_);
    json.key("timestamp").string(head.timestamp.to_string()).key("incremental").boolean(head.incremental);
    json.end_object();
  }

  BodyEncoder encoder_;
  wire::JsonRows rows_;
  OrganizationId organization_;
  std::size_t open_ = 0;  // sections begun
  std::int64_t files_ = 0;
  std::int64_t objects_ = 0;
};

PageKey key_of(const ReadRequest& read, const SyncPackageRequest& request) {
  PageKey key{.organization = read.tenant.organization, .version = read.state.version, .query = {}};
  QueryText text(key.query, "sync-package", read.encoding);
  text.add(request.connection_ids).add(request.last_sync).add(request.as_of);
  text.add(request.include_documentation ? 1 : 0).add(request.limit).add(request.offset);
  return key;
}

/// The head, where the answer follows from what is in memory: the client is up to date, and which of the connections
/// it asked for exist is known.
std::optional<store::SyncPackageHead> head_of_empty(ReadContext& context, const ReadRequest& read,
                                                    const SyncPackageRequest& request) {
  const auto& state = read.state;
  if (!request.last_sync || *request.last_sync != state.stamp) return std::nullopt;
  store::SyncPackageHead head{
      .epoch = state.epoch,
      .version = state.version,
      .stamp = state.stamp,
      .timestamp = request.as_of && *request.as_of <= state.stamp ? *request.as_of : state.stamp,
      .incremental = true,
      .base = state.version,
      .connections = std::nullopt};
  if (request.connection_ids) {
    const auto listing = context.listings.find(state);
    if (!listing) return std::nullopt;
    head.connections.emplace();
    for (const ConnectionId& id : *request.connection_ids)
      for (const auto& connection : listing->connections)
        if (connection.id == id) head.connections->push_back(id);
  }
  return head;
}

awaitable<Result<Page>> load(ReadContext& context, ReadRequest read, SyncPackageRequest request) {
  auto body = std::make_shared<SyncBody>(read.encoding, read.tenant.organization);
  if (const auto head = head_of_empty(context, read, request)) co_return body->finish(*head, {});

  const store::SyncPackageQuery query{.connections = request.connection_ids,
                                      .last_sync = request.last_sync,
                                      .as_of = request.as_of,
                                      .include_documentation = request.include_documentation,
                                      .limit = request.limit,
                                      .offset = request.offset};
  CO_TRY(auto reader, co_await open_reader<store::SyncPackageReader>(context, read, query));
  const auto finisher = [&reader] {
    return [head = reader.head(), deletions = reader.deletions()](SyncBody& whole) {
      return whole.finish(head, deletions);
    };
  };
  co_return co_await encode_page(context.workers, reader, std::move(body), finisher, read.deadline);
}

}  // namespace

bool may_have_seen_newer(const SyncPackageRequest& request, const store::OrganizationState& state) {
  if (request.last_sync && *request.last_sync > state.stamp) return true;
  if (request.as_of) return *request.as_of > state.stamp;
  return request.offset > 0;
}

std::optional<Page> cached_sync_package(ReadContext& context, const ReadRequest& read,
                                        const SyncPackageRequest& request) {
  return context.pages.find(key_of(read, request));
}

awaitable<Result<Page>> sync_package(ReadContext& context, ReadRequest read, SyncPackageRequest request) {
  auto key = key_of(read, request);
  const Deadline deadline = read.deadline;
  co_return co_await context.pages.get(
      std::move(key), [&context, read, request] { return load(context, read, request); }, deadline);
}

}  // namespace tideline::server
