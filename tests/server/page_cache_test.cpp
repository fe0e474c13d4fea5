#include "server/page_cache.h"

#include <atomic>
#include <random>
#include <thread>

#include <gtest/gtest.h>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "pg/run.h"

namespace tideline::server {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

OrganizationId organization(std::uint8_t n) {
  OrganizationId id;
  id.value.bytes[15] = n;
  return id;
}

Page page(const std::string& body, std::int64_t version) {
  return {.body = std::make_shared<const std::string>(body),
          .encoding = http::Encoding::kIdentity,
          .etag = "\"" + body + "\"",
          .plain_bytes = body.size(),
          .version = Version{version}};
}

PageKey key(std::int64_t version, std::string query, std::uint8_t org = 1) {
  return {.organization = organization(org), .version = Version{version}, .query = std::move(query)};
}

/// What a slow database does: suspends, counts, and answers.
struct Source {
  std::atomic<int> loads{0};
  Result<Page> outcome = page("body", 1);
  milliseconds delay{5};

  static awaitable<Result<Page>> load(Source* self) {
    ++self->loads;
    boost::asio::steady_timer timer(co_await boost::asio::this_coro::executor, self->delay);
    co_await timer.async_wait(boost::asio::use_awaitable);
    co_return self->outcome;
  }
  PageCache::Load loader() {
    return [this] { return load(this); };
  }
};

template <class T>
T run(boost::asio::awaitable<T> work) {
  boost::asio::io_context io;
  return pg::run(io, std::move(work));
}

TEST(PageCache, SecondAskIsAnsweredFromMemory) {
  PageCache cache(1 << 20);
  Source source;
  EXPECT_FALSE(cache.find(key(1, "q")));
  ASSERT_TRUE(run(cache.get(key(1, "q"), source.loader(), within(seconds(5)))));
  const auto again = run(cache.get(key(1, "q"), source.loader(), within(seconds(5))));
  ASSERT_TRUE(again);
  EXPECT_EQ(*again->body, "body");
  EXPECT_EQ(source.loads, 1);
  EXPECT_TRUE(cache.find(key(1, "q")));
  EXPECT_EQ(cache.stats().hits, 2u);
}

TEST(PageCache, OrganizationVersionAndQueryAreAllPartOfTheKey) {
  PageCache cache(1 << 20);
  Source source;
  ASSERT_TRUE(run(cache.get(key(1, "q"), source.loader(), within(seconds(5)))));
  EXPECT_FALSE(cache.find(key(1, "q", 2)));
  EXPECT_FALSE(cache.find(key(1, "p")));
  EXPECT_FALSE(cache.find(key(2, "q")));
}

TEST(PageCache, NewerSnapshotReplacesTheOlderPagesOfItsOrganizationAlone) {
  PageCache cache(1 << 20);
  Source source;
  for (const char* query : {"a", "b"}) ASSERT_TRUE(run(cache.get(key(1, query), source.loader(), within(seconds(5)))));
  Source other;
  ASSERT_TRUE(run(cache.get(key(1, "a", 2), other.loader(), within(seconds(5)))));
  source.outcome = page("new", 3);
  // Asked for version 2, the database was at 3 already.
  ASSERT_TRUE(run(cache.get(key(2, "a"), source.loader(), within(seconds(5)))));
  EXPECT_EQ(cache.stats().pages, 2u);
  EXPECT_EQ(*cache.find(key(3, "a"))->body, "new");
  EXPECT_EQ(*cache.find(key(1, "a"))->body, "new") << "an answer is never older than what is known";
  EXPECT_FALSE(cache.find(key(1, "b")));
  EXPECT_TRUE(cache.find(key(1, "a", 2)));
  // A load that began before and ends after brings nothing back.
  source.outcome = page("old", 2);
  ASSERT_TRUE(run(cache.get(key(4, "z"), source.loader(), within(seconds(5)))));
  EXPECT_FALSE(cache.find(key(2, "z")));
}

TEST(PageCache, HistoryThatWentBackTakesItsPagesAlong) {
  PageCache cache(1 << 20);
  Source source;
  source.outcome = page("lost", 9);
  ASSERT_TRUE(run(cache.get(key(9, "a"), source.loader(), within(seconds(5)))));
  // While this one loads, history goes back: it is given to who asked, and not kept.
  boost::asio::io_context io;
  const auto late = pg::run(io, [](PageCache* all, Source* from) -> awaitable<Result<Page>> {
    co_return co_await all->get(
        key(9, "b"),
        [all, from]() -> awaitable<Result<Page>> {
          all->forget(organization(1));
          return Source::load(from);
        },
        within(seconds(5)));
  }(&cache, &source));
  ASSERT_TRUE(late);
  EXPECT_EQ(cache.stats().pages, 0u);
  EXPECT_FALSE(cache.find(key(7, "a")));
  source.outcome = page("new", 7);
  ASSERT_TRUE(run(cache.get(key(7, "a"), source.loader(), within(seconds(5)))));
  EXPECT_EQ(*cache.find(key(7, "a"))->body, "new");
}

TEST(PageCache, NextPageIsNeverOlderThanOneThatWasTooLargeToKeep) {
  constexpr std::size_t kBound = 20'000;
  PageCache cache(kBound);
  Source source;
  ASSERT_TRUE(run(cache.get(key(1, "second"), source.loader(), within(seconds(5)))));
  source.outcome = page(std::string(kBound, 'x'), 2);
  ASSERT_TRUE(run(cache.get(key(1, "first"), source.loader(), within(seconds(5)))));
  EXPECT_FALSE(cache.find(key(1, "second")));
}

TEST(PageCache, BoundIsKeptAndTheLeastRecentlyUsedGoes) {
  constexpr std::size_t kBound = 20'000;
  PageCache cache(kBound);
  Source source;
  source.delay = milliseconds(0);
  source.outcome = page(std::string(4'000, 'x'), 1);
  for (int i = 0; i < 50; ++i) {
    ASSERT_TRUE(run(cache.get(key(1, "q" + std::to_string(i)), source.loader(), within(seconds(5)))));
    EXPECT_LE(cache.stats().bytes, kBound);
    EXPECT_TRUE(i == 0 || cache.find(key(1, "q0"))) << "used each time, so it stays";
  }
  EXPECT_FALSE(cache.find(key(1, "q1")));
  EXPECT_GT(cache.stats().evictions, 0u);
  // Larger than half of the room: given out, not kept.
  source.outcome = page(std::string(kBound / 2, 'y'), 1);
  EXPECT_EQ(run(cache.get(key(1, "big"), source.loader(), within(seconds(5))))->body->size(), kBound / 2);
  EXPECT_FALSE(cache.find(key(1, "big")));
}

TEST(PageCache, WhoeverAsksMeanwhileWaitsForTheSameLoad) {
  PageCache cache(1 << 20);
  Source source;
  boost::asio::io_context io;
  int answered = 0;
  for (int i = 0; i < 100; ++i)
    boost::asio::co_spawn(io, cache.get(key(1, "q"), source.loader(), within(seconds(5))),
                          [&](std::exception_ptr thrown, const Result<Page>& result) {
                            if (!thrown && result && *result->body == "body") ++answered;
                          });
  io.run();
  EXPECT_EQ(answered, 100);
  EXPECT_EQ(source.loads, 1);
  EXPECT_EQ(cache.stats().joined, 99u);
}

TEST(PageCache, FailureOfTheDatabaseIsSharedAndNotKept) {
  PageCache cache(1 << 20);
  Source source;
  source.outcome = fail(Code::kUnavailable, "down");
  boost::asio::io_context io;
  int failed = 0;
  for (int i = 0; i < 20; ++i)
    boost::asio::co_spawn(io, cache.get(key(1, "q"), source.loader(), within(seconds(5))),
                          [&](std::exception_ptr, const Result<Page>& result) { failed += !result; });
  io.run();
  EXPECT_EQ(failed, 20);
  EXPECT_EQ(source.loads, 1);
  source.outcome = page("body", 1);
  EXPECT_TRUE(run(cache.get(key(1, "q"), source.loader(), within(seconds(5)))));
}

TEST(PageCache, RefusalOfOneIsNotTheOthers) {
  PageCache cache(1 << 20);
  Source removed, member;
  removed.outcome = fail(Code::kPermissionDenied, "no member any more");
  boost::asio::io_context io;
  int refused = 0, served = 0;
  const auto count = [&](std::exception_ptr, const Result<Page>& result) { result ? ++served : ++refused; };
  boost::asio::co_spawn(io, cache.get(key(1, "q"), removed.loader(), within(seconds(5))), count);
  for (int i = 0; i < 10; ++i)
    boost::asio::co_spawn(io, cache.get(key(1, "q"), member.loader(), within(seconds(5))), count);
  io.run();
  EXPECT_EQ(refused, 1);
  EXPECT_EQ(served, 10);
  EXPECT_EQ(member.loads, 1);
}

TEST(PageCache, WaiterGivesUpAtItsOwnDeadline) {
  PageCache cache(1 << 20);
  Source slow;
  slow.delay = milliseconds(200);
  boost::asio::io_context io;
  Result<Page> patient = fail(Code::kInternal, ""), hasty = fail(Code::kInternal, "");
  boost::asio::co_spawn(io, cache.get(key(1, "q"), slow.loader(), within(seconds(5))),
                        [&](std::exception_ptr, const Result<Page>& result) { patient = result; });
  boost::asio::co_spawn(io, cache.get(key(1, "q"), slow.loader(), within(milliseconds(1))),
                        [&](std::exception_ptr, const Result<Page>& result) { hasty = result; });
  io.run();
  EXPECT_TRUE(patient);
  ASSERT_FALSE(hasty);
  EXPECT_EQ(hasty.error().code, Code::kDeadline);
}

awaitable<Result<Page>> throws() {
  throw std::runtime_error("a bug");
  co_return page("", 1);
}

TEST(PageCache, LoaderThatThrowsLeavesNobodyWaiting) {
  PageCache cache(1 << 20);
  Source source;
  boost::asio::io_context io;
  int thrown_count = 0, served = 0;
  const auto count = [&](std::exception_ptr thrown, const Result<Page>& result) {
    thrown ? ++thrown_count : served += result.has_value();
  };
  boost::asio::co_spawn(io, cache.get(key(1, "q"), [] { return throws(); }, within(seconds(5))), count);
  boost::asio::co_spawn(io, cache.get(key(1, "q"), source.loader(), within(seconds(5))), count);
  io.run();
  EXPECT_EQ(thrown_count, 1);
  EXPECT_EQ(served, 1);
}

TEST(PageCache, RequestCutOffWhileLoadingLeavesNobodyWaiting) {
  PageCache cache(1 << 20);
  Source stuck, source;
  stuck.delay = seconds(60);
  auto first = std::make_unique<boost::asio::io_context>();
  boost::asio::co_spawn(*first, cache.get(key(1, "q"), stuck.loader(), within(seconds(60))),
                        [](std::exception_ptr, const Result<Page>&) {});
  first->poll();
  boost::asio::io_context io;
  bool served = false;
  boost::asio::co_spawn(io, cache.get(key(1, "q"), source.loader(), within(seconds(30))),
                        [&](std::exception_ptr, const Result<Page>& result) { served = result.has_value(); });
  io.poll();
  EXPECT_FALSE(served);
  first.reset();  // as when a server is torn down: the frames go
  io.run();
  EXPECT_TRUE(served);
}

// Many threads, each with an executor of its own as in the server; organizations and versions on the move. What comes
// back is always of the organization that was asked for, and never older than the version asked for.
awaitable<void> reader(PageCache* cache, std::atomic<std::int64_t>* versions, std::uint64_t seed, int rounds,
                       std::atomic<int>* wrong) {
  std::mt19937_64 random(seed);
  for (int i = 0; i < rounds; ++i) {
    const auto org = static_cast<std::uint8_t>(random() % 4);
    const std::int64_t version = versions[org];
    const std::string query = "q" + std::to_string(random() % 8);
    const bool breaks = random() % 16 == 0;
    const auto load = [=]() -> PageCache::Load {
      return [=]() -> awaitable<Result<Page>> {
        struct Make {
          static awaitable<Result<Page>> run(std::atomic<std::int64_t>* current, std::uint8_t o, std::string q,
                                             bool fails) {
            boost::asio::steady_timer timer(co_await boost::asio::this_coro::executor, std::chrono::microseconds(50));
            co_await timer.async_wait(boost::asio::use_awaitable);
            if (fails) co_return fail(Code::kPermissionDenied, "");
            const std::int64_t now = current[o];
            co_return page(std::to_string(o) + "/" + q + "/" + std::string(200, 'x'), now);
          }
        };
        return Make::run(versions, org, query, breaks);
      };
    };
    const auto result = co_await cache->get(key(version, query, org), load(), within(seconds(30)));
    if (random() % 64 == 0) ++versions[org];
    if (!result) {
      if (!breaks) ++*wrong;
      continue;
    }
    if (!result->body->starts_with(std::to_string(org) + "/" + query + "/") || result->version.value < version)
      ++*wrong;
  }
}

TEST(PageCache, ManyThreadsNeverGetAnothersPage) {
  PageCache cache(8'000);
  std::atomic<std::int64_t> versions[4] = {1, 1, 1, 1};
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (std::uint64_t t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      boost::asio::io_context io;
      for (std::uint64_t c = 0; c < 8; ++c)
        boost::asio::co_spawn(io, reader(&cache, versions, t * 100 + c, 300, &wrong), [](std::exception_ptr thrown) {
          if (thrown) std::rethrow_exception(thrown);
        });
      io.run();
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_LE(cache.stats().bytes, 8'000u);
  EXPECT_GT(cache.stats().joined, 0u);
}

}  // namespace
}  // namespace tideline::server
