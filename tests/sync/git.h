#pragma once
// The real git program, in a directory of its own, as the answer that ours is held against.

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <string_view>

#include <sys/wait.h>

namespace tideline::sync {

class GitDirectory {
 public:
  GitDirectory() {
    std::string pattern = (std::filesystem::temp_directory_path() / "tideline-git-XXXXXX").string();
    if (!mkdtemp(pattern.data())) throw std::runtime_error("no temporary directory");
    root = std::filesystem::canonical(pattern);
    write("home/.gitconfig", "[protocol \"file\"]\n\tallow = always\n");  // submodules of a test are directories
  }
  ~GitDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(root, ignored);
  }
  GitDirectory(const GitDirectory&) = delete;
  GitDirectory& operator=(const GitDirectory&) = delete;

  std::filesystem::path home() const { return root / "home"; }

  void write(const std::filesystem::path& file, std::string_view text) const {
    std::filesystem::create_directories((root / file).parent_path());
    std::ofstream(root / file, std::ios::binary) << text;
  }

  struct Output {
    int code = 0;
    std::string text;  // standard output
  };
  /// A line for the shell, in a directory below the root, with nobody's configuration but that of home().
  Output shell(const std::string& line, const std::filesystem::path& in = {}) const {
    const std::string command = "cd '" + (root / in).string() + "' && env -i PATH=\"$PATH\" HOME='" + home().string() +
                                "' GIT_CONFIG_NOSYSTEM=1 "
                                "sh -c '" +
                                line + "' 2>/dev/null";
    Output output;
    std::FILE* pipe = popen(command.c_str(), "r");
    if (!pipe) throw std::runtime_error("no shell");
    char buffer[4096];
    while (const std::size_t size = std::fread(buffer, 1, sizeof buffer, pipe)) output.text.append(buffer, size);
    output.code = WEXITSTATUS(pclose(pipe));
    return output;
  }
  /// The same, of which only the first line counts and which must work.
  std::string line(const std::string& command, const std::filesystem::path& in = {}) const {
    Output output = shell(command, in);
    if (output.code != 0) throw std::runtime_error(command + " ended with " + std::to_string(output.code));
    output.text.resize(std::min(output.text.find('\n'), output.text.size()));
    return output.text;
  }

  std::filesystem::path root;
};

}  // namespace tideline::sync
