#pragma once
// Bytes that are put aside where memory would be too much: in a file without a name, gone with the process whatever
// ends it.

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "base/error.h"

namespace tideline::extract {

/// Move-only. Blocking.
class ScratchFile {
 public:
  struct Piece {
    std::uint64_t begin = 0;
    std::uint64_t size = 0;
  };

  /// kUnavailable: `directory` cannot be written to.
  static Result<ScratchFile> in(const std::filesystem::path& directory);
  ScratchFile(ScratchFile&& other) noexcept;
  ScratchFile& operator=(ScratchFile&& other) noexcept;
  ~ScratchFile();

  /// One thread at a time. kResourceExhausted: the disk is full.
  Result<Piece> put(std::string_view bytes);
  /// Thread-safe.
  Result<void> get(Piece piece, std::string& bytes) const;

 private:
  explicit ScratchFile(int descriptor) : descriptor_(descriptor) {}
  int descriptor_ = -1;
  std::uint64_t end_ = 0;
};

}  // namespace tideline::extract
