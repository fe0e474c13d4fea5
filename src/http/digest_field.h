#pragma once
// Unencoded-Digest (draft-ietf-httpbis-unencoded-digest, a field as those of RFC 9530): SHA-256 of a body as it is
// before any content coding, so it holds whatever a proxy on the way packs or unpacks. By it a client sees that an
// answer is the one that was sent; it says nothing of who sent it. Pure.

#include <string>
#include <string_view>

namespace tideline::http {

inline constexpr std::string_view kUnencodedDigest = "Unencoded-Digest";

/// The field's value: `sha-256=:<44 characters of base64>:`.
std::string unencoded_digest(std::string_view plain_body);

}  // namespace tideline::http
