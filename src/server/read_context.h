#pragma once
// What the reading handlers share, and their common rule: the caller has checked that the user is a member, and passes
// the organization's state as confirmed by the watch. An answer is of that state or a newer one, never an older.

#include <memory>
#include <mutex>
#include <unordered_map>

#include <boost/asio/any_io_executor.hpp>

#include "server/page_cache.h"
#include "store/database.h"
#include "store/listing.h"

namespace tideline::server {

/// The connections of organizations lately asked about, typed: a few KB each. Thread-safe.
class ListingCache {
 public:
  static constexpr std::size_t kMaxOrganizations = 1024;

  /// Null unless it is of exactly this state.
  std::shared_ptr<const store::ConnectionListing> find(const store::OrganizationState& state) const;
  void put(OrganizationId organization, std::shared_ptr<const store::ConnectionListing> listing);
  /// The organization's history went back.
  void forget(OrganizationId organization);

 private:
  mutable std::mutex mutex_;
  std::unordered_map<OrganizationId, std::shared_ptr<const store::ConnectionListing>> listings_;
};

/// All outlive the handlers' coroutines.
struct ReadContext {
  store::Database& database;
  PageCache& pages;
  ListingCache& listings;
  boost::asio::any_io_executor workers;  // threads that may compute for milliseconds
};

/// A request's own part.
struct ReadRequest {
  store::Tenant tenant;
  store::OrganizationState state;  // confirmed
  http::Encoding encoding = http::Encoding::kIdentity;
  Deadline deadline;
};

}  // namespace tideline::server
