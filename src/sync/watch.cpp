#include "sync/watch.h"

#include <algorithm>
#include <cstring>
#include <ctime>
#include <thread>

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/random.h"

namespace tideline::sync {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

/// Every few minutes it looks by itself, should a hint have been lost.
constexpr milliseconds kLook = minutes(5);
/// A stream says where the head is as soon as it is open. One that does not is held back by something in between.
constexpr milliseconds kFirstEvent = seconds(10);
constexpr int kUnheardStreams = 2;
/// After so long events are tried again.
constexpr milliseconds kEventsAgain = minutes(10);
constexpr seconds kLongPoll{25};
/// A long poll that ends early and has no news did not wait: something in between answers in the server's stead.
constexpr milliseconds kEarly{2'000};
/// Statistics of the session are sent at most so often.
constexpr milliseconds kSessionPause{10'000};
/// After so many answers in a row that cannot be used, or disks that are full, it tries only now and then.
constexpr int kUselessTries = 5;
constexpr milliseconds kUselessPause = minutes(10);
/// … or when something happens that may have changed it (a push, a stream that opens again), but not more often.
constexpr milliseconds kUselessAgain = seconds(30);
/// Membership may come back.
constexpr milliseconds kDeniedPause = minutes(10);
constexpr milliseconds kNotePause = seconds(60);
/// Time the machine was not awake, as the difference of two clocks; below this it is how they are read.
constexpr std::chrono::nanoseconds kSuspended = seconds(3);

std::chrono::nanoseconds read(clockid_t clock) {
  timespec time{};
  clock_gettime(clock, &time);
  return seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

std::uint64_t random_number() {
  std::uint64_t value = 0;
  fill_random({reinterpret_cast<std::uint8_t*>(&value), sizeof value});
  return value;
}

}  // namespace

std::string_view to_string(WatchState state) {
  switch (state) {
    case WatchState::kLive:
      return "live";
    case WatchState::kPolling:
      return "polling";
    case WatchState::kWaiting:
      return "waiting";
    case WatchState::kExpired:
      return "expired";
    case WatchState::kDenied:
      return "denied";
    case WatchState::kTrouble:
      break;
  }
  return "trouble";
}

Watch::Watch(Api& api, Api& listener, Engine& engine, WatchOptions options, std::atomic<bool>& stop)
    : api_(api), listener_api_(listener), engine_(engine), options_(std::move(options)), stop_(stop) {
  wake_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  files_ = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
  // Files are replaced by renaming, so it is their directories that are watched.
  for (const auto& file : options_.files)
    if (files_ >= 0) inotify_add_watch(files_, file.parent_path().c_str(), IN_MOVED_TO | IN_CLOSE_WRITE | IN_DELETE);
}

Watch::~Watch() {
  if (wake_ >= 0) close(wake_);
  if (files_ >= 0) close(files_);
}

void Watch::wake() noexcept {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(wake_, &one, sizeof one);
}

milliseconds Watch::random_up_to(milliseconds limit) {
  return milliseconds(static_cast<std::int64_t>(random_number() % static_cast<std::uint64_t>(limit.count() + 1)));
}

// ---- The listener

bool Watch::rest(milliseconds time) {
  std::unique_lock lock(mutex_);
  const unsigned generation = token_generation_;
  listener_rests_.wait_for(lock, time, [&] { return stop_ || token_generation_ != generation; });
  return !stop_;
}

bool Watch::was_suspended() {
  const auto asleep = read(CLOCK_BOOTTIME) - read(CLOCK_MONOTONIC);
  const bool jumped = suspended_.count() >= 0 && asleep - suspended_ > kSuspended;
  suspended_ = asleep;
  return jumped;
}

void Watch::heard(const Hint& hint) {
  {
    const std::lock_guard lock(mutex_);
    hint_ = hint;
  }
  wake();
}

void Watch::failed_to_listen(const SyncError& error, Backoff& backoff) {
  if (error.trouble == Trouble::kStopped) return;
  const bool asks_puller = error.trouble == Trouble::kUnauthenticated || error.trouble == Trouble::kDenied;
  {
    const std::lock_guard lock(mutex_);
    listener_live_ = false;
    listener_trouble_ = error;
    if (asks_puller) listening_allowed_ = false;
  }
  wake();
  if (!asks_puller) rest(backoff.next(random_number(), error.retry_after));
}

/// False: events do not get through.
bool Watch::listen_to_events(Backoff& backoff) {
  bool any = false;
  bool suspended = false;
  const auto began = Clock::now();
  const auto allowed = [&] {
    const std::lock_guard lock(mutex_);
    return listening_allowed_ && token_generation_ == used_generation_;
  };
  auto ended = listener_api_.events(
      [&](const Hint& hint) {
        any = true;
        backoff.succeeded();
        {
          const std::lock_guard lock(mutex_);
          listener_live_ = true;
        }
        heard(hint);
      },
      [&] {
        suspended = suspended || was_suspended();
        return !stop_ && !suspended && allowed() && (any || Clock::now() - began < kFirstEvent);
      });
  {
    const std::lock_guard lock(mutex_);
    listener_live_ = false;
  }
  if (stop_ || !allowed()) return true;
  if (any) {
    unheard_ = 0;
    // Ended by the server, by a proxy, or by sleep: all who were connected come back, but not at once.
    if (suspended || ended)
      return rest(ended ? ended->value_or(random_up_to(seconds(1))) : random_up_to(seconds(1))), true;
    failed_to_listen(ended.error(), backoff);
    return true;
  }
  const bool opened = ended.has_value() || ended.error().trouble == Trouble::kStopped;
  const bool refused = !ended && (ended.error().trouble == Trouble::kNotFound ||
                                  ended.error().trouble == Trouble::kDamaged || ended.error().answered);
  if (opened || refused) {
    if (++unheard_ >= kUnheardStreams) return false;
    return rest(random_up_to(milliseconds(1000))), true;
  }
  failed_to_listen(ended.error(), backoff);
  return true;
}

void Watch::poll_long(Backoff& backoff) {
  std::string etag;
  {
    const std::lock_guard lock(mutex_);
    etag = etag_;
    listener_polls_ = true;
  }
  const auto began = Clock::now();
  auto heads = etag.empty() ? listener_api_.heads() : listener_api_.heads(etag, kLongPoll);
  was_suspended();
  if (!heads) return failed_to_listen(heads.error(), backoff);
  backoff.succeeded();
  {
    const std::lock_guard lock(mutex_);
    listener_live_ = true;
    if (*heads) etag_ = (*heads)->etag();
  }
  if (*heads) heard({(*heads)->epoch, (*heads)->version, milliseconds(100)});
  if (Clock::now() - began < kEarly) rest(seconds(*heads ? 1 : 10) + random_up_to(seconds(1)));
}

void Watch::listen() {
  Backoff backoff;
  bool events = true;
  was_suspended();
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      listener_rests_.wait(lock, [this] { return stop_ || listening_allowed_; });
      if (stop_) return;
      used_generation_ = token_generation_;
      listener_api_.set_token(token_);
    }
    if (!events && Clock::now() >= events_again_) {
      events = true;
      unheard_ = 0;
    }
    if (events) {
      events = listen_to_events(backoff);
      events_again_ = Clock::now() + kEventsAgain;
      const std::lock_guard lock(mutex_);
      listener_polls_ = !events;
    } else {
      poll_long(backoff);
    }
  }
}

// ---- The puller

void Watch::tell(WatchState state, std::string message, const PullReport* report) {
  const bool news = state != state_ || message != message_ || report;
  if (!news) return;
  if (state != state_ || message != message_) {
    // What cannot be noted (disk full, say) is at least told.
    static_cast<void>(engine_.writer().note("state", to_string(state)));
    static_cast<void>(
        engine_.writer().note("problem", state == WatchState::kLive || state == WatchState::kPolling ? "" : message));
  }
  state_ = state;
  message_ = message;
  if (options_.on_event) options_.on_event({state, std::move(message), report});
}

void Watch::tell_sessions(Api& api, std::string_view status, const std::string& message) {
  if (const auto state = engine_.writer().state()) {
    sessions_.tell(api, engine_.writer(), *state, status, message);
    told_version_ = state->version;
  }
  sessions_due_ = false;
  sessions_not_before_ = Clock::now() + kSessionPause;
}

void Watch::leave(Api& api) {
  if (!sessions_.any() || state_ == WatchState::kExpired || state_ == WatchState::kDenied) return;
  api.set_token(token_);
  tell_sessions(api, "inactive", "");
}

void Watch::read_files() {
  if (auto token = options_.token(); token && *token != token_) {
    {
      const std::lock_guard lock(mutex_);
      token_ = *token;
      ++token_generation_;
      listening_allowed_ = true;
      listener_trouble_.reset();
    }
    api_.set_token(*token);
    sessions_.forget();
    listener_rests_.notify_all();
    not_before_ = {};
    due_ = Clock::now();
  }
  if (auto wanted = options_.wanted()) {
    if (wanted->all != wanted_.all || wanted->connections != wanted_.connections) {
      wanted_ = std::move(*wanted);
      due_ = std::min(due_, Clock::now());
    }
  }
  if (auto sessions = options_.sessions(); sessions && sessions_.set(std::move(*sessions))) sessions_due_ = true;
}

void Watch::drain_file_events() {
  char buffer[4096];
  bool ours = false;
  for (;;) {
    const ssize_t size = ::read(files_, buffer, sizeof buffer);
    if (size <= 0) break;
    for (ssize_t at = 0; at < size;) {
      inotify_event event;
      std::memcpy(&event, buffer + at, sizeof event);
      const std::string_view name(buffer + at + sizeof event,
                                  event.len > 0 ? std::strlen(buffer + at + sizeof event) : 0);
      for (const auto& file : options_.files) ours = ours || name == file.filename().string();
      at += static_cast<ssize_t>(sizeof event + event.len);
    }
  }
  if (!ours) return;
  read_files();
  // Somebody logged in, or chose connections: he is waiting for what comes of it.
  if (state_ != WatchState::kLive && state_ != WatchState::kPolling) due_ = std::max(not_before_, Clock::now());
}

void Watch::pulled(const PullReport& report) {
  backoff_.succeeded();
  useless_ = 0;
  version_ = report.version;
  epoch_ = report.epoch;
  bool polls = false;
  {
    const std::lock_guard lock(mutex_);
    if (!report.etag.empty()) etag_ = report.etag;
    polls = listener_polls_;
    // Access is back.
    if (!listening_allowed_) {
      listening_allowed_ = true;
      ++token_generation_;
    }
  }
  listener_rests_.notify_all();
  const auto now = Clock::now();
  if (now - noted_ > kNotePause || report.changed || state_ == WatchState::kWaiting) {
    static_cast<void>(engine_.writer().note("checked_at", Timestamp::now().to_string()));
    noted_ = now;
  }
  // Versions of what is not synced here are told now and then: all clients of an organization see each of them.
  const bool is_old = told_version_ != report.version && now > sessions_not_before_ + kLook;
  if (report.changed || is_old || !sessions_.any() || state_ == WatchState::kTrouble) sessions_due_ = true;
  const bool told = report.changed || !report.notes.empty() || !report.removed.empty();
  tell(polls ? WatchState::kPolling : WatchState::kLive, "", told ? &report : nullptr);
  due_ = now + kLook + random_up_to(kLook / 5);
}

void Watch::failed(const SyncError& error) {
  const std::string message = describe(error.error);
  const auto now = Clock::now();
  switch (error.trouble) {
    case Trouble::kStopped:
      return;
    case Trouble::kUnauthenticated: {
      const std::lock_guard lock(mutex_);
      listening_allowed_ = false;
    }
      due_ = Clock::time_point::max();  // until there is a new token
      tell(WatchState::kExpired, "the token does not hold any more: tideline login");
      return;
    case Trouble::kDenied: {
      const std::lock_guard lock(mutex_);
      listening_allowed_ = false;
    }
      due_ = now + kDeniedPause;
      tell(WatchState::kDenied, message);
      return;
    case Trouble::kNetwork:
    case Trouble::kBusy:
      due_ = now + backoff_.next(random_number(), error.retry_after);
      if (error.retry_after) not_before_ = now + *error.retry_after;
      tell(WatchState::kWaiting, message);
      return;
    case Trouble::kGone:
    case Trouble::kNotFound:
    case Trouble::kDamaged:
    case Trouble::kCorrupt:
    case Trouble::kLocal:
    case Trouble::kRefused:
      break;
  }
  const auto wait = backoff_.next(random_number(), error.retry_after);
  due_ = now + (++useless_ >= kUselessTries ? kUselessPause + random_up_to(kUselessPause / 5) : wait);
  not_before_ = now + error.retry_after.value_or(milliseconds(0));
  tell(WatchState::kTrouble, message);
  if (error.trouble != Trouble::kLocal || state_ == WatchState::kTrouble)
    tell_sessions(api_, "error", error.error.message);
}

void Watch::pull() {
  tried_ = Clock::now();
  auto report = engine_.pull(wanted_);
  if (report) {
    pulled(*report);
    engine_.writer().settle();
  } else {
    failed(report.error());
  }
}

Result<void> Watch::run() {
  if (wake_ < 0) return fail(Code::kInternal, "no event descriptor");
  TRY(wanted_, options_.wanted());
  TRY(auto sessions, options_.sessions());
  sessions_.set(std::move(sessions));
  TRY(auto token, options_.token());
  api_.set_token(token);
  token_ = std::move(token);
  due_ = Clock::now();
  // The first pull comes before the listener, whose first event then is no news.
  pull();
  std::thread listener([this] {
    try {
      listen();
    } catch (const std::exception& error) {
      const std::lock_guard lock(mutex_);
      listener_trouble_ = SyncError{Trouble::kLocal, Error{Code::kInternal, "the listener ended", {}, error.what()}};
      wake();
    }
  });
  while (!stop_) {
    if (sessions_due_ && Clock::now() >= sessions_not_before_ && state_ != WatchState::kExpired &&
        state_ != WatchState::kDenied) {
      const bool well = state_ != WatchState::kTrouble;
      tell_sessions(api_, well ? "active" : "error", well ? "" : message_);
    }
    auto until = due_;
    if (sessions_due_) until = std::min(until, sessions_not_before_);
    const auto left = until == Clock::time_point::max()
                          ? milliseconds(-1)
                          : std::max(milliseconds(0), std::chrono::ceil<milliseconds>(until - Clock::now()));
    pollfd waits[2] = {{wake_, POLLIN, 0}, {files_, POLLIN, 0}};
    const int timeout = static_cast<int>(std::min<std::int64_t>(left.count(), 3'600'000));
    poll(waits, files_ >= 0 ? 2 : 1, timeout);
    if (stop_) break;
    if (waits[0].revents & POLLIN) {
      std::uint64_t count = 0;
      [[maybe_unused]] const ssize_t size = ::read(wake_, &count, sizeof count);
    }
    if (files_ >= 0 && (waits[1].revents & POLLIN)) drain_file_events();

    std::optional<Hint> hint;
    std::optional<SyncError> trouble;
    {
      const std::lock_guard lock(mutex_);
      hint = std::exchange(hint_, std::nullopt);
      trouble = std::exchange(listener_trouble_, std::nullopt);
    }
    if (trouble) {
      // The same question by the one who acts on it: closes the replica, says what to do, or that nobody answers. What
      // it knows already it asks again in its own time.
      const bool known = state_ == WatchState::kWaiting || state_ == WatchState::kTrouble;
      if (!known) due_ = std::max(not_before_, Clock::now());
    }
    if (hint) {
      const bool news =
          !version_ || hint->version != *version_ || hint->epoch != epoch_ || state_ == WatchState::kWaiting;
      auto soon = Clock::now() + random_up_to(hint->spread);
      if (state_ == WatchState::kTrouble && useless_ >= kUselessTries) soon = std::max(soon, tried_ + kUselessAgain);
      if (news || state_ == WatchState::kTrouble) due_ = std::max(not_before_, std::min(due_, soon));
    }
    if (Clock::now() >= due_) pull();
  }
  {
    const std::lock_guard lock(mutex_);
    token_generation_++;
  }
  listener_rests_.notify_all();
  listener.join();
  static_cast<void>(engine_.writer().note("state", ""));
  return {};
}

}  // namespace tideline::sync
