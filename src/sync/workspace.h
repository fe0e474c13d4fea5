#pragma once
// Which project this directory is: the nearest dbt project, the repository it lies in, and the names under which a
// server may know it. Reads files; asks nobody.

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "sync/git_repository.h"

namespace tideline::sync {

/// A name to ask the server for, and where it comes from.
struct WorkspaceName {
  std::string identifier;  // "https://github.com/acme/shop//analytics": host and sub-directory where known
  std::string origin;      // 'git remote "origin" (git@github.com:acme/shop.git)'; never a password
};

struct Workspace {
  std::filesystem::path root;  // canonical: of the dbt project, else of the repository, else the directory itself
  bool has_project = false;    // there is a dbt_project.yml
  std::filesystem::path repository{};  // the work tree; empty: no git
  std::string subdir;                  // of the root in the work tree, with slashes; "" at its top
  /// "acme/shop" or "acme/shop//analytics": what sessions are listed under. Without git, the project's own name.
  std::string identifier;
  std::vector<WorkspaceName> names;  // the likeliest first; at least one
  std::vector<std::string> notes;    // what could not be read, for the person to see
};

/// At most so many names are tried at a server.
inline constexpr std::size_t kMaxWorkspaceNames = 8;

/// The nearest directory upward from `directory` (existing) that has a dbt_project.yml, within its repository (of a
/// submodule also in the one around it); a package that dbt installed into a project is part of that project. Remotes:
/// origin, upstream, the others in their order; of each where it is fetched from, what is configured, where it is
/// pushed to.
Workspace detect_workspace(const std::filesystem::path& directory, const GitEnvironment& environment);

/// The top-level `name:` of a dbt_project.yml; empty where there is none.
std::string dbt_project_name(std::string_view yaml);

/// A URL without user and password.
std::string without_user(std::string_view url);

/// What stands for the workspace at the server without saying where it lies: SHA-256 of a random id of this machine and
/// the canonical path, in hex.
std::string workspace_hash(std::string_view machine_id, const std::filesystem::path& root);

}  // namespace tideline::sync
