// Servers as their clients see them: who gets in, how soon he is out, what happens when the database is away, and what
// is left of a push that does not end well.

#include <fstream>
#include <future>
#include <regex>
#include <thread>

#include <gtest/gtest.h>

#include "base/json.h"
#include "base/text.h"
#include "tests/server/application_fixture.h"
#include "tests/support/generated_manifest.h"

namespace tideline::server {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using test::must;

std::string without_request_id(const std::string& body) {
  static const std::regex kRequestId(R"re("request_id":"[^"]*")re");
  return std::regex_replace(body, kRequestId, "");
}

class ApplicationTest : public test::DatabaseTest {
 protected:
  void SetUp() override {
    DatabaseTest::SetUp();
    auto& cluster = test::SharedCluster::instance().cluster();
    operator_.emplace(cluster, database_name());
    acme_ = operator_->organization("Acme");
    other_ = operator_->organization("Other");
    admin_ = operator_->user(acme_, "admin@acme.example", "admin");
    member_ = operator_->user(acme_, "member@acme.example", "member");
    stranger_ = operator_->user(other_, "stranger@other.example", "admin");
  }
  void TearDown() override {
    operator_.reset();
    DatabaseTest::TearDown();
  }
  std::string database_name() const {
    const std::string info = conninfo();
    const auto at = info.find("dbname=") + 7;
    std::string name = info.substr(at, info.find_first_of(" ", at) - at);
    std::erase(name, '\'');
    return name;
  }
  std::unique_ptr<RunningServer> serve(const std::function<void(Options&)>& change = {}) {
    return std::make_unique<RunningServer>(conninfo("tideline_server"), change);
  }
  static std::string manifest(int minute = 0) {
    testing_support::ManifestOptions options;
    options.generated_at = "2026-01-31T12:" + std::string(minute < 10 ? "0" : "") + std::to_string(minute) + ":00Z";
    options.revision = minute;
    options.changed_models = 1;
    return testing_support::GeneratedProject(options).manifest();
  }

  std::optional<Operator> operator_;
  OrganizationId acme_;
  OrganizationId other_;
  std::string admin_;
  std::string member_;
  std::string stranger_;
};

struct Place {
  const char* method;
  std::string path;
  char right;  // r, p, d, a as in rights.h
};

std::vector<Place> places() {
  const std::string id = "/99999999-9999-4999-8999-999999999999";
  return {{"GET", "/sync-package", 'r'},
          {"GET", "/connections", 'r'},
          {"HEAD", "/connections", 'r'},
          {"GET", "/documentation", 'r'},
          {"GET", "/heads", 'r'},
          {"HEAD", "/events", 'r'},
          {"GET", "/connections" + id + "/changes", 'r'},
          {"GET", "/connections" + id + "/digest?kind=1", 'r'},
          {"GET", "/connections" + id + "/rows?kind=1&bucket=0", 'r'},
          {"GET", "/ide-sessions", 'r'},
          {"POST", "/ide-sessions", 'r'},
          {"PATCH", "/ide-sessions" + id, 'r'},
          {"POST", "/connections/match-workspace", 'r'},
          {"PUT", "/connections", 'a'},
          {"PUT", "/connections" + id, 'a'},
          {"PATCH", "/connections" + id, 'a'},
          {"DELETE", "/connections" + id, 'a'},
          {"PUT", "/connections" + id + "/artifacts", 'p'},
          {"PUT", "/artifacts", 'p'},
          {"PUT", "/documentation", 'd'}};
}

TEST_F(ApplicationTest, EveryRoleMayDoWhatTheTableSaysAndNoMore) {
  const auto server = serve();
  struct Person {
    std::string token;
    std::string_view rights;
  };
  const std::vector<Person> people = {{admin_, "rpda"},
                                      {member_, "r"},
                                      {operator_->api_token(acme_, {"read"}).text, "r"},
                                      {operator_->api_token(acme_, {"push"}).text, "pd"},
                                      {operator_->api_token(acme_, {"documentation"}).text, "d"},
                                      {operator_->api_token(acme_, {"read", "push"}).text, "rpd"}};
  for (std::size_t i = 0; i < people.size(); ++i)
    for (const Place& place : places()) {
      const auto answer = server->call(place.method, base(acme_) + place.path, people[i].token);
      EXPECT_LT(answer.status, 500U) << place.method << ' ' << place.path << answer.body;
      EXPECT_NE(answer.status, 401U) << place.method << ' ' << place.path;
      const bool may = people[i].rights.find(place.right) != std::string_view::npos;
      EXPECT_EQ(answer.status != 403, may) << i << ' ' << place.method << ' ' << place.path << ' ' << answer.status;
      EXPECT_EQ(answer.body.find("Access denied"), std::string::npos) << "a member hears what it takes";
    }
}

TEST_F(ApplicationTest, StrangersCannotTellWhatExists) {
  const auto server = serve();
  const OrganizationId unknown = OrganizationId::random();
  const std::string foreign_api = operator_->api_token(other_, {"read", "push"}).text;
  for (const Place& place : places()) {
    std::string expected;
    for (const std::string& token : {stranger_, foreign_api})
      for (const OrganizationId& organization : {acme_, unknown}) {
        const auto answer = server->call(place.method, base(organization) + place.path, token);
        EXPECT_EQ(answer.status, 403U) << place.method << ' ' << place.path;
        const std::string body = without_request_id(answer.body);
        if (expected.empty()) expected = body;
        EXPECT_EQ(body, expected) << place.method << ' ' << place.path;
        if (std::string_view(place.method) != "HEAD")
          EXPECT_NE(body.find("Access denied to organization"), std::string::npos);
        EXPECT_FALSE(answer.header("etag"));
        EXPECT_EQ(answer.header("cache-control"), "no-store");
      }
  }
  // A malformed id is told to whoever has a token, and to nobody else.
  EXPECT_EQ(server->status("GET", "/api/metadata-sync/organizations/nope/connections", stranger_), 400U);
  EXPECT_EQ(server->status("GET", "/api/metadata-sync/organizations/nope/connections", {}), 401U);
}

TEST_F(ApplicationTest, WithoutATokenThatHoldsThereIsAChallenge) {
  const auto server = serve();
  const auto unknown_api = make_api_token(acme_).text;
  for (const Place& place : places()) {
    for (const std::string& token :
         {std::string(), std::string("x"), member_ + "x", member_.substr(1), unknown_api, unknown_api.substr(0, 20)}) {
      const auto answer = server->call(place.method, base(acme_) + place.path, token);
      EXPECT_EQ(answer.status, 401U) << place.method << ' ' << place.path << ' ' << token;
      ASSERT_TRUE(answer.header("www-authenticate"));
      EXPECT_EQ(answer.header("www-authenticate")->find("Bearer"), 0U);
    }
  }
  EXPECT_EQ(server->status("GET", base(acme_) + "/connections?access_token=" + member_, {}), 401U);
  EXPECT_EQ(server->status("GET", base(acme_) + "/connections?access_token=x", member_), 401U);
}

TEST_F(ApplicationTest, APublicPathNeedsNoToken) {
  const auto server = serve();
  EXPECT_EQ(server->call("GET", "/healthz").body, "{\"status\":\"ok\"}\n");
  EXPECT_EQ(server->call("GET", "/readyz").status, 200U);
  EXPECT_EQ(server->call("GET", "/openapi.json").status, 200U);
  const auto metrics = server->call("GET", "/metrics");
  EXPECT_NE(metrics.body.find("tideline_http_requests_total{route=\"/healthz\",method=\"GET\",status=\"200\"} 1\n"),
            std::string::npos);
  EXPECT_EQ(server->call("GET", "/nothing").status, 404U);
  EXPECT_EQ(server->call("POST", "/healthz").header("allow"), "GET, HEAD, OPTIONS");
  EXPECT_EQ(server->call("OPTIONS", base(acme_) + "/connections").status, 204U);
}

TEST_F(ApplicationTest, RemovalTakesEffectOnEveryServerWithinASecond) {
  const auto one = serve();
  const auto two = serve();
  const std::string path = base(acme_) + "/connections";
  const auto gone = [&](RunningServer& server) { return server.status("GET", path, member_) == 403; };
  for (int round = 0; round < 3; ++round) {
    operator_->user(acme_, "member@acme.example", "member");
    for (auto* server : {one.get(), two.get()})
      EXPECT_LT(until([&] { return server->status("GET", path, member_) == 200; }), seconds(1));
    operator_->remove(acme_, "member@acme.example");
    const auto removed = std::chrono::steady_clock::now();
    until([&] { return gone(*one) && gone(*two); });
    EXPECT_LT(std::chrono::steady_clock::now() - removed, seconds(1));
  }
}

TEST_F(ApplicationTest, RemovalTakesEffectWithoutNotifications) {
  const auto server = serve();
  const std::string path = base(acme_) + "/connections";
  ASSERT_EQ(server->status("GET", path, member_), 200U);
  // Whoever listens is thrown out, again and again; what is left is the poll.
  std::promise<void> stop;
  auto stopped = stop.get_future();
  std::thread killer([&, done = std::move(stopped)] {
    boost::asio::io_context context;
    auto connection =
        must(pg::run(context, pg::Connection::connect(context.get_executor(), conninfo(), within(seconds(30)))));
    while (done.wait_for(milliseconds(10)) == std::future_status::timeout)
      must(pg::run(context, connection->script("select pg_terminate_backend(pid) from pg_stat_activity where datname = "
                                               "current_database() and query ilike 'listen%'",
                                               within(seconds(30)))));
  });
  std::this_thread::sleep_for(milliseconds(100));
  operator_->remove(acme_, "member@acme.example");
  EXPECT_LT(until([&] { return server->status("GET", path, member_) == 403; }), seconds(1));
  stop.set_value();
  killer.join();
  EXPECT_EQ(server->status("GET", path, admin_), 200U);
}

TEST_F(ApplicationTest, RolesAndApiTokensChangeWithinASecond) {
  const auto server = serve();
  const std::string sessions = base(acme_) + "/connections/99999999-9999-4999-8999-999999999999";
  ASSERT_EQ(server->status("DELETE", sessions, member_), 403U);
  operator_->set_role(acme_, "member@acme.example", "admin");
  EXPECT_LT(until([&] { return server->status("DELETE", sessions, member_) == 404; }), seconds(1));
  operator_->set_role(acme_, "member@acme.example", "member");
  EXPECT_LT(until([&] { return server->status("DELETE", sessions, member_) == 403; }), seconds(1));

  const auto token = operator_->api_token(acme_, {"read"});
  const std::string path = base(acme_) + "/connections";
  ASSERT_EQ(server->status("GET", path, token.text), 200U);
  operator_->revoke(acme_, token.id);
  EXPECT_LT(until([&] { return server->status("GET", path, token.text) == 401; }), seconds(1));

  const auto short_lived = operator_->api_token(acme_, {"read"}, Timestamp{Timestamp::now().micros + 1'500'000});
  ASSERT_EQ(server->status("GET", path, short_lived.text), 200U);
  EXPECT_LT(until([&] { return server->status("GET", path, short_lived.text) == 401; }), milliseconds(2500));
}

TEST_F(ApplicationTest, TheUseOfAnApiTokenIsNoted) {
  const auto server = serve();
  const auto token = operator_->api_token(acme_, {"read"});
  ASSERT_EQ(server->status("GET", base(acme_) + "/connections", token.text), 200U);
  const auto used = [&] {
    for (const auto& listed : operator_->api_tokens(acme_))
      if (listed.id == token.id) return listed.last_used_at.has_value();
    return false;
  };
  EXPECT_LT(until(used), seconds(3));
}

TEST_F(ApplicationTest, AStrangerBecomesAUserWhereTheOperatorSaysSo) {
  const auto users = [&] {
    auto connection = connect();
    const auto rows = must(run(connection->exec({nullptr, "select count(*) from enterprise.users"}, soon())));
    return rows.int64(0, 0);
  };
  test::TempDirectory directory;
  const std::string secret(40, 's');
  std::ofstream(directory / "secret") << secret << '\n';
  // Signed as an outside issuer would: by the shared secret, without a kid.
  const auto part = [](std::string_view json) { return base64url(json); };
  const std::string signed_part = part(R"({"alg":"HS256","typ":"JWT"})") + "." +
                                  part(R"({"iss":"https://id.example","sub":"stranger","exp":)" +
                                       std::to_string(Timestamp::now().micros / 1'000'000 + 600) + "}");
  const auto mac = hmac_sha256(secret, signed_part);
  const std::string token = signed_part + "." + base64url({reinterpret_cast<const char*>(mac.data()), mac.size()});

  const auto before = users();
  {
    const auto server = serve([&](Options& options) { options.tokens.secret_file = directory / "secret"; });
    EXPECT_EQ(server->status("GET", base(acme_) + "/connections", token), 403U);
    EXPECT_EQ(users(), before);
  }
  const auto server = serve([&](Options& options) {
    options.tokens.secret_file = directory / "secret";
    options.tokens.create_users = true;
  });
  EXPECT_EQ(server->status("GET", base(acme_) + "/connections", token), 403U);
  EXPECT_EQ(server->status("GET", base(acme_) + "/connections", token), 403U);
  EXPECT_EQ(users(), before + 1);
}

TEST_F(ApplicationTest, APushIsReadBackAndTheSecondChangesNothing) {
  const auto server = serve();
  const auto push = [&] {
    return server->call("PUT", base(acme_) + "/artifacts?full_name=acme/shop&commit=abc", admin_, manifest());
  };
  const auto first = push();
  ASSERT_EQ(first.status, 200U) << first.body;
  const auto outcome = must(Json::parse(first.body, "answer"));
  EXPECT_NE(outcome.find("changed")->find("objects"), nullptr);
  // At once, on the same server: what was acknowledged is there.
  const auto package = server->call("GET", base(acme_) + "/sync-package", member_);
  EXPECT_NE(package.body.find(*outcome.string_at("connection_id")), std::string::npos);
  const auto second = must(Json::parse(push().body, "answer"));
  EXPECT_EQ(*second.find("version")->if_int(), *outcome.find("version")->if_int());
  EXPECT_TRUE(second.find("changed")->if_object()->empty());
  EXPECT_EQ(server->uploads_lying(), 0U);
}

TEST_F(ApplicationTest, AConnectionIsFoundByNameWhateverItsType) {
  const auto server = serve();
  const auto registered =
      server->call("PUT", base(acme_) + "/connections", admin_, R"({"type":"github","full_name":"Acme/Shop"})");
  ASSERT_EQ(registered.status, 200U) << registered.body;
  const auto id = must(Json::parse(registered.body, "answer")).find("connection")->string_at("id");
  const auto pushed = server->call("PUT", base(acme_) + "/artifacts?full_name=acme/shop", admin_, manifest());
  ASSERT_EQ(pushed.status, 200U) << pushed.body;
  EXPECT_EQ(must(Json::parse(pushed.body, "answer")).string_at("connection_id"), id);
  ASSERT_EQ(
      server->call("PUT", base(acme_) + "/connections", admin_, R"({"type":"gitlab","full_name":"acme/shop"})").status,
      200U);
  const auto ambiguous = server->call("PUT", base(acme_) + "/artifacts?full_name=acme/shop", admin_, manifest());
  EXPECT_EQ(ambiguous.status, 409U);
  EXPECT_NE(ambiguous.body.find("type="), std::string::npos);
}

TEST_F(ApplicationTest, ARefusedPushLeavesNothingLying) {
  const auto server = serve([](Options& options) { options.limits.upload_bytes = 100'000; });
  const std::string path = base(acme_) + "/artifacts?full_name=acme/shop";
  ASSERT_EQ(server->call("PUT", path, admin_, manifest(5)).status, 200U);
  const auto before = server->call("GET", base(acme_) + "/sync-package", admin_).body;
  struct Case {
    std::string body;
    std::string content_type;
    unsigned status;
  };
  const std::vector<Case> cases = {{"not json", "application/json", 400},
                                   {manifest(6).substr(0, 5000), "application/json", 400},
                                   {manifest(1), "application/json", 409},
                                   {std::string(100'001, ' '), "application/json", 413},
                                   {manifest(6), "text/csv", 415},
                                   {"{}", "multipart/form-data", 400},
                                   {"--X--", "multipart/form-data; boundary=X", 400}};
  for (const Case& refused : cases) {
    const auto answer = server->call("PUT", path, admin_, refused.body, refused.content_type);
    EXPECT_EQ(answer.status, refused.status) << answer.body;
    EXPECT_EQ(answer.header("content-type"), "application/problem+json");
    EXPECT_EQ(server->uploads_lying(), 0U);
  }
  EXPECT_EQ(server->call("GET", base(acme_) + "/sync-package", admin_).body, before);
}

std::string push_head(OrganizationId organization, const std::string& token, std::size_t length) {
  return "PUT " + base(organization) + "/artifacts?full_name=acme/slow HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " +
         token + "\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(length) + "\r\n\r\n";
}

TEST_F(ApplicationTest, MorePushesThanFitAreAskedToComeBack) {
  const auto server = serve([](Options& options) { options.limits.concurrent_pushes = 1; });
  const std::string body = manifest();
  RawClient slow(server->port());
  slow.send(push_head(acme_, admin_, body.size()) + body.substr(0, 1000));
  until([&] { return server->uploads_lying() == 1; });
  const auto second = server->call("PUT", base(acme_) + "/artifacts?full_name=acme/shop", admin_, body);
  EXPECT_EQ(second.status, 503U);
  EXPECT_TRUE(second.header("retry-after"));
  // One that breaks off gives its place and its file back.
  slow.close();
  const auto push = [&] {
    return server->call("PUT", base(acme_) + "/artifacts?full_name=acme/shop", admin_, body).status;
  };
  EXPECT_LT(until([&] { return push() == 200; }), seconds(20));
  EXPECT_EQ(server->uploads_lying(), 0U);
}

TEST_F(ApplicationTest, APushInWorkIsFinishedBeforeTheServerStops) {
  const auto server = serve();
  const std::string body = manifest();
  RawClient client(server->port());
  client.send(push_head(acme_, admin_, body.size()) + body.substr(0, 1000));
  until([&] { return server->uploads_lying() == 1; });
  auto stopped = std::async(std::launch::async, [&] { return server->application().stop(seconds(30)); });
  // It takes no new connection from here on.
  until([&] {
    try {
      RawClient probe(server->port());
      return false;
    } catch (const boost::system::system_error&) {
      return true;
    }
  });
  client.send(body.substr(1000));
  EXPECT_EQ(client.head().substr(0, 12), "HTTP/1.1 200");
  EXPECT_EQ(stopped.get(), 0U);
}

TEST_F(ApplicationTest, APushThatOutlastsTheGraceIsCut) {
  const auto server = serve();
  RawClient client(server->port());
  client.send(push_head(acme_, admin_, 100'000) + "{");
  until([&] { return server->uploads_lying() == 1; });
  EXPECT_EQ(server->application().stop(milliseconds(50)), 1U);
  EXPECT_EQ(server->uploads_lying(), 0U);
}

TEST_F(ApplicationTest, ALoginThatIsTooStrongIsRefused) {
  test::TempDirectory directory;
  Options options;
  options.data_dir = directory / "data";
  options.database_url = conninfo();
  options.listen_port = 0;
  const auto refused = Application::start(std::move(options));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kPermissionDenied);
}

TEST(ApplicationWithoutDatabase, IsUnavailableAndNeverStale) {
  test::TempDirectory directory;
  auto cluster_options = test::test_cluster_options(directory / "cluster");
  auto cluster = must(pg::Cluster::start(cluster_options));
  std::optional<Operator> op(std::in_place, *cluster);
  const auto acme = op->organization("Acme");
  const auto token = op->user(acme, "admin@acme.example", "admin");
  op.reset();
  RunningServer server(cluster->conninfo("tideline_server"));
  const std::string path = base(acme) + "/connections";
  ASSERT_EQ(server.status("GET", path, token), 200U);
  must(cluster->stop());
  const auto stopped = std::chrono::steady_clock::now();
  until([&] { return server.status("GET", path, token) != 200; });
  EXPECT_LT(std::chrono::steady_clock::now() - stopped, milliseconds(900) + seconds(3));
  for (int i = 0; i < 3; ++i) {
    const auto answer = server.call("GET", path, token);
    EXPECT_EQ(answer.status, 503U) << answer.body;
    EXPECT_TRUE(answer.header("retry-after"));
  }
  EXPECT_EQ(server.status("GET", "/healthz", {}), 200U);
  EXPECT_LT(until([&] { return server.status("GET", "/readyz", {}) == 503; }), seconds(10));
  cluster.reset();
  cluster = must(pg::Cluster::start(cluster_options));
  until([&] { return server.status("GET", path, token) == 200; });
  EXPECT_EQ(server.status("GET", path, token), 200U);
  until([&] { return server.status("GET", "/readyz", {}) == 200; });
  EXPECT_EQ(server.status("GET", "/readyz", {}), 200U);
}

}  // namespace
}  // namespace tideline::server
