#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "base/hash.h"
#include "base/ids.h"
#include "base/json.h"
#include "base/text.h"
#include "base/time.h"

namespace tideline {
namespace {

TEST(Uuid, V5MatchesTheVectorOfRfc9562) {
  const auto dns = Uuid::parse("6ba7b810-9dad-11d1-80b4-00c04fd430c8");
  ASSERT_TRUE(dns);
  EXPECT_EQ(Uuid::v5(*dns, "www.example.com").to_string(), "2ed6657d-e927-568b-95e1-2665a8aea6a2");
}

TEST(Uuid, ParsesOnlyTheCanonicalForm) {
  EXPECT_TRUE(Uuid::parse("6BA7B810-9DAD-11D1-80B4-00C04FD430C8"));
  for (const auto* bad : {"", "6ba7b8109dad11d180b400c04fd430c8", "{6ba7b810-9dad-11d1-80b4-00c04fd430c8}",
                          "6ba7b810-9dad-11d1-80b4-00c04fd430cg", "6ba7b810-9dad-11d1-80b4-00c04fd430c8 "})
    EXPECT_FALSE(Uuid::parse(bad)) << bad;
}

TEST(Timestamp, ReadsWhatClientsSend) {
  const auto at = [](const char* text) { return Timestamp::parse(text).value_or(Timestamp{-1}).to_string(); };
  EXPECT_EQ(at("2026-01-31T12:00:00Z"), "2026-01-31T12:00:00.000000Z");
  EXPECT_EQ(at("2026-01-31T12:00:00.123Z"), "2026-01-31T12:00:00.123000Z");
  EXPECT_EQ(at("2026-01-31T12:00:00.1234567+02:00"), "2026-01-31T10:00:00.123456Z");
  EXPECT_EQ(at("2024-02-29"), "2024-02-29T00:00:00.000000Z");
  EXPECT_EQ(at("2026-01-31 12:00:00+00"), "2026-01-31T12:00:00.000000Z");
  for (const auto* bad : {"", "yesterday", "2026-02-30", "2026-01-31T25:00:00Z", "2026-01-31T12:00:00Zx", "2026-1-1",
                          "2026-01-31T12:00:00.Z", "0000-01-01"})
    EXPECT_FALSE(Timestamp::parse(bad)) << bad;
}

RC_GTEST_PROP(Timestamp, PrintedFormReadsBackTheSame, ()) {
  const Timestamp time{*rc::gen::inRange<std::int64_t>(-62'135'596'800'000'000, 253'402'300'799'999'999)};
  RC_ASSERT(Timestamp::parse(time.to_string()) == time);
}

TEST(Base64Url, RefusesSecondSpellings) {
  EXPECT_EQ(from_base64url("Zm8"), "fo");
  for (const auto* bad : {"Zm8=", "Z", "Zm+", "Zm/", "Zm9"}) EXPECT_FALSE(from_base64url(bad)) << bad;
  EXPECT_FALSE(from_base64url("Zh"));  // the unused bits are not zero
}

RC_GTEST_PROP(Base64Url, RoundTrip, (const std::string& bytes)) {
  RC_ASSERT(from_base64url(base64url(bytes)) == bytes);
}
RC_GTEST_PROP(Hex, RoundTrip, (const std::vector<std::uint8_t>& bytes)) { RC_ASSERT(from_hex(hex(bytes)) == bytes); }

TEST(Sha256, MatchesTheStandardVector) {
  EXPECT_EQ(hex(sha256("abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(hex(hmac_sha256("Jefe", "what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

TEST(Md5, MatchesTheVectorsOfRfc1321) {
  EXPECT_EQ(md5_hex(""), "d41d8cd98f00b204e9800998ecf8427e");
  EXPECT_EQ(md5_hex("message digest"), "f96b697d7cb7938d525a2f31aaf161d0");
}

TEST(Json, RefusesDuplicateKeysAndDepth) {
  EXPECT_FALSE(Json::parse(R"({"a":1,"a":2})", "test"));
  EXPECT_FALSE(Json::parse(R"({"a":{"b":1,"b":2}})", "test"));
  EXPECT_FALSE(Json::parse(std::string(100, '[') + std::string(100, ']'), "test"));
  EXPECT_FALSE(Json::parse("{} x", "test"));
  EXPECT_FALSE(Json::parse({}, "test"));
  EXPECT_FALSE(Json::parse("\"\xff\"", "test"));
}

TEST(Json, RefusesWhatRfc8259DoesNotKnow) {
  for (const char* text : {" ",
                           "[",
                           "]",
                           "{",
                           "[1,]",
                           "[,1]",
                           "[1 2]",
                           "[1,,2]",
                           "[1]]",
                           "[[1]",
                           "1],[2",
                           "1,2",
                           "]",
                           "],[",
                           "{\"a\"}",
                           "{\"a\":}",
                           "{\"a\":1,}",
                           "{a:1}",
                           "{'a':1}",
                           "{\"a\":1 \"b\":2}",
                           "{\"a\" 1}",
                           "{1:2}",
                           "nul",
                           "nulll",
                           "null1",
                           "True",
                           "truee",
                           "tru",
                           "NaN",
                           "Infinity",
                           "-Infinity",
                           "inf",
                           "01",
                           "-01",
                           "00",
                           "+1",
                           "-",
                           "1.",
                           ".5",
                           "-.5",
                           "1.e5",
                           "1e",
                           "1e+",
                           "0x10",
                           "1_000",
                           "1e400",
                           "--1",
                           "1-",
                           "\"",
                           "\"a",
                           "a\"",
                           "\"\\x\"",
                           "\"\\u12\"",
                           "\"\\ud800\"",
                           "\"\t\"",
                           "\"\n\"",
                           "// c\n1",
                           "1 // c",
                           "/**/1",
                           "\xEF\xBB\xBF{}",
                           "\"\xC0\xAF\"",
                           "[\"a\"\"b\"]",
                           "{}{}",
                           "[][]",
                           "\"a\" \"b\"",
                           "1 2",
                           "[1}",
                           "{\"a\":1]"})
    EXPECT_FALSE(Json::parse(text, "test")) << text;
  const std::string with_zero("[1\0]", 4);
  EXPECT_FALSE(Json::parse(with_zero, "test"));
  EXPECT_TRUE(Json::parse(std::string(64, '[') + std::string(64, ']'), "test"));
  EXPECT_FALSE(Json::parse(std::string(65, '[') + std::string(65, ']'), "test"));
}

TEST(Json, ReadsScalarsAndNumbersExactly) {
  const std::pair<const char*, const char*> cases[] = {
      {"null", "null"},
      {" true ", "true"},
      {"false", "false"},
      {"\"\\u00fc\\ud83d\\ude00\"", "\"ü😀\""},
      {"-0", "0"},
      {"9223372036854775807", "9223372036854775807"},
      {"-9223372036854775808", "-9223372036854775808"},
      {"9223372036854775808", "9223372036854775808"},
      {"18446744073709551617", "18446744073709551617"},
      {"-123456789012345678901234567890", "-123456789012345678901234567890"},
      {"1E3", "1000"},
      {"0.1e-2", "0.001"},
      {"1e300", "1e+300"},
      {"[]", "[]"},
      {"{ }", "{}"},
      {"[ {\"b\" : [ ] , \"a\":\r\n\t1.50}, null]", "[{\"a\":1.5,\"b\":[]},null]"},
  };
  for (const auto& [text, canonical] : cases) {
    const auto value = Json::parse(text, "test");
    ASSERT_TRUE(value) << text << ": " << value.error().message;
    EXPECT_EQ(value->canonical(), canonical);
    EXPECT_EQ(Json::parse(value->canonical(), "test")->canonical(), canonical);
  }
}

TEST(Json, CanonicalTextSortsKeys) {
  EXPECT_EQ(Json::parse(R"( {"b":[1, 2.50, 1e3], "a":{"z":null,"y":"ü\u0001"}} )", "test")->canonical(),
            "{\"a\":{\"y\":\"ü\\u0001\",\"z\":null},\"b\":[1,2.5,1000]}");
}

RC_GTEST_PROP(Json, WrittenStringsReadBack, ()) {
  const auto text = *rc::gen::container<std::string>(rc::gen::inRange<char>(1, 127));
  std::string out;
  append_json_string(out, text);
  RC_ASSERT(*Json::parse(out, "test")->if_string() == text);
}

TEST(Json, WriterReplacesBytesThatAreNoUtf8) {
  std::string out;
  append_json_string(out, "a\xC0\xAF\xED\xA0\x80z\xE2\x82");
  EXPECT_TRUE(is_valid_utf8(out));
  EXPECT_EQ(out.front(), '"');
}

}  // namespace
}  // namespace tideline
