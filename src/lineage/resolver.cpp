#include "lineage/resolver.h"

#include <algorithm>
#include <unordered_set>

#include "base/text.h"

namespace tideline::lineage {
namespace {

EdgeKind kind_of(const Way& way, std::string_view source, std::string_view target) {
  switch (way.transform) {
    case Transform::kNone:
      return same_ignoring_case(source, target) ? EdgeKind::kDirect : EdgeKind::kRenamed;
    case Transform::kCalculated:
      return EdgeKind::kCalculated;
    case Transform::kWindow:
      return EdgeKind::kWindow;
    case Transform::kAggregated:
      return EdgeKind::kAggregated;
  }
  return EdgeKind::kCalculated;
}

}  // namespace

std::string_view to_string(EdgeKind kind) {
  constexpr std::string_view kWords[] = {"direct", "renamed",  "calculated", "window", "aggregated",
                                         "joined", "filtered", "grouped",    "ordered"};
  return kWords[static_cast<std::size_t>(kind)];
}

bool is_snapshot_column(std::string_view name) {
  return std::any_of(std::begin(kSnapshotColumns), std::end(kSnapshotColumns),
                     [&](std::string_view one) { return same_ignoring_case(one, name); });
}

Resolver::Resolver(const sql::Parsed& parsed, const sql::Dialect& dialect, const Relations& relations,
                   const Reader& reader)
    : parsed_(parsed),
      dialect_(dialect),
      relations_(relations),
      reader_(reader),
      budget_(kFreeSteps + kStepsPerByte * parsed.text.size()) {}

QueryLineage Resolver::failure(Reason reason, std::string subject, sql::Span span) {
  QueryLineage result;
  result.failed = true;
  result.columns_complete = false;
  result.gaps.push_back({reason, std::move(subject), span});
  result.steps = spent_;
  return result;
}

QueryLineage Resolver::run() {
  find_doubts();
  Shape* shape = nullptr;
  std::vector<std::string> target;
  for (std::size_t i = parsed_.statements.size(); i-- > 0 && shape == nullptr;) {
    target.clear();
    script_tables_.clear();
    current_statement_ = i;
    note_script(i);
    shape = statement(*parsed_.statements[i], target);
  }
  if (spent_ > budget_) return failure(Reason::kTooComplex, "", {});
  if (shape == nullptr) {
    for (const auto& diagnostic : parsed_.diagnostics) {
      const bool is_template = diagnostic.code == sql::DiagnosticCode::kTemplate;
      const bool is_too_large =
          diagnostic.code == sql::DiagnosticCode::kTooDeep || diagnostic.code == sql::DiagnosticCode::kTooLong;
      return failure(is_template    ? Reason::kOpaqueMacro
                     : is_too_large ? Reason::kTooComplex
                                    : Reason::kParseError,
                     told(diagnostic.message), diagnostic.span);
    }
    return failure(Reason::kNoQuery, "", {});
  }
  complete_by_catalog(*shape);
  add_demanded(*shape);
  QueryLineage result = result_of(shape, std::move(target));
  if (spent_ > budget_) return failure(Reason::kTooComplex, "", {});
  if (reader_.stand_ins != nullptr) note_stand_ins(result);
  return result;
}

std::string Resolver::told(std::string_view message) const {
  constexpr std::string_view kBegin = "__jinja_", kEnd = "__";
  std::string out;
  while (reader_.stand_ins != nullptr) {
    const std::size_t begin = message.find(kBegin);
    const std::size_t end = begin == std::string_view::npos ? begin : message.find(kEnd, begin + kBegin.size());
    if (end == std::string_view::npos) break;
    const std::string_view name = message.substr(begin, end + kEnd.size() - begin);
    const auto found = reader_.stand_ins->unknown.find(std::string(name));
    out += message.substr(0, begin);
    out += found == reader_.stand_ins->unknown.end() ? std::string(name) : "{{ " + found->second + " }}";
    message.remove_prefix(end + kEnd.size());
  }
  out += message;
  return out;
}

void Resolver::note_stand_ins(QueryLineage& result) const {
  for (const std::string& mark : reader_.stand_ins->marks) {
    const auto is_told = [&](const Gap& gap) { return gap.reason == Reason::kOpaqueMacro && gap.subject == mark; };
    if (std::none_of(result.gaps.begin(), result.gaps.end(), is_told))
      result.gaps.push_back({Reason::kOpaqueMacro, mark, {}});
  }
  const bool is_one_of_several =
      reader_.stand_ins->is_one_of_several ||
      std::any_of(doubts_.begin(), doubts_.end(), [](const Doubt& doubt) { return !doubt.placed; });
  for (OutputColumn& column : result.columns) {
    std::uint16_t most = is_one_of_several ? kThroughTemplate : std::uint16_t{1000};
    for (const std::uint32_t one : column.gaps)
      if (result.gaps[one].reason == Reason::kOpaqueMacro) most = kThroughTemplate;
    for (ValueEdge& edge : column.edges) {
      if (edge.confidence <= most) continue;
      edge.confidence = most;
      edge.doubt = Reason::kOpaqueMacro;
    }
  }
}

void Resolver::complete_by_catalog(Shape& shape) {
  if (!shape.open || reader_.expected == nullptr || !reader_.expected->complete() || shape.relation != nullptr ||
      shape.read != kNone)
    return;
  const RelationColumns& expected = *reader_.expected;
  if (!step(expected.listed())) return;
  std::vector<ShapeColumn> added;
  for (std::size_t i = 0; i < expected.listed(); ++i) {
    const Name name(expected.name(i), true);
    if (find_known(shape, name) != kNone || (reader_.is_snapshot && is_snapshot_column(expected.name(i)))) continue;
    const NodeId node = find_open(shape, name, {});
    if (node == kNone) return;  // one that * cannot give: the catalog is of other SQL
    added.push_back({name, node});
  }
  shape.columns.insert(shape.columns.end(), added.begin(), added.end());
  shape.open = false;
}

void Resolver::add_demanded(Shape& shape) {
  if (!shape.open || shape.relation != nullptr || shape.read != kNone) return;
  const RelationColumns* expected = reader_.expected;
  const std::size_t documented = expected == nullptr || expected->complete() ? 0 : expected->size();
  const std::size_t wanted = reader_.demanded.size() + reader_.documented.size() + documented;
  if (!step(wanted)) return;
  std::vector<ShapeColumn> added;
  std::unordered_set<std::string> names;  // in lower case
  const auto add = [&](std::string_view wanted_name, bool by_others) {
    const Name name(wanted_name, true);
    if (find_known(shape, name) != kNone || (reader_.is_snapshot && is_snapshot_column(wanted_name))) return;
    if (!names.insert(ascii_lower(wanted_name)).second) return;
    const NodeId node = find_open(shape, name, {});
    if (node != kNone) added.push_back({name, by_others ? node : by_documentation(node)});
  };
  for (const std::string& name : reader_.demanded) add(name, true);
  for (const std::string& name : reader_.documented) add(name, false);
  for (std::size_t i = 0; i < documented; ++i) add(expected->name(i), false);
  demanded_from_ = shape.columns.size();
  shape.columns.insert(shape.columns.end(), added.begin(), added.end());
}

void Resolver::add_columns(Shape& shape, QueryLineage& result) {
  const std::size_t count = size_of(shape);
  if (!step(count)) return;
  result.columns.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    const Name name = name_at(shape, i);
    const NodeId node = node_at(shape, i);
    OutputColumn& column = result.columns.emplace_back();
    column.name = sql::normalize_identifier(name.text, name.quoted, sql::NameKind::kColumn, dialect_);
    if (reader_.expected != nullptr)
      if (const std::uint32_t at = reader_.expected->find(name, dialect_); at != kNone)
        column.name = reader_.expected->name(at);
    std::size_t left = budget_ - std::min(spent_, budget_);
    const std::size_t before = left;
    if (!graph_.reach(node, left)) {
      spent_ = budget_ + 1;
      return;
    }
    spent_ += before - left;
    const auto add = [&](const auto& all, const auto& names, auto& edges) {
      for (const auto& reached : all) {
        ValueEdge& edge = edges.emplace_back();
        edge.source = reached.source;
        edge.kind = kind_of(reached.way, names[reached.source].name, column.name);
        edge.conditional = reached.way.conditional;
        edge.confidence = reached.way.confidence;
        edge.doubt = reached.way.doubt;
      }
    };
    add(graph_.sources(), sources_, column.edges);
    add(graph_.ephemerals(), ephemerals_, column.ephemerals);
    column.documented = named_.contains(node);
    column.demanded = i >= demanded_from_;
    column.gaps.assign(graph_.gaps().begin(), graph_.gaps().end());
    if (shape.relation == nullptr) column.place = shape.columns[i].place;
    column.expression = graph_.span(node);
    column.constant = column.edges.empty() && column.gaps.empty() && !graph_.of_rows();
  }
}

bool Resolver::add_influences(Shape& root, QueryLineage& result, std::vector<bool>& used_gaps) {
  std::vector<Shape*> queue{&root};
  root.visited = true;
  std::unordered_map<std::uint64_t, bool> done;
  const auto use = [&](std::uint32_t gap) {
    if (gap != kNone) used_gaps[gap] = true;
  };
  while (!queue.empty()) {
    Shape* shape = queue.back();
    queue.pop_back();
    if (!step(1 + shape->inner.size() + shape->influences.size())) return false;
    for (const std::uint32_t one : shape->gaps) use(one);
    for (Shape* inner : shape->inner) {
      if (inner->visited) continue;
      inner->visited = true;
      queue.push_back(inner);
    }
    for (const RowInfluence& influence : shape->influences) {
      const auto key = (std::uint64_t{influence.node} << 8U) | static_cast<std::uint64_t>(influence.kind);
      if (!done.emplace(key, true).second) continue;
      std::size_t left = budget_ - std::min(spent_, budget_);
      const std::size_t before = left;
      if (!graph_.reach(influence.node, left)) return false;
      spent_ += before - left;
      for (const auto& reached : graph_.sources()) result.influences.push_back({reached.source, influence.kind});
      for (const auto& reached : graph_.ephemerals())
        result.ephemeral_influences.push_back({reached.source, influence.kind});
      for (const std::uint32_t one : graph_.gaps()) use(one);
    }
  }
  for (auto* all : {&result.influences, &result.ephemeral_influences}) {
    std::sort(all->begin(), all->end());
    all->erase(std::unique(all->begin(), all->end()), all->end());
  }
  return true;
}

QueryLineage Resolver::result_of(Shape* shape, std::vector<std::string> target) {
  QueryLineage result;
  result.target = std::move(target);
  add_columns(*shape, result);
  std::vector<bool> used(gaps_.size() + 1, false);
  if (!add_influences(*shape, result, used)) {
    spent_ = budget_ + 1;
    return result;
  }
  result.columns_complete = !shape->open;
  if (shape->open && shape->gap != kNone) used[shape->gap] = true;
  for (const auto& column : result.columns)
    for (const std::uint32_t one : column.gaps) used[one] = true;

  std::vector<std::uint32_t> numbers(gaps_.size(), kNone);
  for (std::size_t i = 0; i < gaps_.size(); ++i) {
    if (!used[i]) continue;
    numbers[i] = static_cast<std::uint32_t>(result.gaps.size());
    result.gaps.push_back(gaps_[i]);
  }
  for (auto& column : result.columns)
    for (std::uint32_t& one : column.gaps) one = numbers[one];

  // Whatever could not be read is told, also where nothing hangs on it.
  const bool is_told = std::any_of(result.gaps.begin(), result.gaps.end(), [](const Gap& one) {
    return one.reason == Reason::kParseError || one.reason == Reason::kOpaqueMacro;
  });
  if (!parsed_.diagnostics.empty() && !is_told) {
    const auto& first = parsed_.diagnostics.front();
    const bool is_template = first.code == sql::DiagnosticCode::kTemplate;
    result.gaps.push_back({is_template ? Reason::kOpaqueMacro : Reason::kParseError, told(first.message), first.span});
  }
  result.reads = std::move(reads_);
  result.sources = std::move(sources_);
  result.ephemerals = std::move(ephemerals_);
  result.steps = spent_;
  return result;
}

QueryLineage analyse(const sql::Parsed& parsed, const sql::Dialect& dialect, const Relations& relations,
                     const Reader& reader) {
  return Resolver(parsed, dialect, relations, reader).run();
}

QueryLineage analyse(std::string_view text, const sql::Dialect& dialect, const Relations& relations,
                     const Reader& reader) {
  return analyse(sql::parse(text, dialect), dialect, relations, reader);
}

}  // namespace tideline::lineage
