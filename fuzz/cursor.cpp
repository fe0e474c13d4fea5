// Cursors as clients send them: what is taken is what we gave out, and nothing else. The first byte chooses whether the
// rest is the text as it came, or the bytes of one with a good MAC: the fields behind it are then read too.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/hash.h"
#include "base/text.h"
#include "server/cursor.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tideline;
  if (size == 0) return 0;
  const std::string key(32, 'k');
  const std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  std::string text(rest);
  if (data[0] % 2 == 1) {
    const Sha256Digest mac = hmac_sha256(key, std::string("tideline changes cursor\n").append(rest));
    text = base64url(std::string(rest).append(reinterpret_cast<const char*>(mac.data()), 16));
  }
  const auto cursor = server::decode_cursor(text, key);
  if (!cursor) return 0;
  if (server::encode_cursor(*cursor, key) != text) std::abort();
  store::ChangesHead head;
  head.epoch = cursor->epoch;
  head.version = Version{5};
  static_cast<void>(server::check_cursor(*cursor, head));
  return 0;
}
