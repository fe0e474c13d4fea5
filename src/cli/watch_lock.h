#pragma once
// One `sync --watch` a replica: a lock beside it that dies with its process.

#include <filesystem>
#include <optional>

#include "sync/private_file.h"

namespace tideline::cli {

inline std::filesystem::path watch_lock_file(const std::filesystem::path& replica) {
  return replica.string() + ".watch";
}

/// nullopt: another process watches.
inline Result<std::optional<sync::FileLock>> take_watch_lock(const std::filesystem::path& replica) {
  return sync::FileLock::take(watch_lock_file(replica), false);
}

inline bool is_watched(const std::filesystem::path& replica) {
  std::error_code error;
  if (!std::filesystem::exists(watch_lock_file(replica), error)) return false;
  const auto lock = take_watch_lock(replica);
  return lock && !*lock;
}

}  // namespace tideline::cli
