#include "pg/blocking.h"

#include <gtest/gtest.h>

#include <memory>
#include <stdexcept>
#include <thread>

#include <boost/asio/io_context.hpp>
#include <boost/asio/thread_pool.hpp>

#include "pg/run.h"

namespace tideline::pg {
namespace {

namespace asio = boost::asio;

// Under TSan or ASan a thread that touched the io_context after its end is reported; on a busy machine it crashed.
TEST(RunBlocking, LetsGoOfTheCallersContextBeforeTheCallerGoesOn) {
  asio::thread_pool threads(4);
  for (int i = 0; i < 5000; ++i) {
    auto io = std::make_unique<asio::io_context>();
    ASSERT_EQ(run(*io, run_blocking(threads.get_executor(), [i] { return i; })), i);
  }
}

TEST(RunBlocking, RunsElsewhereAndGoesOnHere) {
  asio::thread_pool threads(1);
  asio::io_context io;
  const auto task = [](asio::any_io_executor pool) -> asio::awaitable<bool> {
    const auto here = std::this_thread::get_id();
    const auto there = co_await run_blocking(std::move(pool), [] { return std::this_thread::get_id(); });
    co_return there != here&& std::this_thread::get_id() == here;
  };
  EXPECT_TRUE(run(io, task(threads.get_executor())));
}

TEST(RunBlocking, ThrowsWhatTheWorkThrows) {
  asio::thread_pool threads(1);
  asio::io_context io;
  const auto work = []() -> int { throw std::runtime_error("no"); };
  EXPECT_THROW(run(io, run_blocking(threads.get_executor(), work)), std::runtime_error);
}

// Neither a default nor a copy is asked of what is returned.
TEST(RunBlocking, HandsOverWhatCanOnlyBeMoved) {
  struct Moved {
    explicit Moved(int n) : number(std::make_unique<int>(n)) {}
    std::unique_ptr<int> number;
  };
  asio::thread_pool threads(1);
  asio::io_context io;
  const auto task = [](asio::any_io_executor pool) -> asio::awaitable<int> {
    const Moved moved = co_await run_blocking(std::move(pool), [] { return Moved(7); });
    co_return *moved.number;
  };
  EXPECT_EQ(run(io, task(threads.get_executor())), 7);
}

}  // namespace
}  // namespace tideline::pg
