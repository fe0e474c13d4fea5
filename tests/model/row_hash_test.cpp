#include "model/row_hash.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "base/text.h"

namespace tideline {
namespace {

const ConnectionId kConnection{*Uuid::parse("00000000-0000-4000-8000-000000000001")};

FileRecord file() {
  FileRecord record;
  record.id = file_id(kConnection, "models/orders.sql");
  record.connection_id = kConnection.value;
  record.relative_path = "models/orders.sql";
  record.file_type = "sql";
  record.parser_used = "dbt-manifest";
  return record;
}

TEST(RowHash, FileVector) {
  EXPECT_EQ(file().id.to_string(), "913e214b-9dfe-568d-bec2-a6539a208574");
  EXPECT_EQ(hex(row_hash(file()).bytes), "bb751b5b6abbd1047066afb93bff5ee9");
}

TEST(RowHash, NullAndEmptyDiffer) {
  FileRecord empty = file();
  empty.dialect = "";
  EXPECT_NE(row_hash(empty), row_hash(file()));
}

TEST(RowHash, ValueMovedToTheNextFieldDiffers) {
  FileRecord a = file(), b = file();
  a.dialect = "x";
  b.file_hash = "x";
  EXPECT_NE(row_hash(a), row_hash(b));
}

TEST(RowHash, TagsAscend) {
  const auto check = [](auto record) {
    int last = 0;
    decltype(record)::for_each_field(record, [&](int tag, const auto&) {
      EXPECT_EQ(tag, last + 1);
      last = tag;
    });
  };
  check(ConnectionRecord{}), check(FileRecord{}), check(ObjectRecord{}), check(ColumnRecord{}),
      check(DependencyRecord{});
  check(ColumnLineageRecord{}), check(DocumentationRecord{});
}

RC_GTEST_PROP(Digest, IsTheSameInAnyOrderAndUndoable, (const std::vector<std::string>& paths)) {
  KindDigest forward, backward;
  std::vector<RowHash> hashes;
  for (const auto& path : paths) {
    FileRecord record = file();
    record.relative_path = path;
    hashes.push_back(row_hash(record));
  }
  for (const auto& hash : hashes) forward.add(hash);
  for (auto it = hashes.rbegin(); it != hashes.rend(); ++it) backward.add(*it);
  RC_ASSERT(forward == backward);
  Digest digest;
  digest.of(Kind::kFile) = forward;
  RC_ASSERT(Digest::from_bytes(digest.to_bytes()) == digest);
  for (const auto& hash : hashes) forward.remove(hash);
  RC_ASSERT(forward == KindDigest{});
}

TEST(Digest, TwoEqualWrongRowsDoNotCancel) {
  KindDigest digest;
  digest.add(row_hash(file()));
  digest.add(row_hash(file()));
  EXPECT_NE(digest.sum, 0);
}

}  // namespace
}  // namespace tideline
