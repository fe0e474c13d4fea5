#include "extract/project.h"

#include <algorithm>
#include <array>

#include "base/json.h"
#include "base/text.h"
#include "extract/json_value.h"

namespace tideline::extract {
namespace {

std::string json_text(std::string_view text) {
  std::string out;
  append_json_string(out, text);
  return out;
}

/// Collects members that have a value.
class Members {
 public:
  void text(std::string_view key, const std::optional<std::string>& value) {
    if (value && !value->empty()) members_.emplace_back(key, json_text(*value));
  }
  void json(std::string_view key, const std::optional<std::string>& canonical) {
    if (canonical && !says_nothing(*canonical)) members_.emplace_back(key, *canonical);
  }
  std::string object() const { return object_of(members_); }
  std::vector<std::pair<std::string, std::string>> sorted() && {
    std::sort(members_.begin(), members_.end());
    return std::move(members_);
  }

 private:
  std::vector<std::pair<std::string, std::string>> members_;
};

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
}

/// Empty text is no value.
std::optional<std::string> taken(std::optional<std::string>& text) {
  if (text && text->empty()) text.reset();
  return std::move(text);
}

std::string tidy_path(std::string path) {
  std::replace(path.begin(), path.end(), '\\', '/');
  return path;
}

std::string in_package(std::string_view package, std::string_view project, std::string path) {
  path = tidy_path(std::move(path));
  if (package.empty() || package == project) return path;
  return "dbt_packages/" + std::string(package) + "/" + path;
}

/// "package://path" (v1: a path alone) as a path from the project's root; nullopt for an absolute one, which would
/// differ from folder to folder.
std::optional<std::string> patch_path(const Node& node, std::string_view project) {
  const auto& patch = node[Field::kPatchPath];
  if (!patch || patch->empty()) return std::nullopt;
  const std::size_t scheme = patch->find("://");
  const std::string package =
      scheme == std::string::npos ? node[Field::kPackageName].value_or("") : patch->substr(0, scheme);
  std::string path = scheme == std::string::npos ? *patch : patch->substr(scheme + 3);
  if (path.starts_with('/') || path.starts_with('\\') || (path.size() > 1 && path[1] == ':')) return std::nullopt;
  return in_package(package, project, std::move(path));
}

std::optional<std::string> metric_json(const Node& node) {
  Members members;
  members.text("label", node[Field::kLabel]);
  members.text("type", node[Field::kType]);
  members.text("expression", node[Field::kExpression]);
  members.text("model", node[Field::kModel]);
  members.json("type_params", node[Field::kTypeParams]);
  members.json("filter", node[Field::kFilter]);
  members.json("dimensions", node[Field::kDimensions]);
  return members.object();
}

/// The members that belong to one type of object alone, under that type's name.
void add_own_members(const Node& node, std::string_view type, Members& members) {
  Members own;
  if (type == "source") {
    members.text("source_name", node[Field::kSourceName]);
    members.text("identifier", node[Field::kIdentifier]);
    members.text("loader", node[Field::kLoader]);
    members.json("freshness", node[Field::kFreshness]);
  } else if (type == "test") {
    members.json("test", node[Field::kTestMetadata]);
    members.text("column_name", node[Field::kColumnName]);
    members.text("attached_node", node[Field::kAttachedNode]);
    members.text("severity", node[Field::kSeverity]);
  } else if (type == "exposure") {
    own.text("type", node[Field::kType]);
    own.text("maturity", node[Field::kMaturity]);
    own.text("url", node[Field::kUrl]);
    own.text("label", node[Field::kLabel]);
    members.json("exposure", own.object());
  } else if (type == "metric") {
    members.json("metric", metric_json(node));
  } else if (type == "semantic_model") {
    own.text("model", node[Field::kModel]);
    own.text("label", node[Field::kLabel]);
    own.json("entities", node[Field::kEntities]);
    own.json("dimensions", node[Field::kDimensions]);
    own.json("measures", node[Field::kMeasures]);
    members.json("semantic_model", own.object());
  } else if (type == "saved_query") {
    own.text("label", node[Field::kLabel]);
    own.json("query_params", node[Field::kQueryParams]);
    own.json("exports", node[Field::kExports]);
    members.json("saved_query", own.object());
  } else if (type == "unit_test") {
    own.text("model", node[Field::kModel]);
    members.json("unit_test", own.object());
  } else if (type == "macro") {
    members.json("arguments", node[Field::kArguments]);
  }
}

std::optional<Owner> group_owner(const Node& node, const Project& project) {
  const auto& group = node[Field::kGroup];
  if (!group) return std::nullopt;
  const auto found = project.groups.find(std::pair(node[Field::kPackageName].value_or(""), *group));
  return found == project.groups.end() ? std::nullopt : std::optional(found->second);
}

std::optional<Owner> meta_owner(const Node& node) {
  const auto& meta = node[Field::kMeta];
  if (!meta || meta->find("\"owner\"") == std::string::npos) return std::nullopt;
  const auto parsed = Json::parse(*meta, "meta");
  const Json* owner = parsed ? parsed->find("owner") : nullptr;
  return owner == nullptr ? std::nullopt : owner_of(owner->canonical());
}

}  // namespace

std::optional<Owner> owner_of(const std::optional<std::string>& json) {
  if (!json) return std::nullopt;
  const auto parsed = Json::parse(*json, "owner");
  if (!parsed) return std::nullopt;
  // One name, or a list of them.
  const auto text_of_member = [](const Json* member) -> std::string {
    if (member == nullptr) return {};
    if (const auto* text = member->if_string()) return *text;
    std::string joined;
    if (const auto* list = member->if_array())
      for (const Json& item : *list)
        if (const auto* text = item.if_string()) joined += (joined.empty() ? "" : ", ") + *text;
    return joined;
  };
  Owner owner;
  if (parsed->if_object() != nullptr) {
    owner.text = text_of_member(parsed->find("name"));
    if (const std::string email = text_of_member(parsed->find("email")); !email.empty()) owner.email = email;
    if (owner.text.empty()) owner.text = owner.email.value_or("");
  } else {
    owner.text = text_of_member(&*parsed);
  }
  if (owner.text.empty()) return std::nullopt;
  owner.text = without_nul(std::move(owner.text));
  if (owner.email) owner.email = without_nul(std::move(*owner.email));
  return owner;
}

bool is_relation_type(std::string_view type) {
  return type == "model" || type == "seed" || type == "snapshot" || type == "source";
}

std::string relation_name(const Node& node, std::string_view object_type) {
  if (!is_relation_type(object_type)) return {};
  const auto& given = object_type == "source" ? node[Field::kIdentifier] : node[Field::kAlias];
  const auto& last = given && !given->empty() ? given : node[Field::kName];
  if (!last || last->empty()) return {};
  std::string name;
  for (const auto* part : {&node[Field::kDatabase], &node[Field::kSchema], &last}) {
    if (!*part || (*part)->empty()) continue;
    if (!name.empty()) name += '.';
    name += **part;
  }
  return name;
}

std::optional<std::string> relative_path(const Node& node, std::string_view project_name) {
  const auto& path = node[Field::kOriginalFilePath];
  if (!path || path->empty()) return std::nullopt;
  return in_package(node[Field::kPackageName].value_or(""), project_name, *path);
}

std::string_view file_type(std::string_view path) {
  const std::size_t dot = path.rfind('.');
  if (dot == std::string_view::npos) return "other";
  const std::string extension = ascii_lower(path.substr(dot + 1));
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 6> kTypes{
      {{"sql", "sql"}, {"py", "python"}, {"yml", "yaml"}, {"yaml", "yaml"}, {"csv", "csv"}, {"md", "markdown"}}};
  for (const auto& [ending, type] : kTypes)
    if (ending == extension) return type;
  return "other";
}

ObjectFacts facts_of(Node&& node, std::string_view unique_id, std::string_view object_type, const Project& project) {
  ObjectFacts facts;
  facts.unique_id = unique_id;
  facts.object_type = object_type;
  facts.from_project = project.from_sources;
  facts.full_name = relation_name(node, object_type);
  if (facts.full_name.empty()) facts.full_name = unique_id;
  facts.relative_path = relative_path(node, project.name);
  facts.is_relation = is_relation_type(object_type) && node[Field::kMaterialized] != "ephemeral";
  facts.has_compiled =
      object_type == "model" || object_type == "snapshot" || object_type == "analysis" || object_type == "test";

  Members members;
  members.text("unique_id", facts.unique_id);
  members.text("package_name", node[Field::kPackageName]);
  std::string tags;
  JsonWriter list(tags);
  list.begin_array();
  for (const auto& tag : node.tags) list.string(tag);
  list.end_array();
  members.json("tags", tags);
  members.json("meta", node[Field::kMeta]);
  members.text("materialization", node[Field::kMaterialized]);
  members.text("group", node[Field::kGroup]);
  members.text("access", node[Field::kAccess]);
  members.json("version", node[Field::kVersion]);
  members.json("latest_version", node[Field::kLatestVersion]);
  members.text("language", node[Field::kLanguage]);
  members.text("relation_name", node[Field::kRelationName]);
  members.json("constraints", node[Field::kConstraints]);
  members.text("patch_path", patch_path(node, project.name));
  members.json("project_source", node[Field::kOpenEnds]);
  add_own_members(node, object_type, members);

  auto owner = group_owner(node, project);
  if (!owner) owner = owner_of(node[Field::kOwner]);
  if (!owner) owner = meta_owner(node);
  if (owner) {
    facts.owner = owner->text;
    members.text("owner_email", owner->email);
  }
  facts.metadata = std::move(members).sorted();

  if (auto name = taken(node[Field::kName])) {
    facts.name = std::move(*name);
  } else {
    facts.name = unique_id.substr(unique_id.rfind('.') + 1);
    note(facts.warnings, facts.unique_id + ": has no name; the end of its unique_id stands for it");
  }
  facts.schema_name = taken(node[Field::kSchema]);
  facts.database_name = taken(node[Field::kDatabase]);
  facts.definition = taken(node[Field::kRawCode]);
  if (facts.has_compiled) facts.compiled_definition = taken(node[Field::kCompiledCode]);
  if (project.from_sources) {
    facts.template_sql = taken(node[Field::kTemplateSql]);
    if (const auto& header = node[Field::kSeedColumns]; header && object_type == "seed")
      if (const auto parsed = Json::parse(*header, "tideline_columns"); parsed && parsed->if_array() != nullptr)
        for (const Json& name : *parsed->if_array())
          if (name.if_string() != nullptr) facts.seed_columns.push_back(*name.if_string());
  }
  facts.description = taken(node[Field::kDescription]);
  if (!project.invocation_id.empty())
    for (auto* sql : {&facts.definition, &facts.compiled_definition})
      if (*sql) replace_all(**sql, project.invocation_id, kInvocationPlaceholder);

  facts.columns = std::move(node.columns);
  facts.warnings.insert(facts.warnings.begin(), std::make_move_iterator(node.warnings.begin()),
                        std::make_move_iterator(node.warnings.end()));
  return facts;
}

}  // namespace tideline::extract
