#pragma once
// Identifiers. Uuid is 16 bytes in network order (RFC 9562); the tagged ids keep an organization from being passed
// where a connection is meant. Values compare and hash by their bytes.

#include <array>
#include <compare>
#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace tideline {

struct Uuid {
  std::array<std::uint8_t, 16> bytes{};

  auto operator<=>(const Uuid&) const = default;

  /// The 36-character form, any case of hex digits; anything else (braces, no dashes, spaces) is nullopt.
  static std::optional<Uuid> parse(std::string_view text);
  /// Version 4 from the system's generator.
  static Uuid random();
  /// Version 5 (SHA-1) of `name` in the name space `space`.
  static Uuid v5(const Uuid& space, std::string_view name);

  /// 36 characters, lower case.
  std::string to_string() const;
  bool is_nil() const { return *this == Uuid{}; }
};

template <class Tag>
struct TaggedId {
  Uuid value;

  auto operator<=>(const TaggedId&) const = default;
  static std::optional<TaggedId> parse(std::string_view text) {
    if (auto uuid = Uuid::parse(text)) return TaggedId{*uuid};
    return std::nullopt;
  }
  static TaggedId random() { return TaggedId{Uuid::random()}; }
  std::string to_string() const { return value.to_string(); }
};

using OrganizationId = TaggedId<struct OrganizationTag>;
using ConnectionId = TaggedId<struct ConnectionTag>;
using UserId = TaggedId<struct UserTag>;
using SessionId = TaggedId<struct SessionTag>;

/// A position in an organization's history: the version a commit made, or 0 before the first.
struct Version {
  std::int64_t value = 0;
  auto operator<=>(const Version&) const = default;
};

}  // namespace tideline

template <>
struct std::hash<tideline::Uuid> {
  std::size_t operator()(const tideline::Uuid& id) const noexcept {
    std::uint64_t low = 0, high = 0;
    std::memcpy(&low, id.bytes.data(), 8);
    std::memcpy(&high, id.bytes.data() + 8, 8);
    return static_cast<std::size_t>(low ^ (high * 0x9E3779B97F4A7C15ULL));
  }
};
template <class Tag>
struct std::hash<tideline::TaggedId<Tag>> {
  std::size_t operator()(const tideline::TaggedId<Tag>& id) const noexcept {
    return std::hash<tideline::Uuid>()(id.value);
  }
};
