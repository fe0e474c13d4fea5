#pragma once
// The names that dbt makes of generic tests, so that what is read without dbt has the ids that dbt gives. Pure.
// Internal to this folder.

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"

namespace tideline::extract {

struct GenericTest {
  std::string name_space;  // "dbt_utils"; empty: none
  std::string name;        // "not_null"
  std::string model;       // "{{ get_where_subquery(ref('orders')) }}"
  Json::Object arguments;  // as the .yml gives them, column_name among them
};

struct TestNames {
  std::string full;   // of the unique_id
  std::string alias;  // below 64 characters
};

/// `target`: the model's name, or source and table. `is_source`: it is a source.
TestNames test_names(const GenericTest& test, std::string_view target, bool is_source);

/// The ten hexadecimal digits at the end of the unique_id.
std::string test_hash(const GenericTest& test, std::string_view full_name);

/// As Python's str() and repr() write values of a .yml file.
std::string python_str(const Json& value);
std::string python_repr(const Json& value);

}  // namespace tideline::extract
