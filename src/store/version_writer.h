#pragma once
// Making a version: the organization's head, taken first and held to the commit, so that the order of commits is the
// order of versions and nothing can be committed in the past. The only place that takes it. Not for what a version
// contains.

#include <optional>
#include <string>

#include "model/row_hash.h"
#include "store/prune.h"
#include "store/tenant.h"

namespace tideline::store {

/// The head as it was found, and the version that this transaction may make.
struct LockedHead {
  Version version;
  Timestamp stamp;
  Version floor;
  Version next;          // version + 1
  Timestamp next_stamp;  // now, but later than `stamp`
};

/// First in a writing transaction. kUnavailable when another writer holds it for longer than 10 s; kPermissionDenied
/// when the user may not write in this organization, or it does not exist.
awaitable<Result<LockedHead>> lock_head(TenantTransaction& transaction, Deadline deadline);

/// What the history says of a version.
struct VersionNote {
  std::optional<ConnectionId> connection;  // nullopt: several
  std::string reason;                      // push, documentation, register, update, delete
  std::optional<Digest> digest;            // of the connection
  std::string counts = "{}";               // JSON
  std::optional<std::string> commit;
  std::optional<std::string> branch;
};

/// Last before the commit: the history's row, the head, the notification; then what has passed retention is pruned.
awaitable<Result<void>> finish_version(TenantTransaction& transaction, const LockedHead& head, VersionNote note,
                                       Deadline deadline);

/// Tells other processes of a change that makes no version.
void notify_activity(pg::Pipeline& pipeline, const Tenant& tenant);

/// Raises the floor; the head must be locked. Does nothing while less than `slack` could go.
awaitable<Result<PruneOutcome>> prune_locked(TenantTransaction& transaction, const LockedHead& head,
                                             Retention retention, Deadline deadline);

/// Raw bytes of a digest or a hash as a parameter.
std::span<const std::uint8_t> bytes_of(std::string_view text);

}  // namespace tideline::store
