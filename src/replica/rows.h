#pragma once
// Rows between their bytes (wire/row_bytes.h) and the tables: bytes → columns when they are stored, columns → bytes
// when a hash is computed anew or a file is copied into another format. Bytes that were stored come out the same.

#include <string>
#include <string_view>

#include "model/row_hash.h"
#include "replica/schema.h"
#include "wire/row_bytes.h"

namespace tideline::replica {

/// The statements of one table, prepared once.
class RowTable {
 public:
  static Result<RowTable> prepare(Database& database, Kind kind);

  /// A row that is there already with this id: kConflict.
  Result<std::int64_t> insert(const wire::RowFields& row, Version version, const RowHash& hash);
  /// What an update would change beyond the row itself.
  struct Change {
    bool indexed = true;   // a column that an index is over
    bool searched = true;  // one that is searched
  };
  Result<Change> change(std::int64_t seq, const wire::RowFields& row);
  /// Indexes are left alone where `indexed` is false: SQLite would write each entry anew, the same or not.
  Result<void> update(std::int64_t seq, const wire::RowFields& row, Version version, const RowHash& hash,
                      bool indexed = true);
  Result<void> remove(std::int64_t seq);

  struct Found {
    std::int64_t seq = 0;
    RowHash hash;
    Uuid connection;
  };
  Result<std::optional<Found>> find(const Uuid& id);

 private:
  void bind(Statement& statement, const wire::RowFields& row, Version version, const RowHash& hash);
  struct Watched {
    const FieldLayout* field = nullptr;
    bool indexed = false;
    bool searched = false;
  };
  const TableLayout* layout_ = nullptr;
  sqlite3* handle_ = nullptr;
  std::vector<Watched> watched_;
  Statement insert_, update_, update_unindexed_, watched_values_, remove_, find_;
};

/// Every row of a table, one after the other, as bytes. The layout is that of the file.
class RowReader {
 public:
  /// `where` and `order`: SQL behind the table's name, "" for all; parameters are bound through `statement`.
  static Result<RowReader> open(Database& database, const TableLayout& layout, std::string_view where = {});
  Statement& statement() { return statement_; }

  struct Row {
    std::int64_t seq = 0;
    Uuid id;
    Uuid connection;
    Version version;
    RowHash stored_hash;
    std::string_view bytes;  // until the next call
    std::string damage;      // why there are no bytes: a column that cannot be of its field

    /// Of the bytes, where they are what was stored; else one that no row has.
    RowHash trusted_hash() const {
      const RowHash hash = damage.empty() ? hash_of_row_bytes(bytes) : RowHash();
      return hash == stored_hash ? hash : RowHash();
    }
  };
  /// nullopt at the end.
  Result<std::optional<Row>> next();

 private:
  const TableLayout* layout_ = nullptr;
  Statement statement_;
  std::string bytes_;
};

}  // namespace tideline::replica
