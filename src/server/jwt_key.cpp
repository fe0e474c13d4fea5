#include "server/jwt_key.h"

#include <algorithm>
#include <memory>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

#include "base/hash.h"

namespace tideline::server {
namespace {

template <auto Free>
struct Deleter {
  template <class T>
  void operator()(T* pointer) const {
    Free(pointer);
  }
};
using Number = std::unique_ptr<BIGNUM, Deleter<BN_free>>;
using ParamBuilder = std::unique_ptr<OSSL_PARAM_BLD, Deleter<OSSL_PARAM_BLD_free>>;
using Params = std::unique_ptr<OSSL_PARAM, Deleter<OSSL_PARAM_free>>;
using KeyContext = std::unique_ptr<EVP_PKEY_CTX, Deleter<EVP_PKEY_CTX_free>>;
using DigestContext = std::unique_ptr<EVP_MD_CTX, Deleter<EVP_MD_CTX_free>>;
using EcdsaSignature = std::unique_ptr<ECDSA_SIG, Deleter<ECDSA_SIG_free>>;

/// A refused key or signature must not stay in the thread's error queue: TLS on the same thread would take it for its
/// own failure.
class QuietErrors {
 public:
  QuietErrors() { ERR_set_mark(); }
  ~QuietErrors() { ERR_pop_to_mark(); }
  QuietErrors(const QuietErrors&) = delete;
  QuietErrors& operator=(const QuietErrors&) = delete;
};

constexpr std::size_t kP256Bytes = 32;
constexpr std::size_t kEd25519Bytes = 32;
constexpr std::size_t kMaxExponentBytes = 4;  // a huge exponent makes every verification slow

const unsigned char* bytes(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }

std::shared_ptr<EVP_PKEY> import_key(const char* type, OSSL_PARAM_BLD* builder) {
  const Params params(OSSL_PARAM_BLD_to_param(builder));
  const KeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr));
  EVP_PKEY* key = nullptr;
  if (!params || !context || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, params.get()) != 1)
    return nullptr;
  return {key, EVP_PKEY_free};
}

std::shared_ptr<const std::string> hold_secret(const std::string& secret) {
  return {new std::string(secret), [](std::string* held) {
            OPENSSL_cleanse(held->data(), held->size());
            delete held;
          }};
}

Result<void> check_secret(std::string_view secret) {
  if (secret.size() < kMinSecretBytes)
    return fail(Code::kInvalidInput,
                "the secret has " + std::to_string(secret.size()) + " bytes; HS256 needs at least " +
                    std::to_string(kMinSecretBytes),
                "make one with: openssl rand -base64 48");
  if (secret.find("-----BEGIN") != std::string_view::npos)
    return fail(Code::kInvalidInput, "the secret is a PEM file; a public key is no secret",
                "publish public keys as a JWKS instead");
  return {};
}

Result<void> check_kid(std::string_view kid) {
  if (kid.size() > kMaxKidBytes)
    return fail(Code::kInvalidInput, "the kid is longer than " + std::to_string(kMaxKidBytes) + " bytes");
  return {};
}

bool is_odd(std::string_view number) { return !number.empty() && (number.back() & 1) != 0; }

std::size_t bit_length(std::string_view number) {
  std::size_t bits = number.size() * 8;
  for (auto top = static_cast<unsigned char>(number.front()); top < 0x80; top = static_cast<unsigned char>(top << 1))
    --bits;
  return bits;
}

bool verify_digest(EVP_PKEY* key, const EVP_MD* digest, std::string_view message, std::string_view signature) {
  const DigestContext context(EVP_MD_CTX_new());
  return context && EVP_DigestVerifyInit(context.get(), nullptr, digest, nullptr, key) == 1 &&
         EVP_DigestVerify(context.get(), bytes(signature), signature.size(), bytes(message), message.size()) == 1;
}

/// JWS carries r‖s (RFC 7518 §3.4), OpenSSL wants DER.
bool verify_es256(EVP_PKEY* key, std::string_view message, std::string_view signature) {
  if (signature.size() != 2 * kP256Bytes) return false;
  Number r(BN_bin2bn(bytes(signature), kP256Bytes, nullptr));
  Number s(BN_bin2bn(bytes(signature) + kP256Bytes, kP256Bytes, nullptr));
  const EcdsaSignature pair(ECDSA_SIG_new());
  if (!r || !s || !pair || ECDSA_SIG_set0(pair.get(), r.get(), s.get()) != 1) return false;
  r.release();  // owned by the pair now
  s.release();
  unsigned char der[2 * kP256Bytes + 16];
  unsigned char* end = der;
  const int size = i2d_ECDSA_SIG(pair.get(), nullptr);
  if (size <= 0 || static_cast<std::size_t>(size) > sizeof der || i2d_ECDSA_SIG(pair.get(), &end) != size) return false;
  return verify_digest(key, EVP_sha256(), message, {reinterpret_cast<char*>(der), static_cast<std::size_t>(size)});
}

}  // namespace

std::string_view to_string(JwtAlgorithm algorithm) {
  switch (algorithm) {
    case JwtAlgorithm::kHs256:
      return "HS256";
    case JwtAlgorithm::kRs256:
      return "RS256";
    case JwtAlgorithm::kEs256:
      return "ES256";
    case JwtAlgorithm::kEdDsa:
      return "EdDSA";
  }
  return "";
}

std::optional<JwtAlgorithm> parse_jwt_algorithm(std::string_view name) {
  for (const auto algorithm : {JwtAlgorithm::kHs256, JwtAlgorithm::kRs256, JwtAlgorithm::kEs256, JwtAlgorithm::kEdDsa})
    if (to_string(algorithm) == name) return algorithm;
  return std::nullopt;
}

std::string_view to_string(KeySource source) {
  switch (source) {
    case KeySource::kOwn:
      return "own";
    case KeySource::kSecret:
      return "secret";
    case KeySource::kJwks:
      return "jwks";
  }
  return "";
}

Result<VerificationKey> VerificationKey::own(const OwnKey& own) {
  if (own.kid.empty() || own.issuer.empty())
    return fail(Code::kInvalidInput, "the server's own key needs a kid and an issuer");
  TRY(auto key, shared_secret({own.secret, own.kid}, {own.issuer, {}}));
  key.source_ = KeySource::kOwn;
  return key;
}

Result<VerificationKey> VerificationKey::shared_secret(const SharedSecret& secret, KeyPolicy policy) {
  TRY_VOID(check_secret(secret.bytes));
  TRY_VOID(check_kid(secret.kid));
  VerificationKey key;
  key.algorithm_ = JwtAlgorithm::kHs256;
  key.source_ = KeySource::kSecret;
  key.kid_ = secret.kid;
  key.policy_ = std::move(policy);
  key.secret_ = hold_secret(secret.bytes);
  return key;
}

Result<VerificationKey> VerificationKey::rs256(const RsaPublic& rsa, std::string kid, KeyPolicy policy) {
  TRY_VOID(check_kid(kid));
  for (const std::string* number : {&rsa.modulus, &rsa.exponent})
    if (!is_odd(*number) || number->front() == 0)
      return fail(Code::kInvalidInput, "the RSA modulus and exponent must be odd numbers without leading zero bytes");
  if (rsa.exponent.size() > kMaxExponentBytes || rsa.exponent == "\x01")
    return fail(Code::kInvalidInput, "the RSA exponent must be between 3 and 2^32 - 1");
  if (const auto bits = bit_length(rsa.modulus); bits < kMinRsaBits || bits > kMaxRsaBits)
    return fail(Code::kUnsupported, "the RSA key has " + std::to_string(bits) + " bits; " +
                                        std::to_string(kMinRsaBits) + " to " + std::to_string(kMaxRsaBits) +
                                        " are taken");
  const QuietErrors quiet;
  const Number n(BN_bin2bn(bytes(rsa.modulus), static_cast<int>(rsa.modulus.size()), nullptr));
  const Number e(BN_bin2bn(bytes(rsa.exponent), static_cast<int>(rsa.exponent.size()), nullptr));
  const ParamBuilder builder(OSSL_PARAM_BLD_new());
  VerificationKey key;
  if (n && e && builder && OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, n.get()) == 1 &&
      OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, e.get()) == 1)
    key.public_ = import_key("RSA", builder.get());
  if (!key.public_) return fail(Code::kInvalidInput, "this is no RSA public key");
  key.algorithm_ = JwtAlgorithm::kRs256;
  key.source_ = KeySource::kJwks;
  key.kid_ = std::move(kid);
  key.policy_ = std::move(policy);
  return key;
}

Result<VerificationKey> VerificationKey::es256(const P256Public& point, std::string kid, KeyPolicy policy) {
  TRY_VOID(check_kid(kid));
  if (point.x.size() != kP256Bytes || point.y.size() != kP256Bytes)
    return fail(Code::kInvalidInput, "the coordinates of a P-256 key have 32 bytes each");
  const QuietErrors quiet;
  const std::string encoded = "\x04" + point.x + point.y;  // SEC 1 §2.3.3, uncompressed
  const ParamBuilder builder(OSSL_PARAM_BLD_new());
  VerificationKey key;
  if (builder && OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0) == 1 &&
      OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, encoded.data(), encoded.size()) == 1)
    key.public_ = import_key("EC", builder.get());
  if (!key.public_) return fail(Code::kInvalidInput, "this is no point of P-256");
  const KeyContext context(EVP_PKEY_CTX_new_from_pkey(nullptr, key.public_.get(), nullptr));
  if (!context || EVP_PKEY_public_check(context.get()) != 1)
    return fail(Code::kInvalidInput, "this is no point of P-256");
  key.algorithm_ = JwtAlgorithm::kEs256;
  key.source_ = KeySource::kJwks;
  key.kid_ = std::move(kid);
  key.policy_ = std::move(policy);
  return key;
}

Result<VerificationKey> VerificationKey::eddsa(const Ed25519Public& point, std::string kid, KeyPolicy policy) {
  TRY_VOID(check_kid(kid));
  if (point.x.size() != kEd25519Bytes) return fail(Code::kInvalidInput, "an Ed25519 key has 32 bytes");
  const QuietErrors quiet;
  VerificationKey key;
  key.public_.reset(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, bytes(point.x), point.x.size()),
                    EVP_PKEY_free);
  if (!key.public_) return fail(Code::kInvalidInput, "this is no Ed25519 public key");
  key.algorithm_ = JwtAlgorithm::kEdDsa;
  key.source_ = KeySource::kJwks;
  key.kid_ = std::move(kid);
  key.policy_ = std::move(policy);
  return key;
}

bool VerificationKey::verify(std::string_view signing_input, std::string_view signature) const {
  const QuietErrors quiet;
  switch (algorithm_) {
    case JwtAlgorithm::kHs256: {
      const Sha256Digest tag = hmac_sha256(*secret_, signing_input);
      return equal_constant_time({reinterpret_cast<const char*>(tag.data()), tag.size()}, signature);
    }
    case JwtAlgorithm::kRs256:
      return verify_digest(public_.get(), EVP_sha256(), signing_input, signature);
    case JwtAlgorithm::kEs256:
      return verify_es256(public_.get(), signing_input, signature);
    case JwtAlgorithm::kEdDsa:
      return verify_digest(public_.get(), nullptr, signing_input, signature);
  }
  return false;
}

Result<KeySet> KeySet::make(std::vector<VerificationKey> keys) {
  std::vector<std::string_view> kids;
  for (const auto& key : keys)
    if (!key.kid().empty()) kids.push_back(key.kid());
  std::sort(kids.begin(), kids.end());
  if (std::adjacent_find(kids.begin(), kids.end()) != kids.end())
    return fail(Code::kInvalidInput, "two keys have the same kid");
  for (const auto& own : keys) {
    if (own.source() != KeySource::kOwn) continue;
    for (const auto& other : keys)
      if (other.source() != KeySource::kOwn && other.policy().issuer == own.policy().issuer)
        return fail(Code::kInvalidInput, "another key is configured for the server's own issuer",
                    "give the identity provider's issuer, not this server's");
  }
  KeySet set;
  set.keys_ = std::move(keys);
  return set;
}

const VerificationKey* KeySet::find(std::string_view kid) const {
  for (const auto& key : keys_)
    if (!key.kid().empty() && key.kid() == kid) return &key;
  return nullptr;
}

bool KeySet::may_sign_for(const VerificationKey& key, std::string_view issuer) const {
  if (!key.policy().issuer.empty()) return key.policy().issuer == issuer;
  // A key for any issuer must not speak for one that another key is bound to.
  return issuer.empty() ||
         std::none_of(keys_.begin(), keys_.end(), [&](const auto& other) { return other.policy().issuer == issuer; });
}

}  // namespace tideline::server
