#include "server/jwks.h"

#include <algorithm>
#include <array>
#include <optional>

#include "base/json.h"
#include "base/text.h"

namespace tideline::server {
namespace {

/// Says which key of the set is meant. By position: a kid may be missing or long.
Error in_key(std::size_t index, Error error) {
  error.message = "key " + std::to_string(index + 1) + " of the JWKS: " + error.message;
  return error;
}

/// A text member of the key: nullopt where it is absent.
Result<std::optional<std::string>> text_member(const Json& jwk, std::string_view name) {
  const Json* value = jwk.find(name);
  if (value == nullptr) return std::nullopt;
  if (value->if_string() == nullptr) return fail(Code::kInvalidInput, "\"" + std::string(name) + "\" is not a string");
  return *value->if_string();
}

Result<std::string> binary_member(const Json& jwk, std::string_view name) {
  TRY(const auto text, text_member(jwk, name));
  if (!text) return fail(Code::kInvalidInput, "\"" + std::string(name) + "\" is missing");
  auto bytes = from_base64url(*text);
  if (!bytes) return fail(Code::kInvalidInput, "\"" + std::string(name) + "\" is not canonical base64url");
  return std::move(*bytes);
}

tl::unexpected<Error> unsupported(std::string why) { return fail(Code::kUnsupported, std::move(why)); }

/// RFC 7517 §4.2, §4.3: what the key is published for.
Result<void> check_purpose(const Json& jwk) {
  TRY(const auto use, text_member(jwk, "use"));
  if (use && *use != "sig") return unsupported("it is not for signatures");
  const Json* operations = jwk.find("key_ops");
  if (operations == nullptr) return {};
  const auto* list = operations->if_array();
  if (list == nullptr) return fail(Code::kInvalidInput, "\"key_ops\" is not a list");
  const auto is_verify = [](const Json& item) { return item.if_string() != nullptr && *item.if_string() == "verify"; };
  if (std::none_of(list->begin(), list->end(), is_verify)) return unsupported("it is not for verifying");
  return {};
}

Result<void> check_algorithm(const Json& jwk, JwtAlgorithm algorithm) {
  TRY(const auto named, text_member(jwk, "alg"));
  if (named && *named != to_string(algorithm))
    return unsupported("its alg is not " + std::string(to_string(algorithm)) + ", the one accepted for such keys");
  return {};
}

/// The public key; kUnsupported where it is one to leave out.
Result<VerificationKey> read_key(const Json& jwk, const KeyPolicy& policy) {
  if (jwk.if_object() == nullptr) return fail(Code::kInvalidInput, "it is not a JSON object");
  TRY(const auto type, text_member(jwk, "kty"));
  if (!type) return fail(Code::kInvalidInput, "\"kty\" is missing");
  if (*type == "oct")
    return fail(Code::kInvalidInput, "it is symmetric; a published secret is none", "give it by --jwt-secret-file");
  TRY(const auto kid, text_member(jwk, "kid"));
  if (kid && kid->empty()) return fail(Code::kInvalidInput, "\"kid\" is empty");
  TRY_VOID(check_purpose(jwk));
  if (*type == "RSA") {
    TRY_VOID(check_algorithm(jwk, JwtAlgorithm::kRs256));
    VerificationKey::RsaPublic key;
    TRY(key.modulus, binary_member(jwk, "n"));
    TRY(key.exponent, binary_member(jwk, "e"));
    return VerificationKey::rs256(key, kid.value_or(""), policy);
  }
  if (*type != "EC" && *type != "OKP") return unsupported("its kty is not accepted");
  TRY(const auto curve, text_member(jwk, "crv"));
  if (!curve) return fail(Code::kInvalidInput, "\"crv\" is missing");
  if (*type == "EC" && *curve == "P-256") {
    TRY_VOID(check_algorithm(jwk, JwtAlgorithm::kEs256));
    VerificationKey::P256Public key;
    TRY(key.x, binary_member(jwk, "x"));
    TRY(key.y, binary_member(jwk, "y"));
    return VerificationKey::es256(key, kid.value_or(""), policy);
  }
  if (*type == "OKP" && *curve == "Ed25519") {
    TRY_VOID(check_algorithm(jwk, JwtAlgorithm::kEdDsa));
    VerificationKey::Ed25519Public key;
    TRY(key.x, binary_member(jwk, "x"));
    return VerificationKey::eddsa(key, kid.value_or(""), policy);
  }
  return unsupported("its crv is not accepted");
}

bool has_private_member(const Json& jwk) {
  static constexpr std::array<std::string_view, 7> kPrivate = {"d", "p", "q", "dp", "dq", "qi", "oth"};
  return std::any_of(kPrivate.begin(), kPrivate.end(), [&](auto name) { return jwk.find(name) != nullptr; });
}

}  // namespace

Result<Jwks> parse_jwks(std::string_view text, const KeyPolicy& policy) {
  if (text.size() > kMaxJwksBytes)
    return fail(Code::kTooLarge, "the JWKS is larger than " + std::to_string(kMaxJwksBytes) + " bytes");
  TRY(const auto root, Json::parse(text, "the JWKS"));
  const Json* member = root.find("keys");
  if (member == nullptr || member->if_array() == nullptr)
    return fail(Code::kInvalidInput, "the JWKS has no list \"keys\"");
  const Json::Array& list = *member->if_array();
  if (list.size() > kMaxJwksKeys)
    return fail(Code::kTooLarge, "the JWKS has more than " + std::to_string(kMaxJwksKeys) + " keys");

  Jwks out;
  for (std::size_t i = 0; i < list.size(); ++i) {
    auto key = read_key(list[i], policy);
    if (key) {
      if (has_private_member(list[i]))
        out.warnings.push_back("key " + std::to_string(i + 1) +
                               " of the JWKS: it holds private members, which must not be published");
      out.keys.push_back(std::move(*key));
    } else if (key.error().code == Code::kUnsupported) {
      out.warnings.push_back(in_key(i, std::move(key).error()).message + "; left out");
    } else {
      return fail(in_key(i, std::move(key).error()));
    }
  }
  TRY_VOID(KeySet::make(out.keys));  // refuses a kid that stands twice
  if (out.keys.empty()) out.warnings.emplace_back("the JWKS has no key this server can use");
  return out;
}

}  // namespace tideline::server
