#include "base/crypto.h"

#include <openssl/crypto.h>

namespace tideline {

// An option, whichever: without one nothing is done, the exit handler not registered either.
bool set_up_crypto() { return OPENSSL_init_crypto(OPENSSL_INIT_LOAD_CRYPTO_STRINGS, nullptr) == 1; }

}  // namespace tideline
