#pragma once
// The check of a replica against itself: every hash anew from the columns, the digests from the hashes, SQLite's own
// check of its pages and indexes, and the search index against the rows. Reads one snapshot; needs no lock, and may run
// beside a writer. O(rows): some 0.2 s for 76,000.

#include <filesystem>
#include <string>
#include <vector>

#include "replica/replica.h"

namespace tideline::replica {

/// A row whose columns do not make the hash it is kept with.
struct DamagedRow {
  ConnectionId connection;
  Kind kind = Kind::kConnection;
  std::uint8_t bucket = 0;
  Uuid id;
  std::string what;
};

/// A bucket whose rows do not make the digest that was verified against the server.
struct DamagedBucket {
  ConnectionId connection;
  Kind kind = Kind::kConnection;
  std::uint8_t bucket = 0;
  KindDigest expected;
  KindDigest actual;
};

struct VerifyReport {
  std::int64_t rows = 0;
  std::vector<ConnectionId> connections;
  std::vector<DamagedRow> damaged_rows;        // at most kMaxListed
  std::vector<DamagedBucket> damaged_buckets;  // all of them: what a repair fetches
  std::vector<std::string> file_problems;      // SQLite's, or a page that cannot be read: only a new file mends these
  std::vector<std::string> index_problems;     // the search index alone

  static constexpr std::size_t kMaxListed = 1000;
  bool sound() const {
    return damaged_rows.empty() && damaged_buckets.empty() && file_problems.empty() && index_problems.empty();
  }
};

/// kNotFound: no replica. Damage is a report, not an error.
Result<VerifyReport> verify(const std::filesystem::path& file);

}  // namespace tideline::replica
