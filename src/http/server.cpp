#include "http/server.h"

#include <algorithm>
#include <array>
#include <ctime>
#include <thread>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/log.h"
#include "base/random.h"
#include "base/text.h"
#include "http/session.h"

namespace tideline::http {

namespace asio = boost::asio;
using boost::system::error_code;

namespace {

/// How late a deadline may be noticed.
constexpr auto kSweepInterval = std::chrono::milliseconds(250);
/// Connections over the limit that are told so; further ones are just closed.
constexpr std::size_t kMaxRefusals = 64;
/// Pause after accept failed for want of descriptors or memory.
constexpr auto kAcceptPause = std::chrono::milliseconds(100);
/// After cancelling the last sessions: how long they may take to unwind before the loop is stopped under them.
constexpr auto kUnwindTime = std::chrono::seconds(2);

/// IMF-fixdate (RFC 9110 §5.6.7), by hand: strftime's names follow the locale.
std::string http_date(std::time_t time) {
  constexpr std::array kDays{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  constexpr std::array kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  std::tm utc{};
  gmtime_r(&time, &utc);
  std::array<char, 64> text{};
  const int size = std::snprintf(text.data(), text.size(), "%s, %02d %s %04d %02d:%02d:%02d GMT",
                                 kDays[static_cast<std::size_t>(utc.tm_wday)], utc.tm_mday,
                                 kMonths[static_cast<std::size_t>(utc.tm_mon)], utc.tm_year + 1900, utc.tm_hour,
                                 utc.tm_min, utc.tm_sec);
  return {text.data(), static_cast<std::size_t>(size)};
}

}  // namespace

// ---- Worker

Worker::Worker(Shared& shared, std::size_t index)
    : shared_(shared), index_(index), work_(io_.get_executor()), timer_(io_), date_(http_date(std::time(nullptr))) {
  std::array<std::uint8_t, 6> prefix{};
  fill_random(prefix);
  id_prefix_ = hex(prefix) + "-";
}

std::string Worker::next_request_id() { return id_prefix_ + std::to_string(++id_counter_); }

namespace {
// A free coroutine that owns its session: nothing it needs dies with a caller.
awaitable<void> run_session(std::shared_ptr<Session> session, bool refuse) {
  if (refuse)
    co_await session->refuse();
  else
    co_await session->serve();
}
}  // namespace

void Worker::adopt(asio::ip::tcp::socket socket, bool refuse) {
  load_.fetch_add(1, std::memory_order_relaxed);
  shared_.connections.fetch_add(1);
  asio::post(io_, [this, refuse, socket = std::move(socket)]() mutable {
    auto session = std::make_shared<Session>(*this, std::move(socket));
    const auto place = sessions_.insert(sessions_.end(), session.get());
    auto ended = [this, place, session](std::exception_ptr failure) {
      sessions_.erase(place);
      load_.fetch_sub(1, std::memory_order_relaxed);
      try {
        if (failure) std::rethrow_exception(failure);
      } catch (const std::exception& exception) {
        if (!session->was_cut()) log(LogLevel::kError, "session failed", {{"detail", exception.what()}});
      } catch (...) {
        log(LogLevel::kError, "session failed", {{"detail", "by something that is no exception"}});
      }
      const std::lock_guard lock(shared_.mutex);
      shared_.connections.fetch_sub(1);
      shared_.changed.notify_all();
    };
    const auto slot = session->slot();
    asio::co_spawn(io_, run_session(std::move(session), refuse), asio::bind_cancellation_slot(slot, std::move(ended)));
  });
}

void Worker::start_sweep() { schedule_sweep(); }

void Worker::schedule_sweep() {
  timer_.expires_after(kSweepInterval);
  timer_.async_wait([this](error_code error) {
    // A wait that was over before it could be cancelled is no error, and would go on for ever.
    if (error || released_) return;
    sweep();
    schedule_sweep();
  });
}

void Worker::sweep() {
  date_ = http_date(std::time(nullptr));
  const auto now = std::chrono::steady_clock::now();
  for (Session* session : sessions_) session->check_deadline(now);
}

void Worker::begin_drain() {
  for (Session* session : sessions_) session->drain();
}

void Worker::cut_all() {
  // Cancelling may run a session's end at once, which takes it off the list.
  for (auto place = sessions_.begin(); place != sessions_.end();) (*place++)->cut();
}

void Worker::release() {
  asio::post(io_, [this] {
    released_ = true;
    timer_.cancel();
    work_.reset();
  });
}

// ---- Server

struct Server::Impl {
  Impl(Options options, Handler handler) {
    shared.options = std::move(options);
    shared.options.threads = std::max<std::size_t>(1, shared.options.threads);
    shared.handler = std::move(handler);
    for (std::size_t i = 0; i < shared.options.threads; ++i) workers.push_back(std::make_unique<Worker>(shared, i));
    acceptor.emplace(workers.front()->io());
  }

  Result<void> listen();
  awaitable<void> accept_loop();
  Worker& least_loaded();

  Shared shared;
  std::vector<std::unique_ptr<Worker>> workers;
  std::optional<asio::ip::tcp::acceptor> acceptor;
  std::vector<std::thread> threads;
  std::uint16_t port = 0;
  std::atomic<bool> stopped{false};
};

namespace {

Result<void> listen_at(asio::ip::tcp::acceptor& acceptor, const Options& options) {
  const std::string where = options.address + ":" + std::to_string(options.port);
  error_code error;
  const auto address =
      asio::ip::make_address(options.address == "localhost" ? std::string("127.0.0.1") : options.address, error);
  if (error)
    return fail(Code::kInvalidInput, "\"" + options.address + "\" is not an IP address to listen on",
                "for example 127.0.0.1 (this machine only) or 0.0.0.0 (all interfaces)");
  const asio::ip::tcp::endpoint endpoint(address, options.port);
  acceptor.open(endpoint.protocol(), error);
  if (!error) acceptor.set_option(asio::socket_base::reuse_address(true), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (error) {
    const bool taken = error == asio::error::address_in_use;
    return fail(Code::kUnavailable, "cannot listen on " + where + ": " + error.message(),
                taken ? "another program has this port: stop it, or choose another one with --listen" : "");
  }
  return {};
}

}  // namespace

Result<void> check_address(const Options& options) {
  asio::io_context unused;
  asio::ip::tcp::acceptor acceptor(unused);
  return listen_at(acceptor, options);
}

Result<void> Server::Impl::listen() {
  TRY_VOID(listen_at(*acceptor, shared.options));
  error_code error;
  port = acceptor->local_endpoint(error).port();
  return {};
}

Worker& Server::Impl::least_loaded() {
  return **std::min_element(workers.begin(), workers.end(),
                            [](const auto& a, const auto& b) { return a->load() < b->load(); });
}

/// One acceptor hands each connection to the worker that has fewest. (An acceptor per worker with SO_REUSEPORT was the
/// other way: the kernel then spreads by hash, uneven for a handful of connections, and a second server started on the
/// same port by mistake would take half of them instead of failing.)
awaitable<void> Server::Impl::accept_loop() {
  constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);
  asio::steady_timer pause(workers.front()->io());
  while (!shared.draining.load()) {
    Worker& worker = least_loaded();
    auto [error, socket] = co_await acceptor->async_accept(worker.io(), kAwait);
    if (error == asio::error::operation_aborted) co_return;
    if (error) {
      // A client that left before it was accepted is no news; running out of descriptors is.
      if (error == asio::error::connection_aborted) continue;
      log(LogLevel::kError, "accept failed", {{"reason", error.message()}});
      pause.expires_after(kAcceptPause);
      co_await pause.async_wait(kAwait);
      continue;
    }
    const std::size_t open = shared.connections.load();
    if (open >= shared.options.max_connections + kMaxRefusals) continue;
    worker.adopt(std::move(socket), open >= shared.options.max_connections);
  }
}

Server::Server(Options options, Handler handler)
    : impl_(std::make_unique<Impl>(std::move(options), std::move(handler))) {}

Server::~Server() { stop(std::chrono::milliseconds(0)); }

Result<void> Server::start() {
  TRY_VOID(impl_->listen());
  Worker& first = *impl_->workers.front();
  asio::co_spawn(first.io(), impl_->accept_loop(), [](std::exception_ptr failure) {
    try {
      if (failure) std::rethrow_exception(failure);
    } catch (const std::exception& exception) {
      log(LogLevel::kError, "accepting ended", {{"detail", exception.what()}});
    }
  });
  for (const auto& worker : impl_->workers) {
    worker->start_sweep();
    impl_->threads.emplace_back([loop = worker.get()] {
      try {
        loop->io().run();
      } catch (const std::exception& exception) {
        log(LogLevel::kError, "worker ended", {{"detail", exception.what()}});
      }
    });
  }
  return {};
}

std::uint16_t Server::port() const { return impl_->port; }
asio::any_io_executor Server::executor(std::size_t worker) { return impl_->workers.at(worker)->io().get_executor(); }
std::size_t Server::threads() const { return impl_->workers.size(); }
std::size_t Server::connections() const { return impl_->shared.connections.load(); }
bool Server::draining() const { return impl_->shared.draining.load(); }

std::size_t Server::stop(std::chrono::milliseconds grace) {
  if (impl_->stopped.exchange(true)) return 0;
  Shared& shared = impl_->shared;
  shared.draining.store(true);
  if (impl_->threads.empty()) return 0;

  asio::post(impl_->workers.front()->io(), [this] {
    error_code ignored;
    impl_->acceptor->close(ignored);
  });
  for (const auto& worker : impl_->workers) asio::post(worker->io(), [loop = worker.get()] { loop->begin_drain(); });

  const auto all_ended = [&shared] { return shared.connections.load() == 0; };
  std::size_t cut = 0;
  std::unique_lock lock(shared.mutex);
  if (!shared.changed.wait_for(lock, grace, all_ended)) {
    cut = shared.connections.load();
    for (const auto& worker : impl_->workers) asio::post(worker->io(), [loop = worker.get()] { loop->cut_all(); });
    shared.changed.wait_for(lock, kUnwindTime, all_ended);
  }
  const bool unwound = all_ended();
  lock.unlock();
  for (const auto& worker : impl_->workers) {
    worker->release();
    if (!unwound) worker->io().stop();
  }
  for (std::thread& thread : impl_->threads) thread.join();
  return cut;
}

}  // namespace tideline::http
