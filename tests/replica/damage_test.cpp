// What somebody or something did to the file behind our back is found, named, and mended from buckets or by a new file.

#include <fstream>

#include <gtest/gtest.h>

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

  /// As a client does: buckets of what was named, a new file where that does not help.
  bool mend() {
    const VerifyReport report = must(verify(file));
    auto writer = Writer::open(options_for(file));
    if (!report.file_problems.empty() || !writer) {
      if (writer) writer = tl::unexpected(Error{});
      writer = Writer::open(options_for(file), true);
      must((*writer)->begin_new("epoch-1", NewFile::kDamaged, Timestamp::now()));
      sync(**writer, server);
      return false;
    }
    must((*writer)->begin_repair(Timestamp::now()));
    for (const auto& damaged : report.damaged_buckets) {
      BucketStage stage = must((*writer)->begin_bucket(shop, damaged.kind, damaged.bucket));
      KindDigest digest;
      for (const auto& [id, row] : server.connections.at(shop).rows)
        if (row.kind == damaged.kind && bucket_of(id) == damaged.bucket && !row.bytes.empty()) {
          const RowHash hash = hash_of_row_bytes(row.bytes);
          must(stage.row({row.version, hash, row.bytes}));
          digest.add(hash);
        }
      must(stage.finish({.connection = shop,
                         .snapshot = server.version,
                         .kind = damaged.kind,
                         .bucket = damaged.bucket,
                         .digest = digest}));
    }
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

/// No change of the file's bytes passes for sound unless the rows are still those of the server.
TEST_F(ReplicaDamage, FlippedBytesAndZeroedPagesAreNeverTrusted) {
  const auto database = std::filesystem::canonical(file);
  {
    Database open = must(Database::open(file, Database::Mode::kWrite, 5000));
    must(open.run("pragma wal_checkpoint(truncate)"));
  }
  std::string good;
  {
    std::ifstream stream(database, std::ios::binary);
    good.assign(std::istreambuf_iterator<char>(stream), {});
  }
  const auto expected = rows_of(server);
  const auto number = ReplicaFiles(file).present();
  std::mt19937 random(7);
  int found = 0;
  const auto try_with = [&](const std::string& bytes, const std::string& what) {
    for (const int other : ReplicaFiles(file).databases()) ReplicaFiles(file).remove(other);
    std::filesystem::remove(file);
    std::filesystem::remove(file.string() + ".repairs");
    std::filesystem::create_symlink(database.filename(), file);
    std::ofstream(ReplicaFiles(file).database(*number), std::ios::binary) << bytes;
    const auto report = verify(file);
    if (report && report->sound()) {
      ASSERT_EQ(rows_of(file), expected) << what;
      return;
    }
    ++found;
    mend();
    ASSERT_TRUE(must(verify(file)).sound()) << what;
    ASSERT_EQ(rows_of(file), expected) << what;
  };
  for (int i = 0; i < 60; ++i) {
    std::string bad = good;
    const std::size_t at = random() % bad.size();
    bad[at] = static_cast<char>(bad[at] ^ (1 << random() % 8));
    try_with(bad, "byte " + std::to_string(at));
    if (HasFatalFailure()) return;
  }
  for (std::size_t page = 0; page < good.size() / 8192; page += 3) {
    std::string bad = good;
    bad.replace(page * 8192, 8192, 8192, '\0');
    try_with(bad, "page " + std::to_string(page));
    if (HasFatalFailure()) return;
  }
  EXPECT_GT(found, 20);
}

}  // namespace
}  // namespace tideline::replica::test
