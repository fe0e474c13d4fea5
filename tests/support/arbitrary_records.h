#pragma once
// Records with any content at all, for properties: every field null or not, empty or long, in any script.

#include <optional>
#include <string>

#include <rapidcheck.h>

#include "model/records.h"

namespace tideline::test {

/// UTF-8 of 1 to 4 bytes a character, never NUL (PostgreSQL has none).
inline std::string any_text() {
  const auto code_points = *rc::gen::container<std::vector<std::uint32_t>>(rc::gen::oneOf(
      rc::gen::inRange<std::uint32_t>(1, 0x80), rc::gen::inRange<std::uint32_t>(0x80, 0x800),
      rc::gen::inRange<std::uint32_t>(0x800, 0xD800), rc::gen::inRange<std::uint32_t>(0x10000, 0x110000)));
  std::string text;
  for (const std::uint32_t c : code_points) {
    if (c < 0x80) {
      text += static_cast<char>(c);
    } else if (c < 0x800) {
      text += static_cast<char>(0xC0 | c >> 6);
      text += static_cast<char>(0x80 | (c & 0x3F));
    } else if (c < 0x10000) {
      text += static_cast<char>(0xE0 | c >> 12);
      text += static_cast<char>(0x80 | (c >> 6 & 0x3F));
      text += static_cast<char>(0x80 | (c & 0x3F));
    } else {
      text += static_cast<char>(0xF0 | c >> 18);
      text += static_cast<char>(0x80 | (c >> 12 & 0x3F));
      text += static_cast<char>(0x80 | (c >> 6 & 0x3F));
      text += static_cast<char>(0x80 | (c & 0x3F));
    }
  }
  return text;
}

inline Uuid any_uuid() {
  Uuid id;
  for (auto& byte : id.bytes) byte = *rc::gen::arbitrary<std::uint8_t>();
  return id;
}

inline void fill(std::string& out) { out = any_text(); }
inline void fill(JsonText& out) { out.text = *rc::gen::element<std::string>("{}", "[]", R"({"a":[1,"é"]})", "null"); }
inline void fill(std::int64_t& out) { out = *rc::gen::arbitrary<std::int64_t>(); }
inline void fill(Confidence& out) { out.thousandths = *rc::gen::inRange<std::int64_t>(0, 1001); }
inline void fill(Timestamp& out) { out.micros = *rc::gen::arbitrary<std::int64_t>(); }
inline void fill(bool& out) { out = *rc::gen::arbitrary<bool>(); }
inline void fill(Uuid& out) { out = any_uuid(); }
template <class T>
void fill(std::optional<T>& out) {
  if (*rc::gen::arbitrary<bool>()) fill(out.emplace());
}

/// Inside a property only.
template <class Record>
Record any_record() {
  Record record;
  Record::for_each_field(record, [](int, auto& value) { fill(value); });
  return record;
}

/// Whether all fields of both are equal.
template <class Record>
bool same_record(const Record& a, const Record& b) {
  std::string left, right;
  const auto write = [](std::string& out) {
    return [&out](int tag, const auto& value) {
      const auto put = [&out, tag](const auto& v) {
        out += std::to_string(tag) + "=";
        if constexpr (requires { v.text; })
          out += v.text;
        else if constexpr (requires { v.thousandths; })
          out += std::to_string(v.thousandths);
        else if constexpr (requires { v.micros; })
          out += std::to_string(v.micros);
        else if constexpr (requires { v.bytes; })
          out += v.to_string();
        else if constexpr (requires { out += v.substr(0); })
          out += v;
        else
          out += std::to_string(v);
        out += ';';
      };
      if constexpr (requires { value.has_value(); }) {
        if (value) put(*value);
      } else {
        put(value);
      }
    };
  };
  Record::for_each_field(a, write(left));
  Record::for_each_field(b, write(right));
  return left == right;
}

}  // namespace tideline::test
