#include "server/watch.h"

#include <algorithm>
#include <exception>
#include <memory>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/deadline.h"
#include "base/log.h"

namespace tideline::server {
namespace {

using std::chrono::milliseconds;

// An answer later than this would confirm nothing.
constexpr milliseconds kPollDeadline = kTrustedFor;
// How long one wait for a notification lasts: bounds how long `stop` takes.
constexpr milliseconds kListenSlice{250};
constexpr milliseconds kConnectDeadline{5'000};
constexpr milliseconds kReconnectAfter{500};
constexpr std::chrono::minutes kNoteUseEvery{1};
constexpr std::chrono::minutes kSettleEvery{1};
// More tokens than are in use in a minute; beyond it the oldest notes do not matter.
constexpr std::size_t kMaxLastUses = 10'000;

}  // namespace

Watch::Watch(boost::asio::any_io_executor executor, store::Database& database, std::string listen_conninfo,
             Membership& membership)
    : executor_(executor),
      database_(database),
      listen_conninfo_(std::move(listen_conninfo)),
      membership_(membership),
      poll_timer_(executor),
      listen_timer_(executor) {}

Watch::~Watch() { stop(); }

void Watch::start() {
  answered_ = std::chrono::steady_clock::now().time_since_epoch().count();  // whoever starts it has just asked
  spawn(&Watch::poll);
  spawn(&Watch::listen);
}

void Watch::spawn(awaitable_void (Watch::*loop)()) {
  auto done = std::make_shared<std::promise<void>>();
  tasks_.push_back(done->get_future());
  boost::asio::co_spawn(executor_, run(this, loop), [done](std::exception_ptr thrown) {
    if (thrown) log(LogLevel::kError, "watch ended");
    done->set_value();
  });
}

// The root of both tasks: what is thrown is logged, and the loop begins anew.
Watch::awaitable_void Watch::run(Watch* watch, awaitable_void (Watch::*loop)()) {
  while (!watch->stopping_) {
    std::string failure;
    try {
      co_await (watch->*loop)();
    } catch (const std::exception& thrown) {
      failure = thrown.what();
    }
    if (failure.empty()) continue;
    log(LogLevel::kError, "watch failed", {{"detail", failure}});
    boost::asio::steady_timer pause(watch->executor_);
    co_await watch->sleep(pause, kReconnectAfter);
  }
}

void Watch::stop() {
  if (stopping_.exchange(true)) return;
  boost::asio::dispatch(executor_, [this] {
    poll_timer_.cancel();
    listen_timer_.cancel();
  });
  for (auto& task : tasks_) task.wait();
  tasks_.clear();
}

Watch::awaitable_void Watch::sleep(boost::asio::steady_timer& timer, milliseconds time) {
  timer.expires_after(time);
  if (stopping_) co_return;  // after expires_after, which would undo a cancel that came before it
  boost::system::error_code cut_short;
  co_await timer.async_wait(boost::asio::redirect_error(boost::asio::use_awaitable, cut_short));
}

Watch::awaitable_void Watch::poll() {
  auto next_full = std::chrono::steady_clock::now();
  auto next_settling = next_full;
  while (!stopping_) {
    const auto now = std::chrono::steady_clock::now();
    if (now >= next_full) {
      next_full = now + kPollEvery;
      notified_.clear();
      co_await ask(membership_.watched(now));
      co_await write_uses();
      if (now >= next_settling && co_await database_.settle_interrupted_pushes(within(kPollDeadline)))
        next_settling = now + kSettleEvery;
    } else if (!notified_.empty()) {
      co_await ask(std::exchange(notified_, {}));
    }
    if (!notified_.empty()) continue;
    const auto rest = std::chrono::duration_cast<milliseconds>(next_full - std::chrono::steady_clock::now());
    co_await sleep(poll_timer_, std::max(rest, milliseconds(1)));
  }
}

Watch::awaitable_void Watch::ask(std::vector<OrganizationId> organizations) {
  const auto asked = std::chrono::steady_clock::now();
  auto states = co_await database_.watch(organizations, asked + kPollDeadline);
  const auto now = std::chrono::steady_clock::now();
  if (!states) {
    // Once a second at most: what follows from it is told to each client by a 503.
    log(LogLevel::kWarning, "primary did not answer the watch", {{"detail", describe(states.error())}});
    co_return;
  }
  answered_ = now.time_since_epoch().count();
  for (const auto& state : *states) membership_.confirm(state, asked, now);
  for (const OrganizationId& organization : organizations) {
    const bool is_there = std::ranges::any_of(
        *states, [&](const store::OrganizationState& state) { return state.organization == organization; });
    if (!is_there) membership_.confirm_gone(organization);
  }
}

Watch::awaitable_void Watch::listen() {
  auto connection = co_await pg::Connection::connect(executor_, listen_conninfo_, within(kConnectDeadline));
  if (!connection) {
    co_await sleep(listen_timer_, kReconnectAfter);
    co_return;
  }
  for (const char* channel : {store::kAccessChannel, store::kHeadsChannel}) {
    auto listening = co_await (*connection)->listen(channel, within(kConnectDeadline));
    if (!listening) {
      co_await sleep(listen_timer_, kReconnectAfter);
      co_return;
    }
  }
  while (!stopping_) {
    auto notification = co_await (*connection)->wait_notification(within(kListenSlice));
    if (!notification) {
      if (notification.error().code == Code::kDeadline) continue;
      log(LogLevel::kWarning, "listening connection lost", {{"detail", describe(notification.error())}});
      co_await sleep(listen_timer_, kReconnectAfter);
      co_return;
    }
    const auto organization = OrganizationId::parse(notification->payload);
    if (!organization || !membership_.knows(*organization)) continue;
    if (std::ranges::find(notified_, *organization) == notified_.end()) notified_.push_back(*organization);
    poll_timer_.cancel();
  }
}

void Watch::note_use(OrganizationId organization, const Uuid& api_token, Instant now) {
  const std::lock_guard lock(uses_mutex_);
  if (last_uses_.size() >= kMaxLastUses) last_uses_.clear();
  auto [place, is_new] = last_uses_.try_emplace(api_token, now);
  if (!is_new && now - place->second < kNoteUseEvery) return;
  place->second = now;
  pending_uses_.emplace_back(organization, api_token);
}

Watch::awaitable_void Watch::write_uses() {
  std::vector<std::pair<OrganizationId, Uuid>> uses;
  {
    const std::lock_guard lock(uses_mutex_);
    uses.swap(pending_uses_);
  }
  for (const auto& [organization, token] : uses) {
    auto written = co_await database_.touch_api_token(organization, token, within(kPollDeadline));
    if (!written) co_return;  // a note lost is a minute's accuracy lost
  }
}

milliseconds Watch::age(Instant now) const {
  const Instant answered{Instant::duration(answered_.load())};
  return std::chrono::duration_cast<milliseconds>(now - answered);
}

}  // namespace tideline::server
