#pragma once
// The key of the tokens this server signs itself (`tideline admin token`), as the database keeps it. Pure.

#include <string>
#include <utility>

#include "server/jwt_key.h"
#include "store/admin.h"

namespace tideline::server {

/// `signing_key`: 32 bytes of enterprise.server_keys. The kid tells own tokens from those of an outside issuer.
inline OwnKey own_key(std::string signing_key) {
  return {std::move(signing_key), "tideline-own-1", std::string(store::admin::kOwnIssuer)};
}

}  // namespace tideline::server
