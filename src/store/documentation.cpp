#include "store/documentation.h"

#include <algorithm>
#include <map>

#include "store/connection_rows.h"
#include "store/row_writer.h"

namespace tideline::store {
namespace {

constexpr pg::Statement kObjects{
    "documentation_objects",
    "select id, connection_id from metadata.objects where organization_id = $1 and id = any ($2)"};
constexpr pg::Statement kExisting{
    "documentation_existing",
    "select " TIDELINE_DOCUMENTATION_FIELDS
    " from metadata.object_documentation where organization_id = $1 and object_id = any ($2) and hidden_at is null"};
// A hidden document of an object that is there cannot be: it came back with the object.
constexpr pg::Statement kWrite{
    "write_documentation",
    "insert into metadata.object_documentation as t (organization_id, " TIDELINE_DOCUMENTATION_FIELDS
    ", row_hash, row_version, updated_at)"
    " select $1, u.*, $2, $3 from unnest($4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)"
    " as u (" TIDELINE_DOCUMENTATION_FIELDS
    ", row_hash)"
    " on conflict (organization_id, id) do update set"
    " executive_summary = excluded.executive_summary, business_narrative = excluded.business_narrative,"
    " transformation_cards = excluded.transformation_cards, code_explanations = excluded.code_explanations,"
    " business_rules = excluded.business_rules, impact_analysis = excluded.impact_analysis,"
    " generated_at = excluded.generated_at, model = excluded.model, doc_version = excluded.doc_version,"
    " extra = excluded.extra, hidden_at = null, row_hash = excluded.row_hash, row_version = excluded.row_version,"
    " updated_at = excluded.updated_at"};

/// Items by object: where one is named twice, the later.
using Wanted = std::map<Uuid, std::size_t>;

Result<Wanted> resolve(const std::vector<DocumentationItem>& items) {
  Wanted wanted;
  for (std::size_t i = 0; i < items.size(); ++i) {
    const auto& item = items[i];
    if (item.object) {
      wanted[*item.object] = i;
    } else if (item.connection && !item.unique_id.empty()) {
      wanted[object_id(*item.connection, item.unique_id)] = i;
    } else {
      return fail(Code::kInvalidInput, "Item " + std::to_string(i) + " names no object.",
                  "Give object_id, or connection_id and unique_id.");
    }
  }
  return wanted;
}

pg::UuidArray keys_of(const Wanted& wanted) {
  pg::UuidArray ids;
  for (const auto& [object, index] : wanted) ids.add(object);
  return ids;
}

struct Changes {
  RowArrays<DocumentationRecord> rows;
  std::vector<Uuid> objects;
  std::vector<std::pair<Kind, Uuid>> added;
  std::map<ConnectionId, Digest> differences;  // to be added to the connections' digests
};

/// What there is to write, and the counts.
Changes compare(std::vector<DocumentationItem>& items, const Wanted& wanted,
                const std::map<Uuid, ConnectionId>& connections, const std::map<Uuid, DocumentationRecord>& existing,
                DocumentationOutcome& outcome) {
  Changes changes;
  for (const auto& [object, index] : wanted) {
    const auto connection = connections.find(object);
    if (connection == connections.end()) {
      outcome.unknown.push_back(index);
      continue;
    }
    DocumentationRecord record = std::move(items[index].content);
    record.id = documentation_id(connection->second, object);
    record.connection_id = connection->second.value;
    record.object_id = object;
    const auto old = existing.find(object);
    if (old != existing.end()) {
      DocumentationRecord same_time = record;
      same_time.generated_at = old->second.generated_at;
      if (row_hash(same_time) == row_hash(old->second)) {
        ++outcome.unchanged;
        continue;
      }
    }
    KindDigest& difference = changes.differences[connection->second].of(Kind::kDocumentation);
    if (old != existing.end()) {
      difference.remove(row_hash(old->second));
      ++outcome.updated;
    } else {
      changes.added.emplace_back(Kind::kDocumentation, record.id);
      ++outcome.added;
    }
    const RowHash hash = row_hash(record);
    difference.add(hash);
    changes.rows.add(record, hash);
    changes.objects.push_back(object);
  }
  std::sort(outcome.unknown.begin(), outcome.unknown.end());
  return changes;
}

awaitable<Result<void>> write(TenantTransaction& transaction, const LockedHead& head, Changes changes,
                              const DocumentationOutcome& outcome, Deadline deadline) {
  const Tenant tenant = transaction.tenant();
  pg::Params rows;
  rows.add(tenant.organization).add(head.next).add(head.next_stamp);
  changes.rows.take(rows);
  pg::Pipeline pipeline;
  pipeline.add(kWrite, std::move(rows));
  add_forget_tombstones(pipeline, tenant, changes.added);
  add_touch(pipeline, tenant, head.next, changes.objects);
  std::optional<Digest> digest;
  for (const auto& [id, difference] : changes.differences) {
    CO_TRY(const auto connection, co_await fetch_connection(transaction, ConnectionRef(id), deadline));
    if (!connection) co_return fail(Code::kInternal, "An object's connection is missing.");
    digest = connection->digest;
    digest->of(Kind::kDocumentation).count += difference.of(Kind::kDocumentation).count;
    digest->of(Kind::kDocumentation).sum += difference.of(Kind::kDocumentation).sum;
    add_progress(pipeline, tenant, id, head.next, *digest);
  }
  CO_TRY_VOID(co_await transaction.run(std::move(pipeline), deadline));
  const bool one = changes.differences.size() == 1;
  VersionNote note{.connection = one ? std::optional(changes.differences.begin()->first) : std::nullopt,
                   .reason = "documentation",
                   .digest = one ? digest : std::nullopt,
                   .counts = "{\"documentation\":{\"added\":" + std::to_string(outcome.added) +
                             ",\"updated\":" + std::to_string(outcome.updated) + ",\"removed\":0}}",
                   .commit = {},
                   .branch = {}};
  co_return co_await finish_version(transaction, head, std::move(note), deadline);
}

}  // namespace

awaitable<Result<DocumentationOutcome>> put_documentation(Database& database, Tenant tenant,
                                                          std::vector<DocumentationItem> items, Deadline deadline) {
  CO_TRY(const auto wanted, resolve(items));
  CO_TRY(const auto turn, co_await database.turn(tenant.organization, deadline));
  CO_TRY(auto transaction, co_await database.begin(tenant, TenantTransaction::Mode::kWrite, deadline));
  CO_TRY(const auto head, co_await lock_head(transaction, deadline));
  pg::Pipeline pipeline;
  for (const auto statement : {kObjects, kExisting}) {
    pg::Params params;
    params.add(tenant.organization).add(keys_of(wanted));
    pipeline.add(statement, std::move(params));
  }
  CO_TRY(const auto found, co_await transaction.run(std::move(pipeline), deadline));
  std::map<Uuid, ConnectionId> connections;
  for (int row = 0; row < found[0].rows(); ++row) {
    connections[found[0].uuid(row, 0)] = found[0].id<ConnectionId>(row, 1);
  }
  std::map<Uuid, DocumentationRecord> existing;
  for (int row = 0; row < found[1].rows(); ++row) {
    auto record = record_of<DocumentationRecord>(found[1], row);
    existing.emplace(record.object_id, std::move(record));
  }

  DocumentationOutcome outcome{.version = head.version, .stamp = head.stamp, .made = false, .unknown = {}};
  auto changes = compare(items, wanted, connections, existing, outcome);
  if (changes.objects.empty()) co_return std::move(outcome);
  CO_TRY_VOID(co_await write(transaction, head, std::move(changes), outcome, deadline));
  CO_TRY_VOID(co_await transaction.commit(deadline));
  outcome.version = head.next;
  outcome.stamp = head.next_stamp;
  outcome.made = true;
  co_return std::move(outcome);
}

}  // namespace tideline::store
