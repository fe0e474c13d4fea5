#pragma once
// What stands behind the Writer: the open databases and what merge.cpp, new_file.cpp and writer.cpp share. Not for
// includes from outside the folder.

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "replica/files.h"
#include "replica/replica.h"
#include "replica/rows.h"
#include "replica/schema.h"
#include "replica/search_index.h"
#include "replica/sqlite.h"

namespace tideline::replica {

/// A database that rows go into, with its statements.
struct OpenDatabase {
  int number = 0;
  bool building = false;                // not seen by readers yet: rows go straight into the tables
  std::optional<WriteBack> write_back;  // of one that is building; outlives the database
  Database db;
  std::array<RowTable, kKindCount> tables;
  Statement put_staged;               // connection, kind, id, row_version, row_hash, row
  std::optional<SearchIndex> search;  // prepared when it is first needed

  static Result<OpenDatabase> prepare(int number, bool building, Database db);
  RowTable& table(Kind kind) { return tables[index_of(kind)]; }
};

/// A row of sync_connections, of sync_staged, or what comes of both.
struct KnownConnection {
  ConnectionId id{};
  std::int64_t incarnation = 0;
  std::string cursor{};
  Version version{};
  Version valid_through{};
  Digest digest{};

  bool applied = false;  // in sync_connections, as:
  Version applied_version{};
  Version applied_through{};
  Digest applied_digest{};
  bool staged = false;  // in sync_staged, where the rest comes from:
  bool whole = false;   // its rows are all of the connection
  bool removed = false;
  bool fresh = false;
  std::optional<Version> repaired_through{};
  bool confirmed = false;  // nothing but this: no row is other than it was
};
/// Of all connections, by id.
Result<std::vector<KnownConnection>> known_connections(Database& database);
Result<void> store_staged(Database& database, const KnownConnection& connection);

/// A database that was read from, whose file may be written and says of itself that it may not.
bool says_read_only(Database& database, const std::filesystem::path& file);

using Buckets = std::array<BucketDigests, kKindCount>;
Digest digest_of(const Buckets& buckets);
Result<Buckets> load_buckets(Database& database, ConnectionId connection);
Result<void> store_buckets(Database& database, ConnectionId connection, const Buckets& buckets);
/// Of a row of sync_staged_rows; nullopt: it is not what it was staged as any more. Points into `bytes`.
struct StagedRow {
  RowHash hash;
  wire::RowFields fields;
};
std::optional<StagedRow> read_staged(ConnectionId connection, Kind kind, const Uuid& id, std::string_view stored_hash,
                                     std::string_view bytes);
/// From the columns of the kind's rows. A row that is not what it was stored as counts, with no hash.
Result<BucketDigests> compute_buckets(Database& database, const TableLayout& layout, ConnectionId connection);

/// The version all of these make together, if they make one: the least valid_through, with no connection's version
/// above it.
std::optional<Version> common_version(const std::vector<KnownConnection>& connections);
/// The version of what was applied.
Result<std::optional<Version>> applied_version(Database& database);

/// The write-ahead log is written back, when somebody has time for it (Writer::settle), from so many pages on (8 MB);
/// and at the latest, within an apply, from so many on.
inline constexpr int kSettleFrames = 1000, kMostLogFrames = 8000;

/// Of a new file that this process began, as long as each row came once: what would else be read from it again at the
/// end. A server sends a row a second time only when it was written anew after the snapshot of the first page, so until
/// a row of a later version comes no index over ids is needed to find earlier ones by.
struct Loading {
  std::map<ConnectionId, Buckets> buckets;
  std::map<ConnectionId, Version> first_snapshots;
  std::unique_ptr<SearchBuilder> search;

  /// Where pages ended: one with rows that ends there again was sent in place of a later one.
  std::set<std::pair<ConnectionId, std::string>> passed;

  // Of the page on its way.
  Buckets* of_page = nullptr;
  bool any_rows = false;
  std::optional<Version> newest;  // of its rows; nullopt: it is the first page, any

  void add(std::int64_t seq, const wire::RowFields& row, const RowHash& hash) {
    any_rows = true;
    (*of_page)[index_of(row.kind)][bucket_of(row.id())].add(hash);
    search->add(seq, row);
  }
};

struct Writer::Impl {
  WriterOptions options;
  ReplicaFiles files;
  WriterLock lock;
  std::optional<OpenDatabase> main;      // what readers see
  std::optional<OpenDatabase> building;  // what will take its place
  std::optional<Loading> loading;        // of `building`
  std::optional<Transaction> page;       // of the page or bucket on its way
  bool spoiled = false;                  // `building` has a row twice: to be dropped as soon as nobody is at it
  bool repairing = false;                // begin_repair was called, and no apply since
  RepairTimes begun;                     // of what was begun and had no apply yet: when it counts from
  int log_frames = 0;                    // in the write-ahead log of `main`
  // Nobody else writes: what was read of all connections stays true until something of it is written.
  std::optional<std::vector<KnownConnection>> remembered;
  // Up to where connections of `main` are as they were: written with the next apply, or asked for again.
  std::map<ConnectionId, Version> confirmed;

  Impl(WriterOptions chosen, WriterLock taken)
      : options(std::move(chosen)), files(options.file), lock(std::move(taken)) {}

  OpenDatabase* target() { return building ? &*building : main ? &*main : nullptr; }
  Result<OpenDatabase*> need_target();
  Result<const std::vector<KnownConnection>*> known();
  Result<KnownConnection> known(ConnectionId connection);
  Result<void> store(const KnownConnection& connection);
  /// What stands in the database is another thing now, or may be.
  void forget_known(bool with_confirmed);

  // new_file.cpp
  Result<void> open_databases(bool damaged);
  Result<void> check_owner(Database& database) const;
  Result<void> begin_building(std::string_view epoch);
  void drop_building();
  Result<void> migrate(Database old, int number);
  /// Rows are there and verified: indexes, search (of `builder`, or of the rows where there is none), the swap.
  Result<void> finish_building(const std::vector<std::pair<ConnectionId, Buckets>>& buckets,
                               std::unique_ptr<SearchBuilder> builder, Transaction transaction);
  Result<void> put_in_place(int number);
  /// Instead of SQLite's own checkpoints, which come in the midst of an apply.
  void follow_log();

  // merge.cpp
  Result<Applied> apply();
  /// kResourceExhausted: not so soon after the last one.
  Result<void> bound(std::optional<Timestamp> RepairTimes::* kind, const char* done, Timestamp now);
  Result<Applied> apply_to_main(const std::vector<KnownConnection>& of_all);
  Result<Applied> apply_to_building(const std::vector<KnownConnection>& of_all);

  /// From here on rows may come that the new file has, or be removed from it. Within a transaction.
  Result<void> end_loading();
  /// What was staged of it is gone.
  void drop_page();

  // Both modes of staging a row or a tombstone.
  Result<void> put_row(ConnectionId connection, const wire::ChangesPageReader::Row& row, bool into_staging);
  Result<void> put_tombstone(ConnectionId connection, Kind kind, const Uuid& id, Version version, bool into_staging);
};

std::string_view as_bytes(const RowHash& hash);

}  // namespace tideline::replica
