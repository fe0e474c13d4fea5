#include <gtest/gtest.h>

#include "server/membership.h"

namespace tideline::server {
namespace {

using std::chrono::milliseconds;

const OrganizationId kOrganization{Uuid::random()};
const Instant kStart = Instant() + std::chrono::hours(1);

Instant at(int ms) { return kStart + milliseconds(ms); }

store::OrganizationState state(std::int64_t access, std::int64_t version) {
  store::OrganizationState out;
  out.organization = kOrganization;
  out.access_version = access;
  out.version = {version};
  return out;
}

Access member() {
  Access access;
  access.user = UserId::random();
  access.rights = Rights::of_role("member");
  return access;
}

TEST(Membership, AnswersWhileConfirmedAndNoLonger) {
  Membership membership;
  membership.confirm(state(1, 5), at(0), at(10));
  membership.remember(kOrganization, "a", member(), 1);
  EXPECT_TRUE(membership.find(kOrganization, "a", at(899)));
  // Counted from the question, not from the answer.
  EXPECT_FALSE(membership.find(kOrganization, "a", at(900)));
  EXPECT_FALSE(membership.state(kOrganization, at(900)));
  membership.confirm(state(1, 5), at(950), at(960));
  EXPECT_TRUE(membership.find(kOrganization, "a", at(1000)));
}

TEST(Membership, KnowsNobodyItWasNotTold) {
  Membership membership;
  EXPECT_FALSE(membership.find(kOrganization, "a", at(0)));
  membership.confirm(state(1, 5), at(0), at(1));
  EXPECT_FALSE(membership.find(kOrganization, "a", at(1)));
  membership.remember(kOrganization, "a", member(), 1);
  EXPECT_FALSE(membership.find(kOrganization, "b", at(1)));
  EXPECT_FALSE(membership.find({Uuid::random()}, "a", at(1)));
}

TEST(Membership, AChangeOfRightsForgetsEverybody) {
  Membership membership;
  membership.confirm(state(1, 5), at(0), at(1));
  membership.remember(kOrganization, "a", member(), 1);
  membership.confirm(state(2, 5), at(10), at(11));
  EXPECT_FALSE(membership.find(kOrganization, "a", at(12)));
  EXPECT_TRUE(membership.state(kOrganization, at(12)));
}

TEST(Membership, ANewVersionOfRowsForgetsNobody) {
  Membership membership;
  membership.confirm(state(1, 5), at(0), at(1));
  membership.remember(kOrganization, "a", member(), 1);
  membership.confirm(state(1, 6), at(10), at(11));
  const auto known = membership.find(kOrganization, "a", at(12));
  ASSERT_TRUE(known);
  EXPECT_EQ(known->state.version.value, 6);
}

TEST(Membership, WhatWasLearnedAtAnEarlierVersionOfRightsIsNotKept) {
  Membership membership;
  membership.confirm(state(1, 5), at(0), at(1));
  membership.confirm(state(2, 5), at(2), at(3));
  membership.remember(kOrganization, "a", member(), 1);
  EXPECT_FALSE(membership.find(kOrganization, "a", at(4)));
}

TEST(Membership, AnAnswerThatWasOvertakenDoesNotGoBack) {
  Membership membership;
  membership.confirm(state(1, 5), at(0), at(1));
  membership.confirm(state(2, 6), at(10), at(40));
  // Asked for after the one above, but before its answer came: it only saw the database a little earlier.
  membership.confirm(state(1, 5), at(20), at(50));
  EXPECT_EQ(membership.state(kOrganization, at(51))->version.value, 6);
  EXPECT_EQ(membership.rewinds(), 0U);
}

TEST(Membership, HistoryThatWentBackIsTakenAsItIs) {
  Membership membership;
  membership.confirm(state(3, 9), at(0), at(10));
  membership.remember(kOrganization, "a", member(), 3);
  membership.confirm(state(3, 7), at(20), at(30));
  EXPECT_EQ(membership.state(kOrganization, at(31))->version.value, 7);
  EXPECT_FALSE(membership.find(kOrganization, "a", at(31)));
  EXPECT_EQ(membership.rewinds(), 1U);
}

TEST(Membership, AnOvertakenAnswerDoesNotBringBackAnOldRunningState) {
  Membership membership;
  auto before = state(1, 5), after = state(1, 5);
  before.activity = 1;
  after.activity = 2;
  membership.confirm(before, at(0), at(1));
  membership.confirm(after, at(20), at(40));
  membership.confirm(before, at(10), at(50));
  EXPECT_EQ(membership.state(kOrganization, at(51))->activity, 2);
  EXPECT_EQ(membership.rewinds(), 0U);
}

TEST(Membership, WhatIsKeptByVersionIsDroppedWhenHistoryWentBack) {
  std::vector<OrganizationId> dropped;
  Membership membership([&](OrganizationId organization) { dropped.push_back(organization); });
  membership.confirm(state(3, 9), at(0), at(10));
  membership.confirm(state(3, 10), at(11), at(12));
  EXPECT_TRUE(dropped.empty());
  membership.confirm(state(3, 7), at(20), at(30));
  EXPECT_EQ(dropped.size(), 1U);
  // Went back and came as far again, between two questions.
  auto another = state(3, 7);
  another.stamp.micros = 1;
  membership.confirm(another, at(40), at(50));
  EXPECT_EQ(dropped.size(), 2U);
  EXPECT_EQ(membership.state(kOrganization, at(51))->stamp.micros, 1);
}

TEST(Membership, ADatabaseOfAnotherEpochIsAnotherHistory) {
  std::vector<OrganizationId> dropped;
  Membership membership([&](OrganizationId organization) { dropped.push_back(organization); });
  membership.confirm(state(3, 9), at(0), at(10));
  auto restored = state(3, 12);
  restored.epoch = Uuid::random();
  membership.confirm(restored, at(20), at(30));
  EXPECT_EQ(dropped.size(), 1U);
  EXPECT_EQ(membership.state(kOrganization, at(31))->epoch, restored.epoch);
}

TEST(Membership, WhatIsGoneOrNoLongerWatchedLeavesNothingKeptByVersion) {
  std::vector<OrganizationId> dropped;
  Membership membership([&](OrganizationId organization) { dropped.push_back(organization); });
  membership.confirm(state(3, 9), at(0), at(10));
  membership.confirm_gone(kOrganization);
  EXPECT_EQ(dropped.size(), 1U);
  membership.confirm_gone(kOrganization);
  EXPECT_EQ(dropped.size(), 1U);
  membership.confirm(state(3, 7), at(20), at(30));
  (void)membership.watched(at(31) + kWatchedFor);
  EXPECT_EQ(dropped.size(), 2U);
}

TEST(Membership, OfTwoHistoriesWithoutAnOrderNeitherIsTrusted) {
  Membership membership;
  membership.confirm(state(3, 9), at(0), at(10));
  auto restored = state(3, 9);
  restored.epoch = Uuid::random();
  membership.confirm(restored, at(5), at(11));  // asked before the other came: it may be older, or newer
  EXPECT_FALSE(membership.state(kOrganization, at(12)));
  membership.confirm(restored, at(13), at(14));
  EXPECT_EQ(membership.state(kOrganization, at(15))->epoch, restored.epoch);
}

TEST(Membership, WhoWaitsIsToldOfRightsAndVersionsAndOfNothingElse) {
  int told = 0;
  Membership membership({}, [&](OrganizationId) { ++told; });
  membership.confirm(state(1, 5), at(0), at(1));
  EXPECT_EQ(told, 1);
  membership.confirm(state(1, 5), at(2), at(3));
  auto busy = state(1, 5);
  busy.activity = 7;
  membership.confirm(busy, at(4), at(5));
  EXPECT_EQ(told, 1);
  busy.version = Version{6};
  membership.confirm(busy, at(6), at(7));
  EXPECT_EQ(told, 2);
  busy.access_version = 2;
  membership.confirm(busy, at(8), at(9));
  EXPECT_EQ(told, 3);
  membership.confirm(state(1, 5), at(0), at(10));  // overtaken
  EXPECT_EQ(told, 3);
  membership.confirm_gone(kOrganization);
  EXPECT_EQ(told, 4);
}

TEST(Membership, WatchesWhatIsUsedAndForgetsTheRest) {
  Membership membership;
  membership.confirm(state(1, 1), at(0), at(0));
  auto other = state(1, 1);
  other.organization = OrganizationId::random();
  membership.confirm(other, at(0), at(0));
  EXPECT_EQ(membership.watched(at(1)).size(), 2U);
  const Instant later = at(1) + kWatchedFor;
  (void)membership.state(kOrganization, later - milliseconds(2));
  const auto watched = membership.watched(later);
  ASSERT_EQ(watched.size(), 1U);
  EXPECT_EQ(watched.front(), kOrganization);
  EXPECT_FALSE(membership.knows(other.organization));
  membership.confirm_gone(kOrganization);
  EXPECT_EQ(membership.size(), 0U);
}

TEST(Membership, CallersAreBounded) {
  Membership membership;
  membership.confirm(state(1, 1), at(0), at(0));
  for (std::size_t i = 0; i <= kMaxCallers; ++i) membership.remember(kOrganization, std::to_string(i), member(), 1);
  EXPECT_TRUE(membership.find(kOrganization, std::to_string(kMaxCallers), at(1)));
  EXPECT_FALSE(membership.find(kOrganization, "0", at(1)));
}

}  // namespace
}  // namespace tideline::server
