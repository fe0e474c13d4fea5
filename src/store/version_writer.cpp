#include "store/version_writer.h"

#include "pg/sqlstate.h"

namespace tideline::store {
namespace {

constexpr pg::Statement kLockHead{"lock_head", "select 1 from metadata.heads where organization_id = $1 for update"};
// A statement of its own: it sees what the one before had to wait for.
constexpr pg::Statement kReadHead{
    "read_head",
    "select version, stamp, floor, greatest(clock_timestamp(), stamp + interval '1 microsecond')"
    " from metadata.heads where organization_id = $1"};
constexpr pg::Statement kAddVersion{
    "add_version",
    "insert into metadata.versions (organization_id, version, connection_id, reason, digest, committed_at, user_id,"
    " source_commit, source_branch, counts) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10::json)"};
constexpr pg::Statement kMoveHead{"move_head",
                                  "update metadata.heads set version = $2, stamp = $3 where organization_id = $1"};
constexpr pg::Statement kNotify{"notify_heads", "select pg_notify('tideline_heads', $1)"};

awaitable<Result<void>> commit_history(TenantTransaction& transaction, const LockedHead& head, VersionNote note,
                                       Deadline deadline) {
  const Tenant tenant = transaction.tenant();
  pg::Params version;
  version.add(tenant.organization).add(head.next).add(note.connection).add(note.reason);
  if (note.digest) {
    version.add_bytea(bytes_of(note.digest->to_bytes()));
  } else {
    version.add_null();
  }
  version.add(head.next_stamp).add(tenant.user).add(note.commit).add(note.branch).add(note.counts);
  pg::Params move;
  move.add(tenant.organization).add(head.next).add(head.next_stamp);
  pg::Pipeline pipeline;
  pipeline.add(kAddVersion, std::move(version)).add(kMoveHead, std::move(move));
  notify_activity(pipeline, tenant);
  CO_TRY_VOID(co_await transaction.run(std::move(pipeline), deadline));
  co_return Result<void>();
}

}  // namespace

std::span<const std::uint8_t> bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

awaitable<Result<LockedHead>> lock_head(TenantTransaction& transaction, Deadline deadline) {
  pg::Params lock, read;
  lock.add(transaction.tenant().organization);
  read.add(transaction.tenant().organization);
  pg::Pipeline pipeline;
  pipeline.add(kLockHead, std::move(lock)).add(kReadHead, std::move(read));
  auto results = co_await transaction.run(std::move(pipeline), deadline);
  if (!results) {
    Error error = std::move(results).error();
    if (pg::sqlstate_of(error) == "55P03") {
      error.message = "Another write to this organization takes long.";
      error.hint = "Try again in a moment.";
    }
    co_return fail(std::move(error));
  }
  // Rows that may not be updated are not there for an update.
  if (results->at(0).empty() || results->at(1).empty()) {
    co_return fail(Code::kPermissionDenied, "You may not write to this organization.",
                   "It takes the role admin, or an API token with the scope push or documentation.");
  }
  const auto& row = results->at(1);
  co_return LockedHead{.version = Version{row.int64(0, 0)},
                       .stamp = row.timestamp(0, 1),
                       .floor = Version{row.int64(0, 2)},
                       .next = Version{row.int64(0, 0) + 1},
                       .next_stamp = row.timestamp(0, 3)};
}

awaitable<Result<void>> finish_version(TenantTransaction& transaction, const LockedHead& head, VersionNote note,
                                       Deadline deadline) {
  CO_TRY_VOID(co_await commit_history(transaction, head, std::move(note), deadline));
  CO_TRY_VOID(co_await prune_locked(transaction, head, Retention{}, deadline));
  co_return Result<void>();
}

void notify_activity(pg::Pipeline& pipeline, const Tenant& tenant) {
  pg::Params params;
  params.add(tenant.organization.to_string());
  pipeline.add(kNotify, std::move(params));
}

}  // namespace tideline::store
