#pragma once
// The sync protocol's reads (docs/protocol.md): heads, pages of changes, digests and rows of buckets. From the page
// cache where they can be, made once for all who ask; never of an older state than the one confirmed.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "server/cursor.h"
#include "server/page_cache.h"
#include "server/read_context.h"

namespace tideline::server {

/// Bounds of a page, in bytes before compression. Large enough that a page's fixed costs do not show, small enough that
/// a client works on one while the next is made.
inline constexpr std::int64_t kDefaultChangesBytes = 4 * 1024 * 1024;
inline constexpr std::int64_t kMaxChangesBytes = 16 * 1024 * 1024;

struct ChangesRequest {
  ConnectionId connection;
  std::optional<Cursor> cursor;  // nullopt: from the beginning
  std::int64_t max_bytes = kDefaultChangesBytes;
};

struct BucketsRequest {
  ConnectionId connection;
  Kind kind = Kind::kConnection;
};

struct BucketRequest {
  ConnectionId connection;
  Kind kind = Kind::kConnection;
  std::uint8_t bucket = 0;
};

/// `"<epoch>.<version>.<schema>"`, with its quotes: the entity tag of the heads, known without reading them.
std::string heads_tag(const store::OrganizationState& state);

/// Whether `read.state` may be older than what the client has seen: then the primary is to be asked first.
bool may_have_seen_newer(const Cursor& cursor, const store::OrganizationState& state);
/// To be called with a state of the primary when that is so: kGone (epoch, ahead) where that is the answer.
Result<void> check_seen(const Cursor& cursor, const store::OrganizationState& state);

/// Errors of all: kPermissionDenied (no member any more), kNotFound (no such connection), kUnavailable, kDeadline.
/// JSON, not compressed: its tag is one for all.
awaitable<Result<Page>> heads_page(ReadContext& context, ReadRequest read);
/// kGone besides.
awaitable<Result<Page>> changes_page(ReadContext& context, ReadRequest read, ChangesRequest request);
std::optional<Page> cached_changes(ReadContext& context, const ReadRequest& read, const ChangesRequest& request);
/// Begins to make the page behind `page`, the answer to `request`, unless it is there: a client asks for it as soon as
/// it has read this one. One page, and no further before somebody asks for that.
void read_ahead(ReadContext& context, ReadRequest read, ChangesRequest request, const Page& page,
                const boost::asio::any_io_executor& executor);
awaitable<Result<Page>> buckets_page(ReadContext& context, ReadRequest read, BucketsRequest request);
awaitable<Result<Page>> bucket_page(ReadContext& context, ReadRequest read, BucketRequest request);

}  // namespace tideline::server
