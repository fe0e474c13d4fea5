#include "pg/connection.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <stdexcept>
#include <string>
#include <vector>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>

#include "pg/sqlstate.h"
#include "tests/support/cluster_fixture.h"

namespace tideline::pg {
namespace {

using namespace std::chrono_literals;
using test::must;

class ConnectionTest : public test::DatabaseTest {
 protected:
  void SetUp() override {
    DatabaseTest::SetUp();
    connection_ = connect();
  }
  void TearDown() override {
    connection_.reset();
    DatabaseTest::TearDown();
  }
  Connection& c() { return *connection_; }
  ResultSet query(const char* sql, Params params = {}) {
    return must(run(c().exec({nullptr, sql}, std::move(params), soon())));
  }
  Error query_error(const char* sql, Params params = {}) {
    auto result = run(c().exec({nullptr, sql}, std::move(params), soon()));
    if (result) throw std::logic_error(std::string("expected an error from ") + sql);
    return result.error();
  }
  void recover() { must(run(c().recover(soon()))); }

  std::unique_ptr<Connection> connection_;
};

TEST_F(ConnectionTest, AnswersInBinaryByType) {
  const auto id = Uuid::random();
  const auto rows = query(
      "select $1::int8, 7::int2, 8::int4, $2::bool, $3::float8, $4::text, $5::uuid, $6::timestamptz, $7::bytea, "
      "$8::jsonb, null::text, 'a'::varchar(3), 'n'::name, '[1]'::json, timestamp '1999-12-31 23:59:59'",
      std::move(Params()
                    .add(std::int64_t{-5'000'000'000})
                    .add(true)
                    .add(0.5)
                    .add("grün")
                    .add(id)
                    .add(Timestamp{-1})
                    .add_bytea(std::vector<std::uint8_t>{0, 255})
                    .add_json(R"({"a":1})")));
  ASSERT_EQ(rows.rows(), 1);
  EXPECT_EQ(rows.int64(0, 0), -5'000'000'000);
  EXPECT_EQ(rows.int64(0, 1), 7);
  EXPECT_EQ(rows.int64(0, 2), 8);
  EXPECT_TRUE(rows.boolean(0, 3));
  EXPECT_EQ(rows.float8(0, 4), 0.5);
  EXPECT_EQ(rows.text(0, 5), "grün");
  EXPECT_EQ(rows.uuid(0, 6), id);
  EXPECT_EQ(rows.timestamp(0, 7), Timestamp{-1});
  EXPECT_EQ(rows.bytea(0, 8).size(), 2u);
  EXPECT_EQ(rows.bytea(0, 8)[1], 255);
  EXPECT_EQ(rows.text(0, 9), R"({"a": 1})");
  EXPECT_TRUE(rows.is_null(0, 10));
  EXPECT_EQ(rows.text_or_null(0, 10), std::nullopt);
  EXPECT_EQ(rows.text(0, 11), "a");
  EXPECT_EQ(rows.text(0, 12), "n");
  EXPECT_EQ(rows.text(0, 13), "[1]");
  EXPECT_EQ(rows.timestamp(0, 14).to_string(), "1999-12-31T23:59:59.000000Z");
}

TEST_F(ConnectionTest, WrongGetterNamesTheColumn) {
  const auto rows = query("select 1::int4 as answer, null::int4");
  EXPECT_THROW(rows.text(0, 0), std::logic_error);
  EXPECT_THROW(rows.int64(0, 1), std::logic_error);
  EXPECT_THROW(rows.int64(1, 0), std::logic_error);
  EXPECT_THROW(rows.int64(0, 2), std::logic_error);
  EXPECT_THROW(rows.int64(0, -1), std::logic_error);
  try {
    rows.uuid(0, 0);
    FAIL();
  } catch (const std::logic_error& e) {
    EXPECT_NE(std::string(e.what()).find("answer"), std::string::npos);
  }
}

TEST_F(ConnectionTest, OptionalWithoutValueIsNull) {
  const auto rows = query("select $1::int8 is null, $2::uuid is null, $3::text is null, $4::jsonb is null, $5 = 3",
                          std::move(Params()
                                        .add(std::optional<std::int64_t>())
                                        .add(std::optional<ConnectionId>())
                                        .add(std::optional<std::string>())
                                        .add_json(std::optional<std::string>())
                                        .add(std::optional<std::int64_t>(3))));
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(rows.boolean(0, i)) << i;
}

TEST_F(ConnectionTest, CountsAffectedRows) {
  query("create table t (a int)");
  EXPECT_EQ(query("insert into t select generate_series(1, 7)").affected_rows(), 7);
  EXPECT_EQ(query("delete from t where a > 5").affected_rows(), 2);
  EXPECT_EQ(query("update t set a = 0 where a < 0").affected_rows(), 0);
}

TEST_F(ConnectionTest, PipelineIsOneTransactionWithItsIdentity) {
  constexpr Statement kIdentity{"identity", "select set_config('app.tenant', $1, true)"};
  constexpr Statement kWho{"who", "select current_setting('app.tenant', true)"};
  Pipeline pipeline;
  pipeline.add(kBegin).add(kIdentity, std::move(Params().add("one"))).add(kWho).add(kCommit).add(kWho);
  const auto results = must(run(c().run_all(std::move(pipeline), soon())));
  EXPECT_EQ(results[2].text(0, 0), "one");
  EXPECT_EQ(results[4].text(0, 0), "");  // gone with the transaction
  EXPECT_FALSE(c().needs_recovery());
}

TEST_F(ConnectionTest, PreparesAStatementOncePerSetOfTypes) {
  constexpr Statement kEcho{"echo", "select $1"};
  Pipeline pipeline;
  for (std::int64_t i = 0; i < 3; ++i) pipeline.add(kEcho, std::move(Params().add(i)));
  pipeline.add(kEcho, std::move(Params().add("text")));
  const auto results = must(run(c().run_all(std::move(pipeline), soon())));
  EXPECT_EQ(results[2].int64(0, 0), 2);
  EXPECT_EQ(results[3].text(0, 0), "text");
  EXPECT_EQ(must(run(c().exec(kEcho, std::move(Params().add("again")), soon()))).text(0, 0), "again");
  const auto names = query("select name from pg_prepared_statements where name like 'echo%' order by 1");
  ASSERT_EQ(names.rows(), 2);
  EXPECT_EQ(names.text(0, 0), "echo");
  EXPECT_EQ(names.text(1, 0), "echo/2");
}

TEST_F(ConnectionTest, OneNameForTwoStatementsIsRefusedBeforeAnythingIsSent) {
  must(run(c().exec({"same", "select 1"}, soon())));
  Pipeline pipeline;
  pipeline.add({nullptr, "create table never ()"}).add({"same", "select 2"});
  EXPECT_EQ(run(c().run_all(std::move(pipeline), soon())).error().code, Code::kInternal);
  EXPECT_TRUE(query("select to_regclass('never')").is_null(0, 0));
}

TEST_F(ConnectionTest, PreparesAgainAfterAFailureOnTheWay) {
  constexpr Statement kLate{"late", "select count(*) from made_later"};
  Pipeline first;
  first.add({nullptr, "select 1/0"}).add(kLate).add(kLate);
  EXPECT_FALSE(run(c().run_all(std::move(first), soon())));
  EXPECT_EQ(sqlstate_of(run(c().exec(kLate, soon())).error()), "42P01");
  query("create table made_later ()");
  EXPECT_EQ(must(run(c().exec(kLate, soon()))).int64(0, 0), 0);
}

TEST_F(ConnectionTest, PreparesAgainAfterItsTablesChanged) {
  constexpr Statement kAll{"all", "select * from t"};
  query("create table t (a int)");
  EXPECT_EQ(must(run(c().exec(kAll, soon()))).columns(), 1);
  query("alter table t add column b int");
  EXPECT_EQ(run(c().exec(kAll, soon())).error().code, Code::kUnavailable);
  EXPECT_EQ(must(run(c().exec(kAll, soon()))).columns(), 2);
  query("deallocate all");
  EXPECT_EQ(run(c().exec(kAll, soon())).error().code, Code::kUnavailable);
  EXPECT_EQ(must(run(c().exec(kAll, soon()))).columns(), 2);
}

TEST_F(ConnectionTest, WorksWithoutPreparing) {
  auto plain = must(
      run(Connection::connect(io.get_executor(), conninfo(), soon(), ConnectOptions{.prepare_statements = false})));
  constexpr Statement kNamed{"named", "select count(*) from pg_prepared_statements"};
  EXPECT_EQ(must(run(plain->exec(kNamed, soon()))).int64(0, 0), 0);
}

TEST_F(ConnectionTest, ErrorInATransactionStopsTheRestAndRecoveryRollsBack) {
  query("create table t (a int primary key)");
  Pipeline pipeline;
  pipeline.add(kBegin)
      .add({nullptr, "insert into t values (1)"})
      .add({nullptr, "insert into t values (1)"})
      .add({nullptr, "insert into t values (2)"})
      .add(kCommit);
  const auto results = run(c().run(std::move(pipeline), soon()));
  ASSERT_EQ(results.size(), 5u);
  EXPECT_TRUE(results[1]);
  EXPECT_EQ(results[2].error().code, Code::kConflict);
  EXPECT_EQ(sqlstate_of(results[2].error()), "23505");
  EXPECT_EQ(constraint_of(results[2].error()), "t_pkey");
  EXPECT_FALSE(results[3]);
  EXPECT_FALSE(results[4]);  // the commit too
  EXPECT_TRUE(c().in_transaction());
  EXPECT_TRUE(c().needs_recovery());
  recover();
  EXPECT_FALSE(c().needs_recovery());
  EXPECT_EQ(query("select count(*) from t").int64(0, 0), 0);
}

TEST_F(ConnectionTest, ErrorOutsideATransactionRollsBackThePipeline) {
  query("create table t (a int)");
  Pipeline pipeline;
  pipeline.add({nullptr, "insert into t values (1)"}).add({nullptr, "select 1/0"});
  EXPECT_EQ(run(c().run_all(std::move(pipeline), soon())).error().code, Code::kInvalidInput);
  EXPECT_FALSE(c().needs_recovery());
  EXPECT_EQ(query("select count(*) from t").int64(0, 0), 0);
}

TEST_F(ConnectionTest, CommitOfAFailedTransactionIsAFailure) {
  must(run(c().exec(kBegin, soon())));
  EXPECT_EQ(query_error("select 1/0").code, Code::kInvalidInput);
  const auto commit = run(c().exec(kCommit, soon()));
  ASSERT_FALSE(commit);
  EXPECT_EQ(commit.error().code, Code::kInternal);
}

TEST_F(ConnectionTest, MessagesKeepDataAndSqlToThemselves) {
  query("create table t (secret text unique)");
  query("insert into t values ('hunter2')");
  const Error error = query_error("insert into t values ('hunter2')");
  EXPECT_EQ(describe(error).find("hunter2"), std::string::npos);
  EXPECT_EQ(describe(error).find("insert"), std::string::npos);
  EXPECT_NE(error.detail.find("t_secret_key"), std::string::npos);
  EXPECT_EQ(query_error("select * from nowhere").code, Code::kInternal);
  EXPECT_EQ(query_error("select 'x'::uuid").code, Code::kInvalidInput);
}

TEST_F(ConnectionTest, TextWithNulIsRefusedAsInput) {
  const Error error = query_error("select $1::text", std::move(Params().add(std::string_view("a\0b", 3))));
  EXPECT_EQ(error.code, Code::kInvalidInput);
  EXPECT_FALSE(c().needs_recovery());
}

TEST_F(ConnectionTest, DeadlineReturnsInTimeAndTheConnectionRecovers) {
  const auto begun = std::chrono::steady_clock::now();
  const auto result = run(c().exec({nullptr, "select pg_sleep(30)"}, within(100ms)));
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, Code::kDeadline);
  EXPECT_TRUE(c().needs_recovery());
  EXPECT_EQ(run(c().exec({nullptr, "select 1"}, soon())).error().code, Code::kInternal);  // not before recovery
  recover();
  EXPECT_LT(std::chrono::steady_clock::now() - begun, 10s);
  EXPECT_EQ(query("select 1").int64(0, 0), 1);
}

TEST_F(ConnectionTest, DeadlineInsideATransactionRollsBack) {
  query("create table t (a int)");
  Pipeline pipeline;
  pipeline.add(kBegin).add({nullptr, "insert into t values (1)"}).add({nullptr, "select pg_sleep(30)"}).add(kCommit);
  EXPECT_EQ(run(c().run_all(std::move(pipeline), within(200ms))).error().code, Code::kDeadline);
  recover();
  EXPECT_EQ(query("select count(*) from t").int64(0, 0), 0);
}

TEST_F(ConnectionTest, StatementTimeoutOfTheServerIsADeadline) {
  query("set statement_timeout = '50ms'");
  EXPECT_EQ(query_error("select pg_sleep(30)").code, Code::kDeadline);
  EXPECT_FALSE(c().needs_recovery());
}

awaitable<Result<ResultSet>> cancel_then_sleep(Connection& connection, Deadline deadline) {
  Pipeline pipeline;
  pipeline.add({nullptr, "select 1"}).add({nullptr, "select pg_sleep(30)"});
  boost::asio::steady_timer timer(co_await boost::asio::this_coro::executor);
  timer.expires_after(100ms);
  timer.async_wait([&connection](const boost::system::error_code& error) {
    if (!error) connection.cancel();
  });
  auto results = co_await connection.run(std::move(pipeline), deadline);
  co_return std::move(results.back());
}

TEST_F(ConnectionTest, CancelEndsTheStatement) {
  const auto begun = std::chrono::steady_clock::now();
  const auto result = run(cancel_then_sleep(c(), soon()));
  ASSERT_FALSE(result);
  EXPECT_EQ(sqlstate_of(result.error()), "57014");
  EXPECT_LT(std::chrono::steady_clock::now() - begun, 10s);
  EXPECT_FALSE(c().needs_recovery());
}

TEST_F(ConnectionTest, BigPipelineDoesNotDeadlock) {
  // Both directions carry more than any socket buffers: whoever only writes, or only reads, waits for ever.
  constexpr Statement kEcho{"echo_text", "select $1::text"};
  const std::string megabyte(1 << 20, 'x');
  Pipeline pipeline;
  for (int i = 0; i < 100; ++i) pipeline.add(kEcho, std::move(Params().add(megabyte)));
  const auto results = must(run(c().run_all(std::move(pipeline), within(120s))));
  ASSERT_EQ(results.size(), 100u);
  for (const auto& result : results) ASSERT_EQ(result.text(0, 0).size(), megabyte.size());
}

TEST_F(ConnectionTest, TooLargeAParameterIsRefusedBeforeItIsSent) {
  const std::string huge(kMaxParameterBytes + 1, 'x');
  EXPECT_EQ(query_error("select length($1)", std::move(Params().add(huge))).code, Code::kTooLarge);
  EXPECT_EQ(query("select 1").int64(0, 0), 1);
}

TEST_F(ConnectionTest, StreamYieldsEveryRowInOrderInChunks) {
  Pipeline before, after;
  before.add(kBeginSnapshot);
  after.add(kCommit);
  auto stream = must(run(c().stream(std::move(before), {"series", "select generate_series(1::int8, $1)"},
                                    std::move(Params().add(std::int64_t{10'007})), std::move(after), 1000, soon())));
  std::int64_t expected = 1;
  int chunks = 0;
  while (auto chunk = must(run(stream.next(soon())))) {
    ++chunks;
    ASSERT_LE(chunk->rows(), 1000);
    for (int r = 0; r < chunk->rows(); ++r) ASSERT_EQ(chunk->int64(r, 0), expected++);
  }
  EXPECT_EQ(expected, 10'008);
  EXPECT_EQ(chunks, 11);
  EXPECT_FALSE(c().needs_recovery());
}

TEST_F(ConnectionTest, StreamOfNothingEnds) {
  auto stream = must(run(c().stream({}, {nullptr, "select 1 where false"}, {}, {}, 10, soon())));
  EXPECT_FALSE(must(run(stream.next(soon()))));
  EXPECT_FALSE(must(run(stream.next(soon()))));
  EXPECT_FALSE(c().needs_recovery());
}

TEST_F(ConnectionTest, StreamFailsWithWhatStandsBeforeIt) {
  Pipeline before;
  before.add(kBegin).add({nullptr, "select 1/0"});
  EXPECT_EQ(run(c().stream(std::move(before), {nullptr, "select 1"}, {}, {}, 10, soon())).error().code,
            Code::kInvalidInput);
  recover();
  EXPECT_EQ(query("select 1").int64(0, 0), 1);
}

TEST_F(ConnectionTest, StreamReportsAFailureAmongItsRows) {
  auto stream =
      must(run(c().stream({}, {nullptr, "select 1 / (500 - g) from generate_series(1, 1000) g"}, {}, {}, 100, soon())));
  Result<std::optional<ResultSet>> chunk;
  int rows = 0;
  for (;;) {
    chunk = run(stream.next(soon()));
    if (!chunk || !*chunk) break;
    rows += (*chunk)->rows();
  }
  ASSERT_FALSE(chunk);
  EXPECT_EQ(chunk.error().code, Code::kInvalidInput);
  EXPECT_LT(rows, 500);
  EXPECT_FALSE(c().needs_recovery());
}

TEST_F(ConnectionTest, StreamDroppedEarlyLeavesARecoverableConnection) {
  {
    auto stream = must(run(c().stream({}, {nullptr, "select generate_series(1, 50000000)"}, {}, {}, 10, soon())));
    EXPECT_EQ(must(run(stream.next(soon())))->rows(), 10);
  }
  EXPECT_TRUE(c().needs_recovery());
  recover();
  EXPECT_EQ(query("select 1").int64(0, 0), 1);
}

TEST_F(ConnectionTest, ScriptRunsManyStatementsOrNone) {
  must(run(c().script("create table a (x int); create table b (y int); insert into a values (1)", soon())));
  EXPECT_EQ(query("select count(*) from a").int64(0, 0), 1);
  EXPECT_FALSE(run(c().script("create table d (x int); select 1/0; create table e ()", soon())));
  EXPECT_TRUE(query("select to_regclass('d')").is_null(0, 0));
  EXPECT_FALSE(run(c().script("begin; select 1/0", soon())));
  EXPECT_TRUE(c().needs_recovery());
  recover();
  EXPECT_EQ(query("select 1").int64(0, 0), 1);
}

TEST_F(ConnectionTest, CopyOutStreamsBinaryRows) {
  auto copy =
      must(run(c().copy_out("begin; copy (select generate_series(1, 3)::int4) to stdout (format binary); "
                            "copy (select 'x'::text) to stdout (format binary); commit",
                            soon())));
  std::vector<std::string> bytes(2);
  while (auto message = must(run(copy.next(soon()))))
    bytes.at(static_cast<std::size_t>(message->copy)) += message->bytes;
  EXPECT_EQ(bytes[0].substr(0, 11), std::string("PGCOPY\n\377\r\n\0", 11));
  EXPECT_EQ(bytes[0].size(), 19u + 3 * 10 + 2);
  EXPECT_EQ(bytes[1].size(), 19u + 7 + 2);
  EXPECT_FALSE(c().needs_recovery());
  EXPECT_EQ(query("select 1").int64(0, 0), 1);
}

TEST_F(ConnectionTest, CopyDroppedInTheMiddleIsRecoverable) {
  auto copy = must(run(c().copy_out("copy (select generate_series(1, 50000000)) to stdout (format binary)", soon())));
  EXPECT_TRUE(must(run(copy.next(soon()))));
  EXPECT_TRUE(c().needs_recovery());
  recover();
  EXPECT_EQ(query("select 1").int64(0, 0), 1);
}

TEST_F(ConnectionTest, CopyInAPipelineBreaksTheConnectionButDoesNotHang) {
  EXPECT_EQ(query_error("copy (select 1) to stdout").code, Code::kInternal);
  EXPECT_FALSE(c().is_healthy());
}

TEST_F(ConnectionTest, NotificationsArriveWithTheirPayload) {
  must(run(c().listen("We\"ird Channel", soon())));
  auto other = connect();
  must(run(other->exec({nullptr, "select pg_notify($1, $2)"}, std::move(Params().add("We\"ird Channel").add("hello")),
                       soon())));
  const auto notification = must(run(c().wait_notification(soon())));
  EXPECT_EQ(notification.channel, "We\"ird Channel");
  EXPECT_EQ(notification.payload, "hello");
  EXPECT_EQ(notification.backend_pid, other->backend_pid());
}

TEST_F(ConnectionTest, WaitingForNoNotificationEndsAtItsDeadline) {
  must(run(c().listen("quiet", soon())));
  EXPECT_EQ(run(c().wait_notification(within(50ms))).error().code, Code::kDeadline);
  EXPECT_FALSE(c().needs_recovery());
  EXPECT_EQ(query("select 1").int64(0, 0), 1);
}

TEST_F(ConnectionTest, WaitingForANotificationSeesTheConnectionGo) {
  must(run(c().listen("quiet", soon())));
  auto other = connect();
  must(run(other->exec({nullptr, "select pg_terminate_backend($1::int4)"},
                       std::move(Params().add(std::int32_t{c().backend_pid()})), soon())));
  EXPECT_EQ(run(c().wait_notification(soon())).error().code, Code::kUnavailable);
  EXPECT_FALSE(c().is_healthy());
}

TEST_F(ConnectionTest, AKilledSessionIsUnavailableAndNotHealthy) {
  EXPECT_TRUE(c().is_healthy());
  Pipeline suicide;
  suicide.add({nullptr, "select pg_terminate_backend(pg_backend_pid())"}).add({nullptr, "select 1"});
  for (const auto& result : run(c().run(std::move(suicide), soon())))
    if (!result) EXPECT_EQ(result.error().code, Code::kUnavailable);
  EXPECT_FALSE(c().is_healthy());
  EXPECT_EQ(run(c().exec({nullptr, "select 1"}, soon())).error().code, Code::kUnavailable);
  EXPECT_FALSE(run(c().recover(soon())));
}

// The answer comes before the socket closes; a pool that believed the socket would hand out a dead session.
TEST_F(ConnectionTest, AFatalErrorEndsTheConnectionAtOnce) {
  for (int i = 0; i < 20; ++i) {
    auto dying = connect();
    EXPECT_FALSE(run(dying->exec({nullptr, "select pg_terminate_backend(pg_backend_pid())"}, soon())));
    ASSERT_FALSE(dying->is_healthy()) << i;
  }
}

TEST_F(ConnectionTest, WrongAddressAndRoleAreToldApartFromTime) {
  const auto nowhere = run(Connection::connect(io.get_executor(), "host=/nonexistent user=x", soon()));
  ASSERT_FALSE(nowhere);
  EXPECT_EQ(nowhere.error().code, Code::kUnavailable);
  const auto stranger = run(Connection::connect(io.get_executor(), conninfo("stranger"), soon()));
  ASSERT_FALSE(stranger);
  EXPECT_NE(stranger.error().detail.find("stranger"), std::string::npos);
  EXPECT_FALSE(run(Connection::connect(io.get_executor(), "no such = = syntax", soon())));
}

TEST(Quoting, DoublesTheQuote) {
  EXPECT_EQ(quote_identifier("a\"b"), "\"a\"\"b\"");
  EXPECT_EQ(quote_literal("a'b\\"), "'a''b\\'");
}

TEST(SqlState, MapsByLongestPrefix) {
  const std::pair<const char*, Code> cases[] = {
      {"40001", Code::kUnavailable},       {"40P01", Code::kUnavailable},
      {"55P03", Code::kUnavailable},       {"57014", Code::kDeadline},
      {"57P01", Code::kUnavailable},       {"57P03", Code::kUnavailable},
      {"53300", Code::kUnavailable},       {"08006", Code::kUnavailable},
      {"53100", Code::kResourceExhausted}, {"23505", Code::kConflict},
      {"23503", Code::kInvalidInput},      {"22P02", Code::kInvalidInput},
      {"42501", Code::kPermissionDenied},  {"42P01", Code::kInternal},
      {"XX000", Code::kInternal},          {"", Code::kInternal},
  };
  for (const auto& [state, code] : cases) EXPECT_EQ(code_of_sqlstate(state), code) << state;
}

}  // namespace
}  // namespace tideline::pg
