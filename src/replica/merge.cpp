// apply: what was staged becomes what readers see, in one transaction, or nothing does.

#include <algorithm>
#include <cstring>
#include <limits>
#include <tuple>

#include "replica/writer_impl.h"

namespace tideline::replica {
namespace {

constexpr std::size_t kBucketEntryBytes = 24;  // a count and a sum, as in Digest::to_bytes

void append_number(std::string& out, unsigned __int128 value, std::size_t width) {
  for (std::size_t i = width; i-- > 0;) out += static_cast<char>(static_cast<std::uint8_t>(value >> (8 * i)));
}
unsigned __int128 number(std::string_view bytes) {
  unsigned __int128 value = 0;
  for (const char c : bytes) value = value << 8 | static_cast<unsigned char>(c);
  return value;
}

void add_mismatches(const KnownConnection& connection, const Digest& actual, std::vector<Mismatch>& out) {
  for (const Kind kind : kKinds)
    if (actual.of(kind) != connection.digest.of(kind))
      out.push_back({connection.id, kind, connection.digest.of(kind), actual.of(kind)});
}

std::vector<KnownConnection> without_removed(const std::vector<KnownConnection>& connections) {
  std::vector<KnownConnection> left;
  for (const auto& one : connections)
    if (!one.removed) left.push_back(one);
  return left;
}

/// Those that have to be fetched further, or confirmed, before all make one version.
std::vector<ConnectionId> behind(const std::vector<KnownConnection>& connections) {
  Version highest;
  for (const auto& one : connections) {
    highest = std::max(highest, one.version);
    if (one.repaired_through) highest = std::max(highest, *one.repaired_through);
  }
  std::vector<ConnectionId> found;
  for (const auto& one : connections)
    if ((one.staged && !one.fresh) || one.valid_through < highest) found.push_back(one.id);
  return found;
}

/// Writes one connection's staged rows into the tables, in step with the search index and the buckets.
class Merge {
 public:
  /// `index`: null where it is built anew afterwards. `adopt`: rows are written even when their hash says they are
  /// there, as what is there is not trusted. `all`: the connections of the replica.
  Merge(OpenDatabase& open, SearchIndex* index, bool adopt, const std::vector<KnownConnection>& all)
      : open_(open), index_(index), adopt_(adopt), all_(all) {}

  std::int64_t rows = 0, removed = 0;
  /// The search index could not follow: it has to be built anew.
  bool index_lost = false;

  Result<void> run(ConnectionId connection, Buckets& buckets) {
    TRY(auto entries, entries_of(connection));
    // By kind and by the rows' place in the file: FTS5 writes what it has gathered as soon as a row lies before the one
    // before it.
    std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
      return std::tie(a.kind, a.place, a.staged) < std::tie(b.kind, b.place, b.staged);
    });
    TRY(auto staged, open_.db.prepare("select row_version, row_hash, row from sync_staged_rows where rowid = ?1"));
    for (const auto& [kind, place, rowid, id] : entries) {
      KindDigest& bucket = buckets[index_of(kind)][bucket_of(id)];
      // Again: a row of another connection's may have come or gone meanwhile.
      TRY(const auto found, open_.table(kind).find(id));
      staged.integer(1, rowid);
      TRY(const bool there, staged.step());
      if (!there) return fail(Code::kCorrupt, "The replica's file is damaged.", "Run `tideline verify --repair`.");
      TRY_VOID(merge(connection, kind, id, found, staged, bucket));
      staged.reset();
    }
    return {};
  }

  /// Rows of the connection that are not staged as there; all of them with `all`.
  Result<void> remove_others(ConnectionId connection, bool all) {
    for (const auto& table : present_layout()) {
      std::string sql = "select seq from " + table.table + " where " + std::string(table.connection_column()) + " = ?1";
      if (!all)
        sql +=
            " and id not in (select id from sync_staged_rows where connection_id = ?1 and kind = ?2 and row_hash is "
            "not null)";
      TRY(auto statement, open_.db.prepare(sql));
      statement.id(1, connection.value);
      if (!all) statement.integer(2, static_cast<std::int64_t>(table.kind));
      std::vector<std::int64_t> gone;
      for (;;) {
        TRY(const bool row, statement.step());
        if (!row) break;
        gone.push_back(statement.integer_at(0));
      }
      for (const std::int64_t seq : gone) TRY_VOID(remove(table.kind, seq));
    }
    return {};
  }

 private:
  struct Entry {
    Kind kind;
    std::int64_t place;   // of the row that is there; behind all of them where it is new
    std::int64_t staged;  // its rowid
    Uuid id;
  };

  Result<std::vector<Entry>> entries_of(ConnectionId connection) {
    std::vector<Entry> entries;
    TRY(auto staged, open_.db.prepare("select rowid, kind, id from sync_staged_rows where connection_id = ?1"));
    staged.id(1, connection.value);
    for (;;) {
      TRY(const bool there, staged.step());
      if (!there) return entries;
      const std::int64_t number = staged.integer_at(1);
      if (number < 1 || number > static_cast<std::int64_t>(kKindCount))
        return fail(Code::kCorrupt, "The replica's file is damaged.", "Run `tideline verify --repair`.");
      const auto kind = static_cast<Kind>(number);
      const Uuid id = staged.id_at(2);
      TRY(const auto found, open_.table(kind).find(id));
      const std::int64_t place = found ? found->seq : std::numeric_limits<std::int64_t>::max();
      entries.push_back({kind, place, staged.integer_at(0), id});
    }
  }

  /// One staged row or tombstone: row_version, row_hash, row.
  Result<void> merge(ConnectionId connection, Kind kind, const Uuid& id, const std::optional<RowTable::Found>& found,
                     Statement& staged, KindDigest& bucket) {
    if (staged.is_null(1)) {
      if (!found || found->connection != connection.value) return {};
      TRY_VOID(remove(kind, found->seq));
      bucket.remove(found->hash);
      return {};
    }
    if (found && found->connection != connection.value && !is_stray(*found))
      return fail(Code::kCorrupt, "The server sent a row that another connection has.");
    const Version version{staged.integer_at(0)};
    const auto row = read_staged(connection, kind, id, staged.bytes_at(1), staged.bytes_at(2));
    if (!row) return {};  // missing then, which the digest says
    const auto& [hash, fields] = *row;
    RowTable& table = open_.table(kind);
    if (found) {
      RowTable::Change change;
      if (!adopt_) {
        TRY(change, table.change(found->seq, fields));
      }
      const bool searched = change.searched && SearchIndex::covers(kind);
      if (index_ != nullptr && searched) TRY_VOID(keep(index_->forget(kind, found->seq)));
      TRY_VOID(table.update(found->seq, fields, version, hash, change.indexed));
      if (index_ != nullptr && searched) TRY_VOID(keep(index_->learn(kind, found->seq)));
      bucket.remove(found->hash);
    } else {
      TRY(const std::int64_t seq, table.insert(fields, version, hash));
      if (index_ != nullptr) TRY_VOID(keep(index_->learn(kind, seq)));
    }
    bucket.add(hash);
    ++rows;
    return {};
  }

  /// Whose column was damaged, so that it is of no connection.
  bool is_stray(const RowTable::Found& row) const {
    return adopt_ &&
           std::none_of(all_.begin(), all_.end(), [&](const auto& one) { return one.id.value == row.connection; });
  }
  Result<void> remove(Kind kind, std::int64_t seq) {
    if (index_ != nullptr) TRY_VOID(keep(index_->forget(kind, seq)));
    TRY_VOID(open_.table(kind).remove(seq));
    ++removed;
    return {};
  }
  /// An index that says what no row says cannot be kept in step, and is no reason to fail.
  Result<void> keep(Result<void> kept) {
    if (kept) return {};
    if (!is_damage(kept.error())) return kept;
    index_ = nullptr;
    index_lost = true;
    return {};
  }

  OpenDatabase& open_;
  SearchIndex* index_;
  bool adopt_;
  const std::vector<KnownConnection>& all_;
};

Result<void> store_applied(Database& database, const KnownConnection& connection) {
  TRY(auto statement, database.prepare("insert or replace into sync_connections (id, incarnation, cursor, version, "
                                       "valid_through, digest) values (?1, ?2, ?3, ?4, ?5, ?6)"));
  const std::string digest = connection.digest.to_bytes();
  statement.id(1, connection.id.value).integer(2, connection.incarnation).text(3, connection.cursor);
  return statement.integer(4, connection.version.value)
      .integer(5, connection.valid_through.value)
      .blob(6, digest)
      .run();
}

Result<void> delete_applied(Database& database, ConnectionId connection) {
  for (const char* sql :
       {"delete from sync_connections where id = ?1", "delete from sync_buckets where connection_id = ?1"}) {
    TRY(auto statement, database.prepare(sql));
    TRY_VOID(statement.id(1, connection.value).run());
  }
  return {};
}

/// Of all connections, from the columns of their rows: a file that is being made may have lain there for long.
Result<std::vector<std::pair<ConnectionId, Buckets>>> buckets_of_all(Database& database,
                                                                     const std::vector<KnownConnection>& connections) {
  std::vector<std::pair<ConnectionId, Buckets>> all;
  for (const auto& one : connections) all.emplace_back(one.id, Buckets());
  for (const auto& table : present_layout()) {
    TRY(auto reader, RowReader::open(database, table));
    std::size_t last = 0;
    for (;;) {
      TRY(const auto row, reader.next());
      if (!row) break;
      const ConnectionId connection{row->connection};
      if (last >= all.size() || all[last].first != connection) {
        last = 0;
        while (last < all.size() && all[last].first != connection) ++last;
        if (last == all.size()) return fail(Code::kCorrupt, "The new replica has rows of a connection it has not.");
      }
      all[last].second[index_of(table.kind)][bucket_of(row->id)].add(row->trusted_hash());
    }
  }
  return all;
}

}  // namespace

std::optional<StagedRow> read_staged(ConnectionId connection, Kind kind, const Uuid& id, std::string_view stored_hash,
                                     std::string_view bytes) {
  const RowHash hash = hash_of_row_bytes(bytes);
  if (stored_hash != as_bytes(hash)) return std::nullopt;
  const auto fields = wire::read_row_bytes(bytes);
  if (!fields || fields->kind != kind || fields->id() != id || fields->connection_id() != connection.value)
    return std::nullopt;
  return StagedRow{hash, *fields};
}

Digest digest_of(const Buckets& buckets) {
  Digest digest;
  for (const Kind kind : kKinds)
    for (const auto& bucket : buckets[index_of(kind)]) {
      digest.of(kind).count += bucket.count;
      digest.of(kind).sum += bucket.sum;
    }
  return digest;
}

Result<Buckets> load_buckets(Database& database, ConnectionId connection) {
  Buckets buckets;
  TRY(auto statement, database.prepare("select kind, digests from sync_buckets where connection_id = ?1"));
  statement.id(1, connection.value);
  for (;;) {
    TRY(const bool row, statement.step());
    if (!row) return buckets;
    const std::int64_t kind = statement.integer_at(0);
    const std::string_view bytes = statement.bytes_at(1);
    if (kind < 1 || kind > static_cast<std::int64_t>(kKindCount) ||
        bytes.size() != std::tuple_size_v<BucketDigests> * kBucketEntryBytes)
      return fail(Code::kCorrupt, "The replica's state is damaged.", {}, "buckets of another length");
    BucketDigests& of_kind = buckets[static_cast<std::size_t>(kind) - 1];
    for (std::size_t i = 0; i < of_kind.size(); ++i) {
      const std::string_view entry = bytes.substr(i * kBucketEntryBytes, kBucketEntryBytes);
      of_kind[i] = {static_cast<std::int64_t>(number(entry.substr(0, 8))), number(entry.substr(8))};
    }
  }
}

Result<void> store_buckets(Database& database, ConnectionId connection, const Buckets& buckets) {
  TRY(auto statement, database.prepare("insert into sync_buckets values (?1, ?2, ?3) on conflict (connection_id, kind) "
                                       "do update set digests = excluded.digests where digests != excluded.digests"));
  for (const Kind kind : kKinds) {
    std::string bytes;
    for (const auto& bucket : buckets[index_of(kind)]) {
      append_number(bytes, static_cast<std::uint64_t>(bucket.count), 8);
      append_number(bytes, bucket.sum, 16);
    }
    TRY_VOID(statement.id(1, connection.value).integer(2, static_cast<std::int64_t>(kind)).blob(3, bytes).run());
  }
  return {};
}

Result<BucketDigests> compute_buckets(Database& database, const TableLayout& layout, ConnectionId connection) {
  BucketDigests buckets;
  TRY(auto reader, RowReader::open(database, layout, "where " + std::string(layout.connection_column()) + " = ?1"));
  reader.statement().id(1, connection.value);
  for (;;) {
    TRY(const auto row, reader.next());
    if (!row) return buckets;
    buckets[bucket_of(row->id)].add(row->trusted_hash());
  }
}

std::optional<Version> common_version(const std::vector<KnownConnection>& connections) {
  if (connections.empty()) return std::nullopt;
  Version least = connections.front().valid_through, highest;
  for (const auto& one : connections) {
    least = std::min(least, one.valid_through);
    highest = std::max(highest, one.version);
  }
  return highest <= least ? std::optional(least) : std::nullopt;
}

Result<std::optional<Version>> applied_version(Database& database) {
  std::vector<KnownConnection> connections;
  TRY(auto statement, database.prepare("select version, valid_through from sync_connections"));
  for (;;) {
    TRY(const bool row, statement.step());
    if (!row) return common_version(connections);
    KnownConnection& connection = connections.emplace_back();
    connection.version = {statement.integer_at(0)};
    connection.valid_through = {statement.integer_at(1)};
  }
}

Result<Applied> Writer::Impl::apply() {
  drop_page();
  TRY(const auto* const all, known());
  const std::vector<KnownConnection> of_all = *all;
  Applied applied;
  applied.incomplete = behind(without_removed(of_all));
  if (!applied.incomplete.empty()) {
    applied.outcome = Applied::Outcome::kIncomplete;
    if (main) {
      TRY(applied.version, applied_version(main->db));
    }
    return applied;
  }
  // Whatever comes of it; what was confirmed is asked for again where it was not applied.
  forget_known(true);
  return building ? apply_to_building(of_all) : apply_to_main(of_all);
}

Result<Applied> Writer::Impl::apply_to_main(const std::vector<KnownConnection>& of_all) {
  Database& db = main->db;
  Applied applied;
  const bool any =
      std::any_of(of_all.begin(), of_all.end(), [](const auto& one) { return one.staged || one.confirmed; });
  TRY(const auto closed, get_state(db, "closed"));
  if (!any && !closed && !repairing) {
    applied.version = common_version(of_all);
    return applied;
  }
  bool repaired = repairing;
  for (const auto& one : of_all) repaired = repaired || one.repaired_through.has_value();
  if (!main->search) {
    TRY(auto index, SearchIndex::prepare(db));
    main->search.emplace(std::move(index));
  }
  TRY(auto transaction, Transaction::begin(db));
  // After a repair the index is built anew: what it says of rows that were damaged is not known.
  Merge merge(*main, repaired ? nullptr : &*main->search, repaired, of_all);
  for (const auto& one : of_all) {
    if (one.confirmed) TRY_VOID(store_applied(db, one));
    if (!one.staged) continue;
    if (one.removed) {
      TRY_VOID(merge.remove_others(one.id, true));
      TRY_VOID(delete_applied(db, one.id));
      continue;
    }
    if (one.whole) TRY_VOID(merge.remove_others(one.id, false));
    TRY(Buckets buckets, load_buckets(db, one.id));
    TRY_VOID(merge.run(one.id, buckets));
    // The rows themselves are asked where they are not trusted, and where the sums do not come out: a row that was
    // damaged, and that the server changed since, is in order again.
    if (one.whole || one.repaired_through || digest_of(buckets) != one.digest)
      for (const auto& table : present_layout()) {
        TRY(buckets[index_of(table.kind)], compute_buckets(db, table, one.id));
      }
    add_mismatches(one, digest_of(buckets), applied.mismatches);
    TRY_VOID(store_buckets(db, one.id, buckets));
    TRY_VOID(store_applied(db, one));
  }
  if (!applied.mismatches.empty()) {
    applied.outcome = Applied::Outcome::kMismatch;
    {
      const Transaction rolled_back = std::move(transaction);
    }
    TRY(applied.version, applied_version(db));
    return applied;
  }
  if (repaired || merge.index_lost) TRY_VOID(rebuild_search_index(db));
  TRY_VOID(db.run("delete from sync_staged_rows; delete from sync_staged"));
  if (closed) TRY_VOID(clear_state(db, "closed"));
  TRY_VOID(set_state(db, "applied_at", Timestamp::now().to_string()));
  TRY_VOID(seal_state(db));
  TRY_VOID(transaction.commit());
  repairing = false;
  applied.rows = merge.rows;
  applied.removed = merge.removed;
  applied.version = common_version(without_removed(of_all));
  return applied;
}

Result<Applied> Writer::Impl::apply_to_building(const std::vector<KnownConnection>& of_all) {
  Database& db = building->db;
  Applied applied;
  TRY(auto transaction, Transaction::begin(db));
  const auto left = without_removed(of_all);
  std::vector<std::pair<ConnectionId, Buckets>> buckets;
  std::unique_ptr<SearchBuilder> search;
  if (loading && left.size() == of_all.size()) {
    for (const auto& one : left) {
      const auto of_rows = loading->buckets.find(one.id);
      buckets.emplace_back(one.id, of_rows == loading->buckets.end() ? Buckets() : of_rows->second);
    }
    search = std::move(loading->search);
    loading.reset();
  } else {
    TRY_VOID(end_loading());
    Merge merge(*building, nullptr, true, of_all);
    for (const auto& one : of_all) {
      if (one.removed) {
        TRY_VOID(merge.remove_others(one.id, true));
        TRY_VOID(delete_applied(db, one.id));
      } else {
        Buckets ignored;
        TRY_VOID(merge.run(one.id, ignored));
      }
    }
    TRY(buckets, buckets_of_all(db, left));
  }
  for (std::size_t i = 0; i < left.size(); ++i)
    add_mismatches(left[i], digest_of(buckets[i].second), applied.mismatches);
  if (!applied.mismatches.empty()) {
    applied.outcome = Applied::Outcome::kMismatch;
    if (main) {
      TRY(applied.version, applied_version(main->db));
    }
    return applied;
  }
  for (const auto& one : left) {
    TRY_VOID(store_applied(db, one));
    for (const Kind kind : kKinds) applied.rows += one.digest.of(kind).count;
  }
  TRY_VOID(finish_building(buckets, std::move(search), std::move(transaction)));
  applied.version = common_version(left);
  applied.swapped = true;
  return applied;
}

}  // namespace tideline::replica
