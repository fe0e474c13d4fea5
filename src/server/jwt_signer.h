#pragma once
// Signs this server's own tokens (HS256) for stand-alone use. The key is kept by others; its kid and issuer are written
// into each token, so that VerificationKey::own of the same key takes it back. Immutable, thread-safe.

#include <chrono>
#include <memory>
#include <string>

#include "base/error.h"
#include "base/time.h"
#include "server/jwt_key.h"

namespace tideline::server {

struct TokenGrant {
  std::string subject;            // 1-255 bytes, no control characters
  std::string audience;           // empty: the token has no `aud`
  std::chrono::seconds lifetime;  // positive
};

struct SignedToken {
  std::string text;
  std::string token_id;  // its `jti`
  Timestamp expires_at;
};

class TokenSigner {
 public:
  /// kInvalidInput for a key that VerificationKey::own would refuse.
  static Result<TokenSigner> make(const OwnKey& key);

  /// A token issued at `now`, cut to whole seconds. kInvalidInput for a grant that no verifier would take.
  Result<SignedToken> sign(const TokenGrant& grant, Timestamp now) const;

 private:
  explicit TokenSigner(std::shared_ptr<const OwnKey> key) : key_(std::move(key)) {}
  std::shared_ptr<const OwnKey> key_;
};

/// 32 bytes from the system's generator, for a new own key.
std::string random_token_secret();

}  // namespace tideline::server
