#include "store/listing.h"
#include "tests/store/store_fixture.h"

namespace tideline::test {
namespace {

class StandbyTest : public StoreTest {
 protected:
  Result<std::unique_ptr<store::Database>> open_with(std::string standby) {
    store::DatabaseOptions options;
    options.primary.conninfo = conninfo("tideline_server");
    options.replica.emplace();
    options.replica->conninfo = std::move(standby);
    return run(store::Database::open(io.get_executor(), std::move(options), soon()));
  }
};

TEST_F(StandbyTest, OneThatIsAwayAtTheStartIsNoReasonNotToServe) {
  make_connection();
  auto database = must(open_with("host=/nowhere user=tideline_server dbname=tideline"));
  EXPECT_TRUE(database->has_replica());
  const auto listing =
      must(run(store::read_connection_listing(*database, tenant(), store::Consistency::kReplica, soon())));
  EXPECT_EQ(listing.connections.size(), 1u);
  must(run(database->close(soon())));
}

}  // namespace
}  // namespace tideline::test
