#pragma once
// Small files that are this user's alone: tokens, ids, what a workspace syncs.

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/error.h"

namespace tideline::sync {

/// All of a file; nullopt where there is none. kTooLarge beyond 16 MiB, kPermissionDenied where it cannot be read.
Result<std::optional<std::string>> read_file(const std::filesystem::path& file);

/// Writes a new file of mode 0600 beside it, makes it durable and renames it: whoever reads sees the old text or the
/// new, also after a crash. Missing directories are made, of mode 0700.
Result<void> replace_private_file(const std::filesystem::path& file, std::string_view text);

/// Holds an advisory lock (flock) for its life; the file stays. Locks of a process that ended are gone.
class FileLock {
 public:
  /// nullopt: somebody holds it. Waits for it with `wait`.
  static Result<std::optional<FileLock>> take(const std::filesystem::path& file, bool wait);
  FileLock(FileLock&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  FileLock& operator=(FileLock&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    return *this;
  }
  ~FileLock();

 private:
  explicit FileLock(int descriptor) : descriptor_(descriptor) {}
  int descriptor_;
};

}  // namespace tideline::sync
