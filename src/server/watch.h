#pragma once
// Keeps a Membership fresh: asks the primary every kPollEvery for the organizations in use, and at once for one that
// the database notifies of (LISTEN). Notifications only make it faster; without them nothing is missed. Also notes the
// use of API tokens, in the background, and puts right what pushes left that ended with another server.
//
// Thread-safe. Its coroutines run on the executor it is given, which must be running from `start` to `stop`.

#include <atomic>
#include <future>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>

#include "server/membership.h"
#include "store/database.h"

namespace tideline::server {

class Watch {
 public:
  /// `listen_conninfo`: the primary, for the connection that listens. All outlive the watch.
  Watch(boost::asio::any_io_executor executor, store::Database& database, std::string listen_conninfo,
        Membership& membership);
  ~Watch();
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  void start();
  /// Blocks until nothing of it runs any more. Not from the executor's thread.
  void stop();

  /// An API token was used: written down at most once a minute, soon, not now.
  void note_use(OrganizationId organization, const Uuid& api_token, Instant now);

  /// Since the primary last answered, for metrics.
  std::chrono::milliseconds age(Instant now) const;

 private:
  using awaitable_void = boost::asio::awaitable<void>;

  awaitable_void poll();
  awaitable_void listen();
  awaitable_void ask(std::vector<OrganizationId> organizations);
  awaitable_void write_uses();
  awaitable_void sleep(boost::asio::steady_timer& timer, std::chrono::milliseconds time);
  static awaitable_void run(Watch* watch, awaitable_void (Watch::*loop)());
  void spawn(awaitable_void (Watch::*loop)());

  boost::asio::any_io_executor executor_;
  store::Database& database_;
  const std::string listen_conninfo_;
  Membership& membership_;

  std::atomic<bool> stopping_ = false;
  std::vector<std::future<void>> tasks_;
  boost::asio::steady_timer poll_timer_;  // these three: on the executor only
  boost::asio::steady_timer listen_timer_;
  std::vector<OrganizationId> notified_;
  std::atomic<Instant::rep> answered_{0};

  std::mutex uses_mutex_;
  std::map<Uuid, Instant> last_uses_;
  std::vector<std::pair<OrganizationId, Uuid>> pending_uses_;
};

}  // namespace tideline::server
