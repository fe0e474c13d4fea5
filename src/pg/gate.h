#pragma once
// A one-shot event that a coroutine waits for until a deadline, and that any thread may open, before, during or after
// the wait. One waiter. Held by shared_ptr by both sides, so that neither needs to outlive the other: nothing of the
// waiter's io_context is touched once its wait is over.

#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/deadline.h"

namespace tideline::pg {

class Gate {
 public:
  void open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    if (timer_) timer_->cancel();
  }

  /// Whether it was opened in time. False also when the waiting coroutine is cancelled. Static and by value: the frame
  /// owns what it waits for.
  static boost::asio::awaitable<bool> wait(std::shared_ptr<Gate> gate, Deadline deadline) {
    constexpr auto kToken = boost::asio::as_tuple(boost::asio::use_awaitable);
    {
      const Timer timer(gate, co_await boost::asio::this_coro::executor);
      co_await boost::asio::async_initiate<decltype(kToken), void(boost::system::error_code)>(
          [](auto handler, std::shared_ptr<Gate> self, Deadline until) {
            // The timer is touched under the mutex alone. Should it fire before this returns, the coroutine that it
            // resumes takes the mutex first.
            const std::lock_guard lock(self->mutex_);
            self->timer_->expires_at(self->open_ ? Deadline::min() : until);
            self->timer_->async_wait(std::move(handler));
          },
          kToken, gate, deadline);
    }
    const std::lock_guard lock(gate->mutex_);
    co_return gate->open_;
  }

 private:
  /// The timer while the wait lasts, also when that ends by the frame's destruction. Whoever opens the gate may be the
  /// last to hold it, with the waiter's io_context long gone.
  class Timer {
   public:
    Timer(std::shared_ptr<Gate> gate, const boost::asio::any_io_executor& executor) : gate_(std::move(gate)) {
      const std::lock_guard lock(gate_->mutex_);
      gate_->timer_.emplace(executor);
    }
    ~Timer() {
      const std::lock_guard lock(gate_->mutex_);
      gate_->timer_.reset();
    }
    Timer(const Timer&) = delete;
    Timer& operator=(const Timer&) = delete;

   private:
    std::shared_ptr<Gate> gate_;
  };

  std::mutex mutex_;
  std::optional<boost::asio::steady_timer> timer_;
  bool open_ = false;
};

}  // namespace tideline::pg
