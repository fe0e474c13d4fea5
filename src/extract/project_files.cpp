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

class Loader {
 public:
  Loader(const ProjectLimits& limits, bool only_macros, ProjectFiles& project)
      : limits_(limits), only_macros_(only_macros), project_(project) {}

  Result<void> package(const fs::path& root, const std::string& directory) {
    PackageFiles package;
    package.directory = directory;
    SourceFile main;
    main.path = "dbt_project.yml";
    TRY(main.text, read(root / main.path, main.path));
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
    std::set<std::string> seen;
    for (const std::string& folder : folders) {
      // What lies outside of a project is not sent anywhere because a file in it says so.
      const fs::path path(folder);
      if (path.is_absolute() || std::find(path.begin(), path.end(), "..") != path.end())
        project_.problems.push_back(fmt::format("{}: the path {} leaves the project; it was left out",
                                                directory.empty() ? "dbt_project.yml" : directory + "/dbt_project.yml",
                                                folder));
      else
        TRY_VOID(walk(root, folder, package, seen));
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
    if (!fs::is_directory(root / folder, error) && fs::is_directory(root / "dbt_modules", error))
      folder = "dbt_modules";
    std::vector<fs::path> packages;
    for (fs::directory_iterator entry(root / folder, error), end; !error && entry != end; entry.increment(error))
      if (fs::exists(entry->path() / "dbt_project.yml", error)) packages.push_back(entry->path());
    std::sort(packages.begin(), packages.end());
    for (const auto& path : packages) {
      if (auto done = package(path, folder + "/" + path.filename().string()); !done) {
        if (done.error().code == Code::kTooLarge) return done;
        project_.problems.push_back(done.error().message);
      }
    }
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

  Result<void> walk(const fs::path& root, const std::string& folder, PackageFiles& package,
                    std::set<std::string>& seen) {
    std::error_code error;
    fs::recursive_directory_iterator entry(root / folder, fs::directory_options::skip_permission_denied, error), end;
    for (; !error && entry != end; entry.increment(error)) {
      const std::string name = entry->path().filename().string();
      if (name.starts_with('.')) {
        entry.disable_recursion_pending();
        continue;
      }
      if (!entry->is_regular_file(error)) continue;
      const std::string extension = ascii_lower(entry->path().extension().string());
      static constexpr std::string_view kRead[] = {".sql", ".yml", ".yaml", ".md", ".py", ".csv"};
      if (std::find(std::begin(kRead), std::end(kRead), extension) == std::end(kRead)) continue;
      SourceFile file;
      file.path = fs::path(entry->path()).lexically_relative(root).generic_string();
      if (!seen.insert(file.path).second) continue;
      if (++files_ > limits_.max_files)
        return fail(Code::kTooLarge, fmt::format("the project has more than {} files", limits_.max_files));
      const std::string shown = package.directory.empty() ? file.path : package.directory + "/" + file.path;
      auto text = read(entry->path(), shown);
      if (!text) {
        project_.problems.push_back(text.error().message);
        continue;
      }
      if (bytes_ > limits_.max_bytes)
        return fail(Code::kTooLarge, fmt::format("the project has more than {} bytes", limits_.max_bytes));
      file.text = std::move(*text);
      package.files.push_back(std::move(file));
    }
    return {};
  }

  const ProjectLimits& limits_;
  const bool only_macros_;
  ProjectFiles& project_;
  std::size_t files_ = 0, bytes_ = 0;
};

Result<ProjectFiles> load(const fs::path& directory, const ProjectLimits& limits, bool only_macros) {
  std::error_code error;
  if (!fs::exists(directory / "dbt_project.yml", error))
    return fail(Code::kNotFound, fmt::format("there is no dbt_project.yml in {}", directory.string()),
                "name the folder of the dbt project");
  ProjectFiles project;
  Loader loader(limits, only_macros, project);
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
