#include "server/jwt_cache.h"

#include <algorithm>
#include <cstring>
#include <list>
#include <mutex>
#include <unordered_map>

namespace tideline::server {
namespace {

constexpr std::size_t kShards = 16;

struct DigestHash {
  std::size_t operator()(const Sha256Digest& digest) const noexcept {
    std::size_t hash = 0;
    std::memcpy(&hash, digest.data(), sizeof hash);
    return hash;
  }
};

}  // namespace

struct alignas(64) TokenCache::Shard {
  struct Entry {
    Sha256Digest digest;
    std::shared_ptr<const VerifiedToken> token;
  };
  using Order = std::list<Entry>;

  mutable std::mutex mutex;
  Order order;  // most recently used first
  std::unordered_map<Sha256Digest, Order::iterator, DigestHash> index;

  void erase(Order::iterator entry) {
    index.erase(entry->digest);
    order.erase(entry);
  }
};

TokenCache::TokenCache(std::size_t capacity) {
  const std::size_t shards = std::min(kShards, capacity);
  for (std::size_t i = 0; i < shards; ++i) shards_.push_back(std::make_unique<Shard>());
  if (shards > 0) shard_capacity_ = capacity / shards;
}

TokenCache::~TokenCache() = default;

// The last bytes choose the shard, the first ones the bucket in it: together they would leave most buckets empty.
TokenCache::Shard& TokenCache::shard_of(const Sha256Digest& digest) { return *shards_[digest.back() % shards_.size()]; }

std::shared_ptr<const VerifiedToken> TokenCache::find(const Sha256Digest& digest, Timestamp now) {
  if (shards_.empty()) return nullptr;
  Shard& shard = shard_of(digest);
  const std::lock_guard lock(shard.mutex);
  const auto found = shard.index.find(digest);
  if (found == shard.index.end()) return nullptr;
  const auto entry = found->second;
  if (entry->token->expires_at <= now) {
    shard.erase(entry);
    return nullptr;
  }
  shard.order.splice(shard.order.begin(), shard.order, entry);
  return entry->token;
}

void TokenCache::insert(const Sha256Digest& digest, std::shared_ptr<const VerifiedToken> token) {
  if (shards_.empty()) return;
  Shard& shard = shard_of(digest);
  const std::lock_guard lock(shard.mutex);
  if (const auto found = shard.index.find(digest); found != shard.index.end()) {
    found->second->token = std::move(token);
    shard.order.splice(shard.order.begin(), shard.order, found->second);
    return;
  }
  if (shard.order.size() >= shard_capacity_) shard.erase(std::prev(shard.order.end()));
  shard.order.push_front({digest, std::move(token)});
  shard.index.emplace(digest, shard.order.begin());
}

std::size_t TokenCache::size() const {
  std::size_t count = 0;
  for (const auto& shard : shards_) {
    const std::lock_guard lock(shard->mutex);
    count += shard->order.size();
  }
  return count;
}

}  // namespace tideline::server
