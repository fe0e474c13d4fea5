// Random histories: after every push the tables hold exactly the rows pushed last, the digest is the sum of what is
// there, and every column reads back to its row's hash.
#include "tests/store/random_project.h"
#include "tests/store/store_fixture.h"

namespace tideline::test {
namespace {

constexpr std::uint32_t kSeed = 20260131;
constexpr int kHistories = 6;
constexpr int kSteps = 10;

/// Everything a reader of the last state can see, apart from versions and times, as sorted text.
class PushPropertyTest : public StoreTest {
 protected:
  std::vector<std::string> rows_of(ConnectionId connection) {
    std::vector<std::string> all;
    for (const auto& [table, fields] :
         std::vector<std::pair<std::string, std::string>>{{"files", TIDELINE_FILE_FIELDS},
                                                          {"objects", TIDELINE_OBJECT_FIELDS},
                                                          {"columns", TIDELINE_COLUMN_FIELDS},
                                                          {"dependencies", TIDELINE_DEPENDENCY_FIELDS},
                                                          {"columns_lineage", TIDELINE_LINEAGE_FIELDS}}) {
      const auto rows = raw("select '" + table + "' || row(" + fields + ")::text from metadata." + table +
                            " where connection_id = '" + connection.to_string() + "' order by id");
      for (int row = 0; row < rows.rows(); ++row) all.emplace_back(rows.text(row, 0));
    }
    return all;
  }
  std::map<Uuid, std::int64_t> places() {
    const auto rows =
        raw("select id, created_version from metadata.objects union all"
            " select id, created_version from metadata.tombstones where kind = 3");
    std::map<Uuid, std::int64_t> found;
    for (int row = 0; row < rows.rows(); ++row) {
      EXPECT_TRUE(found.emplace(rows.uuid(row, 0), rows.int64(row, 1)).second) << "a row and its tombstone";
    }
    return found;
  }
};

TEST_F(PushPropertyTest, EveryStateIsExactlyWhatWasPushed) {
  for (int history = 0; history < kHistories; ++history) {
    const auto seed = kSeed + static_cast<std::uint32_t>(history);
    SCOPED_TRACE("seed " + std::to_string(seed));
    RandomProject random(seed);
    const auto connection = make_connection("acme/p" + std::to_string(history));
    Project project;
    std::map<Uuid, std::int64_t> seen_places;
    std::int64_t version = state_of(connection).version.value;
    for (int step = 0; step < kSteps; ++step) {
      random.mutate(project);
      const auto outcome = push(connection, project);
      SCOPED_TRACE("version " + std::to_string(outcome.version.value));
      if (outcome.made) EXPECT_EQ(outcome.version.value, version + 1);
      version = outcome.version.value;
      expect_digest_holds(connection);

      // Nobody's place moves, and no row is both there and gone.
      const auto now = places();
      for (const auto& [id, place] : seen_places) {
        ASSERT_TRUE(now.contains(id));
        EXPECT_EQ(now.at(id), place);
      }
      seen_places = now;
      EXPECT_EQ(count("metadata.tombstones t where exists (select from metadata.columns c where c.id = t.id)"
                      " or exists (select from metadata.files f where f.id = t.id)"
                      " or exists (select from metadata.dependencies d where d.id = t.id)"
                      " or exists (select from metadata.columns_lineage l where l.id = t.id)"),
                0);
      // What hangs on an object is never newer than the object says.
      EXPECT_EQ(count("metadata.objects o join metadata.columns c on c.object_id = o.id"
                      " where c.row_version > o.changed_version"),
                0);

      if (random.chance(30) && !project.objects.empty()) {
        store::DocumentationItem item;
        item.connection = connection;
        item.unique_id = project.objects.begin()->first;
        item.content.executive_summary = "s" + std::to_string(random.below(3));
        const auto documented = must(run(store::put_documentation(*db_, tenant(), {item}, soon())));
        version = documented.version.value;
        expect_digest_holds(connection);
      }
      EXPECT_FALSE(push(connection, project).made);
    }
    // The same as the last state alone, pushed to an empty connection of the same id.
    const auto by_history = rows_of(connection);
    const auto last_digest = state_of(connection).digest;
    must(run(store::delete_connection(*db_, tenant(), connection, soon())));
    make_connection(tenant(), "acme/p" + std::to_string(history), connection);
    auto alone = project;
    for (auto& [id, object] : alone.objects) {
      // What was kept from earlier pushes is what the last one would have had to bring.
      if (!object.keeps_compiled) continue;
      object.keeps_compiled = false;
      const std::string wanted = object_id(connection, id).to_string();
      for (const auto& row : by_history) {
        if (!row.starts_with("objects(" + wanted)) continue;
        for (int i = 0; i < 4; ++i) {
          if (row.find("\"select " + std::to_string(i) + "\"") != std::string::npos) {
            object.compiled = "select " + std::to_string(i);
          }
        }
      }
    }
    push(connection, alone);
    EXPECT_EQ(rows_of(connection), by_history);
    auto digest = state_of(connection).digest;
    digest.of(Kind::kDocumentation) = last_digest.of(Kind::kDocumentation);
    EXPECT_EQ(digest, last_digest);
  }
}

}  // namespace
}  // namespace tideline::test
