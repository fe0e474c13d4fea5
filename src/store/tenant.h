#pragma once
// A transaction of one user in one organization: the only way to tenant rows above `pg`. Inside it the database itself
// (row level security, forced) shows rows of that organization alone, and none when the user is not a member of it; so
// a forgotten WHERE leaks nothing. Used by one coroutine at a time.

#include <utility>
#include <vector>

#include "base/deadline.h"
#include "base/error.h"
#include "base/ids.h"
#include "pg/connection.h"
#include "pg/pool.h"

namespace tideline::store {

using pg::awaitable;

/// Who asks, and for which organization. `user` is our own id of the user, not a token's subject.
struct Tenant {
  OrganizationId organization;
  UserId user;
};

/// A named statement and its parameters.
struct Query {
  pg::Statement statement;
  pg::Params params;
};

/// Rolled back when dropped without `commit`. Move-only. After a failed statement nothing but dropping makes sense.
class TenantTransaction {
 public:
  enum class Mode {
    kWrite,     // READ COMMITTED
    kSnapshot,  // REPEATABLE READ, read only: everything in it sees one state
  };

  /// None: to be assigned to.
  TenantTransaction() = default;
  TenantTransaction(TenantTransaction&&) noexcept = default;
  TenantTransaction& operator=(TenantTransaction&&) noexcept = default;

  const Tenant& tenant() const { return tenant_; }

  awaitable<Result<pg::ResultSet>> exec(pg::Statement statement, pg::Params params, Deadline deadline);
  /// All in one round trip; the first error, or a result for each.
  awaitable<Result<std::vector<pg::ResultSet>>> run(pg::Pipeline pipeline, Deadline deadline);
  /// Rows in chunks of `chunk_rows`, in constant memory. Read it to its end before the next statement; it must not
  /// outlive the transaction.
  awaitable<Result<pg::RowStream>> stream(pg::Statement statement, pg::Params params, int chunk_rows,
                                          Deadline deadline);
  /// Ends the transaction and gives the connection back. An error that is not a refusal by the database (kDeadline,
  /// kUnavailable) leaves open whether it took effect.
  awaitable<Result<void>> commit(Deadline deadline);

  /// The process that serves this transaction: for tests that end it.
  int backend_pid() const { return lease_->backend_pid(); }

 private:
  friend class Database;
  TenantTransaction(Tenant tenant, pg::Lease lease) : tenant_(tenant), lease_(std::move(lease)) {}

  Tenant tenant_;
  pg::Lease lease_;
};

}  // namespace tideline::store
