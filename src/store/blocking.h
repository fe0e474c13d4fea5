#pragma once
// Work that blocks or computes for long, run on threads made for it, awaited from a coroutine that goes on where it
// was.

#include <type_traits>
#include <utility>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace tideline::store {

namespace detail {
template <class Work>
boost::asio::awaitable<std::invoke_result_t<Work>> call(Work work) {
  co_return work();
}
}  // namespace detail

/// The result of `work`, which runs on `threads`. What it refers to must outlive the wait: the caller's frame does.
/// The result's type has a default constructor (Asio asks for one).
template <class Work>
boost::asio::awaitable<std::invoke_result_t<Work>> run_blocking(boost::asio::any_io_executor threads, Work work) {
  co_return co_await boost::asio::co_spawn(threads, detail::call(std::move(work)), boost::asio::use_awaitable);
}

}  // namespace tideline::store
