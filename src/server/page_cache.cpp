#include "server/page_cache.h"

#include <list>
#include <mutex>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "pg/gate.h"

namespace tideline::server {
namespace {

// What an entry costs beside its texts: nodes, control blocks, strings.
constexpr std::size_t kEntryBytes = 400;
// Whose newest version is remembered without a page of it: some 100 bytes each.
constexpr std::size_t kMaxOrganizations = 16'384;

struct KeyHash {
  std::size_t operator()(const PageKey& key) const noexcept {
    const std::size_t query = std::hash<std::string>()(key.query);
    const auto version = static_cast<std::size_t>(key.version.value) * 0x9E3779B97F4A7C15ULL;
    return query ^ version ^ std::hash<OrganizationId>()(key.organization);
  }
};

/// Whether a failure says something about the database, and not only about who asked it.
bool is_shared(const Error& error) { return error.code != Code::kDeadline && error.code != Code::kPermissionDenied; }

}  // namespace

struct PageCache::Impl {
  struct Entry {
    OrganizationId organization;
    std::string query;
    Page page;
    std::size_t bytes = 0;
  };
  using Entries = std::list<Entry>;  // most recently used first
  /// Pages of one version alone: the newest seen. A page of an older one is neither kept nor given out, even when all
  /// of the newest have been driven out: who has one page of it must not get the next of an older one.
  struct Organization {
    Version newest;
    std::unordered_map<std::string, Entries::iterator> pages;
  };
  struct Flight {
    std::uint64_t rewinds = 0;  // at its begin
    std::vector<std::shared_ptr<pg::Gate>> waiters;
    std::optional<Result<Page>> outcome;  // none when it was given up
  };

  explicit Impl(std::size_t bytes) : max_bytes(bytes) {}

  std::optional<Entries::iterator> place_of(const PageKey& key) const {
    const auto organization = organizations.find(key.organization);
    if (organization == organizations.end() || organization->second.newest < key.version) return std::nullopt;
    const auto found = organization->second.pages.find(key.query);
    if (found == organization->second.pages.end()) return std::nullopt;
    return found->second;
  }
  std::optional<Page> find(const PageKey& key) {
    const auto place = place_of(key);
    if (!place) return std::nullopt;
    entries.splice(entries.begin(), entries, *place);
    return (*place)->page;
  }

  // One page that takes half of the room is worth less than the many it would drive out.
  bool keeps(std::size_t bytes) const { return bytes <= max_bytes / 2; }

  void erase(Entries::iterator entry) {
    stats.bytes -= entry->bytes;
    --stats.pages;
    const auto organization = organizations.find(entry->organization);
    organization->second.pages.erase(entry->query);
    entries.erase(entry);
  }

  void drop_pages(const Organization& organization) {
    std::vector<Entries::iterator> old;
    for (const auto& [query, entry] : organization.pages) old.push_back(entry);
    for (const auto entry : old) erase(entry);
  }

  void put(const PageKey& key, const Page& page) {
    const std::size_t bytes = page.body->size() + 2 * key.query.size() + page.etag.size() + kEntryBytes;
    if (organizations.size() >= kMaxOrganizations && !organizations.contains(key.organization)) {
      std::erase_if(organizations, [](const auto& entry) { return entry.second.pages.empty(); });
    }
    Organization& organization = organizations[key.organization];
    if (page.version < organization.newest) return;
    if (page.version > organization.newest) {
      drop_pages(organization);
      organization.newest = page.version;
    } else if (const auto same = organization.pages.find(key.query); same != organization.pages.end()) {
      erase(same->second);
    }
    if (!keeps(bytes)) return;
    while (stats.bytes + bytes > max_bytes && !entries.empty()) {
      erase(std::prev(entries.end()));
      ++stats.evictions;
    }
    entries.push_front({key.organization, key.query, page, bytes});
    organization.pages[key.query] = entries.begin();
    stats.bytes += bytes;
    ++stats.pages;
  }

  /// Ends a flight: what it brought is kept, and those who wait are woken. `outcome` none: it was given up.
  void land(const PageKey& key, const std::shared_ptr<Flight>& flight, std::optional<Result<Page>> outcome) {
    std::vector<std::shared_ptr<pg::Gate>> waiters;
    {
      const std::lock_guard lock(mutex);
      if (outcome && *outcome && flight->rewinds == rewinds) put(key, **outcome);
      flight->outcome = std::move(outcome);
      waiters.swap(flight->waiters);
      // After `forget` there may be another in its place.
      if (const auto found = flights.find(key); found != flights.end() && found->second == flight) flights.erase(found);
    }
    for (const auto& waiter : waiters) waiter->open();
  }

  const std::size_t max_bytes;
  std::mutex mutex;
  Entries entries;
  std::unordered_map<OrganizationId, Organization> organizations;
  std::unordered_map<PageKey, std::shared_ptr<Flight>, KeyHash> flights;
  std::uint64_t rewinds = 0;
  PageCacheStats stats;
};

namespace {

/// Who makes a page. Whatever becomes of it (an exception, a cancelled request), those who wait are told.
template <class Impl, class Flight>
class Leader {
 public:
  Leader(std::shared_ptr<Impl> impl, PageKey key, std::shared_ptr<Flight> flight)
      : impl_(std::move(impl)), key_(std::move(key)), flight_(std::move(flight)) {}
  ~Leader() {
    if (flight_) impl_->land(key_, flight_, std::nullopt);
  }
  Leader(const Leader&) = delete;
  Leader& operator=(const Leader&) = delete;
  void land(Result<Page> outcome) { impl_->land(key_, std::exchange(flight_, nullptr), std::move(outcome)); }

 private:
  std::shared_ptr<Impl> impl_;
  PageKey key_;
  std::shared_ptr<Flight> flight_;
};

}  // namespace

PageCache::PageCache(std::size_t max_bytes) : impl_(std::make_shared<Impl>(max_bytes)) {}
PageCache::~PageCache() = default;

std::optional<Page> PageCache::find(const PageKey& key) {
  const std::lock_guard lock(impl_->mutex);
  auto page = impl_->find(key);
  if (page) ++impl_->stats.hits;
  return page;
}

bool PageCache::contains(const PageKey& key) const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->place_of(key).has_value();
}

awaitable<Result<Page>> PageCache::get(PageKey key, Load load, Deadline deadline) {
  const auto impl = impl_;  // outlives the cache itself, should it go first
  for (;;) {
    std::shared_ptr<Impl::Flight> flight;
    std::shared_ptr<pg::Gate> gate;
    {
      const std::lock_guard lock(impl->mutex);
      if (auto page = impl->find(key)) {
        ++impl->stats.hits;
        co_return std::move(*page);
      }
      auto& under_way = impl->flights[key];
      if (under_way) {
        gate = std::make_shared<pg::Gate>();
        under_way->waiters.push_back(gate);
        ++impl->stats.joined;
      } else {
        under_way = std::make_shared<Impl::Flight>();
        under_way->rewinds = impl->rewinds;
        ++impl->stats.misses;
      }
      flight = under_way;
    }
    if (!gate) {
      Leader leader(impl, key, flight);
      Result<Page> page = co_await load();
      leader.land(page);
      co_return page;
    }
    if (!co_await pg::Gate::wait(gate, deadline))
      co_return fail(Code::kDeadline, "The answer was not ready in time", "Try again.");
    // Landed: nothing writes to the flight any more.
    const auto& outcome = flight->outcome;
    if (outcome && (*outcome || is_shared(outcome->error()))) co_return *outcome;
    if (is_past(deadline)) co_return fail(Code::kDeadline, "The answer was not ready in time", "Try again.");
  }
}

bool PageCache::keeps(std::size_t bytes) const { return impl_->keeps(bytes); }

void PageCache::forget(OrganizationId organization) {
  const std::lock_guard lock(impl_->mutex);
  ++impl_->rewinds;
  std::erase_if(impl_->flights, [&](const auto& flight) { return flight.first.organization == organization; });
  const auto found = impl_->organizations.find(organization);
  if (found == impl_->organizations.end()) return;
  impl_->drop_pages(found->second);
  impl_->organizations.erase(found);
}

PageCacheStats PageCache::stats() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->stats;
}

}  // namespace tideline::server
