#pragma once
// GET /sync-package: a checked request in, an encoded answer out. From the page cache where it can be; else read in one
// snapshot, encoded and compressed while the database sends, and kept.

#include "server/page_cache.h"
#include "server/read_context.h"
#include "server/requests.h"

namespace tideline::server {

/// Errors: kPermissionDenied (no member any more), kUnavailable, kDeadline.
awaitable<Result<Page>> sync_package(ReadContext& context, ReadRequest read, SyncPackageRequest request);

/// Whether the client may have been answered, by another process, from a state newer than `state`: it goes on with the
/// pages of a sync, or names a time that `state` does not reach. Then the primary is to be asked for the state first: a
/// next page of an older state than the first page's would miss what the time of the first page says it has.
bool may_have_seen_newer(const SyncPackageRequest& request, const store::OrganizationState& state);

/// The answer where it needs no wait: so that a handler may answer without suspending.
std::optional<Page> cached_sync_package(ReadContext& context, const ReadRequest& read,
                                        const SyncPackageRequest& request);

}  // namespace tideline::server
