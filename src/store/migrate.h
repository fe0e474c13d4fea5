#pragma once
// The schema: ordered SQL files, built into the program, each applied once and in one transaction, recorded with its
// checksum. And what a server checks before it trusts a database: that the schema is this release's, and that its login
// is held to row level security.
//
// Migrating needs a login that may create roles and schemas (the superuser of a private cluster, or the operator's
// administrator); serving needs tideline_server. Thread-safe between processes: an advisory lock lets one migrate.

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/deadline.h"
#include "pg/connection.h"

namespace tideline::store {

struct Migration {
  std::string_view name;  // "0001_roles"; the order is that of the names
  std::string_view sql;   // without begin and commit
};

/// Those of this release.
std::span<const Migration> migrations();
/// Lower-case hex of the SHA-256 of the text.
std::string checksum_of(const Migration& migration);

struct MigrationReport {
  std::vector<std::string> applied;  // names, in order; empty: nothing was to be done
};

/// Brings the database to this release's schema and makes its keys. One that died half way is redone. kConflict when a
/// recorded checksum is not ours or the database is of a newer release; kPermissionDenied when the login may not.
pg::awaitable<Result<MigrationReport>> migrate(pg::Connection& connection, Deadline deadline);
/// The same with another list: for tests.
pg::awaitable<Result<MigrationReport>> migrate(pg::Connection& connection, std::span<const Migration> list,
                                               Deadline deadline);

/// As tideline_server: whether the schema is that of this release. kConflict with what to run when it is not.
pg::awaitable<Result<void>> check_schema(pg::Connection& connection, Deadline deadline);

/// Whether the login is as weak as it must be: no superuser, no BYPASSRLS, owner of none of our tables, not able to
/// read a tenant table as itself, and able to become `authenticated`. kPermissionDenied with what to use instead.
pg::awaitable<Result<void>> check_server_login(pg::Connection& connection, Deadline deadline);

}  // namespace tideline::store
