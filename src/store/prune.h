#pragma once
// Forgetting: the retention floor goes up, tombstones and versions at or below it go away, and documentation whose
// object has been gone for 90 days does. Nothing a client sees changes by it, so it makes no version.
//
// Every write that makes a version prunes on its way, at most once a day of history; this is for doing it now.

#include <chrono>
#include <cstdint>

#include "store/database.h"

namespace tideline::store {

/// Kept is whatever either of the first two keeps.
struct Retention {
  std::chrono::microseconds age = std::chrono::days(30);
  std::int64_t versions = 100;
  std::chrono::microseconds hidden_documentation = std::chrono::days(90);
  /// Not worth a pass before so much more could go: pages of a client on the way shift when tombstones vanish.
  std::chrono::microseconds slack = std::chrono::days(1);
};

struct PruneOutcome {
  Version floor;
  std::int64_t tombstones = 0;
  std::int64_t versions = 0;
  std::int64_t documents = 0;
};

awaitable<Result<PruneOutcome>> prune(Database& database, Tenant tenant, Retention retention, Deadline deadline);

}  // namespace tideline::store
