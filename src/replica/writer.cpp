#include <algorithm>
#include <cstring>

#include "replica/writer_impl.h"

namespace tideline::replica {
namespace {

/// Repairs and new files are bounded: whatever is wrong, a server is not asked for everything again and again.
constexpr std::int64_t kRepairEveryMicros = 600'000'000;

std::string minutes_left(Timestamp last, Timestamp now) {
  const std::int64_t left = (kRepairEveryMicros - (now.micros - last.micros)) / 60'000'000 + 1;
  return std::to_string(left) + (left == 1 ? " minute" : " minutes");
}

/// A clock that was set back must not forbid it for ever.
bool is_recent(const std::optional<Timestamp>& last, Timestamp now) {
  return last && now.micros >= last->micros && now.micros - last->micros < kRepairEveryMicros;
}

Result<bool> has_rows_staged(Database& database, ConnectionId connection) {
  TRY(auto statement, database.prepare("select exists (select 1 from sync_staged_rows where connection_id = ?1)"));
  TRY_VOID(statement.id(1, connection.value).step());
  return statement.integer_at(0) != 0;
}

Position position_of(const KnownConnection& known) {
  return {.connection = known.id,
          .incarnation = known.incarnation,
          .cursor = known.cursor,
          .staged = known.staged,
          .fresh = known.fresh || known.confirmed,
          .version = known.applied_version,
          .valid_through = known.applied_through,
          .digest = known.applied_digest};
}

Result<void> run_for(Database& database, std::string_view sql, ConnectionId connection) {
  TRY(auto statement, database.prepare(sql));
  return statement.id(1, connection.value).run();
}

}  // namespace

std::string_view as_bytes(const RowHash& hash) {
  return {reinterpret_cast<const char*>(hash.bytes.data()), hash.bytes.size()};
}

std::uint8_t bucket_of(const Uuid& id) {
  return sha256({reinterpret_cast<const char*>(id.bytes.data()), id.bytes.size()})[0];
}

Result<OpenDatabase> OpenDatabase::prepare(int number, bool building, Database db) {
  OpenDatabase open;
  open.number = number;
  open.building = building;
  open.db = std::move(db);
  for (const Kind kind : kKinds) {
    TRY(auto table, RowTable::prepare(open.db, kind));
    open.tables[index_of(kind)] = std::move(table);
  }
  // What is newer wins; of equals the one that came later, which is a bucket's.
  TRY(open.put_staged,
      open.db.prepare("insert into sync_staged_rows (connection_id, kind, id, row_version, row_hash, row) "
                      "values (?1, ?2, ?3, ?4, ?5, ?6) on conflict (connection_id, kind, id) do update set "
                      "row_version = excluded.row_version, row_hash = excluded.row_hash, row = excluded.row "
                      "where excluded.row_version >= row_version"));
  return open;
}

Result<std::vector<KnownConnection>> known_connections(Database& database) {
  std::vector<KnownConnection> connections;
  const auto digest_at = [](Statement& statement, int column) -> Result<Digest> {
    const auto digest = Digest::from_bytes(statement.bytes_at(column));
    if (!digest) return fail(Code::kCorrupt, "The replica's state is damaged.", {}, "a digest of another length");
    return *digest;
  };
  TRY(auto applied, database.prepare("select id, incarnation, cursor, version, valid_through, digest "
                                     "from sync_connections order by id"));
  for (;;) {
    TRY(const bool row, applied.step());
    if (!row) break;
    KnownConnection connection{.id = {applied.id_at(0)},
                               .incarnation = applied.integer_at(1),
                               .cursor = applied.text_at(2),
                               .version = {applied.integer_at(3)},
                               .valid_through = {applied.integer_at(4)},
                               .applied = true};
    TRY(connection.digest, digest_at(applied, 5));
    connection.applied_version = connection.version;
    connection.applied_through = connection.valid_through;
    connection.applied_digest = connection.digest;
    connections.push_back(std::move(connection));
  }
  TRY(auto staged, database.prepare("select id, incarnation, cursor, whole, removed, fresh, repaired_through, version, "
                                    "valid_through, digest from sync_staged order by id"));
  for (;;) {
    TRY(const bool row, staged.step());
    if (!row) break;
    const ConnectionId id{staged.id_at(0)};
    auto at = std::find_if(connections.begin(), connections.end(), [&id](const auto& one) { return one.id == id; });
    if (at == connections.end()) at = connections.insert(at, KnownConnection{.id = id});
    at->staged = true;
    at->incarnation = staged.integer_at(1);
    at->cursor = staged.text_at(2);
    at->whole = staged.integer_at(3) != 0;
    at->removed = staged.integer_at(4) != 0;
    at->fresh = staged.integer_at(5) != 0;
    if (!staged.is_null(6)) at->repaired_through = Version{staged.integer_at(6)};
    if (!staged.is_null(7)) {
      at->version = {staged.integer_at(7)};
      at->valid_through = {staged.integer_at(8)};
      TRY(at->digest, digest_at(staged, 9));
    }
  }
  std::sort(connections.begin(), connections.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
  return connections;
}

Result<void> store_staged(Database& database, const KnownConnection& connection) {
  TRY(auto statement, database.prepare("insert or replace into sync_staged (id, incarnation, cursor, whole, removed, "
                                       "fresh, repaired_through, version, valid_through, digest) values "
                                       "(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)"));
  const std::string digest = connection.digest.to_bytes();
  statement.id(1, connection.id.value).integer(2, connection.incarnation).text(3, connection.cursor);
  statement.integer(4, connection.whole).integer(5, connection.removed).integer(6, connection.fresh);
  if (connection.repaired_through) statement.integer(7, connection.repaired_through->value);
  statement.integer(8, connection.version.value).integer(9, connection.valid_through.value).blob(10, digest);
  return statement.run();
}

Result<OpenDatabase*> Writer::Impl::need_target() {
  if (OpenDatabase* open = target()) return open;
  return fail(Code::kConflict, "There is no replica yet to stage into.", {}, "begin_new comes first");
}

Result<const std::vector<KnownConnection>*> Writer::Impl::known() {
  TRY(OpenDatabase* const open, need_target());
  if (!remembered) {
    TRY(auto all, known_connections(open->db));
    for (auto& one : all) {
      const auto through = confirmed.find(one.id);
      if (through == confirmed.end() || one.staged) continue;
      one.confirmed = true;
      one.valid_through = std::max(one.valid_through, through->second);
    }
    remembered.emplace(std::move(all));
  }
  return &*remembered;
}

Result<KnownConnection> Writer::Impl::known(ConnectionId connection) {
  TRY(const auto* const all, known());
  for (const auto& one : *all)
    if (one.id == connection) return one;
  return KnownConnection{.id = connection};
}

Result<void> Writer::Impl::store(const KnownConnection& connection) {
  forget_known(false);
  confirmed.erase(connection.id);
  return store_staged(target()->db, connection);
}

void Writer::Impl::forget_known(bool with_confirmed) {
  remembered.reset();
  if (with_confirmed) confirmed.clear();
}

Writer::Writer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Writer::~Writer() {
  if (impl_ && impl_->spoiled) impl_->drop_building();
}

Result<std::unique_ptr<Writer>> Writer::open(WriterOptions options, bool damaged) {
  options.file = std::filesystem::absolute(options.file);
  TRY_VOID(ReplicaFiles(options.file).make_directory());
  TRY(auto lock, WriterLock::take(options.file, options.what));
  auto impl = std::make_unique<Impl>(std::move(options), std::move(lock));
  TRY_VOID(impl->open_databases(damaged));
  return std::unique_ptr<Writer>(new Writer(std::move(impl)));
}

Result<WriterState> Writer::state() {
  if (impl_->spoiled) impl_->drop_building();
  WriterState state;
  state.complete = impl_->main.has_value();
  state.building = impl_->building.has_value();
  if (impl_->main) {
    TRY(state.version, applied_version(impl_->main->db));
  }
  OpenDatabase* const open = impl_->target();
  if (open == nullptr) return state;
  TRY(const auto epoch, get_state(open->db, "epoch"));
  TRY(const auto schema, get_state(open->db, "schema"));
  state.epoch = epoch.value_or("");
  state.schema = schema ? std::strtoll(schema->c_str(), nullptr, 10) : 0;
  TRY(const auto* const connections, impl_->known());
  for (const auto& one : *connections)
    if (!one.removed) state.connections.push_back(position_of(one));
  return state;
}

Result<Position> Writer::position(ConnectionId connection) {
  if (impl_->target() == nullptr) return Position{.connection = connection};
  TRY(const KnownConnection known, impl_->known(connection));
  return position_of(known);
}

Result<void> Writer::Impl::bound(std::optional<Timestamp> RepairTimes::* kind, const char* done, Timestamp now) {
  const RepairTimes times = RepairTimes::load(files.file());
  if (is_recent(times.*kind, now) && !options.asked_for)
    return fail(Code::kResourceExhausted, std::string("The replica was ") + done + " so soon.",
                "`tideline verify --repair` does it now; by itself it is tried again in " +
                    minutes_left(*(times.*kind), now) + ".");
  begun.*kind = now;
  return {};
}

Result<void> Writer::begin_new(std::string epoch, NewFile why, Timestamp now) {
  if (why != NewFile::kFirstSync)
    TRY_VOID(impl_->bound(&RepairTimes::new_file, "built anew a moment ago, and is not built again", now));
  impl_->drop_building();
  if (impl_->main) TRY_VOID(drop_staging());
  return impl_->begin_building(epoch);
}

Result<void> Writer::begin_repair(Timestamp now) {
  TRY_VOID(impl_->bound(&RepairTimes::repair, "repaired a moment ago, and is not repaired again", now));
  impl_->repairing = true;
  return {};
}

Result<void> Writer::restart(ConnectionId connection, std::int64_t incarnation) {
  TRY(OpenDatabase* const open, impl_->need_target());
  TRY(auto transaction, Transaction::begin(open->db));
  TRY_VOID(run_for(open->db, "delete from sync_staged_rows where connection_id = ?1", connection));
  if (open->building && (!impl_->loading || impl_->loading->buckets.contains(connection))) {
    TRY_VOID(impl_->end_loading());
    for (const auto& table : present_layout())
      TRY_VOID(run_for(open->db,
                       "delete from " + table.table + " where " + std::string(table.connection_column()) + " = ?1",
                       connection));
  }
  TRY_VOID(impl_->store({.id = connection, .incarnation = incarnation, .whole = true}));
  return transaction.commit();
}

Result<void> Writer::remove(ConnectionId connection) {
  TRY(OpenDatabase* const open, impl_->need_target());
  TRY(auto transaction, Transaction::begin(open->db));
  TRY_VOID(run_for(open->db, "delete from sync_staged_rows where connection_id = ?1", connection));
  TRY_VOID(impl_->store({.id = connection, .removed = true, .fresh = true}));
  return transaction.commit();
}

Result<void> Writer::drop_staging() {
  OpenDatabase* const open = impl_->target();
  if (open == nullptr) return {};
  impl_->forget_known(true);
  if (open->building) {
    impl_->drop_building();
    return {};
  }
  TRY(auto transaction, Transaction::begin(open->db));
  TRY_VOID(open->db.run("delete from sync_staged_rows; delete from sync_staged"));
  return transaction.commit();
}

Result<void> Writer::confirm(ConnectionId connection, Version connection_version, const Digest& digest,
                             Version through) {
  TRY(KnownConnection known, impl_->known(connection));
  if ((!known.applied && !known.staged) || (known.staged && !known.fresh) || known.removed ||
      known.version != connection_version || known.digest != digest)
    return fail(Code::kConflict, "The connection has changes to fetch.");
  if ((known.staged || known.confirmed) && known.valid_through >= through) return {};
  if (!known.staged) {
    // Not a word of it on the disk before apply: after a crash it is asked for again.
    impl_->forget_known(false);
    impl_->confirmed[connection] = through;
    return {};
  }
  known.fresh = true;
  known.valid_through = std::max(known.valid_through, through);
  return impl_->store(known);
}

Result<Applied> Writer::apply() {
  auto applied = impl_->apply();
  if (!applied || applied->outcome == Applied::Outcome::kIncomplete) return applied;
  const RepairTimes begun = std::exchange(impl_->begun, RepairTimes());
  if (!begun.repair && !begun.new_file) return applied;
  RepairTimes times = RepairTimes::load(impl_->files.file());
  if (begun.repair) times.repair = begun.repair;
  if (begun.new_file) times.new_file = begun.new_file;
  TRY_VOID(times.store(impl_->files.file()));
  return applied;
}

void Writer::settle() {
  if (impl_->main && impl_->log_frames >= kSettleFrames)
    sqlite3_wal_checkpoint_v2(impl_->main->db.get(), nullptr, SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
}

// ---- Staging of pages

Result<PageStage> Writer::begin_page(ConnectionId connection) {
  TRY(OpenDatabase* const open, impl_->need_target());
  TRY(const KnownConnection known, impl_->known(connection));
  if (known.removed || (!known.applied && !known.staged))
    return fail(Code::kConflict, "The connection is not part of the replica.", {}, "restart comes first");
  impl_->drop_page();
  TRY(auto transaction, Transaction::begin(open->db));
  impl_->page.emplace(std::move(transaction));
  if (open->building) {
    std::optional<Loading>& loading = impl_->loading;
    const auto first =
        loading ? loading->first_snapshots.find(connection) : std::map<ConnectionId, Version>::iterator();
    const bool known_first = loading && first != loading->first_snapshots.end();
    if (loading && (known_first || known.cursor.empty())) {
      loading->of_page = &loading->buckets[connection];
      loading->any_rows = false;
      loading->newest = known_first ? std::optional(first->second) : std::nullopt;
    } else {
      TRY_VOID(impl_->end_loading());
    }
  }
  return PageStage(*this, connection);
}

Result<void> Writer::Impl::end_loading() {
  loading.reset();
  const auto indexed = create_id_indexes(building->db);
  if (indexed || indexed.error().code != Code::kConflict) return indexed;
  spoiled = true;
  return fail(Code::kCorrupt, "The server sent a row twice.", {}, indexed.error().detail);
}

void Writer::Impl::drop_page() {
  if (page) loading.reset();
  page.reset();
}

Result<void> Writer::Impl::put_row(ConnectionId connection, const wire::ChangesPageReader::Row& row,
                                   bool into_staging) {
  TRY(const auto fields, wire::read_row_bytes(row.bytes));
  if (fields.connection_id() != connection.value)
    return fail(Code::kCorrupt, "The server sent a row of another connection.");
  OpenDatabase& open = *target();
  if (into_staging) {
    const Uuid id = fields.id();
    open.put_staged.id(1, connection.value).integer(2, static_cast<std::int64_t>(fields.kind)).id(3, id);
    open.put_staged.integer(4, row.row_version.value).blob(5, as_bytes(row.hash)).blob(6, row.bytes);
    return open.put_staged.run();
  }
  RowTable& table = open.table(fields.kind);
  if (loading && loading->newest && row.row_version > *loading->newest) TRY_VOID(end_loading());
  const auto inserted = table.insert(fields, row.row_version, row.hash);
  if (inserted) {
    if (loading) loading->add(*inserted, fields, row.hash);
    return {};
  }
  if (inserted.error().code != Code::kConflict) return fail(inserted.error());
  // Changed since an earlier page.
  TRY(const auto found, table.find(fields.id()));
  if (!found) return fail(Code::kCorrupt, "The replica's file is damaged.", "Run `tideline verify --repair`.");
  return table.update(found->seq, fields, row.row_version, row.hash);
}

Result<void> Writer::Impl::put_tombstone(ConnectionId connection, Kind kind, const Uuid& id, Version version,
                                         bool into_staging) {
  OpenDatabase& open = *target();
  if (into_staging) {
    open.put_staged.id(1, connection.value).integer(2, static_cast<std::int64_t>(kind)).id(3, id);
    open.put_staged.integer(4, version.value).null(5).null(6);
    return open.put_staged.run();
  }
  if (loading) TRY_VOID(end_loading());
  TRY(const auto found, open.table(kind).find(id));
  if (!found || found->connection != connection.value) return {};
  return open.table(kind).remove(found->seq);
}

PageStage::PageStage(PageStage&& other) noexcept
    : writer_(std::exchange(other.writer_, nullptr)), connection_(other.connection_) {}
PageStage::~PageStage() {
  if (writer_ != nullptr) writer_->impl_->drop_page();
}

Result<void> PageStage::row(const wire::ChangesPageReader::Row& row) {
  return writer_->impl_->put_row(connection_, row, !writer_->impl_->building);
}

Result<void> PageStage::tombstone(const wire::Tombstone& tombstone) {
  return writer_->impl_->put_tombstone(connection_, tombstone.kind, tombstone.id, tombstone.row_version,
                                       !writer_->impl_->building);
}

Result<void> PageStage::finish(const wire::ChangesEnd& end) {
  Writer::Impl& impl = *writer_->impl_;
  if (impl.loading && impl.loading->any_rows && impl.loading->passed.contains({connection_, end.cursor}))
    return fail(Code::kCorrupt, "The server sent a page again, in place of a later one.");
  TRY(KnownConnection known, impl.known(connection_));
  known.cursor = end.cursor;
  known.fresh = end.up_to_date;
  if (end.up_to_date) {
    known.version = end.connection_version;
    known.valid_through = end.snapshot;
    known.digest = end.digest;
  }
  TRY_VOID(impl.store(known));
  TRY_VOID(impl.page->commit());
  impl.page.reset();
  writer_ = nullptr;
  if (impl.loading) {
    impl.loading->first_snapshots.emplace(connection_, end.snapshot);
    impl.loading->passed.emplace(connection_, end.cursor);
    impl.loading->search->pass_on();
  }
  if (impl.building && impl.building->write_back) impl.building->write_back->start();
  return {};
}

// ---- Staging of buckets

Result<BucketStage> Writer::begin_bucket(ConnectionId connection, Kind kind, std::uint8_t bucket) {
  TRY(OpenDatabase* const open, impl_->need_target());
  TRY(const KnownConnection known, impl_->known(connection));
  if (known.removed || (!known.applied && !known.staged))
    return fail(Code::kConflict, "The connection is not part of the replica.");
  impl_->drop_page();
  TRY(auto transaction, Transaction::begin(open->db));
  impl_->page.emplace(std::move(transaction));
  if (open->building) TRY_VOID(impl_->end_loading());
  TRY_VOID(open->db.run(
      "create temp table if not exists bucket_ids (id blob primary key) without rowid; delete from bucket_ids"));
  return BucketStage(*this, connection, kind, bucket);
}

BucketStage::BucketStage(BucketStage&& other) noexcept
    : writer_(std::exchange(other.writer_, nullptr)),
      connection_(other.connection_),
      kind_(other.kind_),
      bucket_(other.bucket_),
      digest_(other.digest_) {}
BucketStage::~BucketStage() {
  if (writer_ != nullptr) writer_->impl_->drop_page();
}

Result<void> BucketStage::row(const wire::ChangesPageReader::Row& row) {
  TRY(const auto fields, wire::read_row_bytes(row.bytes));
  const Uuid id = fields.id();
  if (fields.kind != kind_ || bucket_of(id) != bucket_)
    return fail(Code::kCorrupt, "The server sent a row of another bucket.");
  TRY_VOID(writer_->impl_->put_row(connection_, row, true));
  TRY(auto statement, writer_->impl_->target()->db.prepare("insert or ignore into bucket_ids values (?1)"));
  TRY_VOID(statement.id(1, id).run());
  digest_.add(row.hash);
  return {};
}

Result<void> BucketStage::finish(const wire::BucketEnd& end) {
  Writer::Impl& impl = *writer_->impl_;
  if (end.kind != kind_ || end.bucket != bucket_ || end.digest != digest_)
    return fail(Code::kCorrupt, "The server sent another bucket than it says.");
  Database& db = impl.target()->db;
  // What the bucket does not have is gone, unless it came after the bucket was read.
  const TableLayout& layout = present_layout()[index_of(kind_)];
  TRY(auto others, db.prepare("select id from " + layout.table + " where " + std::string(layout.connection_column()) +
                              " = ?1 union select id from sync_staged_rows where connection_id = ?1 and kind = ?2 "
                              "and row is not null except select id from bucket_ids"));
  others.id(1, connection_.value).integer(2, static_cast<std::int64_t>(kind_));
  std::vector<Uuid> gone;
  for (;;) {
    TRY(const bool row, others.step());
    if (!row) break;
    if (const Uuid id = others.id_at(0); bucket_of(id) == bucket_) gone.push_back(id);
  }
  for (const auto& id : gone) TRY_VOID(impl.put_tombstone(connection_, kind_, id, end.snapshot, true));
  TRY(KnownConnection known, impl.known(connection_));
  if (!known.staged) known.fresh = false;
  known.repaired_through = std::max(known.repaired_through.value_or(Version()), end.snapshot);
  if (known.valid_through < *known.repaired_through) known.fresh = false;
  TRY_VOID(impl.store(known));
  TRY_VOID(impl.page->commit());
  impl.page.reset();
  writer_ = nullptr;
  return {};
}

Result<BucketDigests> Writer::bucket_digests(ConnectionId connection, Kind kind) {
  TRY(OpenDatabase* const open, impl_->need_target());
  TRY(auto buckets, compute_buckets(open->db, present_layout()[index_of(kind)], connection));
  TRY(const bool rows_staged, has_rows_staged(open->db, connection));
  if (!rows_staged) return buckets;
  TRY(auto staged,
      open->db.prepare("select id, row_hash, row from sync_staged_rows where connection_id = ?1 and kind = ?2"));
  staged.id(1, connection.value).integer(2, static_cast<std::int64_t>(kind));
  for (;;) {
    TRY(const bool row, staged.step());
    if (!row) break;
    const Uuid id = staged.id_at(0);
    KindDigest& bucket = buckets[bucket_of(id)];
    TRY(auto reader, RowReader::open(open->db, present_layout()[index_of(kind)], "where id = ?1"));
    reader.statement().id(1, id);
    TRY(const auto present, reader.next());
    if (present) bucket.remove(present->trusted_hash());
    if (staged.is_null(1)) continue;
    const auto received = read_staged(connection, kind, id, staged.bytes_at(1), staged.bytes_at(2));
    bucket.add(received ? received->hash : RowHash());
  }
  return buckets;
}

// ---- The rest

Result<void> Writer::close_to_readers(std::string_view reason) {
  if (!impl_->main) return {};
  TRY(auto transaction, Transaction::begin(impl_->main->db));
  TRY_VOID(set_state(impl_->main->db, "closed", reason));
  TRY_VOID(seal_state(impl_->main->db));
  return transaction.commit();
}

Result<void> Writer::note(std::string_view key, std::string_view value) {
  OpenDatabase* const open = impl_->main ? &*impl_->main : impl_->target();
  if (open == nullptr) return fail(Code::kNotFound, "There is no replica yet.");
  if (value.empty()) {
    TRY(auto statement, open->db.prepare("delete from sync_notes where key = ?1"));
    return statement.text(1, key).run();
  }
  TRY(auto statement, open->db.prepare("insert or replace into sync_notes values (?1, ?2)"));
  return statement.text(1, key).text(2, value).run();
}

Result<void> Writer::purge() {
  impl_->drop_page();
  impl_->loading.reset();
  impl_->building.reset();
  impl_->main.reset();
  impl_->files.remove_everything();
  std::error_code ignored;
  std::filesystem::remove(impl_->files.file().string() + ".lock", ignored);
  return {};
}

}  // namespace tideline::replica
