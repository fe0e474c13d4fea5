#pragma once
// What this machine remembers of its workspaces, beside the replicas: which server and organization a workspace is of,
// and which connections it syncs. Kept in workspaces.json, for the user alone; replaced as a whole, under a lock, so
// any number of processes may use it.

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/ids.h"

namespace tideline::sync {

enum class SyncMode { kWorkspace, kManual, kAll };
/// As sessions say it: workspace-aware, manual, sync-all.
std::string_view to_string(SyncMode mode);

struct ChosenConnection {
  ConnectionId id;
  std::string name;  // full name, and "//" sub-directory where there is one
  std::string why;   // how it came to be chosen, for people
};

struct WorkspaceMemory {
  std::string root;  // canonical path
  std::string server;
  OrganizationId organization;
  std::string identifier;
  SyncMode mode = SyncMode::kWorkspace;
  std::vector<ChosenConnection> connections;
};

class LocalState {
 public:
  /// $XDG_DATA_HOME/tideline. Nothing is read or made before it is asked for.
  explicit LocalState(std::filesystem::path directory) : directory_(std::move(directory)) {}

  const std::filesystem::path& directory() const { return directory_; }
  std::filesystem::path workspaces_file() const { return directory_ / "workspaces.json"; }
  /// Where the replica of an organization of a server lies: readable, and different for different servers.
  std::filesystem::path replica_file(std::string_view server, const OrganizationId& organization) const;

  /// A random id of this machine and user, made when it is first asked for.
  Result<std::string> machine_id() const;

  /// What is remembered of the workspace with this root. nullopt: nothing.
  Result<std::optional<WorkspaceMemory>> recall(const std::filesystem::path& root) const;
  /// Adds or replaces it. Workspaces whose directory is gone are forgotten with that.
  Result<void> remember(const WorkspaceMemory& memory) const;
  /// Everything of a server and organization.
  Result<void> forget(std::string_view server, const OrganizationId& organization) const;
  /// All workspaces of a server and organization whose directory is there.
  Result<std::vector<WorkspaceMemory>> workspaces(std::string_view server, const OrganizationId& organization) const;

 private:
  Result<std::vector<WorkspaceMemory>> read() const;
  Result<void> write(const std::vector<WorkspaceMemory>& all) const;

  std::filesystem::path directory_;
};

}  // namespace tideline::sync
