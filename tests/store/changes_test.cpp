#include "store/changes.h"

#include <algorithm>
#include <random>

#include "store/documentation.h"
#include "tests/store/changes_client.h"
#include "tests/store/random_project.h"

namespace tideline::test {
namespace {

constexpr std::uint32_t kSeed = 20260131;
const store::Retention kKeepNothing{.age = std::chrono::microseconds(0),
                                    .versions = 0,
                                    .hidden_documentation = std::chrono::days(90),
                                    .slack = std::chrono::microseconds(0)};

class ChangesTest : public StoreTest {
 protected:
  ChangesPage page(const ChangesCopy& copy, ConnectionId connection, std::size_t max_bytes) {
    return must(run(read_changes(*db_, tenant(), copy.query(connection, max_bytes), soon())));
  }
  /// Pages until there are no more; how many.
  int sync(ChangesCopy& copy, ConnectionId connection, std::size_t max_bytes) {
    for (int pages = 1;; ++pages) {
      const auto next = page(copy, connection, max_bytes);
      copy.apply(next);
      if (next.exhausted) return pages;
    }
  }
  void expect_equal(const ChangesCopy& copy, ConnectionId connection) {
    EXPECT_EQ(copy.digest(), recomputed_digest(connection));
    EXPECT_EQ(copy.digest(), state_of(connection).digest);
  }
  void document(ConnectionId connection, const std::string& unique_id, const std::string& text) {
    store::DocumentationItem item;
    item.connection = connection;
    item.unique_id = unique_id;
    item.content.executive_summary = text;
    must(run(store::put_documentation(*db_, tenant(), {item}, soon())));
  }
  void prune_all() { must(run(store::prune(*db_, tenant(), kKeepNothing, soon()))); }

  static Project project() {
    Project project;
    for (int i = 0; i < 12; ++i) {
      auto& object = project.objects["model.m" + std::to_string(i)];
      object.file = "models/f" + std::to_string(i % 5) + ".sql";
      object.columns = {{"a", "int"}, {"b", "text"}, {"c", "date"}};
      if (i > 0) object.upstream = {"model.m" + std::to_string(i - 1)}, object.lineage = {"a", "b"};
    }
    return project;
  }
};

TEST_F(ChangesTest, AFirstSyncIsTheRowsInPagesOfAnySize) {
  const auto connection = make_connection();
  push(connection, project());
  for (const std::size_t max_bytes : {std::size_t{1}, std::size_t{700}, std::size_t{5000}, std::size_t{1} << 20}) {
    ChangesCopy copy;
    const int pages = sync(copy, connection, max_bytes);
    EXPECT_EQ(pages, max_bytes == 1 ? static_cast<int>(copy.rows.size()) : pages) << "one row a page, and no more";
    EXPECT_EQ(pages == 1, max_bytes == std::size_t{1} << 20);
    EXPECT_EQ(copy.rows.size(), 1U + 5 + 12 + 36 + 11 + 22);
    EXPECT_EQ(copy.tombstones, 0U);
    expect_equal(copy, connection);
  }
}

TEST_F(ChangesTest, EntriesComeInOrderAndOnce) {
  const auto connection = make_connection();
  auto changing = project();
  for (int i = 0; i < 6; ++i) {
    changing.objects["model.m" + std::to_string(i)].description = "changed";
    changing.objects["model.m" + std::to_string(i)].columns.erase("c");
    push(connection, changing);
    document(connection, "model.m" + std::to_string(i + 1), "text");
  }
  ChangesCopy copy;
  copy.low = Version{};  // so that there are tombstones as well
  std::vector<store::ChangesPosition> all;
  for (;;) {
    const auto next = page(copy, connection, 2000);
    for (const auto& position : copy.apply(next)) all.push_back(position);
    if (next.exhausted) break;
  }
  EXPECT_TRUE(std::ranges::is_sorted(all));
  EXPECT_EQ(std::ranges::adjacent_find(all), all.end());
  EXPECT_GT(copy.tombstones, 0U);
  expect_equal(copy, connection);
}

TEST_F(ChangesTest, LaterPagesHaveOnlyWhatChanged) {
  const auto connection = make_connection();
  auto changing = project();
  push(connection, changing);
  ChangesCopy copy;
  sync(copy, connection, 1 << 20);
  EXPECT_TRUE(copy.apply(page(copy, connection, 1 << 20)).empty());

  changing.objects["model.m3"].columns["a"] = "bigint";
  changing.objects.erase("model.m11");
  push(connection, changing);
  const auto next = page(copy, connection, 1 << 20);
  const auto entries = copy.apply(next);
  // A column; gone: an object, its three columns, a dependency, two edges of lineage.
  EXPECT_EQ(entries.size(), 1U + 7);
  EXPECT_EQ(copy.tombstones, 7U);
  EXPECT_TRUE(next.exhausted);
  expect_equal(copy, connection);
}

TEST_F(ChangesTest, WhatChangesBetweenPagesComesAgain) {
  std::mt19937 random(kSeed);
  for (int round = 0; round < 8; ++round) {
    const auto connection = make_connection("acme/r" + std::to_string(round));
    RandomProject changes(kSeed + static_cast<std::uint32_t>(round));
    Project changing = project();
    push(connection, changing);
    ChangesCopy copy;
    for (int step = 0; step < 40; ++step) {
      const auto next = page(copy, connection, 200 + random() % 4000);
      copy.apply(next);
      if (next.exhausted) expect_equal(copy, connection);
      if (changes.chance(40)) {
        changes.mutate(changing);
        push(connection, changing);
      }
      if (changes.chance(15) && !changing.objects.empty())
        document(connection, changing.objects.begin()->first, "text " + std::to_string(step));
    }
    sync(copy, connection, 3000);
    expect_equal(copy, connection);
  }
}

TEST_F(ChangesTest, LargeBatchesAreReadWhole) {
  // More rows of a kind than one batch has, and than the first ones have by far.
  const auto connection = make_connection();
  Project large;
  for (int i = 0; i < 700; ++i)
    for (int c = 0; c < 9; ++c) large.objects["model.m" + std::to_string(i)].columns["c" + std::to_string(c)] = "int";
  push(connection, large);
  for (const std::size_t max_bytes : {std::size_t{300'000}, std::size_t{1} << 24}) {
    ChangesCopy copy;
    sync(copy, connection, max_bytes);
    EXPECT_EQ(copy.rows.size(), 1U + 1 + 700 + 6300);
    expect_equal(copy, connection);
  }
}

TEST_F(ChangesTest, AConnectionMadeAnewStartsWithoutTheOldOnesTombstones) {
  const auto connection = make_connection();
  push(connection, project());
  must(run(store::delete_connection(*db_, tenant(), connection, soon())));
  ChangesCopy none;
  EXPECT_FALSE(page(none, connection, 1000).head.connection);
  make_connection(tenant(), "acme/shop", connection);
  push(connection, project());
  ChangesCopy copy;
  copy.low = Version{};
  sync(copy, connection, 1000);
  EXPECT_EQ(copy.tombstones, 0U);
  expect_equal(copy, connection);
  EXPECT_EQ(count("metadata.connection_versions where connection_id = '" + connection.to_string() + "'"), 2);
}

TEST_F(ChangesTest, TheHeadKnowsTheDigestAtLow) {
  const auto connection = make_connection();
  auto changing = project();
  std::vector<std::pair<Version, Digest>> history{{state_of(connection).version, state_of(connection).digest}};
  for (int i = 0; i < 4; ++i) {
    changing.objects["model.m1"].description = std::to_string(i);
    push(connection, changing);
    document(connection, "model.m2", std::to_string(i));  // of several connections: its version names no digest
    history.emplace_back(state_of(connection).version, state_of(connection).digest);
  }
  for (const auto& [version, digest] : history) {
    const store::ChangesQuery query{.connection = connection, .from = {}, .low = version, .max_bytes = 1};
    const auto head = must(run(read_changes(*db_, tenant(), query, soon()))).head;
    EXPECT_EQ(head.connection->digest_at_low, digest) << version.value;
    EXPECT_FALSE(head.connection->is_low_forgotten);
  }
}

TEST_F(ChangesTest, WhatTheFloorForgetsIsTold) {
  const auto still = make_connection("acme/still"), moving = make_connection("acme/moving");
  push(still, project());
  auto changing = project();
  push(moving, changing);
  const Version low = state_of(moving).version;
  const Digest at_low = state_of(moving).digest;
  const auto head_of = [&](ConnectionId connection) {
    const store::ChangesQuery query{.connection = connection, .from = {}, .low = low, .max_bytes = 1};
    return must(run(read_changes(*db_, tenant(), query, soon()))).head;
  };
  for (int i = 0; i < 3; ++i) {
    changing.objects.erase("model.m" + std::to_string(i));
    push(moving, changing);
  }
  EXPECT_EQ(head_of(moving).connection->digest_at_low, at_low);
  prune_all();
  EXPECT_GT(head_of(moving).floor, low);
  EXPECT_TRUE(head_of(moving).connection->is_low_forgotten);
  // The other stood still all the while: nothing of it was forgotten, and its digest is known.
  EXPECT_FALSE(head_of(still).connection->is_low_forgotten);
  EXPECT_EQ(head_of(still).connection->digest_at_low, state_of(still).digest);
  EXPECT_EQ(count("metadata.connection_versions"), 2);
}

TEST_F(ChangesTest, BucketsAddUpToTheDigest) {
  const auto connection = make_connection();
  push(connection, project());
  document(connection, "model.m1", "text");
  const auto digest = state_of(connection).digest;
  for (std::uint8_t number = 1; number <= kKindCount; ++number) {
    const auto kind = static_cast<Kind>(number);
    const auto buckets =
        must(run(store::read_bucket_digests(*db_, tenant(), connection, kind, store::Consistency::kPrimary, soon())));
    KindDigest sum;
    std::size_t fullest = 0;
    for (std::size_t i = 0; i < store::kBuckets; ++i) {
      sum.count += buckets.buckets[i].count;
      sum.sum += buckets.buckets[i].sum;
      if (buckets.buckets[i].count > buckets.buckets[fullest].count) fullest = i;
    }
    EXPECT_EQ(sum, digest.of(kind));
    const auto rows = must(run(store::read_bucket(*db_, tenant(), connection, kind, static_cast<std::uint8_t>(fullest),
                                                  store::Consistency::kPrimary, soon())));
    EXPECT_EQ(rows.digest, buckets.buckets[fullest]);
    std::string bytes;
    wire::ChangesPageWriter writer(bytes);
    store::append_changes(writer, rows.rows);
    writer.finish("{}");
    wire::ChangesPageReader reader;
    reader.feed(bytes);
    KindDigest received;
    while (must(reader.next()) == wire::ChangesPageReader::Event::kRow) {
      received.add(reader.row().hash);
      EXPECT_EQ(store::bucket_of(must(wire::read_row_bytes(reader.row().bytes)).id()), fullest);
    }
    EXPECT_EQ(received, rows.digest);
  }
}

TEST_F(ChangesTest, AnotherOrganizationHasNothingOfIt) {
  const auto connection = make_connection();
  push(connection, project());
  const store::ChangesQuery query{.connection = connection, .from = {}, .low = {}, .max_bytes = 1000};
  EXPECT_FALSE(must(run(read_changes(*db_, other_tenant(), query, soon()))).head.connection);
  EXPECT_EQ(run(read_changes(*db_, {org_, other_user_}, query, soon())).error().code, Code::kPermissionDenied);
  EXPECT_TRUE(must(run(store::read_bucket(*db_, other_tenant(), connection, Kind::kFile, 0,
                                          store::Consistency::kPrimary, soon())))
                  .rows.runs.front()
                  .rows->empty());
  EXPECT_TRUE(
      must(run(store::read_heads(*db_, other_tenant(), store::Consistency::kPrimary, soon()))).connections.empty());
  EXPECT_EQ(run(store::read_heads(*db_, {org_, other_user_}, store::Consistency::kPrimary, soon())).error().code,
            Code::kPermissionDenied);
}

TEST_F(ChangesTest, HeadsAreOfOneSnapshot) {
  const auto a = make_connection("acme/a"), b = make_connection("acme/b");
  push(a, project());
  const auto heads = must(run(store::read_heads(*db_, tenant(), store::Consistency::kPrimary, soon())));
  EXPECT_EQ(heads.version, state_of(a).version);
  ASSERT_EQ(heads.connections.size(), 2U);
  for (const auto& head : heads.connections) {
    const auto state = state_of(head.id);
    EXPECT_EQ(head.version, state.version);
    EXPECT_EQ(head.incarnation, state.incarnation);
    EXPECT_EQ(head.digest, state.digest);
  }
  EXPECT_LT(std::min(a, b), std::max(a, b));
  EXPECT_EQ(heads.connections.front().id, std::min(a, b));
  EXPECT_EQ(heads.epoch, must(run(db_->server_keys(soon()))).epoch);
}

}  // namespace
}  // namespace tideline::test
