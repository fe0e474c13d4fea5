#pragma once
// Reading git's configuration without git: the editor's machine need not have it on its path, and asking it twenty
// times would be slow. The file format of git-config(1): sections, sub-sections, quotes, escapes, continued lines,
// comments. Nothing in a configuration is ever run. Pure; which files there are and what they include is
// git_repository.h's.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace tideline::sync {

/// Larger files are refused: a configuration of a repository with ten thousand branches has 2 MB.
inline constexpr std::size_t kMaxGitConfigBytes = 8 * 1024 * 1024;

struct GitConfigEntry {
  std::string section;                    // in lower case
  std::optional<std::string> subsection;  // as it stands: "origin", "https://example.com/"
  std::string name;                       // in lower case
  std::optional<std::string> value;       // nullopt: the name alone stood there, which means true

  bool is(std::string_view wanted_section, std::string_view wanted_name) const {
    return section == wanted_section && name == wanted_name;
  }
  bool operator==(const GitConfigEntry&) const = default;
};

/// In the order of the text. kInvalidInput names `file` and the line; git refuses to work with such a file, too.
Result<std::vector<GitConfigEntry>> parse_git_config(std::string_view text, std::string_view file);

/// Whether a value says yes: true, yes, on, a number but 0, or no value at all.
bool is_true(const GitConfigEntry& entry);

/// git's wildmatch with WM_PATHNAME: ?, *, [a-z], [!a], a backslash before what shall stand for itself; none of them
/// matches a slash, but ** between slashes matches any number of directories. O(pattern × text).
bool matches_path(std::string_view pattern, std::string_view text, bool ignore_case);

}  // namespace tideline::sync
