#pragma once
// What the command line asks for, as plain values. Read from flags, TIDELINE_… variables and the config file in
// arguments.cpp and client_arguments.cpp, the only units that know CLI11; each is acted on in the unit of its name.

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
    kBackup,
    kRestore,
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
  std::optional<std::int64_t> ttl_seconds;  // of a token
  bool without_end = false;                 // instead
  std::filesystem::path file;               // of a backup
  bool replace = false;                     // what the database holds
  bool epoch_only = false;                  // it was restored by other means
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
  std::string adapter;             // the project's warehouse; empty: what an earlier push said
  std::filesystem::path catalog;
  std::filesystem::path ca_file;
  bool without_packages = false;
  bool force = false;
  bool json = false;
};

struct VersionOptions {
  bool json = false;
};

// ---- The client

/// Which server, organization and workspace a command is about. What is not said is found out (client_context.h).
struct Place {
  std::string server;
  std::string organization;
  std::filesystem::path ca_file;
  std::filesystem::path directory = ".";
  bool json = false;
};

struct LoginOptions {
  Place place;
  std::string token_file;  // "-": standard input
};
struct LogoutOptions {
  Place place;
  bool purge = false;
};
struct ConnectionsOptions {
  enum class Action { kList, kUse, kAuto, kAll };
  Place place;
  Action action = Action::kList;
  std::vector<std::string> names;
};
struct SyncOptions {
  Place place;
  std::string workspace;  // a name to match with, instead of what is found
  bool watch = false;
};
struct StatusOptions {
  Place place;
};
struct SearchOptions {
  Place place;
  std::string text;
  std::vector<std::string> types;
  std::vector<std::string> only;  // objects, columns, docs
  std::size_t limit = 20;
};
struct ShowOptions {
  Place place;
  std::string name;
};
struct LineageOptions {
  Place place;
  std::string name;
  std::string file;  // instead of a name; "-": standard input
  std::string dialect;
  bool up = false;
  bool down = false;
  bool influence = false;
  bool gaps = false;
  std::optional<std::size_t> depth;
  std::size_t limit = 200;
};
struct ImpactOptions {
  Place place;
  std::string name;
  std::size_t limit = 200;
};
struct DocsOptions {
  Place place;
  std::string name;
};
struct VerifyOptions {
  Place place;
  bool repair = false;
};
/// Text made from the arguments themselves: completions for a shell, or the manual page.
struct TextOptions {
  std::string text;
};

/// An int is an exit code: everything has been said (help, or what is wrong with the arguments).
using Invocation = std::variant<int, ServeOptions, AdminOptions, PushOptions, VersionOptions, LoginOptions,
                                LogoutOptions, ConnectionsOptions, SyncOptions, StatusOptions, SearchOptions,
                                ShowOptions, LineageOptions, ImpactOptions, DocsOptions, VerifyOptions, TextOptions>;

Invocation read_arguments(int argc, const char* const* argv);

int serve(const ServeOptions& options);
int admin(const AdminOptions& options);
int push(const PushOptions& options);
int login(const LoginOptions& options);
int logout(const LogoutOptions& options);
int connections(const ConnectionsOptions& options);
int sync(const SyncOptions& options);
int status(const StatusOptions& options);
int search(const SearchOptions& options);
int show(const ShowOptions& options);
int lineage(const LineageOptions& options);
int lineage_of_file(const LineageOptions& options);
int lineage_gaps(const LineageOptions& options);
int impact(const ImpactOptions& options);
int docs(const DocsOptions& options);
int verify(const VerifyOptions& options);

}  // namespace tideline::cli
