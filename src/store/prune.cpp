#include "store/prune.h"

#include "store/version_writer.h"

namespace tideline::store {
namespace {

// $2: what is older may go. $3: the last version that the number kept would let go. The oldest one tells whether a pass
// is worth it.
constexpr pg::Statement kCandidate{
    "floor_candidate",
    "select (select max(version) from metadata.versions"
    "         where organization_id = $1 and version <= $3 and committed_at <= $2),"
    " (select committed_at from metadata.versions where organization_id = $1 order by version limit 1)"};
constexpr pg::Statement kRaiseFloor{"raise_floor", "update metadata.heads set floor = $2 where organization_id = $1"};
constexpr pg::Statement kDropTombstones{
    "drop_tombstones", "delete from metadata.tombstones where organization_id = $1 and row_version <= $2"};
constexpr pg::Statement kDropVersions{"drop_versions",
                                      "delete from metadata.versions where organization_id = $1 and version <= $2"};
// The last one of each connection is its digest at the floor.
constexpr pg::Statement kDropDigests{
    "drop_digests",
    "delete from metadata.connection_versions v where v.organization_id = $1 and v.version < $2 and exists ("
    "  select from metadata.connection_versions later where later.organization_id = $1"
    "     and later.connection_id = v.connection_id and later.version > v.version and later.version <= $2)"};
constexpr pg::Statement kDropDocumentation{
    "drop_hidden_documentation",
    "delete from metadata.object_documentation where organization_id = $1 and hidden_at <= $2"};

pg::Params floor_params(const Tenant& tenant, Version floor) {
  pg::Params params;
  params.add(tenant.organization).add(floor);
  return params;
}

}  // namespace

awaitable<Result<PruneOutcome>> prune_locked(TenantTransaction& transaction, const LockedHead& head,
                                             Retention retention, Deadline deadline) {
  const Tenant tenant = transaction.tenant();
  const Timestamp horizon{head.next_stamp.micros - retention.age.count()};
  pg::Params candidate;
  candidate.add(tenant.organization).add(horizon).add(head.version.value - retention.versions);
  CO_TRY(const auto found, co_await transaction.exec(kCandidate, std::move(candidate), deadline));
  PruneOutcome outcome{.floor = head.floor};
  const bool worth_it = !found.is_null(0, 0) && found.int64(0, 0) > head.floor.value && !found.is_null(0, 1) &&
                        found.timestamp(0, 1).micros <= horizon.micros - retention.slack.count();
  if (!worth_it) co_return outcome;

  outcome.floor = Version{found.int64(0, 0)};
  pg::Params documents;
  documents.add(tenant.organization).add(Timestamp{head.next_stamp.micros - retention.hidden_documentation.count()});
  pg::Pipeline pipeline;
  pipeline.add(kRaiseFloor, floor_params(tenant, outcome.floor))
      .add(kDropTombstones, floor_params(tenant, outcome.floor))
      .add(kDropVersions, floor_params(tenant, outcome.floor))
      .add(kDropDigests, floor_params(tenant, outcome.floor))
      .add(kDropDocumentation, std::move(documents));
  CO_TRY(const auto results, co_await transaction.run(std::move(pipeline), deadline));
  outcome.tombstones = results[1].affected_rows();
  outcome.versions = results[2].affected_rows();
  outcome.documents = results[4].affected_rows();
  co_return outcome;
}

awaitable<Result<PruneOutcome>> prune(Database& database, Tenant tenant, Retention retention, Deadline deadline) {
  CO_TRY(const auto turn, co_await database.turn(tenant.organization, deadline));
  CO_TRY(auto transaction, co_await database.begin(tenant, TenantTransaction::Mode::kWrite, deadline));
  CO_TRY(const auto head, co_await lock_head(transaction, deadline));
  CO_TRY(const auto outcome, co_await prune_locked(transaction, head, retention, deadline));
  CO_TRY_VOID(co_await transaction.commit(deadline));
  co_return outcome;
}

}  // namespace tideline::store
