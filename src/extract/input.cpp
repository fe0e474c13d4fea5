#include "extract/input.h"

#include <cerrno>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace tideline::extract {
namespace {

struct Descriptor {
  int fd;
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
};

}  // namespace

Result<Input> Input::map(const std::filesystem::path& path, std::string_view label) {
  const Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (file.fd < 0) {
    const int error = errno;
    return fail(error == ENOENT ? Code::kNotFound : Code::kUnavailable,
                fmt::format("{} cannot be opened: {}", label, std::strerror(error)), {}, path.string());
  }
  struct stat status{};
  if (::fstat(file.fd, &status) != 0)
    return fail(Code::kUnavailable, fmt::format("{} cannot be read: {}", label, std::strerror(errno)), {},
                path.string());
  if (!S_ISREG(status.st_mode)) return fail(Code::kInvalidInput, fmt::format("{} is not a regular file", label));
  Input input;
  input.label_ = label;
  input.size_ = static_cast<std::size_t>(status.st_size);
  if (input.size_ == 0) return input;  // nothing to map; whoever reads it says that it is empty
  void* address = ::mmap(nullptr, input.size_, PROT_READ, MAP_PRIVATE, file.fd, 0);
  if (address == MAP_FAILED)
    return fail(Code::kUnavailable, fmt::format("{} cannot be mapped: {}", label, std::strerror(errno)), {},
                path.string());
  input.data_ = static_cast<const char*>(address);
  input.mapped_ = true;
  return input;
}

Input Input::memory(std::string bytes, std::string_view label) {
  Input input;
  input.memory_ = std::make_unique<std::string>(std::move(bytes));
  input.data_ = input.memory_->data();
  input.size_ = input.memory_->size();
  input.label_ = label;
  return input;
}

Input::Input(Input&& other) noexcept { *this = std::move(other); }

Input& Input::operator=(Input&& other) noexcept {
  if (this == &other) return *this;
  release();
  data_ = std::exchange(other.data_, nullptr);
  size_ = std::exchange(other.size_, 0);
  mapped_ = std::exchange(other.mapped_, false);
  memory_ = std::move(other.memory_);
  label_ = std::move(other.label_);
  return *this;
}

Input::~Input() { release(); }

void Input::release() {
  if (mapped_) ::munmap(const_cast<char*>(data_), size_);
  mapped_ = false;
}

}  // namespace tideline::extract
