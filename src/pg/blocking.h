#pragma once
// Work that blocks or computes for long, run on threads made for it, awaited from a coroutine that goes on where it
// was. For files, big parses, compression and libpq's blocking calls: never on an I/O thread.
//
// When the coroutine goes on, the other thread has let go of the coroutine's executor for good. Asio's own co_spawn
// does not promise that: its thread may hold on to the executor for a moment longer, and a caller that was quick to end
// its io_context was then written to after its end (seen as a crash of a start on a busy machine).

#include <atomic>
#include <exception>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/execution/outstanding_work.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/prefer.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace tideline::pg {

/// The result of `work`, called once on one of `threads`; what it throws is thrown here. What it refers to must outlive
/// the wait: the caller's frame does. The wait cannot be cancelled.
template <class Work>
boost::asio::awaitable<std::invoke_result_t<Work&>> run_blocking(boost::asio::any_io_executor threads, Work work) {
  namespace asio = boost::asio;
  struct Job {
    explicit Job(Work given) : work(std::move(given)) {}
    std::optional<Work> work;
    std::optional<std::invoke_result_t<Work&>> result;
    std::exception_ptr thrown;
    std::atomic<bool> left = false;
  };
  const auto job = std::make_shared<Job>(std::move(work));
  co_await asio::async_initiate<const asio::use_awaitable_t<>&, void()>(
      [](auto handler, std::shared_ptr<Job> shared, const asio::any_io_executor& pool) {
        // The work guard keeps the caller's io_context running until its coroutine is queued there.
        asio::any_io_executor own =
            asio::prefer(asio::get_associated_executor(handler), asio::execution::outstanding_work.tracked);
        asio::post(pool, [shared = std::move(shared), own = std::move(own), resume = std::move(handler)]() mutable {
          try {
            shared->result.emplace((*shared->work)());
          } catch (...) {
            shared->thrown = std::current_exception();
          }
          shared->work.reset();
          asio::post(own, std::move(resume));
          own = asio::any_io_executor();
          shared->left.store(true);
          shared->left.notify_one();
        });
      },
      asio::use_awaitable, job, threads);
  job->left.wait(false);  // the few instructions after the post
  if (job->thrown) std::rethrow_exception(job->thrown);
  co_return std::move(*job->result);
}

}  // namespace tideline::pg
