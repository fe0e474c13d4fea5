#pragma once
// A client of the sync package as its readers see it: pages as parsed JSON, and a copy of the server's rows kept by
// them.

#include <map>
#include <set>
#include <string>

#include "base/json.h"
#include "store/sync_package.h"
#include "tests/store/store_fixture.h"

namespace tideline::test {

inline constexpr Kind kRowKinds[] = {Kind::kFile,       Kind::kObject,        Kind::kColumn,
                                     Kind::kDependency, Kind::kColumnLineage, Kind::kDocumentation};

struct SyncPage {
  store::SyncPackageHead head;
  store::Deletions deletions;
  std::map<Kind, std::vector<Json>> rows;
  std::size_t size(Kind kind) const {
    const auto found = rows.find(kind);
    return found == rows.end() ? 0 : found->second.size();
  }
  std::vector<std::string> ids(Kind kind) const {
    std::vector<std::string> out;
    if (const auto found = rows.find(kind); found != rows.end())
      for (const Json& row : found->second) out.push_back(row.string_at("id").value());
    return out;
  }
};

inline pg::awaitable<Result<SyncPage>> read_page(store::Database& database, store::Tenant tenant,
                                                 store::SyncPackageQuery query, Deadline deadline) {
  CO_TRY(auto reader, co_await store::SyncPackageReader::open(database, tenant, std::move(query),
                                                              store::Consistency::kPrimary, deadline));
  SyncPage page{.head = reader.head(), .deletions = reader.deletions(), .rows = {}};
  std::map<Kind, std::string> texts;
  for (;;) {
    CO_TRY(auto chunk, co_await reader.next(deadline));
    if (!chunk) break;
    std::string text;
    wire::JsonRows json(text);
    store::append_rows(json, *chunk);
    CO_TRY(auto parsed, Json::parse("[" + text + "]", "rows"));
    for (const Json& row : *parsed.if_array()) page.rows[chunk->kind].push_back(row);
  }
  co_return std::move(page);
}

/// What a client has: by kind and id, the row's text.
class SyncCopy {
 public:
  /// One whole sync, of the pages in order.
  void begin(const SyncPage& first) {
    if (!first.head.incremental) {
      rows_.clear();
      return;
    }
    for (const Uuid& connection : first.deletions.of(Kind::kConnection))
      for (auto& [kind, rows] : rows_)
        std::erase_if(rows, [&](const auto& row) { return row.second.connection == connection.to_string(); });
    for (const Kind kind : kRowKinds)
      for (const Uuid& id : first.deletions.of(kind)) rows_[kind].erase(id.to_string());
  }
  void add(const SyncPage& page) {
    for (const auto& [kind, rows] : page.rows)
      for (const Json& row : rows)
        rows_[kind][row.string_at("id").value()] = {row.string_at("connection_id").value(),
                                                    *row.find("row_version")->if_int(), row.canonical()};
  }

  struct Row {
    std::string connection;
    std::int64_t row_version = 0;
    std::string text;
  };
  const std::map<std::string, Row>& of(Kind kind) { return rows_[kind]; }
  /// id → row_version, as the database has it.
  std::map<std::string, std::int64_t> versions(Kind kind) {
    std::map<std::string, std::int64_t> out;
    for (const auto& [id, row] : rows_[kind]) out[id] = row.row_version;
    return out;
  }

 private:
  std::map<Kind, std::map<std::string, Row>> rows_;
};

}  // namespace tideline::test
