#include "replica/sqlite.h"

#include <cstring>

namespace tideline::replica {
namespace {

Error error_of(int extended, std::string detail) {
  const auto error = [&detail](Code code, std::string message, std::string hint = {}) {
    return Error{code, std::move(message), std::move(hint), std::move(detail)};
  };
  switch (extended & 0xff) {
    case SQLITE_FULL:
      return error(Code::kResourceExhausted, "The disk is full: the replica is as it was before.", "Make room.");
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return error(Code::kCorrupt, "The replica's file is damaged.", "Run `tideline verify --repair`.");
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return error(Code::kUnavailable, "The replica is being written by another program.", "Try again.");
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
      return error(Code::kPermissionDenied, "The replica's file may not be written.");
    case SQLITE_CANTOPEN:
      return error(Code::kNotFound, "The replica's file cannot be opened.");
    case SQLITE_IOERR:
      // A sector that cannot be read, or pages that are not there: other rows than those are read well.
      if (extended == SQLITE_IOERR_READ || extended == SQLITE_IOERR_SHORT_READ || extended == SQLITE_IOERR_CORRUPTFS)
        return error(Code::kCorrupt, "The replica's file is damaged.", "Run `tideline verify --repair`.");
      return error(Code::kUnavailable, "The replica's file cannot be read or written.", "Is the disk well?");
    case SQLITE_NOMEM:
      return error(Code::kResourceExhausted, "There is no memory left.");
    default:
      return error(Code::kInternal, "The replica does not do what it should.");
  }
}

}  // namespace

Error sqlite_error(sqlite3* handle) {
  const int code = sqlite3_extended_errcode(handle);
  Error error = error_of(code, "sqlite " + std::to_string(code) + ": " + sqlite3_errmsg(handle));
  const char* const file = sqlite3_db_filename(handle, "main");
  if (error.code == Code::kResourceExhausted && file != nullptr && *file != '\0')
    error.hint = "Make room in " + std::filesystem::path(file).parent_path().string() + ".";
  return error;
}

Result<bool> Statement::step() {
  switch (sqlite3_step(statement_)) {
    case SQLITE_ROW:
      return true;
    case SQLITE_DONE:
      sqlite3_reset(statement_);
      return false;
    default: {
      Error error = sqlite_error(sqlite3_db_handle(statement_));
      sqlite3_reset(statement_);
      return fail(std::move(error));
    }
  }
}

Result<void> Statement::run() {
  for (;;) {
    TRY(const bool row, step());
    if (!row) return {};
  }
}

std::string_view Statement::bytes_at(int column) const {
  // The pointer first: it decides on the encoding that the size is of.
  const void* bytes = sqlite3_column_blob(statement_, column);
  const int size = sqlite3_column_bytes(statement_, column);
  return bytes == nullptr ? std::string_view() : std::string_view(static_cast<const char*>(bytes), std::size_t(size));
}

Uuid Statement::id_at(int column) const {
  Uuid id;
  const std::string_view bytes = bytes_at(column);
  if (bytes.size() == id.bytes.size()) std::memcpy(id.bytes.data(), bytes.data(), bytes.size());
  return id;
}

Result<Database> Database::open(const std::filesystem::path& file, Mode mode, int busy_milliseconds) {
  // Nobody asks how much memory SQLite has, and counting it is a lock of the whole process for each piece.
  [[maybe_unused]] static const int kUncounted = sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
  const int flags = mode == Mode::kCreate  ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE
                    : mode == Mode::kWrite ? SQLITE_OPEN_READWRITE
                                           : SQLITE_OPEN_READONLY | (mode == Mode::kImmutable ? SQLITE_OPEN_URI : 0);
  std::string name = file;
  if (mode == Mode::kImmutable) {
    name = "file:";
    for (const char c : file.string()) {
      if (c == '%' || c == '?' || c == '#')
        name += c == '%' ? "%25" : c == '?' ? "%3f" : "%23";
      else
        name += c;
    }
    name += "?immutable=1";
  }
  Database database;
  // NOMUTEX: a database belongs to one thread at a time.
  const int code = sqlite3_open_v2(name.c_str(), &database.handle_, flags | SQLITE_OPEN_NOMUTEX, nullptr);
  if (code != SQLITE_OK) {
    if (database.handle_ == nullptr) return fail(error_of(code, "sqlite3_open_v2"));
    Error error = sqlite_error(database.handle_);
    error.detail += " (" + file.string() + ")";
    return fail(std::move(error));
  }
  sqlite3_extended_result_codes(database.handle_, 1);
  sqlite3_busy_timeout(database.handle_, busy_milliseconds);
  return database;
}

Result<void> Database::run(const std::string& sql) {
  if (sqlite3_exec(handle_, sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK) return fail(sqlite_error(handle_));
  return {};
}

Result<Statement> Database::prepare(std::string_view sql) {
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v3(handle_, sql.data(), static_cast<int>(sql.size()), SQLITE_PREPARE_PERSISTENT, &statement,
                         nullptr) != SQLITE_OK) {
    Error error = sqlite_error(handle_);
    error.detail.append(" in ").append(sql);
    return fail(std::move(error));
  }
  return Statement(statement);
}

Result<std::optional<std::int64_t>> Database::number(std::string_view sql) {
  TRY(auto statement, prepare(sql));
  TRY(const bool row, statement.step());
  if (!row || statement.is_null(0)) return std::optional<std::int64_t>();
  return std::optional(statement.integer_at(0));
}

Result<std::optional<std::string>> Database::string(std::string_view sql) {
  TRY(auto statement, prepare(sql));
  TRY(const bool row, statement.step());
  if (!row) return std::optional<std::string>();
  return statement.optional_text_at(0);
}

Result<Transaction> Transaction::begin(Database& database) {
  TRY_VOID(database.run("begin immediate"));
  return Transaction(database);
}

Transaction::~Transaction() {
  // Some errors (a full disk) have already rolled back.
  if (database_ != nullptr && database_->in_transaction())
    sqlite3_exec(database_->get(), "rollback", nullptr, nullptr, nullptr);
}

Result<void> Transaction::commit() {
  TRY_VOID(database_->run("commit"));
  database_ = nullptr;
  return {};
}

}  // namespace tideline::replica
