#include "replica/files.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <fstream>

#include "base/json.h"

namespace tideline::replica {
namespace fs = std::filesystem;

const char* boot_id_file = "/proc/sys/kernel/random/boot_id";
void (*on_file_step)(const char* step) = nullptr;

namespace {

void step(const char* name) {
  if (on_file_step != nullptr) on_file_step(name);
}

tl::unexpected<Error> system_error(const fs::path& path, const char* what) {
  const int code = errno;
  const Code of_reader = code == ENOSPC || code == EDQUOT  ? Code::kResourceExhausted
                         : code == EACCES || code == EROFS ? Code::kPermissionDenied
                                                           : Code::kUnavailable;
  return fail(of_reader, path.string() + ": " + std::strerror(code) + ".", {}, what);
}

class Descriptor {
 public:
  explicit Descriptor(int value) : value_(value) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (value_ >= 0) ::close(value_);
  }
  int get() const { return value_; }
  int release() { return std::exchange(value_, -1); }

 private:
  int value_;
};

Result<void> sync_path(const fs::path& path, int flags) {
  const Descriptor descriptor(::open(path.c_str(), flags | O_CLOEXEC));
  if (descriptor.get() < 0 || ::fsync(descriptor.get()) != 0) return system_error(path, "fsync");
  return {};
}
Result<void> sync_directory_of(const fs::path& path) { return sync_path(path.parent_path(), O_RDONLY | O_DIRECTORY); }

std::optional<int> number_of(std::string_view name, std::string_view stem) {
  if (name.size() <= stem.size() + 1 || !name.starts_with(stem) || name[stem.size()] != '.') return std::nullopt;
  const std::string_view digits = name.substr(stem.size() + 1);
  int number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (error != std::errc() || end != digits.data() + digits.size() || number < 1) return std::nullopt;
  return number;
}

}  // namespace

Result<void> ReplicaFiles::make_directory() const {
  const fs::path directory = file_.parent_path();
  std::error_code error;
  if (fs::is_directory(directory, error)) return {};
  fs::create_directories(directory, error);
  if (error) {
    errno = error.value();
    return system_error(directory, "create_directories");
  }
  ::chmod(directory.c_str(), 0700);
  return {};
}

std::optional<int> ReplicaFiles::present() const {
  std::error_code error;
  const fs::path target = fs::read_symlink(file_, error);
  if (error) return std::nullopt;
  const auto number = number_of(target.string(), file_.filename().string());
  return number && fs::exists(database(*number), error) ? number : std::nullopt;
}

std::vector<int> ReplicaFiles::databases() const {
  std::vector<int> numbers;
  std::error_code error;
  const std::string stem = file_.filename();
  for (const auto& entry : fs::directory_iterator(file_.parent_path(), error))
    if (const auto number = number_of(entry.path().filename().string(), stem)) numbers.push_back(*number);
  std::sort(numbers.begin(), numbers.end());
  return numbers;
}

Result<void> ReplicaFiles::put_in_place(int number) const {
  const fs::path target = database(number), link = file_.string() + ".link";
  step("sync database");
  TRY_VOID(sync_path(target, O_RDWR));
  step("sync directory");
  TRY_VOID(sync_directory_of(file_));
  step("make link");
  ::unlink(link.c_str());
  if (::symlink(target.filename().c_str(), link.c_str()) != 0) return system_error(link, "symlink");
  step("rename link");
  if (::rename(link.c_str(), file_.c_str()) != 0) return system_error(file_, "rename");
  step("sync directory again");
  return sync_directory_of(file_);
}

void ReplicaFiles::remove(int number) const {
  const std::string name = database(number);
  step("remove database");
  // The database first: a log without it means nothing, it without its log might.
  for (const char* suffix : {"", "-wal", "-shm", "-journal"}) ::unlink((name + suffix).c_str());
}

void ReplicaFiles::remove_everything() const {
  ::unlink(file_.c_str());
  for (const int number : databases()) remove(number);
  for (const char* suffix : {".link", ".repairs", ".repairs.new"}) ::unlink((file_.string() + suffix).c_str());
}

WriteBack::WriteBack(const fs::path& file) : descriptor_(::open(file.c_str(), O_RDWR | O_CLOEXEC)) {}
WriteBack::WriteBack(WriteBack&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
WriteBack& WriteBack::operator=(WriteBack&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  return *this;
}
WriteBack::~WriteBack() {
  if (descriptor_ >= 0) ::close(descriptor_);
}
void WriteBack::start() {
  if (descriptor_ >= 0) ::sync_file_range(descriptor_, 0, 0, SYNC_FILE_RANGE_WRITE);
}

Result<WriterLock> WriterLock::take(const fs::path& file, std::string_view what) {
  const std::string name = file.string() + ".lock";
  for (;;) {
    Descriptor descriptor(::open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    if (descriptor.get() < 0) return system_error(name, "open");
    if (::flock(descriptor.get(), LOCK_EX | LOCK_NB) != 0) {
      if (errno == EINTR) continue;
      if (errno != EWOULDBLOCK) return system_error(name, "flock");
      std::ifstream stream(name);
      std::string holder;
      std::getline(stream, holder);
      return fail(Code::kConflict,
                  "Another program is syncing this replica" + (holder.empty() ? "." : ": " + holder + "."),
                  "It will keep it current; there is nothing to do.");
    }
    // Purging deletes the file: what we locked must still be the one others will find.
    struct stat ours{}, theirs{};
    if (::fstat(descriptor.get(), &ours) != 0) return system_error(name, "fstat");
    if (::stat(name.c_str(), &theirs) != 0 || ours.st_ino != theirs.st_ino || ours.st_dev != theirs.st_dev) continue;
    const std::string holder = "tideline " + std::string(what) + ", process " + std::to_string(::getpid()) +
                               ", since " + Timestamp::now().to_string() + "\n";
    // Only told to others: that it could not be written takes nothing from the lock.
    if (::ftruncate(descriptor.get(), 0) != 0 || ::pwrite(descriptor.get(), holder.data(), holder.size(), 0) < 0)
      errno = 0;
    return WriterLock(descriptor.release());
  }
}

WriterLock::WriterLock(WriterLock&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}

WriterLock::~WriterLock() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

RepairTimes RepairTimes::load(const fs::path& file) {
  RepairTimes times;
  std::ifstream stream(file.string() + ".repairs");
  std::string text;
  std::getline(stream, text);
  const auto json = Json::parse(text, "repairs");
  if (!json) return times;
  if (const auto at = json->string_at("repair")) times.repair = Timestamp::parse(*at);
  if (const auto at = json->string_at("new_file")) times.new_file = Timestamp::parse(*at);
  return times;
}

Result<void> RepairTimes::store(const fs::path& file) const {
  const std::string name = file.string() + ".repairs", fresh = name + ".new";
  std::string text;
  JsonWriter json(text);
  json.begin_object();
  if (repair) json.key("repair").string(repair->to_string());
  if (new_file) json.key("new_file").string(new_file->to_string());
  json.end_object();
  text += '\n';
  {
    const Descriptor descriptor(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    if (descriptor.get() < 0) return system_error(fresh, "open");
    if (::write(descriptor.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()))
      return system_error(fresh, "write");
    if (::fsync(descriptor.get()) != 0) return system_error(fresh, "fsync");
  }
  if (::rename(fresh.c_str(), name.c_str()) != 0) return system_error(name, "rename");
  return sync_directory_of(name);
}

std::string boot_id() {
  std::ifstream stream(boot_id_file);
  std::string id;
  std::getline(stream, id);
  return id;
}

}  // namespace tideline::replica
