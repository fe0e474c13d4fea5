#include "server/jwt_signer.h"

#include <array>

#include <openssl/crypto.h>

#include "base/hash.h"
#include "base/ids.h"
#include "base/json.h"
#include "base/random.h"
#include "base/text.h"
#include "server/jwt.h"

namespace tideline::server {

Result<TokenSigner> TokenSigner::make(const OwnKey& key) {
  TRY_VOID(VerificationKey::own(key));
  return TokenSigner({new OwnKey(key), [](OwnKey* held) {
                        OPENSSL_cleanse(held->secret.data(), held->secret.size());
                        delete held;
                      }});
}

Result<SignedToken> TokenSigner::sign(const TokenGrant& grant, Timestamp now) const {
  constexpr std::int64_t kMicros = 1'000'000;
  constexpr std::chrono::years kLongest{100};  // far below where dates overflow
  if (grant.lifetime <= std::chrono::seconds::zero() || grant.lifetime > kLongest)
    return fail(Code::kInvalidInput, "a token's lifetime must be between a second and a hundred years");
  const std::int64_t issued_at = now.micros / kMicros;
  const std::int64_t expires_at = issued_at + grant.lifetime.count();

  std::string header;
  JsonWriter(header)
      .begin_object()
      .key("alg")
      .string("HS256")
      .key("typ")
      .string("JWT")
      .key("kid")
      .string(key_->kid)
      .end_object();
  SignedToken token{{}, Uuid::random().to_string(), Timestamp{expires_at * kMicros}};
  std::string claims;
  JsonWriter writer(claims);
  writer.begin_object().key("iss").string(key_->issuer).key("sub").string(grant.subject);
  if (!grant.audience.empty()) writer.key("aud").string(grant.audience);
  writer.key("iat").number(issued_at).key("exp").number(expires_at).key("jti").string(token.token_id).end_object();

  token.text = base64url(header) + '.' + base64url(claims);
  const Sha256Digest tag = hmac_sha256(key_->secret, token.text);
  token.text += '.' + base64url({reinterpret_cast<const char*>(tag.data()), tag.size()});

  // The verifier is the one place that knows what a token may say.
  TRY(auto key, VerificationKey::own(*key_));
  TRY(const auto keys, KeySet::make({std::move(key)}));
  if (const auto verified = verify_token(keys, token.text, now); !verified)
    return fail(Code::kInvalidInput, "no such token can be issued: " + verified.error().message);
  else if (verified->subject != grant.subject)
    return fail(Code::kInvalidInput, "no such token can be issued: the subject is not UTF-8");
  return token;
}

std::string random_token_secret() {
  std::array<std::uint8_t, kMinSecretBytes> bytes{};
  fill_random(bytes);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace tideline::server
