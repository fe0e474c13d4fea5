#include "base/ids.h"

#include <memory>

#include <openssl/evp.h>

#include "base/random.h"

namespace tideline {
namespace {

constexpr std::size_t kTextLength = 36;

constexpr int nibble(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

constexpr bool is_dash_position(std::size_t i) { return i == 8 || i == 13 || i == 18 || i == 23; }

void stamp_version(Uuid& id, std::uint8_t version) {
  id.bytes[6] = static_cast<std::uint8_t>((id.bytes[6] & 0x0F) | (version << 4));
  id.bytes[8] = static_cast<std::uint8_t>((id.bytes[8] & 0x3F) | 0x80);
}

}  // namespace

std::optional<Uuid> Uuid::parse(std::string_view text) {
  if (text.size() != kTextLength) return std::nullopt;
  Uuid id;
  std::size_t digit = 0;
  for (std::size_t i = 0; i < kTextLength; ++i) {
    if (is_dash_position(i)) {
      if (text[i] != '-') return std::nullopt;
      continue;
    }
    const int value = nibble(text[i]);
    if (value < 0) return std::nullopt;
    auto& byte = id.bytes[digit / 2];
    byte = static_cast<std::uint8_t>(digit % 2 == 0 ? value << 4 : byte | value);
    ++digit;
  }
  return id;
}

Uuid Uuid::random() {
  Uuid id;
  fill_random(id.bytes);
  stamp_version(id, 4);
  return id;
}

Uuid Uuid::v5(const Uuid& space, std::string_view name) {
  // The method is fetched once: that costs more than the hash. The context is one for each thread and ends with it.
  static EVP_MD* const sha1 = EVP_MD_fetch(nullptr, "SHA1", nullptr);
  thread_local const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> owner(EVP_MD_CTX_new(), &EVP_MD_CTX_free);
  EVP_MD_CTX* const context = owner.get();
  std::array<std::uint8_t, 20> digest;
  EVP_DigestInit_ex2(context, sha1, nullptr);
  EVP_DigestUpdate(context, space.bytes.data(), space.bytes.size());
  EVP_DigestUpdate(context, name.data(), name.size());
  EVP_DigestFinal_ex(context, digest.data(), nullptr);
  Uuid id;
  std::memcpy(id.bytes.data(), digest.data(), id.bytes.size());
  stamp_version(id, 5);
  return id;
}

std::string Uuid::to_string() const {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text(kTextLength, '-');
  std::size_t at = 0;
  for (const std::uint8_t byte : bytes) {
    if (is_dash_position(at)) ++at;
    text[at++] = kDigits[byte >> 4];
    text[at++] = kDigits[byte & 15];
  }
  return text;
}

}  // namespace tideline
