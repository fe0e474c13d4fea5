#include "cli/private_database.h"

#include <boost/asio/io_context.hpp>

#include "base/log.h"
#include "pg/run.h"
#include "store/admin.h"
#include "store/migrate.h"

namespace tideline::cli {
namespace {

// Beside the server's pool: its watch and its questions of rights, all of a second server process, `tideline admin`,
// psql, and PostgreSQL's own superuser_reserved_connections.
constexpr int kSpareConnections = 32;
constexpr std::chrono::seconds kMigrationTime{600};

pg::ClusterOptions cluster_options(const std::filesystem::path& data_dir, std::size_t connections) {
  pg::ClusterOptions options;
  options.directory = data_dir;
  options.login_roles = {"tideline_server", "tideline_admin"};
  options.max_connections = static_cast<int>(connections) + kSpareConnections;
  return options;
}

/// `serving`: we are about to be the only server of this database.
Result<void> prepare(const pg::Cluster& cluster, bool serving) {
  boost::asio::io_context io;
  const Deadline deadline = within(kMigrationTime);
  TRY(auto connection, pg::run(io, pg::Connection::connect(io.get_executor(), cluster.conninfo("postgres"), deadline)));
  TRY(const store::MigrationReport report, pg::run(io, store::migrate(*connection, deadline)));
  for (const std::string& name : report.applied) log(LogLevel::kInfo, "migrated", {{"migration", name}});
  if (serving) TRY_VOID(pg::run(io, store::admin::settle_interrupted_pushes(*connection, deadline)));
  return {};
}

}  // namespace

Result<std::unique_ptr<pg::Cluster>> start_private_database(const std::filesystem::path& data_dir,
                                                            std::size_t connections) {
  TRY(auto cluster, pg::Cluster::start(cluster_options(data_dir, connections)));
  TRY_VOID(prepare(*cluster, true));
  return cluster;
}

Result<std::unique_ptr<pg::Cluster>> attach_private_database(const std::filesystem::path& data_dir, bool create) {
  std::error_code error;
  const bool exists = std::filesystem::exists(data_dir / "postgres", error);
  if (error == std::errc::permission_denied)
    return fail(Code::kPermissionDenied, data_dir.string() + " cannot be looked into: " + error.message(),
                "do it as the user that the server runs as, or as root");
  if (!create && !exists)
    return fail(Code::kNotFound, "there is no database in " + data_dir.string(),
                "name the server's directory (--data-dir), start `tideline serve` there once, or make one with "
                "`tideline admin migrate --data-dir " +
                    data_dir.string() + "`");
  TRY(auto cluster, pg::Cluster::attach(cluster_options(data_dir, 0)));
  // A server that runs has migrated already, and another release's server may be the one that does.
  if (cluster->is_supervisor()) TRY_VOID(prepare(*cluster, false));
  return cluster;
}

}  // namespace tideline::cli
