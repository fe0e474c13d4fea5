#pragma once
// An HTTP/1.1 server (RFC 9110, 9112): sockets, timeouts, limits, keep-alive and draining. It knows no routes. TLS and
// HTTP/2 are left to a proxy in front. One io_context and one thread per worker; a connection stays on its worker, so
// what a session does needs no locks. Server's own functions are thread-safe.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include <boost/asio/any_io_executor.hpp>

#include "base/error.h"
#include "http/message.h"

namespace tideline::http {

/// Called on the worker's thread for each request; must not block it. The Request lives until the answer is sent; the
/// returned Response may not refer to it. Exceptions become a 500. The handler stands in the Server until the last
/// session ended, so what a lambda captures lives long enough; still, write it as a plain function that returns the
/// awaitable of a member coroutine (`[&app](Request& r) { return app.handle(r); }`) and not as a coroutine itself.
/// A session that has to end (client of a draining server past its grace) is cancelled by Asio terminal cancellation.
using Handler = std::function<awaitable<Response>(Request&)>;

/// What is known of a request when it is over: for metrics and logs. Holds no target, query or header.
struct AccessRecord {
  std::string_view method;
  std::string_view route;
  std::string_view request_id;
  std::string_view peer;
  unsigned status = 0;
  std::uint64_t received_bytes = 0;  // of the body, as they came over the wire
  std::uint64_t sent_bytes = 0;      // head and body
  std::chrono::nanoseconds duration{0};
  bool complete = true;  // false: the client was gone before the answer was through
};

/// Runs on the worker's thread: fast, no blocking. The views are valid during the call only.
using AccessHook = std::function<void(const AccessRecord&)>;

/// 16 KB of header: a JWT with many claims fits twice, and 1,000 connections that send nothing else cost 16 MB.
inline constexpr std::size_t kMaxHeaderBytes = 16 * 1024;
/// Longest target: 200 ids in a query fit.
inline constexpr std::size_t kMaxTargetBytes = 8 * 1024;
/// Number of header fields: far above any client's, and keeps look-ups short.
inline constexpr std::size_t kMaxHeaderFields = 100;

struct Options {
  std::string address = "127.0.0.1";
  std::uint16_t port = 0;  // 0: the system chooses, see Server::port
  std::size_t threads = 1;
  /// Open connections; one more is answered 503 and closed. Each idle one costs some 10 KB.
  std::size_t max_connections = 4096;
  /// From the first byte of a request to the end of its header.
  std::chrono::milliseconds header_timeout{10'000};
  /// Without a byte of the body taken or given. Besides, a sender or receiver is held to 256 B/s on average.
  std::chrono::milliseconds stall_timeout{30'000};
  /// Between requests of a connection.
  std::chrono::milliseconds idle_timeout{75'000};
  /// Becomes Request::deadline.
  std::chrono::milliseconds handler_timeout{60'000};
  /// How long a connection is read on, its input thrown away, after an answer that closes it: so that the answer is not
  /// lost in a reset.
  std::chrono::milliseconds linger_timeout{5'000};
  AccessHook on_access;
};

/// That the address can be listened on just now, before much is done for a server that could not. As Server::start.
Result<void> check_address(const Options& options);

class Server {
 public:
  Server(Options options, Handler handler);
  /// Stops without grace if still running.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// Binds, listens and starts the workers' threads; returns when connections are accepted. kUnavailable: the address
  /// is taken or is not ours, with the reason. Once only.
  Result<void> start();

  /// The port in use, after `start`.
  std::uint16_t port() const;
  /// Where the sessions of a worker run (0 … threads-1): for things kept per worker. Valid as long as the Server.
  boost::asio::any_io_executor executor(std::size_t worker);
  std::size_t threads() const;
  /// Open connections.
  std::size_t connections() const;

  /// True once `stop` was called: readiness answers say so.
  bool draining() const;

  /// Stops accepting, closes idle connections at once, lets requests in work end within `grace`, then cancels and
  /// closes the rest. Blocks until the threads have ended. Returns how many connections were cut. A second call waits
  /// for nothing and returns 0. Not to be called from a worker's thread.
  std::size_t stop(std::chrono::milliseconds grace);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tideline::http
