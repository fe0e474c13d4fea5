#include "server/api_token.h"

#include <array>
#include <cstdint>

#include "base/random.h"
#include "base/text.h"

namespace tideline::server {
namespace {

constexpr std::string_view kPrefix = "tdl_";
constexpr std::size_t kUuidChars = 36;
constexpr std::size_t kSecretBytes = 32;
constexpr std::size_t kSecretChars = 43;  // of base64url
constexpr std::size_t kTokenChars = kPrefix.size() + kUuidChars + 1 + kSecretChars;

std::string_view as_text(const Sha256Digest& digest) {
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

}  // namespace

NewApiToken make_api_token(OrganizationId organization) {
  std::array<std::uint8_t, kSecretBytes> secret{};
  fill_random(secret);
  std::string text(kPrefix);
  text += organization.to_string();
  text += '_';
  text += base64url({reinterpret_cast<const char*>(secret.data()), secret.size()});
  const Sha256Digest digest = sha256(text);
  return {std::move(text), digest};
}

bool looks_like_api_token(std::string_view text) { return text.starts_with(kPrefix); }

Result<ApiTokenClaim> parse_api_token(std::string_view text) {
  const auto refuse = [] {
    return fail(Code::kUnauthenticated, "this is no API token", "it has the form tdl_<organization>_<43 characters>");
  };
  // The parts are cut by length: base64url itself uses the underscore.
  if (text.size() != kTokenChars || !looks_like_api_token(text)) return refuse();
  const auto uuid = text.substr(kPrefix.size(), kUuidChars);
  const auto secret = text.substr(kPrefix.size() + kUuidChars + 1);
  const auto organization = OrganizationId::parse(uuid);
  if (!organization || organization->to_string() != uuid || text[kPrefix.size() + kUuidChars] != '_' ||
      !from_base64url(secret))
    return refuse();
  return ApiTokenClaim{*organization, sha256(text)};
}

bool same_digest(const Sha256Digest& stored, const Sha256Digest& claimed) {
  return equal_constant_time(as_text(stored), as_text(claimed));
}

}  // namespace tideline::server
