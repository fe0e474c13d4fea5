#include "sync/engine.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <set>
#include <thread>

namespace tideline::sync {
namespace {

using replica::Applied;
using replica::NewFile;

/// Rounds of heads, fetch and apply until all connections stand at one version: two where pushes land meanwhile. More
/// means that something answers what it should not.
constexpr int kMaxRounds = 16;
/// Pages that wait to be staged. Each is some megabytes; more would be memory without use.
constexpr std::size_t kMaxQueuedPages = 2;
/// A connection that is paged for ever, its cursor going nowhere, is none of ours.
constexpr int kMaxPagesWithoutRows = 16;

tl::unexpected<SyncError> corrupt(std::string message) {
  return tl::unexpected(SyncError{Trouble::kCorrupt, Error{Code::kCorrupt, std::move(message), {}, {}}});
}

}  // namespace

// A failure of the replica is this machine's.
#define TRY_LOCAL(decl, ...) TIDELINE_TRY_LOCAL_(TIDELINE_CONCAT(try_, __COUNTER__), decl, (__VA_ARGS__))
#define TIDELINE_TRY_LOCAL_(tmp, decl, expr)              \
  auto tmp = (expr);                                      \
  if (!tmp) return local_failure(std::move(tmp).error()); \
  decl = std::move(*tmp)
#define TRY_LOCAL_VOID(...)                                                                             \
  do {                                                                                                  \
    if (auto try_void_ = (__VA_ARGS__); !try_void_) return local_failure(std::move(try_void_).error()); \
  } while (false)

void Engine::progress(const char* stage) {
  progress_.stage = stage;
  if (on_progress) on_progress(progress_);
}

Result<void> Engine::open() {
  writer_.reset();
  auto writer = replica::Writer::open(options_);
  if (!writer && replica::is_damage(writer.error())) return open_damaged();
  if (!writer) return fail(std::move(writer.error()));
  damaged_ = false;
  writer_ = std::move(*writer);
  return {};
}

Result<void> Engine::open_damaged() {
  writer_.reset();
  TRY(writer_, replica::Writer::open(options_, true));
  damaged_ = true;
  return {};
}

void Engine::begin() {
  report_ = {};
  progress_ = {};
  repaired_ = rebuilt_ = false;
  answered_.clear();
}

Answer<PullReport> Engine::pull(const Wanted& wanted) {
  begin();
  if (damaged_) return anew(wanted, NewFile::kDamaged);
  return or_anew(wanted, run(wanted));
}

Answer<PullReport> Engine::repair(const Wanted& wanted, const std::vector<replica::Mismatch>& damaged) {
  begin();
  repaired_ = true;
  TRY_LOCAL_VOID(writer_->begin_repair(Timestamp::now()));
  const auto fetched = fetch_buckets(damaged);
  return or_anew(wanted, fetched ? run(wanted) : Answer<PullReport>(tl::unexpected(fetched.error())));
}

Answer<PullReport> Engine::or_anew(const Wanted& wanted, Answer<PullReport> report) {
  const bool unreadable =
      !report && report.error().trouble == Trouble::kLocal && replica::is_damage(report.error().error);
  if (!unreadable) return report;
  // Opened as it is, it would be found damaged again at the same place.
  TRY_LOCAL_VOID(open_damaged());
  begin();
  return anew(wanted, NewFile::kDamaged);
}

Answer<PullReport> Engine::rebuild(const Wanted& wanted, NewFile why) {
  begin();
  return anew(wanted, why);
}

Answer<PullReport> Engine::anew(const Wanted& wanted, NewFile why) {
  TRY(const auto heads, api_.heads());
  if (!heads) return corrupt("the server says that nothing changed although it was not asked so");
  epoch_ = heads->epoch;
  if (why == NewFile::kDamaged) report_.notes.push_back("The replica was damaged and is made anew.");
  TRY_LOCAL(const auto state, writer_->state());
  // One that was begun when the server could not be reached to the end is gone on with.
  if (!damaged_ || !state.building || state.epoch != epoch_) TRY_VOID(begin_new(why));
  report_.new_file = true;
  repaired_ = true;  // a new file that does not agree is not mended bucket by bucket
  damaged_ = false;
  return run(wanted);
}

Answer<PullReport> Engine::run(const Wanted& wanted) {
  for (int round = 0; round < kMaxRounds; ++round) {
    auto step = this->step(wanted);
    if (!step) {
      // A new file that does not fit would only keep the room that is missing.
      if (step.error().trouble == Trouble::kLocal && step.error().error.code == Code::kResourceExhausted)
        if (const auto state = writer_->state(); state && state->building) static_cast<void>(writer_->drop_staging());
      if (step.error().trouble == Trouble::kDenied)
        TRY_LOCAL_VOID(writer_->close_to_readers(step.error().error.message));
      return tl::unexpected(std::move(step.error()));
    }
    if (*step == Step::kDone) return std::move(report_);
  }
  return tl::unexpected(SyncError{
      Trouble::kBusy, Error{Code::kUnavailable, "the server's connections did not come to one version", {}, {}}});
}

Answer<void> Engine::begin_new(NewFile why) {
  if (rebuilt_)
    return corrupt("a new replica was made and does not agree with the server either: this is for its operator to see");
  rebuilt_ = true;
  TRY_LOCAL_VOID(writer_->begin_new(epoch_, why, Timestamp::now()));
  report_.new_file = true;
  return {};
}

Answer<Engine::Step> Engine::step(const Wanted& wanted) {
  TRY(auto answer, api_.heads());
  if (!answer) return corrupt("the server says that nothing changed although it was not asked so");
  const Heads heads = std::move(*answer);
  epoch_ = report_.epoch = heads.epoch;
  report_.server_version = heads.version;
  report_.etag = heads.etag();
  if (heads.schema < replica::kSyncSchema)
    return tl::unexpected(SyncError{Trouble::kRefused, Error{Code::kUnsupported,
                                                             "the server is older than this program",
                                                             "ask its operator to update it, or use an older program",
                                                             {}}});

  TRY_LOCAL(auto state, writer_->state());
  if (state.epoch.empty()) {
    TRY_LOCAL_VOID(writer_->begin_new(heads.epoch, NewFile::kFirstSync, Timestamp::now()));
    report_.new_file = true;
  } else if (state.epoch != heads.epoch) {
    report_.notes.push_back("The server was restored from a backup, so the replica is made anew.");
    TRY_VOID(begin_new(NewFile::kEpoch));
  } else if (state.schema != replica::kSyncSchema) {
    TRY_VOID(begin_new(NewFile::kSchema));
  }

  std::vector<ConnectionId> connections;
  if (wanted.all) {
    for (const auto& head : heads.connections) connections.push_back(head.id);
  } else {
    for (const auto& id : wanted.connections)
      if (heads.find(id)) connections.push_back(id);
  }
  TRY_LOCAL(state, writer_->state());
  for (const auto& position : state.connections) {
    if (std::find(connections.begin(), connections.end(), position.connection) != connections.end()) continue;
    if (!heads.find(position.connection)) {
      // Heads older than what is here (a stale answer, a server that lost something) do not know: its changes do.
      if (heads.version < position.valid_through && wanted.has(position.connection)) {
        connections.push_back(position.connection);
        continue;
      }
      report_.removed.push_back(position.connection);
    }
    TRY_LOCAL_VOID(writer_->remove(position.connection));
  }

  std::vector<Job> jobs;
  progress_.total = 0;
  for (const auto& id : connections) {
    TRY_LOCAL(auto position, writer_->position(id));
    // What the server itself does not have any more, no page can be of.
    const Version seen = position.cursor.empty() ? Version{} : std::min(position.valid_through, heads.version);
    if (!heads.find(id)) {
      jobs.push_back({id, position.cursor, seen});
      continue;
    }
    const ConnectionHead& head = *heads.find(id);
    const bool known = position.version.value > 0 || !position.cursor.empty();
    if (!known || position.incarnation != head.incarnation) {
      TRY_LOCAL_VOID(writer_->restart(id, head.incarnation));
      TRY_LOCAL(position, writer_->position(id));
    }
    const bool same = !position.staged && position.version == head.version && position.digest == head.digest &&
                      heads.version >= position.valid_through;
    if (same && position.version.value > 0) {
      TRY_LOCAL_VOID(writer_->confirm(id, head.version, head.digest, heads.version));
      continue;
    }
    std::int64_t there = 0, here = 0;
    for (std::size_t kind = 0; kind < kKindCount; ++kind) {
      there += head.digest.kinds[kind].count;
      here += position.digest.kinds[kind].count;
    }
    progress_.total += position.cursor.empty() ? there : std::max<std::int64_t>(there - here, 0);
    jobs.push_back({id, position.cursor, seen});
  }
  if (auto fetched = fetch(jobs); !fetched) {
    if (fetched.error().trouble == Trouble::kGone || fetched.error().trouble == Trouble::kNotFound)
      return gone(fetching_, std::move(fetched.error()));
    return tl::unexpected(std::move(fetched.error()));
  }
  return settle();
}

Answer<Engine::Step> Engine::settle() {
  progress("applying");
  TRY_LOCAL(auto applied, writer_->apply());
  switch (applied.outcome) {
    case Applied::Outcome::kApplied:
      report_.rows_written += applied.rows;
      report_.rows_removed += applied.removed;
      report_.version = applied.version;
      report_.changed = applied.rows > 0 || applied.removed > 0 || applied.swapped;
      return Step::kDone;
    case Applied::Outcome::kIncomplete:
      // Pushes landed between the connections' pages: what was staged stays, the rest is fetched to the newer version.
      return Step::kAgain;
    case Applied::Outcome::kMismatch:
      break;
  }
  if (!repaired_) {
    repaired_ = true;
    report_.notes.push_back(
        "The replica did not agree with the server's digest, so the differing parts were fetched again.");
    if (auto allowed = writer_->begin_repair(Timestamp::now()); !allowed) {
      if (allowed.error().code != Code::kResourceExhausted) return local_failure(std::move(allowed.error()));
    } else {
      TRY_VOID(fetch_buckets(applied.mismatches));
      return Step::kAgain;
    }
  }
  report_.notes.push_back("The replica did not agree with the server's digest and was made anew.");
  TRY_VOID(begin_new(NewFile::kMismatch));
  return Step::kAgain;
}

/// The server no longer goes on from where this replica stands. Each reason of each connection is acted on once.
Answer<Engine::Step> Engine::gone(ConnectionId connection, SyncError error) {
  const std::string reason = error.trouble == Trouble::kNotFound ? "connection_removed" : error.gone;
  const auto answered = std::pair(connection, reason);
  if (std::find(answered_.begin(), answered_.end(), answered) != answered_.end())
    return tl::unexpected(std::move(error));
  answered_.push_back(answered);
  if (reason == "below_floor") {
    report_.notes.push_back(
        "The replica is older than what the server can bring forward, so a connection was fetched anew.");
    TRY(auto answer, api_.heads());
    const ConnectionHead* head = answer ? answer->find(connection) : nullptr;
    if (!head) return Step::kAgain;
    TRY_LOCAL_VOID(writer_->restart(connection, head->incarnation));
    return Step::kAgain;
  }
  if (reason == "connection_removed") {
    // Gone, or registered again meanwhile: the next heads say which.
    return Step::kAgain;
  }
  if (reason == "epoch") return Step::kAgain;  // the next heads have the new one
  if (reason == "ahead" || reason == "fork") {
    report_.notes.push_back("The server's history is another one than this replica's, so the replica is made anew.");
    TRY_VOID(begin_new(NewFile::kForked));
    return Step::kAgain;
  }
  if (reason == "schema") {
    TRY_VOID(begin_new(NewFile::kSchema));
    return Step::kAgain;
  }
  return tl::unexpected(std::move(error));
}

Answer<void> Engine::stage(const Job& job, const ReceivedPage& page) {
  auto end = wire::ChangesEnd::parse(page.end_json);
  if (!end) return tl::unexpected(SyncError{Trouble::kCorrupt, std::move(end.error())});
  const auto refused = [](Error error) {
    const Trouble trouble = error.code == Code::kCorrupt ? Trouble::kCorrupt : Trouble::kLocal;
    return tl::unexpected(SyncError{trouble, std::move(error)});
  };
  auto stage = writer_->begin_page(job.connection);
  if (!stage) return refused(std::move(stage.error()));
  for (const auto& row : page.rows)
    if (auto taken = stage->row(page.row(row)); !taken) return refused(std::move(taken.error()));
  for (const auto& tombstone : page.tombstones)
    if (auto taken = stage->tombstone(tombstone); !taken) return refused(std::move(taken.error()));
  if (auto finished = stage->finish(*end); !finished) return refused(std::move(finished.error()));
  progress_.rows += static_cast<std::int64_t>(page.rows.size() + page.tombstones.size());
  progress_.bytes += page.received_bytes;
  report_.rows_received += static_cast<std::int64_t>(page.rows.size() + page.tombstones.size());
  report_.bytes_received += page.received_bytes;
  progress("receiving");
  return {};
}

Answer<void> Engine::fetch(const std::vector<Job>& jobs) {
  if (jobs.empty()) return {};
  progress("receiving");
  struct Item {
    const Job* job = nullptr;
    Answer<ReceivedPage> page;
  };
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<Item> queue;
  bool ended = false;
  bool given_up = false;
  std::exception_ptr thrown;

  // Runs beside the staging: the next page is asked for as soon as the end of the last one says with which cursor.
  const auto receive = [&] {
    const auto put = [&](Item item) {
      std::unique_lock lock(mutex);
      changed.wait(lock, [&] { return queue.size() < kMaxQueuedPages || given_up; });
      if (given_up) return false;
      queue.push_back(std::move(item));
      changed.notify_all();
      return true;
    };
    for (const Job& job : jobs) {
      std::string cursor = job.cursor;
      std::set<std::string> passed{cursor};
      Version seen = job.seen;
      int without_rows = 0;
      for (bool more = true; more;) {
        auto page = api_.changes(job.connection, cursor);
        if (page) {
          const auto end = wire::ChangesEnd::parse(page->end_json);
          if (!end) {
            page = tl::unexpected(SyncError{Trouble::kCorrupt, end.error()});
          } else {
            more = !end->up_to_date;
            const bool is_empty = page->rows.empty() && page->tombstones.empty();
            without_rows = is_empty ? without_rows + 1 : 0;
            const bool is_earlier = end->snapshot < seen || (!is_empty && passed.contains(end->cursor));
            if (end->connection != job.connection || is_earlier)
              page = mixed_up("a page of changes");
            else if (more && (end->cursor == cursor || without_rows > kMaxPagesWithoutRows))
              page = corrupt("the server's pages do not come to an end");
            else
              passed.insert(cursor = end->cursor), seen = end->snapshot;
          }
        }
        const bool failed = !page;
        if (!put({&job, std::move(page)}) || failed) return;
      }
    }
  };
  std::thread receiver([&] {
    try {
      receive();
    } catch (...) {
      thrown = std::current_exception();
    }
    const std::lock_guard lock(mutex);
    ended = true;
    changed.notify_all();
  });

  Answer<void> result;
  for (;;) {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return !queue.empty() || ended; });
    if (queue.empty()) break;
    Item item = std::move(queue.front());
    queue.pop_front();
    changed.notify_all();
    lock.unlock();
    if (item.page) {
      result = stage(*item.job, *item.page);
    } else {
      fetching_ = item.job->connection;
      result = tl::unexpected(std::move(item.page.error()));
    }
    if (!result) {
      lock.lock();
      given_up = true;
      changed.notify_all();
      break;
    }
  }
  receiver.join();
  if (thrown) std::rethrow_exception(thrown);
  return result;
}

Answer<void> Engine::fetch_buckets(const std::vector<replica::Mismatch>& mismatches) {
  TRY_LOCAL(const auto state, writer_->state());
  const Version at_least = std::max(report_.server_version, state.version.value_or(Version{}));
  for (const auto& mismatch : mismatches) {
    progress("repairing");
    TRY(const auto there, api_.buckets(mismatch.connection, mismatch.kind, at_least));
    TRY_LOCAL(const auto here, writer_->bucket_digests(mismatch.connection, mismatch.kind));
    for (std::size_t bucket = 0; bucket < here.size(); ++bucket) {
      if (here[bucket] == there.buckets[bucket]) continue;
      const auto number = static_cast<std::uint8_t>(bucket);
      TRY(const auto page, api_.rows(mismatch.connection, mismatch.kind, number, there.version));
      auto end = wire::BucketEnd::parse(page.end_json);
      if (!end || end->connection != mismatch.connection || end->kind != mismatch.kind || end->bucket != number ||
          !page.tombstones.empty())
        return mixed_up("the rows of a bucket");
      TRY_LOCAL(auto stage, writer_->begin_bucket(mismatch.connection, mismatch.kind, number));
      for (const auto& row : page.rows) TRY_LOCAL_VOID(stage.row(page.row(row)));
      TRY_LOCAL_VOID(stage.finish(*end));
      ++report_.buckets_repaired;
      report_.rows_received += static_cast<std::int64_t>(page.rows.size());
      report_.bytes_received += page.received_bytes;
    }
  }
  return {};
}

}  // namespace tideline::sync
