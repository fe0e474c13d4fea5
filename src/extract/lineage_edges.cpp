#include "extract/lineage_edges.h"

#include <algorithm>

#include "base/text.h"
#include "extract/lineage_text.h"
#include "model/confidence.h"

namespace tideline::extract {
namespace {

using lineage::EdgeKind;
using lineage::Reason;

constexpr std::string_view kEveryColumn = "*";  // the target of what decides about rows

/// Of several kinds the one that says most.
int strength(EdgeKind kind) { return static_cast<int>(kind); }

MergedEdges::Edge influence(EdgeKind kind, const EdgeSource& source) {
  return {kind, false, 1000, Reason::kNone, source};
}

/// Why an edge is uncertain, and whether it only decides.
std::map<std::string, std::string> metadata_of(const MergedEdges::Edge& edge) {
  std::map<std::string, std::string> members;
  if (edge.conditional) members["conditional"] = "true";
  if (edge.doubt != Reason::kNone) members["reason"] = json_string(to_string(edge.doubt));
  return members;
}

}  // namespace

std::string column_key(const std::string& name, const std::unordered_map<std::string, int>& spellings) {
  std::string lower = ascii_lower(name);
  const auto found = spellings.find(lower);
  return found != spellings.end() && found->second > 1 ? name : lower;
}

void MergedEdges::add(const lineage::ValueEdge& edge, const EdgeSource& source) {
  Edge& merged = edges_[{source.object, source.key}];
  if (strength(edge.kind) > strength(merged.kind)) merged.kind = edge.kind;
  merged.conditional &= edge.conditional;
  if (edge.confidence > merged.confidence) merged.confidence = edge.confidence, merged.doubt = edge.doubt;
  merged.source = source;
}

// ---- Rows

void EdgeRows::add(const MergedEdges& edges, const EdgeTarget& target) {
  const std::string key = column_key(target.name, spellings_);
  for (const auto& [source, edge] : edges.all()) add(edge, target, key);
}

void EdgeRows::add_influence(EdgeKind kind, const EdgeSource& source) {
  if (!influences_.insert({{source.object, source.key}, kind}).second) return;
  const std::string every(kEveryColumn);
  add(influence(kind, source), {every, {}}, every);
}

void EdgeRows::add(const MergedEdges::Edge& edge, const EdgeTarget& target, const std::string& key) {
  ColumnLineageRecord& row = rows_.lineage.emplace_back();
  row.connection_id = connection_.value;
  row.source_object_id = edge.source.object;
  row.source_column = edge.source.name;
  row.target_object_id = rows_.object.id;
  row.target_column = target.name;
  row.expression = target.expression;
  row.transformation_type = to_string(edge.kind);
  row.confidence = {edge.confidence};
  row.extracted_from = extracted_from_;
  row.metadata = with_members({}, metadata_of(edge));
  row.source_connection_id = edge.source.connection;
  row.source_full_name = edge.source.full_name;
  row.id =
      column_lineage_id(connection_, unique_id_, key, edge.source.object, edge.source.key, row.transformation_type);
}

// ---- Out of ephemeral models

void EphemeralEdges::add(const MergedEdges& edges, const EdgeTarget& target) {
  for (const auto& [source, edge] : edges.all()) add(edge, target);
}

void EphemeralEdges::add_influence(EdgeKind kind, const EdgeSource& source) {
  if (influences_.insert({{source.object, source.key}, kind}).second)
    add(influence(kind, source), {std::string(kEveryColumn), {}});
}

void EphemeralEdges::add(const MergedEdges::Edge& edge, const EdgeTarget& target) {
  auto members = metadata_of(edge);
  members["source_column"] = json_string(edge.source.name);
  members["target_column"] = json_string(target.name);
  members["transformation_type"] = json_string(to_string(edge.kind));
  if (target.expression) members["expression"] = json_string(*target.expression);
  if (edge.confidence < 1000) append_confidence(members["confidence"], edge.confidence);
  of_[edge.source.object].push_back(with_members({}, members).text);
}

void EphemeralEdges::put_into(std::vector<DependencyRecord>& dependencies) {
  for (auto& row : dependencies) {
    row.metadata = {};
    const auto found = of_.find(row.source_object_id);
    if (found == of_.end() || row.dependency_type == "macro") continue;
    std::sort(found->second.begin(), found->second.end());
    std::string list = "[";
    for (const auto& edge : found->second) (list += list.size() > 1 ? "," : "") += edge;
    row.metadata = with_members({}, {{"columns", list + "]"}});
  }
}

}  // namespace tideline::extract
