#include "sync/local_state.h"

#include <algorithm>
#include <array>

#include "base/hash.h"
#include "base/json.h"
#include "base/random.h"
#include "base/text.h"
#include "sync/private_file.h"

namespace tideline::sync {
namespace fs = std::filesystem;

std::string_view to_string(SyncMode mode) {
  switch (mode) {
    case SyncMode::kManual:
      return "manual";
    case SyncMode::kAll:
      return "sync-all";
    case SyncMode::kWorkspace:
      break;
  }
  return "workspace-aware";
}

fs::path LocalState::replica_file(std::string_view server, const OrganizationId& organization) const {
  std::string name;
  const auto scheme = server.find("://");
  for (const char c : ascii_lower(scheme == std::string_view::npos ? server : server.substr(scheme + 3))) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-';
    name += plain ? c : '_';
  }
  name.resize(std::min<std::size_t>(name.size(), 80));
  // What was cut or replaced is told apart by the hash.
  const std::string mark = hex(sha256(server)).substr(0, 8);
  return directory_ / (name + "-" + mark + "-" + organization.to_string() + ".sqlite");
}

Result<std::string> LocalState::machine_id() const {
  const fs::path file = directory_ / "machine-id";
  TRY(const auto lock, FileLock::take(directory_ / "workspaces.lock", true));
  TRY(const auto text, read_file(file));
  if (text && text->size() >= 32) return std::string(trim(*text));
  std::array<std::uint8_t, 16> bytes{};
  fill_random(bytes);
  std::string id = hex(bytes);
  TRY_VOID(replace_private_file(file, id + "\n"));
  return id;
}

Result<std::vector<WorkspaceMemory>> LocalState::read() const {
  std::vector<WorkspaceMemory> all;
  TRY(const auto text, read_file(workspaces_file()));
  if (!text) return all;
  TRY(const Json json, Json::parse(*text, workspaces_file().string()));
  const Json* list = json.find("workspaces");
  if (!list || !list->if_array())
    return fail(Code::kCorrupt, workspaces_file().string() + " has no list of workspaces",
                "delete it: what a workspace syncs is then found out anew");
  for (const Json& each : *list->if_array()) {
    WorkspaceMemory memory;
    memory.root = each.string_at("root").value_or("");
    memory.server = each.string_at("server").value_or("");
    memory.identifier = each.string_at("identifier").value_or("");
    const auto organization = OrganizationId::parse(each.string_at("organization").value_or(""));
    if (!organization || memory.root.empty()) continue;
    memory.organization = *organization;
    const std::string mode = each.string_at("mode").value_or("");
    memory.mode = mode == "manual" ? SyncMode::kManual : mode == "sync-all" ? SyncMode::kAll : SyncMode::kWorkspace;
    const Json* connections = each.find("connections");
    for (const Json& one : connections && connections->if_array() ? *connections->if_array() : Json::Array{})
      if (const auto id = ConnectionId::parse(one.string_at("id").value_or("")))
        memory.connections.push_back({*id, one.string_at("name").value_or(""), one.string_at("why").value_or("")});
    all.push_back(std::move(memory));
  }
  return all;
}

Result<void> LocalState::write(const std::vector<WorkspaceMemory>& all) const {
  std::string text;
  JsonWriter json(text);
  json.begin_object().key("workspaces").begin_array();
  for (const auto& memory : all) {
    json.begin_object().key("root").string(memory.root).key("server").string(memory.server);
    json.key("organization").string(memory.organization.to_string()).key("identifier").string(memory.identifier);
    json.key("mode").string(to_string(memory.mode)).key("connections").begin_array();
    for (const auto& connection : memory.connections)
      json.begin_object()
          .key("id")
          .string(connection.id.to_string())
          .key("name")
          .string(connection.name)
          .key("why")
          .string(connection.why)
          .end_object();
    json.end_array().end_object();
  }
  json.end_array().end_object();
  return replace_private_file(workspaces_file(), text + "\n");
}

Result<std::optional<WorkspaceMemory>> LocalState::recall(const fs::path& root) const {
  TRY(auto all, read());
  for (auto& memory : all)
    if (memory.root == root.string()) return std::optional(std::move(memory));
  return std::optional<WorkspaceMemory>();
}

Result<void> LocalState::remember(const WorkspaceMemory& memory) const {
  TRY(const auto lock, FileLock::take(directory_ / "workspaces.lock", true));
  TRY(auto all, read());
  std::erase_if(all, [&](const WorkspaceMemory& each) {
    std::error_code error;
    return each.root == memory.root || !fs::exists(each.root, error);
  });
  all.push_back(memory);
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.root < b.root; });
  return write(all);
}

Result<void> LocalState::forget(std::string_view server, const OrganizationId& organization) const {
  TRY(const auto lock, FileLock::take(directory_ / "workspaces.lock", true));
  TRY(auto all, read());
  const auto removed = std::erase_if(
      all, [&](const WorkspaceMemory& each) { return each.server == server && each.organization == organization; });
  return removed > 0 ? write(all) : Result<void>();
}

Result<std::vector<WorkspaceMemory>> LocalState::workspaces(std::string_view server,
                                                            const OrganizationId& organization) const {
  TRY(auto all, read());
  std::erase_if(all, [&](const WorkspaceMemory& each) {
    std::error_code error;
    return each.server != server || each.organization != organization || !fs::exists(each.root, error);
  });
  return all;
}

}  // namespace tideline::sync
