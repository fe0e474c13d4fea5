// What somebody or something did to the file behind our back is found, named, and mended from buckets or by a new file.

#include <array>
#include <fstream>

#include <gtest/gtest.h>

#include "replica/queries.h"
#include "replica/verify.h"
#include "tests/replica/model_server.h"

namespace tideline::replica::test {
namespace {

class ReplicaDamage : public ::testing::Test {
 protected:
  void SetUp() override {
    shop = server.add_connection("shop");
    std::mt19937 random(1);
    for (int i = 0; i < 5; ++i) change(server, shop, random, 60);
    server.begin(shop);
    object = make_object(shop, "of_interest", "Words that are searched");
    server.put(shop, object);
    auto writer = must(Writer::open(options_for(file)));
    sync(*writer, server);
  }

  void sql(const std::string& statement) {
    Database database = must(Database::open(file, Database::Mode::kWrite, 5000));
    must(database.run(statement));
  }
  std::string where_object() const {
    std::string hex;
    for (const auto byte : object.id.bytes) {
      char digits[3];
      std::snprintf(digits, sizeof digits, "%02x", byte);
      hex += digits;
    }
    return " where id = x'" + hex + "'";
  }

  static WriterOptions asked(const std::filesystem::path& file) {
    WriterOptions options = options_for(file);
    options.asked_for = true;
    return options;
  }
  void make_anew() {
    auto writer = must(Writer::open(asked(file), true));
    must(writer->begin_new("epoch-1", NewFile::kDamaged, Timestamp::now()));
    sync(*writer, server);
  }
  void stage_bucket(Writer& writer, Kind kind, std::uint8_t bucket) {
    BucketStage stage = must(writer.begin_bucket(shop, kind, bucket));
    KindDigest digest;
    for (const auto& [id, row] : server.connections.at(shop).rows)
      if (row.kind == kind && bucket_of(id) == bucket && !row.bytes.empty()) {
        const RowHash hash = hash_of_row_bytes(row.bytes);
        must(stage.row({row.version, hash, row.bytes}));
        digest.add(hash);
      }
    must(stage.finish(
        {.connection = shop, .snapshot = server.version, .kind = kind, .bucket = bucket, .digest = digest}));
  }
  /// As a client does: buckets of what was named, a new file where that does not help.
  bool mend() {
    const VerifyReport report = must(verify(file));
    auto writer = Writer::open(asked(file));
    if (!report.file_problems.empty() || !writer) {
      if (writer) writer = tl::unexpected(Error{});
      make_anew();
      return false;
    }
    must((*writer)->begin_repair(Timestamp::now()));
    for (const auto& damaged : report.damaged_buckets) stage_bucket(**writer, damaged.kind, damaged.bucket);
    EXPECT_EQ(sync(**writer, server).outcome, Applied::Outcome::kApplied);
    return true;
  }

  void expect_mended_by_bucket() {
    EXPECT_TRUE(mend());
    const VerifyReport report = must(verify(file));
    EXPECT_TRUE(report.sound());
    EXPECT_EQ(rows_of(file), rows_of(server));
  }

  TempDirectory directory;
  std::filesystem::path file = directory / "acme.sqlite";
  ModelServer server;
  ConnectionId shop;
  ObjectRecord object;
};

TEST_F(ReplicaDamage, AnEditedColumnIsFoundByKindBucketAndId) {
  sql("update objects set description = 'other words'" + where_object());
  const VerifyReport report = must(verify(file));
  ASSERT_EQ(report.damaged_rows.size(), 1U);
  EXPECT_EQ(report.damaged_rows[0].connection, shop);
  EXPECT_EQ(report.damaged_rows[0].kind, Kind::kObject);
  EXPECT_EQ(report.damaged_rows[0].id, object.id);
  EXPECT_EQ(report.damaged_rows[0].bucket, bucket_of(object.id));
  ASSERT_EQ(report.damaged_buckets.size(), 1U);
  EXPECT_EQ(report.damaged_buckets[0].bucket, bucket_of(object.id));
  expect_mended_by_bucket();
}

TEST_F(ReplicaDamage, ARowWhoseConnectionWasEditedIsMended) {
  sql("update objects set connection_id = randomblob(16)" + where_object());
  expect_mended_by_bucket();
}

TEST_F(ReplicaDamage, ADeletedRowIsFoundByItsBucket) {
  sql("delete from objects" + where_object());
  const VerifyReport report = must(verify(file));
  EXPECT_TRUE(report.damaged_rows.empty());
  ASSERT_EQ(report.damaged_buckets.size(), 1U);
  EXPECT_EQ(report.damaged_buckets[0].bucket, bucket_of(object.id));
  EXPECT_EQ(report.damaged_buckets[0].actual.count + 1, report.damaged_buckets[0].expected.count);
  expect_mended_by_bucket();
}

TEST_F(ReplicaDamage, AnAddedRowAWrongHashAndAWrongTypeAreFound) {
  sql("insert into objects (id, row_version, row_hash, connection_id, name, full_name, object_type, metadata, "
      "confidence, extracted_from, extraction_tier) select randomblob(16), row_version, row_hash, connection_id, 'x', "
      "full_name, object_type, metadata, confidence, extracted_from, extraction_tier from objects" +
      where_object());
  EXPECT_FALSE(must(verify(file)).sound());
  expect_mended_by_bucket();
}

TEST_F(ReplicaDamage, AnEditedHashIsFound) {
  sql("update objects set row_hash = zeroblob(16)" + where_object());
  EXPECT_EQ(must(verify(file)).damaged_rows.size(), 1U);
  expect_mended_by_bucket();
}

TEST_F(ReplicaDamage, UnknownFieldsThatWereTouchedAreFound) {
  sql("update columns set unknown_fields = x'0063010000000268AA' where unknown_fields is not null");
  EXPECT_FALSE(must(verify(file)).sound());
  expect_mended_by_bucket();
}

TEST_F(ReplicaDamage, AnIndexOfSearchThatLiesIsFoundAndMadeAnew) {
  sql("insert into search_objects (search_objects, rowid, name, full_name, description) select 'delete', seq, name, "
      "full_name, description from objects" +
      where_object());
  const VerifyReport report = must(verify(file));
  EXPECT_FALSE(report.sound());
  EXPECT_TRUE(report.damaged_buckets.empty());
  EXPECT_FALSE(report.index_problems.empty());
  expect_mended_by_bucket();
}

TEST_F(ReplicaDamage, ADamagedRowThatTheServerChangesIsMendedByThat) {
  sql("update objects set row_hash = zeroblob(16)" + where_object());
  server.begin(shop);
  object.description = "Changed on the server";
  server.put(shop, object);
  auto writer = must(Writer::open(options_for(file)));
  EXPECT_EQ(sync(*writer, server).outcome, Applied::Outcome::kApplied);
  EXPECT_TRUE(must(verify(file)).sound());
}

TEST_F(ReplicaDamage, AMismatchNamesTheKindAndTheBucketsThatAreStaged) {
  const ObjectRecord steady = make_object(shop, "steady");
  server.begin(shop);
  server.put(shop, steady);
  sync(*must(Writer::open(options_for(file))), server);
  sql("delete from objects" + where_object());
  server.begin(shop);
  object.description = "Changed on the server";
  server.put(shop, object);
  server.begin(shop);
  const ObjectRecord other = make_object(shop, "another");
  server.put(shop, other);
  sql("update objects set row_hash = zeroblob(16) where name = 'steady'");
  auto writer = must(Writer::open(options_for(file)));
  const Applied applied = sync(*writer, server);
  ASSERT_EQ(applied.outcome, Applied::Outcome::kMismatch);
  ASSERT_EQ(applied.mismatches.size(), 1U);
  EXPECT_EQ(applied.mismatches[0].kind, Kind::kObject);
  const BucketDigests ours = must(writer->bucket_digests(shop, Kind::kObject));
  const BucketDigests theirs = server.buckets(shop, Kind::kObject);
  const std::uint8_t damaged = bucket_of(steady.id);
  for (std::size_t i = 0; i < ours.size(); ++i) EXPECT_EQ(ours[i] != theirs[i], i == damaged) << i;
}

TEST_F(ReplicaDamage, BucketDigestsSeeWhatIsInTheColumns) {
  sql("update objects set description = 'other words'" + where_object());
  auto writer = must(Writer::open(options_for(file)));
  const BucketDigests ours = must(writer->bucket_digests(shop, Kind::kObject));
  const BucketDigests theirs = server.buckets(shop, Kind::kObject);
  for (std::size_t i = 0; i < ours.size(); ++i) EXPECT_EQ(ours[i] != theirs[i], i == bucket_of(object.id)) << i;
}

/// What was received and not applied yet lies in the file, perhaps for long. What happens to it there is not applied.
class ReplicaDamageOfStaged : public ReplicaDamage {
 protected:
  /// Goes on where the process before ended. The damage is seen at the end, and its buckets are all that is fetched.
  void expect_found_and_mended() {
    auto writer = must(Writer::open(asked(file)));
    const Applied seen = sync(*writer, server);
    ASSERT_EQ(seen.outcome, Applied::Outcome::kMismatch);
    must(writer->begin_repair(Timestamp::now()));
    int fetched = 0;
    for (const auto& mismatch : seen.mismatches) {
      const BucketDigests ours = must(writer->bucket_digests(shop, mismatch.kind));
      const BucketDigests theirs = server.buckets(shop, mismatch.kind);
      for (std::size_t i = 0; i < ours.size(); ++i) {
        if (ours[i] == theirs[i]) continue;
        stage_bucket(*writer, mismatch.kind, static_cast<std::uint8_t>(i));
        ++fetched;
      }
    }
    EXPECT_GE(fetched, 1);
    EXPECT_LE(fetched, 3);
    EXPECT_EQ(sync(*writer, server).outcome, Applied::Outcome::kApplied);
    writer.reset();
    EXPECT_TRUE(must(verify(file)).sound());
    EXPECT_EQ(rows_of(file), rows_of(server));
  }
};

TEST_F(ReplicaDamageOfStaged, IsFoundInWhatAnApplyWouldMerge) {
  const std::string one = " where row is not null and rowid = (select max(rowid) from sync_staged_rows)";
  int turn = 0;
  for (const std::string& damage : std::vector<std::string>{
           "update sync_staged_rows set row = (select row from sync_staged_rows where row is not null limit 1)" + one,
           "update sync_staged_rows set row = zeroblob(length(row))" + one,
           "update sync_staged_rows set row = x''" + one, "update sync_staged_rows set row_hash = randomblob(16)" + one,
           "update sync_staged_rows set row_hash = x'', row = x''" + one,
           "update sync_staged_rows set row_hash = null, row = null" + one,
           "update sync_staged_rows set id = randomblob(16)" + one,
           "update sync_staged_rows set connection_id = randomblob(16)" + one,
           "update sync_staged_rows set kind = kind % 5 + 1" + one, "delete from sync_staged_rows" + one}) {
    SCOPED_TRACE(damage);
    const std::string number = std::to_string(++turn);
    server.begin(shop);
    const ObjectRecord added = make_object(shop, "added_" + number);
    server.put(shop, added);
    object.description = "Changed " + number;
    server.put(shop, object);
    {
      auto writer = must(Writer::open(options_for(file)));
      PageStage stage = must(writer->begin_page(shop));
      must(stage.finish(server.page(shop, must(writer->position(shop)).cursor, 100, stage)));
    }
    sql(damage);
    expect_found_and_mended();
  }
}

TEST_F(ReplicaDamageOfStaged, IsFoundInAFileThatIsBeingMade) {
  for (const std::string& damage : std::vector<std::string>{
           "update objects set description = 'other words'" + where_object(),
           "update objects set row_hash = randomblob(16)" + where_object(), "delete from objects" + where_object()}) {
    SCOPED_TRACE(damage);
    {
      auto writer = must(Writer::open(asked(file)));
      must(writer->begin_new("epoch-1", NewFile::kDamaged, Timestamp::now()));
      must(writer->restart(shop, server.connections.at(shop).incarnation));
      PageStage stage = must(writer->begin_page(shop));
      must(stage.finish(server.page(shop, "", 1000, stage)));
    }
    std::filesystem::path building;
    for (const auto& entry : std::filesystem::directory_iterator(file.parent_path()))
      if (entry.path().filename().string().starts_with("acme.sqlite.") && std::isdigit(entry.path().string().back()) &&
          entry.path().filename() != std::filesystem::read_symlink(file).filename())
        building = entry.path();
    ASSERT_FALSE(building.empty());
    Database database = must(Database::open(building, Database::Mode::kWrite, 5000));
    must(database.run(damage));
    ASSERT_EQ(must(database.number("select changes()")), 1);
    database = {};
    expect_found_and_mended();
  }
}

/// The files of a replica as bytes, to be damaged again and again.
class ReplicaDamageOfBytes : public ReplicaDamage {
 protected:
  void SetUp() override {
    ReplicaDamage::SetUp();
    // Rows that do not fit into a page, rows in other pages than one, and pages that nothing is in any more.
    std::mt19937 edits(2);
    server.begin(shop);
    ObjectRecord long_one = make_object(shop, "long_one");
    long_one.definition = std::string(50'000, 'x');
    server.put(shop, long_one);
    for (int i = 0; i < 150; ++i) {
      const ObjectRecord one = make_object(shop, "one_" + std::to_string(i), std::string(300, 'y'));
      server.put(shop, one);
      const ColumnRecord column = make_column(shop, one, "of_one", 1);
      server.put(shop, column);
      if (i > 0) server.put(shop, make_dependency(shop, object, one));
      if (i > 0) server.put(shop, make_lineage(shop, object, "amount", one, "of_one"));
    }
    sync(*must(Writer::open(options_for(file))), server);
    sql("create table gone (x); with recursive n(i) as (select 1 union all select i + 1 from n where i < 40) "
        "insert into gone select randomblob(8000) from n; drop table gone");
    sql("pragma wal_checkpoint(truncate)");
    database = std::filesystem::canonical(file);
    number = *ReplicaFiles(file).present();
    good = bytes_of(database);
    checkpointed = server;
    // Another version, in the log alone.
    change(server, shop, edits, 40);
    {
      auto writer = must(Writer::open(options_for(file)));
      sync(*writer, server);
      good_log = bytes_of(database.string() + "-wal");
    }
    logged = server;
    change(server, shop, edits, 40);
  }

  static std::string bytes_of(const std::filesystem::path& path) {
    std::ifstream stream(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(stream), {}};
  }
  void put(const std::string& bytes, const std::string& log) {
    for (const int other : ReplicaFiles(file).databases()) ReplicaFiles(file).remove(other);
    std::filesystem::remove(file);
    std::filesystem::remove(file.string() + ".repairs");
    std::filesystem::create_symlink(database.filename(), file);
    std::ofstream(ReplicaFiles(file).database(number), std::ios::binary) << bytes;
    if (!log.empty()) std::ofstream(ReplicaFiles(file).database(number).string() + "-wal", std::ios::binary) << log;
  }
  /// A place for each kind of page of each table and index.
  std::map<std::string, std::vector<std::size_t>> pages_by_kind() {
    Database open = must(Database::open(file, Database::Mode::kRead, 5000));
    Statement pages = must(open.prepare("select name || ' ' || pagetype, pageno from dbstat"));
    std::map<std::string, std::vector<std::size_t>> found;
    std::set<std::size_t> used;
    while (must(pages.step())) {
      found[pages.text_at(0)].push_back(static_cast<std::size_t>(pages.integer_at(1)) - 1);
      used.insert(static_cast<std::size_t>(pages.integer_at(1)) - 1);
    }
    for (std::size_t page = 0; page < good.size() / kPage; ++page)
      if (!used.contains(page)) found["free"].push_back(page);
    return found;
  }

  /// Whatever is asked: an answer, or an error.
  void ask_everything() {
    auto reader = Reader::open(file);
    if (!reader) return;
    auto view = reader->view();
    if (!view) return;
    static_cast<void>(view->status());
    static_cast<void>(view->search({.text = "one"}));
    static_cast<void>(view->search({.text = "words"}));
    static_cast<void>(view->lineage_states());
    for (const char* name : {"long_one", "of_interest", "one_7.of_one", "nosuch"}) {
      const auto found = view->resolve(name);
      if (!found || !found->target) continue;
      static_cast<void>(view->show(found->target->object.id));
      static_cast<void>(view->docs(found->target->object.id));
      static_cast<void>(view->columns(found->target->object.id));
      static_cast<void>(view->impact(*found->target));
      for (const Direction direction : {Direction::kUpstream, Direction::kDownstream})
        static_cast<void>(view->lineage({.from = *found->target, .direction = direction, .influence = true}));
    }
  }

  /// A sync, as sync::Engine does it. `server` is a version ahead of what was damaged.
  void pull() {
    Applied applied;
    try {
      auto writer = must(Writer::open(options_for(file)));
      must(writer->state());
      applied = sync(*writer, server);
    } catch (const Failure& failure) {
      ASSERT_TRUE(is_damage(failure.error)) << failure.what();
      make_anew();
      return;
    }
    if (applied.outcome == Applied::Outcome::kMismatch) make_anew();
  }

  void mend_in_any_way() {
    try {
      if (!mend() || must(verify(file)).sound()) return;
    } catch (const Failure& failure) {
      EXPECT_TRUE(is_damage(failure.error)) << failure.what();
    }
    make_anew();
  }

  void expect_sound(const ModelServer& wanted, const std::string& what) {
    const VerifyReport after = must(verify(file));
    ASSERT_TRUE(after.sound()) << what << (after.file_problems.empty() ? "" : ": " + after.file_problems[0]);
    ASSERT_EQ(rows_of(file), rows_of(wanted)) << what;
  }

  /// What the damage is: of `bytes`, at a page or a place.
  std::string damage(std::string& bytes, std::size_t at, std::size_t length) {
    const char* const kind = std::array{"zeros", "noise", "a bit", "a few bytes"}[random() % 4];
    const auto put_byte = [&](std::size_t i, std::uint_fast32_t value) { bytes[i] = static_cast<char>(value); };
    if (kind[0] == 'z')
      std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(at), length, '\0');
    else if (kind[0] == 'n')
      for (std::size_t i = at; i < at + length; ++i) put_byte(i, random());
    else if (kind[2] == 'b')
      bytes[at + random() % length] ^= static_cast<char>(1 << random() % 8);
    else
      for (std::size_t i = 0; i < 4; ++i) put_byte(at + random() % length, random());
    return kind;
  }

  /// Verify, repair and sync what was put there; true: verify had nothing to say.
  bool check(const std::string& bytes, const std::string& log, const std::string& what) {
    SCOPED_TRACE(what);
    put(bytes, log);
    ask_everything();
    const auto report = verify(file);
    if (!report) {
      ADD_FAILURE() << what << ": " << describe(report.error()) << " [" << report.error().detail << "]";
      return false;
    }
    if (report->sound()) {
      const auto rows = rows_of(file);
      // What stands only in the log may be lost with it; half of it never is.
      EXPECT_TRUE(rows == rows_of(log.empty() ? checkpointed : logged) ||
                  (!log.empty() && rows == rows_of(checkpointed)))
          << what;
    }
    pull();
    if (HasFatalFailure()) return false;
    const auto synced = verify(file);
    if (!synced) {
      ADD_FAILURE() << what << ": " << describe(synced.error()) << " [" << synced.error().detail << "]";
      return false;
    }
    if (!synced->sound()) {
      mend_in_any_way();
    }
    expect_sound(server, what + ", synced");
    if (HasFatalFailure() || report->sound()) return report->sound();
    put(bytes, log);
    mend_in_any_way();
    expect_sound(server, what + ", mended");
    return false;
  }

  static constexpr std::size_t kPage = 8192;
  std::filesystem::path database;
  int number = 0;
  std::string good, good_log;
  ModelServer checkpointed, logged;
  std::mt19937 random{20'260'101};
};

TEST_F(ReplicaDamageOfBytes, OfAnyKindOfPageIsFoundAndMended) {
  int kinds = 0, found = 0;
  for (const auto& [kind, pages] : pages_by_kind()) {
    ++kinds;
    for (int i = 0; i < 2; ++i) {
      const std::size_t page = pages[random() % pages.size()];
      std::string bad = good;
      const std::string what = damage(bad, page * kPage, kPage);
      found += check(bad, "", what + " in page " + std::to_string(page) + ", " + kind) ? 0 : 1;
      if (HasFailure()) return;
    }
  }
  EXPECT_GT(kinds, 40);  // tables, indexes, the search index's, overflow and interior pages
  EXPECT_GT(found, kinds);
}

TEST_F(ReplicaDamageOfBytes, OfTheHeaderIsFoundAndMended) {
  for (std::size_t at = 0; at < 100; ++at) {
    std::string bad = good;
    bad[at] ^= static_cast<char>(1 << random() % 8);
    check(bad, "", "a bit of byte " + std::to_string(at));
    if (HasFailure()) return;
  }
}

TEST_F(ReplicaDamageOfBytes, OfTheLogLosesItOrIsFound) {
  for (int i = 0; i < 40; ++i) {
    std::string bad = good_log;
    const std::size_t length = std::min<std::size_t>(i % 2 == 0 ? 64 : kPage, bad.size());
    const std::string what = damage(bad, random() % (bad.size() - length + 1), length);
    check(good, bad, what + " in the log");
    if (HasFailure()) return;
  }
  check(good, good_log.substr(0, good_log.size() / 2), "half of the log");
}

TEST_F(ReplicaDamageOfBytes, OfTheStateIsFoundAndMended) {
  // What no row's hash covers.
  const std::vector<std::string> edits{
      "update sync_state set value = 'another' where key = 'organization'",
      "update sync_state set value = 'https://elsewhere.example.org' where key = 'server'",
      "update sync_state set value = 'another' where key = 'epoch'",
      "delete from sync_state where key = 'server'",
      "update sync_connections set cursor = cursor || 'x'",
      "update sync_connections set valid_through = valid_through + 100",
      "update sync_connections set incarnation = incarnation + 1",
      "update sync_connections set digest = zeroblob(168)",
      "update sync_fields set column_name = 'nosuch' where kind = 3 and tag = 5",
      "delete from sync_fields",
      "pragma user_version = 77",
      "pragma application_id = 77",
      "drop index objects_by_name",
      "drop table search_objects",
      "drop table files",
      "delete from search_columns_config",
      "delete from search_columns_data where id = 10",
  };
  for (const auto& edit : edits) {
    put(good, "");
    {
      Database open = must(Database::open(file, Database::Mode::kWrite, 5000));
      static_cast<void>(open.run("pragma writable_schema = on"));
      must(open.run(edit));
      must(open.run("pragma wal_checkpoint(truncate)"));
    }
    const std::string bad = bytes_of(ReplicaFiles(file).database(number));
    EXPECT_FALSE(check(bad, "", edit)) << edit;
    if (HasFailure()) return;
  }
}

}  // namespace
}  // namespace tideline::replica::test
