#pragma once
// Small JSON documents: a strict reader (RFC 8259, UTF-8 checked, duplicate keys refused, depth limited) and an
// append-only writer. Not for manifests: those are cut and read by `extract`.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/error.h"

namespace tideline {

/// A parsed value. Objects keep the order of the text.
class Json {
 public:
  using Array = std::vector<Json>;
  using Object = std::vector<std::pair<std::string, Json>>;
  /// An integer beyond 64 bits, as it was written: no digit of it is lost.
  struct BigInteger {
    std::string digits;
  };

  Json() = default;
  explicit Json(bool value) : value_(value) {}
  explicit Json(std::int64_t value) : value_(value) {}
  explicit Json(BigInteger value) : value_(std::move(value)) {}
  explicit Json(double value) : value_(value) {}
  explicit Json(std::string value) : value_(std::move(value)) {}
  explicit Json(const char* text) : value_(std::string(text)) {}  // else a literal would become a boolean
  explicit Json(Array value) : value_(std::move(value)) {}
  explicit Json(Object value) : value_(std::move(value)) {}

  static constexpr std::size_t kMaxDepth = 64;

  /// kInvalidInput with the reason; `what` names the document in the message ("request body").
  static Result<Json> parse(std::string_view text, std::string_view what);

  bool is_null() const { return std::holds_alternative<std::monostate>(value_); }
  const bool* if_bool() const { return std::get_if<bool>(&value_); }
  const std::int64_t* if_int() const { return std::get_if<std::int64_t>(&value_); }
  const BigInteger* if_big_integer() const { return std::get_if<BigInteger>(&value_); }
  const double* if_double() const { return std::get_if<double>(&value_); }
  const std::string* if_string() const { return std::get_if<std::string>(&value_); }
  const Array* if_array() const { return std::get_if<Array>(&value_); }
  const Object* if_object() const { return std::get_if<Object>(&value_); }
  /// The member of an object, or nullptr when this is no object or has no such key.
  const Json* find(std::string_view key) const;
  /// The member where it is a string.
  std::optional<std::string> string_at(std::string_view key) const;

  /// Canonical text: keys sorted by their bytes, no white space, integers without exponent, doubles shortest
  /// round-trip. Equal documents have equal text.
  std::string canonical() const;

 private:
  std::variant<std::monostate, bool, std::int64_t, BigInteger, double, std::string, Array, Object> value_;
};

/// Appends `text` as a JSON string with its quotes. Bytes that are not UTF-8 become U+FFFD.
void append_json_string(std::string& out, std::string_view text);

/// Writes JSON into a string it is given. Commas are placed by the writer. Keys are taken as literals that need no
/// escaping. Not checked: that the calls nest properly.
class JsonWriter {
 public:
  explicit JsonWriter(std::string& out) : out_(out) {}

  JsonWriter& begin_object() { return open('{'); }
  JsonWriter& end_object() { return close('}'); }
  JsonWriter& begin_array() { return open('['); }
  JsonWriter& end_array() { return close(']'); }
  JsonWriter& key(std::string_view name) {
    comma();
    out_ += '"';
    out_ += name;
    out_ += "\":";
    fresh_ = true;
    return *this;
  }
  JsonWriter& string(std::string_view text) {
    comma();
    append_json_string(out_, text);
    return *this;
  }
  JsonWriter& number(std::int64_t value) { return raw(std::to_string(value)); }
  JsonWriter& boolean(bool value) { return raw(value ? "true" : "false"); }
  JsonWriter& null() { return raw("null"); }
  /// Text that already is JSON.
  JsonWriter& raw(std::string_view json) {
    comma();
    out_ += json;
    return *this;
  }
  JsonWriter& optional_string(const std::optional<std::string>& text) { return text ? string(*text) : null(); }

 private:
  void comma() {
    if (!fresh_) out_ += ',';
    fresh_ = false;
  }
  JsonWriter& open(char c) {
    comma();
    out_ += c;
    fresh_ = true;
    return *this;
  }
  JsonWriter& close(char c) {
    out_ += c;
    fresh_ = false;
    return *this;
  }

  std::string& out_;
  bool fresh_ = true;
};

}  // namespace tideline
