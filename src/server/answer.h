#pragma once
// The edge to HTTP: results of handlers become answers, here and only here. Caching headers, entity tags, content
// negotiation and the one table from error codes to statuses as this server uses them. Pure but for logging.

#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "http/compress.h"
#include "http/message.h"
#include "server/decode.h"
#include "server/page_cache.h"

namespace tideline::server {

/// May be kept, but only for the one who asked and only after asking again.
inline constexpr std::string_view kCacheControl = "private, no-cache";
inline constexpr std::string_view kVary = "Accept-Encoding, Authorization";
/// Shorter answers are sent as they are: compressing them saves no packet.
inline constexpr std::size_t kCompressFrom = 1024;

/// Whether the client takes `type` (RFC 9110 §12.5.1): "application/json", "text/plain".
bool accepts(const http::Headers& headers, std::string_view type);

/// 200 with a page as it is, or 304 when the client has it. What has no check of its own comes with Unencoded-Digest.
http::Response page_answer(const http::Request& request, const Page& page, std::string_view type = http::kJsonType);
/// The same for JSON made for this request alone. `status` other than 200 has no entity tag.
http::Response json_answer(const http::Request& request, std::string json, http::Encoding encoding,
                           unsigned status = 200);

/// problem+json. kDeadline is 503 here (our own time was not enough: try again); an artifact in a format we do not know
/// (kUnsupported) is 422 where `of_content`, otherwise 415.
http::Response error_answer(const http::Request& request, const Error& error, bool of_content = false);
http::Response field_errors_answer(const http::Request& request, FieldErrors errors);

}  // namespace tideline::server
