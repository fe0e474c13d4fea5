#include "replica/file_lineage.h"

#include <algorithm>
#include <memory>
#include <set>
#include <tuple>

#include "base/json.h"
#include "base/text.h"
#include "lineage/lineage.h"
#include "replica/view_impl.h"
#include "sql/jinja.h"

namespace tideline::replica {
namespace {

using lineage::kNone;
using lineage::QueryLineage;
using lineage::Reason;
using lineage::RelationColumns;
using lineage::RelationIndex;

constexpr std::size_t kMaxExpressionBytes = 1'000;

/// An object that a query may read.
struct Known {
  ObjectRef object;
  std::string database, schema;
};

bool is_built(std::string_view type) { return type == "model" || type == "seed" || type == "snapshot"; }

std::string_view cut(std::string_view text, std::size_t most) {
  if (text.size() <= most) return text;
  while (most > 0 && (static_cast<unsigned char>(text[most]) & 0xC0) == 0x80) --most;
  return text.substr(0, most);
}

/// model.PACKAGE.name → PACKAGE.
std::string_view package_of(std::string_view unique_id) {
  const auto first = unique_id.find('.');
  if (first == std::string_view::npos) return {};
  const auto second = unique_id.find('.', first + 1);
  return second == std::string_view::npos ? std::string_view() : unique_id.substr(first + 1, second - first - 1);
}

/// model.package.name.v2 → 2; 0: it has no version.
int version_of(const ObjectRef& object) {
  const auto at = object.unique_id.rfind(".v");
  if (at == std::string::npos || object.unique_id.substr(0, at).ends_with("." + object.name) == false) return 0;
  int version = 0;
  for (const char c : std::string_view(object.unique_id).substr(at + 2)) {
    if (c < '0' || c > '9' || version > 100'000'000) return 0;
    version = version * 10 + (c - '0');
  }
  return version;
}

class FileAnalysis {
 public:
  FileAnalysis(View& view, View::Impl& impl, const FileQuery& query) : view_(view), impl_(impl), query_(query) {}

  Result<FileLineage> run() {
    TRY_VOID(find_connections());
    TRY_VOID(load_relations());
    find_own();
    TRY_VOID(find_dialect());
    sql::JinjaOptions options = query_.jinja ? query_.jinja(dialect_name_) : sql::JinjaOptions();
    options.backslash_escapes = dialect_->backslash_escapes;
    jinja_ = sql::read_jinja(query_.text, options);
    find_stand_ins();

    lineage::Reader reader;
    reader.stand_ins = &stand_ins_;
    reader.all_inferred = true;
    const sql::Parsed parsed = sql::parse(jinja_.sql, *dialect_);
    // Which relations it reads does not hang on their columns: those of the others need not be looked up.
    std::set<RelationIndex> read;
    {
      const auto relations = make_relations({});
      if (!relations) return fail(relations.error());
      for (const auto& one : lineage::analyse(parsed, *dialect_, **relations, reader).reads)
        if (one.relation != kNone) read.insert(one.relation);
    }
    TRY(const auto relations, make_relations(read));
    return to_file(lineage::analyse(parsed, *dialect_, *relations, reader));
  }

 private:
  Result<void> find_connections() {
    TRY(auto query, Query::begin(impl_, "select id, full_name, subdir from connections order by id"));
    for (;;) {
      TRY(const bool row, query->step());
      if (!row) break;
      const ConnectionId id{query->id_at(0)};
      const bool is_asked =
          query_.connections.empty() ||
          std::find(query_.connections.begin(), query_.connections.end(), id) != query_.connections.end();
      if (is_asked) connections_.push_back({id, query->text_at(1), query->text_at(2)});
    }
    return {};
  }

  Result<void> load_relations() {
    static const std::string kSql =
        "select " + std::string(kObjectRefColumns) +
        ", coalesce(o.database_name, ''), coalesce(o.schema_name, '') from objects o "
        "where o.object_type in ('model', 'seed', 'snapshot', 'source') order by o.full_name, o.id";
    TRY(auto query, Query::begin(impl_, kSql));
    for (;;) {
      TRY(const bool row, query->step());
      if (!row) return {};
      known_.push_back({object_ref_at(impl_, *query, 0), query->text_at(kObjectRefColumnCount),
                        query->text_at(kObjectRefColumnCount + 1)});
    }
  }

  bool is_of_workspace(const ObjectRef& object) const {
    return std::any_of(connections_.begin(), connections_.end(),
                       [&](const Connection& one) { return one.id == object.connection; });
  }

  /// The connection whose file it is: the only one, the one that has a file at this path, the one of this
  /// sub-directory.
  void find_own() {
    std::vector<ConnectionId> having;
    if (!query_.path.empty()) {
      auto query =
          Query::begin(impl_,
                       "select distinct f.connection_id, o.id from files f left join objects o on o.file_id = "
                       "f.id and o.object_type in ('model', 'snapshot', 'analysis') where f.relative_path = ?1 "
                       "order by f.connection_id, o.id");
      if (query) {
        (*query)->text(1, query_.path);
        for (auto row = (*query)->step(); row && *row; row = (*query)->step()) {
          const ConnectionId connection{(*query)->id_at(0)};
          if (!is_of_workspace({.connection = connection})) continue;
          if (having.empty() || having.back() != connection) having.push_back(connection);
          if (!(*query)->is_null(1)) objects_of_path_.push_back({connection, (*query)->id_at(1)});
        }
      }
    }
    if (connections_.size() == 1) own_ = connections_.front();
    if (!own_ && query_.own.size() == 1)
      for (const Connection& one : connections_)
        if (one.id == query_.own.front()) own_ = one;
    if (!own_ && having.size() == 1)
      own_ = *std::find_if(connections_.begin(), connections_.end(),
                           [&](const Connection& one) { return one.id == having.front(); });
    if (!own_ && !query_.path.empty()) {
      std::vector<Connection> same;
      std::copy_if(connections_.begin(), connections_.end(), std::back_inserter(same),
                   [&](const Connection& one) { return one.subdir == query_.subdir; });
      if (same.size() == 1) own_ = same.front();
    }
    if (!own_) return;
    std::erase_if(objects_of_path_, [&](const auto& one) { return one.first != own_->id; });
    if (objects_of_path_.size() != 1) return;
    for (std::size_t i = 0; i < known_.size(); ++i)
      if (known_[i].object.id == objects_of_path_.front().second) self_ = i;
  }

  Result<void> find_dialect() {
    dialect_name_ = query_.dialect;
    std::set<std::string> names;
    for (const Connection& one : connections_) {
      if (!dialect_name_.empty() || (own_ && own_->id != one.id)) continue;
      TRY(auto query,
          Query::begin(impl_, "select dialect from files where connection_id = ?1 and dialect is not null limit 1"));
      query->id(1, one.id.value);
      TRY(const bool row, query->step());
      if (row) names.insert(query->text_at(0));
    }
    // Of several the file may be any: what is common to them is read.
    if (names.size() == 1) dialect_name_ = *names.begin();
    dialect_ = &sql::dialect_of_adapter(dialect_name_);
    return {};
  }

  // ---- What ref() and source() mean

  std::optional<std::size_t> relation_of(const sql::JinjaRelation& relation) const {
    using Kind = sql::JinjaRelation::Kind;
    if (relation.kind == Kind::kThis) return self_;
    std::vector<std::size_t> found;
    for (std::size_t i = 0; i < known_.size(); ++i) {
      const ObjectRef& object = known_[i].object;
      if (!is_of_workspace(object)) continue;
      if (relation.kind == Kind::kSource) {
        if (object.object_type == "source" && object.unique_id.ends_with("." + relation.source + "." + relation.name))
          found.push_back(i);
      } else if (is_built(object.object_type) && object.name == relation.name) {
        if (!relation.package.empty() && package_of(object.unique_id) != relation.package) continue;
        const int version = version_of(object);
        if (!relation.version.empty() && relation.version != std::to_string(version)) continue;
        found.push_back(i);
      }
    }
    // The own connection before the others, the own project before its packages, the newest version.
    const auto narrow = [&](auto is_better) {
      std::vector<std::size_t> better;
      std::copy_if(found.begin(), found.end(), std::back_inserter(better), is_better);
      if (!better.empty()) found = std::move(better);
    };
    if (own_) narrow([&](std::size_t i) { return known_[i].object.connection == own_->id; });
    if (!query_.project.empty())
      narrow([&](std::size_t i) { return package_of(known_[i].object.unique_id) == query_.project; });
    int newest = 0;
    for (const std::size_t i : found) newest = std::max(newest, version_of(known_[i].object));
    if (newest > 0) narrow([&](std::size_t i) { return version_of(known_[i].object) == newest; });
    return found.size() == 1 ? std::optional(found.front()) : std::nullopt;
  }

  void find_stand_ins() {
    for (const auto& relation : jinja_.relations) {
      const auto [at, fresh] = stand_ins_.relations.emplace(relation.sql, kNone);
      if (!fresh) continue;
      if (const auto known = relation_of(relation)) at->second = static_cast<RelationIndex>(*known);
    }
    for (const auto& opaque : jinja_.opaque) {
      if (!opaque.placeholder.empty()) stand_ins_.unknown.emplace(opaque.placeholder, in_file(opaque.file));
    }
    sql::JinjaDoubts doubts = sql::doubts_of(jinja_);
    stand_ins_.is_one_of_several = doubts.anywhere;
    stand_ins_.doubtful = std::move(doubts.places);
  }

  // ---- Relations

  Result<std::unique_ptr<lineage::Relations>> make_relations(const std::set<RelationIndex>& with_columns) {
    auto relations = std::make_unique<lineage::Relations>();
    for (const Known& one : known_) {
      const auto index = static_cast<RelationIndex>(relations->size());
      lineage::RelationName name{one.database, one.schema, one.object.full_name};
      for (const std::string* part : {&name.database, &name.schema})
        if (!part->empty() && name.identifier.starts_with(*part + ".")) name.identifier.erase(0, part->size() + 1);
      const auto origin = !is_of_workspace(one.object)         ? lineage::RelationOrigin::kOtherProject
                          : one.object.object_type == "source" ? lineage::RelationOrigin::kSource
                                                               : lineage::RelationOrigin::kBuilt;
      std::shared_ptr<const RelationColumns> columns;
      if (with_columns.contains(index)) {
        TRY(columns, columns_of(one.object));
      }
      relations->add(std::move(name), origin, std::move(columns));
    }
    return relations;
  }

  /// The catalog's columns, or all that the SQL is known to give; what is only documented or used after them.
  Result<std::shared_ptr<const RelationColumns>> columns_of(const ObjectRef& object) {
    bool sql_is_complete = false;
    if (object.object_type == "model" || object.object_type == "snapshot") {
      TRY(auto query, Query::begin(impl_,
                                   "select json_extract(metadata, '$.lineage.status') in ('complete', 'partial') and "
                                   "coalesce(json_extract(metadata, '$.lineage.columns_complete'), 1) "
                                   "from objects where id = ?1"));
      query->id(1, object.id);
      TRY(const bool row, query->step());
      sql_is_complete = row && !query->is_null(0) && query->integer_at(0) != 0;
    }
    TRY(const auto columns, view_.columns(object.id));
    std::vector<std::string> of_catalog, of_sql, used, documented;
    for (const auto& column : columns) {
      const auto metadata = Json::parse(column.metadata, "metadata");
      const Json* in_sql = metadata ? metadata->find("in_sql") : nullptr;
      const bool is_absent = in_sql != nullptr && in_sql->if_bool() != nullptr && !*in_sql->if_bool();
      const std::string from = metadata ? metadata->string_at("extracted_from").value_or("") : "";
      (from == "catalog" || from == "seed"             ? of_catalog
       : sql_is_complete && !is_absent                 ? of_sql
       : from == "manifest" || from == "documentation" ? documented
                                                       : used)
          .push_back(column.name);
    }
    const bool complete = !of_catalog.empty() || !of_sql.empty();
    std::vector<std::string> names = std::move(of_catalog);
    const bool in_catalog = !names.empty();
    std::size_t listed = names.size();
    names.insert(names.end(), of_sql.begin(), of_sql.end());
    if (!in_catalog) listed = names.size();
    names.insert(names.end(), used.begin(), used.end());
    const std::size_t certain = names.size();
    names.insert(names.end(), documented.begin(), documented.end());
    if (names.empty()) return std::shared_ptr<const RelationColumns>();
    if (!complete) listed = names.size();
    return std::make_shared<const RelationColumns>(names, listed, complete, certain);
  }

  // ---- The result, in the file's own words

  std::string_view in_file(sql::Span span) const {
    if (span.end > query_.text.size() || span.begin > span.end) return {};
    return trim(query_.text.substr(span.begin, span.end - span.begin));
  }

  /// The call of a relation that stands in the SQL by this name; nullptr: there is none.
  const sql::JinjaRelation* call_of(std::string_view name) const {
    const auto found = std::find_if(jinja_.relations.begin(), jinja_.relations.end(),
                                    [&](const auto& relation) { return equal_ignoring_case(name, relation.sql); });
    return found == jinja_.relations.end() ? nullptr : &*found;
  }
  /// Names that only the SQL made of the template has, as the template has them.
  std::string as_written(std::string_view text) const {
    const auto* call = call_of(text);
    return std::string(call != nullptr ? in_file(call->file) : text);
  }

  FileLineage to_file(const QueryLineage& result) const;
  FileGap gap_of(const lineage::Gap& gap) const;
  void add_jinja_gaps(FileLineage& file) const;

  struct Connection {
    ConnectionId id;
    std::string full_name;
    std::string subdir;
  };
  View& view_;
  View::Impl& impl_;
  const FileQuery& query_;
  std::vector<Connection> connections_;  // of the workspace
  std::vector<Known> known_;
  std::vector<std::pair<ConnectionId, Uuid>> objects_of_path_;
  std::optional<Connection> own_;
  std::optional<std::size_t> self_;
  std::string dialect_name_;
  const sql::Dialect* dialect_ = nullptr;
  sql::JinjaResult jinja_;
  lineage::StandIns stand_ins_;
};

FileGap FileAnalysis::gap_of(const lineage::Gap& gap) const {
  FileGap out{gap.reason, as_written(gap.subject), std::string(advice(gap.reason)), {}};
  if (!gap.span.empty()) out.place = jinja_.map.to_file(gap.span);
  const auto* call = gap.reason == Reason::kUnknownRelation ? call_of(gap.subject) : nullptr;
  if (call != nullptr) {
    using Kind = sql::JinjaRelation::Kind;
    out.place = call->file;
    out.advice = call->kind == Kind::kThis ? "The replica has no object of this file: push the project and run "
                                             "tideline sync, if its columns matter here."
                 : call->kind == Kind::kRef
                     ? "No model, seed or snapshot of that name is in the replica, or several are: check the name, "
                       "push the project, "
                       "run tideline sync."
                     : "No source of that name is in the replica: check the name, push the project, run tideline sync.";
  } else if (gap.reason == Reason::kUnknownRelation) {
    out.advice = "Nothing in the replica stands for it: use ref() or source(), or sync the connection that builds it.";
  } else if (gap.reason == Reason::kOpaqueMacro) {
    out.advice = "What it gives is not known without dbt: run `dbt compile` and ask of the file below target/compiled.";
  }
  return out;
}

void FileAnalysis::add_jinja_gaps(FileLineage& file) const {
  const auto add = [&](Reason reason, std::string subject, std::string told, sql::Span place) {
    file.gaps.push_back({reason, std::move(subject), std::move(told), place});
  };
  for (const auto& problem : jinja_.problems)
    add(Reason::kParseError, problem.message, "Look at the place named; if dbt takes this file, please report it.",
        problem.file);
  for (const auto& opaque : jinja_.opaque) {
    if (opaque.silent) continue;
    if (opaque.reason == sql::OpaqueReason::kLoop) {
      file.columns_complete = false;
      add(Reason::kOpaqueMacro, std::string(cut(in_file(opaque.file), 100)),
          "The loop was read once; what it repeats is missing: ask of the file below target/compiled.", opaque.file);
    } else if (opaque.reason == sql::OpaqueReason::kBranch) {
      add(Reason::kOpaqueMacro, std::string(cut(in_file(opaque.file), 100)),
          "The condition is not known without dbt; the first branch was read.", opaque.file);
    }
  }
}

FileLineage FileAnalysis::to_file(const QueryLineage& result) const {
  FileLineage file;
  if (self_) file.object = known_[*self_].object;
  if (own_) file.connection = own_->full_name;
  file.dialect = dialect_name_.empty() ? std::string(dialect_->name) : dialect_name_;
  file.columns_complete = result.columns_complete;
  file.failed = result.failed;
  for (const auto& source : result.sources) {
    const auto& read = result.reads[source.read];
    FileSource& one = file.sources.emplace_back();
    if (read.relation != kNone) {
      one.object = known_[read.relation].object;
    } else {
      one.object.name = one.object.full_name = as_written(read.name);
      one.object.here = one.object.own = false;
    }
    one.column = source.name;
    one.known = source.known;
  }
  for (const auto& gap : result.gaps) file.gaps.push_back(gap_of(gap));
  for (const auto& column : result.columns) {
    FileColumn& out = file.columns.emplace_back();
    out.name = as_written(column.name);
    if (!column.place.empty()) out.place = jinja_.map.to_file(column.place);
    if (!column.expression.empty()) {
      const sql::Span span = jinja_.map.to_file(column.expression);
      const std::string_view text = in_file(span);
      out.expression = cut(text, kMaxExpressionBytes);
      if (text.size() > kMaxExpressionBytes) out.expression += "…";
      if (out.place.empty()) out.place = span;
    }
    out.constant = column.constant;
    for (const auto& edge : column.edges)
      out.edges.push_back({edge.source, edge.kind, edge.conditional, edge.confidence, edge.doubt});
    out.gaps.assign(column.gaps.begin(), column.gaps.end());
  }
  for (const auto& influence : result.influences) file.influences.push_back({influence.source, influence.kind});
  add_jinja_gaps(file);

  // By place; the columns go with them.
  std::vector<std::size_t> order(file.gaps.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return std::tie(file.gaps[a].place.begin, file.gaps[a].place.end, a) <
           std::tie(file.gaps[b].place.begin, file.gaps[b].place.end, b);
  });
  std::vector<std::size_t> place(order.size());
  std::vector<FileGap> sorted;
  for (std::size_t i = 0; i < order.size(); ++i) {
    place[order[i]] = i;
    sorted.push_back(std::move(file.gaps[order[i]]));
  }
  file.gaps = std::move(sorted);
  for (auto& column : file.columns)
    for (auto& gap : column.gaps) gap = place[gap];
  return file;
}

}  // namespace

Result<FileLineage> analyse_file(View& view, const FileQuery& query) {
  return FileAnalysis(view, view.impl(), query).run();
}

}  // namespace tideline::replica
