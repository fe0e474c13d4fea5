#pragma once
// Conditional requests (RFC 9110 §8.8.3, §13): entity tags, If-None-Match, and the 304 that follows. Pure.

#include <optional>
#include <string>
#include <string_view>

#include "http/compress.h"
#include "http/message.h"

namespace tideline::http {

/// A strong tag, `"<opaque>"`, of the representation in that coding: codings of one text are different
/// representations and must not share a strong tag, so zstd adds "-zstd" and gzip "-gzip". `opaque` has no quote.
std::string entity_tag(std::string_view opaque, Encoding encoding = Encoding::kIdentity);

/// Whether an If-None-Match value lists `tag`, by weak comparison (W/"a" and "a" are the same), or is "*". A malformed
/// list matches nothing: the client then gets the full answer, never a wrong 304.
bool if_none_match(std::string_view header, std::string_view tag);
/// Whether an If-Match value lists `tag`, by strong comparison (a weak tag never matches), or is "*".
bool if_match(std::string_view header, std::string_view tag);

/// The 304 for a GET or HEAD whose If-None-Match lists `tag`, with the headers that RFC 9110 §15.4.5 asks for; nullopt
/// when the full answer is due.
std::optional<Response> not_modified(const Request& request, std::string_view tag, std::string_view cache_control,
                                     std::string_view vary = "Accept-Encoding, Authorization");

}  // namespace tideline::http
