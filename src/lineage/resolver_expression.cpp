// What a value is made of.

#include "base/text.h"
#include "lineage/functions.h"
#include "lineage/resolver.h"

namespace tideline::lineage {
namespace {

Way with(Way way, Transform transform) {
  way.transform = std::max(way.transform, transform);
  return way;
}
Way deciding(Way way) {
  way.conditional = true;
  return way;
}

}  // namespace

NodeId Resolver::value(const sql::Expression* expression, Scope& scope, Shape& shape) {
  while (true) {
    if (const auto* collate = sql::as<sql::Collate>(expression)) {
      expression = collate->operand;
    } else if (const auto* named = sql::as<sql::Aliased>(expression); named != nullptr && !prefers_aliases(dialect_)) {
      expression = named->value;
    } else {
      break;
    }
  }
  if (const auto* call = sql::as<sql::Call>(expression))
    if (const sql::Column* named = column_by_text(*call); named != nullptr) expression = named;
  if (const auto* named = sql::as<sql::Column>(expression)) {
    const Resolved found = column(*named, scope, shape);
    if (found.parts >= named->parts.size()) return found.node;
    const Input input{found.node, {Transform::kCalculated, false, 1000, Reason::kNone}};
    return graph_.make({&input, 1}, expression->span, kNone);
  }
  Values values;
  visit(expression, scope, shape, {Transform::kCalculated, false, 1000, Reason::kNone}, values);
  return graph_.make(values.inputs, expression->span, kNone, values.of_rows);
}

void Resolver::influence(const sql::Expression* expression, EdgeKind kind, Scope& scope, Shape& shape) {
  if (expression == nullptr) return;
  if (has_doubts()) place_doubts(expression->span);
  Values values;
  visit(expression, scope, shape, {}, values);
  for (const Input& input : values.inputs) shape.influences.push_back({input.node, kind});
}

void Resolver::visit_all_columns(Shape& from, Way way, Values& values) {
  const std::size_t count = size_of(from);
  if (!step(count)) return;
  for (std::size_t i = 0; i < count; ++i) values.inputs.push_back({node_at(from, i), way});
  if (from.any != kNone) {
    values.inputs.push_back({from.any, way});
  } else if (from.open && from.gap != kNone) {
    values.inputs.push_back({gap_node(from.gap), way});
  }
}

void Resolver::visit_subquery(const sql::Query& subquery, Scope& scope, Shape& shape, Way way, Values& values) {
  Shape* rows = query(subquery, &scope);
  shape.inner.push_back(rows);
  visit_all_columns(*rows, way, values);
}

void Resolver::visit_window(const sql::WindowSpec& window, Scope& scope, Shape& shape, Way way, Values& values) {
  const Way decides = deciding(with(way, Transform::kWindow));
  if (window.name && scope.select != nullptr) {
    for (const sql::NamedWindow& named : scope.select->windows)
      if (same_ignoring_case(named.name.text, window.name.text) && named.window != &window && step())
        visit_window(*named.window, scope, shape, way, values);
  }
  for (const auto* expression : window.partition_by) visit(expression, scope, shape, decides, values);
  for (const auto& item : window.order_by) visit(item.value, scope, shape, decides, values);
}

void Resolver::visit_call(const sql::Call& call, Scope& scope, Shape& shape, Way way, Values& values) {
  const std::string name = call.name.empty() ? std::string() : ascii_lower(call.name.back().text);
  if (call.over != nullptr || is_window_function(name)) {
    way = with(way, Transform::kWindow);
    values.of_rows = true;
  } else if (is_aggregate(name) || !call.within_group.empty() || call.filter != nullptr) {
    way = with(way, Transform::kAggregated);
    values.of_rows = true;
  }
  if (call.no_parentheses && name.starts_with("next value for")) values.of_rows = true;
  if (const std::uint32_t unknown = unknown_in(call.name, call.span); unknown != kNone)
    values.inputs.push_back({gap_node(unknown), way});
  if (call.base != nullptr) visit(call.base, scope, shape, way, values);
  if (is_method(call)) {
    sql::Column base;
    base.kind = sql::NodeKind::kColumn;
    base.span = call.span;
    base.parts = call.name.first(call.name.size() - 1);
    visit(&base, scope, shape, way, values);
  }
  const std::size_t ignored = scope.ignored.size();
  if (dialect_.id == sql::DialectId::kBigquery && name == "with")  // WITH(x AS a + 1, x * 2): its names are no columns
    for (const auto& argument : call.arguments)
      if (argument.name) scope.ignored.emplace_back(argument.name);
  const std::size_t decide = deciding_arguments(name);
  const bool last_decides = call.arguments.size() > 1 && is_conditional_aggregate(name);
  for (std::size_t i = 0; i < call.arguments.size(); ++i) {
    const sql::Expression* argument = call.arguments[i].value;
    if (argument == nullptr) continue;
    // count(*) counts rows: no column of them is looked at.
    if (argument->kind == sql::NodeKind::kStar && (name == "count" || name == "count_big")) continue;
    const bool decides = i < decide || (last_decides && i + 1 == call.arguments.size()) ||
                         (name == "multiif" && i % 2 == 0 && i + 1 < call.arguments.size());
    visit(argument, scope, shape, decides ? deciding(way) : way, values);
  }
  scope.ignored.resize(ignored);
  for (const auto& parameter : call.parameters)
    if (parameter.value != nullptr) visit(parameter.value, scope, shape, way, values);
  for (const auto& item : call.order_by) visit(item.value, scope, shape, deciding(way), values);
  // percentile_cont(0.5) within group (order by x): x is the value. listagg(x) within group (order by y): y is not.
  const bool orders_only =
      !call.keep.empty() || name == "listagg" || name == "string_agg" || name == "array_agg" || name == "group_concat";
  for (const auto& item : call.within_group) visit(item.value, scope, shape, orders_only ? deciding(way) : way, values);
  if (call.having != nullptr) visit(call.having, scope, shape, deciding(way), values);
  if (call.filter != nullptr) visit(call.filter, scope, shape, deciding(way), values);
  if (call.over != nullptr) visit_window(*call.over, scope, shape, way, values);
}

void Resolver::visit(const sql::Expression* expression, Scope& scope, Shape& shape, Way way, Values& values) {
  using sql::NodeKind;
  if (expression == nullptr || !step()) return;
  const Deeper deeper(depth_);
  const auto go = [&](const sql::Expression* part) { visit(part, scope, shape, way, values); };
  const auto all = [&](sql::List<const sql::Expression*> parts) {
    for (const auto* part : parts) go(part);
  };
  switch (expression->kind) {
    case NodeKind::kColumn: {
      const auto& named = *static_cast<const sql::Column*>(expression);
      const Resolved found = column(named, scope, shape);
      values.inputs.push_back({found.node, found.parts < named.parts.size() ? with(way, Transform::kCalculated) : way});
      return;
    }
    case NodeKind::kStar: {
      Shape* columns = make_shape();
      if (!expand(*static_cast<const sql::Star*>(expression), scope, *columns)) return;
      visit_all_columns(*columns, way, values);
      return;
    }
    case NodeKind::kColumns: {
      const auto& columns = *static_cast<const sql::Columns*>(expression);
      if (scope.columns != kNone && !columns.unpack) {
        values.inputs.push_back({scope.columns, way});
        return;
      }
      std::vector<ShapeColumn> found;
      matching_columns(columns, scope, shape, found, nullptr, {});
      for (const ShapeColumn& column : found) values.inputs.push_back({column.node, way});
      return;
    }
    case NodeKind::kLiteral:
    case NodeKind::kParameter:
      return;
    case NodeKind::kUnary:
      return go(static_cast<const sql::Unary*>(expression)->operand);
    case NodeKind::kOperation:
      return all(static_cast<const sql::Operation*>(expression)->operands);
    case NodeKind::kIs: {
      const auto& is = *static_cast<const sql::Is*>(expression);
      go(is.operand);
      return go(is.other);
    }
    case NodeKind::kBetween: {
      const auto& between = *static_cast<const sql::Between*>(expression);
      go(between.operand);
      go(between.low);
      return go(between.high);
    }
    case NodeKind::kIn: {
      const auto& in = *static_cast<const sql::In*>(expression);
      go(in.operand);
      all(in.list);
      if (in.query != nullptr) visit_subquery(*in.query, scope, shape, way, values);
      return go(in.source);
    }
    case NodeKind::kLike: {
      const auto& like = *static_cast<const sql::Like*>(expression);
      go(like.operand);
      all(like.patterns);
      return go(like.escape);
    }
    case NodeKind::kExists: {
      // Whether there are rows: their columns do not matter, what decides about them does.
      Shape* rows = query(*static_cast<const sql::Exists*>(expression)->query, &scope);
      shape.inner.push_back(rows);
      values.of_rows = true;
      return;
    }
    case NodeKind::kQuantified: {
      const auto& quantified = *static_cast<const sql::Quantified*>(expression);
      all(quantified.list);
      if (quantified.query != nullptr) visit_subquery(*quantified.query, scope, shape, way, values);
      return;
    }
    case NodeKind::kCase: {
      const auto& choice = *static_cast<const sql::Case*>(expression);
      if (choice.operand != nullptr) visit(choice.operand, scope, shape, deciding(way), values);
      for (const sql::When& when : choice.whens) {
        visit(when.condition, scope, shape, deciding(way), values);
        go(when.result);
      }
      return go(choice.otherwise);
    }
    case NodeKind::kCast: {
      const auto& cast = *static_cast<const sql::Cast*>(expression);
      go(cast.operand);
      return go(cast.format);
    }
    case NodeKind::kCall:
      return visit_call(*static_cast<const sql::Call*>(expression), scope, shape, way, values);
    case NodeKind::kArray: {
      const auto& array = *static_cast<const sql::Array*>(expression);
      all(array.elements);
      if (array.query != nullptr) visit_subquery(*array.query, scope, shape, way, values);
      return;
    }
    case NodeKind::kStruct: {
      for (const sql::Field& field : static_cast<const sql::Struct*>(expression)->fields) {
        go(field.key);
        go(field.value);
      }
      return;
    }
    case NodeKind::kPath: {
      const auto& path = *static_cast<const sql::Path*>(expression);
      go(path.base);
      for (const sql::Step& into : path.steps) {
        go(into.index);
        go(into.high);
        go(into.stride);
      }
      return;
    }
    case NodeKind::kSubquery:
      return visit_subquery(*static_cast<const sql::Subquery*>(expression)->query, scope, shape, way, values);
    case NodeKind::kInterval:
      return go(static_cast<const sql::Interval*>(expression)->value);
    case NodeKind::kLambda: {
      const auto& lambda = *static_cast<const sql::Lambda*>(expression);
      const std::size_t before = scope.ignored.size();
      for (const sql::Identifier& parameter : lambda.parameters) scope.ignored.emplace_back(parameter);
      go(lambda.body);
      scope.ignored.resize(before);
      return;
    }
    case NodeKind::kCollate:
      return go(static_cast<const sql::Collate*>(expression)->operand);
    case NodeKind::kGroupingSet:
      return all(static_cast<const sql::GroupingSet*>(expression)->elements);
    case NodeKind::kAliased: {
      const auto& named = *static_cast<const sql::Aliased*>(expression);
      if (!prefers_aliases(dialect_)) return go(named.value);
      const NodeId node = value(named.value, scope, shape);
      scope.aliases[ascii_lower(named.alias.text)] = node;
      values.inputs.push_back({node, way});
      return;
    }
    case NodeKind::kErrorExpression: {
      const auto& error = *static_cast<const sql::ErrorExpression*>(expression);
      values.inputs.push_back({gap_node(unread(error.text, error.is_template, error.span)), way});
      return;
    }
    default:
      values.inputs.push_back({gap_node(gap(Reason::kUnsupported, "expression", expression->span)), way});
      return;
  }
}

}  // namespace tideline::lineage
