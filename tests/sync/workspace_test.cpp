#include "sync/workspace.h"

#include <random>

#include <gtest/gtest.h>

#include "tests/sync/git.h"

namespace tideline::sync {
namespace {

namespace fs = std::filesystem;

GitEnvironment environment_of(const GitDirectory& directory) {
  GitEnvironment environment;
  environment.home = directory.home();
  environment.no_system = true;
  return environment;
}

/// "name fetch push" a line, by ours and by git.
std::string our_remotes(const GitDirectory& directory, const fs::path& in) {
  const auto repository = find_git_repository(directory.root / in);
  if (!repository) return "no repository";
  const auto config = read_git_config(*repository, environment_of(directory));
  if (!config) return config.error().message;
  std::string out;
  for (const auto& remote : git_remotes(*config))
    out += remote.name + " " + remote.fetch_url + " " + remote.push_url + "\n";
  return out;
}
std::string gits_remotes(const GitDirectory& directory, const fs::path& in) {
  std::string out;
  const auto names = directory.shell("git remote", in);
  EXPECT_EQ(names.code, 0);
  std::size_t at = 0;
  while (at < names.text.size()) {
    const auto end = names.text.find('\n', at);
    const std::string name = names.text.substr(at, end - at);
    out += name + " " + directory.line("git remote get-url " + name, in) + " " +
           directory.line("git remote get-url --push " + name, in) + "\n";
    at = end + 1;
  }
  return out;
}

TEST(GitRepository, CloneWorkTreeAndSubmoduleAreFoundAsGitFindsThem) {
  const GitDirectory d;
  d.line(
      "git init -q shop && cd shop && git config user.email a@b && git config user.name a && mkdir -p models/deep && "
      "touch models/deep/a.sql && git add . && git commit -qm x && git remote add origin git@github.com:acme/shop.git");
  d.line(
      "git init -q lib && cd lib && git config user.email a@b && git config user.name a && git commit -q --allow-empty "
      "-m x && git remote add origin https://example.com/acme/lib");
  d.line("git worktree add -q ../tree", "shop");
  d.line("git submodule --quiet add $PWD/../lib vendor/lib", "shop");
  for (const char* in : {"shop", "shop/models/deep", "tree", "tree/models", "shop/vendor/lib", "lib"}) {
    const auto repository = find_git_repository(d.root / in);
    ASSERT_TRUE(repository) << in;
    EXPECT_EQ(repository->work_tree.string(), d.line("git rev-parse --show-toplevel", in)) << in;
    EXPECT_EQ(repository->git_dir.string(), d.line("git rev-parse --absolute-git-dir", in)) << in;
    EXPECT_EQ(repository->common_dir, fs::canonical(d.root / in / d.line("git rev-parse --git-common-dir", in))) << in;
    EXPECT_EQ(repository->is_submodule, std::string(in) == "shop/vendor/lib") << in;
    EXPECT_EQ(our_remotes(d, in), gits_remotes(d, in)) << in;
  }
  EXPECT_FALSE(find_git_repository(d.home()));
  // An empty .git is passed by; a .git file that leads nowhere ends the search, as it does for git.
  fs::create_directories(d.root / "shop/empty/.git");
  EXPECT_EQ(find_git_repository(d.root / "shop/empty")->work_tree, d.root / "shop");
  d.write("shop/broken/.git", "gitdir: /nowhere\n");
  EXPECT_FALSE(find_git_repository(d.root / "shop/broken"));
  EXPECT_NE(d.shell("git rev-parse --git-dir", "shop/broken").code, 0);
}

TEST(GitRepository, WorkTreeOwnConfigurationCounts) {
  const GitDirectory d;
  d.line(
      "git init -q a && cd a && git config user.email a@b && git config user.name a && git commit -q --allow-empty -m "
      "x "
      "&& git remote add origin https://example.com/main && git config extensions.worktreeConfig true && git worktree "
      "add -q ../b");
  d.line("git config --worktree remote.origin.pushurl https://example.com/own", "b");
  for (const char* in : {"a", "b"}) EXPECT_EQ(our_remotes(d, in), gits_remotes(d, in)) << in;
  EXPECT_EQ(our_remotes(d, "b"), "origin https://example.com/main https://example.com/own\n");
}

TEST(GitRepository, IncludesAndTheirConditionsAgreeWithGit) {
  const GitDirectory d;
  d.line("git init -q -b topic/one work/shop && git init -q -b main play/shop");
  for (const char* in : {"work/shop", "play/shop"}) d.line("git remote add origin gh:acme/shop", in);
  const std::string root = d.root.string();
  for (const std::string& condition :
       {std::string("gitdir:") + root + "/work/", std::string("gitdir:work/"), std::string("gitdir:**/shop/.git"),
        std::string("gitdir:~/../work/"), std::string("gitdir/i:WORK/"), std::string("gitdir:WORK/"),
        std::string("gitdir:./../work/"), std::string("onbranch:topic/"), std::string("onbranch:main"),
        std::string("onbranch:t*"), std::string("onbranch:**/one"), std::string("hasconfig:remote.*.url:gh:**"),
        std::string("hasconfig:remote.*.url:https://**"), std::string("nonsense:x"), std::string("gitdir:")}) {
    d.write("home/.gitconfig", "[includeIf \"" + condition +
                                   "\"]\n\tpath = extra\n[include]\n\tpath = ~/more\n"
                                   "[include]\n\tpath = missing\n");
    d.write("home/extra", "[url \"https://work.example.com/\"]\n\tinsteadOf = gh:\n");
    d.write("home/more", "[url \"https://longer.example.com/\"]\n\tpushInsteadOf = gh:acme\n");
    for (const char* in : {"work/shop", "play/shop"})
      EXPECT_EQ(our_remotes(d, in), gits_remotes(d, in)) << condition << " in " << in;
  }
  d.write("home/.config/git/config", "[url \"https://xdg.example.com/\"]\n\tinsteadOf = gh:\n");
  EXPECT_EQ(our_remotes(d, "play/shop"), gits_remotes(d, "play/shop"));
  // A circle is an error there and here.
  d.write("home/.gitconfig", "[include]\n\tpath = .gitconfig\n");
  EXPECT_NE(our_remotes(d, "play/shop").find("within itself"), std::string::npos);
  EXPECT_NE(d.shell("git remote", "play/shop").code, 0);
}

TEST(GitRepository, RandomRemotesAndRewritesAgreeWithGit) {
  const GitDirectory d;
  d.line("git init -q r");
  const char* env = std::getenv("TIDELINE_SEED");
  const unsigned seed = env ? static_cast<unsigned>(std::strtoul(env, nullptr, 10)) : std::random_device()();
  std::printf("TIDELINE_SEED=%u\n", seed);
  std::mt19937 random(seed);
  const auto pick = [&random](std::initializer_list<const char*> from) {
    return std::string(from.begin()[random() % from.size()]);
  };
  for (int i = 0; i < 25; ++i) {
    std::string config = "[core]\n\trepositoryformatversion = 0\n";
    for (auto n = 1 + random() % 8; n > 0; --n) {
      if (random() % 2) {
        config += "[url \"" + pick({"https://a.example.com/", "git@b.example.com:", "ssh://c/", ""}) + "\"]\n\t" +
                  pick({"insteadOf", "pushInsteadOf", "INSTEADOF"}) + " = " +
                  pick({"gh:", "gh:ac", "https://", "https://github.com/", "git@github.com:", "\"\""}) + "\n";
      } else {
        config += "[remote \"" + pick({"origin", "upstream", "fork"}) + "\"]\n\t" +
                  pick({"url", "url", "url", "pushurl"}) + " = " +
                  pick({"gh:acme/shop", "https://github.com/acme/shop.git", "git@github.com:acme/shop.git", "../x"}) +
                  "\n";
      }
    }
    d.write("r/.git/config", config);
    std::string git;
    // git lists remotes by name, and those without a URL, too.
    for (const char* name : {"fork", "origin", "upstream"}) {
      const auto url = d.shell(std::string("git config remote.") + name + ".url", "r");
      if (url.code != 0) continue;
      git += std::string(name) + " " + d.line(std::string("git remote get-url ") + name, "r") + " " +
             d.line(std::string("git remote get-url --push ") + name, "r") + "\n";
    }
    const auto repository = find_git_repository(d.root / "r");
    ASSERT_TRUE(repository);
    auto remotes = git_remotes(read_git_config(*repository, environment_of(d)).value());
    std::sort(remotes.begin(), remotes.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
    std::string ours;
    for (const auto& remote : remotes) ours += remote.name + " " + remote.fetch_url + " " + remote.push_url + "\n";
    EXPECT_EQ(ours, git) << config;
  }
}

std::vector<std::string> identifiers(const Workspace& workspace) {
  std::vector<std::string> out;
  for (const auto& name : workspace.names) out.push_back(name.identifier);
  return out;
}

TEST(Workspace, ProjectInARepositoryIsNamedByItsRemote) {
  const GitDirectory d;
  d.line(
      "git init -q shop && cd shop && git remote add fork git@github.com:ada/Shop.git && git remote add origin "
      "https://ada:secret@GitHub.com/Acme/Shop.git");
  d.write("shop/dbt_project.yml", "name: shop\n");
  d.write("shop/models/a.sql", "select 1");
  const auto w = detect_workspace(d.root / "shop/models", environment_of(d));
  EXPECT_EQ(w.root, d.root / "shop");
  EXPECT_TRUE(w.has_project);
  EXPECT_EQ(w.subdir, "");
  EXPECT_EQ(w.identifier, "acme/shop");
  EXPECT_EQ(identifiers(w), (std::vector<std::string>{"https://github.com/acme/shop", "https://github.com/ada/shop"}));
  EXPECT_EQ(w.names[0].origin, "git remote \"origin\" (https://GitHub.com/Acme/Shop.git)");
}

TEST(Workspace, SubDirectoryOfAMonorepo) {
  const GitDirectory d;
  d.line("git init -q mono && cd mono && git remote add origin git@github.com:acme/mono.git");
  d.write("mono/dbt/Sales #1/dbt_project.yml", "name: sales\n");
  d.write("mono/dbt/Sales #1/dbt_packages/utils/dbt_project.yml", "name: utils\n");
  for (const char* in : {"mono/dbt/Sales #1", "mono/dbt/Sales #1/dbt_packages/utils"}) {
    const auto w = detect_workspace(d.root / in, environment_of(d));
    EXPECT_EQ(w.subdir, "dbt/Sales #1");
    EXPECT_EQ(w.identifier, "acme/mono//dbt/Sales %231");
  }
  // At its top there is no project: all of the repository is meant.
  const auto top = detect_workspace(d.root / "mono", environment_of(d));
  EXPECT_EQ(top.identifier, "acme/mono");
  EXPECT_FALSE(top.has_project);
}

TEST(Workspace, SubmoduleHasItsOwnNameUnlessTheProjectIsAroundIt) {
  const GitDirectory d;
  d.line(
      "git init -q lib && cd lib && git config user.email a@b && git config user.name a && git commit -q --allow-empty "
      "-m x && git init -q ../shop && cd ../shop && git submodule --quiet add ../lib models && git -C models remote "
      "set-url origin git@github.com:acme/models.git && git remote add origin git@github.com:acme/shop.git");
  d.write("shop/dbt_project.yml", "name: shop\n");
  EXPECT_EQ(detect_workspace(d.root / "shop/models", environment_of(d)).identifier, "acme/shop");
  d.write("shop/models/dbt_project.yml", "name: models\n");
  EXPECT_EQ(detect_workspace(d.root / "shop/models", environment_of(d)).identifier, "acme/models");
}

TEST(Workspace, StrayProjectAboveARepositoryIsNotItsProject) {
  const GitDirectory d;
  d.line("git init -q shop && cd shop && git remote add origin git@github.com:acme/shop.git");
  d.write("dbt_project.yml", "name: stray\n");
  EXPECT_EQ(detect_workspace(d.root / "shop", environment_of(d)).identifier, "acme/shop");
}

TEST(Workspace, RewrittenRemoteIsTriedUnderBothNames) {
  const GitDirectory d;
  d.line("git init -q shop && cd shop && git remote add origin https://github.com/acme/shop");
  d.write("home/.gitconfig", "[url \"https://mirror.example.com/github/\"]\n\tinsteadOf = https://github.com/\n");
  EXPECT_EQ(identifiers(detect_workspace(d.root / "shop", environment_of(d))),
            (std::vector<std::string>{"https://mirror.example.com/github/acme/shop", "https://github.com/acme/shop"}));
}

TEST(Workspace, FilesAsRemotesAreNamedByTheirLastTwoDirectories) {
  const GitDirectory d;
  d.line(
      "git init -q --bare acme/shop.git && git clone -q acme/shop.git clone && git clone -q file://$PWD/acme/shop.git "
      "clone2 && git init -q clone3 && cd clone3 && git remote add origin ../acme/shop.git");
  for (const char* in : {"clone", "clone2", "clone3"})
    EXPECT_EQ(detect_workspace(d.root / in, environment_of(d)).identifier, "acme/shop") << in;
}

TEST(Workspace, WithoutGitTheProjectAndThenTheDirectoryNameIt) {
  const GitDirectory d;
  d.write("somewhere/dbt_project.yml", "# name: no\nversion: 2\nname: 'jaffle_shop'  # yes\nvars:\n  name: inner\n");
  const auto w = detect_workspace(d.root / "somewhere", environment_of(d));
  EXPECT_EQ(identifiers(w), (std::vector<std::string>{"jaffle_shop", "somewhere"}));
  EXPECT_EQ(w.identifier, "jaffle_shop");
  EXPECT_EQ(detect_workspace(d.home(), environment_of(d)).identifier, "home");
}

TEST(Workspace, BrokenConfigurationIsTold) {
  const GitDirectory d;
  d.line("git init -q shop");
  d.write("shop/.git/config", "[core\n");
  const auto w = detect_workspace(d.root / "shop", environment_of(d));
  EXPECT_EQ(w.identifier, "shop");
  ASSERT_EQ(w.notes.size(), 1u);
  EXPECT_NE(w.notes[0].find("config:1"), std::string::npos) << w.notes[0];
}

TEST(Workspace, HashSaysNothingAboutThePathAndDiffersByMachine) {
  EXPECT_EQ(workspace_hash("m", "/home/ada/shop").size(), 64u);
  EXPECT_NE(workspace_hash("m", "/home/ada/shop"), workspace_hash("m", "/home/ada/shop2"));
  EXPECT_NE(workspace_hash("m", "/home/ada/shop"), workspace_hash("n", "/home/ada/shop"));
}

TEST(Workspace, UserAndPasswordAreNotShown) {
  EXPECT_EQ(without_user("https://ada:secret@example.com/a@b"), "https://example.com/a@b");
  EXPECT_EQ(without_user("https://example.com/a"), "https://example.com/a");
  EXPECT_EQ(without_user("https://token@example.com"), "https://example.com");
  EXPECT_EQ(without_user("git@github.com:acme/shop.git"), "git@github.com:acme/shop.git");
}

TEST(Workspace, ProjectNamesInYaml) {
  EXPECT_EQ(dbt_project_name("name: a\n"), "a");
  EXPECT_EQ(dbt_project_name("name : \"a b\" # c\r\n"), "a b");
  EXPECT_EQ(dbt_project_name("names: a\n name: b\n"), "");
  EXPECT_EQ(dbt_project_name("name: 'open\n"), "");
  EXPECT_EQ(dbt_project_name(""), "");
}

}  // namespace
}  // namespace tideline::sync
