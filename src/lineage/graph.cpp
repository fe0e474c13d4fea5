#include "lineage/graph.h"

#include <algorithm>

namespace tideline::lineage {

Way Way::then(const Way& next) const {
  Way way;
  way.transform = std::max(transform, next.transform);
  way.conditional = conditional || next.conditional;
  way.confidence = std::min(confidence, next.confidence);
  way.doubt = confidence <= next.confidence ? doubt : next.doubt;
  return way;
}

bool Way::merge(const Way& other) {
  bool changed = false;
  if (other.transform > transform) transform = other.transform, changed = true;
  if (conditional && !other.conditional) conditional = false, changed = true;
  if (other.confidence > confidence) confidence = other.confidence, doubt = other.doubt, changed = true;
  return changed;
}

Graph::Graph() {
  nodes_.resize(2);
  nodes_[1].of_rows = true;
}

NodeId Graph::leaf(std::uint32_t source) {
  nodes_.emplace_back().source = source;
  return static_cast<NodeId>(nodes_.size() - 1);
}

NodeId Graph::make(std::span<const Input> inputs, sql::Span span, std::uint32_t gap, bool of_rows) {
  Node& node = nodes_.emplace_back();
  node.first_input = static_cast<std::uint32_t>(inputs_.size());
  node.input_count = static_cast<std::uint32_t>(inputs.size());
  node.gap = gap;
  node.of_rows = of_rows;
  node.span = span;
  inputs_.insert(inputs_.end(), inputs.begin(), inputs.end());
  return static_cast<NodeId>(nodes_.size() - 1);
}

NodeId Graph::make_ephemeral(NodeId node, std::uint32_t ephemeral) {
  const Input input{node, {}};
  const NodeId made = make({&input, 1}, nodes_[node].span, kNone, nodes_[node].of_rows);
  nodes_[made].ephemeral = ephemeral;
  return made;
}

NodeId Graph::make_recursive(NodeId anchor) {
  const Input inputs[2] = {{anchor, {}}, {nothing(), {}}};
  return make(inputs, {}, kNone, true);
}

void Graph::close(NodeId recursive, NodeId step) { inputs_[nodes_[recursive].first_input + 1].node = step; }

bool Graph::reach(NodeId node, std::size_t& budget) {
  sources_.clear();
  ephemerals_.clear();
  gaps_.clear();
  of_rows_ = false;
  queue_.clear();
  touched_.clear();
  marks_.resize(nodes_.size());
  ++round_;
  marks_[node] = {round_, true, false, {}};
  queue_.push_back(node);
  touched_.push_back(node);
  // A node comes back when a better way to it is found: each part of a way can only grow, so a few times.
  while (!queue_.empty()) {
    const NodeId at = queue_.back();
    queue_.pop_back();
    marks_[at].queued = false;
    const Node& here = nodes_[at];
    if (budget < here.input_count + 1) return false;
    budget -= here.input_count + 1;
    for (std::uint32_t i = 0; i < here.input_count; ++i) {
      const Input& input = inputs_[here.first_input + i];
      const Way way = marks_[at].way.then(input.way);
      const bool behind = marks_[at].behind || here.ephemeral != kNone;
      Mark& mark = marks_[input.node];
      if (mark.round != round_) {
        mark = {round_, true, behind, way};
        touched_.push_back(input.node);
      } else {
        const bool nearer = mark.behind && !behind;
        if (nearer) mark.behind = false;
        if ((!mark.way.merge(way) && !nearer) || mark.queued) continue;
      }
      mark.queued = true;
      queue_.push_back(input.node);
    }
  }
  for (const NodeId at : touched_) {
    if (nodes_[at].source != kNone) sources_.push_back({nodes_[at].source, marks_[at].way});
    if (nodes_[at].ephemeral != kNone && !marks_[at].behind)
      ephemerals_.push_back({nodes_[at].ephemeral, marks_[at].way});
    of_rows_ |= nodes_[at].of_rows;
    if (nodes_[at].gap != kNone) gaps_.push_back(nodes_[at].gap);
  }
  const auto by_source = [](const Reached& a, const Reached& b) { return a.source < b.source; };
  std::sort(sources_.begin(), sources_.end(), by_source);
  std::sort(ephemerals_.begin(), ephemerals_.end(), by_source);
  // Several nodes may stand for one source.
  std::size_t kept = 0;
  for (const Reached& reached : sources_) {
    if (kept > 0 && sources_[kept - 1].source == reached.source)
      sources_[kept - 1].way.merge(reached.way);
    else
      sources_[kept++] = reached;
  }
  sources_.resize(kept);
  std::sort(gaps_.begin(), gaps_.end());
  gaps_.erase(std::unique(gaps_.begin(), gaps_.end()), gaps_.end());
  return true;
}

}  // namespace tideline::lineage
