#pragma once
// The files of a private cluster: finding PostgreSQL's programs, making the cluster, writing its configuration, and
// clearing what a killed server left. Everything here is done while the cluster's lock is held. Internal to pg.

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "pg/cluster.h"

namespace tideline::pg {

inline constexpr const char* kLockName = "postgres.lock";
inline constexpr const char* kDataName = "postgres";
inline constexpr const char* kSuperuser = "postgres";
inline constexpr int kPort = 5432;  // only names the socket

/// The user of this process by its entry in the passwd database; kPermissionDenied without one, which PostgreSQL needs.
Result<ServiceUser> current_user();
std::string name_of(uid_t uid);

/// Makes the directory (0700) if need be, as root gives it to `user`, and checks that the user can work in it. Its
/// canonical path.
Result<std::filesystem::path> prepare_directory(const std::filesystem::path& wanted, const ServiceUser& user);

struct ClusterPaths {
  std::filesystem::path directory;  // canonical
  std::filesystem::path data;       // PGDATA
  std::filesystem::path lock;
  std::filesystem::path log;
  std::filesystem::path socket;  // directory of the socket
};

/// Where the socket goes: DIR/run, or, when that makes a path longer than a socket's may be, a directory of the user's
/// under $XDG_RUNTIME_DIR or /tmp.
ClusterPaths paths_of(const std::filesystem::path& directory, const ServiceUser& user);

/// The directory of initdb and postgres, of the major version that `data` was made by if it exists.
Result<std::filesystem::path> find_programs(const ClusterOptions& options, const std::filesystem::path& data);

/// initdb into a directory beside, made durable, then renamed: a cluster that is there is whole. Nothing happens when
/// it is there already. ~1-4 s.
Result<void> make_cluster(const ClusterPaths& paths, const std::filesystem::path& programs, const ServiceUser& user);

/// Configuration and access rules, written anew at each start.
Result<void> configure(const ClusterPaths& paths, const ClusterOptions& options, const ServiceUser& user);

/// Ends processes of a supervisor that died, and removes the pid and socket files that would stop a start for ever when
/// their number meanwhile belongs to another process. May wait for a server that is shutting down.
Result<void> clear_remains(const ClusterPaths& paths);

/// The server's own account of itself.
struct Postmaster {
  pid_t pid = 0;
  std::filesystem::path socket;
  std::string status;  // "starting", "ready", "stopping"
};
std::optional<Postmaster> read_postmaster(const std::filesystem::path& data);

/// The end of the server's log, for an error's detail.
std::string tail_of_log(const std::filesystem::path& log);

}  // namespace tideline::pg
