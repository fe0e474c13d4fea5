#include "sync/workspace.h"

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <optional>

#include "base/hash.h"
#include "base/text.h"
#include "model/repository_name.h"

namespace tideline::sync {
namespace fs = std::filesystem;
namespace {

constexpr const char* kProjectFile = "dbt_project.yml";

bool has_project(const fs::path& directory) {
  std::error_code error;
  return fs::is_regular_file(directory / kProjectFile, error);
}

/// <project>/dbt_packages/<package>: the project. Empty: not a package.
fs::path project_around_package(const fs::path& directory) {
  const fs::path packages = directory.parent_path();
  const std::string name = packages.filename().string();
  if ((name == "dbt_packages" || name == "dbt_modules") && has_project(packages.parent_path()))
    return packages.parent_path();
  return {};
}

std::optional<fs::path> find_project(const fs::path& directory) {
  std::optional<GitRepository> repository = find_git_repository(directory);
  for (fs::path at = directory;; at = at.parent_path()) {
    if (has_project(at)) {
      const fs::path outer = project_around_package(at);
      return outer.empty() ? at : outer;
    }
    if (repository && at == repository->work_tree) {
      // A stray project above a repository is not this repository's; above a submodule it may be.
      if (!repository->is_submodule || at == at.parent_path()) return std::nullopt;
      repository = find_git_repository(at.parent_path());
    }
    if (at == at.parent_path()) return std::nullopt;
  }
}

/// What the server would cut at, were it part of a directory's name.
std::string escaped(std::string_view path) {
  std::string out;
  for (const char c : path) {
    if (c == '#' || c == '?' || c == '%') {
      const auto byte = static_cast<std::uint8_t>(c);
      out += '%' + hex({&byte, 1});
    } else {
      out += c;
    }
  }
  return out;
}

bool is_file_url(std::string_view url) {
  if (url.starts_with("file://") || url.starts_with('/') || url.starts_with('.') || url.starts_with('~')) return true;
  // git's rule: a colon before the first slash makes a host of what stands before it.
  const auto colon = url.find(':');
  return colon == std::string_view::npos || url.substr(0, colon).find('/') != std::string_view::npos;
}

/// A bare repository on a disk is named by its last two directories: /srv/git/acme/shop.git is acme/shop.
RepositoryName name_of(const std::string& url, const fs::path& work_tree) {
  if (!is_file_url(url)) return repository_name(url);
  std::string path = url.starts_with("file://") ? url.substr(7) : url;
  if (!path.starts_with('/') && !path.starts_with('~')) path = (work_tree / path).lexically_normal().string();
  RepositoryName name = repository_name(path);
  auto parts = split(name.path, '/');
  if (!parts.empty() && parts.back() == ".git") parts.pop_back();
  name.host.clear();
  name.subdir.clear();
  std::string last;
  for (std::size_t i = parts.size() > 2 ? parts.size() - 2 : 0; i < parts.size(); ++i)
    last += (last.empty() ? "" : "/") + std::string(parts[i]);
  name.path = std::move(last);
  return name;
}

std::string read_text(const fs::path& file, std::size_t limit) {
  std::ifstream in(file, std::ios::binary);
  std::string text(limit, '\0');
  in.read(text.data(), static_cast<std::streamsize>(limit));
  text.resize(static_cast<std::size_t>(std::max<std::streamsize>(in.gcount(), 0)));
  return text;
}

}  // namespace

std::string without_user(std::string_view url) {
  const auto scheme = url.find("://");
  if (scheme == std::string_view::npos) return std::string(url);
  const auto end = std::min(url.find_first_of("/?#", scheme + 3), url.size());
  const auto at = url.substr(0, end).rfind('@');
  if (at == std::string_view::npos || at < scheme + 3) return std::string(url);
  return std::string(url.substr(0, scheme + 3)) + std::string(url.substr(at + 1));
}

std::string dbt_project_name(std::string_view yaml) {
  for (std::string_view line : split(yaml, '\n')) {
    if (!line.starts_with("name")) continue;
    line = trim(line.substr(4));
    if (!line.starts_with(':')) continue;
    line = trim(line.substr(1));
    if (line.size() >= 2 && (line.front() == '"' || line.front() == '\'')) {
      const auto end = line.find(line.front(), 1);
      return end == std::string_view::npos ? std::string() : std::string(line.substr(1, end - 1));
    }
    return std::string(trim(line.substr(0, line.find(" #"))));
  }
  return {};
}

std::string workspace_hash(std::string_view machine_id, const fs::path& root) {
  return hex(sha256(std::string(machine_id) + '\0' + root.string()));
}

Workspace detect_workspace(const fs::path& directory, const GitEnvironment& environment) {
  std::error_code error;
  fs::path start = fs::weakly_canonical(directory, error);
  if (error) start = directory;
  Workspace workspace;
  const auto project = find_project(start);
  workspace.has_project = project.has_value();
  workspace.root = project.value_or(start);

  if (const auto repository = find_git_repository(workspace.root)) {
    workspace.repository = repository->work_tree;
    if (!project) workspace.root = repository->work_tree;
    const fs::path below = workspace.root.lexically_relative(repository->work_tree);
    if (below != ".") workspace.subdir = below.generic_string();

    auto config = read_git_config(*repository, environment);
    if (!config) workspace.notes.push_back("git's configuration cannot be read: " + config.error().message);
    std::vector<GitRemote> remotes = config ? git_remotes(*config) : std::vector<GitRemote>();
    const auto rank = [](const GitRemote& r) { return r.name == "origin" ? 0 : r.name == "upstream" ? 1 : 2; };
    const std::string suffix = workspace.subdir.empty() ? "" : "//" + escaped(workspace.subdir);
    const auto add = [&](const GitRemote& remote, const std::string& url) {
      const RepositoryName name = name_of(url, repository->work_tree);
      if (name.path.empty() || workspace.names.size() >= kMaxWorkspaceNames) return;
      std::string identifier = (name.host.empty() ? "" : "https://" + name.host + "/") + escaped(name.path) + suffix;
      for (const auto& known : workspace.names)
        if (known.identifier == identifier) return;
      if (workspace.identifier.empty()) workspace.identifier = escaped(name.path) + suffix;
      workspace.names.push_back(
          {std::move(identifier), "git remote \"" + remote.name + "\" (" + without_user(url) + ")"});
    };
    for (const int wanted : {0, 1, 2}) {
      for (const auto& remote : remotes) {
        if (rank(remote) != wanted) continue;
        add(remote, remote.fetch_url);
        add(remote, remote.configured_url);
        add(remote, remote.push_url);
      }
    }
    if (remotes.empty() && config) workspace.notes.push_back("the git repository has no remote");
  }
  if (workspace.names.empty()) {
    const std::string name = project ? dbt_project_name(read_text(workspace.root / kProjectFile, 1 << 20)) : "";
    if (!name.empty()) workspace.names.push_back({name, "name of the dbt project"});
    const std::string folder = workspace.root.filename().string();
    if (!folder.empty() && folder != name) workspace.names.push_back({folder, "name of the directory"});
    if (workspace.names.empty()) workspace.names.push_back({"workspace", "nothing here has a name"});
    workspace.identifier = workspace.names.front().identifier;
  }
  return workspace;
}

}  // namespace tideline::sync
