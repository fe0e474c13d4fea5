#pragma once
// What one file of a dbt project is read with: the variables and the macros that it has where the whole project is
// pushed (project_source.h), so that both say the same of it. Nothing else of the project is read.
//
// After `load` it may be read by any number of threads at once.

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"
#include "sql/jinja.h"

namespace tideline::extract {

class ProjectJinja {
 public:
  /// Reads dbt_project.yml and the macros of the project and its installed packages. Blocks; some milliseconds. Errors
  /// as of load_project and describe_project.
  static Result<ProjectJinja> load(const std::filesystem::path& root);
  ProjectJinja(ProjectJinja&&) noexcept;
  ProjectJinja& operator=(ProjectJinja&&) noexcept;
  ~ProjectJinja();

  /// For the file at this path from the project's root, or of one that is not there yet. They refer to this. `adapter`:
  /// as in describe_project.
  sql::JinjaOptions options(std::string_view path, const std::string& adapter) const;

 private:
  struct Impl;
  explicit ProjectJinja(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace tideline::extract
