#pragma once
// GET /sync-package: a checked request in, an encoded answer out. From the page cache where it can be; else read in one
// snapshot, encoded and compressed while the database sends, and kept.

#include "server/page_cache.h"
#include "server/read_context.h"
#include "server/requests.h"

namespace tideline::server {

/// Errors: kPermissionDenied (no member any more), kUnavailable, kDeadline.
awaitable<Result<Page>> sync_package(ReadContext& context, ReadRequest read, SyncPackageRequest request);

/// The answer where it needs no wait: so that a handler may answer without suspending.
std::optional<Page> cached_sync_package(ReadContext& context, const ReadRequest& read,
                                        const SyncPackageRequest& request);

}  // namespace tideline::server
