#include "extract/cutter.h"

#include <map>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "base/json.h"

namespace tideline::extract {
namespace {

std::map<std::string, std::string> cut(std::string_view text) {
  std::map<std::string, std::string> members;
  const Cutter cutter(text, "x.json");
  const auto done = cutter.members([&](std::string_view key, Span span) -> Result<void> {
    members[std::string(key)] = cutter.at(span);
    return {};
  });
  if (!done) return {{"error", done.error().message}};
  return members;
}

using Members = std::map<std::string, std::string>;

TEST(Cutter, FindsTheSpansOfMembers) {
  EXPECT_EQ(cut(R"({})"), (Members{}));
  EXPECT_EQ(cut(" {\"a\" : {\"b\":[1,{}]} ,\n\"c\":\"}\\\"\" , \"d\": -1.5e3,\"e\":null}\n"),
            (Members{{"a", R"({"b":[1,{}]})"}, {"c", R"("}\"")"}, {"d", "-1.5e3"}, {"e", "null"}}));
}

TEST(Cutter, SaysAtWhichByteItStumbled) {
  EXPECT_EQ(cut("")["error"], "x.json is empty");
  EXPECT_EQ(cut("  \n")["error"], "x.json is empty");
  EXPECT_EQ(cut("[1]")["error"], "x.json is not valid JSON: '[' at byte 0, where '{' should stand");
  EXPECT_EQ(cut("{\"a\":1} x")["error"],
            "x.json is not valid JSON: 'x' at byte 8, where the end of the file should stand");
  EXPECT_EQ(cut("{\"a\" 1}")["error"], "x.json is not valid JSON: '1' at byte 5, where ':' should stand");
  EXPECT_EQ(cut("{\"a\":1 \"b\":2}")["error"],
            "x.json is not valid JSON: '\"' at byte 7, where ',' or '}' should stand");
  EXPECT_EQ(cut(std::string_view("{\"a\":1}\0", 8))["error"],
            "x.json is not valid JSON: 0x00 at byte 7, where the end of the file should stand");
  EXPECT_EQ(cut("{\"a\":{\"b\":1}")["error"],
            "x.json is cut off at byte 12: the file ends inside the outermost object");
  EXPECT_EQ(cut("{\"a\":{\"b\":1")["error"], "x.json is cut off at byte 11: the file ends inside \"a\"");
}

TEST(Cutter, RefusesDepthWithoutRecursion) {
  const std::string bomb = "{\"a\":" + std::string(2'000'000, '[');
  EXPECT_NE(cut(bomb)["error"].find("nested deeper"), std::string::npos);
  const std::string fine = "{\"a\":" + std::string(400, '[') + std::string(400, ']') + "}";
  EXPECT_EQ(cut(fine)["a"].size(), 800U);
}

// A value whose text has every kind of bracket, quote and backslash, at every distance from the borders of a block.
RC_GTEST_PROP(Cutter, AgreesWithAParserOnAnyText, (std::vector<std::string> texts, unsigned char padding)) {
  std::string json = "{" + std::string(padding % 70, ' ');
  Json::Object expected;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    std::string value;
    append_json_string(value, texts[i] + "\\\"{[" + texts[i]);
    const std::string nested = i % 2 == 0 ? value : "{\"k\":[" + value + ",{}," + value + "]}";
    json += (i > 0 ? ", \"" : "\"") + std::to_string(i) + "\": " + nested;
    expected.emplace_back(std::to_string(i), Json(nested));
  }
  json += "}";
  const auto members = cut(json);
  RC_ASSERT(members.size() == texts.size());
  for (const auto& [key, value] : expected) RC_ASSERT(members.at(key) == *value.if_string());
}

TEST(Cutter, EveryPrefixIsCutOff) {
  const std::string text = R"({"a": {"b": ["x\\", "y\"z", {}], "c": true}, "d": "\u00e9", "e": 12})";
  for (std::size_t size = 1; size < text.size(); ++size) {
    const auto members = cut(std::string_view(text).substr(0, size));
    ASSERT_EQ(members.count("error"), 1U) << size;
    EXPECT_NE(members.at("error").find("cut off at byte " + std::to_string(size)), std::string::npos)
        << members.at("error");
  }
}

}  // namespace
}  // namespace tideline::extract
