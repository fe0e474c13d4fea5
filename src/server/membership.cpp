#include "server/membership.h"

#include <algorithm>

namespace tideline::server {
namespace {

using State = store::OrganizationState;

// Versions of rights and rows only go up, and so does the activity while no version is made (a connection that goes
// takes its part of the sum with it): of two answers the one that is lower anywhere is the older.
bool is_older(const State& a, const State& b) {
  return a.access_version < b.access_version || a.version < b.version ||
         (a.version == b.version && a.activity < b.activity);
}

// One version has one stamp: with another it is of another history; and a restored database has another epoch.
bool is_of_another_history(const State& a, const State& b) {
  return a.epoch != b.epoch || (a.version == b.version && a.stamp != b.stamp);
}

}  // namespace

Membership::Organization* Membership::trusted(OrganizationId organization, Instant now) {
  const auto found = organizations_.find(organization);
  if (found == organizations_.end()) return nullptr;
  found->second.used = std::max(found->second.used, now);
  return now - found->second.confirmed < kTrustedFor ? &found->second : nullptr;
}

std::optional<State> Membership::state(OrganizationId organization, Instant now) {
  const std::lock_guard lock(mutex_);
  const Organization* known = trusted(organization, now);
  if (known == nullptr) return std::nullopt;
  return known->state;
}

std::optional<Membership::Known> Membership::find(OrganizationId organization, std::string_view caller, Instant now) {
  const std::lock_guard lock(mutex_);
  const Organization* known = trusted(organization, now);
  if (known == nullptr) return std::nullopt;
  const auto found = known->callers.find(caller);
  if (found == known->callers.end()) return std::nullopt;
  return Known{found->second, known->state};
}

void Membership::confirm(const State& state, Instant asked, Instant now) {
  if (take_over(state, asked, now) && on_change_) on_change_(state.organization);
}

/// Whether it says something new that anyone may wait for.
bool Membership::take_over(const State& state, Instant asked, Instant now) {
  const std::lock_guard lock(mutex_);
  auto [place, is_new] = organizations_.try_emplace(state.organization);
  Organization& known = place->second;
  if (is_new) {
    known.used = now;
  } else if (is_older(state, known.state) || is_of_another_history(state, known.state)) {
    // Answers overtake each other: one that was asked for before the newer one came says nothing new. But if it was
    // asked for afterwards, history itself went back, and what was remembered of the lost part is worth nothing.
    if (asked < known.arrived) {
      // Of two histories it is not known which came later: neither is trusted, and whoever is next asks.
      const bool is_ambiguous = is_of_another_history(state, known.state);
      known.confirmed = is_ambiguous ? Instant() : std::max(known.confirmed, asked);
      return false;
    }
    ++rewinds_;
    known.callers.clear();
    // Before anyone is given the state that went back.
    if (on_rewind_) on_rewind_(state.organization);
  } else if (state.access_version != known.state.access_version) {
    known.callers.clear();
  }
  const bool is_news = is_new || known.state.access_version != state.access_version ||
                       known.state.version != state.version || known.state.epoch != state.epoch;
  known.state = state;
  known.arrived = now;
  known.confirmed = std::max(known.confirmed, asked);
  return is_news;
}

void Membership::confirm_gone(OrganizationId organization) {
  {
    const std::lock_guard lock(mutex_);
    if (organizations_.erase(organization) == 0) return;
    // It may come back (a restore makes it look gone for a moment), and then from nobody knows which history.
    if (on_rewind_) on_rewind_(organization);
  }
  if (on_change_) on_change_(organization);
}

void Membership::remember(OrganizationId organization, std::string_view caller, const Access& access,
                          std::int64_t access_version) {
  const std::lock_guard lock(mutex_);
  const auto found = organizations_.find(organization);
  if (found == organizations_.end() || found->second.state.access_version != access_version) return;
  auto& callers = found->second.callers;
  if (callers.size() >= kMaxCallers) callers.clear();
  callers.insert_or_assign(std::string(caller), access);
}

std::vector<OrganizationId> Membership::watched(Instant now) {
  const std::lock_guard lock(mutex_);
  // What is no longer watched may go back unseen: nothing of it is kept by version either.
  std::erase_if(organizations_, [&](const auto& entry) {
    if (now - entry.second.used <= kWatchedFor) return false;
    if (on_rewind_) on_rewind_(entry.first);
    return true;
  });
  std::vector<OrganizationId> all;
  all.reserve(organizations_.size());
  for (const auto& [id, known] : organizations_) all.push_back(id);
  std::ranges::sort(all);
  return all;
}

bool Membership::knows(OrganizationId organization) const {
  const std::lock_guard lock(mutex_);
  return organizations_.contains(organization);
}

std::size_t Membership::size() const {
  const std::lock_guard lock(mutex_);
  return organizations_.size();
}

std::uint64_t Membership::rewinds() const {
  const std::lock_guard lock(mutex_);
  return rewinds_;
}

}  // namespace tideline::server
