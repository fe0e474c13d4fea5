#pragma once
// A client of the changes of one connection as the protocol has it, without HTTP and cursors: pages as bytes, and a
// copy of the rows kept by them.

#include <map>
#include <optional>
#include <string>
#include <utility>

#include "store/changes.h"
#include "tests/store/store_fixture.h"
#include "wire/changes_page.h"
#include "wire/row_bytes.h"

namespace tideline::test {

struct ChangesPage {
  store::ChangesHead head;
  store::ChangesPosition position;
  bool exhausted = false;
  std::string bytes;
};

inline pg::awaitable<Result<ChangesPage>> read_changes(store::Database& database, store::Tenant tenant,
                                                       store::ChangesQuery query, Deadline deadline) {
  CO_TRY(auto reader, co_await store::ChangesReader::open(database, tenant, std::move(query),
                                                          store::Consistency::kPrimary, deadline));
  ChangesPage page{.head = reader.head(), .position = {}, .exhausted = false, .bytes = {}};
  wire::ChangesPageWriter writer(page.bytes);
  for (;;) {
    CO_TRY(const auto chunk, co_await reader.next(deadline));
    if (!chunk) break;
    store::append_changes(writer, *chunk);
  }
  writer.finish("{}");
  page.position = reader.position();
  page.exhausted = reader.is_exhausted();
  co_return std::move(page);
}

class ChangesCopy {
 public:
  struct Row {
    std::int64_t version = 0;
    RowHash hash;
    std::string bytes;
  };
  using Key = std::pair<Kind, Uuid>;

  /// From where the next page goes on, and what that one is asked for.
  store::ChangesQuery query(ConnectionId connection, std::size_t max_bytes) const {
    return {.connection = connection, .from = position, .low = low, .max_bytes = max_bytes};
  }

  /// Entries of the page, in order.
  std::vector<store::ChangesPosition> apply(const ChangesPage& page) {
    std::vector<store::ChangesPosition> order;
    wire::ChangesPageReader reader;
    reader.feed(page.bytes);
    for (;;) {
      const auto event = must(reader.next());
      if (event == wire::ChangesPageReader::Event::kNeedInput || event == wire::ChangesPageReader::Event::kEnd) break;
      if (event == wire::ChangesPageReader::Event::kTombstone) {
        const auto& gone = reader.tombstone();
        order.push_back({gone.row_version, static_cast<std::uint8_t>(gone.kind), gone.id});
        EXPECT_TRUE(low.has_value() && gone.row_version > *low) << "a tombstone the client has no use for";
        rows.erase({gone.kind, gone.id});
        ++tombstones;
        continue;
      }
      const auto fields = must(wire::read_row_bytes(reader.row().bytes));
      order.push_back({reader.row().row_version, static_cast<std::uint8_t>(fields.kind), fields.id()});
      rows[{fields.kind, fields.id()}] = {reader.row().row_version.value, reader.row().hash,
                                          std::string(reader.row().bytes)};
    }
    must(reader.finish());
    if (!low) low = page.head.version;
    position = page.position;
    if (page.exhausted) {
      low = page.head.version;
      position = store::ChangesPosition::behind(*low);
    }
    return order;
  }

  Digest digest() const {
    Digest sum;
    for (const auto& [key, row] : rows) sum.of(key.first).add(row.hash);
    return sum;
  }

  std::map<Key, Row> rows;
  store::ChangesPosition position;
  std::optional<Version> low;
  std::size_t tombstones = 0;
};

}  // namespace tideline::test
