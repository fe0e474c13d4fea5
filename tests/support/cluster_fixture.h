#pragma once
// A real PostgreSQL for tests: one private cluster per test program, started at first use and removed at exit, and
// databases in it that are a test's own. As root the cluster's processes alone become the service user. Durability is
// off: what tests crashes starts a cluster of its own.

#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

#include <gtest/gtest.h>
#include <boost/asio/io_context.hpp>

#include "base/deadline.h"
#include "base/error.h"
#include "pg/cluster.h"
#include "pg/connection.h"
#include "pg/run.h"

namespace tideline::test {

/// A directory of the test's own that other users can pass through, removed at the end.
class TempDirectory {
 public:
  TempDirectory() {
    std::string pattern = (std::filesystem::temp_directory_path() / "tideline-test-XXXXXX").string();
    if (!::mkdtemp(pattern.data())) throw std::runtime_error("mkdtemp failed");
    ::chmod(pattern.c_str(), 0711);
    path_ = pattern;
  }
  ~TempDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempDirectory(const TempDirectory&) = delete;
  TempDirectory& operator=(const TempDirectory&) = delete;
  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

/// The value, or an exception that fails the test with the whole error.
template <class T>
T must(Result<T> result) {
  if (!result) throw std::runtime_error(describe(result.error()) + " [" + result.error().detail + "]");
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

inline pg::ClusterOptions test_cluster_options(const std::filesystem::path& directory) {
  pg::ClusterOptions options;
  options.directory = directory;
  options.login_roles = {"tideline_owner", "tideline_server", "tideline_admin", "authenticated"};
  options.max_connections = 100;
  options.shared_buffers_mb = 32;
  return options;
}

class SharedCluster {
 public:
  static SharedCluster& instance() {
    static SharedCluster shared;
    return shared;
  }
  pg::Cluster& cluster() { return *cluster_; }

  /// Creates an empty database and returns its name.
  std::string create_database() {
    const std::string name = "test_" + std::to_string(::getpid()) + "_" + std::to_string(++count_);
    boost::asio::io_context io;
    must(
        pg::run(io, execute(io.get_executor(), cluster_->conninfo("postgres", "postgres"), "create database " + name)));
    return name;
  }
  void drop_database(const std::string& name) {
    boost::asio::io_context io;
    must(pg::run(io, execute(io.get_executor(), cluster_->conninfo("postgres", "postgres"),
                             "drop database if exists " + name + " with (force)")));
  }

 private:
  SharedCluster() {
    auto options = test_cluster_options(directory_ / "data");
    options.settings = {{"fsync", "off"}, {"synchronous_commit", "off"}, {"full_page_writes", "off"}};
    cluster_ = must(pg::Cluster::start(std::move(options)));
  }
  static pg::awaitable<Result<void>> execute(boost::asio::any_io_executor executor, std::string conninfo,
                                             std::string sql) {
    CO_TRY(auto connection, co_await pg::Connection::connect(executor, conninfo, within(std::chrono::seconds(30))));
    co_return co_await connection->script(sql, within(std::chrono::seconds(60)));
  }

  TempDirectory directory_;
  std::unique_ptr<pg::Cluster> cluster_;
  std::atomic<int> count_{0};
};

/// A test with a database of its own and an io_context to run coroutines on (`run(coroutine)`).
class DatabaseTest : public ::testing::Test {
 protected:
  void SetUp() override { database_ = SharedCluster::instance().create_database(); }
  void TearDown() override { SharedCluster::instance().drop_database(database_); }

  const std::string& database() const { return database_; }
  std::string conninfo(const std::string& role = "postgres") const {
    return SharedCluster::instance().cluster().conninfo(role, database_);
  }
  template <class T>
  T run(boost::asio::awaitable<T> work) {
    return pg::run(io, std::move(work));
  }
  std::unique_ptr<pg::Connection> connect(const std::string& role = "postgres") {
    return must(run(pg::Connection::connect(io.get_executor(), conninfo(role), within(std::chrono::seconds(30)))));
  }
  static Deadline soon() { return within(std::chrono::seconds(30)); }

  boost::asio::io_context io;

 private:
  std::string database_;
};

}  // namespace tideline::test
