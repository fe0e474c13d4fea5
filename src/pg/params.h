#pragma once
// Parameters of a statement, in PostgreSQL's binary formats, each with its type: the server need not guess, and a
// number is never sent as text. Not for building SQL: values go beside the statement, never into it. One thread at a
// time.
//
//   Params p;
//   p.add(organization).add(name).add(std::optional<std::int64_t>{});
//
// Many rows in one statement go as arrays, one builder a column:
//
//   UuidArray ids; TextArray names;                        // insert into t select * from unnest($1::uuid[],
//   $2::text[]) for (const auto& row : rows) ids.add(row.id), names.add(row.name); Params p;
//   p.add(std::move(ids)).add(std::move(names));

#include <bit>
#include <concepts>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "base/time.h"

namespace tideline::pg {

/// A type's identity in the server's catalog (PostgreSQL's Oid). 0: the server infers it.
using TypeId = std::uint32_t;

/// What one statement may carry in all. The protocol and the server end at 1 GiB; both sides hold several copies while
/// it is under way, so batches should be far smaller.
inline constexpr std::size_t kMaxParameterBytes = std::size_t{256} << 20;

/// Tags for element types that share a C++ type with text.
struct Bytea {
  std::span<const std::uint8_t> bytes;
};
struct Jsonb {
  std::string_view text;  // one JSON value; the server refuses anything else
};

/// PostgreSQL counts microseconds from 2000-01-01, we from 1970-01-01.
inline constexpr std::int64_t kPostgresEpochMicros = 946'684'800'000'000;

namespace wire {

template <std::unsigned_integral T>
void put(std::string& out, T value) {
  char bytes[sizeof(T)];
  for (std::size_t i = 0; i < sizeof(T); ++i)
    bytes[i] = static_cast<char>(static_cast<std::uint8_t>(value >> (8 * (sizeof(T) - 1 - i))));
  out.append(bytes, sizeof(T));
}

/// How a C++ type travels: its type, the type of its array, and its bytes.
template <class T>
struct Format;

template <>
struct Format<std::int64_t> {
  static constexpr TypeId kType = 20, kArray = 1016;
  using View = std::int64_t;
  static void append(std::string& out, View v) { put(out, static_cast<std::uint64_t>(v)); }
};
template <>
struct Format<std::int32_t> {
  static constexpr TypeId kType = 23, kArray = 1007;
  using View = std::int32_t;
  static void append(std::string& out, View v) { put(out, static_cast<std::uint32_t>(v)); }
};
template <>
struct Format<bool> {
  static constexpr TypeId kType = 16, kArray = 1000;
  using View = bool;
  static void append(std::string& out, View v) { out.push_back(v ? '\1' : '\0'); }
};
template <>
struct Format<double> {
  static constexpr TypeId kType = 701, kArray = 1022;
  using View = double;
  static void append(std::string& out, View v) { put(out, std::bit_cast<std::uint64_t>(v)); }
};
template <>
struct Format<std::string> {
  static constexpr TypeId kType = 25, kArray = 1009;
  using View = std::string_view;
  static void append(std::string& out, View v) { out.append(v); }
};
template <>
struct Format<Uuid> {
  static constexpr TypeId kType = 2950, kArray = 2951;
  using View = Uuid;
  static void append(std::string& out, const Uuid& v) {
    out.append(reinterpret_cast<const char*>(v.bytes.data()), v.bytes.size());
  }
};
template <>
struct Format<Timestamp> {
  static constexpr TypeId kType = 1184, kArray = 1185;
  using View = Timestamp;
  static void append(std::string& out, View v) {
    put(out, static_cast<std::uint64_t>(v.micros - kPostgresEpochMicros));
  }
};
template <>
struct Format<Bytea> {
  static constexpr TypeId kType = 17, kArray = 1001;
  using View = std::span<const std::uint8_t>;
  static void append(std::string& out, View v) { out.append(reinterpret_cast<const char*>(v.data()), v.size()); }
};
template <>
struct Format<Jsonb> {
  static constexpr TypeId kType = 3802, kArray = 3807;
  using View = std::string_view;
  static void append(std::string& out, View v) { out.push_back('\1'), out.append(v); }  // a version byte, then text
};

}  // namespace wire

/// A one-dimensional array parameter, filled element by element. Appending is O(bytes), amortised; nothing is kept but
/// the encoded form.
template <class T>
class ArrayBuilder {
 public:
  using View = typename wire::Format<T>::View;

  ArrayBuilder() : bytes_(kHeader, '\0') {}

  void add(const View& value) {
    const std::size_t at = bytes_.size();
    bytes_.append(4, '\0');
    wire::Format<T>::append(bytes_, value);
    patch(at, static_cast<std::uint32_t>(bytes_.size() - at - 4));
    ++count_;
  }
  /// Without a value: NULL.
  template <class U>
    requires std::convertible_to<const U&, View>
  void add(const std::optional<U>& value) {
    if (value) {
      add(View(*value));
    } else {
      add_null();
    }
  }
  template <class Tag>
    requires std::same_as<T, Uuid>
  void add(const TaggedId<Tag>& id) {
    add(id.value);
  }
  void add(Version version)
    requires std::same_as<T, std::int64_t>
  {
    add(version.value);
  }
  void add_null() {
    wire::put(bytes_, std::uint32_t{0xFFFFFFFF});
    has_null_ = true;
    ++count_;
  }

  /// Elements so far, and the bytes they will take on the wire: what a caller bounds its batches by.
  std::size_t size() const { return count_; }
  std::size_t size_bytes() const { return bytes_.size(); }
  void reserve(std::size_t elements, std::size_t bytes_each) { bytes_.reserve(kHeader + elements * (bytes_each + 4)); }

 private:
  friend class Params;
  static constexpr std::size_t kHeader = 20;  // dimensions, null flag, element type, length, lower bound

  void patch(std::size_t at, std::uint32_t value) {
    for (std::size_t i = 0; i < 4; ++i)
      bytes_[at + i] = static_cast<char>(static_cast<std::uint8_t>(value >> (24 - 8 * i)));
  }
  std::string finish() && {
    patch(0, count_ == 0 ? 0 : 1);
    patch(4, has_null_ ? 1 : 0);
    patch(8, wire::Format<T>::kType);
    patch(12, static_cast<std::uint32_t>(count_));
    patch(16, 1);
    if (count_ == 0) bytes_.resize(12);  // an empty array has no dimensions
    return std::move(bytes_);
  }

  std::string bytes_;
  std::size_t count_ = 0;
  bool has_null_ = false;
};

using UuidArray = ArrayBuilder<Uuid>;
using TextArray = ArrayBuilder<std::string>;
using Int8Array = ArrayBuilder<std::int64_t>;
using Int4Array = ArrayBuilder<std::int32_t>;
using BoolArray = ArrayBuilder<bool>;
using TimestampArray = ArrayBuilder<Timestamp>;
using ByteaArray = ArrayBuilder<Bytea>;
using Float8Array = ArrayBuilder<double>;
using JsonbArray = ArrayBuilder<Jsonb>;

class Params {
 public:
  struct Value {
    TypeId type = 0;
    bool is_null = false;
    std::string bytes;
  };

  /// Each add() appends the next of $1, $2, …; the bytes are copied. Text must be UTF-8 without NUL (else the server
  /// answers kInvalidInput).
  Params& add(std::int64_t value) { return encode<std::int64_t>(value); }
  Params& add(std::int32_t value) { return encode<std::int32_t>(value); }
  Params& add(std::same_as<bool> auto value) { return encode<bool>(value); }
  Params& add(double value) { return encode<double>(value); }
  Params& add(std::string_view text) { return encode<std::string>(text); }
  Params& add(const std::string& text) { return encode<std::string>(text); }
  Params& add(const char* text) { return encode<std::string>(text); }
  Params& add(const Uuid& id) { return encode<Uuid>(id); }
  Params& add(Timestamp time) { return encode<Timestamp>(time); }
  Params& add(Version version) { return encode<std::int64_t>(version.value); }
  template <class Tag>
  Params& add(const TaggedId<Tag>& id) {
    return encode<Uuid>(id.value);
  }
  Params& add_bytea(std::span<const std::uint8_t> bytes) { return encode<Bytea>(bytes); }
  /// `text` as jsonb.
  Params& add_json(std::string_view text) { return encode<Jsonb>(text); }
  Params& add_json(const char* text) { return encode<Jsonb>(text); }
  Params& add_json(const std::optional<std::string>& text) { return text ? encode<Jsonb>(*text) : null_of<Jsonb>(); }

  /// The value, or a NULL of its type.
  Params& add(const std::optional<std::int64_t>& v) { return optional<std::int64_t>(v); }
  Params& add(const std::optional<std::int32_t>& v) { return optional<std::int32_t>(v); }
  Params& add(const std::optional<bool>& v) { return optional<bool>(v); }
  Params& add(const std::optional<double>& v) { return optional<double>(v); }
  Params& add(const std::optional<std::string>& v) { return optional<std::string>(v); }
  Params& add(const std::optional<std::string_view>& v) { return optional<std::string>(v); }
  Params& add(const std::optional<Uuid>& v) { return optional<Uuid>(v); }
  Params& add(const std::optional<Timestamp>& v) { return optional<Timestamp>(v); }
  template <class Tag>
  Params& add(const std::optional<TaggedId<Tag>>& v) {
    return v ? encode<Uuid>(v->value) : null_of<Uuid>();
  }

  /// A whole array; its bytes are moved, not copied.
  template <class T>
  Params& add(ArrayBuilder<T>&& array) {
    values_.push_back({wire::Format<T>::kArray, false, std::move(array).finish()});
    return *this;
  }
  /// A NULL whose type the server infers.
  Params& add_null() {
    values_.push_back({0, true, {}});
    return *this;
  }

  std::size_t size() const { return values_.size(); }
  std::size_t size_bytes() const {
    std::size_t sum = 0;
    for (const Value& value : values_) sum += value.bytes.size();
    return sum;
  }
  const std::vector<Value>& values() const { return values_; }

 private:
  template <class T>
  Params& encode(const typename wire::Format<T>::View& view) {
    Value& value = values_.emplace_back();
    value.type = wire::Format<T>::kType;
    wire::Format<T>::append(value.bytes, view);
    return *this;
  }
  template <class T>
  Params& null_of() {
    values_.push_back({wire::Format<T>::kType, true, {}});
    return *this;
  }
  template <class T, class U>
  Params& optional(const std::optional<U>& v) {
    return v ? encode<T>(*v) : null_of<T>();
  }

  std::vector<Value> values_;
};

}  // namespace tideline::pg
