#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <system_error>

#include "pg/cluster_files.h"
#include "pg/process.h"

namespace tideline::pg {
namespace {

namespace fs = std::filesystem;

std::optional<ServiceUser> look_up(const char* name) {
  const passwd* entry = ::getpwnam(name);
  if (!entry) return std::nullopt;
  return ServiceUser{entry->pw_uid, entry->pw_gid, entry->pw_name};
}

}  // namespace

Result<ServiceUser> service_user() {
  for (const char* name : {"tideline", "postgres"})
    if (const auto user = look_up(name); user && user->uid != 0) return *user;
  return fail(Code::kNotFound, "started as root, and there is no user to run as",
              "create one: useradd --system --home-dir /var/lib/tideline tideline");
}

Result<ServiceUser> current_user() {
  const passwd* entry = ::getpwuid(::geteuid());
  if (!entry)
    return fail(Code::kPermissionDenied,
                "the user with number " + std::to_string(::geteuid()) + " has no name on this system",
                "PostgreSQL needs one: add it to /etc/passwd, or start as another user");
  return ServiceUser{entry->pw_uid, entry->pw_gid, entry->pw_name};
}

std::string name_of(uid_t uid) {
  const passwd* entry = ::getpwuid(uid);
  return entry ? entry->pw_name : "user " + std::to_string(uid);
}

Result<fs::path> prepare_directory(const fs::path& wanted, const ServiceUser& user) {
  if (wanted.empty()) return fail(Code::kInvalidInput, "no data directory is given", "pass --data-dir DIR");
  std::error_code error;
  const fs::path directory = fs::absolute(wanted, error).lexically_normal();
  const bool existed = fs::exists(directory, error);
  if (!existed) {
    if (directory.has_parent_path()) fs::create_directories(directory.parent_path(), error);
    if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) {
      const int number = errno;
      return fail(number == ENOSPC ? Code::kResourceExhausted : Code::kPermissionDenied,
                  "the data directory " + directory.string() + " could not be made: " + std::strerror(number),
                  "choose another with --data-dir DIR");
    }
  }
  struct stat info{};
  if (::stat(directory.c_str(), &info) != 0 || !S_ISDIR(info.st_mode))
    return fail(Code::kInvalidInput, directory.string() + " is not a directory", "choose another with --data-dir DIR");

  if (::geteuid() == 0 && info.st_uid != user.uid) {
    // Root hands over what it just made, what is empty, or what we used before; never a directory with a stranger's
    // files in it.
    const bool ours = !existed || fs::is_empty(directory, error) || fs::exists(directory / kLockName, error);
    if (info.st_uid != 0 || !ours)
      return fail(
          Code::kPermissionDenied,
          "the data directory " + directory.string() + " belongs to " + name_of(info.st_uid) + ", not to " + user.name,
          "choose an empty or new directory, or: chown " + user.name + " " + directory.string());
    if (::chown(directory.c_str(), user.uid, user.gid) != 0)
      return fail(Code::kPermissionDenied, "the data directory " + directory.string() + " could not be given to " +
                                               user.name + ": " + std::strerror(errno));
  }
  TRY(const auto barrier, first_unreachable(directory, user));
  if (barrier) {
    const bool last = *barrier == directory;
    return fail(Code::kPermissionDenied,
                last ? user.name + " cannot write to the data directory " + directory.string()
                     : user.name + " cannot reach the data directory: " + barrier->string() + " is closed to it",
                ::geteuid() == 0 ? "use a directory outside, such as --data-dir /var/lib/tideline"
                                 : "choose another with --data-dir DIR");
  }
  fs::path canonical = fs::canonical(directory, error);
  if (error) return fail(Code::kInternal, "the data directory could not be resolved", {}, error.message());
  return canonical;
}

Result<ServiceUser> drop_root(const fs::path& directory) {
  if (::geteuid() != 0) return current_user();
  TRY(const ServiceUser user, service_user());
  TRY([[maybe_unused]] const fs::path path, prepare_directory(directory, user));
  if (::initgroups(user.name.c_str(), user.gid) != 0 || ::setresgid(user.gid, user.gid, user.gid) != 0 ||
      ::setresuid(user.uid, user.uid, user.uid) != 0)
    return fail(Code::kPermissionDenied, "the process could not become user " + user.name, {}, std::strerror(errno));
  if (::setuid(0) == 0) return fail(Code::kInternal, "root could not be given up");
  // What spoke of root's home and session does not speak for the user.
  ::unsetenv("XDG_RUNTIME_DIR");
  ::setenv("USER", user.name.c_str(), 1);
  ::setenv("LOGNAME", user.name.c_str(), 1);
  ::setenv("HOME", directory.c_str(), 1);
  return user;
}

}  // namespace tideline::pg
