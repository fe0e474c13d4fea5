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
