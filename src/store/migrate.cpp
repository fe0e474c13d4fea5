#include "store/migrate.h"

#include <map>

#include "base/hash.h"
#include "base/ids.h"
#include "base/random.h"
#include "base/text.h"
#include "pg/sqlstate.h"

namespace tideline::store {
namespace {

// Any fixed number: those who take it are migrating this schema.
constexpr pg::Statement kLock{nullptr, "select pg_advisory_lock(7310868791231243521)"};
constexpr pg::Statement kUnlock{nullptr, "select pg_advisory_unlock(7310868791231243521)"};
constexpr pg::Statement kHasSchema{nullptr,
                                   "select exists (select from pg_catalog.pg_class c join pg_catalog.pg_namespace n"
                                   " on n.oid = c.relnamespace"
                                   " where n.nspname = 'enterprise' and c.relname = 'schema_migrations')"};
constexpr pg::Statement kApplied{nullptr, "select name, sha256 from enterprise.schema_migrations order by name"};
constexpr pg::Statement kBecomeOwner{nullptr, "set local role tideline_owner"};
constexpr pg::Statement kAddKey{
    nullptr, "insert into enterprise.server_keys (name, value) values ($1, $2) on conflict (name) do nothing"};
constexpr pg::Statement kLogin{
    nullptr,
    "select current_user::text, r.rolsuper, r.rolbypassrls,"
    " exists (select from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace"
    "   where n.nspname in ('enterprise', 'metadata') and pg_has_role(current_user, c.relowner, 'member')),"
    " exists (select from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace"
    "   where n.nspname in ('enterprise', 'metadata') and c.relkind = 'r' and c.relrowsecurity"
    "     and has_table_privilege(current_user, c.oid, 'select, insert, update, delete')),"
    " to_regrole('authenticated') is not null and pg_has_role(current_user, to_regrole('authenticated'), 'member')"
    " from pg_catalog.pg_roles r where r.rolname = current_user"};

constexpr const char* kMigrateHint = "Run `tideline admin migrate --admin-database-url URL` with this release.";

using Applied = std::map<std::string, std::string, std::less<>>;  // name → checksum

pg::awaitable<Result<Applied>> applied_migrations(pg::Connection& connection, Deadline deadline) {
  Applied applied;
  CO_TRY(const auto has_schema, co_await connection.exec(kHasSchema, deadline));
  if (!has_schema.boolean(0, 0)) co_return applied;
  CO_TRY(const auto rows, co_await connection.exec(kApplied, deadline));
  for (int row = 0; row < rows.rows(); ++row) applied.emplace(rows.text(row, 0), rows.text(row, 1));
  co_return applied;
}

/// Whether `applied` is a beginning of `list`.
Result<void> check_history(const Applied& applied, std::span<const Migration> list) {
  std::size_t known = 0;
  bool gap = false;
  for (const auto& migration : list) {
    const auto found = applied.find(migration.name);
    if (found == applied.end()) {
      gap = true;
      continue;
    }
    ++known;
    if (found->second != checksum_of(migration)) {
      return fail(Code::kConflict,
                  "Migration " + std::string(migration.name) + " of the database is not that of this release.",
                  "The database was made by another build; use that one, or start with an empty database.");
    }
    if (gap) {
      return fail(Code::kConflict,
                  "The database has migration " + std::string(migration.name) + " but lacks one that comes before it.");
    }
  }
  if (known != applied.size()) {
    return fail(Code::kConflict, "The database was migrated by a newer release of tideline.",
                "Use that release: schemas do not go back.");
  }
  return {};
}

pg::awaitable<Result<void>> apply(pg::Connection& connection, const Migration& migration, Deadline deadline) {
  // The migration and its record are one transaction: after a crash it is either done or never was.
  const std::string script = "begin;\n" + std::string(migration.sql) +
                             "\n;set local role tideline_owner;"
                             "insert into enterprise.schema_migrations (name, sha256) values (" +
                             pg::quote_literal(migration.name) + ", " + pg::quote_literal(checksum_of(migration)) +
                             ");\ncommit;";
  auto done = co_await connection.script(script, deadline);
  if (done) co_return Result<void>();
  Error error = std::move(done).error();
  (void)co_await connection.recover(deadline);
  error.message = "Migration " + std::string(migration.name) + " failed and was rolled back: " + error.message;
  if (error.code == Code::kPermissionDenied) {
    error.hint = "Migrate with a login that may create roles and schemas, given by --admin-database-url.";
  }
  co_return fail(std::move(error));
}

pg::awaitable<Result<void>> make_keys(pg::Connection& connection, Deadline deadline) {
  pg::Pipeline pipeline;
  pipeline.add(pg::kBegin).add(kBecomeOwner);
  const auto add = [&pipeline](const char* name, std::span<const std::uint8_t> value) {
    pg::Params params;
    params.add(name).add_bytea(value);
    pipeline.add(kAddKey, std::move(params));
  };
  std::array<std::uint8_t, 32> key;
  for (const char* name : {"signing", "cursor"}) {
    fill_random(key);
    add(name, key);
  }
  add("epoch", Uuid::random().bytes);
  pipeline.add(pg::kCommit);
  CO_TRY_VOID(co_await connection.run_all(std::move(pipeline), deadline));
  co_return Result<void>();
}

pg::awaitable<Result<MigrationReport>> migrate_locked(pg::Connection& connection, std::span<const Migration> list,
                                                      Deadline deadline) {
  MigrationReport report;
  CO_TRY(const auto applied, co_await applied_migrations(connection, deadline));
  CO_TRY_VOID(check_history(applied, list));
  for (const auto& migration : list) {
    if (applied.contains(migration.name)) continue;
    CO_TRY_VOID(co_await apply(connection, migration, deadline));
    report.applied.emplace_back(migration.name);
  }
  CO_TRY_VOID(co_await make_keys(connection, deadline));
  co_return std::move(report);
}

}  // namespace

std::string checksum_of(const Migration& migration) { return hex(sha256(migration.sql)); }

pg::awaitable<Result<MigrationReport>> migrate(pg::Connection& connection, std::span<const Migration> list,
                                               Deadline deadline) {
  CO_TRY_VOID(co_await connection.exec(kLock, deadline));
  auto report = co_await migrate_locked(connection, list, deadline);
  if (connection.needs_recovery()) (void)co_await connection.recover(deadline);
  // Where this fails the connection is lost, and the lock with it.
  (void)co_await connection.exec(kUnlock, deadline);
  co_return std::move(report);
}

pg::awaitable<Result<MigrationReport>> migrate(pg::Connection& connection, Deadline deadline) {
  co_return co_await migrate(connection, migrations(), deadline);
}

pg::awaitable<Result<void>> check_schema(pg::Connection& connection, Deadline deadline) {
  auto applied = co_await applied_migrations(connection, deadline);
  if (!applied) {
    Error error = std::move(applied).error();
    if (error.code == Code::kPermissionDenied) {
      error.message = "The database login may not read tideline's schema.";
      error.hint = "Log in as tideline_server.";
    }
    co_return fail(std::move(error));
  }
  CO_TRY_VOID(check_history(*applied, migrations()));
  if (applied->size() != migrations().size()) {
    co_return fail(Code::kConflict,
                   applied->empty() ? "The database has no tideline schema yet."
                                    : "The database's schema is older than this release.",
                   kMigrateHint);
  }
  co_return Result<void>();
}

pg::awaitable<Result<void>> check_server_login(pg::Connection& connection, Deadline deadline) {
  CO_TRY(const auto rows, co_await connection.exec(kLogin, deadline));
  const std::string login(rows.text(0, 0));
  const char* const use_instead =
      "Use the login tideline_server, which the migrations make and which row level security holds.";
  const auto refuse = [&](const char* why) {
    return fail(Code::kPermissionDenied, "The server must not log in as " + login + ": " + why, use_instead);
  };
  if (rows.boolean(0, 1)) co_return refuse("it is a superuser.");
  if (rows.boolean(0, 2)) co_return refuse("it bypasses row level security.");
  if (rows.boolean(0, 3)) co_return refuse("it owns tables of the schema.");
  if (rows.boolean(0, 4)) co_return refuse("it may read or write an organization's rows as itself.");
  if (!rows.boolean(0, 5)) co_return refuse("it cannot act for a user (no membership in the role `authenticated`).");
  co_return Result<void>();
}

}  // namespace tideline::store
