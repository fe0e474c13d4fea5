#pragma once
// Writing generated documentation: any number of items in one version. Each item is the whole document of its object;
// one that says what is there already, apart from generated_at, is not written.

#include <cstddef>
#include <string>
#include <vector>

#include "model/records.h"
#include "store/database.h"

namespace tideline::store {

struct DocumentationItem {
  /// The object: its id, or (connection, unique_id).
  std::optional<Uuid> object;
  std::optional<ConnectionId> connection;
  std::string unique_id;
  /// id, connection_id and object_id are filled in here.
  DocumentationRecord content;
};

struct DocumentationOutcome {
  Version version;  // the one made, or the head found
  Timestamp stamp;
  bool made = false;
  std::int64_t added = 0;
  std::int64_t updated = 0;
  std::int64_t unchanged = 0;
  /// Indexes of items whose object is not there: left out, the others are written.
  std::vector<std::size_t> unknown;
};

/// Later items win over earlier ones of the same object. kPermissionDenied, kUnavailable as in connections.h;
/// kInvalidInput for an item that names no object.
awaitable<Result<DocumentationOutcome>> put_documentation(Database& database, Tenant tenant,
                                                          std::vector<DocumentationItem> items, Deadline deadline);

}  // namespace tideline::store
