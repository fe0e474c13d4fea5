#include "server/changes.h"

#include <algorithm>
#include <memory>
#include <utility>

#include <boost/asio/co_spawn.hpp>

#include "base/json.h"
#include "base/text.h"
#include "server/body_encoder.h"
#include "server/query_text.h"
#include "server/read_context.h"
#include "store/changes.h"
#include "wire/changes_page.h"

namespace tideline::server {
namespace {

using store::Consistency;

/// At once, of all clients: a few keep the database and the cores busy.
constexpr int kMaxReadingAhead = 4;
constexpr std::chrono::seconds kReadAheadDeadline{10};

tl::unexpected<Error> no_such_connection() {
  return fail(Code::kNotFound, "no such connection in this organization", "GET …/heads lists them");
}

std::string hex_of(std::string_view bytes) {
  return hex({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
}

std::string hex_of_sum(unsigned __int128 sum) {
  std::string bytes;
  for (int shift = 120; shift >= 0; shift -= 8) bytes += static_cast<char>(static_cast<std::uint8_t>(sum >> shift));
  return hex_of(bytes);
}

// ---- Heads

using Heads = std::shared_ptr<const store::Heads>;

/// Of the state asked for or a newer one.
awaitable<Result<Heads>> heads_of(ReadContext& context, ReadRequest read) {
  if (auto heads = context.heads.find(read.state)) co_return std::move(heads);
  const auto ask = [&context, &read](Consistency consistency) {
    return store::read_heads(context.database, read.tenant, consistency, read.deadline);
  };
  const auto judge = [&read](const store::Heads& heads) -> Result<void> {
    if (!is_current(read, heads.epoch, heads.version)) return behind();
    return {};
  };
  CO_TRY(auto heads, co_await ask_standby_then_primary<store::Heads>(context, ask, judge));
  auto shared = std::make_shared<const store::Heads>(std::move(heads));
  context.heads.put(read.tenant.organization, shared);
  co_return Heads(std::move(shared));
}

std::string tag_of(const Uuid& epoch, Version version) {
  return '"' + epoch.to_string() + '.' + std::to_string(version.value) + '.' + std::to_string(kSyncSchema) + '"';
}

awaitable<Result<Page>> load_heads(ReadContext& context, ReadRequest read) {
  CO_TRY(const auto heads, co_await heads_of(context, read));
  std::string text;
  JsonWriter json(text);
  json.begin_object().key("organization").string(read.tenant.organization.to_string());
  json.key("epoch").string(heads->epoch.to_string()).key("version").number(heads->version.value);
  json.key("schema").number(kSyncSchema).key("connections").begin_array();
  for (const auto& connection : heads->connections) {
    json.begin_object().key("id").string(connection.id.to_string());
    json.key("incarnation").number(connection.incarnation.value).key("version").number(connection.version.value);
    json.key("digest").string(hex_of(connection.digest.to_bytes())).end_object();
  }
  json.end_array().end_object();
  Page page = checked_page(text, http::Encoding::kIdentity, heads->version);
  page.etag = tag_of(heads->epoch, heads->version);
  co_return std::move(page);
}

// ---- Changes

/// A page as it grows.
class ChangesBody {
 public:
  explicit ChangesBody(http::Encoding encoding) : encoder_(encoding), page_(encoder_.plain()) {}

  void add(const store::ChangesChunk& chunk) {
    store::append_changes(page_, chunk);
    encoder_.settle();
  }
  Page finish(std::string_view end, Version version) {
    page_.finish(end);
    return encoder_.finish(version);
  }

 private:
  BodyEncoder encoder_;
  wire::ChangesPageWriter page_;
};

/// What ends a page, and what is needed to make the next.
struct EndOfPage {
  std::string json;
  std::shared_ptr<const Cursor> next;  // null: there is none
};
EndOfPage end_of_page(const ReadContext& context, const ReadRequest& read, const ChangesRequest& request,
                      const store::ChangesHead& head, const store::ChangesPosition& position, bool up_to_date) {
  const Cursor* from = request.cursor ? &*request.cursor : nullptr;
  auto next = std::make_shared<const Cursor>(
      next_cursor(head, read.tenant.organization, request.connection, from, position, up_to_date));
  const wire::ChangesEnd end{.cursor = encode_cursor(*next, context.cursor_key),
                             .connection = request.connection,
                             .snapshot = head.version,
                             .up_to_date = up_to_date,
                             .connection_version = head.connection->version,
                             .digest = head.connection->digest};
  return {end.to_json(), up_to_date ? nullptr : std::move(next)};
}

PageKey key_of(const ReadRequest& read, const ChangesRequest& request) {
  PageKey key{.organization = read.tenant.organization, .version = read.state.version, .query = {}};
  QueryText text(key.query, "changes", read.encoding);
  text.add(request.connection.value).add(request.max_bytes);
  if (!request.cursor) return key;
  // All that the page depends on, and that its cursor is checked for. (`high` is neither: it is not above the state.)
  const Cursor& cursor = *request.cursor;
  text.add(cursor.epoch).add(cursor.incarnation.value).add(cursor.low.value);
  text.add(static_cast<std::int64_t>(cursor.low_digest));
  text.add(cursor.position.version.value).add(std::int64_t{cursor.position.kind}).add(cursor.position.id);
  return key;
}

/// The snapshot's head where it follows from what is in memory that nothing lies behind the cursor.
awaitable<Result<std::optional<store::ChangesHead>>> head_of_empty(ReadContext& context, ReadRequest read,
                                                                   ChangesRequest request) {
  const Cursor& cursor = *request.cursor;
  CO_TRY(const auto heads, co_await heads_of(context, read));
  for (const auto& connection : heads->connections) {
    if (connection.id != request.connection) continue;
    if (connection.version > cursor.low || cursor.position < store::ChangesPosition::behind(connection.version)) break;
    // Nothing was written since `low`: the digest there is the one of now, and no removal can have been forgotten.
    store::ChangesHead head{
        .epoch = heads->epoch, .version = heads->version, .floor = read.state.floor, .connection = std::nullopt};
    head.connection = store::ConnectionHead{.incarnation = connection.incarnation,
                                            .version = connection.version,
                                            .digest = connection.digest,
                                            .digest_at_low = connection.digest,
                                            .is_low_forgotten = false};
    co_return std::optional(head);
  }
  co_return std::optional<store::ChangesHead>();
}

awaitable<Result<store::ChangesReader>> open_reader(ReadContext& context, const ReadRequest& read,
                                                    const ChangesRequest& request) {
  const auto ask = [&](Consistency consistency) {
    store::ChangesQuery query{.connection = request.connection,
                              .from = {},
                              .low = std::nullopt,
                              .max_bytes = static_cast<std::size_t>(request.max_bytes)};
    if (request.cursor) query.from = request.cursor->position, query.low = request.cursor->low;
    return store::ChangesReader::open(context.database, read.tenant, query, consistency, read.deadline);
  };
  const auto judge = [&](const store::ChangesReader& reader) -> Result<void> {
    if (!is_current(read, reader.head().epoch, reader.head().version)) return behind();
    if (request.cursor) return check_cursor(*request.cursor, reader.head());
    if (!reader.head().connection) return no_such_connection();
    return {};
  };
  co_return co_await ask_standby_then_primary<store::ChangesReader>(context, ask, judge);
}

awaitable<Result<Page>> load_changes(ReadContext& context, ReadRequest read, ChangesRequest request) {
  auto body = std::make_shared<ChangesBody>(read.encoding);
  if (request.cursor && request.cursor->position >= store::ChangesPosition::behind(request.cursor->low)) {
    CO_TRY(const auto head, co_await head_of_empty(context, read, request));
    if (head) {
      CO_TRY_VOID(check_cursor(*request.cursor, *head));
      const EndOfPage end = end_of_page(context, read, request, *head, request.cursor->position, true);
      co_return body->finish(end.json, head->version);
    }
  }
  CO_TRY(auto reader, co_await open_reader(context, read, request));
  const auto finisher = [&] {
    EndOfPage end = end_of_page(context, read, request, reader.head(), reader.position(), reader.is_exhausted());
    return [end = std::move(end), version = reader.head().version](ChangesBody& whole) {
      Page page = whole.finish(end.json, version);
      page.next = end.next;
      return page;
    };
  };
  co_return co_await encode_page(context.workers, reader, std::move(body), finisher, read.deadline);
}

// ---- Buckets

template <class Read>
Result<void> judge_head(const ReadRequest& read, const Read& answer) {
  if (!is_current(read, answer.head.epoch, answer.head.version)) return behind();
  if (!answer.head.connection) return no_such_connection();
  return {};
}

awaitable<Result<Page>> load_buckets(ReadContext& context, ReadRequest read, BucketsRequest request) {
  const auto ask = [&](Consistency consistency) {
    return store::read_bucket_digests(context.database, read.tenant, request.connection, request.kind, consistency,
                                      read.deadline);
  };
  const auto judge = [&read](const store::BucketDigests& answer) { return judge_head(read, answer); };
  CO_TRY(const auto digests, co_await ask_standby_then_primary<store::BucketDigests>(context, ask, judge));
  std::string text;
  JsonWriter json(text);
  json.begin_object().key("epoch").string(digests.head.epoch.to_string());
  json.key("connection").string(request.connection.to_string());
  json.key("incarnation").number(digests.head.connection->incarnation.value);
  json.key("version").number(digests.head.version.value).key("kind").number(static_cast<std::int64_t>(request.kind));
  json.key("buckets").begin_array();
  for (const KindDigest& bucket : digests.buckets)
    json.begin_array().number(bucket.count).string(hex_of_sum(bucket.sum)).end_array();
  json.end_array().end_object();
  co_return checked_page(text, read.encoding, digests.head.version);
}

awaitable<Result<Page>> load_bucket(ReadContext& context, ReadRequest read, BucketRequest request) {
  const auto ask = [&](Consistency consistency) {
    return store::read_bucket(context.database, read.tenant, request.connection, request.kind, request.bucket,
                              consistency, read.deadline);
  };
  const auto judge = [&read](const store::BucketRows& answer) { return judge_head(read, answer); };
  CO_TRY(const auto rows, co_await ask_standby_then_primary<store::BucketRows>(context, ask, judge));
  const wire::BucketEnd end{.connection = request.connection,
                            .snapshot = rows.head.version,
                            .kind = request.kind,
                            .bucket = request.bucket,
                            .digest = rows.digest};
  auto body = std::make_shared<ChangesBody>(read.encoding);
  auto page = std::make_shared<Page>();
  Lane lane(context.workers);
  lane.start([body, page, chunk = rows.rows, json = end.to_json(), version = rows.head.version] {
    body->add(chunk);
    *page = body->finish(json, version);
  });
  CO_TRY_VOID(co_await lane.join(read.deadline));
  co_return std::move(*page);
}

}  // namespace

std::string heads_tag(const store::OrganizationState& state) { return tag_of(state.epoch, state.version); }

bool may_have_seen_newer(const Cursor& cursor, const store::OrganizationState& state) {
  return cursor.epoch != state.epoch || cursor.high > state.version;
}

Result<void> check_seen(const Cursor& cursor, const store::OrganizationState& state) {
  if (cursor.epoch != state.epoch) return fail(gone_error(gone::kEpoch));
  if (cursor.high > state.version) return fail(gone_error(gone::kAhead));
  return {};
}

awaitable<Result<Page>> heads_page(ReadContext& context, ReadRequest read) {
  PageKey key{.organization = read.tenant.organization, .version = read.state.version, .query = "heads"};
  const Deadline deadline = read.deadline;
  co_return co_await context.pages.get(
      std::move(key), [&context, read] { return load_heads(context, read); }, deadline);
}

void read_ahead(ReadContext& context, ReadRequest read, ChangesRequest request, const Page& page,
                const boost::asio::any_io_executor& executor) {
  // One that would not be kept would be made twice.
  if (!page.next || !context.pages.keeps(2 * page.body->size())) return;
  request.cursor = *page.next;
  if (context.pages.contains(key_of(read, request))) return;
  if (context.reading_ahead.fetch_add(1) >= kMaxReadingAhead) {
    context.reading_ahead.fetch_sub(1);
    return;
  }
  read.deadline = std::min(read.deadline, within(kReadAheadDeadline));
  boost::asio::co_spawn(executor, changes_page(context, std::move(read), std::move(request)),
                        [&context](const std::exception_ptr&, const Result<Page>&) {
                          // What went wrong the one hears who asks for the page.
                          context.reading_ahead.fetch_sub(1);
                        });
}

std::optional<Page> cached_changes(ReadContext& context, const ReadRequest& read, const ChangesRequest& request) {
  return context.pages.find(key_of(read, request));
}

awaitable<Result<Page>> changes_page(ReadContext& context, ReadRequest read, ChangesRequest request) {
  auto key = key_of(read, request);
  const Deadline deadline = read.deadline;
  co_return co_await context.pages.get(
      std::move(key), [&context, read, request] { return load_changes(context, read, request); }, deadline);
}

awaitable<Result<Page>> buckets_page(ReadContext& context, ReadRequest read, BucketsRequest request) {
  PageKey key{.organization = read.tenant.organization, .version = read.state.version, .query = {}};
  QueryText(key.query, "buckets", read.encoding)
      .add(request.connection.value)
      .add(static_cast<std::int64_t>(request.kind));
  const Deadline deadline = read.deadline;
  co_return co_await context.pages.get(
      std::move(key), [&context, read, request] { return load_buckets(context, read, request); }, deadline);
}

awaitable<Result<Page>> bucket_page(ReadContext& context, ReadRequest read, BucketRequest request) {
  PageKey key{.organization = read.tenant.organization, .version = read.state.version, .query = {}};
  QueryText(key.query, "bucket", read.encoding)
      .add(request.connection.value)
      .add(static_cast<std::int64_t>(request.kind))
      .add(std::int64_t{request.bucket});
  const Deadline deadline = read.deadline;
  co_return co_await context.pages.get(
      std::move(key), [&context, read, request] { return load_bucket(context, read, request); }, deadline);
}

}  // namespace tideline::server
