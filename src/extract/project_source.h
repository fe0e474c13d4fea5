#pragma once
// A dbt project's own files, read without dbt → the document that dbt would write, as far as the files say: a
// manifest.json whose metadata names Tideline as its producer. What reads manifests reads it (artifacts.h), so that the
// same rows result, with the same unique_ids.
//
// What only dbt knows is not in it: database and schema of the target, compiled SQL, what macros give. What was left
// open stands in each node's `tideline` member. Nothing is executed, and no environment and no profile is read.

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

#include "base/error.h"

namespace tideline::extract {

struct SourceFile {
  std::string path;  // from the package's root, with forward slashes
  std::string text;
};

/// The project itself, or a package it has installed.
struct PackageFiles {
  std::string directory;          // from the project's root; "" for the project itself
  std::vector<SourceFile> files;  // dbt_project.yml among them
};

struct ProjectFiles {
  std::vector<PackageFiles> packages;         // the project first
  std::vector<std::string> problems;          // files that were not read, each with the reason
  std::vector<std::string> missing_packages;  // named in packages.yml or dependencies.yml, and not installed
};

struct ProjectLimits {
  std::size_t max_files = 200'000;
  std::size_t max_file_bytes = std::size_t{8} << 20;  // as an entry of a manifest; larger files are left out
  std::size_t max_bytes = std::size_t{1} << 30;       // of all files
};

/// Reads the files below the paths that dbt_project.yml names, and those of installed packages. Links are followed as
/// far as they stay in the project (an installed package may be a link into the project's git repository); others are
/// problems, as are paths that leave it. Blocks. kNotFound: no dbt_project.yml; kInvalidInput: it cannot be read;
/// kPermissionDenied: it is itself a link out of the project; kTooLarge.
Result<ProjectFiles> load_project(const std::filesystem::path& directory, const ProjectLimits& limits = {});

/// The same of macros alone, with each package's dbt_project.yml.
Result<ProjectFiles> load_macros(const std::filesystem::path& directory, const ProjectLimits& limits = {});

struct ProjectDocument {
  std::string manifest;
  std::string project_name;
  std::size_t objects = 0;
  std::vector<std::string> problems;  // "path:line:column: what", of what was left out
};

/// Pure. A file that cannot be read loses only itself. `adapter`: the warehouse, as dbt names its adapters; empty: not
/// known, for no file of the project says it. kInvalidInput: dbt_project.yml is not valid.
Result<ProjectDocument> describe_project(const ProjectFiles& files, const std::string& adapter = {});

}  // namespace tideline::extract
