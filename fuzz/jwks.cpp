// Key sets: any bytes give a set within the limits or a refusal, and no key that was read takes a made-up signature.

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "server/jwks.h"

namespace {

using namespace tideline;
using namespace tideline::server;

void must(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "%s\n", what);
  std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto jwks = parse_jwks({reinterpret_cast<const char*>(data), size}, {"issuer", {}});
  if (!jwks) {
    must(jwks.error().code == Code::kInvalidInput || jwks.error().code == Code::kTooLarge,
         "a refusal has another code");
    must(!jwks.error().message.empty(), "a refusal says nothing");
    return 0;
  }
  must(jwks->keys.size() <= kMaxJwksKeys, "too many keys were taken");
  must(KeySet::make(jwks->keys).has_value(), "the keys make no set");
  for (std::size_t i = 0; i < std::min<std::size_t>(jwks->keys.size(), 3); ++i) {
    const auto& key = jwks->keys[i];
    must(key.algorithm() != JwtAlgorithm::kHs256 && key.source() == KeySource::kJwks, "a key of another kind was read");
    must(key.kid().size() <= kMaxKidBytes && key.policy().issuer == "issuer", "a key lost its name or its policy");
    for (const std::size_t length : {std::size_t{0}, std::size_t{64}, std::size_t{256}})
      for (const char fill : {'\0', '\1'})
        must(!key.verify("header.claims", std::string(length, fill)), "a made-up signature was taken");
  }
  return 0;
}
