#pragma once
// GET /connections and POST /connections/match-workspace, from memory while nothing changed.

#include <string>

#include "server/page_cache.h"
#include "server/read_context.h"
#include "server/requests.h"

namespace tideline::server {

/// Errors of all: kPermissionDenied (no member any more), kUnavailable, kDeadline.
awaitable<Result<Page>> list_connections(ReadContext& context, ReadRequest read);
/// The answer where it needs no wait.
std::optional<Page> cached_connections(ReadContext& context, const ReadRequest& read);

/// JSON, plain.
awaitable<Result<std::string>> match_workspace(ReadContext& context, ReadRequest read, MatchWorkspaceRequest request);

}  // namespace tideline::server
