// Several writers at once, and writers that die: versions stay dense, stamps strictly increasing, digests right, and
// nothing is ever half there.
#include <atomic>
#include <thread>

#include "store/version_writer.h"
#include "tests/store/store_fixture.h"

namespace tideline::test {
namespace {

Project project_of(int writer, int step) {
  Project project;
  for (int i = 0; i < 4; ++i) {
    const std::string id = "model.m" + std::to_string((writer + step + i) % 6);
    project.objects[id] = {.file = "models/" + id + ".sql",
                           .description = std::to_string(writer) + "." + std::to_string(step),
                           .columns = {{"id", "int"}, {"c" + std::to_string(step % 3), "text"}},
                           .upstream = {"model.m" + std::to_string(step % 6)},
                           .lineage = {"id"}};
  }
  return project;
}

class PushConcurrencyTest : public StoreTest {
 protected:
  /// A thread with an io_context, a pool and a blocking pool of its own: like a server process.
  struct Server {
    explicit Server(const std::string& conninfo) {
      store::DatabaseOptions options;
      options.primary.conninfo = conninfo;
      options.primary.max_size = 2;
      database = must(pg::run(io, store::Database::open(io.get_executor(), options, within(std::chrono::seconds(30)))));
    }
    ~Server() { (void)pg::run(io, database->close(within(std::chrono::seconds(10)))); }
    Result<store::PushOutcome> push(store::PushRequest request, const store::RowSource& rows,
                                    Deadline deadline = within(std::chrono::seconds(60))) {
      return pg::run(io, store::push(*database, std::move(request), rows, blocking.get_executor(), deadline));
    }
    boost::asio::io_context io;
    boost::asio::thread_pool blocking{1};
    std::unique_ptr<store::Database> database;
  };

  void expect_history_holds() {
    const auto rows = raw("select version, committed_at from metadata.versions where organization_id = '" +
                          org_.to_string() + "' order by version");
    for (int row = 0; row < rows.rows(); ++row) {
      EXPECT_EQ(rows.int64(row, 0), row + 1) << "versions are dense";
      if (row > 0) EXPECT_GT(rows.timestamp(row, 1), rows.timestamp(row - 1, 1));
    }
    const auto head =
        raw("select version, stamp from metadata.heads where organization_id = '" + org_.to_string() + "'");
    EXPECT_EQ(head.int64(0, 0), rows.rows());
    EXPECT_EQ(head.timestamp(0, 1), rows.timestamp(rows.rows() - 1, 1));
  }
  std::string everything(const std::string& table) {
    return std::string(
        raw("select coalesce(md5(string_agg(t::text, '|' order by t::text)), '') from " + table + " t").text(0, 0));
  }
  /// What must not have moved when a push failed.
  std::string content() {
    std::string all;
    for (const auto* table :
         {"heads", "versions", "tombstones", "files", "objects", "columns", "dependencies", "columns_lineage"}) {
      all += everything("metadata." + std::string(table)) + " ";
    }
    return all + everything("(select organization_id, id, version, digest, row_hash from enterprise.connections)");
  }
};

TEST_F(PushConcurrencyTest, WritersOfOneOrganizationTakeTurns) {
  constexpr int kWriters = 4, kRounds = 8;
  const std::array connections{make_connection("acme/one"), make_connection("acme/two")};
  std::array<std::thread, kWriters> threads;
  std::atomic<int> made{0};
  for (int writer = 0; writer < kWriters; ++writer) {
    threads[static_cast<std::size_t>(writer)] = std::thread([&, writer] {
      Server server(conninfo("tideline_server"));
      for (int round = 0; round < kRounds; ++round) {
        // Two writers share a connection, and all share the organization.
        const ProjectRows rows(project_of(writer, round));
        const auto outcome =
            server.push(request_for(tenant(), connections[static_cast<std::size_t>(writer % 2)]), rows);
        EXPECT_TRUE(outcome) << (outcome ? "" : describe(outcome.error()) + outcome.error().detail);
        if (outcome && outcome->made) ++made;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(raw("select version from metadata.heads where organization_id = '" + org_.to_string() + "'").int64(0, 0),
            2 + made);
  expect_history_holds();
  for (const auto& connection : connections) {
    expect_digest_holds(connection);
    EXPECT_EQ(state_of(connection).digest.of(Kind::kObject).count, 4) << "exactly one writer's project";
  }
}

TEST_F(PushConcurrencyTest, SimultaneousFirstPushesRegisterOneConnection) {
  std::array<std::thread, 4> threads;
  for (auto& thread : threads) {
    thread = std::thread([&] {
      Server server(conninfo("tideline_server"));
      const ProjectRows rows(project_of(0, 0));
      EXPECT_TRUE(server.push(request_for(tenant(), store::ConnectionKey{"git", "acme/new", ""}), rows));
    });
  }
  for (auto& thread : threads) thread.join();
  const auto list = must(run(store::list_connections(*db_, tenant(), soon())));
  ASSERT_EQ(list.size(), 1U);
  expect_digest_holds(ConnectionId{list[0].record.id});
  EXPECT_EQ(count("metadata.versions"), 1);
}

TEST_F(PushConcurrencyTest, WhoWaitsTooLongForTheHeadIsToldToComeBack) {
  const auto connection = make_connection();
  const auto before = content();
  auto root = connect();
  must(run(root->script("begin; select from metadata.heads for update;", soon())));
  const auto refused = try_push(request_for(tenant(), connection), project_of(0, 0));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kUnavailable);
  must(run(root->recover(soon())));
  EXPECT_EQ(content(), before);
  EXPECT_EQ(state_of(connection).status, "error") << "no data was ever served";
  EXPECT_TRUE(push(connection, project_of(0, 0)).made);
}

/// Does something else when its n-th object is read.
class InterruptedRows : public ProjectRows {
 public:
  InterruptedRows(Project project, std::function<void()> act, int after)
      : ProjectRows(std::move(project)), act_(std::move(act)), after_(after) {}
  Result<std::optional<store::ObjectRowSet>> read(std::size_t index, const ConnectionId& connection,
                                                  const store::HeldFacts* held) const override {
    if (++reads_ == after_) act_();
    return ProjectRows::read(index, connection, held);
  }

 private:
  std::function<void()> act_;
  int after_;
  mutable int reads_ = 0;
};

TEST_F(PushConcurrencyTest, WhatDiedWithItsServerIsNotUnderWayForEver) {
  const auto served = make_connection("acme/served");
  const auto fresh = make_connection("acme/fresh");
  const auto busy = make_connection("acme/busy");
  push(served, project_of(0, 0));
  const auto die = [this](ConnectionId connection, const std::string& until) {
    raw("update enterprise.connections set status = 'extracting', extracting_until = " + until + " where id = '" +
        connection.to_string() + "'");
  };
  die(served, "now() - interval '1 second'");
  die(fresh, "null");  // as an earlier release left it
  die(busy, "now() + interval '1 minute'");
  const auto activity = [&] { return std::string(raw("select sum(activity) from enterprise.connections").text(0, 0)); };
  const std::string before = activity();
  must(run(db_->settle_interrupted_pushes(soon())));
  EXPECT_EQ(state_of(served).status, "completed");
  EXPECT_EQ(state_of(fresh).status, "connected");
  EXPECT_EQ(state_of(busy).status, "extracting");
  EXPECT_NE(activity(), before) << "servers answer listings from memory until it changes";
  EXPECT_TRUE(push(busy, project_of(0, 0)).made);
  expect_digest_holds(served);
}

TEST_F(PushConcurrencyTest, APushSaysUntilWhenItMayBeUnderWay) {
  const auto connection = make_connection();
  std::string seen;
  const InterruptedRows rows(
      project_of(0, 0),
      [&] {
        boost::asio::io_context own;
        auto looker = must(
            pg::run(own, pg::Connection::connect(own.get_executor(), conninfo(), within(std::chrono::seconds(10)))));
        pg::Pipeline pipeline;
        pipeline.add_text(
            "select status || ' ' || (extracting_until - now() between interval '1 second' and"
            " interval '1 hour')::text from enterprise.connections");
        seen = must(pg::run(own, looker->run_all(std::move(pipeline), within(std::chrono::seconds(10)))))
                   .front()
                   .text(0, 0);
      },
      1);
  must(run(store::push(*db_, request_for(tenant(), connection), rows, blocking_.get_executor(), soon())));
  EXPECT_EQ(seen, "extracting true");
  EXPECT_EQ(state_of(connection).status, "completed");
}

TEST_F(PushConcurrencyTest, ADeadConnectionLeavesNothingOfThePush) {
  const auto connection = make_connection();
  push(connection, project_of(0, 0));
  const auto before = content();
  // Four objects are read to compare, and again to be written: from the fifth on the transaction has begun.
  for (int after = 5; after <= 8; ++after) {
    const InterruptedRows rows(
        project_of(1, 1),
        [this] {
          // On the blocking thread, while the push waits for it.
          boost::asio::io_context own;
          auto killer = must(
              pg::run(own, pg::Connection::connect(own.get_executor(), conninfo(), within(std::chrono::seconds(10)))));
          must(pg::run(own, killer->script("select pg_terminate_backend(pid) from pg_stat_activity where usename ="
                                           " 'tideline_server' and state = 'idle in transaction'"
                                           " and datname = current_database()",
                                           within(std::chrono::seconds(10)))));
        },
        after);
    const auto failed =
        run(store::push(*db_, request_for(tenant(), connection), rows, blocking_.get_executor(), soon()));
    ASSERT_FALSE(failed) << after;
    EXPECT_EQ(failed.error().code, Code::kUnavailable) << describe(failed.error());
    EXPECT_EQ(content(), before) << after;
    EXPECT_EQ(state_of(connection).status, "completed");
    EXPECT_TRUE(state_of(connection).last_error);
    expect_digest_holds(connection);
  }
  EXPECT_TRUE(push(connection, project_of(1, 1)).made);
  expect_digest_holds(connection);
}

/// Fails instead of giving its n-th reading.
class FailingRows : public ProjectRows {
 public:
  FailingRows(Project project, int after) : ProjectRows(std::move(project)), after_(after) {}
  Result<std::optional<store::ObjectRowSet>> read(std::size_t index, const ConnectionId& connection,
                                                  const store::HeldFacts* held) const override {
    if (++reads_ == after_) return fail(Code::kInvalidInput, "cut off");
    return ProjectRows::read(index, connection, held);
  }

 private:
  int after_;
  mutable int reads_ = 0;
};

TEST_F(PushConcurrencyTest, ASourceThatFailsAnywhereLeavesNothing) {
  const auto connection = make_connection();
  push(connection, project_of(0, 0));
  const auto before = content();
  for (int after = 1; after <= 8; ++after) {
    const FailingRows rows(project_of(1, 1), after);
    const auto failed =
        run(store::push(*db_, request_for(tenant(), connection), rows, blocking_.get_executor(), soon()));
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().code, Code::kInvalidInput);
    EXPECT_EQ(content(), before) << after;
  }
  EXPECT_EQ(state_of(connection).last_error, "cut off");
}

TEST_F(PushConcurrencyTest, ADeadlineInTheMiddleLeavesNothing) {
  const auto connection = make_connection();
  push(connection, project_of(0, 0));
  const auto before = content();
  auto root = connect();
  // A lock on a table the push writes to: it stops in the middle of its transaction.
  must(run(root->script("begin; lock table metadata.dependencies in share mode;", soon())));
  const ProjectRows rows(project_of(1, 1));
  const auto failed = run(store::push(*db_, request_for(tenant(), connection), rows, blocking_.get_executor(),
                                      within(std::chrono::seconds(1))));
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, Code::kDeadline);
  must(run(root->recover(soon())));
  EXPECT_EQ(content(), before);
  EXPECT_TRUE(push(connection, project_of(1, 1)).made);
}

TEST_F(PushConcurrencyTest, NothingIsCommittedBehindAReadersBack) {
  // One writer has begun and holds its transaction open; a second one comes, and a reader reads in between. Whatever
  // stamp the reader saw, what commits later has a later one.
  const auto slow = make_connection("acme/slow");
  const auto quick = make_connection("acme/quick");
  auto held = must(run(db_->begin(tenant(), store::TenantTransaction::Mode::kWrite, soon())));
  const auto head = must(run(store::lock_head(held, soon())));

  std::atomic<bool> quick_done{false};
  std::thread second([&] {
    Server server(conninfo("tideline_server"));
    const ProjectRows rows(project_of(0, 0));
    EXPECT_TRUE(server.push(request_for(tenant(), quick), rows));
    quick_done = true;
  });
  while (count("pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()") == 0) {
    std::this_thread::yield();
  }
  const auto seen = must(run(db_->watch({org_}, soon()))).at(0);
  EXPECT_EQ(seen.version, head.version);
  EXPECT_FALSE(quick_done) << "it may not overtake";
  store::VersionNote note{
      .connection = slow, .reason = "push", .digest = {}, .counts = "{}", .commit = {}, .branch = {}};
  must(run(store::finish_version(held, head, std::move(note), soon())));
  must(run(held.commit(soon())));
  second.join();

  expect_history_holds();
  const auto later = raw("select version, committed_at from metadata.versions where version > " +
                         std::to_string(seen.version.value) + " order by version");
  ASSERT_EQ(later.rows(), 2);
  EXPECT_GT(later.timestamp(0, 1), seen.stamp);
  EXPECT_EQ(count("metadata.objects where changed_version > " + std::to_string(seen.version.value) +
                  " and updated_at > '" + seen.stamp.to_string() + "'"),
            4);
}

}  // namespace
}  // namespace tideline::test
