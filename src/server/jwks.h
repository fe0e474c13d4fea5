#pragma once
// Reads a JSON Web Key Set (RFC 7517; RSA and EC by RFC 7518 §6, Ed25519 by RFC 8037). Pure. Not for getting or
// refreshing one (jwks_source.h).

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "server/jwt_key.h"

namespace tideline::server {

/// The largest sets in use have some ten keys and 20 KB.
inline constexpr std::size_t kMaxJwksBytes = 256 * 1024;
inline constexpr std::size_t kMaxJwksKeys = 100;

struct Jwks {
  std::vector<VerificationKey> keys;  // in the order of the text; each has `policy`
  std::vector<std::string> warnings;  // keys left out and why, private material found: for the operator
};

/// Keys we have no use for are left out with a warning: another kty or crv, an `alg` other than the key's, a `use`
/// other than sig, `key_ops` without verify, RSA of a size we do not take. Private members are never looked at. A set
/// without a usable key is valid: its publisher has withdrawn all. kTooLarge over the limits. kInvalidInput, for the
/// whole set, where it is not strict JSON, a key is malformed (also by base64url that is not canonical), two keys share
/// a kid, or a key is symmetric: a published secret is none.
Result<Jwks> parse_jwks(std::string_view text, const KeyPolicy& policy);

}  // namespace tideline::server
