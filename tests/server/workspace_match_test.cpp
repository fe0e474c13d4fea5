#include "server/workspace_match.h"

#include <gtest/gtest.h>

namespace tideline::server {
namespace {

store::ListedConnection connection(std::string full_name, std::string url = {}, std::string subdir = {},
                                   std::vector<std::string> aliases = {}) {
  store::ListedConnection c;
  c.id = ConnectionId::random();
  c.type = "git";
  c.full_name = full_name;
  c.name = full_name.substr(full_name.rfind('/') + 1);
  c.subdir = std::move(subdir);
  if (!url.empty()) c.url = std::move(url);
  c.aliases = std::move(aliases);
  return c;
}

std::vector<std::string> names(const std::vector<const store::ListedConnection*>& connections) {
  std::vector<std::string> out;
  for (const auto* c : connections) out.push_back(c->full_name);
  return out;
}

TEST(WorkspaceMatch, ExactByNameFullNameAliasAndUrl) {
  const std::vector<store::ListedConnection> all{connection("Acme/Shop", {}, {}, {"acme/store"}),
                                                 connection("acme/other"),
                                                 connection("internal-name", "https://github.com/acme/billing.git")};
  EXPECT_EQ(names(match_connections("acme/shop", all).matched), std::vector<std::string>{"Acme/Shop"});
  EXPECT_EQ(names(match_connections("SHOP", all).matched), std::vector<std::string>{"Acme/Shop"});
  EXPECT_EQ(names(match_connections("git@github.com:ACME/Shop.git", all).matched),
            std::vector<std::string>{"Acme/Shop"});
  EXPECT_EQ(names(match_connections("acme/store", all).matched), std::vector<std::string>{"Acme/Shop"});
  EXPECT_EQ(names(match_connections("https://github.com/acme/store", all).matched),
            std::vector<std::string>{"Acme/Shop"});
  EXPECT_EQ(names(match_connections("ssh://git@github.com/acme/billing", all).matched),
            std::vector<std::string>{"internal-name"});
}

TEST(WorkspaceMatch, PartialEitherWayIsSuggestedWithAReason) {
  const std::vector<store::ListedConnection> all{connection("acme/shop-dbt"), connection("acme/sh"),
                                                 connection("zeta/omega")};
  const auto match = match_connections("elsewhere/shop", all);
  EXPECT_TRUE(match.matched.empty());
  ASSERT_EQ(match.suggested.size(), 2u);
  EXPECT_EQ(match.suggested[0].connection->full_name, "acme/shop-dbt");
  EXPECT_EQ(match.suggested[0].reason, R"(The name "shop-dbt" contains "shop".)");
  EXPECT_EQ(match.suggested[1].reason, R"(The workspace's repository "shop" contains the name "sh".)");
  EXPECT_EQ(names(match.other), std::vector<std::string>{"zeta/omega"});
}

TEST(WorkspaceMatch, EachConnectionIsInExactlyOneList) {
  const std::vector<store::ListedConnection> all{connection("a/b"), connection("a/bc"), connection("c/d"),
                                                 connection("x/y", {}, "b")};
  for (const char* identifier : {"a/b", "b", "", "a", "c/d", "nothing", "/", "x/y//b", "x/y"}) {
    const auto match = match_connections(identifier, all);
    EXPECT_EQ(match.matched.size() + match.suggested.size() + match.other.size(), all.size()) << identifier;
  }
  EXPECT_EQ(match_connections("", all).other.size(), all.size());
}

TEST(WorkspaceMatch, SubDirectoryChoosesAmongConnectionsOfOneRepository) {
  const std::vector<store::ListedConnection> all{connection("acme/mono", {}, "finance"),
                                                 connection("acme/mono", {}, "sales")};
  EXPECT_EQ(match_connections("acme/mono", all).matched.size(), 2u);
  for (const char* identifier : {"acme/mono//sales", "acme/mono#sales", "acme/mono/sales"}) {
    const auto match = match_connections(identifier, all);
    ASSERT_EQ(match.matched.size(), 1u) << identifier;
    EXPECT_EQ(match.matched[0]->subdir, "sales");
  }
  EXPECT_EQ(match_connections("acme/mono//sales", all).suggested.at(0).reason, R"(The same repository, in "finance".)");
}

TEST(WorkspaceMatch, HostDecidesWhereSeveralHaveTheName) {
  const std::vector<store::ListedConnection> all{connection("acme/shop", "https://github.com/acme/shop"),
                                                 connection("acme/shop", "https://gitlab.com/acme/shop")};
  const auto match = match_connections("git@gitlab.com:acme/shop.git", all);
  ASSERT_EQ(match.matched.size(), 1u);
  EXPECT_EQ(match.matched[0]->url, "https://gitlab.com/acme/shop");
  EXPECT_EQ(match.suggested.at(0).reason, "The same name on github.com.");
  // A mirror nobody registered: the name is what is left to go by.
  EXPECT_EQ(match_connections("git@mirror.example.org:acme/shop.git", all).matched.size(), 2u);
}

}  // namespace
}  // namespace tideline::server
