// Array parameters make the round trip unchanged, whatever is in them: server and decoder agree with the encoder.

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <bit>
#include <limits>
#include <string>
#include <vector>

#include "base/text.h"
#include "tests/support/cluster_fixture.h"

namespace tideline::pg {
namespace {

using test::must;

// One connection for all cases: each costs a round trip, not a database.
class Server {
 public:
  static ResultSet echo(const char* type, Params params) {
    static Server server;
    const std::string sql = std::string("select $1::") + type + ", coalesce(cardinality($1), 0)";
    Pipeline pipeline;
    pipeline.add_text(sql, std::move(params));
    auto results =
        must(run(server.io_, server.connection_->run_all(std::move(pipeline), within(std::chrono::seconds(30)))));
    return std::move(results.front());
  }

 private:
  Server()
      : connection_(must(run(
            io_, Connection::connect(io_.get_executor(), test::SharedCluster::instance().cluster().conninfo("postgres"),
                                     within(std::chrono::seconds(30)))))) {}
  boost::asio::io_context io_;
  std::unique_ptr<Connection> connection_;
};

template <class T, class U>
Params array_of(const std::vector<U>& values) {
  ArrayBuilder<T> array;
  for (const auto& value : values) array.add(value);
  RC_ASSERT(array.size() == values.size());
  return std::move(Params().add(std::move(array)));
}

std::vector<Uuid> some_uuids() {
  std::vector<Uuid> out(static_cast<std::size_t>(*rc::gen::inRange(0, 40)));
  for (auto& id : out)
    for (auto& byte : id.bytes) byte = *rc::gen::arbitrary<std::uint8_t>();
  return out;
}

// Text the server takes: no NUL, valid UTF-8.
std::string some_text() {
  std::string text = *rc::gen::arbitrary<std::string>();
  std::erase(text, '\0');
  if (!is_valid_utf8(text)) text = "ü" + hex({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
  return text;
}

RC_GTEST_PROP(ArrayRoundTrip, Uuids, ()) {
  const auto values = some_uuids();
  const auto rows = Server::echo("uuid[]", array_of<Uuid>(values));
  RC_ASSERT(rows.uuids(0, 0) == values);
  RC_ASSERT(rows.int64(0, 1) == static_cast<std::int64_t>(values.size()));
}

RC_GTEST_PROP(ArrayRoundTrip, TextsWithNulls, ()) {
  std::vector<std::optional<std::string>> values(static_cast<std::size_t>(*rc::gen::inRange(0, 40)));
  for (auto& value : values)
    if (*rc::gen::inRange(0, 4) != 0) value = some_text();
  const auto rows = Server::echo("text[]", array_of<std::string>(values));
  const auto got = rows.nullable_texts(0, 0);
  RC_ASSERT(got.size() == values.size());
  for (std::size_t i = 0; i < got.size(); ++i) RC_ASSERT(got[i] == values[i]);
}

RC_GTEST_PROP(ArrayRoundTrip, Int8s, (const std::vector<std::int64_t>& values)) {
  RC_ASSERT(Server::echo("int8[]", array_of<std::int64_t>(values)).int64s(0, 0) == values);
}

RC_GTEST_PROP(ArrayRoundTrip, Int4s, (const std::vector<std::int32_t>& values)) {
  const auto got = Server::echo("int4[]", array_of<std::int32_t>(values)).int64s(0, 0);
  RC_ASSERT(std::vector<std::int32_t>(got.begin(), got.end()) == values);
}

RC_GTEST_PROP(ArrayRoundTrip, Booleans, (const std::vector<bool>& values)) {
  RC_ASSERT(Server::echo("bool[]", array_of<bool>(values)).booleans(0, 0) == values);
}

RC_GTEST_PROP(ArrayRoundTrip, Float8sToTheBit, (const std::vector<std::int64_t>& bits)) {
  std::vector<double> values;
  for (const auto pattern : bits) values.push_back(std::bit_cast<double>(pattern));
  const auto got = Server::echo("float8[]", array_of<double>(values)).float8s(0, 0);
  RC_ASSERT(got.size() == values.size());
  for (std::size_t i = 0; i < got.size(); ++i) RC_ASSERT(std::bit_cast<std::int64_t>(got[i]) == bits[i]);
}

RC_GTEST_PROP(ArrayRoundTrip, Timestamps, ()) {
  std::vector<Timestamp> values(static_cast<std::size_t>(*rc::gen::inRange(0, 40)));
  // 0001-01-01 … 9999-12-31 in microseconds.
  for (auto& value : values)
    value.micros = *rc::gen::inRange<std::int64_t>(-62'135'596'800'000'000, 253'402'300'799'999'999);
  RC_ASSERT(Server::echo("timestamptz[]", array_of<Timestamp>(values)).timestamps(0, 0) == values);
}

RC_GTEST_PROP(ArrayRoundTrip, Byteas, (const std::vector<std::vector<std::uint8_t>>& values)) {
  const auto rows = Server::echo("bytea[]", array_of<Bytea>(values));
  const auto got = rows.byteas(0, 0);
  RC_ASSERT(got.size() == values.size());
  for (std::size_t i = 0; i < got.size(); ++i)
    RC_ASSERT(std::vector<std::uint8_t>(got[i].begin(), got[i].end()) == values[i]);
}

RC_GTEST_PROP(ArrayRoundTrip, NullsStayWhereTheyAre, (const std::vector<bool>& nulls)) {
  UuidArray array;
  for (const bool null : nulls) null ? array.add_null() : array.add(Uuid{});
  const auto rows = Server::echo("uuid[]", std::move(Params().add(std::move(array))));
  RC_ASSERT(rows.int64(0, 1) == static_cast<std::int64_t>(nulls.size()));
}

class BulkTest : public test::DatabaseTest {};

TEST_F(BulkTest, ThousandsOfRowsGoThroughUnnest) {
  auto connection = connect();
  must(run(connection->script("create table t (id uuid primary key, name text, at timestamptz, doc jsonb)", soon())));
  UuidArray ids;
  TextArray names;
  TimestampArray times;
  JsonbArray docs;
  for (int i = 0; i < 20'000; ++i) {
    ids.add(Uuid::random());
    names.add(i % 3 == 0 ? std::nullopt : std::optional<std::string>("name " + std::to_string(i)));
    times.add(Timestamp{i});
    docs.add(R"({"i": 1})");
  }
  Params params;
  params.add(std::move(ids)).add(std::move(names)).add(std::move(times)).add(std::move(docs));
  constexpr Statement kInsert{
      "bulk", "insert into t select * from unnest($1::uuid[], $2::text[], $3::timestamptz[], $4::jsonb[])"};
  EXPECT_EQ(must(run(connection->exec(kInsert, std::move(params), soon()))).affected_rows(), 20'000);
  const auto rows =
      must(run(connection->exec({nullptr, "select count(*) filter (where name is null), max(at) from t"}, soon())));
  EXPECT_EQ(rows.int64(0, 0), 6667);
  EXPECT_EQ(rows.timestamp(0, 1), Timestamp{19'999});
}

}  // namespace
}  // namespace tideline::pg
