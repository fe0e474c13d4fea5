// The decoders of request bodies and queries: the first byte chooses one, the rest is what a client sent. Whatever
// comes out is either a checked value or a list of named errors, and never larger than a small multiple of what came
// in.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "base/text.h"
#include "http/query.h"
#include "server/decode.h"

namespace {

using namespace tideline::server;

void require(bool holds) {
  if (!holds) std::abort();
}

template <class T>
void check(const Decoded<T>& decoded) {
  if (decoded) return;
  require(!decoded.error().empty());
  for (const auto& [parameter, message] : decoded.error()) {
    require(!parameter.empty() && !message.empty());
    require(tideline::is_valid_utf8(parameter) && tideline::is_valid_utf8(message));
  }
}

void check_text(std::string_view text) {
  require(tideline::is_valid_utf8(text));
  require(text.find('\0') == std::string_view::npos);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto query = tideline::http::Query::parse(input);
  switch (data[0] % 8) {
    case 0:
      if (const auto decoded = decode_match_workspace(input))
        check_text(decoded->workspace_identifier);
      else
        check(decoded);
      break;
    case 1:
      if (const auto decoded = decode_register_session(input)) {
        check_text(decoded->workspace_identifier);
        if (decoded->workspace_hash) check_text(*decoded->workspace_hash);
      } else {
        check(decoded);
      }
      break;
    case 2:
      check(decode_update_session("99999999-9999-4999-8999-999999999999", input));
      break;
    case 3:
      if (const auto decoded = decode_register_connection(input)) {
        check_text(decoded->full_name);
        require(decoded->subdir.empty() || (decoded->subdir.front() != '/' && decoded->subdir.back() != '/'));
      } else {
        check(decoded);
      }
      break;
    case 4:
      check(decode_update_connection(input.substr(0, 36), input));
      break;
    case 5:
      if (const auto decoded = decode_write_documentation(input)) {
        for (const auto& item : decoded->items) require(item.object_id || item.connection_id);
      } else {
        check(decoded);
      }
      break;
    case 6:
      if (!query) break;
      if (const auto decoded = decode_sync_package(*query)) {
        require(decoded->limit >= 1 && decoded->limit <= kMaxPageLimit && decoded->offset >= 0);
      } else {
        check(decoded);
      }
      check(decode_read_documentation(*query));
      break;
    default:
      if (!query) break;
      check(decode_push_target(*query));
      check(decode_push_notes(*query));
      break;
  }
  return 0;
}
