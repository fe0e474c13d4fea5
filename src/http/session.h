#pragma once
// One connection: reads requests, calls the handler, writes answers, one after the other (pipelined requests wait in
// the buffer). Inner to this folder. Lives on one worker's thread and is touched by no other.
//
// Waiting has deadlines without a timer per operation: the session writes down until when its present wait may last,
// and the worker's sweep cancels what is overdue, some 250 ms late at worst. That halves the cost of a small answer.

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

#include "http/body.h"
#include "http/chunked.h"
#include "http/head.h"
#include "http/message.h"
#include "http/server.h"

namespace tideline::http {

/// What all workers share.
struct Shared {
  Options options;
  Handler handler;
  std::atomic<bool> draining{false};
  std::atomic<std::size_t> connections{0};
  std::mutex mutex;  // with `changed`, for stop() to wait for the last session
  std::condition_variable changed;
};

class Session;

/// A thread's loop and what is kept once per thread.
class Worker {
 public:
  Worker(Shared& shared, std::size_t index);

  boost::asio::io_context& io() { return io_; }
  Shared& shared() { return shared_; }
  std::size_t index() const { return index_; }
  /// "Sat, 31 Jan 2026 12:00:00 GMT", at most a sweep old.
  const std::string& date() const { return date_; }
  std::string next_request_id();
  std::size_t load() const { return load_.load(std::memory_order_relaxed); }

  /// From any thread: serve this connection; `refuse`: answer 503 and close.
  void adopt(boost::asio::ip::tcp::socket socket, bool refuse);
  /// On the worker's thread.
  void start_sweep();
  void begin_drain();
  void cut_all();
  /// Lets the loop end once nothing is left to do. From any thread.
  void release();

 private:
  void sweep();
  void schedule_sweep();

  Shared& shared_;
  std::size_t index_;
  boost::asio::io_context io_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
  boost::asio::steady_timer timer_;
  bool released_ = false;
  std::list<Session*> sessions_;
  std::atomic<std::size_t> load_{0};
  std::string date_;
  std::string id_prefix_;
  std::uint64_t id_counter_ = 0;
};

class Session final : public RawBody {
 public:
  Session(Worker& worker, boost::asio::ip::tcp::socket socket);

  /// The connection from its first byte to its last.
  awaitable<void> serve();
  /// Says 503 and closes.
  awaitable<void> refuse();

  /// By the worker: cancels a wait that is overdue.
  void check_deadline(Deadline now);
  /// By the worker: ends what only waits for the client or for something to happen.
  void drain();
  /// By the worker: ends everything now.
  void cut();
  boost::asio::cancellation_slot slot() { return cancel_.slot(); }
  bool was_cut() const { return cut_; }

  // RawBody: of the request being served.
  awaitable<Result<std::span<const char>>> next() override;
  std::optional<std::uint64_t> length() const override;

 private:
  enum class Wait { kNone, kIdle, kIo, kEvent };
  enum class Io { kOk, kEnd, kOverdue };

  std::string_view window() const { return std::string_view(buffer_).substr(begin_, end_ - begin_); }
  void consume(std::size_t bytes) { begin_ += bytes; }
  void make_room(std::size_t bytes);
  awaitable<Io> fill(Wait wait, Deadline deadline, std::size_t room);
  awaitable<Io> read_head();
  awaitable<bool> serve_one();
  awaitable<Response> handle(Request& request);
  awaitable<bool> answer(const Request* request, std::string_view request_id, Response& response, bool keep_alive);
  awaitable<bool> turn_away(const Refusal& refusal);
  awaitable<bool> answer_stream(const Request& request, Response& response, bool keep_alive);
  awaitable<Result<std::optional<std::string>>> next_piece(BodySource& source);
  awaitable<Result<std::optional<std::string>>> guarded_next(BodySource& source);
  awaitable<bool> client_gone();
  awaitable<bool> write(std::string_view first, std::string_view second = {}, std::string_view third = {});
  awaitable<bool> skip_body();
  awaitable<void> linger();
  void write_head(const Response& response, std::string_view request_id, bool keep_alive,
                  std::optional<std::uint64_t> length, bool chunked);
  void report(const Request* request, unsigned status, bool complete);

  Worker& worker_;
  boost::asio::ip::tcp::socket socket_;
  boost::asio::cancellation_signal cancel_;
  std::string peer_;

  std::string buffer_;  // bytes that came and were not used: [begin_, end_)
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  HeadScanner scanner_;
  std::string head_;  // of the request being served: its views point here
  std::string out_;   // head of the answer

  // The request being served.
  Framing framing_;
  ChunkDecoder chunks_;
  std::uint64_t body_received_ = 0;
  bool body_done_ = true;
  bool body_failed_ = false;
  bool continue_due_ = false;  // the client waits for "100 Continue"
  std::uint64_t sent_ = 0;
  Deadline started_{};
  Deadline body_started_{};

  Wait wait_ = Wait::kNone;
  Deadline deadline_ = Deadline::max();
  bool overdue_ = false;
  bool draining_ = false;
  bool cut_ = false;
};

}  // namespace tideline::http
