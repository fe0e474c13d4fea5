// What stands in FROM.

#include <algorithm>

#include "base/text.h"
#include "lineage/functions.h"
#include "lineage/resolver.h"

namespace tideline::lineage {
namespace {

constexpr Way kPassed{};
constexpr Way kCalculated{Transform::kCalculated, false, 1000, Reason::kNone};

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
  const auto found = relations_.find(parts, dialect_, reader_.upstream);
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
    stage->any = graph_.nothing();
    shape.inner.push_back(stage);
    return add_item(scope, table.alias, aliased(stage, table.alias));
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
      if (array == kNone && item->shape->open && dialect_.id == sql::DialectId::kBigquery)
        array = find_open(*item->shape, Name(table.name[1]), table.span);
      if (array != kNone) {
        const Input input{array, kCalculated};
        Shape* elements = open_shape(gap(Reason::kUnknownColumns, written(table.name), table.span));
        elements->any = graph_.make({&input, 1}, table.span, kNone, true);
        shape.inner.push_back(elements);
        sql::TableAlias alias = table.alias;
        if (!alias.name) alias.name = table.name.back();
        return add_item(scope, alias, elements, elements->any);
      }
    }
  }
  Shape* from = relation(table.name, table.span);
  shape.inner.push_back(from);
  add_item(scope, table.alias, aliased(from, table.alias));
  if (!table.alias.name) scope.items.back().name = table.name;
}

void Resolver::derived_table(const sql::DerivedTable& table, Scope& scope, Shape& shape) {
  Shape* rows = query(*table.query, table.lateral ? &scope : scope.outer);
  shape.inner.push_back(rows);
  add_item(scope, table.alias, aliased(rows, table.alias));
}

void Resolver::table_function(const sql::TableFunction& function, Scope& scope, Shape& shape, bool lateral_view) {
  Shape* rows = make_shape();
  shape.inner.push_back(rows);
  std::vector<ShapeColumn> columns;
  std::vector<NodeId> nodes;
  std::string_view unknown;
  bool alias_is_column = false;
  std::vector<std::string_view> names;
  for (const sql::Call* call : function.calls) {
    if (call == nullptr) continue;
    const std::string name = call->name.empty() ? std::string("unnest") : ascii_lower(call->name.back().text);
    const auto known = table_function_columns(name, dialect_);
    const bool per_argument = name == "unnest" && call->arguments.size() > 1;  // unnest(a, b): a column for each
    const auto node_of = [&](const sql::Expression* argument) {
      Values values;
      if (argument != nullptr)
        visit(argument, scope, *rows, kCalculated, values);
      else
        visit_call(*call, scope, *rows, kCalculated, values);
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
  if (!function.definitions.empty()) {
    for (const auto& definition : function.definitions)
      columns.push_back({Name(definition.name), nodes.empty() ? graph_.nothing() : nodes.front()});
  } else if (!given.empty()) {
    for (std::size_t i = 0; i < given.size() || i < nodes.size(); ++i) {
      const NodeId node = nodes.empty() ? graph_.nothing() : nodes[std::min(i, nodes.size() - 1)];
      columns.push_back({i < given.size() ? Name(given[i]) : Name(names[i], false), node});
    }
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
  const std::uint32_t why = gap(Reason::kTableFunction, table.what, table.span);
  Shape* rows = open_shape(why);
  rows->any = gap_node(why);
  rows->gaps.push_back(why);
  if (table.source != nullptr) rows->inner.push_back(source_of(*table.source, scope, shape));
  shape.inner.push_back(rows);
  add_item(scope, table.alias, aliased(rows, table.alias));
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
            visit(argument.value, scope, *rows, kCalculated, values);
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

// ---- PIVOT, UNPIVOT ----

bool Resolver::take_unused(Shape& shape, Shape& from, std::vector<NodeId> used) {
  const std::size_t count = size_of(from);
  if (!step(count)) return false;
  std::sort(used.begin(), used.end());
  for (std::size_t i = 0; i < count; ++i) {
    const NodeId node = node_at(from, i);
    if (!std::binary_search(used.begin(), used.end(), node)) shape.columns.push_back({name_at(from, i), node});
  }
  if (from.open) take_rest(shape, from);
  return true;
}

void Resolver::pivot(const sql::Pivot& pivot, Scope& scope, Shape& shape) {
  Shape* source = source_of(*pivot.source, scope, shape);
  Scope inner(scope.outer);
  inner.items.emplace_back().shape = source;
  if (const auto* table = sql::as<sql::Table>(pivot.source)) {
    if (table->alias.name)
      inner.items.back().alias = Name(table->alias.name);
    else
      inner.items.back().name = table->name;
  }
  Shape* rows = make_shape();
  rows->inner.push_back(source);
  shape.inner.push_back(rows);

  // What neither an aggregate nor FOR uses, the rows are grouped by.
  std::vector<NodeId> used;
  std::vector<std::vector<Input>> aggregates;
  for (const auto& aggregate : pivot.aggregates) {
    Values values;
    visit(aggregate.value, inner, *rows, {Transform::kAggregated, false, 1000, Reason::kNone}, values);
    for (const Input& input : values.inputs) used.push_back(input.node);
    aggregates.push_back(std::move(values.inputs));
  }
  bool dynamic = false;
  for (const auto& column : pivot.columns) {
    Values values;
    visit(column.value, inner, *rows, {}, values);
    for (const Input& input : values.inputs) {
      used.push_back(input.node);
      rows->influences.push_back({input.node, EdgeKind::kFiltered});
    }
    if (column.query != nullptr) rows->inner.push_back(query(*column.query, &inner));
    dynamic |= column.any || column.query != nullptr || column.in_enum || column.in.empty();
  }
  if (!pivot.group_by.empty()) {
    for (const auto* expression : pivot.group_by) {
      const auto* named = sql::as<sql::Column>(expression);
      rows->columns.push_back({named != nullptr ? Name(named->parts.back()) : Name(), value(expression, inner, *rows)});
    }
  } else {
    if (!take_unused(*rows, *source, std::move(used))) return;
  }
  for (const ShapeColumn& column : rows->columns) rows->influences.push_back({column.node, EdgeKind::kGrouped});

  std::vector<NodeId> nodes;
  for (const auto& inputs : aggregates) nodes.push_back(graph_.make(inputs, pivot.span, kNone, true));
  if (nodes.empty()) nodes.push_back(graph_.make({}, {}, kNone, true));  // PIVOT t ON x: count(*)
  if (dynamic) {
    rows->open = true;
    rows->gap = gap(Reason::kDynamicPivot, "PIVOT", pivot.span);
    rows->gaps.push_back(rows->gap);
    Values all;
    for (const NodeId node : nodes) all.inputs.push_back({node, kPassed});
    rows->any = graph_.make(all.inputs, {}, kNone);
  }
  const auto text_of_value = [&](const sql::AliasedValue& in) -> std::string {
    if (in.alias) return std::string(in.alias.text);
    if (const auto* literal = sql::as<sql::Literal>(in.value)) {
      if (literal->literal != sql::LiteralKind::kString) return std::string(literal->text);
      // Snowflake keeps the quotes in the name.
      return dialect_.id == sql::DialectId::kSnowflake ? std::string(literal->text) : std::string(literal->value);
    }
    if (const auto* named = sql::as<sql::Column>(in.value)) return std::string(named->parts.back().text);
    return std::string(sql::text_of(in.span, parsed_.text));
  };
  // The names of every combination of values, one FOR after the other.
  std::vector<std::string> prefixes{""};
  for (const auto& column : pivot.columns) {
    std::vector<std::string> longer;
    for (const auto& prefix : prefixes) {
      for (const auto& in : column.in) {
        if (!step() || longer.size() > kMaxColumns) return;
        longer.push_back(prefix.empty() ? text_of_value(in) : prefix + "_" + text_of_value(in));
      }
    }
    if (!longer.empty()) prefixes = std::move(longer);
  }
  if (!(prefixes.size() == 1 && prefixes.front().empty())) {
    for (const auto& prefix : prefixes) {
      for (std::size_t i = 0; i < nodes.size(); ++i) {
        if (!step()) return;
        std::string name = prefix;
        if (nodes.size() > 1 ||
            (i < pivot.aggregates.size() && pivot.aggregates[i].alias && dialect_.id != sql::DialectId::kSnowflake &&
             dialect_.id != sql::DialectId::kDatabricks)) {
          const std::string_view suffix = i < pivot.aggregates.size() && pivot.aggregates[i].alias
                                              ? pivot.aggregates[i].alias.text
                                              : sql::text_of(pivot.aggregates[i].span, parsed_.text);
          name = dialect_.id == sql::DialectId::kBigquery ? std::string(suffix) + "_" + prefix
                                                          : prefix + "_" + std::string(suffix);
        }
        rows->columns.push_back({Name(stored(std::move(name)), true), nodes[i]});
      }
    }
  }
  add_item(scope, pivot.alias, aliased(rows, pivot.alias));
}

void Resolver::unpivot(const sql::Unpivot& unpivot, Scope& scope, Shape& shape) {
  Shape* source = source_of(*unpivot.source, scope, shape);
  Scope inner(scope.outer);
  inner.items.emplace_back().shape = source;
  Shape* rows = make_shape();
  rows->inner.push_back(source);
  shape.inner.push_back(rows);

  // One group of nodes for each column turned; a tuple turns several at once.
  std::vector<std::vector<Input>> per_value(std::max<std::size_t>(unpivot.values.size(), 1));
  std::vector<NodeId> used;
  const auto turn = [&](const sql::Expression* expression, std::size_t position) {
    Values values;
    visit(expression, inner, *rows, {}, values);
    for (const Input& input : values.inputs) {
      used.push_back(input.node);
      per_value[std::min(position, per_value.size() - 1)].push_back(input);
    }
  };
  for (const auto& column : unpivot.columns) {
    if (const auto* tuple = sql::as<sql::Struct>(column.value)) {
      for (std::size_t i = 0; i < tuple->fields.size(); ++i) turn(tuple->fields[i].value, i);
    } else {
      turn(column.value, 0);
    }
  }
  if (!take_unused(*rows, *source, std::move(used))) return;
  // The order in which dialects list the two does not matter to names.
  for (const auto& name : unpivot.names) rows->columns.push_back({Name(name), graph_.make({}, {}, kNone, true)});
  if (unpivot.names.empty()) rows->columns.push_back({Name("name", false), graph_.make({}, {}, kNone, true)});
  for (std::size_t i = 0; i < per_value.size(); ++i)
    rows->columns.push_back({i < unpivot.values.size() ? Name(unpivot.values[i]) : Name("value", false),
                             graph_.make(per_value[i], {}, kNone)});
  add_item(scope, unpivot.alias, aliased(rows, unpivot.alias));
}

}  // namespace tideline::lineage
