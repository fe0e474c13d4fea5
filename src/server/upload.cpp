#include "server/upload.h"

#include <cerrno>
#include <cstring>
#include <system_error>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/ids.h"
#include "base/log.h"
#include "base/text.h"
#include "http/multipart.h"
#include "pg/blocking.h"

namespace tideline::server {
namespace {

// So much is gathered before it goes to a blocking thread: few hops, little memory.
constexpr std::size_t kWriteBytes = std::size_t{1} << 20;
// A commit, a branch or a URL.
constexpr std::size_t kMaxNoteBytes = 8 * 1024;

tl::unexpected<UploadRefusal> refused(Error error) { return tl::unexpected(UploadRefusal{{}, std::move(error)}); }

tl::unexpected<UploadRefusal> refused(std::string parameter, std::string message) {
  FieldErrors fields;
  fields.push_back({std::move(parameter), std::move(message)});
  return tl::unexpected(UploadRefusal{std::move(fields), {}});
}

// Gathers pieces and writes them where blocking is allowed.
class FileSink {
 public:
  FileSink(TempFile& file, boost::asio::any_io_executor pool) : file_(file), pool_(std::move(pool)) {}

  http::awaitable<Result<void>> append(std::span<const char> piece) {
    pending_.append(piece.data(), piece.size());
    if (pending_.size() < kWriteBytes) co_return Result<void>();
    co_return co_await flush();
  }

  http::awaitable<Result<void>> flush() {
    if (pending_.empty()) co_return Result<void>();
    TempFile* file = &file_;
    const std::string* bytes = &pending_;
    auto write = [file, bytes] { return file->write(*bytes); };
    Result<void> written = co_await pg::run_blocking(pool_, std::move(write));
    pending_.clear();
    co_return written;
  }

 private:
  TempFile& file_;
  boost::asio::any_io_executor pool_;
  std::string pending_;
};

http::awaitable<Result<TempFile>> new_file(const UploadSpace& space, boost::asio::any_io_executor pool) {
  const std::filesystem::path* directory = &space.directory();
  auto create = [directory] { return TempFile::create(*directory); };
  co_return co_await pg::run_blocking(std::move(pool), std::move(create));
}

http::awaitable<tl::expected<Upload, UploadRefusal>> receive_json(http::Request& request, PushNotes notes,
                                                                  const UploadSpace& space,
                                                                  boost::asio::any_io_executor pool) {
  auto file = co_await new_file(space, pool);
  if (!file) co_return refused(std::move(file.error()));
  FileSink sink(*file, pool);
  for (;;) {
    auto piece = co_await request.body.next();
    if (!piece) co_return refused(std::move(piece.error()));
    if (piece->empty()) break;
    auto written = co_await sink.append(*piece);
    if (!written) co_return refused(std::move(written.error()));
  }
  if (request.body.decoded() == 0) co_return refused("manifest", "is required: send the manifest.json as the body");
  auto written = co_await sink.flush();
  if (!written) co_return refused(std::move(written.error()));
  co_return Upload{std::move(*file), std::nullopt, std::move(notes)};
}

http::awaitable<Result<TempFile>> receive_part(http::MultipartReader& form, const UploadSpace& space,
                                               boost::asio::any_io_executor pool) {
  auto file = co_await new_file(space, pool);
  if (!file) co_return tl::unexpected(std::move(file.error()));
  FileSink sink(*file, pool);
  for (;;) {
    auto piece = co_await form.next_data();
    if (!piece) co_return tl::unexpected(std::move(piece.error()));
    if (piece->empty()) break;
    auto written = co_await sink.append(*piece);
    if (!written) co_return tl::unexpected(std::move(written.error()));
  }
  auto written = co_await sink.flush();
  if (!written) co_return tl::unexpected(std::move(written.error()));
  co_return std::move(*file);
}

http::awaitable<tl::expected<Upload, UploadRefusal>> receive_form(http::Request& request, PushNotes notes,
                                                                  const UploadSpace& space,
                                                                  boost::asio::any_io_executor pool) {
  auto boundary = http::multipart_boundary(request.headers.get("Content-Type"));
  if (!boundary) co_return refused(std::move(boundary.error()));
  http::MultipartReader form(request.body, *boundary);
  std::optional<TempFile> manifest;
  std::optional<TempFile> catalog;
  FieldErrors errors;
  for (;;) {
    auto part = co_await form.next_part();
    if (!part) co_return refused(std::move(part.error()));
    if (*part == nullptr) break;
    const std::string name = (*part)->name;
    if (name == "manifest" || name == "catalog") {
      std::optional<TempFile>& place = name == "manifest" ? manifest : catalog;
      if (place) {
        errors.push_back({name, "must be given once"});
        continue;
      }
      auto file = co_await receive_part(form, space, pool);
      if (!file) co_return refused(std::move(file.error()));
      place.emplace(std::move(*file));
    } else if (is_push_note(name)) {
      auto value = co_await form.read_part(kMaxNoteBytes);
      if (!value && value.error().code != Code::kTooLarge) co_return refused(std::move(value.error()));
      if (value)
        decode_push_part(notes, name, *value, errors);
      else
        errors.push_back({name, "must be at most " + std::to_string(kMaxNoteBytes) + " bytes"});
    }
  }
  if (!manifest) errors.push_back({"manifest", "is required: a part of that name with the manifest.json"});
  if (!errors.empty()) co_return tl::unexpected(UploadRefusal{std::move(errors), {}});
  co_return Upload{std::move(*manifest), std::move(catalog), std::move(notes)};
}

std::string megabytes(std::uint64_t bytes) { return std::to_string(bytes / (1024 * 1024)) + " MiB"; }

}  // namespace

Error upload_error(int error_number) {
  const std::string detail = std::generic_category().message(error_number);
  if (error_number == ENOSPC || error_number == EDQUOT || error_number == EFBIG)
    return Error{Code::kResourceExhausted, "the server has no disk space left for this upload",
                 "ask the operator to make room in the data directory", detail};
  return Error{Code::kInternal, "an upload could not be written", {}, detail};
}

Result<TempFile> TempFile::create(const std::filesystem::path& directory) {
  std::filesystem::path path = directory / ("upload-" + Uuid::random().to_string());
  const int descriptor = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (descriptor < 0) return fail(upload_error(errno));
  return TempFile(std::move(path), descriptor);
}

Result<void> TempFile::write(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor_, bytes.data(), bytes.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      return fail(upload_error(errno));
    }
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

void TempFile::remove() noexcept {
  if (path_.empty()) return;
  ::unlink(path_.c_str());
  ::close(descriptor_);
  path_.clear();
  descriptor_ = -1;
}

Result<std::unique_ptr<UploadSpace>> UploadSpace::open(std::filesystem::path directory, std::size_t most_at_once) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (!error) std::filesystem::permissions(directory, std::filesystem::perms::owner_all, error);
  if (!error) {
    for (std::filesystem::directory_iterator entry(directory, error), end; !error && entry != end;
         entry.increment(error)) {
      std::error_code ignored;
      std::filesystem::remove_all(entry->path(), ignored);
    }
  }
  if (error || ::access(directory.c_str(), W_OK) != 0)
    return fail(Code::kUnavailable, "the folder for uploads cannot be used: " + directory.string(),
                "choose a data directory that this user can write to", error.message());
  return std::unique_ptr<UploadSpace>(new UploadSpace(std::move(directory), most_at_once));
}

std::optional<UploadSpace::Slot> UploadSpace::enter() {
  std::size_t taken = in_use_.load();
  do {
    if (taken >= most_at_once_) return std::nullopt;
  } while (!in_use_.compare_exchange_weak(taken, taken + 1));
  return Slot(this);
}

std::optional<UploadForm> upload_form(const http::Headers& headers) {
  const auto value = headers.find("Content-Type");
  if (!value) return UploadForm::kJson;
  const std::string_view type = trim(value->substr(0, value->find(';')));
  if (equal_ignoring_case(type, "multipart/form-data")) return UploadForm::kMultipart;
  if (equal_ignoring_case(type, "application/json")) return UploadForm::kJson;
  return std::nullopt;
}

http::awaitable<tl::expected<Upload, UploadRefusal>> receive_upload(http::Request& request, UploadForm form,
                                                                    PushNotes notes, std::uint64_t limit,
                                                                    const UploadSpace& space,
                                                                    boost::asio::any_io_executor blocking_pool) {
  request.body.limit(limit);
  const std::uint64_t announced = request.body.announced().value_or(0);
  if (announced > limit)
    co_return refused(Error{Code::kTooLarge,
                            "the upload is larger than the limit of " + megabytes(limit),
                            "the operator can raise the limit of uploads",
                            {}});
  struct statvfs disk{};
  if (::statvfs(space.directory().c_str(), &disk) == 0 && announced > disk.f_bavail * disk.f_frsize)
    co_return refused(upload_error(ENOSPC));
  if (form == UploadForm::kMultipart) co_return co_await receive_form(request, std::move(notes), space, blocking_pool);
  co_return co_await receive_json(request, std::move(notes), space, blocking_pool);
}

}  // namespace tideline::server
