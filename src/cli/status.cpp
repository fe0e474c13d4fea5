// `tideline status`: what is here, how new it is, and what is in its way. Asks nobody.

#include "base/json.h"
#include "cli/client_context.h"
#include "cli/credentials.h"
#include "cli/options.h"
#include "cli/paths.h"
#include "cli/terminal.h"
#include "cli/watch_lock.h"
#include "sync/sessions.h"

namespace tideline::cli {
namespace {

std::string note_of(const replica::Status& status, std::string_view key) {
  for (const auto& [name, value] : status.notes)
    if (name == key) return value;
  return {};
}

std::string shown(const replica::ConnectionStatus& connection) {
  return connection.subdir.empty() ? connection.full_name : connection.full_name + "//" + connection.subdir;
}

/// What this workspace has of the organization, and why.
std::string syncs(const ClientContext& context) {
  if (!context.memory) return "nothing yet: tideline sync finds out what; tideline connections shows it";
  if (context.memory->mode == sync::SyncMode::kAll) return "all connections of the organization";
  std::string names;
  for (const auto& connection : context.memory->connections) names += (names.empty() ? "" : ", ") + connection.name;
  if (names.empty()) return "nothing: no connection matches (tideline connections)";
  return names + (context.memory->mode == sync::SyncMode::kManual ? ", chosen by hand" : ", as matched");
}

void print_json(const ClientContext& context, const std::optional<replica::Status>& status, bool watched,
                const std::string& state, bool has_token, const std::optional<Timestamp>& token_expiry) {
  std::string text;
  JsonWriter json(text);
  json.begin_object().key("server").string(context.target.server);
  json.key("organization").string(context.target.organization.to_string());
  json.key("logged_in").boolean(has_token).key("token_from");
  json.optional_string(!has_token
                           ? std::nullopt
                           : std::optional<std::string>(token_of_environment().empty() ? "login" : "TIDELINE_TOKEN"));
  json.key("token_expires_at").optional_string(token_expiry ? std::optional(token_expiry->to_string()) : std::nullopt);
  json.key("workspace").string(context.workspace.root.string());
  json.key("identifier").string(context.workspace.identifier);
  json.key("sync_mode").string(sync::to_string(context.memory ? context.memory->mode : sync::SyncMode::kWorkspace));
  json.key("replica");
  if (!status) {
    json.null().end_object();
    return print_line(text);
  }
  const auto optional_version = [&json](const std::optional<Version>& version) {
    if (version)
      json.number(version->value);
    else
      json.null();
  };
  json.begin_object()
      .key("file")
      .string(context.replica.string())
      .key("bytes")
      .number(static_cast<std::int64_t>(status->file_bytes));
  json.key("version");
  optional_version(status->version);
  json.key("applied_at");
  json.optional_string(status->applied_at ? std::optional(status->applied_at->to_string()) : std::nullopt);
  const std::string checked = note_of(*status, "checked_at");
  json.key("checked_at").optional_string(checked.empty() ? std::nullopt : std::optional(checked));
  json.key("closed").optional_string(status->closed);
  json.key("connections").begin_array();
  for (const auto& each : status->connections) {
    json.begin_object().key("id").string(each.id.to_string()).key("full_name").string(each.full_name);
    json.key("subdir").string(each.subdir).key("version").number(each.version.value);
    json.key("valid_through").number(each.valid_through.value);
    for (std::size_t kind = 1; kind < kKindCount; ++kind)
      json.key(table_name(static_cast<Kind>(kind + 1))).number(each.rows[kind]);
    json.end_object();
  }
  json.end_array().end_object();
  json.key("watching").boolean(watched).key("state").string(watched ? state : "not watching");
  const std::string problem = note_of(*status, "problem");
  json.key("problem").optional_string(problem.empty() ? std::nullopt : std::optional(problem)).end_object();
  print_line(text);
}

Result<void> run(const StatusOptions& options) {
  TRY(const ClientContext context, find_context(options.place));
  const auto token = present_token(context.target);
  std::optional<replica::Status> status;
  if (auto reader = replica::Reader::open(context.replica)) {
    TRY(auto view, reader->view_even_closed());
    TRY(status, view.status());
  } else if (reader.error().code != Code::kNotFound) {
    return fail(reader.error());
  }
  const bool watched = is_watched(context.replica);
  const std::string state = status ? note_of(*status, "state") : "";
  std::optional<Timestamp> token_expiry;  // as the server said at the last sync
  if (status && token) token_expiry = sync::expiry_in_note(note_of(*status, sync::kTokenNote), *token);
  if (options.place.json) {
    print_json(context, status, watched, state, token.has_value(), token_expiry);
    return {};
  }
  const auto line = [](const char* name, const std::string& value) {
    print_line(std::string(name) + std::string(13 - std::string_view(name).size(), ' ') + printable(value));
  };
  const Timestamp now = Timestamp::now();
  line("server", context.target.server);
  line("organization", context.target.organization.to_string());
  if (!token) {
    line("login", token.error().message + " (" + token.error().hint + ")");
  } else {
    line("login", "token of " + (token_of_environment().empty() ? credentials_file().string() : "TIDELINE_TOKEN"));
    if (token_expiry)
      line("", *token_expiry > now
                   ? "it ends " + until(*token_expiry, now) + ", at " + token_expiry->to_string().substr(0, 19) + "Z"
                   : "it ended " + ago(*token_expiry, now) + ": tideline login, with a new one");
  }
  line("workspace", context.workspace.root.string());
  std::string names = context.workspace.identifier;
  if (!context.workspace.names.empty()) names += "  (" + context.workspace.names.front().origin + ")";
  line("identifier", names);
  for (const auto& note : context.workspace.notes) line("", note);
  line("syncs", syncs(context));
  if (!status) {
    line("replica", "none yet: tideline sync makes it");
    return {};
  }
  std::string version = status->version ? "version " + with_commas(status->version->value) : "not complete yet";
  if (status->applied_at) version += ", written " + ago(*status->applied_at, now);
  const std::string checked = note_of(*status, "checked_at");
  // A watcher that is connected hears of every change: what it last asked says nothing of how new this is.
  if (watched && (state == "live" || state == "polling"))
    version += ", kept current";
  else if (const auto at = Timestamp::parse(checked))
    version += ", compared with the server " + ago(*at, now);
  line("replica", version);
  line("", context.replica.string() + ", " + human_bytes(status->file_bytes));
  if (status->closed) line("closed", *status->closed);
  std::string sync = "not watching: tideline sync --watch follows the server";
  if (watched) {
    sync = "watching";
    if (state == "live" || state == "polling") sync += ", connected";
    if (state == "waiting") sync += ", waiting for the server";
    if (state == "expired")
      sync += ", stopped: the token does not hold any more (tideline login; it goes on by itself)";
    if (state == "denied") sync += ", stopped: access was taken away";
    if (state == "trouble") sync += ", in trouble";
  }
  line("sync", sync);
  const std::string problem = note_of(*status, "problem");
  if (!problem.empty()) line("problem", problem);
  if (status->staged_rows > 0) line("staged", with_commas(status->staged_rows) + " rows wait for the rest");
  std::vector<std::vector<std::string>> rows{
      {"CONNECTION", "ALL OBJECTS", "COLUMNS", "DEPENDENCIES", "LINEAGE", "DOCS"}};
  for (const auto& each : status->connections) {
    const auto count = [&each](Kind kind) { return with_commas(each.rows[static_cast<std::size_t>(kind) - 1]); };
    rows.push_back({printable(shown(each)), count(Kind::kObject), count(Kind::kColumn), count(Kind::kDependency),
                    count(Kind::kColumnLineage), count(Kind::kDocumentation)});
  }
  if (rows.size() > 1) {
    print_line("");
    print_table(rows);
  }
  return {};
}

}  // namespace

int status(const StatusOptions& options) { return ended(run(options)); }

}  // namespace tideline::cli
