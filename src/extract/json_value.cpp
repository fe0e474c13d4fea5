#include "extract/json_value.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

#include "base/json.h"

namespace tideline::extract {
namespace {

namespace ondemand = simdjson::ondemand;

static_assert(kMaxValueDepth + 8 < Json::kMaxDepth);

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD

void append_utf8(std::string& out, std::uint32_t point) {
  const auto byte = [&out](std::uint32_t value) { out += static_cast<char>(value); };
  if (point < 0x80) {
    byte(point);
  } else if (point < 0x800) {
    byte(0xC0 | (point >> 6)), byte(0x80 | (point & 0x3F));
  } else if (point < 0x10000) {
    byte(0xE0 | (point >> 12)), byte(0x80 | ((point >> 6) & 0x3F)), byte(0x80 | (point & 0x3F));
  } else {
    byte(0xF0 | (point >> 18)), byte(0x80 | ((point >> 12) & 0x3F)), byte(0x80 | ((point >> 6) & 0x3F));
    byte(0x80 | (point & 0x3F));
  }
}

/// The four hex digits at the start of `text`.
std::optional<std::uint32_t> code_unit(std::string_view text) {
  if (text.size() < 4) return std::nullopt;
  std::uint32_t unit = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + 4, unit, 16);
  if (error != std::errc() || end != text.data() + 4) return std::nullopt;
  return unit;
}

std::string_view token_of(ondemand::value& value) {
  std::string_view token = value.raw_json_token();
  while (!token.empty() &&
         (token.back() == ' ' || token.back() == '\n' || token.back() == '\t' || token.back() == '\r'))
    token.remove_suffix(1);
  return token;
}

std::optional<std::string> canonical_number(std::string_view token) {
  const char* const end = token.data() + token.size();
  std::int64_t integer = 0;
  if (const auto parsed = std::from_chars(token.data(), end, integer); parsed.ec == std::errc() && parsed.ptr == end)
    return std::to_string(integer);
  // An integer beyond 64 bits stays as it is written.
  const std::string_view digits = token.substr(token.starts_with('-') ? 1 : 0);
  if (!digits.empty() && digits.front() != '0' && digits.find_first_not_of("0123456789") == std::string_view::npos)
    return std::string(token);
  double number = 0;
  const auto parsed = std::from_chars(token.data(), end, number);
  if (parsed.ptr != end) return std::nullopt;
  if (parsed.ec == std::errc::result_out_of_range) return "null";
  if (parsed.ec != std::errc()) return std::nullopt;
  return Json(number).canonical();  // writes null for what is not finite
}

bool append_canonical(ondemand::value& value, Empty empty, std::size_t depth, std::string& out, bool& replaced) {
  if (depth > kMaxValueDepth) return false;
  switch (shape_of(value)) {
    case Shape::kText: {
      const auto text = text_of(value, replaced);
      if (!text) return false;
      append_json_string(out, *text);
      return true;
    }
    case Shape::kNumber: {
      const auto number = canonical_number(token_of(value));
      if (!number) return false;
      if (*number == "null") replaced = true;
      out += *number;
      return true;
    }
    case Shape::kBoolean:
    case Shape::kNull: {
      const std::string_view token = token_of(value);
      if (token == "NaN") {
        replaced = true;
        out += "null";
        return true;
      }
      if (token != "true" && token != "false" && token != "null") return false;
      out += token;
      return true;
    }
    case Shape::kArray: {
      ondemand::array array;
      if (value.get_array().get(array)) return false;
      out += '[';
      const std::size_t start = out.size();
      for (auto item : array) {
        ondemand::value element;
        if (item.get(element)) return false;
        if (out.size() > start) out += ',';
        if (!append_canonical(element, empty, depth + 1, out, replaced)) return false;
      }
      out += ']';
      return true;
    }
    case Shape::kObject: {
      ondemand::object object;
      if (value.get_object().get(object)) return false;
      std::vector<std::pair<std::string, std::string>> members;
      for (auto item : object) {
        ondemand::field field;
        if (std::move(item).get(field)) return false;
        ondemand::value member = field.value();
        std::string key;
        // The key's text ends at the quote before the colon; simdjson has checked that there is one.
        const char* raw = field.key().raw();
        const char* quote = raw;
        while (*quote != '"') quote += *quote == '\\' ? 2 : 1;
        if (!decode_json_string({raw, static_cast<std::size_t>(quote - raw)}, key, replaced)) return false;
        std::string text;
        if (!append_canonical(member, empty, depth + 1, text, replaced)) return false;
        if (empty == Empty::kDrop && says_nothing(text)) continue;
        members.emplace_back(std::move(key), std::move(text));
      }
      out += object_of(members);
      return true;
    }
    case Shape::kBroken:
      break;
  }
  return false;
}

}  // namespace

bool decode_json_string(std::string_view escaped, std::string& out, bool& replaced) {
  while (!escaped.empty()) {
    const std::size_t plain = std::min(escaped.find('\\'), escaped.size());
    out.append(escaped, 0, plain);
    escaped.remove_prefix(plain);
    if (escaped.empty()) break;
    if (escaped.size() < 2) return false;
    const char kind = escaped[1];
    escaped.remove_prefix(2);
    switch (kind) {
      case 'n':
        out += '\n';
        continue;
      case 't':
        out += '\t';
        continue;
      case 'r':
        out += '\r';
        continue;
      case 'b':
        out += '\b';
        continue;
      case 'f':
        out += '\f';
        continue;
      case '"':
      case '\\':
      case '/':
        out += kind;
        continue;
      case 'u':
        break;
      default:
        return false;
    }
    const auto unit = code_unit(escaped);
    if (!unit) return false;
    escaped.remove_prefix(4);
    std::uint32_t point = *unit;
    if (point >= 0xD800 && point <= 0xDFFF) {
      const auto low = point < 0xDC00 && escaped.starts_with("\\u") ? code_unit(escaped.substr(2)) : std::nullopt;
      if (low && *low >= 0xDC00 && *low <= 0xDFFF) {
        point = 0x10000 + ((point - 0xD800) << 10) + (*low - 0xDC00);
        escaped.remove_prefix(6);
      } else {
        point = 0;
      }
    }
    if (point == 0) {
      replaced = true;
      out += kReplacement;
    } else {
      append_utf8(out, point);
    }
  }
  return true;
}

std::string without_nul(std::string text) {
  if (text.find('\0') == std::string::npos) return text;
  std::string clean;
  for (const char c : text) c == '\0' ? clean += kReplacement : clean += c;
  return clean;
}

std::string_view to_string(Shape shape) {
  switch (shape) {
    case Shape::kText:
      return "a text";
    case Shape::kNull:
      return "null";
    case Shape::kNumber:
      return "a number";
    case Shape::kBoolean:
      return "true or false";
    case Shape::kObject:
      return "an object";
    case Shape::kArray:
      return "a list";
    case Shape::kBroken:
      break;
  }
  return "no JSON value";
}

Shape shape_of(ondemand::value& value) {
  const std::string_view token = value.raw_json_token();
  switch (token.empty() ? '\0' : token.front()) {
    case '"':
      return Shape::kText;
    case '{':
      return Shape::kObject;
    case '[':
      return Shape::kArray;
    case 't':
    case 'f':
      return Shape::kBoolean;
    case 'n':
    case 'N':  // NaN, as Python writes it
      return Shape::kNull;
    case '-':
    case '0':
    case '1':
    case '2':
    case '3':
    case '4':
    case '5':
    case '6':
    case '7':
    case '8':
    case '9':
    case 'I':  // Infinity
      return Shape::kNumber;
    default:
      return Shape::kBroken;
  }
}

std::optional<std::string> text_of(ondemand::value& value, bool& replaced) {
  const std::string_view token = token_of(value);
  if (token.size() < 2 || token.front() != '"' || token.back() != '"') return std::nullopt;
  std::string text;
  if (!decode_json_string(token.substr(1, token.size() - 2), text, replaced)) return std::nullopt;
  return text;
}

std::optional<std::string> canonical_of(ondemand::value& value, Empty empty, bool& replaced) {
  std::string out;
  if (!append_canonical(value, empty, 1, out, replaced)) return std::nullopt;
  return out;
}

bool says_nothing(std::string_view canonical) {
  return canonical.empty() || canonical == "null" || canonical == "\"\"" || canonical == "[]" || canonical == "{}";
}

std::string object_of(const std::vector<std::pair<std::string, std::string>>& members) {
  std::vector<const std::pair<std::string, std::string>*> sorted;
  sorted.reserve(members.size());
  for (const auto& member : members) sorted.push_back(&member);
  std::sort(sorted.begin(), sorted.end(), [](const auto* a, const auto* b) {
    return a->first != b->first ? a->first < b->first : a < b;  // equal keys stay in their order
  });
  std::string out = "{";
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    if (i + 1 < sorted.size() && sorted[i + 1]->first == sorted[i]->first) continue;  // the last one counts
    if (out.size() > 1) out += ',';
    append_json_string(out, sorted[i]->first);
    out += ':';
    out += sorted[i]->second;
  }
  out += '}';
  return out;
}

}  // namespace tideline::extract
