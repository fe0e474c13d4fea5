// The name of a repository out of any bytes: lower case, no empty part at either end, and naming it again changes
// nothing about that.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/text.h"
#include "model/repository_name.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tideline;
  const RepositoryName name = repository_name(std::string_view(reinterpret_cast<const char*>(data), size));
  for (const std::string& part : {name.host, name.path, name.subdir})
    if (ascii_lower(part) != part) std::abort();
  for (const std::string& part : {name.path, name.subdir})
    if (part.starts_with('/') || part.ends_with('/')) std::abort();
  // Azure says a name twice and adds the host's; nothing else grows.
  if (name.path.size() > 3 * size || name.subdir.size() > size) std::abort();
  return 0;
}
