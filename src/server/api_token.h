#pragma once
// API tokens for CI: "tdl_<organization>_<256 random bits>". The organization is its lower-case UUID, the random bits
// are 43 characters of base64url; there is one spelling. The server keeps the SHA-256 of the whole text: with 256
// random bits nothing slower is needed. Not for where they are kept, expire or are revoked, nor for what they may do
// (rights.h). All functions are pure but make_api_token, which draws random bytes; thread-safe.

#include <string>
#include <string_view>

#include "base/error.h"
#include "base/hash.h"
#include "base/ids.h"

namespace tideline::server {

struct NewApiToken {
  std::string text;     // shown once, to whom it is made for
  Sha256Digest digest;  // what is stored
};
NewApiToken make_api_token(OrganizationId organization);

struct ApiTokenClaim {
  OrganizationId organization;
  Sha256Digest digest;
};
/// Whether a bearer token is meant to be an API token, well-formed or not. No JWT starts so: it starts with "ey".
bool looks_like_api_token(std::string_view text);
/// What the token claims, to be looked up. kUnauthenticated for any other spelling; the message repeats none of it.
Result<ApiTokenClaim> parse_api_token(std::string_view text);
/// Compares digests in constant time.
bool same_digest(const Sha256Digest& stored, const Sha256Digest& claimed);

}  // namespace tideline::server
