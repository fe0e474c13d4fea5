// Names, defaults and help of every flag, and where else a value may come from; those of the client are in
// client_arguments.cpp, those of administration in admin_arguments.cpp. A flag wins over its variable
// (TIDELINE_DATA_DIR for --data-dir), that over the config file, that over the default.

#include <algorithm>
#include <cstdio>
#include <sstream>
#include <thread>

#include <CLI/CLI.hpp>

#include "base/edit_distance.h"
#include "cli/admin_arguments.h"
#include "cli/client_arguments.h"
#include "cli/config_file.h"
#include "cli/options.h"
#include "cli/paths.h"
#include "cli/terminal.h"

namespace tideline::cli {
namespace {

/// What is not said by flag or variable is taken from the file. A name that is no flag is an error: it would be a
/// setting that somebody believes to be in force.
Result<void> apply_settings(CLI::App& app, const std::filesystem::path& file) {
  TRY(Settings settings, read_settings(file));
  for (const auto& [name, values] : settings) {
    CLI::Option* option = name == "config" ? nullptr : app.get_option_no_throw("--" + name);
    if (!option)
      return fail(Code::kInvalidInput, file.string() + ": there is no setting \"" + name + "\"",
                  "tideline serve --help lists them");
    if (option->count() > 0) continue;
    try {
      option->add_result(values);
      option->run_callback();
    } catch (const CLI::Error& error) {
      const std::string what = error.what();
      const std::string flag = "--" + name + ": ";
      return fail(Code::kInvalidInput,
                  file.string() + ": " + name + ": " + (what.starts_with(flag) ? what.substr(flag.size()) : what));
    }
  }
  return {};
}

/// "127.0.0.1:3001", "[::1]:3001", ":3001" (all of IPv4).
Result<void> read_listen(const std::string& text, server::Options& out) {
  const auto colon = text.rfind(':');
  const std::string port = colon == std::string::npos ? "" : text.substr(colon + 1);
  std::string host = colon == std::string::npos ? "" : text.substr(0, colon);
  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  const bool digits = !port.empty() && port.size() <= 5 &&
                      std::all_of(port.begin(), port.end(), [](unsigned char c) { return std::isdigit(c) != 0; });
  if (!digits || std::stol(port) > 65535 || (!bracketed && host.find(':') != std::string::npos))
    return fail(Code::kInvalidInput, "--listen " + text + " is no address", "as in 127.0.0.1:3001 or [::1]:3001");
  if (bracketed) host = host.substr(1, host.size() - 2);
  out.listen_address = host.empty() ? "0.0.0.0" : host;
  out.listen_port = static_cast<std::uint16_t>(std::stol(port));
  return {};
}

/// A value that must not be shown: a password in a URL. Everything else of a setting is no secret; secrets are files.
std::string without_password(const std::string& text) {
  const auto scheme = text.find("://");
  const auto at = text.find('@', scheme == std::string::npos ? 0 : scheme);
  if (scheme == std::string::npos)
    return text.find("password") == std::string::npos ? text : "(hidden: has a password)";
  const auto colon = text.find(':', scheme + 3);
  if (at == std::string::npos || colon == std::string::npos || colon > at)
    return text.find("password=") == std::string::npos ? text : "(hidden: has a password)";
  return text.substr(0, colon + 1) + "***" + text.substr(at);
}

struct Arguments {
  CLI::App app{"Warehouse metadata, exact and offline, in every editor.", "tideline"};
  ServeOptions serve;
  std::string listen = "127.0.0.1:3001";
  std::filesystem::path config;
  std::int64_t drain_seconds = 10;
  std::string log_format = "json";
  AdminArguments admin;
  PushOptions push;
  VersionOptions version;
  std::vector<std::string> help_of;
  ClientArguments client;

  CLI::App* serve_command = nullptr;
  CLI::App* push_command = nullptr;
  CLI::App* version_command = nullptr;

  Arguments() {
    app.require_subcommand(1);
    app.fallthrough(false);
    app.set_version_flag("--version", "tideline " TIDELINE_VERSION, "Print the version");
    add_serve();
    admin.add_to(app);
    add_push();
    client.add_to(app);
    version_command = app.add_subcommand("version", "Print the version.");
    version_command->add_flag("--json", version.json, "As JSON");
    // Read before the others (words_of); here to be listed.
    app.add_subcommand("help", "What a command does, and its options.")
        ->add_option("command", help_of)
        ->type_name("COMMAND");
  }

  void add_serve() {
    serve_command = app.add_subcommand("serve", "Run the server.");
    CLI::App* c = serve_command;
    server::Options& o = serve.server;
    o.data_dir = default_data_directory();
    o.threads = std::max(1U, std::thread::hardware_concurrency());
    add(c, "config", config, "Settings as TOML: any flag below without its dashes")->type_name("FILE");
    add(c, "data-dir", o.data_dir, "Where the private database and uploads on their way live")
        ->type_name("DIR")
        ->capture_default_str();
    add(c, "database-url", o.database_url, "An existing PostgreSQL 15+, as the login tideline_server, instead")
        ->type_name("URL");
    add(c, "read-database-url", o.read_database_url, "A hot standby of it, for rows")->type_name("URL");
    add(c, "listen", listen, "Address and port; port 0: any free one")->type_name("ADDRESS")->capture_default_str();
    add(c, "jwt-secret-file", o.tokens.secret_file, "Take HS256 tokens signed with this file's bytes (at least 32)")
        ->type_name("FILE");
    CLI::Option* file = add(c, "jwks-file", o.tokens.jwks_file, "Take RS256, ES256 and EdDSA tokens by this key set")
                            ->type_name("FILE");
    add(c, "jwks-url", o.tokens.jwks_url, "The same by a key set that is fetched and refreshed")
        ->type_name("URL")
        ->excludes(file);
    add(c, "jwt-issuer", o.tokens.issuer, "What `iss` of such tokens must be")->type_name("TEXT");
    add(c, "jwt-audience", o.tokens.audiences, "One of these must be in their `aud`")
        ->type_name("TEXT")
        ->delimiter(',')
        ->allow_extra_args(false);
    add(c, "create-users", o.tokens.create_users, "A token of an unknown identity makes a user, in no organization")
        ->capture_default_str();
    add(c, "threads", o.threads, "Threads that serve requests")
        ->type_name("N")
        ->check(CLI::Range(1, 256))
        ->capture_default_str();
    add(c, "database-connections", o.database_connections, "Connections to the database, at most")
        ->type_name("N")
        ->check(CLI::Range(1, 1000))
        ->capture_default_str();
    add(c, "max-connections", o.limits.connections, "Open client connections, at most")
        ->type_name("N")
        ->check(CLI::Range(1, 1'000'000))
        ->capture_default_str();
    add(c, "max-pushes", o.limits.concurrent_pushes, "Pushes worked on at the same time")
        ->type_name("N")
        ->check(CLI::Range(1, 64))
        ->capture_default_str();
    add(c, "max-upload-bytes", o.limits.upload_bytes, "Largest push, unpacked (1GiB, 300MB …)")
        ->type_name("SIZE")
        ->transform(CLI::AsSizeValue(false).description(""))
        ->default_str("1GiB");
    add(c, "page-cache-bytes", o.limits.page_cache_bytes, "Memory for compressed pages")
        ->type_name("SIZE")
        ->transform(CLI::AsSizeValue(false).description(""))
        ->default_str("32MiB");
    add(c, "drain-seconds", drain_seconds, "On SIGTERM, time for requests in work")
        ->type_name("S")
        ->check(CLI::Range(0, 3600))
        ->capture_default_str();
    add(c, "log-format", log_format, "json or logfmt; to standard error")
        ->check(one_of({"json", "logfmt"}))
        ->capture_default_str();
    add(c, "log-level", serve.log.level, "debug, info, warning or error")
        ->check(one_of({"debug", "info", "warning", "error"}))
        ->capture_default_str();
    c->add_flag("--print-config", serve.print_config, "Print the settings in force, without passwords, and end");
    c->footer(
        "Each flag is also a variable (--data-dir: TIDELINE_DATA_DIR) and a setting of the config file (data-dir = "
        "…).\nA flag wins over a variable, that over the file (default: " +
        default_server_config().string() + ", where it is there).");
  }

  void add_push() {
    push_command = app.add_subcommand("push", "Send a dbt project's artifacts to a server.");
    CLI::App* c = push_command;
    add(c, "server", push.server, "The server, as in https://tideline.example.com (default: that of the last login)")
        ->type_name("URL");
    add(c, "org", push.organization, "Id of the organization (default: that of the login)")->type_name("ID");
    add(c, "connection", push.connection, "Which repository this is; registered at the first push")
        ->type_name("OWNER/REPO")
        ->required()
        ->check(not_empty());
    CLI::Option* manifest = c->add_option("--manifest", push.manifest, "manifest.json; this, or --project")
                                ->type_name("FILE")
                                ->check(existing_file());
    c->add_option("--project", push.project, "Folder of the dbt project, to be read without dbt")
        ->type_name("DIR")
        ->check(existing_directory())
        ->excludes(manifest);
    c->add_option("--adapter", push.adapter,
                  "With --project: the warehouse, as dbt names its adapters (default: what an earlier push said)")
        ->type_name("NAME")
        ->needs("--project");
    c->add_flag("--without-packages", push.without_packages,
                "With --project: even if packages are not installed; what they had brought goes");
    c->add_option("--catalog", push.catalog, "catalog.json")->type_name("FILE")->check(existing_file());
    c->add_option("--subdir", push.subdir, "Where the project lies in its repository")
        ->type_name("DIR")
        ->check([](const std::string& text) -> std::string {
          return text.starts_with('/') ? text + " is to be said from the repository's root" : "";
        });
    c->add_option("--type", push.type, "github, gitlab, git or local (default: whichever has that name)")
        ->check(one_of({"github", "gitlab", "git", "local"}));
    c->add_option("--commit", push.commit, "Commit the artifacts were made from");
    c->add_option("--branch", push.branch, "Its branch");
    add(c, "ca-file", push.ca_file, "Certificates (PEM) to trust instead of the system's")->type_name("FILE");
    c->add_flag("--force", push.force, "Even if the manifest is older than what is there");
    c->add_flag("--json", push.json, "Answer as JSON");
    c->footer("The token comes from TIDELINE_TOKEN, or from tideline login (" + credentials_file().string() + ").");
  }

  Result<void> finish_serve() {
    std::error_code ignored;
    if (config.empty() && std::filesystem::exists(default_server_config(), ignored)) config = default_server_config();
    if (!config.empty()) TRY_VOID(apply_settings(*serve_command, config));
    TRY_VOID(read_listen(listen, serve.server));
    serve.drain = std::chrono::seconds(drain_seconds);
    serve.log.json = log_format == "json";
    if (!serve.server.tokens.jwks_file.empty() && !serve.server.tokens.jwks_url.empty())
      return fail(Code::kInvalidInput, "jwks-file and jwks-url are both set", "leave one of them out");
    if (serve.print_config) {
      for (const CLI::Option* option : serve_command->get_options()) {
        const std::string name = option->get_single_name();
        if (name == "help" || name == "print-config") continue;
        std::string value;
        for (const std::string& part : option->results()) value += (value.empty() ? "" : ",") + without_password(part);
        serve.settings.emplace_back(name, option->count() > 0 ? value : option->get_default_str());
      }
    }
    return {};
  }
};

/// "did you mean …? " or nothing.
std::string suggestion(const std::string& word, const std::vector<std::string>& names) {
  constexpr std::size_t kLongest = 32;
  if (word.size() > kLongest) return {};
  const std::string* best = nullptr;
  std::size_t least = std::min<std::size_t>(3, word.size() / 3 + 1);
  for (const std::string& name : names)
    if (const std::size_t one = edit_distance(word, name); one < least) least = one, best = &name;
  return best ? "did you mean " + *best + "? " : "";
}

/// The command that the words have come to, and its path.
struct Reached {
  CLI::App* command;
  std::string path = "tideline";
  std::string word;  // the first that is none of its commands
};

Reached reached(CLI::App& app, const std::vector<std::string>& words) {
  Reached at{&app, "tideline", {}};
  for (const std::string& word : words) {
    const auto named = at.command->get_subcommands([&word](const CLI::App* each) { return each->get_name() == word; });
    if (named.empty()) {
      at.word = word;
      break;
    }
    at.command = named.front();
    at.path += " " + word;
  }
  return at;
}

std::vector<std::string> flags_of(const CLI::App& command) {
  std::vector<std::string> names;
  for (const CLI::Option* option : command.get_options())
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  return names;
}

int report_no_command(const Reached& at) {
  std::vector<std::string> names;
  for (const CLI::App* each : at.command->get_subcommands([](const CLI::App*) { return true; }))
    names.push_back(each->get_name());
  const std::string below = at.path == "tideline" ? "" : at.path.substr(at.path.find(' ') + 1) + ": ";
  return report(wrong_arguments(below + "there is no command \"" + at.word + "\"",
                                suggestion(at.word, names) + at.path + " --help lists them")
                    .value());
}

/// What CLI11 found, in our words where its own name nothing.
int report_wrong(CLI::App& app, const CLI::ParseError& error, const std::vector<std::string>& words) {
  const Reached at = reached(app, words);
  const std::string more = at.path + " --help tells more";
  std::string message = error.what();
  const bool no_command =
      dynamic_cast<const CLI::RequiredError*>(&error) != nullptr && message.find("ubcommand") != std::string::npos;
  if (no_command && at.word.empty()) {
    const auto parent = at.path.rfind(' ');
    std::fputs(at.command->help(parent == std::string::npos ? "" : at.path.substr(0, parent)).c_str(), stderr);
    return kUsage;
  }
  if (no_command && !at.word.starts_with('-')) return report_no_command(at);
  // A misspelt option is the reason why another one is missing.
  const auto extras = app.remaining(true);
  const bool misspelt = !extras.empty() && extras.front().starts_with("--");
  if (no_command || misspelt || dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr) {
    std::string extra = no_command || extras.empty() ? at.word : extras.front();
    if (extra.starts_with("--")) {
      extra = extra.substr(0, extra.find('='));
      return report(
          wrong_arguments("there is no option " + extra, suggestion(extra, flags_of(*at.command)) + more).value());
    }
    return report(wrong_arguments("\"" + extra + "\" is one argument too many", more).value());
  }
  if (dynamic_cast<const CLI::RequiredError*>(&error) != nullptr) {
    // Of an argument without a flag CLI11 has the variable's name.
    const auto end = message.find(" is required");
    std::string name = message.substr(0, end);
    if (end != std::string::npos && name.find_first_of("- ") == std::string::npos)
      std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::toupper(c); });
    message = name + message.substr(std::min(end, message.size()));
  }
  return report(wrong_arguments(std::move(message), more).value());
}

}  // namespace

Invocation read_arguments(int argc, const char* const* argv) {
  Arguments arguments;
  std::vector<std::string> words(argv + std::min(argc, 1), argv + argc);
  // `tideline help push` is `tideline push --help`.
  if (!words.empty() && words.front() == "help" && (words.size() == 1 || words[1] != "--help")) {
    words.erase(words.begin());
    if (const Reached at = reached(arguments.app, words); !at.word.empty()) return report_no_command(at);
    words.emplace_back("--help");
  }
  try {
    arguments.app.parse(std::vector<std::string>(words.rbegin(), words.rend()));
  } catch (const CLI::ParseError& error) {
    // Help and --version are "errors" with code 0.
    if (error.get_exit_code() != 0) return report_wrong(arguments.app, error, words);
    std::ostringstream out;
    arguments.app.exit(error, out, out);
    print_text(out.str());
    return kOk;
  }
  if (arguments.serve_command->parsed()) {
    if (auto finished = arguments.finish_serve(); !finished) {
      report(finished.error());
      return kUsage;
    }
    return arguments.serve;
  }
  if (arguments.admin.parsed()) {
    auto taken = arguments.admin.taken();
    if (taken) return *std::move(taken);
    report(taken.error());
    return kUsage;
  }
  if (arguments.push_command->parsed()) {
    if (!arguments.push.manifest.empty() || !arguments.push.project.empty()) return arguments.push;
    return report(wrong_arguments("--manifest or --project is missing", "tideline push --help tells more").value());
  }
  if (arguments.version_command->parsed()) return arguments.version;
  return arguments.client.taken();
}

}  // namespace tideline::cli
