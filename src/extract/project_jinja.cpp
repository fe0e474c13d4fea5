#include "extract/project_jinja.h"

#include "extract/project_reading.h"

namespace tideline::extract {

struct ProjectJinja::Impl {
  ProjectFiles files;
  std::optional<ProjectReading> reading;
};

ProjectJinja::ProjectJinja(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ProjectJinja::ProjectJinja(ProjectJinja&&) noexcept = default;
ProjectJinja& ProjectJinja::operator=(ProjectJinja&&) noexcept = default;
ProjectJinja::~ProjectJinja() = default;

Result<ProjectJinja> ProjectJinja::load(const std::filesystem::path& root) {
  auto impl = std::make_unique<Impl>();
  TRY(impl->files, load_macros(root));
  impl->reading.emplace(impl->files, "");
  TRY_VOID(impl->reading->open());
  return ProjectJinja(std::move(impl));
}

sql::JinjaOptions ProjectJinja::options(std::string_view path, const std::string& adapter) const {
  const auto& packages = impl_->reading->packages();
  const ProjectPackage* package = &packages.front();
  for (const ProjectPackage& one : packages)
    if (const std::string& folder = one.files->directory;
        !folder.empty() && path.starts_with(folder) && path.substr(folder.size()).starts_with('/'))
      package = &one;
  return impl_->reading->options(*package, adapter);
}

}  // namespace tideline::extract
