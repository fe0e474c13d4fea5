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

TEST(RepositoryName, EveryFormOfARemoteIsOneName) {
  const RepositoryName expected{"github.com", "owner/repo", ""};
  for (const char* form : {"https://github.com/owner/repo",
                           "https://github.com/owner/repo.git",
                           "https://github.com/owner/repo.git/",
                           "https://github.com/owner/repo/",
                           "HTTPS://GitHub.com/Owner/Repo.GIT",
                           "https://user@github.com/owner/repo.git",
                           "https://user:secret@github.com:443/owner/repo.git",
                           "http://github.com/owner/repo",
                           "ssh://git@github.com/owner/repo.git",
                           "ssh://git@github.com:22/owner/repo.git",
                           "ssh://git@ssh.github.com:443/owner/repo.git",
                           "git+ssh://git@github.com/owner/repo.git",
                           "git://github.com/owner/repo.git",
                           "git@github.com:owner/repo.git",
                           "git@github.com:owner/repo",
                           "git@github.com:/owner/repo.git",
                           "github.com:owner/repo.git",
                           "github.com/owner/repo",
                           "www.github.com/owner/repo",
                           "https://github.com/owner/repo/tree/main/models",
                           "https://github.com/owner/repo?tab=readme",
                           "  git@github.com:owner/repo.git\n"}) {
    EXPECT_EQ(repository_name(form), expected) << form << " gave " << repository_name(form).path;
  }
}

TEST(RepositoryName, PlainNamesHaveNoHost) {
  EXPECT_EQ(repository_name("Owner/Repo"), (RepositoryName{"", "owner/repo", ""}));
  EXPECT_EQ(repository_name("repo"), (RepositoryName{"", "repo", ""}));
  EXPECT_EQ(repository_name("owner/repo.git"), (RepositoryName{"", "owner/repo", ""}));
  EXPECT_EQ(repository_name(".git"), (RepositoryName{"", ".git", ""}));
  EXPECT_EQ(repository_name(""), (RepositoryName{"", "", ""}));
  EXPECT_EQ(repository_name("my.group/repo").path, "my.group/repo");
  // An alias of an ssh config is no host that others know.
  EXPECT_EQ(repository_name("git@github-work:owner/repo.git"), (RepositoryName{"", "owner/repo", ""}));
}

TEST(RepositoryName, GitLabSubGroupsStay) {
  const RepositoryName expected{"gitlab.com", "group/sub/team/repo", ""};
  for (const char* form : {"https://gitlab.com/group/sub/team/repo.git", "git@gitlab.com:group/sub/team/repo.git",
                           "https://gitlab.com/group/sub/team/repo/-/tree/main/models"})
    EXPECT_EQ(repository_name(form), expected) << form;
}

TEST(RepositoryName, AzureFormsAreOne) {
  const RepositoryName expected{"dev.azure.com", "org/my project/repo", ""};
  for (const char* form :
       {"https://dev.azure.com/org/My%20Project/_git/repo", "https://org@dev.azure.com/org/My%20Project/_git/repo",
        "git@ssh.dev.azure.com:v3/org/My%20Project/repo", "https://org.visualstudio.com/My%20Project/_git/repo",
        "https://org.visualstudio.com/DefaultCollection/My%20Project/_git/repo",
        "org@vs-ssh.visualstudio.com:v3/org/My%20Project/repo"})
    EXPECT_EQ(repository_name(form), expected) << form << " gave " << repository_name(form).path;
  EXPECT_EQ(repository_name("https://dev.azure.com/org/_git/repo").path, "org/repo/repo");
}

TEST(RepositoryName, BitbucketFormsAreOne) {
  EXPECT_EQ(repository_name("https://bitbucket.org/team/repo/src/main/").path, "team/repo");
  const RepositoryName expected{"git.example.org", "proj/repo", ""};
  for (const char* form : {"https://git.example.org/scm/PROJ/repo.git", "ssh://git@git.example.org:7999/proj/repo.git",
                           "https://git.example.org/projects/PROJ/repos/repo/browse"})
    EXPECT_EQ(repository_name(form), expected) << form;
}

TEST(RepositoryName, SubDirectoryAfterTwoSlashesOrHash) {
  EXPECT_EQ(repository_name("owner/repo//dbt/core"), (RepositoryName{"", "owner/repo", "dbt/core"}));
  EXPECT_EQ(repository_name("https://github.com/owner/repo.git#dbt"),
            (RepositoryName{"github.com", "owner/repo", "dbt"}));
  EXPECT_EQ(repository_name("git@github.com:owner/repo.git//dbt/"),
            (RepositoryName{"github.com", "owner/repo", "dbt"}));
}

TEST(RepositoryName, AnyBytesAreTaken) {
  for (const char* text :
       {"://", "@:", ":", "/", "//", "#", "?", "a://", "git@", "git@:", "%", "%zz/%2", "\xff\xfe/\x01",
        "https://[::1]:443/owner/repo", "a//b//c##d??", "-/-/-", "_git", "dev.azure.com/_git/_git"})
    repository_name(text);
  EXPECT_EQ(repository_name("https://[::1]:443/owner/repo"), (RepositoryName{"[::1]", "owner/repo", ""}));
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
