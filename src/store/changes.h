#pragma once
// What changed in a connection after a position, in the order (row_version, kind, id), rows and tombstones in one
// sequence, all of one snapshot. The first sync and every later one are this. Also the digests of a connection's
// buckets and the rows of one: what a replica is repaired by. Not for who may ask, nor for cursors (server/cursor.h).

#include <array>
#include <compare>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "model/records.h"
#include "model/row_hash.h"
#include "pg/result.h"
#include "store/database.h"
#include "wire/changes_page.h"

namespace tideline::store {

/// A place in the order of changes; what is at it counts as seen.
struct ChangesPosition {
  Version version;
  std::uint8_t kind = 0;
  Uuid id;
  auto operator<=>(const ChangesPosition&) const = default;

  /// Behind everything of that version.
  static ChangesPosition behind(Version version);
};

struct ChangesQuery {
  ConnectionId connection;
  ChangesPosition from;  // {}: the beginning
  /// Tombstones above it only. nullopt: those above the snapshot, which are none (a first page).
  std::optional<Version> low;
  /// A page ends with the row that reaches it, so a page has one row at least.
  std::size_t max_bytes = 0;
};

/// What the snapshot knows of the connection.
struct ConnectionHead {
  Version incarnation;
  Version version;  // the last that wrote to it
  Digest digest;
  /// Where the query has a `low`: the digest there; nullopt when that is not known any more, or the connection was not
  /// there yet.
  std::optional<Digest> digest_at_low;
  /// Whether something of the connection that was written above `low` may have left no trace: it was removed again, and
  /// the tombstone is below the floor.
  bool is_low_forgotten = false;
};

struct ChangesHead {
  Uuid epoch;
  Version version;  // of the snapshot
  Version floor;
  std::optional<ConnectionHead> connection;  // nullopt: there is none (any more)
};

/// Some entries in their order, owned. Copying shares them.
struct ChangesChunk {
  struct Run {
    std::optional<Kind> kind;  // nullopt: tombstones
    std::shared_ptr<const pg::ResultSet> rows;
    int begin = 0;
    int end = 0;
  };
  std::vector<Run> runs;
};

/// Appends the entries. Any thread; O(bytes).
void append_changes(wire::ChangesPageWriter& page, const ChangesChunk& chunk);

/// One page being read: its head at once, then chunk after chunk in bounded memory. Used by one coroutine; dropping it
/// early is fine.
class ChangesReader {
 public:
  /// kPermissionDenied when the user is not a member (any more).
  static awaitable<Result<ChangesReader>> open(Database& database, Tenant tenant, ChangesQuery query,
                                               Consistency consistency, Deadline deadline);

  const ChangesHead& head() const { return head_; }

  /// nullopt after the last. A connection that is not there has no entries.
  awaitable<Result<std::optional<ChangesChunk>>> next(Deadline deadline);

  // After the last chunk:

  /// That of the last entry, or `from`.
  const ChangesPosition& position() const { return position_; }
  /// Whether nothing lies behind it in the snapshot.
  bool is_exhausted() const { return exhausted_; }

 private:
  /// Of one kind, or of the tombstones: a batch of entries, and how to get the next.
  struct Stream {
    std::shared_ptr<const pg::ResultSet> rows;
    int at = 0;
    bool exhausted = false;
    ChangesPosition bound;    // what is at or below it was read
    std::int64_t batch = 16;  // entries to ask for: few at first, as most streams are only looked at
  };
  static constexpr std::size_t kStreams = kKindCount + 1;

  ChangesReader(TenantTransaction transaction, ChangesQuery query)
      : transaction_(std::move(transaction)), query_(std::move(query)) {}

  awaitable<Result<void>> read_head(Deadline deadline);
  void begin_streams();
  awaitable<Result<void>> refill(Deadline deadline);
  bool needs_refill() const;
  /// Entries up to where a stream runs dry or the page is full.
  ChangesChunk merge();

  TenantTransaction transaction_;
  ChangesQuery query_;
  ChangesHead head_;
  std::array<Stream, kStreams> streams_;
  bool begun_ = false;
  bool full_ = false;
  bool exhausted_ = false;
  std::size_t bytes_ = 0;
  ChangesPosition position_;
};

// ---- Buckets

inline constexpr std::size_t kBuckets = 256;
/// The first byte of SHA-256 over the id.
std::uint8_t bucket_of(const Uuid& id);

struct BucketDigests {
  ChangesHead head;  // without digest_at_low
  std::array<KindDigest, kBuckets> buckets{};
};
/// kPermissionDenied. O(rows of the kind).
awaitable<Result<BucketDigests>> read_bucket_digests(Database& database, Tenant tenant, ConnectionId connection,
                                                     Kind kind, Consistency consistency, Deadline deadline);

struct BucketRows {
  ChangesHead head;
  ChangesChunk rows;  // by id
  KindDigest digest;  // of them
};
/// kPermissionDenied. O(rows of the kind): there is no index by bucket, as repairs are rare.
awaitable<Result<BucketRows>> read_bucket(Database& database, Tenant tenant, ConnectionId connection, Kind kind,
                                          std::uint8_t bucket, Consistency consistency, Deadline deadline);

// ---- Heads

struct ConnectionSummary {
  ConnectionId id;
  Version incarnation;
  Version version;
  Digest digest;
};

/// An organization at one version: what a client compares itself with.
struct Heads {
  Uuid epoch;
  Version version;
  std::vector<ConnectionSummary> connections;  // by id
};
/// kPermissionDenied.
awaitable<Result<Heads>> read_heads(Database& database, Tenant tenant, Consistency consistency, Deadline deadline);

}  // namespace tideline::store
