#pragma once
// API tokens for CI: "tdl_<organization>_<256 random bits>". The organization is its lower-case UUID, the random bits
// are 43 characters of base64url; there is one spelling. The server keeps the SHA-256 of the whole text: with 256
// random bits nothing slower is needed. Not for where they are kept, expire or are revoked. All functions are pure but
// make_api_token, which draws random bytes; thread-safe.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

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

/// What an API token may be used for. Closed; the names are stored and never change.
enum class ApiScope : std::uint8_t {
  kRead,  // "read": what a member may read
  kPush,  // "push": artifacts and documentation
};
inline constexpr std::array kApiScopes = {ApiScope::kRead, ApiScope::kPush};
std::string_view to_string(ApiScope scope);
std::optional<ApiScope> parse_api_scope(std::string_view name);

/// A set of scopes. A value.
class ApiScopes {
 public:
  ApiScopes() = default;
  /// kInvalidInput for an empty list, an unknown name or one that stands twice.
  static Result<ApiScopes> parse(const std::vector<std::string_view>& names);
  /// The same from "push,read".
  static Result<ApiScopes> parse(std::string_view comma_separated);

  bool operator==(const ApiScopes&) const = default;
  bool has(ApiScope scope) const { return (bits_ & bit(scope)) != 0; }
  bool empty() const { return bits_ == 0; }
  void add(ApiScope scope) { bits_ = static_cast<std::uint8_t>(bits_ | bit(scope)); }
  /// In the order of kApiScopes.
  std::vector<std::string_view> names() const;

 private:
  static std::uint8_t bit(ApiScope scope) { return static_cast<std::uint8_t>(1U << static_cast<unsigned>(scope)); }
  std::uint8_t bits_ = 0;
};

}  // namespace tideline::server
