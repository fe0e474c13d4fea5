#pragma once
// A body that is made in pieces: what is appended is hashed and compressed as it comes, so the plain text never lies in
// memory as a whole. And a lane, on which pieces are worked at one after another while the caller fetches the next.

#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/asio/any_io_executor.hpp>

#include "base/hash.h"
#include "pg/gate.h"
#include "server/page_cache.h"

namespace tideline::server {

/// A page of a text that is there as a whole, with a digest by which its reader checks it.
Page checked_page(std::string_view plain, http::Encoding encoding, Version version);

/// One thread at a time.
class BodyEncoder {
 public:
  explicit BodyEncoder(http::Encoding encoding) : encoding_(encoding), compressor_(encoding) {}

  /// Append here.
  std::string& plain() { return plain_; }
  /// To be called between pieces: passes on what has gathered, once it is worth it.
  void settle() {
    if (plain_.size() >= kPieceBytes) pass_on();
  }
  /// The whole body as a page. Once.
  Page finish(Version version);

 private:
  static constexpr std::size_t kPieceBytes = 128 * 1024;
  void pass_on();
  std::string joined();

  http::Encoding encoding_;
  http::Compressor compressor_;
  Xxh3 hash_;
  std::uint64_t plain_bytes_ = 0;
  std::string plain_;
  std::vector<std::string> pieces_;  // of the body, in order
  std::string last_;
};

/// Of one coroutine: start, do something else, join. Work that is still under way when the coroutine ends keeps what
/// it captured.
class Lane {
 public:
  explicit Lane(boost::asio::any_io_executor workers) : workers_(std::move(workers)) {}

  /// Joined before the next start.
  void start(std::function<void()> work);
  /// Waits for what was started, if anything was; an exception of it is thrown here.
  awaitable<Result<void>> join(Deadline deadline);

 private:
  struct Job {
    const std::shared_ptr<pg::Gate> done = std::make_shared<pg::Gate>();
    std::exception_ptr thrown;
  };
  boost::asio::any_io_executor workers_;
  std::shared_ptr<Job> job_;
};

/// A page of the chunks of `reader`: while the database sends one, the one before is added to `body`, on a worker; at
/// the end `finisher()` is called, and what it returns makes the page of `*body`, there too. `reader` and what
/// `finisher` refers to live until this is done; what it returned goes to the worker and keeps what it captured.
template <class Reader, class Body, class Finisher>
awaitable<Result<Page>> encode_page(boost::asio::any_io_executor workers, Reader& reader, std::shared_ptr<Body> body,
                                    const Finisher& finisher, Deadline deadline) {
  // Shared with the workers: should this coroutine end early, what runs there ends on its own.
  Lane lane(std::move(workers));
  for (;;) {
    CO_TRY(auto rows, co_await reader.next(deadline));
    CO_TRY_VOID(co_await lane.join(deadline));
    if (!rows) break;
    auto chunk = std::make_shared<typename decltype(rows)::value_type>(std::move(*rows));
    lane.start([body, chunk] { body->add(*chunk); });
  }
  auto page = std::make_shared<Page>();
  lane.start([body, page, finish = finisher()] { *page = finish(*body); });
  CO_TRY_VOID(co_await lane.join(deadline));
  co_return std::move(*page);
}

}  // namespace tideline::server
