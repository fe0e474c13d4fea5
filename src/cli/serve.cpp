// `tideline serve`: the private cluster (or an operator's database), the application on it, and the signals that end
// both.

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <thread>

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>

#include "base/log.h"
#include "cli/log_output.h"
#include "cli/options.h"
#include "cli/private_database.h"
#include "cli/terminal.h"
#include "http/server.h"

namespace tideline::cli {
namespace {

sigset_t ending_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  return set;
}

std::string address_of(const server::Options& options, std::uint16_t port) {
  const bool v6 = options.listen_address.find(':') != std::string::npos;
  return "http://" + (v6 ? "[" + options.listen_address + "]" : options.listen_address) + ":" + std::to_string(port);
}

/// Until the server is ready nothing looks at the signals, and making its database takes seconds: meanwhile a signal
/// ends the process as a crash would, which the next start mends. PostgreSQL's processes end with us.
class EarlyEnd {
 public:
  explicit EarlyEnd(const sigset_t& signals)
      : signals_(signalfd(-1, &signals, SFD_CLOEXEC)), ready_(eventfd(0, EFD_CLOEXEC)), thread_([this] { wait(); }) {}
  ~EarlyEnd() {
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = ::write(ready_, &one, sizeof one);
    thread_.join();
    ::close(signals_);
    ::close(ready_);
  }
  EarlyEnd(const EarlyEnd&) = delete;
  EarlyEnd& operator=(const EarlyEnd&) = delete;

 private:
  void wait() const {
    pollfd watched[] = {{signals_, POLLIN, 0}, {ready_, POLLIN, 0}};
    while (::poll(watched, std::size(watched), -1) < 0 && errno == EINTR) {
    }
    if ((watched[0].revents & POLLIN) == 0) return;
    log(LogLevel::kInfo, "stopped before it was ready", {});
    std::_Exit(kOk);
  }

  int signals_;
  int ready_;
  std::thread thread_;
};

Result<int> run(ServeOptions options) {
  TRY(const pg::ServiceUser user, pg::drop_root(options.server.data_dir));
  // Uploads and the cluster are nobody else's business; also for what a umask of the caller would allow.
  umask(077);
  auto early_end = std::make_unique<EarlyEnd>(ending_signals());
  http::Options address;
  address.address = options.server.listen_address;
  address.port = options.server.listen_port;
  TRY_VOID(http::check_address(address));
  std::unique_ptr<pg::Cluster> cluster;
  if (options.server.database_url.empty()) {
    TRY(cluster, start_private_database(options.server.data_dir, options.server.database_connections));
    options.server.database_url = cluster->conninfo("tideline_server");
  }
  TRY(auto application, server::Application::start(options.server));
  early_end.reset();
  print_line("listening on " + address_of(options.server, application->port()));
  log(LogLevel::kInfo, "ready",
      {{"address", address_of(options.server, application->port())},
       {"database", cluster ? "private" : "external"},
       {"user", user.name}});

  const sigset_t signals = ending_signals();
  int signal = 0;
  sigwait(&signals, &signal);
  log(LogLevel::kInfo, "stopping", {{"signal", signal == SIGTERM ? "SIGTERM" : "SIGINT"}});
  const std::size_t cut = application->stop(options.drain);
  application.reset();
  if (cluster) TRY_VOID(cluster->stop());
  log(LogLevel::kInfo, "stopped", {{"connections_cut", std::to_string(cut)}});
  return kOk;
}

}  // namespace

int serve(const ServeOptions& options) {
  if (options.print_config) {
    for (const auto& [name, value] : options.settings) print_line(name + " = " + value);
    return kOk;
  }
  log_to_stderr(options.log);
  // Before any thread is there, so that all inherit it: only sigwait takes them. A client that is gone is an error of
  // its write, not of the process.
  const sigset_t signals = ending_signals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);

  auto code = run(options);
  if (code) return *code;
  log(LogLevel::kError, "not started", {{"reason", code.error().message}, {"detail", code.error().detail}});
  report(code.error());
  return code.error().code == Code::kInvalidInput ? kUsage : kFailed;
}

}  // namespace tideline::cli
