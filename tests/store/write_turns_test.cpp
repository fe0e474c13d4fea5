#include "store/write_turns.h"

#include <algorithm>
#include <vector>

#include <gtest/gtest.h>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace tideline::store {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

struct Log {
  int inside = 0;
  int most_inside = 0;
  std::vector<int> order;
  int refused = 0;
};

awaitable<void> write(WriteTurns* turns, OrganizationId organization, int number, Deadline deadline, milliseconds takes,
                      Log* log) {
  const auto turn = co_await turns->wait(organization, deadline);
  if (!turn) {
    EXPECT_EQ(turn.error().code, Code::kUnavailable);
    ++log->refused;
    co_return;
  }
  log->most_inside = std::max(log->most_inside, ++log->inside);
  log->order.push_back(number);
  boost::asio::steady_timer timer(co_await boost::asio::this_coro::executor, takes);
  co_await timer.async_wait(boost::asio::use_awaitable);
  --log->inside;
}

void rethrow(const std::exception_ptr& thrown) {
  if (thrown) std::rethrow_exception(thrown);
}

TEST(WriteTurns, OneAtATimeInTheOrderOfAsking) {
  boost::asio::io_context io;
  WriteTurns turns;
  Log log;
  const auto organization = OrganizationId::random();
  for (int i = 0; i < 5; ++i)
    boost::asio::co_spawn(io, write(&turns, organization, i, within(seconds(30)), milliseconds(1), &log), rethrow);
  io.run();
  EXPECT_EQ(log.most_inside, 1);
  EXPECT_EQ(log.order, (std::vector<int>{0, 1, 2, 3, 4}));
}

TEST(WriteTurns, OrganizationsDoNotWaitForEachOther) {
  boost::asio::io_context io;
  WriteTurns turns;
  Log log;
  for (int i = 0; i < 3; ++i)
    boost::asio::co_spawn(io, write(&turns, OrganizationId::random(), i, within(seconds(30)), milliseconds(20), &log),
                          rethrow);
  io.run();
  EXPECT_EQ(log.most_inside, 3);
}

TEST(WriteTurns, WhoGivesUpOrIsGoneHoldsUpNobody) {
  WriteTurns turns;
  Log log;
  const auto organization = OrganizationId::random();
  boost::asio::io_context io;
  {
    boost::asio::io_context cut_off;
    boost::asio::co_spawn(io, write(&turns, organization, 0, within(seconds(30)), milliseconds(50), &log), rethrow);
    boost::asio::co_spawn(io, write(&turns, organization, 1, within(milliseconds(1)), milliseconds(1), &log), rethrow);
    io.poll();
    // Waits, and is destroyed with its executor.
    boost::asio::co_spawn(cut_off, write(&turns, organization, 2, within(seconds(30)), milliseconds(1), &log), rethrow);
    cut_off.poll();
    boost::asio::co_spawn(io, write(&turns, organization, 3, within(seconds(30)), milliseconds(1), &log), rethrow);
    io.poll();
  }
  io.run();
  EXPECT_EQ(log.order, (std::vector<int>{0, 3}));
  EXPECT_EQ(log.refused, 1);
}

}  // namespace
}  // namespace tideline::store
