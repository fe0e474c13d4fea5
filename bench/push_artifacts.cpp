// push_artifacts MANIFEST [CATALOG]: a push of real artifacts into a private cluster with durability as in production,
// then the same again, which changes nothing, and then without the catalog. Prints time, rows and the process's peak of
// anonymous memory. The cluster lies in a temporary directory.

#include <atomic>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <thread>

#include <unistd.h>

#include <boost/asio/thread_pool.hpp>

#include "server/push.h"
#include "store/admin.h"
#include "store/migrate.h"
#include "tests/support/cluster_fixture.h"

namespace {

using namespace tideline;
using tideline::test::must;

/// Peak of RssAnon while it lives, looked at every few milliseconds.
class AnonymousMemory {
 public:
  AnonymousMemory() {
    watcher_ = std::thread([this] {
      while (!done_) {
        peak_kb_ = std::max(peak_kb_.load(), now_kb());
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
      }
    });
  }
  ~AnonymousMemory() {
    done_ = true;
    watcher_.join();
  }
  long peak_mib() const { return peak_kb_ / 1024; }
  static long now_kb() {
    std::ifstream status("/proc/self/status");
    for (std::string line; std::getline(status, line);) {
      if (line.starts_with("RssAnon:")) return std::stol(line.substr(8));
    }
    return 0;
  }

 private:
  std::atomic<bool> done_{false};
  std::atomic<long> peak_kb_{0};
  std::thread watcher_;
};

/// Seconds of CPU a process has used so far.
double cpu_seconds(std::int64_t pid) {
  std::ifstream stat("/proc/" + std::to_string(pid) + "/stat");
  std::string text((std::istreambuf_iterator<char>(stat)), {});
  std::istringstream fields(text.substr(text.rfind(')') + 2));
  std::string skipped;
  for (int i = 0; i < 11; ++i) fields >> skipped;
  double user = 0, system = 0;
  fields >> user >> system;
  return (user + system) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

Deadline soon() { return within(std::chrono::minutes(10)); }

int measure(const std::string& manifest, const std::string& catalog) {
  const test::TempDirectory directory;
  auto cluster = must(pg::Cluster::start(test::test_cluster_options(directory / "data")));
  boost::asio::io_context io;
  boost::asio::thread_pool blocking(1);
  auto root = must(pg::run(io, pg::Connection::connect(io.get_executor(), cluster->conninfo("postgres"), soon())));
  must(pg::run(io, store::migrate(*root, soon())));
  const auto organization = must(pg::run(io, store::admin::create_organization(*root, "bench", std::nullopt, soon())));
  const auto user = must(pg::run(io, store::admin::add_user(*root, organization.id, "a@b.example", "admin", soon())));
  store::DatabaseOptions options;
  options.primary.conninfo = cluster->conninfo("tideline_server");
  auto database = must(pg::run(io, store::Database::open(io.get_executor(), options, soon())));

  const auto database_cpu = [&] {
    pg::Pipeline pipeline;
    pipeline.add_text("select pid from pg_stat_activity where usename = 'tideline_server'");
    const auto pids = must(pg::run(io, root->run_all(std::move(pipeline), soon())));
    double sum = 0;
    for (int row = 0; row < pids[0].rows(); ++row) sum += cpu_seconds(pids[0].int64(row, 0));
    return sum;
  };
  const auto push = [&](const char* what, const std::string& with_catalog) {
    const AnonymousMemory memory;
    const double own_before = cpu_seconds(::getpid()), database_before = database_cpu();
    const auto start = std::chrono::steady_clock::now();
    server::ArtifactPush work{.tenant = {organization.id, user.id},
                              .target = store::ConnectionKey{"local", "bench/project", ""},
                              .url = {},
                              .manifest = manifest,
                              .catalog = with_catalog,
                              .commit = {},
                              .branch = {}};
    const auto outcome = must(pg::run(io, server::push_artifacts(*database, work, blocking.get_executor(), soon())));
    const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - start;
    std::int64_t rows = 0;
    for (const auto& change : outcome.stored.changed) rows += change.added + change.updated + change.removed;
    std::printf("%-16s %8.2f s %9lld rows %9.0f rows/s  CPU: own %.2f s, database %.2f s  peak %ld MiB anonymous\n",
                what, wall.count(), static_cast<long long>(rows), static_cast<double>(rows) / wall.count(),
                cpu_seconds(::getpid()) - own_before, database_cpu() - database_before, memory.peak_mib());
    std::fflush(stdout);
  };
  push("first", catalog);
  push("the same again", catalog);
  if (!catalog.empty()) push("without catalog", {});
  must(pg::run(io, database->close(soon())));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "push_artifacts MANIFEST [CATALOG]\n");
    return 2;
  }
  try {
    return measure(argv[1], argc > 2 ? argv[2] : "");
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
}
