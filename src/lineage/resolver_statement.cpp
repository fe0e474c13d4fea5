// The statements around a query: what they put into which columns of their target.

#include "base/text.h"
#include "lineage/resolver.h"

namespace tideline::lineage {

Shape* Resolver::statement(const sql::Statement& statement, std::vector<std::string>& target) {
  switch (statement.kind) {
    case sql::NodeKind::kQueryStatement: {
      const auto& plain = static_cast<const sql::QueryStatement&>(statement);
      const auto* select = sql::as<sql::Select>(plain.query->body);
      if (select != nullptr)
        for (const auto& part : select->into) target.emplace_back(part.text);
      return query(*plain.query, nullptr);
    }
    case sql::NodeKind::kCreate:
      return create(static_cast<const sql::Create&>(statement), target);
    case sql::NodeKind::kInsert:
      return insert(static_cast<const sql::Insert&>(statement), target);
    case sql::NodeKind::kMerge:
      return merge(static_cast<const sql::Merge&>(statement), target);
    case sql::NodeKind::kUpdate:
      return update(static_cast<const sql::Update&>(statement), target);
    case sql::NodeKind::kDelete:
      return remove(static_cast<const sql::Delete&>(statement), target);
    default:
      return nullptr;
  }
}

Shape* Resolver::create(const sql::Create& create, std::vector<std::string>& target) {
  Shape* rows = nullptr;
  if (create.query != nullptr) {
    rows = query(*create.query, nullptr);
  } else if (create.like != nullptr) {
    Scope scope;
    rows = source_of(*create.like, scope, *make_shape());
  } else {
    return nullptr;
  }
  for (const auto& part : create.name) target.emplace_back(part.text);
  std::vector<sql::Identifier> names;
  for (const auto& column : create.columns) names.push_back(column.name);
  return aliased(rows, {{}, names});
}

Shape* Resolver::target_shape(const sql::TableReference* reference, Scope& scope, Shape& shape,
                              std::vector<std::string>& target) {
  if (reference == nullptr) return nullptr;
  if (const auto* table = sql::as<sql::Table>(reference))
    for (const auto& part : table->name) target.emplace_back(part.text);
  table_reference(*reference, scope, shape);
  return scope.items.empty() ? nullptr : scope.items.front().shape;
}

Shape* Resolver::insert(const sql::Insert& insert, std::vector<std::string>& target) {
  if (insert.query == nullptr) return nullptr;
  Shape* uses = make_shape();
  const std::size_t bound = bind(insert.with, nullptr, *uses);
  Shape* rows = query(*insert.query, nullptr);
  unbind(insert.with, bound);
  Scope scope;
  const Shape* into = target_shape(insert.target, scope, *uses, target);
  if (!insert.columns.empty()) return aliased(rows, {{}, insert.columns});
  if (into == nullptr || into->relation == nullptr || into->open || insert.by_name || rows->open) return rows;
  // Without a list the values go to the target's columns by position.
  Shape* named = make_shape();
  const std::size_t count = size_of(*rows);
  if (!step(count)) return named;
  for (std::size_t i = 0; i < count; ++i)
    named->columns.push_back({i < size_of(*into) ? name_at(*into, i) : name_at(*rows, i), node_at(*rows, i)});
  named->inner.push_back(rows);
  return named;
}

void Resolver::assign(Shape& shape, Name name, NodeId node) {
  for (ShapeColumn& column : shape.columns) {
    if (!step() || !same_name(column.name, name)) continue;
    const Input both[2] = {{column.node, {}}, {node, {}}};
    column.node = graph_.make(both, {}, kNone);
    return;
  }
  shape.columns.push_back({name, node});
}

Shape* Resolver::merge(const sql::Merge& merge, std::vector<std::string>& target) {
  Shape* shape = make_shape();
  const std::size_t bound = bind(merge.with, nullptr, *shape);
  Scope scope;
  Shape* into = target_shape(merge.target, scope, *shape, target);
  const std::size_t targets = scope.items.size();
  if (merge.source != nullptr) table_reference(*merge.source, scope, *shape);
  influence(merge.on, EdgeKind::kJoined, scope, *shape);
  for (const sql::MergeWhen& when : merge.whens) {
    influence(when.condition, EdgeKind::kFiltered, scope, *shape);
    if (when.star || when.row) {
      for (std::size_t i = targets; i < scope.items.size(); ++i) {
        Shape& from = *scope.items[i].shape;
        const std::size_t count = size_of(from);
        if (!step(count)) break;
        for (std::size_t c = 0; c < count; ++c) assign(*shape, name_at(from, c), node_at(from, c));
        if (from.open) take_rest(*shape, from);
      }
    }
    for (const auto& assignment : when.assignments)
      if (!assignment.column.empty())
        assign(*shape, Name(assignment.column.back()), value(assignment.value, scope, *shape));
    for (std::size_t i = 0; i < when.values.size(); ++i) {
      Name name;
      if (i < when.columns.size() && !when.columns[i].empty())
        name = Name(when.columns[i].back());
      else if (when.columns.empty() && into != nullptr && i < size_of(*into))
        name = name_at(*into, i);
      else
        continue;
      assign(*shape, name, value(when.values[i], scope, *shape));
    }
  }
  unbind(merge.with, bound);
  return shape;
}

Shape* Resolver::update(const sql::Update& update, std::vector<std::string>& target) {
  Shape* shape = make_shape();
  const std::size_t bound = bind(update.with, nullptr, *shape);
  Scope scope;
  target_shape(update.target, scope, *shape, target);
  for (const auto* from : update.from)
    if (from != nullptr) table_reference(*from, scope, *shape);
  influence(update.where, EdgeKind::kFiltered, scope, *shape);
  for (const auto& assignment : update.assignments) {
    const NodeId node = value(assignment.value, scope, *shape);
    if (!assignment.column.empty()) assign(*shape, Name(assignment.column.back()), node);
    for (const auto* column : assignment.columns)
      if (const auto* named = sql::as<sql::Column>(column)) assign(*shape, Name(named->parts.back()), node);
  }
  unbind(update.with, bound);
  return shape;
}

Shape* Resolver::remove(const sql::Delete& statement, std::vector<std::string>& target) {
  Shape* shape = make_shape();
  const std::size_t bound = bind(statement.with, nullptr, *shape);
  Scope scope;
  target_shape(statement.target, scope, *shape, target);
  for (const auto* from : statement.using_tables)
    if (from != nullptr) table_reference(*from, scope, *shape);
  influence(statement.where, EdgeKind::kFiltered, scope, *shape);
  unbind(statement.with, bound);
  return shape;
}

}  // namespace tideline::lineage
