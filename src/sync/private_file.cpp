#include "sync/private_file.h"

#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

namespace tideline::sync {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t kMaxBytes = 16 * 1024 * 1024;

class Descriptor {
 public:
  explicit Descriptor(int value) : value_(value) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (value_ >= 0) close(value_);
  }
  int get() const { return value_; }
  int release() { return std::exchange(value_, -1); }

 private:
  int value_;
};

tl::unexpected<Error> failed(const fs::path& file, const char* what) {
  const int reason = errno;
  const Code code = reason == ENOSPC || reason == EDQUOT ? Code::kResourceExhausted : Code::kPermissionDenied;
  const bool not_ours = reason == EROFS || reason == EACCES;
  return fail(
      code, file.string() + " cannot be " + what + ": " + std::strerror(reason),
      not_ours ? "what is kept here has to be written: XDG_DATA_HOME and XDG_CONFIG_HOME name other places" : "");
}

Result<void> make_directories(const fs::path& directory) {
  std::vector<fs::path> missing;
  std::error_code error;
  for (fs::path at = directory; !at.empty() && !fs::exists(at, error); at = at.parent_path()) missing.push_back(at);
  for (auto at = missing.rbegin(); at != missing.rend(); ++at)
    if (mkdir(at->c_str(), 0700) != 0 && errno != EEXIST) return failed(*at, "made");
  return {};
}

}  // namespace

Result<std::optional<std::string>> read_file(const fs::path& file) {
  const Descriptor in(open(file.c_str(), O_RDONLY | O_CLOEXEC));
  if (in.get() < 0) {
    if (errno == ENOENT || errno == ENOTDIR) return std::optional<std::string>();
    return failed(file, "read");
  }
  std::string text;
  char buffer[64 * 1024];
  for (;;) {
    const ssize_t size = read(in.get(), buffer, sizeof buffer);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return failed(file, "read");
    if (size == 0) return std::optional(std::move(text));
    text.append(buffer, static_cast<std::size_t>(size));
    if (text.size() > kMaxBytes) return fail(Code::kTooLarge, file.string() + " is larger than such a file can be");
  }
}

Result<void> replace_private_file(const fs::path& file, std::string_view text) {
  TRY_VOID(make_directories(file.parent_path()));
  std::string name = file.string() + ".XXXXXX";
  Descriptor out(mkostemp(name.data(), O_CLOEXEC));  // of mode 0600
  if (out.get() < 0) return failed(file, "written");
  const auto give_up = [&name](tl::unexpected<Error> error) {
    unlink(name.c_str());
    return error;
  };
  while (!text.empty()) {
    const ssize_t size = write(out.get(), text.data(), text.size());
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return give_up(failed(file, "written"));
    text.remove_prefix(static_cast<std::size_t>(size));
  }
  if (fsync(out.get()) != 0) return give_up(failed(file, "written"));
  if (close(out.release()) != 0) return give_up(failed(file, "written"));
  if (rename(name.c_str(), file.c_str()) != 0) return give_up(failed(file, "replaced"));
  const Descriptor directory(open(file.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory.get() >= 0) fsync(directory.get());
  return {};
}

Result<std::optional<FileLock>> FileLock::take(const fs::path& file, bool wait) {
  TRY_VOID(make_directories(file.parent_path()));
  Descriptor descriptor(open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (descriptor.get() < 0) return failed(file, "opened");
  while (flock(descriptor.get(), LOCK_EX | (wait ? 0 : LOCK_NB)) != 0) {
    if (errno == EINTR) continue;
    if (errno == EWOULDBLOCK) return std::optional<FileLock>();
    return failed(file, "locked");
  }
  return std::optional(FileLock(descriptor.release()));
}

FileLock::~FileLock() {
  if (descriptor_ >= 0) close(descriptor_);
}

}  // namespace tideline::sync
