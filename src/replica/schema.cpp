#include "replica/schema.h"

#include <algorithm>

#include "base/hash.h"
#include "base/text.h"
#include "replica/search_index.h"
#include "wire/row_bytes.h"

namespace tideline::replica {
namespace {

struct NamedTable {
  Kind kind;
  const char* table;
  std::vector<const char*> fields;  // by tag, from 1
};

// Names of columns, in the order of tags: those of model/records.h.
const std::vector<NamedTable>& named_tables() {
  static const std::vector<NamedTable> kTables{
      {Kind::kConnection, "connections", {"id", "type", "name", "full_name", "subdir", "url", "aliases"}},
      {Kind::kFile,
       "files",
       {"id", "connection_id", "relative_path", "file_type", "dialect", "size_bytes", "file_hash", "parser_used",
        "parse_confidence"}},
      {Kind::kObject,
       "objects",
       {"id", "connection_id", "file_id", "name", "schema_name", "database_name", "full_name", "object_type",
        "definition", "compiled_definition", "description", "metadata", "line_start", "line_end", "content_hash",
        "confidence", "extracted_from", "extraction_tier"}},
      {Kind::kColumn,
       "columns",
       {"id", "connection_id", "object_id", "name", "data_type", "is_nullable", "is_primary_key", "is_foreign_key",
        "default_value", "description", "position", "metadata"}},
      {Kind::kDependency,
       "dependencies",
       {"id", "connection_id", "source_object_id", "target_object_id", "dependency_type", "column_level",
        "source_column", "target_column", "expression", "confidence", "metadata", "source_connection_id",
        "source_full_name"}},
      {Kind::kColumnLineage,
       "columns_lineage",
       {"id", "connection_id", "source_object_id", "source_column", "target_object_id", "target_column", "expression",
        "transformation_type", "confidence", "extracted_from", "metadata", "source_connection_id", "source_full_name"}},
      {Kind::kDocumentation,
       "object_documentation",
       {"id", "connection_id", "object_id", "executive_summary", "business_narrative", "transformation_cards",
        "code_explanations", "business_rules", "impact_analysis", "generated_at", "model", "doc_version", "extra"}},
  };
  return kTables;
}

Layout make_layout() {
  Layout layout;
  for (const auto& named : named_tables()) {
    TableLayout& table = layout[index_of(named.kind)];
    table.kind = named.kind;
    table.table = named.table;
    const auto specs = wire::fields_of(named.kind);
    for (std::size_t i = 0; i < specs.size(); ++i)
      table.fields.push_back({static_cast<std::uint16_t>(i + 1), named.fields.at(i), specs[i].type});
  }
  return layout;
}

const char* sql_type(FieldType type) {
  switch (type) {
    case FieldType::kText:
    case FieldType::kJson:
      return "text";
    case FieldType::kInteger:
    case FieldType::kBoolean:
    case FieldType::kTime:
      return "integer";
    case FieldType::kId:
      return "blob";
  }
  return "blob";
}

// What may be long stands last, so that the rest is read without it.
bool is_long(std::string_view name) { return name == "definition" || name == "compiled_definition"; }

std::string create_table_sql(const TableLayout& table) {
  const auto specs = wire::fields_of(table.kind);
  std::string small, large;
  for (const auto& field : table.fields) {
    if (field.tag == 1) continue;
    std::string& columns = is_long(field.name) ? large : small;
    columns.append(",\n  ").append(field.name).append(" ").append(sql_type(field.type));
    if (specs[field.tag - 1U].required) columns += " not null";
  }

  return "create table " + table.table +
         " (\n  seq integer primary key,\n  id blob not null,\n  row_version integer not null,\n"
         "  row_hash blob not null" +
         small + ",\n  unknown_fields blob" + large + "\n) strict;\n";
}

// What only the writer uses. A row of `sync_connections` is a connection the replica holds; of `sync_staged`, one that
// something is staged of.
constexpr const char* kSyncTables = R"(
create table sync_state (
  key text primary key,
  value text not null
) strict, without rowid;
create table sync_notes (
  key text primary key,
  value text not null
) strict, without rowid;
create table sync_fields (
  kind integer not null,
  tag integer not null,
  table_name text not null,
  column_name text not null,
  type integer not null,
  primary key (kind, tag)
) strict, without rowid;
create table sync_connections (
  id blob primary key,
  incarnation integer not null,
  cursor text not null,
  version integer not null,
  valid_through integer not null,
  digest blob not null
) strict, without rowid;
create table sync_buckets (
  connection_id blob not null,
  kind integer not null,
  digests blob not null,
  primary key (connection_id, kind)
) strict;
create table sync_staged (
  id blob primary key,
  incarnation integer not null,
  cursor text not null,
  whole integer not null,
  removed integer not null,
  fresh integer not null,
  repaired_through integer,
  version integer,
  valid_through integer,
  digest blob
) strict, without rowid;
create table sync_staged_rows (
  connection_id blob not null,
  kind integer not null,
  id blob not null,
  row_version integer not null,
  row_hash blob,
  row blob,
  primary key (connection_id, kind, id)
) strict;
)";

constexpr const char* kIndexes = R"(
create index if not exists files_by_path on files (relative_path);
create index if not exists objects_by_name on objects (name collate nocase);
create index if not exists objects_by_full_name on objects (full_name collate nocase);
create index if not exists objects_by_file on objects (file_id);
create index if not exists columns_by_object on columns (object_id, position);
create index if not exists columns_by_name on columns (name collate nocase);
create index if not exists dependencies_by_source on dependencies (source_object_id);
create index if not exists dependencies_by_target on dependencies (target_object_id);
create index if not exists columns_lineage_by_source on columns_lineage (source_object_id, source_column collate nocase);
create index if not exists columns_lineage_by_target on columns_lineage (target_object_id, target_column collate nocase);
create index if not exists object_documentation_by_object on object_documentation (object_id);
)";

}  // namespace

const Layout& present_layout() {
  static const Layout kLayout = make_layout();
  return kLayout;
}

Result<Layout> read_layout(Database& database) {
  Layout layout;
  for (const Kind kind : kKinds) layout[index_of(kind)].kind = kind;
  TRY(auto fields,
      database.prepare("select kind, tag, table_name, column_name, type from sync_fields order by kind, tag"));
  for (;;) {
    TRY(const bool row, fields.step());
    if (!row) break;
    const std::int64_t kind = fields.integer_at(0), tag = fields.integer_at(1), type = fields.integer_at(4);
    if (kind < 1 || kind > static_cast<std::int64_t>(kKindCount) || tag < 1 || tag > 0xffff || type < 1 || type > 6)
      return fail(Code::kCorrupt, "The replica does not describe its own tables.");
    TableLayout& table = layout[static_cast<std::size_t>(kind) - 1];
    table.table = fields.text_at(2);
    table.fields.push_back({static_cast<std::uint16_t>(tag), fields.text_at(3), static_cast<FieldType>(type)});
  }
  for (const auto& table : layout)
    if (table.fields.empty()) return fail(Code::kCorrupt, "The replica does not describe its own tables.");
  return layout;
}

Result<void> set_up_connection(Database& database) {
  // NORMAL in WAL: a power cut may lose the last transactions, never half of one; they are fetched again.
  // Untrusted schema: a file somebody else edited must not make us call functions of its choice.
  return database.run(
      "pragma synchronous = normal; pragma foreign_keys = off; pragma trusted_schema = off; pragma cache_size = -16384;"
      "pragma temp_store = memory; pragma journal_size_limit = 67108864");
}

Result<void> set_up_loading(Database& database) {
  // A rollback journal holds only what was there before the transaction: next to nothing while rows are appended.
  // temp_store = file: nothing goes to one below the size of the cache, and only so SQLite sorts the keys of an index
  // in one piece of memory (a third faster). secure_delete, which Debian has on: nothing is deleted here.
  return database.run(
      "pragma journal_mode = truncate; pragma synchronous = off; pragma foreign_keys = off; pragma temp_store = file;"
      "pragma cache_size = -16384; pragma locking_mode = exclusive; pragma secure_delete = off");
}

Result<void> create_tables(Database& database) {
  std::string sql = "pragma application_id = " + std::to_string(kApplicationId) +
                    "; pragma user_version = " + std::to_string(kFormat) + ";\n";
  for (const auto& table : present_layout()) sql += create_table_sql(table);
  sql += kSyncTables;
  for (const auto& table : present_layout())
    for (const auto& field : table.fields)
      sql += "insert into sync_fields values (" + std::to_string(static_cast<int>(table.kind)) + ", " +
             std::to_string(field.tag) + ", '" + table.table + "', '" + field.name + "', " +
             std::to_string(static_cast<int>(field.type)) + ");\n";
  return database.run(sql);
}

Result<void> create_id_indexes(Database& database) {
  std::string sql;
  for (const auto& table : present_layout())
    sql += "create unique index if not exists " + table.table + "_by_id on " + table.table + " (id);\n";
  auto created = database.run(sql);
  if (!created && sqlite3_extended_errcode(database.get()) == SQLITE_CONSTRAINT_UNIQUE)
    return fail(Code::kConflict, "A row is there twice.", {}, created.error().detail);
  return created;
}

Result<void> create_indexes(Database& database) { return database.run(kIndexes); }

const std::vector<const char*>& indexed_columns(Kind kind) {
  static const std::array<std::vector<const char*>, kKindCount> kColumns{{
      {"id"},
      {"id", "relative_path"},
      {"id", "name", "full_name", "file_id"},
      {"id", "object_id", "position", "name"},
      {"id", "source_object_id", "target_object_id"},
      {"id", "source_object_id", "source_column", "target_object_id", "target_column"},
      {"id", "object_id"},
  }};
  return kColumns[index_of(kind)];
}

Result<std::optional<std::string>> get_state(Database& database, std::string_view key) {
  TRY(auto statement, database.prepare("select value from sync_state where key = ?1"));
  statement.text(1, key);
  TRY(const bool row, statement.step());
  if (!row) return std::optional<std::string>();
  return statement.optional_text_at(0);
}

Result<void> set_state(Database& database, std::string_view key, std::string_view value) {
  TRY(auto statement, database.prepare("insert into sync_state values (?1, ?2) on conflict (key) do update set value = "
                                       "excluded.value"));
  return statement.text(1, key).text(2, value).run();
}

Result<void> clear_state(Database& database, std::string_view key) {
  TRY(auto statement, database.prepare("delete from sync_state where key = ?1"));
  return statement.text(1, key).run();
}

namespace {

constexpr const char* kSeal = "seal";

Result<std::string> make_seal(Database& database) {
  std::string text;
  for (const char* sql : {"select key, value from sync_state where key != 'seal' order by key",
                          "select id, incarnation, cursor, version, valid_through, digest from sync_connections "
                          "order by id"}) {
    TRY(auto statement, database.prepare(sql));
    const int columns = sqlite3_column_count(statement.get());
    for (;;) {
      TRY(const bool row, statement.step());
      if (!row) break;
      for (int i = 0; i < columns; ++i) {
        const std::string_view value = statement.bytes_at(i);  // of a number: its digits
        text.append(std::to_string(value.size())).append(":").append(value).append(";");
      }
    }
    text += '\n';
  }
  return hex(sha256(text));
}

}  // namespace

Result<void> seal_state(Database& database) {
  TRY(const std::string seal, make_seal(database));
  return set_state(database, kSeal, seal);
}

Result<void> check_state(Database& database) {
  TRY(const auto id, database.number("pragma application_id"));
  TRY(const auto format, database.number("pragma user_version"));
  if (id.value_or(0) != kApplicationId)
    return fail(Code::kCorrupt, "The file is no replica of tideline.", "Run `tideline verify --repair`.");
  const auto sealed = get_state(database, kSeal);
  if (format.value_or(0) > kFormat && (!sealed || !*sealed))
    return fail(Code::kUnsupported, "The replica was made by a newer tideline.", "Upgrade this one.");
  if (!sealed) return fail(sealed.error());
  if (!*sealed) return {};
  const auto wrong = [](const char* what) {
    return fail(Code::kCorrupt, "The replica's file is damaged.", "Run `tideline verify --repair`.", what);
  };
  TRY(const auto written, get_state(database, "format"));
  if (written != std::to_string(format.value_or(0))) return wrong("its format is not the one that was written");
  if (format.value_or(0) > kFormat)
    return fail(Code::kUnsupported, "The replica was made by a newer tideline.", "Upgrade this one.");
  TRY(const std::string seal, make_seal(database));
  return seal == **sealed ? Result<void>() : wrong("sync_state and sync_connections are not as they were written");
}

Result<std::vector<std::string>> schema_problems(Database& database) {
  constexpr const char* kSchema = "select type, name, coalesce(sql, '') from sqlite_schema order by type, name";
  TRY(auto model, Database::open(":memory:", Database::Mode::kCreate, 0));
  TRY_VOID(create_tables(model));
  TRY_VOID(create_id_indexes(model));
  TRY_VOID(create_indexes(model));
  TRY_VOID(create_search_index(model));
  std::vector<std::array<std::string, 3>> there;
  TRY(auto found, database.prepare(kSchema));
  for (;;) {
    TRY(const bool row, found.step());
    if (!row) break;
    there.push_back({found.text_at(0), found.text_at(1), found.text_at(2)});
  }
  std::vector<std::string> problems;
  TRY(auto wanted, model.prepare(kSchema));
  for (;;) {
    TRY(const bool row, wanted.step());
    if (!row) return problems;
    const std::array<std::string, 3> entry{wanted.text_at(0), wanted.text_at(1), wanted.text_at(2)};
    if (std::find(there.begin(), there.end(), entry) == there.end())
      problems.push_back("the " + entry[0] + " " + entry[1] + " is not as it was made");
  }
}

}  // namespace tideline::replica
