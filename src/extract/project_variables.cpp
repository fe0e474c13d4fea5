#include "extract/project_variables.h"

#include "extract/project_config.h"
#include "extract/yaml.h"

namespace tideline::extract {

std::map<std::string, sql::JinjaValue, std::less<>> project_variables(std::string_view text) {
  Variables variables;
  const auto settings = read_yaml(text, "dbt_project.yml");
  const Yaml* vars = settings ? settings->find("vars") : nullptr;
  if (vars == nullptr || !vars->is_map()) return variables;
  for (std::size_t i = 0; i < vars->keys.size(); ++i) variables[vars->keys[i]] = to_jinja(vars->items[i]);
  if (const Yaml* own = vars->find(settings->scalar_at("name")); own != nullptr && own->is_map())
    for (std::size_t i = 0; i < own->keys.size(); ++i) variables[own->keys[i]] = to_jinja(own->items[i]);
  return variables;
}

}  // namespace tideline::extract
