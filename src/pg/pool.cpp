#include "pg/pool.h"

#include <algorithm>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>

#include "base/log.h"
#include "pg/gate.h"

namespace tideline::pg {
namespace detail {

namespace asio = boost::asio;

constexpr std::chrono::milliseconds kFirstBackoff{50};
constexpr std::chrono::milliseconds kLongestBackoff{1000};
constexpr std::chrono::seconds kRecoverTimeout{5};  // to cancel, drain and roll back; else the connection is closed

using ConnectionPtr = std::unique_ptr<Connection>;

struct Waiter {
  const std::shared_ptr<Gate> gate = std::make_shared<Gate>();
  ConnectionPtr connection;      // granted
  std::optional<Error> refusal;  // given instead
};

struct PoolState : std::enable_shared_from_this<PoolState> {
  PoolState(asio::any_io_executor where, PoolOptions with) : executor(std::move(where)), options(std::move(with)) {}

  const asio::any_io_executor executor;
  const PoolOptions options;

  std::mutex mutex;  // guards all below; a connection is never closed under it
  std::deque<std::shared_ptr<Waiter>> waiters;
  std::vector<ConnectionPtr> idle;  // the last one in is the warmest: taken first
  std::size_t in_use = 0;
  std::size_t connecting = 0;
  std::size_t recovering = 0;
  std::size_t opened = 0;
  std::size_t failed_connects = 0;
  bool closed = false;
  std::chrono::milliseconds backoff{0};
  Deadline retry_at = Deadline::min();
  std::optional<Error> last_error;              // of the attempts to connect; none when the last one succeeded
  Deadline away_since;                          // when the first of them began; holds with last_error
  std::shared_ptr<Gate> all_back;               // opened when a closed pool has nothing out any more
  std::vector<std::shared_ptr<Gate>> sleepers;  // of tasks that wait out the backoff

  std::size_t total() const { return in_use + idle.size() + connecting + recovering; }

  // Each returns what the caller has to destroy after the mutex is released.
  [[nodiscard]] ConnectionPtr put(ConnectionPtr connection) {
    if (closed) return connection;
    if (waiters.empty()) {
      idle.push_back(std::move(connection));
      return nullptr;
    }
    const auto waiter = std::move(waiters.front());
    waiters.pop_front();
    ++in_use;
    waiter->connection = std::move(connection);
    waiter->gate->open();
    return nullptr;
  }
  void grow();
  void settle() {
    if (closed && in_use + connecting + recovering == 0 && all_back) all_back->open();
  }
  void refuse_all(const Error& error) {
    for (const auto& waiter : waiters) {
      waiter->refusal = error;
      waiter->gate->open();
    }
    waiters.clear();
  }
  // Not one connection, and none to be had for as long as anybody should wait for it.
  bool is_given_up() const {
    return last_error && in_use + idle.size() + recovering == 0 && is_past(away_since + options.patience);
  }
  Error away() const {
    Error error{Code::kUnavailable, "no database connection came free in time", "try again", {}};
    if (last_error) error.detail = describe(*last_error) + " " + last_error->detail;
    return error;
  }
};

namespace {

void report(const char* task, std::exception_ptr thrown) {
  if (!thrown) return;
  std::string reason = "unknown";
  try {
    std::rethrow_exception(thrown);
  } catch (const std::exception& e) {
    reason = e.what();
  } catch (...) {
  }
  log(LogLevel::kError, "database pool task failed", {{"task", task}, {"reason", reason}});
}

// Posted, because co_spawn may begin at once on the calling thread, which holds the mutex that the task will take.
void spawn_task(const asio::any_io_executor& executor, const char* name, awaitable<void> task) {
  asio::post(executor, [executor, name, work = std::move(task)]() mutable {
    asio::co_spawn(executor, std::move(work), [name](std::exception_ptr thrown) { report(name, thrown); });
  });
}

awaitable<Result<ConnectionPtr>> open_one(std::shared_ptr<PoolState> pool, Deadline deadline) {
  const auto& options = pool->options;
  CO_TRY(ConnectionPtr connection,
         co_await Connection::connect(pool->executor, options.conninfo, deadline, options.connect));
  if (!options.init_sql.empty()) CO_TRY_VOID(co_await connection->script(options.init_sql, deadline));
  co_return connection;
}

// Connects for whoever waits, until it has succeeded or nobody waits any more.
awaitable<void> connect_task(std::shared_ptr<PoolState> pool) {
  for (;;) {
    std::shared_ptr<Gate> sleep;
    Deadline until;
    {
      const std::lock_guard lock(pool->mutex);
      until = pool->retry_at;
      if (!is_past(until) && !pool->closed) sleep = pool->sleepers.emplace_back(std::make_shared<Gate>());
    }
    if (sleep) {
      co_await Gate::wait(sleep, until);
      const std::lock_guard lock(pool->mutex);
      std::erase(pool->sleepers, sleep);
      if (pool->closed) {
        --pool->connecting;
        pool->settle();
        break;
      }
    }
    const Deadline begun = std::chrono::steady_clock::now();
    auto connection = co_await open_one(pool, begun + pool->options.connect_timeout);
    ConnectionPtr surplus;
    const std::lock_guard lock(pool->mutex);
    if (connection) {
      if (pool->last_error) log(LogLevel::kInfo, "database reached again");
      ++pool->opened;
      --pool->connecting;
      pool->last_error.reset();
      pool->backoff = {};
      pool->retry_at = Deadline::min();
      surplus = pool->put(*std::move(connection));
      pool->settle();
      break;
    }
    ++pool->failed_connects;
    if (!pool->last_error) {
      log(LogLevel::kWarning, "database not reached", {{"reason", connection.error().detail}});
      pool->away_since = begun;
    }
    pool->last_error = std::move(connection).error();
    pool->backoff = std::clamp(pool->backoff * 2, kFirstBackoff, kLongestBackoff);
    pool->retry_at = within(pool->backoff);
    if (pool->is_given_up()) pool->refuse_all(pool->away());
    if (pool->closed || pool->waiters.size() < pool->connecting) {
      --pool->connecting;
      pool->settle();
      break;
    }
  }
}

awaitable<void> recover_task(std::shared_ptr<PoolState> pool, ConnectionPtr connection) {
  const auto status = co_await connection->recover(within(kRecoverTimeout));
  if (!status) {
    log(LogLevel::kWarning, "database connection given up", {{"reason", status.error().detail}});
    connection.reset();
  }
  const std::lock_guard lock(pool->mutex);
  --pool->recovering;
  if (connection) connection = pool->put(std::move(connection));
  pool->grow();
  pool->settle();
}

// A waiter's place in the queue, given up with its coroutine whatever ends it.
class Place {
 public:
  Place(std::shared_ptr<PoolState> pool, std::shared_ptr<Waiter> waiter)
      : pool_(std::move(pool)), waiter_(std::move(waiter)) {}
  ~Place() {
    ConnectionPtr surplus;
    const std::lock_guard lock(pool_->mutex);
    std::erase(pool_->waiters, waiter_);
    if (!waiter_->connection) return;
    --pool_->in_use;
    surplus = pool_->put(std::move(waiter_->connection));
    pool_->settle();
  }
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;

 private:
  std::shared_ptr<PoolState> pool_;
  std::shared_ptr<Waiter> waiter_;
};

}  // namespace

// As many connections under way as there are waiters without one, within the limit. Called under the mutex.
void PoolState::grow() {
  while (!closed && connecting < waiters.size() && total() < options.max_size) {
    ++connecting;
    spawn_task(executor, "connect", connect_task(shared_from_this()));
  }
}

}  // namespace detail

using detail::ConnectionPtr;
using detail::PoolState;

// ---- Lease ----

Lease::Lease(std::shared_ptr<PoolState> pool, std::unique_ptr<Connection> connection)
    : pool_(std::move(pool)), connection_(std::move(connection)) {}
Lease::Lease(Lease&&) noexcept = default;
Lease& Lease::operator=(Lease&& other) noexcept {
  if (this != &other) {
    release();
    pool_ = std::move(other.pool_);
    connection_ = std::move(other.connection_);
  }
  return *this;
}

void Lease::release() {
  if (!connection_) return;
  const auto pool = std::move(pool_);
  ConnectionPtr connection = std::move(connection_);
  const bool usable = connection->is_healthy();
  const bool dirty = usable && connection->needs_recovery();
  if (!usable) connection.reset();
  ConnectionPtr surplus;
  const std::lock_guard lock(pool->mutex);
  --pool->in_use;
  if (dirty && !pool->closed) {
    ++pool->recovering;
    detail::spawn_task(pool->executor, "recover", detail::recover_task(pool, std::move(connection)));
  } else if (connection) {
    surplus = pool->put(std::move(connection));
  }
  pool->grow();
  pool->settle();
}

// ---- Pool ----

awaitable<Result<std::unique_ptr<Pool>>> Pool::open(boost::asio::any_io_executor executor, PoolOptions options,
                                                    Deadline deadline) {
  options.max_size = std::max<std::size_t>(options.max_size, 1);
  options.min_size = std::min(options.min_size, options.max_size);
  auto state = std::make_shared<PoolState>(std::move(executor), std::move(options));
  for (std::size_t i = 0; i < state->options.min_size; ++i) {
    CO_TRY(ConnectionPtr connection, co_await detail::open_one(state, deadline));
    const std::lock_guard lock(state->mutex);
    ++state->opened;
    state->idle.push_back(std::move(connection));
  }
  co_return std::unique_ptr<Pool>(new Pool(std::move(state)));
}

namespace detail {
namespace {
Error shutting_down() { return {Code::kUnavailable, "the server is shutting down", "try again", {}}; }

std::vector<ConnectionPtr> shut(PoolState& pool) {
  const std::lock_guard lock(pool.mutex);
  pool.closed = true;
  pool.refuse_all(shutting_down());
  for (const auto& sleeper : pool.sleepers) sleeper->open();
  return std::exchange(pool.idle, {});
}
}  // namespace
}  // namespace detail

Pool::~Pool() {
  if (state_) detail::shut(*state_);
}

awaitable<Result<void>> Pool::close(Deadline deadline) {
  detail::shut(*state_);
  std::shared_ptr<Gate> gate;
  {
    const std::lock_guard lock(state_->mutex);
    gate = state_->all_back = std::make_shared<Gate>();
    state_->settle();
  }
  if (co_await Gate::wait(gate, deadline)) co_return Result<void>();
  co_return fail(Code::kDeadline, "some database connections were still in use");
}

awaitable<Result<Lease>> Pool::acquire(Deadline deadline) {
  const auto pool = state_;
  const auto waiter = std::make_shared<detail::Waiter>();
  std::vector<ConnectionPtr> dead;  // closed after the mutex is released
  {
    const std::lock_guard lock(pool->mutex);
    if (pool->closed) co_return fail(detail::shutting_down());
    while (pool->waiters.empty() && !pool->idle.empty()) {
      ConnectionPtr connection = std::move(pool->idle.back());
      pool->idle.pop_back();
      if (!connection->is_healthy()) {
        dead.push_back(std::move(connection));
        continue;
      }
      ++pool->in_use;
      co_return Lease(pool, std::move(connection));
    }
    if (pool->waiters.size() >= pool->options.max_waiting)
      co_return fail(Code::kUnavailable, "too many requests are waiting for the database", "try again");
    pool->waiters.push_back(waiter);
    pool->grow();
  }
  dead.clear();
  const detail::Place place(pool, waiter);
  co_await Gate::wait(waiter->gate, deadline);
  const std::lock_guard lock(pool->mutex);
  if (waiter->connection) co_return Lease(pool, std::move(waiter->connection));
  co_return fail(waiter->refusal ? std::move(*waiter->refusal) : pool->away());
}

PoolStats Pool::stats() const {
  const std::lock_guard lock(state_->mutex);
  PoolStats stats;
  stats.in_use = state_->in_use;
  stats.idle = state_->idle.size();
  stats.connecting = state_->connecting + state_->recovering;
  stats.waiting = state_->waiters.size();
  stats.opened = state_->opened;
  stats.failed_connects = state_->failed_connects;
  return stats;
}

}  // namespace tideline::pg
