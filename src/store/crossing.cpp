#include "store/crossing.h"

#include <algorithm>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/text.h"
#include "store/connection_rows.h"
#include "store/record_rows.h"

namespace tideline::store {
namespace {

// By the stored key, not by lower(full_name): under row level security an index on an expression with a function that
// is not leakproof is not used.
constexpr pg::Statement kPairs{
    "crossing_pairs",
    "select s.id, s.connection_id, s.metadata::jsonb ->> 'unique_id', u.id, u.connection_id, u.full_name"
    " from metadata.objects s join metadata.objects u on u.organization_id = $1 and u.full_name_key = s.full_name_key"
    "   and u.object_type in ('model', 'seed', 'snapshot')"
    " where s.organization_id = $1 and s.object_type = 'source' and s.connection_id = $2"
    " union"
    " select s.id, s.connection_id, s.metadata::jsonb ->> 'unique_id', u.id, u.connection_id, u.full_name"
    " from metadata.objects u join metadata.objects s on s.organization_id = $1 and s.full_name_key = u.full_name_key"
    "   and s.object_type = 'source'"
    " where u.organization_id = $1 and u.object_type in ('model', 'seed', 'snapshot') and u.connection_id = $2"
    " order by 1, 4"};
constexpr pg::Statement kColumns{
    "crossing_columns",
    "select object_id, name from metadata.columns where organization_id = $1 and object_id = any ($2)"
    " order by object_id, position, id"};
constexpr pg::Statement kHeld{"crossing_held",
                              "select " TIDELINE_LINEAGE_FIELDS
                              " from metadata.columns_lineage where organization_id = $1"
                              " and extracted_from = 'relation_name' and (connection_id = $2 or source_connection_id = "
                              "$2)"};

struct Pair {
  Uuid source;  // downstream: the source of a project
  ConnectionId source_connection;
  std::string source_unique_id;
  Uuid relation;  // upstream: what builds it
  Uuid relation_connection;
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

void add_edges(const Pair& pair, const ColumnNames& columns, std::vector<ColumnLineageRecord>& edges) {
  const auto of_source = columns.find(pair.source), of_relation = columns.find(pair.relation);
  if (of_source == columns.end() || of_relation == columns.end()) return;
  std::unordered_map<std::string, const std::string*> by_name;  // in lower case: most columns are found at once
  for (const auto& name : of_relation->second) by_name.emplace(ascii_lower(name), &name);
  for (const auto& target : of_source->second) {
    const auto near = by_name.find(ascii_lower(target));
    if (near == by_name.end()) continue;
    const std::string& from = *near->second == target ? *near->second : *find(of_relation->second, target);
    ColumnLineageRecord& edge = edges.emplace_back();
    edge.connection_id = pair.source_connection.value;
    edge.source_object_id = pair.relation;
    edge.source_column = from;
    edge.target_object_id = pair.source;
    edge.target_column = target;
    edge.transformation_type = "direct";
    edge.extracted_from = kCrossing;
    edge.source_connection_id = pair.relation_connection;
    edge.source_full_name = pair.relation_full_name;
    edge.id = column_lineage_id(pair.source_connection, pair.source_unique_id, key_of(target, of_source->second),
                                pair.relation, key_of(from, of_relation->second), edge.transformation_type);
  }
}

}  // namespace

awaitable<Result<CrossingChange>> refresh_crossing(TenantTransaction& transaction, const WriteContext& context,
                                                   Deadline deadline) {
  const Tenant tenant = transaction.tenant();
  pg::Pipeline questions;
  for (const auto statement : {kPairs, kHeld}) {
    pg::Params params;
    params.add(tenant.organization).add(context.connection);
    questions.add(statement, std::move(params));
  }
  CO_TRY(const auto found, co_await transaction.run(std::move(questions), deadline));
  std::map<ConnectionId, CrossingChange> changes;
  if (found[0].rows() == 0 && found[1].rows() == 0) co_return CrossingChange();

  std::vector<Pair> pairs;
  std::vector<Uuid> ids;
  for (int row = 0; row < found[0].rows(); ++row) {
    const auto unique_id = found[0].text_or_null(row, 2);
    if (!unique_id) continue;
    pairs.push_back({found[0].uuid(row, 0), found[0].id<ConnectionId>(row, 1), std::string(*unique_id),
                     found[0].uuid(row, 3), found[0].uuid(row, 4), std::string(found[0].text(row, 5))});
    ids.push_back(pairs.back().source);
    ids.push_back(pairs.back().relation);
  }
  ColumnNames columns;
  if (!pairs.empty()) {
    std::sort(ids.begin(), ids.end());
    ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
    pg::UuidArray objects;
    for (const auto& id : ids) objects.add(id);
    pg::Params params;
    params.add(tenant.organization).add(std::move(objects));
    CO_TRY(const auto names, co_await transaction.exec(kColumns, std::move(params), deadline));
    for (int row = 0; row < names.rows(); ++row) columns[names.uuid(row, 0)].emplace_back(names.text(row, 1));
  }
  std::vector<ColumnLineageRecord> edges;
  for (const Pair& pair : pairs) add_edges(pair, columns, edges);

  std::map<Uuid, ColumnLineageRecord> held;
  for (int row = 0; row < found[1].rows(); ++row) {
    auto record = record_of<ColumnLineageRecord>(found[1], row);
    held.emplace(record.id, std::move(record));
  }
  RowBatch batch;
  for (const auto& edge : edges) {
    const RowHash hash = row_hash(edge);
    const auto old = held.find(edge.id);
    CrossingChange* change = nullptr;
    if (old != held.end()) {
      const RowHash before = row_hash(old->second);
      held.erase(old);
      if (before == hash) continue;
      change = &changes[ConnectionId{edge.connection_id}];
      change->difference.remove(before);
      ++change->updated;
    } else {
      change = &changes[ConnectionId{edge.connection_id}];
      batch.added.emplace_back(Kind::kColumnLineage, edge.id);
      ++change->added;
    }
    change->difference.add(hash);
    batch.lineage.add(edge, hash);
    batch.touched.push_back(edge.target_object_id);
  }
  std::vector<Uuid> gone;
  for (const auto& [id, record] : held) {
    CrossingChange& change = changes[ConnectionId{record.connection_id}];
    change.difference.remove(row_hash(record));
    ++change.removed;
    gone.push_back(id);
  }
  std::sort(batch.touched.begin(), batch.touched.end());
  batch.touched.erase(std::unique(batch.touched.begin(), batch.touched.end()), batch.touched.end());
  if (batch.rows() != 0) {
    WriteContext of_edges = context;
    of_edges.has_tombstones = true;  // of other connections it was not asked
    CO_TRY(const auto shown, co_await write_batch(transaction, of_edges, std::move(batch), deadline));
  }
  CO_TRY(const auto hidden,
         co_await remove_rows(transaction, context, Kind::kColumnLineage, std::move(gone), deadline));
  pg::Pipeline progress;
  for (const auto& [id, change] : changes) {
    if (id == context.connection) continue;
    CO_TRY(const auto other, co_await fetch_connection(transaction, ConnectionRef(id), deadline));
    if (!other) co_return fail(Code::kInternal, "An edge's connection is missing.");
    Digest digest = other->digest;
    digest.of(Kind::kColumnLineage).add(change.difference);
    add_progress(progress, tenant, id, context.head.next, digest);
  }
  if (progress.size() != 0) CO_TRY_VOID(co_await transaction.run(std::move(progress), deadline));
  co_return changes[context.connection];
}

}  // namespace tideline::store
