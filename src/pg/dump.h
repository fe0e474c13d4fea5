#pragma once
// A logical copy of some schemas of a database in a file, and putting one back: PostgreSQL's own pg_dump, pg_restore
// and psql, run to their end. Not for copies at a point in time (that is the operator's PostgreSQL). Blocking: minutes
// for large databases. Passwords are handed over in a file, not on a command line that others can read.

#include <filesystem>
#include <string>
#include <vector>

#include "base/error.h"

namespace tideline::pg {

struct DumpOptions {
  std::string conninfo;  // string or URL; a login that may read everything (row level security is no part of a copy)
  std::vector<std::string> schemas;
  std::filesystem::path file;  // made with mode 0600; replaced as a whole, at the end
  /// PGDATA of a private cluster: the programs of its version are used. Empty: the newest.
  std::filesystem::path data = {};
};

/// All of one moment, while others write. kNotFound: the programs are not installed; kUnavailable with what pg_dump
/// said.
Result<void> dump(const DumpOptions& options);

/// Replaces the schemas that `options.file` holds, and runs `epilogue` (SQL), in one transaction: either all of it
/// happened, or nothing did. kCorrupt: the file is no dump; kUnavailable with what psql said.
Result<void> restore(const DumpOptions& options, const std::string& epilogue);

}  // namespace tideline::pg
