#include "tests/store/store_fixture.h"

namespace tideline::test {
namespace {

class DocumentationTest : public StoreTest {
 protected:
  void SetUp() override {
    StoreTest::SetUp();
    connection_ = make_connection();
    push(connection_, project());
  }
  static Project project() {
    Project project;
    project.objects["model.a"] = {.columns = {{"id", "int"}}};
    project.objects["model.b"] = {.file = "models/b.sql", .columns = {{"id", "int"}}};
    return project;
  }
  store::DocumentationItem item(const std::string& unique_id, const std::string& summary) const {
    store::DocumentationItem item;
    item.connection = connection_;
    item.unique_id = unique_id;
    item.content.executive_summary = summary;
    item.content.business_rules = JsonText{"[{\"rule\":\"ä \\u0000 \\n\"}]"};
    item.content.generated_at = Timestamp::parse("2026-01-01T00:00:00.123456Z");
    item.content.model = "m1";
    return item;
  }
  store::DocumentationOutcome put(std::vector<store::DocumentationItem> items) {
    return must(run(store::put_documentation(*db_, tenant(), std::move(items), soon())));
  }
  std::int64_t visible() { return count("metadata.object_documentation where hidden_at is null"); }

  ConnectionId connection_;
};

TEST_F(DocumentationTest, ItemsMakeOneVersionAndNoneTheSecondTime) {
  auto by_id = item("", "b");
  by_id.object = object_id(connection_, "model.b");
  const auto first = put({item("model.a", "a"), by_id});
  EXPECT_TRUE(first.made);
  EXPECT_EQ(first.added, 2);
  EXPECT_EQ(first.version.value, 3);
  expect_digest_holds(connection_);
  EXPECT_EQ(count("metadata.objects where changed_version = 3"), 2);
  const auto second = put({item("model.a", "a"), by_id});
  EXPECT_FALSE(second.made);
  EXPECT_EQ(second.unchanged, 2);
  EXPECT_EQ(second.version.value, 3);
  auto later = item("model.a", "a");
  later.content.generated_at = Timestamp::parse("2026-02-02T00:00:00Z");
  EXPECT_FALSE(put({later}).made) << "the time alone is no content";
  later.content.executive_summary = "better";
  EXPECT_EQ(put({later}).updated, 1);
  expect_digest_holds(connection_);
}

TEST_F(DocumentationTest, UnknownObjectsAreNamedAndTheOthersWritten) {
  const auto outcome = put({item("model.nothing", "x"), item("model.a", "a")});
  EXPECT_EQ(outcome.unknown, std::vector<std::size_t>{0});
  EXPECT_EQ(outcome.added, 1);
  EXPECT_FALSE(put({item("model.nothing", "x")}).made);
  EXPECT_EQ(run(store::put_documentation(*db_, tenant(), {store::DocumentationItem{}}, soon())).error().code,
            Code::kInvalidInput);
  EXPECT_EQ(run(store::put_documentation(*db_, {org_, member_user_}, {item("model.a", "z")}, soon())).error().code,
            Code::kPermissionDenied);
  // Another organization's objects are unknown.
  EXPECT_EQ(must(run(store::put_documentation(*db_, other_tenant(), {item("model.a", "z")}, soon()))).unknown.size(),
            1U);
}

TEST_F(DocumentationTest, TheLastOfTwoForOneObjectWins) {
  EXPECT_EQ(put({item("model.a", "first"), item("model.a", "second")}).added, 1);
  EXPECT_EQ(raw("select executive_summary from metadata.object_documentation").text(0, 0), "second");
}

TEST_F(DocumentationTest, ItIsHiddenWithItsObjectAndReturnsWithIt) {
  put({item("model.a", "a"), item("model.b", "b")});
  auto without = project();
  without.objects.erase("model.a");
  const auto removed = push(connection_, without);
  EXPECT_EQ(removed.of(Kind::kDocumentation).removed, 1);
  EXPECT_EQ(visible(), 1);
  EXPECT_EQ(count("metadata.object_documentation"), 2);
  EXPECT_EQ(count("metadata.tombstones where kind = 7"), 1);
  expect_digest_holds(connection_);
  EXPECT_EQ(put({item("model.a", "new")}).unknown.size(), 1U) << "what is hidden is not there";
  const auto back = push(connection_, project());
  EXPECT_EQ(back.of(Kind::kDocumentation).added, 1);
  EXPECT_EQ(visible(), 2);
  EXPECT_EQ(count("metadata.tombstones"), 0);
  EXPECT_EQ(raw("select row_version from metadata.object_documentation where executive_summary = 'a'").int64(0, 0),
            back.version.value);
  expect_digest_holds(connection_);
}

TEST_F(DocumentationTest, SeveralConnectionsInOneVersion) {
  const auto second = make_connection("acme/second");
  push(second, project());
  auto other = item("model.a", "x");
  other.connection = second;
  const auto outcome = put({item("model.a", "a"), other});
  EXPECT_EQ(outcome.added, 2);
  EXPECT_EQ(state_of(connection_).version, outcome.version);
  EXPECT_EQ(state_of(second).version, outcome.version);
  EXPECT_EQ(state_of(second).digest, recomputed_digest(second));
  EXPECT_EQ(state_of(connection_).digest, recomputed_digest(connection_));
}

using PruneTest = DocumentationTest;

TEST_F(PruneTest, TheFloorRisesOverWhatBothRulesLetGo) {
  put({item("model.a", "a")});  // 3
  auto without = project();
  without.objects.erase("model.a");
  push(connection_, without);                                             // 4: tombstones
  for (int i = 0; i < 4; ++i) put({item("model.b", std::to_string(i))});  // 5–8
  const store::Retention nothing{.age = std::chrono::microseconds(0),
                                 .versions = 0,
                                 .hidden_documentation = std::chrono::days(90),
                                 .slack = std::chrono::microseconds(0)};
  const auto prune = [&](store::Retention retention) {
    return must(run(store::prune(*db_, tenant(), retention, soon())));
  };
  EXPECT_EQ(prune(store::Retention{}).floor.value, 0) << "too young and too few";
  auto keep_many = nothing;
  keep_many.versions = 100;
  EXPECT_EQ(prune(keep_many).floor.value, 0);
  auto keep_days = nothing;
  keep_days.age = std::chrono::days(30);
  EXPECT_EQ(prune(keep_days).floor.value, 0);
  auto slack = nothing;
  slack.slack = std::chrono::days(1);
  EXPECT_EQ(prune(slack).floor.value, 0) << "not worth it yet";

  auto keep_three = nothing;
  keep_three.versions = 3;
  const auto before = state_of(connection_);
  const auto pruned = prune(keep_three);
  EXPECT_EQ(pruned.floor.value, 5);
  EXPECT_EQ(pruned.versions, 5);
  EXPECT_EQ(pruned.tombstones, 4);  // object, its column, its file, its documentation
  EXPECT_EQ(count("metadata.tombstones"), 0);
  EXPECT_EQ(
      raw("select floor, version from metadata.heads where organization_id = '" + org_.to_string() + "'").int64(0, 1),
      8)
      << "pruning makes no version";
  EXPECT_EQ(state_of(connection_).digest, before.digest);
  EXPECT_EQ(prune(keep_three).versions, 0);
  // Documentation of what is gone for long goes as well.
  EXPECT_EQ(count("metadata.object_documentation where hidden_at is not null"), 1);
  raw("update metadata.object_documentation set hidden_at = hidden_at - interval '91 days' where hidden_at is not "
      "null");
  EXPECT_EQ(prune(nothing).documents, 1);
  expect_digest_holds(connection_);
}

TEST_F(PruneTest, WritersPruneOnTheirWay) {
  for (int i = 0; i < 110; ++i) put({item("model.b", std::to_string(i))});
  raw("update metadata.versions set committed_at = committed_at - interval '32 days' where version <= 20");
  put({item("model.b", "last")});
  const auto head = raw("select version, floor from metadata.heads where organization_id = '" + org_.to_string() + "'");
  EXPECT_EQ(head.int64(0, 0), 113);
  EXPECT_EQ(head.int64(0, 1), 12) << "a hundred versions before this one stay";
  EXPECT_EQ(
      raw("select min(version) from metadata.versions where organization_id = '" + org_.to_string() + "'").int64(0, 0),
      13);
}

}  // namespace
}  // namespace tideline::test
