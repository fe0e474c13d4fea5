#pragma once
// Rows of enterprise.connections inside a transaction: shared by those who write versions. Not for callers above store:
// connections.h is.

#include <optional>
#include <vector>

#include "store/connections.h"
#include "store/version_writer.h"

namespace tideline::store {

/// The connection, by id, by key, or by an alias (an exact key wins). In a writing transaction with the head locked
/// nothing of it but its running state can change until the commit.
awaitable<Result<std::optional<ConnectionState>>> fetch_connection(TenantTransaction& transaction, ConnectionRef ref,
                                                                   Deadline deadline);
/// By key alone, aliases left out.
awaitable<Result<std::optional<ConnectionState>>> fetch_connection_exactly(TenantTransaction& transaction,
                                                                           ConnectionKey key, Deadline deadline);

/// A connection that is not there yet, as `head.next` makes it: its digest counts its own row.
ConnectionState new_connection(ConnectionRecord record, const LockedHead& head);
void add_insert(pg::Pipeline& pipeline, const Tenant& tenant, const ConnectionState& connection);
/// The connection's own row as it is in `connection`, with row_version, version and digest.
void add_update(pg::Pipeline& pipeline, const Tenant& tenant, const ConnectionState& connection);
/// Version and digest alone: other rows of the connection were written.
void add_progress(pg::Pipeline& pipeline, const Tenant& tenant, const ConnectionId& connection, Version version,
                  const Digest& digest);

/// The last part of a full name: what people call it when nobody said.
std::string default_name(std::string_view full_name);

}  // namespace tideline::store
