// Queries: WITH, SELECT, set operations, VALUES.

#include <algorithm>
#include <charconv>

#include "base/text.h"
#include "lineage/functions.h"
#include "lineage/resolver.h"

namespace tideline::lineage {
namespace {

/// The position an integer literal stands for in GROUP BY and ORDER BY; 0: it is none.
std::size_t ordinal(const sql::Expression* expression) {
  const auto* literal = sql::as<sql::Literal>(expression);
  if (literal == nullptr || literal->literal != sql::LiteralKind::kNumber) return 0;
  std::size_t number = 0;
  const auto [end, error] = std::from_chars(literal->text.data(), literal->text.data() + literal->text.size(), number);
  return error == std::errc() && end == literal->text.data() + literal->text.size() ? number : 0;
}

}  // namespace

Shape* Resolver::query(const sql::Query& query, Scope* outer) {
  Shape* uses = make_shape();
  if (!step()) return uses;
  const Deeper deeper(depth_);
  const std::size_t bound = bind(query.with, outer, *uses);
  Shape* shape = nullptr;
  if (const auto* plain = sql::as<sql::Select>(query.body)) {
    Scope scope(outer);
    shape = select(*plain, scope);
    order_by(query, scope, *shape, *shape);
  } else {
    shape = query.body != nullptr ? term(*query.body, outer) : uses;
    if (shape != uses) order_whole(query, outer, *shape);
  }
  if (has_doubts()) {
    if (query.body != nullptr) place_doubts({query.body->span.end, query.span.end});
    doubt_query(query.span, *shape);
  }
  unbind(query.with, bound);
  return shape;
}

/// ORDER BY of what is no SELECT: its columns alone are in reach.
void Resolver::order_whole(const sql::Query& query, Scope* outer, Shape& shape) {
  if (query.order_by.empty() && query.sorts.empty()) return;
  Scope scope(outer);
  scope.items.emplace_back().shape = &shape;
  // A shape of its own: what is wrapped may be a query that stands elsewhere as well.
  Shape* uses = make_shape();
  order_by(query, scope, *uses, shape);
  shape.influences.insert(shape.influences.end(), uses->influences.begin(), uses->influences.end());
  shape.inner.insert(shape.inner.end(), uses->inner.begin(), uses->inner.end());
}

void Resolver::order_by(const sql::Query& query, Scope& scope, Shape& shape, Shape& result) {
  const AliasUse before = std::exchange(scope.alias_use, AliasUse::kBeforeColumns);
  const auto order = [&](const sql::Expression* expression) {
    if (const std::size_t position = ordinal(expression); position > 0) {
      if (position <= size_of(result)) shape.influences.push_back({node_at(result, position - 1), EdgeKind::kOrdered});
      return;
    }
    influence(expression, EdgeKind::kOrdered, scope, shape);
  };
  for (const auto& item : query.order_by) order(item.value);
  for (const auto& clause : query.sorts)
    for (const auto& item : clause.items) order(item.value);
  for (const auto* expression : query.limit_by) order(expression);
  scope.alias_use = before;
}

Shape* Resolver::term(const sql::QueryTerm& term, Scope* outer) {
  if (!step()) return make_shape();
  switch (term.kind) {
    case sql::NodeKind::kSelect: {
      Scope scope(outer);
      return select(static_cast<const sql::Select&>(term), scope);
    }
    case sql::NodeKind::kSetOperation:
      return set_operation(static_cast<const sql::SetOperation&>(term), outer);
    case sql::NodeKind::kValues:
      return values(static_cast<const sql::Values&>(term), outer);
    default:
      return query(static_cast<const sql::Query&>(term), outer);
  }
}

// ---- WITH ----

bool Resolver::may_recur(const sql::With& with) const {
  return with.recursive || dialect_.id == sql::DialectId::kTsql || dialect_.id == sql::DialectId::kOracle ||
         dialect_.id == sql::DialectId::kSnowflake;
}

std::size_t Resolver::bind(const sql::With& with, Scope* outer, Shape&) {
  std::size_t bound = 0;
  for (const sql::Cte& one : with.ctes) {
    if (!step()) break;
    Shape* shape = cte(one, may_recur(with), outer);
    mark_ephemeral(*shape, one.name);
    ctes_[ascii_lower(one.name.text)].push_back(shape);
    ++bound;
  }
  return bound;
}

void Resolver::mark_ephemeral(Shape& shape, const sql::Identifier& name) {
  constexpr std::size_t kPrefixBytes = kEphemeralPrefix.size();
  if (name.text.size() <= kPrefixBytes || !same_ignoring_case(name.text.substr(0, kPrefixBytes), kEphemeralPrefix))
    return;
  if (shape.relation != nullptr || shape.read != kNone || shape.is_value || !step(shape.columns.size())) return;
  for (ShapeColumn& column : shape.columns) {
    const auto number = static_cast<std::uint32_t>(ephemerals_.size());
    ephemerals_.push_back({std::string(name.text), sql::normalize_identifier(column.name.text, column.name.quoted,
                                                                             sql::NameKind::kColumn, dialect_)});
    column.node = graph_.make_ephemeral(column.node, number);
  }
}

void Resolver::unbind(const sql::With& with, std::size_t bound) {
  for (std::size_t i = 0; i < bound; ++i) {
    const auto found = ctes_.find(ascii_lower(with.ctes[i].name.text));
    if (found != ctes_.end() && !found->second.empty()) found->second.pop_back();
  }
}

Shape* Resolver::cte(const sql::Cte& cte, bool recursive, Scope* outer) {
  Shape* rows = cte_rows(cte, recursive, outer);
  if (cte.added.empty()) return rows;
  Shape* more = make_shape();  // the columns that SEARCH and CYCLE set
  more->inner.push_back(rows);
  if (!take_unused(*more, *rows, {})) return more;
  for (const auto& name : cte.added) more->columns.push_back({Name(name), graph_.of_row()});
  return more;
}

Shape* Resolver::cte_rows(const sql::Cte& cte, bool recursive, Scope* outer) {
  sql::TableAlias names{{}, cte.columns};
  if (cte.query == nullptr) {
    Shape* shape = nullptr;
    if (cte.value != nullptr) {
      // ClickHouse: WITH expression AS name is a value under a name.
      shape = make_shape();
      shape->is_value = true;
      if (cte.value->kind == sql::NodeKind::kSubquery || cte.value->kind == sql::NodeKind::kLiteral) {
        Scope scope(outer);
        shape->columns.push_back({Name(cte.name), value(cte.value, scope, *shape)});
      } else {
        shape->expression = cte.value;
      }
      return shape;
    }
    std::vector<std::string> target;
    if (cte.statement != nullptr) shape = statement(*cte.statement, target, true);
    if (shape == nullptr) shape = open_shape(gap(Reason::kUnsupported, cte.name.text, cte.span));
    return aliased(shape, names);
  }
  const auto* operation = sql::as<sql::SetOperation>(cte.query->body);
  const bool is_union =
      operation != nullptr && std::all_of(operation->links.begin(), operation->links.end(),
                                          [](const sql::SetLink& link) { return link.set == sql::SetKind::kUnion; });
  if (!recursive || !is_union) return aliased(query(*cte.query, outer), names);

  // The first term starts it; the others read what is there so far, if they do.
  Shape* uses = make_shape();
  const std::size_t bound = bind(cte.query->with, outer, *uses);
  std::vector<Shape*> terms{term(*operation->terms.front(), outer)};
  Shape* anchor = aliased(terms.front(), names);
  Shape* rows = make_shape();
  const std::size_t count = size_of(*anchor);
  if (!step(count)) return rows;
  for (std::size_t i = 0; i < count; ++i)
    rows->columns.push_back({name_at(*anchor, i), graph_.make_recursive(node_at(*anchor, i))});
  if (anchor->open) take_rest(*rows, *anchor);
  rows->inner.push_back(anchor);
  const std::string name = ascii_lower(cte.name.text);
  ctes_[name].push_back(rows);
  for (const auto* further : operation->terms.subspan(1)) {
    if (!step()) break;
    terms.push_back(term(*further, outer));
  }
  ctes_[name].pop_back();
  unbind(cte.query->with, bound);
  if (!rows->read_as_cte) {
    Shape* all = combine(*operation, terms);
    order_whole(*cte.query, outer, *all);
    return aliased(all, names);
  }
  std::vector<std::vector<Input>> steps(count);
  for (Shape* further : std::span(terms).subspan(1)) {
    rows->inner.push_back(further);
    const std::size_t columns = size_of(*further);
    if (!step(columns)) break;
    if (columns != count && !further->open && !anchor->open)
      rows->gaps.push_back(gap(Reason::kColumnCount, cte.name.text, cte.span));
    for (std::size_t i = 0; i < std::min(columns, count); ++i) steps[i].push_back({node_at(*further, i), {}});
  }
  for (std::size_t i = 0; i < count; ++i) graph_.close(rows->columns[i].node, graph_.make(steps[i], {}, kNone));
  return rows;
}

// ---- SELECT ----

Shape* Resolver::select(const sql::Select& select, Scope& scope) {
  Shape* shape = make_shape();
  scope.select = &select;
  for (const auto* reference : select.from)
    if (reference != nullptr) table_reference(*reference, scope, *shape);

  const bool lateral = has_lateral_aliases(dialect_);
  scope.alias_use = prefers_aliases(dialect_) ? AliasUse::kBeforeColumns
                    : lateral                 ? AliasUse::kAfterColumns
                                              : AliasUse::kNever;
  if (prefers_aliases(dialect_)) add_pending(select, scope);
  if (has_doubts()) place_doubts(select);
  select_items(select.items, scope, *shape);
  if (!select.model.empty()) {
    // Its rules compute some of the columns: which, is not read.
    shape->gaps.push_back(gap(Reason::kUnsupported, "MODEL", {}));
    const Input missing{gap_node(shape->gaps.back()), {}};
    for (ShapeColumn& column : shape->columns) {
      const Input both[2] = {{column.node, {}}, missing};
      column.node = graph_.make(both, graph_.span(column.node), kNone);
    }
  }
  if (select.as_what == "value" && shape->columns.size() == 1) {
    // Its value is the row: what it has is not known, unless it is a row that is.
    const ShapeColumn only = shape->columns.front();
    if (only.row != nullptr) {
      Shape* row = open_row(*only.row, only.row_way, select.span);
      shape->columns = row->columns;
      shape->inner.push_back(row);
      if (row->open) take_rest(*shape, *row);
    } else if (sql::as<sql::Struct>(select.items.front().value) != nullptr) {
      shape->columns.clear();
      for (const sql::Field& field : sql::as<sql::Struct>(select.items.front().value)->fields) {
        const auto* named = sql::as<sql::Column>(field.value);
        const Name name = field.name ? Name(field.name) : named != nullptr ? Name(named->parts.back()) : Name();
        shape->columns.push_back({name, value(field.value, scope, *shape)});
      }
    } else {
      shape->any = only.node;
    }
    shape->indexed = false;
  }

  scope.alias_use = std::max(scope.alias_use, lateral ? AliasUse::kAfterColumns : AliasUse::kNever);
  influence(select.prewhere, EdgeKind::kFiltered, scope, *shape);
  influence(select.where, EdgeKind::kFiltered, scope, *shape);
  influence(select.start_with, EdgeKind::kFiltered, scope, *shape);
  influence(select.connect_by, EdgeKind::kJoined, scope, *shape);

  scope.alias_use = std::max(scope.alias_use, AliasUse::kAfterColumns);
  const auto group = [&](const sql::Expression* expression) {
    if (const std::size_t position = ordinal(expression); position > 0 && position <= shape->columns.size())
      shape->influences.push_back({shape->columns[position - 1].node, EdgeKind::kGrouped});
    else
      influence(expression, EdgeKind::kGrouped, scope, *shape);
  };
  for (const auto* expression : select.group_by) group(expression);
  if (select.group_by_all && select.items.size() == shape->columns.size()) {
    // By every item without an aggregate.
    for (std::size_t i = 0; i < select.items.size(); ++i)
      if (sql::as<sql::Column>(select.items[i].value) != nullptr || !graph_.is_of_rows(shape->columns[i].node))
        shape->influences.push_back({shape->columns[i].node, EdgeKind::kGrouped});
  }
  for (const auto* expression : select.distinct_on) group(expression);
  influence(select.having, EdgeKind::kFiltered, scope, *shape);
  influence(select.qualify, EdgeKind::kFiltered, scope, *shape);
  return shape;
}

void Resolver::add_pending(const sql::Select& select, Scope& scope) {
  for (const sql::SelectItem& item : select.items)
    if (item.alias && item.value != nullptr) scope.pending.emplace(ascii_lower(item.alias.text), item.value);
}

void Resolver::select_items(sql::List<sql::SelectItem> items, Scope& scope, Shape& shape) {
  shape.columns.reserve(items.size());
  const bool may_have_columns = dialect_.id == sql::DialectId::kDuckdb || dialect_.id == sql::DialectId::kClickhouse ||
                                dialect_.id == sql::DialectId::kGeneric;
  for (const sql::SelectItem& item : items) {
    if (!step() || item.value == nullptr) return;
    if (shape.columns.size() > kMaxColumns) {
      shape.open = true;
      shape.gap = gap(Reason::kTooComplex, "more than 100000 columns", item.span);
      shape.gaps.push_back(shape.gap);
      return;
    }
    if (const auto* star = sql::as<sql::Star>(item.value)) {
      expand(*star, scope, shape);
      continue;
    }
    if (may_have_columns) {
      if (const sql::Columns* columns = columns_in(item.value); columns != nullptr) {
        expand_columns(item, *columns, scope, shape);
        continue;
      }
    }
    // A macro that stands alone may give any number of columns; a name with one in it may be any.
    const auto* alone = item.aliases.empty() && !item.alias ? sql::as<sql::Column>(item.value) : nullptr;
    const std::uint32_t unknown = alone != nullptr ? unknown_in(alone->parts.back().text, item.span)
                                  : item.alias     ? unknown_in(item.alias.text, item.span)
                                                   : kNone;
    if (unknown != kNone) {
      add_unknown(shape, unknown);
      continue;
    }
    NodeId node = kNone;
    if (item.alias && !scope.pending.empty()) {
      // An alias that an earlier item used is made already.
      const std::string key = ascii_lower(item.alias.text);
      const auto pending = scope.pending.find(key);
      if (pending != scope.pending.end() && pending->second == nullptr) {
        if (const auto made = scope.aliases.find(key); made != scope.aliases.end()) node = made->second;
      } else if (pending != scope.pending.end() && pending->second == item.value) {
        pending->second = nullptr;
      }
    }
    if (node == kNone) node = value(item.value, scope, shape);
    if (has_doubts()) node = doubted(node, item.span);
    put_item(item, node, scope, shape);
  }
}

void Resolver::put_item(const sql::SelectItem& item, NodeId node, Scope& scope, Shape& shape) {
  if (!item.aliases.empty()) {
    for (const auto& alias : item.aliases) {
      shape.columns.push_back({Name(alias), node, item.span});
      scope.aliases[ascii_lower(alias.text)] = node;
    }
    return;
  }
  Name name;
  if (item.alias) {
    name = Name(item.alias);
  } else {
    // The name the warehouse makes up: that of the column, of the function, of the type cast to.
    const sql::Expression* at = item.value;
    while (true) {
      if (const auto* collate = sql::as<sql::Collate>(at))
        at = collate->operand;
      else if (const auto* cast = sql::as<sql::Cast>(at); cast != nullptr && cast->form == sql::CastForm::kColons)
        at = cast->operand;
      else
        break;
    }
    if (const auto* column = sql::as<sql::Column>(at)) {
      name = Name(column->parts.back());
    } else if (const auto* path = sql::as<sql::Path>(at);
               path != nullptr && !path->steps.empty() && path->steps.back().name) {
      name = Name(path->steps.back().name);
    } else if (const auto* named = sql::as<sql::Aliased>(at)) {
      name = Name(named->alias);
    } else if (const auto* call = sql::as<sql::Call>(at);
               call != nullptr && !call->name.empty() &&
               (dialect_.id == sql::DialectId::kPostgres || dialect_.id == sql::DialectId::kRedshift)) {
      name = Name(call->name.back());
    } else {
      name = Name(sql::text_of(item.value->span, parsed_.text), true);
    }
  }
  if (!item.alias)
    if (const std::uint32_t part = unknown_in(name.text, item.span); part != kNone) return add_unknown(shape, part);
  ShapeColumn& put = shape.columns.emplace_back();
  put = {name, node, item.span};
  // What hangs on a branch does so as a whole.
  if (!has_doubts() || !is_doubted(item.span)) put.row = row_of(item.value, scope, put.row_way);
  shape.has_rows |= put.row != nullptr;
  if (item.alias) scope.aliases[ascii_lower(item.alias.text)] = node;
}

// ---- Set operations, VALUES ----

Shape* Resolver::set_operation(const sql::SetOperation& operation, Scope* outer) {
  std::vector<Shape*> terms;
  terms.reserve(operation.terms.size());
  for (const auto* one : operation.terms) {
    if (!step()) break;
    terms.push_back(term(*one, outer));
  }
  if (terms.empty()) return make_shape();
  return combine(operation, terms);
}

Shape* Resolver::combine(const sql::SetOperation& operation, std::span<Shape* const> terms) {
  Shape* out = make_shape();
  std::vector<Shape*> unions{terms.front()};
  bool by_name = false;
  for (std::size_t i = 1; i < terms.size(); ++i) {
    const sql::SetLink& link = operation.links[i - 1];
    out->inner.push_back(terms[i]);
    if (link.set == sql::SetKind::kUnion) {
      by_name |= link.by_name;
      unions.push_back(terms[i]);
      continue;
    }
    // INTERSECT and EXCEPT take no value of the right side, but every column of it decides.
    const std::size_t count = size_of(*terms[i]);
    if (!step(count)) break;
    for (std::size_t c = 0; c < count; ++c) out->influences.push_back({node_at(*terms[i], c), EdgeKind::kFiltered});
  }
  out->inner.push_back(terms.front());
  const bool any_open = std::any_of(unions.begin(), unions.end(), [](const Shape* shape) { return shape->open; });
  if (by_name || (any_open && unions.size() > 1)) {
    combine_by_name(*out, unions, !by_name);
  } else {
    combine_by_position(*out, unions);
    if (any_open) take_rest(*out, *unions.front());
    const std::size_t count = size_of(*unions.front());
    for (const Shape* one : unions)
      if (size_of(*one) != count) {
        out->gaps.push_back(gap(Reason::kColumnCount, "UNION", operation.span));
        break;
      }
  }
  return out;
}

void Resolver::combine_by_position(Shape& out, std::span<Shape* const> unions) {
  const std::size_t count = size_of(*unions.front());
  if (!step(count * unions.size())) return;
  std::vector<Input> inputs;
  for (std::size_t i = 0; i < count; ++i) {
    inputs.clear();
    for (Shape* one : unions) {
      if (i >= size_of(*one)) continue;
      const NodeId node = node_at(*one, i);
      if (inputs.empty() || inputs.back().node != node) inputs.push_back({node, {}});
    }
    const NodeId node = inputs.size() == 1 ? inputs.front().node : graph_.make(inputs, {}, kNone);
    const Shape& first = *unions.front();
    out.columns.push_back({name_at(first, i), node, first.relation == nullptr ? first.columns[i].place : sql::Span{}});
  }
}

void Resolver::combine_by_name(Shape& out, std::span<Shape* const> unions, bool guessed) {
  // Names in the order in which they come up; each term is looked through once.
  NameIndex index;
  std::vector<Name> names;
  std::unordered_map<std::string, std::uint32_t> places;
  std::vector<std::vector<Input>> inputs;
  for (Shape* one : unions) {
    const std::size_t count = size_of(*one);
    if (!step(count)) return;
    for (std::size_t i = 0; i < count; ++i) {
      const Name name = name_at(*one, i);
      const auto [at, fresh] = places.emplace(ascii_lower(name.text), static_cast<std::uint32_t>(names.size()));
      if (fresh) {
        names.push_back(name);
        inputs.emplace_back();
      }
      inputs[at->second].push_back({node_at(*one, i), {}});
    }
  }
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (guessed) {
      for (Shape* one : unions) {
        if (!step()) return;
        if (!one->open || find_known(*one, names[i]) != kNone) continue;
        const NodeId node = find_open(*one, names[i], {});
        if (node != kNone) inputs[i].push_back({node, {Transform::kNone, false, 700, Reason::kUnionByName}});
      }
    }
    const NodeId node = inputs[i].size() == 1 && inputs[i][0].way.doubt == Reason::kNone
                            ? inputs[i][0].node
                            : graph_.make(inputs[i], {}, kNone);
    out.columns.push_back({names[i], node});
  }
  if (std::none_of(unions.begin(), unions.end(), [](const Shape* shape) { return shape->open; })) return;
  for (Shape* one : unions) take_rest(out, *one);
  out.rest_all = true;
}

Shape* Resolver::values(const sql::Values& values, Scope* outer) {
  Shape* shape = make_shape();
  Scope scope(outer);
  std::vector<std::vector<Input>> inputs;
  for (const sql::ValuesRow& row : values.rows) {
    if (!step(row.values.size())) return shape;
    if (inputs.size() < row.values.size()) inputs.resize(row.values.size());
    for (std::size_t i = 0; i < row.values.size(); ++i) {
      if (row.values[i] == nullptr || row.values[i]->kind == sql::NodeKind::kLiteral) continue;
      inputs[i].push_back({value(row.values[i], scope, *shape), {}});
    }
  }
  std::string prefix = "column";
  std::size_t start = 1;
  if (dialect_.id == sql::DialectId::kDuckdb) prefix = "col", start = 0;
  if (dialect_.id == sql::DialectId::kDatabricks) prefix = "col";
  if (dialect_.id == sql::DialectId::kTrino) prefix = "_col", start = 0;
  if (dialect_.id == sql::DialectId::kMysql) prefix = "column_", start = 0;
  for (std::size_t i = 0; i < inputs.size(); ++i)
    shape->columns.push_back(
        {Name(stored(prefix + std::to_string(i + start)), false), graph_.make(inputs[i], {}, kNone)});
  return shape;
}

}  // namespace tideline::lineage
