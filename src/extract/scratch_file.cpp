#include "extract/scratch_file.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

#include <unistd.h>

namespace tideline::extract {
namespace {

tl::unexpected<Error> failed(const char* what, int error) {
  const Code code = error == ENOSPC || error == EDQUOT ? Code::kResourceExhausted : Code::kUnavailable;
  return fail(code, std::string("a scratch file cannot be ") + what + ": " + std::strerror(error),
              code == Code::kResourceExhausted ? "free some disk space" : "");
}

}  // namespace

Result<ScratchFile> ScratchFile::in(const std::filesystem::path& directory) {
  std::string name = (directory / "scratch-XXXXXX").string();
  const int descriptor = ::mkstemp(name.data());
  if (descriptor < 0) return failed("made", errno);
  ::unlink(name.c_str());
  return ScratchFile(descriptor);
}

ScratchFile::ScratchFile(ScratchFile&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)), end_(other.end_) {}
ScratchFile& ScratchFile::operator=(ScratchFile&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  std::swap(end_, other.end_);
  return *this;
}
ScratchFile::~ScratchFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

Result<ScratchFile::Piece> ScratchFile::put(std::string_view bytes) {
  const Piece piece{end_, bytes.size()};
  while (!bytes.empty()) {
    const ssize_t written = ::pwrite(descriptor_, bytes.data(), bytes.size(), static_cast<off_t>(end_));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return failed("written", errno);
    bytes.remove_prefix(static_cast<std::size_t>(written));
    end_ += static_cast<std::uint64_t>(written);
  }
  return piece;
}

Result<void> ScratchFile::get(Piece piece, std::string& bytes) const {
  bytes.resize(piece.size);
  for (std::size_t at = 0; at < bytes.size();) {
    const ssize_t size =
        ::pread(descriptor_, bytes.data() + at, bytes.size() - at, static_cast<off_t>(piece.begin + at));
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return failed("read", size < 0 ? errno : EIO);
    at += static_cast<std::size_t>(size);
  }
  return {};
}

}  // namespace tideline::extract
