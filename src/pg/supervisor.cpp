#include "pg/supervisor.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/log.h"

namespace tideline::pg {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr int kFirstAttempts = 3;  // a start may fail while the last of an earlier run go away
constexpr auto kFirstBackoff = 100ms;
constexpr auto kLongestBackoff = 5000ms;
constexpr auto kStable = 30s;  // after this long a death is a new story, not the same one again
constexpr auto kLogCheck = 30s;
constexpr off_t kLogLimit = 16 << 20;

int open_process(pid_t pid) { return static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)); }

// Whether the child has ended within `patience`, or before `wake` became readable.
bool wait_for_end(int process, pid_t pid, int wake, std::chrono::milliseconds patience) {
  const auto until = Clock::now() + patience;
  for (;;) {
    siginfo_t info{};
    if (::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == pid)
      return true;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now());
    if (left <= 0ms) return false;
    pollfd fds[] = {{wake, POLLIN, 0}, {process, POLLIN, 0}};
    // Kernels before 5.3 cannot tell of a process's end by a descriptor: then we look ten times a second.
    const auto nap = process >= 0 ? left : std::min<std::chrono::milliseconds>(left, 100ms);
    ::poll(fds, 2, static_cast<int>(nap.count()));
    if (fds[0].revents != 0) return false;
  }
}

}  // namespace

Supervisor::Supervisor(ClusterPaths paths, std::filesystem::path programs, ServiceUser user,
                       std::chrono::seconds stop_timeout)
    : paths_(std::move(paths)), programs_(std::move(programs)), user_(std::move(user)), stop_timeout_(stop_timeout) {
  wake_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

Supervisor::~Supervisor() {
  stop();
  if (wake_ >= 0) ::close(wake_);
  if (log_ >= 0) ::close(log_);
}

Result<void> Supervisor::start(std::chrono::seconds ready_timeout) {
  log_ = ::open(paths_.log.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (log_ < 0 || (::geteuid() == 0 && ::fchown(log_, user_.uid, user_.gid) != 0))
    return fail(errno == ENOSPC ? Code::kResourceExhausted : Code::kPermissionDenied,
                "the database's log " + paths_.log.string() + " could not be opened", {}, std::strerror(errno));
  thread_ = std::thread([this] { loop(); });

  const auto begun = Clock::now();
  auto say_at = begun + 2s;
  std::unique_lock lock(mutex_);
  for (;;) {
    if (failed_) {
      Error error = *failed_;
      lock.unlock();
      stop();
      return fail(std::move(error));
    }
    const auto postmaster = read_postmaster(paths_.data);
    if (postmaster_ != 0 && postmaster && postmaster->pid == postmaster_ && postmaster->status == "ready") {
      was_ready_ = true;
      return {};
    }
    const auto now = Clock::now();
    if (now - begun > ready_timeout) {
      lock.unlock();
      stop();
      return fail(Code::kDeadline, "the database was not ready within " + std::to_string(ready_timeout.count()) + " s",
                  "its log is " + paths_.log.string(), tail_of_log(paths_.log));
    }
    if (now >= say_at) {
      log(LogLevel::kInfo, "waiting for the database",
          {{"status", postmaster ? postmaster->status : "not started"},
           {"seconds", std::to_string(std::chrono::duration_cast<std::chrono::seconds>(now - begun).count())},
           {"log", paths_.log.string()}});
      say_at = now + 5s;
    }
    // The pid file says when it is ready; asking by connecting would fill the log with refusals.
    changed_.wait_for(lock, postmaster_ == 0 ? 10ms : 50ms);
  }
}

void Supervisor::stop() {
  if (!thread_.joinable()) return;
  stopping_ = true;
  ::eventfd_write(wake_, 1);
  thread_.join();
}

ClusterStatus Supervisor::status() const {
  const std::lock_guard lock(mutex_);
  return {postmaster_, restarts_};
}

Result<pid_t> Supervisor::launch() {
  TRY_VOID(clear_remains(paths_));
  bound_log();
  ChildOptions child;
  child.command = {programs_ / "postgres", "-D", paths_.data};
  if (::geteuid() == 0) child.user = user_;
  child.die_with_thread = true;
  child.output = log_;
  return spawn(child);
}

void Supervisor::loop() {
  std::chrono::milliseconds backoff{0};
  for (int attempt = 1; !stopping_; ++attempt) {
    const auto begun = Clock::now();
    Result<pid_t> child = launch();
    if (child) {
      {
        const std::lock_guard lock(mutex_);
        postmaster_ = *child;
      }
      changed_.notify_all();
      const Outcome outcome = watch(*child);
      if (outcome == Outcome::kStopRequested) end(*child);
      int status = 0;
      while (::waitpid(*child, &status, 0) < 0 && errno == EINTR) {
      }
      const std::lock_guard lock(mutex_);
      postmaster_ = 0;
      if (outcome == Outcome::kStopRequested) break;
    }
    bool was_ready = false;
    {
      const std::lock_guard lock(mutex_);
      was_ready = was_ready_;
      if (!was_ready && attempt >= kFirstAttempts) {
        failed_ = child ? Error{Code::kUnavailable, "the database does not start",
                                "its log says why: " + paths_.log.string(), tail_of_log(paths_.log)}
                        : child.error();
        changed_.notify_all();
        break;
      }
      if (was_ready) ++restarts_;
    }
    if (was_ready)
      log(LogLevel::kError, "the database ended unexpectedly and is started again", {{"log", paths_.log.string()}});
    if (Clock::now() - begun > kStable) backoff = 0ms;
    if (sleep_until_stop(backoff)) break;
    backoff = std::clamp<std::chrono::milliseconds>(backoff * 2, kFirstBackoff, kLongestBackoff);
  }
}

Supervisor::Outcome Supervisor::watch(pid_t child) {
  const int process = open_process(child);
  for (;;) {
    const bool ended = wait_for_end(process, child, wake_, kLogCheck);
    if (ended || stopping_) {
      if (process >= 0) ::close(process);
      return stopping_ ? Outcome::kStopRequested : Outcome::kExited;
    }
    bound_log();
  }
}

// Fast shutdown; when it takes too long, immediate; at last by force. The child stays a zombie until loop() reaps it,
// so its number cannot have passed to another process.
void Supervisor::end(pid_t child) {
  const int process = open_process(child);
  const std::pair<int, std::chrono::milliseconds> steps[] = {{SIGINT, stop_timeout_}, {SIGQUIT, 5s}, {SIGKILL, 5s}};
  for (const auto& [number, patience] : steps) {
    ::kill(child, number);
    if (wait_for_end(process, child, -1, patience)) break;
    log(LogLevel::kWarning, "the database does not stop", {{"signal", std::to_string(number)}});
  }
  if (process >= 0) ::close(process);
}

bool Supervisor::sleep_until_stop(std::chrono::milliseconds duration) {
  pollfd fd{wake_, POLLIN, 0};
  ::poll(&fd, 1, static_cast<int>(duration.count()));
  return stopping_;
}

// The server appends to a descriptor of ours, so the file cannot be renamed under it: it is copied and cut. What is
// logged between the two is lost.
void Supervisor::bound_log() {
  struct stat info{};
  if (::fstat(log_, &info) != 0 || info.st_size < kLogLimit) return;
  const std::string old = paths_.log.string() + ".1";
  const int out = ::open(old.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (out >= 0) {
    off_t at = std::max<off_t>(0, info.st_size - kLogLimit);
    while (at < info.st_size && ::sendfile(out, log_, &at, static_cast<std::size_t>(info.st_size - at)) > 0) {
    }
    if (::geteuid() == 0 && ::fchown(out, user_.uid, user_.gid) != 0)
      log(LogLevel::kWarning, "the old log of the database keeps its owner", {{"log", old}});
    ::close(out);
  }
  if (::ftruncate(log_, 0) != 0) log(LogLevel::kWarning, "the log of the database could not be cut");
}

}  // namespace tideline::pg
