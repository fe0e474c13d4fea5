// The private cluster against every death that was seen: of the server, of its supervisor, of both, in the middle of
// things, and against what such deaths leave behind.

#include "pg/cluster.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <functional>
#include <iostream>
#include <thread>

#include <gtest/gtest.h>

#include "pg/cluster_files.h"
#include "pg/pool.h"
#include "pg/process.h"
#include "tests/support/cluster_fixture.h"

extern char** environ;

namespace tideline::pg {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;
using test::must;

constexpr const char* kDirectoryVariable = "TIDELINE_TEST_SUPERVISE";
constexpr const char* kDropVariable = "TIDELINE_TEST_DROP_ROOT";

// This program again, in the role of a server that supervises a cluster until it is killed.
class Supervising {
 public:
  explicit Supervising(const fs::path& directory, bool drop = false) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("pipe");
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, ends[1], 3);
    std::vector<std::string> environment = {std::string(kDirectoryVariable) + "=" + directory.string()};
    if (drop) environment.push_back(std::string(kDropVariable) + "=1");
    for (char** entry = environ; *entry; ++entry) environment.emplace_back(*entry);
    std::vector<std::string> command = {"/proc/self/exe", "--gtest_filter=*DISABLED_Supervise",
                                        "--gtest_also_run_disabled_tests", "--gtest_brief=1"};
    const auto pointers = [](std::vector<std::string>& strings) {
      std::vector<char*> out;
      for (auto& text : strings) out.push_back(text.data());
      out.push_back(nullptr);
      return out;
    };
    const int failed = ::posix_spawn(&pid_, "/proc/self/exe", &actions, nullptr, pointers(command).data(),
                                     pointers(environment).data());
    ::posix_spawn_file_actions_destroy(&actions);
    ::close(ends[1]);
    report_ = ends[0];
    if (failed) throw std::runtime_error("posix_spawn");
  }
  ~Supervising() {
    if (pid_ > 0) ::kill(pid_, SIGTERM);
    reap();
    ::close(report_);
  }
  Supervising(const Supervising&) = delete;
  Supervising& operator=(const Supervising&) = delete;

  /// "ready POSTMASTER", or "failed …".
  std::string report() {
    std::string text;
    char byte = 0;
    while (::read(report_, &byte, 1) == 1 && byte != '\n') text.push_back(byte);
    return text;
  }
  pid_t postmaster() {
    const std::string text = report();
    if (!text.starts_with("ready ")) throw std::runtime_error("the supervisor did not start: " + text);
    return std::stoi(text.substr(6));
  }
  void kill_hard() {
    ::kill(pid_, SIGKILL);
    reap();
  }
  pid_t pid() const { return pid_; }

 private:
  void reap() {
    if (pid_ > 0) ::waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }
  pid_t pid_ = 0;
  int report_ = -1;
};

TEST(ClusterHelper, DISABLED_Supervise) {
  const char* directory = std::getenv(kDirectoryVariable);
  if (!directory) GTEST_SKIP() << "runs inside other tests";
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);  // a test that is killed leaves nobody behind
  sigset_t term;
  ::sigemptyset(&term);
  ::sigaddset(&term, SIGTERM);
  ::pthread_sigmask(SIG_BLOCK, &term, nullptr);
  const auto say = [](const std::string& text) {
    std::cout << text << std::endl;
    if (::fcntl(3, F_GETFD) >= 0 && ::write(3, (text + "\n").data(), text.size() + 1) < 0) ::_exit(1);
  };
  if (std::getenv(kDropVariable))
    if (auto user = drop_root(directory); !user) {
      say("failed " + describe(user.error()));
      return;
    }
  auto cluster = Cluster::start(test::test_cluster_options(directory));
  if (!cluster) {
    say("failed " + describe(cluster.error()));
    return;
  }
  say("ready " + std::to_string((*cluster)->status().postmaster));
  int number = 0;
  ::sigwait(&term, &number);
}

class ClusterTest : public ::testing::Test {
 protected:
  fs::path directory() const { return temp_ / "data"; }
  ClusterOptions options() const { return test::test_cluster_options(directory()); }
  std::unique_ptr<Cluster> start() { return must(Cluster::start(options())); }

  Result<ResultSet> query(const Cluster& cluster, const std::string& sql, Deadline deadline = within(30s)) {
    return pg::run(io_, query_once(io_.get_executor(), cluster.conninfo("postgres"), sql, deadline));
  }
  static awaitable<Result<ResultSet>> query_once(boost::asio::any_io_executor executor, std::string conninfo,
                                                 std::string sql, Deadline deadline) {
    CO_TRY(auto connection, co_await Connection::connect(executor, conninfo, deadline));
    Pipeline pipeline;
    pipeline.add_text(sql);
    CO_TRY(auto results, co_await connection->run_all(std::move(pipeline), deadline));
    co_return std::move(results.front());
  }
  // Until a query succeeds again.
  void wait_until_answers(const Cluster& cluster) {
    wait_until([&] { return query(cluster, "select 1").has_value(); });
  }
  // Between two servers there is no postmaster, and kill(0) would end the test itself.
  static pid_t kill_postmaster(const Cluster& cluster) {
    pid_t postmaster = 0;
    wait_until([&] { return (postmaster = cluster.status().postmaster) > 0; });
    if (postmaster > 0) ::kill(postmaster, SIGKILL);
    return postmaster;
  }
  static void wait_until(const std::function<bool()>& holds) {
    const auto until = Clock::now() + 60s;
    while (!holds()) {
      ASSERT_LT(Clock::now(), until) << "did not happen";
      std::this_thread::sleep_for(10ms);
    }
  }
  std::vector<pid_t> processes() const { return postgres_processes_in(directory() / kDataName); }
  // A backend that computes and does not look up: `keep` holds its session.
  void keep_a_backend_busy(const Cluster& cluster) {
    busy_ = must(pg::run(io_, Connection::connect(io_.get_executor(), cluster.conninfo("postgres"), within(30s))));
    auto given_up =
        pg::run(io_, busy_->exec({nullptr, "select count(*) from generate_series(1, 3e9::int8)"}, within(50ms)));
    ASSERT_FALSE(given_up);
  }
  void TearDown() override { busy_.reset(); }

  test::TempDirectory temp_;
  boost::asio::io_context io_;
  std::unique_ptr<Connection> busy_;
};

TEST_F(ClusterTest, FirstStartAndSecondStart) {
  const auto begun = Clock::now();
  auto cluster = start();
  const auto first = Clock::now() - begun;
  EXPECT_EQ(must(query(*cluster, "select current_database()::text")).text(0, 0), "tideline");
  const auto settings = must(query(*cluster,
                                   "select current_setting('listen_addresses'), current_setting('data_checksums'), "
                                   "current_setting('server_encoding'), current_setting('max_wal_size'), "
                                   "current_setting('jit'), current_setting('wal_level')"));
  EXPECT_EQ(settings.text(0, 0), "");
  EXPECT_EQ(settings.text(0, 1), "on");
  EXPECT_EQ(settings.text(0, 2), "UTF8");
  EXPECT_EQ(settings.text(0, 3), "256MB");
  EXPECT_EQ(settings.text(0, 4), "off");
  EXPECT_EQ(settings.text(0, 5), "replica");
  struct stat info{};
  ASSERT_EQ(::stat((directory() / "run").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0700u);
  must(cluster->stop());
  EXPECT_TRUE(processes().empty());
  cluster.reset();

  const auto again = Clock::now();
  cluster = start();
  const auto second = Clock::now() - again;
  // How fast a start is, bench/server.py measures: here it is only said, for a machine may be busy.
  std::printf("first start %.2f s, second %.2f s\n", std::chrono::duration<double>(first).count(),
              std::chrono::duration<double>(second).count());
}

TEST_F(ClusterTest, LoginRolesConnectAndOthersDoNot) {
  auto cluster = start();
  must(query(*cluster, "create role tideline_server login"));
  must(query(*cluster, "create role stranger login"));
  const auto connect = [&](const char* role) {
    return pg::run(io_, Connection::connect(io_.get_executor(), cluster->conninfo(role), within(30s))).has_value();
  };
  EXPECT_TRUE(connect("tideline_server"));
  EXPECT_FALSE(connect("stranger"));
}

TEST_F(ClusterTest, ASecondSupervisorIsRefusedWithTheFirstOnesPid) {
  auto cluster = start();
  const auto second = Cluster::start(options());
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Code::kConflict);
  EXPECT_NE(second.error().message.find(std::to_string(::getpid())), std::string::npos);
  EXPECT_TRUE(query(*cluster, "select 1"));
}

TEST_F(ClusterTest, AttachJoinsARunningServerAndLeavesItRunning) {
  Supervising server(directory());
  const pid_t postmaster = server.postmaster();
  {
    auto attached = must(Cluster::attach(options()));
    EXPECT_FALSE(attached->is_supervisor());
    EXPECT_TRUE(query(*attached, "select 1"));
  }
  EXPECT_EQ(::kill(postmaster, 0), 0);
}

TEST_F(ClusterTest, AttachWaitsForAServerThatIsStarting) {
  Supervising server(directory());
  wait_until([&] { return fs::exists(directory() / kLockName); });
  auto attached = must(Cluster::attach(options()));
  EXPECT_TRUE(query(*attached, "select 1"));
}

TEST_F(ClusterTest, AttachWithoutAServerStartsAndStopsIt) {
  {
    auto attached = must(Cluster::attach(options()));
    EXPECT_TRUE(attached->is_supervisor());
    EXPECT_TRUE(query(*attached, "select 1"));
  }
  EXPECT_TRUE(processes().empty());
}

TEST_F(ClusterTest, APostmasterThatIsKilledComesBack) {
  auto cluster = start();
  must(query(*cluster, "create table kept as select 1 as a"));
  const auto begun = Clock::now();
  const pid_t first = kill_postmaster(*cluster);
  wait_until_answers(*cluster);
  std::printf("healed in %.2f s\n", std::chrono::duration<double>(Clock::now() - begun).count());
  EXPECT_NE(cluster->status().postmaster, first);
  EXPECT_EQ(cluster->status().restarts, 1);
  EXPECT_TRUE(query(*cluster, "select a from kept"));
}

TEST_F(ClusterTest, APostmasterThatIsKilledBesideABusyBackendComesBack) {
  auto cluster = start();
  keep_a_backend_busy(*cluster);
  kill_postmaster(*cluster);
  wait_until_answers(*cluster);
  for (const pid_t pid : processes()) EXPECT_NE(pid, busy_->backend_pid()) << "the orphan is still there";
}

TEST_F(ClusterTest, TheServerEndsWithItsSupervisor) {
  Supervising server(directory());
  server.postmaster();
  server.kill_hard();
  wait_until([&] { return processes().empty(); });
}

TEST_F(ClusterTest, AKilledSupervisorIsSucceededAtOnce) {
  Supervising server(directory());
  server.postmaster();
  {
    auto attached = must(Cluster::attach(options()));
    must(query(*attached, "create table kept as select generate_series(1, 100000) as a"));
  }
  server.kill_hard();
  const auto begun = Clock::now();
  auto cluster = start();
  EXPECT_LT(Clock::now() - begun, 10s);
  EXPECT_EQ(must(query(*cluster, "select count(*) from kept")).int64(0, 0), 100'000);
}

TEST_F(ClusterTest, KilledTogetherWithABusyBackendLeftBothAreSucceeded) {
  Supervising server(directory());
  const pid_t postmaster = server.postmaster();
  {
    auto attached = must(Cluster::attach(options()));
    must(query(*attached, "create table kept as select 7 as a"));
    keep_a_backend_busy(*attached);
  }
  ::kill(server.pid(), SIGSTOP);  // so that it cannot see to its server
  ::kill(postmaster, SIGKILL);
  server.kill_hard();
  auto cluster = start();
  EXPECT_EQ(must(query(*cluster, "select a from kept")).int64(0, 0), 7);
}

TEST_F(ClusterTest, NothingAcknowledgedIsLostOverManyKills) {
  std::int64_t acknowledged = 0;
  for (int round = 0; round < 4; ++round) {
    Supervising server(directory());
    const pid_t postmaster = server.postmaster();
    auto attached = must(Cluster::attach(options()));
    must(query(*attached, "create table if not exists kept (a int8)"));
    for (int i = 0; i < 20; ++i) {
      must(query(*attached, "insert into kept values (" + std::to_string(acknowledged) + ")"));
      ++acknowledged;
    }
    if (round % 2 == 0) ::kill(postmaster, SIGKILL);
    server.kill_hard();
  }
  auto cluster = start();
  EXPECT_EQ(must(query(*cluster, "select count(*) from kept")).int64(0, 0), acknowledged);
}

TEST_F(ClusterTest, AFirstStartThatIsCutOffIsBegunAnew) {
  for (int round = 0; round < 3; ++round) {
    Supervising server(directory());
    wait_until([&] {
      std::error_code ignored;
      for (const auto& entry : fs::directory_iterator(directory(), ignored))
        if (entry.path().filename().string().starts_with("postgres.new")) return true;
      return false;
    });
    std::this_thread::sleep_for(round * 200ms);  // somewhere in the middle of it
    server.kill_hard();
  }
  auto cluster = start();
  EXPECT_TRUE(query(*cluster, "select 1"));
  for (const auto& entry : fs::directory_iterator(directory()))
    EXPECT_FALSE(entry.path().filename().string().starts_with("postgres.new")) << entry.path();
}

// A pid file whose number has passed to a process of the same user stops PostgreSQL for ever; one of another user's
// does not, and neither may stop us.
TEST_F(ClusterTest, AStalePidFileOfAnyProcessIsNoHindrance) {
  {
    auto cluster = start();
  }
  ChildOptions sleeper;
  sleeper.command = {"/bin/sleep", "600"};
  if (::geteuid() == 0) sleeper.user = must(service_user());
  const pid_t same_user = must(spawn(sleeper));
  for (const pid_t pid : {same_user, ::getpid(), pid_t{1}, pid_t{999'999}}) {
    const std::string content = std::to_string(pid) + "\n" + (directory() / kDataName).string() + "\n1\n5432\n" +
                                (directory() / "run").string() + "\n\n 5432001    1\nready   \n";
    for (const fs::path& path : {directory() / kDataName / "postmaster.pid", directory() / "run/.s.PGSQL.5432.lock"}) {
      std::ofstream(path) << content;
      ::chmod(path.c_str(), 0600);
      if (sleeper.user) ASSERT_EQ(::chown(path.c_str(), sleeper.user->uid, sleeper.user->gid), 0);
    }
    auto cluster = Cluster::start(options());
    EXPECT_TRUE(cluster) << "pid " << pid << ": " << (cluster ? "" : cluster.error().detail);
  }
  EXPECT_EQ(::kill(same_user, 0), 0) << "a stranger's process was ended";
  ::kill(same_user, SIGKILL);
  ::waitpid(same_user, nullptr, 0);
}

TEST_F(ClusterTest, APathTooLongForASocketGetsAShortOne) {
  auto with_long_path = options();
  with_long_path.directory = temp_ / std::string(60, 'a') / std::string(60, 'b');
  fs::create_directories(with_long_path.directory.parent_path());
  ::chmod(with_long_path.directory.parent_path().c_str(), 0755);
  const auto short_socket =
      paths_of(with_long_path.directory, must(::geteuid() == 0 ? service_user() : current_user())).socket;
  {
    auto cluster = must(Cluster::start(with_long_path));
    EXPECT_TRUE(query(*cluster, "select 1"));
    struct stat info{};
    ASSERT_EQ(::stat(short_socket.c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 07777, 0700u);
  }
  EXPECT_FALSE(fs::exists(short_socket));
}

TEST_F(ClusterTest, APathWithQuotesAndSpacesWorks) {
  auto odd = options();
  odd.directory = temp_ / "it's \"odd\", \\ isn't it";
  auto cluster = must(Cluster::start(odd));
  EXPECT_TRUE(query(*cluster, "select 1"));
}

TEST_F(ClusterTest, AConfigurationThatDoesNotStartIsToldFromTheLog) {
  auto wrong = options();
  wrong.settings = {{"shared_buffers", "nonsense"}};
  const auto cluster = Cluster::start(wrong);
  ASSERT_FALSE(cluster);
  EXPECT_EQ(cluster.error().code, Code::kUnavailable);
  EXPECT_NE(cluster.error().detail.find("shared_buffers"), std::string::npos);
  EXPECT_TRUE(start());  // and is no obstacle to the next
}

TEST_F(ClusterTest, TheLogIsKeptShort) {
  {
    auto cluster = start();
  }
  std::ofstream(directory() / "postgres.log", std::ios::app) << std::string(17 << 20, 'x') << "\nlast line\n";
  auto cluster = start();
  EXPECT_LT(fs::file_size(directory() / "postgres.log"), 1u << 20);
  EXPECT_EQ(fs::file_size(directory() / "postgres.log.1"), 16u << 20);
  EXPECT_NE(tail_of_log(directory() / "postgres.log.1").find("last line"), std::string::npos);
}

TEST_F(ClusterTest, MissingProgramsSayWhatToInstall) {
  auto without = options();
  without.bin_directory = "/nonexistent";
  const auto cluster = Cluster::start(without);
  ASSERT_FALSE(cluster);
  EXPECT_EQ(cluster.error().code, Code::kNotFound);
  EXPECT_NE(cluster.error().hint.find("apt-get install"), std::string::npos);
}

TEST_F(ClusterTest, AClusterOfAnotherMajorVersionIsLeftAlone) {
  {
    auto cluster = start();
  }
  std::ofstream(directory() / kDataName / "PG_VERSION") << "14\n";
  const auto cluster = Cluster::start(options());
  ASSERT_FALSE(cluster);
  EXPECT_EQ(cluster.error().code, Code::kUnsupported);
  EXPECT_NE(cluster.error().message.find("14"), std::string::npos);
}

TEST_F(ClusterTest, SomethingElseInThePlaceOfTheClusterIsLeftAlone) {
  {
    auto cluster = start();
  }
  fs::rename(directory() / kDataName, directory() / "elsewhere");
  fs::create_directory(directory() / kDataName);
  std::ofstream(directory() / kDataName / "precious") << "x";
  const auto cluster = Cluster::start(options());
  ASSERT_FALSE(cluster);
  EXPECT_EQ(cluster.error().code, Code::kCorrupt);
  EXPECT_TRUE(fs::exists(directory() / kDataName / "precious"));
}

TEST_F(ClusterTest, AFileInThePlaceOfTheDirectoryIsRefused) {
  std::ofstream(directory()) << "x";
  const auto cluster = Cluster::start(options());
  ASSERT_FALSE(cluster);
  EXPECT_EQ(cluster.error().code, Code::kInvalidInput);
}

awaitable<Result<std::unique_ptr<Pool>>> open_pool(boost::asio::any_io_executor executor, std::string conninfo) {
  PoolOptions pool;
  pool.conninfo = std::move(conninfo);
  pool.min_size = pool.max_size = 4;
  co_return co_await Pool::open(executor, pool, within(30s));
}

awaitable<Result<std::int64_t>> ask(Pool& pool) {
  CO_TRY(auto lease, co_await pool.acquire(within(30s)));
  CO_TRY(auto rows, co_await lease->exec({"one", "select 1"}, within(30s)));
  co_return rows.int64(0, 0);
}

TEST_F(ClusterTest, APoolOutlivesARestartOfTheDatabase) {
  auto cluster = start();
  auto pool = must(pg::run(io_, open_pool(io_.get_executor(), cluster->conninfo("postgres"))));
  for (int round = 0; round < 3; ++round) {
    kill_postmaster(*cluster);
    // Requests wait for the database; each of the four old sessions may still fail one.
    int failures = 0;
    for (int i = 0; i < 20; ++i)
      if (!pg::run(io_, ask(*pool))) ++failures;
    EXPECT_LE(failures, 4);
    EXPECT_EQ(must(pg::run(io_, ask(*pool))), 1);
  }
}

class RootTest : public ClusterTest {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  }
};

TEST_F(RootTest, DropsRootForGoodAndOwnsItsDirectoryAlone) {
  Supervising server(directory(), true);
  const pid_t postmaster = server.postmaster();
  const auto user = must(service_user());
  EXPECT_NE(user.uid, 0u);
  EXPECT_NE(user.name, "nobody");
  struct stat info{};
  for (const auto& path :
       {directory(), directory() / kDataName, directory() / kLockName, directory() / "postgres.log",
        fs::path("/proc/" + std::to_string(server.pid())), fs::path("/proc/" + std::to_string(postmaster))}) {
    ASSERT_EQ(::stat(path.c_str(), &info), 0) << path;
    // /proc of a process that changed its user stays root's; its status says who it is.
    if (path.string().starts_with("/proc/")) {
      std::ifstream status(path / "status");
      std::string line;
      while (std::getline(status, line) && !line.starts_with("Uid:")) {
      }
      EXPECT_NE(line.find(std::to_string(user.uid)), std::string::npos) << path << line;
      EXPECT_EQ(line.find("\t0"), std::string::npos) << path << line;
    } else {
      EXPECT_EQ(info.st_uid, user.uid) << path;
    }
  }
  ASSERT_EQ(::stat(temp_.path().c_str(), &info), 0);
  EXPECT_EQ(info.st_uid, 0u);
  // Root's administration works beside it.
  auto attached = must(Cluster::attach(options()));
  EXPECT_TRUE(query(*attached, "select 1"));
}

TEST_F(RootTest, ADirectoryBehindAClosedDoorIsNamed) {
  const fs::path closed = temp_ / "closed";
  fs::create_directory(closed);
  ::chmod(closed.c_str(), 0700);
  auto behind = options();
  behind.directory = closed / "data";
  const auto cluster = Cluster::start(behind);
  ASSERT_FALSE(cluster);
  EXPECT_EQ(cluster.error().code, Code::kPermissionDenied);
  EXPECT_NE(cluster.error().message.find(closed.string()), std::string::npos);
  EXPECT_NE(cluster.error().hint.find("/var/lib/tideline"), std::string::npos);
}

TEST_F(RootTest, AUserWithoutANameIsToldThatItNeedsOne) {
  ::setenv(kDirectoryVariable, directory().c_str(), 1);
  ChildOptions child;
  child.command = {"/proc/self/exe", "--gtest_filter=*DISABLED_Supervise", "--gtest_also_run_disabled_tests"};
  child.user = ServiceUser{54'321, 54'321, "nameless"};
  const auto run = must(run_to_end(child, 60s));
  ::unsetenv(kDirectoryVariable);
  EXPECT_NE(run.output.find("54321 has no name on this system"), std::string::npos) << run.output;
  EXPECT_NE(run.output.find("/etc/passwd"), std::string::npos) << run.output;
}

TEST_F(RootTest, TooSmallADiskIsToldBeforeItIsFull) {
  const fs::path small = temp_ / "small";
  fs::create_directory(small);
  if (::mount("tideline-test", small.c_str(), "tmpfs", 0, "size=64m,mode=0755") != 0) GTEST_SKIP() << "cannot mount";
  auto there = options();
  there.directory = small / "data";
  const auto cluster = Cluster::start(there);
  ::umount2(small.c_str(), MNT_DETACH);
  ASSERT_FALSE(cluster);
  EXPECT_EQ(cluster.error().code, Code::kResourceExhausted);
  EXPECT_NE(cluster.error().message.find("MB needed"), std::string::npos);
}

TEST_F(RootTest, ADirectoryWithAStrangersFilesIsNotTakenOver) {
  fs::create_directory(directory());
  std::ofstream(directory() / "precious") << "x";
  const auto cluster = Cluster::start(options());
  ASSERT_FALSE(cluster);
  EXPECT_EQ(cluster.error().code, Code::kPermissionDenied);
  struct stat info{};
  ASSERT_EQ(::stat(directory().c_str(), &info), 0);
  EXPECT_EQ(info.st_uid, 0u);
}

}  // namespace
}  // namespace tideline::pg
