#include "server/event_hub.h"

#include <atomic>
#include <memory>
#include <vector>

#include <gtest/gtest.h>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/thread_pool.hpp>

#include "pg/run.h"
#include "server/events.h"

namespace tideline::server {
namespace {

using std::chrono::milliseconds;

const OrganizationId kOne{Uuid::random()}, kOther{Uuid::random()};

TEST(EventHub, PlacesAreBoundedAndComeFreeAgain) {
  EventHub hub(2);
  auto first = hub.take(kOne);
  auto second = hub.take(kOther);
  EXPECT_EQ(hub.take(kOne), nullptr);
  EXPECT_EQ(hub.size(), 2U);
  EXPECT_EQ(hub.size(kOne), 1U);
  first.reset();
  EXPECT_EQ(hub.size(kOne), 0U);
  EXPECT_NE(hub.take(kOther), nullptr);
}

TEST(EventHub, WakesThoseOfTheOrganizationAlone) {
  boost::asio::io_context io;
  EventHub hub(10);
  auto place = hub.take(kOne);
  hub.wake(kOther);
  EXPECT_FALSE(pg::run(io, EventHub::Place::wait(place, within(milliseconds(1)))));
  hub.wake(kOne);  // before anyone waits: not lost
  EXPECT_TRUE(pg::run(io, EventHub::Place::wait(place, within(std::chrono::minutes(1)))));
  EXPECT_FALSE(pg::run(io, EventHub::Place::wait(place, within(milliseconds(1)))));
}

TEST(EventHub, WakesWhoWaitsFromAnotherThread) {
  EventHub hub(1000);
  boost::asio::thread_pool threads(2);
  std::atomic<int> woken{0};
  for (int i = 0; i < 1000; ++i)
    boost::asio::co_spawn(threads, EventHub::Place::wait(hub.take(kOne), within(std::chrono::minutes(1))),
                          [&woken](const std::exception_ptr&, bool was_woken) { woken += was_woken ? 1 : 0; });
  hub.wake(kOne);
  threads.join();
  EXPECT_EQ(woken, 1000);
  EXPECT_EQ(hub.size(), 0U);
}

TEST(EventHub, APlaceMayOutliveIt) {
  auto hub = std::make_unique<EventHub>(1);
  auto place = hub->take(kOne);
  hub.reset();
  place.reset();
}

TEST(Events, ManyClientsSpreadTheirPullsAndAFewDoNot) {
  EXPECT_EQ(spread_of(0).count(), 0);
  EXPECT_EQ(spread_of(8).count(), 0);
  EXPECT_EQ(spread_of(1000).count(), 100);
  EXPECT_EQ(spread_of(100'000), kMaxSpread);
}

TEST(Events, AStreamEndsWhenRequestsAreNoLongerTaken) {
  Credential jwt{VerifiedToken{}, "jwt"}, api{ApiTokenClaim{}, "api"};
  std::get<VerifiedToken>(jwt.token).expires_at = Timestamp{1'000'000};
  Caller caller;
  EXPECT_EQ(end_of(jwt, caller).micros, 61'000'000);  // with the leeway that requests have
  EXPECT_GT(end_of(api, caller).micros, std::int64_t{1} << 62);
  caller.expires_at = Timestamp{5'000'000};
  EXPECT_EQ(end_of(jwt, caller).micros, 5'000'000);
  EXPECT_EQ(end_of(api, caller).micros, 5'000'000);
}

}  // namespace
}  // namespace tideline::server
