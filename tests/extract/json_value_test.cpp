#include "extract/json_value.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "base/json.h"

namespace tideline::extract {
namespace {

struct Read {
  std::optional<std::string> text;
  bool replaced = false;
};

Read canonical(const std::string& value, Empty empty = Empty::kKeep) {
  simdjson::ondemand::parser parser;
  simdjson::padded_string padded("{\"v\":" + value + "}");
  simdjson::ondemand::document document = parser.iterate(padded);
  simdjson::ondemand::value member = document["v"];
  Read read;
  read.text = canonical_of(member, empty, read.replaced);
  return read;
}

TEST(CanonicalJson, EqualsThatOfTheDocumentTree) {
  for (const char* text : {R"({"b":1,"a":[true,false,null,"x\n\u00e9\ud83d\ude00/\/"],"":{}})", "[]", "{}", "0", "-0",
                           "12345678901234567890", "1.5", "1e3", "2.5e-7", "-9223372036854775808", "9007199254740993",
                           "1E400", R"("\"\\\u0001")"}) {
    const auto tree = Json::parse(std::string("[") + text + "]", "x");
    const auto mine = canonical(std::string("[") + text + "]");
    ASSERT_TRUE(mine.text) << text;
    if (tree) EXPECT_EQ(*mine.text, tree->canonical()) << text;
  }
}

TEST(CanonicalJson, ReplacesWhatADatabaseCannotHold) {
  for (const auto& [in, out] : {std::pair(R"("a\u0000b")",
                                          "\"a\xEF\xBF\xBD"
                                          "b\""),
                                {R"("\ud800x")", "\"\xEF\xBF\xBDx\""},
                                {R"("\udc00")", "\"\xEF\xBF\xBD\""},
                                {R"("\ud800\u0041")",
                                 "\"\xEF\xBF\xBD"
                                 "A\""},
                                {"NaN", "null"},
                                {"-Infinity", "null"},
                                {R"({"\u0000":1})", "{\"\xEF\xBF\xBD\":1}"}}) {
    const auto read = canonical(in);
    EXPECT_EQ(read.text, out) << in;
    EXPECT_TRUE(read.replaced) << in;
  }
  EXPECT_FALSE(canonical(R"("\u00e9")").replaced);
}

TEST(CanonicalJson, TheLastOfEqualKeysCounts) {
  EXPECT_EQ(canonical(R"({"a":1,"b":2,"a":3})").text, R"({"a":3,"b":2})");
}

TEST(CanonicalJson, DropsWhatSaysNothing) {
  EXPECT_EQ(canonical(R"({"a":null,"b":{"c":[],"d":""},"e":0,"f":false,"g":[null]})", Empty::kDrop).text,
            R"({"e":0,"f":false,"g":[null]})");
}

TEST(CanonicalJson, RefusesWhatIsBroken) {
  for (const char* bad : {"[1,,2]", R"({"a"})", R"("\x")", R"("\u12g4")", "tru", "1.2.3", "[1}"})
    EXPECT_FALSE(canonical(bad).text) << bad;
  EXPECT_FALSE(canonical(std::string(kMaxValueDepth + 1, '[') + std::string(kMaxValueDepth + 1, ']')).text);
  EXPECT_TRUE(canonical(std::string(kMaxValueDepth, '[') + std::string(kMaxValueDepth, ']')).text);
}

RC_GTEST_PROP(DecodeJsonString, UndoesTheWriter, (const std::string& bytes)) {
  std::string quoted, text, again;
  append_json_string(quoted, bytes);  // bytes that are no UTF-8 become U+FFFD here
  bool replaced = false;
  RC_ASSERT(decode_json_string(std::string_view(quoted).substr(1, quoted.size() - 2), text, replaced));
  if (bytes.find('\0') == std::string::npos) {
    append_json_string(again, text);
    RC_ASSERT(again == quoted);
  }
}

}  // namespace
}  // namespace tideline::extract
