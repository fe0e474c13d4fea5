#include "store/sync_package.h"

#include <algorithm>
#include <functional>
#include <random>

#include "store/listing.h"
#include "tests/store/sync_client.h"

namespace tideline::test {
namespace {

using store::SyncPackageQuery;

std::string table_of(Kind kind) {
  return kind == Kind::kDocumentation ? "metadata.object_documentation" : "metadata." + std::string(table_name(kind));
}

pg::awaitable<Result<std::unique_ptr<store::SyncPackageReader>>> open_reader(store::Database& database,
                                                                             store::Tenant tenant,
                                                                             SyncPackageQuery query,
                                                                             Deadline deadline) {
  CO_TRY(auto reader, co_await store::SyncPackageReader::open(database, tenant, std::move(query),
                                                              store::Consistency::kPrimary, deadline));
  co_return std::make_unique<store::SyncPackageReader>(std::move(reader));
}

class SyncPackageTest : public StoreTest {
 protected:
  SyncPage page(SyncPackageQuery query = {}) { return page(tenant(), std::move(query)); }
  SyncPage page(store::Tenant who, SyncPackageQuery query) {
    return must(run(read_page(*db_, who, std::move(query), soon())));
  }

  /// Pages on until the last, as a client does; `between` runs after each page but the last.
  std::vector<SyncPage> sync(SyncPackageQuery query, const std::function<void()>& between = {}) {
    std::vector<SyncPage> pages;
    for (query.offset = 0;; query.offset += query.limit) {
      pages.push_back(page(query));
      const auto limit = static_cast<std::size_t>(query.limit);
      EXPECT_LE(pages.back().size(Kind::kObject), limit);
      EXPECT_LE(pages.back().size(Kind::kFile), limit);
      if (pages.back().size(Kind::kObject) < limit && pages.back().size(Kind::kFile) < limit) return pages;
      if (between) between();
    }
  }
  static void apply(SyncCopy& copy, const std::vector<SyncPage>& pages) {
    copy.begin(pages.front());
    for (const auto& each : pages) copy.add(each);
  }

  /// What is in the database, by another way than the one that is tested.
  std::map<std::string, std::int64_t> stored(Kind kind, const std::string& condition = "true") {
    std::map<std::string, std::int64_t> out;
    const auto rows =
        raw("select id, row_version from " + table_of(kind) + " where organization_id = '" + org_.to_string() +
            "' and " + (kind == Kind::kDocumentation ? "hidden_at is null and " : "") + condition);
    for (int row = 0; row < rows.rows(); ++row) out[rows.uuid(row, 0).to_string()] = rows.int64(row, 1);
    return out;
  }
  void expect_equal(SyncCopy& copy) {
    for (const Kind kind : kRowKinds) EXPECT_EQ(copy.versions(kind), stored(kind)) << table_name(kind);
  }
  std::vector<std::string> object_ids_in_order() {
    std::vector<std::string> ids;
    const auto rows = raw("select id from metadata.objects where organization_id = '" + org_.to_string() +
                          "' order by created_version, id");
    for (int row = 0; row < rows.rows(); ++row) ids.push_back(rows.uuid(row, 0).to_string());
    return ids;
  }
  Timestamp stamp() { return page({.limit = 1}).head.stamp; }

  static Project project(int objects) {
    Project out;
    for (int i = 0; i < objects; ++i) {
      auto& object = out.objects["m" + std::to_string(i)];
      object.file = "models/" + std::to_string(i / 2) + ".sql";
      object.columns = {{"a", "int"}, {"b", "text"}};
      if (i > 0) {
        object.upstream = {"m" + std::to_string(i - 1)};
        object.lineage = {"a"};
      }
    }
    return out;
  }
};

TEST_F(SyncPackageTest, FullAnswerHasEveryRowInOrder) {
  const auto connection = make_connection();
  push(connection, project(7));
  const auto got = page();
  EXPECT_FALSE(got.head.incremental);
  EXPECT_FALSE(got.head.connections);
  EXPECT_EQ(got.head.timestamp, got.head.stamp);
  EXPECT_EQ(got.ids(Kind::kObject), object_ids_in_order());
  SyncCopy copy;
  apply(copy, {got});
  expect_equal(copy);
  EXPECT_EQ(got.size(Kind::kFile), 4u);
  EXPECT_EQ(got.size(Kind::kColumn), 14u);
  EXPECT_EQ(got.size(Kind::kDependency), 6u);
  EXPECT_EQ(got.size(Kind::kColumnLineage), 6u);
}

TEST_F(SyncPackageTest, RowsHaveTheirPublicColumns) {
  const auto connection = make_connection();
  push(connection, project(2));
  const auto got = page();
  const Json& object = got.rows.at(Kind::kObject)[1];
  EXPECT_EQ(object.string_at("organization_id"), org_.to_string());
  EXPECT_EQ(object.string_at("connection_id"), connection.to_string());
  EXPECT_EQ(*object.find("confidence")->if_double(), 0.99);
  EXPECT_TRUE(object.find("metadata")->find("unique_id"));
  EXPECT_TRUE(object.find("compiled_as_of")->is_null());
  EXPECT_EQ(object.string_at("updated_at"), got.head.stamp.to_string());
  EXPECT_NE(object.string_at("definition")->find("漢字"), std::string::npos);
  const Json& edge = got.rows.at(Kind::kColumnLineage)[0];
  EXPECT_EQ(edge.string_at("source_connection_id"), connection.to_string());
  EXPECT_EQ(edge.string_at("target_column"), "a");
}

TEST_F(SyncPackageTest, EveryLimitGivesEachRowOnceWhenNothingChanges) {
  push(make_connection(), project(9));
  push(make_connection("acme/other"), project(4));
  for (int limit = 1; limit <= 15; ++limit) {
    const auto pages = sync({.limit = limit});
    EXPECT_EQ(pages.size(), 13u / static_cast<unsigned>(limit) + 1) << "limit " << limit;
    std::vector<std::string> order;
    for (const Kind kind : kRowKinds) {
      std::vector<std::string> all;
      for (const auto& each : pages)
        for (auto& id : each.ids(kind)) all.push_back(std::move(id));
      if (kind == Kind::kObject) order = all;
      EXPECT_EQ(std::set(all.begin(), all.end()).size(), all.size()) << table_name(kind) << ", limit " << limit;
      EXPECT_EQ(all.size(), stored(kind).size()) << table_name(kind) << ", limit " << limit;
    }
    EXPECT_EQ(order, object_ids_in_order());
    // What hangs on an object comes with it.
    for (const auto& each : pages) {
      const auto ids = each.ids(Kind::kObject);
      const std::set<std::string> here(ids.begin(), ids.end());
      for (const auto& [kind, member] : std::map<Kind, std::string>{{Kind::kColumn, "object_id"},
                                                                    {Kind::kDependency, "target_object_id"},
                                                                    {Kind::kColumnLineage, "target_object_id"}})
        if (each.rows.contains(kind))
          for (const Json& row : each.rows.at(kind)) EXPECT_TRUE(here.contains(row.string_at(member).value()));
    }
  }
}

TEST_F(SyncPackageTest, OffsetsAtAndBeyondTheEnd) {
  push(make_connection(), project(3));
  EXPECT_EQ(page({.limit = 3, .offset = 0}).size(Kind::kObject), 3u);
  EXPECT_EQ(page({.limit = 3, .offset = 2}).size(Kind::kObject), 1u);
  EXPECT_EQ(page({.limit = 3, .offset = 3}).size(Kind::kObject), 0u);
  EXPECT_EQ(page({.limit = 10'000, .offset = std::numeric_limits<std::int64_t>::max()}).size(Kind::kObject), 0u);
}

TEST_F(SyncPackageTest, RemovedRowKeepsItsPlaceAlsoAfterItComesBack) {
  const auto connection = make_connection();
  auto all = project(6);
  push(connection, all);
  const auto order = object_ids_in_order();
  auto less = all;
  const std::string gone = "m" + std::to_string(0);
  less.objects.erase(gone);
  less.objects["m1"].upstream.clear();
  less.objects["m1"].lineage.clear();
  push(connection, less);
  const auto gone_id = object_id(connection, gone).to_string();
  const auto place = std::find(order.begin(), order.end(), gone_id) - order.begin();
  // A page that begins at the empty place is filled up with what lives behind it.
  const auto behind = page({.limit = 1, .offset = place}).ids(Kind::kObject);
  if (static_cast<std::size_t>(place) + 1 < order.size()) {
    EXPECT_EQ(behind, std::vector{order[static_cast<std::size_t>(place) + 1]});
  }
  const auto last = page({.limit = 1, .offset = 5}).ids(Kind::kObject);
  EXPECT_EQ(last.empty(), place == 5);
  push(connection, all);
  EXPECT_EQ(page({.limit = 1, .offset = place}).ids(Kind::kObject), std::vector{gone_id});
  EXPECT_EQ(object_ids_in_order(), order);
}

TEST_F(SyncPackageTest, IncrementalTellsWhatChangedAndWhatIsGone) {
  const auto connection = make_connection();
  auto all = project(5);
  push(connection, all);
  const auto before = page();
  auto next = all;
  next.objects["m1"].columns["c"] = "date";
  next.objects["m2"].columns.erase("b");
  next.objects.erase("m4");
  push(connection, next);
  const auto got = page({.last_sync = before.head.timestamp});
  EXPECT_TRUE(got.head.incremental);
  std::set<std::string> changed;
  for (auto& id : got.ids(Kind::kObject)) changed.insert(id);
  EXPECT_EQ(changed, (std::set{object_id(connection, "m1").to_string(), object_id(connection, "m2").to_string()}));
  EXPECT_EQ(got.size(Kind::kColumn), 4u) << "a changed object brings all its columns";
  EXPECT_EQ(got.deletions.of(Kind::kObject), std::vector{object_id(connection, "m4")});
  EXPECT_EQ(got.deletions.of(Kind::kColumn).size(), 3u);
  EXPECT_EQ(got.deletions.of(Kind::kDependency).size(), 1u);
  EXPECT_EQ(got.deletions.of(Kind::kColumnLineage).size(), 1u);
  EXPECT_EQ(got.deletions.of(Kind::kFile), std::vector{file_id(connection, "models/2.sql")});
  EXPECT_TRUE(got.deletions.of(Kind::kConnection).empty());
  EXPECT_TRUE(page({.last_sync = before.head.timestamp, .offset = 1}).deletions.of(Kind::kObject).empty());
  SyncCopy copy;
  apply(copy, {before});
  apply(copy, {got});
  expect_equal(copy);
}

TEST_F(SyncPackageTest, TimeBetweenVersionsMeansTheEarlierOne) {
  const auto connection = make_connection();
  std::vector<Timestamp> stamps{stamp()};
  for (int objects = 1; objects <= 4; ++objects) {
    push(connection, project(objects));
    stamps.push_back(stamp());
  }
  for (std::size_t i = 0; i + 1 < stamps.size(); ++i) {
    ASSERT_LT(stamps[i], stamps[i + 1]);
    for (const Timestamp time : {stamps[i], Timestamp{stamps[i + 1].micros - 1}}) {
      const auto got = page({.last_sync = time});
      EXPECT_TRUE(got.head.incremental);
      EXPECT_EQ(got.size(Kind::kObject), stamps.size() - 1 - i);
    }
    // What JavaScript keeps of it: milliseconds, cut off. More comes, nothing is missed.
    const auto cut = page({.last_sync = Timestamp{stamps[i].micros / 1000 * 1000}});
    EXPECT_TRUE(cut.head.incremental);
    EXPECT_GE(cut.size(Kind::kObject), stamps.size() - 1 - i);
  }
  const auto nothing = page({.last_sync = stamps.back()});
  EXPECT_TRUE(nothing.head.incremental);
  EXPECT_EQ(nothing.size(Kind::kObject) + nothing.size(Kind::kFile), 0u);
  const auto ahead = page({.last_sync = Timestamp{stamps.back().micros + 1}});
  EXPECT_FALSE(ahead.head.incremental);
  EXPECT_EQ(ahead.size(Kind::kObject), 4u);
  const auto ancient = page({.last_sync = Timestamp{0}});
  EXPECT_TRUE(ancient.head.incremental) << "nothing is forgotten yet: all changes since the start";
  EXPECT_EQ(ancient.size(Kind::kObject), 4u);
}

TEST_F(SyncPackageTest, TimeBelowTheFloorIsAnsweredInFull) {
  const auto connection = make_connection();
  std::vector<Timestamp> stamps;
  for (int objects = 6; objects >= 2; --objects) {
    push(connection, project(objects));
    stamps.push_back(stamp());
  }
  const auto floor = must(run(store::prune(*db_, tenant(),
                                           {.age = std::chrono::microseconds(0),
                                            .versions = 3,
                                            .hidden_documentation = std::chrono::microseconds(0),
                                            .slack = std::chrono::microseconds(0)},
                                           soon())))
                         .floor;
  ASSERT_GT(floor.value, 0);
  int full = 0;
  for (const Timestamp time : stamps) {
    const auto got = page({.last_sync = time});
    full += !got.head.incremental;
    if (!got.head.incremental) {
      EXPECT_EQ(got.size(Kind::kObject), 2u);
      EXPECT_TRUE(got.deletions.of(Kind::kObject).empty());
    } else {
      EXPECT_GE(got.head.base, floor);
    }
  }
  EXPECT_GT(full, 0);
  EXPECT_LT(full, static_cast<int>(stamps.size()));
  EXPECT_FALSE(page({.last_sync = Timestamp{0}}).head.incremental);
}

TEST_F(SyncPackageTest, AsOfIsRepeatedUnlessItIsAhead) {
  push(make_connection(), project(2));
  const Timestamp head = stamp();
  EXPECT_EQ(page({.as_of = Timestamp{head.micros - 5}}).head.timestamp.micros, head.micros - 5);
  EXPECT_EQ(page({.as_of = head}).head.timestamp, head);
  EXPECT_EQ(page({.as_of = Timestamp{head.micros + 1}}).head.timestamp, head);
}

TEST_F(SyncPackageTest, ConnectionsNarrowAndUnknownOnesAreIgnored) {
  const auto first = make_connection(), second = make_connection("acme/other");
  push(first, project(3));
  push(second, project(2));
  const auto unknown = ConnectionId::random();
  std::vector<ConnectionId> used{second};
  auto got = page({.connections = std::vector{unknown, second}});
  EXPECT_EQ(got.head.connections, used);
  EXPECT_EQ(got.size(Kind::kObject), 2u);
  EXPECT_EQ(page({.connections = std::vector{first, second}}).size(Kind::kObject), 5u);
  got = page({.connections = std::vector{unknown}});
  EXPECT_EQ(got.head.connections, std::vector<ConnectionId>{});
  EXPECT_EQ(got.size(Kind::kObject) + got.size(Kind::kFile), 0u);
  got = page({.connections = std::vector<ConnectionId>{}});
  EXPECT_EQ(got.size(Kind::kObject), 0u);
}

TEST_F(SyncPackageTest, RemovedConnectionIsToldByItselfAlone) {
  const auto first = make_connection(), second = make_connection("acme/other");
  push(first, project(3));
  push(second, project(2));
  auto less = project(3);
  less.objects.erase("m2");
  push(first, less);
  const auto before = page();
  less.objects.erase("m1");
  push(first, less);
  must(run(store::delete_connection(*db_, tenant(), first, soon())));
  const auto got = page({.last_sync = before.head.timestamp});
  EXPECT_EQ(got.deletions.of(Kind::kConnection), std::vector{first.value});
  for (const Kind kind : kRowKinds) EXPECT_TRUE(got.deletions.of(kind).empty()) << table_name(kind);
  SyncCopy copy;
  apply(copy, {before});
  apply(copy, {got});
  expect_equal(copy);
  // Asked by its id, which is no more: the same.
  EXPECT_EQ(
      page({.connections = std::vector{first}, .last_sync = before.head.timestamp}).deletions.of(Kind::kConnection),
      std::vector{first.value});
  EXPECT_TRUE(page({.connections = std::vector{second}, .last_sync = before.head.timestamp})
                  .deletions.of(Kind::kConnection)
                  .empty());
}

TEST_F(SyncPackageTest, ConnectionRemovedWhilePagingShiftsNothing) {
  const auto first = make_connection(), second = make_connection("acme/other");
  push(first, project(5));
  push(second, project(5));
  const SyncPackageQuery query{.connections = std::vector{first, second}, .limit = 2};
  bool removed = false;
  const auto pages = sync(query, [&] {
    if (!std::exchange(removed, true)) must(run(store::delete_connection(*db_, tenant(), first, soon())));
  });
  std::set<std::string> seen;
  for (const auto& each : pages)
    for (auto& id : each.ids(Kind::kObject)) seen.insert(id);
  for (const auto& [id, version] : stored(Kind::kObject)) EXPECT_TRUE(seen.contains(id));
}

TEST_F(SyncPackageTest, ConnectionThatCameBackUnderItsIdIsAnsweredInFull) {
  const auto id = ConnectionId::random();
  make_connection(tenant(), "acme/shop", id);
  push(id, project(3));
  const auto before = page();
  must(run(store::delete_connection(*db_, tenant(), id, soon())));
  make_connection(tenant(), "acme/shop", id);
  auto other = project(3);
  other.objects["m1"].columns = {{"z", "int"}};
  push(id, other);
  const auto got = page({.last_sync = before.head.timestamp});
  EXPECT_FALSE(got.head.incremental);
  SyncCopy copy;
  apply(copy, {before});
  apply(copy, {got});
  expect_equal(copy);
  EXPECT_TRUE(page({.last_sync = got.head.timestamp}).head.incremental);
}

TEST_F(SyncPackageTest, ConnectionThatCameBackBeforeItHeldAnythingIsNotAmongTheDeleted) {
  const auto id = ConnectionId::random();
  make_connection(tenant(), "acme/shop", id);
  const auto before = page();
  must(run(store::delete_connection(*db_, tenant(), id, soon())));
  EXPECT_EQ(page({.last_sync = before.head.timestamp}).deletions.of(Kind::kConnection).size(), 1u);
  make_connection(tenant(), "acme/shop", id);
  push(id, project(3));
  const auto got = page({.last_sync = before.head.timestamp});
  EXPECT_TRUE(got.deletions.of(Kind::kConnection).empty()) << "it is there";
  SyncCopy copy;
  apply(copy, {before});
  apply(copy, {got});
  expect_equal(copy);
}

TEST_F(SyncPackageTest, DocumentationComesWhenAsked) {
  const auto connection = make_connection();
  push(connection, project(3));
  const auto write = [&](const std::string& text) {
    store::DocumentationItem item;
    item.connection = connection;
    item.unique_id = "m1";
    item.content.executive_summary = text;
    item.content.business_rules = JsonText{R"(["one",2])"};
    must(run(store::put_documentation(*db_, tenant(), {item}, soon())));
  };
  write("first");
  EXPECT_EQ(page().size(Kind::kDocumentation), 0u);
  const auto before = page({.include_documentation = true});
  ASSERT_EQ(before.size(Kind::kDocumentation), 1u);
  const Json& row = before.rows.at(Kind::kDocumentation)[0];
  EXPECT_EQ(row.string_at("executive_summary"), "first");
  EXPECT_EQ(row.find("business_rules")->canonical(), R"(["one",2])");
  EXPECT_EQ(row.find("objects"), nullptr);
  write("second");
  const auto changed = page({.last_sync = before.head.timestamp, .include_documentation = true});
  EXPECT_EQ(changed.ids(Kind::kObject), std::vector{object_id(connection, "m1").to_string()});
  ASSERT_EQ(changed.size(Kind::kDocumentation), 1u);
  // Out of sight with its object, and back with it.
  auto less = project(3);
  less.objects.erase("m1");
  less.objects["m2"].upstream.clear();
  less.objects["m2"].lineage.clear();
  push(connection, less);
  const auto hidden = page({.last_sync = changed.head.timestamp, .include_documentation = true});
  EXPECT_EQ(hidden.deletions.of(Kind::kDocumentation).size(), 1u);
  EXPECT_EQ(page({.include_documentation = true}).size(Kind::kDocumentation), 0u);
  push(connection, project(3));
  const auto back = page({.last_sync = hidden.head.timestamp, .include_documentation = true});
  EXPECT_EQ(back.size(Kind::kDocumentation), 1u);
}

TEST_F(SyncPackageTest, TwoOrganizationsWithTheSameRowsSeeEachTheirOwn) {
  const auto id = ConnectionId::random();
  make_connection(tenant(), "acme/shop", id);
  make_connection(other_tenant(), "acme/shop", id);
  push(id, project(4));
  const ProjectRows rows(project(4));
  must(run(store::push(*db_, request_for(other_tenant(), id), rows, blocking_.get_executor(), soon())));
  for (const auto& who : {tenant(), other_tenant()}) {
    const auto got = page(who, {.connections = std::vector{id}, .include_documentation = true});
    EXPECT_EQ(got.size(Kind::kObject), 4u);
    for (const auto& [kind, list] : got.rows)
      for (const Json& row : list) EXPECT_EQ(row.string_at("organization_id"), who.organization.to_string());
  }
  // Neither a member of the other nor a stranger gets anything, and is told the same.
  for (const store::Tenant who :
       {store::Tenant{org_, other_user_}, store::Tenant{other_org_, admin_user_}, store::Tenant{org_, UserId::random()},
        store::Tenant{OrganizationId::random(), admin_user_}}) {
    const auto refused = run(read_page(*db_, who, {}, soon()));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Code::kPermissionDenied);
    const auto listing = run(store::read_connection_listing(*db_, who, store::Consistency::kPrimary, soon()));
    ASSERT_FALSE(listing);
    EXPECT_EQ(listing.error().code, Code::kPermissionDenied);
  }
}

TEST_F(SyncPackageTest, PageIsOneSnapshot) {
  const auto connection = make_connection();
  push(connection, project(6));
  const auto before = stored(Kind::kObject);
  const auto reader = must(run(open_reader(*db_, tenant(), {.limit = 100}, soon())));
  auto next = project(2);
  next.objects["m0"].description = "new";
  push(connection, next);
  std::map<std::string, std::int64_t> seen;
  for (;;) {
    auto chunk = must(run(reader->next(soon())));
    if (!chunk) break;
    if (chunk->kind != Kind::kObject) continue;
    for (int row = 0; row < chunk->rows.rows(); ++row)
      seen[chunk->rows.uuid(row, 0).to_string()] = chunk->rows.int64(row, chunk->rows.columns() - 1);
  }
  EXPECT_EQ(seen, before);
  EXPECT_EQ(reader->head().version.value, page().head.version.value - 1);
}

// Histories at random: pushes that add, change and remove, documents, connections that go and come, while a client
// pages.
class SyncHistories : public SyncPackageTest, public ::testing::WithParamInterface<unsigned> {
 protected:
  struct Repository {
    ConnectionId id = ConnectionId::random();
    std::string name;
    bool is_there = false;
    Project project{};
  };

  std::size_t below(std::size_t n) { return random_() % n; }

  void change(Project& project) {
    for (std::size_t i = 0, n = 1 + below(4); i < n; ++i) {
      const std::string name = "m" + std::to_string(below(14));
      auto& object = project.objects[name];
      switch (below(6)) {
        case 0:
          project.objects.erase(name);
          break;
        case 1:
          object.columns["c" + std::to_string(below(4))] = below(2) == 0 ? "int" : "text";
          break;
        case 2:
          if (!object.columns.empty()) object.columns.erase(object.columns.begin());
          break;
        case 3:
          object.upstream = {"m" + std::to_string(below(14))};
          object.lineage.clear();
          for (const auto& [column, type] : object.columns) object.lineage.push_back(column);
          break;
        case 4:
          object.file = "models/" + std::to_string(below(6)) + ".sql";
          break;
        default:
          object.description = std::to_string(below(1000));
      }
    }
  }

  void step() {
    Repository& repository = repositories_[below(repositories_.size())];
    if (!repository.is_there) {
      make_connection(tenant(), repository.name, repository.id);
      repository.is_there = true;
    } else if (below(12) == 0) {
      must(run(store::delete_connection(*db_, tenant(), repository.id, soon())));
      repository.is_there = false;
      return;
    } else if (below(6) == 0 && !repository.project.objects.empty()) {
      store::DocumentationItem item;
      item.connection = repository.id;
      item.unique_id = repository.project.objects.begin()->first;
      item.content.executive_summary = std::to_string(below(100));
      must(run(store::put_documentation(*db_, tenant(), {item}, soon())));
      return;
    }
    change(repository.project);
    push(repository.id, repository.project);
  }

  std::mt19937 random_{GetParam()};
  std::vector<Repository> repositories_{{.name = "acme/a"}, {.name = "acme/b"}};
};

TEST_P(SyncHistories, PagedSyncPlusOneIncrementalIsTheServer) {
  for (int i = 0; i < 4; ++i) step();
  for (int round = 0; round < 4; ++round) {
    SCOPED_TRACE("seed " + std::to_string(GetParam()) + ", round " + std::to_string(round));
    const auto at_start = stored(Kind::kObject);
    std::set<std::string> stayed;
    for (const auto& [id, version] : at_start) stayed.insert(id);
    const auto between = [&] {
      if (below(2) == 0) return;
      step();
      const auto now = stored(Kind::kObject);
      std::erase_if(stayed, [&](const std::string& id) { return !now.contains(id); });
    };
    SyncPackageQuery query{.include_documentation = true, .limit = static_cast<std::int64_t>(1 + below(9))};
    const auto pages = sync(query, between);
    std::set<std::string> seen;
    for (const auto& each : pages)
      for (auto& id : each.ids(Kind::kObject)) seen.insert(id);
    for (const auto& id : stayed) EXPECT_TRUE(seen.contains(id)) << "an object that stayed was skipped";

    SyncCopy copy;
    apply(copy, pages);
    // An incremental sync that is overtaken while it pages, and then one that is not.
    query.last_sync = pages.front().head.timestamp;
    query.limit = static_cast<std::int64_t>(1 + below(9));
    const auto overtaken = sync(query, between);
    apply(copy, overtaken);
    query.last_sync = overtaken.front().head.timestamp;
    apply(copy, sync(query));
    expect_equal(copy);
    // Row by row what a fresh client gets.
    SyncCopy fresh;
    apply(fresh, sync({.include_documentation = true, .limit = 10'000}));
    for (const Kind kind : kRowKinds) {
      ASSERT_EQ(copy.of(kind).size(), fresh.of(kind).size());
      for (const auto& [id, row] : fresh.of(kind)) EXPECT_EQ(copy.of(kind).at(id).text, row.text);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, SyncHistories, ::testing::Range(1u, 13u));

}  // namespace
}  // namespace tideline::test
