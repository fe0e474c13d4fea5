// Generic tests, with the names that dbt gives them: project_reading.h.

#include "extract/project_reading.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/hash.h"
#include "base/text.h"
#include "extract/dbt_names.h"
#include "extract/template_sql.h"

namespace tideline::extract {

void ProjectReading::read_tests(ProjectPackage& package) {
  static constexpr std::pair<std::string_view, std::string_view> kKinds[] = {
      {"models", "model"}, {"seeds", "seed"}, {"snapshots", "snapshot"}};
  for (const auto& [section, type] : kKinds) {
    const auto found = package.entries.find(section);
    if (found == package.entries.end()) continue;
    for (const YamlEntry& entry : found->second) {
      const std::string name(entry.yaml->scalar_at("name"));
      if (const Yaml* versions = entry.yaml->find("versions"); versions != nullptr && versions->is_list()) {
        for (const Yaml& version : versions->items) {
          const std::string v(version.scalar_at("v"));
          const std::string id = fmt::format("model.{}.{}.v{}", package.name, name, v);
          if (!v.empty() && ids_.contains(id))
            tests_of(package, entry, *entry.yaml, name + "_v" + v, fmt::format("ref('{}', version='{}')", name, v), id,
                     false);
        }
        continue;
      }
      const std::string id = fmt::format("{}.{}.{}", type, package.name, name);
      if (ids_.contains(id)) tests_of(package, entry, *entry.yaml, name, fmt::format("ref('{}')", name), id, false);
    }
  }
  const auto found = package.entries.find("sources");
  if (found == package.entries.end()) return;
  for (const YamlEntry& entry : found->second) {
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

void ProjectReading::tests_of(const ProjectPackage& package, const YamlEntry& entry, const Yaml& target,
                              const std::string& name, const std::string& reference, const std::string& id,
                              bool is_source) {
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

void ProjectReading::add_test(const ProjectPackage& package, const YamlEntry& entry, const Yaml& yaml,
                              const std::string& target, const std::string& reference, const std::string& target_id,
                              std::string_view column, bool is_source) {
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

  ProjectNode node = node_of(package, "nodes", "test", names.full, entry.file->path, config);
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

}  // namespace tideline::extract
