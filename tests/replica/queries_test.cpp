#include "replica/queries.h"

#include <gtest/gtest.h>

#include "replica/verify.h"
#include "tests/replica/model_server.h"

namespace tideline::replica::test {
namespace {

std::vector<std::string> names(const std::vector<LineageNode>& nodes) {
  std::vector<std::string> out;
  for (const auto& node : nodes) out.push_back(node.object.name + (node.column ? "." + *node.column : ""));
  std::sort(out.begin(), out.end());
  return out;
}
using Names = std::vector<std::string>;

/// raw.orders → stg_orders → orders → revenue, with columns; a test, an exposure, and a source of another connection.
class ReplicaQueries : public ::testing::Test {
 protected:
  void SetUp() override {
    shop = server.add_connection("shop");
    elsewhere = server.add_connection("elsewhere");
    raw = make_object(shop, "orders", "Orders as the shop writes them", "source");
    raw.schema_name = "raw";
    raw.full_name = "warehouse.raw.ORDERS_V2";
    staging = make_object(shop, "stg_orders", "Cleaned");
    orders = make_object(shop, "orders", "One row for each order, with its amount");
    revenue = make_object(shop, "daily_revenue", "Money by day");
    foreign = make_object(elsewhere, "customers");
    test = make_object(shop, "not_null_orders_amount", "", "test");
    test.metadata = {"{\"column_name\":\"AMOUNT\",\"unique_id\":\"test.shop.not_null_orders_amount\"}"};
    other_test = make_object(shop, "not_null_orders_id", "", "test");
    other_test.metadata = {"{\"column_name\":\"id\",\"unique_id\":\"test.shop.not_null_orders_id\"}"};
    board = make_object(shop, "board", "For the board", "exposure");
    server.begin(shop);
    for (const auto& object : {raw, staging, orders, revenue, test, other_test, board}) server.put(shop, object);
    for (const auto& object : {raw, staging, orders}) {
      server.put(shop, make_column(shop, object, "id", 1, "Which one"));
      server.put(shop, make_column(shop, object, "amount", 2, "In cents, gross"));
    }
    server.put(shop, make_column(shop, revenue, "total", 1));
    server.put(shop, make_column(shop, revenue, "order_count", 2));
    server.put(shop, make_dependency(shop, raw, staging, "source"));
    server.put(shop, make_dependency(shop, staging, orders));
    server.put(shop, make_dependency(shop, foreign, orders));
    server.put(shop, make_dependency(shop, orders, revenue));
    server.put(shop, make_dependency(shop, orders, test, "test"));
    server.put(shop, make_dependency(shop, orders, other_test, "test"));
    server.put(shop, make_dependency(shop, revenue, board));
    server.put(shop, make_lineage(shop, raw, "amount", staging, "amount"));
    server.put(shop, make_lineage(shop, raw, "id", staging, "id"));
    server.put(shop, make_lineage(shop, staging, "AMOUNT", orders, "amount", "calculated"));
    server.put(shop, make_lineage(shop, staging, "id", orders, "id"));
    server.put(shop, make_lineage(shop, orders, "amount", revenue, "total", "aggregated"));
    server.put(shop, make_lineage(shop, orders, "id", revenue, "total", "filtered"));
    DocumentationRecord document;
    document.id = documentation_id(shop, orders.id);
    document.connection_id = shop.value;
    document.object_id = orders.id;
    document.executive_summary = "Finance closes the month on this.";
    server.put(shop, document);
    writer = must(Writer::open(options_for(file)));
    sync(*writer, server, [] { return std::size_t{50}; }, {shop});
    reader.emplace(must(Reader::open(file)));
  }
  View view() { return must(reader->view()); }
  Target target(const std::string& name) {
    const auto resolution = must(view().resolve(name));
    if (!resolution.target) throw std::runtime_error(name + " is ambiguous");
    return *resolution.target;
  }
  std::vector<SearchHit> search(const std::string& text, std::size_t limit = 20) {
    SearchQuery query;
    query.text = text;
    query.limit = limit;
    return must(view().search(query)).hits;
  }

  SearchHit first(const std::string& text) {
    const auto hits = search(text);
    return hits.empty() ? SearchHit() : hits[0];
  }

  TempDirectory directory;
  std::filesystem::path file = directory / "acme.sqlite";
  ModelServer server;
  ConnectionId shop, elsewhere;
  ObjectRecord raw, staging, orders, revenue, foreign, test, other_test, board;
  std::unique_ptr<Writer> writer;
  std::optional<Reader> reader;
};

TEST_F(ReplicaQueries, NamesAreFoundAsPeopleWriteThem) {
  for (const char* name : {"orders", "ORDERS", "marts.orders", "warehouse.marts.orders", "model.shop.orders",
                           "\"Warehouse\".\"Marts\".\"orders\"", "`marts.orders`", "[marts].[Orders]"})
    EXPECT_EQ(target(name).object.id, orders.id) << name;
  for (const char* name : {"orders.amount", "Orders.AMOUNT", "marts.orders.amount", "model.shop.orders.amount",
                           "warehouse.marts.orders.\"amount\""}) {
    EXPECT_EQ(target(name).object.id, orders.id) << name;
    EXPECT_EQ(target(name).column, "amount") << name;
  }
  EXPECT_EQ(target("raw.orders").object.id, raw.id);
  EXPECT_EQ(target("orders_v2").object.id, raw.id);
  EXPECT_EQ(target("source.shop.orders").object.id, raw.id);
}

TEST_F(ReplicaQueries, AModelGoesBeforeASourceAndTheSourceIsNamed) {
  const Resolution resolution = must(view().resolve("orders"));
  ASSERT_TRUE(resolution.target);
  ASSERT_EQ(resolution.candidates.size(), 1U);
  EXPECT_EQ(resolution.candidates[0].object.id, raw.id);
}

TEST_F(ReplicaQueries, WhatMeansTwoThingsListsThem) {
  server.begin(shop);
  auto twin = make_object(shop, "orders_twin");
  twin.name = "orders";
  server.put(shop, twin);
  sync(*writer, server, [] { return std::size_t{50}; }, {shop});
  const Resolution resolution = must(view().resolve("orders"));
  EXPECT_FALSE(resolution.target);
  EXPECT_EQ(resolution.candidates.size(), 3U);
}

TEST_F(ReplicaQueries, WhatIsNotThereSaysWhatIsNear) {
  const auto error = view().resolve("order").error();
  EXPECT_EQ(error.code, Code::kNotFound);
  EXPECT_NE(error.hint.find("orders"), std::string::npos) << error.hint;
  EXPECT_EQ(view().resolve("orders.nothing").error().code, Code::kNotFound);
  EXPECT_EQ(view().resolve("  ").error().code, Code::kInvalidInput);
}

TEST_F(ReplicaQueries, SearchFindsNamesBeforeTextAndSubstringsInNames) {
  const auto hits = search("orders");
  ASSERT_GE(hits.size(), 3U);
  EXPECT_EQ(hits[0].where, SearchHit::Where::kName);
  EXPECT_EQ(hits[0].object.name, "orders");
  EXPECT_EQ(first("reven").object.id, revenue.id);            // inside a name
  EXPECT_EQ(first("rder_coun").column, "order_count");        // across its words
  EXPECT_EQ(first("money").object.id, revenue.id);            // in a description
  EXPECT_EQ(search("gross cents").size(), 3U);                // words in any order
  EXPECT_EQ(first("finan").kind, Kind::kDocumentation);       // a prefix in documentation
  EXPECT_EQ(first("v2").object.id, raw.id) << "two letters";  // short, at the start of a word
  EXPECT_TRUE(search("zzz").empty());
  EXPECT_TRUE(search("%%%").empty());
  EXPECT_TRUE(search("\"*()-:").empty());
}

TEST_F(ReplicaQueries, SearchKeepsToTypesAndLimits) {
  SearchQuery query;
  query.text = "orders";
  query.object_types = {"source"};
  for (const auto& hit : must(view().search(query)).hits) EXPECT_EQ(hit.object.object_type, "source");
  query.object_types.clear();
  query.limit = 1;
  const auto answer = must(view().search(query));
  EXPECT_EQ(answer.hits.size(), 1U);
  EXPECT_TRUE(answer.more);
}

TEST_F(ReplicaQueries, SearchFollowsChangesAndRemovals) {
  server.begin(shop);
  auto renamed = revenue;
  renamed.name = "turnover";
  renamed.description = "Zloty by week";
  server.put(shop, renamed);
  server.remove(shop, documentation_id(shop, orders.id));
  sync(*writer, server, [] { return std::size_t{50}; }, {shop});
  EXPECT_TRUE(search("money").empty());
  EXPECT_TRUE(search("finance").empty());
  EXPECT_EQ(first("zloty").object.name, "turnover");
  EXPECT_EQ(first("urnov").object.name, "turnover");
  EXPECT_TRUE(must(verify(file)).sound());
}

TEST_F(ReplicaQueries, ShowHasColumnsNeighboursAndDocumentation) {
  const ObjectDetails details = must(view().show(orders.id));
  EXPECT_EQ(details.record.definition, orders.definition);
  EXPECT_EQ(details.connection_full_name, "acme/shop");
  ASSERT_EQ(details.columns.size(), 2U);
  EXPECT_EQ(details.columns[0].name, "id");
  ASSERT_EQ(details.upstream.size(), 2U);
  EXPECT_EQ(details.upstream[0].object.full_name, "warehouse.marts.customers");
  EXPECT_FALSE(details.upstream[0].object.here);
  EXPECT_EQ(details.downstream.size(), 3U);
  EXPECT_EQ(details.documentation.size(), 1U);
  EXPECT_EQ(view().show(foreign.id).error().code, Code::kNotFound);
}

TEST_F(ReplicaQueries, LineageOfAColumnFollowsValuesAndOnRequestInfluence) {
  LineageQuery query{.from = target("orders.amount"), .direction = Direction::kUpstream};
  Lineage up = must(view().lineage(query));
  EXPECT_EQ(names(up.nodes), (Names{"orders.amount", "orders.amount", "stg_orders.AMOUNT"}));
  EXPECT_EQ(up.edges.size(), 2U);
  EXPECT_EQ(up.nodes[up.edges[0].target].object.id, orders.id);
  query.depth = 1;
  up = must(view().lineage(query));
  EXPECT_EQ(up.nodes.size(), 2U);
  EXPECT_TRUE(up.truncated);

  LineageQuery down{.from = target("orders.id"), .direction = Direction::kDownstream};
  EXPECT_EQ(must(view().lineage(down)).nodes.size(), 1U);
  down.influence = true;
  EXPECT_EQ(names(must(view().lineage(down)).nodes), (Names{"daily_revenue.total", "orders.id"}));
}

TEST_F(ReplicaQueries, LineageOfAnObjectLeavesTestsOutAndShowsWhatIsNotHere) {
  LineageQuery query{.from = target("orders"), .direction = Direction::kDownstream};
  EXPECT_EQ(names(must(view().lineage(query)).nodes), (Names{"board", "daily_revenue", "orders"}));
  query.direction = Direction::kUpstream;
  const Lineage up = must(view().lineage(query));
  EXPECT_EQ(names(up.nodes), (Names{"orders", "orders", "stg_orders", "warehouse.marts.customers"}));
}

TEST_F(ReplicaQueries, ACycleEnds) {
  server.begin(shop);
  server.put(shop, make_dependency(shop, revenue, staging));
  server.put(shop, make_lineage(shop, revenue, "total", staging, "amount"));
  sync(*writer, server, [] { return std::size_t{50}; }, {shop});
  for (const auto direction : {Direction::kUpstream, Direction::kDownstream})
    for (const char* name : {"orders", "orders.amount"}) {
      const Lineage lineage = must(view().lineage({.from = target(name), .direction = direction}));
      EXPECT_FALSE(lineage.truncated);
      EXPECT_LE(lineage.nodes.size(), 6U);
      EXPECT_GE(lineage.edges.size(), 3U);
    }
  EXPECT_FALSE(must(view().impact(target("orders.amount"))).truncated);
}

TEST_F(ReplicaQueries, ImpactOfAColumnReachesTestsAndExposures) {
  const Impact impact = must(view().impact(target("stg_orders.amount")));
  EXPECT_TRUE(impact.columns_known);
  EXPECT_EQ(names(impact.columns), (Names{"daily_revenue.total", "orders.amount"}));
  EXPECT_EQ(names(impact.objects), (Names{"daily_revenue", "orders"}));
  EXPECT_EQ(names(impact.tests), Names{"not_null_orders_amount"});
  EXPECT_EQ(names(impact.exposures), Names{"board"});
  const Impact of_id = must(view().impact(target("stg_orders.id")));
  EXPECT_EQ(names(of_id.columns), Names{"orders.id"});
  EXPECT_EQ(names(of_id.influenced), Names{"daily_revenue.total"});
  EXPECT_EQ(names(of_id.tests), Names{"not_null_orders_id"});
}

TEST_F(ReplicaQueries, ImpactWithoutColumnLineageSaysSoAndNamesTheObjects) {
  server.begin(shop);
  const auto opaque = make_object(shop, "python_model");
  server.put(shop, opaque);
  server.put(shop, make_dependency(shop, orders, opaque));
  sync(*writer, server, [] { return std::size_t{50}; }, {shop});
  const Impact impact = must(view().impact(target("orders.id")));
  EXPECT_FALSE(impact.columns_known);
  EXPECT_EQ(names(impact.objects), (Names{"daily_revenue", "python_model"}));
}

TEST_F(ReplicaQueries, ImpactGoesOnBehindAModelWhoseColumnsAreNotKnown) {
  server.begin(shop);
  const auto forecast = make_object(shop, "forecast", "A Python model"), plan = make_object(shop, "plan");
  const auto test_of_plan = make_object(shop, "unique_plan_week", "", "test"),
             deck = make_object(shop, "deck", "", "exposure");
  for (const auto& object : {forecast, plan, test_of_plan, deck}) server.put(shop, object);
  server.put(shop, make_column(shop, forecast, "week", 1));
  server.put(shop, make_dependency(shop, revenue, forecast));
  server.put(shop, make_dependency(shop, forecast, plan));
  server.put(shop, make_dependency(shop, plan, test_of_plan, "test"));
  server.put(shop, make_dependency(shop, plan, deck));
  server.put(shop, make_lineage(shop, forecast, "week", plan, "week"));
  sync(*writer, server, [] { return std::size_t{50}; }, {shop});
  const Impact impact = must(view().impact(target("stg_orders.amount")));
  EXPECT_TRUE(impact.columns_known);
  EXPECT_TRUE(impact.through_unknown);
  EXPECT_EQ(names(impact.columns), (Names{"daily_revenue.total", "orders.amount"}));
  EXPECT_EQ(names(impact.objects), (Names{"daily_revenue", "forecast", "orders", "plan"}));
  EXPECT_EQ(names(impact.tests), (Names{"not_null_orders_amount", "unique_plan_week"}));
  EXPECT_EQ(names(impact.exposures), (Names{"board", "deck"}));
  EXPECT_FALSE(must(view().impact(target("forecast.week"))).through_unknown) << "its reader has lineage";
}

TEST_F(ReplicaQueries, ImpactOfAnObjectIsThatOfItsColumnsAndReaders) {
  const Impact impact = must(view().impact(target("stg_orders")));
  EXPECT_EQ(names(impact.columns), (Names{"daily_revenue.total", "orders.amount", "orders.id"}));
  EXPECT_EQ(impact.tests.size(), 2U);
  EXPECT_EQ(names(impact.exposures), Names{"board"});
}

TEST_F(ReplicaQueries, AViewIsOneVersionWhateverLands) {
  View before = view();
  const auto version = must(before.status()).version;
  server.begin(shop);
  server.put(shop, make_object(shop, "fresh"));
  sync(*writer, server, [] { return std::size_t{50}; }, {shop});
  EXPECT_EQ(must(before.status()).version, version);
  EXPECT_FALSE(before.resolve("fresh"));
  EXPECT_EQ(must(view().status()).version, server.version);
  EXPECT_TRUE(view().resolve("fresh"));
}

TEST_F(ReplicaQueries, AReaderFollowsANewFile) {
  View before = view();
  server.begin(shop);
  server.put(shop, make_object(shop, "fresh"));
  must(writer->begin_new("epoch-2", NewFile::kEpoch, Timestamp::now()));
  EXPECT_TRUE(sync(*writer, server, [] { return std::size_t{50}; }, {shop}).swapped);
  EXPECT_FALSE(before.resolve("fresh"));  // its file is gone by name, not for it
  EXPECT_EQ(must(before.show(orders.id)).columns.size(), 2U);
  EXPECT_TRUE(view().resolve("fresh"));
}

TEST_F(ReplicaQueries, AClosedReplicaAnswersStatusAlone) {
  must(writer->close_to_readers("Access was removed."));
  EXPECT_EQ(reader->view().error().code, Code::kPermissionDenied);
  EXPECT_EQ(must(must(reader->view_even_closed()).status()).closed, "Access was removed.");
  must(writer->apply());
  EXPECT_TRUE(reader->view());
}

TEST_F(ReplicaQueries, StatusSaysWhatIsThere) {
  must(writer->note("last_error", "token expired"));
  const Status status = must(view().status());
  EXPECT_EQ(status.server, kServer);
  EXPECT_EQ(status.organization, kOrganization);
  EXPECT_EQ(status.epoch, "epoch-1");
  EXPECT_EQ(status.version, server.version);
  ASSERT_EQ(status.connections.size(), 1U);
  EXPECT_EQ(status.connections[0].full_name, "acme/shop");
  EXPECT_EQ(status.connections[0].rows[index_of(Kind::kObject)], 7);
  EXPECT_EQ(status.notes, (std::vector<std::pair<std::string, std::string>>{{"last_error", "token expired"}}));
  EXPECT_GT(status.file_bytes, 10'000U);
}

TEST_F(ReplicaQueries, APoolHandsOutReadersAndTakesThemBack) {
  ReaderPool pool(file);
  auto first = must(pool.acquire());
  auto second = must(pool.acquire());
  EXPECT_TRUE(must(first->view()).resolve("orders"));
  EXPECT_TRUE(must(second->view()).resolve("orders"));
}

TEST(ReplicaReader, WithoutAReplicaSaysWhatToDo) {
  const TempDirectory directory;
  const auto reader = Reader::open(directory / "none.sqlite");
  ASSERT_FALSE(reader);
  EXPECT_EQ(reader.error().code, Code::kNotFound);
  EXPECT_EQ(verify(directory / "none.sqlite").error().code, Code::kNotFound);
}

}  // namespace
}  // namespace tideline::replica::test
