#include "extract/lineage_rows.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <unordered_map>

#include "base/text.h"
#include "extract/ephemeral.h"
#include "extract/lineage_edges.h"
#include "extract/lineage_objects.h"
#include "extract/lineage_text.h"
#include "sql/dialect.h"

namespace tideline::extract {
namespace {

using lineage::EdgeKind;
using lineage::kNone;
using lineage::QueryLineage;
using lineage::Reason;
using lineage::RelationColumns;
using lineage::RelationIndex;

/// As ids have it.
std::string column_key(const std::string& name, const RelationColumns* columns) {
  if (columns != nullptr) {
    int same = 0;
    for (std::size_t i = 0; i < columns->size(); ++i)
      same += lineage::same_ignoring_case(columns->name(i), name) ? 1 : 0;
    if (same > 1) return name;
  }
  return ascii_lower(name);
}

QueryText text_of(const LineageObject& object, const ObjectFacts& facts, const Retained* held) {
  if (object.of_template == nullptr) return QueryText::compiled(compiled_of(facts, held).value_or(""));
  auto read = facts.template_sql ? read_template_sql(*facts.template_sql) : std::nullopt;
  return QueryText::of_template(object.of_template, read ? std::move(read->sql) : "", facts.definition.value_or(""));
}

}  // namespace

struct ProjectLineage::Impl {
  Impl(const Artifacts& artifacts, std::string adapter) : objects(artifacts), adapter_type(std::move(adapter)) {}

  LineageObjects objects;
  std::string adapter_type;
  std::vector<std::size_t> object_of_relation;  // index of objects; those of other projects come after all of them
  std::vector<ForeignRelation> foreign;
  std::optional<lineage::Project> project;
  /// Columns that SQL uses of a relation and nothing else knows, sorted; then those that only follow from what is
  /// documented of a model above a *.
  std::unordered_map<RelationIndex, RelationColumns> used;
  std::optional<SeeThrough> through;  // where SQL is not compiled and there are ephemeral models

  std::unique_ptr<lineage::Relations> make_relations();
  std::shared_ptr<lineage::StandIns> stand_ins(const LineageObject& object) const;
  void see_through();
  void note_used();
  QueryLineage lineage(std::uint32_t model) const;
  EphemeralEdges ephemeral_edges(const LineageObject& object, const ConnectionId& connection,
                                 const std::unordered_map<std::string, EdgeTarget>& targets) const;
  /// The ephemeral models that stand in its SQL: those it reads, and those that they read.
  std::vector<const LineageObject*> ephemerals_of(const LineageObject& object) const;
};

ProjectLineage::ProjectLineage(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ProjectLineage::ProjectLineage(ProjectLineage&&) noexcept = default;
ProjectLineage& ProjectLineage::operator=(ProjectLineage&&) noexcept = default;
ProjectLineage::~ProjectLineage() = default;

Result<ProjectLineage> ProjectLineage::read(const Artifacts& artifacts, std::string adapter_type, unsigned threads) {
  auto impl = std::make_unique<Impl>(artifacts, std::move(adapter_type));
  TRY_VOID(impl->objects.read(threads));
  return ProjectLineage(std::move(impl));
}

const std::vector<std::size_t>& ProjectLineage::wanted() const { return impl_->objects.wanted(); }

void ProjectLineage::put_aside_in(std::filesystem::path directory) {
  impl_->objects.put_aside_in(std::move(directory));
}

Result<void> ProjectLineage::learn(std::size_t object, const Retained& held) {
  return impl_->objects.learn(object, held);
}

std::vector<std::string> ProjectLineage::foreign_names() const {
  std::vector<std::string> names;
  for (const LineageObject& object : impl_->objects)
    if (object.is_relation && object.origin == lineage::RelationOrigin::kSource)
      names.push_back(ascii_lower(object.full_name));
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

void ProjectLineage::learn_foreign(std::vector<ForeignRelation> foreign) { impl_->foreign = std::move(foreign); }

std::unique_ptr<lineage::Relations> ProjectLineage::Impl::make_relations() {
  auto relations = std::make_unique<lineage::Relations>();
  object_of_relation.clear();
  const bool is_template =
      std::any_of(objects.begin(), objects.end(), [](const LineageObject& one) { return one.of_template != nullptr; });
  for (std::size_t i = 0; i < objects.size(); ++i) {
    LineageObject& object = objects[i];
    // In SQL that is not compiled an ephemeral model stands as a relation; no name leads to it.
    if (!object.is_relation && !(object.is_ephemeral && object.sql != SqlSource::kNone && is_template)) continue;
    lineage::RelationName name;
    if (object.is_relation)
      name = {std::string(object.database), std::string(object.schema), std::string(object.identifier)};
    object.relation = relations->add(std::move(name), object.origin, object.columns);
    object_of_relation.push_back(i);
  }
  for (std::size_t i = 0; i < foreign.size(); ++i) {
    const ForeignRelation& one = foreign[i];
    auto columns =
        one.columns.empty() ? nullptr : std::make_shared<RelationColumns>(one.columns, one.columns.size(), true);
    relations->add({one.database, one.schema, std::string(identifier_in(one.full_name, one.database, one.schema))},
                   lineage::RelationOrigin::kOtherProject, std::move(columns));
    object_of_relation.push_back(objects.size() + i);
  }
  return relations;
}

Result<void> ProjectLineage::resolve(unsigned threads) {
  auto& objects = impl_->objects;
  auto relations = impl_->make_relations();

  // What an ephemeral model reads stands in the SQL of those that read it.
  const auto add_upstream = [&](const LineageObject& object, std::vector<RelationIndex>& upstream) {
    auto readers = impl_->ephemerals_of(object);
    readers.push_back(&object);
    for (const LineageObject* reader : readers)
      for (const std::uint32_t at : reader->upstream)
        if (objects[at].relation != kNone) upstream.push_back(objects[at].relation);
  };
  const sql::Dialect& dialect = sql::dialect_of_adapter(impl_->adapter_type);
  lineage::Project project(std::move(relations));
  std::vector<std::size_t> object_of_model;
  for (std::size_t i = 0; i < objects.size(); ++i) {
    LineageObject& object = objects[i];
    if (!object.is_model) continue;
    lineage::Model model;
    model.id = std::string(object.unique_id);
    model.relation = object.relation;
    model.dialect = &dialect;
    model.is_snapshot = object.is_snapshot;
    if (object.is_python)
      model.without_sql = Reason::kPythonModel;
    else if (object.sql == SqlSource::kNone)
      model.without_sql = Reason::kNoSql;
    add_upstream(object, model.upstream);
    if (object.of_template != nullptr) model.stand_ins = impl_->stand_ins(object);
    object.model = static_cast<std::uint32_t>(project.add(std::move(model)));
    object_of_model.push_back(i);
  }
  project.resolve([&](std::size_t model, std::string& buffer) { return objects.sql(object_of_model[model], buffer); },
                  threads);
  TRY_VOID(objects.forget_sql());
  impl_->project.emplace(std::move(project));
  impl_->see_through();
  impl_->note_used();
  return {};
}

std::shared_ptr<lineage::StandIns> ProjectLineage::Impl::stand_ins(const LineageObject& object) const {
  auto stand_ins = std::make_shared<lineage::StandIns>();
  for (const auto& [name, id] : object.of_template->relations) {
    const LineageObject* found = objects.find(id);
    stand_ins->relations.emplace(name, found == nullptr ? kNone : found->relation);
  }
  stand_ins->relations.emplace(sql::kThisRelation, object.relation);
  for (const auto& [name, subject] : object.of_template->unknown) stand_ins->unknown.emplace(name, subject);
  for (const auto& mark : object.of_template->marks) stand_ins->marks.push_back(mark.subject);
  stand_ins->is_one_of_several = object.of_template->is_one_of_several;
  stand_ins->doubtful = object.of_template->doubtful;
  return stand_ins;
}

std::vector<const LineageObject*> ProjectLineage::Impl::ephemerals_of(const LineageObject& object) const {
  std::vector<const LineageObject*> found;
  std::set<const LineageObject*> seen{&object};
  const auto add = [&](const LineageObject& reader) {
    for (const std::uint32_t at : reader.upstream)
      if (const LineageObject& one = objects[at]; one.is_ephemeral && seen.insert(&one).second) found.push_back(&one);
  };
  add(object);
  for (std::size_t i = 0; i < found.size(); ++i) add(*found[i]);
  return found;
}

void ProjectLineage::Impl::see_through() {
  through.reset();
  std::unordered_map<RelationIndex, std::uint32_t> ephemeral;
  for (const LineageObject& object : objects)
    if (object.is_ephemeral && object.relation != kNone) ephemeral.emplace(object.relation, object.model);
  if (ephemeral.empty()) return;
  through.emplace(*project, [ephemeral = std::move(ephemeral)](RelationIndex relation) {
    const auto found = ephemeral.find(relation);
    return found == ephemeral.end() ? kNone : found->second;
  });
  for (const LineageObject& object : objects)
    if (object.model != kNone) through->add(object.model);
}

QueryLineage ProjectLineage::Impl::lineage(std::uint32_t model) const {
  return through ? through->lineage(model) : project->lineage(model);
}

void ProjectLineage::Impl::note_used() {
  struct Names {
    std::set<std::string> used, implied;
  };
  std::unordered_map<RelationIndex, Names> found;
  for (const LineageObject& object : objects) {
    if (object.model == kNone) continue;
    if (!project->uses_unknown(object.model) && !(through && through->has(object.model))) continue;
    const QueryLineage result = lineage(object.model);
    for (const auto& column : lineage::unknown_columns(result))
      (column.is_read ? found[column.relation].used : found[column.relation].implied).emplace(column.name);
  }
  used.clear();
  for (const auto& [relation, names] : found) {
    std::vector<std::string> all(names.used.begin(), names.used.end());
    std::set_difference(names.implied.begin(), names.implied.end(), names.used.begin(), names.used.end(),
                        std::back_inserter(all));
    used.emplace(relation, RelationColumns(all, 0, false, names.used.size()));
  }
}

lineage::Report ProjectLineage::report() const { return impl_->project->report(); }

std::optional<QueryLineage> ProjectLineage::lineage(std::size_t object) const {
  const std::uint32_t model = impl_->objects[object].model;
  return model == kNone ? std::nullopt : std::optional(impl_->lineage(model));
}

std::string_view ProjectLineage::unique_id(RelationIndex relation) const {
  const std::size_t at = impl_->object_of_relation[relation];
  return at < impl_->objects.size() ? impl_->objects[at].unique_id
                                    : std::string_view(impl_->foreign[at - impl_->objects.size()].unique_id);
}

void ProjectLineage::add_to(std::size_t at, const ObjectFacts& facts, const Retained* held,
                            const ConnectionId& connection, ObjectRows& rows) const {
  const LineageObject& object = impl_->objects[at];
  std::optional<QueryLineage> result = lineage(at);
  std::unordered_map<std::string, int> spellings;
  for (const auto& column : rows.columns) ++spellings[ascii_lower(column.name)];
  const bool in_catalog = object.columns != nullptr && object.columns->complete() && facts.seed_columns.empty();
  const auto add_column = [&](std::string_view name, std::string_view from) {
    // "" is the name of no column, in whatever SQL it is written.
    if (name.empty() || !spellings.emplace(ascii_lower(name), 1).second) return false;
    ColumnRecord& column = rows.columns.emplace_back();
    column.id = column_id(connection, facts.unique_id, ascii_lower(name));
    column.connection_id = connection.value;
    column.object_id = rows.object.id;
    column.name = name;
    std::map<std::string, std::string> members{{"extracted_from", json_string(from)}, {"inferred", "true"}};
    if (in_catalog) members["in_catalog"] = "false";
    column.metadata = with_members({}, members);
    return true;
  };
  bool added = false;
  std::size_t repeated = 0;
  if (!catalog_of(facts, held))
    for (const auto& name : facts.seed_columns) added |= add_column(name, "seed");
  if (result) {
    std::set<std::string> seen;
    for (const auto& column : result->columns) {
      if (!seen.insert(ascii_lower(column.name)).second) {
        ++repeated;
        continue;
      }
      added |= add_column(column.name, column.demanded && column.documented ? "documentation" : "sql");
    }
  }
  if (const auto found = impl_->used.find(object.relation); found != impl_->used.end())
    for (std::size_t i = 0; i < found->second.size(); ++i)
      added |= add_column(found->second.name(i), found->second.is_only_documented(i) ? "documentation" : "usage");

  // The order of the query where no catalog says otherwise.
  if (added && !in_catalog && result) {
    std::unordered_map<std::string, std::size_t> order;
    for (std::size_t i = 0; i < result->columns.size(); ++i) order.emplace(ascii_lower(result->columns[i].name), i);
    std::vector<std::pair<std::size_t, std::size_t>> places;  // in the query, in the rows
    for (std::size_t i = 0; i < rows.columns.size(); ++i) {
      const auto found = order.find(ascii_lower(rows.columns[i].name));
      places.emplace_back(found == order.end() ? result->columns.size() : found->second, i);
    }
    std::sort(places.begin(), places.end());
    std::vector<ColumnRecord> sorted;
    for (const auto& [place, from] : places) sorted.push_back(std::move(rows.columns[from]));
    rows.columns = std::move(sorted);
  }
  if (added)
    for (std::size_t i = 0; i < rows.columns.size(); ++i) rows.columns[i].position = static_cast<std::int64_t>(i + 1);

  std::map<std::string, std::string> of_object;
  if (added && facts.is_relation && !in_catalog && facts.columns.empty())
    of_object["columns_from"] = json_string(!facts.seed_columns.empty() ? "seed" : result ? "sql" : "usage");
  if (!result) {
    if (!of_object.empty()) rows.object.metadata = with_members(rows.object.metadata, of_object);
    return;
  }

  const QueryText text = text_of(object, facts, held);
  if (repeated > 0) result->gaps.push_back({Reason::kDuplicateColumn, std::to_string(repeated), {}});
  of_object["lineage"] = status_json(*result, text);
  rows.object.metadata = with_members(rows.object.metadata, of_object);

  std::unordered_map<std::string, ColumnRecord*> row_of;
  for (auto& column : rows.columns) row_of.emplace(ascii_lower(column.name), &column);

  std::vector<std::optional<EdgeSource>> sources(result->sources.size());
  for (std::size_t i = 0; i < sources.size(); ++i) {
    const auto& source = result->sources[i];
    const RelationIndex relation = result->reads[source.read].relation;
    if (relation == kNone || source.name.empty()) continue;
    const std::size_t index = impl_->object_of_relation[relation];
    const auto& relations = impl_->project->relations();
    if (index < impl_->objects.size()) {
      const LineageObject& upstream = impl_->objects[index];
      sources[i] = EdgeSource{object_id(connection, upstream.unique_id), connection.value, upstream.full_name,
                              source.name, column_key(source.name, relations.inferred(relation))};
    } else {
      const ForeignRelation& upstream = impl_->foreign[index - impl_->objects.size()];
      sources[i] = EdgeSource{upstream.object, upstream.connection, upstream.full_name, source.name,
                              column_key(source.name, relations.columns(relation))};
    }
  }
  EdgeRows edge_rows(connection, facts.unique_id, text.is_template() ? "project" : "sql", spellings, rows);
  std::set<std::string> seen;
  std::unordered_map<std::string, EdgeTarget> targets;  // by name in lower case
  for (const auto& column : result->columns) {
    const std::string lower = ascii_lower(column.name);
    if (lower.empty() || !seen.insert(lower).second) continue;
    ColumnRecord* row = row_of[lower];
    if (column.constant || !column.gaps.empty()) {
      std::map<std::string, std::string> members;
      if (column.constant)
        if (auto constant = text.excerpt(column.expression)) members["constant"] = json_string(*constant);
      if (!column.gaps.empty()) {
        std::set<std::string> words;
        for (const auto gap : column.gaps) words.insert(std::string(to_string(result->gaps[gap].reason)));
        std::string list = "[";
        for (const auto& word : words) list += (list.size() > 1 ? "," : "") + json_string(word);
        members["lineage_gaps"] = list + "]";
      }
      if (row != nullptr && !members.empty()) row->metadata = with_members(row->metadata, members);
    }
    EdgeTarget target{row != nullptr ? row->name : column.name, {}};
    if (!column.edges.empty()) target.expression = text.excerpt(column.expression);
    MergedEdges edges;
    for (const auto& edge : column.edges)
      if (const auto& source = sources[edge.source]) edges.add(edge, *source);
    edge_rows.add(edges, target);
    targets.emplace(lower, std::move(target));
  }
  // Documented, and the SQL is known not to give it.
  if (result->columns_complete && !in_catalog)
    for (auto& column : rows.columns)
      if (!seen.contains(ascii_lower(column.name)) && !(object.is_snapshot && lineage::is_snapshot_column(column.name)))
        column.metadata = with_members(column.metadata, {{"in_sql", "false"}});
  for (const auto& influence : result->influences)
    if (const auto& source = sources[influence.source]) edge_rows.add_influence(influence.kind, *source);
  impl_->ephemeral_edges(object, connection, targets).put_into(rows.dependencies);
  std::sort(rows.lineage.begin(), rows.lineage.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
}

EphemeralEdges ProjectLineage::Impl::ephemeral_edges(const LineageObject& object, const ConnectionId& connection,
                                                     const std::unordered_map<std::string, EdgeTarget>& targets) const {
  EphemeralEdges rows;
  const auto ephemerals = ephemerals_of(object);
  if (ephemerals.empty()) return rows;
  const QueryLineage result = project->lineage(object.model);  // not seen through
  std::unordered_map<std::string, const LineageObject*> by_name;
  std::unordered_map<RelationIndex, const LineageObject*> by_relation;
  for (const LineageObject* one : ephemerals) {
    by_name.emplace(ascii_lower(one->identifier), one);
    if (one->relation != kNone) by_relation.emplace(one->relation, one);
  }
  const auto source_of = [&](const LineageObject& upstream, const std::string& column) {
    return EdgeSource{object_id(connection, upstream.unique_id), connection.value, upstream.full_name, column,
                      ascii_lower(column)};
  };
  // In compiled SQL it is a CTE, in a template's a relation.
  const auto of_cte = [&](std::uint32_t number) -> std::optional<EdgeSource> {
    const auto& column = result.ephemerals[number];
    const auto found = by_name.find(ascii_lower(std::string_view(column.cte).substr(lineage::kEphemeralPrefix.size())));
    return found == by_name.end() ? std::nullopt : std::optional(source_of(*found->second, column.name));
  };
  const auto of_relation = [&](std::uint32_t number) -> std::optional<EdgeSource> {
    const auto found = by_relation.find(result.reads[result.sources[number].read].relation);
    return found == by_relation.end() ? std::nullopt
                                      : std::optional(source_of(*found->second, result.sources[number].name));
  };
  std::set<std::string> seen;
  for (const auto& column : result.columns) {
    const auto target = targets.find(ascii_lower(column.name));
    if (target == targets.end() || !seen.insert(target->first).second) continue;
    MergedEdges edges;
    for (const auto& edge : column.ephemerals)
      if (const auto source = of_cte(edge.source)) edges.add(edge, *source);
    for (const auto& edge : column.edges)
      if (const auto source = of_relation(edge.source)) edges.add(edge, *source);
    rows.add(edges, target->second);
  }
  for (const auto& one : result.ephemeral_influences)
    if (const auto source = of_cte(one.source)) rows.add_influence(one.kind, *source);
  for (const auto& one : result.influences)
    if (const auto source = of_relation(one.source)) rows.add_influence(one.kind, *source);
  return rows;
}

}  // namespace tideline::extract
