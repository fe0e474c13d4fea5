#include "replica/rows.h"

#include <algorithm>
#include <cstring>

#include "replica/search_index.h"

namespace tideline::replica {
namespace {

std::string parameter(std::size_t number) { return "?" + std::to_string(number); }
std::string_view as_bytes(const RowHash& hash) {
  return {reinterpret_cast<const char*>(hash.bytes.data()), hash.bytes.size()};
}
RowHash hash_at(Statement& statement, int column) {
  RowHash hash;
  const auto bytes = statement.bytes_at(column);
  if (bytes.size() == hash.bytes.size()) std::memcpy(hash.bytes.data(), bytes.data(), bytes.size());
  return hash;
}

/// Whether the column holds the row's value of the field.
bool is_value(const Statement& statement, int column, const FieldLayout& field, const wire::RowFields& row) {
  const auto& value = row.value(field.tag);
  if (!value || statement.is_null(column)) return !value && statement.is_null(column);
  switch (field.type) {
    case FieldType::kText:
    case FieldType::kJson:
    case FieldType::kId:
      return statement.bytes_at(column) == *value;
    case FieldType::kInteger:
    case FieldType::kTime:
      return statement.integer_at(column) == row.integer(field.tag);
    case FieldType::kBoolean:
      return (statement.integer_at(column) != 0) == row.boolean(field.tag);
  }
  return false;
}

}  // namespace

// Parameters: a field's is its tag; then row_version, row_hash, unknown_fields, and of an update seq.
Result<RowTable> RowTable::prepare(Database& database, Kind kind) {
  RowTable table;
  table.layout_ = &present_layout()[index_of(kind)];
  table.handle_ = database.get();
  const TableLayout& layout = *table.layout_;
  const std::size_t fields = layout.fields.size();
  std::string names, values, sets, unindexed, watched;
  const auto append = [](std::string& list, std::string_view what) {
    list.append(list.empty() ? "" : ", ").append(what);
  };
  const auto add = [&](std::string_view name, std::size_t number, bool indexed = false) {
    append(names, name);
    append(values, parameter(number));
    const std::string set = std::string(name) + " = " + parameter(number);
    append(sets, set);
    if (!indexed) append(unindexed, set);
  };
  const auto is_in = [](const std::vector<const char*>& list, std::string_view name) {
    return std::find(list.begin(), list.end(), name) != list.end();
  };
  for (const auto& field : layout.fields) {
    Watched one{&field, is_in(indexed_columns(kind), field.name), false};
    for (const auto& index : search_indexes())
      one.searched = one.searched || (index.kind == kind && is_in(index.columns, field.name));
    add(field.name, field.tag, one.indexed);
    if (!one.indexed && !one.searched) continue;
    append(watched, field.name);
    table.watched_.push_back(one);
  }
  add("row_version", fields + 1);
  add("row_hash", fields + 2);
  add("unknown_fields", fields + 3);
  TRY(table.insert_, database.prepare("insert into " + layout.table + " (" + names + ") values (" + values + ")"));
  TRY(table.update_,
      database.prepare("update " + layout.table + " set " + sets + " where seq = " + parameter(fields + 4)));
  TRY(table.update_unindexed_,
      database.prepare("update " + layout.table + " set " + unindexed + " where seq = " + parameter(fields + 4)));
  TRY(table.watched_values_, database.prepare("select " + watched + " from " + layout.table + " where seq = ?1"));
  TRY(table.remove_, database.prepare("delete from " + layout.table + " where seq = ?1"));
  TRY(table.find_, database.prepare("select seq, row_hash, " + std::string(layout.connection_column()) + " from " +
                                    layout.table + " where id = ?1"));
  return table;
}

void RowTable::bind(Statement& statement, const wire::RowFields& row, Version version, const RowHash& hash) {
  for (const auto& field : layout_->fields) {
    const auto& value = row.value(field.tag);
    if (!value) {
      statement.null(field.tag);
      continue;
    }
    switch (field.type) {
      case FieldType::kText:
      case FieldType::kJson:
        statement.text(field.tag, *value);
        break;
      case FieldType::kId:
        statement.blob(field.tag, *value);
        break;
      case FieldType::kInteger:
      case FieldType::kTime:
        statement.integer(field.tag, row.integer(field.tag));
        break;
      case FieldType::kBoolean:
        statement.integer(field.tag, row.boolean(field.tag) ? 1 : 0);
        break;
    }
  }
  const int next = static_cast<int>(layout_->fields.size()) + 1;
  statement.integer(next, version.value).blob(next + 1, as_bytes(hash));
  if (row.unknown.empty())
    statement.null(next + 2);
  else
    statement.blob(next + 2, row.unknown);
}

Result<std::int64_t> RowTable::insert(const wire::RowFields& row, Version version, const RowHash& hash) {
  bind(insert_, row, version, hash);
  const int code = sqlite3_step(insert_.get());
  if (code == SQLITE_DONE) {
    insert_.reset();
    return sqlite3_last_insert_rowid(handle_);
  }
  const bool there = sqlite3_extended_errcode(handle_) == SQLITE_CONSTRAINT_UNIQUE;
  Error error = sqlite_error(handle_);
  insert_.reset();
  if (there) return fail(Code::kConflict, "The row is there already.");
  return fail(std::move(error));
}

Result<RowTable::Change> RowTable::change(std::int64_t seq, const wire::RowFields& row) {
  Change change{false, false};
  watched_values_.integer(1, seq);
  TRY(const bool there, watched_values_.step());
  if (!there) return Change();
  for (std::size_t i = 0; i < watched_.size(); ++i) {
    const Watched& one = watched_[i];
    if (is_value(watched_values_, static_cast<int>(i), *one.field, row)) continue;
    change.indexed = change.indexed || one.indexed;
    change.searched = change.searched || one.searched;
  }
  watched_values_.reset();
  return change;
}

Result<void> RowTable::update(std::int64_t seq, const wire::RowFields& row, Version version, const RowHash& hash,
                              bool indexed) {
  Statement& statement = indexed ? update_ : update_unindexed_;
  bind(statement, row, version, hash);
  statement.integer(static_cast<int>(layout_->fields.size()) + 4, seq);
  return statement.run();
}

Result<void> RowTable::remove(std::int64_t seq) { return remove_.integer(1, seq).run(); }

Result<std::optional<RowTable::Found>> RowTable::find(const Uuid& id) {
  find_.id(1, id);
  TRY(const bool there, find_.step());
  if (!there) return std::optional<Found>();
  const Found found{find_.integer_at(0), hash_at(find_, 1), find_.id_at(2)};
  find_.reset();
  return std::optional(found);
}

Result<RowReader> RowReader::open(Database& database, const TableLayout& layout, std::string_view where) {
  RowReader reader;
  reader.layout_ = &layout;
  std::string columns;
  for (const auto& field : layout.fields) columns.append(field.name).append(", ");
  TRY(reader.statement_,
      database.prepare("select " + columns + "seq, row_version, row_hash, unknown_fields, id, " +
                       std::string(layout.connection_column()) + " from " + layout.table + " " + std::string(where)));
  return reader;
}

Result<std::optional<RowReader::Row>> RowReader::next() {
  TRY(const bool there, statement_.step());
  if (!there) return std::optional<Row>();
  const auto after = static_cast<int>(layout_->fields.size());
  Row row{.seq = statement_.integer_at(after),
          .id = statement_.id_at(after + 4),
          .connection = statement_.id_at(after + 5),
          .version = {statement_.integer_at(after + 1)},
          .stored_hash = hash_at(statement_, after + 2),
          .bytes = {},
          .damage = {}};
  bytes_.clear();
  RowEncoder encoder(bytes_, layout_->kind);
  int column = -1;
  for (const auto& field : layout_->fields) {
    const int type = statement_.type(++column);
    if (type == SQLITE_NULL) continue;
    const auto wrong = [&] { row.damage = field.name + " has no value of its type"; };
    switch (field.type) {
      case FieldType::kText:
      case FieldType::kJson:
        if (type != SQLITE_TEXT) wrong();
        if (field.type == FieldType::kText) encoder.text(field.tag, statement_.bytes_at(column));
        if (field.type == FieldType::kJson) encoder.json(field.tag, statement_.bytes_at(column));
        break;
      case FieldType::kId:
        if (type != SQLITE_BLOB || statement_.bytes_at(column).size() != 16) wrong();
        encoder.id(field.tag, statement_.id_at(column));
        break;
      case FieldType::kInteger:
        if (type != SQLITE_INTEGER) wrong();
        encoder.integer(field.tag, statement_.integer_at(column));
        break;
      case FieldType::kTime:
        if (type != SQLITE_INTEGER) wrong();
        encoder.time(field.tag, {statement_.integer_at(column)});
        break;
      case FieldType::kBoolean:
        if (type != SQLITE_INTEGER || (statement_.integer_at(column) | 1) != 1) wrong();
        encoder.boolean(field.tag, statement_.integer_at(column) != 0);
        break;
    }
  }
  bytes_ += statement_.bytes_at(after + 3);
  if (row.damage.empty()) row.bytes = bytes_;
  return std::optional(std::move(row));
}

}  // namespace tideline::replica
