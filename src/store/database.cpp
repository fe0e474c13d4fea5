#include "store/database.h"

#include <algorithm>

#include "base/log.h"

namespace tideline::store {
namespace {

// Local to the transaction, as `set local role` is; in one statement because every request pays for it.
constexpr pg::Statement kBecomeReader{
    "become_reader",
    "select set_config('role', 'authenticated', true), set_config('request.jwt.claims', $1, true),"
    " set_config('request.organization_id', $2, true)"};
// Whoever waits longer for the organization's head is told to come back.
constexpr pg::Statement kBecomeWriter{
    "become_writer",
    "select set_config('role', 'authenticated', true), set_config('request.jwt.claims', $1, true),"
    " set_config('request.organization_id', $2, true), set_config('lock_timeout', '10s', true)"};

constexpr pg::Statement kResolveIdentity{"resolve_identity", "select enterprise.resolve_identity($1, $2)"};
constexpr pg::Statement kCreateIdentity{"create_identity", "select enterprise.create_identity($1, $2, $3)"};
constexpr pg::Statement kResolveApiToken{
    "resolve_api_token",
    "select organization_id, id, user_id, scopes, expires_at from enterprise.resolve_api_token($1)"};
constexpr pg::Statement kSettlePushes{"settle_pushes", "select enterprise.settle_interrupted_pushes()"};
constexpr pg::Statement kTouchApiToken{"touch_api_token", "select enterprise.touch_api_token($1, $2)"};
constexpr pg::Statement kMembership{"membership", "select role, access_version from enterprise.membership($1, $2)"};
constexpr pg::Statement kWatch{
    "watch",
    "select organization_id, access_version, version, stamp, floor, activity, enterprise.epoch()"
    "  from enterprise.watch($1)"};
constexpr pg::Statement kServerKeys{"server_keys", "select name, value from enterprise.server_keys"};

constexpr std::chrono::seconds kStandbyPatience{1};
constexpr std::chrono::seconds kStandbyAway{5};

pg::Params identity_of(const Tenant& tenant) {
  pg::Params params;
  params.add("{\"sub\":\"" + tenant.user.to_string() + "\",\"role\":\"authenticated\"}");
  params.add(tenant.organization.to_string());
  return params;
}

pg::PoolOptions with_session_settings(pg::PoolOptions options) {
  // Compiling a plan costs more than any of our statements; a large unnest would look expensive enough for it.
  options.init_sql = "set jit = off; " + options.init_sql;
  return options;
}

}  // namespace

Database::Database(std::unique_ptr<pg::Pool> primary, std::unique_ptr<pg::Pool> replica)
    : primary_(std::move(primary)), replica_(std::move(replica)) {}

awaitable<Result<std::unique_ptr<Database>>> Database::open(boost::asio::any_io_executor executor,
                                                            DatabaseOptions options, Deadline deadline) {
  CO_TRY(auto primary, co_await pg::Pool::open(executor, with_session_settings(std::move(options.primary)), deadline));
  std::unique_ptr<pg::Pool> replica;
  if (options.replica) {
    pg::PoolOptions settings = with_session_settings(std::move(*options.replica));
    auto opened = co_await pg::Pool::open(executor, settings, std::min(deadline, within(kStandbyPatience)));
    if (!opened) {
      log(LogLevel::kWarning, "the standby is away: the primary serves its reads until it is back",
          {{"detail", describe(opened.error())}});
      settings.min_size = 0;
      CO_TRY(opened, co_await pg::Pool::open(executor, std::move(settings), deadline));
    }
    replica = std::move(*opened);
  }
  co_return std::unique_ptr<Database>(new Database(std::move(primary), std::move(replica)));
}

/// Of the standby where it is wanted and there. One that is away costs whoever finds out a second, and the others
/// nothing: they are served by the primary.
awaitable<Result<pg::Lease>> Database::lease(Consistency consistency, Deadline deadline) {
  const auto now = std::chrono::steady_clock::now();
  if (consistency == Consistency::kReplica && replica_ && now.time_since_epoch().count() >= replica_away_until_) {
    auto lease = co_await replica_->acquire(std::min(deadline, now + kStandbyPatience));
    if (lease) co_return std::move(lease);
    const auto until = std::chrono::steady_clock::now() + kStandbyAway;
    replica_away_until_ = until.time_since_epoch().count();
  }
  co_return co_await primary_->acquire(deadline);
}

awaitable<Result<std::vector<pg::ResultSet>>> Database::read(Tenant tenant, std::vector<Query> queries,
                                                             Deadline deadline, Consistency consistency) {
  CO_TRY(auto connection, co_await lease(consistency, deadline));
  pg::Pipeline pipeline;
  pipeline.add(pg::kBeginSnapshot).add(kBecomeReader, identity_of(tenant));
  for (auto& query : queries) pipeline.add(query.statement, std::move(query.params));
  pipeline.add(pg::kCommit);
  CO_TRY(auto results, co_await connection->run_all(std::move(pipeline), deadline));
  results.erase(results.begin(), results.begin() + 2);
  results.pop_back();
  co_return std::move(results);
}

awaitable<Result<TenantTransaction>> Database::begin(Tenant tenant, TenantTransaction::Mode mode, Deadline deadline,
                                                     Consistency consistency) {
  const bool writes = mode == TenantTransaction::Mode::kWrite;
  CO_TRY(auto connection, co_await lease(writes ? Consistency::kPrimary : consistency, deadline));
  pg::Pipeline pipeline;
  if (writes) {
    pipeline.add(pg::kBegin).add(kBecomeWriter, identity_of(tenant));
  } else {
    pipeline.add(pg::kBeginSnapshot).add(kBecomeReader, identity_of(tenant));
  }
  CO_TRY_VOID(co_await connection->run_all(std::move(pipeline), deadline));
  co_return TenantTransaction(tenant, std::move(connection));
}

awaitable<Result<pg::ResultSet>> Database::ask(pg::Statement statement, pg::Params params, Deadline deadline) {
  CO_TRY(auto lease, co_await primary_->acquire(deadline));
  co_return co_await lease->exec(statement, std::move(params), deadline);
}

awaitable<Result<std::optional<UserId>>> Database::resolve_identity(std::string issuer, std::string subject,
                                                                    Deadline deadline) {
  pg::Params params;
  params.add(issuer).add(subject);
  CO_TRY(const auto rows, co_await ask(kResolveIdentity, std::move(params), deadline));
  if (rows.is_null(0, 0)) co_return std::optional<UserId>();
  co_return std::optional(rows.id<UserId>(0, 0));
}

awaitable<Result<UserId>> Database::create_identity(std::string issuer, std::string subject,
                                                    std::optional<std::string> email, Deadline deadline) {
  pg::Params params;
  params.add(issuer).add(subject).add(email);
  CO_TRY(const auto rows, co_await ask(kCreateIdentity, std::move(params), deadline));
  co_return rows.id<UserId>(0, 0);
}

awaitable<Result<std::optional<ApiTokenGrant>>> Database::resolve_api_token(Sha256Digest digest, Deadline deadline) {
  pg::Params params;
  params.add_bytea(digest);
  CO_TRY(const auto rows, co_await ask(kResolveApiToken, std::move(params), deadline));
  if (rows.empty()) co_return std::optional<ApiTokenGrant>();
  ApiTokenGrant grant{.organization = rows.id<OrganizationId>(0, 0),
                      .id = rows.uuid(0, 1),
                      .user = rows.id<UserId>(0, 2),
                      .scopes = {},
                      .expires_at = rows.timestamp_or_null(0, 4)};
  for (const auto scope : rows.texts(0, 3)) grant.scopes.emplace_back(scope);
  co_return std::optional(std::move(grant));
}

awaitable<Result<void>> Database::touch_api_token(OrganizationId organization, Uuid id, Deadline deadline) {
  pg::Params params;
  params.add(organization).add(id);
  CO_TRY_VOID(co_await ask(kTouchApiToken, std::move(params), deadline));
  co_return Result<void>();
}

awaitable<Result<void>> Database::settle_interrupted_pushes(Deadline deadline) {
  CO_TRY_VOID(co_await ask(kSettlePushes, {}, deadline));
  co_return Result<void>();
}

awaitable<Result<std::optional<Membership>>> Database::membership(UserId user, OrganizationId organization,
                                                                  Deadline deadline) {
  pg::Params params;
  params.add(user).add(organization);
  CO_TRY(const auto rows, co_await ask(kMembership, std::move(params), deadline));
  if (rows.empty()) co_return std::optional<Membership>();
  co_return std::optional(Membership{std::string(rows.text(0, 0)), rows.int64(0, 1)});
}

awaitable<Result<std::vector<OrganizationState>>> Database::watch(std::vector<OrganizationId> organizations,
                                                                  Deadline deadline) {
  pg::UuidArray ids;
  for (const auto& organization : organizations) ids.add(organization);
  pg::Params params;
  params.add(std::move(ids));
  CO_TRY(const auto rows, co_await ask(kWatch, std::move(params), deadline));
  std::vector<OrganizationState> states;
  for (int row = 0; row < rows.rows(); ++row) {
    states.push_back({.organization = rows.id<OrganizationId>(row, 0),
                      .access_version = rows.int64(row, 1),
                      .version = Version{rows.int64(row, 2)},
                      .stamp = rows.timestamp(row, 3),
                      .floor = Version{rows.int64(row, 4)},
                      .activity = rows.int64(row, 5),
                      .epoch = rows.uuid(row, 6)});
  }
  co_return std::move(states);
}

awaitable<Result<ServerKeys>> Database::server_keys(Deadline deadline) {
  CO_TRY(const auto rows, co_await ask(kServerKeys, {}, deadline));
  ServerKeys keys;
  bool has_epoch = false;
  for (int row = 0; row < rows.rows(); ++row) {
    const auto name = rows.text(row, 0);
    const auto value = rows.bytea(row, 1);
    const std::string_view bytes(reinterpret_cast<const char*>(value.data()), value.size());
    if (name == "signing") keys.signing_key = bytes;
    if (name == "cursor") keys.cursor_key = bytes;
    if (name == "epoch" && value.size() == keys.epoch.bytes.size()) {
      std::copy(value.begin(), value.end(), keys.epoch.bytes.begin());
      has_epoch = true;
    }
  }
  if (keys.signing_key.size() != 32 || keys.cursor_key.size() != 32 || !has_epoch) {
    co_return fail(Code::kCorrupt, "The database lacks the server's keys.",
                   "Run `tideline admin migrate`, which makes those that are missing.");
  }
  co_return std::move(keys);
}

std::optional<pg::PoolStats> Database::replica_stats() const {
  if (!replica_) return std::nullopt;
  return replica_->stats();
}

awaitable<Result<void>> Database::close(Deadline deadline) {
  Result<void> result = co_await primary_->close(deadline);
  if (replica_) {
    Result<void> second = co_await replica_->close(deadline);
    if (result) result = std::move(second);
  }
  co_return result;
}

}  // namespace tideline::store
