#include "wire/changes_page.h"

#include <variant>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "base/text.h"
#include "tests/support/arbitrary_records.h"
#include "wire/row_bytes.h"

namespace tideline::wire {
namespace {

struct SentRow {
  std::int64_t version = 0;
  std::string bytes;
  bool operator==(const SentRow&) const = default;
};
using Sent = std::vector<std::variant<SentRow, Tombstone>>;

std::string hex_of(std::string_view bytes) {
  return hex({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
}

std::string page_of(const Sent& sent, std::string_view json) {
  std::string out;
  ChangesPageWriter writer(out);
  for (const auto& entry : sent) {
    if (const auto* row = std::get_if<SentRow>(&entry))
      writer.add_row(Version{row->version}, hash_of_row_bytes(row->bytes),
                     [row](std::string& to) { to += row->bytes; });
    else
      writer.add_tombstone(std::get<Tombstone>(entry));
  }
  writer.finish(json);
  EXPECT_EQ(writer.written_bytes(), out.size());
  return out;
}

struct Received {
  Sent entries;
  std::string json;
  std::string error;
  bool complete = false;
};

Received read(std::string_view page, std::size_t piece_bytes) {
  Received received;
  ChangesPageReader reader;
  const auto drain = [&] {
    for (;;) {
      const auto event = reader.next();
      if (!event) {
        received.error = event.error().message;
        return false;
      }
      if (*event == ChangesPageReader::Event::kNeedInput) return true;
      if (*event == ChangesPageReader::Event::kRow) {
        EXPECT_EQ(reader.row().hash, hash_of_row_bytes(reader.row().bytes));
        received.entries.push_back(SentRow{reader.row().row_version.value, std::string(reader.row().bytes)});
      } else if (*event == ChangesPageReader::Event::kTombstone) {
        received.entries.push_back(reader.tombstone());
      } else {
        received.json = reader.end_json();
      }
    }
  };
  while (!page.empty()) {
    const std::string piece(page.substr(0, piece_bytes));  // a copy: a view kept too long shows under ASan
    page.remove_prefix(piece.size());
    reader.feed(piece);
    if (!drain()) return received;
  }
  received.complete = reader.finish().has_value();
  return received;
}

Sent some_entries() {
  Sent sent;
  const auto count = *rc::gen::inRange(0, 6);
  for (int i = 0; i < count; ++i) {
    if (*rc::gen::arbitrary<bool>()) {
      SentRow row{*rc::gen::inRange<std::int64_t>(0, 1LL << 62), {}};
      append_row_bytes(row.bytes, test::any_record<ColumnRecord>());
      sent.push_back(std::move(row));
    } else {
      sent.push_back(Tombstone{static_cast<Kind>(*rc::gen::inRange(1, 8)), test::any_uuid(),
                               Version{*rc::gen::inRange<std::int64_t>(0, 1LL << 62)}});
    }
  }
  return sent;
}

RC_GTEST_PROP(ChangesPage, IsReadAsItWasWrittenHoweverItIsCut, ()) {
  const Sent sent = some_entries();
  const std::string page = page_of(sent, R"({"a":1})");
  const auto received = read(page, *rc::gen::inRange<std::size_t>(1, page.size() + 1));
  RC_ASSERT(received.error.empty());
  RC_ASSERT(received.complete);
  RC_ASSERT(received.entries == sent);
  RC_ASSERT(received.json == R"({"a":1})");
}

RC_GTEST_PROP(ChangesPage, NoFlippedBitIsAccepted, ()) {
  const std::string page = page_of(some_entries(), R"({"a":1})");
  std::string bad = page;
  const auto at = *rc::gen::inRange<std::size_t>(0, page.size());
  bad[at] = static_cast<char>(bad[at] ^ 1 << *rc::gen::inRange(0, 8));
  const auto received = read(bad, page.size());
  // (A bit may make a frame one that is skipped: then its content is missing, and the check says so.)
  RC_ASSERT(!received.complete || !received.error.empty());
}

RC_GTEST_PROP(ChangesPage, CutOffAnywhereIsNotComplete, ()) {
  const std::string page = page_of(some_entries(), R"({"a":1})");
  const auto size = *rc::gen::inRange<std::size_t>(0, page.size());
  const auto received = read(std::string_view(page).substr(0, size), page.size());
  RC_ASSERT(!received.complete);
}

TEST(ChangesPage, Vector) {
  SentRow row{7, {}};
  FileRecord file;
  file.id = *Uuid::parse("913e214b-9dfe-568d-bec2-a6539a208574");
  file.connection_id = *Uuid::parse("00000000-0000-4000-8000-000000000001");
  file.relative_path = "a";
  file.file_type = "sql";
  file.parser_used = "p";
  append_row_bytes(row.bytes, file);
  const std::string page =
      page_of({row, Tombstone{Kind::kColumn, *Uuid::parse("00000000-0000-4000-8000-000000000002"), Version{8}}}, "{}");
  EXPECT_EQ(hex_of(page),
            "54444c4301"
            "01"
            "00000060"
            "0000000000000007"
            "02"
            "00010300000010913e214b9dfe568dbec2a6539a208574"
            "0002030000001000000000000040008000000000000001"
            "0003010000000161"
            "0004010000000373716c"
            "0008010000000170"
            "0009020000000800000000000003e8"
            "02"
            "00000019"
            "04"
            "00000000000040008000000000000002"
            "0000000000000008"
            "09"
            "00000012"
            "3a758821543971fd30b869b5b0725761"
            "7b7d");
}

TEST(ChangesPage, WhatIsBehindTheEndIsAnError) {
  const std::string page = page_of({}, "{}");
  EXPECT_TRUE(read(page, 1000).complete);
  EXPECT_EQ(read(page + "x", 1000).error, "The page of changes is malformed: there is more behind its end.");
  EXPECT_EQ(read(page + page, 1).error, "The page of changes is malformed: there is more behind its end.");
}

TEST(ChangesPage, FramesOfLaterReleasesAreSkipped) {
  const std::string page = page_of({Tombstone{Kind::kFile, Uuid{}, Version{1}}}, "{}");
  const std::string later = std::string("\x80\x00\x00\x00\x03", 5) + "abc" + std::string("\xFF\x00\x00\x00\x00", 5);
  for (const std::size_t piece : {std::size_t{1}, std::size_t{3}, std::size_t{1000}}) {
    const auto received = read(page.substr(0, 5) + later + page.substr(5), piece);
    EXPECT_TRUE(received.complete) << piece;
    EXPECT_EQ(received.entries.size(), 1U);
  }
  EXPECT_EQ(read(page.substr(0, 5) + std::string("\x7F\x00\x00\x00\x00", 5) + page.substr(5), 1000).error,
            "The page of changes is malformed: a frame of type 127.");
}

TEST(ChangesPage, AnotherVersionIsNotOurs) {
  std::string page = page_of({}, "{}");
  page[4] = 2;
  EXPECT_EQ(read(page, 1000).error, "The server sends changes in a newer format.");
  EXPECT_EQ(read("<html>", 1000).error, "The page of changes is malformed: it does not begin like one.");
}

TEST(ChangesPage, LengthsAreBounded) {
  EXPECT_EQ(read(std::string("TDLC\1\1\xFF\xFF\xFF\xFF", 10), 1000).error,
            "The page of changes is malformed: a frame that is too long.");
  EXPECT_EQ(read(std::string("TDLC\1\x09\x00\x01\x00\x01", 10), 1000).error,
            "The page of changes is malformed: a frame that is too long.");
}

const ConnectionId kConnection = *ConnectionId::parse("00000000-0000-4000-8000-000000000001");

TEST(ChangesPage, EndIsReadAsItWasWritten) {
  ChangesEnd end{.cursor = "abc",
                 .connection = kConnection,
                 .snapshot = Version{12},
                 .up_to_date = false,
                 .connection_version = {},
                 .digest = {}};
  const std::string rest = R"("connection":"00000000-0000-4000-8000-000000000001","snapshot":12,"up_to_date":false})";
  EXPECT_EQ(end.to_json(), R"({"cursor":"abc",)" + rest);
  EXPECT_EQ(ChangesEnd::parse(end.to_json()).value(), end);
  end.up_to_date = true;
  end.connection_version = Version{9};
  end.digest.of(Kind::kFile) = {3, (static_cast<unsigned __int128>(1) << 127) + 5};
  EXPECT_EQ(ChangesEnd::parse(end.to_json()).value(), end);
  EXPECT_EQ(ChangesEnd::parse(R"({"new":[1],"cursor":"abc",)" + rest)->cursor, "abc");
  EXPECT_FALSE(ChangesEnd::parse(R"({"cursor":"abc","snapshot":12,"up_to_date":false})")) << "whose?";
  const std::string begin = R"({"cursor":"a","connection":"00000000-0000-4000-8000-000000000001",)";
  for (const std::string& bad :
       {std::string(), std::string("[]"), std::string("{}"), begin + R"("snapshot":-1,"up_to_date":false})",
        begin + R"("snapshot":1,"up_to_date":1})", begin + R"("snapshot":1,"up_to_date":true})",
        begin + R"("snapshot":1,"up_to_date":true,"connection_version":1,"valid_through":1,"digest":"00"})"})
    EXPECT_FALSE(ChangesEnd::parse(bad)) << bad;
}

TEST(ChangesPage, EndOfABucketIsReadAsItWasWritten) {
  const BucketEnd end{
      .connection = kConnection, .snapshot = Version{5}, .kind = Kind::kColumn, .bucket = 255, .digest = {2, 0x1234}};
  const std::string begin = R"({"connection":"00000000-0000-4000-8000-000000000001","snapshot":5,)";
  const std::string sum = R"("count":2,"sum":"00000000000000000000000000001234"})";
  EXPECT_EQ(end.to_json(), begin + R"("kind":4,"bucket":255,)" + sum);
  EXPECT_EQ(BucketEnd::parse(end.to_json()).value(), end);
  EXPECT_FALSE(BucketEnd::parse(begin + R"("kind":8,"bucket":255,)" + sum));
  EXPECT_FALSE(BucketEnd::parse(begin + R"("kind":4,"bucket":256,)" + sum));
  EXPECT_FALSE(BucketEnd::parse(R"({"snapshot":5,"kind":4,"bucket":255,)" + sum)) << "whose?";
}

}  // namespace
}  // namespace tideline::wire
