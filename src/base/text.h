#pragma once
// Text: encodings and ASCII folding. All functions are pure.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tideline {

/// Lower-case hex digits, two a byte.
std::string hex(std::span<const std::uint8_t> bytes);
/// nullopt unless `text` is an even number of hex digits.
std::optional<std::vector<std::uint8_t>> from_hex(std::string_view text);

/// RFC 4648 §5 without padding. Decoding is strict: no padding, no other alphabet, and the unused bits of the last
/// digit must be zero, so each byte string has exactly one text.
std::string base64url(std::string_view bytes);
std::optional<std::string> from_base64url(std::string_view text);

/// ASCII letters only; other bytes stay (so UTF-8 stays UTF-8).
std::string ascii_lower(std::string_view text);
bool equal_ignoring_case(std::string_view a, std::string_view b);

std::string_view trim(std::string_view text);
std::vector<std::string_view> split(std::string_view text, char separator);
bool is_valid_utf8(std::string_view text);

}  // namespace tideline
