#include "extract/project_source.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/text.h"
#include "extract/project_reading.h"
#include "sql/dialect.h"

namespace tideline::extract {

std::string_view stem_of(std::string_view path) {
  path = path.substr(path.rfind('/') + 1);
  return path.substr(0, path.rfind('.'));
}
std::string extension_of(std::string_view path) {
  const std::size_t dot = path.rfind('.');
  return dot == std::string_view::npos ? "" : ascii_lower(path.substr(dot + 1));
}

Result<void> ProjectReading::open() {
  for (const PackageFiles& package : files_.packages) TRY_VOID(open(package));
  if (packages_.empty()) return fail(Code::kInvalidInput, "the project has no files");
  for (ProjectPackage& package : packages_) set_variables(package);
  read_macros();
  return {};
}

sql::JinjaOptions ProjectReading::options(const ProjectPackage& package, const std::string& adapter) const {
  sql::JinjaOptions options;
  options.vars = &package.variables;
  options.macros = &*library_;
  options.package = package.name;
  options.adapter = adapter;
  options.documents = &documents_;
  options.backslash_escapes = sql::dialect_of_adapter(adapter).backslash_escapes;
  return options;
}

Result<ProjectDocument> ProjectReading::run() {
  document_.problems = files_.problems;
  TRY_VOID(open());
  document_.project_name = packages_.front().name;
  for (ProjectPackage& package : packages_) read_descriptions(package);
  for (ProjectPackage& package : packages_) read_yaml_files(package);
  for (ProjectPackage& package : packages_) read_sources(package);
  for (ProjectPackage& package : packages_) read_files(package);
  for (ProjectPackage& package : packages_) read_others(package);
  for (ProjectPackage& package : packages_) read_tests(package);
  resolve();
  document_.manifest = write();
  document_.objects = nodes_.size() + macro_nodes_.size();
  return std::move(document_);
}

std::string ProjectReading::shown(const ProjectPackage& package, std::string_view path) const {
  return (package.files->directory.empty() ? "" : package.files->directory + "/") + std::string(path);
}

void ProjectReading::problem(std::string text) { document_.problems.push_back(std::move(text)); }

void ProjectReading::problem(const ProjectPackage& package, const YamlEntry& entry, const Yaml& at,
                             std::string_view what) {
  problem(fmt::format("{}:{}:{}: {}", shown(package, entry.file->path), at.line, at.column, what));
}

/// Whether `value` is of the kind; a problem if not.
bool ProjectReading::expect(const ProjectPackage& package, const YamlEntry& entry, const Yaml& value, Yaml::Kind kind,
                            std::string_view name) {
  if (value.kind == kind) return true;
  problem(package, entry, value,
          fmt::format("`{}`: expected {}, found {}", name, to_string(kind), to_string(value.kind)));
  return false;
}

/// The folders of a kind of file, as the package names them.
std::vector<std::string> ProjectReading::folders(const ProjectPackage& package, std::initializer_list<const char*> keys,
                                                 std::initializer_list<const char*> otherwise) {
  for (const char* key : keys) {
    const Yaml* given = package.settings.find(key);
    if (given == nullptr) continue;
    std::vector<std::string> found;
    for (const Yaml& folder : given->items) {
      std::string path = folder.text;
      while (path.ends_with('/')) path.pop_back();
      if (path.starts_with("./")) path.erase(0, 2);
      found.push_back(std::move(path));
    }
    return found;
  }
  return {otherwise.begin(), otherwise.end()};
}

/// The path below one of the folders; nullopt: it lies in none.
std::optional<std::string> ProjectReading::below(std::string_view path, const std::vector<std::string>& folders) {
  for (const std::string& folder : folders)
    if (path.starts_with(folder) && path.size() > folder.size() && path[folder.size()] == '/')
      return std::string(path.substr(folder.size() + 1));
  return std::nullopt;
}

/// Package, folders, name: what configuration is looked up by.
std::vector<std::string> ProjectReading::parts_of(const ProjectPackage& package, std::string_view below,
                                                  std::string_view name) {
  std::vector<std::string> parts{package.name};
  auto pieces = split(below, '/');
  if (!pieces.empty()) pieces.pop_back();
  for (const auto piece : pieces) parts.emplace_back(piece);
  if (!name.empty()) parts.emplace_back(name);
  return parts;
}

Result<void> ProjectReading::open(const PackageFiles& files) {
  const auto main =
      std::find_if(files.files.begin(), files.files.end(), [](auto& f) { return f.path == "dbt_project.yml"; });
  const std::string path = files.directory.empty() ? "dbt_project.yml" : files.directory + "/dbt_project.yml";
  if (main == files.files.end()) return fail(Code::kInvalidInput, path + " is missing");
  TRY(auto settings, read_yaml(main->text, path));
  const std::string name(settings.scalar_at("name"));
  if (name.empty() || name.find('.') != std::string::npos) {
    auto error = fail(Code::kInvalidInput, fmt::format("{}:{}:{}: expected `name`, the name of the project", path,
                                                       std::max(settings.line, 1U), std::max(settings.column, 1U)));
    if (packages_.empty()) return error;
    problem(error.value().message);
    return {};
  }
  for (const ProjectPackage& other : packages_)
    if (other.name == name) {
      problem(fmt::format("{}: there is another package of the name {}; this one was left out", path, name));
      return {};
    }
  ProjectPackage& package = packages_.emplace_back();
  package.files = &files;
  package.name = name;
  package.settings = std::move(settings);
  return {};
}

void ProjectReading::set_variables(ProjectPackage& package) {
  const auto add = [&](const Yaml& settings) {
    const Yaml* vars = settings.find("vars");
    if (vars == nullptr || !vars->is_map()) return;
    // Those of the package's own name come after, and win.
    for (std::size_t i = 0; i < vars->keys.size(); ++i)
      if (std::none_of(packages_.begin(), packages_.end(), [&](auto& p) { return p.name == vars->keys[i]; }))
        package.variables[vars->keys[i]] = to_jinja(vars->items[i]);
    if (const Yaml* own = vars->find(package.name); own != nullptr && own->is_map())
      for (std::size_t i = 0; i < own->keys.size(); ++i) package.variables[own->keys[i]] = to_jinja(own->items[i]);
  };
  add(package.settings);
  if (&package != &packages_.front()) add(packages_.front().settings);
}

void ProjectReading::read_macros() {
  library_.emplace(packages_.front().name);
  for (const ProjectPackage& package : packages_) {
    const auto paths = folders(package, {"macro-paths"}, {"macros"});
    for (const SourceFile& file : package.files->files)
      if (extension_of(file.path) == "sql" && below(file.path, paths)) library_->add(package.name, file.text);
  }
  // dispatch: whose implementations come first.
  const Yaml* orders = packages_.front().settings.find("dispatch");
  if (orders == nullptr || !orders->is_list()) return;
  for (const Yaml& order : orders->items) {
    const Yaml* packages = order.find("search_order");
    if (packages == nullptr || !packages->is_list()) continue;
    std::vector<std::string> names;
    for (const Yaml& name : packages->items) names.push_back(name.text);
    library_->set_search_order(std::string(order.scalar_at("macro_namespace")), std::move(names));
  }
}

/// dbt_project.yml's settings for what has these parts, then those of .yml files and of the file itself; the
/// project's own word on its packages comes last.
NodeConfig ProjectReading::config_of(const ProjectPackage& package, std::initializer_list<const char*> sections,
                                     const std::vector<std::string>& parts, std::initializer_list<const Yaml*> patches,
                                     const sql::JinjaResult* file, std::int32_t block) {
  NodeConfig config;
  const auto trees = [&](const ProjectPackage& of) {
    for (const char* section : sections)
      if (const Yaml* tree = of.settings.find(section)) config.apply_tree(*tree, parts, of.variables);
  };
  trees(package);
  for (const Yaml* patch : patches) {
    if (patch == nullptr) continue;
    for (const char* key : {"tags", "meta", "group", "access", "enabled"})
      if (const Yaml* value = patch->find(key)) config.set(key, rendered(*value, package.variables));
    if (const Yaml* own = patch->find("config"); own != nullptr && own->is_map()) config.apply(*own, package.variables);
  }
  if (file != nullptr) config.apply(file->config, block);
  if (&package != &packages_.front()) trees(packages_.front());
  return config;
}

void ProjectReading::read_descriptions(ProjectPackage& package) {
  for (const SourceFile& file : package.files->files) {
    if (extension_of(file.path) != "md" || file.text.find("docs") == std::string::npos) continue;
    const auto read = sql::read_jinja(file.text);
    for (const auto& block : read.blocks) {
      if (block.kind != sql::JinjaBlock::Kind::kDocs) continue;
      const std::string text(trim(text_of(block.body, file.text)));
      documents_[package.name + "." + block.name] = text;
      documents_.try_emplace(block.name, text);
    }
  }
}

void ProjectReading::read_yaml_files(ProjectPackage& package) {
  for (const SourceFile& file : package.files->files) {
    const std::string extension = extension_of(file.path);
    if ((extension != "yml" && extension != "yaml") || file.path == "dbt_project.yml") continue;
    auto read = read_yaml(file.text, shown(package, file.path));
    if (!read) {
      problem(read.error().message);
      continue;
    }
    const Yaml& yaml = trees_.emplace_back(std::move(*read));
    const YamlEntry whole{&yaml, &file};
    if (yaml.is_null() || !expect(package, whole, yaml, Yaml::Kind::kMap, "the file")) continue;
    for (std::size_t i = 0; i < yaml.keys.size(); ++i) {
      const std::string& section = yaml.keys[i];
      static constexpr std::string_view kSections[] = {
          "models",  "seeds",           "snapshots",     "analyses",   "macros", "sources",   "exposures",
          "metrics", "semantic_models", "saved_queries", "unit_tests", "groups", "data_tests"};
      if (std::find(std::begin(kSections), std::end(kSections), section) == std::end(kSections)) continue;
      if (yaml.items[i].is_null() || !expect(package, whole, yaml.items[i], Yaml::Kind::kList, section)) continue;
      for (const Yaml& item : yaml.items[i].items) {
        if (!expect(package, whole, item, Yaml::Kind::kMap, section)) continue;
        const std::string name(item.scalar_at("name"));
        if (name.empty()) {
          problem(package, whole, item, fmt::format("`{}`: expected `name`", section));
          continue;
        }
        const YamlEntry entry{&item, &file};
        package.entries[section].push_back(entry);
        if (!package.by_name[section].emplace(name, entry).second && section != "sources")
          problem(package, entry, item,
                  fmt::format("`{}`: {} is described a second time; the first counts", section, name));
      }
    }
  }
}

std::string ProjectReading::description(const ProjectPackage& package, const Yaml& yaml) {
  return rendered(yaml.scalar_at("description"), package.variables, &documents_);
}

Json ProjectReading::columns_json(const ProjectPackage& package, const YamlEntry& entry, const Yaml* columns) {
  Json::Object out;
  if (columns == nullptr || !expect(package, entry, *columns, Yaml::Kind::kList, "columns"))
    return Json(std::move(out));
  std::set<std::string> seen;
  for (const Yaml& column : columns->items) {
    const std::string name(column.scalar_at("name"));
    if (name.empty() || !seen.insert(name).second) continue;
    Json::Object members;
    members.emplace_back("name", Json(name));
    members.emplace_back("description", Json(description(package, column)));
    for (const char* key : {"data_type", "meta", "constraints", "config"})
      if (const Yaml* value = column.find(key)) members.emplace_back(key, rendered(*value, package.variables));
    if (const Yaml* tags = column.find("tags"))
      members.emplace_back("tags", listed(rendered(*tags, package.variables)));
    out.emplace_back(name, Json(std::move(members)));
  }
  return Json(std::move(out));
}

Json ProjectReading::listed(Json value) {
  if (value.if_array() != nullptr || value.is_null()) return value;
  return Json(Json::Array{std::move(value)});
}

Result<ProjectDocument> describe_project(const ProjectFiles& files, const std::string& adapter) {
  return ProjectReading(files, adapter).run();
}

}  // namespace tideline::extract
