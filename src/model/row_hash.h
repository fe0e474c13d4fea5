#pragma once
// The hash of a row and the digest of a set of rows.
//
// A row's hash is the first 16 bytes of SHA-256 over: the kind (1 byte), then for each field that is not null, in tag
// order: tag (2 bytes, big-endian), type (1 byte: 1 text, 2 integer, 3 uuid, 4 boolean, 5 JSON, 6 time), length of the
// value (4 bytes, big-endian) and the value. Text and JSON are UTF-8; integers, times (µs since 1970, UTC) and
// confidences (0–1000, as integers) 8 bytes big-endian two's complement; booleans one byte.
//
// A digest is, per kind, the number of rows and the sum of their hashes, read big-endian, modulo 2^128: it changes in
// time proportional to what changed. Test vectors: tests/model/row_hash_test.cpp and docs/formats.md.

#include <array>
#include <cstdint>
#include <string>

#include "base/hash.h"
#include "base/text.h"
#include "model/records.h"

namespace tideline {

struct RowHash {
  std::array<std::uint8_t, 16> bytes{};
  auto operator<=>(const RowHash&) const = default;
};

/// Builds the hashed bytes of one row. Reusable: `start` forgets the last.
class RowHasher {
 public:
  void start(Kind kind) {
    buffer_.clear();
    buffer_ += static_cast<char>(kind);
  }
  void field(std::uint16_t tag, const std::string& text) { put(tag, 1, text); }
  void field(std::uint16_t tag, std::int64_t value) { put_integer(tag, 2, value); }
  void field(std::uint16_t tag, const Confidence& value) { put_integer(tag, 2, value.thousandths); }
  void field(std::uint16_t tag, const Uuid& id) {
    put(tag, 3, {reinterpret_cast<const char*>(id.bytes.data()), id.bytes.size()});
  }
  void field(std::uint16_t tag, bool value) { put(tag, 4, std::string_view(value ? "\1" : "\0", 1)); }
  void field(std::uint16_t tag, const JsonText& json) { put(tag, 5, json.text); }
  void field(std::uint16_t tag, const Timestamp& time) { put_integer(tag, 6, time.micros); }
  template <class T>
  void field(std::uint16_t tag, const std::optional<T>& value) {
    if (value) field(tag, *value);
  }
  RowHash finish() const;

 private:
  void put(std::uint16_t tag, std::uint8_t type, std::string_view bytes);
  void put_integer(std::uint16_t tag, std::uint8_t type, std::int64_t value);

  std::string buffer_;
};

template <class Record>
RowHash row_hash(const Record& record) {
  thread_local RowHasher hasher;
  hasher.start(Record::kKind);
  Record::for_each_field(record, [](std::uint16_t tag, const auto& value) { hasher.field(tag, value); });
  return hasher.finish();
}

/// (row count, Σ row_hash mod 2^128) of one kind.
struct KindDigest {
  std::int64_t count = 0;
  unsigned __int128 sum = 0;
  bool operator==(const KindDigest&) const = default;

  void add(const RowHash& hash);
  void remove(const RowHash& hash);
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
