#include "base/json.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>

#include <fmt/format.h>
#include <simdjson.h>

namespace tideline {
namespace {

using simdjson::dom::element;
using simdjson::dom::element_type;

Result<Json> convert(const element& in, std::string_view what) {
  switch (in.type()) {
    case element_type::NULL_VALUE:
      return Json();
    case element_type::BOOL:
      return Json(bool(in));
    case element_type::INT64:
      return Json(std::int64_t(in));
    case element_type::UINT64:
      return Json(static_cast<double>(std::uint64_t(in)));
    case element_type::DOUBLE:
      return Json(double(in));
    case element_type::STRING:
      return Json(std::string(std::string_view(in)));
    case element_type::ARRAY: {
      Json::Array array;
      for (const element child : simdjson::dom::array(in)) {
        TRY(auto value, convert(child, what));
        array.push_back(std::move(value));
      }
      return Json(std::move(array));
    }
    case element_type::OBJECT: {
      Json::Object object;
      for (const auto field : simdjson::dom::object(in)) {
        TRY(auto value, convert(field.value, what));
        object.emplace_back(std::string(field.key), std::move(value));
      }
      std::vector<std::string_view> keys;
      for (const auto& [key, value] : object) keys.push_back(key);
      std::sort(keys.begin(), keys.end());
      if (const auto twice = std::adjacent_find(keys.begin(), keys.end()); twice != keys.end())
        return fail(Code::kInvalidInput, fmt::format("{}: the key \"{}\" stands twice", what, *twice));
      return Json(std::move(object));
    }
  }
  return fail(Code::kInternal, fmt::format("{}: unknown JSON type", what));
}

void write_canonical(const Json& value, std::string& out) {
  if (const auto* b = value.if_bool()) {
    out += *b ? "true" : "false";
  } else if (const auto* integer = value.if_int()) {
    out += std::to_string(*integer);
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
  // simdjson copies the text even where there is none, from no address.
  if (text.empty()) return fail(Code::kInvalidInput, fmt::format("{} is not valid JSON: it is empty", what));
  simdjson::dom::parser parser;
  // Depth counts the root too; the limit keeps recursion in `convert` and in destructors bounded.
  if (const auto error = parser.allocate(std::max<std::size_t>(text.size(), 64), kMaxDepth); error)
    return fail(Code::kTooLarge, fmt::format("{}: {}", what, simdjson::error_message(error)));
  element root;
  if (const auto error = parser.parse(text.data(), text.size()).get(root); error)
    return fail(Code::kInvalidInput, fmt::format("{} is not valid JSON: {}", what, simdjson::error_message(error)));
  return convert(root, what);
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
