#pragma once
// `sync --watch`: the replica follows the server. Hints come by server-sent events; where those do not get through, by
// long polls; and every few minutes it looks by itself. Waits are spread by chance when connecting again and after
// errors, never when a push arrives (but for the spread the server asks for).
//
// It goes on through whatever passes by itself: no network, a restart, an update, a suspended machine. It says so and
// waits for what does not: a token that ran out (until there is a new one), access that was taken away (the replica is
// closed to readers). One thread pulls, one listens.

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "sync/api.h"
#include "sync/backoff.h"
#include "sync/engine.h"
#include "sync/sessions.h"

namespace tideline::sync {

/// What a watcher is at; `status` shows it.
enum class WatchState {
  kLive,     // events come
  kPolling,  // no events get through; long polls
  kWaiting,  // the server cannot be reached, or asked us to wait
  kExpired,  // the token does not hold any more
  kDenied,   // not a member any more: the replica is closed
  kTrouble,  // something here, or an answer that is not to be used
};
std::string_view to_string(WatchState state);

struct WatchEvent {
  WatchState state = WatchState::kWaiting;
  std::string message;            // for people; empty when only `report` is news
  const PullReport* report = {};  // of a pull that changed something
};

struct WatchOptions {
  /// Asked at the start and whenever a watched file changes.
  std::function<Result<std::vector<SessionRegistration>>()> sessions;  // of all workspaces that use the replica
  std::function<Result<Wanted>()> wanted;
  std::function<Result<std::string>()> token;
  std::vector<std::filesystem::path> files;
  std::function<void(const WatchEvent&)> on_event;
};

class Watch {
 public:
  /// `engine` is open. Both apis are this watch's alone; `engine` asks through `api`.
  Watch(Api& api, Api& listener, Engine& engine, WatchOptions options, std::atomic<bool>& stop);
  ~Watch();
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  /// Until `stop` is set and `wake` called. Failures are states, told by on_event; an Error is that it cannot run at
  /// all.
  Result<void> run();
  /// May be called from a signal handler.
  void wake() noexcept;
  /// After `run`: tells the server that nobody listens any more. Through an api that is not stopped; in a few seconds.
  void leave(Api& api);

 private:
  using Clock = std::chrono::steady_clock;

  void listen();
  bool listen_to_events(Backoff& backoff);
  void poll_long(Backoff& backoff);
  void heard(const Hint& hint);
  void failed_to_listen(const SyncError& error, Backoff& backoff);
  bool rest(std::chrono::milliseconds time);  // of the listener; false: to stop
  bool was_suspended();

  void pull();
  void pulled(const PullReport& report);
  void failed(const SyncError& error);
  void read_files();
  void drain_file_events();
  void tell(WatchState state, std::string message, const PullReport* report = nullptr);
  void tell_sessions(Api& api, std::string_view status, const std::string& message);
  std::chrono::milliseconds random_up_to(std::chrono::milliseconds limit);

  Api& api_;
  Api& listener_api_;
  Engine& engine_;
  WatchOptions options_;
  std::atomic<bool>& stop_;
  int wake_ = -1;   // eventfd
  int files_ = -1;  // inotify

  // The puller's.
  Wanted wanted_;
  Backoff backoff_;
  int useless_ = 0;  // failures in a row that trying again does not help
  WatchState state_ = WatchState::kWaiting;
  std::string message_;
  Sessions sessions_;
  bool sessions_due_ = false;
  Clock::time_point sessions_not_before_{};
  std::optional<Version> told_version_;
  Clock::time_point due_{};         // when to pull; max(): not
  Clock::time_point not_before_{};  // what the server asked for
  Clock::time_point tried_{};       // the last pull
  std::optional<Version> version_;
  std::string epoch_;  // of the last pull, as version_
  Clock::time_point noted_{};

  // Between the two.
  std::mutex mutex_;
  std::condition_variable listener_rests_;
  std::optional<Hint> hint_;
  std::optional<SyncError> listener_trouble_;  // what the puller has to know: 401, 403
  std::string etag_;
  std::string token_;
  bool listening_allowed_ = true;
  bool listener_live_ = false;
  bool listener_polls_ = false;
  unsigned token_generation_ = 0;

  // The listener's.
  unsigned used_generation_ = 0;
  int unheard_ = 0;  // event streams in a row that said nothing
  Clock::time_point events_again_{};
  std::chrono::nanoseconds suspended_{-1};
};

}  // namespace tideline::sync
