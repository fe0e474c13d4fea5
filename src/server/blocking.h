#pragma once
// Runs a function where it may block, and comes back. For files, big parses and compression: never on an I/O thread.

#include <optional>
#include <type_traits>
#include <utility>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace tideline::server {

namespace detail {
// Asio makes up a result where a coroutine threw, so it has to be one that has an empty value.
template <class Work>
boost::asio::awaitable<std::optional<std::invoke_result_t<Work&>>> call(Work work) {
  co_return work();
}
}  // namespace detail

/// Calls `work` on one of the threads of `pool` and resumes where the caller runs. `work` returns a value; it is kept
/// until it has run, so what it holds by reference must be the caller's, who waits. What it throws is thrown here.
template <class Work>
boost::asio::awaitable<std::invoke_result_t<Work&>> blocking(boost::asio::any_io_executor pool, Work work) {
  auto result = co_await boost::asio::co_spawn(pool, detail::call(std::move(work)), boost::asio::use_awaitable);
  co_return std::move(*result);
}

}  // namespace tideline::server
