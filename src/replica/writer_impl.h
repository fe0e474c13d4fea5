#pragma once
// What stands behind the Writer: the open databases and what merge.cpp, new_file.cpp and writer.cpp share. Not for
// includes from outside the folder.

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <string>
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
  Statement put_staged;  // connection, kind, id, row_version, row_hash, row

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

  bool applied = false;  // in sync_connections
  bool staged = false;   // in sync_staged, where the rest comes from:
  bool whole = false;    // its rows are all of the connection
  bool removed = false;
  bool fresh = false;
  std::optional<Version> repaired_through{};
};
/// Of all connections, by id.
Result<std::vector<KnownConnection>> known_connections(Database& database);
Result<void> store_staged(Database& database, const KnownConnection& connection);

using Buckets = std::array<BucketDigests, kKindCount>;
Digest digest_of(const Buckets& buckets);
Result<Buckets> load_buckets(Database& database, ConnectionId connection);
Result<void> store_buckets(Database& database, ConnectionId connection, const Buckets& buckets);
/// From the columns of the kind's rows. A row that is not what it was stored as counts, with no hash.
Result<BucketDigests> compute_buckets(Database& database, const TableLayout& layout, ConnectionId connection);

/// The version all of these make together, if they make one: the least valid_through, with no connection's version
/// above it.
std::optional<Version> common_version(const std::vector<KnownConnection>& connections);
/// The version of what was applied.
Result<std::optional<Version>> applied_version(Database& database);

/// Of a new file that this process began, as long as each row came once: what would else be read from it again at the
/// end. A server sends a row a second time only when it was written anew after the snapshot of the first page, so until
/// a row of a later version comes no index over ids is needed to find earlier ones by.
struct Loading {
  std::map<ConnectionId, Buckets> buckets;
  std::map<ConnectionId, Version> first_snapshots;
  std::unique_ptr<SearchBuilder> search;

  // Of the page on its way.
  Buckets* of_page = nullptr;
  std::optional<Version> newest;  // of its rows; nullopt: it is the first page, any

  void add(std::int64_t seq, const wire::RowFields& row, const RowHash& hash) {
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
  bool repairing = false;                // begin_repair was called, and no apply since

  Impl(WriterOptions chosen, WriterLock taken)
      : options(std::move(chosen)), files(options.file), lock(std::move(taken)) {}

  OpenDatabase* target() { return building ? &*building : main ? &*main : nullptr; }
  Result<OpenDatabase*> need_target();
  Result<KnownConnection> known(ConnectionId connection);

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

  // merge.cpp
  Result<Applied> apply();
  Result<Applied> apply_to_main(const std::vector<KnownConnection>& connections);
  Result<Applied> apply_to_building(const std::vector<KnownConnection>& connections);

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
