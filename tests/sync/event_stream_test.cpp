#include "sync/event_stream.h"

#include <vector>

#include <gtest/gtest.h>

#include "sync/backoff.h"

namespace tideline::sync {
namespace {

std::vector<std::string> events(EventStreamParser& parser, std::string_view bytes, std::size_t piece) {
  std::vector<std::string> out;
  for (std::size_t at = 0; at < bytes.size(); at += piece)
    EXPECT_TRUE(parser.feed(bytes.substr(at, piece), [&](const ServerEvent& event) {
      out.push_back(event.type + "|" + event.id + "|" + event.data);
    }));
  return out;
}

TEST(EventStream, EventsComeTheSameHoweverTheBytesAreCut) {
  constexpr std::string_view kStream =
      "\xEF\xBB\xBF: hello\r\nretry: 2500\r\n\r\nevent: head\r\nid: 7\r\ndata: {\"version\":1}\r\n\r\n"
      "data: a\ndata:  b\ndata\n\nevent: nothing\n\ndata: last\r\rdata: not ended\n";
  const std::vector<std::string> expected{"head|7|{\"version\":1}", "message|7|a\n b\n", "message|7|last"};
  for (const std::size_t piece : {1u, 2u, 3u, 7u, 1000u}) {
    EventStreamParser parser;
    EXPECT_EQ(events(parser, kStream, piece), expected) << piece;
    EXPECT_EQ(parser.retry(), std::chrono::milliseconds(2500));
  }
}

TEST(EventStream, FieldsThatAreNoneAreIgnored) {
  EventStreamParser parser;
  EXPECT_EQ(events(parser, "datax: 1\nretry: soon\nid: a\nid: b\nDATA: x\ndata:y\n\n", 100),
            std::vector<std::string>{"message|b|y"});
  EXPECT_FALSE(parser.retry());
}

TEST(EventStream, MemoryIsBounded) {
  const auto ignore = [](const ServerEvent&) {};
  EventStreamParser one_line;
  EXPECT_TRUE(one_line.feed(std::string(kMaxEventBytes, 'x'), ignore));
  EXPECT_FALSE(one_line.feed("x", ignore));
  EXPECT_FALSE(one_line.feed("\n", ignore)) << "an error stays";
  EventStreamParser many_lines;
  const std::string line = "data: " + std::string(1000, 'x') + "\n";
  bool refused = false;
  for (int i = 0; i < 100 && !refused; ++i) refused = !many_lines.feed(line, ignore);
  EXPECT_TRUE(refused);
  // Comments are no event: a connection may be kept alive for ever.
  EventStreamParser idle;
  for (int i = 0; i < 10'000; ++i) ASSERT_TRUE(idle.feed(": keep-alive\n\n", ignore));
}

TEST(Backoff, GrowsWithJitterAndHeedsTheServer) {
  using std::chrono::milliseconds;
  Backoff backoff;
  EXPECT_EQ(backoff.next(1000, std::nullopt), milliseconds(1000));
  EXPECT_EQ(backoff.next(2000, std::nullopt), milliseconds(2000));
  EXPECT_EQ(backoff.next(0, std::nullopt), milliseconds(0));
  for (int i = 0; i < 100; ++i) {
    const auto wait = backoff.next(static_cast<std::uint64_t>(i) * 7919 * 1'000'003, std::nullopt);
    EXPECT_LE(wait, Backoff::kLargest);
  }
  EXPECT_GE(backoff.next(0, milliseconds(5000)), milliseconds(5000));
  EXPECT_LE(backoff.next(~0ULL, milliseconds(1'000'000'000)), Backoff::kLargestAsked + Backoff::kLargest);
  backoff.succeeded();
  EXPECT_EQ(backoff.next(1000, std::nullopt), milliseconds(1000));
  EXPECT_EQ(backoff.failures(), 1);
}

}  // namespace
}  // namespace tideline::sync
