#include "sync/local_state.h"

#include <thread>

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "sync/choose.h"
#include "sync/private_file.h"
#include "tests/sync/git.h"

namespace tideline::sync {
namespace {

namespace fs = std::filesystem;

mode_t mode_of(const fs::path& file) {
  struct stat status{};
  return stat(file.c_str(), &status) == 0 ? status.st_mode & 07777 : 0;
}

TEST(PrivateFile, IsReplacedAsAWholeAndForTheUserAlone) {
  const GitDirectory d;
  const fs::path file = d.root / "new" / "dir" / "file";
  EXPECT_EQ(read_file(file).value(), std::nullopt);
  ASSERT_TRUE(replace_private_file(file, "one"));
  EXPECT_EQ(read_file(file).value(), "one");
  EXPECT_EQ(mode_of(file), 0600u);
  EXPECT_EQ(mode_of(file.parent_path()), 0700u);
  ASSERT_TRUE(replace_private_file(file, "two"));
  EXPECT_EQ(read_file(file).value(), "two");
  // Nothing is left beside it.
  EXPECT_EQ(std::distance(fs::directory_iterator(file.parent_path()), fs::directory_iterator()), 1);
  const auto refused = replace_private_file("/proc/nowhere/file", "x");
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("/proc/nowhere"), std::string::npos);
}

TEST(PrivateFile, OneHoldsTheLock) {
  const GitDirectory d;
  auto first = FileLock::take(d.root / "lock", false).value();
  ASSERT_TRUE(first);
  EXPECT_FALSE(FileLock::take(d.root / "lock", false).value());
  first.reset();
  EXPECT_TRUE(FileLock::take(d.root / "lock", false).value());
}

WorkspaceMemory memory_of(const fs::path& root, OrganizationId organization) {
  return {root.string(), "https://a.example", organization,
          "acme/shop",   SyncMode::kManual,   {{ConnectionId::random(), "acme/shop", "chosen by hand"}}};
}

TEST(LocalState, RemembersWorkspacesAndForgetsThoseThatAreGone) {
  const GitDirectory d;
  fs::create_directories(d.root / "a");
  fs::create_directories(d.root / "b");
  const LocalState state(d.root / "data");
  const auto organization = OrganizationId::random();
  EXPECT_FALSE(state.recall(d.root / "a").value());
  const auto first = memory_of(d.root / "a", organization);
  ASSERT_TRUE(state.remember(first));
  ASSERT_TRUE(state.remember(memory_of(d.root / "b", organization)));
  const auto recalled = state.recall(d.root / "a").value();
  ASSERT_TRUE(recalled);
  EXPECT_EQ(recalled->connections.at(0).id, first.connections[0].id);
  EXPECT_EQ(recalled->mode, SyncMode::kManual);
  EXPECT_EQ(recalled->server, "https://a.example");
  EXPECT_EQ(state.workspaces("https://a.example", organization)->size(), 2u);
  EXPECT_EQ(state.workspaces("https://b.example", organization)->size(), 0u);
  EXPECT_EQ(state.workspaces("https://a.example", OrganizationId::random())->size(), 0u);
  fs::remove_all(d.root / "b");
  EXPECT_EQ(state.workspaces("https://a.example", organization)->size(), 1u);
  ASSERT_TRUE(state.forget("https://a.example", organization));
  EXPECT_FALSE(state.recall(d.root / "a").value());
  EXPECT_EQ(mode_of(state.workspaces_file()), 0600u);
}

TEST(LocalState, ManyProcessesMayRememberAtOnce) {
  const GitDirectory d;
  const auto organization = OrganizationId::random();
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    const fs::path root = d.root / std::to_string(i);
    fs::create_directories(root);
    threads.emplace_back(
        [&, root] { EXPECT_TRUE(LocalState(d.root / "data").remember(memory_of(root, organization))); });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(LocalState(d.root / "data").workspaces("https://a.example", organization)->size(), 8u);
}

TEST(LocalState, MachineIdIsMadeOnce) {
  const GitDirectory d;
  const std::string id = LocalState(d.root).machine_id().value();
  EXPECT_EQ(id.size(), 32u);
  EXPECT_EQ(LocalState(d.root).machine_id().value(), id);
}

TEST(LocalState, ReplicasOfDifferentServersDoNotMeet) {
  const LocalState state("/data");
  const auto organization = *OrganizationId::parse("0b3f9c1e-7d42-4c55-9e0a-5a4f6c1d2e3f");
  const auto name = state.replica_file("https://tideline.example.com", organization).filename().string();
  EXPECT_TRUE(name.starts_with("tideline.example.com-")) << name;
  EXPECT_TRUE(name.ends_with("-0b3f9c1e-7d42-4c55-9e0a-5a4f6c1d2e3f.sqlite")) << name;
  EXPECT_NE(state.replica_file("https://a.example/x", organization),
            state.replica_file("https://a.example_x", organization));
  EXPECT_EQ(state.replica_file("https://../../etc", organization).parent_path(), "/data");
}

TEST(ChooseByHand, EveryWayToNameAConnection) {
  ServerConnection shop{ConnectionId::random(), "git", "shop", "Acme/Shop", "", "completed", 1};
  ServerConnection sales{ConnectionId::random(), "git", "mono", "acme/mono", "sales", "completed", 1};
  ServerConnection finance{ConnectionId::random(), "git", "mono", "acme/mono", "finance", "completed", 1};
  const std::vector<ServerConnection> all{shop, sales, finance};
  const auto chosen = [&](const std::string& text) -> std::string {
    const auto result = choose_by_hand(all, {text});
    return result ? result->at(0).name : result.error().message;
  };
  EXPECT_EQ(chosen(shop.id.to_string()), "Acme/Shop");
  EXPECT_EQ(chosen("acme/shop"), "Acme/Shop");
  EXPECT_EQ(chosen("SHOP"), "Acme/Shop");
  EXPECT_EQ(chosen("git@github.com:acme/shop.git"), "Acme/Shop");
  EXPECT_EQ(chosen("acme/mono//sales"), "acme/mono//sales");
  EXPECT_EQ(chosen("acme/mono"), "\"acme/mono\" could be each of acme/mono//sales, acme/mono//finance");
  EXPECT_EQ(chosen("nothing"), "there is no connection \"nothing\" in this organization");
  EXPECT_EQ(choose_by_hand(all, {"shop", "acme/shop"})->size(), 1u);
}

}  // namespace
}  // namespace tideline::sync
