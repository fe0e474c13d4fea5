#pragma once
// The hash of a row and the digest of a set of rows.
//
// A row's hash is the first 16 bytes of SHA-256 over the row's bytes (row_encoder.h).
//
// A digest is, per kind, the number of rows and the sum of their hashes, read big-endian, modulo 2^128: it changes in
// time proportional to what changed. Test vectors: tests/model/row_hash_test.cpp and docs/formats.md.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "model/records.h"
#include "model/row_encoder.h"

namespace tideline {

struct RowHash {
  std::array<std::uint8_t, 16> bytes{};
  auto operator<=>(const RowHash&) const = default;
};

/// Of the bytes of a row (row_encoder.h).
RowHash hash_of_row_bytes(std::string_view bytes);

template <class Record>
RowHash row_hash(const Record& record) {
  thread_local std::string bytes;
  bytes.clear();
  append_row_bytes(bytes, record);
  return hash_of_row_bytes(bytes);
}

/// (row count, Σ row_hash mod 2^128) of one kind.
struct KindDigest {
  std::int64_t count = 0;
  unsigned __int128 sum = 0;
  bool operator==(const KindDigest&) const = default;

  void add(const RowHash& hash);
  void remove(const RowHash& hash);
  /// The rows of both together; of a difference its counts may be negative.
  void add(const KindDigest& other) { count += other.count, sum += other.sum; }
};

/// The digest of a connection: one entry per kind, index = kind number - 1.
struct Digest {
  std::array<KindDigest, kKindCount> kinds{};
  bool operator==(const Digest&) const = default;

  KindDigest& of(Kind kind) { return kinds[static_cast<std::size_t>(kind) - 1]; }
  const KindDigest& of(Kind kind) const { return kinds[static_cast<std::size_t>(kind) - 1]; }

  /// 7 × (8 bytes count, 16 bytes sum), big-endian: what the store keeps.
  std::string to_bytes() const;
  static std::optional<Digest> from_bytes(std::string_view bytes);
  /// SHA-256 of `to_bytes`, first 16 bytes as hex: short enough to show and compare.
  std::string fingerprint() const;
};

}  // namespace tideline
