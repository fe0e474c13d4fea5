#include "pg/process.h"

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <string_view>
#include <thread>

extern char** environ;

namespace tideline::pg {
namespace {

constexpr std::size_t kKeptOutput = 64 * 1024;

class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  ~Descriptor() { reset(); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }
  void reset(int fd = -1) {
    if (fd_ >= 0) ::close(fd_);
    fd_ = fd;
  }

 private:
  int fd_;
};

Error system_error(std::string what) {
  const int number = errno;
  return Error{Code::kInternal, std::move(what), {}, std::strerror(number)};
}

bool make_pipe(Descriptor& read_end, Descriptor& write_end) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return false;
  read_end.reset(ends[0]);
  write_end.reset(ends[1]);
  return true;
}

// After fork: async-signal-safe calls alone.
bool become(const ServiceUser& user) {
  return ::setgroups(1, &user.gid) == 0 && ::setresgid(user.gid, user.gid, user.gid) == 0 &&
         ::setresuid(user.uid, user.uid, user.uid) == 0;
}

[[noreturn]] void give_up(int report) {
  const int number = errno;
  [[maybe_unused]] const auto ignored = ::write(report, &number, sizeof(number));
  ::_exit(127);
}

[[noreturn]] void become_program(const ChildOptions& options, char* const* argv, char* const* envp, pid_t parent,
                                 int input, int output, int report) {
  for (int number = 1; number < NSIG; ++number) ::signal(number, SIG_DFL);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::setsid();
  ::umask(0077);
  if (options.user && !become(*options.user)) give_up(report);
  if (options.die_with_thread) {
    // After the change of user, which clears it; and the parent may be gone already.
    if (::prctl(PR_SET_PDEATHSIG, SIGINT) != 0) give_up(report);
    if (::getppid() != parent) ::_exit(0);
  }
  if (::chdir("/") != 0 || ::dup2(input, 0) < 0 || ::dup2(output, 1) < 0 || ::dup2(output, 2) < 0) give_up(report);
  ::execve(argv[0], argv, envp);
  give_up(report);
}

std::vector<char*> pointers(std::vector<std::string>& strings) {
  std::vector<char*> out;
  for (auto& text : strings) out.push_back(text.data());
  out.push_back(nullptr);
  return out;
}

int wait_for(pid_t pid) {
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

}  // namespace

Result<pid_t> spawn(const ChildOptions& options) {
  std::vector<std::string> command = options.command;
  std::vector<std::string> environment{"LC_ALL=C"};
  for (char** entry = environ; *entry; ++entry) {
    const std::string_view text(*entry);
    if (!text.starts_with("PG") && !text.starts_with("LC_") && !text.starts_with("LANG"))
      environment.emplace_back(text);
  }
  const auto argv = pointers(command);
  const auto envp = pointers(environment);
  Descriptor report_read, report_write;
  if (!make_pipe(report_read, report_write)) return fail(system_error("a process could not be started"));
  const Descriptor null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  const int output = options.output >= 0 ? options.output : null.get();
  const pid_t parent = ::getpid();

  const pid_t child = ::fork();
  if (child < 0) return fail(system_error("a process could not be started"));
  if (child == 0) become_program(options, argv.data(), envp.data(), parent, null.get(), output, report_write.get());

  report_write.reset();
  int number = 0;
  ssize_t got = 0;
  while ((got = ::read(report_read.get(), &number, sizeof(number))) < 0 && errno == EINTR) {
  }
  if (got == sizeof(number)) {
    wait_for(child);
    return fail(Code::kInternal, command.front() + " could not be started", {}, std::strerror(number));
  }
  return child;
}

Result<Finished> run_to_end(ChildOptions options, std::chrono::seconds timeout) {
  Descriptor read_end, write_end;
  if (!make_pipe(read_end, write_end)) return fail(system_error("a process could not be started"));
  options.output = write_end.get();
  TRY(const pid_t child, spawn(options));
  write_end.reset();

  Finished finished;
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now()).count();
    pollfd wait{read_end.get(), POLLIN, 0};
    if (left <= 0 || ::poll(&wait, 1, static_cast<int>(left)) == 0) {
      ::kill(child, SIGKILL);
      wait_for(child);
      return fail(Code::kDeadline, options.command.front() + " did not end in time", {}, finished.output);
    }
    char buffer[4096];
    const ssize_t got = ::read(read_end.get(), buffer, sizeof(buffer));
    if (got == 0) break;
    if (got > 0 && finished.output.size() < kKeptOutput) finished.output.append(buffer, static_cast<std::size_t>(got));
    if (got < 0 && errno != EINTR) break;
  }
  finished.exit_code = wait_for(child);
  return finished;
}

Result<std::optional<std::filesystem::path>> first_unreachable(const std::filesystem::path& path,
                                                               const ServiceUser& user) {
  std::vector<std::filesystem::path> steps;
  for (auto step = path; step != step.root_path(); step = step.parent_path()) steps.push_back(step);
  std::reverse(steps.begin(), steps.end());
  std::vector<std::string> names;
  for (const auto& step : steps) names.push_back(step.string());
  const bool must_become = ::geteuid() == 0 && user.uid != 0;
  const pid_t child = ::fork();
  if (child < 0) return fail(system_error("a process could not be started"));
  if (child == 0) {
    if (must_become && !become(user)) ::_exit(255);
    for (std::size_t i = 0; i < names.size(); ++i) {
      const bool last = i + 1 == names.size();
      if (::access(names[i].c_str(), last ? R_OK | W_OK | X_OK : X_OK) != 0)
        ::_exit(static_cast<int>(std::min<std::size_t>(i + 1, 254)));
    }
    ::_exit(0);
  }
  const int code = wait_for(child);
  if (code == 255) return fail(Code::kPermissionDenied, "the process could not become user " + user.name);
  if (code == 0) return std::nullopt;
  return steps[std::min(static_cast<std::size_t>(code), steps.size()) - 1];
}

std::vector<pid_t> postgres_processes_in(const std::filesystem::path& pgdata) {
  std::vector<pid_t> out;
  struct stat wanted{};
  if (::stat(pgdata.c_str(), &wanted) != 0) return out;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", error)) {
    const std::string name = entry.path().filename();
    pid_t pid = 0;
    if (std::from_chars(name.data(), name.data() + name.size(), pid).ptr != name.data() + name.size()) continue;
    struct stat found{};
    if (::stat((entry.path() / "cwd").c_str(), &found) != 0) continue;
    if (found.st_dev != wanted.st_dev || found.st_ino != wanted.st_ino) continue;
    std::error_code ignored;
    std::string program = std::filesystem::read_symlink(entry.path() / "exe", ignored).filename();
    if (program == "postgres" || program == "postgres (deleted)") out.push_back(pid);
  }
  return out;
}

}  // namespace tideline::pg
