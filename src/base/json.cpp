#include "base/json.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>

#include <fmt/format.h>
#include <simdjson.h>

namespace tideline {
namespace {

namespace ondemand = simdjson::ondemand;

Error not_json(std::string_view what, std::string_view why) {
  return Error{Code::kInvalidInput, fmt::format("{} is not valid JSON: {}", what, why), {}, {}};
}

std::size_t digits_in(std::string_view text) { return std::min(text.find_first_not_of("0123456789"), text.size()); }

/// RFC 8259, and an integer of any length as it is written; nullopt for what is no number or beyond a double.
std::optional<Json> number_in(std::string_view text) {
  std::string_view rest = text;
  if (rest.starts_with('-')) rest.remove_prefix(1);
  const std::size_t whole = digits_in(rest);
  if (whole == 0 || (whole > 1 && rest.front() == '0')) return std::nullopt;
  rest.remove_prefix(whole);
  const bool is_integer = rest.empty();
  if (rest.starts_with('.')) {
    const std::size_t fraction = digits_in(rest.substr(1));
    if (fraction == 0) return std::nullopt;
    rest.remove_prefix(1 + fraction);
  }
  if (rest.starts_with('e') || rest.starts_with('E')) {
    rest.remove_prefix(1);
    if (rest.starts_with('+') || rest.starts_with('-')) rest.remove_prefix(1);
    const std::size_t exponent = digits_in(rest);
    if (exponent == 0) return std::nullopt;
    rest.remove_prefix(exponent);
  }
  if (!rest.empty()) return std::nullopt;
  std::int64_t integer = 0;
  if (is_integer && std::from_chars(text.data(), text.data() + text.size(), integer).ec == std::errc())
    return Json(integer);
  if (is_integer) return Json(Json::BigInteger{std::string(text)});
  double value = 0;
  if (std::from_chars(text.data(), text.data() + text.size(), value).ec != std::errc()) return std::nullopt;
  return Json(value);
}

/// A scalar as it stands, without the white space behind it.
std::string_view token_of(ondemand::value& value) {
  const std::string_view token = value.raw_json_token();
  return token.substr(0, token.find_last_not_of(" \n\t\r") + 1);
}

/// `depth`: how many arrays and objects it lies in. Bounds the recursion here and in destructors.
Result<Json> convert(ondemand::value in, std::string_view what, std::size_t depth);

Result<Json> convert_array(ondemand::array in, std::string_view what, std::size_t depth) {
  if (depth > Json::kMaxDepth) return fail(not_json(what, "it is nested too deeply"));
  Json::Array array;
  for (auto element : in) {
    ondemand::value child;
    if (const auto error = element.get(child); error) return fail(not_json(what, simdjson::error_message(error)));
    TRY(auto value, convert(child, what, depth + 1));
    array.push_back(std::move(value));
  }
  return Json(std::move(array));
}

Result<Json> convert_object(ondemand::object in, std::string_view what, std::size_t depth) {
  if (depth > Json::kMaxDepth) return fail(not_json(what, "it is nested too deeply"));
  Json::Object object;
  for (auto member : in) {
    ondemand::field field;
    if (const auto error = std::move(member).get(field); error)
      return fail(not_json(what, simdjson::error_message(error)));
    std::string_view key;
    if (const auto error = field.unescaped_key().get(key); error)
      return fail(not_json(what, simdjson::error_message(error)));
    std::string name(key);
    TRY(auto value, convert(field.value(), what, depth + 1));
    object.emplace_back(std::move(name), std::move(value));
  }
  std::vector<std::string_view> keys;
  for (const auto& [key, value] : object) keys.push_back(key);
  std::sort(keys.begin(), keys.end());
  if (const auto twice = std::adjacent_find(keys.begin(), keys.end()); twice != keys.end())
    return fail(Code::kInvalidInput, fmt::format("{}: the key \"{}\" stands twice", what, *twice));
  return Json(std::move(object));
}

Result<Json> convert(ondemand::value in, std::string_view what, std::size_t depth) {
  ondemand::json_type type{};
  auto error = in.type().get(type);
  if (!error) {
    switch (type) {
      case ondemand::json_type::array: {
        ondemand::array array;
        if (error = in.get_array().get(array); !error) return convert_array(array, what, depth);
        break;
      }
      case ondemand::json_type::object: {
        ondemand::object object;
        if (error = in.get_object().get(object); !error) return convert_object(object, what, depth);
        break;
      }
      case ondemand::json_type::string: {
        std::string_view text;
        if (error = in.get_string().get(text); !error) return Json(std::string(text));
        break;
      }
      case ondemand::json_type::boolean: {
        bool boolean = false;
        if (error = in.get_bool().get(boolean); !error) return Json(boolean);
        break;
      }
      case ondemand::json_type::number:
        if (auto number = number_in(token_of(in))) return std::move(*number);
        error = simdjson::NUMBER_ERROR;
        break;
      case ondemand::json_type::null:
        if (token_of(in) == "null") return Json();
        error = simdjson::N_ATOM_ERROR;
        break;
    }
  }
  return fail(not_json(what, simdjson::error_message(error)));
}

void write_canonical(const Json& value, std::string& out) {
  if (const auto* b = value.if_bool()) {
    out += *b ? "true" : "false";
  } else if (const auto* integer = value.if_int()) {
    out += std::to_string(*integer);
  } else if (const auto* big = value.if_big_integer()) {
    out += big->digits;
  } else if (const auto* d = value.if_double()) {
    if (!std::isfinite(*d)) {
      out += "null";
    } else if (*d == std::floor(*d) && std::fabs(*d) < 9.007199254740992e15) {
      out += std::to_string(static_cast<std::int64_t>(*d));
    } else {
      char buffer[32];
      const auto end = std::to_chars(buffer, buffer + sizeof buffer, *d).ptr;
      out.append(buffer, end);
    }
  } else if (const auto* s = value.if_string()) {
    append_json_string(out, *s);
  } else if (const auto* array = value.if_array()) {
    out += '[';
    for (std::size_t i = 0; i < array->size(); ++i) {
      if (i > 0) out += ',';
      write_canonical((*array)[i], out);
    }
    out += ']';
  } else if (const auto* object = value.if_object()) {
    std::vector<const Json::Object::value_type*> members;
    for (const auto& member : *object) members.push_back(&member);
    std::sort(members.begin(), members.end(), [](auto* a, auto* b) { return a->first < b->first; });
    out += '{';
    for (std::size_t i = 0; i < members.size(); ++i) {
      if (i > 0) out += ',';
      append_json_string(out, members[i]->first);
      out += ':';
      write_canonical(members[i]->second, out);
    }
    out += '}';
  } else {
    out += "null";
  }
}

/// Length of the UTF-8 sequence at `at`, or 0 where the bytes are none (overlong, surrogate, out of range, cut off).
std::size_t utf8_length(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(at);
  if (lead < 0x80) return 1;
  const std::size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || at + length > text.size()) return 0;
  for (std::size_t i = 1; i < length; ++i)
    if ((byte(at + i) & 0xC0) != 0x80) return 0;
  const unsigned char second = byte(at + 1);
  if ((lead == 0xE0 && second < 0xA0) || (lead == 0xED && second > 0x9F) || (lead == 0xF0 && second < 0x90) ||
      (lead == 0xF4 && second > 0x8F))
    return 0;
  return length;
}

}  // namespace

Result<Json> Json::parse(std::string_view text, std::string_view what) {
  if (text.empty()) return fail(not_json(what, "it is empty"));
  // As the only element of an array: simdjson gives scalars that stand alone in another way.
  std::string padded;
  padded.reserve(text.size() + 2 + simdjson::SIMDJSON_PADDING);
  padded += '[', padded += text, padded += ']';
  ondemand::parser parser;
  ondemand::document document;
  ondemand::array array;
  auto error = parser.iterate(padded.data(), padded.size(), padded.capacity()).get(document);
  if (!error) error = document.get_array().get(array);
  if (error) return fail(not_json(what, simdjson::error_message(error)));
  TRY(auto root, convert_array(array, what, 0));
  auto& elements = std::get<Array>(root.value_);
  if (elements.size() != 1 || !document.current_location().error())
    return fail(not_json(what, elements.empty() ? "it is empty" : "something stands behind it"));
  Json only = std::move(elements.front());
  return only;
}

const Json* Json::find(std::string_view key) const {
  if (const auto* object = if_object())
    for (const auto& [name, value] : *object)
      if (name == key) return &value;
  return nullptr;
}

std::optional<std::string> Json::string_at(std::string_view key) const {
  const Json* member = find(key);
  if (member == nullptr || member->if_string() == nullptr) return std::nullopt;
  return *member->if_string();
}

std::string Json::canonical() const {
  std::string out;
  write_canonical(*this, out);
  return out;
}

namespace {
/// Whether each of eight bytes stands for itself in a JSON string: ASCII, and no control, quote or backslash.
bool eight_are_plain(const char* bytes) {
  std::uint64_t word = 0;
  std::memcpy(&word, bytes, sizeof word);
  constexpr std::uint64_t kOnes = 0x0101010101010101, kHighs = 0x8080808080808080;
  const auto has_zero = [](std::uint64_t w) { return (w - kOnes) & ~w; };
  const std::uint64_t special =
      word | ((word - kOnes * 0x20) & ~word) | has_zero(word ^ (kOnes * '"')) | has_zero(word ^ (kOnes * '\\'));
  return (special & kHighs) == 0;
}
}  // namespace

void append_json_string(std::string& out, std::string_view text) {
  static constexpr char kHex[] = "0123456789abcdef";
  out += '"';
  std::size_t run = 0;  // start of the bytes not yet copied
  for (std::size_t i = 0; i < text.size();) {
    while (i + 8 <= text.size() && eight_are_plain(text.data() + i)) i += 8;
    if (i == text.size()) break;
    const auto c = static_cast<unsigned char>(text[i]);
    if (c >= 0x20 && c < 0x80 && c != '"' && c != '\\') {
      ++i;
      continue;
    }
    const std::size_t length = c >= 0x80 ? utf8_length(text, i) : 0;
    if (length > 0) {
      i += length;
      continue;
    }
    out.append(text, run, i - run);
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      case '\b':
        out += "\\b";
        break;
      case '\f':
        out += "\\f";
        break;
      default:
        if (c < 0x20) {
          out += "\\u00";
          out += kHex[c >> 4];
          out += kHex[c & 15];
        } else {
          out += "\xEF\xBF\xBD";
        }
    }
    run = ++i;
  }
  out.append(text, run);
  out += '"';
}

}  // namespace tideline
