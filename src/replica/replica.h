#pragma once
// The writer of a replica: the one process that brings an organization's SQLite file forward. Readers are
// replica/queries.h, the check of what is there replica/verify.h; docs/replica.md says what stands in the file.
//
// Pages of changes go into a staging area that no query sees, each in a transaction with its cursor, so that a crash
// repeats the page it was in and no more. `apply` merges what was staged of all connections in one transaction, if and
// only if it makes one version of the organization whose digests are those of the server. A first sync, or one after
// begin_new, is staged in a new file beside the old one, which is finished, made durable and only then put in place.
//
// One writer at a time, held by a lock that dies with the process. Not thread-safe, and it blocks: never call it on an
// I/O thread.

#include <array>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/ids.h"
#include "base/time.h"
#include "model/row_hash.h"
#include "wire/changes_page.h"

namespace tideline::replica {

/// The schema of the rows this program keeps: what it asks a server for.
inline constexpr std::int64_t kSyncSchema = 1;

struct WriterOptions {
  /// `file` is the name readers open; the writer keeps its own files beside it: `file`.1, .2 … (the databases, `file`
  /// being a link to the present one), `file`.lock, `file`.repairs. The directory is made, for the user alone.
  std::filesystem::path file;
  OrganizationId organization;
  std::string server;         // base URL; of another server or organization than the file's: kConflict
  std::string what = "sync";  // what a second writer is told is going on: "sync --watch"
  /// A person asks for this repair. The bound on repairs is there so that no program goes on for ever, and does not
  /// hold; what is made counts for those that follow.
  bool asked_for = false;
};

/// Where a connection stands.
struct Position {
  ConnectionId connection{};
  std::int64_t incarnation = 0;
  /// To ask with: of what was staged, where something was, else of what was applied. Empty: from the start.
  std::string cursor{};
  bool staged = false;  // pages or buckets of it wait for apply
  bool fresh = false;   // staged to the end, or confirmed, since the last apply
  Version version{};    // of the connection, as applied; 0: not in the replica yet
  Version valid_through{};
  Digest digest{};
};

struct WriterState {
  bool complete = false;  // there is a replica that readers see
  bool building = false;  // what is staged goes into a new file
  std::string epoch{};    // of the file that is staged into; empty: none yet
  std::int64_t schema = 0;
  std::optional<Version> version{};  // of the replica that readers see
  std::vector<Position> connections{};
};

/// Why a new file is begun. All but the first are bounded (begin_new).
enum class NewFile { kFirstSync, kEpoch, kSchema, kForked, kMismatch, kDamaged };

/// A kind of a connection whose rows are not those the server has.
struct Mismatch {
  ConnectionId connection;
  Kind kind = Kind::kConnection;
  KindDigest expected;  // what the server said
  KindDigest actual;    // replica and staging together
};

struct Applied {
  enum class Outcome {
    kApplied,     // merged; readers see `version`
    kIncomplete,  // nothing done: the connections of `incomplete` have to be fetched further, or confirmed
    kMismatch,    // nothing done: see `mismatches`; what was staged is still there
  };
  Outcome outcome = Outcome::kApplied;
  std::optional<Version> version;  // of the replica, afterwards
  std::int64_t rows = 0;           // written
  std::int64_t removed = 0;
  bool swapped = false;  // a new file took the place of the old one
  std::vector<ConnectionId> incomplete;
  std::vector<Mismatch> mismatches;
};

/// Of one kind of one connection, by the first byte of SHA-256 of the row's id.
using BucketDigests = std::array<KindDigest, 256>;
std::uint8_t bucket_of(const Uuid& id);

/// What the file is to blame for: pages that cannot be right, and tables that are not as this program made them, so
/// that its own statements fail (kInternal).
inline bool is_damage(const Error& error) { return error.code == Code::kCorrupt || error.code == Code::kInternal; }

class Writer;

/// A page on its way into the staging area: nothing of it stays unless `finish` succeeded. One at a time.
class PageStage {
 public:
  PageStage(PageStage&& other) noexcept;
  PageStage& operator=(PageStage&&) = delete;
  ~PageStage();

  /// kCorrupt: bytes that are no row, or one of another connection. The hash is that of the bytes, as the page's reader
  /// computed it.
  Result<void> row(const wire::ChangesPageReader::Row& row);
  Result<void> tombstone(const wire::Tombstone& tombstone);
  /// The page is durable, and `end.cursor` is where to go on.
  Result<void> finish(const wire::ChangesEnd& end);

 private:
  friend class Writer;
  PageStage(Writer& writer, ConnectionId connection) : writer_(&writer), connection_(connection) {}
  Writer* writer_;
  ConnectionId connection_;
};

/// A bucket that takes the place of the replica's: as PageStage.
class BucketStage {
 public:
  BucketStage(BucketStage&& other) noexcept;
  BucketStage& operator=(BucketStage&&) = delete;
  ~BucketStage();

  /// kCorrupt also for a row of another kind or bucket.
  Result<void> row(const wire::ChangesPageReader::Row& row);
  /// kCorrupt when the rows are not those the end frame counts. `apply` will not merge before the connection's changes
  /// were staged up to `end.snapshot`.
  Result<void> finish(const wire::BucketEnd& end);

 private:
  friend class Writer;
  BucketStage(Writer& writer, ConnectionId connection, Kind kind, std::uint8_t bucket)
      : writer_(&writer), connection_(connection), kind_(kind), bucket_(bucket) {}
  Writer* writer_;
  ConnectionId connection_;
  Kind kind_;
  std::uint8_t bucket_;
  KindDigest digest_;
};

class Writer {
 public:
  /// Takes the lock, finishes or drops what a crash left, and migrates a file of an older format. kConflict: another
  /// process holds it (the message says which), or the file is of another server or organization. kUnsupported: the
  /// file is of a newer program. kCorrupt: it cannot be read; begin_new(kDamaged) is what is left, and `open` with
  /// `damaged` true gives the writer for it. kResourceExhausted: disk full. kPermissionDenied: may not write there.
  static Result<std::unique_ptr<Writer>> open(WriterOptions options, bool damaged = false);
  ~Writer();
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  Result<WriterState> state();
  /// Of one connection; one that is not there is at the start.
  Result<Position> position(ConnectionId connection);

  // ---- What to stage into

  /// From here on pages go into a new file. What was staged is dropped; the replica goes on serving readers until
  /// `apply`. kResourceExhausted: the last one was less than ten minutes ago (kFirstSync excepted). It counts once an
  /// apply had all it was to have: one that the server did not answer was none.
  Result<void> begin_new(std::string epoch, NewFile why, Timestamp now);
  /// The connection begins anew: pages from the start will take the place of all its rows. Also what adds one.
  Result<void> restart(ConnectionId connection, std::int64_t incarnation);
  /// With the next apply the connection's rows are gone.
  Result<void> remove(ConnectionId connection);

  // ---- Staging

  Result<PageStage> begin_page(ConnectionId connection);
  /// The connection is unchanged up to `through` (heads name the version and digest that it has here). kConflict when
  /// they are others, or pages of it are staged: then there are changes to fetch.
  Result<void> confirm(ConnectionId connection, Version connection_version, const Digest& digest, Version through);
  Result<void> drop_staging();
  /// O(what was staged), and for a new file O(rows).
  Result<Applied> apply();
  /// What can wait: the write-ahead log is written back into the database once it is long, which may take as long as
  /// the disk does. For a writer that stays open, to be called when nobody waits for it.
  void settle();

  // ---- Repair

  /// kResourceExhausted: the last one was less than ten minutes ago. It counts as begin_new does; remembered beside the
  /// file, also of a file that is no more. The next apply also makes the search index anew.
  Result<void> begin_repair(Timestamp now);
  /// Computed from the columns of every row of the kind, with what is staged.
  Result<BucketDigests> bucket_digests(ConnectionId connection, Kind kind);
  Result<BucketStage> begin_bucket(ConnectionId connection, Kind kind, std::uint8_t bucket);

  // ---- The rest

  /// Readers are refused (kPermissionDenied) with this reason, until a next apply.
  Result<void> close_to_readers(std::string_view reason);
  /// Small facts for `status`, kept with the file: the last attempt, why it failed. An empty value removes it. O(1).
  Result<void> note(std::string_view key, std::string_view value);
  /// Everything of the replica is deleted; the writer is of no use afterwards.
  Result<void> purge();

  struct Impl;

 private:
  friend class PageStage;
  friend class BucketStage;
  explicit Writer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace tideline::replica
