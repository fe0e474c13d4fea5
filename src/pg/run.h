#pragma once
// Runs one coroutine to its end on the calling thread: for administration commands and tests, which have nothing else
// to do meanwhile. Not for a server.

#include <exception>
#include <optional>
#include <utility>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

namespace tideline::pg {

/// What `work` returns; what it throws is thrown. `io` must not be run by another thread at the same time.
template <class T>
T run(boost::asio::io_context& io, boost::asio::awaitable<T> work) {
  std::optional<T> out;
  std::exception_ptr thrown;
  bool done = false;
  const auto guard = boost::asio::make_work_guard(io);
  boost::asio::co_spawn(io, std::move(work), [&](std::exception_ptr exception, T value) {
    thrown = exception;
    out.emplace(std::move(value));
    done = true;
  });
  io.restart();
  while (!done) io.run_one();
  if (thrown) std::rethrow_exception(thrown);
  return std::move(*out);
}

}  // namespace tideline::pg
