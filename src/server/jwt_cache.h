#pragma once
// Tokens that were verified lately, by the SHA-256 of their text: an ES256 signature costs some 85 µs, a look-up under
// one. Bounded, least recently used out first; sharded, so any number of threads may use it at once. Only what was
// verified is put in, so strangers cannot fill it. Not for keys: a cache belongs to one key set and goes with it.

#include <cstddef>
#include <memory>
#include <vector>

#include "base/hash.h"
#include "base/time.h"
#include "server/jwt_token.h"

namespace tideline::server {

class TokenCache {
 public:
  /// At most `capacity` tokens (some 500 bytes each) are held; 0 holds none.
  explicit TokenCache(std::size_t capacity);
  ~TokenCache();
  TokenCache(const TokenCache&) = delete;
  TokenCache& operator=(const TokenCache&) = delete;

  /// The token of that digest, or nullptr when it is not held or `now` has reached its `exp`. O(1).
  std::shared_ptr<const VerifiedToken> find(const Sha256Digest& digest, Timestamp now);
  /// Holds the token, in place of one of the same digest. O(1).
  void insert(const Sha256Digest& digest, std::shared_ptr<const VerifiedToken> token);
  std::size_t size() const;

 private:
  struct Shard;
  Shard& shard_of(const Sha256Digest& digest);

  std::size_t shard_capacity_ = 0;
  std::vector<std::unique_ptr<Shard>> shards_;
};

}  // namespace tideline::server
