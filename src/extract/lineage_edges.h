#pragma once
// Column lineage of one object as rows: what reaches a column merged into edges, edges into `columns_lineage`, and
// those out of ephemeral models into the metadata of dependencies. What they say: docs/lineage.md.

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "extract/rows.h"
#include "lineage/result.h"

namespace tideline::extract {

/// The upstream end of an edge.
struct EdgeSource {
  Uuid object;
  Uuid connection;
  std::string_view full_name;
  std::string name;
  std::string key;  // the column, as ids have it
};

struct EdgeTarget {
  std::string name;
  std::optional<std::string> expression;
};

/// Of one column. Two spellings of a relation's name, or of a column's, are one source.
class MergedEdges {
 public:
  struct Edge {
    lineage::EdgeKind kind = lineage::EdgeKind::kDirect;
    bool conditional = true;
    std::uint16_t confidence = 0;
    lineage::Reason doubt = lineage::Reason::kNone;
    EdgeSource source;
  };

  void add(const lineage::ValueEdge& edge, const EdgeSource& source);
  const std::map<std::pair<Uuid, std::string>, Edge>& all() const { return edges_; }

 private:
  std::map<std::pair<Uuid, std::string>, Edge> edges_;
};

/// A column as ids have it: in lower case, unless another differs by case alone.
std::string column_key(const std::string& name, const std::unordered_map<std::string, int>& spellings);

/// Edges into one object, as rows. What is given by reference outlives it.
class EdgeRows {
 public:
  EdgeRows(const ConnectionId& connection, std::string_view unique_id, std::string_view extracted_from,
           const std::unordered_map<std::string, int>& spellings, ObjectRows& rows)
      : connection_(connection),
        unique_id_(unique_id),
        extracted_from_(extracted_from),
        spellings_(spellings),
        rows_(rows) {}

  void add(const MergedEdges& edges, const EdgeTarget& target);
  void add_influence(lineage::EdgeKind kind, const EdgeSource& source);

 private:
  void add(const MergedEdges::Edge& edge, const EdgeTarget& target, const std::string& key);

  const ConnectionId& connection_;
  std::string_view unique_id_;
  std::string_view extracted_from_;
  const std::unordered_map<std::string, int>& spellings_;
  ObjectRows& rows_;
  std::set<std::pair<std::pair<Uuid, std::string>, lineage::EdgeKind>> influences_;
};

/// Edges out of the ephemeral models that an object reads, as `columns` in the metadata of its dependencies on them: no
/// relation of these models is ever built, so they are no column lineage (the edges that see through them are).
class EphemeralEdges {
 public:
  void add(const MergedEdges& edges, const EdgeTarget& target);
  void add_influence(lineage::EdgeKind kind, const EdgeSource& source);
  /// Of the object. Replaces their metadata.
  void put_into(std::vector<DependencyRecord>& dependencies);

 private:
  void add(const MergedEdges::Edge& edge, const EdgeTarget& target);

  std::map<Uuid, std::vector<std::string>> of_;  // JSON, by ephemeral model
  std::set<std::pair<std::pair<Uuid, std::string>, lineage::EdgeKind>> influences_;
};

}  // namespace tideline::extract
