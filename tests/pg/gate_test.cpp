#include "pg/gate.h"

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <thread>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>

#include "pg/run.h"

namespace tideline::pg {
namespace {

namespace asio = boost::asio;
using std::chrono::milliseconds;

TEST(Gate, OpenedBeforeDuringOrNotAtAll) {
  asio::io_context io;
  auto before = std::make_shared<Gate>();
  before->open();
  EXPECT_TRUE(run(io, Gate::wait(before, Deadline::max())));
  auto during = std::make_shared<Gate>();
  std::thread opener([during] {
    std::this_thread::sleep_for(milliseconds(5));
    during->open();
  });
  EXPECT_TRUE(run(io, Gate::wait(during, Deadline::max())));
  opener.join();
  EXPECT_FALSE(run(io, Gate::wait(std::make_shared<Gate>(), within(milliseconds(1)))));
}

// Under ASan or TSan a gate that kept anything of the context is reported; on a busy machine it crashed.
TEST(Gate, MayBeOpenedAndLetGoWhenTheWaitersContextIsNoMore) {
  for (int i = 0; i < 500; ++i) {
    auto gate = std::make_shared<Gate>();
    auto io = std::make_unique<asio::io_context>();
    std::thread opener([gate]() mutable {
      gate->open();
      std::this_thread::yield();
      gate.reset();
    });
    EXPECT_TRUE(run(*io, Gate::wait(std::exchange(gate, nullptr), Deadline::max())));
    io.reset();
    opener.join();
  }
}

TEST(Gate, AWaitThatIsTornDownLeavesNothingBehind) {
  auto gate = std::make_shared<Gate>();
  {
    asio::io_context io;
    asio::co_spawn(io, Gate::wait(gate, Deadline::max()), asio::detached);
    io.poll();
  }
  EXPECT_EQ(gate.use_count(), 1);
  gate->open();
}

}  // namespace
}  // namespace tideline::pg
