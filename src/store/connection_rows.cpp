#include "store/connection_rows.h"

#include "store/record_rows.h"

namespace tideline::store {
namespace {

#define TIDELINE_SELECT_CONNECTION                                                                    \
  "select " TIDELINE_CONNECTION_FIELDS                                                                \
  ", row_version, incarnation, version, digest, status, last_error, last_extracted_at, object_count," \
  " manifest_generated_at, sources, created_at, updated_at from enterprise.connections c where organization_id = $1"

constexpr pg::Statement kById{"connection_by_id", TIDELINE_SELECT_CONNECTION " and id = $2"};
constexpr pg::Statement kByKey{
    "connection_by_key", TIDELINE_SELECT_CONNECTION " and type = $2 and lower(full_name) = lower($3) and subdir = $4"};
// Of several that once had the name, the one that changed last.
constexpr pg::Statement kByAlias{
    "connection_by_alias", TIDELINE_SELECT_CONNECTION
    " and type = $2 and subdir = $4 and exists"
    " (select from json_array_elements_text(c.aliases) as alias where lower(alias) = lower($3))"
    " order by row_version desc, id limit 1"};
constexpr pg::Statement kAll{"connections_all", TIDELINE_SELECT_CONNECTION " order by lower(full_name), subdir, id"};

constexpr pg::Statement kInsert{"connection_insert",
                                "insert into enterprise.connections (organization_id, " TIDELINE_CONNECTION_FIELDS
                                ", row_version, row_hash, incarnation, created_at, updated_at, version, digest)"
                                " values ($1, $2, $3, $4, $5, $6, $7, $8::json, $9, $10, $9, $11, $11, $9, $12)"};
constexpr pg::Statement kInsertRepository{
    "repository_insert",
    "insert into metadata.repositories (organization_id, id, connection_id, name, url, created_at, updated_at)"
    " values ($1, $2, $2, $3, $4, $5, $5)"};
constexpr pg::Statement kUpdate{
    "connection_update",
    "update enterprise.connections set type = $3, name = $4, full_name = $5, subdir = $6, url = $7, aliases = $8::json,"
    " row_version = $9, row_hash = $10, updated_at = $11, version = $9, digest = $12"
    " where organization_id = $1 and id = $2"};
constexpr pg::Statement kUpdateRepository{
    "repository_update",
    "update metadata.repositories set name = $3, url = $4, updated_at = $5 where organization_id = $1 and id = $2"};
constexpr pg::Statement kProgress{
    "connection_progress",
    "update enterprise.connections set version = $3, digest = $4 where organization_id = $1 and id = $2"};

std::optional<std::string> optional_text(const pg::ResultSet& rows, int row, int column) {
  if (const auto text = rows.text_or_null(row, column)) return std::string(*text);
  return std::nullopt;
}

Result<ConnectionState> state_of(const pg::ResultSet& rows, int row) {
  constexpr int kFirst = 7;  // behind the fields of the record
  const auto bytes = rows.bytea(row, kFirst + 3);
  const auto digest = Digest::from_bytes({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  if (!digest) return fail(Code::kCorrupt, "The digest of a connection has the wrong length.");
  return ConnectionState{.record = record_of<ConnectionRecord>(rows, row),
                         .row_version = Version{rows.int64(row, kFirst)},
                         .incarnation = Version{rows.int64(row, kFirst + 1)},
                         .version = Version{rows.int64(row, kFirst + 2)},
                         .digest = *digest,
                         .status = std::string(rows.text(row, kFirst + 4)),
                         .last_error = optional_text(rows, row, kFirst + 5),
                         .last_extracted_at = rows.timestamp_or_null(row, kFirst + 6),
                         .object_count = rows.int64(row, kFirst + 7),
                         .manifest_generated_at = rows.timestamp_or_null(row, kFirst + 8),
                         .sources = std::string(rows.text(row, kFirst + 9)),
                         .created_at = rows.timestamp(row, kFirst + 10),
                         .updated_at = rows.timestamp(row, kFirst + 11)};
}

Result<std::optional<ConnectionState>> first_of(const pg::ResultSet& rows) {
  if (rows.empty()) return std::optional<ConnectionState>();
  TRY(auto state, state_of(rows, 0));
  return std::optional(std::move(state));
}

pg::Params key_params(const Tenant& tenant, const ConnectionKey& key) {
  pg::Params params;
  params.add(tenant.organization).add(key.type).add(key.full_name).add(key.subdir);
  return params;
}

pg::Params row_params(const Tenant& tenant, const ConnectionState& c) {
  const ConnectionRecord& r = c.record;
  pg::Params params;
  params.add(tenant.organization).add(r.id).add(r.type).add(r.name).add(r.full_name).add(r.subdir).add(r.url);
  params.add(r.aliases.text).add(c.row_version).add_bytea(row_hash(r).bytes).add(c.updated_at);
  params.add_bytea(bytes_of(c.digest.to_bytes()));
  return params;
}

pg::Params repository_params(const Tenant& tenant, const ConnectionState& c) {
  pg::Params params;
  params.add(tenant.organization).add(c.record.id).add(c.record.name).add(c.record.url).add(c.updated_at);
  return params;
}

}  // namespace

awaitable<Result<std::optional<ConnectionState>>> fetch_connection_exactly(TenantTransaction& transaction,
                                                                           ConnectionKey key, Deadline deadline) {
  CO_TRY(const auto rows, co_await transaction.exec(kByKey, key_params(transaction.tenant(), key), deadline));
  co_return first_of(rows);
}

awaitable<Result<std::optional<ConnectionState>>> fetch_connection(TenantTransaction& transaction, ConnectionRef ref,
                                                                   Deadline deadline) {
  if (const auto* id = std::get_if<ConnectionId>(&ref)) {
    pg::Params params;
    params.add(transaction.tenant().organization).add(*id);
    CO_TRY(const auto rows, co_await transaction.exec(kById, std::move(params), deadline));
    co_return first_of(rows);
  }
  const auto& key = std::get<ConnectionKey>(ref);
  CO_TRY(auto exact, co_await fetch_connection_exactly(transaction, key, deadline));
  if (exact) co_return std::move(exact);
  CO_TRY(const auto rows, co_await transaction.exec(kByAlias, key_params(transaction.tenant(), key), deadline));
  co_return first_of(rows);
}

awaitable<Result<std::vector<ConnectionState>>> list_connections(Database& database, Tenant tenant, Deadline deadline,
                                                                 Consistency consistency) {
  std::vector<Query> queries(1);
  queries[0].statement = kAll;
  queries[0].params.add(tenant.organization);
  CO_TRY(const auto results, co_await database.read(tenant, std::move(queries), deadline, consistency));
  std::vector<ConnectionState> connections;
  for (int row = 0; row < results[0].rows(); ++row) {
    CO_TRY(auto state, state_of(results[0], row));
    connections.push_back(std::move(state));
  }
  co_return std::move(connections);
}

ConnectionState new_connection(ConnectionRecord record, const LockedHead& head) {
  ConnectionState state{.record = std::move(record),
                        .row_version = head.next,
                        .incarnation = head.next,
                        .version = head.next,
                        .digest = {},
                        .status = "connected",
                        .last_error = std::nullopt,
                        .last_extracted_at = std::nullopt,
                        .object_count = 0,
                        .manifest_generated_at = std::nullopt,
                        .sources = "{}",
                        .created_at = head.next_stamp,
                        .updated_at = head.next_stamp};
  state.digest.of(Kind::kConnection).add(row_hash(state.record));
  return state;
}

void add_insert(pg::Pipeline& pipeline, const Tenant& tenant, const ConnectionState& connection) {
  // The tombstone of an earlier connection of this id stays: who saw that one drops all of its rows, and what this one
  // holds was written later.
  pipeline.add(kInsert, row_params(tenant, connection)).add(kInsertRepository, repository_params(tenant, connection));
}

void add_update(pg::Pipeline& pipeline, const Tenant& tenant, const ConnectionState& connection) {
  pipeline.add(kUpdate, row_params(tenant, connection)).add(kUpdateRepository, repository_params(tenant, connection));
}

void add_progress(pg::Pipeline& pipeline, const Tenant& tenant, const ConnectionId& connection, Version version,
                  const Digest& digest) {
  pg::Params params;
  params.add(tenant.organization).add(connection).add(version).add_bytea(bytes_of(digest.to_bytes()));
  pipeline.add(kProgress, std::move(params));
}

std::string default_name(std::string_view full_name) { return std::string(full_name.substr(full_name.rfind('/') + 1)); }

}  // namespace tideline::store
