#pragma once
// The variables a dbt project gives its models, for who reads one of its files alone.

#include <map>
#include <string>
#include <string_view>

#include "sql/jinja_value.h"

namespace tideline::extract {

/// `vars` of a dbt_project.yml, those under the project's own name above the others. Empty where there are none, or
/// where the file cannot be read: what depends on them is then a gap. Pure.
std::map<std::string, sql::JinjaValue, std::less<>> project_variables(std::string_view yaml);

}  // namespace tideline::extract
