// The program. Arguments to a value, the value to its command; what escapes is told and is exit code 1.

#include <cstdio>
#include <exception>
#include <string>

#include <fcntl.h>
#include <unistd.h>

#include "base/json.h"
#include "cli/options.h"
#include "cli/terminal.h"

namespace tideline::cli {
namespace {

int version(const VersionOptions& options) {
  std::string line = "tideline " TIDELINE_VERSION;
  if (options.json) {
    line.clear();
    JsonWriter(line).begin_object().key("version").string(TIDELINE_VERSION).end_object();
  }
  print_line(line);
  return kOk;
}

int run(const Invocation& invocation) {
  struct Command {
    int operator()(int code) const { return code; }
    int operator()(const ServeOptions& options) const { return serve(options); }
    int operator()(const AdminOptions& options) const { return admin(options); }
    int operator()(const PushOptions& options) const { return push(options); }
    int operator()(const VersionOptions& options) const { return version(options); }
    int operator()(const LoginOptions& options) const { return login(options); }
    int operator()(const LogoutOptions& options) const { return logout(options); }
    int operator()(const ConnectionsOptions& options) const { return connections(options); }
    int operator()(const SyncOptions& options) const { return sync(options); }
    int operator()(const StatusOptions& options) const { return status(options); }
    int operator()(const SearchOptions& options) const { return search(options); }
    int operator()(const ShowOptions& options) const { return show(options); }
    int operator()(const LineageOptions& options) const { return lineage(options); }
    int operator()(const ImpactOptions& options) const { return impact(options); }
    int operator()(const DocsOptions& options) const { return docs(options); }
    int operator()(const VerifyOptions& options) const { return verify(options); }
    int operator()(const TextOptions& options) const {
      print_text(options.text);
      return kOk;
    }
  };
  return std::visit(Command{}, invocation);
}

/// A descriptor that the caller closed would be given to the next file or socket, which answers would then be written
/// into. In its place is one that refuses.
void hold_standard_descriptors() {
  for (const int descriptor : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
    if (fcntl(descriptor, F_GETFD) < 0 && open("/dev/null", descriptor == STDIN_FILENO ? O_WRONLY : O_RDONLY) < 0)
      std::_Exit(kFailed);
}

int run_and_check(int argc, char** argv) {
  const int code = run(read_arguments(argc, argv));
  const auto written = output_written();
  return code == kOk && !written ? report(written.error()) : code;
}

}  // namespace
}  // namespace tideline::cli

int main(int argc, char** argv) {
  try {
    tideline::cli::hold_standard_descriptors();
    return tideline::cli::run_and_check(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "tideline: unexpected failure: %s\n", error.what());
    return tideline::cli::kFailed;
  }
}
