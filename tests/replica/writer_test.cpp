#include "replica/replica.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <functional>

#include "replica/queries.h"
#include "replica/verify.h"
#include "tests/replica/model_server.h"

namespace tideline::replica::test {
namespace {

using Outcome = Applied::Outcome;

class ReplicaWriter : public ::testing::Test {
 protected:
  std::unique_ptr<Writer> open() { return must(Writer::open(options_for(file))); }
  void sql(const std::string& statement) {
    Database database = must(Database::open(file, Database::Mode::kWrite, 5000));
    must(database.run(statement));
  }
  TempDirectory directory;
  std::filesystem::path file = directory / "acme.sqlite";
  ModelServer server;
};

TEST_F(ReplicaWriter, AFirstSyncIsSeenOnlyWhenItIsWhole) {
  const ConnectionId shop = server.add_connection("shop");
  std::mt19937 random(1);
  change(server, shop, random, 60);
  auto writer = open();
  must(writer->begin_new("epoch-1", NewFile::kFirstSync, Timestamp::now()));
  must(writer->restart(shop, server.connections.at(shop).incarnation));
  {
    PageStage stage = must(writer->begin_page(shop));
    must(stage.finish(server.page(shop, "", 3, stage)));
  }
  EXPECT_FALSE(std::filesystem::exists(file));
  EXPECT_EQ(must(writer->apply()).outcome, Outcome::kIncomplete);
  EXPECT_FALSE(std::filesystem::exists(file));
  const Applied applied = sync(*writer, server);
  EXPECT_EQ(applied.outcome, Outcome::kApplied);
  EXPECT_TRUE(applied.swapped);
  EXPECT_EQ(applied.version, server.version);
  EXPECT_EQ(rows_of(file), rows_of(server));
  EXPECT_TRUE(must(verify(file)).sound());
}

TEST_F(ReplicaWriter, ChangesTombstonesAndUnknownFieldsArriveAsTheyAre) {
  const ConnectionId shop = server.add_connection("shop");
  auto writer = open();
  sync(*writer, server);
  std::mt19937 random(2);
  for (int step = 0; step < 20; ++step) {
    change(server, shop, random, 15);
    const Applied applied = sync(*writer, server, 4);
    ASSERT_EQ(applied.outcome, Outcome::kApplied);
    ASSERT_FALSE(applied.swapped);
    ASSERT_EQ(applied.version, server.version);
    ASSERT_EQ(rows_of(file), rows_of(server));
  }
  const VerifyReport report = must(verify(file));
  EXPECT_TRUE(report.sound());
  EXPECT_GT(report.rows, 10);
}

TEST_F(ReplicaWriter, NothingIsAppliedWhileAConnectionIsBehind) {
  const ConnectionId a = server.add_connection("a"), b = server.add_connection("b");
  auto writer = open();
  sync(*writer, server);
  const auto before = rows_of(file);
  std::mt19937 random(3);
  change(server, a, random, 5);
  {
    PageStage stage = must(writer->begin_page(a));
    must(stage.finish(server.page(a, must(writer->position(a)).cursor, 100, stage)));
  }
  // b was last known good at an earlier version: together they would be no version there ever was.
  const Applied applied = must(writer->apply());
  EXPECT_EQ(applied.outcome, Outcome::kIncomplete);
  EXPECT_EQ(applied.incomplete, std::vector{b});
  EXPECT_EQ(rows_of(file), before);
  must(writer->confirm(b, server.connections.at(b).version, server.digest(b), server.version));
  EXPECT_EQ(must(writer->apply()).version, server.version);
  EXPECT_EQ(rows_of(file), rows_of(server));
}

TEST_F(ReplicaWriter, ConfirmingWhatChangedIsRefused) {
  const ConnectionId a = server.add_connection("a");
  auto writer = open();
  sync(*writer, server);
  server.begin(a);
  EXPECT_EQ(writer->confirm(a, server.connections.at(a).version, server.digest(a), server.version).error().code,
            Code::kConflict);
}

TEST_F(ReplicaWriter, APageWithoutItsEndLeavesNothing) {
  const ConnectionId shop = server.add_connection("shop");
  auto writer = open();
  sync(*writer, server);
  std::mt19937 random(4);
  change(server, shop, random, 30);
  const std::string cursor = must(writer->position(shop)).cursor;
  {
    PageStage stage = must(writer->begin_page(shop));
    (void)server.page(shop, cursor, 5, stage);
  }
  EXPECT_EQ(must(writer->position(shop)).cursor, cursor);
  EXPECT_FALSE(must(writer->position(shop)).staged);
}

TEST_F(ReplicaWriter, ARowOfAnotherConnectionIsRefused) {
  const ConnectionId a = server.add_connection("a"), b = server.add_connection("b");
  auto writer = open();
  sync(*writer, server);
  std::string bytes;
  append_row_bytes(bytes, make_object(b, "x"));
  PageStage stage = must(writer->begin_page(a));
  EXPECT_EQ(stage.row({{9}, hash_of_row_bytes(bytes), bytes}).error().code, Code::kCorrupt);
  EXPECT_EQ(stage.row({{9}, {}, "\x03 not a row"}).error().code, Code::kCorrupt);
}

TEST_F(ReplicaWriter, AWrongDigestIsNeverApplied) {
  const ConnectionId shop = server.add_connection("shop");
  auto writer = open();
  sync(*writer, server);
  const auto before = rows_of(file);
  std::mt19937 random(5);
  change(server, shop, random, 30);
  {
    PageStage stage = must(writer->begin_page(shop));
    auto end = server.page(shop, must(writer->position(shop)).cursor, 1000, stage);
    end.digest.of(Kind::kObject).sum += 1;
    must(stage.finish(end));
  }
  const Applied applied = must(writer->apply());
  EXPECT_EQ(applied.outcome, Outcome::kMismatch);
  ASSERT_EQ(applied.mismatches.size(), 1U);
  EXPECT_EQ(applied.mismatches[0].kind, Kind::kObject);
  EXPECT_EQ(rows_of(file), before);
}

TEST_F(ReplicaWriter, ANewFileThatDoesNotMatchIsNotPutInPlace) {
  const ConnectionId shop = server.add_connection("shop");
  auto writer = open();
  must(writer->begin_new("epoch-1", NewFile::kFirstSync, Timestamp::now()));
  must(writer->restart(shop, 1));
  PageStage stage = must(writer->begin_page(shop));
  auto end = server.page(shop, "", 1000, stage);
  end.digest.of(Kind::kConnection).count += 1;
  must(stage.finish(end));
  EXPECT_EQ(must(writer->apply()).outcome, Outcome::kMismatch);
  EXPECT_FALSE(std::filesystem::exists(file));
}

TEST_F(ReplicaWriter, ARowWrittenAnewDuringAFirstSyncIsThereOnceAsItIsNow) {
  const ConnectionId shop = server.add_connection("shop");
  server.begin(shop);
  for (int i = 0; i < 12; ++i) server.put(shop, make_object(shop, "model_" + std::to_string(i), "from before"));
  for (const bool removed : {false, true}) {
    const std::filesystem::path other = directory / (removed ? "removed.sqlite" : "changed.sqlite");
    auto writer = must(Writer::open(options_for(other)));
    must(writer->begin_new("epoch-1", NewFile::kFirstSync, Timestamp::now()));
    must(writer->restart(shop, server.connections.at(shop).incarnation));
    for (int page = 0; page < 2; ++page) {
      PageStage stage = must(writer->begin_page(shop));
      must(stage.finish(server.page(shop, must(writer->position(shop)).cursor, 5, stage)));
    }
    server.begin(shop);
    for (int i = 0; i < 12; ++i) {
      const ObjectRecord object = make_object(shop, "model_" + std::to_string(i), "written anew");
      if (removed && i % 2 == 0)
        server.remove(shop, object.id);
      else
        server.put(shop, object);
    }
    EXPECT_EQ(sync(*writer, server, 5).outcome, Outcome::kApplied);
    EXPECT_EQ(rows_of(other), rows_of(server));
    EXPECT_TRUE(must(verify(other)).sound());
    Reader reader = must(Reader::open(other));
    EXPECT_EQ(must(must(reader.view()).search({.text = "before"})).hits.size(), 0U);
    EXPECT_EQ(must(must(reader.view()).search({.text = "anew"})).hits.size(), removed ? 6U : 12U);
  }
}

TEST_F(ReplicaWriter, APageOfAFirstSyncThatBreaksOffLeavesNothingOfItself) {
  const ConnectionId shop = server.add_connection("shop");
  std::mt19937 random(14);
  change(server, shop, random, 60);
  auto writer = open();
  must(writer->begin_new("epoch-1", NewFile::kFirstSync, Timestamp::now()));
  must(writer->restart(shop, server.connections.at(shop).incarnation));
  for (const bool breaks_off : {false, true, false}) {
    PageStage stage = must(writer->begin_page(shop));
    const auto end = server.page(shop, must(writer->position(shop)).cursor, 7, stage);
    if (!breaks_off) must(stage.finish(end));
  }
  EXPECT_EQ(sync(*writer, server, 7).outcome, Outcome::kApplied);
  EXPECT_EQ(rows_of(file), rows_of(server));
  EXPECT_TRUE(must(verify(file)).sound());
}

TEST_F(ReplicaWriter, ARowThatIsSentTwiceIsRefused) {
  const ConnectionId shop = server.add_connection("shop");
  auto writer = open();
  must(writer->begin_new("epoch-1", NewFile::kFirstSync, Timestamp::now()));
  must(writer->restart(shop, 1));
  PageStage stage = must(writer->begin_page(shop));
  auto end = server.page(shop, "", 10, stage);
  server.page(shop, "", 10, stage);
  end.digest.of(Kind::kConnection)
      .add(hash_of_row_bytes(server.connections.at(shop).rows.begin()->second.bytes));  // it even says so
  must(stage.finish(end));
  EXPECT_EQ(writer->apply().error().code, Code::kCorrupt);
  EXPECT_FALSE(std::filesystem::exists(file));
  // What was made of it is no obstacle to the next one.
  for (const bool same_process : {true, false}) {
    if (!same_process) writer.reset(), writer = open();
    EXPECT_EQ(sync(*writer, server).outcome, Outcome::kApplied);
    EXPECT_EQ(rows_of(file), rows_of(server));
  }
}

TEST_F(ReplicaWriter, APageThatComesInsteadOfALaterOneIsRefused) {
  const ConnectionId shop = server.add_connection("shop");
  server.begin(shop);
  for (int i = 0; i < 40; ++i) server.put(shop, make_object(shop, "model_" + std::to_string(i)));
  auto writer = open();
  must(writer->begin_new("epoch-1", NewFile::kFirstSync, Timestamp::now()));
  must(writer->restart(shop, server.connections.at(shop).incarnation));
  const auto stage_page = [&](const std::string& cursor) {
    PageStage stage = must(writer->begin_page(shop));
    const auto end = server.page(shop, cursor, 7, stage);
    return stage.finish(end);
  };
  for (int page = 0; page < 3; ++page) must(stage_page(must(writer->position(shop)).cursor));
  const std::string cursor = must(writer->position(shop)).cursor;
  EXPECT_EQ(stage_page("").error().code, Code::kCorrupt);
  EXPECT_EQ(must(writer->position(shop)).cursor, cursor);
  sync(*writer, server, 7);
  EXPECT_EQ(rows_of(file), rows_of(server));
  EXPECT_TRUE(must(verify(file)).sound());
}

TEST_F(ReplicaWriter, StagedPagesSurviveTheProcess) {
  const ConnectionId shop = server.add_connection("shop");
  std::mt19937 random(6);
  change(server, shop, random, 50);
  std::string cursor;
  for (const bool first : {true, false}) {
    auto writer = open();
    if (first) {
      must(writer->begin_new("epoch-1", NewFile::kFirstSync, Timestamp::now()));
      must(writer->restart(shop, server.connections.at(shop).incarnation));
    } else {
      change(server, shop, random, 50);
    }
    PageStage stage = must(writer->begin_page(shop));
    must(stage.finish(server.page(shop, must(writer->position(shop)).cursor, 7, stage)));
    cursor = must(writer->position(shop)).cursor;
    writer.reset();
    writer = open();
    EXPECT_EQ(must(writer->state()).building, first);
    EXPECT_EQ(must(writer->position(shop)).cursor, cursor);
    sync(*writer, server, 7);
    EXPECT_EQ(rows_of(file), rows_of(server));
  }
}

TEST_F(ReplicaWriter, ANewFileOfAnEarlierStartOfTheMachineIsDropped) {
  const ConnectionId shop = server.add_connection("shop");
  {
    auto writer = open();
    must(writer->begin_new("epoch-1", NewFile::kFirstSync, Timestamp::now()));
    must(writer->restart(shop, 1));
  }
  {
    Database database = must(Database::open(file.string() + ".1", Database::Mode::kWrite, 5000));
    must(set_state(database, "boot", "another"));
  }
  EXPECT_FALSE(must(open()->state()).building);
  EXPECT_FALSE(std::filesystem::exists(file.string() + ".1"));
}

TEST_F(ReplicaWriter, RemovedAndRegisteredAgainConnectionsLeaveNothingBehind) {
  const ConnectionId a = server.add_connection("a"), b = server.add_connection("b");
  std::mt19937 random(7);
  change(server, a, random, 40);
  change(server, b, random, 40);
  auto writer = open();
  sync(*writer, server);
  sync(*writer, server, [] { return std::size_t{9}; }, {b});
  EXPECT_EQ(rows_of(file), rows_of(server, {b}));
  sync(*writer, server);
  EXPECT_EQ(rows_of(file), rows_of(server));
  // The same id, from nothing, with fewer rows.
  server.connections.erase(a);
  ++server.version.value;
  server.connections[a] = {.incarnation = server.version.value, .version = server.version, .rows = {}};
  change(server, a, random, 0);
  server.put(a, make_object(a, "only"));
  sync(*writer, server);
  EXPECT_EQ(rows_of(file), rows_of(server));
  EXPECT_TRUE(must(verify(file)).sound());
}

TEST_F(ReplicaWriter, ASecondWriterIsToldWhoHoldsIt) {
  auto writer = open();
  const auto second = Writer::open(options_for(file));
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Code::kConflict);
  EXPECT_NE(second.error().message.find("tideline test, process " + std::to_string(::getpid())), std::string::npos)
      << second.error().message;
  writer.reset();
  EXPECT_TRUE(Writer::open(options_for(file)));
}

TEST_F(ReplicaWriter, AReplicaOfAnotherServerIsNotWritten) {
  server.add_connection("a");
  {
    auto writer = open();
    sync(*writer, server);
  }
  auto options = options_for(file);
  options.server = "https://other.example.org";
  EXPECT_EQ(Writer::open(options).error().code, Code::kConflict);
}

TEST_F(ReplicaWriter, RepairsAndNewFilesAreBounded) {
  server.add_connection("a");
  auto writer = open();
  sync(*writer, server);
  const Timestamp now = Timestamp::now();
  const Timestamp soon{now.micros + 599'000'000}, later{now.micros + 601'000'000};
  must(writer->begin_repair(now));
  sync(*writer, server);
  EXPECT_EQ(writer->begin_repair(soon).error().code, Code::kResourceExhausted);
  must(writer->begin_new("epoch-2", NewFile::kEpoch, now));
  sync(*writer, server);
  EXPECT_EQ(writer->begin_new("epoch-3", NewFile::kEpoch, soon).error().code, Code::kResourceExhausted);
  writer.reset();
  writer = open();  // it is remembered
  EXPECT_EQ(writer->begin_repair(soon).error().code, Code::kResourceExhausted);
  must(writer->begin_repair(later));
  must(writer->begin_new("epoch-3", NewFile::kEpoch, later));
}

TEST_F(ReplicaWriter, ARepairThatCameToNothingDoesNotCount) {
  const ConnectionId shop = server.add_connection("shop");
  auto writer = open();
  sync(*writer, server);
  const Timestamp now = Timestamp::now();
  const Timestamp soon{now.micros + 1'000'000};
  // Nobody answered.
  must(writer->begin_repair(now));
  must(writer->begin_new("epoch-1", NewFile::kDamaged, now));
  writer.reset();
  writer = open();
  must(writer->begin_repair(soon));
  must(writer->begin_new("epoch-1", NewFile::kDamaged, soon));
  // What the server sent does not agree with itself: this counts, or it would be asked again and again.
  {
    must(writer->restart(shop, server.connections.at(shop).incarnation));
    PageStage stage = must(writer->begin_page(shop));
    wire::ChangesEnd end = server.page(shop, "", 100, stage);
    end.digest.of(Kind::kConnection).sum += 1;
    must(stage.finish(end));
  }
  EXPECT_EQ(must(writer->apply()).outcome, Applied::Outcome::kMismatch);
  EXPECT_EQ(writer->begin_new("epoch-1", NewFile::kMismatch, soon).error().code, Code::kResourceExhausted);
}

TEST_F(ReplicaWriter, TheBoundDoesNotHoldForWhatAPersonAsksFor) {
  server.add_connection("a");
  auto options = options_for(file);
  options.asked_for = true;
  for (int i = 0; i < 2; ++i) {
    auto writer = must(Writer::open(options));
    must(writer->begin_repair(Timestamp::now()));
    must(writer->begin_new("epoch-1", NewFile::kDamaged, Timestamp::now()));
    sync(*writer, server);
  }
  EXPECT_EQ(open()->begin_new("epoch-1", NewFile::kDamaged, Timestamp::now()).error().code, Code::kResourceExhausted);
}

TEST_F(ReplicaWriter, ANewFileTakesTheOldOnesPlaceAndNothingIsLeftOver) {
  const ConnectionId shop = server.add_connection("shop");
  auto writer = open();
  sync(*writer, server);
  const auto first = std::filesystem::read_symlink(file);
  std::mt19937 random(8);
  change(server, shop, random, 30);
  must(writer->begin_new("epoch-2", NewFile::kEpoch, Timestamp::now()));
  EXPECT_EQ(std::filesystem::read_symlink(file), first);
  EXPECT_TRUE(sync(*writer, server).swapped);
  EXPECT_NE(std::filesystem::read_symlink(file), first);
  EXPECT_EQ(rows_of(file), rows_of(server));
  EXPECT_EQ(must(writer->state()).epoch, "epoch-2");
  EXPECT_FALSE(std::filesystem::exists(directory / first.string()));
}

TEST_F(ReplicaWriter, PurgeLeavesNoFile) {
  server.add_connection("a");
  auto writer = open();
  sync(*writer, server);
  must(writer->purge());
  writer.reset();
  EXPECT_TRUE(std::filesystem::is_empty(file.parent_path()));
}

TEST_F(ReplicaWriter, AFileOfAnOlderFormatIsWrittenAnewWithItsUnknownFieldsInPlace) {
  const ConnectionId shop = server.add_connection("shop");
  std::mt19937 random(9);
  change(server, shop, random, 60);
  server.put(shop, make_object(shop, "described", "of a field that the older format did not know"));
  {
    auto writer = open();
    sync(*writer, server);
  }
  // The format before: no column for an object's metadata (tag 12) and what follows it.
  {
    Database database = must(Database::open(file, Database::Mode::kWrite, 5000));
    std::vector<std::pair<std::int64_t, std::string>> tails;
    RowReader reader = must(RowReader::open(database, present_layout()[index_of(Kind::kObject)]));
    while (const auto row = must(reader.next())) {
      std::size_t at = 1;
      const auto byte = [&](std::size_t i) {
        return static_cast<std::size_t>(static_cast<unsigned char>(row->bytes[i]));
      };
      while (at < row->bytes.size() && (byte(at) << 8 | byte(at + 1)) < 12)
        at += 7 + (byte(at + 3) << 24 | byte(at + 4) << 16 | byte(at + 5) << 8 | byte(at + 6));
      tails.emplace_back(row->seq, row->bytes.substr(at));
    }
    must(database.run(
        "create table older as select * from objects; drop table objects; alter table older rename to objects"));
    Statement update = must(database.prepare("update objects set unknown_fields = ?1 where seq = ?2"));
    for (const auto& [seq, tail] : tails) must(update.blob(1, tail).integer(2, seq).run());
    for (const char* column :
         {"metadata", "line_start", "line_end", "content_hash", "confidence", "extracted_from", "extraction_tier"})
      must(database.run("alter table objects drop column " + std::string(column)));
    must(database.run("delete from sync_fields where kind = 3 and tag >= 12; pragma user_version = 0"));
    must(set_state(database, "format", "0"));
    must(seal_state(database));
  }
  auto writer = open();
  EXPECT_EQ(rows_of(file), rows_of(server));
  EXPECT_TRUE(must(verify(file)).sound());
  change(server, shop, random, 10);
  sync(*writer, server);
  EXPECT_EQ(rows_of(file), rows_of(server));
}

TEST_F(ReplicaWriter, AFileOfANewerProgramIsLeftAlone) {
  server.add_connection("a");
  {
    auto writer = open();
    sync(*writer, server);
  }
  sql("pragma user_version = 2; update sync_state set value = '2' where key = 'format'");
  EXPECT_EQ(Writer::open(options_for(file)).error().code, Code::kUnsupported);
}

/// Random histories in random pages, interrupted at random, end where the server is.
TEST(ReplicaWriterProperty, AnyHistoryInAnyPagesIsTheServersState) {
  rc::check([] {
    const auto seed = *rc::gen::arbitrary<std::uint32_t>();
    std::mt19937 random(seed);
    TempDirectory directory;
    const auto file = directory / "acme.sqlite";
    ModelServer server;
    std::vector<ConnectionId> connections{server.add_connection("a"), server.add_connection("b")};
    auto writer = must(Writer::open(options_for(file)));
    for (int step = 0, steps = 3 + static_cast<int>(random() % 6); step < steps; ++step) {
      for (int i = static_cast<int>(random() % 3); i >= 0; --i)
        change(server, connections[random() % connections.size()], random, static_cast<int>(random() % 20));
      std::set<ConnectionId> wanted;
      for (const auto& id : connections)
        if (random() % 4 != 0) wanted.insert(id);
      if (wanted.empty()) wanted.insert(connections[0]);
      // A page may be given twice: as when the answer to the first was lost.
      const auto page_size = [&random] { return std::size_t{1} + random() % 13; };
      if (random() % 4 == 0) {
        writer.reset();
        writer = must(Writer::open(options_for(file)));
      }
      const Applied applied = sync(*writer, server, page_size, wanted);
      RC_ASSERT(applied.outcome == Outcome::kApplied);
      RC_ASSERT(applied.version == std::optional(server.version));
      RC_ASSERT(rows_of(file) == rows_of(server, wanted));
      RC_ASSERT(must(writer->apply()).rows == 0);
    }
    RC_ASSERT(must(verify(file)).sound());
  });
}

}  // namespace
}  // namespace tideline::replica::test
