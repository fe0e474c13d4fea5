#pragma once
// One pull: from wherever the replica stands to the server's present version, verified. Also what is done when the two
// do not agree: buckets are fetched again, or a new file is begun; each at most once a call, and within the replica's
// own bounds, so nothing turns into a loop of full syncs.
//
// Pages are fetched in a thread of their own while the last ones are staged in the caller's.

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "replica/replica.h"
#include "sync/api.h"

namespace tideline::sync {

struct PullProgress {
  std::string stage;        // "receiving", "applying", "repairing"
  std::int64_t rows = 0;    // received so far
  std::int64_t total = 0;   // expected, from the server's counts; 0: not known
  std::uint64_t bytes = 0;  // on the wire
};

struct PullReport {
  bool changed = false;  // the replica has other rows than before
  std::optional<Version> version;
  Version server_version;
  std::string epoch;  // the server's
  std::string etag;   // of the heads this was pulled to: what long polls wait with
  std::int64_t rows_received = 0;
  std::int64_t rows_written = 0;
  std::int64_t rows_removed = 0;
  std::uint64_t bytes_received = 0;
  bool new_file = false;
  std::int64_t buckets_repaired = 0;
  std::vector<ConnectionId> removed;  // that the server no longer has
  std::vector<std::string> notes;     // what happened beyond the ordinary, a sentence each
};

/// Which connections the replica is to hold.
struct Wanted {
  bool all = false;  // whatever the server has
  std::vector<ConnectionId> connections;

  bool has(ConnectionId id) const {
    return all || std::find(connections.begin(), connections.end(), id) != connections.end();
  }
};

/// Owns the replica's writer for its life. Not thread-safe.
class Engine {
 public:
  Engine(Api& api, replica::WriterOptions options) : api_(api), options_(std::move(options)) {}

  /// Takes the replica; to be called before anything else. A damaged one is opened, too, and made anew by the next
  /// pull. Errors: those of replica::Writer::open.
  Result<void> open();
  /// As open, for a rebuild: nothing of what is there is looked at, for it is known to be damaged.
  Result<void> open_damaged();
  replica::Writer& writer() { return *writer_; }

  std::function<void(const PullProgress&)> on_progress;

  /// After it, the replica holds exactly `wanted` (as far as the server has them) at one version. Failures leave the
  /// replica as it was, and what was staged is gone on with next time. kDenied: the replica is closed to readers.
  Answer<PullReport> pull(const Wanted& wanted);

  /// Buckets whose rows are not what they were verified as (replica/verify.h), or all of a new file where that does not
  /// help; then as pull. kLocal with kResourceExhausted: one was less than ten minutes ago, and nobody asked for this.
  Answer<PullReport> repair(const Wanted& wanted, const std::vector<replica::Mismatch>& damaged);
  /// Everything anew, into a new file.
  Answer<PullReport> rebuild(const Wanted& wanted, replica::NewFile why);

 private:
  struct Job {
    ConnectionId connection;
    std::string cursor;
    Version seen{};  // of the cursor: no page of an older state is the server's
  };
  enum class Step { kDone, kAgain };

  void begin();
  /// What `pull` answered, or a new file where the one that is here turned out to be damaged.
  Answer<PullReport> or_anew(const Wanted& wanted, Answer<PullReport> report);
  Answer<PullReport> run(const Wanted& wanted);
  Answer<PullReport> anew(const Wanted& wanted, replica::NewFile why);
  Answer<Step> step(const Wanted& wanted);
  Answer<Step> settle();
  Answer<void> fetch(const std::vector<Job>& jobs);
  Answer<void> stage(const Job& job, const ReceivedPage& page);
  Answer<void> fetch_buckets(const std::vector<replica::Mismatch>& mismatches);
  Answer<void> begin_new(replica::NewFile why);
  Answer<Step> gone(ConnectionId connection, SyncError error);
  void progress(const char* stage);

  Api& api_;
  replica::WriterOptions options_;
  std::unique_ptr<replica::Writer> writer_;
  bool damaged_ = false;
  PullReport report_;
  PullProgress progress_;
  std::string epoch_;      // of the last heads
  ConnectionId fetching_;  // whose page failed
  bool repaired_ = false;
  bool rebuilt_ = false;
  std::vector<std::pair<ConnectionId, std::string>> answered_;  // 410s that were acted on
};

}  // namespace tideline::sync
