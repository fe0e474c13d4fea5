// The statements around a query: what they put into which columns of their target.

#include <utility>

#include "base/text.h"
#include "lineage/resolver.h"

namespace tideline::lineage {

Shape* Resolver::statement(const sql::Statement& statement, std::vector<std::string>& target, bool returning) {
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
      return insert(static_cast<const sql::Insert&>(statement), target, returning);
    case sql::NodeKind::kMerge:
      return merge(static_cast<const sql::Merge&>(statement), target, returning);
    case sql::NodeKind::kUpdate:
      return update(static_cast<const sql::Update&>(statement), target, returning);
    case sql::NodeKind::kDelete:
      return remove(static_cast<const sql::Delete&>(statement), target, returning);
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

/// The target of UPDATE and DELETE and what is joined to it. UPDATE x … FROM t AS x (T-SQL): x is t.
void Resolver::changed_table(const sql::TableReference* target, sql::List<const sql::TableReference*> from,
                             Scope& scope, Shape& shape, std::vector<std::string>& name) {
  const auto* named = sql::as<sql::Table>(target);
  const sql::Table* meant = nullptr;
  const auto look = [&](const sql::TableReference* reference) {
    const auto* table = sql::as<sql::Table>(reference);
    if (table != nullptr && table->alias.name && same_ignoring_case(table->alias.name.text, named->name[0].text))
      meant = table;
  };
  if (named != nullptr && named->name.size() == 1 && !named->alias.name) {
    for (const auto* reference : from) {
      if (!step()) break;
      look(reference);
      const auto* chain = sql::as<sql::JoinChain>(reference);
      if (chain == nullptr) continue;
      look(chain->first);
      for (const auto& join : chain->joins) look(join.right);
    }
  }
  if (meant != nullptr) {
    for (const auto& part : meant->name) name.emplace_back(part.text);
  } else {
    const auto* chain = sql::as<sql::JoinChain>(target);  // MySQL: UPDATE t JOIN s …
    target_shape(target, scope, shape, name);
    if (const auto* first = chain != nullptr ? sql::as<sql::Table>(chain->first) : nullptr; first != nullptr)
      for (const auto& part : first->name) name.emplace_back(part.text);
  }
  for (const auto* reference : from)
    if (reference != nullptr) table_reference(*reference, scope, shape);
}

Shape* Resolver::returned(sql::List<sql::SelectItem> items, Scope& scope, Shape& shape) {
  Shape* rows = make_shape();
  rows->inner.push_back(&shape);
  select_items(items, scope, *rows);
  return rows;
}

/// A table that an earlier statement of the text makes: it is resolved when it is first read.
Shape* Resolver::script_table(const std::string& name) {
  const auto made = script_tables_.find(name);
  if (made == script_tables_.end() || made->second >= current_statement_) return nullptr;
  const auto [known, fresh] = script_shapes_.emplace(name, nullptr);
  if (!fresh) return known->second;
  if (depth_ >= kMaxLazyDepth) {
    Shape* lost = open_shape(gap(Reason::kTooComplex, name, {}));
    return script_shapes_[name] = lost;
  }
  const Deeper deeper(depth_);
  const std::size_t outer = std::exchange(current_statement_, made->second);
  auto ctes = std::exchange(ctes_, {});
  std::vector<std::string> target;
  Shape* shape = statement(*parsed_.statements[made->second], target);
  ctes_ = std::move(ctes);
  current_statement_ = outer;
  script_shapes_[name] = shape;
  return shape;
}

/// What the statements before the last one make, by name; and what they declare.
void Resolver::note_script(std::size_t last) {
  for (std::size_t i = 0; i < last && step(); ++i) {
    const sql::Statement* one = parsed_.statements[i];
    sql::List<sql::Identifier> name;
    if (const auto* create = sql::as<sql::Create>(one); create != nullptr && create->query != nullptr) {
      name = create->name;
    } else if (const auto* insert = sql::as<sql::Insert>(one); insert != nullptr && insert->query != nullptr) {
      if (const auto* table = sql::as<sql::Table>(insert->target)) name = table->name;
    } else if (const auto* plain = sql::as<sql::QueryStatement>(one)) {
      if (const auto* select = sql::as<sql::Select>(plain->query->body)) name = select->into;
    } else if (const auto* unread = sql::as<sql::ErrorStatement>(one)) {
      for (const auto& variable : unread->variables) variables_.emplace_back(variable);
    }
    if (!name.empty()) script_tables_.emplace(ascii_lower(written(name)), i);
  }
}

Shape* Resolver::insert(const sql::Insert& insert, std::vector<std::string>& target, bool returning) {
  if (insert.query == nullptr) return nullptr;
  Shape* uses = make_shape();
  const std::size_t bound = bind(insert.with, nullptr, *uses);
  Shape* rows = query(*insert.query, nullptr);
  unbind(insert.with, bound);
  Scope scope;
  const Shape* into = target_shape(insert.target, scope, *uses, target);
  if (returning) {
    scope.items.front().shape = insert.columns.empty() ? rows : aliased(rows, {{}, insert.columns});
    return returned(insert.returning, scope, *rows);
  }
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

Shape* Resolver::merge(const sql::Merge& merge, std::vector<std::string>& target, bool returning) {
  Shape* shape = make_shape();
  const std::size_t bound = bind(merge.with, nullptr, *shape);
  Scope scope;
  Shape* into = target_shape(merge.target, scope, *shape, target);
  const std::size_t targets = scope.items.size();
  if (merge.source != nullptr) table_reference(*merge.source, scope, *shape);
  influence(merge.on, EdgeKind::kJoined, scope, *shape);
  for (const sql::MergeWhen& when : merge.whens) {
    influence(when.condition, EdgeKind::kFiltered, scope, *shape);
    influence(when.delete_where, EdgeKind::kFiltered, scope, *shape);
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
  if (returning) return returned(merge.returning, scope, *shape);
  return shape;
}

Shape* Resolver::update(const sql::Update& update, std::vector<std::string>& target, bool returning) {
  Shape* shape = make_shape();
  const std::size_t bound = bind(update.with, nullptr, *shape);
  Scope scope;
  changed_table(update.target, update.from, scope, *shape, target);
  influence(update.where, EdgeKind::kFiltered, scope, *shape);
  for (const auto& assignment : update.assignments) {
    const NodeId node = value(assignment.value, scope, *shape);
    if (!assignment.column.empty()) assign(*shape, Name(assignment.column.back()), node);
    for (const auto* column : assignment.columns)
      if (const auto* named = sql::as<sql::Column>(column)) assign(*shape, Name(named->parts.back()), node);
  }
  unbind(update.with, bound);
  if (returning) return returned(update.returning, scope, *shape);
  return shape;
}

Shape* Resolver::remove(const sql::Delete& statement, std::vector<std::string>& target, bool returning) {
  Shape* shape = make_shape();
  const std::size_t bound = bind(statement.with, nullptr, *shape);
  Scope scope;
  changed_table(statement.target, statement.using_tables, scope, *shape, target);
  influence(statement.where, EdgeKind::kFiltered, scope, *shape);
  unbind(statement.with, bound);
  if (returning) return returned(statement.returning, scope, *shape);
  return shape;
}

}  // namespace tideline::lineage
