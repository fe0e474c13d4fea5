#pragma once
// For tests and benchmarks: private keys that sign as identity providers do, and tokens of any header and claims.

#include <memory>
#include <string>
#include <string_view>

#include <fmt/format.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "base/hash.h"
#include "base/text.h"
#include "base/time.h"
#include "server/jwt_key.h"

namespace tideline::server::testing {

inline constexpr Timestamp seconds(std::int64_t value) { return {value * 1'000'000}; }
inline constexpr std::int64_t kNowSeconds = 1'800'000'000;
inline constexpr Timestamp kNow = seconds(kNowSeconds);

/// "x" → the base64url of x.
inline std::string b64(std::string_view bytes) { return base64url(bytes); }

inline std::string hs256(std::string_view secret, std::string_view message) {
  const Sha256Digest tag = hmac_sha256(secret, message);
  return {reinterpret_cast<const char*>(tag.data()), tag.size()};
}

/// header.claims.signature, the signature by `sign(signing input)`.
template <class Sign>
std::string make_token(std::string_view header, std::string_view claims, const Sign& sign) {
  std::string text = b64(header) + "." + b64(claims);
  return text + "." + b64(sign(text));
}

/// A key pair of one of the asymmetric algorithms.
class KeyPair {
 public:
  static KeyPair rsa(unsigned bits = 2048) { return {EVP_RSA_gen(bits), JwtAlgorithm::kRs256}; }
  static KeyPair p256() { return {EVP_EC_gen("P-256"), JwtAlgorithm::kEs256}; }
  static KeyPair ed25519() { return {EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"), JwtAlgorithm::kEdDsa}; }

  JwtAlgorithm algorithm() const { return algorithm_; }

  /// The signature as JWS carries it.
  std::string operator()(std::string_view message) const {
    const EVP_MD* digest = algorithm_ == JwtAlgorithm::kEdDsa ? nullptr : EVP_sha256();
    const std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
    const auto* data = reinterpret_cast<const unsigned char*>(message.data());
    std::size_t size = 0;
    EVP_DigestSignInit(context.get(), nullptr, digest, nullptr, key_.get());
    EVP_DigestSign(context.get(), nullptr, &size, data, message.size());
    std::string signature(size, '\0');
    EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &size, data, message.size());
    signature.resize(size);
    return algorithm_ == JwtAlgorithm::kEs256 ? raw(signature) : signature;
  }

  /// The public JWK without its braces: R"("kty":"RSA","n":…,"e":…)".
  std::string members() const {
    switch (algorithm_) {
      case JwtAlgorithm::kRs256:
        return fmt::format(R"("kty":"RSA","n":"{}","e":"{}")", b64(number(OSSL_PKEY_PARAM_RSA_N, 0)),
                           b64(number(OSSL_PKEY_PARAM_RSA_E, 0)));
      case JwtAlgorithm::kEs256:
        return fmt::format(R"("kty":"EC","crv":"P-256","x":"{}","y":"{}")", b64(number(OSSL_PKEY_PARAM_EC_PUB_X, 32)),
                           b64(number(OSSL_PKEY_PARAM_EC_PUB_Y, 32)));
      default: {
        std::string x(32, '\0');
        std::size_t size = x.size();
        EVP_PKEY_get_raw_public_key(key_.get(), reinterpret_cast<unsigned char*>(x.data()), &size);
        return fmt::format(R"("kty":"OKP","crv":"Ed25519","x":"{}")", b64(x));
      }
    }
  }
  std::string jwk(std::string_view kid) const { return fmt::format(R"({{{},"kid":"{}"}})", members(), kid); }
  std::string pem() const {
    const std::unique_ptr<BIO, int (*)(BIO*)> out(BIO_new(BIO_s_mem()), BIO_free);
    PEM_write_bio_PUBKEY(out.get(), key_.get());
    char* data = nullptr;
    const long size = BIO_get_mem_data(out.get(), &data);
    return {data, static_cast<std::size_t>(size)};
  }
  /// The big-endian number; `width` 0: as few bytes as it needs.
  std::string number(const char* parameter, int width) const {
    BIGNUM* value = nullptr;
    EVP_PKEY_get_bn_param(key_.get(), parameter, &value);
    std::string bytes = to_bytes(value, width);
    BN_free(value);
    return bytes;
  }

 private:
  KeyPair(EVP_PKEY* key, JwtAlgorithm algorithm) : key_(key, EVP_PKEY_free), algorithm_(algorithm) {}

  static std::string to_bytes(const BIGNUM* value, int width) {
    std::string bytes(static_cast<std::size_t>(width > 0 ? width : BN_num_bytes(value)), '\0');
    BN_bn2binpad(value, reinterpret_cast<unsigned char*>(bytes.data()), static_cast<int>(bytes.size()));
    return bytes;
  }
  static std::string raw(const std::string& der) {
    const auto* data = reinterpret_cast<const unsigned char*>(der.data());
    ECDSA_SIG* pair = d2i_ECDSA_SIG(nullptr, &data, static_cast<long>(der.size()));
    std::string bytes = to_bytes(ECDSA_SIG_get0_r(pair), 32) + to_bytes(ECDSA_SIG_get0_s(pair), 32);
    ECDSA_SIG_free(pair);
    return bytes;
  }

  std::shared_ptr<EVP_PKEY> key_;
  JwtAlgorithm algorithm_;
};

}  // namespace tideline::server::testing
