// `tideline connections`: what the organization has, and what this workspace syncs of it.

#include <algorithm>

#include "base/json.h"
#include "cli/client_context.h"
#include "cli/options.h"
#include "cli/terminal.h"
#include "sync/choose.h"

namespace tideline::cli {
namespace {

std::vector<sync::ChosenConnection> all_of(const std::vector<sync::ServerConnection>& connections) {
  std::vector<sync::ChosenConnection> chosen;
  for (const auto& each : connections) chosen.push_back({each.id, sync::shown_name(each), "all are synced"});
  return chosen;
}

/// "13 of 14": of so many models in full.
std::string lineage_of(const sync::ServerConnection& connection) {
  const auto json = Json::parse(connection.lineage, "lineage");
  if (connection.lineage.empty() || !json) return "-";
  const auto number = [&](std::string_view key) {
    const Json* value = json->find(key);
    return with_commas(value != nullptr && value->if_int() != nullptr ? *value->if_int() : 0);
  };
  return number("analysed") + " of " + number("models");
}

Result<void> run(const ConnectionsOptions& options) {
  TRY(ClientContext context, find_context_with_token(options.place));
  static const std::atomic<bool> stop = false;
  sync::Api api(context.target, stop);
  auto answer = api.connections();
  if (!answer) return fail(told(answer.error(), context));
  const std::vector<sync::ServerConnection>& all = *answer;

  using Action = ConnectionsOptions::Action;
  sync::WorkspaceMemory memory = context.memory.value_or(sync::WorkspaceMemory{
      context.workspace.root.string(), context.target.server, context.target.organization, "", {}, {}});
  memory.identifier = context.workspace.identifier;
  bool chosen = context.memory.has_value();
  if (options.action == Action::kUse) {
    TRY(memory.connections, sync::choose_by_hand(all, options.names));
    memory.mode = sync::SyncMode::kManual;
  } else if (options.action == Action::kAll) {
    memory.mode = sync::SyncMode::kAll;
    memory.connections = all_of(all);
  } else if (options.action == Action::kAuto || !chosen) {
    auto choice = sync::match_workspace(api, context.workspace);
    if (!choice) return fail(told(choice.error(), context));
    memory.mode = sync::SyncMode::kWorkspace;
    memory.connections = std::move(choice->chosen);
  }
  if (options.action != Action::kList) {
    TRY_VOID(context.state.remember(memory));
    chosen = true;
  }

  // Those that came since it was chosen are synced as well.
  if (chosen && memory.mode == sync::SyncMode::kAll) memory.connections = all_of(all);

  const auto why = [&memory](ConnectionId id) -> const sync::ChosenConnection* {
    const auto at = std::find_if(memory.connections.begin(), memory.connections.end(),
                                 [id](const auto& each) { return each.id == id; });
    return at == memory.connections.end() ? nullptr : &*at;
  };
  if (options.place.json) {
    std::string text;
    JsonWriter json(text);
    json.begin_object().key("workspace").string(memory.root).key("identifier").string(memory.identifier);
    json.key("sync_mode").string(sync::to_string(memory.mode)).key("remembered").boolean(chosen);
    json.key("connections").begin_array();
    for (const auto& each : all) {
      const auto* match = why(each.id);
      json.begin_object().key("id").string(each.id.to_string()).key("type").string(each.type);
      json.key("full_name").string(each.full_name).key("subdir").string(each.subdir);
      json.key("status").string(each.status).key("object_count").number(each.object_count);
      json.key("lineage");
      if (each.lineage.empty())
        json.null();
      else
        json.raw(each.lineage);
      json.key("synced").boolean(match != nullptr).key("why");
      if (match)
        json.string(match->why);
      else
        json.null();
      json.end_object();
    }
    json.end_array().end_object();
    print_line(text);
    return {};
  }
  std::vector<std::vector<std::string>> rows{{"SYNCED", "CONNECTION", "OBJECTS", "LINEAGE", "STATUS", "ID", "WHY"}};
  for (const auto& each : all) {
    const auto* match = why(each.id);
    rows.push_back({match ? "yes" : "-", printable(sync::own_name(each, all)), with_commas(each.object_count),
                    lineage_of(each), each.status, each.id.to_string(), match ? printable(match->why) : ""});
  }
  if (all.empty())
    print_line("the organization has no connections yet: tideline push makes one");
  else
    print_table(rows);
  if (options.action != Action::kList) print_line("tideline sync brings the replica to it");
  return {};
}

}  // namespace

int connections(const ConnectionsOptions& options) { return ended(run(options)); }

}  // namespace tideline::cli
