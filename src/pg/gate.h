#pragma once
// A one-shot event that a coroutine waits for until a deadline, and that any thread may open, before or after the wait
// began. One waiter. Held by shared_ptr by both sides, so that neither needs to outlive the other.

#include <memory>
#include <mutex>
#include <utility>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/deadline.h"

namespace tideline::pg {

class Gate {
 public:
  explicit Gate(const boost::asio::any_io_executor& executor) : timer_(executor) {}

  void open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    timer_.cancel();
  }

  /// Whether it was opened in time. False also when the waiting coroutine is cancelled. Static and by value: the frame
  /// owns what it waits for.
  static boost::asio::awaitable<bool> wait(std::shared_ptr<Gate> gate, Deadline deadline) {
    constexpr auto kToken = boost::asio::as_tuple(boost::asio::use_awaitable);
    co_await boost::asio::async_initiate<decltype(kToken), void(boost::system::error_code)>(
        [](auto handler, std::shared_ptr<Gate> self, Deadline until) {
          // The timer is touched under the mutex alone. Should it fire before this returns, the coroutine that it
          // resumes takes the mutex first.
          const std::lock_guard lock(self->mutex_);
          self->timer_.expires_at(self->open_ ? Deadline::min() : until);
          self->timer_.async_wait(std::move(handler));
        },
        kToken, gate, deadline);
    const std::lock_guard lock(gate->mutex_);
    co_return gate->open_;
  }

 private:
  std::mutex mutex_;
  boost::asio::steady_timer timer_;
  bool open_ = false;
};

}  // namespace tideline::pg
