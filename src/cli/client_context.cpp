#include "cli/client_context.h"

#include <cstdlib>

#include "base/text.h"
#include "cli/credentials.h"
#include "cli/paths.h"
#include "cli/server_url.h"
#include "cli/terminal.h"
#include "cli/toml_file.h"
#include "model/repository_name.h"

namespace tideline::cli {
namespace {

/// What the user's own configuration says of a workspace:
///
///   [workspaces."/home/ada/shop"]
///   identifier = "acme/shop"
///   server = "https://tideline.example.com"
///   organization = "0b3f9c1e-…"
struct WorkspaceSettings {
  std::string identifier;
  std::string server;
  std::string organization;
};

/// A setting that nobody reads is one that somebody believes to be in force. The commands go on: they are not the
/// server's, and the file may be shared with another release.
void warn_of_unknown(const toml::table& table) {
  const auto warn = [](const toml::node& at, const std::string& what) {
    std::fprintf(stderr, "warning: %s:%u: %s\n", client_config().c_str(), at.source().begin.line,
                 printable(what).c_str());
  };
  for (const auto& [key, node] : table) {
    const auto* workspaces = key == "workspaces" ? node.as_table() : nullptr;
    if (workspaces == nullptr) {
      warn(node, key == "workspaces" ? "workspaces is to be a table: [workspaces.\"/home/ada/shop\"]"
                                     : "there is no setting \"" + std::string(key.str()) + "\"");
      continue;
    }
    for (const auto& [root, entry] : *workspaces) {
      const auto* settings = entry.as_table();
      if (settings == nullptr) {
        warn(entry,
             "\"" + std::string(root.str()) + "\" is to be a table: [workspaces.\"" + std::string(root.str()) + "\"]");
        continue;
      }
      for (const auto& [name, value] : *settings) {
        if (name != "identifier" && name != "server" && name != "organization")
          warn(value, "there is no setting \"" + std::string(name.str()) +
                          "\" of a workspace: identifier, server, organization");
        else if (!value.is_string())
          warn(value, std::string(name.str()) + " is to be a text");
      }
    }
  }
}

Result<WorkspaceSettings> settings_of(const std::filesystem::path& root) {
  WorkspaceSettings settings;
  std::error_code error;
  if (!std::filesystem::exists(client_config(), error)) return settings;
  TRY(const toml::table table, read_toml(client_config()));
  warn_of_unknown(table);
  const auto* workspaces = table.get_as<toml::table>("workspaces");
  const auto* entry = workspaces ? workspaces->get_as<toml::table>(root.string()) : nullptr;
  if (!entry) return settings;
  const auto text = [entry](const char* key) {
    const auto* value = entry->get_as<std::string>(key);
    return value ? value->get() : std::string();
  };
  return WorkspaceSettings{text("identifier"), text("server"), text("organization")};
}

}  // namespace

Result<ClientContext> find_context(const Place& place) {
  std::error_code error;
  if (!std::filesystem::is_directory(place.directory, error))
    return wrong_arguments("there is no directory " + place.directory.string());
  ClientContext context{.workspace = sync::detect_workspace(place.directory, sync::GitEnvironment::of_process()),
                        .state = sync::LocalState(client_data_directory()),
                        .memory = {},
                        .target = {},
                        .replica = {}};
  TRY(const WorkspaceSettings settings, settings_of(context.workspace.root));
  if (!settings.identifier.empty()) {
    context.workspace.identifier = settings.identifier;
    context.workspace.names = {{settings.identifier, "the name in " + client_config().string()}};
  }
  TRY(auto memory, context.state.recall(context.workspace.root));

  std::string server = place.server;
  std::string organization = place.organization;
  if (server.empty()) server = settings.server;
  if (organization.empty()) organization = settings.organization;
  if (memory && (server.empty() || without_trailing_slash(server) == memory->server)) {
    server = memory->server;
    if (organization.empty()) organization = memory->organization.to_string();
  }
  // A file that others can read is told by what needs the token; queries need none.
  const auto login = find_login(credentials_file(), server, organization);
  if (login && *login) {
    if (server.empty()) server = (*login)->server;
    if (organization.empty()) organization = (*login)->organization;
    context.target.ca_file = (*login)->ca_file;
  }
  if (server.empty() || organization.empty()) {
    if (!login) return fail(login.error());
    return fail(Code::kInvalidInput, "it is not known which server and organization this is about",
                "tideline login; or --server and --org (TIDELINE_SERVER, TIDELINE_ORG)");
  }
  TRY_VOID(check_no_userinfo(server));
  const auto id = OrganizationId::parse(organization);
  if (!id)
    return wrong_arguments("--org " + organization + " is no id",
                           "an id looks like 0b3f9c1e-7d42-4c55-9e0a-5a4f6c1d2e3f");
  if (!place.ca_file.empty()) context.target.ca_file = place.ca_file;
  context.target.server = without_trailing_slash(server);
  context.target.organization = *id;
  context.target.user_agent = "tideline/" TIDELINE_VERSION;
  context.replica = context.state.replica_file(context.target.server, *id);
  if (memory && memory->server == context.target.server && memory->organization == *id)
    context.memory = std::move(memory);
  return context;
}

Result<std::string> present_token(const sync::ServerTarget& target) {
  if (std::string token = token_of_environment(); !token.empty()) return token;
  TRY(auto login, find_login(credentials_file(), target.server, target.organization.to_string()));
  if (login) return std::move(login->token);
  return fail(Code::kUnauthenticated, "no token for " + target.server, "tideline login, or TIDELINE_TOKEN");
}

Result<ClientContext> find_context_with_token(const Place& place) {
  TRY(ClientContext context, find_context(place));
  TRY_VOID(check_server(context.target.server));
  TRY(context.target.token, present_token(context.target));
  return context;
}

Result<replica::Reader> open_replica(const ClientContext& context) {
  auto reader = replica::Reader::open(context.replica);
  if (!reader && reader.error().code == Code::kNotFound)
    return fail(Code::kNotFound, "there is no replica of this organization here yet", "tideline sync makes it");
  return reader;
}

Result<replica::View> view_of(const ClientContext& context, replica::Reader& reader) {
  TRY(auto view, reader.view());
  std::vector<ConnectionId> own;
  if (context.memory && context.memory->mode != sync::SyncMode::kAll) {
    for (const auto& connection : context.memory->connections) own.push_back(connection.id);
  } else {
    TRY(const auto status, view.status());
    for (const auto& name : context.workspace.names) {
      const RepositoryName wanted = repository_name(name.identifier);
      for (const auto& connection : status.connections) {
        const RepositoryName there = repository_name(connection.full_name);
        if (there.path == wanted.path && equal_ignoring_case(connection.subdir, wanted.subdir))
          own.push_back(connection.id);
      }
      if (!own.empty()) break;
    }
  }
  TRY_VOID(view.prefer(std::move(own)));
  return view;
}

Result<Opened> open_view(const Place& place) {
  TRY(const ClientContext context, find_context(place));
  TRY(auto reader, open_replica(context));
  TRY(auto view, view_of(context, reader));
  return Opened{std::move(reader), std::move(view)};
}

Error told(const sync::SyncError& failure, const ClientContext& context) {
  Error error = failure.error;
  if (failure.trouble == sync::Trouble::kUnauthenticated && error.hint.empty())
    error.hint = "the token does not hold (any more): tideline login --server " + context.target.server;
  if (failure.trouble == sync::Trouble::kUnauthenticated) error.hint = "get a new token, and tideline login";
  if (failure.trouble == sync::Trouble::kDenied && error.hint.empty())
    error.hint =
        "ask an admin of the organization; what is here can no longer be queried (tideline logout --purge "
        "deletes it)";
  if (failure.trouble == sync::Trouble::kUnauthenticated || failure.trouble == sync::Trouble::kDenied)
    add_source_of_token(error);
  return error;
}

namespace {
/// "12 days", "1 minute".
std::string span_of(std::int64_t seconds) {
  const auto times = [](std::int64_t n, const char* unit) {
    return std::to_string(n) + " " + unit + (n == 1 ? "" : "s");
  };
  if (seconds < 120) return times(seconds, "second");
  if (seconds < 2 * 3600) return times(seconds / 60, "minute");
  if (seconds < 2 * 86'400) return times(seconds / 3600, "hour");
  return times(seconds / 86'400, "day");
}
}  // namespace

std::string ago(Timestamp then, Timestamp now) {
  const std::int64_t seconds = (now.micros - then.micros) / 1'000'000;
  if (seconds < 0) return "at " + then.to_string();  // a clock that was set back
  return seconds < 5 ? "just now" : span_of(seconds) + " ago";
}

std::string until(Timestamp then, Timestamp now) {
  const std::int64_t seconds = (then.micros - now.micros) / 1'000'000;
  return seconds <= 0 ? "now" : "in " + span_of(seconds);
}

}  // namespace tideline::cli
