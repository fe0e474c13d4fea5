#pragma once
// The rows of one statement, in binary, read by typed getters. Move-only; owns libpq's memory, so the views it hands
// out live as long as it does. Reading is thread-safe; nothing else is.
//
// A getter of the wrong type, of a NULL, or outside the result is a bug, not an input: it throws std::logic_error that
// names the column and its type.

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/time.h"
#include "pg/params.h"

struct pg_result;

namespace tideline::pg {

class ResultSet {
 public:
  ResultSet() = default;

  int rows() const { return rows_; }
  int columns() const { return static_cast<int>(types_.size()); }
  bool empty() const { return rows_ == 0; }
  /// Rows an INSERT, UPDATE, DELETE, MERGE or SELECT touched; 0 for other statements.
  std::int64_t affected_rows() const;
  /// The column's name as the server gives it; its position, or -1.
  std::string_view name(int column) const;
  int column(std::string_view name) const;
  TypeId type(int column) const { return types_.at(static_cast<std::size_t>(column)); }

  bool is_null(int row, int column) const;
  /// What the row's values take together, without what says where they begin.
  std::size_t row_bytes(int row) const;
  /// int2, int4, int8, oid.
  std::int64_t int64(int row, int column) const;
  bool boolean(int row, int column) const;
  /// float4, float8.
  double float8(int row, int column) const;
  /// text, varchar, char, name, json, jsonb (without its version byte), xml, enums.
  std::string_view text(int row, int column) const;
  Uuid uuid(int row, int column) const;
  /// timestamptz, or timestamp taken as UTC. ±infinity comes out as the int64 extremes.
  Timestamp timestamp(int row, int column) const;
  std::span<const std::uint8_t> bytea(int row, int column) const;

  /// One-dimensional arrays; a NULL element is a bug here as well, but for nullable_texts.
  std::vector<Uuid> uuids(int row, int column) const;
  std::vector<std::string_view> texts(int row, int column) const;
  std::vector<std::optional<std::string_view>> nullable_texts(int row, int column) const;
  std::vector<std::int64_t> int64s(int row, int column) const;
  std::vector<bool> booleans(int row, int column) const;
  std::vector<double> float8s(int row, int column) const;
  std::vector<Timestamp> timestamps(int row, int column) const;
  std::vector<std::span<const std::uint8_t>> byteas(int row, int column) const;

  /// nullopt where the value is NULL.
  std::optional<std::int64_t> int64_or_null(int row, int column) const;
  std::optional<bool> boolean_or_null(int row, int column) const;
  std::optional<double> float8_or_null(int row, int column) const;
  std::optional<std::string_view> text_or_null(int row, int column) const;
  std::optional<Uuid> uuid_or_null(int row, int column) const;
  std::optional<Timestamp> timestamp_or_null(int row, int column) const;

  /// A tagged id, e.g. `rows.id<ConnectionId>(r, 0)`.
  template <class Id>
  Id id(int row, int column) const {
    return Id{uuid(row, column)};
  }

 private:
  friend class Connection;
  friend class RowStream;
  struct Clear {
    void operator()(pg_result* result) const;
  };
  using Handle = std::unique_ptr<pg_result, Clear>;

  explicit ResultSet(pg_result* result);
  /// Single-row mode yields one libpq result a row; a chunk strings them together.
  void append_row(pg_result* result);

  struct Cell {
    const char* data;
    std::size_t size;
  };
  Cell cell(int row, int column) const;
  [[noreturn]] void wrong(int column, const char* wanted) const;
  template <class T, class Decode>
  std::vector<T> array(int row, int column, TypeId element, const char* wanted, Decode decode) const;

  std::vector<Handle> parts_;  // one with all the rows, or one a row
  std::vector<TypeId> types_;
  int rows_ = 0;
  bool row_by_row_ = false;
};

}  // namespace tideline::pg
