#include "model/row_hash.h"

#include <cstring>

#include "base/hash.h"
#include "base/text.h"

namespace tideline {
namespace {

constexpr std::size_t kEntryBytes = 24;  // a kind's count and sum

template <class Integer>
void append_big_endian(std::string& out, Integer value, std::size_t width) {
  for (std::size_t i = width; i-- > 0;) out += static_cast<char>(static_cast<std::uint8_t>(value >> (8 * i)));
}

unsigned __int128 big_endian(std::string_view bytes) {
  unsigned __int128 value = 0;
  for (const char c : bytes) value = value << 8 | static_cast<unsigned char>(c);
  return value;
}

unsigned __int128 number(const RowHash& hash) {
  return big_endian({reinterpret_cast<const char*>(hash.bytes.data()), hash.bytes.size()});
}

}  // namespace

RowHash hash_of_row_bytes(std::string_view bytes) {
  const Sha256Digest digest = sha256(bytes);
  RowHash hash;
  std::memcpy(hash.bytes.data(), digest.data(), hash.bytes.size());
  return hash;
}

void KindDigest::add(const RowHash& hash) {
  ++count;
  sum += number(hash);
}

void KindDigest::remove(const RowHash& hash) {
  --count;
  sum -= number(hash);
}

std::string Digest::to_bytes() const {
  std::string bytes;
  bytes.reserve(kKindCount * kEntryBytes);
  for (const auto& kind : kinds) {
    append_big_endian(bytes, static_cast<std::uint64_t>(kind.count), 8);
    append_big_endian(bytes, kind.sum, 16);
  }
  return bytes;
}

std::optional<Digest> Digest::from_bytes(std::string_view bytes) {
  if (bytes.size() != kKindCount * kEntryBytes) return std::nullopt;
  Digest digest;
  for (auto& kind : digest.kinds) {
    kind.count = static_cast<std::int64_t>(big_endian(bytes.substr(0, 8)));
    kind.sum = big_endian(bytes.substr(8, 16));
    bytes.remove_prefix(kEntryBytes);
  }
  return digest;
}

std::string Digest::fingerprint() const {
  const Sha256Digest digest = sha256(to_bytes());
  return hex({digest.data(), 16});
}

}  // namespace tideline
