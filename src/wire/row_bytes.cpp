#include "wire/row_bytes.h"

#include <cstring>
#include <type_traits>
#include <vector>

#include "base/text.h"

namespace tideline::wire {
namespace {

constexpr std::size_t kEntryHeadBytes = 7;  // tag, type, length

template <class T>
struct SpecOf;
template <>
struct SpecOf<std::string> {
  static constexpr FieldSpec kSpec{FieldType::kText, true, false};
};
template <>
struct SpecOf<JsonText> {
  static constexpr FieldSpec kSpec{FieldType::kJson, true, false};
};
template <>
struct SpecOf<std::int64_t> {
  static constexpr FieldSpec kSpec{FieldType::kInteger, true, false};
};
template <>
struct SpecOf<Confidence> {
  static constexpr FieldSpec kSpec{FieldType::kInteger, true, true};
};
template <>
struct SpecOf<Timestamp> {
  static constexpr FieldSpec kSpec{FieldType::kTime, true, false};
};
template <>
struct SpecOf<bool> {
  static constexpr FieldSpec kSpec{FieldType::kBoolean, true, false};
};
template <>
struct SpecOf<Uuid> {
  static constexpr FieldSpec kSpec{FieldType::kId, true, false};
};
template <class T>
struct SpecOf<std::optional<T>> {
  static constexpr FieldSpec kSpec{SpecOf<T>::kSpec.type, false, SpecOf<T>::kSpec.confidence};
};

template <class Record>
std::vector<FieldSpec> specs() {
  Record record;
  std::vector<FieldSpec> fields;
  Record::for_each_field(record, [&fields](std::size_t, const auto& value) {
    fields.push_back(SpecOf<std::remove_cvref_t<decltype(value)>>::kSpec);
  });
  return fields;
}

const std::array<std::vector<FieldSpec>, kKindCount>& all_specs() {
  static const std::array<std::vector<FieldSpec>, kKindCount> kSpecs{
      specs<ConnectionRecord>(), specs<FileRecord>(),          specs<ObjectRecord>(),       specs<ColumnRecord>(),
      specs<DependencyRecord>(), specs<ColumnLineageRecord>(), specs<DocumentationRecord>()};
  return kSpecs;
}

std::uint64_t big_endian(std::string_view bytes) {
  std::uint64_t value = 0;
  for (const char c : bytes) value = value << 8 | static_cast<unsigned char>(c);
  return value;
}

tl::unexpected<Error> corrupt(Kind kind, std::uint64_t tag, std::string_view what) {
  return fail(Code::kCorrupt, "A row of " + std::string(table_name(kind)) + " is malformed: field " +
                                  std::to_string(tag) + " " + std::string(what) + ".");
}

bool fits(const FieldSpec& spec, std::string_view value) {
  switch (spec.type) {
    case FieldType::kText:
      return is_valid_utf8(value);
    case FieldType::kJson:
      return !value.empty() && is_valid_utf8(value);
    case FieldType::kInteger:
      return value.size() == 8 && (!spec.confidence || big_endian(value) <= 1000);
    case FieldType::kTime:
      return value.size() == 8;
    case FieldType::kId:
      return value.size() == 16;
    case FieldType::kBoolean:
      return value.size() == 1 && (value[0] == '\0' || value[0] == '\1');
  }
  return false;
}

}  // namespace

std::span<const FieldSpec> fields_of(Kind kind) { return all_specs()[static_cast<std::size_t>(kind) - 1]; }

std::int64_t RowFields::integer(std::size_t tag) const { return static_cast<std::int64_t>(big_endian(*value(tag))); }

Uuid RowFields::uuid(std::size_t tag) const {
  Uuid id;
  std::memcpy(id.bytes.data(), value(tag)->data(), id.bytes.size());
  return id;
}

Result<RowFields> read_row_bytes(std::string_view bytes) {
  const auto number = bytes.empty() ? 0U : static_cast<unsigned char>(bytes[0]);
  if (number < 1 || number > kKindCount) return fail(Code::kCorrupt, "A row is of no known kind.");
  RowFields row;
  row.kind = static_cast<Kind>(number);
  const auto fields = fields_of(row.kind);
  std::uint64_t last = 0;
  for (std::size_t at = 1; at < bytes.size();) {
    if (bytes.size() - at < kEntryHeadBytes) return corrupt(row.kind, last, "is followed by half a field");
    const std::uint64_t tag = big_endian(bytes.substr(at, 2));
    const auto type = static_cast<unsigned char>(bytes[at + 2]);
    const std::uint64_t size = big_endian(bytes.substr(at + 3, 4));
    if (tag <= last) return corrupt(row.kind, tag, "does not come in the order of tags");
    if (size > bytes.size() - at - kEntryHeadBytes) return corrupt(row.kind, tag, "ends beyond the row");
    const std::string_view value = bytes.substr(at + kEntryHeadBytes, size);
    if (tag <= fields.size()) {
      const FieldSpec& spec = fields[tag - 1];
      if (type != static_cast<unsigned char>(spec.type)) return corrupt(row.kind, tag, "has another type");
      if (!fits(spec, value)) return corrupt(row.kind, tag, "has no value of its type");
      row.values_[tag - 1] = value;
    } else if (row.unknown.empty()) {
      row.unknown = bytes.substr(at);
    }
    last = tag;
    at += kEntryHeadBytes + size;
  }
  for (std::size_t tag = 1; tag <= fields.size(); ++tag)
    if (fields[tag - 1].required && !row.values_[tag - 1]) return corrupt(row.kind, tag, "is missing");
  return row;
}

}  // namespace tideline::wire
