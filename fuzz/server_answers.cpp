// What a server says in JSON, of any bytes: an answer that is as it should be, or an error.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "sync/api.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tideline;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto heads = sync::Heads::parse(text)) {
    if (heads->epoch.empty() || heads->version.value < 0) std::abort();
    for (const auto& each : heads->connections)
      if (each.version.value < 0 || !heads->find(each.id)) std::abort();
  }
  if (const auto hint = sync::Hint::parse(text))
    if (hint->spread < std::chrono::milliseconds(0) || hint->spread > std::chrono::minutes(1)) std::abort();
  return 0;
}
