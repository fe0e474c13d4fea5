// A git configuration of any bytes: entries that are as they should be, or an error with a line. The first line, where
// there is one, is also taken as a pattern for the rest.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/text.h"
#include "sync/git_config.h"
#include "sync/workspace.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tideline;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto entries = sync::parse_git_config(text, "config")) {
    for (const auto& entry : *entries) {
      if (entry.name.empty() || ascii_lower(entry.name) != entry.name) std::abort();
      if (ascii_lower(entry.section) != entry.section) std::abort();
      if (entry.value && entry.value->size() > size) std::abort();
    }
    for (const auto& remote : sync::git_remotes(*entries))
      if (remote.name.size() > size) std::abort();
  } else if (entries.error().message.find("config:") != 0) {
    std::abort();
  }
  const auto line = text.find('\n');
  if (line != std::string_view::npos && line <= 256 && size <= 4096) {
    const auto rest = text.substr(line + 1);
    sync::matches_path(text.substr(0, line), rest, false);
    if (!sync::matches_path("**", rest, true)) std::abort();
  }
  sync::dbt_project_name(text);
  if (sync::without_user(text).size() > size) std::abort();
  return 0;
}
