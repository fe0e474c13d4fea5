#pragma once
// The bytes of one artifact: a read-only mapping of a file, or a string. Mapped pages belong to the page cache, so a
// large file costs address space and no memory of ours.

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"

namespace tideline::extract {

/// Move-only; `bytes` stays valid through moves.
class Input {
 public:
  /// `label` names the artifact in messages ("manifest.json"). kNotFound, kInvalidInput (empty, no regular file),
  /// kUnavailable. The file must not shrink while it is mapped.
  static Result<Input> map(const std::filesystem::path& path, std::string_view label);
  static Input memory(std::string bytes, std::string_view label);

  Input(Input&& other) noexcept;
  Input& operator=(Input&& other) noexcept;
  ~Input();

  std::string_view bytes() const { return {data_, size_}; }
  const std::string& label() const { return label_; }

 private:
  Input() = default;
  void release();

  const char* data_ = nullptr;
  std::size_t size_ = 0;
  bool mapped_ = false;
  std::unique_ptr<std::string> memory_;  // behind a pointer, so that short strings do not move either
  std::string label_;
};

}  // namespace tideline::extract
