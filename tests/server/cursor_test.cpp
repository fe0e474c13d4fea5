#include "server/cursor.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "base/text.h"

namespace tideline::server {
namespace {

const std::string kKey(32, 'k');

Uuid id(std::uint8_t byte) {
  Uuid out;
  out.bytes.fill(byte);
  return out;
}

Digest digest_of(std::int64_t count) {
  Digest digest;
  digest.of(Kind::kFile).count = count;
  return digest;
}

/// At version 10, the connection was written at 8, and the client was there.
store::ChangesHead head() {
  store::ChangesHead head{.epoch = id(1), .version = Version{10}, .floor = Version{2}, .connection = std::nullopt};
  head.connection = store::ConnectionHead{.incarnation = Version{3},
                                          .version = Version{8},
                                          .digest = digest_of(8),
                                          .digest_at_low = digest_of(8),
                                          .is_low_forgotten = false};
  return head;
}

Cursor cursor() {
  return next_cursor(head(), OrganizationId{id(7)}, ConnectionId{id(9)}, nullptr, {Version{4}, 3, id(5)}, false);
}

std::string reason_of(const Cursor& cursor, const store::ChangesHead& head) {
  const auto checked = check_cursor(cursor, head);
  if (checked) return "";
  return checked.error().code == Code::kUnavailable ? "behind" : checked.error().reason;
}

std::string reason_of(std::string_view text, std::string_view key = kKey) {
  const auto decoded = decode_cursor(text, key);
  if (decoded) return "";
  return decoded.error().code == Code::kInvalidInput ? "none" : decoded.error().reason;
}

TEST(Cursor, IsReadAsItWasWritten) {
  const std::string text = encode_cursor(cursor(), kKey);
  EXPECT_EQ(decode_cursor(text, kKey).value(), cursor());
  EXPECT_EQ(text.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"),
            std::string::npos);
}

RC_GTEST_PROP(Cursor, NoChangeOfABitIsTaken, ()) {
  std::string bytes = from_base64url(encode_cursor(cursor(), kKey)).value();
  const auto at = *rc::gen::inRange<std::size_t>(0, bytes.size());
  bytes[at] = static_cast<char>(bytes[at] ^ 1 << *rc::gen::inRange(0, 8));
  RC_ASSERT(reason_of(base64url(bytes)) == "epoch");
}

TEST(Cursor, OfAnotherDatabaseIsGone) {
  EXPECT_EQ(reason_of(encode_cursor(cursor(), kKey), std::string(32, 'x')), "epoch");
}

TEST(Cursor, WhatIsNoCursorIsAnError) {
  EXPECT_EQ(reason_of(""), "none");
  EXPECT_EQ(reason_of("!"), "none");
  EXPECT_EQ(reason_of("AAAA"), "none");
  EXPECT_EQ(reason_of(std::string(2000, 'A')), "none");
}

TEST(Cursor, OfAnotherSchemaIsGone) {
  Cursor other = cursor();
  other.schema = kSyncSchema + 1;
  EXPECT_EQ(reason_of(encode_cursor(other, kKey)), "schema");
  other.schema = kOldestSyncSchema - 1;
  EXPECT_EQ(reason_of(encode_cursor(other, kKey)), "schema");
}

TEST(CursorRules, GoesOnWhereNothingSpeaksAgainstIt) { EXPECT_EQ(reason_of(cursor(), head()), ""); }

TEST(CursorRules, AnotherEpoch) {
  auto restored = head();
  restored.epoch = id(2);
  EXPECT_EQ(reason_of(cursor(), restored), "epoch");
  restored.version = Version{5};  // whatever else is true of it
  EXPECT_EQ(reason_of(cursor(), restored), "epoch");
}

TEST(CursorRules, ASnapshotOlderThanWhatWasSeenSaysNothing) {
  auto lagging = head();
  lagging.version = Version{9};
  EXPECT_EQ(reason_of(cursor(), lagging), "behind");
  lagging.connection.reset();  // not even that the connection is gone
  EXPECT_EQ(reason_of(cursor(), lagging), "behind");
}

TEST(CursorRules, RemovedOrMadeAnew) {
  auto removed = head();
  removed.connection.reset();
  EXPECT_EQ(reason_of(cursor(), removed), "connection_removed");
  auto again = head();
  again.connection->incarnation = Version{9};
  EXPECT_EQ(reason_of(cursor(), again), "connection_removed");
}

TEST(CursorRules, BelowTheFloorOnlyWhereSomethingWasForgotten) {
  auto later = head();
  later.version = Version{500};
  later.floor = Version{400};
  EXPECT_EQ(reason_of(cursor(), later), "");  // the connection stood still all the while
  later.connection->is_low_forgotten = true;
  EXPECT_EQ(reason_of(cursor(), later), "below_floor");
  later.floor = Version{10};  // == low: what is at the floor is known
  EXPECT_EQ(reason_of(cursor(), later), "");
}

TEST(CursorRules, AnotherHistory) {
  auto fork = head();
  fork.connection->digest_at_low = digest_of(7);
  EXPECT_EQ(reason_of(cursor(), fork), "fork");
  fork.connection->digest_at_low.reset();
  EXPECT_EQ(reason_of(cursor(), fork), "fork");
}

TEST(CursorRules, EveryRefusalSaysWhatToDo) {
  for (const auto reason :
       {gone::kEpoch, gone::kBelowFloor, gone::kAhead, gone::kFork, gone::kSchema, gone::kConnectionRemoved}) {
    const Error error = gone_error(reason);
    EXPECT_EQ(error.code, Code::kGone);
    EXPECT_EQ(error.reason, reason);
    EXPECT_FALSE(error.message.empty());
    EXPECT_FALSE(error.hint.empty());
  }
}

TEST(NextCursor, APageOnTheWayKeepsWhereItBegan) {
  const Cursor first = cursor();
  EXPECT_EQ(first.low, Version{10});
  EXPECT_EQ(first.low_digest, short_digest(digest_of(8)));
  EXPECT_EQ(first.high, Version{10});
  auto later = head();
  later.version = Version{12};
  later.connection->digest = digest_of(12);
  const Cursor second =
      next_cursor(later, first.organization, first.connection, &first, {Version{11}, 2, id(6)}, false);
  EXPECT_EQ(second.low, Version{10});
  EXPECT_EQ(second.low_digest, first.low_digest);
  EXPECT_EQ(second.high, Version{12});
  EXPECT_EQ(second.position, (store::ChangesPosition{Version{11}, 2, id(6)}));
}

TEST(NextCursor, UpToDateIsBehindTheWholeSnapshot) {
  auto later = head();
  later.version = Version{12};
  later.connection->digest = digest_of(12);
  const Cursor first = cursor();
  const Cursor last = next_cursor(later, first.organization, first.connection, &first, first.position, true);
  EXPECT_EQ(last.low, Version{12});
  EXPECT_EQ(last.low_digest, short_digest(digest_of(12)));
  EXPECT_EQ(last.position, store::ChangesPosition::behind(Version{12}));
  EXPECT_EQ(reason_of(last, later), "fork");  // its digest_at_low is still that of the older question
  later.connection->digest_at_low = digest_of(12);
  EXPECT_EQ(reason_of(last, later), "");
}

}  // namespace
}  // namespace tideline::server
