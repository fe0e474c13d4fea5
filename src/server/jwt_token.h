#pragma once
// What a verified token says. A plain value.

#include <string>

#include "base/time.h"
#include "server/jwt_key.h"

namespace tideline::server {

struct VerifiedToken {
  // An identity is the pair: the same subject from another issuer is somebody else.
  std::string issuer;    // `iss`, bound to the key that signed; empty where the token has none and none is required
  std::string subject;   // `sub`, 1-255 bytes, no control characters
  std::string token_id;  // `jti`, at most 255 bytes; empty: none
  std::string kid;       // of the key that signed; empty: it has none
  Timestamp expires_at;  // `exp`; the token is taken until kJwtLeeway after it
  KeySource source = KeySource::kOwn;

  bool operator==(const VerifiedToken&) const = default;
};

}  // namespace tideline::server
