#include "server/read_context.h"

#include <utility>

namespace tideline::server {

std::shared_ptr<const store::ConnectionListing> ListingCache::find(const store::OrganizationState& state) const {
  const std::lock_guard lock(mutex_);
  const auto found = listings_.find(state.organization);
  if (found == listings_.end()) return nullptr;
  const auto& listing = found->second;
  return listing->version == state.version && listing->activity == state.activity ? listing : nullptr;
}

void ListingCache::put(OrganizationId organization, std::shared_ptr<const store::ConnectionListing> listing) {
  const std::lock_guard lock(mutex_);
  // Any one goes: it is read again when it is asked for.
  if (listings_.size() >= kMaxOrganizations && !listings_.contains(organization)) listings_.erase(listings_.begin());
  listings_[organization] = std::move(listing);
}

void ListingCache::forget(OrganizationId organization) {
  const std::lock_guard lock(mutex_);
  listings_.erase(organization);
}

}  // namespace tideline::server
