// Names, defaults and help of every flag, and where else a value may come from; those of the client are in
// client_arguments.cpp, those of administration in admin_arguments.cpp. A flag wins over its variable
// (TIDELINE_DATA_DIR for --data-dir), that over the config file, that over the default.

#include <algorithm>
#include <cstdio>
#include <sstream>
#include <thread>

#include <CLI/CLI.hpp>

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
      return fail(Code::kInvalidInput, file.string() + ": " + name + ": " + error.what());
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
        ->delimiter(',');
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
        ->transform(CLI::AsSizeValue(false))
        ->default_str("1GiB");
    add(c, "page-cache-bytes", o.limits.page_cache_bytes, "Memory for compressed pages")
        ->type_name("SIZE")
        ->transform(CLI::AsSizeValue(false))
        ->default_str("32MiB");
    add(c, "drain-seconds", drain_seconds, "On SIGTERM, time for requests in work")
        ->type_name("S")
        ->check(CLI::Range(0, 3600))
        ->capture_default_str();
    add(c, "log-format", log_format, "json or logfmt; to standard error")
        ->check(CLI::IsMember({"json", "logfmt"}))
        ->capture_default_str();
    add(c, "log-level", serve.log.level, "debug, info, warning or error")
        ->check(CLI::IsMember({"debug", "info", "warning", "error"}))
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
        ->required();
    auto* source = c->add_option_group("source");
    source->add_option("--manifest", push.manifest, "manifest.json")->type_name("FILE")->check(CLI::ExistingFile);
    source->add_option("--project", push.project, "Folder of the dbt project, to be read without dbt")
        ->type_name("DIR")
        ->check(CLI::ExistingDirectory);
    source->require_option(1);
    c->add_option("--adapter", push.adapter,
                  "With --project: the warehouse, as dbt names its adapters (default: what an earlier push said)")
        ->type_name("NAME")
        ->needs("--project");
    c->add_flag("--without-packages", push.without_packages,
                "With --project: even if packages are not installed; what they had brought goes");
    c->add_option("--catalog", push.catalog, "catalog.json")->type_name("FILE")->check(CLI::ExistingFile);
    c->add_option("--subdir", push.subdir, "Where the project lies in its repository")->type_name("DIR");
    c->add_option("--type", push.type, "github, gitlab, git or local (default: whichever has that name)");
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

/// CLI11 says only that a subcommand is required. Where a word stands that is none, that word is named; where there is
/// no word, the help of the command so far lists what may stand there.
void report_missing_command(CLI::App& app, int argc, const char* const* argv) {
  CLI::App* command = &app;
  std::string path = "tideline";
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    const auto named = command->get_subcommands([&word](const CLI::App* each) { return each->get_name() == word; });
    if (named.empty()) {
      (void)report(
          Error{Code::kInvalidInput, path + ": there is no command \"" + word + "\"", path + " --help lists them", {}});
      return;
    }
    command = named.front();
    path += " " + word;
  }
  std::fputs(command->help().c_str(), stderr);
}

}  // namespace

Invocation read_arguments(int argc, const char* const* argv) {
  Arguments arguments;
  try {
    arguments.app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    // Help and --version are "errors" with code 0.
    const bool no_command = dynamic_cast<const CLI::RequiredError*>(&error) != nullptr &&
                            std::string_view(error.what()).find("ubcommand") != std::string_view::npos;
    if (no_command) {
      report_missing_command(arguments.app, argc, argv);
      return kUsage;
    }
    std::ostringstream out;
    std::ostringstream problem;
    const int code = arguments.app.exit(error, out, problem);
    print_text(out.str());
    std::fputs(problem.str().c_str(), stderr);
    return code == 0 ? kOk : kUsage;
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
  if (arguments.push_command->parsed()) return arguments.push;
  if (arguments.version_command->parsed()) return arguments.version;
  return arguments.client.taken();
}

}  // namespace tideline::cli
