#pragma once
// A push on its way in: the artifacts of a request are written to files of their own while they arrive, in constant
// memory. The files are unlinked when their owner goes, on every path; what a killed process left is removed at the
// next start. Not for what is in them: server/push.h.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <boost/asio/any_io_executor.hpp>

#include "base/error.h"
#include "http/message.h"
#include "server/decode.h"

namespace tideline::server {

/// A file that exists as long as this object. Move-only.
class TempFile {
 public:
  /// A new, empty file in `directory`. Blocks. kResourceExhausted: out of disk.
  static Result<TempFile> create(const std::filesystem::path& directory);
  ~TempFile() { remove(); }
  TempFile(TempFile&& other) noexcept
      : path_(std::exchange(other.path_, {})), descriptor_(std::exchange(other.descriptor_, -1)) {}
  TempFile& operator=(TempFile&& other) noexcept {
    if (this != &other) {
      remove();
      path_ = std::exchange(other.path_, {});
      descriptor_ = std::exchange(other.descriptor_, -1);
    }
    return *this;
  }

  /// Appends. Blocks. kResourceExhausted: out of disk.
  Result<void> write(std::string_view bytes);
  const std::filesystem::path& path() const { return path_; }
  /// Now rather than by the destructor. Blocks for as long as freeing the blocks takes.
  void remove() noexcept;

 private:
  TempFile(std::filesystem::path path, int descriptor) : path_(std::move(path)), descriptor_(descriptor) {}
  std::filesystem::path path_;  // empty: removed, or moved from
  int descriptor_ = -1;
};

/// What a failed write of an upload means to the client: 507 where the disk is full.
Error upload_error(int error_number);

/// Where uploads lie and how many there may be.
class UploadSpace {
 public:
  /// Makes `directory` (mode 0700) and removes all that is in it. kUnavailable when it cannot be used.
  static Result<std::unique_ptr<UploadSpace>> open(std::filesystem::path directory, std::size_t most_at_once);

  /// The right to one upload, to be held to the end of the push.
  class Slot {
   public:
    Slot() = default;
    ~Slot() { release(); }
    Slot(Slot&& other) noexcept : space_(std::exchange(other.space_, nullptr)) {}
    Slot& operator=(Slot&& other) noexcept {
      if (this != &other) {
        release();
        space_ = std::exchange(other.space_, nullptr);
      }
      return *this;
    }

   private:
    friend class UploadSpace;
    explicit Slot(UploadSpace* space) : space_(space) {}
    void release() {
      if (space_ != nullptr) --space_->in_use_;
      space_ = nullptr;
    }
    UploadSpace* space_ = nullptr;
  };
  /// nullopt when all are taken. Thread-safe.
  std::optional<Slot> enter();
  std::size_t in_use() const { return in_use_; }

  const std::filesystem::path& directory() const { return directory_; }

 private:
  UploadSpace(std::filesystem::path directory, std::size_t most_at_once)
      : directory_(std::move(directory)), most_at_once_(most_at_once) {}
  std::filesystem::path directory_;
  std::size_t most_at_once_;
  std::atomic<std::size_t> in_use_ = 0;
};

struct Upload {
  TempFile manifest;
  std::optional<TempFile> catalog;
  PushNotes notes;
};

/// Why an upload was not taken: bad parameters, or an error.
struct UploadRefusal {
  FieldErrors fields;  // if any, the answer is 400 with these
  Error error;
};

/// How the artifacts are sent, by Content-Type: multipart/form-data with the parts `manifest`, `catalog` and those of
/// decode_push_part; or the manifest itself as JSON (also when no type is said: `curl -T`).
enum class UploadForm { kMultipart, kJson };
std::optional<UploadForm> upload_form(const http::Headers& headers);

/// Reads the whole body. `notes`: those of the query; parts of the form win. Errors: kInvalidInput (cut off at byte N,
/// malformed), kTooLarge, kUnsupported (Content-Encoding), kResourceExhausted (out of disk), kDeadline.
http::awaitable<tl::expected<Upload, UploadRefusal>> receive_upload(http::Request& request, UploadForm form,
                                                                    PushNotes notes, std::uint64_t limit,
                                                                    const UploadSpace& space,
                                                                    boost::asio::any_io_executor blocking_pool);

}  // namespace tideline::server
