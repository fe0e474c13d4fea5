#include "store/crossing.h"

#include <algorithm>
#include <map>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/text.h"
#include "store/connection_rows.h"
#include "store/record_rows.h"

namespace tideline::store {
namespace {

// Of one relation, by id: connections that are copies of one project build the same ones, and each of their sources
// would hang on every one of them.
#define TIDELINE_MAX_BUILDERS "8"
// Whose edges are looked at together, so that memory does not grow with the number of relations.
constexpr std::size_t kSourcesAtOnce = 100;

#define TIDELINE_BUILT "object_type in ('model', 'seed', 'snapshot')"
// By the stored key, not by lower(full_name): under row level security an index on an expression with a function that
// is not leakproof is not used.
constexpr pg::Statement kAffected{
    "crossing_affected",
    "select id from metadata.objects where organization_id = $1 and connection_id = $2 and object_type = 'source'"
    "   and full_name_key in (select full_name_key from metadata.objects where organization_id = $1 and " TIDELINE_BUILT
    ")"
    " union"
    " select id from metadata.objects where organization_id = $1 and object_type = 'source' and full_name_key in"
    "   (select full_name_key from metadata.objects"
    "     where organization_id = $1 and connection_id = $2 and " TIDELINE_BUILT
    ")"
    " union"
    " select target_object_id from metadata.columns_lineage where organization_id = $1"
    "   and extracted_from = 'relation_name' and (connection_id = $2 or source_connection_id = $2)"};
constexpr pg::Statement kPairs{
    "crossing_pairs",
    "with sources as (select id, connection_id, metadata::jsonb ->> 'unique_id' as unique_id, full_name_key"
    "     from metadata.objects where organization_id = $1 and id = any ($2) and object_type = 'source'),"
    " builders as (select id, connection_id, full_name, full_name_key,"
    "       row_number() over (partition by full_name_key order by id) as number"
    "     from metadata.objects where organization_id = $1 and " TIDELINE_BUILT
    "       and full_name_key in (select full_name_key from sources))"
    " select s.id, s.connection_id, s.unique_id, b.id, b.connection_id, b.full_name"
    " from sources s join builders b using (full_name_key) where b.number <= " TIDELINE_MAX_BUILDERS " order by 1, 4"};
constexpr pg::Statement kColumns{
    "crossing_columns",
    "select object_id, name from metadata.columns where organization_id = $1 and object_id = any ($2)"
    " order by object_id, position, id"};
constexpr pg::Statement kHeld{"crossing_held",
                              "select id, row_hash, connection_id from metadata.columns_lineage"
                              " where organization_id = $1 and extracted_from = 'relation_name'"
                              " and target_object_id = any ($2)"};

struct Pair {
  Uuid source;  // downstream: the source of a project
  ConnectionId source_connection;
  std::string source_unique_id;
  Uuid relation;  // upstream: what builds it
  ConnectionId relation_connection;
  std::string relation_full_name;
};

using ColumnNames = std::unordered_map<Uuid, std::vector<std::string>>;

/// As ids have it: in lower case, unless another column of the object differs by case alone.
std::string key_of(const std::string& name, const std::vector<std::string>& all) {
  const auto same = [&](const std::string& other) { return equal_ignoring_case(other, name); };
  return std::count_if(all.begin(), all.end(), same) > 1 ? name : ascii_lower(name);
}

/// The column of that name; of several that differ by case alone the one spelt so, else the first. nullptr: none.
const std::string* find(const std::vector<std::string>& names, const std::string& name) {
  if (const auto exact = std::find(names.begin(), names.end(), name); exact != names.end()) return &*exact;
  const auto other =
      std::find_if(names.begin(), names.end(), [&](const std::string& one) { return equal_ignoring_case(one, name); });
  return other == names.end() ? nullptr : &*other;
}

template <class Visit>
void each_edge(const Pair& pair, const ColumnNames& columns, const Visit& visit) {
  const auto of_source = columns.find(pair.source), of_relation = columns.find(pair.relation);
  if (of_source == columns.end() || of_relation == columns.end()) return;
  std::unordered_map<std::string, const std::string*> by_name;  // in lower case: most columns are found at once
  for (const auto& name : of_relation->second) by_name.emplace(ascii_lower(name), &name);
  for (const auto& target : of_source->second) {
    const auto near = by_name.find(ascii_lower(target));
    if (near == by_name.end()) continue;
    const std::string& from = *near->second == target ? *near->second : *find(of_relation->second, target);
    ColumnLineageRecord edge;
    edge.connection_id = pair.source_connection.value;
    edge.source_object_id = pair.relation;
    edge.source_column = from;
    edge.target_object_id = pair.source;
    edge.target_column = target;
    edge.transformation_type = "direct";
    edge.extracted_from = kCrossing;
    edge.source_connection_id = pair.relation_connection.value;
    edge.source_full_name = pair.relation_full_name;
    edge.id = column_lineage_id(pair.source_connection, pair.source_unique_id, key_of(target, of_source->second),
                                pair.relation, key_of(from, of_relation->second), edge.transformation_type);
    visit(edge);
  }
}

/// One refresh. Lives in the frame of `refresh_crossing`.
class Crossing {
 public:
  Crossing(TenantTransaction& transaction, const WriteContext& context, Deadline deadline)
      : transaction_(transaction), context_(context), deadline_(deadline) {
    context_.has_tombstones = true;  // of other connections it was not asked
  }

  awaitable<Result<CrossingChange>> run();

 private:
  struct Held {
    RowHash hash;
    ConnectionId connection;
    bool wanted = false;
  };

  awaitable<Result<void>> refresh(std::span<const Uuid> sources);
  awaitable<Result<ColumnNames>> columns_of(const std::vector<Pair>& pairs);
  void compare(const ColumnLineageRecord& edge, std::unordered_map<Uuid, Held>& held);
  awaitable<Result<void>> flush();
  awaitable<Result<void>> take_others_forward();
  pg::Params asked(std::span<const Uuid> ids) const {
    pg::Params params;
    params.add(transaction_.tenant().organization).add(array_of(ids));
    return params;
  }

  TenantTransaction& transaction_;
  WriteContext context_;
  Deadline deadline_;
  RowBatch batch_;
  std::map<ConnectionId, CrossingChange> changes_;
};

awaitable<Result<CrossingChange>> Crossing::run() {
  pg::Params params;
  params.add(transaction_.tenant().organization).add(context_.connection);
  CO_TRY(const auto rows, co_await transaction_.exec(kAffected, std::move(params), deadline_));
  std::vector<Uuid> sources = ids_of(rows);
  std::sort(sources.begin(), sources.end());
  for (std::span<const Uuid> left(sources); !left.empty();) {
    const auto some = left.first(std::min(left.size(), kSourcesAtOnce));
    left = left.subspan(some.size());
    CO_TRY_VOID(co_await refresh(some));
  }
  CO_TRY_VOID(co_await take_others_forward());
  co_return changes_[context_.connection];
}

/// The edges into these sources, of whatever connection.
awaitable<Result<void>> Crossing::refresh(std::span<const Uuid> sources) {
  pg::Pipeline questions;
  questions.add(kPairs, asked(sources)).add(kHeld, asked(sources));
  CO_TRY(const auto found, co_await transaction_.run(std::move(questions), deadline_));
  std::vector<Pair> pairs;
  for (int row = 0; row < found[0].rows(); ++row)
    if (const auto unique_id = found[0].text_or_null(row, 2))
      pairs.push_back({found[0].uuid(row, 0), found[0].id<ConnectionId>(row, 1), std::string(*unique_id),
                       found[0].uuid(row, 3), found[0].id<ConnectionId>(row, 4), std::string(found[0].text(row, 5))});
  std::unordered_map<Uuid, Held> held;
  for (int row = 0; row < found[1].rows(); ++row)
    held[found[1].uuid(row, 0)] = {row_hash_at(found[1], row, 1), found[1].id<ConnectionId>(row, 2)};

  CO_TRY(const auto columns, co_await columns_of(pairs));
  for (const Pair& pair : pairs) {
    each_edge(pair, columns, [&](const ColumnLineageRecord& edge) { compare(edge, held); });
    if (batch_.is_full()) CO_TRY_VOID(co_await flush());
  }
  CO_TRY_VOID(co_await flush());
  std::vector<Uuid> gone;
  for (const auto& [id, one] : held) {
    if (one.wanted) continue;
    CrossingChange& change = changes_[one.connection];
    change.difference.remove(one.hash);
    ++change.removed;
    gone.push_back(id);
  }
  CO_TRY(const auto hidden,
         co_await remove_rows(transaction_, context_, Kind::kColumnLineage, std::move(gone), deadline_));
  co_return Result<void>();
}

awaitable<Result<ColumnNames>> Crossing::columns_of(const std::vector<Pair>& pairs) {
  ColumnNames columns;
  if (pairs.empty()) co_return columns;
  std::vector<Uuid> ids;
  for (const Pair& pair : pairs) ids.push_back(pair.source), ids.push_back(pair.relation);
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  CO_TRY(const auto names, co_await transaction_.exec(kColumns, asked(ids), deadline_));
  for (int row = 0; row < names.rows(); ++row) columns[names.uuid(row, 0)].emplace_back(names.text(row, 1));
  co_return columns;
}

void Crossing::compare(const ColumnLineageRecord& edge, std::unordered_map<Uuid, Held>& held) {
  const RowHash hash = row_hash(edge);
  const auto old = held.find(edge.id);
  if (old != held.end()) {
    old->second.wanted = true;
    if (old->second.hash == hash) return;
  }
  CrossingChange& change = changes_[ConnectionId{edge.connection_id}];
  if (old != held.end()) {
    change.difference.remove(old->second.hash);
    ++change.updated;
  } else {
    batch_.added.emplace_back(Kind::kColumnLineage, edge.id);
    ++change.added;
  }
  change.difference.add(hash);
  batch_.lineage.add(edge, hash);
  if (batch_.touched.empty() || batch_.touched.back() != edge.target_object_id)
    batch_.touched.push_back(edge.target_object_id);
}

awaitable<Result<void>> Crossing::flush() {
  if (batch_.rows() == 0) co_return Result<void>();
  CO_TRY(const auto shown, co_await write_batch(transaction_, context_, std::exchange(batch_, {}), deadline_));
  co_return Result<void>();
}

awaitable<Result<void>> Crossing::take_others_forward() {
  pg::Pipeline progress;
  for (const auto& [id, change] : changes_) {
    if (id == context_.connection) continue;
    CO_TRY(const auto other, co_await fetch_connection(transaction_, ConnectionRef(id), deadline_));
    if (!other) co_return fail(Code::kInternal, "An edge's connection is missing.");
    Digest digest = other->digest;
    digest.of(Kind::kColumnLineage).add(change.difference);
    add_progress(progress, transaction_.tenant(), id, context_.head.next, digest);
  }
  if (progress.size() == 0) co_return Result<void>();
  CO_TRY_VOID(co_await transaction_.run(std::move(progress), deadline_));
  co_return Result<void>();
}

}  // namespace

awaitable<Result<CrossingChange>> refresh_crossing(TenantTransaction& transaction, const WriteContext& context,
                                                   Deadline deadline) {
  Crossing crossing(transaction, context, deadline);
  co_return co_await crossing.run();
}

}  // namespace tideline::store
