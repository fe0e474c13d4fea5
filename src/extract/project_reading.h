#pragma once
// The reading of a project's files, in the order in which one thing is needed for the next: packages and their
// variables (project_source.cpp), what stands in files of its own (project_nodes.cpp), what .yml files declare
// (project_declared.cpp), generic tests (project_tests.cpp), and at the end what all of it refers to
// (project_resolve.cpp). Used once, by one thread. Internal to this folder.

#include <cstdint>
#include <deque>
#include <initializer_list>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"
#include "extract/project_config.h"
#include "extract/project_source.h"
#include "extract/yaml.h"
#include "sql/jinja.h"
#include "sql/jinja_macros.h"
#include "sql/parser.h"

namespace tideline::extract {

/// "orders" of "models/marts/orders.sql"; and "sql", in lower case.
std::string_view stem_of(std::string_view path);
std::string extension_of(std::string_view path);

/// An entry of a .yml file that says something of what stands elsewhere, or is something itself.
struct YamlEntry {
  const Yaml* yaml = nullptr;
  const SourceFile* file = nullptr;
};

struct ProjectPackage {
  const PackageFiles* files = nullptr;
  std::string name;
  Yaml settings;
  Variables variables;
  /// Per section of .yml files ("models", "sources" …): the entries in the order of the files.
  std::map<std::string, std::vector<YamlEntry>, std::less<>> entries;
  /// section → name → entry.
  std::map<std::string, std::map<std::string, YamlEntry, std::less<>>, std::less<>> by_name;

  const YamlEntry* find(std::string_view section, std::string_view entry) const {
    const auto names = by_name.find(section);
    if (names == by_name.end()) return nullptr;
    const auto found = names->second.find(entry);
    return found == names->second.end() ? nullptr : &found->second;
  }
};

/// What a node or a macro refers to, before all names are known.
struct NodeReferences {
  std::vector<sql::JinjaRelation> relations;
  std::vector<sql::JinjaCall> macros;
};

struct ProjectNode {
  std::string section;  // of the manifest
  std::string unique_id;
  const ProjectPackage* package = nullptr;
  Json::Object members;
  NodeReferences references;
  std::optional<sql::JinjaResult> read;      // of what has column lineage
  std::string text;                          // that it was read from
  sql::Position begin;                       // of the text in its file
  std::vector<std::string> upstream;         // unique_ids that are known already
  std::vector<std::string> upstream_macros;  // likewise
};

struct ProjectMacro {
  const ProjectPackage* package = nullptr;
  std::string unique_id;
  NodeReferences references;
};

class ProjectReading {
 public:
  ProjectReading(const ProjectFiles& files, std::string adapter) : files_(files), adapter_(std::move(adapter)) {}

  Result<ProjectDocument> run();

  /// The packages with their variables, and all macros: what `options` needs. `run` begins with it.
  Result<void> open();
  const std::deque<ProjectPackage>& packages() const { return packages_; }  // the project first
  /// What a template of the package is read with; they refer to this.
  sql::JinjaOptions options(const ProjectPackage& package, const std::string& adapter) const;

 private:
  // ---- Packages, names, configuration (project_source.cpp) ----

  std::string shown(const ProjectPackage& package, std::string_view path) const;
  void problem(std::string text);
  void problem(const ProjectPackage& package, const YamlEntry& entry, const Yaml& at, std::string_view what);
  /// Whether `value` is of the kind; a problem if not.
  bool expect(const ProjectPackage& package, const YamlEntry& entry, const Yaml& value, Yaml::Kind kind,
              std::string_view name);
  /// The folders of a kind of file, as the package names them.
  static std::vector<std::string> folders(const ProjectPackage& package, std::initializer_list<const char*> keys,
                                          std::initializer_list<const char*> otherwise);
  /// The path below one of the folders; nullopt: it lies in none.
  static std::optional<std::string> below(std::string_view path, const std::vector<std::string>& folders);
  /// Package, folders, name: what configuration is looked up by.
  static std::vector<std::string> parts_of(const ProjectPackage& package, std::string_view below,
                                           std::string_view name);
  Result<void> open(const PackageFiles& files);
  void set_variables(ProjectPackage& package);
  /// The texts of all packages' macros, so that calls of them can be worked out.
  void read_macros();
  /// dbt_project.yml's settings for what has these parts, then those of .yml files and of the file itself; the
  /// project's own word on its packages comes last.
  NodeConfig config_of(const ProjectPackage& package, std::initializer_list<const char*> sections,
                       const std::vector<std::string>& parts, std::initializer_list<const Yaml*> patches,
                       const sql::JinjaResult* file, std::int32_t block);
  void read_descriptions(ProjectPackage& package);
  void read_yaml_files(ProjectPackage& package);
  std::string description(const ProjectPackage& package, const Yaml& yaml);
  Json columns_json(const ProjectPackage& package, const YamlEntry& entry, const Yaml* columns);
  static Json listed(Json value);

  // ---- What stands in files of its own (project_nodes.cpp) ----

  /// What every node has. The caller adds it once it is complete.
  ProjectNode node_of(const ProjectPackage& package, std::string_view section, std::string_view type,
                      std::string_view name, std::string_view path, const NodeConfig& config);
  static void put(ProjectNode& node, std::string_view key, std::string_view text);
  void patch(ProjectNode& node, const ProjectPackage& package, const YamlEntry* entry);
  /// Database and schema as far as they are configured: the target's are not known.
  static void place(ProjectNode& node, const NodeConfig& config, std::string_view name);
  static void take(NodeReferences& references, const sql::JinjaResult& read, std::int32_t block);
  /// What was left open: members of `tideline`.
  static void add_open_ends(ProjectNode& node, const sql::JinjaResult& read, std::string_view text, std::int32_t block);
  void add(ProjectNode node);
  static Json checksum(std::string_view text);
  sql::JinjaResult jinja(const ProjectPackage& package, std::string_view text) const;
  /// A Python model: the literal calls of dbt.ref and the like, as a template of them.
  static std::string calls_in_python(std::string_view text);
  /// For column lineage. `offset`: where the text begins in its file.
  static void keep(ProjectNode& node, sql::JinjaResult read, std::string_view text, const SourceFile& file,
                   std::size_t offset);
  void read_files(ProjectPackage& package);
  struct Version {
    std::string model;
    std::string number;
    Json value;
    const Yaml* yaml = nullptr;
  };
  static std::string latest_version(const Yaml& model);
  /// As it is written: 2 or "2".
  static Json latest_value(const Yaml& model, std::string_view latest);
  void find_versions(const ProjectPackage& package);
  /// The columns of one version: those of the model, by `include` and `exclude`, and its own.
  Json version_columns(const ProjectPackage& package, const YamlEntry& entry, const Yaml& version);
  void read_model(const ProjectPackage& package, const SourceFile& file, const std::string& path, bool is_python);
  void report(const ProjectPackage& package, const SourceFile& file, const sql::JinjaResult& read,
              std::string_view text);
  void read_query(const ProjectPackage& package, const SourceFile& file, const std::string& path, const char* type,
                  std::initializer_list<const char*> sections, const char* section);
  void read_seed(const ProjectPackage& package, const SourceFile& file, const std::string& path);
  /// Files of macros, of generic tests, and of snapshots.
  void read_blocks(const ProjectPackage& package, const SourceFile& file, const std::string& path);
  void read_snapshot(const ProjectPackage& package, const SourceFile& file, const std::string& path,
                     const sql::JinjaResult& read, std::int32_t index);
  /// Snapshots that stand in a .yml file alone: `relation: ref('orders')`.
  void read_yaml_snapshots(const ProjectPackage& package);

  // ---- What .yml files declare (project_declared.cpp) ----

  void read_sources(ProjectPackage& package);
  /// Exposures, metrics, semantic models, saved queries, unit tests: as the .yml says.
  void read_others(ProjectPackage& package);
  /// "ref('x')", "source('a', 'b')" as a template.
  void add_reference(const ProjectPackage& package, ProjectNode& node, std::string_view text);
  void add_upstreams(const ProjectPackage& package, const YamlEntry& entry, std::string_view type, ProjectNode& node);

  // ---- Generic tests (project_tests.cpp) ----

  void read_tests(ProjectPackage& package);
  void tests_of(const ProjectPackage& package, const YamlEntry& entry, const Yaml& target, const std::string& name,
                const std::string& reference, const std::string& id, bool is_source);
  void add_test(const ProjectPackage& package, const YamlEntry& entry, const Yaml& yaml, const std::string& target,
                const std::string& reference, const std::string& target_id, std::string_view column, bool is_source);

  // ---- What is meant, and the document (project_resolve.cpp) ----

  struct Target {
    const ProjectPackage* package;
    std::string version;
    bool is_latest;
    std::string unique_id;
  };
  /// Of the node's own package, of the project, of any other: the first that has it.
  const Target* choose(const std::vector<Target>& candidates, const ProjectPackage& from, std::string_view package,
                       std::string_view version) const;
  const ProjectMacro* find_macro(const sql::JinjaCall& call, const ProjectPackage& from) const;
  const Target* find_target(const sql::JinjaRelation& relation, const ProjectPackage& from) const;
  void add_sql(ProjectNode& node) const;
  void add_relations(const NodeReferences& references, const ProjectPackage& from, ProjectNode& node,
                     std::set<std::string>& up);
  void resolve();
  std::string write();

  struct Wanted {
    std::size_t node;
    std::string kind, name;
  };

  const ProjectFiles& files_;
  std::string adapter_;
  std::optional<sql::JinjaMacros> library_;
  ProjectDocument document_;
  std::deque<ProjectPackage> packages_;
  std::deque<Yaml> trees_;
  Documents documents_;
  std::map<std::string, Version> versions_;  // of the package that is read: file name → version
  std::vector<ProjectNode> nodes_, macro_nodes_;
  std::set<std::string> ids_;
  std::map<std::string, std::vector<Target>, std::less<>> refables_;
  std::map<std::pair<std::string, std::string>, std::vector<Target>> sources_;
  std::map<std::string, std::vector<ProjectMacro>, std::less<>> macros_;
  std::map<std::string, std::string, std::less<>> measures_;
  std::vector<Wanted> wanted_;
};

}  // namespace tideline::extract
