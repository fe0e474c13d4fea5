#pragma once
// Who waits for news of an organization, and waking them: for event streams and long polls. It carries no news itself:
// whoever wakes looks at the Membership, with his own rights. Thread-safe; waking is O(those who wait for that
// organization), some microseconds each.

#include <cstddef>
#include <memory>

#include <boost/asio/awaitable.hpp>

#include "base/deadline.h"
#include "base/ids.h"

namespace tideline::server {

class EventHub {
 public:
  /// `max_places`: who may wait at the same time.
  explicit EventHub(std::size_t max_places);
  ~EventHub();
  EventHub(const EventHub&) = delete;
  EventHub& operator=(const EventHub&) = delete;

  struct State;

  /// A place among those who wait; left when it is destroyed. May outlive the hub. Used by one coroutine.
  class Place {
   public:
    Place(std::shared_ptr<State> hub, OrganizationId organization);
    ~Place();
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;

    /// Until the organization was woken since the last wait (or since the place was taken), or `deadline`. Whether it
    /// was woken; false also when the coroutine is cancelled. Static and by value: the frame owns what it waits on.
    static boost::asio::awaitable<bool> wait(std::shared_ptr<Place> place, Deadline deadline);

   private:
    friend class EventHub;
    struct Signal;
    std::shared_ptr<State> hub_;
    OrganizationId organization_;
    std::shared_ptr<Signal> signal_;
  };

  /// Null when all places are taken.
  std::shared_ptr<Place> take(OrganizationId organization);
  void wake(OrganizationId organization);

  std::size_t size() const;
  std::size_t size(OrganizationId organization) const;

 private:
  std::shared_ptr<State> state_;
};

}  // namespace tideline::server
