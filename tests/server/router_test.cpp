#include <gtest/gtest.h>

#include "base/text.h"
#include "server/rights.h"
#include "server/router.h"

namespace tideline::server {
namespace {

std::vector<std::string> segments(std::string_view path) {
  std::vector<std::string> out;
  for (std::string_view part : split(path.substr(1), '/')) out.emplace_back(part);
  return out;
}

const std::string kOrganization = "/api/metadata-sync/organizations/o1";

TEST(Router, FindsEveryRouteOfItsTable) {
  const Router router;
  for (const Route& route : routes()) {
    const auto outcome = router.find(route.method, segments(route.path));
    ASSERT_NE(outcome.match.route, nullptr) << route.path;
    EXPECT_EQ(outcome.match.route->action, route.action) << route.path;
  }
}

TEST(Router, GivesTheParametersOfThePath) {
  const Router router;
  const auto path = segments(kOrganization + "/connections/c1/artifacts");
  const auto outcome = router.find(http::Method::kPut, path);
  ASSERT_NE(outcome.match.route, nullptr);
  EXPECT_EQ(outcome.match.route->action, Action::kPush);
  EXPECT_EQ(outcome.match.parameters[0], "o1");
  EXPECT_EQ(outcome.match.parameters[1], "c1");
}

TEST(Router, HeadIsTakenWhereGetIs) {
  const Router router;
  EXPECT_NE(router.find(http::Method::kHead, segments("/healthz")).match.route, nullptr);
  EXPECT_EQ(router.find(http::Method::kHead, segments(kOrganization + "/artifacts")).match.route, nullptr);
}

TEST(Router, AnotherMethodIsToldWhichAreAllowed) {
  const Router router;
  const auto allow = [&](http::Method method, std::string_view path) {
    const auto parts = segments(path);
    return std::string(router.find(method, parts).allow);
  };
  EXPECT_EQ(allow(http::Method::kDelete, kOrganization + "/connections"), "GET, HEAD, PUT, OPTIONS");
  EXPECT_EQ(allow(http::Method::kGet, kOrganization + "/connections/c1"), "PUT, PATCH, DELETE, OPTIONS");
  EXPECT_EQ(allow(http::Method::kPut, kOrganization + "/connections/match-workspace"), "POST, OPTIONS");
  EXPECT_EQ(allow(http::Method::kOther, "/healthz"), "GET, HEAD, OPTIONS");
}

TEST(Router, OtherPathsAreNotThere) {
  const Router router;
  for (const char* path : {"/", "/healthz/", "//healthz", "/api", "/api/metadata-sync/organizations",
                           "/api/metadata-sync/organizations/o1", "/api/metadata-sync/organizations/o1/connections/",
                           "/api/metadata-sync/organizations/o1/connections/c1/artifacts/x", "/Healthz"}) {
    const auto parts = segments(path);
    const auto outcome = router.find(http::Method::kGet, parts);
    EXPECT_EQ(outcome.match.route, nullptr) << path;
    EXPECT_TRUE(outcome.allow.empty()) << path;
  }
}

TEST(Rights, AreThoseOfTheTable) {
  struct Row {
    Rights rights;
    std::string_view has;  // r read, p push, d document, a administer
  };
  const std::vector<Row> rows = {{Rights::of_role("member"), "r"},
                                 {Rights::of_role("admin"), "rpda"},
                                 {Rights::of_role("service"), ""},
                                 {Rights::of_role("owner"), ""},
                                 {Rights::of_role(""), ""},
                                 {Rights::of_scopes({"read"}), "r"},
                                 {Rights::of_scopes({"push"}), "pd"},
                                 {Rights::of_scopes({"documentation"}), "d"},
                                 {Rights::of_scopes({"read", "push"}), "rpd"},
                                 {Rights::of_scopes({"admin", "Read", ""}), ""}};
  for (std::size_t i = 0; i < rows.size(); ++i) {
    EXPECT_EQ(rows[i].rights.has(Right::kRead), rows[i].has.find('r') != std::string_view::npos) << i;
    EXPECT_EQ(rows[i].rights.has(Right::kPush), rows[i].has.find('p') != std::string_view::npos) << i;
    EXPECT_EQ(rows[i].rights.has(Right::kDocument), rows[i].has.find('d') != std::string_view::npos) << i;
    EXPECT_EQ(rows[i].rights.has(Right::kAdminister), rows[i].has.find('a') != std::string_view::npos) << i;
  }
}

}  // namespace
}  // namespace tideline::server
