// The writer dies, or the disk fills, at every point there is: afterwards the file is right, and the next sync ends
// where the server is.

#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <thread>

#include <gtest/gtest.h>

#include "replica/queries.h"
#include "replica/verify.h"
#include "tests/replica/fault_vfs.h"
#include "tests/replica/model_server.h"

namespace tideline::replica::test {
namespace {

using Rows = std::map<Uuid, std::pair<Version, std::string>>;

/// A first sync, a change, a new epoch: every path that writes.
class ReplicaCrash : public ::testing::Test {
 protected:
  void SetUp() override {
    FaultVfs::instance().reset();
    const ConnectionId a = server.add_connection("a"), b = server.add_connection("b");
    std::mt19937 random(1);
    for (int i = 0; i < 3; ++i) {
      change(server, a, random, 25);
      change(server, b, random, 8);
      states.push_back(server);
      rows.push_back(rows_of(server));
    }
  }

  void scenario(const std::filesystem::path& at) {
    auto writer = must(Writer::open(options_for(at)));
    sync(*writer, states[0], 15);
    sync(*writer, states[1], 15);
    must(writer->begin_new("epoch-2", NewFile::kEpoch, Timestamp::now()));
    sync(*writer, states[2], 15);
  }

  /// What is there is one of the states, whole; and from there on everything works.
  void check(const std::filesystem::path& at, const std::string& when) {
    if (std::filesystem::exists(at)) {
      const VerifyReport report = must(verify(at));
      ASSERT_TRUE(report.sound()) << when;
      const Rows found = rows_of(at);
      ASSERT_TRUE(std::find(rows.begin(), rows.end(), found) != rows.end()) << when;
    }
    auto writer = must(Writer::open(options_for(at)));
    ASSERT_EQ(sync(*writer, states[2], 15).outcome, Applied::Outcome::kApplied) << when;
    ASSERT_EQ(rows_of(at), rows[2]) << when;
    ASSERT_TRUE(must(verify(at)).sound()) << when;
    // Nothing of the unfinished is left lying about.
    ASSERT_EQ(ReplicaFiles(at).databases().size(), 1U) << when;
  }

  /// The scenario in a process of its own that dies at an operation; false when it came to its end before.
  bool die_at(std::int64_t operation, bool power, const std::filesystem::path& at) {
    const pid_t child = ::fork();
    if (child == 0) {
      FaultVfs& vfs = FaultVfs::instance();
      vfs.reset();
      vfs.die_at = operation;
      vfs.lose_power = power;
      vfs.random.seed(static_cast<unsigned>(operation));
      try {
        scenario(at);
      } catch (const std::exception& error) {
        std::fprintf(stderr, "%s\n", error.what());
        ::_exit(1);
      }
      ::_exit(0);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_TRUE(WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == FaultVfs::kDied));
    return WEXITSTATUS(status) == FaultVfs::kDied;
  }

  void die_everywhere(bool power) {
    // All points take minutes: a soak does them, a test every so manieth.
    const std::int64_t stride = std::getenv("TIDELINE_SOAK") != nullptr ? 1 : 19;
    int deaths = 0;
    for (std::int64_t operation = 1;; operation += stride) {
      TempDirectory directory;
      const auto at = directory / "acme.sqlite";
      const bool died = die_at(operation, power, at);
      if (power && died) {
        // The machine starts again: another id.
        std::ofstream(directory / "boot") << "another start " << operation << "\n";
        boot_ = directory / "boot";
        boot_id_file = boot_.c_str();
      }
      check(at, "after operation " + std::to_string(operation));
      boot_id_file = "/proc/sys/kernel/random/boot_id";
      if (HasFatalFailure()) return;
      if (!died) break;
      ++deaths;
    }
    EXPECT_GT(deaths, 10);
  }

  ModelServer server;
  std::vector<ModelServer> states;
  std::vector<Rows> rows;
  std::string boot_;
};

TEST_F(ReplicaCrash, TheProcessDiesAtAnyWrite) { die_everywhere(false); }

TEST_F(ReplicaCrash, ThePowerGoesAtAnyWrite) { die_everywhere(true); }

TEST_F(ReplicaCrash, TheDiskIsFullFromAnyWriteOn) {
  FaultVfs& vfs = FaultVfs::instance();
  int failures = 0;
  for (std::int64_t from = 1;; from += 19) {
    TempDirectory directory;
    const auto at = directory / "acme.sqlite";
    vfs.reset();
    vfs.full_from = from;
    std::string failure;
    try {
      scenario(at);
    } catch (const std::exception& error) {
      failure = error.what();
    }
    vfs.reset();
    if (failure.empty()) break;
    ++failures;
    EXPECT_NE(failure.find("disk is full"), std::string::npos) << failure;
    check(at, "full from operation " + std::to_string(from));
    if (HasFatalFailure()) return;
  }
  EXPECT_GT(failures, 10);
}

TEST_F(ReplicaCrash, AWriterGoesOnWhenThereIsRoomAgain) {
  FaultVfs& vfs = FaultVfs::instance();
  TempDirectory directory;
  const auto at = directory / "acme.sqlite";
  auto writer = must(Writer::open(options_for(at)));
  sync(*writer, states[0], 15);
  vfs.reset();
  vfs.full_from = 1;
  EXPECT_THROW(sync(*writer, states[1], 15), std::runtime_error);
  vfs.reset();
  EXPECT_EQ(sync(*writer, states[1], 15).outcome, Applied::Outcome::kApplied);
  EXPECT_EQ(rows_of(at), rows[1]);
}

TEST_F(ReplicaCrash, AReaderBesideTheWriterNeverSeesHalfAVersion) {
  TempDirectory directory;
  const auto at = directory / "acme.sqlite";
  std::map<Version, Digest> known;  // of all connections together
  const auto digest_of_all = [](const ModelServer& state) {
    Digest sum;
    for (const auto& [id, connection] : state.connections) {
      const Digest one = state.digest(id);
      for (std::size_t i = 0; i < kKindCount; ++i) {
        sum.kinds[i].count += one.kinds[i].count;
        sum.kinds[i].sum += one.kinds[i].sum;
      }
    }
    return sum;
  };
  auto writer = must(Writer::open(options_for(at)));
  std::mt19937 random(3);
  std::vector<ModelServer> history;
  for (int i = 0; i < 40; ++i) {
    for (const auto& [id, connection] : server.connections) change(server, id, random, 10);
    history.push_back(server);
    known[server.version] = digest_of_all(server);
  }
  sync(*writer, history[0], 15);
  std::atomic<bool> done{false};
  std::atomic<int> seen{0};
  std::string wrong;
  std::thread reading([&] {
    auto reader = must(Reader::open(at));
    while (!done) {
      View view = must(reader.view());
      const Status status = must(view.status());
      // The same snapshot, read with nothing but its tables.
      Digest actual;
      for (const auto& connection : status.connections)
        for (std::size_t i = 0; i < kKindCount; ++i) actual.kinds[i].count += connection.rows[i];
      const auto expected = known.find(*status.version);
      if (expected == known.end()) {
        wrong = "a version that never was";
        return;
      }
      for (std::size_t i = 0; i < kKindCount; ++i)
        if (actual.kinds[i].count != expected->second.kinds[i].count) wrong = "counts of another version";
      // rows_of opens for itself: one transaction, whatever version it is of.
      Digest rows_digest;
      for (const auto& [id, row] : rows_of(at))
        rows_digest.of(static_cast<Kind>(row.second[0])).add(hash_of_row_bytes(row.second));
      bool found = false;
      for (const auto& [version, digest] : known) found = found || digest == rows_digest;
      if (!found) wrong = "rows of no version";
      ++seen;
    }
  });
  for (std::size_t i = 1; i < history.size(); ++i) {
    if (i == 20) must(writer->begin_new("epoch-2", NewFile::kEpoch, Timestamp::now()));
    sync(*writer, history[i], 15);
  }
  while (seen < 5) std::this_thread::yield();
  done = true;
  reading.join();
  EXPECT_EQ(wrong, "");
}

TEST_F(ReplicaCrash, AReadOnlyReplicaIsReadAndNotWritten) {
  TempDirectory directory;
  const auto at = directory / "acme.sqlite";
  {
    auto writer = must(Writer::open(options_for(at)));
    sync(*writer, states[0], 15);
  }
  std::filesystem::permissions(at.parent_path(), std::filesystem::perms(0555));
  for (const auto& entry : std::filesystem::directory_iterator(at.parent_path()))
    if (!entry.is_symlink()) std::filesystem::permissions(entry.path(), std::filesystem::perms(0444));
  const pid_t child = ::fork();
  if (child == 0) {
    if (::geteuid() == 0 && ::setuid(65534) != 0) ::_exit(2);
    auto reader = Reader::open(at);
    if (!reader) ::_exit(3);
    auto view = reader->view();
    if (!view || !view->resolve("acme.nothing").error().message.starts_with("Nothing")) ::_exit(4);
    if (const auto report = verify(at); !report || !report->sound()) ::_exit(5);
    const auto writer = Writer::open(options_for(at));
    ::_exit(!writer && writer.error().code == Code::kPermissionDenied ? 0 : 6);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(WEXITSTATUS(status), 0);
  std::filesystem::permissions(at.parent_path(), std::filesystem::perms(0700));
}

}  // namespace
}  // namespace tideline::replica::test
