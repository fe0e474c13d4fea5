#include "extract/ephemeral.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "base/text.h"
#include "lineage/names.h"
#include "lineage/packed.h"

namespace tideline::extract {
namespace {

using lineage::EdgeKind;
using lineage::kNone;
using lineage::OutputColumn;
using lineage::QueryLineage;
using lineage::ValueEdge;

// Of one model. A wide ephemeral model under a wide one has some thousand.
constexpr std::size_t kMaxEdges = 200'000;

/// Reads, sources and gaps of a result that is put together; each once.
class Parts {
 public:
  explicit Parts(QueryLineage& result) : result_(result) {}

  std::uint32_t source(const QueryLineage& from, std::uint32_t source) {
    const auto& column = from.sources[source];
    const std::uint32_t read = this->read(from.reads[column.read]);
    const auto [at, fresh] =
        sources_.emplace(std::pair(read, column.name), static_cast<std::uint32_t>(result_.sources.size()));
    if (fresh) result_.sources.push_back({read, column.name, column.known});
    return at->second;
  }
  std::uint32_t read(const lineage::ReadRelation& read) {
    const auto [at, fresh] =
        reads_.emplace(std::pair(read.relation, read.name), static_cast<std::uint32_t>(result_.reads.size()));
    if (fresh) result_.reads.push_back(read);
    return at->second;
  }
  std::uint32_t gap(lineage::Gap gap) {
    const auto [at, fresh] =
        gaps_.emplace(std::pair(gap.reason, gap.subject), static_cast<std::uint32_t>(result_.gaps.size()));
    if (fresh) result_.gaps.push_back(std::move(gap));
    return at->second;
  }

 private:
  QueryLineage& result_;
  std::map<std::pair<std::uint32_t, std::string>, std::uint32_t> sources_;
  std::map<std::pair<lineage::RelationIndex, std::string>, std::uint32_t> reads_;
  std::map<std::pair<lineage::Reason, std::string>, std::uint32_t> gaps_;
};

/// A place in another model's text is none in this one's.
lineage::Gap elsewhere(const lineage::Gap& gap) { return {gap.reason, gap.subject, {}}; }

EdgeKind after(EdgeKind first, EdgeKind second, std::string_view source, std::string_view target) {
  const EdgeKind kind = std::max(first, second);
  if (kind >= EdgeKind::kCalculated) return kind;
  return lineage::same_ignoring_case(source, target) ? EdgeKind::kDirect : EdgeKind::kRenamed;
}

/// Where it comes in by several ways: the kind that says most, the way that is surest.
void merge(std::vector<ValueEdge>& edges, const ValueEdge& edge) {
  for (ValueEdge& there : edges) {
    if (there.source != edge.source) continue;
    there.kind = std::max(there.kind, edge.kind);
    there.conditional &= edge.conditional;
    if (edge.confidence > there.confidence) there.confidence = edge.confidence, there.doubt = edge.doubt;
    return;
  }
  edges.push_back(edge);
}

}  // namespace

std::vector<std::uint32_t> SeeThrough::read_by(std::uint32_t model) const {
  std::vector<std::uint32_t> models;
  for (const lineage::RelationIndex relation : project_.reads(model))
    if (const std::uint32_t upstream = ephemeral_(relation); upstream != kNone) models.push_back(upstream);
  return models;
}

QueryLineage SeeThrough::lineage(std::uint32_t model) const {
  const auto found = replaced_.find(model);
  return found == replaced_.end() ? project_.lineage(model) : lineage::unpack(found->second);
}

void SeeThrough::add(std::uint32_t model) {
  // What it reads comes first. Without recursion: a chain may be long.
  std::vector<std::uint32_t> waiting{model};
  while (!waiting.empty()) {
    const std::uint32_t at = waiting.back();
    const auto [state, fresh] = seen_.emplace(at, false);
    if (fresh) {
      for (const std::uint32_t upstream : read_by(at))
        if (!seen_.contains(upstream)) waiting.push_back(upstream);
      continue;
    }
    waiting.pop_back();
    if (std::exchange(state->second, true) || read_by(at).empty()) continue;
    const QueryLineage through = replaced(project_.lineage(at));
    std::size_t edges = 0;
    for (const auto& column : through.columns) edges += column.edges.size();
    if (edges <= kMaxEdges) replaced_.emplace(at, lineage::pack(through));
  }
}

QueryLineage SeeThrough::replaced(const QueryLineage& original) const {
  QueryLineage result;
  result.columns_complete = original.columns_complete;
  result.gaps = {};
  result.target = original.target;
  result.failed = original.failed;
  result.steps = original.steps;
  Parts parts(result);
  for (const auto& gap : original.gaps) {
    result.gaps.push_back(gap);  // their numbers stay
  }

  struct Upstream {
    std::optional<QueryLineage> lineage;
    std::map<std::string, const OutputColumn*> columns;  // in lower case
  };
  std::vector<Upstream> upstreams(original.reads.size());
  for (std::size_t i = 0; i < original.reads.size(); ++i) {
    const auto& read = original.reads[i];
    const std::uint32_t model = read.relation == kNone ? kNone : ephemeral_(read.relation);
    const auto done = seen_.find(model);
    if (model == kNone || done == seen_.end() || !done->second) {
      parts.read(read);
      continue;
    }
    upstreams[i].lineage = lineage(model);
    for (const auto& column : upstreams[i].lineage->columns)
      upstreams[i].columns.emplace(ascii_lower(column.name), &column);
    for (const auto& further : upstreams[i].lineage->reads) parts.read(further);
    for (const auto& gap : upstreams[i].lineage->gaps) parts.gap(elsewhere(gap));
  }

  for (const OutputColumn& column : original.columns) {
    OutputColumn& out = result.columns.emplace_back(column);
    out.edges.clear();
    bool only_constants = !column.edges.empty();
    for (const ValueEdge& edge : column.edges) {
      const auto& source = original.sources[edge.source];
      const Upstream& upstream = upstreams[source.read];
      if (!upstream.lineage) {
        ValueEdge same = edge;
        same.source = parts.source(original, edge.source);
        merge(out.edges, same);
        only_constants = false;
        continue;
      }
      const auto found = upstream.columns.find(ascii_lower(source.name));
      if (found == upstream.columns.end()) {
        out.gaps.push_back(parts.gap({lineage::Reason::kUnknownColumn, source.name, {}}));
        only_constants = false;
        continue;
      }
      only_constants &= found->second->constant;
      for (const std::uint32_t gap : found->second->gaps)
        out.gaps.push_back(parts.gap(elsewhere(upstream.lineage->gaps[gap])));
      for (const ValueEdge& inner : found->second->edges) {
        ValueEdge through;
        through.source = parts.source(*upstream.lineage, inner.source);
        through.kind = after(inner.kind, edge.kind, upstream.lineage->sources[inner.source].name, column.name);
        through.conditional = inner.conditional || edge.conditional;
        const ValueEdge& weaker = inner.confidence < edge.confidence ? inner : edge;
        through.confidence = weaker.confidence;
        through.doubt = weaker.doubt;
        merge(out.edges, through);
      }
    }
    out.constant |= only_constants && out.edges.empty() && out.gaps.empty();
    std::sort(out.gaps.begin(), out.gaps.end());
    out.gaps.erase(std::unique(out.gaps.begin(), out.gaps.end()), out.gaps.end());
    std::sort(out.edges.begin(), out.edges.end(), [](const auto& a, const auto& b) { return a.source < b.source; });
  }

  // What decides about the rows of an ephemeral model decides about those of its readers.
  std::set<lineage::Influence> influences;
  for (const auto& influence : original.influences) {
    const auto& source = original.sources[influence.source];
    const Upstream& upstream = upstreams[source.read];
    if (!upstream.lineage) {
      influences.insert({parts.source(original, influence.source), influence.kind});
      continue;
    }
    const auto found = upstream.columns.find(ascii_lower(source.name));
    if (found == upstream.columns.end()) continue;
    for (const ValueEdge& inner : found->second->edges)
      influences.insert({parts.source(*upstream.lineage, inner.source), influence.kind});
  }
  for (const Upstream& upstream : upstreams)
    if (upstream.lineage)
      for (const auto& influence : upstream.lineage->influences)
        influences.insert({parts.source(*upstream.lineage, influence.source), influence.kind});
  result.influences.assign(influences.begin(), influences.end());
  return result;
}

}  // namespace tideline::extract
