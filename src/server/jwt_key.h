#pragma once
// Keys that tokens are verified with, and the immutable set of them (RFC 7515, 7518, 8037; RFC 8725 §3.1: the key says
// which algorithm it is for, the token may only agree). Not for signing (jwt_signer.h) and not for claims (jwt.h).
// A key is a cheap, immutable handle: copies share the key material, and all members may be called from any thread.

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

struct evp_pkey_st;  // OpenSSL's EVP_PKEY

namespace tideline::server {

enum class JwtAlgorithm {
  kHs256,  // HMAC-SHA-256, shared secret of at least kMinSecretBytes
  kRs256,  // RSASSA-PKCS1-v1_5 with SHA-256, 2048 to 8192 bits
  kEs256,  // ECDSA on P-256 with SHA-256
  kEdDsa,  // Ed25519 alone
};
/// The `alg` value of RFC 7518: "HS256", "RS256", "ES256", "EdDSA".
std::string_view to_string(JwtAlgorithm algorithm);
std::optional<JwtAlgorithm> parse_jwt_algorithm(std::string_view name);

/// Who vouches for a key.
enum class KeySource {
  kOwn,     // this server's own key, for the tokens it issues itself
  kSecret,  // the shared secret the operator configured
  kJwks,    // a published key set
};
/// "own", "secret", "jwks".
std::string_view to_string(KeySource source);

/// What the claims of a token must say when a key with this policy signed it.
struct KeyPolicy {
  std::string issuer;                  // empty: any issuer to which no other key of the set is bound
  std::vector<std::string> audiences;  // empty: not checked; otherwise `aud` must hold one of them
};

/// The key this server signs its own tokens with.
struct OwnKey {
  std::string secret;  // at least kMinSecretBytes random bytes
  std::string kid;     // own tokens always name their key
  std::string issuer;  // reserved: no other key of a set may sign for it
};

/// RFC 7518 §3.2: a key as long as the hash, or guessing the key is easier than forging the tag.
inline constexpr std::size_t kMinSecretBytes = 32;
/// RFC 7518 §3.3. The upper bound keeps one verification under a millisecond.
inline constexpr std::size_t kMinRsaBits = 2048;
inline constexpr std::size_t kMaxRsaBits = 8192;
inline constexpr std::size_t kMaxKidBytes = 255;

class VerificationKey {
 public:
  /// HS256. kInvalidInput for a short secret, an empty kid or issuer, or a kid over kMaxKidBytes.
  static Result<VerificationKey> own(const OwnKey& key);

  struct SharedSecret {
    std::string bytes;
    std::string kid;  // empty: the secret has no name, and tokens that name a key are not for it
  };
  /// HS256. kInvalidInput for a short secret, or one that is a PEM file: a public key is no secret, and taking one here
  /// is how HS256 tokens get forged.
  static Result<VerificationKey> shared_secret(const SharedSecret& secret, KeyPolicy policy);

  struct RsaPublic {
    std::string modulus;   // big-endian, no leading zero byte
    std::string exponent;  // the same; odd, 3 to 2^32 - 1
  };
  struct P256Public {
    std::string x;  // 32 bytes
    std::string y;  // 32 bytes
  };
  struct Ed25519Public {
    std::string x;  // 32 bytes
  };
  /// Public keys of a key set; `kid` may be empty. kInvalidInput for what is no such key (a point off the curve, a
  /// wrong length), kUnsupported for an RSA key whose size we do not take.
  static Result<VerificationKey> rs256(const RsaPublic& key, std::string kid, KeyPolicy policy);
  static Result<VerificationKey> es256(const P256Public& key, std::string kid, KeyPolicy policy);
  static Result<VerificationKey> eddsa(const Ed25519Public& key, std::string kid, KeyPolicy policy);

  JwtAlgorithm algorithm() const { return algorithm_; }
  KeySource source() const { return source_; }
  const std::string& kid() const { return kid_; }  // empty: none
  const KeyPolicy& policy() const { return policy_; }

  /// Whether `signature` (the decoded third part; for ES256 the 64 bytes r‖s) is this key's over `signing_input`
  /// ("header.claims" as sent). Leaves OpenSSL's error queue as it was.
  bool verify(std::string_view signing_input, std::string_view signature) const;

 private:
  VerificationKey() = default;

  JwtAlgorithm algorithm_ = JwtAlgorithm::kHs256;
  KeySource source_ = KeySource::kSecret;
  std::string kid_;
  KeyPolicy policy_;
  std::shared_ptr<const std::string> secret_;  // kHs256 only; wiped with its last holder
  std::shared_ptr<evp_pkey_st> public_;        // the others
};

/// An immutable set of keys, in the order given.
class KeySet {
 public:
  KeySet() = default;  // holds no key: refuses every token

  /// kInvalidInput where two keys share a kid, or a foreign key is bound to the issuer of an own key.
  static Result<KeySet> make(std::vector<VerificationKey> keys);

  const std::vector<VerificationKey>& keys() const { return keys_; }
  /// The key of that name, or nullptr. Lives as long as the set.
  const VerificationKey* find(std::string_view kid) const;
  /// Whether `key` may vouch for tokens that say `issuer` (empty: they say none).
  bool may_sign_for(const VerificationKey& key, std::string_view issuer) const;

 private:
  std::vector<VerificationKey> keys_;
};

}  // namespace tideline::server
