// Models, seeds, snapshots, singular tests, analyses, macros: project_reading.h.

#include "extract/project_reading.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/hash.h"
#include "base/text.h"
#include "extract/dbt_names.h"
#include "extract/template_sql.h"

namespace tideline::extract {
namespace {

using sql::Certainty;

/// Of a node's `tideline` member: a template with more says so.
constexpr std::size_t kMaxOpaque = 30;

// What base/text.h's trim takes away.
constexpr std::string_view kTrimmed = " \t\n\r\f\v";

std::size_t line_of(std::string_view text, std::size_t offset) {
  return 1 +
         static_cast<std::size_t>(std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(offset), '\n'));
}

/// The names in the first line of a CSV file. Empty where it is not in order: one is empty, or there twice, or too
/// many.
std::vector<std::string> header_of(std::string_view text, char delimiter) {
  constexpr std::size_t kMaxColumns = 2'000;
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  std::vector<std::string> names;
  std::set<std::string> seen;
  for (std::size_t at = 0; at <= text.size();) {
    std::string name;
    if (at < text.size() && text[at] == '"') {
      for (++at; at < text.size(); ++at) {
        if (text[at] == '"' && (at + 1 == text.size() || text[at + 1] != '"')) break;
        if (text[at] == '"') ++at;
        name += text[at];
      }
      ++at;
    } else {
      while (at < text.size() && text[at] != delimiter && text[at] != '\n' && text[at] != '\r') name += text[at++];
    }
    name = trim(name);
    if (name.empty() || name.size() > 1'000 || !seen.insert(ascii_lower(name)).second || names.size() == kMaxColumns)
      return {};
    names.push_back(std::move(name));
    if (at >= text.size() || text[at] != delimiter) return names;
    ++at;
  }
  return names;
}

}  // namespace

/// What every node has. The caller adds it once it is complete.
ProjectNode ProjectReading::node_of(const ProjectPackage& package, std::string_view section, std::string_view type,
                                    std::string_view name, std::string_view path, const NodeConfig& config) {
  ProjectNode node;
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

void ProjectReading::put(ProjectNode& node, std::string_view key, std::string_view text) {
  if (!text.empty()) node.members.emplace_back(key, Json(std::string(text)));
}

void ProjectReading::patch(ProjectNode& node, const ProjectPackage& package, const YamlEntry* entry) {
  if (entry == nullptr) return;
  put(node, "patch_path", package.name + "://" + entry->file->path);
  put(node, "description", description(package, *entry->yaml));
  if (node.section == "macros") return;
  node.members.emplace_back("columns", columns_json(package, *entry, entry->yaml->find("columns")));
  if (const Yaml* constraints = entry->yaml->find("constraints"))
    node.members.emplace_back("constraints", constraints->to_json());
}

/// Database and schema as far as they are configured: the target's are not known.
void ProjectReading::place(ProjectNode& node, const NodeConfig& config, std::string_view name) {
  put(node, "database", config.text("database").empty() ? config.text("target_database") : config.text("database"));
  put(node, "schema", config.text("target_schema"));
  const std::string alias = config.text("alias");
  put(node, "alias", alias.empty() ? name : std::string_view(alias));
}

void ProjectReading::take(NodeReferences& references, const sql::JinjaResult& read, std::int32_t block) {
  for (const auto& relation : read.relations)
    if (relation.block == block && relation.certainty != Certainty::kNever &&
        relation.kind != sql::JinjaRelation::Kind::kThis)
      references.relations.push_back(relation);
  for (const auto& call : read.macros)
    if (call.block == block && call.certainty != Certainty::kNever) references.macros.push_back(call);
}

/// What was left open: members of `tideline`.
void ProjectReading::add_open_ends(ProjectNode& node, const sql::JinjaResult& read, std::string_view text,
                                   std::int32_t block) {
  Json::Array opaque;
  std::set<std::pair<std::string_view, std::string>> seen;
  for (const auto& one : read.opaque) {
    if (!seen.emplace(to_string(one.reason), one.within + "\n" + one.name).second) continue;
    if (opaque.size() == kMaxOpaque) break;
    Json::Object member;
    member.emplace_back("reason", Json(std::string(to_string(one.reason))));
    if (!one.name.empty()) member.emplace_back("name", Json(one.name.substr(0, 200)));
    if (!one.within.empty()) member.emplace_back("within", Json(one.within.substr(0, 200)));
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

void ProjectReading::add(ProjectNode node) {
  if (node.unique_id.size() > 1000) return problem(node.unique_id.substr(0, 100) + "…: the name is too long");
  if (!ids_.insert(node.unique_id).second)
    return problem(fmt::format("{}: there are two of this name; the first counts", node.unique_id));
  nodes_.push_back(std::move(node));
}

Json ProjectReading::checksum(std::string_view text) {
  Json::Object members;
  members.emplace_back("name", Json("sha256"));
  members.emplace_back("checksum", Json(hex(sha256(text))));
  return Json(std::move(members));
}

sql::JinjaResult ProjectReading::jinja(const ProjectPackage& package, std::string_view text) const {
  return read_jinja(text, options(package, adapter_));
}

/// A Python model: the literal calls of dbt.ref and the like, as a template of them.
std::string ProjectReading::calls_in_python(std::string_view text) {
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
void ProjectReading::keep(ProjectNode& node, sql::JinjaResult read, std::string_view text, const SourceFile& file,
                          std::size_t offset) {
  node.read = std::move(read);
  node.text = text;
  node.begin = sql::position_of(static_cast<std::uint32_t>(std::min(offset, file.text.size())), file.text);
}

void ProjectReading::read_files(ProjectPackage& package) {
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

std::string ProjectReading::latest_version(const Yaml& model) {
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
Json ProjectReading::latest_value(const Yaml& model, std::string_view latest) {
  if (const Yaml* given = model.find("latest_version"); given != nullptr && given->is_scalar()) return given->to_json();
  if (const Yaml* versions = model.find("versions"))
    for (const Yaml& version : versions->items)
      if (version.scalar_at("v") == latest) return version.find("v")->to_json();
  return {};
}

void ProjectReading::find_versions(const ProjectPackage& package) {
  versions_.clear();
  const auto models = package.entries.find("models");
  if (models == package.entries.end()) return;
  for (const YamlEntry& entry : models->second) {
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
Json ProjectReading::version_columns(const ProjectPackage& package, const YamlEntry& entry, const Yaml& version) {
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

void ProjectReading::read_model(const ProjectPackage& package, const SourceFile& file, const std::string& path,
                                bool is_python) {
  const std::string file_name(stem_of(file.path));
  const auto version = versions_.find(file_name);
  const std::string name = version == versions_.end() ? file_name : version->second.model;
  const YamlEntry* entry = package.find("models", name);
  if (version == versions_.end() && entry != nullptr && entry->yaml->find("versions") != nullptr) entry = nullptr;
  const std::string text(trim(file.text));
  const std::string calls = is_python ? calls_in_python(text) : "";
  const auto read = jinja(package, is_python ? calls : text);
  report(package, file, read, is_python ? calls : text);
  NodeConfig config;
  config =
      config_of(package, {"models"}, parts_of(package, path, file_name),
                {entry != nullptr ? entry->yaml : nullptr, version == versions_.end() ? nullptr : version->second.yaml},
                &read, sql::kNoBlock);
  if (config.find("materialized") == nullptr) config.set("materialized", Json(is_python ? "table" : "view"));
  if (config.is_disabled()) return;
  ProjectNode node = node_of(package, "nodes", "model", name, file.path, config);
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

void ProjectReading::report(const ProjectPackage& package, const SourceFile& file, const sql::JinjaResult& read,
                            std::string_view text) {
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

void ProjectReading::read_query(const ProjectPackage& package, const SourceFile& file, const std::string& path,
                                const char* type, std::initializer_list<const char*> sections, const char* section) {
  const std::string name(stem_of(file.path));
  const YamlEntry* entry = package.find(section, name);
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
  ProjectNode node = node_of(package, "nodes", type, name, file.path, config);
  put(node, "alias", name);
  put(node, "raw_code", text);
  put(node, "language", "sql");
  node.members.emplace_back("checksum", checksum(file.text));
  patch(node, package, entry);
  take(node.references, read, sql::kNoBlock);
  add_open_ends(node, read, text, sql::kNoBlock);
  add(std::move(node));
}

void ProjectReading::read_seed(const ProjectPackage& package, const SourceFile& file, const std::string& path) {
  const std::string name(stem_of(file.path));
  const YamlEntry* entry = package.find("seeds", name);
  NodeConfig config = config_of(package, {"seeds"}, parts_of(package, path, name),
                                {entry != nullptr ? entry->yaml : nullptr}, nullptr, 0);
  config.set("materialized", Json("seed"));
  if (config.is_disabled()) return;
  ProjectNode node = node_of(package, "nodes", "seed", name, file.path, config);
  place(node, config, name);
  node.members.emplace_back("checksum", checksum(file.text));
  patch(node, package, entry);
  const std::string delimiter = config.text("delimiter");
  if (auto columns = header_of(file.text, delimiter.empty() ? ',' : delimiter.front()); !columns.empty()) {
    Json::Array names;
    for (auto& column : columns) names.emplace_back(std::move(column));
    node.members.emplace_back("tideline_columns", Json(std::move(names)));
  }
  refables_[name].push_back({&package, "", true, node.unique_id});
  add(std::move(node));
}

/// Files of macros, of generic tests, and of snapshots.
void ProjectReading::read_blocks(const ProjectPackage& package, const SourceFile& file, const std::string& path) {
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
    const YamlEntry* entry = package.find("macros", block.name);
    ProjectNode node = node_of(package, "macros", "macro", name, file.path, NodeConfig());
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

void ProjectReading::read_snapshot(const ProjectPackage& package, const SourceFile& file, const std::string& path,
                                   const sql::JinjaResult& read, std::int32_t index) {
  const auto& block = read.blocks[static_cast<std::size_t>(index)];
  const YamlEntry* entry = package.find("snapshots", block.name);
  auto parts = parts_of(package, path, stem_of(file.path));
  if (parts.back() != block.name) parts.push_back(block.name);
  NodeConfig config =
      config_of(package, {"snapshots"}, parts, {entry != nullptr ? entry->yaml : nullptr}, &read, index);
  config.set("materialized", Json("snapshot"));
  if (config.is_disabled()) return;
  ProjectNode node = node_of(package, "nodes", "snapshot", block.name, file.path, config);
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
void ProjectReading::read_yaml_snapshots(const ProjectPackage& package) {
  const auto found = package.entries.find("snapshots");
  if (found == package.entries.end()) return;
  for (const YamlEntry& entry : found->second) {
    const std::string relation(entry.yaml->scalar_at("relation"));
    if (relation.empty()) continue;
    const std::string name(entry.yaml->scalar_at("name"));
    const auto read = jinja(package, "{{ " + relation + " }}");
    NodeConfig config = config_of(package, {"snapshots"}, {package.name, name}, {entry.yaml}, nullptr, 0);
    config.set("materialized", Json("snapshot"));
    if (config.is_disabled()) continue;
    ProjectNode node = node_of(package, "nodes", "snapshot", name, entry.file->path, config);
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

}  // namespace tideline::extract
