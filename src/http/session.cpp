#include "http/session.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <exception>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include "base/log.h"
#include "base/text.h"
#include "http/problem.h"

namespace tideline::http {

namespace asio = boost::asio;

namespace {

using Clock = std::chrono::steady_clock;
using boost::system::error_code;
constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);

/// What an idle connection holds. Most requests fit.
constexpr std::size_t kIdleBuffer = 4 * 1024;
/// For bodies: fewer wake-ups per megabyte, and still small beside what a body becomes.
constexpr std::size_t kBodyBuffer = 64 * 1024;
/// A rest of a body that no one read is read away to keep the connection; more of it, and closing is cheaper.
constexpr std::uint64_t kSkippableBytes = 64 * 1024;
/// A sender or receiver slower than this on average only holds our memory.
constexpr std::uint64_t kMinBytesPerSecond = 256;
/// Lingering ends after so long even if the client keeps sending.
constexpr auto kLongestLinger = std::chrono::seconds(30);

bool too_slow(std::uint64_t bytes, Clock::duration spent, std::chrono::milliseconds free) {
  if (spent <= free) return false;
  const auto seconds =
      static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::seconds>(spent - free).count());
  return bytes < seconds * kMinBytesPerSecond;
}

void append_number(std::string& out, std::uint64_t value, int base = 10) {
  std::array<char, 20> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value, base).ptr;
  out.append(digits.data(), end);
}

bool is_line_safe(std::string_view text) {
  return std::none_of(text.begin(), text.end(), [](char c) { return c == '\r' || c == '\n' || c == '\0'; });
}

/// Fields the writer decides about itself.
bool is_ours(std::string_view name) {
  switch (name.size()) {
    case 4:
      return equal_ignoring_case(name, "Date");
    case 6:
      return equal_ignoring_case(name, "Server");
    case 10:
      return equal_ignoring_case(name, "Connection");
    case 12:
      return equal_ignoring_case(name, "X-Request-Id");
    case 14:
      return equal_ignoring_case(name, "Content-Length");
    case 17:
      return equal_ignoring_case(name, "Transfer-Encoding");
    default:
      return false;
  }
}

bool has_no_body(unsigned status) { return status == 204 || status == 304 || status < 200; }

}  // namespace

Session::Session(Worker& worker, asio::ip::tcp::socket socket)
    : worker_(worker), socket_(std::move(socket)), draining_(worker.shared().draining.load()) {
  error_code ignored;
  socket_.non_blocking(true, ignored);
  socket_.set_option(asio::ip::tcp::no_delay(true), ignored);
  const auto remote = socket_.remote_endpoint(ignored);
  if (!ignored) peer_ = remote.address().to_string();
}

// ---- By the worker

void Session::check_deadline(Deadline now) {
  if (wait_ == Wait::kNone || deadline_ > now) return;
  overdue_ = true;
  socket_.cancel();
}

void Session::drain() {
  draining_ = true;
  if (wait_ == Wait::kIdle || wait_ == Wait::kEvent) socket_.cancel();
}

void Session::cut() {
  cut_ = true;
  error_code ignored;
  socket_.close(ignored);
  cancel_.emit(asio::cancellation_type::terminal);
}

// ---- Reading

void Session::make_room(std::size_t bytes) {
  if (begin_ == end_) begin_ = end_ = 0;
  if (buffer_.size() - end_ >= bytes) return;
  if (begin_ > 0) {
    buffer_.erase(0, begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  if (buffer_.size() < end_ + bytes) buffer_.resize(end_ + bytes);
}

/// Waits for more bytes behind the window. `room`: how many to take at most, about.
awaitable<Session::Io> Session::fill(Wait wait, Deadline deadline, std::size_t room) {
  make_room(room);
  wait_ = wait;
  deadline_ = deadline;
  overdue_ = false;
  const auto [error, bytes] =
      co_await socket_.async_read_some(asio::buffer(buffer_.data() + end_, buffer_.size() - end_), kAwait);
  wait_ = Wait::kNone;
  end_ += bytes;
  if (bytes > 0) co_return Io::kOk;
  co_return error == asio::error::operation_aborted&& overdue_ ? Io::kOverdue : Io::kEnd;
}

/// Until the scanner has a whole head, or refuses it. kEnd: there is no (further) request.
awaitable<Session::Io> Session::read_head() {
  scanner_.reset();
  const Options& options = worker_.shared().options;
  if (window().empty()) {
    if (buffer_.size() > kIdleBuffer) {
      buffer_ = std::string(kIdleBuffer, '\0');
      begin_ = end_ = 0;
    }
    Io io = Io::kEnd;
    if (!draining_) io = co_await fill(Wait::kIdle, Clock::now() + options.idle_timeout, kIdleBuffer);
    // A request that is already here when the server drains is still served.
    error_code ignored;
    if (io != Io::kOk && draining_ && socket_.available(ignored) > 0)
      io = co_await fill(Wait::kIo, Clock::now() + options.header_timeout, kIdleBuffer);
    if (io != Io::kOk) co_return Io::kEnd;
  }
  started_ = Clock::now();
  while (scanner_.scan(window()) == HeadScanner::Status::kMore) {
    const Io io = co_await fill(Wait::kIo, started_ + options.header_timeout, kIdleBuffer);
    if (io != Io::kOk) co_return io;
  }
  co_return Io::kOk;
}

std::optional<std::uint64_t> Session::length() const {
  if (framing_.chunked) return std::nullopt;
  return framing_.content_length;
}

awaitable<Result<std::span<const char>>> Session::next() {
  if (body_failed_) co_return fail(Code::kInvalidInput, "the body could not be read");
  if (body_started_ == Deadline{}) body_started_ = Clock::now();
  while (!body_done_) {
    if (!window().empty()) {
      std::span<const char> bytes(window().data(), window().size());
      if (framing_.chunked) {
        const std::size_t before = bytes.size();
        auto data = chunks_.step(bytes);
        consume(before - bytes.size());
        if (!data) {
          body_failed_ = true;
          co_return fail(data.error().code,
                         data.error().message + " behind byte " + std::to_string(body_received_) + " of its content");
        }
        body_done_ = chunks_.done();
        body_received_ += data->size();
        if (!data->empty()) co_return data;
        continue;
      }
      const auto data = bytes.first(
          static_cast<std::size_t>(std::min<std::uint64_t>(bytes.size(), framing_.content_length - body_received_)));
      consume(data.size());
      body_received_ += data.size();
      body_done_ = body_received_ == framing_.content_length;
      co_return data;
    }
    if (continue_due_) {
      continue_due_ = false;
      if (!co_await write("HTTP/1.1 100 Continue\r\n\r\n")) {
        body_failed_ = true;
        co_return fail(Code::kInvalidInput, "the client was gone before it sent a body");
      }
    }
    const auto stall = worker_.shared().options.stall_timeout;
    const auto now = Clock::now();
    const Io io = too_slow(body_received_, now - body_started_, stall)
                      ? Io::kOverdue
                      : co_await fill(Wait::kIo, now + stall, kBodyBuffer);
    if (io == Io::kOk) continue;
    body_failed_ = true;
    const std::string where =
        std::to_string(body_received_) + (framing_.chunked ? "" : " of " + std::to_string(framing_.content_length));
    if (io == Io::kOverdue) co_return fail(Code::kInvalidInput, "the body came too slowly: given up at byte " + where);
    co_return fail(Code::kInvalidInput, "the body was cut off at byte " + where);
  }
  co_return std::span<const char>{};
}

/// Reads away what the handler left of the body. False: not worth it, or it failed.
awaitable<bool> Session::skip_body() {
  while (!body_done_) {
    const auto piece = co_await next();
    if (!piece) co_return false;
  }
  co_return true;
}

// ---- Writing

awaitable<bool> Session::write(std::string_view first, std::string_view second, std::string_view third) {
  std::array<std::string_view, 3> parts{first, second, third};
  const auto stall = worker_.shared().options.stall_timeout;
  const auto begun = Clock::now();
  std::uint64_t written = 0;
  std::size_t front = 0;
  for (;;) {
    while (front < parts.size() && parts[front].empty()) ++front;
    if (front == parts.size()) co_return true;
    const std::array<asio::const_buffer, 3> buffers{asio::buffer(parts[0]), asio::buffer(parts[1]),
                                                    asio::buffer(parts[2])};
    // Nearly always the socket takes it at once: no turn through the loop then.
    error_code error;
    std::size_t bytes = socket_.write_some(buffers, error);
    if (error == asio::error::would_block) {
      const auto now = Clock::now();
      if (too_slow(written, now - begun, stall)) co_return false;
      wait_ = Wait::kIo;
      deadline_ = now + stall;
      overdue_ = false;
      std::tie(error, bytes) = co_await socket_.async_write_some(buffers, kAwait);
      wait_ = Wait::kNone;
    }
    if (error) co_return false;
    sent_ += bytes;
    written += bytes;
    for (auto& part : parts) {
      const std::size_t taken = std::min(bytes, part.size());
      part.remove_prefix(taken);
      bytes -= taken;
    }
  }
}

void Session::write_head(const Response& response, std::string_view request_id, bool keep_alive,
                         std::optional<std::uint64_t> length, bool chunked) {
  out_.clear();
  out_ += "HTTP/1.1 ";
  append_number(out_, response.status);
  (out_ += ' ') += reason_phrase(response.status);
  (out_ += "\r\nDate: ") += worker_.date();
  out_ += "\r\nServer: tideline\r\n";
  for (const auto& [name, value] : response.headers) {
    if (is_ours(name)) continue;
    if (name.empty() || !is_line_safe(name) || !is_line_safe(value) || name.find(':') != std::string::npos) {
      log(LogLevel::kError, "response header dropped", {{"request_id", std::string(request_id)}});
      continue;
    }
    ((out_ += name) += ": ") += value;
    out_ += "\r\n";
  }
  if (!request_id.empty()) ((out_ += "X-Request-Id: ") += request_id) += "\r\n";
  if (length) {
    out_ += "Content-Length: ";
    append_number(out_, *length);
    out_ += "\r\n";
  }
  if (chunked) out_ += "Transfer-Encoding: chunked\r\n";
  if (!keep_alive)
    out_ += "Connection: close\r\n";
  else if (framing_.http10)
    out_ += "Connection: keep-alive\r\n";
  out_ += "\r\n";
}

/// Sends `response`. `request` is null where there was none that could be read. False: the client is gone.
awaitable<bool> Session::answer(const Request* request, std::string_view request_id, Response& response,
                                bool keep_alive) {
  if (request && response.body.source() && !has_no_body(response.status))
    co_return co_await answer_stream(*request, response, keep_alive);
  const std::string_view body = has_no_body(response.status) ? std::string_view{} : response.body.view();
  const std::optional<std::uint64_t> length =
      has_no_body(response.status) ? std::nullopt : std::optional<std::uint64_t>(body.size());
  write_head(response, request_id, keep_alive, length, false);
  co_return co_await write(out_, request && request->is_head() ? std::string_view{} : body);
}

awaitable<Result<std::optional<std::string>>> Session::guarded_next(BodySource& source) {
  std::string reason;
  try {
    co_return co_await source.next();
  } catch (const std::exception& exception) {
    reason = exception.what();
  }
  co_return fail(Code::kInternal, "the answer could not be completed", {}, reason);
}

/// True once the other end has closed its side.
awaitable<bool> Session::client_gone() {
  auto kind = asio::ip::tcp::socket::wait_read;
  for (;;) {
    const auto [error] = co_await socket_.async_wait(kind, kAwait);
    if (error) co_return true;
    char byte = 0;
    error_code peeked;
    const std::size_t bytes = socket_.receive(asio::buffer(&byte, 1), asio::socket_base::message_peek, peeked);
    if (peeked == asio::error::would_block) continue;
    if (bytes == 0) co_return true;
    // A pipelined request is there and stays readable; from here on only a hang-up counts.
    kind = asio::ip::tcp::socket::wait_error;
  }
}

/// The source's next piece; nullopt also when the client is gone or the server drains.
awaitable<Result<std::optional<std::string>>> Session::next_piece(BodySource& source) {
  using namespace asio::experimental::awaitable_operators;
  if (!source.waits_long()) co_return co_await guarded_next(source);
  if (draining_) co_return std::nullopt;
  wait_ = Wait::kEvent;
  deadline_ = Deadline::max();
  auto first = co_await (guarded_next(source) || client_gone());
  wait_ = Wait::kNone;
  if (first.index() == 1) co_return std::nullopt;
  co_return std::get<0>(std::move(first));
}

awaitable<bool> Session::answer_stream(const Request& request, Response& response, bool keep_alive) {
  BodySource& source = *response.body.source();
  std::optional<std::string> piece{std::in_place};
  if (!source.waits_long() && !request.is_head()) {
    // With the first piece in hand before the head goes out, an early failure still gets an answer of its own.
    auto first = co_await next_piece(source);
    if (!first) {
      Response failure = problem(first.error(), request.request_id);
      response = std::move(failure);
      co_return co_await answer(&request, request.request_id, response, keep_alive);
    }
    piece = std::move(*first);
  }
  const bool chunked = !framing_.http10;
  write_head(response, request.request_id, keep_alive, std::nullopt, chunked);
  if (request.is_head()) co_return co_await write(out_);

  std::string head = out_;  // goes out with the first piece
  while (piece) {
    if (!piece->empty() && chunked) {
      append_number(head, piece->size(), 16);
      head += "\r\n";
    }
    const std::string_view tail = chunked && !piece->empty() ? "\r\n" : "";
    if (!co_await write(head, *piece, tail)) co_return false;
    head.clear();
    auto next = co_await next_piece(source);
    if (!next) {
      log(LogLevel::kError, "answer broken off",
          {{"request_id", request.request_id}, {"message", next.error().message}, {"detail", next.error().detail}});
      co_return false;
    }
    piece = std::move(*next);
  }
  if (chunked) head += "0\r\n\r\n";
  co_return co_await write(head);
}

/// Reads on for a while after the last answer: closing with unread input would reset the connection, and the reset
/// could overtake the answer.
awaitable<void> Session::linger() {
  error_code ignored;
  socket_.shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
  if (ignored) co_return;
  const auto end = Clock::now() + kLongestLinger;
  for (;;) {
    const auto now = Clock::now();
    if (now >= end || draining_) co_return;
    begin_ = end_ = 0;
    if (co_await fill(Wait::kIdle, std::min(end, now + worker_.shared().options.linger_timeout), kIdleBuffer) !=
        Io::kOk)
      co_return;
  }
}

void Session::report(const Request* request, unsigned status, bool complete) {
  const AccessHook& hook = worker_.shared().options.on_access;
  if (!hook) return;
  AccessRecord record;
  record.method = request ? to_string(request->method) : "none";
  record.route = request ? request->route : "none";
  record.request_id = request ? std::string_view(request->request_id) : std::string_view{};
  record.peer = peer_;
  record.status = status;
  record.received_bytes = body_received_;
  record.sent_bytes = sent_;
  record.duration = Clock::now() - started_;
  record.complete = complete;
  hook(record);
}

// ---- The conversation

awaitable<Response> Session::handle(Request& request) {
  std::string reason;
  try {
    co_return co_await worker_.shared().handler(request);
  } catch (const std::exception& exception) {
    reason = exception.what();
  }
  co_return problem(Error{Code::kInternal, "the handler threw", {}, std::move(reason)}, request.request_id);
}

/// Answers what is no request. What follows on the connection cannot be told apart from it, so it ends here.
awaitable<bool> Session::turn_away(const Refusal& refusal) {
  framing_ = {};
  Problem what;
  what.status = refusal.status;
  what.message = refusal.message;
  what.hint = refusal.hint;
  const std::string request_id = worker_.next_request_id();
  Response response = problem(what, request_id);
  const bool sent = co_await answer(nullptr, request_id, response, false);
  report(nullptr, response.status, sent);
  if (sent) co_await linger();
  co_return false;
}

/// One request and its answer. True: the connection can serve another.
awaitable<bool> Session::serve_one() {
  const Io io = co_await read_head();
  if (io == Io::kEnd) co_return false;

  sent_ = 0;
  framing_ = {};
  chunks_ = {};
  body_received_ = 0;
  body_failed_ = false;
  body_done_ = true;
  body_started_ = {};

  std::optional<Refusal> refusal;
  if (io == Io::kOverdue) {
    refusal = Refusal{408, "the request's header did not arrive in time", {}};
  } else if (!scanner_.refusal().message.empty()) {
    refusal = scanner_.refusal();
  } else {
    head_.assign(window().substr(scanner_.begin(), scanner_.end() - scanner_.begin()));
    consume(scanner_.end());
  }

  BodyReader reader(*this);
  Request request(reader);  // its views point into head_, which stays as it is until the next request
  if (!refusal) refusal = parse_head(head_, request, framing_);
  if (refusal) co_return co_await turn_away(*refusal);

  body_done_ = !framing_.has_body();
  continue_due_ = framing_.expects_continue;
  reader.encoded(request.headers.joined("Content-Encoding").value_or(""));
  const std::string_view id = request.headers.get("X-Request-Id");
  request.request_id = is_sane_request_id(id) ? std::string(id) : worker_.next_request_id();
  request.peer = peer_;
  request.deadline = started_ + worker_.shared().options.handler_timeout;
  request.executor = socket_.get_executor();
  request.worker = worker_.index();

  Response response = co_await handle(request);
  if (cut_) co_return false;

  // A body that is not read to its end leaves the connection unusable, unless the rest is small and surely coming.
  const bool rest_is_small = !framing_.chunked && framing_.content_length - body_received_ <= kSkippableBytes;
  const bool usable = body_done_ || (rest_is_small && !continue_due_ && !body_failed_);
  // Without chunks the end of a stream is the end of the connection.
  const bool ends_by_closing = framing_.http10 && response.body.source();
  const bool keep_alive = framing_.keep_alive && usable && !response.close && !draining_ && !ends_by_closing;
  const bool through = co_await answer(&request, request.request_id, response, keep_alive);
  report(&request, response.status, through);
  if (!through) co_return false;
  if (keep_alive) co_return co_await skip_body();
  if (!body_done_) co_await linger();
  co_return false;
}

awaitable<void> Session::serve() {
  while (co_await serve_one()) {
  }
  error_code ignored;
  socket_.shutdown(asio::ip::tcp::socket::shutdown_both, ignored);
  socket_.close(ignored);
}

awaitable<void> Session::refuse() {
  started_ = Clock::now();
  co_await turn_away({503, "the server has as many connections as it takes", "try again in a moment"});
  error_code ignored;
  socket_.close(ignored);
}

}  // namespace tideline::http
