// Server-sent events of any bytes: the same events, however the bytes are cut into pieces. The first byte says how.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "sync/event_stream.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tideline;
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::size_t piece = data[0] % 7 + 1;
  std::vector<std::string> whole, cut;
  const auto into = [](std::vector<std::string>& out) {
    return [&out](const sync::ServerEvent& event) {
      if (event.data.size() > sync::kMaxEventBytes) std::abort();
      out.push_back(event.type + '\n' + event.id + '\n' + event.data);
    };
  };
  sync::EventStreamParser first, second;
  const bool taken = first.feed(text, into(whole)).has_value();
  bool taken_cut = true;
  for (std::size_t at = 0; at < text.size() && taken_cut; at += piece)
    taken_cut = second.feed(text.substr(at, piece), into(cut)).has_value();
  if (taken != taken_cut || whole != cut || first.retry() != second.retry()) std::abort();
  return 0;
}
