#include "store/backup.h"

#include "store/migrate.h"

namespace tideline::store {
namespace {

#define TIDELINE_RENEW_EPOCH                                                                   \
  "update enterprise.server_keys set value = uuid_send(gen_random_uuid()), created_at = now()" \
  " where name = 'epoch'"

constexpr pg::Statement kRenew{nullptr, TIDELINE_RENEW_EPOCH " returning value"};
constexpr pg::Statement kRead{nullptr, "select value from enterprise.server_keys where name = 'epoch'"};
// Servers ask about an organization at once when they are told that its rights changed.
constexpr pg::Statement kTell{nullptr, "select pg_notify('tideline_access', id::text) from enterprise.organizations"};

Result<Uuid> epoch_of(const pg::ResultSet& rows) {
  if (rows.empty()) return fail(Code::kCorrupt, "the database has no epoch", "run `tideline admin migrate`");
  const auto bytes = rows.bytea(0, 0);
  Uuid epoch;
  if (bytes.size() != epoch.bytes.size()) return fail(Code::kCorrupt, "the database's epoch is malformed");
  std::copy(bytes.begin(), bytes.end(), epoch.bytes.begin());
  return epoch;
}

}  // namespace

std::vector<std::string> backup_schemas() { return {"enterprise", "metadata"}; }

std::string restore_epilogue() {
  std::string known;
  for (const Migration& migration : migrations())
    known += (known.empty() ? "" : ", ") + pg::quote_literal(migration.name);
  return "do $$ begin if exists (select from enterprise.schema_migrations where name not in (" + known +
         ")) then raise exception 'the backup is of a newer release of tideline'; end if; end $$;\n" +
         std::string(TIDELINE_RENEW_EPOCH) + ";\n" + kTell.sql + ";\n";
}

pg::awaitable<Result<Uuid>> renew_epoch(pg::Connection& connection, Deadline deadline) {
  pg::Pipeline pipeline;
  pipeline.add(pg::kBegin).add(kRenew).add(kTell).add(pg::kCommit);
  CO_TRY(const auto results, co_await connection.run_all(std::move(pipeline), deadline));
  co_return epoch_of(results[1]);
}

pg::awaitable<Result<Uuid>> read_epoch(pg::Connection& connection, Deadline deadline) {
  CO_TRY(const auto rows, co_await connection.exec(kRead, deadline));
  co_return epoch_of(rows);
}

}  // namespace tideline::store
