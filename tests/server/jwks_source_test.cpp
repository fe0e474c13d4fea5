#include "server/jwks_source.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <filesystem>
#include <fstream>

#include <stdlib.h>
#include <sys/stat.h>

#include "server/jwt.h"
#include "tests/server/jwt_testing.h"

namespace tideline::server {
namespace {

using std::chrono::seconds;
using testing::KeyPair;
using testing::kNow;

Timestamp after(seconds time) { return {kNow.micros + time.count() * 1'000'000}; }

std::string set_of(std::string_view keys) { return fmt::format(R"({{"keys":[{}]}})", keys); }
std::string one_key(std::string_view kid) {
  static const KeyPair pair = KeyPair::ed25519();
  return set_of(pair.jwk(kid));
}

/// A publisher whose answers the test decides.
struct Publisher {
  Result<JwksResponse> answer = JwksResponse{one_key("first"), ""};
  int asked = 0;

  JwksSource source() {
    return *JwksSource::from_url("https://id.example/jwks", {}, [this]() -> Result<JwksResponse> {
      ++asked;
      return answer;
    });
  }
  void fails() { answer = fail(Code::kUnavailable, "no answer"); }
};

TEST(JwksUrl, IsAskedAtOnceAndThenByMaxAge) {
  Publisher publisher;
  publisher.answer->cache_control = "public, max-age=300";
  JwksSource source = publisher.source();
  EXPECT_TRUE(source.keys().empty());
  EXPECT_TRUE(source.refresh(kNow));
  EXPECT_EQ(source.keys().at(0).kid(), "first");
  EXPECT_FALSE(source.refresh(after(seconds(299))));
  EXPECT_EQ(publisher.asked, 1);
  EXPECT_FALSE(source.refresh(after(seconds(300)))) << "asked, but nothing changed";
  EXPECT_EQ(publisher.asked, 2);
  publisher.answer->body = one_key("second");
  EXPECT_TRUE(source.refresh(after(seconds(600))));
  EXPECT_EQ(source.keys().at(0).kid(), "second");
}

TEST(JwksUrl, BoundsMaxAge) {
  const auto lasts = [](const char* cache_control) {
    Publisher publisher;
    publisher.answer->cache_control = cache_control;
    JwksSource source = publisher.source();
    source.refresh(kNow);
    for (int age = 1;; ++age)
      if (source.due(after(seconds(age)))) return age;
  };
  EXPECT_EQ(lasts("max-age=1"), 60);
  EXPECT_EQ(lasts("no-store"), 60);
  EXPECT_EQ(lasts("max-age=86400"), 3600);
  EXPECT_EQ(lasts("max-age=99999999999999999999"), 3600);
  EXPECT_EQ(lasts(""), 600);
  EXPECT_EQ(lasts("max-age=nonsense"), 600);
}

TEST(JwksUrl, AnUnknownKidAsksAtMostOncePerHalfMinute) {
  Publisher publisher;
  JwksSource source = publisher.source();
  source.refresh(kNow);
  publisher.answer->body = one_key("second");
  source.report_unknown_kid();
  EXPECT_FALSE(source.refresh(after(seconds(29))));
  EXPECT_EQ(publisher.asked, 1);
  EXPECT_TRUE(source.refresh(after(seconds(30)))) << "the report was not lost";
  EXPECT_FALSE(source.due(after(seconds(300)))) << "and is answered";
  for (int second = 31; second <= 120; ++second) {
    source.report_unknown_kid();
    source.refresh(after(seconds(second)));
  }
  EXPECT_EQ(publisher.asked, 5);
}

TEST(JwksUrl, FailuresKeepTheKeysAndBackOff) {
  Publisher publisher;
  publisher.answer->cache_control = "max-age=60";
  JwksSource source = publisher.source();
  source.refresh(kNow);
  publisher.fails();
  std::vector<int> asked_at;
  for (int second = 60; second < 1300; ++second) {
    source.report_unknown_kid();  // does not shorten the back-off
    const int before = publisher.asked;
    EXPECT_FALSE(source.refresh(after(seconds(second))));
    if (publisher.asked > before) asked_at.push_back(second);
  }
  EXPECT_EQ(asked_at, (std::vector{60, 65, 75, 95, 135, 215, 375, 675, 975, 1275}));
  EXPECT_EQ(source.keys().size(), 1U);
  EXPECT_EQ(source.failure()->code, Code::kUnavailable);
  publisher.answer = JwksResponse{one_key("second"), ""};
  EXPECT_TRUE(source.refresh(after(seconds(1575))));
  EXPECT_FALSE(source.failure());
}

TEST(JwksUrl, BadAnswersCountAsFailures) {
  for (const std::string& body : {std::string(), std::string("<html>"), one_key("a").substr(0, 40),
                                  set_of(R"({"kty":"oct","k":"AA"})"), std::string(kMaxJwksBytes + 1, ' ')}) {
    Publisher publisher;
    JwksSource source = publisher.source();
    source.refresh(kNow);
    publisher.answer = JwksResponse{body, "max-age=3600"};
    EXPECT_FALSE(source.refresh(after(seconds(600))));
    EXPECT_EQ(source.keys().size(), 1U);
    EXPECT_TRUE(source.failure());
    EXPECT_TRUE(source.due(after(seconds(605)))) << "tried again soon, whatever max-age said";
  }
}

TEST(JwksUrl, KeysAreDroppedAfterADayOfFailures) {
  Publisher publisher;
  JwksSource source = publisher.source();
  source.refresh(kNow);
  publisher.fails();
  constexpr seconds kDay{86'400};
  EXPECT_FALSE(source.refresh(after(kDay - seconds(1))));
  EXPECT_EQ(source.keys().size(), 1U);
  EXPECT_TRUE(source.refresh(after(kDay + seconds(4)))) << "a change: the verifier must learn of it";
  EXPECT_TRUE(source.keys().empty());
  EXPECT_FALSE(source.refresh(after(kDay + seconds(100)))) << "said once";
  publisher.answer = JwksResponse{one_key("first"), ""};
  EXPECT_TRUE(source.refresh(after(kDay + seconds(1000)))) << "the same set as before is news now";
  EXPECT_EQ(source.keys().size(), 1U);
}

TEST(JwksUrl, NoKeysUntilTheFirstAnswer) {
  Publisher publisher;
  publisher.fails();
  JwksSource source = publisher.source();
  EXPECT_FALSE(source.refresh(kNow));
  EXPECT_FALSE(source.due(after(seconds(4))));
  publisher.answer = JwksResponse{one_key("first"), ""};
  EXPECT_TRUE(source.refresh(after(seconds(5))));
}

TEST(JwksUrl, WithdrawnKeysGoAtOnce) {
  Publisher publisher;
  JwksSource source = publisher.source();
  source.refresh(kNow);
  publisher.answer->body = set_of("");
  EXPECT_TRUE(source.refresh(after(seconds(600))));
  EXPECT_TRUE(source.keys().empty());
}

TEST(JwksUrl, AClockSetBackDoesNotStopIt) {
  Publisher publisher;
  JwksSource source = publisher.source();
  source.refresh(kNow);
  EXPECT_TRUE(source.due({kNow.micros - 1}));
}

TEST(JwksUrl, TakesHttpsAndLoopbackAlone) {
  for (const auto* good :
       {"https://id.example/.well-known/jwks.json", "https://id.example", "HTTPS://id.example:8443/x?a=b@c",
        "http://localhost/jwks", "http://LocalHost:3000/jwks", "http://127.0.0.1:80/", "http://127.1.2.255",
        "http://[::1]:8080/jwks", "http://[::1]", "https://[2001:db8::1]/x", "https://10.0.0.1/x"})
    EXPECT_TRUE(check_jwks_url(good)) << good;
  for (const auto* bad : {"",
                          "id.example",
                          "http://id.example/jwks",
                          "http://localhost.id.example/",
                          "http://127.0.0.1.id.example/",
                          "http://localhost@id.example/",
                          "https://user:pass@id.example/",
                          "http://127.1/",
                          "http://127.0.0.256/",
                          "http://0177.0.0.1/",
                          "http://127.0.0.01/",
                          "http://10.0.0.1/",
                          "http://[::2]/",
                          "http://[::1].id.example/",
                          "http://[::1",
                          "file:///etc/jwks",
                          "ftp://localhost/",
                          "https://",
                          "https:///path",
                          "https://:443/",
                          "https://id.example:/",
                          "https://id.example:x/",
                          "https://id.example/#f",
                          "https://id.example/a b",
                          "https://id.example\\@localhost/",
                          "http://localhost\n/",
                          " https://id.example/",
                          "http://localhost:80:90/",
                          "http://id.example?@localhost/",
                          "http://0.0.0.0/",
                          "https://id.example/\xc3\xbc"})
    EXPECT_FALSE(check_jwks_url(bad)) << bad;
  EXPECT_FALSE(JwksSource::from_url("http://id.example/jwks", {}, [] { return Result<JwksResponse>(); }));
}

TEST(JwksUrl, ReadsCacheControl) {
  EXPECT_EQ(max_age("max-age=60"), seconds(60));
  EXPECT_EQ(max_age("public, MAX-AGE=60 , must-revalidate"), seconds(60));
  EXPECT_EQ(max_age("max-age=60, no-cache"), seconds(0));
  EXPECT_EQ(max_age("s-maxage=60, x-max-age=5"), std::nullopt);
  EXPECT_EQ(max_age("max-age=-1"), std::nullopt);
  EXPECT_EQ(max_age("max-age="), std::nullopt);
  EXPECT_EQ(max_age(""), std::nullopt);
}

class JwksFile : public ::testing::Test {
 protected:
  JwksFile() {
    std::string pattern = (std::filesystem::temp_directory_path() / "tideline-jwks-XXXXXX").string();
    directory_ = ::mkdtemp(pattern.data());
    path_ = directory_ / "jwks.json";
  }
  ~JwksFile() override { std::filesystem::remove_all(directory_); }

  void write(std::string_view text) { std::ofstream(path_, std::ios::binary | std::ios::trunc) << text; }

  std::filesystem::path directory_;
  std::filesystem::path path_;
};

TEST_F(JwksFile, IsReadAgainWhenItChanged) {
  write(one_key("first"));
  JwksSource source = JwksSource::from_file(path_, {});
  EXPECT_TRUE(source.refresh(kNow));
  EXPECT_EQ(source.keys().at(0).kid(), "first");
  EXPECT_FALSE(source.refresh(after(seconds(2))));
  write(one_key("other"));  // same size, maybe the same tick of the clock
  EXPECT_TRUE(source.refresh(after(seconds(4))));
  EXPECT_EQ(source.keys().at(0).kid(), "other");
}

TEST_F(JwksFile, ABadNewFileKeepsTheOldKeysForEver) {
  write(one_key("first"));
  JwksSource source = JwksSource::from_file(path_, {});
  ASSERT_TRUE(source.refresh(kNow));
  write(one_key("second").substr(0, 50));
  EXPECT_FALSE(source.refresh(after(seconds(2))));
  EXPECT_EQ(source.failure()->code, Code::kInvalidInput);
  EXPECT_FALSE(source.refresh(after(seconds(1'000'000))));
  EXPECT_EQ(source.keys().at(0).kid(), "first");
  write(one_key("second"));
  EXPECT_TRUE(source.refresh(after(seconds(1'000'002))));
  EXPECT_FALSE(source.failure());
}

TEST_F(JwksFile, AMissingOrStrangeFileIsAFailureWithItsReason) {
  JwksSource source = JwksSource::from_file(path_, {});
  EXPECT_FALSE(source.refresh(kNow));
  EXPECT_EQ(source.failure()->code, Code::kNotFound);
  EXPECT_NE(source.failure()->message.find(path_.string()), std::string::npos);
  EXPECT_EQ(JwksSource::from_file(directory_, {}).refresh(kNow), false);
  EXPECT_EQ(read_jwks_file(directory_).error().code, Code::kUnavailable);
  ASSERT_EQ(::mkfifo(path_.c_str(), 0600), 0);
  EXPECT_EQ(read_jwks_file(path_).error().code, Code::kUnavailable) << "and does not hang";
  std::filesystem::remove(path_);
  write(std::string(kMaxJwksBytes + 1, ' '));
  EXPECT_EQ(read_jwks_file(path_).error().code, Code::kTooLarge);
}

TEST_F(JwksFile, ARotationReachesTheVerifier) {
  const KeyPair old_pair = KeyPair::p256(), new_pair = KeyPair::p256();
  const auto token = [](const KeyPair& pair, std::string_view kid) {
    return testing::make_token(fmt::format(R"({{"alg":"ES256","kid":"{}"}})", kid),
                               fmt::format(R"({{"sub":"u","exp":{}}})", testing::kNowSeconds + 600), pair);
  };
  write(set_of(old_pair.jwk("old")));
  JwksSource source = JwksSource::from_file(path_, {});
  ASSERT_TRUE(source.refresh(kNow));
  TokenVerifier verifier(*KeySet::make(source.keys()));
  EXPECT_TRUE(verifier.verify(token(old_pair, "old"), kNow));
  const auto refused = verifier.verify(token(new_pair, "new"), kNow);
  ASSERT_TRUE(!refused && is_unknown_kid(refused.error()));
  write(set_of(new_pair.jwk("new")));
  source.report_unknown_kid();
  ASSERT_TRUE(source.refresh(after(seconds(1))));
  verifier.replace_keys(*KeySet::make(source.keys()));
  EXPECT_TRUE(verifier.verify(token(new_pair, "new"), kNow));
  EXPECT_FALSE(verifier.verify(token(old_pair, "old"), kNow));
}

}  // namespace
}  // namespace tideline::server
