#pragma once
// Values and what they are made of. A node is a value of a row somewhere in the query: a column of a relation that is
// read (a leaf), or something computed of other nodes. What is passed on unchanged, through CTEs, subqueries, renaming
// and *, stays the same node. Internal to this folder.

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "lineage/names.h"
#include "lineage/reason.h"
#include "sql/token.h"

namespace tideline::lineage {

using NodeId = std::uint32_t;

/// What happens to a value on its way, from little to much.
enum class Transform : std::uint8_t { kNone, kCalculated, kWindow, kAggregated };

/// How a value takes part in another. Joined over several ways by `merge`.
struct Way {
  Transform transform = Transform::kNone;
  bool conditional = false;
  std::uint16_t confidence = 1000;
  Reason doubt = Reason::kNone;

  /// This way, and then that one.
  Way then(const Way& next) const;
  /// This way or that one: the strongest transform, conditional if both are, the higher confidence. Whether anything
  /// changed.
  bool merge(const Way& other);
};

struct Input {
  NodeId node = kNone;
  Way way;
};

class Graph {
 public:
  /// What is no node of its own: a value made of nothing.
  NodeId nothing() const { return 0; }
  /// What differs from row to row without being made of a column: rownum, a pseudo-column.
  NodeId of_row() const { return 1; }

  Graph();
  NodeId leaf(std::uint32_t source);
  /// `gap` kNone: none. `of_rows`: it depends on which rows there are, whatever its inputs: count(*), row_number().
  NodeId make(std::span<const Input> inputs, sql::Span span, std::uint32_t gap, bool of_rows = false);
  /// The same value, as the column `ephemeral` (a number of the caller's) of an ephemeral model.
  NodeId make_ephemeral(NodeId node, std::uint32_t ephemeral);
  /// A node whose second input is set later: a column of a recursive CTE.
  NodeId make_recursive(NodeId anchor);
  void close(NodeId recursive, NodeId step);

  sql::Span span(NodeId node) const { return nodes_[node].span; }
  bool is_of_rows(NodeId node) const { return nodes_[node].of_rows; }
  std::size_t size() const { return nodes_.size(); }

  struct Reached {
    std::uint32_t source;
    Way way;
  };
  /// Everything `node` is made of. Results are valid until the next call. Visits at most `budget` inputs and lowers it
  /// by what it visited; false: that was not enough.
  bool reach(NodeId node, std::size_t& budget);
  std::span<const Reached> sources() const { return sources_; }  // sorted by source
  std::span<const std::uint32_t> gaps() const { return gaps_; }  // sorted
  /// Those of make_ephemeral on the way, as `source`; not those that are only reached through others. Sorted.
  std::span<const Reached> ephemerals() const { return ephemerals_; }
  bool of_rows() const { return of_rows_; }

 private:
  struct Node {
    std::uint32_t first_input = 0;
    std::uint32_t input_count = 0;
    std::uint32_t source = kNone;
    std::uint32_t gap = kNone;
    std::uint32_t ephemeral = kNone;
    bool of_rows = false;
    sql::Span span;
  };
  struct Mark {
    std::uint32_t round = 0;
    bool queued = false;
    bool behind = false;  // every way to it leads through an ephemeral model
    Way way;
  };

  std::vector<Node> nodes_;
  std::vector<Input> inputs_;
  std::vector<Mark> marks_;
  std::uint32_t round_ = 0;
  std::vector<NodeId> queue_;
  std::vector<NodeId> touched_;
  std::vector<Reached> sources_;
  std::vector<Reached> ephemerals_;
  std::vector<std::uint32_t> gaps_;
  bool of_rows_ = false;
};

}  // namespace tideline::lineage
