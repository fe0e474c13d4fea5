#include "server/jwks.h"

#include <gtest/gtest.h>

#include "tests/server/jwt_testing.h"

namespace tideline::server {
namespace {

using testing::b64;
using testing::KeyPair;

const KeyPair& rsa() {
  static const KeyPair pair = KeyPair::rsa();
  return pair;
}
const KeyPair& ec() {
  static const KeyPair pair = KeyPair::p256();
  return pair;
}
const KeyPair& ed() {
  static const KeyPair pair = KeyPair::ed25519();
  return pair;
}

std::string set_of(std::string_view keys) { return fmt::format(R"({{"keys":[{}]}})", keys); }
std::string with(const KeyPair& pair, std::string_view more) {
  return set_of(fmt::format("{{{},{}}}", pair.members(), more));
}

/// The warnings of a set whose only key is left out.
std::size_t warnings_without_key(std::string_view text) {
  const auto jwks = parse_jwks(text, {});
  EXPECT_TRUE(jwks) << describe(jwks.error());
  if (!jwks) return 0;
  EXPECT_TRUE(jwks->keys.empty()) << text;
  return jwks->warnings.size();
}

TEST(Jwks, ReadsEachKindOfKey) {
  const auto jwks = parse_jwks(set_of(rsa().jwk("r") + "," + ec().jwk("e") + "," + ed().jwk("d")), {"issuer", {"aud"}});
  ASSERT_TRUE(jwks) << describe(jwks.error());
  EXPECT_TRUE(jwks->warnings.empty());
  ASSERT_EQ(jwks->keys.size(), 3U);
  EXPECT_EQ(jwks->keys[0].algorithm(), JwtAlgorithm::kRs256);
  EXPECT_EQ(jwks->keys[1].algorithm(), JwtAlgorithm::kEs256);
  EXPECT_EQ(jwks->keys[2].algorithm(), JwtAlgorithm::kEdDsa);
  EXPECT_EQ(jwks->keys[2].kid(), "d");
  EXPECT_EQ(jwks->keys[1].policy().issuer, "issuer");
  EXPECT_EQ(jwks->keys[1].source(), KeySource::kJwks);
  EXPECT_TRUE(jwks->keys[0].verify("text", rsa()("text")));
  EXPECT_TRUE(jwks->keys[1].verify("text", ec()("text")));
  EXPECT_TRUE(jwks->keys[2].verify("text", ed()("text")));
  EXPECT_FALSE(jwks->keys[2].verify("texT", ed()("text")));
}

TEST(Jwks, TakesKeysThatSayTheirPurpose) {
  for (const auto* more : {R"("use":"sig")", R"("key_ops":["verify"])", R"("key_ops":["sign","verify"],"use":"sig")",
                           R"("x5c":["MII"],"x5t":"abc","unknown":{"a":1})", R"("alg":"ES256")"})
    EXPECT_EQ(parse_jwks(with(ec(), more), {})->keys.size(), 1U) << more;
  EXPECT_EQ(parse_jwks(with(rsa(), R"("alg":"RS256")"), {})->keys.size(), 1U);
  EXPECT_EQ(parse_jwks(with(ed(), R"("alg":"EdDSA")"), {})->keys.size(), 1U);
}

TEST(Jwks, LeavesOutKeysOfAnotherPurpose) {
  for (const auto* more :
       {R"("use":"enc")", R"("key_ops":["sign"])", R"("key_ops":[])", R"("use":"enc","key_ops":["verify"])"})
    EXPECT_EQ(warnings_without_key(with(ec(), more)), 2U) << more;
  EXPECT_EQ(warnings_without_key(with(rsa(), R"("alg":"RS512")")), 2U);
  EXPECT_EQ(warnings_without_key(with(rsa(), R"("alg":"RSA-OAEP")")), 2U);
  EXPECT_EQ(warnings_without_key(with(rsa(), R"("alg":"HS256")")), 2U) << "no public key is a secret";
  EXPECT_EQ(warnings_without_key(with(ec(), R"("alg":"ES384")")), 2U);
}

TEST(Jwks, LeavesOutUnknownKindsAndCurvesWithAWarning) {
  for (const auto* key : {R"({"kty":"AKP","pub":"x"})", R"({"kty":"EC","crv":"P-384","x":"AA","y":"AA"})",
                          R"({"kty":"EC","crv":"secp256k1"})", R"({"kty":"OKP","crv":"Ed448","x":"AA"})",
                          R"({"kty":"OKP","crv":"X25519","x":"AA"})"}) {
    EXPECT_EQ(warnings_without_key(set_of(key)), 2U) << key;
    EXPECT_EQ(parse_jwks(set_of(std::string(key) + "," + ed().jwk("d")), {})->keys.size(), 1U);
  }
  EXPECT_EQ(warnings_without_key(set_of(KeyPair::rsa(1024).jwk("weak"))), 2U);
}

TEST(Jwks, ASetWithoutKeysIsValid) { EXPECT_EQ(warnings_without_key(set_of("")), 1U); }

TEST(Jwks, WarnsOfPrivateMembersAndIgnoresThem) {
  for (const auto* d : {R"("d":"AAAA")", R"("d":{"not":"read"})", R"("p":"AA","q":"AA")"}) {
    const auto jwks = parse_jwks(with(ec(), d), {});
    ASSERT_TRUE(jwks);
    EXPECT_EQ(jwks->keys.size(), 1U);
    EXPECT_EQ(jwks->warnings.size(), 1U);
    EXPECT_TRUE(jwks->keys[0].verify("text", ec()("text")));
  }
}

TEST(JwksRefuses, SymmetricKeys) {
  EXPECT_FALSE(parse_jwks(set_of(R"({"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T"})"), {}));
  EXPECT_FALSE(parse_jwks(set_of(ed().jwk("d") + R"(,{"kty":"oct","k":"AAAA","use":"enc"})"), {}));
}

TEST(JwksRefuses, DuplicatesOfAKid) {
  EXPECT_FALSE(parse_jwks(set_of(ed().jwk("same") + "," + ec().jwk("same")), {}));
  EXPECT_TRUE(parse_jwks(set_of(fmt::format("{{{}}},{{{}}}", ed().members(), ec().members())), {}))
      << "none is no name";
}

TEST(JwksRefuses, WhatIsNoKeySet) {
  for (const auto* text :
       {"", "null", "[]", "{}", R"({"keys":{}})", R"({"keys":null})", R"({"keys":[1]})", R"({"keys":[{}]})",
        R"({"keys":[],"keys":[]})", R"({"keys":[]} x)", "<html>", "\xff", R"({"keys":[{"kty":1}]})"})
    EXPECT_FALSE(parse_jwks(text, {})) << text;
  const std::string good = set_of(rsa().jwk("r") + "," + ec().jwk("e"));
  for (std::size_t size = 0; size < good.size(); ++size)
    EXPECT_FALSE(parse_jwks(std::string_view(good).substr(0, size), {}));
}

TEST(JwksRefuses, MembersOfTheWrongKind) {
  for (const auto* more :
       {R"("use":1)", R"("key_ops":"verify")", R"("alg":7)", R"("kid":7)", R"("kid":"")", R"("kty":"EC")"})
    EXPECT_FALSE(parse_jwks(with(ec(), more), {})) << more;
  EXPECT_FALSE(parse_jwks(with(ec(), fmt::format(R"("kid":"{}")", std::string(kMaxKidBytes + 1, 'k'))), {}));
  for (const auto* key :
       {R"({"kty":"RSA","n":"AQAB"})", R"({"kty":"RSA","e":"AQAB"})", R"({"kty":"EC","crv":"P-256","x":"AA"})",
        R"({"kty":"EC"})", R"({"kty":"OKP","crv":"Ed25519"})", R"({"kty":"OKP","crv":"Ed25519","x":1})"})
    EXPECT_FALSE(parse_jwks(set_of(key), {})) << key;
}

TEST(JwksRefuses, NonCanonicalBase64AndWrongSizes) {
  const std::string x = ec().number(OSSL_PKEY_PARAM_EC_PUB_X, 32), y = ec().number(OSSL_PKEY_PARAM_EC_PUB_Y, 32);
  const auto point = [](const std::string& x_text, const std::string& y_text) {
    return parse_jwks(set_of(fmt::format(R"({{"kty":"EC","crv":"P-256","x":"{}","y":"{}"}})", x_text, y_text)), {})
        .has_value();
  };
  EXPECT_TRUE(point(b64(x), b64(y)));
  EXPECT_FALSE(point(b64(x) + "=", b64(y)));
  EXPECT_FALSE(point(b64(x) + "+", b64(y)));
  EXPECT_FALSE(point(b64('\0' + x), b64(y)));
  EXPECT_FALSE(point(b64(x.substr(1)), b64(y)));
  EXPECT_FALSE(point("", ""));
  EXPECT_FALSE(point(b64(y), b64(x))) << "not on the curve";
  EXPECT_FALSE(point(b64(std::string(32, '\0')), b64(std::string(32, '\0'))));
  EXPECT_FALSE(point(b64(std::string(32, '\xff')), b64(std::string(32, '\xff'))));
  EXPECT_FALSE(
      parse_jwks(set_of(fmt::format(R"({{"kty":"OKP","crv":"Ed25519","x":"{}"}})", b64(std::string(31, 'x')))), {}));
  EXPECT_FALSE(
      parse_jwks(set_of(fmt::format(R"({{"kty":"OKP","crv":"Ed25519","x":"{}"}})", b64(std::string(33, 'x')))), {}));
}

TEST(JwksRefuses, OddRsaNumbers) {
  const std::string n = rsa().number(OSSL_PKEY_PARAM_RSA_N, 0);
  const auto key = [](const std::string& modulus, const std::string& exponent) {
    return parse_jwks(set_of(fmt::format(R"({{"kty":"RSA","n":"{}","e":"{}"}})", b64(modulus), b64(exponent))), {});
  };
  const std::string f4("\x01\x00\x01", 3);
  EXPECT_EQ(key(n, f4)->keys.size(), 1U);
  EXPECT_EQ(key(n, "\x03")->keys.size(), 1U);
  for (const std::string& bad : {std::string(), std::string("\x01"), std::string("\x02"), std::string(1, '\0'),
                                 '\0' + f4, std::string(5, '\x03')})
    EXPECT_FALSE(key(n, bad));
  EXPECT_FALSE(key('\0' + n, f4)) << "a second spelling";
  EXPECT_FALSE(key(n.substr(0, n.size() - 1) + '\x02', f4)) << "even";
  EXPECT_FALSE(key("", f4));
  std::string short_top = n;
  short_top[0] = '\x7f';  // 2047 bits
  EXPECT_EQ(key(short_top, f4)->keys.size(), 0U);
  EXPECT_EQ(key(std::string(1025, '\xff'), f4)->keys.size(), 0U);
}

TEST(JwksRefuses, TooMuch) {
  EXPECT_EQ(parse_jwks(set_of("") + std::string(kMaxJwksBytes, ' '), {}).error().code, Code::kTooLarge);
  std::string many;
  for (std::size_t i = 0; i <= kMaxJwksKeys; ++i) many += (i > 0 ? "," : "") + ed().jwk(std::to_string(i));
  EXPECT_EQ(parse_jwks(set_of(many), {}).error().code, Code::kTooLarge);
}

}  // namespace
}  // namespace tideline::server
