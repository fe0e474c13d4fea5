#pragma once
// The rows of a page of the sync package (docs/use.md, GET /sync-package), all of one snapshot.
//
// Objects and files have an order, (version of creation, id), in which a removed row keeps its place by its tombstone
// until the retention floor. `offset` counts places, live or not; a page has up to `limit` live rows from there on. So
// rows move to higher places only, and who pages on by `limit` may see a row twice but passes over none.
//
// An incremental page counts places among what changed after a base version. Time takes no part in that: the time a
// client names is looked up among the stamps of the versions, which are strictly increasing.

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "model/records.h"
#include "pg/result.h"
#include "store/database.h"
#include "wire/json_rows.h"

namespace tideline::store {

struct SyncPackageQuery {
  std::optional<std::vector<ConnectionId>> connections{};  // nullopt: all
  std::optional<Timestamp> last_sync{};                    // nullopt: in full
  std::optional<Timestamp> as_of{};  // the `timestamp` to repeat; ignored when later than the head
  bool include_documentation = false;
  std::int64_t limit = 1000;
  std::int64_t offset = 0;
};

/// What is known of a page before its rows.
struct SyncPackageHead {
  Uuid epoch;           // of the database
  Version version;      // of the snapshot
  Timestamp stamp;      // of that version
  Timestamp timestamp;  // what the client is to ask from next time
  /// The rows are those changed after `base`. False: all, although the client may have named a time (one before the
  /// floor, or after the head).
  bool incremental = false;
  Version base;
  std::optional<std::vector<ConnectionId>> connections{};  // those asked for that exist; nullopt: all
};

/// Rows removed since the base, by id. What went with its whole connection is told by the connection alone.
struct Deletions {
  std::array<std::vector<Uuid>, kKindCount> ids;  // index = kind number - 1
  const std::vector<Uuid>& of(Kind kind) const { return ids[static_cast<std::size_t>(kind) - 1]; }
};

/// Some rows of one kind, owned.
struct RowChunk {
  Kind kind = Kind::kFile;
  pg::ResultSet rows;
};

/// Appends the rows of a chunk. Any thread; O(bytes).
void append_rows(wire::JsonRows& json, const RowChunk& chunk);

/// One page being read: its head at once, then chunk after chunk in the order files, objects, columns, dependencies,
/// column lineage, documentation, in bounded memory. Used by one coroutine. Dropping it early is fine.
class SyncPackageReader {
 public:
  /// kPermissionDenied when the user is not a member (any more).
  static awaitable<Result<SyncPackageReader>> open(Database& database, Tenant tenant, SyncPackageQuery query,
                                                   Consistency consistency, Deadline deadline);

  const SyncPackageHead& head() const { return head_; }
  Uuid epoch() const { return head_.epoch; }
  Version version() const { return head_.version; }
  /// Empty unless the page is the first of an incremental answer.
  const Deletions& deletions() const { return deletions_; }

  /// nullopt after the last; a kind without rows has no chunk.
  awaitable<Result<std::optional<RowChunk>>> next(Deadline deadline);

 private:
  SyncPackageReader(TenantTransaction transaction, SyncPackageQuery query)
      : transaction_(std::move(transaction)), query_(std::move(query)) {}

  awaitable<Result<void>> read_head(Deadline deadline);
  awaitable<Result<void>> read_places(Deadline deadline);

  TenantTransaction transaction_;
  SyncPackageQuery query_;
  SyncPackageHead head_;
  Deletions deletions_;
  std::vector<Uuid> files_, objects_;  // of this page, in order
  std::size_t section_ = 0;
  std::size_t read_ = 0;  // files or objects of the section
};

}  // namespace tideline::store
