// `tideline serve`: the private cluster (or an operator's database), the application on it, and the signals that end
// both.

#include <csignal>
#include <memory>

#include <sys/stat.h>

#include <boost/asio/io_context.hpp>

#include "base/log.h"
#include "cli/log_output.h"
#include "cli/options.h"
#include "cli/private_database.h"
#include "cli/terminal.h"

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

Result<int> run(ServeOptions options) {
  TRY(const pg::ServiceUser user, pg::drop_root(options.server.data_dir));
  // Uploads and the cluster are nobody else's business; also for what a umask of the caller would allow.
  umask(077);
  std::unique_ptr<pg::Cluster> cluster;
  if (options.server.database_url.empty()) {
    TRY(cluster, start_private_database(options.server.data_dir, options.server.database_connections));
    options.server.database_url = cluster->conninfo("tideline_server");
  }
  TRY(auto application, server::Application::start(options.server));
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
