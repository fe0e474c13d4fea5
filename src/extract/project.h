#pragma once
// What all objects of a project share, and how one entry of its manifest becomes facts. Pure. Internal to this folder.

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "extract/facts.h"
#include "extract/node_reader.h"

namespace tideline::extract {

struct Owner {
  std::string text;  // the name, or the e-mail address where there is no name
  std::optional<std::string> email;
};

struct Project {
  std::string name;
  bool from_sources = false;  // read without dbt
  std::string invocation_id;  // empty unless it is a UUID: only then its occurrences are replaced
  std::map<std::pair<std::string, std::string>, Owner, std::less<>> groups;  // (package, group) → owner
};

/// Stands in SQL wherever the id of the run stood: two runs over the same project must give the same text.
inline constexpr std::string_view kInvocationPlaceholder = "00000000-0000-0000-0000-000000000000";

/// From an owner member (canonical JSON: an object with name and email, a text, or a list of texts).
std::optional<Owner> owner_of(const std::optional<std::string>& json);

/// Models, seeds, snapshots, sources: what has a database, a schema and columns.
bool is_relation_type(std::string_view object_type);

/// database.schema.identifier of a relation, without the parts that are not known; empty for what is none.
std::string relation_name(const Node& node, std::string_view object_type);

/// The path of the object's file as FileRecord has it; nullopt where the manifest gives none.
std::optional<std::string> relative_path(const Node& node, std::string_view project_name);

/// "sql", "python", "yaml", "csv", "markdown" or "other".
std::string_view file_type(std::string_view path);

/// All but the catalog's facts and the dependencies. `full_name` empty: the unique_id.
ObjectFacts facts_of(Node&& node, std::string_view unique_id, std::string_view object_type, const Project& project);

}  // namespace tideline::extract
