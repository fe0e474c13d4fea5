#include "http/query.h"

#include <algorithm>

#include "base/text.h"

namespace tideline::http {

namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/// Decoded, and fit to be a piece of text; or why not.
tl::expected<std::string, std::string_view> decode_text(std::string_view raw) {
  auto decoded = percent_decode(raw, PlusMeans::kSpace);
  if (!decoded)
    return tl::unexpected(std::string_view("'%' must be followed by two hex digits (a plain '%' is written %25)"));
  if (decoded->find('\0') != std::string::npos) return tl::unexpected(std::string_view("contains a NUL character"));
  if (!is_valid_utf8(*decoded)) return tl::unexpected(std::string_view("is not valid UTF-8"));
  return std::move(*decoded);
}

/// What may be shown back of a name that did not decode.
std::string printable(std::string_view raw) {
  std::string shown;
  for (const char c : raw.substr(0, kMaxQueryNameBytes)) shown += c >= 0x20 && c < 0x7f ? c : '?';
  return shown;
}

}  // namespace

std::optional<std::string> percent_decode(std::string_view text, PlusMeans plus) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%') {
      if (text.size() - i < 3) return std::nullopt;
      const int high = hex_digit(text[i + 1]);
      const int low = hex_digit(text[i + 2]);
      if (high < 0 || low < 0) return std::nullopt;
      out += static_cast<char>(high * 16 + low);
      i += 2;
    } else if (text[i] == '+' && plus == PlusMeans::kSpace) {
      out += ' ';
    } else {
      out += text[i];
    }
  }
  return out;
}

std::string percent_encode(std::string_view text) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool unreserved = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                            c == '.' || c == '_' || c == '~';
    if (unreserved) {
      out += c;
    } else {
      out += '%';
      out += kDigits[byte >> 4];
      out += kDigits[byte & 15];
    }
  }
  return out;
}

tl::expected<Query, std::vector<FieldError>> Query::parse(std::string_view raw) {
  Query query;
  std::vector<FieldError> errors;
  std::size_t count = 0;
  while (!raw.empty()) {
    const std::string_view piece = raw.substr(0, raw.find('&'));
    raw.remove_prefix(std::min(raw.size(), piece.size() + 1));
    if (piece.empty()) continue;
    if (++count > kMaxQueryParameters) {
      errors.push_back({"query", "has more than " + std::to_string(kMaxQueryParameters) + " parameters"});
      break;
    }
    const std::size_t equals = piece.find('=');
    const std::string_view raw_name = piece.substr(0, equals);
    const std::string_view raw_value = equals == std::string_view::npos ? std::string_view{} : piece.substr(equals + 1);

    auto name = decode_text(raw_name);
    if (!name) {
      errors.push_back({printable(raw_name), "the name " + std::string(name.error())});
      continue;
    }
    if (name->size() > kMaxQueryNameBytes) {
      errors.push_back(
          {printable(raw_name), "the name is longer than " + std::to_string(kMaxQueryNameBytes) + " bytes"});
      continue;
    }
    auto value = decode_text(raw_value);
    if (!value) {
      errors.push_back({std::move(*name), std::string(value.error())});
      continue;
    }
    query.parameters_.emplace_back(std::move(*name), std::move(*value));
  }
  if (!errors.empty()) return tl::unexpected(std::move(errors));
  return query;
}

std::optional<std::string_view> Query::find(std::string_view name) const {
  for (const auto& [key, value] : parameters_)
    if (key == name) return value;
  return std::nullopt;
}

std::vector<std::string_view> Query::all(std::string_view name) const {
  std::vector<std::string_view> values;
  for (const auto& [key, value] : parameters_)
    if (key == name) values.push_back(value);
  return values;
}

std::size_t Query::count(std::string_view name) const {
  return static_cast<std::size_t>(
      std::count_if(parameters_.begin(), parameters_.end(), [&](const auto& entry) { return entry.first == name; }));
}

}  // namespace tideline::http
