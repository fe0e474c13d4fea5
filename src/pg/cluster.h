#pragma once
// A private PostgreSQL cluster in a directory: made on first use, run as our child, healed after any death of either.
// No TCP; a Unix socket in a directory of mode 0700; peer authentication. Not for a PostgreSQL that others run: that is
// a plain conninfo.
//
//   DIR/postgres/        the cluster (PGDATA)        DIR/run/           its socket, where the path is short enough
//   DIR/postgres.log     its log, two files of at    DIR/postgres.lock  held while somebody supervises
//                        most 16 MiB
//
// Blocking, for program start and administration; the functions are called from one thread at a time (conninfo, status:
// any). What lives on in the background is one supervising thread: it forks the server, because the server is bound by
// PR_SET_PDEATHSIG to the life of the *thread* that forked it, and it ends only after the server did.

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <sys/types.h>

#include "base/error.h"

namespace tideline::pg {

struct ClusterOptions {
  std::filesystem::path directory;  // DIR; made when missing
  /// Roles that this user and root may log in as through the socket, besides the superuser `postgres`. They need not
  /// exist yet.
  std::vector<std::string> login_roles;
  std::string database = "tideline";  // created when missing, owned by the superuser
  /// Where initdb and postgres are; empty: looked for.
  std::filesystem::path bin_directory;
  int max_connections = 64;
  int shared_buffers_mb = 64;
  /// More lines for postgresql.conf, winning over ours.
  std::vector<std::pair<std::string, std::string>> settings;
  std::chrono::seconds ready_timeout{60};  // crash recovery takes a few seconds after heavy writing
  std::chrono::seconds stop_timeout{30};   // of a clean stop, before a hard one
};

/// Who the process or the cluster runs as.
struct ServiceUser {
  uid_t uid = 0;
  gid_t gid = 0;
  std::string name;
};

/// The user a root process hands its data directory to: `tideline` where it exists, else the PostgreSQL package's
/// `postgres`. Never `nobody`.
Result<ServiceUser> service_user();

/// Started as root, the whole process becomes the service user, for good: it makes `directory` if need be, gives that
/// directory (and nothing else) to the user, and drops root. Not root: nothing happens. Before any thread is started.
/// kPermissionDenied, with what to do, when the user could not reach the directory.
Result<ServiceUser> drop_root(const std::filesystem::path& directory);

struct ClusterStatus {
  pid_t postmaster = 0;  // 0: not running just now, or supervised by another process
  int restarts = 0;      // after the server died under us
};

class Cluster {
 public:
  /// Makes the cluster if there is none, starts it, waits until it is ready, and sees to the database. As root, the
  /// server's processes alone become the service user. kConflict when another process supervises this directory.
  static Result<std::unique_ptr<Cluster>> start(ClusterOptions options);

  /// For administration beside a server: uses the cluster that another process supervises, or, when none does, starts
  /// it until this object ends.
  static Result<std::unique_ptr<Cluster>> attach(ClusterOptions options);

  /// Stops what it started.
  ~Cluster();
  Cluster(const Cluster&) = delete;
  Cluster& operator=(const Cluster&) = delete;

  /// How to connect as `role` (one of login_roles, or postgres); `database` empty: the one of the options.
  std::string conninfo(const std::string& role, const std::string& database = {}) const;
  ClusterStatus status() const;
  /// False when another process supervises the cluster.
  bool is_supervisor() const;

  /// A clean stop (fast shutdown), hard after stop_timeout. Idempotent.
  Result<void> stop();

 private:
  struct Impl;
  explicit Cluster(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace tideline::pg
