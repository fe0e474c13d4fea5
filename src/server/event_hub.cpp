#include "server/event_hub.h"

#include <mutex>
#include <set>
#include <unordered_map>
#include <utility>
#include <vector>

#include "pg/gate.h"

namespace tideline::server {

/// Shared by a place and the hub: whoever wakes may still hold it when the place is gone.
struct EventHub::Place::Signal {
  std::mutex mutex;
  bool woken = false;
  std::shared_ptr<pg::Gate> gate;  // of the wait that is under way

  void wake() {
    const std::lock_guard lock(mutex);
    woken = true;
    if (gate) gate->open();
  }
};

struct EventHub::State {
  explicit State(std::size_t most) : max_places(most) {}
  const std::size_t max_places;
  mutable std::mutex mutex;
  std::size_t places = 0;
  std::unordered_map<OrganizationId, std::set<std::shared_ptr<Place::Signal>>> waiting;
};

EventHub::EventHub(std::size_t max_places) : state_(std::make_shared<State>(max_places)) {}
EventHub::~EventHub() = default;

EventHub::Place::Place(std::shared_ptr<State> hub, OrganizationId organization)
    : hub_(std::move(hub)), organization_(organization), signal_(std::make_shared<Signal>()) {}

EventHub::Place::~Place() {
  const std::lock_guard lock(hub_->mutex);
  --hub_->places;
  const auto found = hub_->waiting.find(organization_);
  if (found == hub_->waiting.end()) return;
  found->second.erase(signal_);
  if (found->second.empty()) hub_->waiting.erase(found);
}

boost::asio::awaitable<bool> EventHub::Place::wait(std::shared_ptr<Place> place, Deadline deadline) {
  const auto signal = place->signal_;
  const auto gate = std::make_shared<pg::Gate>();
  {
    const std::lock_guard lock(signal->mutex);
    if (std::exchange(signal->woken, false)) co_return true;
    signal->gate = gate;
  }
  const bool opened = co_await pg::Gate::wait(gate, deadline);
  const std::lock_guard lock(signal->mutex);
  signal->gate.reset();
  co_return std::exchange(signal->woken, false) || opened;
}

std::shared_ptr<EventHub::Place> EventHub::take(OrganizationId organization) {
  const std::lock_guard lock(state_->mutex);
  if (state_->places >= state_->max_places) return nullptr;
  auto place = std::make_shared<Place>(state_, organization);
  ++state_->places;
  state_->waiting[organization].insert(place->signal_);
  return place;
}

void EventHub::wake(OrganizationId organization) {
  std::vector<std::shared_ptr<Place::Signal>> signals;
  {
    const std::lock_guard lock(state_->mutex);
    const auto found = state_->waiting.find(organization);
    if (found == state_->waiting.end()) return;
    signals.assign(found->second.begin(), found->second.end());
  }
  for (const auto& signal : signals) signal->wake();
}

std::size_t EventHub::size() const {
  const std::lock_guard lock(state_->mutex);
  return state_->places;
}

std::size_t EventHub::size(OrganizationId organization) const {
  const std::lock_guard lock(state_->mutex);
  const auto found = state_->waiting.find(organization);
  return found == state_->waiting.end() ? 0 : found->second.size();
}

}  // namespace tideline::server
