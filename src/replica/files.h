#pragma once
// The files of a replica beside each other: `file` is a symbolic link to the database in use, `file`.<n>. A new
// database takes its place by a new link renamed over the old one. So a database and its write-ahead log always keep
// their names together; readers that have the old one open go on with it, also after it was deleted.
//
// Everything here is durable in the order it is called. Not thread-safe.

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/time.h"

namespace tideline::replica {

class ReplicaFiles {
 public:
  explicit ReplicaFiles(std::filesystem::path file) : file_(std::move(file)) {}

  const std::filesystem::path& file() const { return file_; }
  std::filesystem::path database(int number) const { return file_.string() + "." + std::to_string(number); }
  /// The directory, for the user alone, unless it is there.
  Result<void> make_directory() const;
  /// The number of the database in use; nullopt: there is none.
  std::optional<int> present() const;
  /// Numbers of all databases, ascending.
  std::vector<int> databases() const;
  /// Makes the database durable, then the one in use. It must be closed, or open without unwritten changes.
  Result<void> put_in_place(int number) const;
  /// With its log and journal.
  void remove(int number) const;
  void remove_everything() const;

 private:
  std::filesystem::path file_;
};

/// Has a file that is being written go to the disk meanwhile, so that there is little left to wait for in the end. It
/// is no promise of anything. To be closed after the database: closing any descriptor of a file drops SQLite's locks on
/// it.
class WriteBack {
 public:
  explicit WriteBack(const std::filesystem::path& file);
  WriteBack(WriteBack&& other) noexcept;
  WriteBack& operator=(WriteBack&& other) noexcept;
  ~WriteBack();
  /// Does not wait.
  void start();

 private:
  int descriptor_ = -1;
};

/// One writer. The lock dies with the process, whatever becomes of the file.
class WriterLock {
 public:
  /// kConflict: another process has it; the message says which, since when, and what it does.
  static Result<WriterLock> take(const std::filesystem::path& file, std::string_view what);
  WriterLock(WriterLock&& other) noexcept;
  WriterLock& operator=(WriterLock&&) = delete;
  ~WriterLock();

 private:
  explicit WriterLock(int descriptor) : descriptor_(descriptor) {}
  int descriptor_;
};

/// When the replica was last mended: kept beside the file, so that it outlives it.
struct RepairTimes {
  std::optional<Timestamp> repair;
  std::optional<Timestamp> new_file;

  static RepairTimes load(const std::filesystem::path& file);
  Result<void> store(const std::filesystem::path& file) const;
};

/// Of this start of the machine: what was written without waiting for the disk is worth something until the next.
std::string boot_id();

/// For tests: where the id of this start is read.
extern const char* boot_id_file;
/// For tests: called before each step that changes the directory, with its name.
extern void (*on_file_step)(const char* step);

}  // namespace tideline::replica
