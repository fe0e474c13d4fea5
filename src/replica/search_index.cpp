#include "replica/search_index.h"

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
    if (checked.error().code != Code::kCorrupt) return fail(checked.error());
    problems.push_back(name + " does not say what the rows of " + index.content + " say");
  }
  return problems;
}

bool SearchIndex::covers(Kind kind) {
  return kind == Kind::kObject || kind == Kind::kColumn || kind == Kind::kDocumentation;
}

Result<SearchIndex> SearchIndex::prepare(Database& database) {
  SearchIndex search;
  for (const auto& index : search_indexes()) {
    const std::string name = index.name, columns = columns_of(index);
    const std::string from = " from " + std::string(index.content) + " where seq = ?1";
    OfKind& of_kind = search.kinds_[index_of(index.kind)];
    TRY(auto forget, database.prepare("insert into " + name + " (" + name + ", rowid, " + columns +
                                      ") select 'delete', seq, " + columns + from));
    TRY(auto learn,
        database.prepare("insert into " + name + " (rowid, " + columns + ") select seq, " + columns + from));
    of_kind.forget.push_back(std::move(forget));
    of_kind.learn.push_back(std::move(learn));
  }
  return search;
}

Result<void> SearchIndex::forget(Kind kind, std::int64_t seq) {
  for (auto& statement : kinds_[index_of(kind)].forget) TRY_VOID(statement.integer(1, seq).run());
  return {};
}

Result<void> SearchIndex::learn(Kind kind, std::int64_t seq) {
  for (auto& statement : kinds_[index_of(kind)].learn) TRY_VOID(statement.integer(1, seq).run());
  return {};
}

}  // namespace tideline::replica
