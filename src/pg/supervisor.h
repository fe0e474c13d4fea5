#pragma once
// Keeps one postgres running: a thread that starts it, waits for its end, clears up and starts it again. The thread is
// the server's parent for the kernel (PR_SET_PDEATHSIG is bound to the thread that forked), so it lives until the
// server has ended. Internal to pg.

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>

#include "pg/cluster_files.h"
#include "pg/process.h"

namespace tideline::pg {

class Supervisor {
 public:
  Supervisor(ClusterPaths paths, std::filesystem::path programs, ServiceUser user, std::chrono::seconds stop_timeout);
  ~Supervisor();
  Supervisor(const Supervisor&) = delete;
  Supervisor& operator=(const Supervisor&) = delete;

  /// Starts the server and waits until it takes connections.
  Result<void> start(std::chrono::seconds ready_timeout);
  void stop();
  ClusterStatus status() const;

 private:
  enum class Outcome { kExited, kStopRequested };

  void loop();
  Result<pid_t> launch();
  Outcome watch(pid_t child);
  void end(pid_t child);
  bool sleep_until_stop(std::chrono::milliseconds duration);
  void bound_log();

  const ClusterPaths paths_;
  const std::filesystem::path programs_;
  const ServiceUser user_;
  const std::chrono::seconds stop_timeout_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<Error> failed_;  // the first start did not succeed
  bool was_ready_ = false;
  pid_t postmaster_ = 0;
  int restarts_ = 0;

  std::atomic<bool> stopping_{false};
  int wake_ = -1;  // an eventfd, written once to stop
  int log_ = -1;
  std::thread thread_;
};

}  // namespace tideline::pg
