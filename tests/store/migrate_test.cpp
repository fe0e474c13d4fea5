#include <array>
#include <thread>

#include "tests/support/cluster_fixture.h"

#include "store/database.h"
#include "store/migrate.h"

namespace tideline::test {
namespace {

using store::Migration;

class MigrateTest : public DatabaseTest {
 protected:
  Result<store::MigrationReport> migrate(std::span<const Migration> list = store::migrations()) {
    auto root = connect();
    return run(store::migrate(*root, list, soon()));
  }
  std::int64_t number(const std::string& sql) {
    auto root = connect();
    pg::Pipeline pipeline;
    pipeline.add_text(sql);
    return must(run(root->run_all(std::move(pipeline), soon()))).front().int64(0, 0);
  }
  /// Those of the release and one more.
  std::vector<Migration> with(Migration more) {
    std::vector<Migration> list(store::migrations().begin(), store::migrations().end());
    list.push_back(more);
    return list;
  }
};

TEST_F(MigrateTest, AppliesEachOnceInOrder) {
  const auto first = must(migrate());
  ASSERT_EQ(first.applied.size(), store::migrations().size());
  EXPECT_EQ(first.applied.front(), "0001_roles");
  EXPECT_TRUE(std::is_sorted(first.applied.begin(), first.applied.end()));
  EXPECT_TRUE(must(migrate()).applied.empty());
  EXPECT_EQ(number("select count(*) from enterprise.schema_migrations"),
            static_cast<std::int64_t>(store::migrations().size()));
}

TEST_F(MigrateTest, MakesTheKeysOnce) {
  must(migrate());
  const auto keys = [&] {
    store::DatabaseOptions options;
    options.primary.conninfo = conninfo("tideline_server");
    auto database = must(run(store::Database::open(io.get_executor(), options, soon())));
    auto found = must(run(database->server_keys(soon())));
    must(run(database->close(soon())));
    return found;
  };
  const auto before = keys();
  EXPECT_EQ(before.signing_key.size(), 32U);
  EXPECT_NE(before.signing_key, before.cursor_key);
  must(migrate());
  const auto after = keys();
  EXPECT_EQ(before.signing_key, after.signing_key);
  EXPECT_EQ(before.epoch, after.epoch);
}

TEST_F(MigrateTest, AChangedFileIsRefused) {
  must(migrate());
  std::vector<Migration> edited(store::migrations().begin(), store::migrations().end());
  edited[1].sql = "select 1";
  const auto refused = migrate(edited);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kConflict);
  EXPECT_NE(refused.error().message.find("0002_enterprise"), std::string::npos);
}

TEST_F(MigrateTest, ANewerDatabaseIsRefusedAndAnOlderOneNamed) {
  must(migrate(with({"0999_later", "select 1"})));
  const auto refused = migrate();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kConflict);
  auto server = connect("tideline_server");
  EXPECT_EQ(run(store::check_schema(*server, soon())).error().code, Code::kConflict);
}

TEST_F(MigrateTest, AnEmptyDatabaseIsNoSchema) {
  must(migrate());  // makes the roles
  auto other = SharedCluster::instance().create_database();
  auto server = must(run(pg::Connection::connect(
      io.get_executor(), SharedCluster::instance().cluster().conninfo("tideline_server", other), soon())));
  const auto refused = run(store::check_schema(*server, soon()));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kConflict);
  EXPECT_FALSE(refused.error().hint.empty());
  server.reset();
  SharedCluster::instance().drop_database(other);
}

TEST_F(MigrateTest, WhatFailsHalfWayLeavesNothing) {
  const auto broken = with({"0999_broken", "create table metadata.half (id int); select 1/0;"});
  const auto failed = migrate(broken);
  ASSERT_FALSE(failed);
  EXPECT_NE(failed.error().message.find("0999_broken"), std::string::npos);
  EXPECT_EQ(number("select count(*) from pg_class where relname = 'half'"), 0);
  EXPECT_TRUE(must(migrate()).applied.empty()) << "those before it stay";
}

TEST_F(MigrateTest, ADeathHalfWayIsRedone) {
  const auto sleepy = with({"0999_sleepy", "create table metadata.half (id int); select pg_sleep(60);"});
  std::thread dying([&] {
    boost::asio::io_context own;
    auto connection =
        must(pg::run(own, pg::Connection::connect(own.get_executor(), conninfo(), within(std::chrono::seconds(30)))));
    EXPECT_FALSE(pg::run(own, store::migrate(*connection, sleepy, within(std::chrono::seconds(60)))));
  });
  while (number("select count(pg_terminate_backend(pid)) from pg_stat_activity"
                " where datname = current_database() and wait_event = 'PgSleep'") == 0) {
    std::this_thread::yield();
  }
  dying.join();
  EXPECT_EQ(number("select count(*) from pg_class where relname = 'half'"), 0);
  const auto redone = must(migrate(with({"0999_sleepy", "create table metadata.half (id int);"})));
  EXPECT_EQ(redone.applied, std::vector<std::string>{"0999_sleepy"});
}

TEST_F(MigrateTest, ManyAtOnceApplyEachOnce) {
  std::array<std::thread, 4> threads;
  std::atomic<std::size_t> applied{0};
  for (auto& thread : threads) {
    thread = std::thread([&] {
      boost::asio::io_context own;
      auto connection =
          must(pg::run(own, pg::Connection::connect(own.get_executor(), conninfo(), within(std::chrono::seconds(30)))));
      applied += must(pg::run(own, store::migrate(*connection, within(std::chrono::seconds(60))))).applied.size();
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(applied, store::migrations().size());
}

}  // namespace
}  // namespace tideline::test
