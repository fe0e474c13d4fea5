#include "pg/result.h"

#include <libpq-fe.h>

#include <bit>
#include <charconv>
#include <cstring>
#include <limits>
#include <stdexcept>

namespace tideline::pg {
namespace {

// Types by their fixed number in the catalog (pg_type.dat of PostgreSQL).
enum : TypeId {
  kBool = 16,
  kBytea = 17,
  kName = 19,
  kInt8 = 20,
  kInt2 = 21,
  kInt4 = 23,
  kText = 25,
  kOid = 26,
  kFloat4 = 700,
  kFloat8 = 701,
  kVarchar = 1043,
  kTimestamp = 1114,
  kTimestamptz = 1184,
  kUuid = 2950,
  kJsonb = 3802,
};

template <class T>
T get(const char* data) {
  T value = 0;
  for (std::size_t i = 0; i < sizeof(T); ++i)
    value = static_cast<T>((static_cast<std::uint64_t>(value) << 8) | static_cast<std::uint8_t>(data[i]));
  return value;
}

Timestamp to_timestamp(const char* data) {
  const auto raw = static_cast<std::int64_t>(get<std::uint64_t>(data));
  constexpr auto kLimits = std::numeric_limits<std::int64_t>();
  if (raw == kLimits.max() || raw == kLimits.min()) return Timestamp{raw};
  return Timestamp{raw + kPostgresEpochMicros};
}

Uuid to_uuid(const char* data) {
  Uuid id;
  std::memcpy(id.bytes.data(), data, id.bytes.size());
  return id;
}

std::span<const std::uint8_t> to_bytes(const char* data, std::size_t size) {
  return {reinterpret_cast<const std::uint8_t*>(data), size};
}

}  // namespace

void ResultSet::Clear::operator()(pg_result* result) const { PQclear(result); }

ResultSet::ResultSet(pg_result* result) {
  parts_.emplace_back(result);
  rows_ = PQntuples(result);
  const int columns = PQnfields(result);
  types_.reserve(static_cast<std::size_t>(columns));
  for (int c = 0; c < columns; ++c) types_.push_back(PQftype(result, c));
}

void ResultSet::append_row(pg_result* result) {
  if (parts_.empty()) {
    *this = ResultSet(result);
    row_by_row_ = true;
    return;
  }
  parts_.emplace_back(result);
  ++rows_;
}

std::int64_t ResultSet::affected_rows() const {
  if (parts_.empty()) return 0;
  const std::string_view digits = PQcmdTuples(parts_.front().get());
  std::int64_t count = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), count);
  return count;
}

std::string_view ResultSet::name(int column) const {
  const char* text = parts_.empty() ? nullptr : PQfname(parts_.front().get(), column);
  return text ? std::string_view(text) : std::string_view();
}

int ResultSet::column(std::string_view wanted) const {
  for (int c = 0; c < columns(); ++c)
    if (name(c) == wanted) return c;
  return -1;
}

void ResultSet::wrong(int column, const char* wanted) const {
  std::string what = "column " + std::to_string(column);
  if (column >= 0 && column < columns())
    what += " (" + std::string(name(column)) + ", type " + std::to_string(type(column)) + ")";
  throw std::logic_error(what + " of " + std::to_string(columns()) + " was read as " + wanted);
}

ResultSet::Cell ResultSet::cell(int row, int column) const {
  if (row < 0 || row >= rows_ || column < 0 || column >= columns()) wrong(column, "a cell outside the result");
  const pg_result* part = row_by_row_ ? parts_[static_cast<std::size_t>(row)].get() : parts_.front().get();
  const int at = row_by_row_ ? 0 : row;
  if (PQgetisnull(part, at, column)) return {nullptr, 0};
  return {PQgetvalue(part, at, column), static_cast<std::size_t>(PQgetlength(part, at, column))};
}

std::size_t ResultSet::row_bytes(int row) const {
  if (row < 0 || row >= rows_) wrong(0, "a row outside the result");
  const pg_result* part = row_by_row_ ? parts_[static_cast<std::size_t>(row)].get() : parts_.front().get();
  const int at = row_by_row_ ? 0 : row;
  std::size_t sum = 0;
  for (int column = 0; column < columns(); ++column) sum += static_cast<std::size_t>(PQgetlength(part, at, column));
  return sum;
}

bool ResultSet::is_null(int row, int column) const { return cell(row, column).data == nullptr; }

std::int64_t ResultSet::int64(int row, int column) const {
  const Cell c = cell(row, column);
  if (!c.data) wrong(column, "int64");
  const TypeId found = type(column);
  if (found == kInt8 && c.size == 8) return static_cast<std::int64_t>(get<std::uint64_t>(c.data));
  if (found == kInt4 && c.size == 4) return static_cast<std::int32_t>(get<std::uint32_t>(c.data));
  if (found == kInt2 && c.size == 2) return static_cast<std::int16_t>(get<std::uint16_t>(c.data));
  if (found == kOid && c.size == 4) return static_cast<std::int64_t>(get<std::uint32_t>(c.data));
  wrong(column, "int64");
}

bool ResultSet::boolean(int row, int column) const {
  const Cell c = cell(row, column);
  if (!c.data || type(column) != kBool || c.size != 1) wrong(column, "boolean");
  return c.data[0] != 0;
}

double ResultSet::float8(int row, int column) const {
  const Cell c = cell(row, column);
  if (c.data && type(column) == kFloat8 && c.size == 8) return std::bit_cast<double>(get<std::uint64_t>(c.data));
  if (c.data && type(column) == kFloat4 && c.size == 4)
    return static_cast<double>(std::bit_cast<float>(get<std::uint32_t>(c.data)));
  wrong(column, "float8");
}

std::string_view ResultSet::text(int row, int column) const {
  const Cell c = cell(row, column);
  if (!c.data) wrong(column, "text");
  switch (type(column)) {
    case kBool:
    case kBytea:
    case kInt8:
    case kInt2:
    case kInt4:
    case kOid:
    case kFloat4:
    case kFloat8:
    case kTimestamp:
    case kTimestamptz:
    case kUuid:
      wrong(column, "text");
    case kJsonb:
      if (c.size == 0 || c.data[0] != 1) wrong(column, "jsonb of version 1");
      return {c.data + 1, c.size - 1};
    default:  // text, its kin, and enums, whose numbers are not fixed
      return {c.data, c.size};
  }
}

Uuid ResultSet::uuid(int row, int column) const {
  const Cell c = cell(row, column);
  if (!c.data || type(column) != kUuid || c.size != 16) wrong(column, "uuid");
  return to_uuid(c.data);
}

Timestamp ResultSet::timestamp(int row, int column) const {
  const Cell c = cell(row, column);
  const bool fits = type(column) == kTimestamptz || type(column) == kTimestamp;
  if (!c.data || !fits || c.size != 8) wrong(column, "timestamp");
  return to_timestamp(c.data);
}

std::span<const std::uint8_t> ResultSet::bytea(int row, int column) const {
  const Cell c = cell(row, column);
  if (!c.data || type(column) != kBytea) wrong(column, "bytea");
  return to_bytes(c.data, c.size);
}

// Layout: dimensions, null flag, element type, then per dimension (length, lower bound), then each element as (length,
// bytes), the length -1 for NULL. The server is trusted to be well-formed; the lengths are checked all the same.
template <class T, class Decode>
std::vector<T> ResultSet::array(int row, int column, TypeId element, const char* wanted, Decode decode) const {
  const Cell c = cell(row, column);
  if (!c.data || c.size < 12) wrong(column, wanted);
  const auto dimensions = get<std::uint32_t>(c.data);
  const auto found = get<std::uint32_t>(c.data + 8);
  const bool fits = found == element || (element == kText && (found == kVarchar || found == kName)) ||
                    (element == kInt8 && (found == kInt4 || found == kInt2)) ||
                    (element == kTimestamptz && found == kTimestamp);
  if (!fits || dimensions > 1) wrong(column, wanted);
  std::vector<T> out;
  if (dimensions == 0) return out;
  if (c.size < 20) wrong(column, wanted);
  const auto count = get<std::uint32_t>(c.data + 12);
  std::size_t at = 20;
  if (count > (c.size - at) / 4) wrong(column, wanted);
  out.reserve(count);
  for (std::uint32_t i = 0; i < count; ++i) {
    if (c.size - at < 4) wrong(column, wanted);
    const auto size = get<std::uint32_t>(c.data + at);
    at += 4;
    if (size == 0xFFFFFFFF) {
      if (!decode(out, static_cast<const char*>(nullptr), std::size_t{0})) wrong(column, wanted);
      continue;
    }
    if (size > c.size - at || !decode(out, c.data + at, std::size_t{size})) wrong(column, wanted);
    at += size;
  }
  return out;
}

std::vector<Uuid> ResultSet::uuids(int row, int column) const {
  return array<Uuid>(row, column, kUuid, "uuid[]", [](auto& out, const char* data, std::size_t size) {
    if (!data || size != 16) return false;
    out.push_back(to_uuid(data));
    return true;
  });
}

std::vector<std::string_view> ResultSet::texts(int row, int column) const {
  return array<std::string_view>(row, column, kText, "text[]", [](auto& out, const char* data, std::size_t size) {
    if (!data) return false;
    out.emplace_back(data, size);
    return true;
  });
}

std::vector<std::optional<std::string_view>> ResultSet::nullable_texts(int row, int column) const {
  using Element = std::optional<std::string_view>;
  return array<Element>(row, column, kText, "text[]", [](auto& out, const char* data, std::size_t size) {
    out.push_back(data ? Element(std::string_view(data, size)) : Element());
    return true;
  });
}

std::vector<std::int64_t> ResultSet::int64s(int row, int column) const {
  return array<std::int64_t>(row, column, kInt8, "int8[]", [](auto& out, const char* data, std::size_t size) {
    if (!data) return false;
    if (size == 8) {
      out.push_back(static_cast<std::int64_t>(get<std::uint64_t>(data)));
    } else if (size == 4) {
      out.push_back(static_cast<std::int32_t>(get<std::uint32_t>(data)));
    } else if (size == 2) {
      out.push_back(static_cast<std::int16_t>(get<std::uint16_t>(data)));
    } else {
      return false;
    }
    return true;
  });
}

std::vector<bool> ResultSet::booleans(int row, int column) const {
  return array<bool>(row, column, kBool, "bool[]", [](auto& out, const char* data, std::size_t size) {
    if (!data || size != 1) return false;
    out.push_back(data[0] != 0);
    return true;
  });
}

std::vector<double> ResultSet::float8s(int row, int column) const {
  return array<double>(row, column, kFloat8, "float8[]", [](auto& out, const char* data, std::size_t size) {
    if (!data || size != 8) return false;
    out.push_back(std::bit_cast<double>(get<std::uint64_t>(data)));
    return true;
  });
}

std::vector<Timestamp> ResultSet::timestamps(int row, int column) const {
  return array<Timestamp>(row, column, kTimestamptz, "timestamptz[]",
                          [](auto& out, const char* data, std::size_t size) {
                            if (!data || size != 8) return false;
                            out.push_back(to_timestamp(data));
                            return true;
                          });
}

std::vector<std::span<const std::uint8_t>> ResultSet::byteas(int row, int column) const {
  using Element = std::span<const std::uint8_t>;
  return array<Element>(row, column, kBytea, "bytea[]", [](auto& out, const char* data, std::size_t size) {
    if (!data) return false;
    out.push_back(to_bytes(data, size));
    return true;
  });
}

std::optional<std::int64_t> ResultSet::int64_or_null(int row, int column) const {
  return is_null(row, column) ? std::nullopt : std::optional(int64(row, column));
}
std::optional<bool> ResultSet::boolean_or_null(int row, int column) const {
  return is_null(row, column) ? std::nullopt : std::optional(boolean(row, column));
}
std::optional<double> ResultSet::float8_or_null(int row, int column) const {
  return is_null(row, column) ? std::nullopt : std::optional(float8(row, column));
}
std::optional<std::string_view> ResultSet::text_or_null(int row, int column) const {
  return is_null(row, column) ? std::nullopt : std::optional(text(row, column));
}
std::optional<Uuid> ResultSet::uuid_or_null(int row, int column) const {
  return is_null(row, column) ? std::nullopt : std::optional(uuid(row, column));
}
std::optional<Timestamp> ResultSet::timestamp_or_null(int row, int column) const {
  return is_null(row, column) ? std::nullopt : std::optional(timestamp(row, column));
}

}  // namespace tideline::pg
