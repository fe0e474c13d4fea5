#pragma once
// Who writes to an organization next, within this process. The lock of the head orders the writers of all processes,
// but who waits for it holds a connection to the database, and a few that wait would leave none to the readers of every
// organization. So they wait here first, without one. Not for correctness: that is the lock's part.
//
// Thread-safe.

#include <memory>

#include "base/deadline.h"
#include "base/error.h"
#include "base/ids.h"
#include "store/tenant.h"

namespace tideline::store {

class WriteTurns {
 public:
  /// To be held until the transaction has ended. Move-only; may outlive the WriteTurns.
  class Turn {
   public:
    Turn(Turn&&) noexcept = default;
    Turn& operator=(Turn&&) = delete;

   private:
    friend class WriteTurns;
    struct Place;
    explicit Turn(std::shared_ptr<Place> place) : place_(std::move(place)) {}
    std::shared_ptr<Place> place_;  // leaves the line with its last owner
  };

  WriteTurns();

  /// In the order of asking, one at a time for each organization. kUnavailable when it did not come in 10 s or before
  /// `deadline`.
  awaitable<Result<Turn>> wait(OrganizationId organization, Deadline deadline);

 private:
  struct Lines;
  std::shared_ptr<Lines> lines_;
};

}  // namespace tideline::store
