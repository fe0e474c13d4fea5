#pragma once
// Verifies signed tokens: JWS compact serialization (RFC 7515) carrying JWT claims (RFC 7519), by the rules of RFC
// 8725. Pure: no network, no clock. Not for API tokens (api_token.h), nor for what an identity may do.
//
// A token is refused unless all of this holds:
//   form     at most kMaxTokenBytes; three parts; base64url in its one canonical spelling; header and claims are JSON
//            objects without duplicate keys
//   header   `alg` is that of the key; none of `crit`, `b64`, `zip`, `jwk`, `jku`, `x5u`, `x5c`; `typ`, if any, is JWT
//            or at+jwt
//   key      a `kid`, if any, is known; without one, at most kMaxCandidates keys are tried, never an own key
//   claims   `exp` ahead; `nbf` and `iat`, if any, not ahead; `sub` of 1-255 bytes; `iss` and `aud` as the key's policy
//            says; an issuer to which a key is bound is spoken for by that key alone
//
// Every refusal is kUnauthenticated; its message says what is wrong and repeats nothing of what an unverified token
// says.

#include <chrono>
#include <cstddef>
#include <memory>
#include <mutex>
#include <string_view>

#include "base/error.h"
#include "base/time.h"
#include "server/jwt_key.h"
#include "server/jwt_token.h"

namespace tideline::server {

/// What fits a request header; a token with hundreds of group claims is still under it.
inline constexpr std::size_t kMaxTokenBytes = 8 * 1024;
/// How far clocks may be apart.
inline constexpr std::chrono::seconds kJwtLeeway{60};
/// How many signatures a token without kid may cost us.
inline constexpr std::size_t kMaxCandidates = 4;
/// OpenID Connect Core §2 bounds `sub` so; the same bound for `jti`.
inline constexpr std::size_t kMaxSubjectBytes = 255;
inline constexpr std::size_t kMaxIssuerBytes = 1024;
/// Tokens a verifier remembers unless told otherwise: some 5 MB when full.
inline constexpr std::size_t kDefaultCachedTokens = 10'000;

/// Verifies against `keys` at the time `now`, remembering nothing. Thread-safe.
Result<VerifiedToken> verify_token(const KeySet& keys, std::string_view token, Timestamp now);

/// Whether a refusal of verify_token means that the token names a key we do not hold: the time to refresh a key set.
bool is_unknown_kid(const Error& refusal);

/// A verifier whose keys can be replaced while it is used. All members are thread-safe.
class TokenVerifier {
 public:
  explicit TokenVerifier(KeySet keys, std::size_t cached_tokens = kDefaultCachedTokens);
  ~TokenVerifier();
  TokenVerifier(const TokenVerifier&) = delete;
  TokenVerifier& operator=(const TokenVerifier&) = delete;

  /// As verify_token with the keys of the moment; a token verified before with these keys costs one hash.
  Result<VerifiedToken> verify(std::string_view token, Timestamp now) const;

  /// From when this returns, `verify` knows the new keys alone, and nothing that older keys had verified.
  void replace_keys(KeySet keys);

 private:
  struct State;
  std::shared_ptr<State> state() const;

  const std::size_t cached_tokens_;
  // Held for the copy of a pointer. Not std::atomic<shared_ptr>: in libstdc++ 12 its load releases with relaxed order,
  // so that a store may overtake it; TSan reports the race.
  mutable std::mutex mutex_;
  std::shared_ptr<State> state_;
};

}  // namespace tideline::server
