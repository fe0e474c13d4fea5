// The server over real sockets: framing, limits, keep-alive, timeouts, draining.
#include "http/server.h"

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <future>
#include <mutex>
#include <thread>

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "http/compress.h"
#include "http/conditional.h"
#include "http/multipart.h"
#include "http/problem.h"
#include "http/query.h"
#include "tests/http/support.h"

namespace tideline::http {
namespace {

using test::RawClient;
using test::start_server;
using namespace std::chrono_literals;

class Pieces final : public BodySource {
 public:
  explicit Pieces(std::vector<std::string> pieces, bool fail_at_end = false)
      : pieces_(std::move(pieces)), fail_at_end_(fail_at_end) {}
  awaitable<Result<std::optional<std::string>>> next() override {
    if (at_ < pieces_.size()) co_return std::optional<std::string>(pieces_[at_++]);
    if (fail_at_end_) co_return fail(Code::kUnavailable, "the source dried up");
    co_return std::nullopt;
  }

 private:
  std::vector<std::string> pieces_;
  std::size_t at_ = 0;
  bool fail_at_end_;
};

/// Says one thing, then waits until it is cancelled.
class Waiting final : public BodySource {
 public:
  Waiting(boost::asio::any_io_executor executor, std::atomic<int>& alive) : timer_(executor), alive_(alive) {
    ++alive_;
  }
  ~Waiting() override { --alive_; }
  awaitable<Result<std::optional<std::string>>> next() override {
    if (!said_) {
      said_ = true;
      co_return std::optional<std::string>("data: hello\n\n");
    }
    timer_.expires_after(1h);
    co_await timer_.async_wait(boost::asio::use_awaitable);
    co_return std::nullopt;
  }
  bool waits_long() const override { return true; }

 private:
  boost::asio::steady_timer timer_;
  std::atomic<int>& alive_;
  bool said_ = false;
};

const auto kShared = std::make_shared<const std::string>(std::string(1'300'000, 's'));

/// What the tests ask for, by path.
awaitable<Response> serve(Request& request, std::atomic<int>& alive) {
  request.route = "/test";
  const std::string& first = request.segments.front();
  if (first == "echo") {
    request.body.limit(1 << 20);
    auto body = co_await request.body.read_all(1 << 20);
    if (!body) co_return problem(body.error(), request.request_id);
    co_return text_response(std::move(*body), "text/plain");
  }
  if (first == "form") {
    const auto boundary = multipart_boundary(request.headers.get("Content-Type"));
    if (!boundary) co_return problem(boundary.error(), request.request_id);
    MultipartReader reader(request.body, *boundary);
    std::string seen;
    for (;;) {
      const auto part = co_await reader.next_part();
      if (!part) co_return problem(part.error(), request.request_id);
      if (!*part) co_return text_response(seen, "text/plain");
      seen += (*part)->name;
      const auto content = co_await reader.read_part(1000);
      if (!content) co_return problem(content.error(), request.request_id);
      seen += "=" + std::to_string(content->size()) + ";";
    }
  }
  if (first == "unread") co_return text_response("not interested", "text/plain");
  if (first == "shared") co_return json_response(kShared);
  if (first == "throw") throw std::runtime_error("secret detail");
  if (first == "inject") {
    Response response = text_response("x", "text/plain");
    response.headers.add("X-Bad", "a\r\nX-Evil: 1");
    response.headers.add("Content-Length", "999");
    co_return response;
  }
  if (first == "stream" || first == "broken" || first == "stillborn") {
    Response response = text_response("", "text/plain");
    const std::vector<std::string> pieces{"one,", "", "two,", std::string(100'000, 'x')};
    response.body =
        std::make_unique<Pieces>(first == "stillborn" ? std::vector<std::string>{} : pieces, first != "stream");
    co_return response;
  }
  if (first == "events") {
    Response response = text_response("", "text/event-stream");
    response.body = std::make_unique<Waiting>(request.executor, alive);
    co_return response;
  }
  if (first == "slow") {
    ++alive;
    boost::asio::steady_timer timer(request.executor, request.segments.size() > 1 ? 1h : 300ms);
    co_await timer.async_wait(boost::asio::use_awaitable);
    co_return text_response("slow", "text/plain");
  }
  if (first == "tagged") {
    const std::string tag = entity_tag("v1");
    if (auto same = not_modified(request, tag, "private, no-cache")) co_return std::move(*same);
    Response response = json_response(std::string("{}"));
    response.headers.add("ETag", tag);
    co_return response;
  }
  if (first == "segments") {
    std::string all;
    for (const auto& segment : request.segments) all += "[" + segment + "]";
    co_return text_response(all + "?" + std::string(request.query), "text/plain");
  }
  co_return text_response("hello", "text/plain");
}

class ServerTest : public testing::Test {
 protected:
  void start(Options options = {}) {
    options.on_access = [this](const AccessRecord& record) {
      const std::lock_guard lock(mutex_);
      records_.push_back(std::string(record.method) + " " + std::string(record.route) + " " +
                         std::to_string(record.status) + (record.complete ? "" : " incomplete"));
    };
    server_ = start_server([this](Request& request) { return serve(request, alive_); }, std::move(options));
  }
  std::uint16_t port() const { return server_->port(); }
  template <class Condition>
  static bool eventually(Condition condition) {
    for (int i = 0; i < 2000; ++i) {
      if (condition()) return true;
      std::this_thread::sleep_for(5ms);
    }
    return false;
  }

  std::atomic<int> alive_{0};
  std::mutex mutex_;
  std::vector<std::string> records_;
  std::unique_ptr<Server> server_;
};

constexpr std::string_view kGet = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";

TEST_F(ServerTest, AnswersAndKeepsTheConnection) {
  start();
  RawClient client(port());
  for (int i = 0; i < 3; ++i) {
    const auto answer = client.exchange(kGet);
    EXPECT_EQ(answer.status, 200u);
    EXPECT_EQ(answer.body, "hello");
    EXPECT_EQ(answer.header("Server"), "tideline");
    EXPECT_EQ(answer.header("Content-Length"), "5");
    EXPECT_EQ(answer.header("Connection"), "");
    EXPECT_EQ(answer.header("Date").size(), 29u);
    EXPECT_FALSE(answer.header("X-Request-Id").empty());
  }
  EXPECT_EQ(server_->connections(), 1u);
}

TEST_F(ServerTest, PipelinedRequestsAreAnsweredInOrder) {
  start();
  RawClient client(port());
  std::string requests;
  for (int i = 0; i < 50; ++i) {
    const std::string body = "body " + std::to_string(i);
    requests += "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
  }
  client.send(requests);
  for (int i = 0; i < 50; ++i) EXPECT_EQ(client.read().body, "body " + std::to_string(i));
}

TEST_F(ServerTest, RequestCutAnywhereIsTheSameRequest) {
  start();
  const std::string request =
      "POST /echo?a=%20 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n2\r\nde\r\n0\r\nT: "
      "v\r\n\r\n";
  RawClient client(port());
  for (std::size_t cut = 1; cut < request.size(); ++cut) {
    client.send(std::string_view(request).substr(0, cut));
    std::this_thread::yield();
    const auto answer = client.exchange(std::string_view(request).substr(cut));
    ASSERT_EQ(answer.status, 200u) << cut << answer.body;
    ASSERT_EQ(answer.body, "abcde") << cut;
  }
}

TEST_F(ServerTest, Http10ClosesUnlessAskedNotTo) {
  start();
  {
    RawClient client(port());
    const auto answer = client.exchange("GET / HTTP/1.0\r\n\r\n");
    EXPECT_EQ(answer.status, 200u);
    EXPECT_EQ(answer.header("Connection"), "close");
    EXPECT_TRUE(client.at_end());
  }
  RawClient client(port());
  for (int i = 0; i < 2; ++i)
    EXPECT_EQ(client.exchange("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n").header("Connection"), "keep-alive");
  const auto stream = client.exchange("GET /stream HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n");
  EXPECT_EQ(stream.header("Transfer-Encoding"), "");
  EXPECT_EQ(stream.body.substr(0, 8), "one,two,");
  EXPECT_TRUE(client.at_end());
}

TEST_F(ServerTest, ConnectionCloseIsHonoured) {
  start();
  RawClient client(port());
  EXPECT_EQ(client.exchange("GET / HTTP/1.1\r\nHost: x\r\nConnection: foo, Close\r\n\r\n").header("Connection"),
            "close");
  EXPECT_TRUE(client.at_end());
  EXPECT_FALSE(client.was_reset);
}

TEST_F(ServerTest, HeadHasTheHeadOfGetAndNoBody) {
  start();
  RawClient client(port());
  auto answer = client.exchange("HEAD /shared HTTP/1.1\r\nHost: x\r\n\r\n", true);
  EXPECT_EQ(answer.header("Content-Length"), "1300000");
  answer = client.exchange("HEAD /stream HTTP/1.1\r\nHost: x\r\n\r\n", true);
  EXPECT_EQ(answer.status, 200u);
  EXPECT_EQ(client.exchange(kGet).body, "hello");
}

TEST_F(ServerTest, SharedAndStreamedBodiesArriveWhole) {
  start();
  RawClient client(port());
  EXPECT_EQ(client.exchange("GET /shared HTTP/1.1\r\nHost: x\r\n\r\n").body, *kShared);
  const auto stream = client.exchange("GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(stream.header("Transfer-Encoding"), "chunked");
  EXPECT_EQ(stream.body, "one,two," + std::string(100'000, 'x'));
  EXPECT_EQ(client.exchange(kGet).body, "hello");
}

TEST_F(ServerTest, BrokenStreamIsNotTakenForAWholeOne) {
  start();
  RawClient client(port());
  const auto answer = client.exchange("GET /broken HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(answer.status, 200u);
  EXPECT_FALSE(answer.complete);
  RawClient other(port());
  const auto early = other.exchange("GET /stillborn HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(early.status, 503u);
  EXPECT_EQ(early.header("Retry-After"), "2");
}

TEST_F(ServerTest, NotModifiedHasNoBodyAndNoLength) {
  start();
  RawClient client(port());
  const auto answer = client.exchange("GET /tagged HTTP/1.1\r\nHost: x\r\nIf-None-Match: \"v0\", W/\"v1\"\r\n\r\n");
  EXPECT_EQ(answer.status, 304u);
  EXPECT_EQ(answer.header("ETag"), "\"v1\"");
  EXPECT_EQ(answer.header("Content-Length"), "");
  EXPECT_EQ(client.exchange(kGet).body, "hello");
}

TEST_F(ServerTest, RequestIdIsKeptWhereSane) {
  start();
  RawClient client(port());
  EXPECT_EQ(client.exchange("GET / HTTP/1.1\r\nHost: x\r\nX-Request-Id: abc-1\r\n\r\n").header("X-Request-Id"),
            "abc-1");
  const auto other =
      client.exchange("GET / HTTP/1.1\r\nHost: x\r\nX-Request-Id: <script>\r\n\r\n").header("X-Request-Id");
  EXPECT_EQ(other.find('<'), std::string::npos);
  EXPECT_FALSE(other.empty());
}

TEST_F(ServerTest, ExceptionBecomes500WithoutItsText) {
  start();
  RawClient client(port());
  const auto answer = client.exchange("GET /throw HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(answer.status, 500u);
  EXPECT_EQ(answer.header("Content-Type"), "application/problem+json");
  EXPECT_EQ(answer.body.find("secret"), std::string::npos);
  EXPECT_NE(answer.body.find(answer.header("X-Request-Id")), std::string::npos);
  EXPECT_EQ(client.exchange(kGet).body, "hello");
}

TEST_F(ServerTest, HeaderThatBreaksOutOfItsLineIsDropped) {
  start();
  RawClient client(port());
  const auto answer = client.exchange("GET /inject HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(answer.header("X-Evil"), "");
  EXPECT_EQ(answer.header("Content-Length"), "1");
}

TEST_F(ServerTest, PathIsCutThenDecoded) {
  start();
  RawClient client(port());
  EXPECT_EQ(client.exchange("GET /segments/a%2Fb/%C3%A4+/?q=%zz HTTP/1.1\r\nHost: x\r\n\r\n").body,
            "[segments][a/b][ä+][]?q=%zz");
  EXPECT_EQ(client.exchange("GET http://h:1/segments/x HTTP/1.1\r\nHost: x\r\n\r\n").body, "[segments][x]?");
}

struct Refused {
  std::string_view name;
  std::string request;
  unsigned status;
};

TEST_F(ServerTest, MalformedAndAmbiguousRequestsAreRefusedWithAnAnswer) {
  start();
  const std::string h = "Host: x\r\n";
  const std::string chunked = "POST /echo HTTP/1.1\r\n" + h + "Transfer-Encoding: chunked\r\n\r\n";
  const std::vector<Refused> table{
      {"no host", "GET / HTTP/1.1\r\n\r\n", 400},
      {"two hosts", "GET / HTTP/1.1\r\n" + h + h + "\r\n", 400},
      {"empty host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", 400},
      {"bad host", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400},
      {"host with path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400},
      {"length and chunked", "POST / HTTP/1.1\r\n" + h + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
       400},
      {"chunked and length", "POST / HTTP/1.1\r\n" + h + "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n",
       400},
      {"two lengths", "POST / HTTP/1.1\r\n" + h + "Content-Length: 3\r\nContent-Length: 4\r\n\r\n", 400},
      {"same length twice", "POST / HTTP/1.1\r\n" + h + "Content-Length: 3\r\nContent-Length: 3\r\n\r\n", 400},
      {"length list", "POST / HTTP/1.1\r\n" + h + "Content-Length: 3, 3\r\n\r\n", 400},
      {"signed length", "POST / HTTP/1.1\r\n" + h + "Content-Length: +3\r\n\r\n", 400},
      {"negative length", "POST / HTTP/1.1\r\n" + h + "Content-Length: -3\r\n\r\n", 400},
      {"hex length", "POST / HTTP/1.1\r\n" + h + "Content-Length: 0x3\r\n\r\n", 400},
      {"empty length", "POST / HTTP/1.1\r\n" + h + "Content-Length:\r\n\r\n", 400},
      {"huge length", "POST / HTTP/1.1\r\n" + h + "Content-Length: 99999999999999999999\r\n\r\n", 400},
      {"unknown coding", "POST / HTTP/1.1\r\n" + h + "Transfer-Encoding: gzip\r\n\r\n", 501},
      {"identity coding", "POST / HTTP/1.1\r\n" + h + "Transfer-Encoding: identity\r\n\r\n", 501},
      {"coding list", "POST / HTTP/1.1\r\n" + h + "Transfer-Encoding: gzip, chunked\r\n\r\n", 501},
      {"chunked with a prefix", "POST / HTTP/1.1\r\n" + h + "Transfer-Encoding: xchunked\r\n\r\n", 501},
      {"chunked with a vertical tab",
       "POST / HTTP/1.1\r\n" + h +
           "Transfer-Encoding:\x0b"
           "chunked\r\n\r\n",
       400},
      {"chunked twice", "POST / HTTP/1.1\r\n" + h + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
       400},
      {"chunked in 1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
      {"obs-fold", "GET / HTTP/1.1\r\n" + h + "A: b\r\n c\r\n\r\n", 400},
      {"bare LF", "GET / HTTP/1.1\nHost: x\n\n", 400},
      {"bare LF in a field", "GET / HTTP/1.1\r\n" + h + "A: b\nB: c\r\n\r\n", 400},
      {"bare CR", "GET / HTTP/1.1\r\n" + h + "A: b\rB: c\r\n\r\n", 400},
      {"NUL", "GET / HTTP/1.1\r\n" + h + std::string("A: b\0c\r\n\r\n", 10), 400},
      {"control character", "GET / HTTP/1.1\r\n" + h + "A: \x01\r\n\r\n", 400},
      {"space before colon", "GET / HTTP/1.1\r\n" + h + "A : b\r\n\r\n", 400},
      {"no colon", "GET / HTTP/1.1\r\n" + h + "A\r\n\r\n", 400},
      {"empty name", "GET / HTTP/1.1\r\n" + h + ": b\r\n\r\n", 400},
      {"space first", " GET / HTTP/1.1\r\n" + h + "\r\n", 400},
      {"no version", "GET /\r\n" + h + "\r\n", 400},
      {"version 2", "GET / HTTP/2.0\r\n" + h + "\r\n", 505},
      {"lower-case version", "GET / http/1.1\r\n" + h + "\r\n", 400},
      {"two spaces", "GET  / HTTP/1.1\r\n" + h + "\r\n", 400},
      {"bad method", "G@T / HTTP/1.1\r\n" + h + "\r\n", 400},
      {"relative target", "GET foo HTTP/1.1\r\n" + h + "\r\n", 400},
      {"authority target", "CONNECT a:1 HTTP/1.1\r\n" + h + "\r\n", 400},
      {"https target", "GET https://a/ HTTP/1.1\r\n" + h + "\r\n", 400},
      {"fragment", "GET /a#b HTTP/1.1\r\n" + h + "\r\n", 400},
      {"raw UTF-8 target", "GET /\xc3\xa4 HTTP/1.1\r\n" + h + "\r\n", 400},
      {"backslash", "GET /a\\b HTTP/1.1\r\n" + h + "\r\n", 400},
      {"dot segment", "GET /a/../b HTTP/1.1\r\n" + h + "\r\n", 400},
      {"encoded dot segment", "GET /a/%2e%2E/b HTTP/1.1\r\n" + h + "\r\n", 400},
      {"encoded NUL", "GET /a%00 HTTP/1.1\r\n" + h + "\r\n", 400},
      {"bad escape", "GET /a%2 HTTP/1.1\r\n" + h + "\r\n", 400},
      {"not UTF-8", "GET /a%ff HTTP/1.1\r\n" + h + "\r\n", 400},
      {"expectation", "POST / HTTP/1.1\r\n" + h + "Expect: miracles\r\nContent-Length: 1\r\n\r\nx", 417},
      {"TLS", std::string("\x16\x03\x01\x02\x00", 5), 400},
      {"long target", "GET /" + std::string(kMaxTargetBytes, 'a') + " HTTP/1.1\r\n" + h + "\r\n", 414},
      {"endless target", "GET /" + std::string(100'000, 'a'), 414},
      {"long header", "GET / HTTP/1.1\r\n" + h + "A: " + std::string(kMaxHeaderBytes, 'a') + "\r\n\r\n", 431},
      {"endless header", "GET / HTTP/1.1\r\n" + h + "A: " + std::string(100'000, 'a'), 431},
      {"chunk size", chunked + "xyz\r\n", 400},
      {"chunk size with spaces", chunked + "3 \r\nabc\r\n0\r\n\r\n", 400},
      {"chunk size 0x", chunked + "0x3\r\nabc\r\n0\r\n\r\n", 400},
      {"chunk size overflow", chunked + "fffffffffffffffff\r\n", 400},
      {"chunk size negative", chunked + "-3\r\nabc", 400},
      {"chunk without CRLF", chunked + "3\r\nabcX0\r\n\r\n", 400},
      {"chunk with bare LF", chunked + "3\nabc\r\n0\r\n\r\n", 400},
      {"chunk data ends in LF", chunked + "3\r\nabc\n0\r\n\r\n", 400},
      {"chunk extension with LF", chunked + "3;a\nb\r\nabc\r\n0\r\n\r\n", 400},
  };
  for (const Refused& refused : table) {
    RawClient client(port());
    const auto answer = client.exchange(refused.request + std::string(kGet));
    EXPECT_EQ(answer.status, refused.status) << refused.name << ": " << answer.body;
    EXPECT_EQ(answer.header("Content-Type"), "application/problem+json") << refused.name;
    EXPECT_EQ(answer.header("Connection"), "close") << refused.name;
    EXPECT_EQ(answer.header("Cache-Control"), "no-store") << refused.name;
    EXPECT_NE(answer.body.find("\"request_id\":\"" + answer.header("X-Request-Id")), std::string::npos) << refused.name;
    client.finish_sending();
    EXPECT_TRUE(client.at_end()) << refused.name << ": a second answer came";
    EXPECT_FALSE(client.was_reset) << refused.name;
  }
}

TEST_F(ServerTest, TooManyFieldsAreRefused) {
  start();
  std::string request = "GET / HTTP/1.1\r\nHost: x\r\n";
  for (std::size_t i = 0; i < kMaxHeaderFields; ++i) request += "A: b\r\n";
  RawClient client(port());
  EXPECT_EQ(client.exchange(request + "\r\n").status, 431u);
}

TEST_F(ServerTest, LeadingEmptyLinesAreSkippedWithinReason) {
  start();
  RawClient client(port());
  EXPECT_EQ(client.exchange("\r\n\r\n" + std::string(kGet)).status, 200u);
  EXPECT_EQ(client.exchange("\r\n\r\n\r\n\r\n\r\n\r\n").status, 400u);
}

TEST_F(ServerTest, ExpectContinueIsSaidOnlyWhenTheBodyIsWanted) {
  start();
  RawClient client(port());
  client.send("POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-Continue\r\nContent-Length: 3\r\n\r\n");
  EXPECT_TRUE(client.readable_within(5s));
  const auto answer = client.exchange("abc");
  EXPECT_EQ(answer.body, "abc");
  EXPECT_EQ(client.continues, 1);

  const auto unread =
      client.exchange("POST /unread HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
  EXPECT_EQ(unread.status, 200u);
  EXPECT_EQ(unread.header("Connection"), "close");
  EXPECT_EQ(client.continues, 1);
  // Too large by its own word: told so before it is sent.
  RawClient other(port());
  EXPECT_EQ(other.exchange("POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2000000\r\n\r\n")
                .status,
            413u);
  EXPECT_EQ(other.continues, 0);
}

TEST_F(ServerTest, SmallUnreadBodyKeepsTheConnection) {
  start();
  RawClient client(port());
  const auto answer = client.exchange("POST /unread HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab");
  EXPECT_EQ(answer.header("Connection"), "");
  EXPECT_EQ(client.exchange("cde" + std::string(kGet)).body, "hello");
}

TEST_F(ServerTest, TooLargeBodyGetsItsAnswerAndNoReset) {
  start();
  RawClient client(port());
  client.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 20000000\r\n\r\n");
  std::thread sender([&] {
    const std::string megabyte(1 << 20, 'x');
    for (int i = 0; i < 8; ++i)
      if (!client.send(megabyte)) break;
    client.finish_sending();
  });
  const auto answer = client.read();
  EXPECT_EQ(answer.status, 413u);
  EXPECT_NE(answer.body.find("1048576"), std::string::npos) << answer.body;
  EXPECT_EQ(answer.header("Connection"), "close");
  sender.join();
  EXPECT_TRUE(client.at_end());
  EXPECT_FALSE(client.was_reset);
}

TEST_F(ServerTest, ChunkedBodyOverTheLimitIsRefused) {
  start();
  RawClient client(port());
  std::string request = "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (int i = 0; i < 20; ++i) request += "10000\r\n" + std::string(0x10000, 'x') + "\r\n";
  std::thread sender([&] { client.send(request); });
  EXPECT_EQ(client.read().status, 413u);
  sender.join();
}

std::string encoded_post(std::string_view coding, const std::string& body) {
  return "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Encoding: " + std::string(coding) +
         "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

TEST_F(ServerTest, EncodedBodiesAreDecodedAndBombsStopped) {
  start();
  RawClient client(port());
  const std::string plain(300'000, 'p');
  for (const Encoding encoding : {Encoding::kGzip, Encoding::kZstd}) {
    const std::string packed = compress(plain, encoding);
    EXPECT_EQ(client.exchange(encoded_post(to_string(encoding), packed)).body, plain);
    EXPECT_EQ(client.exchange(encoded_post(to_string(encoding), packed + packed)).body, plain + plain);
  }
  EXPECT_EQ(client.exchange(encoded_post("identity", "abc")).body, "abc");
  EXPECT_EQ(client.exchange(encoded_post("br", "abc")).status, 415u);
  EXPECT_EQ(client.exchange(encoded_post("gzip", "not gzip at all")).status, 400u);
  const std::string packed = compress(plain, Encoding::kGzip);
  const auto cut = client.exchange(encoded_post("gzip", packed.substr(0, packed.size() - 5)));
  EXPECT_EQ(cut.status, 400u);
  EXPECT_NE(cut.body.find("cut off at byte " + std::to_string(packed.size() - 5)), std::string::npos) << cut.body;
  for (const Encoding encoding : {Encoding::kGzip, Encoding::kZstd}) {
    RawClient other(port());
    const auto bomb =
        other.exchange(encoded_post(to_string(encoding), compress(std::string(64 << 20, '\0'), encoding)));
    EXPECT_EQ(bomb.status, 413u);
  }
}

TEST_F(ServerTest, BodyCutOffIsSaidWithItsByte) {
  start();
  RawClient client(port());
  client.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabcd");
  client.finish_sending();
  const auto answer = client.read();
  EXPECT_EQ(answer.status, 400u);
  EXPECT_NE(answer.body.find("cut off at byte 4 of 10"), std::string::npos) << answer.body;
}

TEST_F(ServerTest, FormCutAtAnyByteIsRefused) {
  start();
  const std::string form =
      "--b\r\nContent-Disposition: form-data; name=a; filename=f\r\n\r\ncontent\r\n--b\r\n"
      "Content-Disposition: form-data; name=b\r\n\r\n\r\n--b--\r\n";
  const std::string head = "PUT /form HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\n";
  const std::string length = "Content-Length: " + std::to_string(form.size()) + "\r\n\r\n";
  for (std::size_t size = 0; size <= form.size(); ++size) {
    RawClient client(port());
    client.send(head + length + form.substr(0, size));
    client.finish_sending();
    const auto answer = client.read();
    ASSERT_EQ(answer.status, size == form.size() ? 200u : 400u) << size;
    if (size == form.size()) {
      EXPECT_EQ(answer.body, "a=7;b=0;");
    } else {
      const std::string where = "cut off at byte " + std::to_string(size) + " of " + std::to_string(form.size());
      EXPECT_NE(answer.body.find(where), std::string::npos) << answer.body;
    }
    // A sender that counts right but forgets the end of the form.
    RawClient other(port());
    const std::string short_form = form.substr(0, size);
    const bool whole = size + 2 >= form.size();
    EXPECT_EQ(other.exchange(head + "Content-Length: " + std::to_string(size) + "\r\n\r\n" + short_form).status,
              whole ? 200u : 400u)
        << size;
  }
}

TEST_F(ServerTest, SlowHeaderIsTimedOut) {
  Options options;
  options.header_timeout = 300ms;
  start(options);
  RawClient client(port());
  client.send("GET / HTTP/1.1\r\nHo");
  const auto answer = client.read();
  EXPECT_EQ(answer.status, 408u);
  EXPECT_EQ(answer.header("Connection"), "close");
}

TEST_F(ServerTest, TrickledHeaderIsTimedOutToo) {
  Options options;
  options.header_timeout = 600ms;
  start(options);
  RawClient client(port());
  std::string_view request = "GET / HTTP/1.1\r\nHost: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";
  while (!client.readable_within(100ms) && !request.empty()) {
    client.send(request.substr(0, 1));
    request.remove_prefix(1);
  }
  EXPECT_EQ(client.read().status, 408u);
}

TEST_F(ServerTest, StalledBodyIsGivenUp) {
  Options options;
  options.stall_timeout = 300ms;
  start(options);
  RawClient client(port());
  const auto answer = client.exchange("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabcd");
  EXPECT_EQ(answer.status, 400u);
  EXPECT_NE(answer.body.find("given up at byte 4"), std::string::npos) << answer.body;
}

TEST_F(ServerTest, ReaderThatDoesNotReadIsCutOff) {
  Options options;
  options.stall_timeout = 300ms;
  start(options);
  RawClient client(port());
  for (int i = 0; i < 40; ++i) client.send("GET /shared HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_TRUE(client.readable_within(5s));
  EXPECT_EQ(server_->connections(), 1u);
  EXPECT_TRUE(eventually([&] { return server_->connections() == 0; }));
}

TEST_F(ServerTest, IdleConnectionIsClosedSilently) {
  Options options;
  options.idle_timeout = 300ms;
  start(options);
  RawClient client(port());
  EXPECT_EQ(client.exchange(kGet).status, 200u);
  EXPECT_TRUE(client.at_end());
}

TEST_F(ServerTest, OneConnectionTooManyIsTold) {
  Options options;
  options.max_connections = 2;
  start(options);
  RawClient first(port()), second(port());
  EXPECT_EQ(first.exchange(kGet).status, 200u);
  EXPECT_EQ(second.exchange(kGet).status, 200u);
  {
    RawClient third(port());
    const auto answer = third.exchange(kGet);
    EXPECT_EQ(answer.status, 503u);
    EXPECT_EQ(answer.header("Retry-After"), "2");
  }
  first.close();
  EXPECT_TRUE(eventually([&] { return server_->connections() < 2; }));
  RawClient fourth(port());
  EXPECT_EQ(fourth.exchange(kGet).status, 200u);
}

TEST_F(ServerTest, StreamEndsWhenItsClientIsGone) {
  start();
  {
    RawClient client(port());
    client.send("GET /events HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_TRUE(eventually([&] { return alive_ == 1; }));
    EXPECT_TRUE(client.readable_within(5s));
  }
  EXPECT_TRUE(eventually([&] { return alive_ == 0; }));
  {
    // Also where a pipelined request lies unread.
    RawClient client(port());
    client.send("GET /events HTTP/1.1\r\nHost: x\r\n\r\n" + std::string(kGet));
    EXPECT_TRUE(eventually([&] { return alive_ == 1; }));
  }
  EXPECT_TRUE(eventually([&] { return alive_ == 0; }));
}

TEST_F(ServerTest, StoppingEndsAlsoWhereALoopIsLateForItsTimer) {
  start();
  std::promise<void> begun, stopped;
  auto is_stopped = stopped.get_future();
  boost::asio::post(server_->executor(0), [&begun] {
    begun.set_value();
    std::this_thread::sleep_for(400ms);  // longer than from one sweep to the next
  });
  begun.get_future().wait();
  std::thread stopping([&] {
    server_->stop(0ms);
    stopped.set_value();
  });
  if (is_stopped.wait_for(20s) != std::future_status::ready) {
    std::fprintf(stderr, "the server does not stop\n");
    std::_Exit(1);  // nothing else ends its loop
  }
  stopping.join();
}

TEST_F(ServerTest, DrainEndsStreamsProperlyAndIdleConnectionsAtOnce) {
  start();
  RawClient idle(port()), events(port()), fresh(port());
  EXPECT_EQ(idle.exchange(kGet).status, 200u);
  events.send("GET /events HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_TRUE(events.readable_within(5s));
  EXPECT_TRUE(eventually([&] { return server_->connections() == 3; }));
  const auto begun = std::chrono::steady_clock::now();
  EXPECT_EQ(server_->stop(20s), 0u);
  EXPECT_LT(std::chrono::steady_clock::now() - begun, 5s);
  const auto answer = events.read();
  EXPECT_EQ(answer.body, "data: hello\n\n");
  EXPECT_TRUE(answer.complete);
  EXPECT_TRUE(idle.at_end());
  EXPECT_EQ(alive_, 0);
}

TEST_F(ServerTest, DrainLetsWorkEndWithinGrace) {
  start();
  RawClient client(port());
  auto answer =
      std::async(std::launch::async, [&] { return client.exchange("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n"); });
  EXPECT_TRUE(eventually([&] { return alive_ == 1; }));
  EXPECT_EQ(server_->stop(20s), 0u);
  const auto got = answer.get();
  EXPECT_EQ(got.status, 200u);
  EXPECT_EQ(got.header("Connection"), "close");
}

TEST_F(ServerTest, DrainCutsWhatOutlastsGrace) {
  start();
  RawClient client(port());
  client.send("GET /slow/forever HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_TRUE(eventually([&] { return alive_ == 1; }));
  EXPECT_EQ(server_->stop(100ms), 1u);
  EXPECT_EQ(server_->connections(), 0u);
  EXPECT_TRUE(client.at_end());
}

TEST_F(ServerTest, AccessRecordCarriesTheRouteAndNotThePath) {
  start();
  RawClient client(port());
  client.exchange("GET /?token=secret HTTP/1.1\r\nHost: x\r\n\r\n");
  client.exchange("GET /broken HTTP/1.1\r\nHost: x\r\n\r\n");
  RawClient(port()).exchange("GET /stream HTTP/1.0\r\n\r\n");
  RawClient(port()).exchange("nonsense\r\n\r\n");
  server_->stop(5s);
  EXPECT_EQ(records_,
            (std::vector<std::string>{"GET /test 200", "GET /test 200 incomplete", "GET /test 200", "none none 400"}));
}

TEST_F(ServerTest, ManyClientsOnTwoThreads) {
  Options options;
  options.threads = 2;
  start(options);
  std::vector<std::thread> clients;
  std::atomic<int> good{0};
  for (int c = 0; c < 8; ++c)
    clients.emplace_back([&] {
      RawClient client(port());
      for (int i = 0; i < 100; ++i) good += client.exchange(kGet).body == "hello" ? 1 : 0;
    });
  for (auto& client : clients) client.join();
  EXPECT_EQ(good, 800);
}

TEST(ServerStart, TakenPortIsSaid) {
  Options options;
  auto first = start_server([](Request&) -> awaitable<Response> { co_return Response{}; });
  options.port = first->port();
  Server second(options, [](Request&) -> awaitable<Response> { co_return Response{}; });
  const auto started = second.start();
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().code, Code::kUnavailable);
  options.address = "not an address";
  Server third(options, [](Request&) -> awaitable<Response> { co_return Response{}; });
  EXPECT_EQ(third.start().error().code, Code::kInvalidInput);
}

}  // namespace
}  // namespace tideline::http
