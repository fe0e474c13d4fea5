#include "pg/dump.h"

#include <fcntl.h>
#include <libpq-fe.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <utility>

#include "pg/cluster_files.h"
#include "pg/process.h"

namespace tideline::pg {
namespace {

namespace fs = std::filesystem;

// A hundred gigabytes take less.
constexpr std::chrono::hours kPatience{12};
constexpr std::size_t kShownOutput = 600;

/// A directory of ours alone, gone at the end.
class Workspace {
 public:
  static Result<Workspace> open() {
    std::string pattern = (fs::temp_directory_path() / "tideline-dump-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr)
      return fail(Code::kInternal, "no temporary directory can be made", "set TMPDIR", std::strerror(errno));
    return Workspace(pattern);
  }
  Workspace(Workspace&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  Workspace& operator=(Workspace&& other) noexcept {
    std::swap(path_, other.path_);
    return *this;
  }
  ~Workspace() {
    std::error_code ignored;
    if (!path_.empty()) fs::remove_all(path_, ignored);
  }
  fs::path operator/(const char* name) const { return path_ / name; }

 private:
  explicit Workspace(fs::path path) : path_(std::move(path)) {}
  fs::path path_;
};

Result<void> write_private(const fs::path& path, const std::string& text) {
  const int fd = ::open(path.c_str(), O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return fail(Code::kInternal, path.string() + " cannot be written", {}, std::strerror(errno));
  const bool written = ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  ::close(fd);
  if (!written) return fail(Code::kResourceExhausted, path.string() + " cannot be written");
  return {};
}

std::string conninfo_value(std::string_view value) {
  std::string out = "'";
  for (const char c : value) {
    if (c == '\'' || c == '\\') out += '\\';
    out += c;
  }
  return out + "'";
}

std::string escaped_for_passfile(std::string_view value) {
  std::string out;
  for (const char c : value) {
    if (c == ':' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

/// The connection string for a command line: its password is in a file of the workspace.
Result<std::string> without_password(const std::string& conninfo, const Workspace& workspace) {
  char* said = nullptr;
  const std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)> parsed(PQconninfoParse(conninfo.c_str(), &said),
                                                                            &PQconninfoFree);
  const std::unique_ptr<char, decltype(&PQfreemem)> message(said, &PQfreemem);
  if (!parsed) return fail(Code::kInvalidInput, "the database's URL cannot be read", {}, said ? said : "");
  std::string out;
  for (const PQconninfoOption* option = parsed.get(); option->keyword != nullptr; ++option) {
    if (option->val == nullptr) continue;
    if (std::string_view(option->keyword) == "password") {
      const fs::path file = workspace / "password";
      TRY_VOID(write_private(file, "*:*:*:*:" + escaped_for_passfile(option->val) + "\n"));
      out += "passfile=" + conninfo_value(file.string()) + " ";
    } else {
      out += option->keyword + ("=" + conninfo_value(option->val)) + " ";
    }
  }
  return out;
}

Result<void> run(const fs::path& program, std::vector<std::string> arguments, Code failure) {
  ChildOptions child;
  child.command.push_back(program.string());
  for (auto& argument : arguments) child.command.push_back(std::move(argument));
  TRY(const Finished finished, run_to_end(std::move(child), kPatience));
  if (finished.exit_code == 0) return {};
  return fail(failure, program.filename().string() + " failed", {}, finished.output.substr(0, kShownOutput));
}

}  // namespace

Result<void> dump(const DumpOptions& options) {
  TRY(const Workspace workspace, Workspace::open());
  TRY(const fs::path programs, find_programs({}, options.data));
  TRY(const std::string conninfo, without_password(options.conninfo, workspace));
  const fs::path partial = options.file.string() + ".partial";
  std::error_code ignored;
  fs::remove(partial, ignored);
  TRY_VOID(write_private(partial, ""));  // made here, for its mode: pg_dump writes into it and makes it durable
  std::vector<std::string> arguments{"--format=custom", "--file=" + partial.string(), "--dbname=" + conninfo};
  for (const auto& schema : options.schemas) arguments.push_back("--schema=" + schema);
  if (auto dumped = run(programs / "pg_dump", std::move(arguments), Code::kUnavailable); !dumped) {
    fs::remove(partial, ignored);
    dumped.error().message = options.file.string() + " could not be written: " + dumped.error().message;
    dumped.error().hint = "a backup takes a login that may read all of it: of your own PostgreSQL, a superuser";
    return dumped;
  }
  std::error_code error;
  fs::rename(partial, options.file, error);
  if (error) return fail(Code::kInternal, options.file.string() + " cannot be written", {}, error.message());
  return {};
}

Result<void> restore(const DumpOptions& options, const std::string& epilogue) {
  TRY(const Workspace workspace, Workspace::open());
  TRY(const fs::path programs, find_programs({}, options.data));
  TRY(const std::string conninfo, without_password(options.conninfo, workspace));
  const fs::path script = workspace / "restore.sql", tail = workspace / "epilogue.sql";
  if (auto read = run(programs / "pg_restore",
                      {"--clean", "--if-exists", "--file=" + script.string(), options.file.string()}, Code::kCorrupt);
      !read) {
    read.error().message = options.file.string() + " could not be read: " + read.error().message;
    read.error().hint = "is it a file that tideline admin backup made, and whole? The database is as it was";
    return read;
  }
  TRY_VOID(write_private(tail, epilogue));
  return run(programs / "psql",
             {"--no-psqlrc", "--quiet", "--single-transaction", "--set=ON_ERROR_STOP=1", "--output=/dev/null",
              "--file=" + script.string(), "--file=" + tail.string(), "--dbname=" + conninfo},
             Code::kUnavailable);
}

}  // namespace tideline::pg
