#pragma once
// A bounded set of connections, lent one at a time. Thread-safe: acquire from coroutines on any executor and thread; a
// mutex guards the state and is never held across a wait.
//
// Waiters are served in the order they came. A connection comes back clean: what was left open is rolled back, and what
// is broken is closed and replaced. When the server is away, attempts to connect back off (up to 1 s) while the waiters
// wait, so a restart of the database costs its waiters time, not their requests. When it has been away for `patience`,
// each attempt that fails refuses them all.

#include <cstddef>
#include <memory>
#include <string>

#include "pg/connection.h"

namespace tideline::pg {

struct PoolOptions {
  std::string conninfo;
  std::size_t min_size = 1;  // connected by open()
  std::size_t max_size = 8;
  std::size_t max_waiting = 4096;  // more than this many waiters: kUnavailable at once rather than a longer queue
  /// Run on each new connection before its first use, e.g. "set statement_timeout = '30s'; set plan_cache_mode = …".
  std::string init_sql;
  std::chrono::milliseconds connect_timeout{10'000};
  std::chrono::milliseconds patience{5'000};  // with a server that is away; while a connection is held it does not end
  ConnectOptions connect;
};

struct PoolStats {
  std::size_t in_use = 0;
  std::size_t idle = 0;
  std::size_t connecting = 0;
  std::size_t waiting = 0;
  std::uint64_t opened = 0;  // connections made since the start
  std::uint64_t failed_connects = 0;
};

namespace detail {
struct PoolState;
}

/// The right to use one connection; its end gives the connection back. Move-only.
class Lease {
 public:
  Lease() = default;
  ~Lease() { release(); }
  Lease(Lease&&) noexcept;
  Lease& operator=(Lease&&) noexcept;

  Connection& operator*() const { return *connection_; }
  Connection* operator->() const { return connection_.get(); }
  explicit operator bool() const { return connection_ != nullptr; }
  /// Gives it back now. An unfinished statement is cancelled and an open transaction rolled back, in the background.
  void release();

 private:
  friend class Pool;
  Lease(std::shared_ptr<detail::PoolState> pool, std::unique_ptr<Connection> connection);
  std::shared_ptr<detail::PoolState> pool_;
  std::unique_ptr<Connection> connection_;
};

class Pool {
 public:
  /// Connects `min_size` connections, so that a wrong address or role is told at once. `executor` runs the sockets'
  /// events and the pool's own work, and must be running while the pool is used.
  static awaitable<Result<std::unique_ptr<Pool>>> open(boost::asio::any_io_executor executor, PoolOptions options,
                                                       Deadline deadline);
  /// Closes what is idle; leases that are out close theirs when they end.
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  /// A healthy connection outside any transaction; kUnavailable when none came free in time, when the server is away,
  /// when too many wait, or when the pool is closed.
  awaitable<Result<Lease>> acquire(Deadline deadline);

  PoolStats stats() const;

  /// Takes no more requests, fails the waiters, and waits for the leases and for its own tasks. kDeadline when some are
  /// still out.
  awaitable<Result<void>> close(Deadline deadline);

 private:
  explicit Pool(std::shared_ptr<detail::PoolState> state) : state_(std::move(state)) {}
  std::shared_ptr<detail::PoolState> state_;
};

}  // namespace tideline::pg
