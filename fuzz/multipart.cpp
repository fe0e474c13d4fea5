// multipart/form-data: the parts do not depend on how the input is cut. The first byte is the size of the pieces.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "http/multipart.h"

namespace {

using tideline::http::MultipartParser;

/// All that was seen, as one text; ends in "error" where it failed.
std::string read(std::string_view input, std::size_t piece) {
  MultipartParser parser("b");
  std::string seen;
  while (!input.empty()) {
    const std::string part(input.substr(0, piece));
    input.remove_prefix(part.size());
    parser.feed(part);
    for (;;) {
      const auto event = parser.next();
      if (!event) return seen + "error " + event.error().message;
      if (*event == MultipartParser::Event::kNeedInput) break;
      if (*event == MultipartParser::Event::kPart) seen += "part " + parser.part().name + ":";
      if (*event == MultipartParser::Event::kData) seen += parser.data();
      if (*event == MultipartParser::Event::kPartEnd) seen += ";";
      if (*event == MultipartParser::Event::kEnd) seen += "end";
    }
  }
  const auto finished = parser.finish();
  return finished ? seen : seen + "error " + finished.error().message;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  static_cast<void>(tideline::http::multipart_boundary(text));
  const std::size_t piece = std::max<std::size_t>(1, data[0] % 32);
  if (read(text, size) != read(text, piece)) std::abort();
  return 0;
}
