#pragma once
// Points in time as microseconds since 1970-01-01T00:00:00Z (PostgreSQL's resolution). No time zones but UTC.

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tideline {

struct Timestamp {
  std::int64_t micros = 0;

  auto operator<=>(const Timestamp&) const = default;

  static Timestamp now();
  /// ISO 8601 / RFC 3339: "2026-01-31T12:00:00", optional fraction of 1-9 digits (beyond six: cut off), then Z or
  /// ±hh:mm (or nothing: UTC). A space may stand for the T; a date alone is its midnight. Years 0001-9999; dates that
  /// do not exist are nullopt.
  static std::optional<Timestamp> parse(std::string_view text);
  /// "2026-01-31T12:00:00.000000Z": always six digits, always Z.
  std::string to_string() const;
};

}  // namespace tideline
