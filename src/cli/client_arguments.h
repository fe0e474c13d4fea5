#pragma once
// The client's commands: names, defaults and help of their flags. Private to arguments.cpp.

#include <cctype>
#include <string>

#include <CLI/CLI.hpp>

#include "cli/options.h"

namespace tideline::cli {

inline std::string environment_name(const std::string& flag) {
  std::string name = "TIDELINE_";
  for (const char c : flag) name += c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return name;
}

/// An option whose value may also come from the environment.
template <class T>
CLI::Option* add(CLI::App* app, const std::string& flag, T& value, const std::string& help) {
  return app->add_option("--" + flag, value, help)->envname(environment_name(flag));
}

// CLI11's own descriptions would stand in the help behind the name of the value: "FILE:FILE".
inline CLI::Validator existing_file() { return CLI::Validator(CLI::ExistingFile).description(""); }
inline CLI::Validator existing_directory() { return CLI::Validator(CLI::ExistingDirectory).description(""); }
inline CLI::Validator not_empty() {
  return CLI::Validator(
      [](std::string& text) {
        return std::string(text.find_first_not_of(" \t") == std::string::npos ? "must not be empty" : "");
      },
      "");
}
inline CLI::Validator one_of(std::vector<std::string> values) { return CLI::IsMember(std::move(values)); }

class ClientArguments {
 public:
  ClientArguments() = default;
  ClientArguments(const ClientArguments&) = delete;
  ClientArguments& operator=(const ClientArguments&) = delete;

  void add_to(CLI::App& app);
  /// What was asked for, after parsing.
  Invocation taken() const { return taken_; }

 private:
  template <class Options>
  CLI::App* command(CLI::App& app, const char* name, const char* help, Options& options);

  LoginOptions login_;
  LogoutOptions logout_;
  ConnectionsOptions connections_;
  SyncOptions sync_;
  StatusOptions status_;
  SearchOptions search_;
  ShowOptions show_;
  LineageOptions lineage_;
  ImpactOptions impact_;
  DocsOptions docs_;
  VerifyOptions verify_;
  std::string shell_;
  Invocation taken_ = kUsage;
};

}  // namespace tideline::cli
