#include "server/application.h"

#include <atomic>
#include <exception>
#include <future>
#include <optional>
#include <thread>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/thread_pool.hpp>

#include "base/deadline.h"
#include "base/log.h"
#include "http/server.h"
#include "server/service.h"
#include "server/token_keys.h"
#include "store/migrate.h"

namespace tideline::server {
namespace {

namespace asio = boost::asio;

constexpr std::chrono::seconds kConnectDeadline{15};
constexpr std::chrono::seconds kCloseDeadline{5};
// Rights and the watch have connections of their own, so that long reads and pushes never hold up a question of a few
// microseconds: two for requests and one for the watch.
constexpr std::size_t kRightsConnections = 3;
// Parsing and compressing; more threads than cores do not make it faster.
constexpr std::size_t kMinBlockingThreads = 2;
constexpr std::chrono::seconds kSlowRequest{1};
// A session that works does so in milliseconds, a page in tens of them; the rest is a sign of a plan gone wrong.
constexpr const char* kSessionSettings = "set statement_timeout = '60s'";
// A push compares and writes a whole project in one transaction. But a process that hangs, or whose network went away,
// must not hold an organization's head for hours; between two statements of a push lies a minute at most.
constexpr const char* kDataSettings =
    "set statement_timeout = '15min'; set idle_in_transaction_session_timeout = '5min'";

http::AccessHook access_hook(Metrics& metrics) {
  return [&metrics](const http::AccessRecord& record) {
    metrics.count(record);
    // Reads that went well are counted, not written down: there are thousands a second.
    const bool is_read = record.method == "GET" || record.method == "HEAD" || record.method == "OPTIONS";
    const bool is_notable = !is_read || record.status >= 400 || record.duration > kSlowRequest || !record.complete;
    const LogLevel level = is_notable ? LogLevel::kInfo : LogLevel::kDebug;
    if (!is_logged(level)) return;
    const auto microseconds = std::chrono::duration_cast<std::chrono::microseconds>(record.duration).count();
    LogFields fields = {
        {"method", std::string(record.method)},      {"route", std::string(record.route)},
        {"status", std::to_string(record.status)},   {"request_id", std::string(record.request_id)},
        {"peer", std::string(record.peer)},          {"received", std::to_string(record.received_bytes)},
        {"sent", std::to_string(record.sent_bytes)}, {"us", std::to_string(microseconds)}};
    if (!record.complete) fields.emplace_back("cut", "true");
    log(level, "request", std::move(fields));
  };
}

Result<void> check(const Options& options) {
  if (options.database_url.empty()) return fail(Code::kInvalidInput, "there is no database to serve from");
  if (options.data_dir.empty()) return fail(Code::kInvalidInput, "there is no data directory");
  if (options.threads == 0 || options.database_connections == 0 || options.limits.concurrent_pushes == 0)
    return fail(Code::kInvalidInput, "threads, database connections and concurrent pushes are at least 1");
  return {};
}

pg::PoolOptions pool_options(const std::string& conninfo, std::size_t connections, const char* settings) {
  pg::PoolOptions options;
  options.conninfo = conninfo;
  options.min_size = 1;
  options.max_size = connections;
  options.init_sql = settings;
  return options;
}

}  // namespace

struct Application::Impl {
  explicit Impl(Options given)
      : options(std::move(given)),
        background_work(asio::make_work_guard(background)),
        blocking(std::max(kMinBlockingThreads, options.threads)),
        background_thread([this] { background.run(); }),
        pages(options.limits.page_cache_bytes),
        events(options.limits.event_streams),
        membership(
            [this](OrganizationId organization) {
              pages.forget(organization);
              listings.forget(organization);
              heads.forget(organization);
            },
            [this](OrganizationId organization) { events.wake(organization); }) {}

  ~Impl() {
    stop(std::chrono::milliseconds(0));
    // From the end of what uses to the begin of what is used. The threads that block come first: what they do for a
    // session that was cut they hand back to the HTTP server's executors, which must still be there.
    blocking.join();
    http_server.reset();
    watch.reset();
    token_keys.reset();
    close(rights_database);
    close(database);
    background_work.reset();
    background.stop();
    background_thread.join();
  }

  /// Runs a coroutine in the background and waits for it: for start and stop, from the caller's thread.
  template <class T>
  T await(asio::awaitable<T> work) {
    // Shared: the caller may have returned while the other thread is still in set_value.
    const auto promise = std::make_shared<std::promise<std::optional<T>>>();
    auto future = promise->get_future();
    asio::co_spawn(background, wrapped(std::move(work)),
                   [promise](const std::exception_ptr& thrown, std::optional<T> value) {
                     if (thrown)
                       promise->set_exception(thrown);
                     else
                       promise->set_value(std::move(value));
                   });
    return std::move(*future.get());
  }
  template <class T>
  static asio::awaitable<std::optional<T>> wrapped(asio::awaitable<T> work) {
    co_return co_await std::move(work);
  }

  void close(std::unique_ptr<store::Database>& held) {
    if (!held) return;
    auto closed = await(held->close(within(kCloseDeadline)));
    if (!closed) log(LogLevel::kWarning, "database connections not closed", {{"detail", describe(closed.error())}});
    held.reset();
  }

  static asio::awaitable<Result<void>> check_database(asio::any_io_executor executor, std::string conninfo) {
    const Deadline deadline = within(kConnectDeadline);
    auto connection = co_await pg::Connection::connect(executor, std::move(conninfo), deadline);
    if (!connection) co_return tl::unexpected(std::move(connection.error()));
    CO_TRY_VOID(co_await store::check_server_login(**connection, deadline));
    co_return co_await store::check_schema(**connection, deadline);
  }

  Result<void> open_databases() {
    const auto executor = asio::any_io_executor(background.get_executor());
    TRY_VOID(await(check_database(executor, options.database_url)));
    store::DatabaseOptions rights{pool_options(options.database_url, kRightsConnections, kSessionSettings), {}};
    store::DatabaseOptions data{pool_options(options.database_url, options.database_connections, kDataSettings), {}};
    if (!options.read_database_url.empty())
      data.replica = pool_options(options.read_database_url, options.database_connections, kDataSettings);
    TRY(rights_database, await(store::Database::open(executor, std::move(rights), within(kConnectDeadline))));
    TRY(database, await(store::Database::open(executor, std::move(data), within(kConnectDeadline))));
    return {};
  }

  Result<void> start() {
    TRY(uploads, UploadSpace::open(options.data_dir / "tmp", options.limits.concurrent_pushes));
    TRY_VOID(open_databases());
    TRY(store::ServerKeys keys, await(rights_database->server_keys(within(kConnectDeadline))));
    cursor_key = std::move(keys.cursor_key);
    TRY(token_keys, TokenKeys::open(options.tokens, std::move(keys.signing_key)));
    watch = std::make_unique<Watch>(background.get_executor(), *rights_database, options.database_url, membership);
    watch->start();
    gate.emplace(Gate::Parts{*token_keys, *rights_database, membership, *watch, options.tokens.create_users});
    reads.emplace(*database, pages, listings, heads, cursor_key, blocking.get_executor());
    service.emplace(Services{*gate, *database, *rights_database, membership, *watch, events, *reads, *uploads, metrics,
                             blocking.get_executor(), options.limits, draining});

    http::Options http_options;
    http_options.address = options.listen_address;
    http_options.port = options.listen_port;
    http_options.threads = options.threads;
    http_options.max_connections = options.limits.connections;
    http_options.on_access = access_hook(metrics);
    http_server = std::make_unique<http::Server>(std::move(http_options),
                                                 [this](http::Request& request) { return service->handle(request); });
    return http_server->start();
  }

  std::size_t stop(std::chrono::milliseconds grace) {
    if (draining.exchange(true)) return 0;
    const std::size_t cut = http_server ? http_server->stop(grace) : 0;
    if (watch) watch->stop();
    return cut;
  }

  const Options options;
  std::atomic<bool> draining = false;

  // Events of the database's sockets, and the watch. Requests have the HTTP server's own threads.
  asio::io_context background{1};
  asio::executor_work_guard<asio::io_context::executor_type> background_work;
  asio::thread_pool blocking;
  std::thread background_thread;

  Metrics metrics;
  PageCache pages;
  ListingCache listings;
  HeadsCache heads;
  std::string cursor_key;
  EventHub events;
  Membership membership;
  std::unique_ptr<UploadSpace> uploads;
  std::unique_ptr<store::Database> rights_database;
  std::unique_ptr<store::Database> database;
  std::unique_ptr<TokenKeys> token_keys;
  std::unique_ptr<Watch> watch;
  std::optional<Gate> gate;
  std::optional<ReadContext> reads;
  std::optional<Service> service;
  std::unique_ptr<http::Server> http_server;
};

Application::Application(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Application::~Application() = default;

Result<std::unique_ptr<Application>> Application::start(Options options) {
  TRY_VOID(check(options));
  auto impl = std::make_unique<Impl>(std::move(options));
  TRY_VOID(impl->start());
  return std::unique_ptr<Application>(new Application(std::move(impl)));
}

std::uint16_t Application::port() const { return impl_->http_server->port(); }

std::size_t Application::stop(std::chrono::milliseconds grace) { return impl_->stop(grace); }

}  // namespace tideline::server
