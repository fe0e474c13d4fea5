#include <gtest/gtest.h>

#include "base/json.h"
#include "http/body.h"
#include "server/answer.h"
#include "server/metrics.h"
#include "server/openapi.h"
#include "server/router.h"

namespace tideline::server {
namespace {

bool takes(std::string_view accept) {
  http::Headers headers;
  headers.add("Accept", accept);
  return accepts(headers, "application/json");
}

TEST(Answer, AcceptIsReadByTheMostSpecificRange) {
  EXPECT_TRUE(accepts(http::Headers(), "application/json"));
  for (const char* accept : {"", "*/*", "application/json", "APPLICATION/JSON", "application/*", "text/html, */*;q=0.1",
                             "application/json;q=0.001", "text/html,application/json;charset=utf-8"})
    EXPECT_TRUE(takes(accept)) << accept;
  for (const char* accept : {"text/html", "application/xml", "application/json;q=0", "application/json;q=0.000, */*",
                             "*/*;q=0", "application/*;q=0, */*", "json", ";;;", "application/json;q=x"})
    EXPECT_FALSE(takes(accept)) << accept;
}

class AnswerTest : public ::testing::Test {
 protected:
  AnswerTest() : reader_(raw_, ""), request_(reader_) { request_.request_id = "r1"; }

  http::MemoryBody raw_;
  http::BodyReader reader_;
  http::Request request_;
};

TEST_F(AnswerTest, AReadHasAnEntityTagAndIsNotSentTwice) {
  auto first = json_answer(request_, "{}", http::Encoding::kIdentity);
  EXPECT_EQ(first.status, 200U);
  const std::string tag(first.headers.find("ETag").value());
  EXPECT_EQ(first.headers.find("Cache-Control"), kCacheControl);
  request_.headers.add("If-None-Match", tag);
  EXPECT_EQ(json_answer(request_, "{}", http::Encoding::kIdentity).status, 304U);
  EXPECT_EQ(json_answer(request_, "{ }", http::Encoding::kIdentity).status, 200U);
}

TEST_F(AnswerTest, AWriteHasNone) {
  request_.method = http::Method::kPost;
  EXPECT_FALSE(json_answer(request_, "{}", http::Encoding::kIdentity).headers.find("ETag"));
}

TEST_F(AnswerTest, LongTextsAreCompressed) {
  const std::string text = '"' + std::string(4000, 'a') + '"';
  const auto answer = json_answer(request_, text, http::Encoding::kZstd);
  EXPECT_EQ(answer.headers.find("Content-Encoding"), "zstd");
  EXPECT_LT(answer.body.view().size(), 200U);
}

TEST_F(AnswerTest, CodesHaveTheirStatus) {
  EXPECT_EQ(error_answer(request_, Error{Code::kDeadline, "late", {}, {}}).status, 503U);
  EXPECT_TRUE(error_answer(request_, Error{Code::kDeadline, "late", {}, {}}).headers.find("Retry-After"));
  EXPECT_EQ(error_answer(request_, Error{Code::kUnsupported, "v99", {}, {}}).status, 415U);
  EXPECT_EQ(error_answer(request_, Error{Code::kUnsupported, "v99", {}, {}}, true).status, 422U);
  EXPECT_EQ(error_answer(request_, Error{Code::kResourceExhausted, "full", {}, {}}).status, 507U);
}

TEST_F(AnswerTest, AnInternalErrorTellsNothingButTheRequest) {
  const auto answer = error_answer(request_, Error{Code::kInternal, "secret message", "secret hint", "secret detail"});
  EXPECT_EQ(answer.body.view().find("secret"), std::string_view::npos);
  EXPECT_NE(answer.body.view().find("r1"), std::string_view::npos);
}

TEST_F(AnswerTest, MoreErrorsThanAnyoneReadsAreCounted) {
  FieldErrors errors(5000, {"documentation", "is wrong"});
  const auto answer = field_errors_answer(request_, std::move(errors));
  EXPECT_LT(answer.body.view().size(), 10'000U);
  EXPECT_NE(answer.body.view().find("and 4900 more"), std::string_view::npos);
}

TEST(OpenApi, IsStrictJsonAndHasEveryRoute) {
  const auto document = Json::parse(openapi_document(), "openapi");
  ASSERT_TRUE(document) << document.error().message;
  const Json* paths = document->find("paths");
  ASSERT_NE(paths, nullptr);
  for (const Route& route : routes()) {
    const Json* path = paths->find(route.path);
    ASSERT_NE(path, nullptr) << route.path;
    std::string method(http::to_string(route.method));
    for (char& c : method) c = static_cast<char>(c + ('a' - 'A'));
    EXPECT_NE(path->find(method), nullptr) << method << ' ' << route.path;
  }
}

TEST(OpenApi, EveryReferenceLeadsSomewhere) {
  const std::string_view text = openapi_document();
  const auto document = Json::parse(text, "openapi");
  constexpr std::string_view kMark = R"("$ref":"#/)";
  for (std::size_t at = 0; (at = text.find(kMark, at)) != std::string_view::npos;) {
    at += kMark.size();
    const std::string_view path = text.substr(at, text.find('"', at) - at);
    const Json* place = &*document;
    for (std::size_t begin = 0; place != nullptr && begin <= path.size();) {
      const std::size_t end = std::min(path.find('/', begin), path.size());
      place = place->find(path.substr(begin, end - begin));
      begin = end + 1;
    }
    EXPECT_NE(place, nullptr) << path;
  }
}

TEST(Metrics, CountByRouteMethodAndStatus) {
  Metrics metrics;
  http::AccessRecord record;
  record.method = "HEAD";
  record.route = "/connections";
  record.status = 200;
  record.duration = std::chrono::milliseconds(3);
  metrics.count(record);
  record.method = "GET";
  record.status = 999;
  metrics.count(record);
  record.route = "no such route \"\n";
  metrics.count(record);
  std::string text;
  metrics.write(text);
  EXPECT_NE(text.find("tideline_http_requests_total{route=\"/connections\",method=\"GET\",status=\"200\"} 1\n"),
            std::string::npos);
  EXPECT_NE(text.find("tideline_http_requests_total{route=\"/connections\",method=\"GET\",status=\"other\"} 1\n"),
            std::string::npos);
  EXPECT_NE(text.find("route=\"other\",method=\"other\",status=\"other\"} 1\n"), std::string::npos);
  EXPECT_NE(text.find("_bucket{route=\"/connections\",method=\"GET\",le=\"0.0025\"} 0\n"), std::string::npos);
  EXPECT_NE(text.find("_bucket{route=\"/connections\",method=\"GET\",le=\"0.005\"} 2\n"), std::string::npos);
  EXPECT_EQ(text.find("no such route"), std::string::npos);
}

}  // namespace
}  // namespace tideline::server
