#pragma once
// The configuration of a node without dbt: dbt_project.yml's trees, .yml files, config() calls; and values of .yml
// files with the Jinja in them. Pure. Internal to this folder.

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "extract/yaml.h"
#include "sql/jinja.h"

namespace tideline::extract {

using Variables = std::map<std::string, sql::JinjaValue, std::less<>>;
using Documents = std::map<std::string, std::string, std::less<>>;  // docs blocks: name → text

sql::JinjaValue to_jinja(const Yaml& value);
/// null for what is not known.
Json to_json(const sql::JinjaValue& value);

/// Settings by name. `tags` add up, `meta` is merged, of the others the last counts.
class NodeConfig {
 public:
  void set(const std::string& key, Json value);
  /// Of one tree in dbt_project.yml, for the node with these parts: package, folders, name.
  void apply_tree(const Yaml& tree, const std::vector<std::string>& parts, const Variables& variables);
  /// A `config:` member of a .yml file.
  void apply(const Yaml& config, const Variables& variables);
  void apply(const std::vector<sql::JinjaConfig>& calls, std::int32_t block);

  const Json* find(std::string_view key) const;
  std::string text(std::string_view key) const;
  bool is_disabled() const;
  Json::Object object() const;

 private:
  std::map<std::string, Json, std::less<>> settings_;
};

/// A value of a .yml file; texts with Jinja in them are worked out as far as is known, else they stay as written.
Json rendered(const Yaml& value, const Variables& variables);
std::string rendered(std::string_view text, const Variables& variables, const Documents* documents = nullptr);

}  // namespace tideline::extract
