#pragma once
// What git knows of a directory: its repository and the URLs of its remotes, as `git remote get-url` would give them.
// Linked work trees, submodules, included files and URL rewriting are followed. Files are read; nothing is written or
// run. (git refuses repositories of other users because their configuration can name programs; here it cannot.)
//
// Not followed: GIT_DIR and its kin, remotes in .git/remotes and .git/branches, reftable's HEAD.

#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "sync/git_config.h"

namespace tideline::sync {

struct GitRepository {
  std::filesystem::path work_tree;   // canonical
  std::filesystem::path git_dir;     // of this work tree; canonical
  std::filesystem::path common_dir;  // where all work trees of the repository have their configuration; canonical
  bool is_submodule = false;
};

/// The repository whose work tree `directory` (existing) lies in: the nearest upward. nullopt: in none.
std::optional<GitRepository> find_git_repository(const std::filesystem::path& directory);

/// Where git's files outside of a repository are. A value, so that tests need not change the process's environment.
struct GitEnvironment {
  std::filesystem::path home;
  std::filesystem::path config_home;                 // $XDG_CONFIG_HOME; empty: ~/.config
  std::optional<std::filesystem::path> global_file;  // GIT_CONFIG_GLOBAL: instead of both files of the user
  std::filesystem::path system_file = "/etc/gitconfig";
  bool no_system = false;                                       // GIT_CONFIG_NOSYSTEM
  std::vector<std::pair<std::string, std::string>> settings{};  // GIT_CONFIG_KEY_0, GIT_CONFIG_VALUE_0 …

  static GitEnvironment of_process();
};

/// Everything in force, the least specific first: system, user, repository, work tree, environment; included files in
/// their place. kInvalidInput: a file git would not take, or files that include each other without end.
Result<std::vector<GitConfigEntry>> read_git_config(const GitRepository& repository, const GitEnvironment& environment);

struct GitRemote {
  std::string name;
  std::string configured_url;  // as it stands
  std::string fetch_url;       // url.<base>.insteadOf applied
  std::string push_url;        // pushurl, or pushInsteadOf applied; the same as fetch_url where neither is there
};

/// In the order of the configuration. A remote without a URL is none.
std::vector<GitRemote> git_remotes(const std::vector<GitConfigEntry>& config);

}  // namespace tideline::sync
