#include "server/jwt.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <atomic>
#include <thread>

#include "server/jwks.h"
#include "server/jwt_signer.h"
#include "tests/server/jwt_testing.h"

namespace tideline::server {
namespace {

using testing::b64;
using testing::hs256;
using testing::KeyPair;
using testing::kNow;
using testing::kNowSeconds;
using testing::make_token;
using testing::seconds;

const std::string kSecret = "a shared secret of forty characters long";
const std::string kIssuer = "https://id.example";
const std::string kAudience = "tideline";
const OwnKey kOwn{std::string(32, 'o'), "own-1", "tideline:own"};

const KeyPair& rsa_pair() {
  static const KeyPair pair = KeyPair::rsa();
  return pair;
}
const KeyPair& ec_pair() {
  static const KeyPair pair = KeyPair::p256();
  return pair;
}
const KeyPair& ed_pair() {
  static const KeyPair pair = KeyPair::ed25519();
  return pair;
}

KeyPolicy policy() { return {kIssuer, {kAudience}}; }

std::string jwks_text() {
  return R"({"keys":[)" + rsa_pair().jwk("rsa-1") + "," + ec_pair().jwk("ec-1") + "," + ed_pair().jwk("ed-1") + "]}";
}

/// The server's own key, a shared secret and a JWKS of one key per algorithm, all of one issuer and audience.
const KeySet& key_set() {
  static const KeySet set = [] {
    std::vector<VerificationKey> keys = parse_jwks(jwks_text(), policy())->keys;
    keys.push_back(*VerificationKey::own(kOwn));
    keys.push_back(*VerificationKey::shared_secret({kSecret, ""}, policy()));
    return *KeySet::make(std::move(keys));
  }();
  return set;
}

std::string claims(std::string_view more = {}) {
  return fmt::format(R"({{"iss":"{}","aud":"{}","sub":"user-1","exp":{}{}{}}})", kIssuer, kAudience, kNowSeconds + 600,
                     more.empty() ? "" : ",", more);
}

auto by_secret(const std::string& secret) {
  return [&secret](std::string_view text) { return hs256(secret, text); };
}

std::string secret_token(std::string_view header, std::string_view claims_text) {
  return make_token(header, claims_text, by_secret(kSecret));
}
const std::string kHs256Header = R"({"alg":"HS256","typ":"JWT"})";

std::string good_token() { return secret_token(kHs256Header, claims()); }

/// The message of the refusal; "" where the token was taken.
std::string refusal(std::string_view token, const KeySet& keys = key_set()) {
  const auto verified = verify_token(keys, token, kNow);
  if (verified) return "";
  EXPECT_EQ(verified.error().code, Code::kUnauthenticated);
  return verified.error().message;
}
std::string refusal_of_claims(std::string_view text) { return refusal(secret_token(kHs256Header, text)); }
std::string refusal_of_header(std::string_view header) { return refusal(secret_token(header, claims())); }

bool contains(std::string_view text, std::string_view part) { return text.find(part) != text.npos; }

// What is taken.

TEST(Jwt, TakesATokenOfEachAlgorithm) {
  for (const KeyPair* pair : {&rsa_pair(), &ec_pair(), &ed_pair()}) {
    const std::string kid = pair == &rsa_pair() ? "rsa-1" : pair == &ec_pair() ? "ec-1" : "ed-1";
    for (const std::string& name : {std::string(), fmt::format(R"(,"kid":"{}")", kid)}) {
      const auto header = fmt::format(R"({{"alg":"{}"{}}})", to_string(pair->algorithm()), name);
      const auto verified = verify_token(key_set(), make_token(header, claims(), *pair), kNow);
      ASSERT_TRUE(verified) << describe(verified.error());
      EXPECT_EQ(*verified, (VerifiedToken{kIssuer, "user-1", "", kid, seconds(kNowSeconds + 600), KeySource::kJwks}));
    }
  }
  const auto verified = verify_token(key_set(), good_token(), kNow);
  ASSERT_TRUE(verified) << describe(verified.error());
  EXPECT_EQ(verified->source, KeySource::kSecret);
}

TEST(Jwt, TakesTheUsualHeadersAndClaims) {
  for (const auto* typ : {"JWT", "jwt", "at+jwt", "AT+JWT", "application/at+jwt"})
    EXPECT_EQ(refusal_of_header(fmt::format(R"({{"alg":"HS256","typ":"{}"}})", typ)), "");
  EXPECT_EQ(refusal_of_header(R"({"alg":"HS256","x5t":"abc","cty":"json"})"), "");
  for (const auto* more : {R"("nbf":1800000000,"iat":1800000000)", R"("iat":1799999999.5)", R"("iat":0)",
                           R"("nbf":1800000060,"iat":1800000060)", R"("role":{"a":[1,null,"x"]},"jti":"j")"})
    EXPECT_EQ(refusal_of_claims(claims(more)), "") << more;
  EXPECT_EQ(refusal_of_claims(R"({"iss":"https://id.example","aud":["a","tideline"],"sub":"u","exp":1800000001.5})"),
            "");
}

TEST(Jwt, ReportsTokenIdAndExpiry) {
  const auto verified = verify_token(
      key_set(),
      secret_token(kHs256Header, R"({"iss":"https://id.example","aud":"tideline","sub":"ü","jti":"j-1","exp":1.8e9})"),
      kNow);
  ASSERT_TRUE(verified) << describe(verified.error());
  EXPECT_EQ(verified->token_id, "j-1");
  EXPECT_EQ(verified->subject, "ü");
  EXPECT_EQ(verified->expires_at, kNow);
}

// Form.

TEST(JwtRefuses, Oversize) {
  const auto sized = [](std::size_t bytes) { return claims(fmt::format(R"("pad":"{}")", std::string(bytes, 'x'))); };
  const std::string fits = secret_token(kHs256Header, sized(5'900));
  ASSERT_LE(fits.size(), kMaxTokenBytes);
  EXPECT_EQ(refusal(fits), "");
  const std::string over = secret_token(kHs256Header, sized(6'100));
  ASSERT_GT(over.size(), kMaxTokenBytes);
  EXPECT_TRUE(contains(refusal(over), "longer than 8192 bytes"));
  EXPECT_FALSE(TokenVerifier(key_set()).verify(over, kNow));
  EXPECT_NE(refusal(std::string(1'000'000, 'a')), "");
}

TEST(JwtRefuses, AnotherNumberOfParts) {
  const std::string token = good_token();
  for (const std::string& bad : {std::string(), std::string("."), std::string(".."), std::string("a.b"), token + ".",
                                 "." + token, token + "." + b64("x"), token.substr(0, token.rfind('.'))})
    EXPECT_NE(refusal(bad), "") << bad;
}

TEST(JwtRefuses, NonCanonicalBase64) {
  const std::string token = good_token();
  for (const char* tail : {"=", "==", "\n", " ", "+", "/", "%3D"}) EXPECT_NE(refusal(token + tail), "") << tail;
  // The last digit of a 32-byte signature has two unused bits.
  std::string other = token;
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  other.back() = kDigits[kDigits.find(other.back()) | 1];
  EXPECT_TRUE(contains(refusal(other), "signature is not canonical"));

  // Header and claims spelt otherwise, with a signature over that very spelling.
  const auto signed_as = [](const std::string& header, const std::string& body) {
    const std::string text = header + "." + body;
    return text + "." + b64(hs256(kSecret, text));
  };
  EXPECT_EQ(refusal(signed_as(b64(kHs256Header), b64(claims()))), "");
  const std::string padded_claims = claims().size() % 3 == 0 ? claims(R"("a":1)") : claims();
  EXPECT_TRUE(contains(refusal(signed_as(b64(kHs256Header), b64(padded_claims) + "=")), "claims is not canonical"));
  EXPECT_TRUE(contains(refusal(signed_as(b64(kHs256Header) + "=", b64(claims()))), "header is not canonical"));
  std::string loose = b64(R"({"alg":"HS256"} )");  // 16 bytes: the last digit has four unused bits
  loose.back() = kDigits[kDigits.find(loose.back()) | 1];
  EXPECT_TRUE(contains(refusal(signed_as(loose, b64(claims()))), "header is not canonical"));
}

TEST(JwtRefuses, ATokenCutAtAnyByte) {
  for (const std::string& token : {good_token(), make_token(R"({"alg":"ES256","kid":"ec-1"})", claims(), ec_pair())}) {
    ASSERT_EQ(refusal(token), "");
    for (std::size_t size = 0; size < token.size(); ++size) {
      EXPECT_NE(refusal(std::string_view(token).substr(0, size)), "") << size;
      EXPECT_NE(refusal(std::string_view(token).substr(token.size() - size)), "") << size;
    }
  }
}

TEST(JwtRefuses, ATokenWithAnyOneBitFlipped) {
  for (const std::string& token : {good_token(), make_token(R"({"alg":"EdDSA","kid":"ed-1"})", claims(), ed_pair()),
                                   make_token(R"({"alg":"ES256"})", claims(), ec_pair()),
                                   make_token(R"({"alg":"RS256"})", claims(), rsa_pair())}) {
    const TokenVerifier verifier(key_set());
    ASSERT_TRUE(verifier.verify(token, kNow));  // also: what is remembered is found by the whole text alone
    for (std::size_t i = 0; i < token.size(); ++i) {
      for (int bit = 0; bit < 8; ++bit) {
        std::string bad = token;
        bad[i] = static_cast<char>(bad[i] ^ (1 << bit));
        ASSERT_FALSE(verifier.verify(bad, kNow)) << "byte " << i << " bit " << bit;
      }
    }
  }
}

RC_GTEST_PROP(JwtRefuses, AnyOtherTextThanWhatWasSigned, ()) {
  std::string token = good_token();
  const auto at = *rc::gen::inRange<std::size_t>(0, token.size());
  switch (*rc::gen::inRange(0, 3)) {
    case 0:
      token.insert(at, 1, *rc::gen::arbitrary<char>());
      break;
    case 1:
      token.erase(at, *rc::gen::inRange<std::size_t>(1, 5));
      break;
    default:
      std::swap(token[at], token[*rc::gen::inRange<std::size_t>(0, token.size())]);
  }
  RC_PRE(token != good_token());
  RC_ASSERT(!verify_token(key_set(), token, kNow));
}

RC_GTEST_PROP(JwtRefuses, ArbitraryText, (const std::string& text)) { RC_ASSERT(!verify_token(key_set(), text, kNow)); }

// Algorithm and key.

TEST(JwtRefuses, AlgNone) {
  for (const auto* none : {"none", "None", "NONE", "nOnE"}) {
    const std::string header = b64(fmt::format(R"({{"alg":"{}"}})", none));
    EXPECT_EQ(refusal(header + "." + b64(claims()) + "."), "the token is not signed");
    EXPECT_EQ(refusal(header + "." + b64(claims()) + "." + b64(hs256(kSecret, header + "." + b64(claims())))),
              "the token is not signed");
  }
}

TEST(JwtRefuses, Hs256SignedWithThePublicKey) {
  const std::string modulus = rsa_pair().number(OSSL_PKEY_PARAM_RSA_N, 0);
  const KeySet public_only = *KeySet::make(parse_jwks(jwks_text(), policy())->keys);
  for (const KeySet* keys : {&key_set(), &public_only})
    for (const std::string& known : {rsa_pair().pem(), modulus, b64(modulus), rsa_pair().jwk("rsa-1"), jwks_text()})
      for (const auto* header : {R"({"alg":"HS256"})", R"({"alg":"HS256","kid":"rsa-1"})"})
        EXPECT_NE(refusal(make_token(header, claims(), by_secret(known)), *keys), "");
}

TEST(JwtRefuses, AnAlgorithmOtherThanTheKeys) {
  EXPECT_TRUE(contains(refusal(make_token(R"({"alg":"ES256","kid":"rsa-1"})", claims(), rsa_pair())), "algorithm"));
  EXPECT_TRUE(contains(refusal(make_token(R"({"alg":"RS256","kid":"ec-1"})", claims(), ec_pair())), "algorithm"));
  for (const auto* alg : {"HS384", "HS512", "RS384", "PS256", "ES384", "ES256K", "hs256", "dir", "", "HS256 "})
    EXPECT_NE(refusal_of_header(fmt::format(R"({{"alg":"{}"}})", alg)), "") << alg;
  for (const auto* header : {"{}", R"({"alg":null})", R"({"alg":1})", R"({"alg":["HS256"]})", R"({"typ":"JWT"})"})
    EXPECT_NE(refusal_of_header(header), "") << header;
  const KeySet no_ec = *KeySet::make({*VerificationKey::shared_secret({kSecret, ""}, policy())});
  EXPECT_TRUE(contains(refusal(make_token(R"({"alg":"ES256"})", claims(), ec_pair()), no_ec), "no key"));
  EXPECT_NE(refusal(good_token(), KeySet()), "");
}

TEST(JwtRefuses, AWrongKid) {
  // Unknown: refused although the key would fit, and told apart, so that the key set can be refreshed.
  const auto unknown =
      verify_token(key_set(), make_token(R"({"alg":"RS256","kid":"rsa-2"})", claims(), rsa_pair()), kNow);
  ASSERT_FALSE(unknown);
  EXPECT_TRUE(is_unknown_kid(unknown.error()));
  for (const auto* header : {R"({"alg":"HS256","kid":""})", R"({"alg":"HS256","kid":"x"})",
                             R"({"alg":"HS256","kid":7})", R"({"alg":"HS256","kid":null})"})
    EXPECT_NE(refusal_of_header(header), "") << header;
  // Known, but another key's.
  const auto others =
      verify_token(key_set(), make_token(R"({"alg":"EdDSA","kid":"ed-1"})", claims(), KeyPair::ed25519()), kNow);
  ASSERT_FALSE(others);
  EXPECT_FALSE(is_unknown_kid(others.error()));
  EXPECT_NE(refusal(make_token(R"({"alg":"HS256","kid":"own-1"})", claims(), by_secret(kSecret))), "");
}

TEST(JwtRefuses, ATokenWithoutKidWhereTooManyKeysCouldHaveSigned) {
  std::string list;
  std::vector<KeyPair> pairs;
  for (std::size_t i = 0; i < kMaxCandidates + 1; ++i) {
    pairs.push_back(KeyPair::ed25519());
    list += (i > 0 ? "," : "") + pairs.back().jwk("k" + std::to_string(i));
  }
  const auto five = parse_jwks(R"({"keys":[)" + list + "]}", policy())->keys;
  const KeySet too_many = *KeySet::make(five);
  const KeySet few = *KeySet::make({five.begin(), five.begin() + kMaxCandidates});
  const std::string token = make_token(R"({"alg":"EdDSA"})", claims(), pairs[kMaxCandidates - 1]);
  EXPECT_EQ(refusal(token, few), "");
  EXPECT_TRUE(contains(refusal(token, too_many), "which key"));
  EXPECT_EQ(refusal(make_token(R"({"alg":"EdDSA","kid":"k4"})", claims(), pairs[4]), too_many), "");
}

TEST(JwtRefuses, ASignatureOfAnotherShape) {
  const std::string text = b64(R"({"alg":"ES256"})") + "." + b64(claims());
  const std::string raw = ec_pair()(text);
  EXPECT_EQ(refusal(text + "." + b64(raw)), "");
  const std::string zero(32, '\0');
  for (const std::string& bad : {std::string(), raw.substr(0, 63), raw + '\0', std::string(64, '\0'),
                                 raw.substr(0, 32) + zero, zero + raw.substr(32), std::string(64, '\xff')})
    EXPECT_NE(refusal(text + "." + b64(bad)), "");
  const std::string rsa_text = b64(R"({"alg":"RS256"})") + "." + b64(claims());
  EXPECT_NE(refusal(rsa_text + "." + b64('\0' + rsa_pair()(rsa_text))), "");
}

// Header.

TEST(JwtRefuses, Crit) { EXPECT_TRUE(contains(refusal_of_header(R"({"alg":"HS256","crit":["exp"]})"), "crit")); }

TEST(JwtRefuses, EmbeddedJwk) {
  const KeyPair stranger = KeyPair::p256();
  const auto header = fmt::format(R"({{"alg":"ES256","jwk":{{{}}}}})", stranger.members());
  EXPECT_TRUE(contains(refusal(make_token(header, claims(), stranger)), "jwk"));
  EXPECT_TRUE(contains(refusal_of_header(R"({"alg":"HS256","jwk":null})"), "jwk"));
}
TEST(JwtRefuses, EmbeddedJku) {
  EXPECT_TRUE(contains(refusal_of_header(R"({"alg":"HS256","jku":"https://a"})"), "jku"));
}
TEST(JwtRefuses, EmbeddedX5u) {
  EXPECT_TRUE(contains(refusal_of_header(R"({"alg":"HS256","x5u":"https://a"})"), "x5u"));
}
TEST(JwtRefuses, EmbeddedX5c) { EXPECT_TRUE(contains(refusal_of_header(R"({"alg":"HS256","x5c":["M"]})"), "x5c")); }
TEST(JwtRefuses, B64) { EXPECT_TRUE(contains(refusal_of_header(R"({"alg":"HS256","b64":true})"), "b64")); }
TEST(JwtRefuses, Zip) { EXPECT_TRUE(contains(refusal_of_header(R"({"alg":"HS256","zip":"DEF"})"), "zip")); }

TEST(JwtRefuses, AnotherTyp) {
  for (const auto* typ : {R"("JWE")", R"("dpop+jwt")", R"("logout+jwt")", R"("")", "1", "null"})
    EXPECT_TRUE(contains(refusal_of_header(fmt::format(R"({{"alg":"HS256","typ":{}}})", typ)), "typ")) << typ;
}

TEST(JwtRefuses, DuplicatedHeaderMembers) {
  EXPECT_TRUE(contains(refusal_of_header(R"({"alg":"HS256","alg":"none"})"), "unique keys"));
  EXPECT_TRUE(contains(refusal_of_header(R"({"alg":"HS256","\u0061lg":"HS256"})"), "unique keys"));
}

TEST(JwtRefuses, WhatIsNoJsonObject) {
  for (const auto* text : {"", "null", "[]", "\"HS256\"", "{", "{}x", R"({"alg":"HS256",})", R"({'alg':'HS256'})"})
    EXPECT_NE(refusal_of_header(text), "") << text;
  for (const auto* text : {"", "null", "[]", "1", "{", "{} {}", "\xff"}) EXPECT_NE(refusal_of_claims(text), "") << text;
  EXPECT_NE(refusal_of_claims(claims(R"("deep":)" + std::string(100, '[') + std::string(100, ']'))), "");
}

// Claims.

TEST(JwtRefuses, DuplicatedClaims) {
  for (const auto* more : {R"("sub":"admin")", R"("exp":1900000000)", R"("s\u0075b":"admin")", R"("x":{"a":1,"a":2})"})
    EXPECT_TRUE(contains(refusal_of_claims(claims(more)), "unique keys")) << more;
}

std::string with_exp(std::string_view exp, std::string_view more = {}) {
  return fmt::format(R"({{"iss":"{}","aud":"{}","sub":"u","exp":{}{}{}}})", kIssuer, kAudience, exp,
                     more.empty() ? "" : ",", more);
}

TEST(JwtRefuses, Expired) {
  EXPECT_EQ(refusal_of_claims(with_exp(std::to_string(kNowSeconds - 59))), "");
  EXPECT_EQ(refusal_of_claims(with_exp(std::to_string(kNowSeconds - 60))),
            "the token expired at 2027-01-15T07:59:00.000000Z");
}

TEST(JwtRefuses, NoExpiry) {
  EXPECT_EQ(refusal_of_claims(R"({"iss":"https://id.example","aud":"tideline","sub":"u"})"), "the token has no exp");
}

TEST(JwtRefuses, DatesThatAreNone) {
  for (const auto* bad : {R"("1800000600")", "true", "null", "-1", "1e300", "253402300800", "18446744073709551615",
                          "9223372036854775807", "[1800000600]", "{}"})
    for (const std::string& text :
         {with_exp(bad), claims(fmt::format(R"("nbf":{})", bad)), claims(fmt::format(R"("iat":{})", bad))})
      EXPECT_NE(refusal_of_claims(text), "") << text;
  for (const auto* bad : {"NaN", "Infinity", "1e400", "+1", "01"})
    EXPECT_NE(refusal_of_claims(with_exp(bad)), "") << bad;
  EXPECT_EQ(refusal_of_claims(with_exp("253402300799")), "");
}

TEST(JwtRefuses, NotYetValid) {
  EXPECT_EQ(refusal_of_claims(claims(R"("nbf":1800000060)")), "");
  EXPECT_TRUE(contains(refusal_of_claims(claims(R"("nbf":1800000061)")), "not valid before 2027"));
}

TEST(JwtRefuses, IssuedInTheFuture) {
  EXPECT_TRUE(contains(refusal_of_claims(claims(R"("iat":1800000061)")), "in the future"));
  EXPECT_TRUE(contains(refusal_of_claims(with_exp("1799999990", R"("iat":1799999991)")), "before it was issued"));
}

std::string with_audience(std::string_view aud) {
  return fmt::format(R"({{"iss":"{}","sub":"u","exp":{}{}}})", kIssuer, kNowSeconds + 1, aud);
}

TEST(JwtRefuses, AWrongAudience) {
  for (const auto* bad :
       {R"(,"aud":"other")", R"(,"aud":["a","b"])", R"(,"aud":"Tideline")", R"(,"aud":"tideline2")", R"(,"aud":"")"})
    EXPECT_EQ(refusal_of_claims(with_audience(bad)), "the token is for another audience") << bad;
  for (const auto* bad : {"", R"(,"aud":[])"})
    EXPECT_EQ(refusal_of_claims(with_audience(bad)), "the token names no audience") << bad;
  for (const auto* bad :
       {R"(,"aud":null)", R"(,"aud":1)", R"(,"aud":["tideline",1])", R"(,"aud":[["tideline"]])", R"(,"aud":{})"})
    EXPECT_TRUE(contains(refusal_of_claims(with_audience(bad)), "neither")) << bad;
}

TEST(JwtRefuses, AWrongIssuer) {
  const auto issued_by = [](std::string_view issuer) {
    return refusal_of_claims(fmt::format(R"({{{}"aud":"tideline","sub":"u","exp":{}}})", issuer, kNowSeconds + 1));
  };
  EXPECT_EQ(issued_by(R"("iss":"https://id.example",)"), "");
  for (const auto* bad : {"", R"("iss":"https://id.example/",)", R"("iss":"https://ID.example",)", R"("iss":"",)",
                          R"("iss":null,)", R"("iss":["https://id.example"],)", R"("iss":"tideline:own",)"})
    EXPECT_NE(issued_by(bad), "") << bad;
}

TEST(JwtRefuses, ABadSubject) {
  const auto subject = [](std::string_view sub) {
    return refusal_of_claims(
        fmt::format(R"({{"iss":"{}","aud":"tideline"{},"exp":{}}})", kIssuer, sub, kNowSeconds + 1));
  };
  EXPECT_EQ(subject(fmt::format(R"(,"sub":"{}")", std::string(255, 'x'))), "");
  EXPECT_EQ(subject(""), "the token has no sub");
  EXPECT_NE(subject(fmt::format(R"(,"sub":"{}")", std::string(256, 'x'))), "");
  for (const auto* bad :
       {R"(,"sub":"")", R"(,"sub":1)", R"(,"sub":null)", R"(,"sub":["u"])", R"(,"sub":"a\u0000b")", R"(,"sub":"a\n")"})
    EXPECT_NE(subject(bad), "") << bad;
}

TEST(JwtRefuses, WithoutRepeatingTheToken) {
  for (const std::string& token :
       {secret_token(R"({"alg":"leak-me","kid":"leak-me"})", claims()),
        secret_token(R"({"alg":"HS256","kid":"leak-me"})", claims()),
        secret_token(R"({"alg":"HS256","leak-me":1,"leak-me":2})", claims()),
        secret_token(kHs256Header, claims(R"("leak-me":1,"leak-me":2)")),
        secret_token(kHs256Header, with_audience(R"(,"aud":"leak-me")")),
        secret_token(kHs256Header, R"({"iss":"leak-me","sub":"leak-me","exp":"leak-me"})")}) {
    const auto verified = verify_token(key_set(), token, kNow);
    ASSERT_FALSE(verified);
    EXPECT_FALSE(contains(describe(verified.error()) + verified.error().detail, "leak-me"));
  }
}

// Issuers and keys belong together.

TEST(JwtIssuer, OwnTokensAreTakenByTheOwnKeyAlone) {
  const auto own_claims = fmt::format(R"({{"iss":"{}","sub":"u","exp":{}}})", kOwn.issuer, kNowSeconds + 1);
  const std::string own_header = R"({"alg":"HS256","kid":"own-1"})";
  EXPECT_EQ(refusal(make_token(own_header, own_claims, by_secret(kOwn.secret))), "");
  EXPECT_NE(refusal(make_token(R"({"alg":"HS256"})", own_claims, by_secret(kOwn.secret))), "")
      << "own tokens name their key";
  EXPECT_NE(refusal(make_token(own_header, claims(), by_secret(kOwn.secret))), "")
      << "the own key signs for no other issuer";
  EXPECT_NE(refusal(make_token(R"({"alg":"RS256","kid":"rsa-1"})", own_claims, rsa_pair())), "");
  // Also where the other keys are bound to no issuer at all.
  std::vector<VerificationKey> keys = parse_jwks(jwks_text(), {})->keys;
  keys.push_back(*VerificationKey::shared_secret({kSecret, ""}, {}));
  keys.push_back(*VerificationKey::own(kOwn));
  const KeySet open = *KeySet::make(std::move(keys));
  EXPECT_NE(refusal(make_token(R"({"alg":"RS256","kid":"rsa-1"})", own_claims, rsa_pair()), open), "");
  EXPECT_NE(refusal(secret_token(kHs256Header, own_claims), open), "");
  EXPECT_EQ(refusal(make_token(own_header, own_claims, by_secret(kOwn.secret)), open), "");
  EXPECT_EQ(refusal(make_token(R"({"alg":"RS256","kid":"rsa-1"})", claims(), rsa_pair()), open), "");
  EXPECT_EQ(refusal(secret_token(kHs256Header, R"({"sub":"u","exp":1800000001})"), open), "")
      << "no issuer is required";
}

TEST(JwtIssuer, AnIssuerBoundToOneKeyIsNotSpokenForByAnother) {
  const KeySet keys = *KeySet::make(
      {*VerificationKey::shared_secret({kSecret, ""}, {}), parse_jwks(jwks_text(), {kIssuer, {}})->keys[0]});
  EXPECT_NE(refusal(good_token(), keys), "");
  EXPECT_EQ(refusal(secret_token(kHs256Header, R"({"iss":"other","sub":"u","exp":1800000001})"), keys), "");
}

TEST(JwtIssuer, TheSameSubjectOfAnotherIssuerIsAnotherIdentity) {
  const KeyPair first = KeyPair::ed25519(), second = KeyPair::ed25519();
  std::vector<VerificationKey> both = parse_jwks(R"({"keys":[)" + first.jwk("a") + "]}", {"issuer-a", {}})->keys;
  both.push_back(parse_jwks(R"({"keys":[)" + second.jwk("b") + "]}", {"issuer-b", {}})->keys[0]);
  const KeySet keys = *KeySet::make(std::move(both));
  const auto token = [](const KeyPair& pair, std::string_view kid, std::string_view issuer) {
    return make_token(fmt::format(R"({{"alg":"EdDSA","kid":"{}"}})", kid),
                      fmt::format(R"({{"iss":"{}","sub":"same","exp":{}}})", issuer, kNowSeconds + 1), pair);
  };
  const auto a = verify_token(keys, token(first, "a", "issuer-a"), kNow);
  const auto b = verify_token(keys, token(second, "b", "issuer-b"), kNow);
  ASSERT_TRUE(a && b);
  EXPECT_EQ(a->subject, b->subject);
  EXPECT_NE(std::pair(a->issuer, a->subject), std::pair(b->issuer, b->subject));
  EXPECT_NE(refusal(token(first, "a", "issuer-b"), keys), "") << "one provider cannot speak for the other";
}

TEST(KeySet, RefusesTwoKeysOfOneNameAndForeignKeysForTheOwnIssuer) {
  const auto own = *VerificationKey::own(kOwn);
  EXPECT_FALSE(KeySet::make({own, *VerificationKey::shared_secret({kSecret, "own-1"}, {})}));
  EXPECT_FALSE(KeySet::make({*VerificationKey::shared_secret({kSecret, ""}, {kOwn.issuer, {}}), own}));
  EXPECT_TRUE(KeySet::make({own, *VerificationKey::own({std::string(32, 'p'), "own-2", kOwn.issuer})})) << "rotation";
  EXPECT_TRUE(KeySet::make(
      {*VerificationKey::shared_secret({kSecret, ""}, {}), *VerificationKey::shared_secret({kSecret + "2", ""}, {})}));
}

TEST(VerificationKey, RefusesWeakSecretsAndPublicKeysAsSecrets) {
  EXPECT_FALSE(VerificationKey::shared_secret({std::string(31, 'x'), ""}, {}));
  EXPECT_TRUE(VerificationKey::shared_secret({std::string(32, 'x'), ""}, {}));
  EXPECT_FALSE(VerificationKey::shared_secret({rsa_pair().pem(), ""}, {}));
  EXPECT_FALSE(VerificationKey::own({kSecret, "", "issuer"}));
  EXPECT_FALSE(VerificationKey::own({kSecret, "kid", ""}));
  EXPECT_FALSE(VerificationKey::own({"short", "kid", "issuer"}));
}

// The vectors of the standards.

const std::string kRfc7515Claims =
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";

/// Whether the key takes the vector, and no longer does with one bit of signature or text changed.
void expect_vector(const VerificationKey& key, const std::string& text, std::string_view signature_text) {
  std::string signature = from_base64url(signature_text).value();
  EXPECT_TRUE(key.verify(text, signature));
  EXPECT_FALSE(key.verify(text + "x", signature));
  signature[5] = static_cast<char>(signature[5] ^ 4);
  EXPECT_FALSE(key.verify(text, signature));
}

TEST(JwtVectors, Rfc7515AppendixA1Hs256) {
  const auto key = VerificationKey::shared_secret(
      {from_base64url("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow").value(),
       ""},
      {});
  ASSERT_TRUE(key);
  const std::string text = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9." + kRfc7515Claims;
  const std::string signature = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
  expect_vector(*key, text, signature);
  // As a token it gets as far as the claim that it lacks.
  const auto verified = verify_token(*KeySet::make({*key}), text + "." + signature, seconds(1'300'819'380));
  EXPECT_EQ(verified.error().message, "the token has no sub");
}

TEST(JwtVectors, Rfc7515AppendixA2Rs256) {
  const auto jwks = parse_jwks(
      R"({"keys":[{"kty":"RSA","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ","e":"AQAB"}]})",
      {});
  ASSERT_TRUE(jwks) << describe(jwks.error());
  expect_vector(jwks->keys.at(0), "eyJhbGciOiJSUzI1NiJ9." + kRfc7515Claims,
                "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_"
                "O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_"
                "nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-"
                "eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_"
                "IoypGlUPQGe77Rw");
}

TEST(JwtVectors, Rfc7515AppendixA3Es256) {
  const auto jwks = parse_jwks(
      R"({"keys":[{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]})",
      {});
  ASSERT_TRUE(jwks) << describe(jwks.error());
  expect_vector(jwks->keys.at(0), "eyJhbGciOiJFUzI1NiJ9." + kRfc7515Claims,
                "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q");
}

TEST(JwtVectors, Rfc8037AppendixA4EdDsa) {
  const auto jwks =
      parse_jwks(R"({"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]})", {});
  ASSERT_TRUE(jwks) << describe(jwks.error());
  expect_vector(jwks->keys.at(0), "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc",
                "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg");
}

// The verifier.

TEST(TokenVerifier, ForgetsWhatOldKeysVerified) {
  TokenVerifier verifier(key_set());
  const std::string token = good_token();
  ASSERT_TRUE(verifier.verify(token, kNow));
  ASSERT_TRUE(verifier.verify(token, kNow));
  verifier.replace_keys(*KeySet::make({*VerificationKey::own(kOwn)}));
  EXPECT_FALSE(verifier.verify(token, kNow));
  verifier.replace_keys(key_set());
  EXPECT_TRUE(verifier.verify(token, kNow));
}

TEST(TokenVerifier, TakesOldAndNewKeysWhileTheyRotate) {
  const KeyPair old_pair = KeyPair::p256(), new_pair = KeyPair::p256();
  const auto set = [](const std::string& list) {
    return *KeySet::make(parse_jwks(R"({"keys":[)" + list + "]}", {})->keys);
  };
  const std::string old_token = make_token(R"({"alg":"ES256","kid":"old"})", claims(), old_pair);
  const std::string new_token = make_token(R"({"alg":"ES256","kid":"new"})", claims(), new_pair);
  TokenVerifier verifier(set(old_pair.jwk("old")));
  EXPECT_TRUE(verifier.verify(old_token, kNow));
  EXPECT_TRUE(is_unknown_kid(verifier.verify(new_token, kNow).error()));
  verifier.replace_keys(set(old_pair.jwk("old") + "," + new_pair.jwk("new")));
  EXPECT_TRUE(verifier.verify(old_token, kNow) && verifier.verify(new_token, kNow));
  verifier.replace_keys(set(new_pair.jwk("new")));
  EXPECT_FALSE(verifier.verify(old_token, kNow));
  EXPECT_TRUE(verifier.verify(new_token, kNow));
  verifier.replace_keys(set(old_pair.jwk("new")));  // the name given to another key
  EXPECT_FALSE(verifier.verify(new_token, kNow));
}

TEST(TokenVerifier, ARememberedTokenExpiresAllTheSame) {
  const TokenVerifier verifier(key_set());
  const std::string token = good_token();  // expires at kNow + 600
  ASSERT_TRUE(verifier.verify(token, kNow));
  EXPECT_TRUE(verifier.verify(token, seconds(kNowSeconds + 599)));
  EXPECT_TRUE(verifier.verify(token, seconds(kNowSeconds + 659))) << "within the leeway";
  EXPECT_FALSE(verifier.verify(token, seconds(kNowSeconds + 660)));
}

TEST(TokenVerifier, KeysAreReplacedWhileThreadsVerify) {
  constexpr std::size_t kTokens = 16, kThreads = 4, kRounds = 2000;
  const KeySet with = key_set(), without = *KeySet::make({*VerificationKey::own(kOwn)});
  TokenVerifier verifier(with, kTokens / 2);
  std::vector<std::string> tokens;
  for (std::size_t i = 0; i < kTokens; ++i)
    tokens.push_back(secret_token(kHs256Header, claims(fmt::format(R"("jti":"{}")", i))));
  std::atomic<std::size_t> busy = kThreads, wrong = 0;
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < kThreads; ++t)
    threads.emplace_back([&, t] {
      for (std::size_t i = t; i < t + kRounds; ++i) {
        const auto verified = verifier.verify(tokens[i % kTokens], kNow);
        const bool right = verified ? verified->token_id == std::to_string(i % kTokens)
                                    : contains(verified.error().message, "no key of this server");
        if (!right) ++wrong;
      }
      --busy;
    });
  for (bool even = true; busy > 0; even = !even) verifier.replace_keys(even ? without : with);
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0U);
  verifier.replace_keys(without);
  for (const auto& token : tokens) EXPECT_FALSE(verifier.verify(token, kNow)) << "left over from older keys";
}

// The signer.

TEST(TokenSigner, ItsTokensAreTakenByTheOwnKey) {
  const auto signer = TokenSigner::make(kOwn);
  ASSERT_TRUE(signer);
  const auto token = signer->sign({"user-7", "", std::chrono::hours(1)}, Timestamp{kNow.micros + 999'999});
  ASSERT_TRUE(token) << describe(token.error());
  EXPECT_EQ(token->expires_at, seconds(kNowSeconds + 3600));
  const auto verified = verify_token(key_set(), token->text, kNow);
  ASSERT_TRUE(verified) << describe(verified.error());
  EXPECT_EQ(*verified,
            (VerifiedToken{kOwn.issuer, "user-7", token->token_id, "own-1", token->expires_at, KeySource::kOwn}));
  EXPECT_NE(signer->sign({"user-7", "", std::chrono::hours(1)}, kNow)->text, token->text) << "each has its own jti";
  EXPECT_TRUE(verify_token(key_set(), signer->sign({"u", "cli", std::chrono::seconds(1)}, kNow)->text, kNow));
}

TEST(TokenSigner, RefusesGrantsThatNoVerifierWouldTake) {
  const auto signer = TokenSigner::make(kOwn);
  const std::chrono::seconds hour(3600);
  for (const std::string& subject :
       {std::string(), std::string(256, 'x'), std::string("a\nb"), std::string("a\0b", 3), std::string("\xff")})
    EXPECT_FALSE(signer->sign({subject, "", hour}, kNow));
  EXPECT_FALSE(signer->sign({"u", "", std::chrono::seconds(0)}, kNow));
  EXPECT_FALSE(signer->sign({"u", "", std::chrono::seconds(-5)}, kNow));
  EXPECT_FALSE(signer->sign({"u", "", std::chrono::seconds::max()}, kNow));
  EXPECT_FALSE(TokenSigner::make({"short", "kid", "issuer"}));
}

TEST(TokenSigner, NewSecretsAreLongAndDiffer) {
  EXPECT_EQ(random_token_secret().size(), kMinSecretBytes);
  EXPECT_NE(random_token_secret(), random_token_secret());
}

}  // namespace
}  // namespace tideline::server
