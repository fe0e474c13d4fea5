// * and COLUMNS(…): which columns they stand for.

#include <algorithm>
#include <optional>
#include <utility>

#include "base/text.h"
#include "lineage/functions.h"
#include "lineage/name_pattern.h"
#include "lineage/resolver.h"

namespace tideline::lineage {
namespace {

/// SQL's LIKE without an escape, ignoring case. Linear: of several % only the last one is gone back to.
bool is_like(std::string_view text, std::string_view pattern) {
  std::size_t t = 0, p = 0, star = std::string_view::npos, mark = 0;
  while (t < text.size()) {
    if (p < pattern.size() && (pattern[p] == '_' || same_ignoring_case(text.substr(t, 1), pattern.substr(p, 1)))) {
      ++t, ++p;
    } else if (p < pattern.size() && pattern[p] == '%') {
      star = p++;
      mark = t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++mark;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '%') ++p;
  return p == pattern.size();
}

/// Whether the operator holds of the name; also where it is one that is not read.
bool is_liked(const sql::Like& like, std::string_view name) {
  for (const auto* pattern : like.patterns) {
    const auto* text = sql::as<sql::Literal>(pattern);
    if (text == nullptr || text->literal != sql::LiteralKind::kString) continue;
    bool holds = false;
    if (like.text == "like" || like.text == "ilike") {
      holds = is_like(name, text->value);
    } else if (like.text == "similar to" || like.text == "rlike" || like.text == "regexp") {
      const bool whole = like.text == "similar to";
      const auto compiled =
          NamePattern::parse(whole ? "^(?:" + std::string(text->value) + ")$" : std::string(text->value));
      std::size_t steps = 0;
      if (!compiled) continue;
      holds = !compiled->search(name, steps).empty();
    } else if (like.text == "glob") {
      std::string pattern_text(text->value);
      for (char& c : pattern_text) c = c == '*' ? '%' : c == '?' ? '_' : c;
      holds = is_like(name, pattern_text);
    } else {
      continue;
    }
    if (holds == like.negated) return false;
  }
  return true;
}

}  // namespace

const sql::Columns* columns_in(const sql::Expression* expression) {
  using sql::NodeKind;
  if (expression == nullptr) return nullptr;
  const auto first = [](auto list) -> const sql::Columns* {
    for (const auto* one : list)
      if (const auto* found = columns_in(one); found != nullptr) return found;
    return nullptr;
  };
  switch (expression->kind) {
    case NodeKind::kColumns:
      return static_cast<const sql::Columns*>(expression)->unpack ? nullptr
                                                                  : static_cast<const sql::Columns*>(expression);
    case NodeKind::kUnary:
      return columns_in(static_cast<const sql::Unary*>(expression)->operand);
    case NodeKind::kOperation:
      return first(static_cast<const sql::Operation*>(expression)->operands);
    case NodeKind::kCast:
      return columns_in(static_cast<const sql::Cast*>(expression)->operand);
    case NodeKind::kIs:
      return columns_in(static_cast<const sql::Is*>(expression)->operand);
    case NodeKind::kPath:
      return columns_in(static_cast<const sql::Path*>(expression)->base);
    case NodeKind::kCollate:
      return columns_in(static_cast<const sql::Collate*>(expression)->operand);
    case NodeKind::kCase:
      for (const auto& when : static_cast<const sql::Case*>(expression)->whens) {
        if (const auto* found = columns_in(when.condition); found != nullptr) return found;
        if (const auto* found = columns_in(when.result); found != nullptr) return found;
      }
      return columns_in(static_cast<const sql::Case*>(expression)->otherwise);
    case NodeKind::kCall: {
      const auto& call = *static_cast<const sql::Call*>(expression);
      if (const auto* found = columns_in(call.base); found != nullptr) return found;
      for (const auto& argument : call.arguments)
        if (const auto* found = columns_in(argument.value); found != nullptr) return found;
      return nullptr;
    }
    default:
      return nullptr;
  }
}

// ---- * ----

void Resolver::put_star_column(const ShapeColumn& column, const sql::Star* star, Scope* values_scope, Shape& shape) {
  ShapeColumn put = column;
  if (star != nullptr) {
    put.place = star->span;
    for (const auto& except : star->except)
      if (same_name(Name(except), column.name)) return;
    if (const auto* like = sql::as<sql::Like>(star->like); like != nullptr && !is_liked(*like, column.name.text))
      return;
    if (values_scope != nullptr) {
      for (const auto& replace : star->replace)
        if (same_name(Name(replace.name), column.name)) put.node = value(replace.value, *values_scope, shape);
    }
    for (const auto& rename : star->rename)
      if (same_name(Name(rename.from), column.name)) put.name = Name(rename.to);
    if (!star->apply.empty() && values_scope != nullptr) put = applied(put, star->apply, *values_scope, shape);
  }
  shape.columns.push_back(put);
}

void Resolver::expand_shape(Shape& from, const sql::Star* star, Scope* values_scope, Shape& shape,
                            const std::vector<Name>& skipped) {
  const std::size_t count = size_of(from);
  const std::size_t rules = star == nullptr ? 0 : star->except.size() + star->replace.size() + star->rename.size();
  if (!step(count * (1 + rules + skipped.size()))) return;
  if (shape.columns.size() + count > kMaxColumns) {
    shape.open = true;
    shape.gap = gap(Reason::kTooComplex, "more than 100000 columns", {});
    shape.gaps.push_back(shape.gap);
    return;
  }
  for (std::size_t i = 0; i < count; ++i) {
    const Name name = name_at(from, i);
    if (std::any_of(skipped.begin(), skipped.end(), [&](const Name& skip) { return same_name(skip, name); })) continue;
    NodeId node = node_at(from, i);
    if (from.relation != nullptr && from.relation->is_only_documented(i)) node = by_documentation(node);
    put_star_column({name, node}, star, values_scope, shape);
  }
  take_rest(shape, from);
  if (star != nullptr) {
    for (const auto& except : star->except) shape.hidden.emplace_back(except);
    for (const auto& rename : star->rename) {
      const Name old(rename.from);
      shape.hidden.push_back(old);
      if (from.open && find_known(from, old) == kNone)
        if (const NodeId node = find_open(from, old, rename.from.span); node != kNone)
          shape.columns.push_back({Name(rename.to), node});
    }
    if (from.open && values_scope != nullptr) {
      for (const auto& replace : star->replace) {
        if (find_known(from, Name(replace.name)) != kNone) continue;
        shape.hidden.emplace_back(replace.name);
        shape.columns.push_back({Name(replace.name), value(replace.value, *values_scope, shape)});
      }
    }
  }
  for (const Name& skip : skipped) shape.hidden.push_back(skip);
}

void Resolver::expand_item(FromItem& item, const sql::Star* star, const Scope& scope, std::uint32_t position,
                           Shape& shape, Scope* values_scope) {
  std::vector<Name> skipped;
  for (const MergedColumn& merged : scope.merged)
    if (position >= merged.first && position < merged.last) skipped.push_back(merged.name);
  expand_shape(*item.shape, star, values_scope, shape, skipped);
}

bool Resolver::expand(const sql::Star& star, Scope& scope, Shape& shape) {
  if (!step()) return false;
  if (star.base != nullptr) {
    // (expression).*: the fields of a value.
    shape.open = true;
    shape.gap = gap(Reason::kUnknownColumns, sql::text_of(star.base->span, parsed_.text), star.span);
    shape.any = value(star.base, scope, shape);
    return true;
  }
  if (!star.qualifier.empty()) {
    for (Scope* at = &scope; at != nullptr; at = at->outer) {
      FromItem* item = find_item(*at, star.qualifier, star.qualifier.size());
      if (item == nullptr) continue;
      expand_shape(*item->shape, &star, &scope, shape, {});
      return true;
    }
    if (star.qualifier.size() == 1) {
      sql::Column whole;
      whole.kind = sql::NodeKind::kColumn;
      whole.span = star.span;
      whole.parts = star.qualifier;
      Transform way = Transform::kNone;
      if (Shape* row = row_of(&whole, scope, way); row != nullptr) {
        expand_shape(*open_row(*row, way, star.span), &star, &scope, shape, {});
        return true;
      }
    }
    // The fields of a struct: t.address.*, address.*.
    sql::Column base;
    base.kind = sql::NodeKind::kColumn;
    base.span = star.span;
    base.parts = star.qualifier;
    const Resolved found = column(base, scope, shape);
    const Input input{found.node, {Transform::kCalculated, false, 1000, Reason::kNone}};
    shape.open = true;
    if (shape.gap == kNone) shape.gap = gap(Reason::kUnknownColumns, written(star.qualifier), star.span);
    shape.any = graph_.make({&input, 1}, star.span, kNone);
    return true;
  }
  // DuckDB leaves merged columns where the left side has them; elsewhere they come first.
  const bool in_place = dialect_.id == sql::DialectId::kDuckdb;
  if (!in_place)
    for (const MergedColumn& merged : scope.merged)
      if (merged.first != merged.last) put_star_column({merged.name, merged.node}, &star, &scope, shape);
  for (std::uint32_t i = 0; i < scope.items.size(); ++i) {
    if (!scope.items[i].in_star) continue;
    if (!in_place || scope.merged.empty()) {
      expand_item(scope.items[i], &star, scope, i, shape, &scope);
      continue;
    }
    std::vector<Name> skipped;
    const std::size_t before = shape.columns.size();
    for (const MergedColumn& merged : scope.merged)
      if (i > merged.first && i < merged.last) skipped.push_back(merged.name);
    expand_shape(*scope.items[i].shape, &star, &scope, shape, skipped);
    for (std::size_t c = before; c < shape.columns.size(); ++c)
      for (const MergedColumn& merged : scope.merged)
        if (i == merged.first && same_name(merged.name, shape.columns[c].name)) shape.columns[c].node = merged.node;
  }
  return true;
}

// ---- COLUMNS(…) ----

ShapeColumn Resolver::applied(ShapeColumn column, sql::List<const sql::Expression*> functions, Scope& scope,
                              Shape& shape) {
  for (const auto* function : functions) {
    std::vector<Input> inputs;
    std::string name;
    const auto* lambda = sql::as<sql::Lambda>(function);
    const auto* call = sql::as<sql::Call>(lambda != nullptr ? lambda->body : function);
    const auto* named = sql::as<sql::Column>(function);
    if (named != nullptr) name = written(named->parts);
    if (call != nullptr) name = written(call->name);
    const bool aggregates = is_aggregate(ascii_lower(name));
    inputs.push_back(
        {column.node, {aggregates ? Transform::kAggregated : Transform::kCalculated, false, 1000, Reason::kNone}});
    if (lambda != nullptr) {
      Values values;
      visit(lambda, scope, shape, {Transform::kCalculated, false, 1000, Reason::kNone}, values);
      inputs.insert(inputs.end(), values.inputs.begin(), values.inputs.end());
    }
    column.name = Name(stored(name + "(" + std::string(column.name.text) + ")"), true);
    column.node = graph_.make(inputs, function->span, kNone, aggregates);
  }
  return column;
}

bool Resolver::matching_columns(const sql::Columns& columns, Scope& scope, Shape& shape,
                                std::vector<ShapeColumn>& found, std::vector<std::string>* renamed,
                                std::string_view rename) {
  Shape* all = make_shape();
  sql::Star every{};
  every.kind = sql::NodeKind::kStar;
  every.span = columns.span;
  if (columns.qualifier) every.qualifier = {&columns.qualifier, 1};
  const sql::Expression* argument = columns.arguments.empty() ? nullptr : columns.arguments.front();
  const auto* star = sql::as<sql::Star>(argument);
  if (!expand(star != nullptr ? *star : every, scope, *all)) return true;
  const auto* pattern = sql::as<sql::Literal>(argument);
  const auto* lambda = sql::as<sql::Lambda>(argument);
  const auto* like = lambda != nullptr ? sql::as<sql::Like>(lambda->body) : nullptr;
  const auto* list = sql::as<sql::Array>(argument);
  const bool is_list = list != nullptr || sql::as<sql::Column>(argument) != nullptr;
  std::optional<NamePattern> compiled;
  if (pattern != nullptr && pattern->literal == sql::LiteralKind::kString)
    compiled = NamePattern::parse(pattern->value);
  bool understood =
      star != nullptr || compiled.has_value() || (like != nullptr && lambda->parameters.size() == 1) || is_list;
  if (is_list) {
    const auto take = [&](const Name& name, sql::Span span) {
      NodeId node = find_known(*all, name);
      if (node == kNone && all->open) node = find_open(*all, name, span);
      if (node != kNone) found.push_back({name, node});
    };
    for (const auto* one : list != nullptr ? list->elements : columns.arguments) {
      if (const auto* text = sql::as<sql::Literal>(one)) take(Name(text->value, true), one->span);
      if (const auto* named = sql::as<sql::Column>(one)) take(Name(named->parts.back()), one->span);
    }
  } else {
    for (const ShapeColumn& column : all->columns) {
      std::vector<std::string_view> groups{column.name.text};
      if (compiled) {
        std::size_t steps = 0;
        groups = compiled->search(column.name.text, steps);
        if (!step(steps)) return true;
        if (groups.empty()) continue;
      } else if (like != nullptr && !is_liked(*like, column.name.text)) {
        continue;
      }
      found.push_back(column);
      if (renamed != nullptr) renamed->push_back(substitute(rename, groups));
    }
  }
  if (columns.modifiers != nullptr) {
    Shape* modified = make_shape();
    for (const ShapeColumn& column : found) put_star_column(column, columns.modifiers, &scope, *modified);
    found = modified->columns;
    if (renamed != nullptr) renamed->clear();
  }
  if (!understood || (all->open && !is_list)) {
    shape.open = true;
    if (shape.gap == kNone) shape.gap = understood ? all->gap : gap(Reason::kUnsupported, "COLUMNS", columns.span);
    shape.gaps.push_back(shape.gap);
    take_rest(shape, *all);
    if (!understood) found.clear();
  }
  return understood;
}

void Resolver::expand_columns(const sql::SelectItem& item, const sql::Columns& columns, Scope& scope, Shape& shape) {
  std::vector<ShapeColumn> found;
  std::vector<std::string> renamed;
  const bool is_template = item.alias && item.alias.text.find('\\') != std::string_view::npos;
  matching_columns(columns, scope, shape, found, is_template ? &renamed : nullptr, item.alias.text);
  const std::string_view text = sql::text_of(item.value->span, parsed_.text);
  for (std::size_t i = 0; i < found.size(); ++i) {
    if (!step() || shape.columns.size() > kMaxColumns) return;
    ShapeColumn put = found[i];
    put.place = item.span;
    if (item.value != &columns) {
      const NodeId outer = std::exchange(scope.columns, put.node);
      put.node = value(item.value, scope, shape);
      scope.columns = outer;
      // max(columns('a.*')) is named max(a1).
      std::string name(text.substr(0, columns.span.begin - item.value->span.begin));
      name += put.name.text;
      name += text.substr(columns.span.end - item.value->span.begin);
      put.name = Name(stored(std::move(name)), true);
    }
    if (is_template && i < renamed.size())
      put.name = Name(stored(renamed[i]), true);
    else if (item.alias && !is_template)
      put.name = Name(item.alias);
    shape.columns.push_back(put);
  }
}

}  // namespace tideline::lineage
