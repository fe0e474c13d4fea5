// The reading handlers on a real database: typed request in, encoded answer out.

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/thread_pool.hpp>

#include "base/json.h"
#include "server/changes.h"
#include "server/connections_listing.h"
#include "server/documentation_listing.h"
#include "server/sessions.h"
#include "server/sync_package.h"
#include "tests/store/store_fixture.h"

namespace tideline::test {
namespace {

using http::Encoding;
using server::Page;

store::awaitable<bool> note_refusal(store::Database& database, store::Tenant who, ConnectionId connection,
                                    Deadline deadline) {
  co_await store::note_refused_push(database, who, connection, "not JSON", deadline);
  co_return true;
}

class ReadsTest : public StoreTest {
 protected:
  void SetUp() override {
    StoreTest::SetUp();
    context_.emplace(*db_, pages_, listings_, heads_, cursor_key_, workers_.get_executor());
  }
  server::ReadRequest read(store::Tenant who, Encoding encoding = Encoding::kIdentity) {
    const auto states = must(run(db_->watch({who.organization}, soon())));
    return {.tenant = who, .state = states.at(0), .encoding = encoding, .deadline = soon()};
  }
  server::ReadRequest read() { return read(tenant()); }
  Page sync(server::ReadRequest request, server::SyncPackageRequest query = {}) {
    return must(run(server::sync_package(*context_, std::move(request), std::move(query))));
  }
  static Json json(const std::string& text) { return must(Json::parse(text, "answer")); }
  static Project project(int objects) {
    Project out;
    for (int i = 0; i < objects; ++i) {
      auto& object = out.objects["m" + std::to_string(i)];
      object.description = "hostile \"text\" \\ \x01 \n ü 漢字 </script>";
      object.columns = {{"a", "int"}};
      if (i > 0) object.upstream = {"m0"};
    }
    return out;
  }

  boost::asio::thread_pool workers_{2};
  server::PageCache pages_{8 << 20};
  server::ListingCache listings_;
  server::HeadsCache heads_;
  const std::string cursor_key_ = std::string(32, 'k');
  std::optional<server::ReadContext> context_;
};

std::size_t size_of(const Json& page, std::string_view member) {
  return page.find("metadata")->find(member)->if_array()->size();
}

TEST_F(ReadsTest, SyncPackageIsTheDocumentedObject) {
  const auto connection = make_connection();
  push(connection, project(3));
  const auto request = read();
  const Json page = json(*sync(request).body);
  EXPECT_EQ(size_of(page, "files"), 1u);
  EXPECT_EQ(size_of(page, "objects"), 3u);
  EXPECT_EQ(size_of(page, "columns"), 3u);
  EXPECT_EQ(size_of(page, "dependencies"), 2u);
  EXPECT_EQ(size_of(page, "columns_lineage"), 0u);
  EXPECT_TRUE(page.find("documentation")->if_array()->empty());
  EXPECT_EQ(page.find("deleted"), nullptr);
  const Json& about = *page.find("sync_metadata");
  EXPECT_EQ(about.string_at("organization_id"), org_.to_string());
  EXPECT_TRUE(about.find("connection_ids")->is_null());
  EXPECT_EQ(*about.find("object_count")->if_int(), 3);
  EXPECT_EQ(*about.find("file_count")->if_int(), 1);
  EXPECT_EQ(about.string_at("timestamp"), request.state.stamp.to_string());
  EXPECT_FALSE(*about.find("incremental")->if_bool());
}

TEST_F(ReadsTest, EmptyOrganizationHasAllSections) {
  const Json page = json(*sync(read()).body);
  for (const char* member : {"files", "objects", "columns", "dependencies", "columns_lineage"})
    EXPECT_EQ(size_of(page, member), 0u);
}

TEST_F(ReadsTest, EncodingsAndCachesAgree) {
  push(make_connection(), project(40));
  const Page plain = sync(read());
  EXPECT_EQ(plain.plain_bytes, plain.body->size());
  std::set<std::string> etags{plain.etag};
  for (const Encoding encoding : {Encoding::kZstd, Encoding::kGzip}) {
    const Page page = sync(read(tenant(), encoding));
    EXPECT_EQ(must(http::decompress(*page.body, encoding, 1 << 30)), *plain.body);
    EXPECT_LT(page.body->size(), plain.body->size());
    etags.insert(page.etag);
  }
  EXPECT_EQ(etags.size(), 3u);
  // Another process, another member: the same bytes under the same tag.
  server::PageCache other_pages(1 << 20);
  server::ListingCache other_listings;
  server::HeadsCache other_heads;
  server::ReadContext other{*db_, other_pages, other_listings, other_heads, cursor_key_, workers_.get_executor()};
  const auto again = must(run(server::sync_package(other, read({org_, member_user_}), {})));
  EXPECT_EQ(again.etag, plain.etag);
  EXPECT_EQ(*again.body, *plain.body);
}

TEST_F(ReadsTest, SamePageIsMadeOnceUntilAVersionLands) {
  const auto connection = make_connection();
  push(connection, project(3));
  const auto before = read();
  sync(before);
  EXPECT_TRUE(server::cached_sync_package(*context_, before, {}));
  EXPECT_EQ(pages_.stats().misses, 1u);
  push(connection, project(4));
  const auto after = read();
  EXPECT_FALSE(server::cached_sync_package(*context_, after, {}));
  EXPECT_EQ(size_of(json(*sync(after).body), "objects"), 4u);
  // Whoever still holds the older state gets the newer page.
  EXPECT_EQ(server::cached_sync_package(*context_, before, {})->version, after.state.version);
}

TEST_F(ReadsTest, ThePageBehindAPageOfChangesIsMadeAheadAndNoFurther) {
  const auto connection = make_connection();
  push(connection, project(40));
  server::ChangesRequest request{.connection = connection, .cursor = std::nullopt, .max_bytes = 1000};
  const auto page_of = [&](const server::ChangesRequest& of) {
    return must(run(server::changes_page(*context_, read(), of)));
  };
  Page page = page_of(request);
  EXPECT_EQ(pages_.stats().misses, 1u);
  int pages = 1;
  for (; page.next; ++pages) {
    server::read_ahead(*context_, read(), request, page, io.get_executor());
    server::read_ahead(*context_, read(), request, page, io.get_executor());  // asked twice, made once
    request.cursor = *page.next;
    page = page_of(request);
    EXPECT_EQ(pages_.stats().misses, static_cast<unsigned>(pages + 1));
    while (context_->reading_ahead > 0) io.poll();
    EXPECT_TRUE(server::cached_changes(*context_, read(), request));
  }
  EXPECT_GT(pages, 5);
  server::read_ahead(*context_, read(), request, page, io.get_executor());
  EXPECT_EQ(context_->reading_ahead, 0);
}

TEST_F(ReadsTest, NothingIsMadeAheadThatWouldNotBeKept) {
  const auto connection = make_connection();
  push(connection, project(40));
  server::PageCache small(1);
  server::ReadContext context{*db_, small, listings_, heads_, cursor_key_, workers_.get_executor()};
  const server::ChangesRequest request{.connection = connection, .cursor = std::nullopt, .max_bytes = 1000};
  const Page page = must(run(server::changes_page(context, read(), request)));
  ASSERT_TRUE(page.next);
  server::read_ahead(context, read(), request, page, io.get_executor());
  EXPECT_EQ(context.reading_ahead, 0);
  EXPECT_EQ(small.stats().misses, 1u);
}

TEST_F(ReadsTest, UpToDateClientIsAnsweredWithoutTheDatabase) {
  const auto connection = make_connection();
  push(connection, project(3));
  const auto request = read();
  must(run(server::list_connections(*context_, request)));
  const auto unknown = ConnectionId::random();
  std::vector<ConnectionId> asked{connection, unknown};
  must(run(db_->close(soon())));
  server::SyncPackageRequest query;
  query.last_sync = request.state.stamp;
  Json page = json(*sync(request, query).body);
  EXPECT_TRUE(*page.find("sync_metadata")->find("incremental")->if_bool());
  EXPECT_TRUE(page.find("deleted")->find("connections")->if_array()->empty());
  query.connection_ids = asked;
  page = json(*sync(request, query).body);
  ASSERT_EQ(page.find("sync_metadata")->find("connection_ids")->if_array()->size(), 1u);
  EXPECT_EQ(*(*page.find("sync_metadata")->find("connection_ids")->if_array())[0].if_string(), connection.to_string());
  // And what only it can tell is an error, not an old answer.
  query.last_sync = Timestamp{request.state.stamp.micros - 1};
  EXPECT_FALSE(run(server::sync_package(*context_, request, query)));
}

TEST_F(ReadsTest, EmptyAnswersFromMemoryAndFromTheDatabaseAreTheSameBytes) {
  push(make_connection(), project(2));
  const auto request = read();
  server::SyncPackageRequest query;
  query.last_sync = request.state.stamp;
  const Page from_memory = sync(request, query);
  query.connection_ids = std::vector<ConnectionId>{};  // the listing is not known yet: asks the database
  const Page asked = sync(request, query);
  Json expected = json(*from_memory.body), got = json(*asked.body);
  EXPECT_EQ(expected.find("deleted")->canonical(), got.find("deleted")->canonical());
  EXPECT_EQ(expected.find("metadata")->canonical(), got.find("metadata")->canonical());
}

TEST_F(ReadsTest, NeverOlderThanWhatWasSeen) {
  push(make_connection(), project(2));
  auto request = read();
  request.state.version.value += 1;
  const auto page = run(server::sync_package(*context_, request, {}));
  ASSERT_FALSE(page);
  EXPECT_EQ(page.error().code, Code::kUnavailable);
  const auto connections = run(server::list_connections(*context_, request));
  ASSERT_FALSE(connections);
  EXPECT_EQ(connections.error().code, Code::kUnavailable);
}

TEST_F(ReadsTest, StrangerIsRefusedAndLeavesNothingInTheCache) {
  push(make_connection(), project(2));
  auto request = read();
  request.tenant.user = other_user_;
  const auto refused = run(server::sync_package(*context_, request, {}));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kPermissionDenied);
  EXPECT_EQ(run(server::list_connections(*context_, request)).error().code, Code::kPermissionDenied);
  EXPECT_EQ(run(server::list_documentation(*context_, request, {})).error().code, Code::kPermissionDenied);
  EXPECT_EQ(pages_.stats().pages, 0u);
  EXPECT_EQ(size_of(json(*sync(read()).body), "objects"), 2u);
}

TEST_F(ReadsTest, TwoOrganizationsShareACacheAndNothingElse) {
  const auto id = ConnectionId::random();
  make_connection(tenant(), "acme/shop", id);
  make_connection(other_tenant(), "acme/shop", id);
  push(id, project(3));
  must(run(
      store::push(*db_, request_for(other_tenant(), id), ProjectRows(project(3)), blocking_.get_executor(), soon())));
  for (int round = 0; round < 2; ++round)
    for (const auto& [own, foreign] : {std::pair{tenant(), other_tenant()}, std::pair{other_tenant(), tenant()}}) {
      const Page page = sync(read(own));
      EXPECT_NE(page.body->find(own.organization.to_string()), std::string::npos);
      EXPECT_EQ(page.body->find(foreign.organization.to_string()), std::string::npos);
    }
}

TEST_F(ReadsTest, ConnectionsAreListedAndFollowTheirState) {
  const auto connection = make_connection("acme/shop");
  push(connection, project(3));
  auto list = json(*must(run(server::list_connections(*context_, read()))).body);
  const Json& first = (*list.find("connections")->if_array())[0];
  EXPECT_EQ(first.string_at("id"), connection.to_string());
  EXPECT_EQ(first.string_at("type"), "github");
  EXPECT_EQ(first.string_at("name"), "shop");
  EXPECT_EQ(first.string_at("full_name"), "acme/shop");
  EXPECT_EQ(first.string_at("status"), "completed");
  EXPECT_EQ(*first.find("object_count")->if_int(), 3);
  EXPECT_TRUE(first.find("url")->is_null());
  EXPECT_TRUE(first.find("last_extracted_at")->if_string());
  EXPECT_TRUE(server::cached_connections(*context_, read()));
  // A refused push makes no version, and shows.
  run(note_refusal(*db_, tenant(), connection, soon()));
  EXPECT_FALSE(server::cached_connections(*context_, read()));
  list = json(*must(run(server::list_connections(*context_, read()))).body);
  EXPECT_EQ((*list.find("connections")->if_array())[0].string_at("last_error"), "not JSON");
}

TEST_F(ReadsTest, WorkspaceFindsItsConnection) {
  make_connection("acme/shop");
  make_connection("acme/shop-dbt");
  make_connection("zeta/omega");
  const Json match = json(
      must(run(server::match_workspace(*context_, read(), {.workspace_identifier = "git@github.com:Acme/Shop.git"}))));
  ASSERT_EQ(match.find("matched_connections")->if_array()->size(), 1u);
  EXPECT_EQ((*match.find("matched_connections")->if_array())[0].string_at("full_name"), "acme/shop");
  ASSERT_EQ(match.find("suggested_connections")->if_array()->size(), 1u);
  EXPECT_TRUE((*match.find("suggested_connections")->if_array())[0].string_at("reason"));
  EXPECT_EQ(match.find("other_connections")->if_array()->size(), 1u);
}

TEST_F(ReadsTest, DocumentationComesWithItsObject) {
  const auto connection = make_connection();
  push(connection, project(3));
  std::vector<store::DocumentationItem> items(2);
  for (std::size_t i = 0; i < items.size(); ++i) {
    items[i].connection = connection;
    items[i].unique_id = "m" + std::to_string(i);
    items[i].content.executive_summary = "about " + std::to_string(i);
  }
  must(run(store::put_documentation(*db_, tenant(), items, soon())));
  const auto listed = [&](server::ReadDocumentationRequest query) {
    return json(*must(run(server::list_documentation(*context_, read(), std::move(query)))).body);
  };
  const Json all = listed({});
  ASSERT_EQ(all.find("documentation")->if_array()->size(), 2u);
  const Json& first = (*all.find("documentation")->if_array())[0];
  EXPECT_EQ(first.find("objects")->string_at("name"), "m0");
  EXPECT_EQ(first.find("objects")->find("files")->string_at("relative_path"), "models/a.sql");
  server::ReadDocumentationRequest one;
  one.object_ids = std::vector<Uuid>{object_id(connection, "m1"), Uuid::random()};
  EXPECT_EQ(listed(one).find("documentation")->if_array()->size(), 1u);
  server::ReadDocumentationRequest none;
  none.connection_ids = std::vector<ConnectionId>{ConnectionId::random()};
  EXPECT_EQ(listed(none).find("documentation")->if_array()->size(), 0u);
  push(connection, project(1));
  EXPECT_EQ(listed({}).find("documentation")->if_array()->size(), 1u) << "out of sight with its object";
}

TEST_F(ReadsTest, WorkspaceHasOneSessionPerUser) {
  server::RegisterSessionRequest request;
  request.workspace_identifier = "acme/shop";
  const auto register_as = [&](store::Tenant who) {
    return json(must(run(server::register_session(*db_, who, request, {}, soon())))).string_at("session_id").value();
  };
  const std::string id = register_as(tenant());
  EXPECT_EQ(register_as(tenant()), id);
  EXPECT_NE(register_as({org_, member_user_}), id);
  request.workspace_hash = "abc";
  EXPECT_NE(register_as(tenant()), id);
  // Sixteen at once.
  request.workspace_hash = "def";
  std::set<std::string> ids;
  int left = 16;
  for (int i = 0; i < 16; ++i)
    boost::asio::co_spawn(io, server::register_session(*db_, tenant(), request, {}, soon()),
                          [&](std::exception_ptr, const Result<std::string>& body) {
                            ids.insert(body ? json(*body).string_at("session_id").value() : describe(body.error()));
                            --left;
                          });
  io.restart();
  while (left > 0) io.run_one();
  EXPECT_EQ(ids.size(), 1u);
  EXPECT_EQ(count("metadata.ide_sync_sessions"), 4);
}

// A standby that was not rebuilt after a restore may be of a higher version than the primary.
TEST_F(ReadsTest, ADatabaseOfAnotherHistoryIsNotBelieved) {
  push(make_connection(), project(2));
  auto request = read();
  request.state.epoch = Uuid::random();
  request.state.version = Version{1};
  const auto code_of = [](const auto& result) { return result ? Code::kInternal : result.error().code; };
  EXPECT_EQ(code_of(run(server::sync_package(*context_, request, {}))), Code::kUnavailable);
  EXPECT_EQ(code_of(run(server::list_documentation(*context_, request, {}))), Code::kUnavailable);
  EXPECT_EQ(code_of(run(server::list_connections(*context_, request))), Code::kUnavailable);
}

TEST_F(ReadsTest, SessionIsItsUsersToChangeAndTheAdminsToSee) {
  server::RegisterSessionRequest request;
  request.workspace_identifier = "acme/shop";
  request.connection_ids = std::vector<ConnectionId>{ConnectionId::random()};
  const store::Tenant member{org_, member_user_};
  const auto id = SessionId::parse(
      json(must(run(server::register_session(*db_, member, request, {}, soon())))).string_at("session_id").value());
  server::UpdateSessionRequest change{
      .id = *id, .total_objects_synced = 7, .sync_status = "error", .error_message = {}};
  change.error_message.emplace("disk full");
  Json session = json(must(run(server::update_session(*db_, member, change, soon()))));
  EXPECT_EQ(*session.find("total_objects_synced")->if_int(), 7);
  EXPECT_EQ(session.string_at("error_message"), "disk full");
  EXPECT_TRUE(session.find("last_sync_at")->if_string());
  session = json(must(run(server::update_session(
      *db_, member, {.id = *id, .total_objects_synced = {}, .sync_status = "active", .error_message = {}}, soon()))));
  EXPECT_TRUE(session.find("error_message")->is_null());
  EXPECT_EQ(*session.find("total_objects_synced")->if_int(), 7) << "what is not said stays";
  EXPECT_EQ(session.string_at("last_error"), "disk full") << "that it was is still known";
  EXPECT_TRUE(session.find("last_error_at")->if_string());
  EXPECT_TRUE(session.find("synced_version")->is_null());
  EXPECT_TRUE(session.find("connection_versions")->is_null());
  for (const store::Tenant& who : {tenant(), other_tenant(), store::Tenant{other_org_, member_user_}})
    EXPECT_EQ(run(server::update_session(*db_, who, change, soon())).error().code, Code::kNotFound);
  const auto listed = [&](store::Tenant who) {
    return json(must(run(server::list_sessions(*db_, who, soon())))).find("sessions")->if_array()->size();
  };
  must(run(server::register_session(*db_, tenant(), request, {}, soon())));
  EXPECT_EQ(listed(member), 1u);
  EXPECT_EQ(listed(tenant()), 2u);
  EXPECT_EQ(listed(other_tenant()), 0u);
  const store::Tenant stranger{org_, other_user_};
  EXPECT_EQ(run(server::list_sessions(*db_, stranger, soon())).error().code, Code::kPermissionDenied);
  EXPECT_EQ(run(server::register_session(*db_, stranger, request, {}, soon())).error().code, Code::kPermissionDenied);
}

}  // namespace
}  // namespace tideline::test
