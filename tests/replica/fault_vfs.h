#pragma once
// SQLite's own file layer with a fault in it: the process dies at the n-th write, sync, truncation or deletion, or the
// disk is full from the n-th write on; and when the power goes, what was written and not synced is kept or lost write
// by write, as chance has it. One per program; files of -shm are memory and lost with it.

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <map>
#include <random>
#include <string>
#include <vector>

#include <sqlite3.h>

#include "replica/files.h"

namespace tideline::replica::test {

class FaultVfs {
 public:
  static FaultVfs& instance() {
    static FaultVfs vfs;
    return vfs;
  }

  /// Counts from now on.
  void reset() {
    operations = 0;
    die_at = full_from = 0;
    lose_power = false;
    unsynced_.clear();
  }
  std::int64_t operations = 0;
  std::int64_t die_at = 0;     // 0: never
  std::int64_t full_from = 0;  // 0: never
  bool lose_power = false;
  std::mt19937 random;

  static constexpr int kDied = 99;

 private:
  struct Write {
    std::int64_t offset;
    std::string before, after;
    std::int64_t size_before;
  };
  struct File {
    sqlite3_file base;
    sqlite3_file* real;
    std::string* name;
  };

  FaultVfs() {
    real_ = sqlite3_vfs_find(nullptr);
    vfs_ = *real_;
    vfs_.zName = "fault";
    vfs_.szOsFile = static_cast<int>(sizeof(File)) + real_->szOsFile;
    vfs_.pNext = nullptr;
    vfs_.xOpen = open;
    vfs_.xDelete = remove;
    sqlite3_vfs_register(&vfs_, 1);
    on_file_step = [](const char* step) {
      // The step before this one made the database durable.
      if (std::string_view(step) == "sync directory") instance().unsynced_.clear();
      instance().operation();
    };
  }

  void operation() {
    if (++operations != die_at) return;
    if (lose_power) cut_power();
    ::_exit(kDied);
  }

  void cut_power() {
    for (auto& [name, writes] : unsynced_) {
      const int file = ::open(name.c_str(), O_RDWR);
      if (file < 0) continue;
      for (auto at = writes.rbegin(); at != writes.rend(); ++at) {
        if (!at->before.empty()) (void)!::pwrite(file, at->before.data(), at->before.size(), at->offset);
        (void)!::ftruncate(file, at->size_before);
      }
      for (const Write& write : writes)
        if (random() % 2 == 0) (void)!::pwrite(file, write.after.data(), write.after.size(), write.offset);
      ::close(file);
      ::unlink((name.substr(0, name.rfind('-')) + "-shm").c_str());
      ::unlink((name + "-shm").c_str());
    }
  }

  static File* of(sqlite3_file* file) { return reinterpret_cast<File*>(file); }
  static sqlite3_file* real(sqlite3_file* file) { return of(file)->real; }

  static int open(sqlite3_vfs*, const char* name, sqlite3_file* file, int flags, int* out) {
    static sqlite3_io_methods methods = [] {
      sqlite3_io_methods m{};
      m.iVersion = 2;
      m.xClose = [](sqlite3_file* f) {
        const int code = real(f)->pMethods->xClose(real(f));
        delete of(f)->name;
        return code;
      };
      m.xRead = [](sqlite3_file* f, void* to, int n, sqlite3_int64 at) {
        return real(f)->pMethods->xRead(real(f), to, n, at);
      };
      m.xWrite = write;
      m.xTruncate = [](sqlite3_file* f, sqlite3_int64 size) {
        instance().operation();
        return real(f)->pMethods->xTruncate(real(f), size);
      };
      m.xSync = [](sqlite3_file* f, int how) {
        instance().operation();
        const int code = real(f)->pMethods->xSync(real(f), how);
        instance().unsynced_.erase(*of(f)->name);
        return code;
      };
      m.xFileSize = [](sqlite3_file* f, sqlite3_int64* size) { return real(f)->pMethods->xFileSize(real(f), size); };
      m.xLock = [](sqlite3_file* f, int lock) { return real(f)->pMethods->xLock(real(f), lock); };
      m.xUnlock = [](sqlite3_file* f, int lock) { return real(f)->pMethods->xUnlock(real(f), lock); };
      m.xCheckReservedLock = [](sqlite3_file* f, int* is) {
        return real(f)->pMethods->xCheckReservedLock(real(f), is);
      };
      m.xFileControl = [](sqlite3_file* f, int op, void* arg) {
        return real(f)->pMethods->xFileControl(real(f), op, arg);
      };
      m.xSectorSize = [](sqlite3_file* f) { return real(f)->pMethods->xSectorSize(real(f)); };
      m.xDeviceCharacteristics = [](sqlite3_file* f) { return real(f)->pMethods->xDeviceCharacteristics(real(f)); };
      m.xShmMap = [](sqlite3_file* f, int page, int size, int extend, void volatile** to) {
        return real(f)->pMethods->xShmMap(real(f), page, size, extend, to);
      };
      m.xShmLock = [](sqlite3_file* f, int at, int n, int flag) {
        return real(f)->pMethods->xShmLock(real(f), at, n, flag);
      };
      m.xShmBarrier = [](sqlite3_file* f) { real(f)->pMethods->xShmBarrier(real(f)); };
      m.xShmUnmap = [](sqlite3_file* f, int remove_it) { return real(f)->pMethods->xShmUnmap(real(f), remove_it); };
      return m;
    }();
    File* const wrapped = of(file);
    wrapped->base.pMethods = nullptr;
    wrapped->real = reinterpret_cast<sqlite3_file*>(wrapped + 1);
    const int code = instance().real_->xOpen(instance().real_, name, wrapped->real, flags, out);
    if (code != SQLITE_OK) return code;
    wrapped->name = new std::string(name == nullptr ? "" : name);
    wrapped->base.pMethods = &methods;
    return SQLITE_OK;
  }

  static int write(sqlite3_file* f, const void* from, int n, sqlite3_int64 at) {
    FaultVfs& vfs = instance();
    vfs.operation();
    if (vfs.full_from != 0 && vfs.operations >= vfs.full_from) return SQLITE_FULL;
    if (vfs.lose_power && !of(f)->name->empty()) {
      Write write{at, std::string(static_cast<std::size_t>(n), '\0'),
                  std::string(static_cast<const char*>(from), static_cast<std::size_t>(n)), 0};
      sqlite3_int64 size = 0;
      real(f)->pMethods->xFileSize(real(f), &size);
      write.size_before = size;
      if (at >= size)
        write.before.clear();
      else
        write.before.resize(static_cast<std::size_t>(std::min<sqlite3_int64>(n, size - at)));
      if (!write.before.empty())
        real(f)->pMethods->xRead(real(f), write.before.data(), static_cast<int>(write.before.size()), at);
      vfs.unsynced_[*of(f)->name].push_back(std::move(write));
    }
    return real(f)->pMethods->xWrite(real(f), from, n, at);
  }

  static int remove(sqlite3_vfs*, const char* name, int sync) {
    instance().operation();
    instance().unsynced_.erase(name);
    return instance().real_->xDelete(instance().real_, name, sync);
  }

  sqlite3_vfs* real_;
  sqlite3_vfs vfs_;
  std::map<std::string, std::vector<Write>> unsynced_;
};

}  // namespace tideline::replica::test
