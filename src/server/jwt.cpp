#include "server/jwt.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <vector>

#include "base/hash.h"
#include "base/json.h"
#include "base/text.h"
#include "server/jwt_cache.h"

namespace tideline::server {
namespace {

constexpr std::int64_t kMicros = 1'000'000;
constexpr std::int64_t kMaxNumericDate = 253'402'300'799;  // the end of 9999, the last year Timestamp prints
constexpr std::int64_t kLeewayMicros = kJwtLeeway.count() * kMicros;
constexpr std::string_view kUnknownKid = "unknown_kid";

tl::unexpected<Error> refuse(std::string message, std::string hint = {}, std::string detail = {}) {
  return fail(Code::kUnauthenticated, std::move(message), std::move(hint), std::move(detail));
}

struct Parts {
  std::string_view header;
  std::string_view claims;
  std::string_view signature;
  std::string_view signing_input;  // header and claims with the point between them
};

Result<Parts> cut(std::string_view token) {
  if (token.size() > kMaxTokenBytes)
    return refuse("the token is longer than " + std::to_string(kMaxTokenBytes) + " bytes");
  const auto first = token.find('.');
  const auto second = first == token.npos ? first : token.find('.', first + 1);
  if (second == token.npos || token.find('.', second + 1) != token.npos)
    return refuse("the token does not have three parts", "a signed JWT in compact form is needed");
  return Parts{token.substr(0, first), token.substr(first + 1, second - first - 1), token.substr(second + 1),
               token.substr(0, second)};
}

/// One part of the token as a JSON object. The reader's own message is dropped: it may quote a key of the token.
Result<Json> decode_object(std::string_view part, std::string_view name) {
  const auto text = from_base64url(part);
  if (!text) return refuse("the token's " + std::string(name) + " is not canonical base64url");
  auto json = Json::parse(*text, name);
  if (!json || json->if_object() == nullptr)
    return refuse("the token's " + std::string(name) + " is not a JSON object with unique keys");
  return std::move(*json);
}

struct Header {
  JwtAlgorithm algorithm;
  std::optional<std::string> kid;
};

bool is_jwt_type(const Json& typ) {
  const std::string* text = typ.if_string();
  if (text == nullptr) return false;
  std::string type = ascii_lower(*text);
  if (type.starts_with("application/")) type.erase(0, std::string_view("application/").size());  // RFC 7515 §4.1.9
  return type == "jwt" || type == "at+jwt";
}

Result<Header> read_header(std::string_view part) {
  TRY(const auto header, decode_object(part, "header"));
  // Extensions we would have to understand, and keys that a token brings along for itself.
  static constexpr std::array<std::string_view, 7> kForbidden = {"crit", "b64", "zip", "jwk", "jku", "x5u", "x5c"};
  for (const auto name : kForbidden)
    if (header.find(name) != nullptr) return refuse("the token's header may not have \"" + std::string(name) + "\"");
  if (const Json* typ = header.find("typ"); typ != nullptr && !is_jwt_type(*typ))
    return refuse("the token's typ is neither JWT nor at+jwt");
  const auto name = header.string_at("alg");
  if (!name) return refuse("the token's header has no alg");
  if (equal_ignoring_case(*name, "none")) return refuse("the token is not signed");
  const auto algorithm = parse_jwt_algorithm(*name);
  if (!algorithm) return refuse("the token's algorithm is not accepted", "HS256, RS256, ES256 and EdDSA are");
  Header out{*algorithm, std::nullopt};
  if (const Json* kid = header.find("kid"); kid != nullptr) {
    if (kid->if_string() == nullptr) return refuse("the token's kid is not a string");
    out.kid = *kid->if_string();
  }
  return out;
}

/// The keys that may have signed the token, by its header alone.
Result<std::vector<const VerificationKey*>> candidates(const KeySet& keys, const Header& header) {
  if (header.kid) {
    const VerificationKey* key = keys.find(*header.kid);
    if (key == nullptr)
      return refuse("the token names a key this server does not know",
                    "it may have been signed for another server, or with a key that was withdrawn",
                    std::string(kUnknownKid));
    if (key->algorithm() != header.algorithm) return refuse("the token's algorithm is not that of the key it names");
    return std::vector{key};
  }
  std::vector<const VerificationKey*> fitting;
  for (const auto& key : keys.keys())
    if (key.algorithm() == header.algorithm && key.source() != KeySource::kOwn) fitting.push_back(&key);
  if (fitting.empty()) return refuse("no key of this server is for the token's algorithm");
  if (fitting.size() > kMaxCandidates) return refuse("the token does not say which key signed it (kid)");
  return fitting;
}

/// A NumericDate (RFC 7519 §2); nullopt for anything else, and for dates that Timestamp could not print.
std::optional<Timestamp> numeric_date(const Json& value) {
  if (const auto* seconds = value.if_int()) {
    if (*seconds < 0 || *seconds > kMaxNumericDate) return std::nullopt;
    return Timestamp{*seconds * kMicros};
  }
  if (const auto* seconds = value.if_double()) {
    if (!std::isfinite(*seconds) || *seconds < 0 || *seconds > static_cast<double>(kMaxNumericDate))
      return std::nullopt;
    return Timestamp{static_cast<std::int64_t>(*seconds * static_cast<double>(kMicros))};
  }
  return std::nullopt;
}

/// The date claim `name`: nullopt where it is absent.
Result<std::optional<Timestamp>> date_claim(const Json& claims, std::string_view name) {
  const Json* value = claims.find(name);
  if (value == nullptr) return std::nullopt;
  const auto date = numeric_date(*value);
  if (!date) return refuse("the token's " + std::string(name) + " is not a date in seconds since 1970");
  return date;
}

struct TextLimits {
  std::string_view name;
  std::size_t bytes;
};

/// The text claim: empty where it is absent. Control characters are refused: no identity has them, and PostgreSQL
/// cannot store a NUL.
Result<std::string> text_claim(const Json& claims, TextLimits limits) {
  const Json* value = claims.find(limits.name);
  if (value == nullptr) return std::string();
  const std::string* text = value->if_string();
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; };
  if (text == nullptr || text->empty() || text->size() > limits.bytes ||
      std::any_of(text->begin(), text->end(), is_control))
    return refuse("the token's " + std::string(limits.name) + " is not a text of 1 to " + std::to_string(limits.bytes) +
                  " bytes");
  return *text;
}

Result<void> check_times(const Json& claims, Timestamp expires_at, Timestamp now) {
  if (expires_at.micros + kLeewayMicros <= now.micros)
    return refuse("the token expired at " + expires_at.to_string(), "get a new one");
  TRY(const auto not_before, date_claim(claims, "nbf"));
  if (not_before && not_before->micros - kLeewayMicros > now.micros)
    return refuse("the token is not valid before " + not_before->to_string());
  TRY(const auto issued_at, date_claim(claims, "iat"));
  if (issued_at && issued_at->micros - kLeewayMicros > now.micros)
    return refuse("the token was issued in the future", "compare the clocks of this server and of the issuer");
  if (issued_at && *issued_at > expires_at) return refuse("the token expired before it was issued");
  return {};
}

std::string join(const std::vector<std::string>& names) {
  std::string out;
  for (const auto& name : names) out += (out.empty() ? "" : ", ") + name;
  return out;
}

Result<void> check_audience(const Json& claims, const std::vector<std::string>& accepted) {
  const Json* aud = claims.find("aud");
  std::vector<std::string_view> named;
  if (aud != nullptr) {
    const auto add = [&](const Json& value) {
      if (value.if_string() != nullptr) named.push_back(*value.if_string());
      return value.if_string() != nullptr;
    };
    const auto* list = aud->if_array();
    if (list != nullptr ? !std::all_of(list->begin(), list->end(), add) : !add(*aud))
      return refuse("the token's aud is neither a text nor a list of texts");
  }
  if (accepted.empty()) return {};
  if (std::find_first_of(named.begin(), named.end(), accepted.begin(), accepted.end()) == named.end())
    return refuse(named.empty() ? "the token names no audience" : "the token is for another audience",
                  "this server takes tokens for: " + join(accepted));
  return {};
}

Result<VerifiedToken> read_claims(const KeySet& keys, const VerificationKey& key, const Json& claims, Timestamp now) {
  TRY(const auto expires_at, date_claim(claims, "exp"));
  if (!expires_at) return refuse("the token has no exp", "tokens must expire");
  TRY_VOID(check_times(claims, *expires_at, now));
  TRY(auto issuer, text_claim(claims, {"iss", kMaxIssuerBytes}));
  if (!keys.may_sign_for(key, issuer))
    return refuse(issuer.empty() ? "the token names no issuer"
                                 : "the token's issuer is not one that its key signs for");
  TRY_VOID(check_audience(claims, key.policy().audiences));
  TRY(auto subject, text_claim(claims, {"sub", kMaxSubjectBytes}));
  if (subject.empty()) return refuse("the token has no sub");
  TRY(auto token_id, text_claim(claims, {"jti", kMaxSubjectBytes}));
  return VerifiedToken{std::move(issuer), std::move(subject), std::move(token_id),
                       key.kid(),         *expires_at,        key.source()};
}

}  // namespace

Result<VerifiedToken> verify_token(const KeySet& keys, std::string_view token, Timestamp now) {
  TRY(const auto parts, cut(token));
  TRY(const auto header, read_header(parts.header));
  const auto signature = from_base64url(parts.signature);
  if (!signature) return refuse("the token's signature is not canonical base64url");
  TRY(const auto fitting, candidates(keys, header));
  const auto signer = std::find_if(fitting.begin(), fitting.end(), [&](const VerificationKey* key) {
    return key->verify(parts.signing_input, *signature);
  });
  if (signer == fitting.end()) return refuse("the token's signature does not hold");
  // Only now is anything that the claims say worth reading.
  TRY(const auto claims, decode_object(parts.claims, "claims"));
  return read_claims(keys, **signer, claims, now);
}

bool is_unknown_kid(const Error& refusal) {
  return refusal.code == Code::kUnauthenticated && refusal.detail == kUnknownKid;
}

/// Keys and what they have verified are replaced as one: a thread still busy with the old keys puts its result into the
/// old cache, where nobody will find it.
struct TokenVerifier::State {
  State(KeySet new_keys, std::size_t cached_tokens) : keys(std::move(new_keys)), cache(cached_tokens) {}
  const KeySet keys;
  TokenCache cache;
};

TokenVerifier::TokenVerifier(KeySet keys, std::size_t cached_tokens)
    : cached_tokens_(cached_tokens), state_(std::make_shared<State>(std::move(keys), cached_tokens)) {}

TokenVerifier::~TokenVerifier() = default;

std::shared_ptr<TokenVerifier::State> TokenVerifier::state() const {
  const std::lock_guard lock(mutex_);
  return state_;
}

Result<VerifiedToken> TokenVerifier::verify(std::string_view token, Timestamp now) const {
  if (token.size() > kMaxTokenBytes) return tl::unexpected(cut(token).error());  // before it is hashed
  const auto current = state();
  const Sha256Digest digest = sha256(token);
  if (const auto known = current->cache.find(digest, now)) return *known;
  TRY(auto verified, verify_token(current->keys, token, now));
  current->cache.insert(digest, std::make_shared<const VerifiedToken>(verified));
  return verified;
}

void TokenVerifier::replace_keys(KeySet keys) {
  auto next = std::make_shared<State>(std::move(keys), cached_tokens_);
  {
    const std::lock_guard lock(mutex_);
    state_.swap(next);
  }
  // Outside the lock: the last one to let go of the old state frees thousands of tokens.
}

}  // namespace tideline::server
