// The program. Arguments to a value, the value to its command; what escapes is told and is exit code 1.

#include <cstdio>
#include <exception>
#include <string>

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
      std::fputs(options.text.c_str(), stdout);
      return kOk;
    }
  };
  return std::visit(Command{}, invocation);
}

}  // namespace
}  // namespace tideline::cli

int main(int argc, char** argv) {
  try {
    return tideline::cli::run(tideline::cli::read_arguments(argc, argv));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "tideline: unexpected failure: %s\n", error.what());
    return tideline::cli::kFailed;
  }
}
