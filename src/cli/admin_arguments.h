#pragma once
// The commands of administration: names, defaults and help of their flags. Private to arguments.cpp.

#include <deque>
#include <string>

#include <CLI/CLI.hpp>

#include "base/error.h"
#include "cli/options.h"

namespace tideline::cli {

class AdminArguments {
 public:
  AdminArguments() = default;
  AdminArguments(const AdminArguments&) = delete;
  AdminArguments& operator=(const AdminArguments&) = delete;

  void add_to(CLI::App& app);
  bool parsed() const { return command_->parsed(); }
  /// What was asked for, after parsing. kInvalidInput: arguments that do not go together.
  Result<AdminOptions> taken() const;

 private:
  /// One for each command, never shared: CLI11 applies the variables of all commands, also of those that were not
  /// called, and a value that two of them write is that of the variable, whatever the flag said.
  struct Command {
    AdminOptions options;
    std::string admin_url;
    std::string ttl;
    CLI::App* app = nullptr;
    CLI::Option* data_dir = nullptr;
    CLI::Option* url = nullptr;
    CLI::Option* admin_url_option = nullptr;
  };

  Command& command(CLI::App* parent, const std::string& name, const std::string& help, AdminOptions::Action action);
  void add_backups();
  void add_users();
  void add_tokens();
  static DatabaseOptions database_of(const Command& command);

  CLI::App* command_ = nullptr;
  std::deque<Command> commands_;  // CLI11 points into it
};

}  // namespace tideline::cli
