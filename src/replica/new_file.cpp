// New files: begun, resumed after a crash, finished, put in place; and files of older formats written anew.

#include <unistd.h>

#include <algorithm>

#include "replica/writer_impl.h"

namespace tideline::replica {

bool says_read_only(Database& database, const std::filesystem::path& file) {
  return sqlite3_db_readonly(database.get(), "main") == 1 && ::access(file.c_str(), W_OK) == 0;
}

namespace {

constexpr int kWriterBusyMilliseconds = 10'000;  // readers never block a writer in WAL: only stock tools might

}  // namespace

Result<void> Writer::Impl::check_owner(Database& database) const {
  TRY(const auto organization, get_state(database, "organization"));
  TRY(const auto server, get_state(database, "server"));
  if (!organization || !server)
    return fail(Code::kCorrupt, "The replica's file is damaged.", "Run `tideline verify --repair`.", "it has no owner");
  if (organization != options.organization.to_string() || server != options.server)
    return fail(Code::kConflict, "The replica is of another server or organization.",
                "It is of " + organization.value_or("?") + " at " + server.value_or("?") + ".");
  return {};
}

Result<void> Writer::Impl::open_databases(bool damaged) {
  const auto present = files.present();
  if (present && !damaged) {
    TRY(auto db, Database::open(files.database(*present), Database::Mode::kWrite, kWriterBusyMilliseconds));
    TRY_VOID(check_state(db));
    TRY_VOID(check_owner(db));
    TRY_VOID(set_up_connection(db));
    if (says_read_only(db, files.database(*present)))
      return fail(Code::kCorrupt, "The replica's file is damaged.", "Run `tideline verify --repair`.", "read-only");
    TRY(const auto format, db.number("pragma user_version"));
    if (*format < kFormat) {
      TRY_VOID(migrate(std::move(db), *present));
      return {};
    }
    TRY(auto open, OpenDatabase::prepare(*present, false, std::move(db)));
    main.emplace(std::move(open));
    follow_log();
  }
  // The highest one beside it may be a new file that a crash interrupted; every other is left over.
  auto numbers = files.databases();
  std::optional<int> candidate;
  if (!numbers.empty() && (!present || numbers.back() > *present)) candidate = numbers.back();
  for (const int number : numbers)
    if (number != present && number != candidate) files.remove(number);
  if (!candidate) return {};
  const auto resume = [&]() -> Result<void> {
    TRY(auto db, Database::open(files.database(*candidate), Database::Mode::kWrite, kWriterBusyMilliseconds));
    TRY_VOID(check_state(db));
    TRY_VOID(check_owner(db));
    TRY(const auto format, db.number("pragma user_version"));
    TRY(const auto boot, get_state(db, "boot"));
    // What was not waited for is lost when the machine went down, no one knows which half.
    if (*format != kFormat || !boot || *boot != boot_id()) return fail(Code::kGone, "of an earlier start");
    TRY(const auto complete, get_state(db, "complete"));
    if (complete) {
      db = Database();
      return put_in_place(*candidate);
    }
    TRY_VOID(set_up_loading(db));
    TRY(auto open, OpenDatabase::prepare(*candidate, true, std::move(db)));
    building.emplace(std::move(open));
    return {};
  };
  if (const auto resumed = resume(); !resumed) {
    if (resumed.error().code == Code::kResourceExhausted || resumed.error().code == Code::kPermissionDenied)
      return resumed;
    files.remove(*candidate);
  }
  return {};
}

Result<void> Writer::Impl::begin_building(std::string_view epoch) {
  forget_known(true);
  const auto numbers = files.databases();
  const int number = numbers.empty() ? 1 : numbers.back() + 1;
  TRY(auto db, Database::open(files.database(number), Database::Mode::kCreate, kWriterBusyMilliseconds));
  std::filesystem::permissions(files.database(number), std::filesystem::perms(0600));
  // 8 KiB pages: a model's SQL overflows into fewer pages.
  TRY_VOID(db.run("pragma page_size = 8192; pragma auto_vacuum = none"));
  TRY_VOID(set_up_loading(db));
  TRY(auto transaction, Transaction::begin(db));
  TRY_VOID(create_tables(db));
  TRY_VOID(set_state(db, "format", std::to_string(kFormat)));
  TRY_VOID(set_state(db, "organization", options.organization.to_string()));
  TRY_VOID(set_state(db, "server", options.server));
  TRY_VOID(set_state(db, "epoch", epoch));
  TRY_VOID(set_state(db, "schema", std::to_string(kSyncSchema)));
  TRY_VOID(set_state(db, "boot", boot_id()));
  TRY_VOID(transaction.commit());
  TRY(auto open, OpenDatabase::prepare(number, true, std::move(db)));
  open.write_back.emplace(files.database(number));
  TRY(auto search, SearchBuilder::start());
  building.emplace(std::move(open));
  loading.emplace().search = std::move(search);
  return {};
}

void Writer::Impl::drop_building() {
  forget_known(true);
  page.reset();
  loading.reset();
  spoiled = false;
  if (!building) return;
  const int number = building->number;
  building.reset();
  files.remove(number);
}

Result<void> Writer::Impl::finish_building(const std::vector<std::pair<ConnectionId, Buckets>>& buckets,
                                           std::unique_ptr<SearchBuilder> builder, Transaction transaction) {
  Database& db = building->db;
  TRY_VOID(end_loading());
  TRY_VOID(create_indexes(db));
  TRY_VOID(create_search_index(db));
  TRY_VOID(builder ? builder->finish(db) : build_search_index(db));
  for (const auto& [connection, of_connection] : buckets) TRY_VOID(store_buckets(db, connection, of_connection));
  if (main) {
    // What was noted of the last attempts stays with the replica, where it can be read.
    TRY(auto put, db.prepare("insert or ignore into sync_notes values (?1, ?2)"));
    if (auto notes = main->db.prepare("select key, value from sync_notes"))
      for (auto row = notes->step(); row && *row; row = notes->step())
        TRY_VOID(put.text(1, notes->bytes_at(0)).text(2, notes->bytes_at(1)).run());
  }
  TRY_VOID(db.run("delete from sync_staged_rows; delete from sync_staged"));
  TRY_VOID(set_state(db, "applied_at", Timestamp::now().to_string()));
  TRY_VOID(set_state(db, "complete", "1"));
  TRY_VOID(seal_state(db));
  TRY_VOID(transaction.commit());
  const int number = building->number;
  building.reset();
  return put_in_place(number);
}

void Writer::Impl::follow_log() {
  log_frames = 0;
  sqlite3_wal_hook(
      main->db.get(),
      [](void* frames, sqlite3* db, const char*, int count) {
        *static_cast<int*>(frames) = count;
        if (count >= kMostLogFrames)
          sqlite3_wal_checkpoint_v2(db, nullptr, SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
        return SQLITE_OK;
      },
      &log_frames);
}

Result<void> Writer::Impl::put_in_place(int number) {
  forget_known(true);
  {
    TRY(auto db, Database::open(files.database(number), Database::Mode::kWrite, kWriterBusyMilliseconds));
    // Not waited for here: the file is made durable as a whole before it is put in place.
    TRY_VOID(db.run("pragma synchronous = off"));
    TRY(const auto mode, db.string("pragma journal_mode = wal"));
    if (mode != "wal") return fail(Code::kUnavailable, "The new replica cannot be readied.", {}, "no WAL");
  }
  TRY_VOID(files.put_in_place(number));
  const std::optional<int> old = main ? std::optional(main->number) : std::nullopt;
  main.reset();
  if (old) files.remove(*old);
  TRY(auto db, Database::open(files.database(number), Database::Mode::kWrite, kWriterBusyMilliseconds));
  TRY_VOID(set_up_connection(db));
  TRY(auto open, OpenDatabase::prepare(number, false, std::move(db)));
  main.emplace(std::move(open));
  follow_log();
  // One that was damaged was not open, and is left over.
  for (const int other : files.databases())
    if (other != number) files.remove(other);
  return {};
}

// Row by row, as bytes: fields an older format had no column for were kept as they came, and find theirs now.
Result<void> Writer::Impl::migrate(Database old, int number) {
  TRY(const auto layout, read_layout(old));
  TRY(const auto epoch, get_state(old, "epoch"));
  for (const int other : files.databases())
    if (other != number) files.remove(other);
  TRY_VOID(begin_building(epoch.value_or("")));
  loading.reset();
  const auto copy = [&]() -> Result<void> {
    TRY(auto transaction, Transaction::begin(building->db));
    for (const auto& table : layout) {
      TRY(auto reader, RowReader::open(old, table, "order by seq"));
      for (;;) {
        TRY(const auto row, reader.next());
        if (!row) break;
        if (!row->damage.empty()) return fail(Code::kCorrupt, "A row is damaged.", {}, row->damage);
        TRY(const auto fields, wire::read_row_bytes(row->bytes));
        TRY_VOID(building->table(table.kind).insert(fields, row->version, hash_of_row_bytes(row->bytes)));
      }
    }
    TRY(auto connections, known_connections(old));
    std::erase_if(connections, [](const auto& one) { return !one.applied; });
    for (const auto& one : connections) {
      // What was staged is fetched again: of what was applied alone is known that it is right.
      TRY(auto applied, old.prepare("select incarnation, cursor, version, valid_through, digest from sync_connections "
                                    "where id = ?1"));
      applied.id(1, one.id.value);
      TRY(const bool there, applied.step());
      const auto digest = there ? Digest::from_bytes(applied.bytes_at(4)) : std::nullopt;
      if (!digest) return fail(Code::kCorrupt, "The replica's state is damaged.");
      KnownConnection fresh;
      fresh.id = one.id;
      fresh.incarnation = applied.integer_at(0);
      fresh.cursor = applied.text_at(1);
      fresh.version = {applied.integer_at(2)};
      fresh.valid_through = {applied.integer_at(3)};
      fresh.digest = *digest;
      fresh.fresh = true;
      TRY_VOID(store_staged(building->db, fresh));
    }
    return transaction.commit();
  };
  auto copied = copy();
  if (copied) {
    TRY(const auto connections, known_connections(building->db));
    auto applied = apply_to_building(connections);
    if (applied && applied->outcome == Applied::Outcome::kApplied) {
      old = Database();
      files.remove(number);
      return {};
    }
    copied =
        applied ? Result<void>(fail(Code::kCorrupt, "The replica is not what was verified.")) : fail(applied.error());
  }
  drop_building();
  // Damaged before it could be migrated: what is left is a new one.
  return copied;
}

}  // namespace tideline::replica
