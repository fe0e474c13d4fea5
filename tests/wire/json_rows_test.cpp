#include "wire/json_rows.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "base/json.h"

namespace tideline::wire {
namespace {

Uuid id(std::uint8_t last) {
  Uuid out;
  out.bytes[0] = 0xAB;
  out.bytes[15] = last;
  return out;
}

std::string confidence(std::int64_t thousandths) {
  std::string out;
  append_confidence(out, thousandths);
  return out;
}

TEST(JsonRows, ConfidenceIsANumberWithoutTrailingZeros) {
  EXPECT_EQ(confidence(0), "0");
  EXPECT_EQ(confidence(1), "0.001");
  EXPECT_EQ(confidence(50), "0.05");
  EXPECT_EQ(confidence(500), "0.5");
  EXPECT_EQ(confidence(905), "0.905");
  EXPECT_EQ(confidence(950), "0.95");
  EXPECT_EQ(confidence(999), "0.999");
  EXPECT_EQ(confidence(1000), "1");
}

TEST(JsonRows, IdIsWrittenAsItsText) {
  std::string out;
  append_uuid(out, id(7));
  EXPECT_EQ(out, id(7).to_string());
}

TEST(JsonRows, ColumnHasAllItsMembersAndNulls) {
  std::string out;
  JsonRows rows(out);
  rows.add(ColumnRow{.id = id(1),
                     .object_id = id(2),
                     .organization_id = id(3),
                     .connection_id = id(4),
                     .name = "a\"b",
                     .data_type = "varchar",
                     .is_primary_key = true,
                     .position = 3,
                     .metadata = R"({"tags":["x"]})",
                     .updated_at = {1'750'000'000'000'001},
                     .row_version = 12});
  EXPECT_EQ(out, R"({"id":"ab000000-0000-0000-0000-000000000001","object_id":"ab000000-0000-0000-0000-000000000002",)"
                 R"("organization_id":"ab000000-0000-0000-0000-000000000003",)"
                 R"("connection_id":"ab000000-0000-0000-0000-000000000004","name":"a\"b","data_type":"varchar",)"
                 R"("is_nullable":null,"is_primary_key":true,"is_foreign_key":false,"default_value":null,)"
                 R"("description":null,"position":3,"metadata":{"tags":["x"]},)"
                 R"("updated_at":"2025-06-15T15:06:40.000001Z","row_version":12})");
}

TEST(JsonRows, DocumentationNamesItsObjectOnlyWhereAsked) {
  std::string out;
  JsonRows rows(out);
  DocumentationRow row{.id = id(1), .executive_summary = "s", .business_rules = "[1]"};
  rows.add(row);
  row.object = DocumentedObject{"n", "f", "model", std::nullopt};
  rows.add(row);
  row.object->relative_path = "models/n.sql";
  rows.add(row);
  const auto all = Json::parse("[" + out + "]", "rows");
  ASSERT_TRUE(all) << out;
  const auto& array = *all->if_array();
  EXPECT_EQ(array[0].find("objects"), nullptr);
  EXPECT_TRUE(array[0].find("business_rules")->if_array());
  EXPECT_TRUE(array[1].find("objects")->find("files")->is_null());
  EXPECT_EQ(array[2].find("objects")->find("files")->string_at("relative_path"), "models/n.sql");
}

// Text of any bytes leaves valid JSON with the same number of rows; valid UTF-8 comes back as it was.
RC_GTEST_PROP(JsonRows, HostileTextStaysJson, (const std::vector<std::string>& texts)) {
  std::string out;
  JsonRows rows(out);
  for (const auto& text : texts) {
    rows.add(FileRow{.relative_path = text, .absolute_path = text, .file_type = text, .parser_used = text});
    rows.add(ObjectRow{.name = text, .full_name = text, .definition = text, .metadata = "{}", .extracted_from = text});
    rows.add(DependencyRow{.dependency_type = text, .expression = text, .metadata = "{}", .source_full_name = text});
    rows.add(ColumnLineageRow{.source_column = text, .transformation_type = text, .metadata = "[]"});
  }
  const auto parsed = Json::parse("[" + out + "]", "rows");
  RC_ASSERT(parsed.has_value());
  RC_ASSERT(parsed->if_array()->size() == texts.size() * 4);
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const auto back = (*parsed->if_array())[i * 4].string_at("relative_path");
    RC_ASSERT(back.has_value());
    bool ascii = true;
    for (const char c : texts[i]) ascii = ascii && static_cast<unsigned char>(c) < 0x80;
    if (ascii) RC_ASSERT(*back == texts[i]);
  }
}

// Times are remembered by a hash: two that share a place must not be mistaken for each other.
RC_GTEST_PROP(JsonRows, TimesAreWrittenExactly, (const std::vector<std::uint32_t>& seconds)) {
  std::string out;
  JsonRows rows(out);
  for (const auto s : seconds) rows.add(ColumnRow{.metadata = "{}", .updated_at = {std::int64_t{s} * 1'000'003}});
  const auto parsed = Json::parse("[" + out + "]", "rows");
  RC_ASSERT(parsed.has_value());
  for (std::size_t i = 0; i < seconds.size(); ++i)
    RC_ASSERT((*parsed->if_array())[i].string_at("updated_at") ==
              Timestamp{std::int64_t{seconds[i]} * 1'000'003}.to_string());
}

}  // namespace
}  // namespace tideline::wire
