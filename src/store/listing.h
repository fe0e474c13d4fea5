#pragma once
// Whole small tables in one snapshot: the connections of an organization as the API lists them, and its documentation.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "store/database.h"
#include "store/sync_package.h"

namespace tideline::store {

struct ListedConnection {
  ConnectionId id;
  std::string type;
  std::string name;
  std::string full_name;
  std::string subdir;
  std::optional<std::string> url;
  std::vector<std::string> aliases;  // former full names
  std::string status;
  std::optional<std::string> last_error;
  std::optional<Timestamp> last_extracted_at;
  std::int64_t object_count = 0;
  std::string sources;                 // JSON text
  std::optional<std::string> lineage;  // how much of it the last push understood: JSON text
  Version version;                     // last wrote any row of it
};

struct ConnectionListing {
  Uuid epoch;                                 // of the database
  Version version;                            // of the snapshot
  std::int64_t activity = 0;                  // there (OrganizationState)
  std::vector<ListedConnection> connections;  // by (full_name in lower case, subdir, type, id)
};

/// kPermissionDenied when the user is not a member (any more).
awaitable<Result<ConnectionListing>> read_connection_listing(Database& database, Tenant tenant, Consistency consistency,
                                                             Deadline deadline);

struct DocumentationQuery {
  std::optional<std::vector<ConnectionId>> connections{};  // nullopt: all
  std::optional<std::vector<Uuid>> objects{};              // nullopt: all
};

/// The documents that are shown, by (object's full name, id), in bounded memory.
class DocumentationReader {
 public:
  /// kPermissionDenied when the user is not a member (any more).
  static awaitable<Result<DocumentationReader>> open(Database& database, Tenant tenant, DocumentationQuery query,
                                                     Consistency consistency, Deadline deadline);
  Uuid epoch() const { return epoch_; }
  Version version() const { return version_; }
  awaitable<Result<std::optional<RowChunk>>> next(Deadline deadline);

 private:
  explicit DocumentationReader(TenantTransaction transaction) : transaction_(std::move(transaction)) {}
  TenantTransaction transaction_;
  Uuid epoch_;
  Version version_;
  std::optional<pg::RowStream> stream_;
};

}  // namespace tideline::store
