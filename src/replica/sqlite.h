#pragma once
// SQLite behind three small owners: Database, Statement, Transaction. Errors are values, by code: disk full is
// kResourceExhausted, a page that cannot be right kCorrupt, a lock not had in time kUnavailable, a file that may not be
// written kPermissionDenied. Nothing here knows the replica. Not thread-safe: a database and its statements belong to
// one thread at a time.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <sqlite3.h>

#include "base/error.h"
#include "base/ids.h"

namespace tideline::replica {

class Statement {
 public:
  Statement() = default;
  explicit Statement(sqlite3_stmt* statement) : statement_(statement) {}
  Statement(Statement&& other) noexcept : statement_(std::exchange(other.statement_, nullptr)) {}
  Statement& operator=(Statement&& other) noexcept {
    std::swap(statement_, other.statement_);
    return *this;
  }
  ~Statement() { sqlite3_finalize(statement_); }
  explicit operator bool() const { return statement_ != nullptr; }

  // What is bound is not copied: it must live until the statement was reset. Numbers of parameters begin at 1.
  Statement& text(int parameter, std::string_view value) {
    sqlite3_bind_text64(statement_, parameter, value.data() ? value.data() : "", value.size(), SQLITE_STATIC,
                        SQLITE_UTF8);
    return *this;
  }
  Statement& blob(int parameter, std::string_view value) {
    sqlite3_bind_blob64(statement_, parameter, value.data() ? value.data() : "", value.size(), SQLITE_STATIC);
    return *this;
  }
  Statement& integer(int parameter, std::int64_t value) {
    sqlite3_bind_int64(statement_, parameter, value);
    return *this;
  }
  Statement& id(int parameter, const Uuid& value) {
    return blob(parameter, {reinterpret_cast<const char*>(value.bytes.data()), value.bytes.size()});
  }
  Statement& null(int parameter) {
    sqlite3_bind_null(statement_, parameter);
    return *this;
  }

  /// True: there is a row. After false or an error the statement is as before its first step.
  Result<bool> step();
  /// To the end.
  Result<void> run();
  void reset() { sqlite3_reset(statement_); }

  // Of the present row; columns begin at 0. Views live until the next step.
  bool is_null(int column) const { return sqlite3_column_type(statement_, column) == SQLITE_NULL; }
  int type(int column) const { return sqlite3_column_type(statement_, column); }
  std::int64_t integer_at(int column) const { return sqlite3_column_int64(statement_, column); }
  std::string_view bytes_at(int column) const;
  std::string text_at(int column) const { return std::string(bytes_at(column)); }
  std::optional<std::string> optional_text_at(int column) const {
    return is_null(column) ? std::nullopt : std::optional(text_at(column));
  }
  /// Nil unless the column has 16 bytes.
  Uuid id_at(int column) const;

  sqlite3_stmt* get() { return statement_; }

 private:
  sqlite3_stmt* statement_ = nullptr;
};

class Database {
 public:
  /// kImmutable: nothing may be written beside the file, and nobody writes it.
  enum class Mode { kCreate, kWrite, kRead, kImmutable };

  Database() = default;
  Database(Database&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Database& operator=(Database&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~Database() { sqlite3_close_v2(handle_); }

  /// kNotFound: no such file (kCreate makes it). Waits at most `busy` for the locks of others.
  static Result<Database> open(const std::filesystem::path& file, Mode mode, int busy_milliseconds);

  /// One or more statements without parameters or rows.
  Result<void> run(const std::string& sql);
  /// For keeping.
  Result<Statement> prepare(std::string_view sql);
  /// The first column of the first row; nullopt where there is none.
  Result<std::optional<std::int64_t>> number(std::string_view sql);
  Result<std::optional<std::string>> string(std::string_view sql);

  bool in_transaction() const { return handle_ != nullptr && sqlite3_get_autocommit(handle_) == 0; }
  std::int64_t last_row() const { return sqlite3_last_insert_rowid(handle_); }
  std::int64_t changes() const { return sqlite3_changes64(handle_); }
  sqlite3* get() { return handle_; }
  explicit operator bool() const { return handle_ != nullptr; }

 private:
  sqlite3* handle_ = nullptr;
};

/// Rolled back unless committed. Writes from the start on (BEGIN IMMEDIATE), so that nothing fails half-way for a lock.
class Transaction {
 public:
  static Result<Transaction> begin(Database& database);
  Transaction(Transaction&& other) noexcept : database_(std::exchange(other.database_, nullptr)) {}
  Transaction& operator=(Transaction&&) = delete;
  ~Transaction();
  Result<void> commit();

 private:
  explicit Transaction(Database& database) : database_(&database) {}
  Database* database_;
};

/// Of the last call on this handle.
Error sqlite_error(sqlite3* handle);

}  // namespace tideline::replica
