#include "server/api_token.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace tideline::server {
namespace {

const OrganizationId kOrganization = *OrganizationId::parse("6ba7b810-9dad-11d1-80b4-00c04fd430c8");

TEST(ApiToken, ReadsBackWhatWasMade) {
  const NewApiToken made = make_api_token(kOrganization);
  EXPECT_EQ(made.text.size(), 84U);
  EXPECT_TRUE(made.text.starts_with("tdl_6ba7b810-9dad-11d1-80b4-00c04fd430c8_"));
  EXPECT_TRUE(looks_like_api_token(made.text));
  const auto claim = parse_api_token(made.text);
  ASSERT_TRUE(claim);
  EXPECT_EQ(claim->organization, kOrganization);
  EXPECT_TRUE(same_digest(made.digest, claim->digest));
  EXPECT_EQ(made.digest, sha256(made.text));
  EXPECT_NE(make_api_token(kOrganization).text, made.text);
}

TEST(ApiToken, TheDigestCoversTheOrganization) {
  const NewApiToken made = make_api_token(kOrganization);
  std::string other = made.text;
  other[4] = '7';
  const auto claim = parse_api_token(other);
  ASSERT_TRUE(claim);
  EXPECT_NE(claim->organization, kOrganization);
  EXPECT_FALSE(same_digest(made.digest, claim->digest));
}

TEST(ApiToken, HasOneSpelling) {
  const std::string secret = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA_0";
  const std::string uuid = "6ba7b810-9dad-11d1-80b4-00c04fd430c8";
  ASSERT_TRUE(parse_api_token("tdl_" + uuid + "_" + secret));
  for (const std::string& bad :
       {std::string(), std::string("tdl_"), "tdl_" + uuid, "TDL_" + uuid + "_" + secret, "tdl-" + uuid + "_" + secret,
        "tdl_6BA7B810-9DAD-11D1-80B4-00C04FD430C8_" + secret, "tdl_" + uuid + "-" + secret,
        "tdl_" + uuid + "_" + secret + "=", "tdl_" + uuid + "_" + secret + "\n", " tdl_" + uuid + "_" + secret,
        "tdl_" + uuid + "_" + secret.substr(1),
        "tdl_" + uuid + "_" + secret.substr(0, 42) + "1",  // unused bits are not zero
        "tdl_" + uuid + "_" + secret.substr(0, 42) + "+", "tdl_6ba7b8109dad11d180b400c04fd430c8____ _" + secret}) {
    const auto claim = parse_api_token(bad);
    ASSERT_FALSE(claim) << bad;
    EXPECT_EQ(claim.error().code, Code::kUnauthenticated);
  }
}

RC_GTEST_PROP(ApiToken, AnyChangeIsAnotherTokenOrNone, ()) {
  const NewApiToken made = make_api_token(kOrganization);
  std::string other = made.text;
  const auto at = *rc::gen::inRange<std::size_t>(0, other.size());
  other[at] = static_cast<char>(other[at] ^ (1 << *rc::gen::inRange(0, 8)));
  const auto claim = parse_api_token(other);
  RC_ASSERT(!claim || !same_digest(claim->digest, made.digest));
  RC_ASSERT(!parse_api_token(made.text.substr(0, at)));
}

}  // namespace
}  // namespace tideline::server
