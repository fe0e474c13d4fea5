#include "model/repository_name.h"

#include <gtest/gtest.h>

namespace tideline {
namespace {

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
  EXPECT_EQ(repository_name("https://dev.azure.com/org/_git").path, "org");
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

TEST(RepositoryName, PercentSignsHideNoCaseAndMakeNoSlash) {
  EXPECT_EQ(repository_name("https://github.com/%4Fwner/repo").path, "owner/repo");
  EXPECT_EQ(repository_name("https://git.example.org/owner%2Frepo").path, "owner%2frepo");
}

TEST(RepositoryName, AnyBytesAreTaken) {
  for (const char* text :
       {"://", "@:", ":", "/", "//", "#", "?", "a://", "git@", "git@:", "%", "%zz/%2", "\xff\xfe/\x01",
        "https://[::1]:443/owner/repo", "a//b//c##d??", "-/-/-", "_git", "dev.azure.com/_git/_git"})
    repository_name(text);
  EXPECT_EQ(repository_name("https://[::1]:443/owner/repo"), (RepositoryName{"[::1]", "owner/repo", ""}));
}

}  // namespace
}  // namespace tideline
