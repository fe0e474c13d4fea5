#include "pg/cluster_files.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>
#include <thread>

#include "base/hash.h"
#include "base/ids.h"
#include "base/log.h"
#include "base/text.h"
#include "pg/process.h"

namespace tideline::pg {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

constexpr int kOldestMajor = 15;
constexpr int kNewestMajor = 30;                       // how far a search by number goes
constexpr std::uintmax_t kNeededSpace = 256ULL << 20;  // a new cluster takes 40 MB, and its log grows to 256 MB
constexpr std::chrono::seconds kInitTimeout{300};
constexpr std::chrono::seconds kOrphanPatience{20};  // of a server that is writing its last checkpoint

constexpr const char* kFreshPrefix = "postgres.new-";  // a cluster that is not whole yet
constexpr const char* kInstallHint = "install it: apt-get install postgresql-15";

Error system_error(std::string what) {
  const int number = errno;
  return Error{
      number == ENOSPC ? Code::kResourceExhausted : Code::kInternal, std::move(what), {}, std::strerror(number)};
}

std::string read_text(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> out;
  for (const auto line : split(text, '\n')) out.emplace_back(trim(line));
  return out;
}

bool has_programs(const fs::path& directory) {
  return ::access((directory / "postgres").c_str(), X_OK) == 0 && ::access((directory / "initdb").c_str(), X_OK) == 0;
}

// "postgres (PostgreSQL) 15.6 (Debian …)" → 15; 0 when it does not say.
int major_of(const fs::path& programs) {
  const auto run = run_to_end({.command = {programs / "postgres", "--version"}, .user = {}}, 10s);
  if (!run) return 0;
  const auto at = run->output.find(") ");
  if (at == std::string::npos) return 0;
  int major = 0;
  std::from_chars(run->output.data() + at + 2, run->output.data() + run->output.size(), major);
  return major;
}

std::optional<int> version_of_data(const fs::path& data) {
  const std::string text = read_text(data / "PG_VERSION");
  int major = 0;
  std::from_chars(text.data(), text.data() + text.size(), major);
  return major > 0 ? std::optional(major) : std::nullopt;
}

std::vector<fs::path> candidates(std::optional<int> wanted) {
  std::vector<fs::path> out;
  const auto by_number = [&out](int major) {
    out.emplace_back("/usr/lib/postgresql/" + std::to_string(major) + "/bin");  // Debian, Ubuntu
    out.emplace_back("/usr/pgsql-" + std::to_string(major) + "/bin");           // the project's own RPMs
  };
  if (wanted) by_number(*wanted);
  for (int major = kOldestMajor; !wanted && major <= kNewestMajor; ++major) by_number(major);
  if (::access("/usr/bin/pg_config", X_OK) == 0)
    if (const auto run = run_to_end({.command = {"/usr/bin/pg_config", "--bindir"}, .user = {}}, 10s); run)
      if (run->exit_code == 0) out.emplace_back(std::string(trim(run->output)));
  const char* path = std::getenv("PATH");
  for (const auto entry : split(path ? path : "", ':'))
    if (entry.starts_with('/')) out.emplace_back(std::string(entry));
  return out;
}

// A value in postgresql.conf.
std::string conf_quoted(std::string_view value) {
  std::string out = "'";
  for (const char c : value) {
    if (c == '\'' || c == '\\') out.push_back(c);
    out.push_back(c);
  }
  return out + "'";
}

// An element of a list inside such a value, or a name in pg_ident.conf.
std::string double_quoted(std::string_view value) {
  std::string out = "\"";
  for (const char c : value) {
    if (c == '"') out.push_back(c);
    out.push_back(c);
  }
  return out + "\"";
}

Result<void> give(const fs::path& path, const ServiceUser& user) {
  if (::geteuid() != 0 || ::lchown(path.c_str(), user.uid, user.gid) == 0) return {};
  return fail(system_error(path.string() + " could not be given to " + user.name));
}

// Whole or not at all. Not synced: it is written again at each start.
Result<void> write_file(const fs::path& path, const std::string& text, const ServiceUser& user) {
  const fs::path fresh = path.string() + ".new";
  {
    std::ofstream out(fresh, std::ios::binary | std::ios::trunc);
    out << text;
    out.close();
    if (!out) return fail(system_error(path.string() + " could not be written"));
  }
  ::chmod(fresh.c_str(), 0600);
  TRY_VOID(give(fresh, user));
  if (::rename(fresh.c_str(), path.c_str()) != 0) return fail(system_error(path.string() + " could not be written"));
  return {};
}

// What initdb says, in terms of what to do about it.
Error explain_initdb(const Finished& run, const ClusterPaths& paths, const ServiceUser& user) {
  const std::string_view words = run.output;
  const auto says = [words](std::string_view part) { return words.find(part) != std::string_view::npos; };
  Error error{Code::kInternal, "the database could not be created in " + paths.directory.string(), {}, run.output};
  if (says("could not look up effective user ID")) {
    error.code = Code::kPermissionDenied;
    error.message = "user " + std::to_string(user.uid) + " has no name on this system";
    error.hint = "PostgreSQL needs one: add it to /etc/passwd, or start as another user";
  } else if (says("No space left on device") || says("Disk quota exceeded")) {
    error.code = Code::kResourceExhausted;
    error.message = "there is no space left for the database in " + paths.directory.string();
    error.hint = "free some space, or choose another place with --data-dir DIR";
  } else if (says("could not access directory") || says("Permission denied")) {
    error.code = Code::kPermissionDenied;
    error.message = user.name + " cannot work in " + paths.directory.string();
    error.hint = "choose another directory with --data-dir DIR";
  } else if (says("cannot be run as root")) {
    error.code = Code::kPermissionDenied;
    error.message = "PostgreSQL does not run as root";
  }
  return error;
}

bool wait_until_gone(const fs::path& data, std::chrono::milliseconds patience) {
  const auto until = std::chrono::steady_clock::now() + patience;
  while (!postgres_processes_in(data).empty()) {
    if (std::chrono::steady_clock::now() >= until) return false;
    std::this_thread::sleep_for(20ms);
  }
  return true;
}

void signal_all(const fs::path& data, int number) {
  for (const pid_t pid : postgres_processes_in(data)) ::kill(pid, number);
}

}  // namespace

ClusterPaths paths_of(const fs::path& directory, const ServiceUser& user) {
  ClusterPaths paths{directory, directory / kDataName, directory / kLockName, directory / "postgres.log",
                     directory / "run"};
  const std::string name = ".s.PGSQL." + std::to_string(kPort);
  // It must fit into sun_path with a final NUL; and to libpq a comma separates two hosts.
  const auto fits = [&name](const fs::path& where) {
    const std::string path = (where / name).string();
    return path.size() < sizeof(sockaddr_un::sun_path) && path.find(',') == std::string::npos;
  };
  if (fits(paths.socket)) return paths;
  const std::string mark = "tideline-" + std::to_string(user.uid) + "-" + xxh3_hex(directory.string()).substr(0, 12);
  if (const char* runtime = std::getenv("XDG_RUNTIME_DIR"); runtime && *runtime == '/' && ::geteuid() == user.uid)
    if (fits(fs::path(runtime) / mark) && ::access(runtime, W_OK) == 0) {
      paths.socket = fs::path(runtime) / mark;
      return paths;
    }
  paths.socket = fs::path("/tmp") / mark;
  return paths;
}

Result<fs::path> find_programs(const ClusterOptions& options, const fs::path& data) {
  const auto wanted = version_of_data(data);
  int found = 0;
  std::vector<fs::path> places = candidates(wanted);
  if (!options.bin_directory.empty()) places = {options.bin_directory};
  for (const auto& place : places) {
    if (!has_programs(place)) continue;
    const int major = major_of(place);
    if (wanted ? major == *wanted : major >= kOldestMajor) return place;
    if (major > 0) found = major;
  }
  if (wanted)
    return fail(Code::kUnsupported,
                "the database in " + data.parent_path().string() + " was made by PostgreSQL " +
                    std::to_string(*wanted) + ", which is not installed" +
                    (found ? " (" + std::to_string(found) + " is)" : ""),
                "install it: apt-get install postgresql-" + std::to_string(*wanted));
  if (found)
    return fail(Code::kUnsupported, "PostgreSQL " + std::to_string(found) + " is too old: 15 or newer is needed",
                kInstallHint);
  if (!options.bin_directory.empty())
    return fail(Code::kNotFound, "there is no PostgreSQL in " + options.bin_directory.string(), kInstallHint);
  return fail(Code::kNotFound, "PostgreSQL is not installed", kInstallHint);
}

Result<void> make_cluster(const ClusterPaths& paths, const fs::path& programs, const ServiceUser& user) {
  struct stat info{};
  if (::lstat(paths.data.c_str(), &info) == 0) {
    std::error_code ignored;
    if (S_ISDIR(info.st_mode) && fs::is_empty(paths.data, ignored)) {
      ::rmdir(paths.data.c_str());
    } else if (!version_of_data(paths.data)) {
      return fail(Code::kCorrupt, paths.data.string() + " is not empty and holds no database",
                  "move it away, or choose another place with --data-dir DIR");
    } else if (info.st_uid != user.uid) {
      return fail(Code::kPermissionDenied,
                  "the database in " + paths.directory.string() + " belongs to " + name_of(info.st_uid) +
                      ", and this runs as " + user.name,
                  "start as " + name_of(info.st_uid) + ", or: chown -R " + user.name + " " + paths.directory.string());
    } else {
      return {};
    }
  }

  struct statvfs space{};
  if (::statvfs(paths.directory.c_str(), &space) == 0) {
    const auto free = static_cast<std::uintmax_t>(space.f_bavail) * space.f_frsize;
    if (free < kNeededSpace)
      return fail(Code::kResourceExhausted,
                  "too little space for the database in " + paths.directory.string() + ": " +
                      std::to_string(free >> 20) + " MB free, " + std::to_string(kNeededSpace >> 20) + " MB needed",
                  "free some space, or choose another place with --data-dir DIR");
  }

  log(LogLevel::kInfo, "creating the database", {{"directory", paths.data.string()}});
  // A name of its own each time: an initdb that lost its parent may still be about, clearing up its own directory.
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(paths.directory, error))
    if (entry.path().filename().string().starts_with(kFreshPrefix)) fs::remove_all(entry.path(), error);
  const fs::path fresh = paths.directory / (kFreshPrefix + Uuid::random().to_string());
  ChildOptions child;
  child.command = {programs / "initdb", "-D",          fresh,       "-U",
                   kSuperuser,          "-E",          "UTF8",      "--locale=C.UTF-8",
                   "--data-checksums",  "--auth=peer", "--no-sync", "--no-instructions"};
  if (::geteuid() == 0) child.user = user;
  child.die_with_thread = true;
  TRY(Finished run, run_to_end(child, kInitTimeout));
  if (run.exit_code != 0 && run.output.find("invalid locale name") != std::string::npos) {
    fs::remove_all(fresh, error);  // older systems lack C.UTF-8; C sorts the same
    std::replace(child.command.begin(), child.command.end(), std::string("--locale=C.UTF-8"),
                 std::string("--locale=C"));
    TRY(run, run_to_end(child, kInitTimeout));
  }
  if (run.exit_code != 0) {
    fs::remove_all(fresh, error);
    return fail(explain_initdb(run, paths, user));
  }
  // One sync of the file system instead of initdb's thousand: a second instead of several.
  const int fd = ::open(fresh.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool synced = fd >= 0 && ::syncfs(fd) == 0;
  if (fd >= 0) ::close(fd);
  if (!synced || ::rename(fresh.c_str(), paths.data.c_str()) != 0)
    return fail(system_error("the new database could not be put into place"));
  if (const int parent = ::open(paths.directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); parent >= 0) {
    ::fsync(parent);
    ::close(parent);
  }
  return {};
}

Result<void> configure(const ClusterPaths& paths, const ClusterOptions& options, const ServiceUser& user) {
  // The socket's directory. In /tmp it could be somebody else's trap, so what is there must be ours.
  if (::mkdir(paths.socket.c_str(), 0700) == 0) {
    TRY_VOID(give(paths.socket, user));
  } else if (errno != EEXIST) {
    return fail(system_error(paths.socket.string() + " could not be made"));
  }
  struct stat info{};
  if (::lstat(paths.socket.c_str(), &info) != 0 || !S_ISDIR(info.st_mode) || info.st_uid != user.uid)
    return fail(Code::kPermissionDenied, paths.socket.string() + " is not a directory of " + user.name, "remove it");
  if ((info.st_mode & 07777) != 0700 && ::chmod(paths.socket.c_str(), 0700) != 0)
    return fail(system_error(paths.socket.string() + " could not be closed to others"));

  std::vector<std::pair<std::string, std::string>> settings = {
      {"listen_addresses", ""},
      {"unix_socket_directories", double_quoted(paths.socket.string())},
      {"unix_socket_permissions", "0700"},
      {"port", std::to_string(kPort)},
      {"max_connections", std::to_string(options.max_connections)},
      {"shared_buffers", std::to_string(options.shared_buffers_mb) + "MB"},
      {"wal_level", "replica"},
      {"max_wal_size", "256MB"},  // bounds crash recovery to a few seconds
      {"min_wal_size", "64MB"},
      {"recovery_init_sync_method", "syncfs"},  // one call after a crash, not one for each of a thousand files
      {"wal_compression", "on"},
      {"jit", "off"},
      {"max_parallel_workers_per_gather", "0"},  // requests are many and short
      {"dynamic_shared_memory_type",
       "mmap"},  // files in the cluster: containers keep /dev/shm small, kills leave it full
      {"min_dynamic_shared_memory", "4MB"},
      {"random_page_cost", "1.1"},
      {"timezone", "UTC"},
      {"log_timezone", "UTC"},
      {"logging_collector", "off"},  // the supervisor keeps the log, and keeps it short
      {"log_destination", "stderr"},
      {"log_line_prefix", "%m [%p] "},
      {"log_checkpoints", "off"},
      {"log_error_verbosity", "terse"},  // the rest would show values of rows
      {"cluster_name", "tideline"},
  };
  for (const auto& setting : options.settings) settings.push_back(setting);
  std::string text = "# Written at each start; changes here are lost.\n";
  for (const auto& [name, value] : settings) text += name + " = " + conf_quoted(value) + "\n";
  TRY_VOID(write_file(paths.data / "postgresql.conf", text, user));

  TRY_VOID(write_file(paths.data / "pg_hba.conf",
                      "# Written at each start.\nlocal all all peer map=tideline\n"
                      "local replication all peer map=tideline\n",
                      user));

  std::vector<std::string> people = {"root", user.name};
  people.erase(std::unique(people.begin(), people.end()), people.end());
  std::vector<std::string> roles = options.login_roles;
  roles.emplace_back(kSuperuser);
  std::string map = "# Written at each start.\n";
  for (const auto& person : people)
    for (const auto& role : roles) map += "tideline " + double_quoted(person) + " " + double_quoted(role) + "\n";
  return write_file(paths.data / "pg_ident.conf", map, user);
}

Result<void> clear_remains(const ClusterPaths& paths) {
  if (const auto running = postgres_processes_in(paths.data); !running.empty()) {
    log(LogLevel::kWarning, "ending the database's processes of an earlier run");
    const auto postmaster = read_postmaster(paths.data);
    const bool alive = postmaster && std::find(running.begin(), running.end(), postmaster->pid) != running.end();
    // A postmaster that lost its supervisor is on its way out already, cleanly. Backends without a postmaster hold the
    // shared memory that a new one needs, and a busy one would do so for ever.
    if (alive) ::kill(postmaster->pid, SIGINT);
    bool gone = alive && wait_until_gone(paths.data, kOrphanPatience);
    if (!gone) {
      signal_all(paths.data, SIGQUIT);
      gone = wait_until_gone(paths.data, 1s);
    }
    if (!gone) {
      signal_all(paths.data, SIGKILL);
      gone = wait_until_gone(paths.data, 5s);
    }
    if (!gone)
      return fail(Code::kUnavailable, "processes of an earlier database in " + paths.directory.string() + " do not end",
                  "look for them with: fuser -v " + paths.data.string());
    // As process 1 of a container we inherit orphans, and nobody else would reap them.
    for (const pid_t pid : running) ::waitpid(pid, nullptr, WNOHANG);
  }
  // Nobody is left who could own these. The last run may have had its socket elsewhere.
  std::vector<fs::path> places{paths.socket};
  if (const auto last = read_postmaster(paths.data); last && last->socket.is_absolute()) places.push_back(last->socket);
  for (const auto& place : places) {
    const std::string socket = place / (".s.PGSQL." + std::to_string(kPort));
    ::unlink(socket.c_str());
    ::unlink((socket + ".lock").c_str());
  }
  ::unlink((paths.data / "postmaster.pid").c_str());
  return {};
}

std::optional<Postmaster> read_postmaster(const fs::path& data) {
  const auto lines = lines_of(read_text(data / "postmaster.pid"));
  Postmaster postmaster;
  if (lines.empty() || lines[0].empty()) return std::nullopt;
  std::from_chars(lines[0].data(), lines[0].data() + lines[0].size(), postmaster.pid);
  if (lines.size() > 4) postmaster.socket = lines[4];
  if (lines.size() > 7) postmaster.status = lines[7];
  return postmaster;
}

std::string tail_of_log(const fs::path& log_path) {
  std::ifstream in(log_path, std::ios::binary | std::ios::ate);
  if (!in) return {};
  constexpr std::streamoff kTail = 4096;
  const std::streamoff size = in.tellg();
  in.seekg(std::max<std::streamoff>(0, size - kTail));
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

}  // namespace tideline::pg
