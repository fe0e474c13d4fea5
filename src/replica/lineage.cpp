// Lineage and impact: breadth-first searches over the indexes of the edges. Each node is visited once, so cycles end by
// themselves and time is linear in what is reached; no recursion in SQL, which would walk every path.

#include <algorithm>
#include <map>
#include <set>
#include <tuple>
#include <unordered_map>

#include "base/text.h"
#include "replica/view_impl.h"

namespace tideline::replica {
namespace {

// What decides on rows and not on values.
bool is_influence(std::string_view type) {
  return type == "joined" || type == "filtered" || type == "grouped" || type == "ordered";
}
bool is_test(std::string_view type) { return type == "test" || type == "unit_test"; }
/// Objects that have no columns of their own to follow.
bool is_reader(std::string_view type) {
  return is_test(type) || type == "exposure" || type == "metric" || type == "semantic_model" || type == "saved_query" ||
         type == "analysis";
}

/// A column is its object and its name, whatever the case; an object has none.
struct Node {
  Uuid object;
  std::string column;
  bool operator==(const Node&) const = default;
};
struct NodeHash {
  std::size_t operator()(const Node& node) const {
    return std::hash<Uuid>()(node.object) ^ (std::hash<std::string>()(node.column) * 31);
  }
};

struct Step {
  Uuid object;
  std::string column;
  std::string type;
  std::optional<std::string> expression;
  std::int64_t confidence = 1000;
  bool conditional = false;
  std::string reason{};
  // Of an upstream end, which may not be here:
  Uuid connection;
  std::string full_name;
};

/// The edges of one node after the other, by statements that are taken once.
class Steps {
 public:
  Steps(View::Impl& impl, Direction direction) : impl_(impl), direction_(direction) {}

  /// Valid until the next call.
  Result<const std::vector<Step>*> of(const Node& from) {
    const bool of_column = !from.column.empty();
    std::optional<Query>& query = of_column ? columns_ : objects_;
    if (!query) {
      TRY(auto taken, Query::begin(impl_, sql(of_column)));
      query.emplace(std::move(taken));
    }
    Statement& statement = **query;
    statement.id(1, from.object);
    if (of_column) statement.text(2, from.column);
    found_.clear();
    for (;;) {
      TRY(const bool row, statement.step());
      if (!row) break;
      found_.push_back({.object = statement.id_at(0),
                        .column = statement.text_at(1),
                        .type = statement.text_at(2),
                        .expression = statement.optional_text_at(3),
                        .confidence = statement.integer_at(4),
                        .conditional = statement.integer_at(7) != 0,
                        .reason = statement.text_at(8),
                        .connection = statement.id_at(5),
                        .full_name = statement.text_at(6)});
    }
    // Not by SQL: a sorter for each node costs more than all the rest.
    std::sort(found_.begin(), found_.end(), [](const Step& a, const Step& b) {
      return std::tie(a.full_name, a.object, a.column, a.type) < std::tie(b.full_name, b.object, b.column, b.type);
    });
    return &found_;
  }

 private:
  /// From the node `at` (?1, ?2 its column) to what is `there`: downstream ends are always in the replica.
  std::string sql(bool of_column) const {
    const bool up = direction_ == Direction::kUpstream;
    const std::string at = up ? "target" : "source", there = up ? "source" : "target";
    const std::string place = up ? "d.source_connection_id, d.source_full_name" : "d.connection_id, ''";
    const std::string there_id = "select d." + there + "_object_id, ", from_id = " where d." + at + "_object_id = ?1";
    if (!of_column)
      return there_id + "'', d.dependency_type, d.expression, d.confidence, " + place + ", 0, '' from dependencies d" +
             from_id;
    // Out of ephemeral models the edges stand with the dependency on them (docs/lineage.md).
    return there_id + "d." + there + "_column, d.transformation_type, d.expression, d.confidence, " + place +
           ", d.metadata ->> 'conditional', d.metadata ->> 'reason' from columns_lineage d" + from_id + " and d." + at +
           "_column = ?2 collate nocase union all " + there_id + "e.value ->> '" + there +
           "_column', e.value ->> 'transformation_type', e.value ->> 'expression', "
           "cast(round(1000 * coalesce(e.value ->> 'confidence', 1)) as integer), " +
           place +
           ", e.value ->> 'conditional', e.value ->> 'reason' from dependencies d, json_each(d.metadata, '$.columns') "
           "e" +
           from_id + " and e.value ->> '" + at + "_column' = ?2 collate nocase";
  }

  View::Impl& impl_;
  Direction direction_;
  std::optional<Query> columns_, objects_;
  std::vector<Step> found_;
};

/// Objects by their ids, by a statement that is taken once.
class Objects {
 public:
  explicit Objects(View::Impl& impl) : impl_(impl) {}
  Result<std::optional<ObjectRef>> find(const Uuid& id) {
    if (!query_) {
      TRY(auto taken,
          Query::begin(impl_, "select " + std::string(kObjectRefColumns) + " from objects o where o.id = ?1"));
      query_.emplace(std::move(taken));
    }
    Statement& statement = **query_;
    statement.id(1, id);
    TRY(const bool row, statement.step());
    if (!row) return std::optional<ObjectRef>();
    auto object = object_ref_at(impl_, statement, 0);
    statement.reset();
    return std::optional(std::move(object));
  }

 private:
  View::Impl& impl_;
  std::optional<Query> query_;
};

/// The search: what was reached, and on the way there the edges.
class Walk {
 public:
  Walk(View::Impl& impl, Direction direction, std::size_t limit)
      : direction_(direction), limit_(limit), steps_(impl, direction), objects_(impl) {}

  std::vector<LineageNode> nodes;
  std::vector<LineageEdge> edges;
  bool truncated = false;

  Result<void> begin_at(const Uuid& object, const std::string& column) {
    const Node node{object, ascii_lower(column)};
    if (known_.contains(node)) return {};
    TRY(const auto there, objects_.find(object));
    if (!there) return fail(Code::kNotFound, "The object is not in the replica.");
    known_.emplace(node, nodes.size());
    keys_.push_back(node);
    nodes.push_back({*there, column.empty() ? std::nullopt : std::optional(column), 0});
    return {};
  }

  /// From every node there is that was not followed yet. `follow` says which edges count; depth 0: all the way. `rows`:
  /// of which nodes it is asked what decides on their rows.
  template <class Follow, class Rows>
  Result<void> run(std::size_t depth, Follow follow, Rows rows) {
    for (; next_ < nodes.size(); ++next_) {
      if (!followed_.contains(next_)) TRY_VOID(follow_one(next_, depth, follow));
      if (!rows(nodes[next_])) continue;
      const Node all{keys_[next_].object, "*"};
      auto at = known_.find(all);
      if (at == known_.end()) {
        TRY(const auto* const found, steps_.of(all));
        if (found->empty()) continue;
        if (nodes.size() >= limit_) {
          truncated = true;
          continue;
        }
        at = known_.emplace(all, nodes.size()).first;
        keys_.push_back(all);
        LineageNode node = nodes[next_];
        node.column = "*";
        nodes.push_back(std::move(node));
        followed_.insert(at->second);
        TRY_VOID(follow_one(at->second, depth, follow));
      }
      if (at->second != next_) edges.push_back({at->second, next_, "rows", std::nullopt});
    }
    return {};
  }
  template <class Follow>
  Result<void> run(std::size_t depth, Follow follow) {
    return run(depth, follow, [](const LineageNode&) { return false; });
  }
  /// Follow all nodes again, as edges count now that did not before.
  void again() { next_ = 0; }

 private:
  template <class Follow>
  Result<void> follow_one(std::size_t from, std::size_t depth, Follow follow) {
    const bool last = depth != 0 && nodes[from].depth >= depth;
    TRY(const auto* const found, steps_.of(keys_[from]));
    for (const Step& step : *found) {
      if (!follow(nodes[from], step)) continue;
      const Node node{step.object, ascii_lower(step.column)};
      auto at = known_.find(node);
      if (at == known_.end()) {
        if (last || nodes.size() >= limit_) {
          truncated = true;
          continue;
        }
        TRY(auto object, of_step(step));
        at = known_.emplace(node, nodes.size()).first;
        keys_.push_back(node);
        nodes.push_back({std::move(object), step.column.empty() ? std::nullopt : std::optional(step.column),
                         nodes[from].depth + 1});
      }
      const bool up = direction_ == Direction::kUpstream;
      edges.push_back({up ? at->second : from, up ? from : at->second, step.type, step.expression, step.confidence,
                       step.conditional, step.reason});
    }
    return {};
  }
  Result<ObjectRef> of_step(const Step& step) {
    // A node of the same object, of another column, has it already.
    if (const auto at = of_object_.find(step.object); at != of_object_.end()) return nodes[at->second].object;
    of_object_.emplace(step.object, nodes.size());
    TRY(auto there, objects_.find(step.object));
    if (there) return std::move(*there);
    ObjectRef object;
    object.id = step.object;
    object.connection = {step.connection};
    object.name = object.full_name = step.full_name;
    object.here = object.own = false;
    return object;
  }

  Direction direction_;
  std::size_t limit_;
  Steps steps_;
  Objects objects_;
  std::size_t next_ = 0;
  std::set<std::size_t> followed_;  // before their turn
  std::vector<Node> keys_;          // of nodes, index by index
  std::unordered_map<Node, std::size_t, NodeHash> known_;
  std::unordered_map<Uuid, std::size_t> of_object_;  // a node of it
};

/// Whether every relation that reads the object says from which columns.
Result<bool> readers_have_lineage(View::Impl& impl, const Uuid& object) {
  TRY(auto query,
      Query::begin(impl,
                   "select not exists (select 1 from dependencies d join objects o on o.id = d.target_object_id "
                   "where d.source_object_id = ?1 and o.object_type in ('model', 'snapshot') and not exists "
                   "(select 1 from columns_lineage l where l.target_object_id = d.target_object_id))"));
  query->id(1, object);
  TRY(const bool row, query->step());
  return row && query->integer_at(0) != 0;
}

/// Whether the relation says of any of its columns where they come from.
Result<bool> has_lineage(View::Impl& impl, const Uuid& object) {
  TRY(auto query, Query::begin(impl, "select exists (select 1 from columns_lineage where target_object_id = ?1)"));
  query->id(1, object);
  TRY(const bool row, query->step());
  return row && query->integer_at(0) != 0;
}

/// The column a generic test is about; "" where it is about the object.
Result<std::string> tested_column(View::Impl& impl, const Uuid& test) {
  TRY(auto query,
      Query::begin(impl, "select coalesce(json_extract(metadata, '$.column_name'), '') from objects where id = ?1"));
  query->id(1, test);
  TRY(const bool row, query->step());
  return row ? query->text_at(0) : std::string();
}

class ImpactOf {
 public:
  ImpactOf(View::Impl& impl, const Target& target, std::size_t limit)
      : impl_(impl), target_(target), limit_(limit), columns_(impl, Direction::kDownstream, limit) {}

  Result<Impact> run(std::vector<ColumnDetails> own_columns) {
    Impact impact;
    impact.from = target_;
    TRY(impact.columns_known, readers_have_lineage(impl_, target_.object.id));
    reach(target_.object.id, 0);
    if (target_.column) {
      TRY_VOID(begin_at(*target_.column));
    } else {
      for (const auto& column : own_columns) TRY_VOID(begin_at(column.name));
    }
    starts_ = columns_.nodes.size();
    TRY_VOID(columns_.run(0, [](const LineageNode&, const Step& step) { return !is_influence(step.type); }));
    const std::size_t values = columns_.nodes.size();
    columns_.again();
    TRY_VOID(columns_.run(0, [](const LineageNode&, const Step&) { return true; }));
    for (std::size_t i = starts_; i < columns_.nodes.size(); ++i) {
      const LineageNode& node = columns_.nodes[i];
      reach(node.object.id, node.depth);
      // An influence on a relation as a whole has no column.
      if (node.column && !node.column->empty()) (i < values ? impact.columns : impact.influenced).push_back(node);
    }
    TRY_VOID(readers(impact));
    impact.truncated = impact.truncated || columns_.truncated;
    const auto by_depth = [](const LineageNode& a, const LineageNode& b) {
      return std::tie(a.depth, a.object.full_name, a.object.id, a.column) <
             std::tie(b.depth, b.object.full_name, b.object.id, b.column);
    };
    for (auto* list : {&impact.columns, &impact.influenced, &impact.objects, &impact.tests, &impact.exposures})
      std::sort(list->begin(), list->end(), by_depth);
    return impact;
  }

 private:
  Result<void> begin_at(const std::string& column) { return columns_.begin_at(target_.object.id, column); }

  void reach(const Uuid& object, std::size_t depth) {
    const auto [at, fresh] = depths_.emplace(object, depth);
    if (!fresh) at->second = std::min(at->second, depth);
  }

  /// Objects that depend on what was reached. Where columns are known, relations are followed by their columns alone,
  /// and what has no columns (exposures, metrics, tests) by dependency; where they are not, everything by dependency:
  /// from the start, or from a reader on whose columns nothing is known of.
  Result<void> readers(Impact& impact) {
    struct Reached {
      std::size_t depth;
      Uuid object;
      bool whole;  // of its columns nothing is known: any of them may be meant
    };
    const bool all = !impact.columns_known || !target_.column;
    std::vector<Reached> queue;
    for (const auto& [object, depth] : depths_) queue.push_back({depth, object, all});
    std::sort(queue.begin(), queue.end(), [](const Reached& a, const Reached& b) {
      return std::tie(a.depth, a.object) < std::tie(b.depth, b.object);
    });
    std::set<Uuid> listed{target_.object.id};
    Steps steps(impl_, Direction::kDownstream);
    Objects objects(impl_);
    for (std::size_t i = 0; i < queue.size(); ++i) {
      const auto [depth, object, whole] = queue[i];
      if (listed.insert(object).second) {
        TRY(auto there, objects.find(object));
        if (there) list(impact, std::move(*there), depth);
      }
      if (queue.size() > limit_ + 1) {
        impact.truncated = true;
        continue;
      }
      TRY(const auto* const found, steps.of({object, ""}));
      for (const Step& step : *found) {
        if (step.type == "macro" || depths_.contains(step.object)) continue;
        TRY(auto there, objects.find(step.object));
        if (!there) continue;
        bool whole_reader = whole;
        if (!whole && !is_reader(there->object_type)) {
          TRY(const bool known, has_lineage(impl_, step.object));
          if (known) continue;
          whole_reader = impact.through_unknown = true;
        }
        if (is_test(there->object_type) && target_.column && (!whole || object == target_.object.id)) {
          TRY(const bool about, concerns(*there, object));
          if (!about) continue;
        }
        depths_.emplace(step.object, depth + 1);
        queue.push_back({depth + 1, step.object, whole_reader});
      }
    }
    return {};
  }

  static void list(Impact& impact, ObjectRef object, std::size_t depth) {
    auto& of_type = is_test(object.object_type)        ? impact.tests
                    : object.object_type == "exposure" ? impact.exposures
                                                       : impact.objects;
    of_type.push_back({std::move(object), std::nullopt, depth});
  }

  /// A test of one column concerns who asks for a column only if that one was reached.
  Result<bool> concerns(const ObjectRef& test, const Uuid& object) {
    TRY(const std::string column, tested_column(impl_, test.id));
    if (column.empty()) return true;
    return std::any_of(columns_.nodes.begin(), columns_.nodes.end(), [&](const LineageNode& node) {
      return node.object.id == object && node.column && equal_ignoring_case(*node.column, column);
    });
  }

  View::Impl& impl_;
  const Target& target_;
  std::size_t limit_;
  std::size_t starts_ = 0;
  Walk columns_;
  std::map<Uuid, std::size_t> depths_;
};

}  // namespace

Result<Lineage> View::lineage(const LineageQuery& query) {
  if (query.limit == 0 || query.limit > kMaxNodes)
    return fail(Code::kInvalidInput, "The limit of lineage is from 1 to " + std::to_string(kMaxNodes) + ".");
  Walk walk(*impl_, query.direction, query.limit);
  TRY_VOID(walk.begin_at(query.from.object.id, query.from.column.value_or("")));
  const bool of_column = query.from.column.has_value();
  const bool influence = query.influence || query.from.column == "*";
  TRY_VOID(walk.run(
      query.depth,
      [&](const LineageNode&, const Step& step) {
        if (of_column) return influence || !is_influence(step.type);
        return step.type != "macro" && step.type != "test";  // no data flows along these
      },
      [&](const LineageNode& node) {
        const bool asked = influence && query.direction == Direction::kUpstream;
        return asked && node.column != "*" && node.column.has_value() == of_column;
      }));
  return Lineage{std::move(walk.nodes), std::move(walk.edges), walk.truncated};
}

Result<Impact> View::impact(const Target& asked, std::size_t limit) {
  Target target = asked;
  if (target.column == "*") target.column.reset();
  if (limit == 0 || limit > kMaxNodes)
    return fail(Code::kInvalidInput, "The limit of impact is from 1 to " + std::to_string(kMaxNodes) + ".");
  std::vector<ColumnDetails> own;
  if (!target.column) {
    TRY(own, columns(target.object.id));
  }
  return ImpactOf(*impl_, target, limit).run(std::move(own));
}

}  // namespace tideline::replica
