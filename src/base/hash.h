#pragma once
// Hashes: SHA-256 where collisions must be infeasible (row hashes, tokens), XXH3-128 for cache keys and ETags.

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace tideline {

using Sha256Digest = std::array<std::uint8_t, 32>;

/// Incremental SHA-256. Not thread-safe. `finish` may be called once, after which `reset` starts anew.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;

  void reset();
  void update(std::span<const std::uint8_t> bytes);
  void update(std::string_view text);
  Sha256Digest finish();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

Sha256Digest sha256(std::string_view bytes);
/// HMAC-SHA-256 (RFC 2104).
Sha256Digest hmac_sha256(std::string_view key, std::string_view message);

/// 32 lower-case hex digits of MD5: to recognise what others hashed so (dbt's project_id), never for our own keys.
std::string md5_hex(std::string_view bytes);

/// 32 lower-case hex digits of XXH3-128. Not for anything an adversary may forge.
std::string xxh3_hex(std::string_view bytes);

using Xxh3Digest = std::array<std::uint8_t, 16>;

/// The same, of bytes that come in pieces. Not thread-safe.
class Xxh3 {
 public:
  Xxh3();
  ~Xxh3();
  Xxh3(Xxh3&&) noexcept;
  Xxh3& operator=(Xxh3&&) noexcept;

  void update(std::string_view bytes);
  /// Of all bytes so far; more may follow.
  Xxh3Digest digest() const;
  std::string hex() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Equality in time that does not depend on where the two differ.
bool equal_constant_time(std::string_view a, std::string_view b);

}  // namespace tideline
