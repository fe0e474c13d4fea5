#include "pg/cluster.h"

#include <fcntl.h>
#include <libpq-fe.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <optional>
#include <thread>

#include "base/log.h"
#include "base/text.h"
#include "pg/cluster_files.h"
#include "pg/connection.h"
#include "pg/sqlstate.h"
#include "pg/supervisor.h"

namespace tideline::pg {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr const char* kServing = "serve";
constexpr auto kLockPatience = 3s;  // an administration command that just ends is no reason to refuse a server

// Held for as long as the descriptor is open, by the kernel: a process that dies cannot leave it behind.
class Lock {
 public:
  Lock() = default;
  ~Lock() { release(); }
  Lock(Lock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Lock& operator=(Lock&& other) noexcept {
    if (this != &other) {
      release();
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }

  /// True when it is ours now, false when another process holds it.
  static Result<bool> take(const fs::path& path, const ServiceUser& user, const char* purpose, Lock& lock) {
    Lock fresh;
    fresh.fd_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fresh.fd_ < 0)
      return fail(errno == ENOSPC ? Code::kResourceExhausted : Code::kPermissionDenied,
                  path.string() + " could not be opened: " + std::strerror(errno),
                  "does the data directory belong to " + user.name + "?");
    if (::flock(fresh.fd_, LOCK_EX | LOCK_NB) != 0) {
      if (errno == EWOULDBLOCK) return false;
      return fail(Code::kInternal, path.string() + " could not be locked", {}, std::strerror(errno));
    }
    if (::geteuid() == 0 && ::fchown(fresh.fd_, user.uid, user.gid) != 0)
      return fail(Code::kPermissionDenied, path.string() + " could not be given to " + user.name);
    const std::string text = std::to_string(::getpid()) + "\n" + purpose + "\n";
    if (::ftruncate(fresh.fd_, 0) != 0 || ::pwrite(fresh.fd_, text.data(), text.size(), 0) < 0)
      log(LogLevel::kWarning, "the lock file could not be written", {{"path", path.string()}});
    lock = std::move(fresh);
    return true;
  }
  struct Holder {
    std::string pid;
    std::string purpose;
  };
  static Holder holder(const fs::path& path) {
    char text[64] = "";
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return {"?", ""};
    const ssize_t got = ::read(fd, text, sizeof(text) - 1);
    ::close(fd);
    const auto lines = split(std::string_view(text, got > 0 ? static_cast<std::size_t>(got) : 0), '\n');
    return {std::string(trim(lines[0])), lines.size() > 1 ? std::string(lines[1]) : ""};
  }

 private:
  void release() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }
  int fd_ = -1;
};

// A value of a conninfo string.
std::string conninfo_value(std::string_view value) {
  std::string out = "'";
  for (const char c : value) {
    if (c == '\'' || c == '\\') out.push_back('\\');
    out.push_back(c);
  }
  return out + "'";
}

// One command on a connection of its own, blocking: before there is anything to serve.
Result<void> create_database(const std::string& conninfo, const std::string& name) {
  const std::unique_ptr<PGconn, void (*)(PGconn*)> connection(PQconnectdb(conninfo.c_str()), PQfinish);
  if (PQstatus(connection.get()) != CONNECTION_OK) return fail(error_of(connection.get()));
  const auto run = [&connection](const std::string& sql, bool& any) -> Result<void> {
    const std::unique_ptr<PGresult, void (*)(PGresult*)> result(PQexec(connection.get(), sql.c_str()), PQclear);
    const auto status = PQresultStatus(result.get());
    if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) return fail(error_of(result.get()));
    any = PQntuples(result.get()) > 0;
    return {};
  };
  bool there = false;
  TRY_VOID(run("select from pg_database where datname = " + quote_literal(name), there));
  if (there) return {};
  auto made = run("create database " + quote_identifier(name), there);
  if (!made && (sqlstate_of(made.error()) == "42P04" || sqlstate_of(made.error()) == "23505")) return {};  // by another
  return made;
}

}  // namespace

struct Cluster::Impl {
  ClusterOptions options;
  ServiceUser user;  // whom the server runs as
  ClusterPaths paths;
  Lock lock;
  std::unique_ptr<Supervisor> supervisor;  // none: another process's cluster
  fs::path socket;

  static Result<std::unique_ptr<Impl>> prepare(ClusterOptions options);
  Result<void> supervise();
  Result<bool> join();
};

Result<std::unique_ptr<Cluster::Impl>> Cluster::Impl::prepare(ClusterOptions options) {
  auto impl = std::make_unique<Impl>();
  TRY(impl->user, ::geteuid() == 0 ? service_user() : current_user());
  TRY(const fs::path directory, prepare_directory(options.directory, impl->user));
  impl->options = std::move(options);
  impl->paths = paths_of(directory, impl->user);
  impl->socket = impl->paths.socket;
  return impl;
}

// With the lock held.
Result<void> Cluster::Impl::supervise() {
  TRY(const fs::path programs, find_programs(options, paths.data));
  TRY_VOID(make_cluster(paths, programs, user));
  TRY_VOID(configure(paths, options, user));
  supervisor = std::make_unique<Supervisor>(paths, programs, user, options.stop_timeout);
  return supervisor->start(options.ready_timeout);
}

// Another process holds the lock: true when its server is ready for us, false when it does not say so yet.
Result<bool> Cluster::Impl::join() {
  const auto postmaster = read_postmaster(paths.data);
  if (!postmaster || postmaster->status != "ready") return false;
  socket = postmaster->socket;
  return true;
}

Cluster::Cluster(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Cluster::~Cluster() { [[maybe_unused]] const auto stopped = stop(); }

Result<std::unique_ptr<Cluster>> Cluster::start(ClusterOptions options) {
  TRY(auto impl, Impl::prepare(std::move(options)));
  const auto until = Clock::now() + kLockPatience;
  const auto is_served = [](const Impl& of) {
    const auto postmaster = read_postmaster(of.paths.data);
    return Lock::holder(of.paths.lock).purpose == kServing && postmaster && postmaster->status == "ready";
  };
  int served = 0;
  for (;;) {
    TRY(const bool ours, Lock::take(impl->paths.lock, impl->user, kServing, impl->lock));
    if (ours) break;
    // Nor is there anything to wait for with a server that serves. What an earlier holder wrote is not believed at
    // once.
    served = is_served(*impl) ? served + 1 : 0;
    if (served > 2 || Clock::now() >= until)
      return fail(Code::kConflict,
                  "the data directory " + impl->paths.directory.string() + " is in use by another process (pid " +
                      Lock::holder(impl->paths.lock).pid + ")",
                  "stop that one first, or choose another place with --data-dir DIR");
    std::this_thread::sleep_for(50ms);
  }
  TRY_VOID(impl->supervise());
  std::unique_ptr<Cluster> cluster(new Cluster(std::move(impl)));
  TRY_VOID(create_database(cluster->conninfo(kSuperuser, "postgres"), cluster->impl_->options.database));
  return cluster;
}

Result<std::unique_ptr<Cluster>> Cluster::attach(ClusterOptions options) {
  TRY(auto impl, Impl::prepare(std::move(options)));
  const auto until = Clock::now() + impl->options.ready_timeout;
  for (;;) {
    TRY(const bool ours, Lock::take(impl->paths.lock, impl->user, "administration", impl->lock));
    if (ours) {
      TRY_VOID(impl->supervise());
      break;
    }
    TRY(const bool ready, impl->join());
    if (ready) break;
    if (Clock::now() >= until)
      return fail(Code::kDeadline,
                  "the database in " + impl->paths.directory.string() + " is supervised by pid " +
                      Lock::holder(impl->paths.lock).pid + ", but does not become ready",
                  "look at " + impl->paths.log.string());
    std::this_thread::sleep_for(50ms);
  }
  std::unique_ptr<Cluster> cluster(new Cluster(std::move(impl)));
  // Also beside a server: it may have become ready a moment ago, and not have come to this yet.
  TRY_VOID(create_database(cluster->conninfo(kSuperuser, "postgres"), cluster->impl_->options.database));
  return cluster;
}

std::string Cluster::conninfo(const std::string& role, const std::string& database) const {
  // requirepeer: whoever answers at the socket must be the cluster's user. No TLS or Kerberos on a socket of our own.
  return "host=" + conninfo_value(impl_->socket.string()) + " port=" + std::to_string(kPort) +
         " user=" + conninfo_value(role) +
         " dbname=" + conninfo_value(database.empty() ? impl_->options.database : database) +
         " requirepeer=" + conninfo_value(impl_->user.name) +
         " application_name=tideline client_encoding=UTF8 connect_timeout=10 sslmode=disable gssencmode=disable";
}

ClusterStatus Cluster::status() const { return impl_->supervisor ? impl_->supervisor->status() : ClusterStatus{}; }

bool Cluster::is_supervisor() const { return impl_->supervisor != nullptr; }

Result<void> Cluster::stop() {
  if (impl_->supervisor) {
    impl_->supervisor->stop();
    // One in /tmp is not left about.
    if (impl_->paths.socket.parent_path() != impl_->paths.directory) ::rmdir(impl_->paths.socket.c_str());
  }
  impl_->lock = Lock();
  return {};
}

}  // namespace tideline::pg
