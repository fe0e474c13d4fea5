#pragma once
// The database as the server sees it: tenant transactions on the primary or a hot standby, and the few questions that
// come before a tenant is known (who is this, may he, what is new), which run as the server's login and reach numbers
// and ids, never a row of a tenant's content.
//
// Thread-safe; the coroutines resume on the caller's executor.

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/hash.h"
#include "base/time.h"
#include "pg/pool.h"
#include "store/tenant.h"
#include "store/write_turns.h"

namespace tideline::store {

enum class Consistency {
  kPrimary,  // sees every commit that was acknowledged
  kReplica,  // may be behind: a hot standby where there is one
};

struct DatabaseOptions {
  pg::PoolOptions primary;
  std::optional<pg::PoolOptions> replica;
};

/// What an API token stands for, while it is neither revoked nor expired.
struct ApiTokenGrant {
  OrganizationId organization;
  Uuid id;
  UserId user;
  std::vector<std::string> scopes;  // read, push, documentation
  std::optional<Timestamp> expires_at;
};

struct Membership {
  std::string role;  // admin, member, service
  std::int64_t access_version = 0;
};

/// What may change about an organization, in numbers. Two equal values mean: same rights, same synced rows, same state
/// of its connections.
struct OrganizationState {
  OrganizationId organization;
  std::int64_t access_version = 0;  // goes up with every change of rights
  Version version;                  // the head
  Timestamp stamp;                  // of the head
  Version floor;
  std::int64_t activity = 0;  // changes with the running state of a connection (status, last_error …)
  Uuid epoch;                 // of the database: another one after a restore
  bool operator==(const OrganizationState&) const = default;
};

/// Made by the migrations, once per database.
struct ServerKeys {
  std::string signing_key;  // 32 bytes: tokens the server signs itself
  std::string cursor_key;   // 32 bytes: authenticates cursors
  Uuid epoch;               // changes by a restore alone
};

class Database {
 public:
  /// Connects both pools. `executor` must be running while the database is used. kUnavailable when the primary cannot
  /// be reached; a standby that cannot is looked for again later.
  static awaitable<Result<std::unique_ptr<Database>>> open(boost::asio::any_io_executor executor,
                                                           DatabaseOptions options, Deadline deadline);

  /// The queries in one snapshot and one round trip; one result for each.
  awaitable<Result<std::vector<pg::ResultSet>>> read(Tenant tenant, std::vector<Query> queries, Deadline deadline,
                                                     Consistency consistency);
  /// A transaction to work in. A snapshot may be of the replica; a writer is always of the primary.
  awaitable<Result<TenantTransaction>> begin(Tenant tenant, TenantTransaction::Mode mode, Deadline deadline,
                                             Consistency consistency = Consistency::kPrimary);

  /// The turn to make a version of this organization: taken before the transaction that will lock its head, kept until
  /// that has ended.
  awaitable<Result<WriteTurns::Turn>> turn(OrganizationId organization, Deadline deadline) {
    return turns_.wait(organization, deadline);
  }

  // Without a tenant, always on the primary.

  /// The user behind a verified token; nullopt: unknown.
  awaitable<Result<std::optional<UserId>>> resolve_identity(std::string issuer, std::string subject, Deadline deadline);
  /// First sight: a new user, in no organization. The existing one when another request was faster.
  awaitable<Result<UserId>> create_identity(std::string issuer, std::string subject, std::optional<std::string> email,
                                            Deadline deadline);
  /// By the SHA-256 of the token's whole text.
  awaitable<Result<std::optional<ApiTokenGrant>>> resolve_api_token(Sha256Digest digest, Deadline deadline);
  /// Notes its use: at most once a minute per token, so that calling it often is cheap.
  awaitable<Result<void>> touch_api_token(OrganizationId organization, Uuid id, Deadline deadline);
  /// A connection whose push ended with its server shows what it had before: completed, or connected.
  awaitable<Result<void>> settle_interrupted_pushes(Deadline deadline);
  /// nullopt: not a member, or no such organization.
  awaitable<Result<std::optional<Membership>>> membership(UserId user, OrganizationId organization, Deadline deadline);
  /// The state of those of `organizations` that exist, ordered by id.
  awaitable<Result<std::vector<OrganizationState>>> watch(std::vector<OrganizationId> organizations, Deadline deadline);
  awaitable<Result<ServerKeys>> server_keys(Deadline deadline);

  pg::PoolStats primary_stats() const { return primary_->stats(); }
  std::optional<pg::PoolStats> replica_stats() const;
  bool has_replica() const { return replica_ != nullptr; }

  /// Waits for what is under way; afterwards everything fails with kUnavailable.
  awaitable<Result<void>> close(Deadline deadline);

 private:
  Database(std::unique_ptr<pg::Pool> primary, std::unique_ptr<pg::Pool> replica);
  awaitable<Result<pg::Lease>> lease(Consistency consistency, Deadline deadline);
  awaitable<Result<pg::ResultSet>> ask(pg::Statement statement, pg::Params params, Deadline deadline);

  std::unique_ptr<pg::Pool> primary_;
  std::unique_ptr<pg::Pool> replica_;
  /// After a standby that could not be had: until then nobody waits for it (ticks of the steady clock).
  std::atomic<Deadline::rep> replica_away_until_{0};
  WriteTurns turns_;
};

/// Channels of NOTIFY; the payload is the organization's id.
inline constexpr const char* kAccessChannel = "tideline_access";  // rights changed
inline constexpr const char* kHeadsChannel = "tideline_heads";    // a new version, or a connection's running state

}  // namespace tideline::store
