#include "http/head.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>

namespace tideline::http {
namespace {

/// What is made of `bytes`: status, refusal's number and text, and how far it came.
std::string outcome(HeadScanner::Status status, const HeadScanner& scanner) {
  switch (status) {
    case HeadScanner::Status::kMore:
      return "more";
    case HeadScanner::Status::kComplete:
      return "complete " + std::to_string(scanner.begin()) + " " + std::to_string(scanner.end());
    case HeadScanner::Status::kRefused:
      break;
  }
  return std::to_string(scanner.refusal().status) + " " + scanner.refusal().message;
}

std::string at_once(std::string_view bytes) {
  HeadScanner scanner;
  const auto status = scanner.scan(bytes);
  return outcome(status, scanner);
}

std::string byte_by_byte(std::string_view bytes) {
  HeadScanner scanner;
  auto status = HeadScanner::Status::kMore;
  for (std::size_t size = 1; size <= bytes.size() && status == HeadScanner::Status::kMore; ++size)
    status = scanner.scan(bytes.substr(0, size));
  return outcome(status, scanner);
}

TEST(HeadScanner, AnyByteAnywhereIsJudgedTheSameInPiecesAndAtOnce) {
  const std::string head = "GET /a/long/enough/path HTTP/1.1\r\nHost: localhost\r\nA: b\tc\xc3\xa9\r\n\r\n";
  EXPECT_EQ(at_once(head), "complete 0 " + std::to_string(head.size()));
  for (std::size_t position = 0; position < head.size(); ++position) {
    for (int byte = 0; byte < 256; ++byte) {
      std::string changed = head;
      changed[position] = static_cast<char>(byte);
      ASSERT_EQ(at_once(changed), byte_by_byte(changed)) << "byte " << byte << " at " << position;
    }
  }
}

TEST(HeadScanner, RefusesControlCharactersInTheMidstOfALine) {
  for (int byte = 0; byte < 256; ++byte) {
    const std::string head =
        "GET /0123456789 HTTP/1.1\r\nA: 01234567" + std::string(1, static_cast<char>(byte)) + "89abcdef\r\n\r\n";
    const bool is_control = (byte < 0x20 && byte != '\t') || byte == 0x7f;
    EXPECT_EQ(at_once(head).starts_with("complete"), !is_control) << byte;
  }
}

TEST(HeadScanner, TheLimitsAreTheSameInPiecesAndAtOnce) {
  for (const std::size_t size : {8000u, 8185u, 8190u, 8192u, 8250u, 8255u, 8256u, 8257u, 8300u, 20'000u, 70'000u}) {
    for (const std::string& begin : {std::string("GET /"), std::string("GET / HTTP/1.1\r\nA: ")}) {
      const std::string head = begin + std::string(size, 'a');
      EXPECT_EQ(at_once(head), byte_by_byte(head)) << size;
    }
  }
}

}  // namespace
}  // namespace tideline::http
