// The query string: any bytes give text or an error that names a parameter, and what was read can be written and read
// again.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/text.h"
#include "http/query.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tideline;
  const auto query = http::Query::parse(std::string_view(reinterpret_cast<const char*>(data), size));
  if (!query) {
    if (query.error().empty()) std::abort();
    for (const auto& error : query.error())
      if (error.message.empty() || !is_valid_utf8(error.parameter)) std::abort();
    return 0;
  }
  std::string again;
  for (const auto& [name, value] : *query) {
    if (!is_valid_utf8(name) || !is_valid_utf8(value)) std::abort();
    again += "&" + http::percent_encode(name) + "=" + http::percent_encode(value);
  }
  const auto second = http::Query::parse(again);
  if (!second || second->size() != query->size()) std::abort();
  return 0;
}
