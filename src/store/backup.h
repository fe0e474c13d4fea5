#pragma once
// What a backup of the database consists of, and what makes a database that was restored from one a new one to its
// clients: another epoch. Not for running the programs that copy (pg/dump.h).

#include <string>
#include <vector>

#include "base/deadline.h"
#include "base/ids.h"
#include "pg/connection.h"

namespace tideline::store {

/// All of ours. It holds the server's keys as well: a backup is a secret.
std::vector<std::string> backup_schemas();

/// SQL that ends a restore, in its transaction: refuses a backup of a newer release, makes the new epoch, and tells
/// servers that run.
std::string restore_epilogue();

/// The same for a database that was restored by other means. Returns the new epoch.
pg::awaitable<Result<Uuid>> renew_epoch(pg::Connection& connection, Deadline deadline);
pg::awaitable<Result<Uuid>> read_epoch(pg::Connection& connection, Deadline deadline);

}  // namespace tideline::store
