// What refs, sources and macros mean, once all is read; and the manifest of it all: project_reading.h.

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

/// As Json::canonical, but with members in their order: that of columns counts.
void append_json(std::string& out, const Json& value) {
  if (const auto* list = value.if_array()) {
    out += '[';
    for (std::size_t i = 0; i < list->size(); ++i) {
      if (i > 0) out += ',';
      append_json(out, (*list)[i]);
    }
    out += ']';
  } else if (const auto* object = value.if_object()) {
    out += '{';
    for (std::size_t i = 0; i < object->size(); ++i) {
      if (i > 0) out += ',';
      append_json_string(out, (*object)[i].first);
      out += ':';
      append_json(out, (*object)[i].second);
    }
    out += '}';
  } else {
    out += value.canonical();
  }
}

}  // namespace

/// Of the node's own package, of the project, of any other: the first that has it.
const ProjectReading::Target* ProjectReading::choose(const std::vector<Target>& candidates, const ProjectPackage& from,
                                                     std::string_view package, std::string_view version) const {
  const Target* best = nullptr;
  int best_rank = 4;
  for (const Target& candidate : candidates) {
    if (!package.empty() && candidate.package->name != package) continue;
    if (version.empty() ? !candidate.is_latest : candidate.version != version) continue;
    const int rank = candidate.package == &from ? 1 : candidate.package == &packages_.front() ? 2 : 3;
    if (rank < best_rank) {
      best = &candidate;
      best_rank = rank;
    }
  }
  return best;
}

const ProjectMacro* ProjectReading::find_macro(const sql::JinjaCall& call, const ProjectPackage& from) const {
  for (const std::string& name : {call.name, "default__" + call.name}) {
    if (name != call.name && !call.dispatched) break;
    const auto found = macros_.find(name);
    if (found == macros_.end()) continue;
    const ProjectMacro* best = nullptr;
    int best_rank = 4;
    for (const ProjectMacro& macro : found->second) {
      if (!call.package.empty() && !call.dispatched && macro.package->name != call.package) continue;
      const int rank = macro.package == &from ? 1 : macro.package == &packages_.front() ? 2 : 3;
      if (rank < best_rank) {
        best = &macro;
        best_rank = rank;
      }
    }
    if (best != nullptr) return best;
  }
  return nullptr;
}

const ProjectReading::Target* ProjectReading::find_target(const sql::JinjaRelation& relation,
                                                          const ProjectPackage& from) const {
  if (relation.kind == sql::JinjaRelation::Kind::kRef) {
    const auto found = refables_.find(relation.name);
    return found == refables_.end() ? nullptr : choose(found->second, from, relation.package, relation.version);
  }
  const auto found = sources_.find({relation.source, relation.name});
  return found == sources_.end() ? nullptr : choose(found->second, from, "", "");
}

void ProjectReading::add_sql(ProjectNode& node) const {
  if (!node.read) return;
  auto json = to_json(*node.read, node.text, node.begin, [&](const sql::JinjaRelation& relation) {
    const Target* target = find_target(relation, *node.package);
    return target == nullptr ? std::string() : target->unique_id;
  });
  if (json) node.members.emplace_back("tideline_sql", std::move(*json));
  node.read.reset();
}

void ProjectReading::add_relations(const NodeReferences& references, const ProjectPackage& from, ProjectNode& node,
                                   std::set<std::string>& up) {
  for (const auto& relation : references.relations) {
    const Target* target = find_target(relation, from);
    if (target != nullptr) {
      up.insert(target->unique_id);
    } else if (&from == node.package && relation.certainty == Certainty::kAlways) {
      problem(fmt::format("{}: refers to {}, which is disabled or not there", node.unique_id,
                          relation.source.empty() ? relation.name : relation.source + "." + relation.name));
    }
  }
}

void ProjectReading::resolve() {
  for (const auto& want : wanted_) {
    if (want.node >= nodes_.size()) continue;
    ProjectNode& node = nodes_[want.node];
    if (want.kind == "measure") {
      const auto found = measures_.find(want.name);
      if (found != measures_.end()) node.upstream.push_back(found->second);
    } else {
      for (const ProjectPackage* package : {node.package, static_cast<const ProjectPackage*>(&packages_.front())}) {
        const std::string id = want.kind + "." + package->name + "." + want.name;
        if (!ids_.contains(id)) continue;
        node.upstream.push_back(id);
        break;
      }
    }
  }
  for (auto* list : {&nodes_, &macro_nodes_}) {
    for (ProjectNode& node : *list) {
      std::set<std::string> up(node.upstream.begin(), node.upstream.end()), macros;
      if (node.section != "macros") add_relations(node.references, *node.package, node, up);
      // What its macros refer to, and theirs.
      std::set<const ProjectMacro*> seen;
      std::vector<const ProjectMacro*> waiting;
      const auto follow = [&](const NodeReferences& references, const ProjectPackage& from, bool direct) {
        for (const auto& call : references.macros) {
          const ProjectMacro* macro = find_macro(call, from);
          if (macro == nullptr) continue;
          if (direct && !call.nested) macros.insert(macro->unique_id);
          // What an expanded call refers to is among the references already, for the arguments it has.
          if (!call.expanded && seen.insert(macro).second) waiting.push_back(macro);
        }
      };
      follow(node.references, *node.package, true);
      while (node.section != "macros" && !waiting.empty()) {
        const ProjectMacro* macro = waiting.back();
        waiting.pop_back();
        add_relations(macro->references, *macro->package, node, up);
        follow(macro->references, *macro->package, false);
      }
      add_sql(node);
      up.erase(node.unique_id);
      node.upstream.assign(up.begin(), up.end());
      node.upstream_macros.assign(macros.begin(), macros.end());
    }
  }
}

std::string ProjectReading::write() {
  std::map<std::string, std::string> sections;
  const auto texts = [](const std::vector<std::string>& list) {
    Json::Array out;
    for (const auto& text : list) out.emplace_back(text);
    return Json(std::move(out));
  };
  const auto begin = [](std::string& out, std::string_view id) {
    if (!out.empty()) out += ",\n";
    append_json_string(out, id);
    out += ':';
  };
  for (auto* list : {&nodes_, &macro_nodes_}) {
    for (ProjectNode& node : *list) {
      Json::Object depends;
      depends.emplace_back("nodes", texts(node.upstream));
      depends.emplace_back("macros", texts(node.upstream_macros));
      node.members.emplace_back("unique_id", Json(node.unique_id));
      node.members.emplace_back("depends_on", Json(std::move(depends)));
      std::string& out = sections[node.section];
      begin(out, node.unique_id);
      append_json(out, Json(std::move(node.members)));
    }
  }
  for (const ProjectPackage& package : packages_) {
    const auto groups = package.entries.find("groups");
    if (groups == package.entries.end()) continue;
    for (const YamlEntry& entry : groups->second) {
      const std::string name(entry.yaml->scalar_at("name"));
      Json::Object members;
      members.emplace_back("name", Json(name));
      members.emplace_back("package_name", Json(package.name));
      if (const Yaml* owner = entry.yaml->find("owner")) members.emplace_back("owner", owner->to_json());
      std::string& out = sections["groups"];
      begin(out, "group." + package.name + "." + name);
      out += Json(std::move(members)).canonical();
    }
  }
  std::string out = "{\"metadata\":";
  Json::Object producer;
  producer.emplace_back("producer", Json("project"));
  Json::Object metadata;
  metadata.emplace_back("dbt_schema_version", Json("https://schemas.getdbt.com/dbt/manifest/v12.json"));
  metadata.emplace_back("project_name", Json(document_.project_name));
  if (!adapter_.empty()) metadata.emplace_back("adapter_type", Json(adapter_));
  metadata.emplace_back("tideline", Json(std::move(producer)));
  out += Json(std::move(metadata)).canonical();
  for (const char* section : {"nodes", "sources", "macros", "exposures", "metrics", "semantic_models", "saved_queries",
                              "unit_tests", "groups"}) {
    out += ",\n\"" + std::string(section) + "\":{";
    out += sections[section];
    out += '}';
  }
  return out += "}\n";
}

}  // namespace tideline::extract
