#pragma once
// The full-text indexes over the rows: words of names, descriptions and documentation (prefixes), and the trigrams of
// names (substrings). FTS5 tables whose content is the rows' tables themselves; kept current by the writer, row by row,
// or built in one go after a load. docs/replica.md has their names; queries are in search.cpp.

#include "replica/schema.h"

namespace tideline::replica {

Result<void> create_search_index(Database& database);
/// Of all rows; the index is empty before.
Result<void> build_search_index(Database& database);
/// Of all rows, whatever the index says.
Result<void> rebuild_search_index(Database& database);
/// What is wrong with it, a line each; nothing when it says what the rows say. Needs a connection that may write, but
/// writes nothing.
Result<std::vector<std::string>> check_search_index(Database& database);

/// Keeps the index in step with single rows.
class SearchIndex {
 public:
  static Result<SearchIndex> prepare(Database& database);
  static bool covers(Kind kind);

  /// Before a row that is there is changed or removed.
  Result<void> forget(Kind kind, std::int64_t seq);
  /// After one was written.
  Result<void> learn(Kind kind, std::int64_t seq);

 private:
  struct OfKind {
    std::vector<Statement> forget, learn;
  };
  std::array<OfKind, kKindCount> kinds_;
};

}  // namespace tideline::replica
