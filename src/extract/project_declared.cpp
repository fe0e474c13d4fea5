// Sources, exposures, metrics, semantic models, saved queries, unit tests: project_reading.h.

#include "extract/project_reading.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/hash.h"
#include "base/text.h"
#include "extract/dbt_names.h"
#include "extract/template_sql.h"

namespace tideline::extract {

void ProjectReading::read_sources(ProjectPackage& package) {
  const auto found = package.entries.find("sources");
  if (found == package.entries.end()) return;
  for (const YamlEntry& entry : found->second) {
    const Yaml& group = *entry.yaml;
    const std::string group_name(group.scalar_at("name"));
    const Yaml* tables = group.find("tables");
    if (tables == nullptr || !expect(package, entry, *tables, Yaml::Kind::kList, "tables")) continue;
    const auto at = [&](const Yaml& yaml, const char* key) { return rendered(yaml.scalar_at(key), package.variables); };
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
      ProjectNode node = node_of(package, "sources", "source", name, entry.file->path, config);
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
void ProjectReading::read_others(ProjectPackage& package) {
  static constexpr std::pair<std::string_view, std::string_view> kKinds[] = {{"exposures", "exposure"},
                                                                             {"semantic_models", "semantic_model"},
                                                                             {"metrics", "metric"},
                                                                             {"saved_queries", "saved_query"},
                                                                             {"unit_tests", "unit_test"}};
  for (const auto& [section, type] : kKinds) {
    const auto found = package.entries.find(section);
    if (found == package.entries.end()) continue;
    for (const YamlEntry& entry : found->second) {
      const Yaml& yaml = *entry.yaml;
      const std::string name(yaml.scalar_at("name"));
      const std::string section_name(section);
      const NodeConfig config = config_of(package, {section_name.c_str()}, {package.name, name}, {&yaml}, nullptr, 0);
      if (config.is_disabled()) continue;
      ProjectNode node = node_of(package, section, type, name, entry.file->path, config);
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
void ProjectReading::add_reference(const ProjectPackage& package, ProjectNode& node, std::string_view text) {
  take(node.references, jinja(package, "{{ " + std::string(text) + " }}"), sql::kNoBlock);
}

void ProjectReading::add_upstreams(const ProjectPackage& package, const YamlEntry& entry, std::string_view type,
                                   ProjectNode& node) {
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
          if (open != std::string_view::npos && close > open) later("metric", text.substr(open + 1, close - open - 1));
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

}  // namespace tideline::extract
