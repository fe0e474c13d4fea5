#pragma once
// `tideline admin backup` and `restore`: whose database, then PostgreSQL's own programs. Blocking.

#include <string>

#include "base/error.h"
#include "cli/options.h"
#include "pg/connection.h"

namespace tideline::cli {

/// What a backup command says.
struct BackupAnswer {
  std::string json;
  std::string note;
};

/// `conninfo`: of a login that may read and replace everything; `connection` is one of it. The work is waited for by
/// `wait`, which runs a coroutine.
struct BackupContext {
  std::string conninfo;
  std::filesystem::path data;  // PGDATA of a private cluster
  pg::Connection& connection;
  boost::asio::io_context& io;
};

Result<BackupAnswer> back_up(const AdminOptions& options, BackupContext context);
Result<BackupAnswer> restore(const AdminOptions& options, BackupContext context);

}  // namespace tideline::cli
