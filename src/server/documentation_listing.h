#pragma once
// GET /documentation: the generated documents with the objects they are about. Cached as pages are.

#include "server/page_cache.h"
#include "server/read_context.h"
#include "server/requests.h"

namespace tideline::server {

/// Errors: kPermissionDenied (no member any more), kUnavailable, kDeadline.
awaitable<Result<Page>> list_documentation(ReadContext& context, ReadRequest read, ReadDocumentationRequest request);

}  // namespace tideline::server
