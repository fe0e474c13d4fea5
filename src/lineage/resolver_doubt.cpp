// SQL that is one of several that a template may give: which columns hang on it.

#include <algorithm>

#include "lineage/resolver.h"

namespace tideline::lineage {
namespace {

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v'; }
bool is_within(sql::Span inner, sql::Span outer) { return inner.begin >= outer.begin && inner.end <= outer.end; }

}  // namespace

void Resolver::find_doubts() {
  if (reader_.stand_ins == nullptr) return;
  const std::string_view text = parsed_.text;
  for (sql::Span span : reader_.stand_ins->doubtful) {
    if (span.end > text.size() || span.begin > span.end || !step()) continue;
    while (span.begin < span.end && is_space(text[span.begin])) ++span.begin;
    while (span.begin < span.end && is_space(text[span.end - 1])) --span.end;
    if (span.empty())
      while (span.begin > 0 && is_space(text[span.begin - 1])) span.begin = --span.end;
    Doubt& doubt = doubts_.emplace_back();
    doubt.span = span;
    // `, b` and `a,` are items of their own; of nothing it is not known what might stand there.
    doubt.joins_left = span.empty() || text[span.begin] != ',';
    doubt.joins_right = span.empty() || text[span.end - 1] != ',';
  }
}

void Resolver::place_doubts(sql::Span rows) {
  for (Doubt& doubt : doubts_) doubt.placed |= is_within(doubt.span, rows);
}

void Resolver::place_doubts(const sql::Select& select) {
  if (select.items.empty() || !step(doubts_.size() * (1 + select.items.size()))) return;
  const sql::Span first = select.items.front().span, last = select.items.back().span;
  const auto is_there = [](const auto* reference) { return reference != nullptr; };
  if (first.empty() || !std::all_of(select.from.begin(), select.from.end(), is_there)) return;
  sql::Span list{first.begin, select.span.end};
  if (!select.from.empty()) {
    list.end = select.from.front()->span.begin;
    if (list.end < last.end) return;  // FROM t SELECT a
    place_doubts({select.from.back()->span.end, select.span.end});
  }
  for (Doubt& doubt : doubts_) {
    if (!is_within(doubt.span, list)) continue;
    // What a * stands for is more than what is seen here.
    doubt.placed |= std::none_of(select.items.begin(), select.items.end(), [&](const sql::SelectItem& item) {
      return item.value == nullptr || (item.span.begin <= doubt.span.end && item.span.end >= doubt.span.begin &&
                                       item.value->kind == sql::NodeKind::kStar);
    });
  }
}

bool Resolver::is_doubted(sql::Span item) const {
  const std::string_view text = parsed_.text;
  return std::any_of(doubts_.begin(), doubts_.end(), [&](const Doubt& doubt) {
    std::uint32_t begin = doubt.span.begin, end = doubt.span.end;
    while (doubt.joins_left && begin > 0 && is_space(text[begin - 1])) --begin;
    while (doubt.joins_right && end < text.size() && is_space(text[end])) ++end;
    const bool touches_left = doubt.joins_left ? item.end >= begin : item.end > begin;
    const bool touches_right = doubt.joins_right ? item.begin <= end : item.begin < end;
    return touches_left && touches_right;
  });
}

NodeId Resolver::doubted(NodeId node, sql::Span item) {
  if (!step(doubts_.size()) || !is_doubted(item)) return node;
  const Input input{node, {Transform::kNone, false, kThroughTemplate, Reason::kOpaqueMacro}};
  return graph_.make({&input, 1}, graph_.span(node), kNone, graph_.is_of_rows(node));
}

void Resolver::doubt_query(sql::Span query, Shape& shape) {
  if (shape.open || shape.relation != nullptr || shape.read != kNone || shape.is_value) return;
  for (Doubt& doubt : doubts_) {
    if (doubt.span.begin != query.begin || doubt.span.end != query.end || !step(shape.columns.size())) continue;
    doubt.placed = true;
    for (ShapeColumn& column : shape.columns) {
      const Input input{column.node, {Transform::kNone, false, kThroughTemplate, Reason::kOpaqueMacro}};
      column.node = graph_.make({&input, 1}, graph_.span(column.node), kNone, graph_.is_of_rows(column.node));
    }
  }
}

}  // namespace tideline::lineage
