// Tokens: verification survives any bytes, and takes none that were not signed by one of the keys.
//
// An input without a line break is a token as it came. No seed is a valid one and no signature can be guessed, so any
// that is taken is a finding. An input with a line break is "header\nclaims" (JSON): signed here with the shared
// secret, so that the fuzzer gets past the signature; what is then taken must keep the rules.

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/hash.h"
#include "base/json.h"
#include "base/text.h"
#include "server/jwks.h"
#include "server/jwt.h"

namespace {

using namespace tideline;
using namespace tideline::server;

constexpr Timestamp kNow{1'800'000'000'000'000};
constexpr std::string_view kIssuer = "https://id.example";
constexpr std::string_view kAudience = "tideline";
const std::string kSecret = "the secret of the fuzzer, not of the corpus";

// The public keys of RFC 7515 A.2, A.3 and RFC 8037 A.4.
constexpr std::string_view kJwks = R"({"keys":[
{"kty":"RSA","kid":"rsa","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ","e":"AQAB"},
{"kty":"EC","kid":"ec","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"},
{"kty":"OKP","kid":"ed","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]})";

const KeySet& key_set() {
  static const KeySet set = [] {
    const KeyPolicy policy{std::string(kIssuer), {std::string(kAudience)}};
    std::vector<VerificationKey> keys = parse_jwks(kJwks, policy)->keys;
    keys.push_back(*VerificationKey::shared_secret({kSecret, ""}, policy));
    keys.push_back(*VerificationKey::own({std::string(32, 'o'), "own", "tideline:own"}));
    return *KeySet::make(std::move(keys));
  }();
  return set;
}

void must(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "%s\n", what);
  std::abort();
}

void check_refusal(const Result<VerifiedToken>& verified) {
  must(verified.error().code == Code::kUnauthenticated, "a refusal has another code");
  must(!verified.error().message.empty(), "a refusal says nothing");
}

void raw_token(std::string_view token) {
  const auto verified = verify_token(key_set(), token, kNow);
  must(!verified, "a token that nobody signed was taken");
  check_refusal(verified);
}

void signed_token(std::string_view header, std::string_view claims) {
  std::string token = base64url(header) + "." + base64url(claims);
  const Sha256Digest tag = hmac_sha256(kSecret, token);
  token += "." + base64url({reinterpret_cast<const char*>(tag.data()), tag.size()});
  const auto verified = verify_token(key_set(), token, kNow);
  if (!verified) return check_refusal(verified);
  must(token.size() <= kMaxTokenBytes, "an oversize token was taken");
  must(verified->source == KeySource::kSecret && verified->kid.empty(), "another key was taken for the signer");
  must(verified->issuer == kIssuer, "another issuer was taken");
  must(!verified->subject.empty() && verified->subject.size() <= kMaxSubjectBytes, "a bad subject was taken");
  must(verified->expires_at.micros + 60'000'000 > kNow.micros, "an expired token was taken");
  const auto read_header = Json::parse(header, "header");
  must(read_header && read_header->string_at("alg") == "HS256", "another algorithm was taken");
  must(!read_header->find("kid") && !read_header->find("crit") && !read_header->find("jwk"), "a bad header was taken");
  // As it came, the token holds; with a bit of its signature changed it does not.
  token[token.size() - 2] = token[token.size() - 2] == 'A' ? 'B' : 'A';
  must(!verify_token(key_set(), token, kNow), "a changed signature was taken");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  if (const auto line_break = input.find('\n'); line_break != input.npos)
    signed_token(input.substr(0, line_break), input.substr(line_break + 1));
  else
    raw_token(input);
  return 0;
}
