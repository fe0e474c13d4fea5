#pragma once
// The tables of a replica. The rows' tables follow from the fields of the records (model/records.h): one column a
// field, named here. docs/replica.md has them for readers. A file describes its own columns (`sync_fields`), so that a
// file of another format can be read row by row, as bytes (replica/rows.h), and written anew in the present one.

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "model/records.h"
#include "model/row_encoder.h"
#include "replica/sqlite.h"

namespace tideline::replica {

inline constexpr std::int64_t kApplicationId = 0x54444C52;  // "TDLR"
/// `user_version`: of the tables as they stand here. 1 is the first.
inline constexpr std::int64_t kFormat = 1;

inline constexpr std::array<Kind, kKindCount> kKinds{Kind::kConnection,   Kind::kFile,       Kind::kObject,
                                                     Kind::kColumn,       Kind::kDependency, Kind::kColumnLineage,
                                                     Kind::kDocumentation};
inline std::size_t index_of(Kind kind) { return static_cast<std::size_t>(kind) - 1; }

struct FieldLayout {
  std::uint16_t tag = 0;
  std::string name;
  FieldType type = FieldType::kText;
};

/// A table of rows: `seq` (INTEGER PRIMARY KEY), the fields, `row_version`, `row_hash`, `unknown_fields`.
struct TableLayout {
  Kind kind = Kind::kConnection;
  std::string table;
  std::vector<FieldLayout> fields;  // by tag, ascending
  /// The column that says whose rows they are.
  std::string_view connection_column() const { return kind == Kind::kConnection ? "id" : "connection_id"; }
};
using Layout = std::array<TableLayout, kKindCount>;

/// Of files of the present format.
const Layout& present_layout();
/// Of a file of any format, as it says itself.
Result<Layout> read_layout(Database& database);

/// Pragmas of every connection to a replica.
Result<void> set_up_connection(Database& database);
/// A new file while rows are loaded: fast, and safe against the death of the process, though not of the machine.
Result<void> set_up_loading(Database& database);

/// All tables, without an index: those pay only once the rows are there.
Result<void> create_tables(Database& database);
/// Those over the rows' ids, where they are not there yet: what a row is found by that comes a second time.
/// kConflict: an id is there twice.
Result<void> create_id_indexes(Database& database);
/// All others.
Result<void> create_indexes(Database& database);
/// The columns any of them is over.
const std::vector<const char*>& indexed_columns(Kind kind);

/// `sync_state`: facts by name.
Result<std::optional<std::string>> get_state(Database& database, std::string_view key);
Result<void> set_state(Database& database, std::string_view key, std::string_view value);
Result<void> clear_state(Database& database, std::string_view key);

/// What `sync_state` and `sync_connections` say is sealed by a hash over it, which no row's hash covers. To be called
/// with every change of either, in its transaction.
Result<void> seal_state(Database& database);
/// kCorrupt: the header, or what is sealed, is not as it was written. kUnsupported: made by a newer program. Of an
/// older format too, as far as it has a seal.
Result<void> check_state(Database& database);
/// What is wrong with the tables and indexes of a file of the present format: each has to be as it would be made.
Result<std::vector<std::string>> schema_problems(Database& database);

}  // namespace tideline::replica
