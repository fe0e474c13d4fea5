// From a folder to the files that matter: extract/project_source.h.

#include <algorithm>
#include <fstream>
#include <set>
#include <system_error>

#include <fmt/format.h>

#include "base/text.h"
#include "extract/project_source.h"
#include "extract/yaml.h"

namespace tideline::extract {
namespace {

namespace fs = std::filesystem;

/// Both without links and dots.
bool lies_in(const fs::path& path, const fs::path& border) {
  return std::mismatch(border.begin(), border.end(), path.begin(), path.end()).first == border.end();
}

/// As dbt_project.yml names a folder of the project.
bool leaves(const fs::path& path) {
  return path.is_absolute() || std::find(path.begin(), path.end(), "..") != path.end();
}

/// The git work tree that a directory lies in; the directory itself where there is none.
fs::path repository_of(const fs::path& directory) {
  std::error_code error;
  for (fs::path at = directory; at.has_relative_path(); at = at.parent_path())
    if (fs::exists(at / ".git", error)) return at;
  return directory;
}

// A project is pushed where strangers' changes are built: what their files, or links among them, point at outside of it
// is not theirs to send.
class Loader {
 public:
  /// `border`: the project's directory, without links.
  Loader(const ProjectLimits& limits, bool only_macros, fs::path border, ProjectFiles& project)
      : limits_(limits), only_macros_(only_macros), project_border_(std::move(border)), project_(project) {}

  Result<void> package(const fs::path& root, const std::string& directory) {
    PackageFiles package;
    package.directory = directory;
    std::error_code error;
    fs::path real = fs::canonical(root, error);
    border_ = error || lies_in(real, project_border_) ? project_border_ : std::move(real);
    SourceFile main;
    main.path = "dbt_project.yml";
    TRY(main.text, read(root / main.path, directory.empty() ? main.path : directory + "/" + main.path));
    TRY(const auto settings, read_yaml(main.text, directory.empty() ? main.path : directory + "/" + main.path));
    package.files.push_back(std::move(main));

    std::set<std::string> folders;
    const auto add = [&](std::initializer_list<const char*> keys, std::initializer_list<const char*> otherwise) {
      bool given = false;
      for (const char* key : keys)
        if (const Yaml* paths = settings.find(key)) {
          given = true;
          for (const Yaml& path : paths->items) folders.insert(path.text);
        }
      if (!given) folders.insert(otherwise.begin(), otherwise.end());
    };
    add({"macro-paths"}, {"macros"});
    if (!only_macros_) {
      add({"model-paths", "source-paths"}, {"models"});
      add({"seed-paths", "data-paths"}, {"seeds", "data"});
      add({"snapshot-paths"}, {"snapshots"});
      add({"test-paths"}, {"tests"});
      add({"analysis-paths"}, {"analyses", "analysis"});
      add({"docs-paths"}, {});
    }
    Walk walk{root, package, {}, {}, {}};
    for (const std::string& folder : folders) {
      if (leaves(folder))
        project_.problems.push_back(fmt::format("{}: the path {} leaves the project; it was left out",
                                                directory.empty() ? "dbt_project.yml" : directory + "/dbt_project.yml",
                                                folder));
      else
        TRY_VOID(enter(root / folder, walk));
    }
    // Where a folder can be reached both ways, its files have their own path.
    while (!walk.links.empty()) {
      const fs::path link = std::move(walk.links.back());
      walk.links.pop_back();
      TRY_VOID(list(link, walk));
    }
    std::sort(package.files.begin(), package.files.end(), [](auto& a, auto& b) { return a.path < b.path; });
    project_.packages.push_back(std::move(package));
    return {};
  }

  Result<void> installed(const fs::path& root) {
    const auto& main = project_.packages.front();
    const auto settings = read_yaml(
        std::find_if(main.files.begin(), main.files.end(), [](auto& file) { return file.path == "dbt_project.yml"; })
            ->text,
        "dbt_project.yml");
    std::string folder = "dbt_packages";
    for (const char* key : {"packages-install-path", "modules-path"})
      if (const auto given = settings ? settings->scalar_at(key) : std::string_view(); !given.empty()) folder = given;
    std::error_code error;
    if (leaves(folder)) {
      project_.problems.push_back(
          fmt::format("dbt_project.yml: the path {} leaves the project; its packages were left out", folder));
      folder = "dbt_packages";
    }
    if (!fs::is_directory(root / folder, error) && fs::is_directory(root / "dbt_modules", error))
      folder = "dbt_modules";
    // dbt links packages of the same repository (`local: ../shared`) to where they are.
    const fs::path repository = repository_of(project_border_);
    std::vector<fs::path> packages;
    for (fs::directory_iterator entry(root / folder, error), end; !error && entry != end; entry.increment(error)) {
      std::error_code ignored;
      if (!fs::exists(entry->path() / "dbt_project.yml", ignored)) continue;
      const fs::path real = fs::canonical(entry->path(), ignored);
      if (lies_in(real, project_border_) || lies_in(real, repository))
        packages.push_back(entry->path());
      else
        problem_of_link(folder + "/" + entry->path().filename().string(), real, "repository");
    }
    std::sort(packages.begin(), packages.end());
    for (const auto& path : packages) {
      if (auto done = package(path, folder + "/" + path.filename().string()); !done) {
        if (done.error().code == Code::kTooLarge) return done;
        project_.problems.push_back(done.error().message);
      }
    }
    border_ = project_border_;
    for (const char* name : {"packages.yml", "dependencies.yml"}) {
      if (!fs::exists(root / name, error)) continue;
      const auto text = read(root / name, name);
      const auto yaml = text ? read_yaml(*text, name) : Result<Yaml>(Yaml{});
      const Yaml* list = yaml ? yaml->find("packages") : nullptr;
      if (list == nullptr) continue;
      for (const Yaml& item : list->items) {
        std::string wanted(item.scalar_at("package"));
        for (const char* key : {"git", "local", "tarball"})
          if (wanted.empty()) wanted = item.scalar_at(key);
        std::string last = wanted.substr(wanted.find_last_of('/') + 1);
        if (last.ends_with(".git")) last.resize(last.size() - 4);
        // A repository need not be called as its package is; only where nothing is installed it is certain.
        if (!wanted.empty() && (packages.empty() || !item.scalar_at("package").empty())) {
          const bool found =
              std::any_of(packages.begin(), packages.end(), [&](auto& p) { return p.filename() == last; });
          if (!found) project_.missing_packages.push_back(wanted);
        }
      }
    }
    return {};
  }

 private:
  Result<std::string> read(const fs::path& path, std::string_view name) {
    std::error_code error;
    const fs::path real = fs::canonical(path, error);
    if (!error && !lies_in(real, border_))
      return fail(Code::kPermissionDenied, fmt::format("{}: leads out of the project, to {}", name, real.string()));
    const auto size = fs::file_size(path, error);
    if (error) return fail(Code::kNotFound, fmt::format("{}: cannot be read: {}", name, error.message()));
    if (size > limits_.max_file_bytes)
      return fail(Code::kTooLarge,
                  fmt::format("{}: has {} bytes; the limit is {}", name, size, limits_.max_file_bytes));
    std::ifstream in(path, std::ios::binary);
    std::string text(size, '\0');
    in.read(text.data(), static_cast<std::streamsize>(size));
    text.resize(static_cast<std::size_t>(std::max<std::streamsize>(in.gcount(), 0)));
    if (in.bad() || !in.is_open()) return fail(Code::kUnavailable, fmt::format("{}: cannot be read", name));
    bytes_ += text.size();
    return text;
  }

  /// Of one package.
  struct Walk {
    const fs::path& root;
    PackageFiles& package;
    std::set<std::string> seen;   // files
    std::set<fs::path> visited;   // folders, as they are without links: a link to one that was is passed over
    std::vector<fs::path> links;  // to folders, for later
  };

  void problem_of_link(const std::string& shown, const fs::path& target, std::string_view border) {
    project_.problems.push_back(
        fmt::format("{}: leads out of the {}, to {}; it was left out", shown, border, target.string()));
  }

  std::string shown(const fs::path& path, const Walk& walk) const {
    const std::string relative = path.lexically_relative(walk.root).generic_string();
    return walk.package.directory.empty() ? relative : walk.package.directory + "/" + relative;
  }

  /// Whether what the path stands for lies within the border; else a problem.
  bool stays(const fs::path& path, const Walk& walk) {
    std::error_code error;
    const fs::path real = fs::canonical(path, error);
    if (error)
      project_.problems.push_back(fmt::format("{}: cannot be read: {}", shown(path, walk), error.message()));
    else if (!lies_in(real, border_))
      problem_of_link(shown(path, walk), real, "project");
    else
      return true;
    return false;
  }

  /// A folder by its path, whether it is one itself or a link.
  Result<void> enter(const fs::path& folder, Walk& walk) {
    std::error_code error;
    if (!fs::exists(fs::symlink_status(folder, error)) || !stays(folder, walk)) return {};
    return list(folder, walk);
  }

  Result<void> list(const fs::path& top, Walk& walk) {
    std::vector<fs::path> folders{top};
    while (!folders.empty()) {
      const fs::path folder = std::move(folders.back());
      folders.pop_back();
      std::error_code error;
      const fs::path real = fs::canonical(folder, error);
      if (error || !walk.visited.insert(real).second) continue;
      fs::directory_iterator entry(folder, fs::directory_options::skip_permission_denied, error), end;
      for (; !error && entry != end; entry.increment(error)) {
        if (entry->path().filename().string().starts_with('.')) continue;
        std::error_code ignored;
        const bool is_link = entry->is_symlink(ignored);
        if (entry->is_directory(ignored)) {
          if (!is_link)
            folders.push_back(entry->path());
          else if (stays(entry->path(), walk) && !lies_in(real, fs::canonical(entry->path(), ignored)))  // no ring
            walk.links.push_back(entry->path());
        } else if (is_read(entry->path()) && (is_link || entry->is_regular_file(ignored))) {
          if (is_link && (!stays(entry->path(), walk) || !entry->is_regular_file(ignored))) continue;
          TRY_VOID(take(entry->path(), walk));
        }
      }
    }
    return {};
  }

  static bool is_read(const fs::path& path) {
    const std::string extension = ascii_lower(path.extension().string());
    static constexpr std::string_view kRead[] = {".sql", ".yml", ".yaml", ".md", ".py", ".csv"};
    return std::find(std::begin(kRead), std::end(kRead), extension) != std::end(kRead);
  }

  Result<void> take(const fs::path& path, Walk& walk) {
    SourceFile file;
    file.path = path.lexically_relative(walk.root).generic_string();
    if (!walk.seen.insert(file.path).second) return {};
    if (++files_ > limits_.max_files)
      return fail(Code::kTooLarge, fmt::format("the project has more than {} files", limits_.max_files));
    auto text = read(path, shown(path, walk));
    if (!text) {
      project_.problems.push_back(text.error().message);
      return {};
    }
    if (bytes_ > limits_.max_bytes)
      return fail(Code::kTooLarge, fmt::format("the project has more than {} bytes", limits_.max_bytes));
    file.text = std::move(*text);
    walk.package.files.push_back(std::move(file));
    return {};
  }

  const ProjectLimits& limits_;
  const bool only_macros_;
  const fs::path project_border_;
  fs::path border_;  // of the package that is read: the project's, or that of a package beside it
  ProjectFiles& project_;
  std::size_t files_ = 0, bytes_ = 0;
};

Result<ProjectFiles> load(const fs::path& directory, const ProjectLimits& limits, bool only_macros) {
  std::error_code error;
  if (!fs::exists(directory / "dbt_project.yml", error))
    return fail(Code::kNotFound, fmt::format("there is no dbt_project.yml in {}", directory.string()),
                "name the folder of the dbt project");
  ProjectFiles project;
  const fs::path real = fs::canonical(directory, error);
  if (error) return fail(Code::kUnavailable, fmt::format("{} cannot be read: {}", directory.string(), error.message()));
  Loader loader(limits, only_macros, real, project);
  TRY_VOID(loader.package(directory, ""));
  TRY_VOID(loader.installed(directory));
  return project;
}

}  // namespace

Result<ProjectFiles> load_project(const std::filesystem::path& directory, const ProjectLimits& limits) {
  return load(directory, limits, false);
}
Result<ProjectFiles> load_macros(const std::filesystem::path& directory, const ProjectLimits& limits) {
  return load(directory, limits, true);
}

}  // namespace tideline::extract
