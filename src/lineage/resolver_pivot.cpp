// PIVOT and UNPIVOT.

#include <algorithm>

#include "base/text.h"
#include "lineage/resolver.h"

namespace tideline::lineage {

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
    dynamic |= !pivot.xml && (column.any || column.query != nullptr || column.in_enum || column.in.empty());
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
    for (const NodeId node : nodes) all.inputs.push_back({node, Way{}});
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
  if (pivot.xml) {
    rows->open = false;
    std::string name;
    for (const auto& column : pivot.columns)
      if (const auto* named = sql::as<sql::Column>(column.value))
        name += (name.empty() ? "" : "_") + std::string(named->parts.back().text);
    Values all;
    for (const NodeId node : nodes) all.inputs.push_back({node, Way{}});
    rows->columns.push_back({Name(stored(name + "_XML"), false), graph_.make(all.inputs, {}, kNone)});
  } else if (!(prefixes.size() == 1 && prefixes.front().empty())) {
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
        if (dialect_.id == sql::DialectId::kBigquery && name[0] >= '0' && name[0] <= '9') name.insert(0, 1, '_');
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
    if (const auto* dynamic = sql::as<sql::Columns>(column.value)) {
      std::vector<ShapeColumn> found;
      matching_columns(*dynamic, inner, *rows, found, nullptr, {});
      for (const ShapeColumn& one : found) {
        used.push_back(one.node);
        per_value[0].push_back({one.node, Way{}});
      }
    } else if (const auto* tuple = sql::as<sql::Struct>(column.value)) {
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
