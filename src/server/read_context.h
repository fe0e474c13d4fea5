#pragma once
// What the reading handlers share, and their common rule: the caller has checked that the user is a member, and passes
// the organization's state as confirmed by the watch. An answer is of that state or a newer one, never an older.

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>

#include <boost/asio/any_io_executor.hpp>

#include "server/page_cache.h"
#include "store/changes.h"
#include "store/database.h"
#include "store/listing.h"

namespace tideline::server {

inline bool is_of(const store::ConnectionListing& listing, const store::OrganizationState& state) {
  return listing.epoch == state.epoch && listing.version == state.version && listing.activity == state.activity;
}
inline bool is_of(const store::Heads& heads, const store::OrganizationState& state) {
  return heads.version == state.version && heads.epoch == state.epoch;
}

/// What is known, typed, of organizations lately asked about: a few KB each. Thread-safe.
template <class T>
class OrganizationCache {
 public:
  static constexpr std::size_t kMaxOrganizations = 1024;

  /// Null unless it is of exactly this state.
  std::shared_ptr<const T> find(const store::OrganizationState& state) const {
    const std::lock_guard lock(mutex_);
    const auto found = values_.find(state.organization);
    return found != values_.end() && is_of(*found->second, state) ? found->second : nullptr;
  }
  void put(OrganizationId organization, std::shared_ptr<const T> value) {
    const std::lock_guard lock(mutex_);
    // Any one goes: it is read again when it is asked for.
    if (values_.size() >= kMaxOrganizations && !values_.contains(organization)) values_.erase(values_.begin());
    values_[organization] = std::move(value);
  }
  /// The organization's history went back.
  void forget(OrganizationId organization) {
    const std::lock_guard lock(mutex_);
    values_.erase(organization);
  }

 private:
  mutable std::mutex mutex_;
  std::unordered_map<OrganizationId, std::shared_ptr<const T>> values_;
};
using ListingCache = OrganizationCache<store::ConnectionListing>;
using HeadsCache = OrganizationCache<store::Heads>;

/// All outlive the handlers' coroutines.
struct ReadContext {
  store::Database& database;
  PageCache& pages;
  ListingCache& listings;
  HeadsCache& heads;
  const std::string& cursor_key;
  boost::asio::any_io_executor workers;  // threads that may compute for milliseconds
  std::atomic<int> reading_ahead{0};     // pages nobody has asked for yet
};

/// A request's own part.
struct ReadRequest {
  store::Tenant tenant;
  store::OrganizationState state;  // confirmed
  http::Encoding encoding = http::Encoding::kIdentity;
  Deadline deadline;
};

/// Whether a snapshot will do: of this database, and of the state that was confirmed or a newer one.
inline bool is_current(const ReadRequest& read, const Uuid& epoch, Version version) {
  return epoch == read.state.epoch && version >= read.state.version;
}

/// For a database whose snapshot is older than the confirmed state, or of another history.
inline tl::unexpected<Error> behind() {
  return fail(Code::kUnavailable, "The database is behind what this server has seen", "Try again.");
}

/// What `ask` brings from the standby, if `judge` has nothing against it; else from the primary, whose word is final: a
/// standby may lag, be away, be another database's, or not know the member yet.
template <class T, class Judge>
awaitable<Result<T>> ask_standby_then_primary(ReadContext& context,
                                              std::function<awaitable<Result<T>>(store::Consistency)> ask,
                                              Judge judge) {
  if (context.database.has_replica()) {
    auto first = co_await ask(store::Consistency::kReplica);
    if (first && judge(*first)) co_return std::move(first);
  }
  auto last = co_await ask(store::Consistency::kPrimary);
  if (!last) co_return std::move(last);
  if (Result<void> verdict = judge(*last); !verdict) co_return tl::unexpected(std::move(verdict).error());
  co_return std::move(last);
}

/// A reader of the confirmed state or a newer one. kUnavailable where there is none; else what `Reader::open` fails
/// with.
template <class Reader, class Query>
awaitable<Result<Reader>> open_reader(ReadContext& context, const ReadRequest& read, const Query& query) {
  const auto ask = [&](store::Consistency consistency) {
    return Reader::open(context.database, read.tenant, query, consistency, read.deadline);
  };
  const auto judge = [&read](const Reader& reader) -> Result<void> {
    if (!is_current(read, reader.epoch(), reader.version())) return behind();
    return {};
  };
  co_return co_await ask_standby_then_primary<Reader>(context, ask, judge);
}

}  // namespace tideline::server
