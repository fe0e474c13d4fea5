#include "extract/project_source.h"

#include <algorithm>
#include <deque>
#include <map>
#include <optional>
#include <set>

#include <fmt/format.h>

#include "base/hash.h"
#include "base/text.h"
#include "extract/dbt_names.h"
#include "extract/project_config.h"
#include "extract/template_sql.h"
#include "extract/yaml.h"
#include "sql/jinja.h"
#include "sql/parser.h"

namespace tideline::extract {
namespace {

using sql::Certainty;

/// Of a node's `tideline` member: a template with more says so.
constexpr std::size_t kMaxOpaque = 30;

// What base/text.h's trim takes away.
constexpr std::string_view kTrimmed = " \t\n\r\f\v";

std::string_view stem_of(std::string_view path) {
  path = path.substr(path.rfind('/') + 1);
  return path.substr(0, path.rfind('.'));
}
std::string extension_of(std::string_view path) {
  const std::size_t dot = path.rfind('.');
  return dot == std::string_view::npos ? "" : ascii_lower(path.substr(dot + 1));
}

std::size_t line_of(std::string_view text, std::size_t offset) {
  return 1 +
         static_cast<std::size_t>(std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(offset), '\n'));
}

/// As Json::canonical, but with members in their order: that of columns counts.
void append_json(std::string& out, const Json& value) {
  if (const auto* list = value.if_array()) {
    out += '[';
    for (std::size_t i = 0; i < list->size(); ++i) {
      if (i > 0) out += ',';
      append_json(out, (*list)[i]);
    }
    out += ']';
  } else if (const auto* object = value.if_object()) {
    out += '{';
    for (std::size_t i = 0; i < object->size(); ++i) {
      if (i > 0) out += ',';
      append_json_string(out, (*object)[i].first);
      out += ':';
      append_json(out, (*object)[i].second);
    }
    out += '}';
  } else {
    out += value.canonical();
  }
}

/// An entry of a .yml file that says something of what stands elsewhere, or is something itself.
struct Entry {
  const Yaml* yaml = nullptr;
  const SourceFile* file = nullptr;
};

struct Package {
  const PackageFiles* files = nullptr;
  std::string name;
  Yaml settings;
  Variables variables;
  /// Per section of .yml files ("models", "sources" …): the entries in the order of the files.
  std::map<std::string, std::vector<Entry>, std::less<>> entries;
  /// section → name → entry.
  std::map<std::string, std::map<std::string, Entry, std::less<>>, std::less<>> by_name;

  const Entry* find(std::string_view section, std::string_view entry) const {
    const auto names = by_name.find(section);
    if (names == by_name.end()) return nullptr;
    const auto found = names->second.find(entry);
    return found == names->second.end() ? nullptr : &found->second;
  }
};

/// What a node or a macro refers to, before all names are known.
struct References {
  std::vector<sql::JinjaRelation> relations;
  std::vector<sql::JinjaCall> macros;
};

struct Node {
  std::string section;  // of the manifest
  std::string unique_id;
  const Package* package = nullptr;
  Json::Object members;
  References references;
  std::optional<sql::JinjaResult> read;      // of what has column lineage
  std::string text;                          // that it was read from
  sql::Position begin;                       // of the text in its file
  std::vector<std::string> upstream;         // unique_ids that are known already
  std::vector<std::string> upstream_macros;  // likewise
};

struct Macro {
  const Package* package = nullptr;
  std::string unique_id;
  References references;
};

class Reading {
 public:
  explicit Reading(const ProjectFiles& files) : files_(files) {}

  Result<ProjectDocument> run() {
    document_.problems = files_.problems;
    for (const PackageFiles& package : files_.packages) TRY_VOID(open(package));
    if (packages_.empty()) return fail(Code::kInvalidInput, "the project has no files");
    document_.project_name = packages_.front().name;
    for (Package& package : packages_) set_variables(package);
    for (Package& package : packages_) read_descriptions(package);
    for (Package& package : packages_) read_yaml_files(package);
    for (Package& package : packages_) read_sources(package);
    for (Package& package : packages_) read_files(package);
    for (Package& package : packages_) read_others(package);
    for (Package& package : packages_) read_tests(package);
    resolve();
    document_.manifest = write();
    document_.objects = nodes_.size() + macro_nodes_.size();
    return std::move(document_);
  }

 private:
  // ---- Names and places ----

  std::string shown(const Package& package, std::string_view path) const {
    return (package.files->directory.empty() ? "" : package.files->directory + "/") + std::string(path);
  }
  void problem(std::string text) { document_.problems.push_back(std::move(text)); }
  void problem(const Package& package, const Entry& entry, const Yaml& at, std::string_view what) {
    problem(fmt::format("{}:{}:{}: {}", shown(package, entry.file->path), at.line, at.column, what));
  }
  /// Whether `value` is of the kind; a problem if not.
  bool expect(const Package& package, const Entry& entry, const Yaml& value, Yaml::Kind kind, std::string_view name) {
    if (value.kind == kind) return true;
    problem(package, entry, value,
            fmt::format("`{}`: expected {}, found {}", name, to_string(kind), to_string(value.kind)));
    return false;
  }

  /// The folders of a kind of file, as the package names them.
  static std::vector<std::string> folders(const Package& package, std::initializer_list<const char*> keys,
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
  static std::optional<std::string> below(std::string_view path, const std::vector<std::string>& folders) {
    for (const std::string& folder : folders)
      if (path.starts_with(folder) && path.size() > folder.size() && path[folder.size()] == '/')
        return std::string(path.substr(folder.size() + 1));
    return std::nullopt;
  }

  /// Package, folders, name: what configuration is looked up by.
  static std::vector<std::string> parts_of(const Package& package, std::string_view below, std::string_view name) {
    std::vector<std::string> parts{package.name};
    auto pieces = split(below, '/');
    if (!pieces.empty()) pieces.pop_back();
    for (const auto piece : pieces) parts.emplace_back(piece);
    if (!name.empty()) parts.emplace_back(name);
    return parts;
  }

  // ---- Packages ----

  Result<void> open(const PackageFiles& files) {
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
    for (const Package& other : packages_)
      if (other.name == name) {
        problem(fmt::format("{}: there is another package of the name {}; this one was left out", path, name));
        return {};
      }
    Package& package = packages_.emplace_back();
    package.files = &files;
    package.name = name;
    package.settings = std::move(settings);
    return {};
  }

  void set_variables(Package& package) {
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

  /// dbt_project.yml's settings for what has these parts, then those of .yml files and of the file itself; the
  /// project's own word on its packages comes last.
  NodeConfig config_of(const Package& package, std::initializer_list<const char*> sections,
                       const std::vector<std::string>& parts, std::initializer_list<const Yaml*> patches,
                       const sql::JinjaResult* file, std::int32_t block) {
    NodeConfig config;
    const auto trees = [&](const Package& of) {
      for (const char* section : sections)
        if (const Yaml* tree = of.settings.find(section)) config.apply_tree(*tree, parts, of.variables);
    };
    trees(package);
    for (const Yaml* patch : patches) {
      if (patch == nullptr) continue;
      for (const char* key : {"tags", "meta", "group", "access", "enabled"})
        if (const Yaml* value = patch->find(key)) config.set(key, rendered(*value, package.variables));
      if (const Yaml* own = patch->find("config"); own != nullptr && own->is_map())
        config.apply(*own, package.variables);
    }
    if (file != nullptr) config.apply(file->config, block);
    if (&package != &packages_.front()) trees(packages_.front());
    return config;
  }

  // ---- .md and .yml ----

  void read_descriptions(Package& package) {
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

  void read_yaml_files(Package& package) {
    for (const SourceFile& file : package.files->files) {
      const std::string extension = extension_of(file.path);
      if ((extension != "yml" && extension != "yaml") || file.path == "dbt_project.yml") continue;
      auto read = read_yaml(file.text, shown(package, file.path));
      if (!read) {
        problem(read.error().message);
        continue;
      }
      const Yaml& yaml = trees_.emplace_back(std::move(*read));
      const Entry whole{&yaml, &file};
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
          const Entry entry{&item, &file};
          package.entries[section].push_back(entry);
          if (!package.by_name[section].emplace(name, entry).second && section != "sources")
            problem(package, entry, item,
                    fmt::format("`{}`: {} is described a second time; the first counts", section, name));
        }
      }
    }
  }

  std::string description(const Package& package, const Yaml& yaml) {
    return rendered(yaml.scalar_at("description"), package.variables, &documents_);
  }

  Json columns_json(const Package& package, const Entry& entry, const Yaml* columns) {
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

  static Json listed(Json value) {
    if (value.if_array() != nullptr || value.is_null()) return value;
    return Json(Json::Array{std::move(value)});
  }

  // ---- Nodes ----

  /// What every node has. The caller adds it once it is complete.
  Node node_of(const Package& package, std::string_view section, std::string_view type, std::string_view name,
               std::string_view path, const NodeConfig& config) {
    Node node;
    node.section = section;
    node.package = &package;
    node.unique_id = fmt::format("{}.{}.{}", type, package.name, name);
    auto& m = node.members;
    m.emplace_back("resource_type", Json(std::string(type)));
    m.emplace_back("name", Json(std::string(name)));
    m.emplace_back("package_name", Json(package.name));
    m.emplace_back("original_file_path", Json(std::string(path)));
    m.emplace_back("config", Json(config.object()));
    for (const char* key : {"tags", "meta", "group", "access"})
      if (const Json* value = config.find(key))
        m.emplace_back(key, key == std::string_view("tags") ? listed(*value) : *value);
    return node;
  }

  static void put(Node& node, std::string_view key, std::string_view text) {
    if (!text.empty()) node.members.emplace_back(key, Json(std::string(text)));
  }
  void patch(Node& node, const Package& package, const Entry* entry) {
    if (entry == nullptr) return;
    put(node, "patch_path", package.name + "://" + entry->file->path);
    put(node, "description", description(package, *entry->yaml));
    if (node.section == "macros") return;
    node.members.emplace_back("columns", columns_json(package, *entry, entry->yaml->find("columns")));
    if (const Yaml* constraints = entry->yaml->find("constraints"))
      node.members.emplace_back("constraints", constraints->to_json());
  }

  /// Database and schema as far as they are configured: the target's are not known.
  static void place(Node& node, const NodeConfig& config, std::string_view name) {
    put(node, "database", config.text("database").empty() ? config.text("target_database") : config.text("database"));
    put(node, "schema", config.text("target_schema"));
    const std::string alias = config.text("alias");
    put(node, "alias", alias.empty() ? name : std::string_view(alias));
  }

  static void take(References& references, const sql::JinjaResult& read, std::int32_t block) {
    for (const auto& relation : read.relations)
      if (relation.block == block && relation.certainty != Certainty::kNever &&
          relation.kind != sql::JinjaRelation::Kind::kThis)
        references.relations.push_back(relation);
    for (const auto& call : read.macros)
      if (call.block == block && call.certainty != Certainty::kNever) references.macros.push_back(call);
  }

  /// What was left open: members of `tideline`.
  static void add_open_ends(Node& node, const sql::JinjaResult& read, std::string_view text, std::int32_t block) {
    Json::Array opaque;
    std::set<std::pair<std::string_view, std::string>> seen;
    for (const auto& one : read.opaque) {
      if (!seen.emplace(to_string(one.reason), one.name).second) continue;
      if (opaque.size() == kMaxOpaque) break;
      Json::Object member;
      member.emplace_back("reason", Json(std::string(to_string(one.reason))));
      if (!one.name.empty()) member.emplace_back("name", Json(one.name.substr(0, 200)));
      member.emplace_back("line", Json(static_cast<std::int64_t>(line_of(text, one.file.begin))));
      opaque.emplace_back(std::move(member));
    }
    Json::Array dynamic, conditional;
    for (const auto& one : read.dynamic)
      if (one.block == block && one.certainty != Certainty::kNever && dynamic.size() < kMaxOpaque)
        dynamic.emplace_back(static_cast<std::int64_t>(line_of(text, one.file.begin)));
    for (const auto& relation : read.relations)
      if (relation.block == block && relation.certainty == Certainty::kMaybe && conditional.size() < kMaxOpaque)
        conditional.emplace_back(relation.source.empty() ? relation.name : relation.source + "." + relation.name);
    Json::Object members;
    if (!opaque.empty()) members.emplace_back("opaque", Json(std::move(opaque)));
    if (!dynamic.empty()) members.emplace_back("unresolved_lines", Json(std::move(dynamic)));
    if (!conditional.empty()) members.emplace_back("conditional", Json(std::move(conditional)));
    if (!members.empty()) node.members.emplace_back("tideline", Json(std::move(members)));
  }

  void add(Node node) {
    if (node.unique_id.size() > 1000) return problem(node.unique_id.substr(0, 100) + "…: the name is too long");
    if (!ids_.insert(node.unique_id).second)
      return problem(fmt::format("{}: there are two of this name; the first counts", node.unique_id));
    nodes_.push_back(std::move(node));
  }

  static Json checksum(std::string_view text) {
    Json::Object members;
    members.emplace_back("name", Json("sha256"));
    members.emplace_back("checksum", Json(hex(sha256(text))));
    return Json(std::move(members));
  }

  sql::JinjaResult jinja(const Package& package, std::string_view text) const {
    sql::JinjaOptions options;
    options.vars = &package.variables;
    options.documents = &documents_;
    return read_jinja(text, options);
  }

  /// A Python model: the literal calls of dbt.ref and the like, as a template of them.
  static std::string calls_in_python(std::string_view text) {
    std::string out;
    for (std::size_t at = 0; (at = text.find("dbt.", at)) != std::string_view::npos; at += 4) {
      const std::string_view rest = text.substr(at + 4);
      if (!rest.starts_with("ref(") && !rest.starts_with("source(") && !rest.starts_with("config(")) continue;
      const std::size_t end = rest.substr(0, 4096).find(')');
      if (end != std::string_view::npos) out += "{{ " + std::string(rest.substr(0, end + 1)) + " }}";
    }
    return out;
  }

  /// For column lineage. `offset`: where the text begins in its file.
  static void keep(Node& node, sql::JinjaResult read, std::string_view text, const SourceFile& file,
                   std::size_t offset) {
    node.read = std::move(read);
    node.text = text;
    node.begin = sql::position_of(static_cast<std::uint32_t>(std::min(offset, file.text.size())), file.text);
  }

  void read_files(Package& package) {
    const auto models = folders(package, {"model-paths", "source-paths"}, {"models"});
    const auto seeds = folders(package, {"seed-paths", "data-paths"}, {"seeds", "data"});
    const auto snapshots = folders(package, {"snapshot-paths"}, {"snapshots"});
    const auto tests = folders(package, {"test-paths"}, {"tests"});
    const auto macros = folders(package, {"macro-paths"}, {"macros"});
    const auto analyses = folders(package, {"analysis-paths"}, {"analyses", "analysis"});
    find_versions(package);
    for (const SourceFile& file : package.files->files) {
      const std::string extension = extension_of(file.path);
      if (extension == "csv") {
        if (const auto path = below(file.path, seeds)) read_seed(package, file, *path);
        continue;
      }
      if (extension != "sql" && extension != "py") continue;
      if (const auto path = below(file.path, models)) {
        read_model(package, file, *path, extension == "py");
      } else if (extension == "py") {
        continue;
      } else if (const auto in_snapshots = below(file.path, snapshots)) {
        read_blocks(package, file, *in_snapshots);
      } else if (const auto in_tests = below(file.path, tests)) {
        if (in_tests->starts_with("generic/"))
          read_blocks(package, file, *in_tests);
        else
          read_query(package, file, *in_tests, "test", {"tests", "data_tests"}, "data_tests");
      } else if (const auto in_analyses = below(file.path, analyses)) {
        read_query(package, file, *in_analyses, "analysis", {"analyses"}, "analyses");
      } else if (below(file.path, macros)) {
        read_blocks(package, file, "");
      }
    }
    read_yaml_snapshots(package);
  }

  struct Version {
    std::string model;
    std::string number;
    Json value;
    const Yaml* yaml = nullptr;
  };

  static std::string latest_version(const Yaml& model) {
    if (const auto given = model.scalar_at("latest_version"); !given.empty()) return std::string(given);
    std::string latest;
    if (const Yaml* versions = model.find("versions"))
      for (const Yaml& version : versions->items) {
        const std::string_view v = version.scalar_at("v");
        const bool longer = v.size() != latest.size() ? v.size() > latest.size() : v > latest;
        if (latest.empty() || longer) latest = v;
      }
    return latest;
  }

  /// As it is written: 2 or "2".
  static Json latest_value(const Yaml& model, std::string_view latest) {
    if (const Yaml* given = model.find("latest_version"); given != nullptr && given->is_scalar())
      return given->to_json();
    if (const Yaml* versions = model.find("versions"))
      for (const Yaml& version : versions->items)
        if (version.scalar_at("v") == latest) return version.find("v")->to_json();
    return {};
  }

  void find_versions(const Package& package) {
    versions_.clear();
    const auto models = package.entries.find("models");
    if (models == package.entries.end()) return;
    for (const Entry& entry : models->second) {
      const Yaml* versions = entry.yaml->find("versions");
      if (versions == nullptr || !expect(package, entry, *versions, Yaml::Kind::kList, "versions")) continue;
      const std::string name(entry.yaml->scalar_at("name"));
      for (const Yaml& version : versions->items) {
        const Yaml* v = version.find("v");
        if (v == nullptr || !v->is_scalar()) continue;
        const std::string defined(version.scalar_at("defined_in"));
        versions_[defined.empty() ? name + "_v" + v->text : defined] = {name, v->text, v->to_json(), &version};
      }
    }
  }

  /// The columns of one version: those of the model, by `include` and `exclude`, and its own.
  Json version_columns(const Package& package, const Entry& entry, const Yaml& version) {
    const Yaml* own = version.find("columns");
    const Yaml* all = entry.yaml->find("columns");
    if (own == nullptr || !own->is_list()) return columns_json(package, entry, all);
    std::set<std::string> included, excluded;
    bool every = true;
    Yaml list;
    list.kind = Yaml::Kind::kList;
    for (const Yaml& item : own->items) {
      if (!item.scalar_at("name").empty()) {
        list.items.push_back(item);
        excluded.insert(std::string(item.scalar_at("name")));
      }
      if (const Yaml* include = item.find("include"); include != nullptr && include->is_list()) {
        every = false;
        for (const Yaml& name : include->items) included.insert(name.text);
      }
      if (const Yaml* exclude = item.find("exclude"); exclude != nullptr && exclude->is_list())
        for (const Yaml& name : exclude->items) excluded.insert(name.text);
    }
    if (all != nullptr)
      for (const Yaml& column : all->items) {
        const std::string name(column.scalar_at("name"));
        if (!excluded.contains(name) && (every || included.contains(name))) list.items.push_back(column);
      }
    return columns_json(package, entry, &list);
  }

  void read_model(const Package& package, const SourceFile& file, const std::string& path, bool is_python) {
    const std::string file_name(stem_of(file.path));
    const auto version = versions_.find(file_name);
    const std::string name = version == versions_.end() ? file_name : version->second.model;
    const Entry* entry = package.find("models", name);
    if (version == versions_.end() && entry != nullptr && entry->yaml->find("versions") != nullptr) entry = nullptr;
    const std::string text(trim(file.text));
    const std::string calls = is_python ? calls_in_python(text) : "";
    const auto read = jinja(package, is_python ? calls : text);
    report(package, file, read, is_python ? calls : text);
    NodeConfig config;
    config = config_of(
        package, {"models"}, parts_of(package, path, file_name),
        {entry != nullptr ? entry->yaml : nullptr, version == versions_.end() ? nullptr : version->second.yaml}, &read,
        sql::kNoBlock);
    if (config.find("materialized") == nullptr) config.set("materialized", Json(is_python ? "table" : "view"));
    if (config.is_disabled()) return;
    Node node = node_of(package, "nodes", "model", name, file.path, config);
    std::string alias = name;
    if (version != versions_.end()) {
      node.unique_id += ".v" + version->second.number;
      alias += "_v" + version->second.number;
      node.members.emplace_back("version", version->second.value);
      const std::string latest = latest_version(*entry->yaml);
      node.members.emplace_back("latest_version", latest_value(*entry->yaml, latest));
    }
    place(node, config, alias);
    put(node, "raw_code", text);
    put(node, "language", is_python ? "python" : "sql");
    node.members.emplace_back("checksum", checksum(file.text));
    if (config.find("access") == nullptr) put(node, "access", "protected");
    if (version != versions_.end()) {
      put(node, "patch_path", package.name + "://" + entry->file->path);
      const std::string own = description(package, *version->second.yaml);
      put(node, "description", own.empty() ? description(package, *entry->yaml) : own);
      node.members.emplace_back("columns", version_columns(package, *entry, *version->second.yaml));
    } else {
      patch(node, package, entry);
    }
    take(node.references, read, sql::kNoBlock);
    if (!is_python) add_open_ends(node, read, text, sql::kNoBlock);
    refables_[name].push_back({&package, version == versions_.end() ? "" : version->second.number,
                               version == versions_.end() || latest_version(*entry->yaml) == version->second.number,
                               node.unique_id});
    if (!is_python) keep(node, read, text, file, file.text.find_first_not_of(kTrimmed));
    add(std::move(node));
  }

  void report(const Package& package, const SourceFile& file, const sql::JinjaResult& read, std::string_view text) {
    for (std::size_t i = 0; i < read.problems.size() && i < 5; ++i) {
      const std::size_t at = read.problems[i].file.begin;
      const std::size_t line_begin = at == 0 ? 0 : text.rfind('\n', at - 1) + 1;
      // What was trimmed from the front of the file stands before it.
      const std::size_t lead = file.text.find(text.substr(0, 64));
      problem(fmt::format("{}:{}:{}: {}", shown(package, file.path),
                          line_of(text, at) + (lead == std::string::npos ? 0 : line_of(file.text, lead) - 1),
                          at - line_begin + 1, read.problems[i].message));
    }
  }

  void read_query(const Package& package, const SourceFile& file, const std::string& path, const char* type,
                  std::initializer_list<const char*> sections, const char* section) {
    const std::string name(stem_of(file.path));
    const Entry* entry = package.find(section, name);
    const std::string text(trim(file.text));
    const auto read = jinja(package, text);
    if (!read.blocks.empty() && type == std::string_view("test")) return read_blocks(package, file, path);
    report(package, file, read, text);
    NodeConfig config = config_of(package, sections, parts_of(package, path, name),
                                  {entry != nullptr ? entry->yaml : nullptr}, &read, sql::kNoBlock);
    if (config.find("materialized") == nullptr)
      config.set("materialized", Json(type == std::string_view("test") ? "test" : "view"));
    if (type == std::string_view("test") && config.find("severity") == nullptr) config.set("severity", Json("ERROR"));
    if (config.is_disabled()) return;
    Node node = node_of(package, "nodes", type, name, file.path, config);
    put(node, "alias", name);
    put(node, "raw_code", text);
    put(node, "language", "sql");
    node.members.emplace_back("checksum", checksum(file.text));
    patch(node, package, entry);
    take(node.references, read, sql::kNoBlock);
    add_open_ends(node, read, text, sql::kNoBlock);
    add(std::move(node));
  }

  void read_seed(const Package& package, const SourceFile& file, const std::string& path) {
    const std::string name(stem_of(file.path));
    const Entry* entry = package.find("seeds", name);
    NodeConfig config = config_of(package, {"seeds"}, parts_of(package, path, name),
                                  {entry != nullptr ? entry->yaml : nullptr}, nullptr, 0);
    config.set("materialized", Json("seed"));
    if (config.is_disabled()) return;
    Node node = node_of(package, "nodes", "seed", name, file.path, config);
    place(node, config, name);
    node.members.emplace_back("checksum", checksum(file.text));
    patch(node, package, entry);
    refables_[name].push_back({&package, "", true, node.unique_id});
    add(std::move(node));
  }

  /// Files of macros, of generic tests, and of snapshots.
  void read_blocks(const Package& package, const SourceFile& file, const std::string& path) {
    const auto read = jinja(package, file.text);
    report(package, file, read, file.text);
    for (std::size_t i = 0; i < read.blocks.size(); ++i) {
      const auto& block = read.blocks[i];
      const auto index = static_cast<std::int32_t>(i);
      if (block.name.empty() || block.kind == sql::JinjaBlock::Kind::kDocs) continue;
      if (block.kind == sql::JinjaBlock::Kind::kSnapshot) {
        read_snapshot(package, file, path, read, index);
        continue;
      }
      std::string name = block.name;
      if (block.kind == sql::JinjaBlock::Kind::kTest) name = "test_" + name;
      if (block.kind == sql::JinjaBlock::Kind::kMaterialization) {
        const std::size_t adapter = block.parameters.find("adapter");
        std::string which = "default";
        if (adapter != std::string::npos) {
          const std::size_t open = block.parameters.find_first_of("'\"", adapter);
          const std::size_t close = open == std::string::npos ? open : block.parameters.find_first_of("'\"", open + 1);
          if (close != std::string::npos) which = block.parameters.substr(open + 1, close - open - 1);
        }
        name = "materialization_" + name + "_" + which;
      }
      const Entry* entry = package.find("macros", block.name);
      Node node = node_of(package, "macros", "macro", name, file.path, NodeConfig());
      put(node, "macro_sql", text_of(block.span, file.text));
      patch(node, package, entry);
      if (entry != nullptr)
        for (const char* key : {"arguments", "meta"})
          if (const Yaml* value = entry->yaml->find(key)) node.members.emplace_back(key, value->to_json());
      take(node.references, read, index);
      macros_[name].push_back({&package, node.unique_id, node.references});
      if (!ids_.insert(node.unique_id).second) {
        problem(fmt::format("{}: there are two of this name; the first counts", node.unique_id));
        continue;
      }
      macro_nodes_.push_back(std::move(node));
    }
  }

  void read_snapshot(const Package& package, const SourceFile& file, const std::string& path,
                     const sql::JinjaResult& read, std::int32_t index) {
    const auto& block = read.blocks[static_cast<std::size_t>(index)];
    const Entry* entry = package.find("snapshots", block.name);
    auto parts = parts_of(package, path, stem_of(file.path));
    if (parts.back() != block.name) parts.push_back(block.name);
    NodeConfig config =
        config_of(package, {"snapshots"}, parts, {entry != nullptr ? entry->yaml : nullptr}, &read, index);
    config.set("materialized", Json("snapshot"));
    if (config.is_disabled()) return;
    Node node = node_of(package, "nodes", "snapshot", block.name, file.path, config);
    place(node, config, block.name);
    put(node, "raw_code", text_of(block.body, file.text));
    put(node, "language", "sql");
    node.members.emplace_back("checksum", checksum(file.text));
    patch(node, package, entry);
    take(node.references, read, index);
    add_open_ends(node, read, file.text, index);
    refables_[block.name].push_back({&package, "", true, node.unique_id});
    const std::string body(text_of(block.body, file.text));
    keep(node, jinja(package, body), body, file, block.body.begin);
    add(std::move(node));
  }

  /// Snapshots that stand in a .yml file alone: `relation: ref('orders')`.
  void read_yaml_snapshots(const Package& package) {
    const auto found = package.entries.find("snapshots");
    if (found == package.entries.end()) return;
    for (const Entry& entry : found->second) {
      const std::string relation(entry.yaml->scalar_at("relation"));
      if (relation.empty()) continue;
      const std::string name(entry.yaml->scalar_at("name"));
      const auto read = jinja(package, "{{ " + relation + " }}");
      NodeConfig config = config_of(package, {"snapshots"}, {package.name, name}, {entry.yaml}, nullptr, 0);
      config.set("materialized", Json("snapshot"));
      if (config.is_disabled()) continue;
      Node node = node_of(package, "nodes", "snapshot", name, entry.file->path, config);
      place(node, config, name);
      put(node, "raw_code", "select * from {{ " + relation + " }}");
      put(node, "language", "sql");
      patch(node, package, &entry);
      take(node.references, read, sql::kNoBlock);
      refables_[name].push_back({&package, "", true, node.unique_id});
      const std::string text = "select * from {{ " + relation + " }}";
      keep(node, jinja(package, text), text, *entry.file, 0);
      node.begin = {entry.yaml->line, entry.yaml->column};
      add(std::move(node));
    }
  }

  void read_sources(Package& package) {
    const auto found = package.entries.find("sources");
    if (found == package.entries.end()) return;
    for (const Entry& entry : found->second) {
      const Yaml& group = *entry.yaml;
      const std::string group_name(group.scalar_at("name"));
      const Yaml* tables = group.find("tables");
      if (tables == nullptr || !expect(package, entry, *tables, Yaml::Kind::kList, "tables")) continue;
      const auto at = [&](const Yaml& yaml, const char* key) {
        return rendered(yaml.scalar_at(key), package.variables);
      };
      for (const Yaml& table : tables->items) {
        const std::string name(table.scalar_at("name"));
        if (name.empty()) {
          problem(package, entry, table, "`tables`: expected `name`");
          continue;
        }
        auto parts = parts_of(package, entry.file->path.substr(entry.file->path.find('/') + 1), "");
        parts.push_back(group_name);
        parts.push_back(name);
        const NodeConfig config = config_of(package, {"sources"}, parts, {&group, &table}, nullptr, 0);
        if (config.is_disabled()) continue;
        Node node = node_of(package, "sources", "source", name, entry.file->path, config);
        node.unique_id = fmt::format("source.{}.{}.{}", package.name, group_name, name);
        put(node, "source_name", group_name);
        put(node, "database", at(group, "database").empty() ? at(group, "catalog") : at(group, "database"));
        put(node, "schema", at(group, "schema").empty() ? group_name : at(group, "schema"));
        put(node, "identifier", at(table, "identifier").empty() ? name : at(table, "identifier"));
        put(node, "loader", at(table, "loader").empty() ? at(group, "loader") : at(table, "loader"));
        const auto setting = [&](const Yaml& yaml, const char* key) -> const Yaml* {
          if (const Yaml* value = yaml.find(key)) return value;
          const Yaml* own = yaml.find("config");
          return own != nullptr ? own->find(key) : nullptr;
        };
        const Yaml* freshness = setting(table, "freshness");
        if (freshness == nullptr) freshness = setting(group, "freshness");
        if (freshness != nullptr && freshness->is_map())
          node.members.emplace_back("freshness", rendered(*freshness, package.variables));
        put(node, "description", description(package, table));
        node.members.emplace_back("columns", columns_json(package, entry, table.find("columns")));
        sources_[{group_name, name}].push_back({&package, "", true, node.unique_id});
        add(std::move(node));
      }
    }
  }

  /// Exposures, metrics, semantic models, saved queries, unit tests: as the .yml says.
  void read_others(Package& package) {
    static constexpr std::pair<std::string_view, std::string_view> kKinds[] = {{"exposures", "exposure"},
                                                                               {"semantic_models", "semantic_model"},
                                                                               {"metrics", "metric"},
                                                                               {"saved_queries", "saved_query"},
                                                                               {"unit_tests", "unit_test"}};
    for (const auto& [section, type] : kKinds) {
      const auto found = package.entries.find(section);
      if (found == package.entries.end()) continue;
      for (const Entry& entry : found->second) {
        const Yaml& yaml = *entry.yaml;
        const std::string name(yaml.scalar_at("name"));
        const std::string section_name(section);
        const NodeConfig config = config_of(package, {section_name.c_str()}, {package.name, name}, {&yaml}, nullptr, 0);
        if (config.is_disabled()) continue;
        Node node = node_of(package, section, type, name, entry.file->path, config);
        put(node, "description", description(package, yaml));
        for (const char* key : {"label", "type", "maturity", "url", "model", "owner", "type_params", "entities",
                                "dimensions", "measures", "query_params", "exports"})
          if (const Yaml* value = yaml.find(key)) node.members.emplace_back(key, rendered(*value, package.variables));
        if (const Yaml* filter = yaml.find("filter"); filter != nullptr && filter->is_scalar()) {
          Json::Object where;
          where.emplace_back("where_sql_template", Json(filter->text));
          Json::Object filters;
          filters.emplace_back("where_filters", Json(Json::Array{Json(std::move(where))}));
          node.members.emplace_back("filter", Json(std::move(filters)));
        }
        add_upstreams(package, entry, type, node);
        add(std::move(node));
      }
    }
  }

  /// "ref('x')", "source('a', 'b')" as a template.
  void add_reference(const Package& package, Node& node, std::string_view text) {
    take(node.references, jinja(package, "{{ " + std::string(text) + " }}"), sql::kNoBlock);
  }

  void add_upstreams(const Package& package, const Entry& entry, std::string_view type, Node& node) {
    const Yaml& yaml = *entry.yaml;
    const std::string model(yaml.scalar_at("model"));
    const auto later = [&](std::string_view kind, std::string_view name) {
      wanted_.push_back({nodes_.size(), std::string(kind), std::string(name)});
    };
    const auto name_in = [](const Yaml& value) {
      return value.is_map()      ? value.scalar_at("name")
             : value.is_scalar() ? std::string_view(value.text)
                                 : std::string_view();
    };
    if (type == "exposure") {
      if (const Yaml* list = yaml.find("depends_on");
          list != nullptr && expect(package, entry, *list, Yaml::Kind::kList, "depends_on"))
        for (const Yaml& item : list->items) {
          const std::string_view text = item.text;
          if (text.starts_with("metric(")) {
            const std::size_t open = text.find_first_of("'\""), close = text.find_last_of("'\"");
            if (open != std::string_view::npos && close > open)
              later("metric", text.substr(open + 1, close - open - 1));
          } else {
            add_reference(package, node, text);
          }
        }
    } else if (type == "semantic_model") {
      add_reference(package, node, model);
      if (const Yaml* measures = yaml.find("measures"); measures != nullptr && measures->is_list())
        for (const Yaml& measure : measures->items) measures_.emplace(measure.scalar_at("name"), node.unique_id);
    } else if (type == "unit_test") {
      node.unique_id = fmt::format("unit_test.{}.{}.{}", package.name, model, yaml.scalar_at("name"));
      std::string reference = "ref('" + model + "')";
      add_reference(package, node, reference);
    } else if (type == "metric") {
      const Yaml* params = yaml.find("type_params");
      const auto read = [&](const Yaml& from) {
        for (const char* key : {"measure", "base_measure", "conversion_measure"})
          if (const Yaml* value = from.find(key)) later("measure", name_in(*value));
        for (const char* key : {"numerator", "denominator", "metric"})
          if (const Yaml* value = from.find(key)) later("metric", name_in(*value));
        if (const Yaml* metrics = from.find("metrics"); metrics != nullptr && metrics->is_list())
          for (const Yaml& metric : metrics->items) later("metric", name_in(metric));
      };
      if (params != nullptr) {
        read(*params);
        for (const char* key : {"conversion_type_params", "cumulative_type_params"})
          if (const Yaml* inner = params->find(key)) read(*inner);
      }
    } else if (type == "saved_query") {
      const Yaml* params = yaml.find("query_params");
      if (const Yaml* metrics = params != nullptr ? params->find("metrics") : nullptr;
          metrics != nullptr && metrics->is_list())
        for (const Yaml& metric : metrics->items) later("metric", name_in(metric));
    }
  }

  // ---- Generic tests ----

  void read_tests(Package& package) {
    static constexpr std::pair<std::string_view, std::string_view> kKinds[] = {
        {"models", "model"}, {"seeds", "seed"}, {"snapshots", "snapshot"}};
    for (const auto& [section, type] : kKinds) {
      const auto found = package.entries.find(section);
      if (found == package.entries.end()) continue;
      for (const Entry& entry : found->second) {
        const std::string name(entry.yaml->scalar_at("name"));
        if (const Yaml* versions = entry.yaml->find("versions"); versions != nullptr && versions->is_list()) {
          for (const Yaml& version : versions->items) {
            const std::string v(version.scalar_at("v"));
            const std::string id = fmt::format("model.{}.{}.v{}", package.name, name, v);
            if (!v.empty() && ids_.contains(id))
              tests_of(package, entry, *entry.yaml, name + "_v" + v, fmt::format("ref('{}', version='{}')", name, v),
                       id, false);
          }
          continue;
        }
        const std::string id = fmt::format("{}.{}.{}", type, package.name, name);
        if (ids_.contains(id)) tests_of(package, entry, *entry.yaml, name, fmt::format("ref('{}')", name), id, false);
      }
    }
    const auto found = package.entries.find("sources");
    if (found == package.entries.end()) return;
    for (const Entry& entry : found->second) {
      const Yaml* tables = entry.yaml->find("tables");
      if (tables == nullptr || !tables->is_list()) continue;
      const std::string group(entry.yaml->scalar_at("name"));
      for (const Yaml& table : tables->items) {
        const std::string name(table.scalar_at("name"));
        const std::string id = fmt::format("source.{}.{}.{}", package.name, group, name);
        if (ids_.contains(id))
          tests_of(package, entry, table, group + "_" + name, fmt::format("source('{}', '{}')", group, name), id, true);
      }
    }
  }

  void tests_of(const Package& package, const Entry& entry, const Yaml& target, const std::string& name,
                const std::string& reference, const std::string& id, bool is_source) {
    const auto each = [&](const Yaml& where, std::string_view column) {
      for (const char* key : {"tests", "data_tests"}) {
        const Yaml* list = where.find(key);
        if (list == nullptr || !expect(package, entry, *list, Yaml::Kind::kList, key)) continue;
        for (const Yaml& test : list->items) add_test(package, entry, test, name, reference, id, column, is_source);
      }
    };
    each(target, "");
    if (const Yaml* columns = target.find("columns"); columns != nullptr && columns->is_list())
      for (const Yaml& column : columns->items) each(column, column.scalar_at("name"));
  }

  void add_test(const Package& package, const Entry& entry, const Yaml& yaml, const std::string& target,
                const std::string& reference, const std::string& target_id, std::string_view column, bool is_source) {
    // The settings that dbt takes out of the arguments, in the order in which it writes them.
    static constexpr std::string_view kSettings[] = {
        "severity",  "tags",           "enabled",           "where", "limit",    "warn_if", "error_if",
        "fail_calc", "store_failures", "store_failures_as", "meta",  "database", "schema",  "alias"};
    std::string kind;
    Json::Object arguments;
    if (yaml.is_text()) {
      kind = yaml.text;
    } else if (yaml.is_map() && !yaml.scalar_at("test_name").empty()) {
      kind = yaml.scalar_at("test_name");
      for (std::size_t i = 0; i < yaml.keys.size(); ++i)
        if (yaml.keys[i] != "test_name") arguments.emplace_back(yaml.keys[i], yaml.items[i].to_json());
    } else if (yaml.is_map() && yaml.keys.size() == 1) {
      kind = yaml.keys[0];
      for (std::size_t i = 0; i < yaml.items[0].keys.size(); ++i)
        arguments.emplace_back(yaml.items[0].keys[i], yaml.items[0].items[i].to_json());
    } else {
      return problem(package, entry, yaml,
                     "`data_tests`: expected the name of a test, or a map of one name to its arguments");
    }
    const auto extract_member = [&](std::string_view key) {
      Json value;
      std::erase_if(arguments, [&](auto& member) {
        if (member.first != key) return false;
        value = std::move(member.second);
        return true;
      });
      return value;
    };
    const Json custom_name = extract_member("name");
    const Json own_description = extract_member("description");
    const Json own_config = extract_member("config");
    const Json nested = extract_member("arguments");
    if (nested.if_object() != nullptr)
      for (const auto& member : *nested.if_object()) arguments.push_back(member);
    NodeConfig config = config_of(package, {"tests", "data_tests"}, {package.name}, {}, nullptr, 0);
    std::vector<std::pair<std::string, Json>> settings;
    for (const std::string_view key : kSettings) {
      Json value = extract_member(key);
      if (value.is_null() && own_config.find(key) != nullptr) value = *own_config.find(key);
      if (value.is_null()) continue;
      if (const auto* text = value.if_string(); text != nullptr && key != "where") {
        std::string plain = rendered(std::string_view(*text), package.variables);
        value = plain == "True" ? Json(true) : plain == "False" ? Json(false) : Json(std::move(plain));
      }
      settings.emplace_back(key, std::move(value));
    }
    for (const auto& [key, value] : settings) config.set(key, value);
    if (config.is_disabled()) return;
    config.set("materialized", Json("test"));
    if (config.find("severity") == nullptr) config.set("severity", Json("ERROR"));
    if (!column.empty()) arguments.emplace_back("column_name", Json(std::string(column)));

    GenericTest test;
    const std::size_t dot = kind.find('.');
    if (dot != std::string::npos) test.name_space = kind.substr(0, dot);
    test.name = dot == std::string::npos ? kind : kind.substr(dot + 1);
    test.model = "{{ get_where_subquery(" + reference + ") }}";
    test.arguments = arguments;
    TestNames names = test_names(test, target, is_source);
    if (custom_name.if_string() != nullptr) names.full = names.alias = *custom_name.if_string();
    if (names.full != names.alias && config.text("alias").empty()) settings.emplace_back("alias", Json(names.alias));

    Node node = node_of(package, "nodes", "test", names.full, entry.file->path, config);
    node.unique_id += "." + test_hash(test, names.full);
    put(node, "alias", names.alias);
    std::string code = "{{ " + (test.name_space.empty() ? "" : test.name_space + ".") + "test_" + test.name +
                       "(**_dbt_generic_test_kwargs) }}";
    std::string listed_settings;
    for (const auto& [key, value] : settings) {
      if (!listed_settings.empty()) listed_settings += ",";
      listed_settings += key + "=";
      if (const auto* text = value.if_string()) {
        listed_settings += '"';
        for (const char c : *text) listed_settings += c == '"' ? std::string("\\\"") : std::string(1, c);
        listed_settings += '"';
      } else {
        listed_settings += python_str(value);
      }
    }
    if (!listed_settings.empty()) code += "{{ config(" + listed_settings + ") }}";
    put(node, "raw_code", code);
    put(node, "language", "sql");
    if (own_description.if_string() != nullptr) put(node, "description", *own_description.if_string());
    put(node, "column_name", column);
    if (!is_source) put(node, "attached_node", target_id);
    Json::Object kwargs = arguments;
    kwargs.emplace_back("model", Json(test.model));
    Json::Object metadata;
    metadata.emplace_back("name", Json(test.name));
    metadata.emplace_back("namespace", test.name_space.empty() ? Json() : Json(test.name_space));
    metadata.emplace_back("kwargs", Json(std::move(kwargs)));
    node.members.emplace_back("test_metadata", Json(std::move(metadata)));
    node.upstream.push_back(target_id);
    for (const auto& argument : arguments)
      if (const auto* text = argument.second.if_string();
          text != nullptr && (text->find("ref(") != std::string::npos || text->find("source(") != std::string::npos))
        add_reference(package, node,
                      text->find("{{") == std::string::npos
                          ? *text
                          : text->substr(text->find("{{") + 2, text->rfind("}}") - text->find("{{") - 2));
    sql::JinjaCall call;
    call.package = test.name_space;
    call.name = "test_" + test.name;
    node.references.macros.push_back(std::move(call));
    if (ids_.contains(node.unique_id)) return;  // written twice: one test, as for dbt
    add(std::move(node));
  }

  // ---- References to unique_ids ----

  struct Target {
    const Package* package;
    std::string version;
    bool is_latest;
    std::string unique_id;
  };

  /// Of the node's own package, of the project, of any other: the first that has it.
  const Target* choose(const std::vector<Target>& candidates, const Package& from, std::string_view package,
                       std::string_view version) const {
    const Target* best = nullptr;
    int best_rank = 4;
    for (const Target& candidate : candidates) {
      if (!package.empty() && candidate.package->name != package) continue;
      if (version.empty() ? !candidate.is_latest : candidate.version != version) continue;
      const int rank = candidate.package == &from ? 1 : candidate.package == &packages_.front() ? 2 : 3;
      if (rank < best_rank) {
        best = &candidate;
        best_rank = rank;
      }
    }
    return best;
  }

  const Macro* find_macro(const sql::JinjaCall& call, const Package& from) const {
    for (const std::string& name : {call.name, "default__" + call.name}) {
      if (name != call.name && !call.dispatched) break;
      const auto found = macros_.find(name);
      if (found == macros_.end()) continue;
      const Macro* best = nullptr;
      int best_rank = 4;
      for (const Macro& macro : found->second) {
        if (!call.package.empty() && !call.dispatched && macro.package->name != call.package) continue;
        const int rank = macro.package == &from ? 1 : macro.package == &packages_.front() ? 2 : 3;
        if (rank < best_rank) {
          best = &macro;
          best_rank = rank;
        }
      }
      if (best != nullptr) return best;
    }
    return nullptr;
  }

  const Target* find_target(const sql::JinjaRelation& relation, const Package& from) const {
    if (relation.kind == sql::JinjaRelation::Kind::kRef) {
      const auto found = refables_.find(relation.name);
      return found == refables_.end() ? nullptr : choose(found->second, from, relation.package, relation.version);
    }
    const auto found = sources_.find({relation.source, relation.name});
    return found == sources_.end() ? nullptr : choose(found->second, from, "", "");
  }

  void add_sql(Node& node) const {
    if (!node.read) return;
    auto json = to_json(*node.read, node.text, node.begin, [&](const sql::JinjaRelation& relation) {
      const Target* target = find_target(relation, *node.package);
      return target == nullptr ? std::string() : target->unique_id;
    });
    if (json) node.members.emplace_back("tideline_sql", std::move(*json));
    node.read.reset();
  }

  void add_relations(const References& references, const Package& from, Node& node, std::set<std::string>& up) {
    for (const auto& relation : references.relations) {
      const Target* target = find_target(relation, from);
      if (target != nullptr) {
        up.insert(target->unique_id);
      } else if (&from == node.package && relation.certainty == Certainty::kAlways) {
        problem(fmt::format("{}: refers to {}, which is disabled or not there", node.unique_id,
                            relation.source.empty() ? relation.name : relation.source + "." + relation.name));
      }
    }
  }

  void resolve() {
    for (const auto& want : wanted_) {
      if (want.node >= nodes_.size()) continue;
      Node& node = nodes_[want.node];
      if (want.kind == "measure") {
        const auto found = measures_.find(want.name);
        if (found != measures_.end()) node.upstream.push_back(found->second);
      } else {
        for (const Package* package : {node.package, static_cast<const Package*>(&packages_.front())}) {
          const std::string id = want.kind + "." + package->name + "." + want.name;
          if (!ids_.contains(id)) continue;
          node.upstream.push_back(id);
          break;
        }
      }
    }
    for (auto* list : {&nodes_, &macro_nodes_}) {
      for (Node& node : *list) {
        std::set<std::string> up(node.upstream.begin(), node.upstream.end()), macros;
        if (node.section != "macros") add_relations(node.references, *node.package, node, up);
        // What its macros refer to, and theirs.
        std::set<const Macro*> seen;
        std::vector<const Macro*> waiting;
        const auto follow = [&](const References& references, const Package& from, bool direct) {
          for (const auto& call : references.macros) {
            const Macro* macro = find_macro(call, from);
            if (macro == nullptr) continue;
            if (direct) macros.insert(macro->unique_id);
            if (seen.insert(macro).second) waiting.push_back(macro);
          }
        };
        follow(node.references, *node.package, true);
        while (node.section != "macros" && !waiting.empty()) {
          const Macro* macro = waiting.back();
          waiting.pop_back();
          add_relations(macro->references, *macro->package, node, up);
          follow(macro->references, *macro->package, false);
        }
        add_sql(node);
        up.erase(node.unique_id);
        node.upstream.assign(up.begin(), up.end());
        node.upstream_macros.assign(macros.begin(), macros.end());
      }
    }
  }

  // ---- Writing ----

  std::string write() {
    std::map<std::string, std::string> sections;
    const auto texts = [](const std::vector<std::string>& list) {
      Json::Array out;
      for (const auto& text : list) out.emplace_back(text);
      return Json(std::move(out));
    };
    const auto begin = [](std::string& out, std::string_view id) {
      if (!out.empty()) out += ",\n";
      append_json_string(out, id);
      out += ':';
    };
    for (auto* list : {&nodes_, &macro_nodes_}) {
      for (Node& node : *list) {
        Json::Object depends;
        depends.emplace_back("nodes", texts(node.upstream));
        depends.emplace_back("macros", texts(node.upstream_macros));
        node.members.emplace_back("unique_id", Json(node.unique_id));
        node.members.emplace_back("depends_on", Json(std::move(depends)));
        std::string& out = sections[node.section];
        begin(out, node.unique_id);
        append_json(out, Json(std::move(node.members)));
      }
    }
    for (const Package& package : packages_) {
      const auto groups = package.entries.find("groups");
      if (groups == package.entries.end()) continue;
      for (const Entry& entry : groups->second) {
        const std::string name(entry.yaml->scalar_at("name"));
        Json::Object members;
        members.emplace_back("name", Json(name));
        members.emplace_back("package_name", Json(package.name));
        if (const Yaml* owner = entry.yaml->find("owner")) members.emplace_back("owner", owner->to_json());
        std::string& out = sections["groups"];
        begin(out, "group." + package.name + "." + name);
        out += Json(std::move(members)).canonical();
      }
    }
    std::string out = "{\"metadata\":";
    Json::Object producer;
    producer.emplace_back("producer", Json("project"));
    Json::Object metadata;
    metadata.emplace_back("dbt_schema_version", Json("https://schemas.getdbt.com/dbt/manifest/v12.json"));
    metadata.emplace_back("project_name", Json(document_.project_name));
    metadata.emplace_back("tideline", Json(std::move(producer)));
    out += Json(std::move(metadata)).canonical();
    for (const char* section : {"nodes", "sources", "macros", "exposures", "metrics", "semantic_models",
                                "saved_queries", "unit_tests", "groups"}) {
      out += ",\n\"" + std::string(section) + "\":{";
      out += sections[section];
      out += '}';
    }
    return out += "}\n";
  }

  struct Wanted {
    std::size_t node;
    std::string kind, name;
  };

  const ProjectFiles& files_;
  ProjectDocument document_;
  std::deque<Package> packages_;
  std::deque<Yaml> trees_;
  Documents documents_;
  std::map<std::string, Version> versions_;  // of the package that is read: file name → version
  std::vector<Node> nodes_, macro_nodes_;
  std::set<std::string> ids_;
  std::map<std::string, std::vector<Target>, std::less<>> refables_;
  std::map<std::pair<std::string, std::string>, std::vector<Target>> sources_;
  std::map<std::string, std::vector<Macro>, std::less<>> macros_;
  std::map<std::string, std::string, std::less<>> measures_;
  std::vector<Wanted> wanted_;
};

}  // namespace

Result<ProjectDocument> describe_project(const ProjectFiles& files) { return Reading(files).run(); }

}  // namespace tideline::extract
