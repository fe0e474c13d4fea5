#include "sync/api.h"

#include <gtest/gtest.h>

namespace tideline::sync {
namespace {

const std::string kDigest(336, '0');

TEST(ServerAnswers, HeadsAreRead) {
  const auto heads = Heads::parse(
      R"({"organization":"00000000-0000-4000-8000-000000000009","epoch":"e","version":7,"schema":1,"extra":[],"connections":[
      {"id":"00000000-0000-4000-8000-000000000001","incarnation":1,"version":5,"digest":")" +
      kDigest + R"("}]})");
  ASSERT_TRUE(heads);
  EXPECT_EQ(heads->version, Version{7});
  EXPECT_EQ(heads->find(*ConnectionId::parse("00000000-0000-4000-8000-000000000001"))->version, Version{5});
  EXPECT_EQ(heads->find(ConnectionId::random()), nullptr);
  EXPECT_EQ(heads->etag(), "e.7.1");
}

TEST(ServerAnswers, HeadsThatLackSomethingAreNone) {
  for (
      const std::string& text :
      {std::string("{}"),
       std::string(R"({"organization":"00000000-0000-4000-8000-000000000009","epoch":"e","version":7,"schema":1})"),
       std::string(R"({"epoch":"e","version":7,"schema":1,"connections":[]})"),
       std::string(
           R"({"organization":"00000000-0000-4000-8000-000000000009","epoch":"","version":7,"schema":1,"connections":[]})"),
       std::string(
           R"({"organization":"00000000-0000-4000-8000-000000000009","epoch":"e","version":-7,"schema":1,"connections":[]})"),
       std::string(
           R"({"organization":"00000000-0000-4000-8000-000000000009","epoch":"e","version":7,"schema":1,"connections":[{"id":"x"}]})"),
       R"({"organization":"00000000-0000-4000-8000-000000000009","epoch":"e","version":7,"schema":1,"connections":[{"id":"00000000-0000-4000-8000-000000000001","incarnation":1,"version":5,"digest":")" +
           kDigest.substr(2) + R"("}]})",
       std::string("<html>")})
    EXPECT_FALSE(Heads::parse(text)) << text;
}

TEST(ServerAnswers, HintsAreReadAndTheirSpreadIsBounded) {
  const auto hint = Hint::parse(R"({"epoch":"e","version":7,"spread_ms":100})");
  ASSERT_TRUE(hint);
  EXPECT_EQ(hint->spread, std::chrono::milliseconds(100));
  EXPECT_EQ(Hint::parse(R"({"epoch":"e","version":7,"spread_ms":86400000})")->spread, std::chrono::minutes(1));
  EXPECT_EQ(Hint::parse(R"({"epoch":"e","version":7,"spread_ms":-1})")->spread, std::chrono::milliseconds(0));
  EXPECT_FALSE(Hint::parse(R"({"version":7})"));
  EXPECT_FALSE(Hint::parse("{"));
}

}  // namespace
}  // namespace tideline::sync
