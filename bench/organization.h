#pragma once
// Organizations made up for measuring: of given size, the same for the same seed, with the hashes and digests a push
// would have written. What comes out is a script for psql (COPY with its data), to be run by a role that may write
// every row. Not for tests of what a push does: no push made these rows.

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/time.h"
#include "model/records.h"

namespace tideline::bench {

struct OrganizationSpec {
  std::uint64_t seed = 1;
  std::string name = "bench";
  int connections = 3;
  int files = 5'000;
  int objects = 4'810;
  int columns = 27'190;
  int dependencies = 9'000;
  int lineage = 30'000;
  int documents = 200;
};

struct MadeOrganization {
  OrganizationId id;
  UserId user;  // its admin
  std::vector<ConnectionId> connections;
  Version version;
  Timestamp stamp;
};

/// Ids follow from the seed and the name, so that they are known without running the script.
MadeOrganization describe_organization(const OrganizationSpec& spec);

/// Gives the script to `write`, piece by piece. One transaction.
void write_organization(const OrganizationSpec& spec, const std::function<void(std::string_view)>& write);

/// A row as it is synced.
struct MadeRow {
  ConnectionId connection;
  Kind kind = Kind::kConnection;
  Uuid id;
  Version version;
  std::string_view bytes;  // during the call
};
/// The same rows, one by one.
void each_row(const OrganizationSpec& spec, const std::function<void(const MadeRow&)>& each);

/// A smaller one beside it: `fraction` of every size.
OrganizationSpec neighbour(const OrganizationSpec& spec, int index, double fraction = 0.05);

}  // namespace tideline::bench
