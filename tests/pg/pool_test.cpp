#include "pg/pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <future>
#include <mutex>
#include <thread>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_future.hpp>

#include "tests/support/cluster_fixture.h"

namespace tideline::pg {
namespace {

using namespace std::chrono_literals;
using test::must;
namespace asio = boost::asio;

constexpr Statement kOne{"one", "select 1"};

class PoolTest : public test::DatabaseTest {
 protected:
  // The pool's own work goes on while a test thinks: as in a server, its executor is always running.
  void SetUp() override {
    DatabaseTest::SetUp();
    for (int i = 0; i < 4; ++i) threads_.emplace_back([this] { workers_.run(); });
  }
  void TearDown() override {
    if (pool_) must(await(pool_->close(soon())));
    pool_.reset();
    guard_.reset();
    for (auto& thread : threads_) thread.join();
    DatabaseTest::TearDown();
  }
  template <class T>
  T await(asio::awaitable<T> work) {
    return asio::co_spawn(workers_, std::move(work), asio::use_future).get();
  }
  Pool& open(std::size_t max, std::size_t max_waiting = 4096, std::string init = {}) {
    PoolOptions options;
    options.max_size = max;
    options.max_waiting = max_waiting;
    options.init_sql = std::move(init);
    return open(std::move(options));
  }
  Pool& open(PoolOptions options) {
    options.conninfo = conninfo();
    pool_ = must(await(Pool::open(workers_.get_executor(), std::move(options), soon())));
    return *pool_;
  }
  Lease lease() { return must(await(pool_->acquire(soon()))); }
  void wait_until(const std::function<bool(const PoolStats&)>& holds) {
    const auto until = soon();
    while (!holds(pool_->stats())) {
      ASSERT_FALSE(is_past(until)) << "the pool never got there";
      std::this_thread::sleep_for(1ms);
    }
  }

  asio::io_context workers_;
  std::unique_ptr<Pool> pool_;

 private:
  asio::executor_work_guard<asio::io_context::executor_type> guard_ = asio::make_work_guard(workers_);
  std::vector<std::thread> threads_;
};

TEST_F(PoolTest, GrowsToItsLimitAndReuses) {
  open(3);
  EXPECT_EQ(pool_->stats().idle, 1u);
  {
    const Lease a = lease(), b = lease(), c = lease();
    EXPECT_EQ(pool_->stats().in_use, 3u);
    EXPECT_NE(a->backend_pid(), b->backend_pid());
  }
  EXPECT_EQ(pool_->stats().idle, 3u);
  {
    const Lease again = lease();
  }
  EXPECT_EQ(pool_->stats().opened, 3u);
}

TEST_F(PoolTest, ExhaustionEndsAtTheDeadline) {
  open(1);
  const Lease held = lease();
  const auto refused = await(pool_->acquire(within(50ms)));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kUnavailable);
  EXPECT_EQ(pool_->stats().waiting, 0u);
}

TEST_F(PoolTest, ALongQueueRefusesAtOnce) {
  open(1, 1);
  Lease held = lease();
  auto waiting = asio::co_spawn(workers_, pool_->acquire(soon()), asio::use_future);
  wait_until([](const PoolStats& s) { return s.waiting == 1; });
  EXPECT_EQ(await(pool_->acquire(soon())).error().code, Code::kUnavailable);
  held.release();
  EXPECT_TRUE(waiting.get());
}

awaitable<void> take_turn(Pool& pool, int turn, std::vector<int>& order, std::mutex& mutex) {
  auto lease = co_await pool.acquire(within(30s));
  if (!lease) throw std::runtime_error(describe(lease.error()));
  const std::lock_guard lock(mutex);
  order.push_back(turn);
}

TEST_F(PoolTest, WaitersAreServedInTheirOrder) {
  open(1);
  Lease held = lease();
  std::vector<int> order;
  std::mutex mutex;
  std::vector<std::future<void>> turns;
  for (int turn = 0; turn < 20; ++turn) {
    turns.push_back(asio::co_spawn(workers_, take_turn(*pool_, turn, order, mutex), asio::use_future));
    wait_until([turn](const PoolStats& s) { return s.waiting == static_cast<std::size_t>(turn) + 1; });
  }
  held.release();
  for (auto& turn : turns) turn.get();
  for (int turn = 0; turn < 20; ++turn) EXPECT_EQ(order[static_cast<std::size_t>(turn)], turn);
}

TEST_F(PoolTest, ALeaseLeftInATransactionComesBackClean) {
  open(1);
  {
    const Lease dirty = lease();
    must(await(dirty->exec(kBegin, soon())));
    must(await(dirty->exec({nullptr, "create table never ()"}, soon())));
  }
  const Lease clean = lease();
  EXPECT_FALSE(clean->in_transaction());
  EXPECT_TRUE(must(await(clean->exec({nullptr, "select to_regclass('never')"}, soon()))).is_null(0, 0));
  EXPECT_EQ(pool_->stats().opened, 1u);  // mended, not replaced
}

TEST_F(PoolTest, ALeaseGivenUpInTheMiddleComesBackClean) {
  open(1);
  {
    const Lease busy = lease();
    EXPECT_EQ(await(busy->exec({nullptr, "select pg_sleep(60)"}, within(30ms))).error().code, Code::kDeadline);
  }
  const Lease next = lease();
  EXPECT_EQ(must(await(next->exec(kOne, soon()))).int64(0, 0), 1);
  EXPECT_EQ(pool_->stats().opened, 1u);
}

TEST_F(PoolTest, BrokenConnectionsAreReplacedWithoutFailingARequest) {
  open(2);
  {
    const Lease a = lease(), b = lease();
    await(a->exec({nullptr, "select pg_terminate_backend($1::int4, 5000)"},
                  std::move(Params().add(std::int32_t{b->backend_pid()})), soon()));
    await(a->exec({nullptr, "select pg_terminate_backend(pg_backend_pid())"}, soon()));
  }
  for (int i = 0; i < 4; ++i) {
    const Lease fresh = lease();
    EXPECT_EQ(must(await(fresh->exec(kOne, soon()))).int64(0, 0), 1);
  }
}

TEST_F(PoolTest, IdleConnectionsThatDiedAreNotHandedOut) {
  open(2);
  {
    const Lease a = lease(), b = lease();
  }
  auto killer = connect();
  must(run(killer->exec({nullptr,
                         "select pg_terminate_backend(pid, 5000) from pg_stat_activity "
                         "where datname = current_database() and pid <> pg_backend_pid()"},
                        soon())));
  const Lease fresh = lease();
  EXPECT_EQ(must(await(fresh->exec(kOne, soon()))).int64(0, 0), 1);
}

TEST_F(PoolTest, TheInitScriptRunsOnEveryConnection) {
  open(2, 10, "set statement_timeout = '1234ms'; set plan_cache_mode = force_generic_plan");
  const Lease a = lease(), b = lease();
  for (const Lease* each : {&a, &b})
    EXPECT_EQ(must(await((*each)->exec({nullptr, "show statement_timeout"}, soon()))).text(0, 0), "1234ms");
}

TEST_F(PoolTest, AWrongAddressIsToldAtOnce) {
  PoolOptions options;
  options.conninfo = "host=/nonexistent";
  EXPECT_EQ(await(Pool::open(workers_.get_executor(), options, soon())).error().code, Code::kUnavailable);
}

// As a server that is away: nobody new comes in, and who is in goes.
class AwayTest : public PoolTest {
 protected:
  void SetUp() override {
    PoolTest::SetUp();
    const std::string elsewhere = test::SharedCluster::instance().cluster().conninfo("postgres", "postgres");
    outside_ = must(run(Connection::connect(io.get_executor(), elsewhere, soon())));
  }
  void open_with(std::chrono::milliseconds patience) {
    PoolOptions options;
    options.max_size = 2;
    options.patience = patience;
    open(std::move(options));
  }
  void TearDown() override {
    outside_.reset();
    PoolTest::TearDown();
  }
  void admit(bool allowed) {
    must(run(outside_->script("alter database " + database() + " allow_connections " + (allowed ? "true" : "false"),
                              soon())));
  }
  void throw_out() {
    must(
        run(outside_->exec({nullptr, "select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = $1"},
                           std::move(Params().add(database())), soon())));
  }

  std::unique_ptr<Connection> outside_;
};

TEST_F(AwayTest, WhoWaitsForAServerThatIsAwayIsRefusedLongBeforeHisDeadline) {
  open_with(300ms);
  admit(false);
  throw_out();
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < 2; ++i) {  // those that come later as well
    const auto refused = await(pool_->acquire(within(60s)));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Code::kUnavailable);
    EXPECT_NE(refused.error().detail.find("not currently accepting connections"), std::string::npos)
        << refused.error().detail;
  }
  EXPECT_LT(std::chrono::steady_clock::now() - start, 30s);
  admit(true);
  EXPECT_EQ(must(await(lease()->exec(kOne, soon()))).int64(0, 0), 1);
}

TEST_F(AwayTest, AShortAbsenceCostsTimeAndNoRequest) {
  open_with(60s);
  admit(false);
  throw_out();
  auto waiting = asio::co_spawn(workers_, pool_->acquire(soon()), asio::use_future);
  wait_until([](const PoolStats& s) { return s.failed_connects > 0; });
  admit(true);
  EXPECT_TRUE(waiting.get());
}

TEST_F(AwayTest, WhereAConnectionIsHeldItIsWaitedFor) {
  open_with(300ms);
  Lease held = lease();
  admit(false);
  auto waiting = asio::co_spawn(workers_, pool_->acquire(soon()), asio::use_future);
  std::this_thread::sleep_for(600ms);  // twice the patience
  EXPECT_EQ(pool_->stats().waiting, 1u);
  EXPECT_GT(pool_->stats().failed_connects, 0u);
  held.release();
  EXPECT_TRUE(waiting.get());
}

TEST_F(PoolTest, CloseFailsWaitersAndWaitsForLeases) {
  open(1);
  Lease held = lease();
  auto waiting = asio::co_spawn(workers_, pool_->acquire(soon()), asio::use_future);
  wait_until([](const PoolStats& s) { return s.waiting == 1; });
  EXPECT_EQ(await(pool_->close(within(50ms))).error().code, Code::kDeadline);
  EXPECT_EQ(waiting.get().error().code, Code::kUnavailable);
  held.release();
  must(await(pool_->close(soon())));
  EXPECT_EQ(await(pool_->acquire(soon())).error().code, Code::kUnavailable);
}

awaitable<int> hammer(Pool& pool, int rounds, unsigned seed) {
  int sum = 0;
  for (int i = 0; i < rounds; ++i) {
    seed = seed * 1664525 + 1013904223;
    auto lease = co_await pool.acquire(within(60s));
    if (!lease) throw std::runtime_error(describe(lease.error()));
    switch (seed >> 29) {
      case 0: {  // leaves a transaction open
        co_await (*lease)->exec(kBegin, within(60s));
        break;
      }
      case 1: {  // gives up in the middle
        co_await (*lease)->exec({nullptr, "select pg_sleep(1)"}, within(1ms));
        break;
      }
      default: {
        auto rows = co_await (*lease)->exec(kOne, within(60s));
        if (!rows) throw std::runtime_error(describe(rows.error()));
        sum += static_cast<int>(rows->int64(0, 0));
      }
    }
  }
  co_return sum;
}

TEST_F(PoolTest, ManyCoroutinesOnManyThreadsShareFewConnections) {
  open(4);
  std::vector<std::future<int>> sums;
  for (unsigned i = 0; i < 32; ++i)
    sums.push_back(asio::co_spawn(asio::make_strand(workers_), hammer(*pool_, 20, i), asio::use_future));
  int sum = 0;
  for (auto& each : sums) sum += each.get();
  EXPECT_GT(sum, 200);
  wait_until([](const PoolStats& s) { return s.in_use + s.connecting + s.waiting == 0; });
  EXPECT_LE(pool_->stats().idle, 4u);
}

}  // namespace
}  // namespace tideline::pg
