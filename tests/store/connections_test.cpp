#include "tests/store/store_fixture.h"

namespace tideline::test {
namespace {

class ConnectionsTest : public StoreTest {
 protected:
  Result<store::WriteOutcome> try_register(store::ConnectionSpec spec) {
    return run(store::register_connection(*db_, tenant(), std::move(spec), soon()));
  }
  Result<store::WriteOutcome> try_update(ConnectionId id, store::ConnectionChange change) {
    return run(store::update_connection(*db_, tenant(), id, std::move(change), soon()));
  }
  std::optional<store::ConnectionState> find(store::ConnectionKey key) {
    return must(run(store::find_connection(*db_, tenant(), std::move(key), soon())));
  }
  static store::ConnectionSpec spec(const std::string& full_name) {
    return {.id = {}, .key = {"github", full_name, ""}, .name = {}, .url = {}};
  }
  static Project two_objects() {
    Project project;
    project.objects["model.a"] = {.columns = {{"id", "int"}, {"x", "int"}}, .upstream = {"model.b"}, .lineage = {"id"}};
    project.objects["model.b"] = {.file = "models/b.sql", .columns = {{"id", "int"}}};
    return project;
  }
};

TEST_F(ConnectionsTest, RegisteringTwiceIsOneConnectionAndOneVersion) {
  const auto first = must(try_register(spec("acme/shop")));
  EXPECT_TRUE(first.made);
  EXPECT_EQ(first.version.value, 1);
  const auto second = must(try_register(spec("ACME/Shop/")));
  EXPECT_FALSE(second.made);
  EXPECT_EQ(second.connection, first.connection);
  EXPECT_EQ(second.version, first.version);
  const auto state = state_of(first.connection);
  EXPECT_EQ(state.record.name, "shop");
  EXPECT_EQ(state.status, "connected");
  expect_digest_holds(first.connection);
}

TEST_F(ConnectionsTest, SubdirectoriesOfOneRepositoryAreTheirOwnConnections) {
  auto in = [](std::string subdir) {
    return store::ConnectionSpec{.id = {}, .key = {"github", "acme/mono", std::move(subdir)}, .name = {}, .url = {}};
  };
  const auto a = must(try_register(in("dbt/a")));
  const auto b = must(try_register(in("/dbt/./b/")));
  EXPECT_NE(a.connection, b.connection);
  EXPECT_EQ(must(try_register(in("dbt//a"))).connection, a.connection);
  EXPECT_EQ(find({"github", "acme/mono", "dbt/b"})->record.id, b.connection.value);
  EXPECT_FALSE(find({"github", "acme/mono", ""}));
}

TEST_F(ConnectionsTest, BadInputIsRefusedByField) {
  for (const auto& [key, field] : std::vector<std::pair<store::ConnectionKey, std::string>>{
           {{"", "a/b", ""}, "type"},
           {{"git hub", "a/b", ""}, "type"},
           {{"git", "", ""}, "full_name"},
           {{"git", " / ", ""}, "full_name"},
           {{"git", "a\nb", ""}, "full_name"},
           {{"git", std::string(600, 'a'), ""}, "full_name"},
           {{"git", "a\xff", ""}, "full_name"},
           {{"git", "a/b", "../c"}, "subdir"},
       }) {
    const auto refused = try_register({.id = {}, .key = key, .name = {}, .url = {}});
    ASSERT_FALSE(refused) << field;
    EXPECT_EQ(refused.error().code, Code::kInvalidInput);
    EXPECT_TRUE(refused.error().message.starts_with(field)) << refused.error().message;
  }
  EXPECT_EQ(count("metadata.versions"), 0);
}

TEST_F(ConnectionsTest, AnIdIsKeptAndNotTakenTwice) {
  auto chosen = spec("acme/shop");
  chosen.id = ConnectionId::random();
  EXPECT_EQ(must(try_register(chosen)).connection, *chosen.id);
  auto same_id = spec("acme/other");
  same_id.id = chosen.id;
  EXPECT_EQ(try_register(same_id).error().code, Code::kConflict);
  auto same_name = spec("acme/shop");
  same_name.id = ConnectionId::random();
  EXPECT_EQ(try_register(same_name).error().code, Code::kConflict);
  // Another organization may well use the same id.
  EXPECT_EQ(make_connection(other_tenant(), "acme/shop", chosen.id), *chosen.id);
}

TEST_F(ConnectionsTest, ARenamedConnectionIsFoundByItsOldNames) {
  const auto id = must(try_register(spec("acme/shop"))).connection;
  EXPECT_TRUE(must(try_update(id, {.name = {}, .full_name = "acme/store", .subdir = {}, .url = {}})).made);
  EXPECT_FALSE(must(try_update(id, {.name = {}, .full_name = "acme/store", .subdir = {}, .url = {}})).made);
  must(try_update(id, {.name = {}, .full_name = "acme/market", .subdir = {}, .url = {}}));
  EXPECT_EQ(find({"github", "Acme/Shop", ""})->record.id, id.value);
  EXPECT_EQ(find({"github", "acme/store", ""})->record.id, id.value);
  EXPECT_EQ(state_of(id).record.aliases.text, "[\"acme/shop\",\"acme/store\"]");
  expect_digest_holds(id);
  // A new repository may take the old name, and is then what the name means.
  const auto taken = must(try_register(spec("acme/shop"))).connection;
  EXPECT_NE(taken, id);
  EXPECT_EQ(find({"github", "acme/shop", ""})->record.id, taken.value);
  EXPECT_EQ(try_update(id, {.name = {}, .full_name = "acme/shop", .subdir = {}, .url = {}}).error().code,
            Code::kConflict);
  // Going back drops the alias that is the name again.
  must(try_update(id, {.name = {}, .full_name = "acme/store", .subdir = {}, .url = {}}));
  EXPECT_EQ(state_of(id).record.aliases.text, "[\"acme/shop\",\"acme/market\"]");
}

TEST_F(ConnectionsTest, UrlAndNameChangeAndClear) {
  const auto id = must(try_register(spec("acme/shop"))).connection;
  must(try_update(id, {.name = "Shop", .full_name = {}, .subdir = {}, .url = std::optional<std::string>("https://x")}));
  EXPECT_EQ(state_of(id).record.url, "https://x");
  must(try_update(id, {.name = {}, .full_name = {}, .subdir = {}, .url = std::optional<std::string>()}));
  EXPECT_EQ(state_of(id).record.url, std::nullopt);
  EXPECT_EQ(state_of(id).record.name, "Shop");
  expect_digest_holds(id);
  EXPECT_EQ(try_update(ConnectionId::random(), {}).error().code, Code::kNotFound);
}

TEST_F(ConnectionsTest, MembersMayNotChangeThem) {
  const auto id = must(try_register(spec("acme/shop"))).connection;
  const store::Tenant member{org_, member_user_};
  EXPECT_EQ(run(store::register_connection(*db_, member, spec("acme/new"), soon())).error().code,
            Code::kPermissionDenied);
  EXPECT_EQ(run(store::delete_connection(*db_, member, id, soon())).error().code, Code::kPermissionDenied);
  EXPECT_EQ(run(store::delete_connection(*db_, other_tenant(), id, soon())).error().code, Code::kNotFound);
  EXPECT_TRUE(must(run(store::find_connection(*db_, member, id, soon()))));
  EXPECT_FALSE(must(run(store::find_connection(*db_, other_tenant(), id, soon()))));
}

TEST_F(ConnectionsTest, DeletingLeavesOneTombstoneToShowAndThePlaces) {
  const auto id = make_connection("acme/shop");
  const auto other = make_connection("acme/other");
  push(id, two_objects());
  push(other, two_objects());
  store::DocumentationItem item;
  item.connection = id;
  item.unique_id = "model.a";
  item.content.executive_summary = "text";
  must(run(store::put_documentation(*db_, tenant(), {item}, soon())));
  const auto gone = must(run(store::delete_connection(*db_, tenant(), id, soon())));
  EXPECT_TRUE(gone.made);
  const std::string of_it = " where connection_id = '" + id.to_string() + "'";
  for (const auto* table :
       {"files", "objects", "columns", "dependencies", "columns_lineage", "object_documentation", "repositories"}) {
    EXPECT_EQ(count("metadata." + std::string(table) + of_it), 0) << table;
  }
  EXPECT_EQ(
      count("metadata.tombstones" + of_it + " and kind = 1 and row_version = " + std::to_string(gone.version.value)),
      1);
  EXPECT_EQ(count("metadata.tombstones" + of_it + " and kind = 2 and created_version = 3"), 2);
  EXPECT_EQ(count("metadata.tombstones" + of_it + " and kind = 3 and created_version = 3"), 2);
  EXPECT_EQ(count("metadata.tombstones" + of_it), 5);
  EXPECT_FALSE(must(run(store::find_connection(*db_, tenant(), id, soon()))));
  EXPECT_EQ(run(store::delete_connection(*db_, tenant(), id, soon())).error().code, Code::kNotFound);
  expect_digest_holds(other);
}

TEST_F(ConnectionsTest, TheSameIdAgainIsAnotherIncarnation) {
  const auto id = make_connection("acme/shop");
  push(id, two_objects());
  must(run(store::delete_connection(*db_, tenant(), id, soon())));
  EXPECT_EQ(make_connection(tenant(), "acme/shop", id), id);
  const auto state = state_of(id);
  EXPECT_EQ(state.incarnation.value, 4);
  EXPECT_EQ(state.digest.of(Kind::kObject).count, 0);
  expect_digest_holds(id);
  auto smaller = two_objects();
  smaller.objects["model.a"].columns.erase("x");
  push(id, smaller);
  expect_digest_holds(id);
  // Whoever saw the first one drops all of it, and what is there now was written later than that.
  const std::string of_it = " where connection_id = '" + id.to_string() + "'";
  EXPECT_EQ(raw("select row_version from metadata.tombstones" + of_it + " and kind = 1").int64(0, 0), 3);
  EXPECT_EQ(count("metadata.objects" + of_it + " and created_version = 2 and row_version = 5"), 2) << "places are kept";
  EXPECT_EQ(count("metadata.tombstones" + of_it + " and kind in (2, 3)"), 0);
  // And a second end.
  must(run(store::delete_connection(*db_, tenant(), id, soon())));
  EXPECT_EQ(raw("select row_version from metadata.tombstones" + of_it + " and kind = 1").int64(0, 0), 6);
}

TEST_F(ConnectionsTest, ListIsOrderedByName) {
  make_connection("b/b");
  make_connection("A/a");
  const auto list = must(run(store::list_connections(*db_, tenant(), soon())));
  ASSERT_EQ(list.size(), 2U);
  EXPECT_EQ(list[0].record.full_name, "A/a");
}

TEST_F(ConnectionsTest, WatchSeesVersionsAndActivity) {
  const auto state = [&] { return must(run(db_->watch({org_, OrganizationId::random()}, soon()))); };
  ASSERT_EQ(state().size(), 1U);
  const auto start = state()[0];
  EXPECT_EQ(start.version.value, 0);
  const auto id = make_connection("acme/shop");
  const auto registered = state()[0];
  EXPECT_EQ(registered.version.value, 1);
  EXPECT_GT(registered.stamp, start.stamp);
  push(id, two_objects());
  const auto pushed = state()[0];
  EXPECT_EQ(pushed.version.value, 2);
  push(id, two_objects());
  const auto again = state()[0];
  EXPECT_EQ(again.version, pushed.version);
  EXPECT_GT(again.activity, pushed.activity) << "last_extracted_at moved";
}

}  // namespace
}  // namespace tideline::test
