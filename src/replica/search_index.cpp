#include "replica/search_index.h"

#include <algorithm>

#include "replica/replica.h"

namespace tideline::replica {
namespace {

std::string columns_of(const SearchedColumns& index) {
  std::string names;
  for (const char* column : index.columns) names.append(names.empty() ? "" : ", ").append(column);
  return names;
}

}  // namespace

// detail = none: which documents a word is in, not where; half the size, and the questions asked need no more.
const std::vector<SearchedColumns>& search_indexes() {
  static const std::vector<SearchedColumns> kIndexes{
      {Kind::kObject,
       "search_objects",
       "objects",
       {"name", "full_name", "description"},
       "tokenize = 'unicode61 remove_diacritics 2', detail = none"},
      {Kind::kObject, "search_object_names", "objects", {"name", "full_name"}, "tokenize = 'trigram', detail = none"},
      {Kind::kColumn,
       "search_columns",
       "columns",
       {"name", "description"},
       "tokenize = 'unicode61 remove_diacritics 2', detail = none"},
      {Kind::kColumn, "search_column_names", "columns", {"name"}, "tokenize = 'trigram', detail = none"},
      {Kind::kDocumentation,
       "search_documentation",
       "object_documentation",
       {"executive_summary", "business_narrative", "transformation_cards", "code_explanations", "business_rules",
        "impact_analysis"},
       "tokenize = 'unicode61 remove_diacritics 2', detail = none"},
  };
  return kIndexes;
}

Result<void> create_search_index(Database& database) {
  std::string sql;
  for (const auto& index : search_indexes())
    sql += "create virtual table " + std::string(index.name) + " using fts5 (" + columns_of(index) + ", content = '" +
           index.content + "', content_rowid = 'seq', columnsize = 0, " + index.options + ");\n";
  return database.run(sql);
}

Result<void> build_search_index(Database& database) {
  std::string sql;
  for (const auto& index : search_indexes()) {
    const std::string name = index.name;
    const std::string columns = columns_of(index);
    // Not FTS5's own 'rebuild': that reads names from the index over them, and each row out of order costs a segment
    // (nine times as long).
    sql +=
        "insert into " + name + " (" + name + ", rank) values ('hashsize', " + std::to_string(kBulkHashBytes) + ");\n";
    sql += "insert into " + name + " (rowid, " + columns + ") select seq, " + columns + " from " + index.content +
           " not indexed order by seq;\n";
    sql += "insert into " + name + " (" + name + ", rank) values ('hashsize', 1048576);\n";
  }
  return database.run(sql);
}

Result<void> rebuild_search_index(Database& database) {
  std::string sql;
  for (const auto& index : search_indexes()) sql += "drop table " + std::string(index.name) + ";\n";
  TRY_VOID(database.run(sql));
  TRY_VOID(create_search_index(database));
  return build_search_index(database);
}

Result<std::vector<std::string>> check_search_index(Database& database) {
  std::vector<std::string> problems;
  for (const auto& index : search_indexes()) {
    const std::string name = index.name;
    const auto checked = database.run("insert into " + name + " (" + name + ", rank) values ('integrity-check', 1)");
    if (checked) continue;
    if (!is_damage(checked.error())) return fail(checked.error());
    problems.push_back(name + " does not say what the rows of " + index.content + " say");
  }
  return problems;
}

bool SearchIndex::covers(Kind kind) {
  return kind == Kind::kObject || kind == Kind::kColumn || kind == Kind::kDocumentation;
}

// With values and not "insert … select": a statement that might write several rows opens a savepoint, and at each FTS5
// writes out what it has gathered, a segment a row.
Result<SearchIndex> SearchIndex::prepare(Database& database) {
  SearchIndex search;
  for (const Kind kind : kKinds) {
    if (!covers(kind)) continue;
    OfKind& of_kind = search.kinds_[index_of(kind)];
    std::vector<std::string> columns;
    std::string content;
    for (const auto& index : search_indexes()) {
      if (index.kind != kind) continue;
      content = index.content;
      OfIndex& of_index = of_kind.indexes.emplace_back();
      std::string parameters;
      for (const std::string column : index.columns) {
        auto at = std::find(columns.begin(), columns.end(), column);
        if (at == columns.end()) at = columns.insert(at, column);
        of_index.values.push_back(static_cast<int>(at - columns.begin()));
        parameters += ", ?" + std::to_string(of_index.values.size() + 1);
      }
      const std::string name = index.name, names = columns_of(index);
      TRY(of_index.forget, database.prepare("insert into " + name + " (" + name + ", rowid, " + names +
                                            ") values ('delete', ?1" + parameters + ")"));
      TRY(of_index.learn,
          database.prepare("insert into " + name + " (rowid, " + names + ") values (?1" + parameters + ")"));
    }
    std::string list;
    for (const auto& column : columns) list.append(list.empty() ? "" : ", ").append(column);
    TRY(of_kind.row, database.prepare("select " + list + " from " + content + " where seq = ?1"));
  }
  return search;
}

Result<void> SearchIndex::run(Kind kind, std::int64_t seq, Statement OfIndex::* statement) {
  OfKind& of_kind = kinds_[index_of(kind)];
  if (of_kind.indexes.empty()) return {};
  TRY(const bool there, of_kind.row.integer(1, seq).step());
  if (!there) return {};
  for (auto& of_index : of_kind.indexes) {
    Statement& insert = of_index.*statement;
    insert.integer(1, seq);
    for (std::size_t i = 0; i < of_index.values.size(); ++i)
      sqlite3_bind_value(insert.get(), static_cast<int>(i) + 2,
                         sqlite3_column_value(of_kind.row.get(), of_index.values[i]));
    if (auto done = insert.run(); !done) {
      of_kind.row.reset();
      return done;
    }
  }
  of_kind.row.reset();
  return {};
}

Result<void> SearchIndex::forget(Kind kind, std::int64_t seq) { return run(kind, seq, &OfIndex::forget); }

Result<void> SearchIndex::learn(Kind kind, std::int64_t seq) { return run(kind, seq, &OfIndex::learn); }

}  // namespace tideline::replica
