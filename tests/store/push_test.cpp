#include "tests/store/store_fixture.h"

namespace tideline::test {
namespace {

Project shop() {
  Project project;
  project.objects["source.orders"] = {.type = "source",
                                      .file = "models/sources.yml",
                                      .compiled = {},
                                      .description = "raw",
                                      .columns = {{"id", "int"}, {"amount", "numeric"}},
                                      .upstream = {},
                                      .lineage = {}};
  project.objects["model.orders"] = {.file = "models/orders.sql",
                                     .compiled = "select id, amount from raw.orders",
                                     .description = "clean",
                                     .columns = {{"id", "int"}, {"amount", "numeric"}},
                                     .upstream = {"source.orders"},
                                     .lineage = {"id", "amount"}};
  project.objects["test.orders"] = {.type = "test",
                                    .file = "models/orders.yml",
                                    .compiled = {},
                                    .description = "",
                                    .columns = {},
                                    .upstream = {"model.orders"},
                                    .lineage = {}};
  return project;
}

using PushTest = StoreTest;

TEST_F(PushTest, FirstPushWritesEveryRowInOneVersion) {
  const auto connection = make_connection();
  const auto outcome = push(connection, shop());
  EXPECT_TRUE(outcome.made);
  EXPECT_EQ(outcome.version.value, 2);
  EXPECT_EQ(outcome.of(Kind::kFile).added, 3);
  EXPECT_EQ(outcome.of(Kind::kObject).added, 3);
  EXPECT_EQ(outcome.of(Kind::kColumn).added, 4);
  EXPECT_EQ(outcome.of(Kind::kDependency).added, 2);
  EXPECT_EQ(outcome.of(Kind::kColumnLineage).added, 2);
  const auto state = state_of(connection);
  EXPECT_EQ(state.status, "completed");
  EXPECT_EQ(state.object_count, 2);  // a test is not counted
  EXPECT_EQ(state.version, outcome.version);
  expect_digest_holds(connection);
}

TEST_F(PushTest, SamePushAgainMakesNoVersion) {
  const auto connection = make_connection();
  const auto first = push(connection, shop());
  const auto before = state_of(connection);
  const auto second = push(connection, shop());
  EXPECT_FALSE(second.made);
  EXPECT_EQ(second.version, first.version);
  EXPECT_EQ(second.stamp, first.stamp);
  EXPECT_EQ(state_of(connection).digest, before.digest);
  EXPECT_EQ(count("metadata.versions"), 2);
}

TEST_F(PushTest, OnlyWhatDiffersIsWritten) {
  const auto connection = make_connection();
  push(connection, shop());
  auto project = shop();
  project.objects["model.orders"].columns["amount"] = "decimal(10,2)";
  const auto outcome = push(connection, project);
  EXPECT_EQ(outcome.of(Kind::kColumn).updated, 1);
  EXPECT_FALSE(outcome.of(Kind::kObject).any());
  const auto object =
      raw("select row_version, changed_version, updated_at from metadata.objects where name = 'model.orders'");
  EXPECT_EQ(object.int64(0, 0), 2);
  EXPECT_EQ(object.int64(0, 1), 3) << "an object counts as changed when what hangs on it did";
  expect_digest_holds(connection);
}

TEST_F(PushTest, AVanishedColumnLeavesATombstoneAndChangesItsObject) {
  const auto connection = make_connection();
  push(connection, shop());
  auto project = shop();
  project.objects["model.orders"].columns.erase("amount");
  const auto outcome = push(connection, project);
  EXPECT_EQ(outcome.of(Kind::kColumn).removed, 1);
  EXPECT_EQ(count("metadata.tombstones where kind = 4 and row_version = 3"), 1);
  EXPECT_EQ(raw("select changed_version from metadata.objects where name = 'model.orders'").int64(0, 0), 3);
  EXPECT_EQ(raw("select changed_version from metadata.objects where name = 'source.orders'").int64(0, 0), 2);
  expect_digest_holds(connection);
}

TEST_F(PushTest, AnObjectThatReturnsKeepsItsPlace) {
  const auto connection = make_connection();
  push(connection, shop());
  auto without = shop();
  without.objects.erase("model.orders");
  push(connection, without);
  EXPECT_EQ(raw("select created_version from metadata.tombstones where kind = 3").int64(0, 0), 2);
  EXPECT_EQ(count("metadata.objects where name = 'model.orders'"), 0);
  expect_digest_holds(connection);
  const auto back = push(connection, shop());
  EXPECT_EQ(back.of(Kind::kObject).added, 1);
  const auto object = raw("select created_version, row_version from metadata.objects where name = 'model.orders'");
  EXPECT_EQ(object.int64(0, 0), 2);
  EXPECT_EQ(object.int64(0, 1), back.version.value);
  EXPECT_EQ(count("metadata.tombstones"), 0);
  expect_digest_holds(connection);
}

TEST_F(PushTest, WhatIsHeldIsKeptWhereThePushDoesNotBringIt) {
  const auto connection = make_connection();
  push(connection, shop());
  auto parsed_only = shop();
  parsed_only.objects["model.orders"].compiled.reset();
  parsed_only.objects["model.orders"].keeps_compiled = true;
  EXPECT_FALSE(push(connection, parsed_only).made);
  parsed_only.objects["model.orders"].description = "changed";
  EXPECT_EQ(push(connection, parsed_only).of(Kind::kObject).updated, 1);
  EXPECT_EQ(raw("select compiled_definition from metadata.objects where name = 'model.orders'").text(0, 0),
            "select id, amount from raw.orders");
  expect_digest_holds(connection);
}

TEST_F(PushTest, AnUnregisteredKeyIsRegisteredByTheSameVersion) {
  const auto outcome =
      must(try_push(request_for(tenant(), store::ConnectionKey{"GitHub", "acme/new", "./dbt/"}), shop()));
  EXPECT_EQ(outcome.of(Kind::kConnection).added, 1);
  EXPECT_EQ(outcome.version.value, 1);
  const auto state = state_of(outcome.connection);
  EXPECT_EQ(state.record.type, "github");
  EXPECT_EQ(state.record.subdir, "dbt");
  EXPECT_EQ(state.incarnation.value, 1);
  expect_digest_holds(outcome.connection);
  const auto again = must(try_push(request_for(tenant(), store::ConnectionKey{"github", "ACME/new", "dbt"}), shop()));
  EXPECT_EQ(again.connection, outcome.connection);
  EXPECT_FALSE(again.made);
}

TEST_F(PushTest, AnOlderManifestIsRefusedUnlessForced) {
  const auto connection = make_connection();
  auto request = request_for(tenant(), connection);
  request.generated_at = Timestamp::parse("2026-05-01T00:00:00Z");
  must(try_push(request, shop()));
  auto changed = shop();
  changed.objects["model.orders"].description = "older";
  request.generated_at = Timestamp::parse("2026-04-01T00:00:00Z");
  const auto refused = try_push(request, changed);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kConflict);
  const auto state = state_of(connection);
  EXPECT_EQ(state.status, "completed");
  EXPECT_TRUE(state.last_error.has_value());
  EXPECT_EQ(state.version.value, 2);
  request.force = true;
  EXPECT_TRUE(must(try_push(request, changed)).made);
  EXPECT_FALSE(state_of(connection).last_error.has_value());
}

TEST_F(PushTest, ARefusalIsNotedWhateverItQuotes) {
  const auto connection = make_connection();
  const auto note = [&](std::string reason) {
    (void)run([](store::Database& db, store::Tenant who, ConnectionId id, std::string text,
                 Deadline deadline) -> store::awaitable<Result<void>> {
      co_await store::note_refused_push(db, who, id, std::move(text), deadline);
      co_return Result<void>();
    }(*db_, tenant(), connection, std::move(reason), soon()));
    return state_of(connection).last_error.value_or("(none)");
  };
  EXPECT_EQ(note(std::string("a\0b", 3)), "a b");
  EXPECT_EQ(note("cut \xe6\xbc"), "cut ??");
  std::string longest(998, 'x');
  EXPECT_EQ(note(longest + "\u6f22\u5b57"), longest);
}

TEST_F(PushTest, AMemberOrAStrangerMayNotPush) {
  const auto connection = make_connection();
  for (const auto& who :
       {store::Tenant{org_, member_user_}, store::Tenant{org_, other_user_}, store::Tenant{other_org_, admin_user_},
        store::Tenant{OrganizationId::random(), admin_user_}}) {
    const auto refused = try_push(request_for(who, connection), shop());
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Code::kPermissionDenied);
  }
  const auto foreign = try_push(request_for(other_tenant(), connection), shop());
  ASSERT_FALSE(foreign);
  EXPECT_EQ(foreign.error().code, Code::kNotFound);
  EXPECT_EQ(count("metadata.objects"), 0);
}

TEST_F(PushTest, ManyBatchesAreOnePush) {
  // Several batches of writing, several fetches of what is held, several rounds of removing.
  constexpr int kObjects = 2'600;
  Project project;
  for (int i = 0; i < kObjects; ++i) {
    auto& object = project.objects["model.m" + std::to_string(i)];
    object.file = "models/m" + std::to_string(i) + ".sql";
    object.compiled = "select " + std::to_string(i) + std::string(500, ' ');
    object.columns = {{"a", "int"}, {"b", "int"}, {"c", "int"}};
    object.upstream = {"model.m" + std::to_string((i + 1) % kObjects)};
    object.lineage = {"a", "b"};
  }
  const auto connection = make_connection();
  const auto first = push(connection, project);
  EXPECT_EQ(first.of(Kind::kFile).added, kObjects);
  EXPECT_EQ(first.of(Kind::kObject).added, kObjects);
  EXPECT_EQ(first.of(Kind::kColumn).added, 3 * kObjects);
  EXPECT_EQ(first.of(Kind::kDependency).added, kObjects);
  EXPECT_EQ(first.of(Kind::kColumnLineage).added, 2 * kObjects);
  EXPECT_EQ(state_of(connection).object_count, kObjects);
  expect_digest_holds(connection);

  for (auto& [id, object] : project.objects) {
    object.compiled.reset();
    object.keeps_compiled = true;
  }
  EXPECT_FALSE(push(connection, project).made);
  for (auto& [id, object] : project.objects) object.description = "changed";
  const auto changed = push(connection, project);
  EXPECT_EQ(changed.of(Kind::kObject).updated, kObjects);
  EXPECT_FALSE(changed.of(Kind::kColumn).any());
  EXPECT_EQ(count("metadata.objects where compiled_definition is null"), 0);
  EXPECT_EQ(state_of(connection).object_count, kObjects);
  expect_digest_holds(connection);

  project.objects.erase(std::next(project.objects.begin(), 10), project.objects.end());
  const auto removed = push(connection, project);
  EXPECT_EQ(removed.of(Kind::kColumn).removed, 3 * (kObjects - 10));
  EXPECT_EQ(count("metadata.objects"), 10);
  EXPECT_EQ(count("metadata.tombstones"), 8 * (kObjects - 10));
  EXPECT_EQ(state_of(connection).object_count, 10);
  expect_digest_holds(connection);
}

}  // namespace
}  // namespace tideline::test
