#pragma once
// What the command line asks for, as plain values. Read from flags, TIDELINE_… variables and the config file in
// arguments.cpp, the only unit that knows CLI11; acted on in serve, admin and push.

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "server/application.h"

namespace tideline::cli {

/// Process exit codes.
inline constexpr int kOk = 0;
inline constexpr int kFailed = 1;
inline constexpr int kUsage = 2;

struct LogOptions {
  bool json = true;  // JSON lines, or logfmt
  std::string level = "info";
};

struct ServeOptions {
  server::Options server;  // database_url empty: the private cluster in data_dir
  std::chrono::seconds drain{10};
  LogOptions log;
  bool print_config = false;
  std::vector<std::pair<std::string, std::string>> settings;  // name and value as in force, for print_config
};

/// Where administration finds its database: a URL wins over the directory.
struct DatabaseOptions {
  std::filesystem::path data_dir;
  std::string url;
};

struct AdminOptions {
  enum class Action {
    kMigrate,
    kOrganizationCreate,
    kOrganizationList,
    kUserAdd,
    kUserRemove,
    kUserRole,
    kUserList,
    kUserLink,
    kToken,
    kApiTokenCreate,
    kApiTokenList,
    kApiTokenRevoke,
  };
  Action action = Action::kMigrate;
  DatabaseOptions database;
  bool json = false;

  std::string organization;  // id
  std::string name;
  std::string email;
  std::string role;
  std::string issuer;
  std::string subject;
  std::vector<std::string> scopes;
  std::string token_id;
  std::optional<std::int64_t> ttl_seconds;
};

struct PushOptions {
  std::string server;
  std::string organization;
  std::string connection;  // full name
  std::string type;        // empty: whichever has that name
  std::string subdir;
  std::string commit;
  std::string branch;
  std::filesystem::path manifest;  // this, or
  std::filesystem::path project;   // the folder of a project that is read without dbt
  std::filesystem::path catalog;
  std::filesystem::path ca_file;
  bool without_packages = false;
  bool force = false;
  bool json = false;
};

struct VersionOptions {
  bool json = false;
};

/// An int is an exit code: everything has been said (help, or what is wrong with the arguments).
using Invocation = std::variant<int, ServeOptions, AdminOptions, PushOptions, VersionOptions>;

Invocation read_arguments(int argc, const char* const* argv);

int serve(const ServeOptions& options);
int admin(const AdminOptions& options);
int push(const PushOptions& options);

}  // namespace tideline::cli
