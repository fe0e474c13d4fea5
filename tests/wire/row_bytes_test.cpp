#include "wire/row_bytes.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "base/text.h"
#include "tests/support/arbitrary_records.h"

namespace tideline::wire {
namespace {

FileRecord file() {
  const ConnectionId connection{*Uuid::parse("00000000-0000-4000-8000-000000000001")};
  FileRecord record;
  record.id = file_id(connection, "models/orders.sql");
  record.connection_id = connection.value;
  record.relative_path = "models/orders.sql";
  record.file_type = "sql";
  record.parser_used = "dbt-manifest";
  return record;
}

template <class Record>
std::string bytes_of(const Record& record) {
  std::string bytes;
  append_row_bytes(bytes, record);
  return bytes;
}

std::string hex_of(std::string_view bytes) {
  return hex({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
}

std::string entry(std::uint16_t tag, int type, std::string_view value) {
  std::string out{static_cast<char>(tag >> 8),          static_cast<char>(tag),         static_cast<char>(type), 0, 0,
                  static_cast<char>(value.size() >> 8), static_cast<char>(value.size())};
  return out.append(value);
}

std::string error_of(std::string_view bytes) {
  const auto row = read_row_bytes(bytes);
  return row ? "" : row.error().message;
}

TEST(RowBytes, FileVector) {
  // The row of docs/formats.md.
  const std::string bytes = bytes_of(file());
  EXPECT_EQ(hex_of(bytes),
            "02"
            "00010300000010913e214b9dfe568dbec2a6539a208574"
            "0002030000001000000000000040008000000000000001"
            "000301000000116d6f64656c732f6f72646572732e73716c"
            "0004010000000373716c"
            "0008010000000c6462742d6d616e6966657374"
            "0009020000000800000000000003e8");
  EXPECT_EQ(hex(hash_of_row_bytes(bytes).bytes), "bb751b5b6abbd1047066afb93bff5ee9");
}

template <class Record>
void check_round_trip() {
  const auto record = test::any_record<Record>();
  const std::string bytes = bytes_of(record);
  const auto decoded = decode_row_bytes<Record>(bytes);
  RC_ASSERT(decoded.has_value());
  RC_ASSERT(test::same_record(decoded->record, record));
  RC_ASSERT(decoded->unknown.empty());
  RC_ASSERT(bytes_of(*decoded) == bytes);
  RC_ASSERT(hash_of_row_bytes(bytes) == row_hash(record));
}

RC_GTEST_PROP(RowBytes, WhatWasEncodedIsDecoded, ()) {
  check_round_trip<ConnectionRecord>();
  check_round_trip<FileRecord>();
  check_round_trip<ObjectRecord>();
  check_round_trip<ColumnRecord>();
  check_round_trip<DependencyRecord>();
  check_round_trip<ColumnLineageRecord>();
  check_round_trip<DocumentationRecord>();
}

RC_GTEST_PROP(RowBytes, FieldsOfLaterReleasesAreKeptAsTheyCame, (const std::string& value)) {
  const auto record = test::any_record<ColumnRecord>();
  const auto count = static_cast<std::uint16_t>(fields_of(Kind::kColumn).size());
  const std::string later = entry(static_cast<std::uint16_t>(count + 1), 1, value.substr(0, 300)) +
                            entry(static_cast<std::uint16_t>(count + 9), 77, "\xFF");
  const std::string bytes = bytes_of(record) + later;
  const auto decoded = decode_row_bytes<ColumnRecord>(bytes);
  RC_ASSERT(decoded.has_value());
  RC_ASSERT(test::same_record(decoded->record, record));
  RC_ASSERT(decoded->unknown == later);
  RC_ASSERT(bytes_of(*decoded) == bytes);
}

RC_GTEST_PROP(RowBytes, CutOffAnywhereIsAnErrorOrAnotherRow, ()) {
  const std::string bytes = bytes_of(test::any_record<DependencyRecord>());
  const auto size = *rc::gen::inRange<std::size_t>(0, bytes.size());
  const auto row = read_row_bytes(std::string_view(bytes).substr(0, size));
  RC_ASSERT(!row);  // its last field, source_full_name, is required
}

TEST(RowBytes, WhatIsMalformedIsRefused) {
  const std::string good = bytes_of(file());
  EXPECT_EQ(error_of(good), "");
  EXPECT_EQ(error_of(""), "A row is of no known kind.");
  EXPECT_EQ(error_of(std::string("\x08") + good.substr(1)), "A row is of no known kind.");
  EXPECT_EQ(error_of(good + "x"), "A row of files is malformed: field 9 is followed by half a field.");
  EXPECT_EQ(error_of(good + entry(9, 2, "12345678")),
            "A row of files is malformed: field 9 does not come in the order of tags.");
  EXPECT_EQ(error_of(good + std::string("\x00\x0A\x01\x00\x00\x00\x01", 7)),
            "A row of files is malformed: field 10 ends beyond the row.");
  EXPECT_EQ(error_of("\x02" + entry(0, 3, "0123456789abcdef")),
            "A row of files is malformed: field 0 does not come in the order of tags.");
  EXPECT_EQ(error_of("\x02" + entry(1, 1, "0123456789abcdef")),
            "A row of files is malformed: field 1 has another type.");
  EXPECT_EQ(error_of("\x02" + entry(1, 3, "0123456789abcde")),
            "A row of files is malformed: field 1 has no value of its type.");
  EXPECT_EQ(error_of(good.substr(0, 24) + good.substr(24 + 23)), "A row of files is malformed: field 2 is missing.");
  EXPECT_EQ(error_of(good.substr(0, good.size() - 8) + std::string("\0\0\0\0\0\0\x03\xE9", 8)),
            "A row of files is malformed: field 9 has no value of its type.");  // 1001 thousandths
  std::string latin1 = good;
  latin1[24 + 23 + 7] = '\xE4';
  EXPECT_EQ(error_of(latin1), "A row of files is malformed: field 3 has no value of its type.");
}

TEST(RowBytes, ABooleanIsZeroOrOne) {
  ColumnRecord column;
  const std::string bytes = bytes_of(column);
  std::string two = bytes;
  const std::size_t at = bytes.find(std::string_view("\x00\x07\x04\x00\x00\x00\x01", 7)) + 7;
  two[at] = '\2';
  EXPECT_EQ(error_of(bytes), "");
  EXPECT_EQ(error_of(two), "A row of columns is malformed: field 7 has no value of its type.");
}

TEST(RowBytes, ARowOfAnotherKindIsNotTaken) {
  EXPECT_FALSE(decode_row_bytes<ColumnRecord>(bytes_of(file())));
  EXPECT_EQ(decode_row_bytes<FileRecord>(bytes_of(file()))->record.relative_path, "models/orders.sql");
}

TEST(RowBytes, FieldsAreReadWithoutARecord) {
  const std::string bytes = bytes_of(file());
  const auto row = read_row_bytes(bytes);
  ASSERT_TRUE(row);
  EXPECT_EQ(row->id(), file().id);
  EXPECT_EQ(row->connection_id(), file().connection_id);
  EXPECT_EQ(row->text(3), "models/orders.sql");
  EXPECT_EQ(row->value(5), std::nullopt);
  EXPECT_EQ(row->integer(9), 1000);
}

TEST(RowBytes, NoKindHasMoreFieldsThanThereIsRoomFor) {
  std::size_t most = 0;
  for (std::uint8_t kind = 1; kind <= kKindCount; ++kind)
    most = std::max(most, fields_of(static_cast<Kind>(kind)).size());
  EXPECT_EQ(most, kMaxFields);
}

}  // namespace
}  // namespace tideline::wire
