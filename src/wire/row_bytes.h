#pragma once
// Rows on the wire: exactly the bytes their hash is taken over (model/row_encoder.h writes them, docs/formats.md has
// the format), so what was received is verified by hashing it. Reading is strict for the fields we know (type, length,
// UTF-8, ranges, required ones there) and lets fields of later releases pass: they stand behind ours, are kept as they
// came and hash as they came. Pure; O(bytes); views live as long as the bytes.

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/error.h"
#include "model/records.h"
#include "model/row_encoder.h"
#include "model/row_hash.h"

namespace tideline::wire {

/// Of any kind: objects have the most.
inline constexpr std::size_t kMaxFields = 18;

struct FieldSpec {
  FieldType type = FieldType::kText;
  bool required = false;
  bool confidence = false;  // an integer from 0 to 1000
};
/// The fields of a kind, index = tag - 1.
std::span<const FieldSpec> fields_of(Kind kind);

/// A row's fields as views into its bytes: enough to store a row without making a record of it. Every value that is
/// there has the length and form of its type.
class RowFields {
 public:
  Kind kind = Kind::kConnection;
  /// Fields with tags beyond those of `fields_of`, as they came: tag, type, length, value, again and again.
  std::string_view unknown;

  /// The value's bytes; nullopt where the field is null. `tag` from 1 to fields_of(kind).size().
  const std::optional<std::string_view>& value(std::size_t tag) const { return values_[tag - 1]; }

  // Of a field that is there and has that type.
  std::string_view text(std::size_t tag) const { return *value(tag); }
  std::int64_t integer(std::size_t tag) const;
  bool boolean(std::size_t tag) const { return value(tag)->front() != '\0'; }
  Uuid uuid(std::size_t tag) const;

  /// Every kind has its id in the first field; all but connections their connection's id in the second.
  Uuid id() const { return uuid(1); }
  Uuid connection_id() const { return kind == Kind::kConnection ? uuid(1) : uuid(2); }

 private:
  friend Result<RowFields> read_row_bytes(std::string_view bytes);
  std::array<std::optional<std::string_view>, kMaxFields> values_;
};

/// kCorrupt, naming kind and tag: no known kind, an entry that ends beyond the bytes, tags not ascending, a known field
/// of the wrong type, length or form, a required one missing.
Result<RowFields> read_row_bytes(std::string_view bytes);

/// A record, and what else came with it. encode_row(decoded) gives the same bytes again.
template <class Record>
struct DecodedRow {
  Record record;
  std::string unknown;
};

namespace detail {

inline void take(const RowFields& row, std::size_t tag, std::string& out) { out = row.text(tag); }
inline void take(const RowFields& row, std::size_t tag, JsonText& out) { out.text = row.text(tag); }
inline void take(const RowFields& row, std::size_t tag, std::int64_t& out) { out = row.integer(tag); }
inline void take(const RowFields& row, std::size_t tag, Confidence& out) { out.thousandths = row.integer(tag); }
inline void take(const RowFields& row, std::size_t tag, Timestamp& out) { out.micros = row.integer(tag); }
inline void take(const RowFields& row, std::size_t tag, bool& out) { out = row.boolean(tag); }
inline void take(const RowFields& row, std::size_t tag, Uuid& out) { out = row.uuid(tag); }
template <class T>
void take(const RowFields& row, std::size_t tag, std::optional<T>& out) {
  if (row.value(tag))
    take(row, tag, out.emplace());
  else
    out.reset();
}

}  // namespace detail

/// The record whose fields these are; of the kind Record is.
template <class Record>
Record record_of(const RowFields& row) {
  Record record;
  Record::for_each_field(record, [&row](std::size_t tag, auto& out) { detail::take(row, tag, out); });
  return record;
}

/// Errors: those of read_row_bytes; kCorrupt when the row is of another kind.
template <class Record>
Result<DecodedRow<Record>> decode_row_bytes(std::string_view bytes) {
  TRY(const RowFields row, read_row_bytes(bytes));
  if (row.kind != Record::kKind) return fail(Code::kCorrupt, "The row is of another kind than expected.");
  return DecodedRow<Record>{record_of<Record>(row), std::string(row.unknown)};
}

using tideline::append_row_bytes;
using tideline::hash_of_row_bytes;

/// Appends the bytes of a row with the fields that are not ours.
template <class Record>
void append_row_bytes(std::string& out, const DecodedRow<Record>& row) {
  tideline::append_row_bytes(out, row.record);
  out += row.unknown;
}

}  // namespace tideline::wire
