// What stands in FROM.

#include <algorithm>

#include "base/text.h"
#include "lineage/functions.h"
#include "lineage/resolver.h"

namespace tideline::lineage {
namespace {

constexpr Way kCalculated{Transform::kCalculated, false, 1000, Reason::kNone};

bool is_unnest(const sql::TableFunction& function) {
  const sql::Call* call = function.calls.front();
  return call != nullptr && call->name.size() == 1 && same_ignoring_case(call->name.front().text, "unnest") &&
         call->arguments.size() == 1 && sql::as<sql::Array>(call->arguments.front().value) == nullptr;
}

/// ClickHouse's view with parameters: each argument is name = value.
bool has_view_parameters(const sql::Call& call) {
  return std::all_of(call.arguments.begin(), call.arguments.end(), [](const sql::Argument& argument) {
    const auto* equals = sql::as<sql::Operation>(argument.value);
    return equals != nullptr && equals->operands.size() == 2 && equals->links[0].op == sql::Operator::kEqual &&
           sql::as<sql::Column>(equals->operands[0]) != nullptr;
  });
}

bool is_descriptor(const sql::Expression* argument) {
  const auto* call = sql::as<sql::Call>(argument);
  return call != nullptr && call->name.size() == 1 && same_ignoring_case(call->name.front().text, "descriptor");
}

/// DESCRIPTOR(a, b) among the arguments.
sql::List<sql::Identifier> descriptor_of(const sql::Call& call, std::deque<std::vector<sql::Identifier>>& names) {
  auto& found = names.emplace_back();
  for (const auto& argument : call.arguments) {
    if (!is_descriptor(argument.value)) continue;
    for (const auto& one : sql::as<sql::Call>(argument.value)->arguments)
      if (const auto* column = sql::as<sql::Column>(one.value)) found.push_back(column->parts.back());
  }
  return found;
}

/// ClickHouse: url('…', CSV, 'a UInt32, b String') says its columns in a string.
bool structure_columns(const sql::Call& call, NodeId node, std::vector<ShapeColumn>& columns) {
  for (const auto& argument : call.arguments) {
    const auto* literal = sql::as<sql::Literal>(argument.value);
    if (literal == nullptr || literal->literal != sql::LiteralKind::kString) continue;
    std::vector<ShapeColumn> found;
    std::size_t depth = 0, from = 0;
    const std::string_view text = literal->value;
    for (std::size_t i = 0; i <= text.size(); ++i) {
      if (i < text.size() && text[i] == '(') ++depth;
      if (i < text.size() && text[i] == ')' && depth > 0) --depth;
      if (i < text.size() && (text[i] != ',' || depth > 0)) continue;
      const std::string_view one = trim(text.substr(from, i - from));
      const std::size_t blank = one.find(' ');
      const bool is_name = blank != std::string_view::npos &&
                           std::all_of(one.begin(), one.begin() + static_cast<std::ptrdiff_t>(blank), [](char c) {
                             return c == '_' || (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
                           });
      const char type = is_name ? one[blank + 1] : '\0';
      if (!is_name || type < 'A' || type > 'Z') {
        found.clear();
        break;
      }
      found.push_back({Name(one.substr(0, blank), false), node});
      from = i + 1;
    }
    if (found.empty()) continue;
    columns = std::move(found);
    return true;
  }
  return false;
}

bool is_hidden_side(sql::JoinKind join, bool right) {
  switch (join) {
    case sql::JoinKind::kSemi:
    case sql::JoinKind::kAnti:
      return right;
    case sql::JoinKind::kRightSemi:
    case sql::JoinKind::kRightAnti:
      return !right;
    default:
      return false;
  }
}

}  // namespace

void Resolver::add_item(Scope& scope, const sql::TableAlias& alias, Shape* shape, NodeId element) {
  FromItem& item = scope.items.emplace_back();
  if (alias.name) item.alias = Name(alias.name);
  item.shape = shape;
  item.element = element;
}

Shape* Resolver::aliased(Shape* shape, const sql::TableAlias& alias) {
  if (alias.columns.empty()) return shape;
  Shape* renamed = make_shape();
  const std::size_t count = size_of(*shape);
  if (!step(count)) return renamed;
  renamed->columns.reserve(count);
  for (std::size_t i = 0; i < count; ++i)
    renamed->columns.push_back(
        {i < alias.columns.size() ? Name(alias.columns[i]) : name_at(*shape, i), node_at(*shape, i)});
  if (shape->any != kNone) {
    for (std::size_t i = count; i < alias.columns.size(); ++i)
      renamed->columns.push_back({Name(alias.columns[i]), shape->any});
  } else if (shape->open && alias.columns.size() > count) {
    // Which of the columns that are not known each of these names is, only the positions would tell.
    for (std::size_t i = count; i < alias.columns.size(); ++i)
      renamed->columns.push_back({Name(alias.columns[i]), gap_node(shape->gap)});
  }
  renamed->inner.push_back(shape);
  return renamed;
}

void Resolver::take_rest(Shape& shape, Shape& from) {
  shape.rest.push_back(&from);
  shape.depth = std::max(shape.depth, from.depth + 1);
  if (!from.open) return;
  shape.open = true;
  if (shape.gap == kNone) shape.gap = from.gap;
}

Shape* Resolver::relation(sql::List<sql::Identifier> identifiers, sql::Span span) {
  std::vector<Name> parts;
  for (const auto& identifier : identifiers) {
    std::string_view rest = identifier.text;
    // `project.dataset.table`: one pair of quotes around it all.
    if (dialect_.id == sql::DialectId::kBigquery && identifier.quoted()) {
      for (std::size_t dot = rest.find('.'); dot != std::string_view::npos; dot = rest.find('.')) {
        parts.emplace_back(rest.substr(0, dot), true);
        rest.remove_prefix(dot + 1);
      }
    }
    parts.emplace_back(rest, identifier.quoted());
  }
  std::string name;
  for (const Name& part : parts) {
    if (!name.empty()) name += '.';
    name += part.text;
  }
  auto& known = relation_shapes_[name];
  if (known != nullptr) return known;
  Shape* shape = make_shape();
  known = shape;
  if (ascii_lower(name) == "dual" || ascii_lower(name) == "sys.dual") return shape;
  auto found = relations_.find(parts, dialect_, reader_.upstream);
  if (reader_.stand_ins != nullptr)
    if (const auto stands = reader_.stand_ins->relations.find(name); stands != reader_.stand_ins->relations.end())
      found = stands->second == kNone ? std::nullopt : std::optional(stands->second);
  if (const std::uint32_t unknown = unknown_in(name, span); unknown != kNone) {
    add_unknown(*shape, unknown);
    return shape;
  }
  shape->read = static_cast<std::uint32_t>(reads_.size());
  reads_.push_back({found ? *found : kNone, name});
  if (!found) {
    shape->open = true;
    shape->gap = gap(Reason::kUnknownRelation, name, span);
    shape->gaps.push_back(shape->gap);
    return shape;
  }
  const bool may_see_inferred =
      *found != reader_.self &&
      (reader_.all_inferred || std::binary_search(reader_.upstream.begin(), reader_.upstream.end(), *found));
  shape->relation = may_see_inferred ? relations_.inferred(*found) : relations_.columns(*found);
  if (shape->relation == nullptr || !shape->relation->complete()) {
    shape->open = true;
    shape->gap = gap(Reason::kUnknownColumns, name, span);
  }
  return shape;
}

void Resolver::table(const sql::Table& table, Scope& scope, Shape& shape) {
  if (table.name.empty()) {
    Shape* stage = open_shape(gap(Reason::kUnknownRelation, table.stage, table.span));
    stage->any = graph_.of_row();
    shape.inner.push_back(stage);
    return add_item(scope, table.alias, aliased(stage, table.alias));
  }
  if (!script_tables_.empty() && table.name[0].quote != sql::Quote::kSingle) {
    if (Shape* made = script_table(ascii_lower(written(table.name))); made != nullptr) {
      shape.inner.push_back(made);
      add_item(scope, table.alias, aliased(made, table.alias));
      if (!table.alias.name) scope.items.back().name = table.name;
      return;
    }
  }
  if (table.name.size() == 1 && table.name[0].quote != sql::Quote::kSingle) {
    const auto bound = ctes_.find(ascii_lower(table.name[0].text));
    if (bound != ctes_.end() && !bound->second.empty() && !bound->second.back()->is_value) {
      Shape* from = bound->second.back();
      from->read_as_cte = true;
      shape.inner.push_back(from);
      add_item(scope, table.alias, aliased(from, table.alias));
      if (!table.alias.name) scope.items.back().name = table.name;
      return;
    }
  }
  // from t, t.items: an array of a row that is there already.
  if (table.name.size() > 1 && table.alias.columns.empty()) {
    if (FromItem* item = find_item(scope, table.name, 1); item != nullptr) {
      NodeId array = find_known(*item->shape, Name(table.name[1]));
      const bool may_be_field = dialect_.id == sql::DialectId::kBigquery || dialect_.id == sql::DialectId::kRedshift ||
                                item->shape->any != kNone || table.unpivot;
      if (array == kNone && item->shape->open && may_be_field)
        array = find_open(*item->shape, Name(table.name[1]), table.span);
      if (array == kNone && item->element != kNone) array = item->element;
      if (array != kNone) {
        const Input input{array, kCalculated};
        Shape* elements = open_shape(gap(Reason::kUnknownColumns, written(table.name), table.span));
        elements->any = graph_.make({&input, 1}, table.span, kNone, true);
        shape.inner.push_back(elements);
        sql::TableAlias alias = table.alias;
        if (!alias.name) alias.name = table.name.back();
        add_item(scope, alias, elements, elements->any);
        if (table.position) {  // AS value AT position: an item of its own, so that both are names
          Shape* positions = make_shape();
          positions->columns.push_back({Name(table.position), table.unpivot ? elements->any : graph_.of_row()});
          shape.inner.push_back(positions);
          add_item(scope, {}, positions);
        }
        return;
      }
    }
  }
  Shape* from = relation(table.name, table.span);
  shape.inner.push_back(from);
  add_item(scope, table.alias, aliased(from, table.alias));
  if (!table.alias.name) scope.items.back().name = table.name;
}

void Resolver::derived_table(const sql::DerivedTable& table, Scope& scope, Shape& shape) {
  // DuckDB looks around without being told to.
  const bool lateral = table.lateral || dialect_.id == sql::DialectId::kDuckdb;
  const auto* plain = sql::as<sql::Select>(table.query->body);
  if (table.transparent && plain != nullptr && table.query->with.ctes.empty()) {
    Scope inner(scope.outer);
    Shape* rows = select(*plain, inner);
    order_by(*table.query, inner, *rows, *rows);
    shape.inner.push_back(rows);
    add_item(scope, table.alias, aliased(rows, table.alias));
    if (table.alias.name) return;
    for (FromItem& item : inner.items) {
      if (item.alias.text.empty() && item.name.empty()) continue;
      item.in_star = false;
      item.by_qualifier = true;
      scope.items.push_back(item);
    }
    return;
  }
  Shape* rows = query(*table.query, lateral ? &scope : scope.outer);
  shape.inner.push_back(rows);
  add_item(scope, table.alias, aliased(rows, table.alias));
}

void Resolver::table_function(const sql::TableFunction& function, Scope& scope, Shape& shape, bool lateral_view) {
  if (relation_function(function, scope, shape)) return;
  Shape* rows = make_shape();
  shape.inner.push_back(rows);
  std::vector<ShapeColumn> columns;
  std::vector<NodeId> nodes;
  std::vector<ShapeColumn> passed;  // the columns of relations among the arguments
  std::string_view unknown;
  bool alias_is_column = false;
  std::vector<std::string_view> names;
  for (const sql::Call* call : function.calls) {
    if (call == nullptr) continue;
    const std::string name = call->name.empty() ? std::string("unnest") : ascii_lower(call->name.back().text);
    const auto known = table_function_columns(name, dialect_);
    if (!known && dialect_.id == sql::DialectId::kClickhouse && structure_columns(*call, graph_.of_row(), columns)) {
      nodes.push_back(graph_.of_row());
      names.emplace_back();
      continue;
    }
    std::vector<Shape*> argument_shapes;
    const bool per_argument = name == "unnest" && call->arguments.size() > 1;  // unnest(a, b): a column for each
    const auto node_of = [&](const sql::Expression* argument) {
      Values values;
      if (argument != nullptr) {
        visit(argument, scope, *rows, kCalculated, values);
      } else if (known || call->base != nullptr || is_method(*call)) {
        visit_call(*call, scope, *rows, kCalculated, values);
      } else {
        for (const auto& one : call->arguments) {
          if (const auto* subquery = sql::as<sql::Subquery>(one.value)) {  // a relation
            argument_shapes.push_back(query(*subquery->query, &scope));
            rows->inner.push_back(argument_shapes.back());
            visit_all_columns(*argument_shapes.back(), kCalculated, values);
          } else if (dialect_.id == sql::DialectId::kClickhouse && sql::as<sql::Column>(one.value) != nullptr) {
            // A word: file('x', Parquet). What stands around cannot be seen from there.
          } else if (!is_descriptor(one.value)) {
            visit(one.value, scope, *rows, kCalculated, values);
          }
        }
        if (call->over != nullptr) visit_window(*call->over, scope, *rows, kCalculated, values);
      }
      for (Input& input : values.inputs) input.way.transform = Transform::kCalculated;
      return graph_.make(values.inputs, call->span, kNone, true);
    };
    if (per_argument) {
      for (const auto& argument : call->arguments) {
        nodes.push_back(node_of(argument.value));
        names.push_back("unnest");
      }
      continue;
    }
    const NodeId node = node_of(nullptr);
    nodes.push_back(node);
    if (!known) {
      unknown = stored(written(call->name));
      names.emplace_back();
      const sql::List<sql::Identifier> dropped =
          name == "exclude_columns" ? descriptor_of(*call, names_) : sql::List<sql::Identifier>{};
      for (Shape* relation : argument_shapes) {
        const std::size_t count = size_of(*relation);
        if (!step(count * (1 + dropped.size()))) return;
        for (std::size_t i = 0; i < count; ++i) {
          const Name column = name_at(*relation, i);
          if (std::none_of(dropped.begin(), dropped.end(),
                           [&](const sql::Identifier& drop) { return same_name(Name(drop), column); }))
            passed.push_back({column, node_at(*relation, i)});
        }
        if (name == "exclude_columns" && !relation->open) unknown = {};
      }
      continue;
    }
    alias_is_column |= known->alias_is_column;
    for (std::size_t i = 0; i < known->names.size(); ++i) {
      if (i > 0) nodes.push_back(node);
      names.push_back(known->names[i]);
    }
    if (known->names.empty()) nodes.pop_back();
  }
  const auto& given = function.alias.columns;
  const bool single = nodes.size() == 1;
  const NodeId number = graph_.of_row();  // WITH ORDINALITY, WITH OFFSET
  if (function.with_ordinality && unknown.empty()) {
    nodes.push_back(number);
    names.push_back("ordinality");
  }
  NodeId element = kNone;
  if (!columns.empty() && function.definitions.empty() && given.empty()) {
    // They are known.
  } else if (!function.definitions.empty()) {
    for (const auto& definition : function.definitions)
      columns.push_back({Name(definition.name), nodes.empty() ? graph_.nothing() : nodes.front()});
  } else if (!given.empty()) {
    for (std::size_t i = 0; i < given.size() || i < nodes.size(); ++i) {
      const NodeId node = nodes.empty() ? graph_.nothing() : nodes[std::min(i, nodes.size() - 1)];
      columns.push_back({i < given.size() ? Name(given[i]) : Name(names[i], false), node});
    }
  } else if (!passed.empty() && unknown.empty()) {
    columns = std::move(passed);
  } else if (unknown.empty()) {
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      Name name(names[i], false);
      if (single && i == 0 && alias_is_column && function.alias.name) name = Name(function.alias.name);
      columns.push_back({name, nodes[i]});
    }
  } else {
    rows->open = true;
    rows->gap = gap(Reason::kTableFunction, unknown, function.span);
    rows->any = nodes.front();
    columns = std::move(passed);
  }
  // BigQuery: the elements of UNNEST without an alias are structs, whose fields are columns.
  if (single && !function.alias.name && given.empty() && dialect_.id == sql::DialectId::kBigquery &&
      is_unnest(function)) {
    columns.clear();
    rows->open = true;
    rows->gap = gap(Reason::kUnknownColumns, sql::text_of(function.span, parsed_.text), function.span);
    rows->any = nodes.front();
  }
  // A struct among the elements brings its fields: x.field, or the field alone.
  if (single && alias_is_column && function.alias.name) element = nodes.front();
  if (element != kNone && rows->any == kNone) rows->any = element;
  if (function.with_offset)
    columns.push_back({function.offset_alias ? Name(function.offset_alias) : Name("offset", false), number});
  rows->columns = std::move(columns);
  if (lateral_view && given.empty() && function.alias.name && nodes.empty()) rows->columns.clear();
  add_item(scope, function.alias, rows, element);
  if (!function.alias.name && !function.calls.empty() && function.calls.front() != nullptr)
    scope.items.back().name =
        function.calls.front()->name.empty() ? sql::List<sql::Identifier>{} : function.calls.front()->name.last(1);
}

void Resolver::table_reference(const sql::TableReference& reference, Scope& scope, Shape& shape) {
  if (!step()) return;
  switch (reference.kind) {
    case sql::NodeKind::kTable:
      return table(static_cast<const sql::Table&>(reference), scope, shape);
    case sql::NodeKind::kDerivedTable:
      return derived_table(static_cast<const sql::DerivedTable&>(reference), scope, shape);
    case sql::NodeKind::kTableFunction:
      return table_function(static_cast<const sql::TableFunction&>(reference), scope, shape, false);
    case sql::NodeKind::kJoinChain:
      return join_chain(static_cast<const sql::JoinChain&>(reference), scope, shape);
    case sql::NodeKind::kPivot:
      return pivot(static_cast<const sql::Pivot&>(reference), scope, shape);
    case sql::NodeKind::kUnpivot:
      return unpivot(static_cast<const sql::Unpivot&>(reference), scope, shape);
    case sql::NodeKind::kMatchRecognize:
      return match_recognize(static_cast<const sql::MatchRecognize&>(reference), scope, shape);
    case sql::NodeKind::kOpaqueTable:
      return opaque_table(static_cast<const sql::OpaqueTable&>(reference), scope, shape);
    default: {
      const auto* error = sql::as<sql::ErrorTable>(&reference);
      const bool is_template = error != nullptr && error->is_template;
      const std::uint32_t why = unread(error != nullptr ? error->text : "", is_template, reference.span);
      Shape* rows = open_shape(why);
      rows->any = gap_node(why);
      rows->gaps.push_back(why);
      shape.inner.push_back(rows);
      return add_item(scope, error != nullptr ? error->alias : sql::TableAlias{}, rows);
    }
  }
}

void Resolver::opaque_table(const sql::OpaqueTable& table, Scope& scope, Shape& shape) {
  Shape* rows = make_shape();
  shape.inner.push_back(rows);
  Values values;
  for (const auto* argument : table.arguments) visit(argument, scope, *rows, kCalculated, values);
  const NodeId document = graph_.make(values.inputs, table.span, kNone, true);
  for (const auto& column : table.columns)
    rows->columns.push_back({Name(column.name), column.type.text == "for ordinality" ? graph_.of_row() : document});
  if (table.columns.empty()) {
    rows->open = true;
    rows->gap = gap(Reason::kTableFunction, table.what, table.span);
    rows->gaps.push_back(rows->gap);
    rows->any = document;
  }
  add_item(scope, table.alias, aliased(rows, table.alias));
}

void Resolver::match_recognize(const sql::MatchRecognize& match, Scope& scope, Shape& shape) {
  Shape* source = source_of(*match.source, scope, shape);
  Scope inner(scope.outer);
  inner.items.emplace_back().shape = source;
  inner.any_qualifier = true;
  Shape* rows = make_shape();
  rows->inner.push_back(source);
  shape.inner.push_back(rows);
  for (const auto* expression : match.partition_by) {
    influence(expression, EdgeKind::kGrouped, inner, *rows);
    if (match.all_rows) continue;
    const auto* named = sql::as<sql::Column>(expression);
    rows->columns.push_back({named != nullptr ? Name(named->parts.back()) : Name(), value(expression, inner, *rows)});
  }
  for (const auto& item : match.order_by) influence(item.value, EdgeKind::kOrdered, inner, *rows);
  if (match.all_rows && !take_unused(*rows, *source, {})) return;
  for (const auto& variable : match.define) influence(variable.value, EdgeKind::kFiltered, inner, *rows);
  for (const auto& measure : match.measures) {
    Values values;
    values.of_rows = true;  // match_number(), classifier()
    visit(measure.value, inner, *rows, kCalculated, values);
    rows->columns.push_back({Name(measure.alias), graph_.make(values.inputs, measure.value->span, kNone, true)});
  }
  add_item(scope, match.alias, aliased(rows, match.alias));
}

sql::List<sql::Identifier> Resolver::split_name(std::string_view text, sql::Span span) {
  auto& parts = names_.emplace_back();
  std::size_t at = 0;
  while (at <= text.size()) {
    const bool quoted = at < text.size() && (text[at] == '"' || text[at] == '`');
    std::size_t end = quoted ? text.find(text[at], at + 1) : text.find('.', at);
    if (end == std::string_view::npos) end = text.size();
    const std::size_t from = at + (quoted ? 1 : 0);
    parts.push_back(
        {text.substr(from, end - std::min(from, end)), quoted ? sql::Quote::kDouble : sql::Quote::kNone, span});
    at = end + (quoted ? 2 : 1);
  }
  return parts;
}

Shape* Resolver::named_relation(sql::List<sql::Identifier> name, sql::Span span) {
  if (name.size() == 1) {
    const auto bound = ctes_.find(ascii_lower(name[0].text));
    if (bound != ctes_.end() && !bound->second.empty() && !bound->second.back()->is_value) {
      bound->second.back()->read_as_cte = true;
      return bound->second.back();
    }
  }
  return relation(name, span);
}

// Functions that stand for a relation: identifier('t'), stream(t), cluster('c', db.t), tumble(t, at, interval …).
bool Resolver::relation_function(const sql::TableFunction& function, Scope& scope, Shape& shape) {
  if (function.calls.size() != 1 || function.calls.front() == nullptr) return false;
  const sql::Call& call = *function.calls.front();
  if (call.arguments.empty()) return false;
  if (dialect_.id == sql::DialectId::kClickhouse && has_view_parameters(call)) {  // db.v (p = 1): a view
    Shape* from = named_relation(call.name, call.span);
    shape.inner.push_back(from);
    add_item(scope, function.alias, aliased(from, function.alias));
    if (!function.alias.name) scope.items.back().name = call.name;
    return true;
  }
  if (call.name.size() != 1) return false;
  const std::string name = ascii_lower(call.name.front().text);
  const bool windows = name == "tumble" || name == "hop" || name == "session";
  std::size_t place = 0;
  switch (dialect_.id) {
    case sql::DialectId::kSnowflake:
      if (name != "identifier") return false;
      break;
    case sql::DialectId::kDatabricks:
      if (name != "identifier" && name != "stream") return false;
      break;
    case sql::DialectId::kClickhouse:
      if (name == "cluster" || name == "remote" || name == "clusterallreplicas" || name == "remotesecure") {
        place = 1;
      } else if (name != "dictionary" && name != "view" && name != "viewifpermitted") {
        return false;
      }
      break;
    case sql::DialectId::kPostgres:
    case sql::DialectId::kGeneric:
      if (!windows) return false;
      break;
    default:
      return false;
  }
  if (place >= call.arguments.size()) return false;
  const sql::Expression* argument = call.arguments[place].value;
  Shape* from = nullptr;
  if (const auto* named = sql::as<sql::Column>(argument)) {
    from = named_relation(named->parts, call.span);
  } else if (const auto* text = sql::as<sql::Literal>(argument);
             text != nullptr && text->literal == sql::LiteralKind::kString) {
    from = named_relation(split_name(text->value, call.span), call.span);
  } else if (const auto* subquery = sql::as<sql::Subquery>(argument)) {
    from = query(*subquery->query, nullptr);
  } else {
    from = open_shape(gap(Reason::kUnknownRelation, sql::text_of(call.span, parsed_.text), call.span));
    from->any = graph_.nothing();
    from->gaps.push_back(from->gap);
  }
  if (windows) {
    Shape* rows = make_shape();
    rows->inner.push_back(from);
    if (!take_unused(*rows, *from, {})) return true;
    Values values;
    Scope inner(scope.outer);
    inner.items.emplace_back().shape = from;
    for (const auto& further : call.arguments.subspan(1)) visit(further.value, inner, *rows, kCalculated, values);
    const NodeId bound = graph_.make(values.inputs, call.span, kNone, true);
    rows->columns.push_back({Name("window_start", false), bound});
    rows->columns.push_back({Name("window_end", false), bound});
    from = rows;
  }
  shape.inner.push_back(from);
  add_item(scope, function.alias, aliased(from, function.alias));
  if (const auto* named = sql::as<sql::Column>(argument); named != nullptr && !function.alias.name)
    scope.items.back().name = named->parts;
  return true;
}

Shape* Resolver::source_of(const sql::TableReference& reference, Scope& scope, Shape& shape) {
  Scope inner(&scope);
  Shape* rows = make_shape();
  table_reference(reference, inner, *rows);
  shape.inner.push_back(rows);
  if (inner.items.size() == 1 && inner.merged.empty()) {
    rows->inner.push_back(inner.items.front().shape);
    return inner.items.front().shape;
  }
  static const sql::Star kAll{};
  expand(kAll, inner, *rows);
  return rows;
}

// ---- Joins ----

NodeId Resolver::side_column(Name name, std::size_t from, std::size_t to, bool use_merged, Scope& scope,
                             sql::Span span) {
  if (use_merged)
    for (const MergedColumn& merged : scope.merged)
      if (same_name(merged.name, name)) return merged.node;
  NodeId found = kNone;
  FromItem* open = nullptr;
  std::size_t opens = 0;
  for (std::size_t i = from; i < to; ++i) {
    FromItem& item = scope.items[i];
    if (!item.visible) continue;
    if (found == kNone) found = find_known(*item.shape, name);
    if (item.shape->open) open = &item, ++opens;
  }
  if (found != kNone) return found;
  if (opens == 1) return find_open(*open->shape, name, span);
  if (opens > 1) return gap_node(gap(Reason::kAmbiguousColumn, name.text, span));
  for (std::size_t i = from; i < to; ++i)
    if (to - from == 1) return find_stretched(*scope.items[i].shape, name, span);
  return kNone;
}

void Resolver::merge_column(const sql::Join& join, Name name, std::size_t first, std::size_t right, Scope& scope,
                            Shape& shape, sql::Span span) {
  const NodeId left_node = side_column(name, first, right, true, scope, span);
  const NodeId right_node = side_column(name, right, scope.items.size(), false, scope, span);
  for (const NodeId node : {left_node, right_node}) {
    if (node != kNone)
      shape.influences.push_back({node, EdgeKind::kJoined});
    else
      shape.gaps.push_back(gap(Reason::kUnknownColumn, name.text, span));
  }
  NodeId node = join.join == sql::JoinKind::kRight ? right_node : left_node;
  if (node == kNone) node = left_node != kNone ? left_node : right_node;
  if (node == kNone) return;
  if (join.join == sql::JoinKind::kFull && left_node != kNone && right_node != kNone) {
    const Input both[2] = {{left_node, kCalculated}, {right_node, kCalculated}};
    node = graph_.make(both, span, kNone);
  }
  for (MergedColumn& merged : scope.merged) {
    if (!same_name(merged.name, name)) continue;
    merged.node = node;
    merged.last = static_cast<std::uint32_t>(scope.items.size());
    return;
  }
  scope.merged.push_back(
      {name, node, static_cast<std::uint32_t>(first), static_cast<std::uint32_t>(scope.items.size())});
}

void Resolver::join_using(const sql::Join& join, std::size_t first, std::size_t right, Scope& scope, Shape& shape) {
  for (const sql::Identifier& name : join.using_columns)
    merge_column(join, Name(name), first, right, scope, shape, name.span);
  if (!join.natural) return;
  std::vector<Name> common;
  for (std::size_t r = right; r < scope.items.size(); ++r) {
    Shape& from = *scope.items[r].shape;
    if (from.open) shape.gaps.push_back(from.gap);
    const std::size_t count = size_of(from);
    if (!step(count)) return;
    for (std::size_t c = 0; c < count; ++c) {
      for (std::size_t l = first; l < right; ++l) {
        if (scope.items[l].shape->open && r == right && c == 0) shape.gaps.push_back(scope.items[l].shape->gap);
        if (find_known(*scope.items[l].shape, name_at(from, c)) == kNone) continue;
        common.push_back(name_at(from, c));
        break;
      }
    }
  }
  for (const Name& name : common) merge_column(join, name, first, right, scope, shape, join.span);
}

void Resolver::join_chain(const sql::JoinChain& chain, Scope& scope, Shape& shape) {
  if (chain.alias.name) {
    // (a join b …) as t
    Scope inner(scope.outer);
    sql::JoinChain plain = chain;
    plain.alias = {};
    Shape* rows = make_shape();
    join_chain(plain, inner, *rows);
    static const sql::Star kAll{};
    expand(kAll, inner, *rows);
    shape.inner.push_back(rows);
    return add_item(scope, chain.alias, aliased(rows, chain.alias));
  }
  const std::size_t first = scope.items.size();
  table_reference(*chain.first, scope, shape);
  for (const sql::Join& join : chain.joins) {
    const std::size_t right = scope.items.size();
    const bool lateral_view = join.join == sql::JoinKind::kLateralView || join.join == sql::JoinKind::kLateralViewOuter;
    if (const auto* function = sql::as<sql::TableFunction>(join.right)) {
      if (join.join == sql::JoinKind::kArray || join.join == sql::JoinKind::kLeftArray) {
        // ARRAY JOIN a AS x, b: each array becomes a column of its elements.
        Shape* rows = make_shape();
        shape.inner.push_back(rows);
        for (const sql::Call* call : function->calls) {
          if (call == nullptr) continue;
          for (const auto& argument : call->arguments) {
            const auto* named = sql::as<sql::Aliased>(argument.value);
            const auto* plain = sql::as<sql::Column>(argument.value);
            Values values;
            visit(named != nullptr ? named->value : argument.value, scope, *rows, kCalculated, values);
            const Name name = named != nullptr   ? Name(named->alias)
                              : plain != nullptr ? Name(plain->parts.back())
                                                 : Name();
            rows->columns.push_back({name, graph_.make(values.inputs, call->span, kNone, true)});
          }
        }
        add_item(scope, {}, rows);
        scope.items.back().in_star = false;
        for (const ShapeColumn& column : rows->columns) scope.merged.push_back({column.name, column.node, 0, 0});
        continue;
      }
      table_function(*function, scope, shape, lateral_view);
    } else if (const auto* derived = sql::as<sql::DerivedTable>(join.right);
               derived != nullptr &&
               (join.join == sql::JoinKind::kCrossApply || join.join == sql::JoinKind::kOuterApply)) {
      Shape* rows = query(*derived->query, &scope);
      shape.inner.push_back(rows);
      add_item(scope, derived->alias, aliased(rows, derived->alias));
    } else {
      table_reference(*join.right, scope, shape);
    }
    if (!join.using_columns.empty() || join.natural) join_using(join, first, right, scope, shape);
    influence(join.on, EdgeKind::kJoined, scope, shape);
    influence(join.match_condition, EdgeKind::kJoined, scope, shape);
    for (std::size_t i = first; i < scope.items.size(); ++i)
      if (is_hidden_side(join.join, i >= right)) scope.items[i].in_star = scope.items[i].visible = false;
  }
}

}  // namespace tideline::lineage
