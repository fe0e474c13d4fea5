#include "base/crypto.h"

#include <openssl/crypto.h>

namespace tideline {

bool set_up_crypto() { return OPENSSL_init_crypto(0, nullptr) == 1; }

}  // namespace tideline
