#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "replica/files.h"
#include "replica/view_impl.h"
#include "replica/writer_impl.h"

namespace tideline::replica {
namespace {

constexpr int kReaderBusyMilliseconds = 5'000;  // only while a log is recovered after a crash
constexpr int kOpenAttempts = 10;               // each lost to a new file that took the place of the one opened

Result<void> begin_snapshot(View::Impl& impl) {
  TRY_VOID(impl.db.run("begin"));
  TRY(auto query, Query::begin(impl, "select count(*) from sync_state"));
  return query->run();
}

Result<std::shared_ptr<View::Impl>> open_number(const ReplicaFiles& files, int number) {
  auto impl = std::make_shared<View::Impl>();
  impl->number = number;
  TRY(impl->db, open_for_reading(files, number));
  TRY(const auto id, impl->db.number("pragma application_id"));
  TRY(const auto format, impl->db.number("pragma user_version"));
  if (id.value_or(0) != kApplicationId) return fail(Code::kCorrupt, "The file is no replica of tideline.");
  if (format.value_or(0) > kFormat)
    return fail(Code::kUnsupported, "The replica was made by a newer tideline.", "Upgrade this one.");
  if (format.value_or(0) < kFormat)
    return fail(Code::kUnavailable, "The replica is of an older tideline.", "Run `tideline sync`: it is made anew.");
  TRY_VOID(
      impl->db.run("pragma query_only = on; pragma trusted_schema = off; pragma cache_size = -16384; "
                   "pragma temp_store = memory"));
  return impl;
}

}  // namespace

Result<Database> open_for_reading(const ReplicaFiles& files, int number) {
  const auto attempt = [&](Database::Mode mode) -> Result<Database> {
    TRY(auto db, Database::open(files.database(number), mode, kReaderBusyMilliseconds));
    TRY(const auto tables, db.number("select count(*) from sqlite_schema"));
    if (tables.value_or(0) == 0) return fail(Code::kCorrupt, "The replica's file is empty.");
    return db;
  };
  auto db = attempt(Database::Mode::kRead);
  if (db || db.error().code == Code::kCorrupt) return db;
  // SQLite wants its shared memory beside a file that has a log. Where nothing may be written there is no writer
  // either: the file as it stands, unless there is a log to it.
  std::error_code error;
  const auto log = std::filesystem::file_size(files.database(number).string() + "-wal", error);
  if ((!error && log > 0) || ::access(files.file().parent_path().c_str(), W_OK) == 0) return db;
  return attempt(Database::Mode::kImmutable);
}

Result<Query> Query::begin(View::Impl& impl, std::string_view sql) {
  if (const auto at = impl.statements.find(sql); at != impl.statements.end()) {
    auto node = impl.statements.extract(at);
    return Query(impl, std::move(node.key()), std::move(node.mapped()));
  }
  TRY(auto statement, impl.db.prepare(sql));
  return Query(impl, std::string(sql), std::move(statement));
}

Query::~Query() {
  if (impl_ == nullptr) return;
  statement_.reset();
  sqlite3_clear_bindings(statement_.get());
  impl_->statements.insert_or_assign(std::move(sql_), std::move(statement_));
}

ObjectRef object_ref_at(const View::Impl& impl, const Statement& statement, int column) {
  ObjectRef object{.id = statement.id_at(column),
                   .connection = {statement.id_at(column + 1)},
                   .unique_id = statement.text_at(column + 2),
                   .name = statement.text_at(column + 3),
                   .full_name = statement.text_at(column + 4),
                   .object_type = statement.text_at(column + 5)};
  object.own = impl.own.empty() || std::binary_search(impl.own.begin(), impl.own.end(), object.connection);
  if (!object.own)
    if (const auto at = impl.places.find(object.connection); at != impl.places.end()) object.place = at->second;
  return object;
}

Result<void> load_places(View::Impl& impl) {
  if (!impl.places.empty()) return {};
  TRY(auto query, Query::begin(impl,
                               "select s.id, coalesce(c.full_name, ''), coalesce(c.subdir, '') from "
                               "sync_connections s left join connections c on c.id = s.id"));
  std::map<std::string, int> times;
  for (;;) {
    TRY(const bool row, query->step());
    if (!row) break;
    std::string name = query->text_at(1);
    if (const std::string subdir = query->text_at(2); !subdir.empty()) name += "//" + subdir;
    ++times[name];
    impl.places.emplace(ConnectionId{query->id_at(0)}, std::move(name));
  }
  for (auto& [id, name] : impl.places)
    if (name.empty() || times[name] > 1) name = id.to_string();
  return {};
}

Result<void> View::prefer(std::vector<ConnectionId> own) {
  TRY_VOID(load_places(*impl_));
  std::erase_if(own, [this](const ConnectionId& id) { return !impl_->places.contains(id); });
  std::sort(own.begin(), own.end());
  impl_->own = std::move(own);
  return {};
}

const std::vector<ConnectionId>& View::preferred() const { return impl_->own; }

Result<std::string> View::place(ConnectionId connection) {
  TRY_VOID(load_places(*impl_));
  const auto at = impl_->places.find(connection);
  return at == impl_->places.end() ? connection.to_string() : at->second;
}

Result<std::optional<ObjectRef>> find_object(View::Impl& impl, const Uuid& id) {
  static const std::string kSql = "select " + std::string(kObjectRefColumns) + " from objects o where o.id = ?1";
  TRY(auto query, Query::begin(impl, kSql));
  query->id(1, id);
  TRY(const bool row, query->step());
  if (!row) return std::optional<ObjectRef>();
  return std::optional(object_ref_at(impl, *query, 0));
}

std::string after_prefix(std::string_view prefix) { return std::string(prefix) + "\xf4\x8f\xbf\xbf"; }

View::View(View&& other) noexcept : impl_(std::move(other.impl_)) {}
View::~View() {
  if (impl_ && impl_->db.in_transaction()) sqlite3_exec(impl_->db.get(), "rollback", nullptr, nullptr, nullptr);
}

Reader::Reader(Reader&&) noexcept = default;
Reader& Reader::operator=(Reader&&) noexcept = default;
Reader::~Reader() = default;

Result<Reader> Reader::open(std::filesystem::path file) {
  Reader reader(std::filesystem::absolute(file));
  TRY(const View view, reader.view_even_closed());
  return reader;
}

Result<View> Reader::view_even_closed() {
  const ReplicaFiles files(file_);
  Error last{Code::kUnavailable, "The replica is being replaced again and again.", "Try again.", {}};
  for (int attempt = 0; attempt < kOpenAttempts; ++attempt) {
    const auto number = files.present();
    if (!number) return fail(Code::kNotFound, "There is no replica yet.", "Run `tideline sync`.");
    // One that a view still uses is left to it.
    if (!impl_ || impl_->number != *number || impl_.use_count() > 1) {
      auto opened = open_number(files, *number);
      if (!opened) {
        if (files.present() == number) return fail(opened.error());
        last = opened.error();
        continue;
      }
      impl_ = std::move(*opened);
    }
    impl_->own.clear();
    impl_->places.clear();
    const auto begun = begin_snapshot(*impl_);
    // The database was in use when its snapshot stood: its log was there too.
    if (files.present() == number) {
      if (begun) return View(impl_);
      Error error = begun.error();
      impl_.reset();
      return fail(std::move(error));
    }
    impl_.reset();
  }
  return fail(last);
}

Result<View> Reader::view() {
  TRY(auto view, view_even_closed());
  TRY(const auto closed, get_state(view.impl_->db, "closed"));
  if (closed) return fail(Code::kPermissionDenied, "The replica is closed: " + *closed);
  return view;
}

Result<ReaderPool::Lease> ReaderPool::acquire() {
  {
    const std::lock_guard lock(mutex_);
    if (!idle_.empty()) {
      auto reader = std::move(idle_.back());
      idle_.pop_back();
      return Lease(*this, std::move(reader));
    }
  }
  TRY(auto reader, Reader::open(file_));
  return Lease(*this, std::make_unique<Reader>(std::move(reader)));
}

void ReaderPool::put_back(std::unique_ptr<Reader> reader) {
  const std::lock_guard lock(mutex_);
  idle_.push_back(std::move(reader));
}

Result<Status> View::status() {
  Database& db = impl_->db;
  Status status;
  TRY(const auto server, get_state(db, "server"));
  TRY(const auto organization, get_state(db, "organization"));
  TRY(const auto epoch, get_state(db, "epoch"));
  TRY(const auto schema, get_state(db, "schema"));
  TRY(const auto applied_at, get_state(db, "applied_at"));
  TRY(status.closed, get_state(db, "closed"));
  status.server = server.value_or("");
  status.organization = OrganizationId::parse(organization.value_or("")).value_or(OrganizationId());
  status.epoch = epoch.value_or("");
  status.schema = schema ? std::strtoll(schema->c_str(), nullptr, 10) : 0;
  if (applied_at) status.applied_at = Timestamp::parse(*applied_at);
  TRY(status.version, applied_version(db));
  TRY(auto connections, Query::begin(*impl_,
                                     "select s.id, c.type, c.full_name, c.subdir, s.version, s.valid_through, s.digest "
                                     "from sync_connections s left join connections c on c.id = s.id "
                                     "order by c.full_name, c.subdir, s.id"));
  for (;;) {
    TRY(const bool row, connections->step());
    if (!row) break;
    ConnectionStatus& one = status.connections.emplace_back();
    one.id = {connections->id_at(0)};
    one.type = connections->text_at(1);
    one.full_name = connections->text_at(2);
    one.subdir = connections->text_at(3);
    one.version = {connections->integer_at(4)};
    one.valid_through = {connections->integer_at(5)};
    const auto digest = Digest::from_bytes(connections->bytes_at(6));
    for (std::size_t i = 0; digest && i < kKindCount; ++i) one.rows[i] = digest->kinds[i].count;
  }
  TRY(auto notes, Query::begin(*impl_, "select key, value from sync_notes order by key"));
  for (;;) {
    TRY(const bool row, notes->step());
    if (!row) break;
    status.notes.emplace_back(notes->text_at(0), notes->text_at(1));
  }
  TRY(const auto staged, db.number("select count(*) from sync_staged_rows"));
  status.staged_rows = staged.value_or(0);
  const char* name = sqlite3_db_filename(db.get(), "main");
  status.database = name == nullptr ? "" : name;
  std::error_code ignored;
  const auto bytes = std::filesystem::file_size(status.database, ignored);
  status.file_bytes = ignored ? 0 : bytes;
  return status;
}

}  // namespace tideline::replica
