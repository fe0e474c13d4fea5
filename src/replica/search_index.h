#pragma once
// The full-text indexes over the rows: words of names, descriptions and documentation (prefixes), and the trigrams of
// names (substrings). FTS5 tables whose content is the rows' tables themselves; kept current by the writer, row by row,
// or built in one go after a load. docs/replica.md has their names; queries are in search.cpp.

#include <cstdint>
#include <memory>

#include "replica/schema.h"
#include "wire/row_bytes.h"

namespace tideline::replica {

struct SearchedColumns {
  Kind kind;
  const char* name;     // of the index
  const char* content;  // the table
  std::vector<const char*> columns;
  const char* options;
};
const std::vector<SearchedColumns>& search_indexes();

/// One segment, written once: what is gathered in memory before it is written is larger than any index of ours.
inline constexpr std::int64_t kBulkHashBytes = 268'435'456;

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
  struct OfIndex {
    Statement forget, learn;  // rowid, and then the values
    std::vector<int> values;  // of those of the row's statement
  };
  struct OfKind {
    Statement row;
    std::vector<OfIndex> indexes;
  };
  Result<void> run(Kind kind, std::int64_t seq, Statement OfIndex::* statement);
  std::array<OfKind, kKindCount> kinds_;
};

/// Makes the index of a new file in memory, in a thread of its own, while the rows are put into the file: for rows that
/// come once each, in the order of their numbers. Used by one thread.
class SearchBuilder {
 public:
  static Result<std::unique_ptr<SearchBuilder>> start();
  /// What is not finished is given up.
  ~SearchBuilder();
  SearchBuilder(const SearchBuilder&) = delete;
  SearchBuilder& operator=(const SearchBuilder&) = delete;

  /// Copies what is to be found of the row.
  void add(std::int64_t seq, const wire::RowFields& row);
  /// What was added since the last call is taken up. Waits while too much is still to be done.
  void pass_on();
  /// The index becomes that of `database`, which has had create_search_index and no more; it is to be opened anew
  /// before it is searched. Once, and last. Errors: also those of the thread.
  Result<void> finish(Database& database);

 private:
  struct Impl;
  explicit SearchBuilder(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace tideline::replica
