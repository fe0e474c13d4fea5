#pragma once
// Connections: registered, renamed, removed. Each change that is one makes a version; the running state (status,
// last_error, last_extracted_at …) does not, but moves OrganizationState::activity.
//
// Errors of all: kPermissionDenied when the user may not write here, kUnavailable when the organization's head was not
// to be had in time (try again).

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "model/records.h"
#include "model/row_hash.h"
#include "store/database.h"

namespace tideline::store {

/// What a repository is found by: (type, full_name in any case, subdir), one connection each.
struct ConnectionKey {
  std::string type;       // github, gitlab, git, local …
  std::string full_name;  // "owner/repo"
  std::string subdir;     // "" at the root
};

/// A key as it is stored: type in lower case, no slashes or dots around the subdir. kInvalidInput names the field.
Result<ConnectionKey> normalized(ConnectionKey key);

/// By id, or by key (aliases too).
using ConnectionRef = std::variant<ConnectionId, ConnectionKey>;

struct ConnectionSpec {
  std::optional<ConnectionId> id;  // an admin may choose it; else random
  ConnectionKey key;
  std::optional<std::string> name;  // shown to people; else the last part of full_name
  std::optional<std::string> url;
};

/// What is absent stays.
struct ConnectionChange {
  std::optional<std::string> name;
  std::optional<std::string> full_name;  // the old one becomes an alias
  std::optional<std::string> subdir;
  std::optional<std::optional<std::string>> url;  // a null clears it
};

struct ConnectionState {
  ConnectionRecord record;
  Version row_version;  // last wrote the connection's own row
  Version incarnation;  // tells it from an earlier connection of the same id
  Version version;      // last wrote any row of it
  Digest digest;        // there
  std::string status;   // connected, extracting, completed, error
  std::optional<std::string> last_error;
  std::optional<Timestamp> last_extracted_at;
  std::int64_t object_count = 0;
  std::optional<Timestamp> manifest_generated_at;
  std::string sources;  // JSON: what brought the manifest, the compiled SQL and the catalog
  Timestamp created_at;
  Timestamp updated_at;
};

/// Where a write left the organization. `made` false: there was nothing to change, and `version` is the head found.
struct WriteOutcome {
  ConnectionId connection;
  Version version;
  Timestamp stamp;
  bool made = false;
};

/// Registers, or updates name and url of the connection that has this key. kConflict: the key is another id's, or the
/// id another key's. kInvalidInput.
awaitable<Result<WriteOutcome>> register_connection(Database& database, Tenant tenant, ConnectionSpec spec,
                                                    Deadline deadline);
/// kNotFound; kConflict when the new key is taken.
awaitable<Result<WriteOutcome>> update_connection(Database& database, Tenant tenant, ConnectionId id,
                                                  ConnectionChange change, Deadline deadline);
/// Removes the connection and every row of it: clients see one tombstone, the connection's. (Tombstones of its files
/// and objects are kept as well: they hold positions in the order of paging until the floor. A reader leaves out those
/// whose row_version is not above that of their connection's tombstone.) kNotFound.
awaitable<Result<WriteOutcome>> delete_connection(Database& database, Tenant tenant, ConnectionId id,
                                                  Deadline deadline);

/// nullopt: no such connection, or none the user may see.
awaitable<Result<std::optional<ConnectionState>>> find_connection(Database& database, Tenant tenant, ConnectionRef ref,
                                                                  Deadline deadline);
/// All of the organization, by (full_name in lower case, subdir, id).
awaitable<Result<std::vector<ConnectionState>>> list_connections(Database& database, Tenant tenant, Deadline deadline,
                                                                 Consistency consistency = Consistency::kPrimary);

}  // namespace tideline::store
