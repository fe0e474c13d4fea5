#pragma once
// The bytes of a row: what its hash is taken over, and what it is on the wire (docs/formats.md, "Row hash"). Kind
// (1 byte), then for each field that is not null, in ascending tag order: tag (2 bytes, big-endian), type (1), length
// of the value (4, big-endian), value. Reading them back is wire/row_bytes.h. Not thread-safe; O(bytes).

#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

#include "model/records.h"

namespace tideline {

/// Numbers of the format: never changed, never reused.
enum class FieldType : std::uint8_t {
  kText = 1,     // UTF-8
  kInteger = 2,  // 8 bytes, big-endian, two's complement; confidences as thousandths
  kId = 3,       // 16 bytes
  kBoolean = 4,  // one byte, 0 or 1
  kJson = 5,     // canonical text, UTF-8
  kTime = 6,     // microseconds since 1970 as an integer
};

/// Appends one row to a string. Tags are given in ascending order; a null field is not given at all.
class RowEncoder {
 public:
  RowEncoder(std::string& out, Kind kind) : out_(out) { out_ += static_cast<char>(kind); }

  void text(std::uint16_t tag, std::string_view value) { put(tag, FieldType::kText, value); }
  void json(std::uint16_t tag, std::string_view value) { put(tag, FieldType::kJson, value); }
  void integer(std::uint16_t tag, std::int64_t value) { put_number(tag, FieldType::kInteger, value); }
  void time(std::uint16_t tag, Timestamp value) { put_number(tag, FieldType::kTime, value.micros); }
  void boolean(std::uint16_t tag, bool value) {
    put(tag, FieldType::kBoolean, std::string_view(value ? "\1" : "\0", 1));
  }
  void id(std::uint16_t tag, const Uuid& value) {
    put(tag, FieldType::kId, {reinterpret_cast<const char*>(value.bytes.data()), value.bytes.size()});
  }

  void field(std::uint16_t tag, const std::string& value) { text(tag, value); }
  void field(std::uint16_t tag, const JsonText& value) { json(tag, value.text); }
  void field(std::uint16_t tag, std::int64_t value) { integer(tag, value); }
  void field(std::uint16_t tag, const Confidence& value) { integer(tag, value.thousandths); }
  void field(std::uint16_t tag, const Timestamp& value) { time(tag, value); }
  void field(std::uint16_t tag, bool value) { boolean(tag, value); }
  void field(std::uint16_t tag, const Uuid& value) { id(tag, value); }
  template <class T>
  void field(std::uint16_t tag, const std::optional<T>& value) {
    if (value) field(tag, *value);
  }

 private:
  void put(std::uint16_t tag, FieldType type, std::string_view value) {
    const auto size = static_cast<std::uint32_t>(value.size());
    const char head[7] = {static_cast<char>(tag >> 8),   static_cast<char>(tag),        static_cast<char>(type),
                          static_cast<char>(size >> 24), static_cast<char>(size >> 16), static_cast<char>(size >> 8),
                          static_cast<char>(size)};
    out_.append(head, sizeof head);
    out_.append(value);
  }
  void put_number(std::uint16_t tag, FieldType type, std::int64_t value) {
    const std::uint64_t swapped = __builtin_bswap64(static_cast<std::uint64_t>(value));
    char bytes[sizeof swapped];
    std::memcpy(bytes, &swapped, sizeof swapped);
    put(tag, type, {bytes, sizeof bytes});
  }

  std::string& out_;
};

/// Appends the bytes of `record`.
template <class Record>
void append_row_bytes(std::string& out, const Record& record) {
  RowEncoder encoder(out, Record::kKind);
  Record::for_each_field(record, [&encoder](std::uint16_t tag, const auto& value) { encoder.field(tag, value); });
}

}  // namespace tideline
