#include "server/sync_package.h"

#include <gtest/gtest.h>

namespace tideline::server {
namespace {

TEST(SyncPackage, StateIsAskedForAnewWhereAnotherProcessMayHaveToldANewerOne) {
  store::OrganizationState state;
  state.version = {5};
  state.stamp = Timestamp{1'000'000};
  const auto may = [&](std::optional<std::int64_t> last_sync, std::optional<std::int64_t> as_of, std::int64_t offset) {
    SyncPackageRequest request;
    if (last_sync) request.last_sync = Timestamp{*last_sync};
    if (as_of) request.as_of = Timestamp{*as_of};
    request.offset = offset;
    return may_have_seen_newer(request, state);
  };
  EXPECT_FALSE(may({}, {}, 0)) << "who begins has seen nothing";
  EXPECT_FALSE(may(999'999, {}, 0));
  EXPECT_FALSE(may(1'000'000, {}, 0));
  EXPECT_TRUE(may(1'000'001, {}, 0));
  EXPECT_TRUE(may({}, {}, 1)) << "the first page may be of any state";
  EXPECT_FALSE(may({}, 1'000'000, 1)) << "it is said which";
  EXPECT_TRUE(may({}, 1'000'001, 1));
  EXPECT_TRUE(may(1'000'001, 1'000'000, 1));
}

}  // namespace
}  // namespace tideline::server
