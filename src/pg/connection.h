#pragma once
// One connection to PostgreSQL: libpq in pipeline mode on Asio coroutines. Used by one coroutine at a time, from any
// thread (the pool hands it over); not for sharing. Results are binary.
//
// Statements given together are sent together and answered in one round trip:
//
//   Pipeline work;
//   work.add(kBegin).add(kSetIdentity, identity).add(kQuery, params).add(kCommit);
//   CO_TRY(auto results, co_await connection.run_all(std::move(work), deadline));
//
// After an error inside an explicit transaction the server refuses everything, COMMIT too, until a ROLLBACK; after a
// deadline, answers may still be under way. needs_recovery() tells, recover() mends; a pool's lease does it by itself.

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include "base/deadline.h"
#include "base/error.h"
#include "pg/params.h"
#include "pg/result.h"

struct pg_conn;

namespace tideline::pg {

template <class T>
using awaitable = boost::asio::awaitable<T>;

/// A constant of the program. With a name it is prepared once per connection, on first use and in the same round trip;
/// the name then belongs to this SQL alone. Without (nullptr) it is parsed anew each time. One statement, no semicolon.
struct Statement {
  const char* name = nullptr;
  const char* sql = nullptr;
};

inline constexpr Statement kBegin{"begin", "begin"};
/// One snapshot for every statement of the transaction.
inline constexpr Statement kBeginSnapshot{"begin_snapshot", "begin isolation level repeatable read read only"};
inline constexpr Statement kCommit{"commit", "commit"};
inline constexpr Statement kRollback{"rollback", "rollback"};

/// Statements to be sent as one, in order. Outside an explicit transaction they are one implicit transaction: a failure
/// rolls back those before it.
class Pipeline {
 public:
  Pipeline& add(Statement statement, Params params = {}) {
    steps_.push_back({statement, {}, std::move(params)});
    return *this;
  }
  /// SQL composed at run time (one statement): never prepared.
  Pipeline& add_text(std::string sql, Params params = {}) {
    steps_.push_back({{}, std::move(sql), std::move(params)});
    return *this;
  }
  std::size_t size() const { return steps_.size(); }

 private:
  friend class Connection;
  struct Step {
    Statement statement;
    std::string text;
    Params params;
    const char* sql() const { return statement.sql ? statement.sql : text.c_str(); }
  };
  std::vector<Step> steps_;
};

struct Notification {
  std::string channel;
  std::string payload;
  int backend_pid = 0;
};

struct ConnectOptions {
  /// Off for poolers that hand each transaction to another session (pgbouncer before 1.21).
  bool prepare_statements = true;
};

class Connection;

/// Rows of one statement as they arrive, a chunk at a time, in constant memory: what is not asked for stays in the
/// socket. Lives no longer than its Connection; when it is dropped early the connection needs recovery.
class RowStream {
 public:
  RowStream() = default;
  /// The next chunk (never empty), or nullopt after the last one, once the statements behind it have succeeded too.
  awaitable<Result<std::optional<ResultSet>>> next(Deadline deadline);

 private:
  friend class Connection;
  RowStream(Connection* connection, int chunk_rows) : connection_(connection), chunk_rows_(chunk_rows) {}
  Connection* connection_ = nullptr;
  int chunk_rows_ = 1;
  bool rows_ended_ = false;
  bool done_ = false;
};

/// What `COPY … TO STDOUT` sends, message by message: one row each in the binary format, the first also with its header
/// and the last the trailer alone. Lives no longer than its Connection.
class CopyStream {
 public:
  CopyStream() = default;
  /// `copy` counts the COPY statements of the script from 0.
  struct Message {
    int copy = 0;
    std::string bytes;
  };
  /// nullopt after the last message, once the whole script has succeeded.
  awaitable<Result<std::optional<Message>>> next(Deadline deadline);

 private:
  friend class Connection;
  explicit CopyStream(Connection* connection) : connection_(connection) {}
  Connection* connection_ = nullptr;
  int copy_ = -1;
  bool copying_ = false;
  bool done_ = false;
};

class Connection {
 public:
  /// Resolves, connects and authenticates on a helper thread (libpq blocks on DNS), so an I/O thread never waits.
  /// `executor` runs the socket's events. kUnavailable when the server cannot be reached, kDeadline in time.
  static awaitable<Result<std::unique_ptr<Connection>>> connect(boost::asio::any_io_executor executor,
                                                                std::string conninfo, Deadline deadline,
                                                                ConnectOptions options = {});
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  /// One statement, one round trip. Errors by SQLSTATE (pg/sqlstate.h); kDeadline when ours passes first, and then the
  /// statement may yet take effect.
  awaitable<Result<ResultSet>> exec(Statement statement, Params params, Deadline deadline);
  awaitable<Result<ResultSet>> exec(Statement statement, Deadline deadline);

  /// All statements, one round trip, a result for each. After a failure the rest is not run and says so. A COMMIT that
  /// the server turned into a rollback is a failure.
  awaitable<std::vector<Result<ResultSet>>> run(Pipeline pipeline, Deadline deadline);
  /// The same where any failure spoils the whole: the first error, or all results.
  awaitable<Result<std::vector<ResultSet>>> run_all(Pipeline pipeline, Deadline deadline);

  /// Runs `before`, then yields the rows of `statement` in chunks of `chunk_rows`, then runs `after`; one round trip.
  /// Fails at once when `before` does.
  awaitable<Result<RowStream>> stream(Pipeline before, Statement statement, Params params, Pipeline after,
                                      int chunk_rows, Deadline deadline);

  /// A script of several statements without parameters, by the simple protocol: migrations. Stops at the first error;
  /// without begin/commit in it, it is one transaction.
  awaitable<Result<void>> script(std::string sql, Deadline deadline);
  /// A script with one or more `copy … to stdout`. Literals in it must be quoted with quote_literal.
  awaitable<Result<CopyStream>> copy_out(std::string sql, Deadline deadline);

  /// LISTEN on a channel (any text: it is quoted).
  awaitable<Result<void>> listen(std::string channel, Deadline deadline);
  /// The next notification of this connection; kDeadline when none came, and the connection is as good as before.
  awaitable<Result<Notification>> wait_notification(Deadline deadline);

  /// Asks the server to stop what it does for us; returns at once, the statement then fails with kDeadline. What it
  /// hits when nothing runs is lost. From the connection's coroutine; recover() is for the rest.
  void cancel();

  /// Back to a state that a stranger can use: cancels and drains what is under way, ends an open transaction. An error
  /// means that the connection must be closed.
  awaitable<Result<void>> recover(Deadline deadline);
  bool needs_recovery() const;

  /// Usable as far as one can tell without a round trip: sees a connection that the server has closed. O(1), one
  /// system call; not while a statement is running.
  bool is_healthy();
  bool in_transaction() const;
  int backend_pid() const;
  /// e.g. 150006.
  int server_version() const;

 private:
  friend class RowStream;
  friend class CopyStream;

  struct Prepared;
  // A statement as the server knows it: one for each set of parameter types it was used with.
  struct Variant {
    enum class State { kUnknown, kUnderWay, kPrepared } state = State::kUnknown;
    Prepared* statement = nullptr;
    std::string name;
    std::vector<TypeId> types;
  };
  struct Prepared {
    const char* sql = nullptr;
    int names = 0;                 // given so far
    std::deque<Variant> variants;  // stable addresses
  };
  // What the server owes us, in order: an answer to each message, then the Sync.
  struct Expected {
    enum class Kind { kPrepare, kStep, kStream } kind;
    std::size_t step = 0;
    Variant* variant = nullptr;
    bool is_commit = false;
  };
  using Answers = std::vector<std::optional<Result<ResultSet>>>;
  enum class Progress { kResult, kEndOfCommand, kWait, kBroken };

  Connection(boost::asio::any_io_executor executor, pg_conn* connection, ConnectOptions options);

  Result<void> check_ready() const;
  Result<Variant*> variant_of(const Pipeline::Step& step);
  static void give_name(Variant& variant, std::string_view statement);
  bool send_step(Pipeline::Step& step, std::size_t index, Variant* variant, Expected::Kind kind);
  Result<void> send(Pipeline& pipeline, std::optional<std::size_t> stream_at);
  Progress advance(pg_result*& result);
  awaitable<Result<void>> wait_io(Deadline deadline);
  void take(pg_result* result, Answers* answers);
  Result<void> end_of_command();
  awaitable<Result<void>> collect(Answers* answers, bool until_stream, Deadline deadline);

  Result<void> send_script(const std::string& sql);
  Result<void> end_script();
  awaitable<Result<void>> finish_script(Deadline deadline);
  awaitable<Result<void>> cancel_and_wait(Deadline deadline);
  Error failure_of(const pg_result* result);
  Error broken();

  boost::asio::any_io_executor executor_;
  pg_conn* connection_;
  boost::asio::posix::stream_descriptor socket_;
  ConnectOptions options_;
  std::unordered_map<std::string_view, Prepared> prepared_;
  std::deque<Expected> expected_;
  std::optional<Error> first_error_;  // of the pipeline or script under way
  bool awaiting_sync_ = false;        // a Sync was sent whose answer has not come
  bool in_script_ = false;            // out of pipeline mode, until the script's last result
  bool broken_ = false;
  bool farewell_ = false;  // the server said that it ends the session
};

/// `text` as an SQL string literal, for the few commands that take no parameters.
std::string quote_literal(std::string_view text);
/// `name` as a quoted identifier.
std::string quote_identifier(std::string_view name);

}  // namespace tideline::pg
