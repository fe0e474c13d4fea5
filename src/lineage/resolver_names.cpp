// What a column name means: the rules of scopes, and what is done where not all columns are known.

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "lineage/functions.h"
#include "lineage/resolver.h"

namespace tideline::lineage {
namespace {

// A column of the only relation that can have it, whose columns are not known: sure, as far as the SQL is valid.
constexpr std::uint16_t kOnlyCandidate = 950;
// The other relations in reach are known not to have it, and this one is not known to.
constexpr std::uint16_t kByElimination = 900;
// The relation's columns are known, and this is not among them; nothing else can be meant.
constexpr std::uint16_t kUndocumented = 700;
// * gives it, only documentation knows it, and nothing names it on the way.
constexpr std::uint16_t kDocumented = 900;
// Several have it.
constexpr std::uint16_t kAmbiguous = 500;

constexpr std::uint32_t kMaxRestDepth = 200;  // of `rest` under `rest`: lookups go down by recursion

}  // namespace

bool Resolver::step(std::size_t count) {
  spent_ += count;
  return spent_ <= budget_;
}

std::uint32_t Resolver::gap(Reason reason, std::string_view subject, sql::Span span) {
  constexpr std::size_t kMaxSubject = 200;
  if (subject.size() > kMaxSubject) {
    std::size_t cut = kMaxSubject;
    while (cut > 0 && (static_cast<unsigned char>(subject[cut]) & 0xC0) == 0x80) --cut;
    subject = subject.substr(0, cut);
  }
  std::string key(1, static_cast<char>(reason));
  key += subject;
  const auto [at, fresh] = gap_numbers_.emplace(std::move(key), static_cast<std::uint32_t>(gaps_.size()));
  if (fresh) gaps_.push_back({reason, std::string(subject), span});
  return at->second;
}

std::uint32_t Resolver::unknown_in(std::string_view name, sql::Span span) {
  if (reader_.stand_ins == nullptr) return kNone;
  constexpr std::string_view kBegin = "__jinja_";
  for (std::size_t at = name.find(kBegin); at != std::string_view::npos; at = name.find(kBegin, at + 1)) {
    const std::size_t end = name.find("__", at + kBegin.size());
    if (end == std::string_view::npos) return kNone;
    const auto found = reader_.stand_ins->unknown.find(std::string(name.substr(at, end + 2 - at)));
    if (found != reader_.stand_ins->unknown.end()) return gap(Reason::kOpaqueMacro, found->second, span);
  }
  return kNone;
}

std::uint32_t Resolver::unknown_in(sql::List<sql::Identifier> name, sql::Span span) {
  for (const auto& part : name)
    if (const std::uint32_t found = unknown_in(part.text, span); found != kNone) return found;
  return kNone;
}

void Resolver::add_unknown(Shape& shape, std::uint32_t gap) {
  shape.open = true;
  if (shape.gap == kNone) shape.gap = gap;
  if (shape.any == kNone) shape.any = gap_node(gap);
  shape.gaps.push_back(gap);
}

NodeId Resolver::gap_node(std::uint32_t gap) { return graph_.make({}, {}, gap); }

std::uint32_t Resolver::unread(std::string_view text, bool is_template, sql::Span span) {
  if (is_template) return gap(Reason::kOpaqueMacro, trim(text), span);
  for (const auto& diagnostic : parsed_.diagnostics)
    if (diagnostic.span.begin <= span.end && diagnostic.span.end >= span.begin)
      return gap(Reason::kParseError, told(diagnostic.message), diagnostic.span);
  return gap(Reason::kParseError, trim(text), span);
}

Shape* Resolver::open_shape(std::uint32_t gap) {
  Shape* shape = make_shape();
  shape->open = true;
  shape->gap = gap;
  return shape;
}

std::string Resolver::written(sql::List<sql::Identifier> name) const {
  std::string text;
  for (const auto& part : name) {
    if (!text.empty()) text += '.';
    text += part.text;
  }
  return text;
}

std::size_t Resolver::size_of(const Shape& shape) const {
  return shape.relation != nullptr ? shape.relation->listed() : shape.columns.size();
}

Name Resolver::name_at(const Shape& shape, std::size_t position) const {
  return shape.relation != nullptr ? Name(shape.relation->name(position), true) : shape.columns[position].name;
}

NodeId Resolver::node_at(Shape& shape, std::size_t position) {
  if (shape.relation == nullptr) return shape.columns[position].node;
  if (shape.relation_nodes.empty()) shape.relation_nodes.assign(shape.relation->size(), kNone);
  NodeId& node = shape.relation_nodes[position];
  if (node == kNone) {
    node = graph_.leaf(static_cast<std::uint32_t>(sources_.size()));
    sources_.push_back({shape.read, std::string(shape.relation->name(position)), true});
  }
  return node;
}

bool Resolver::same_name(const Name& a, const Name& b) const { return same_ignoring_case(a.text, b.text); }

NodeId Resolver::find_known(Shape& shape, const Name& name) {
  step();
  if (dialect_.id == sql::DialectId::kSnowflake && name.text.size() > 1 && name.text[0] == '$' && !name.quoted) {
    std::size_t position = 0;  // $2: the second column
    for (const char c : name.text.substr(1))
      position = c >= '0' && c <= '9' && position < 100'000 ? position * 10 + static_cast<std::size_t>(c - '0')
                                                            : SIZE_MAX / 20;
    return position > 0 && position <= size_of(shape) && !shape.open ? node_at(shape, position - 1) : kNone;
  }
  if (shape.relation != nullptr) {
    const std::uint32_t at = shape.relation->find(name, dialect_);
    return at == kNone ? kNone : node_at(shape, at);
  }
  const auto text_at = [&](std::size_t i) { return shape.columns[i].name.text; };
  if (!shape.indexed) {
    shape.index.build(shape.columns.size(), text_at);
    shape.indexed = true;
  }
  const std::uint32_t first = shape.index.find(name.text, text_at);
  if (first == kNone) return kNone;
  if (shape.index.next(first, text_at) != kNone) {
    const auto normal = [&](const Name& n) {
      return sql::normalize_identifier(n.text, n.quoted, sql::NameKind::kColumn, dialect_);
    };
    const std::string exact = normal(name);
    std::size_t looked_at = 0;  // of very many equal names the first is as good as any
    for (std::uint32_t at = first; at != kNone && looked_at < 16; at = shape.index.next(at, text_at), ++looked_at)
      if (normal(shape.columns[at].name) == exact) return shape.columns[at].node;
  }
  return shape.columns[first].node;
}

NodeId Resolver::by_use(Shape& shape, const Name& name, Reason doubt, std::uint16_t confidence) {
  const auto source = static_cast<std::uint32_t>(sources_.size());
  sources_.push_back(
      {shape.read, sql::normalize_identifier(name.text, name.quoted, sql::NameKind::kColumn, dialect_), false});
  const Input input{graph_.leaf(source), {Transform::kNone, false, confidence, doubt}};
  // Of a relation nobody knows there is no column to point at: whoever uses it is told.
  return graph_.make({&input, 1}, {}, reads_[shape.read].relation == kNone ? shape.gap : kNone);
}

NodeId Resolver::find_open(Shape& shape, const Name& name, sql::Span span) {
  if (!step(1 + shape.hidden.size())) return kNone;
  for (const Name& hidden : shape.hidden)
    if (same_name(hidden, name)) return kNone;
  const auto [at, fresh] = shape.found.emplace(ascii_lower(name.text), kNone);
  if (!fresh) return at->second;
  NodeId& node = at->second;  // stays where it is: the map moves its buckets, not its values
  if (shape.read != kNone) {
    node = by_use(shape, name, Reason::kUnknownColumns, kOnlyCandidate);
  } else if (shape.any != kNone) {
    node = shape.any;
  } else if (shape.depth > kMaxRestDepth) {
    node = gap_node(gap(Reason::kTooComplex, name.text, span));
  } else if (shape.rest_all) {
    std::vector<Input> inputs;
    for (Shape* term : shape.rest) {
      NodeId of_term = find_known(*term, name);
      const bool known = of_term != kNone;
      if (!known && term->open) of_term = find_open(*term, name, span);
      if (of_term != kNone) inputs.push_back({of_term, {Transform::kNone, false, 1000, Reason::kNone}});
    }
    if (!inputs.empty()) node = graph_.make(inputs, {}, kNone);
  } else {
    Shape* only = nullptr;
    bool several = false;
    if (!step(shape.rest.size())) return kNone;
    for (Shape* candidate : shape.rest) {
      if (!candidate->open) continue;
      several |= only != nullptr;
      only = candidate;
    }
    if (several) {
      node = gap_node(gap(Reason::kAmbiguousColumn, name.text, span));
    } else if (only != nullptr) {
      node = find_open(*only, name, span);
      if (node != kNone && shape.rest.size() > 1) {
        const Input input{node, {Transform::kNone, false, kByElimination, Reason::kUnknownColumns}};
        node = graph_.make({&input, 1}, {}, kNone);
      }
    } else {
      node = gap_node(shape.gap != kNone ? shape.gap : gap(Reason::kUnknownColumn, name.text, span));
    }
  }
  return node;
}

NodeId Resolver::find_stretched(Shape& shape, const Name& name, sql::Span span, std::uint32_t depth) {
  if (!step(1 + shape.hidden.size()) || depth > kMaxRestDepth) return kNone;
  for (const Name& hidden : shape.hidden)
    if (same_name(hidden, name)) return kNone;
  if (shape.read != kNone) {
    const auto [at, fresh] = shape.found.emplace(ascii_lower(name.text), kNone);
    if (fresh) at->second = by_use(shape, name, Reason::kUndocumentedColumn, kUndocumented);
    return at->second;
  }
  if (shape.rest.size() != 1) return kNone;
  return find_stretched(*shape.rest.front(), name, span, depth + 1);
}

NodeId Resolver::by_documentation(NodeId node) {
  const auto [at, fresh] = by_documentation_.emplace(node, kNone);
  if (!fresh) return at->second;
  const Input input{node, {Transform::kNone, false, kDocumented, Reason::kUnknownColumns}};
  at->second = graph_.make({&input, 1}, {}, kNone);
  named_.emplace(at->second, node);
  return at->second;
}

NodeId Resolver::named(NodeId node) const {
  const auto found = named_.find(node);
  return found == named_.end() ? node : found->second;
}

FromItem* Resolver::find_item(Scope& scope, sql::List<sql::Identifier> parts, std::size_t count) {
  FromItem* found = nullptr;
  for (FromItem& item : scope.items) {
    if (!item.visible || !step()) continue;
    if (found != nullptr && item.by_qualifier) continue;
    bool fits = false;
    if (!item.alias.text.empty()) {
      fits = count == 1 && same_ignoring_case(item.alias.text, parts[0].text);
    } else if (item.name.size() >= count) {
      fits = true;
      for (std::size_t i = 0; i < count && fits; ++i)
        fits = same_ignoring_case(item.name[item.name.size() - count + i].text, parts[i].text);
    }
    if (!fits) continue;
    // Aliases that differ by case alone: as the dialect spells it.
    const auto normal = [&](const Name& n) {
      return sql::normalize_identifier(n.text, n.quoted, sql::NameKind::kRelation, dialect_);
    };
    if (found != nullptr) {
      const Name asked(parts[count - 1]);
      const Name here = item.alias.text.empty() ? Name(item.name.back()) : item.alias;
      if (normal(here) != normal(asked)) continue;
    }
    found = &item;
    if (count > 1) break;
  }
  return found;
}

Resolver::Resolved Resolver::qualified(const sql::Column& column, Scope& scope, bool stretch) {
  auto parts = column.parts;
  std::size_t more = 0;
  if (dialect_.id == sql::DialectId::kBigquery && parts[0].quoted() &&
      parts[0].text.find('.') != std::string_view::npos) {
    // `project.dataset.table`.column: one pair of quotes around a name of several parts.
    auto& split = names_.emplace_back();
    for (const auto& part : split_name(parts[0].text, parts[0].span)) split.push_back(part);
    more = split.size() - 1;
    split.insert(split.end(), parts.begin() + 1, parts.end());
    parts = split;
  }
  for (std::size_t count = std::min<std::size_t>(parts.size() - 1, 4); count >= 1; --count) {
    FromItem* item = find_item(scope, parts, count);
    if (item == nullptr) continue;
    const Name name(parts[count]);
    NodeId node = find_known(*item->shape, name);
    if (node == kNone && item->shape->open) node = find_open(*item->shape, name, column.span);
    if (node == kNone && item->shape->any != kNone) node = item->shape->any;
    if (node == kNone && item->element != kNone) return {item->element, count - more};  // x.field of unnest(a) as x
    if (node == kNone && stretch) {
      if (is_pseudo_column(name.text, dialect_) && !same_ignoring_case(name.text, "user")) node = graph_.of_row();
      if (node == kNone) node = find_stretched(*item->shape, name, column.span);
    }
    if (node != kNone) return {node, count + 1 - more};
  }
  if (scope.any_qualifier && parts.size() == 2) {
    Shape& rows = *scope.items.front().shape;
    NodeId node = find_known(rows, Name(parts[1]));
    if (node == kNone && rows.open) node = find_open(rows, Name(parts[1]), column.span);
    if (node != kNone) return {node, 2};
  }
  return {};
}

bool Resolver::has_rows(const Scope& scope) {
  return std::any_of(scope.items.begin(), scope.items.end(), [](const FromItem& item) { return item.shape->has_rows; });
}

Shape* Resolver::row_of_column(sql::List<sql::Identifier> parts, Scope& scope, Transform& way) {
  const Name name(parts.back());
  FromItem* whole = nullptr;
  for (FromItem& item : scope.items) {
    if (!item.visible || !step()) continue;
    const std::string_view alias =
        item.alias.text.empty() && !item.name.empty() ? item.name.back().text : item.alias.text;
    if (parts.size() == 2) {
      if (alias.empty() || !same_ignoring_case(alias, parts[0].text)) continue;
    } else if (same_ignoring_case(alias, name.text)) {
      whole = item.element == kNone ? &item : whole;
      continue;
    }
    if (!item.shape->has_rows || !step(item.shape->columns.size())) continue;
    for (const ShapeColumn& column : item.shape->columns) {
      if (column.row == nullptr || !same_name(column.name, name)) continue;
      way = std::max(way, column.row_way);
      return column.row;
    }
  }
  if (whole == nullptr) return nullptr;
  for (FromItem& item : scope.items)  // a column of that name comes first
    if (item.visible && find_known(*item.shape, name) != kNone) return nullptr;
  return whole->shape;
}

Shape* Resolver::inner_row(Shape& row, const Name& name, Transform& way) {
  if (!row.has_rows || !step(row.columns.size())) return nullptr;
  for (const ShapeColumn& column : row.columns) {
    if (column.row == nullptr || !same_name(column.name, name)) continue;
    way = std::max(way, column.row_way);
    return column.row;
  }
  return nullptr;
}

Shape* Resolver::row_of(const sql::Expression* expression, Scope& scope, Transform& way) {
  while (expression != nullptr) {
    if (const auto* named = sql::as<sql::Column>(expression)) {
      const auto parts = named->parts;
      if (parts.size() <= 2)
        if (Shape* row = row_of_column(parts, scope, way); row != nullptr) return row;
      if (!has_rows(scope)) return nullptr;
      // A row that is a field of one.
      for (std::size_t taken = std::min<std::size_t>(2, parts.size() - 1); taken > 0; --taken) {
        Transform through = way;
        Shape* row = row_of_column(parts.first(taken), scope, through);
        for (std::size_t at = taken; row != nullptr && at < parts.size(); ++at)
          row = inner_row(*row, Name(parts[at]), through);
        if (row == nullptr) continue;
        way = through;
        return row;
      }
      return nullptr;
    }
    if (const auto* path = sql::as<sql::Path>(expression)) {
      for (const sql::Step& into : path->steps)
        if (into.index == nullptr || into.slice) return nullptr;
      expression = path->base;
    } else if (const auto* call = sql::as<sql::Call>(expression);
               call != nullptr && call->name.size() == 1 && !call->arguments.empty() && call->base == nullptr) {
      if (Shape* made = made_row(*call, scope); made != nullptr) return made;
      const std::string function = ascii_lower(call->name[0].text);
      const bool first = function == "first_value" || function == "last_value";
      if (!first && function != "array_agg" && function != "any_value" && function != "max_by" &&
          function != "min_by" && function != "arg_max" && function != "arg_min" && function != "first" &&
          function != "last" && function != "list")
        return nullptr;
      way = std::max(way, call->over != nullptr ? Transform::kWindow : Transform::kAggregated);
      expression = call->arguments[0].value;
    } else {
      return made_row(*expression, scope);
    }
  }
  return nullptr;
}

std::vector<Resolver::MadeField> Resolver::made_fields(const sql::Expression& expression) {
  std::vector<MadeField> fields;
  const auto text = [](const sql::Expression* key) -> std::optional<Name> {
    const auto* literal = sql::as<sql::Literal>(key);
    if (literal == nullptr || literal->literal != sql::LiteralKind::kString) return std::nullopt;
    return Name(literal->value, true);
  };
  const auto put = [&](const std::optional<Name>& name, const sql::Expression* value) {
    if (name && value != nullptr) fields.push_back({*name, value});
    return name && value != nullptr;
  };
  if (const auto* made = sql::as<sql::Struct>(&expression)) {
    const bool is_typed = !made->type.span.empty();  // STRUCT<x t>(a): the names are the type's
    if (is_typed || (made->form != sql::StructForm::kStruct && made->form != sql::StructForm::kObject)) return {};
    for (const sql::Field& field : made->fields) {
      const auto* named = sql::as<sql::Column>(field.value);
      const auto name = field.name             ? std::optional(Name(field.name))
                        : field.key != nullptr ? text(field.key)
                        : named != nullptr     ? std::optional(Name(named->parts.back()))
                                               : std::nullopt;
      if (!put(name, field.value)) return {};
    }
  } else if (const auto* call = sql::as<sql::Call>(&expression); call != nullptr && call->name.size() == 1) {
    const std::string_view function = call->name[0].text;
    if (same_ignoring_case(function, "named_struct") && call->arguments.size() % 2 == 0) {
      for (std::size_t i = 0; i < call->arguments.size(); i += 2)
        if (!put(text(call->arguments[i].value), call->arguments[i + 1].value)) return {};
    } else if (same_ignoring_case(function, "struct_pack")) {
      for (const auto& argument : call->arguments)
        if (!argument.name || !put(Name(argument.name), argument.value)) return {};
    }
  }
  return fields;
}

Shape* Resolver::made_row(const sql::Expression& expression, Scope& scope) {
  const std::vector<MadeField> fields = made_fields(expression);
  if (fields.empty() || depth_ >= kMaxLazyDepth || !step(fields.size())) return nullptr;
  const Deeper deeper(depth_);
  Shape* row = make_shape();
  for (const MadeField& field : fields) {
    ShapeColumn& column = row->columns.emplace_back();
    column.name = field.name;
    column.node = value(field.value, scope, *row);
    column.row = made_row(*field.value, scope);
    row->has_rows |= column.row != nullptr;
  }
  return row;
}

/// x.amount, where x is a column that holds a whole row; x.address.city, where that has one in it.
Resolver::Resolved Resolver::field_of_row(const sql::Column& column, Scope& scope, std::size_t taken) {
  if (column.parts.size() <= taken || !has_rows(scope)) return {};
  Transform way = Transform::kNone;
  Shape* row = row_of_column(column.parts.first(taken), scope, way);
  for (std::size_t at = taken; row != nullptr; ++at) {
    const Name name(column.parts[at]);
    if (at + 1 < column.parts.size())
      if (Shape* inner = inner_row(*row, name, way); inner != nullptr) {
        row = inner;
        continue;
      }
    NodeId node = find_known(*row, name);
    if (node == kNone && row->open) node = find_open(*row, name, column.span);
    if (node == kNone) return {};
    const Input input{node, {way, false, 1000, Reason::kNone}};
    return {graph_.make({&input, 1}, column.span, kNone, way != Transform::kNone), at + 1};
  }
  return {};
}

/// The columns of the row, each gone through what the row did.
Shape* Resolver::open_row(Shape& row, Transform way, sql::Span span) {
  Shape* out = make_shape();
  const std::size_t count = size_of(row);
  if (!step(count)) return out;
  for (std::size_t i = 0; i < count; ++i) {
    const Input input{node_at(row, i), {way, false, 1000, Reason::kNone}};
    out->columns.push_back(
        {name_at(row, i), way == Transform::kNone ? input.node : graph_.make({&input, 1}, span, kNone, true)});
  }
  if (row.open) take_rest(*out, row);
  return out;
}

NodeId Resolver::whole_row(Shape& shape, sql::Span span) {
  Values values;
  visit_all_columns(shape, {Transform::kCalculated, false, 1000, Reason::kNone}, values);
  return graph_.make(values.inputs, span, kNone, values.of_rows);
}

NodeId Resolver::lazily(const sql::Expression* expression, const Name& name, Scope& scope, Shape& shape) {
  if (depth_ >= kMaxLazyDepth) return gap_node(gap(Reason::kTooComplex, name.text, expression->span));
  const Deeper deeper(depth_);
  return value(expression, scope, shape);
}

/// ClickHouse: the alias of an item that comes later, or of WITH expression AS name. Its own name means the column in
/// it.
NodeId Resolver::pending_alias(const Name& name, Scope& scope, Shape& shape) {
  const std::string key = ascii_lower(name.text);
  const auto at = scope.pending.find(key);
  if (at == scope.pending.end() || at->second == nullptr) return kNone;
  const sql::Expression* expression = at->second;
  at->second = nullptr;
  const NodeId node = lazily(expression, name, scope, shape);
  scope.aliases.emplace(key, node);
  return node;
}

bool Resolver::is_known_outside(const Name& name, Scope& scope) {
  for (Scope* at = scope.outer; at != nullptr; at = at->outer) {
    if (!step(1 + at->items.size())) return false;
    for (FromItem& item : at->items)
      if (item.visible && !item.by_qualifier && find_known(*item.shape, name) != kNone) return true;
  }
  return false;
}

NodeId Resolver::in_scope(const sql::Column& column, Scope& scope, bool is_innermost, Shape& shape) {
  const Name name(column.parts[0]);
  if (!step(1 + scope.ignored.size() + scope.merged.size() + scope.items.size())) return graph_.nothing();
  for (const Name& ignored : scope.ignored)
    if (same_name(ignored, name)) return graph_.nothing();

  const auto alias = [&]() -> NodeId {
    const auto at = scope.aliases.find(ascii_lower(name.text));
    return at == scope.aliases.end() ? kNone : at->second;
  };
  if (scope.alias_use == AliasUse::kBeforeColumns)
    if (const NodeId node = alias(); node != kNone) return node;

  if (dialect_.id == sql::DialectId::kClickhouse) {
    if (scope.alias_use == AliasUse::kBeforeColumns)
      if (const NodeId node = pending_alias(name, scope, shape); node != kNone) return node;
    const auto bound = ctes_.find(ascii_lower(name.text));
    if (bound != ctes_.end() && !bound->second.empty() && bound->second.back()->is_value) {
      Shape& made = *bound->second.back();
      if (!made.columns.empty()) return made.columns.front().node;
      if (const auto* expression = std::exchange(made.expression, nullptr); expression != nullptr) {
        const NodeId node = lazily(expression, name, scope, shape);
        made.expression = expression;
        scope.aliases.emplace(ascii_lower(name.text), node);
        return node;
      }
    }
  }
  for (const MergedColumn& merged : scope.merged)
    if (same_name(merged.name, name)) return merged.node;

  NodeId found = kNone;
  std::vector<Input> several;
  for (FromItem& item : scope.items) {
    if (!item.visible || item.by_qualifier) continue;
    const NodeId node = find_known(*item.shape, name);
    if (node == kNone || node == found) continue;
    if (found != kNone) {
      if (several.empty()) several.push_back({found, {Transform::kNone, false, kAmbiguous, Reason::kAmbiguousColumn}});
      several.push_back({node, {Transform::kNone, false, kAmbiguous, Reason::kAmbiguousColumn}});
    }
    found = node;
  }
  if (!several.empty()) return graph_.make(several, {}, gap(Reason::kAmbiguousColumn, name.text, column.span));
  if (found != kNone) return found;

  if (scope.alias_use == AliasUse::kAfterColumns)
    if (const NodeId node = alias(); node != kNone) return node;
  if (column.parts.size() == 1 || is_innermost) {
    for (FromItem& item : scope.items)
      if (item.visible && item.element != kNone && same_name(item.alias, name)) return item.element;
  }
  const bool is_hierarchical = scope.select != nullptr && scope.select->connect_by != nullptr;
  if (column.parts.size() == 1) {
    if (FromItem* item = find_item(scope, column.parts, 1)) return whole_row(*item->shape, column.span);
    if (is_pseudo_column(name.text, dialect_) || (is_hierarchical && is_pseudo_of_hierarchy(name.text)))
      return graph_.of_row();
  }

  FromItem* only = nullptr;
  std::size_t open = 0;
  for (FromItem& item : scope.items) {
    if (!item.visible || item.by_qualifier || !item.shape->open || item.shape->any != kNone) continue;
    only = &item;
    ++open;
  }
  if (open == 1) {
    const NodeId node = find_open(*only->shape, name, column.span);
    if (node == kNone || scope.items.size() == 1) return node;
    const Input input{node, {Transform::kNone, false, kByElimination, Reason::kUnknownColumns}};
    return graph_.make({&input, 1}, {}, kNone);
  }
  if (open > 1) return gap_node(gap(Reason::kAmbiguousColumn, name.text, column.span));
  NodeId any = kNone;
  for (FromItem& item : scope.items) {
    if (!item.visible || item.by_qualifier || item.shape->any == kNone) continue;
    if (!item.shape->open && (item.element == kNone || dialect_.id != sql::DialectId::kBigquery)) continue;
    // A field of unnest(a) as x, unless the query around knows the name.
    if (!item.alias.text.empty() && item.element != kNone && is_known_outside(name, scope)) continue;
    if (any != kNone) return gap_node(gap(Reason::kAmbiguousColumn, name.text, column.span));
    any = item.shape->any;
  }
  return any;
}

NodeId Resolver::dotted_column(const sql::Column& column, Scope& scope) {
  if (dialect_.id != sql::DialectId::kClickhouse || column.parts.size() < 2) return kNone;
  const std::string name = written(column.parts);
  for (FromItem& item : scope.items) {
    if (!item.visible || item.shape->relation == nullptr || !step()) continue;
    if (const NodeId node = find_known(*item.shape, Name(name, true)); node != kNone) return node;
  }
  return kNone;
}

NodeId Resolver::unqualified(const sql::Column& column, Scope& scope, Shape& shape) {
  for (Scope* at = &scope; at != nullptr; at = at->outer) {
    if (!step()) return graph_.nothing();
    if (const NodeId node = in_scope(column, *at, at == &scope, shape); node != kNone) return node;
  }
  const Name name(column.parts[0]);
  if (column.parts.size() == 1) {
    if (is_date_part(name.text)) return graph_.nothing();
    for (const Name& variable : variables_)
      if (same_name(variable, name)) return graph_.nothing();
    // Its relations are known not to have it: a catalog may be older than the SQL.
    for (Scope* at = &scope; at != nullptr; at = at->outer) {
      FromItem* only = nullptr;
      bool several = false;
      for (FromItem& item : at->items) {
        if (!item.visible) continue;
        several |= only != nullptr;
        only = &item;
      }
      if (only == nullptr) continue;
      if (several) break;
      if (const NodeId node = find_stretched(*only->shape, name, column.span); node != kNone) return node;
    }
  }
  return kNone;
}

Resolver::Resolved Resolver::column(const sql::Column& column, Scope& scope, Shape& shape) {
  if (!step()) return {graph_.nothing(), column.parts.size()};
  if (const std::uint32_t unknown = unknown_in(column.parts, column.span); unknown != kNone)
    return {gap_node(unknown), column.parts.size()};
  if (const Resolved found = field_of_row(column, scope, 2); found.node != kNone) return found;
  if (column.parts.size() > 1) {
    for (Scope* at = &scope; at != nullptr; at = at->outer) {
      if (!step()) return {graph_.nothing(), column.parts.size()};
      if (const Resolved found = qualified(column, *at, false); found.node != kNone)
        return {named(found.node), found.parts};
      // A parameter of a lambda with a field: x.amount.
      for (const Name& ignored : at->ignored)
        if (same_name(ignored, Name(column.parts[0]))) return {graph_.nothing(), column.parts.size()};
    }
  }
  if (const Resolved found = field_of_row(column, scope, 1); found.node != kNone) return found;
  if (const NodeId node = dotted_column(column, scope); node != kNone) return {node, column.parts.size()};
  if (const NodeId node = unqualified(column, scope, shape); node != kNone) return {named(node), 1};
  if (column.parts.size() > 1)
    for (Scope* at = &scope; at != nullptr; at = at->outer)
      if (const Resolved found = qualified(column, *at, true); found.node != kNone) return found;
  // sequence.nextval
  if (column.parts.size() > 1 && (same_ignoring_case(column.parts.back().text, "nextval") ||
                                  same_ignoring_case(column.parts.back().text, "currval")))
    return {graph_.of_row(), column.parts.size()};
  return {gap_node(gap(Reason::kUnknownColumn, written(column.parts), column.span)), column.parts.size()};
}

const sql::Column* Resolver::column_by_text(const sql::Call& call) {
  if (call.name.size() != 1 || call.arguments.size() != 1 || call.base != nullptr) return nullptr;
  if (dialect_.id != sql::DialectId::kSnowflake && dialect_.id != sql::DialectId::kDatabricks) return nullptr;
  const auto* text = sql::as<sql::Literal>(call.arguments[0].value);
  if (text == nullptr || text->literal != sql::LiteralKind::kString || text->value.empty() ||
      !same_ignoring_case(call.name[0].text, "identifier"))
    return nullptr;
  sql::Column& made = made_columns_.emplace_back();
  made.kind = sql::NodeKind::kColumn;
  made.span = call.span;
  made.parts = split_name(text->value, call.span);
  return &made;
}

bool Resolver::is_method(const sql::Call& call) const {
  if (dialect_.id != sql::DialectId::kTsql || call.name.size() < 2) return false;
  const std::string name = ascii_lower(call.name.back().text);
  return name == "value" || name == "query" || name == "nodes" || name == "exist";
}

}  // namespace tideline::lineage
