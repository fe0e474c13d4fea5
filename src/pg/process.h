#pragma once
// Child processes of the private cluster: started as another user where need be, and bound to our life where asked.
// Between fork and exec only async-signal-safe calls are made, so this works in a program with threads. Thread-safe.

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

#include "base/error.h"
#include "pg/cluster.h"

namespace tideline::pg {

struct ChildOptions {
  std::vector<std::string> command = {};  // command[0] is an absolute path
  std::optional<ServiceUser> user = {};   // become this one first (needs root)
  bool die_with_thread = false;           // SIGINT when the forking *thread* ends (PR_SET_PDEATHSIG)
  int output = -1;                        // its stdout and stderr; -1: /dev/null
};

/// The child leads a session of its own, so Ctrl-C at a terminal reaches us alone. Its environment is ours without what
/// speaks to PostgreSQL (PG*), in the C locale; its directory is /.
Result<pid_t> spawn(const ChildOptions& options);

struct Finished {
  int exit_code = 0;   // 128 + signal when it was killed
  std::string output;  // stdout and stderr, the first 64 KiB
};
/// Runs a child to its end; kDeadline after `timeout`, and then it is killed.
Result<Finished> run_to_end(ChildOptions options, std::chrono::seconds timeout);

/// The first component of an absolute path that `user` cannot pass (or, for the last, write to); nullopt: none. The
/// kernel is asked, in a child that became the user, so groups and access lists count.
Result<std::optional<std::filesystem::path>> first_unreachable(const std::filesystem::path& path,
                                                               const ServiceUser& user);

/// postgres processes that work in the directory `pgdata`, whoever started them.
std::vector<pid_t> postgres_processes_in(const std::filesystem::path& pgdata);

}  // namespace tideline::pg
