#include "http/digest_field.h"

#include <algorithm>

#include "base/hash.h"
#include "base/text.h"

namespace tideline::http {

std::string unencoded_digest(std::string_view plain_body) {
  const Sha256Digest digest = sha256(plain_body);
  // RFC 4648 §4, as structured fields have it: the other two digits, and padded. 32 bytes leave one place.
  std::string text = base64url({reinterpret_cast<const char*>(digest.data()), digest.size()}) + '=';
  std::replace(text.begin(), text.end(), '-', '+');
  std::replace(text.begin(), text.end(), '_', '/');
  return "sha-256=:" + text + ':';
}

}  // namespace tideline::http
