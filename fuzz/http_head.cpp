// What a connection may send: the head, found and read; then the body behind it as chunked. How the input is cut (first
// byte) must make no difference to where the head ends or to what the body is.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/text.h"
#include "http/chunked.h"
#include "http/head.h"

namespace {

using namespace tideline;
using http::HeadScanner;

HeadScanner::Status scan(HeadScanner& scanner, std::string_view input, std::size_t piece) {
  auto status = HeadScanner::Status::kMore;
  for (std::size_t size = 0; size < input.size() && status == HeadScanner::Status::kMore;) {
    size = std::min(input.size(), size + piece);
    status = scanner.scan(std::string(input.substr(0, size)));
  }
  return status;
}

std::string unchunk(std::string_view input, std::size_t piece) {
  http::ChunkDecoder decoder;
  std::string body;
  while (!input.empty() && !decoder.done()) {
    const std::string part(input.substr(0, piece));
    std::span<const char> bytes(part);
    while (!bytes.empty() && !decoder.done()) {
      const auto data = decoder.step(bytes);
      if (!data) return body + "error";
      body.append(data->data(), data->size());
    }
    input.remove_prefix(part.size() - bytes.size());
  }
  return decoder.done() ? body + "done" : body;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::size_t piece = std::max<std::size_t>(1, data[0] % 64);
  const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  HeadScanner whole, pieces;
  const auto status = scan(whole, input, input.size() + 1);
  if (scan(pieces, input, piece) != status) std::abort();
  if (status == HeadScanner::Status::kRefused && whole.refusal().status < 400) std::abort();
  if (status != HeadScanner::Status::kComplete) return 0;
  if (whole.begin() != pieces.begin() || whole.end() != pieces.end()) std::abort();

  const std::string head(input.substr(whole.begin(), whole.end() - whole.begin()));
  http::MemoryBody no_body;
  http::BodyReader reader(no_body);
  http::Request request(reader);
  http::Framing framing;
  if (const auto refusal = http::parse_head(head, request, framing)) {
    if (refusal->status < 400 || refusal->message.empty()) std::abort();
    return 0;
  }
  // What was accepted keeps its promises.
  if (framing.chunked && framing.content_length != 0) std::abort();
  if (!framing.http10 && request.headers.count("Host") != 1) std::abort();
  if (request.segments.empty()) std::abort();
  for (const auto& segment : request.segments)
    if (!is_valid_utf8(segment) || segment == ".." || segment == ".") std::abort();

  const std::string_view rest = input.substr(whole.end());
  if (unchunk(rest, rest.size() + 1) != unchunk(rest, piece)) std::abort();
  return 0;
}
