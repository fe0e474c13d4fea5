// The client against the server, over loopback.
#include "http/client.h"

#include <filesystem>
#include <fstream>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "http/compress.h"
#include "http/multipart.h"
#include "http/problem.h"
#include "tests/http/support.h"

namespace tideline::http {
namespace {

/// What came in, said back; and the oddities a client must cope with.
awaitable<Response> reflect(Request& request) {
  const std::string& first = request.segments.front();
  if (first == "form") {
    const auto boundary = multipart_boundary(request.headers.get("Content-Type"));
    if (!boundary) co_return problem(boundary.error(), request.request_id);
    MultipartReader reader(request.body, *boundary);
    std::string all;
    for (;;) {
      const auto part = co_await reader.next_part();
      if (!part) co_return problem(part.error(), request.request_id);
      if (!*part) break;
      all += (*part)->name + "=";
      const auto content = co_await reader.read_part(1 << 20);
      if (!content) co_return problem(content.error(), request.request_id);
      all += *content + ";";
    }
    co_return text_response(all, "text/plain");
  }
  if (first == "redirect") {
    Response response;
    response.status = 307;
    response.headers.add("Location", "http://127.0.0.1:1/elsewhere");
    co_return response;
  }
  if (first == "packed") {
    const auto encoding = negotiate(request.headers.joined("Accept-Encoding"));
    Response response = text_response(compress(std::string(100'000, 'p'), *encoding), "text/plain");
    response.headers.add("Content-Encoding", to_string(*encoding));
    co_return response;
  }
  if (first == "silent") {
    // Longer than any of the tests waits for it.
    boost::asio::steady_timer timer(co_await boost::asio::this_coro::executor, std::chrono::seconds(5));
    co_await timer.async_wait(boost::asio::use_awaitable);
  }
  if (first == "refuse") co_return problem(Error{Code::kConflict, "older", "use --force", ""}, request.request_id);
  if (first == "limited") request.body.limit(1000);
  const auto body = co_await request.body.read_all(32 << 20);
  if (!body) co_return problem(body.error(), request.request_id);
  Response response = text_response(std::string(request.method_name) + " " + std::string(request.target) + " " +
                                        std::string(request.headers.get("Authorization")) + " " +
                                        std::string(request.headers.get("Content-Type")) + " " +
                                        std::to_string(body->size()) + ":" + body->substr(0, 20),
                                    "text/plain");
  response.headers.add("X-Wire-Bytes", std::to_string(request.body.received()));
  if (request.headers.find("Expect")) response.headers.add("X-Asked-First", "yes");
  co_return response;
}

class ClientTest : public testing::Test {
 protected:
  void SetUp() override {
    server_ = test::start_server([](Request& request) { return reflect(request); });
    std::string pattern = (std::filesystem::temp_directory_path() / "tideline-http-XXXXXX").string();
    folder_ = mkdtemp(pattern.data());
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  ClientRequest request(std::string method, std::string_view path) const {
    ClientRequest made;
    made.method = std::move(method);
    made.url = "http://127.0.0.1:" + std::to_string(server_->port()) + std::string(path);
    return made;
  }
  std::filesystem::path file(std::string_view name, std::string_view content) const {
    std::ofstream(folder_ / name, std::ios::binary) << content;
    return folder_ / name;
  }

  std::unique_ptr<Server> server_;
  std::filesystem::path folder_;
  Client client_;
};

TEST_F(ClientTest, EveryMethodArrives) {
  for (const char* method : {"GET", "POST", "PUT", "PATCH", "DELETE"}) {
    ClientRequest made = request(method, "/x?a=b");
    made.token = "token";
    made.content_type = "application/json";
    if (method != std::string("GET")) made.body = "{}";
    const auto answer = client_.send(made);
    ASSERT_TRUE(answer) << method << answer.error().message;
    EXPECT_EQ(answer->status, 200u);
    EXPECT_EQ(answer->body, std::string(method) + " /x?a=b Bearer token application/json " +
                                (method == std::string("GET") ? "0:" : "2:{}"));
  }
  EXPECT_EQ(server_->connections(), 1u) << "the connection is kept";
  EXPECT_EQ(client_.send(request("HEAD", "/"))->status, 200u);
  EXPECT_EQ(client_.send(request("POST", "/"))->body, "POST /   0:");
}

TEST_F(ClientTest, FilesGoUpPlainOrCompressedWithProgress) {
  const std::string content(5'000'000, 'f');
  for (const auto coding : {ClientRequest::Coding::kNone, ClientRequest::Coding::kGzip, ClientRequest::Coding::kZstd}) {
    ClientRequest made = request("PUT", "/");
    made.upload = file("big", content);
    made.coding = coding;
    std::uint64_t last = 0;
    made.progress = [&last](std::uint64_t done, std::uint64_t) {
      last = done;
      return true;
    };
    const auto answer = client_.send(made);
    ASSERT_TRUE(answer) << answer.error().message;
    EXPECT_NE(answer->body.find("5000000:ffff"), std::string::npos) << answer->body;
    EXPECT_EQ(last, content.size());
    EXPECT_EQ(answer->header("x-wire-bytes") == "5000000", coding == ClientRequest::Coding::kNone);
  }
  ClientRequest made = request("PUT", "/");
  made.upload = folder_ / "missing";
  EXPECT_EQ(client_.send(made).error().code, Code::kInvalidInput);
}

TEST_F(ClientTest, ProgressCanStop) {
  ClientRequest made = request("PUT", "/");
  made.upload = file("big", std::string(5'000'000, 'f'));
  made.progress = [](std::uint64_t, std::uint64_t) { return false; };
  EXPECT_FALSE(client_.send(made));
}

TEST_F(ClientTest, SmallBodiesAreSentUnasked) {
  for (const char* method : {"POST", "PUT", "PATCH"}) {
    ClientRequest made = request(method, "/");
    made.body = "{}";
    EXPECT_FALSE(client_.send(made)->header("x-asked-first")) << method;
  }
  ClientRequest large = request("PUT", "/");
  large.upload = file("large", std::string(5'000'000, 'f'));
  EXPECT_TRUE(client_.send(large)->header("x-asked-first"));
}

TEST_F(ClientTest, FormsAreReadByOurOwnParser) {
  ClientRequest made = request("PUT", "/form");
  made.form = {{"manifest", file("m.json", "{\"nodes\":{}}")}, {"catalog", file("c.json", "\r\n--x")}};
  const auto answer = client_.send(made);
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->body, "manifest={\"nodes\":{}};catalog=\r\n--x;");
}

TEST_F(ClientTest, CompressedAnswersAreDecodedWithinTheLimit) {
  EXPECT_EQ(client_.send(request("GET", "/packed"))->body, std::string(100'000, 'p'));
  ClientRequest made = request("GET", "/packed");
  made.response_limit = 99'999;
  EXPECT_EQ(client_.send(made).error().code, Code::kTooLarge);
}

TEST_F(ClientTest, SinkTakesGoodAnswersOnly) {
  std::string taken;
  ClientRequest made = request("GET", "/packed");
  made.response_limit = 1000;
  made.sink = [&taken](std::string_view piece) {
    taken += piece;
    return true;
  };
  EXPECT_EQ(client_.send(made)->body, "");
  EXPECT_EQ(taken, std::string(100'000, 'p'));
  made.sink = [](std::string_view) { return false; };
  EXPECT_FALSE(client_.send(made));
  made = request("GET", "/refuse");
  made.sink = [](std::string_view) -> bool { throw std::runtime_error("not for an error"); };
  EXPECT_EQ(client_.send(made)->status, 409u);
  made = request("GET", "/packed");
  made.sink = [](std::string_view) -> bool { throw std::runtime_error("disk full"); };
  EXPECT_THROW(static_cast<void>(client_.send(made)), std::runtime_error);
}

TEST_F(ClientTest, SilenceEndsACallThoughTheConnectionStands) {
  Client client;
  ClientRequest made = request("GET", "/silent");
  made.silence = std::chrono::milliseconds(50);
  const auto response = client.send(made);
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, Code::kDeadline);
  EXPECT_NE(response.error().message.find("silent"), std::string::npos);
}

TEST_F(ClientTest, KeepGoingSaysWhenToStop) {
  Client client;
  ClientRequest made = request("GET", "/silent");
  int asked = 0;
  made.keep_going = [&asked] { return ++asked < 3; };
  const auto response = client.send(made);
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().message, "stopped");
}

TEST_F(ClientTest, AnUncompressedAnswerCanBeAskedForAndWireBytesAreCounted) {
  Client client;
  ClientRequest made = request("GET", "/packed");
  const auto packed = client.send(made);
  ASSERT_TRUE(packed);
  EXPECT_EQ(packed->body.size(), 100'000u);
  EXPECT_LT(packed->received_bytes, 10'000u);
  made.compressed = false;
  const auto plain = client.send(made);
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->received_bytes, 100'000u);
}

TEST_F(ClientTest, EarlyRefusalOfAnUploadIsSeen) {
  ClientRequest made = request("PUT", "/limited");
  made.upload = file("big", std::string(20'000'000, 'f'));
  for (int i = 0; i < 5; ++i) {
    const auto answer = client_.send(made);
    ASSERT_TRUE(answer) << answer.error().message;
    EXPECT_EQ(answer->status, 413u);
    EXPECT_NE(error_of(*answer).message.find("1000 bytes"), std::string::npos);
    made.coding = ClientRequest::Coding::kGzip;
  }
}

TEST_F(ClientTest, RedirectIsNotFollowed) {
  ClientRequest made = request("GET", "/redirect");
  made.token = "token";
  EXPECT_EQ(client_.send(made)->status, 307u);
}

TEST_F(ClientTest, ProblemsBecomeErrors) {
  const Error error = error_of(*client_.send(request("GET", "/refuse")));
  EXPECT_EQ(error.code, Code::kConflict);
  EXPECT_EQ(error.message, "older");
  EXPECT_EQ(error.hint, "use --force");
  ClientResponse bare;
  bare.status = 502;
  EXPECT_EQ(error_of(bare).code, Code::kUnavailable);
}

TEST_F(ClientTest, NoServerIsSaidInPlainWords) {
  ClientRequest made = request("GET", "/secret?token=abc");
  server_->stop(std::chrono::seconds(5));
  const auto answer = client_.send(made);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Code::kUnavailable);
  EXPECT_NE(answer.error().message.find("no server answers at http://127.0.0.1:"), std::string::npos);
  EXPECT_EQ(answer.error().message.find("secret"), std::string::npos);
  made.url = "gopher://127.0.0.1/";
  EXPECT_EQ(client_.send(made).error().code, Code::kInvalidInput);
  made.url = "";
  EXPECT_EQ(client_.send(made).error().code, Code::kInvalidInput);
}

TEST_F(ClientTest, TokenStaysHomeWhereItCouldBeRead) {
  ClientRequest made;
  made.url = "http://192.0.2.1/";
  made.token = "token";
  EXPECT_EQ(client_.send(made).error().code, Code::kInvalidInput);
  made = request("GET", "/");
  made.token = "to\r\nken";
  EXPECT_EQ(client_.send(made).error().code, Code::kInvalidInput);
}

TEST(TokenSafety, HttpsAnywhereHttpAtHome) {
  for (const char* url : {"https://example.com", "https://example.com:8443/base", "HTTPS://x", "http://127.0.0.1:3001",
                          "http://127.8.9.1/", "http://localhost:3001/a", "http://LOCALHOST", "http://[::1]:80/"})
    EXPECT_TRUE(is_token_safe(url)) << url;
  for (const char* url :
       {"http://example.com", "http://127.0.0.1.example.com", "http://localhost.example.com",
        "http://127.0.0.1@example.com", "http://user:pass@127.0.0.1", "https://user@example.com", "ftp://127.0.0.1",
        "file:///etc/passwd", "127.0.0.1", "", "http://", "http://[::2]/", "http://0.0.0.0/", "http://127.0.0.999/",
        "http://10.0.0.1", "http://127.0.0.1\n.evil", "//localhost", "http://example.com\\@127.0.0.1"})
    EXPECT_FALSE(is_token_safe(url)) << url;
}

}  // namespace
}  // namespace tideline::http
