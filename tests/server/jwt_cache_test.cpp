#include "server/jwt_cache.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>

namespace tideline::server {
namespace {

Sha256Digest digest(int i) { return sha256(std::to_string(i)); }

std::shared_ptr<const VerifiedToken> token(int i, std::int64_t expires = 100) {
  VerifiedToken value;
  value.subject = std::to_string(i);
  value.expires_at = {expires};
  return std::make_shared<const VerifiedToken>(value);
}

TEST(TokenCache, FindsWhatWasPutIn) {
  TokenCache cache(100);
  EXPECT_EQ(cache.find(digest(1), {0}), nullptr);
  cache.insert(digest(1), token(1));
  ASSERT_NE(cache.find(digest(1), {99}), nullptr);
  EXPECT_EQ(cache.find(digest(1), {99})->subject, "1");
  EXPECT_EQ(cache.find(digest(2), {0}), nullptr);
  cache.insert(digest(1), token(7));
  EXPECT_EQ(cache.find(digest(1), {99})->subject, "7");
  EXPECT_EQ(cache.size(), 1U);
}

TEST(TokenCache, DropsATokenAtItsExpiry) {
  TokenCache cache(100);
  cache.insert(digest(1), token(1, 50));
  EXPECT_EQ(cache.find(digest(1), {50}), nullptr);
  EXPECT_EQ(cache.size(), 0U);
}

TEST(TokenCache, IsBounded) {
  for (const std::size_t capacity : {0U, 1U, 3U, 16U, 1000U}) {
    TokenCache cache(capacity);
    for (int i = 0; i < 3000; ++i) cache.insert(digest(i), token(i));
    EXPECT_LE(cache.size(), capacity);
    EXPECT_GE(cache.size() * 10, capacity * 9) << "and used";
  }
}

TEST(TokenCache, KeepsWhatIsUsed) {
  TokenCache cache(64);
  cache.insert(digest(-1), token(-1));
  for (int i = 0; i < 2000; ++i) {
    cache.insert(digest(i), token(i));
    ASSERT_NE(cache.find(digest(-1), {0}), nullptr) << i;
  }
}

TEST(TokenCache, ServesManyThreads) {
  TokenCache cache(64);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&cache] {
      for (int i = 0; i < 5000; ++i) {
        const auto found = cache.find(digest(i % 100), {i % 200});
        if (found != nullptr) EXPECT_EQ(found->subject, std::to_string(i % 100));
        cache.insert(digest(i % 100), token(i % 100));
      }
    });
  for (auto& thread : threads) thread.join();
  EXPECT_LE(cache.size(), 64U);
}

}  // namespace
}  // namespace tideline::server
