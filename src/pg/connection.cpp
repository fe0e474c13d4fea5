#include "pg/connection.h"

#include <libpq-fe.h>
#include <poll.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/crypto.h"
#include "base/log.h"
#include "base/text.h"
#include "pg/blocking.h"
#include "pg/gate.h"
#include "pg/sqlstate.h"

namespace tideline::pg {
namespace {

namespace asio = boost::asio;

constexpr int kBinary = 1;
constexpr std::size_t kMaxParameters = 65535;  // the protocol counts them in 16 bits

// libpq blocks in name resolution and in PQcancel; both happen here, away from the I/O threads. Connecting and
// cancelling are kept apart: cancelling must not queue behind a host that does not answer.
class Threads {
 public:
  explicit Threads(std::size_t count) : pool_(count) {}
  asio::thread_pool& pool() { return pool_; }

 private:
  // Before the threads: what is there first ends last, and libpq may still use OpenSSL in them when the process ends.
  const bool crypto_ = set_up_crypto();
  asio::thread_pool pool_;
};
asio::thread_pool& connectors() {
  static Threads threads(4);
  return threads.pool();
}
asio::thread_pool& cancellers() {
  static Threads threads(2);
  return threads.pool();
}

struct Finish {
  void operator()(PGconn* connection) const { PQfinish(connection); }
};
using ConnectionHandle = std::unique_ptr<PGconn, Finish>;
struct ClearResult {
  void operator()(PGresult* result) const { PQclear(result); }
};
using ResultHandle = std::unique_ptr<PGresult, ClearResult>;

Error deadline_error() {
  return Error{Code::kDeadline, "the database did not answer in time", "try again", "deadline passed"};
}

// Waits with poll(2), not with PQconnectdb, because only then is there a deadline; and the descriptor is asked for anew
// each time, because it changes while libpq goes through the addresses.
Result<ConnectionHandle> connect_blocking(const std::string& conninfo, Deadline deadline) {
  ConnectionHandle connection(PQconnectStart(conninfo.c_str()));
  if (!connection) return fail(error_of(static_cast<PGconn*>(nullptr)));
  PostgresPollingStatusType wanted = PGRES_POLLING_WRITING;
  while (PQstatus(connection.get()) != CONNECTION_BAD) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now()).count();
    if (left <= 0)
      return fail(Code::kDeadline, "the database could not be connected to in time", "is it running and reachable?",
                  PQerrorMessage(connection.get()));
    pollfd wait{PQsocket(connection.get()), static_cast<short>(wanted == PGRES_POLLING_READING ? POLLIN : POLLOUT), 0};
    ::poll(&wait, 1, static_cast<int>(std::min<std::int64_t>(left, 1000)));
    if (wait.revents == 0) continue;
    wanted = PQconnectPoll(connection.get());
    if (wanted == PGRES_POLLING_OK) return connection;
    if (wanted == PGRES_POLLING_FAILED) break;
  }
  Error error = error_of(connection.get());
  error.message = "the database could not be connected to";
  // libpq has no SQLSTATE for a connection that was refused.
  const bool refused = error.detail.find("password") != std::string::npos;
  error.hint =
      refused ? "it answers, and takes no such login: look at the user and the password in its address, or ~/.pgpass"
              : "is it running and reachable?";
  return fail(std::move(error));
}

void cancel_blocking(PGcancel* handle) {
  char why[256] = "";
  if (handle && !PQcancel(handle, why, sizeof(why)))
    log(LogLevel::kWarning, "database statement not cancelled", {{"reason", std::string(trim(why))}});
}

// Notices are for people at a prompt; the server logs what matters of them. The exception is the last one of a session.
void receive_notice(void* farewell, const PGresult* notice) {
  const char* state = PQresultErrorField(notice, PG_DIAG_SQLSTATE);
  if (state && std::string_view(state).starts_with("57P0")) *static_cast<bool*>(farewell) = true;
}

bool is_commit(const char* sql) { return equal_ignoring_case(std::string_view(sql).substr(0, 6), "commit"); }

}  // namespace

// ---- life ----

Connection::Connection(asio::any_io_executor executor, pg_conn* connection, ConnectOptions options)
    : executor_(std::move(executor)), connection_(connection), socket_(executor_), options_(options) {
  PQsetNoticeReceiver(connection_, receive_notice, &farewell_);
}

Connection::~Connection() {
  if (socket_.is_open()) socket_.release();  // libpq's to close
  PQfinish(connection_);
}

awaitable<Result<std::unique_ptr<Connection>>> Connection::connect(asio::any_io_executor executor, std::string conninfo,
                                                                   Deadline deadline, ConnectOptions options) {
  const auto work = [&] { return connect_blocking(conninfo, deadline); };
  CO_TRY(ConnectionHandle handle, co_await run_blocking(connectors().get_executor(), work));
  if (PQsetnonblocking(handle.get(), 1) != 0 || PQenterPipelineMode(handle.get()) != 1)
    co_return fail(error_of(handle.get()));
  std::unique_ptr<Connection> connection(new Connection(std::move(executor), handle.release(), options));
  boost::system::error_code error;
  connection->socket_.assign(PQsocket(connection->connection_), error);
  if (error) co_return fail(Code::kInternal, "the database connection could not be watched", {}, error.message());
  co_return connection;
}

Error Connection::broken() {
  broken_ = true;
  Error error = error_of(connection_);
  if (error.detail.empty()) error.detail = "connection lost";
  error.message = "the connection to the database broke";
  return error;
}

// A FATAL error is the session's last word: the connection is lost even while its socket still looks open.
Error Connection::failure_of(const pg_result* result) {
  const char* severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
  if (severity && (std::string_view(severity) == "FATAL" || std::string_view(severity) == "PANIC")) farewell_ = true;
  return error_of(result);
}

bool Connection::in_transaction() const {
  const auto status = PQtransactionStatus(connection_);
  return status == PQTRANS_INTRANS || status == PQTRANS_INERROR;
}

bool Connection::needs_recovery() const {
  return broken_ || awaiting_sync_ || in_script_ || PQtransactionStatus(connection_) != PQTRANS_IDLE;
}

int Connection::backend_pid() const { return PQbackendPID(connection_); }
int Connection::server_version() const { return PQserverVersion(connection_); }

bool Connection::is_healthy() {
  if (broken_ || farewell_ || PQstatus(connection_) != CONNECTION_OK) return false;
  if (awaiting_sync_ || in_script_) return true;
  // Nothing is asked, so what can be read is a notification, a changed setting, or the end: a farewell, a closed
  // socket.
  pollfd look{PQsocket(connection_), POLLIN, 0};
  for (int i = 0; i < 2 && !broken_ && ::poll(&look, 1, 0) > 0; ++i) {
    if (PQconsumeInput(connection_) != 1) broken_ = true;
    PQisBusy(connection_);  // parses what came
    if (farewell_ || PQstatus(connection_) != CONNECTION_OK) broken_ = true;
  }
  return !broken_;
}

// ---- the socket ----

// Waits until the socket can be read, or written while something is unsent: waiting for write alone deadlocks with a
// server that waits for us to read.
awaitable<Result<void>> Connection::wait_io(Deadline deadline) {
  const bool unsent = PQflush(connection_) == 1;
  auto gate = std::make_shared<Gate>();
  const auto ready = [gate](const boost::system::error_code& error) {
    if (error != asio::error::operation_aborted) gate->open();
  };
  socket_.async_wait(asio::posix::descriptor_base::wait_read, ready);
  if (unsent) socket_.async_wait(asio::posix::descriptor_base::wait_write, ready);
  const bool opened = co_await Gate::wait(gate, deadline);
  if (unsent || !opened) {
    boost::system::error_code ignored;
    socket_.cancel(ignored);
  }
  if (!opened) co_return fail(deadline_error());
  if (PQconsumeInput(connection_) != 1) co_return fail(broken());
  co_return Result<void>();
}

// One step without waiting. PQgetResult does not block once PQisBusy says no.
Connection::Progress Connection::advance(pg_result*& result) {
  PQflush(connection_);  // a failure to write shows when reading, together with the server's reason
  if (PQisBusy(connection_)) return Progress::kWait;
  result = PQgetResult(connection_);
  if (result) return Progress::kResult;
  return PQstatus(connection_) == CONNECTION_OK ? Progress::kEndOfCommand : Progress::kBroken;
}

// ---- pipelines: sending ----

Result<void> Connection::check_ready() const {
  if (broken_ || farewell_) return fail(Code::kUnavailable, "the connection to the database broke", "try again");
  if (awaiting_sync_ || in_script_)
    return fail(Code::kInternal, "the database connection is busy", {}, "a call was given up before its end");
  return {};
}

// The name of a statement on the server: the plain one, then numbered ones for other types of parameters, and for a
// statement that has to be prepared anew.
void Connection::give_name(Variant& variant, std::string_view statement) {
  const int number = ++variant.statement->names;
  variant.name = statement;
  if (number > 1) variant.name += "/" + std::to_string(number);
}

Result<Connection::Variant*> Connection::variant_of(const Pipeline::Step& step) {
  if (!options_.prepare_statements || !step.statement.name) return nullptr;
  Prepared& prepared = prepared_[step.statement.name];
  if (!prepared.sql) prepared.sql = step.statement.sql;
  if (prepared.sql != step.statement.sql && std::strcmp(prepared.sql, step.statement.sql) != 0)
    return fail(Code::kInternal, "two statements share one name", {}, step.statement.name);
  const auto& values = step.params.values();
  for (Variant& variant : prepared.variants) {
    const auto same = [](TypeId type, const Params::Value& value) { return type == value.type; };
    if (std::equal(variant.types.begin(), variant.types.end(), values.begin(), values.end(), same)) return &variant;
  }
  Variant& variant = prepared.variants.emplace_back();
  variant.statement = &prepared;
  give_name(variant, step.statement.name);
  for (const auto& value : values) variant.types.push_back(value.type);
  return &variant;
}

bool Connection::send_step(Pipeline::Step& step, std::size_t index, Variant* variant, Expected::Kind kind) {
  const auto& values = step.params.values();
  const int count = static_cast<int>(values.size());
  std::vector<Oid> types;
  std::vector<const char*> data;
  std::vector<int> lengths;
  const std::vector<int> formats(values.size(), kBinary);
  for (const auto& value : values) {
    types.push_back(value.type);
    data.push_back(value.is_null ? nullptr : value.bytes.data());
    lengths.push_back(static_cast<int>(value.bytes.size()));
  }
  if (variant && variant->state == Variant::State::kUnknown) {
    if (!PQsendPrepare(connection_, variant->name.c_str(), step.sql(), count, types.data())) return false;
    variant->state = Variant::State::kUnderWay;
    expected_.push_back({Expected::Kind::kPrepare, index, variant, false});
  }
  const bool sent = variant ? PQsendQueryPrepared(connection_, variant->name.c_str(), count, data.data(),
                                                  lengths.data(), formats.data(), kBinary)
                            : PQsendQueryParams(connection_, step.sql(), count, types.data(), data.data(),
                                                lengths.data(), formats.data(), kBinary);
  if (!sent) return false;
  expected_.push_back({kind, index, variant, is_commit(step.sql())});
  step.params = Params();  // libpq has its copy
  return true;
}

// Everything that can be refused is refused before the first byte: half a pipeline without a Sync is a broken
// connection.
Result<void> Connection::send(Pipeline& pipeline, std::optional<std::size_t> stream_at) {
  TRY_VOID(check_ready());
  std::vector<Variant*> variants;
  for (const auto& step : pipeline.steps_) {
    if (step.params.size() > kMaxParameters || step.params.size_bytes() > kMaxParameterBytes)
      return fail(Code::kTooLarge, "this is more than the database takes at once", "send it in smaller parts");
    TRY(Variant * variant, variant_of(step));
    variants.push_back(variant);
  }
  first_error_.reset();
  for (std::size_t i = 0; i < pipeline.steps_.size(); ++i) {
    const auto kind = stream_at == i ? Expected::Kind::kStream : Expected::Kind::kStep;
    if (!send_step(pipeline.steps_[i], i, variants[i], kind)) return fail(broken());
  }
  if (PQpipelineSync(connection_) != 1) return fail(broken());
  awaiting_sync_ = true;
  if (!expected_.empty() && expected_.front().kind == Expected::Kind::kStream) PQsetSingleRowMode(connection_);
  return {};
}

// ---- pipelines: receiving ----

// Files one answer with the step it belongs to. A step keeps its first failure: when its preparation fails, its
// execution is reported as aborted after that.
void Connection::take(pg_result* raw, Answers* answers) {
  ResultHandle result(raw);
  const ExecStatusType status = PQresultStatus(raw);
  if (status == PGRES_PIPELINE_SYNC) {
    awaiting_sync_ = false;
    return;
  }
  if (expected_.empty()) {
    broken_ = true;
    return;
  }
  const Expected& expected = expected_.front();
  std::optional<Error> error;
  if (status == PGRES_PIPELINE_ABORTED) {
    error = Error{first_error_ ? first_error_->code : Code::kInternal, "not done, because a step before it failed",
                  first_error_ ? first_error_->hint : "", "pipeline aborted"};
  } else if (status == PGRES_COPY_OUT || status == PGRES_COPY_IN || status == PGRES_COPY_BOTH) {
    error = Error{Code::kInternal, "the database could not carry this out", {}, "COPY does not work in a pipeline"};
    broken_ = true;
  } else if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK && status != PGRES_SINGLE_TUPLE &&
             status != PGRES_EMPTY_QUERY) {
    error = failure_of(raw);
    // The tables of a prepared statement have changed (a migration), or it is gone: it is prepared anew next time.
    const auto state = sqlstate_of(*error);
    if (expected.variant && expected.kind != Expected::Kind::kPrepare && (state == "0A000" || state == "26000")) {
      Variant& variant = *expected.variant;
      give_name(variant, std::string_view(variant.name).substr(0, variant.name.find('/')));
      variant.state = Variant::State::kUnknown;
      error->code = Code::kUnavailable;
    }
  } else if (expected.is_commit && expected.kind != Expected::Kind::kPrepare &&
             std::string_view(PQcmdStatus(raw)) == "ROLLBACK") {
    error = Error{Code::kInternal, "the transaction was rolled back", {}, "COMMIT after an error that was passed over"};
  }
  if (error && !first_error_) first_error_ = error;

  if (expected.kind == Expected::Kind::kPrepare) {
    expected.variant->state = error ? Variant::State::kUnknown : Variant::State::kPrepared;
    if (!error) return;
    if (status == PGRES_PIPELINE_ABORTED) return;  // its execution says the same
  }
  if (!answers || expected.step >= answers->size() || (*answers)[expected.step]) return;
  auto& answer = (*answers)[expected.step];
  if (error) {
    answer.emplace(fail(*std::move(error)));
  } else {
    answer.emplace(ResultSet(result.release()));
  }
}

Result<void> Connection::end_of_command() {
  if (expected_.empty()) return fail(broken());
  expected_.pop_front();
  // Row by row must be asked for between the statement before and the first answer.
  if (!expected_.empty() && expected_.front().kind == Expected::Kind::kStream) PQsetSingleRowMode(connection_);
  return {};
}

// Takes answers up to the Sync, or up to the rows of a stream.
awaitable<Result<void>> Connection::collect(Answers* answers, bool until_stream, Deadline deadline) {
  while (awaiting_sync_) {
    if (until_stream && !first_error_ && !expected_.empty() && expected_.front().kind == Expected::Kind::kStream)
      co_return Result<void>();
    pg_result* result = nullptr;
    switch (advance(result)) {
      case Progress::kResult:
        take(result, answers);
        if (broken_) co_return fail(first_error_ ? *first_error_ : broken());
        break;
      case Progress::kEndOfCommand:
        CO_TRY_VOID(end_of_command());
        break;
      case Progress::kBroken:
        broken_ = true;
        co_return fail(first_error_ ? *first_error_ : broken());
      case Progress::kWait:
        if (auto waited = co_await wait_io(deadline); !waited)
          co_return fail(broken_ && first_error_ ? *first_error_ : std::move(waited).error());
        break;
    }
  }
  co_return Result<void>();
}

awaitable<std::vector<Result<ResultSet>>> Connection::run(Pipeline pipeline, Deadline deadline) {
  Answers answers(pipeline.size());
  Result<void> status = send(pipeline, std::nullopt);
  if (status) status = co_await collect(&answers, false, deadline);
  std::vector<Result<ResultSet>> out;
  out.reserve(answers.size());
  for (auto& answer : answers) {
    if (answer) {
      out.push_back(*std::move(answer));
    } else if (!status) {
      out.push_back(fail(status.error()));
    } else {
      out.push_back(fail(Code::kInternal, "the database did not answer", {}, "fewer answers than statements"));
    }
  }
  co_return out;
}

awaitable<Result<std::vector<ResultSet>>> Connection::run_all(Pipeline pipeline, Deadline deadline) {
  auto answers = co_await run(std::move(pipeline), deadline);
  std::vector<ResultSet> out;
  out.reserve(answers.size());
  for (auto& answer : answers) {
    if (!answer) co_return fail(std::move(answer).error());
    out.push_back(*std::move(answer));
  }
  co_return out;
}

awaitable<Result<ResultSet>> Connection::exec(Statement statement, Params params, Deadline deadline) {
  Pipeline pipeline;
  pipeline.add(statement, std::move(params));
  auto answers = co_await run(std::move(pipeline), deadline);
  co_return std::move(answers.front());
}

awaitable<Result<ResultSet>> Connection::exec(Statement statement, Deadline deadline) {
  return exec(statement, Params(), deadline);
}

// ---- streams ----

awaitable<Result<RowStream>> Connection::stream(Pipeline before, Statement statement, Params params, Pipeline after,
                                                int chunk_rows, Deadline deadline) {
  const std::size_t at = before.size();
  before.add(statement, std::move(params));
  for (auto& step : after.steps_) before.steps_.push_back(std::move(step));
  CO_TRY_VOID(send(before, at));
  CO_TRY_VOID(co_await collect(nullptr, true, deadline));
  if (first_error_) co_return fail(*first_error_);
  co_return RowStream(this, std::max(chunk_rows, 1));
}

awaitable<Result<std::optional<ResultSet>>> RowStream::next(Deadline deadline) {
  Connection& c = *connection_;
  if (done_) co_return std::nullopt;
  ResultSet chunk;
  while (!rows_ended_ && chunk.rows() < chunk_rows_) {
    pg_result* result = nullptr;
    switch (c.advance(result)) {
      case Connection::Progress::kResult:
        if (PQresultStatus(result) == PGRES_SINGLE_TUPLE) {
          chunk.append_row(result);
        } else {  // the end of the rows, or a failure
          rows_ended_ = true;
          c.take(result, nullptr);
        }
        break;
      case Connection::Progress::kWait:
        CO_TRY_VOID(co_await c.wait_io(deadline));
        break;
      case Connection::Progress::kEndOfCommand:
      case Connection::Progress::kBroken:
        co_return fail(c.broken());
    }
  }
  // Rows before a failure are not handed out: nobody should take them for the whole.
  if (!chunk.empty() && !c.first_error_) co_return std::optional<ResultSet>(std::move(chunk));
  done_ = true;
  CO_TRY_VOID(co_await c.collect(nullptr, false, deadline));
  if (c.first_error_) co_return fail(*c.first_error_);
  co_return std::nullopt;
}

// ---- scripts and COPY: the simple protocol, out of pipeline mode ----

Result<void> Connection::send_script(const std::string& sql) {
  TRY_VOID(check_ready());
  first_error_.reset();
  if (PQexitPipelineMode(connection_) != 1 || PQsendQuery(connection_, sql.c_str()) != 1) return fail(broken());
  in_script_ = true;
  return {};
}

Result<void> Connection::end_script() {
  in_script_ = false;
  if (PQenterPipelineMode(connection_) != 1) return fail(broken());
  if (first_error_) return fail(*first_error_);
  return {};
}

// To the end of the script, past whatever it copies.
awaitable<Result<void>> Connection::finish_script(Deadline deadline) {
  bool copying_out = false;  // given up in the middle of a copy: the server's first answer says so again
  for (;;) {
    if (copying_out) {
      char* row = nullptr;
      const int got = PQgetCopyData(connection_, &row, 1);
      if (row) PQfreemem(row);
      if (got == 0) CO_TRY_VOID(co_await wait_io(deadline));
      if (got < 0) copying_out = false;
      continue;
    }
    pg_result* raw = nullptr;
    switch (advance(raw)) {
      case Progress::kWait:
        CO_TRY_VOID(co_await wait_io(deadline));
        continue;
      case Progress::kBroken:
        co_return fail(broken());
      case Progress::kEndOfCommand:
        co_return end_script();
      case Progress::kResult:
        break;
    }
    const ResultHandle result(raw);
    switch (PQresultStatus(raw)) {
      case PGRES_COPY_OUT:
        copying_out = true;
        break;
      case PGRES_COPY_IN:
        PQputCopyEnd(connection_, "nothing is sent here");
        break;
      case PGRES_FATAL_ERROR:
        if (!first_error_) first_error_ = failure_of(raw);
        break;
      default:
        break;
    }
  }
}

awaitable<Result<void>> Connection::script(std::string sql, Deadline deadline) {
  CO_TRY_VOID(send_script(sql));
  co_return co_await finish_script(deadline);
}

awaitable<Result<CopyStream>> Connection::copy_out(std::string sql, Deadline) {
  CO_TRY_VOID(send_script(sql));
  co_return CopyStream(this);
}

awaitable<Result<std::optional<CopyStream::Message>>> CopyStream::next(Deadline deadline) {
  Connection& c = *connection_;
  while (!done_) {
    if (copying_) {
      char* row = nullptr;
      const int got = PQgetCopyData(c.connection_, &row, 1);
      if (got > 0) {
        Message message{copy_, std::string(row, static_cast<std::size_t>(got))};
        PQfreemem(row);
        co_return std::optional<Message>(std::move(message));
      }
      if (got == 0) CO_TRY_VOID(co_await c.wait_io(deadline));
      if (got < 0) copying_ = false;
      continue;
    }
    pg_result* raw = nullptr;
    switch (c.advance(raw)) {
      case Connection::Progress::kWait:
        CO_TRY_VOID(co_await c.wait_io(deadline));
        continue;
      case Connection::Progress::kBroken:
        co_return fail(c.broken());
      case Connection::Progress::kEndOfCommand:
        done_ = true;
        CO_TRY_VOID(c.end_script());
        continue;
      case Connection::Progress::kResult:
        break;
    }
    const ResultHandle result(raw);
    const ExecStatusType status = PQresultStatus(raw);
    if (status == PGRES_COPY_OUT) {
      copying_ = true;
      ++copy_;
    } else if (status == PGRES_COPY_IN) {
      PQputCopyEnd(c.connection_, "nothing is sent here");
    } else if (status == PGRES_FATAL_ERROR && !c.first_error_) {
      c.first_error_ = c.failure_of(raw);
    }
  }
  co_return std::nullopt;
}

// ---- notifications ----

awaitable<Result<void>> Connection::listen(std::string channel, Deadline deadline) {
  Pipeline pipeline;
  pipeline.add_text("listen " + quote_identifier(channel));
  CO_TRY([[maybe_unused]] auto done, co_await run_all(std::move(pipeline), deadline));
  co_return Result<void>();
}

awaitable<Result<Notification>> Connection::wait_notification(Deadline deadline) {
  CO_TRY_VOID(check_ready());
  for (;;) {
    if (PGnotify* raw = PQnotifies(connection_)) {
      Notification notification{raw->relname, raw->extra, raw->be_pid};
      PQfreemem(raw);
      co_return notification;
    }
    if (farewell_) co_return fail(broken());
    auto waited = co_await wait_io(deadline);
    if (!waited && waited.error().code == Code::kDeadline)
      co_return fail(Code::kDeadline, "no notification came in time");
    CO_TRY_VOID(std::move(waited));
  }
}

// ---- cancelling, recovering ----

void Connection::cancel() {
  if (std::shared_ptr<PGcancel> handle(PQgetCancel(connection_), PQfreeCancel); handle)
    asio::post(cancellers(), [handle] { cancel_blocking(handle.get()); });
}

// The server has raised the signal by the time the cancelling connection is closed, so it cannot hit a later statement.
awaitable<Result<void>> Connection::cancel_and_wait(Deadline deadline) {
  const std::shared_ptr<PGcancel> handle(PQgetCancel(connection_), PQfreeCancel);
  if (!handle) co_return fail(broken());
  auto gate = std::make_shared<Gate>();
  asio::post(cancellers(), [handle, gate] {
    cancel_blocking(handle.get());
    gate->open();
  });
  if (!co_await Gate::wait(gate, deadline)) co_return fail(deadline_error());
  co_return Result<void>();
}

awaitable<Result<void>> Connection::recover(Deadline deadline) {
  if (broken_ || farewell_) co_return fail(broken());
  Result<void> status;
  if (awaiting_sync_ || in_script_) {
    status = co_await cancel_and_wait(deadline);
    if (status && awaiting_sync_) status = co_await collect(nullptr, false, deadline);
    if (status && in_script_) {
      status = co_await finish_script(deadline);
      if (!in_script_) status = {};  // that the script failed is no news
    }
  }
  if (status && in_transaction()) {
    auto rolled_back = co_await exec(kRollback, deadline);
    if (!rolled_back) status = fail(std::move(rolled_back).error());
  }
  if (status && needs_recovery()) status = fail(Code::kInternal, "the database connection could not be cleaned");
  if (!status) broken_ = true;
  co_return status;
}

// ---- quoting ----

namespace {
std::string quoted(std::string_view text, char quote) {
  std::string out(1, quote);
  for (const char c : text) {
    if (c == quote) out.push_back(quote);
    out.push_back(c);
  }
  out.push_back(quote);
  return out;
}
}  // namespace

std::string quote_identifier(std::string_view name) { return quoted(name, '"'); }

// standard_conforming_strings is on in every server we speak to; a backslash is a letter like any other.
std::string quote_literal(std::string_view text) { return quoted(text, '\''); }

}  // namespace tideline::pg
