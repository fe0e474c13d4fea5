#include "sync/git_repository.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include <pwd.h>
#include <sys/stat.h>

#include "base/text.h"

namespace tideline::sync {
namespace fs = std::filesystem;
namespace {

constexpr int kMaxIncludeDepth = 10;  // git's own

std::optional<std::string> read_small(const fs::path& file, std::size_t limit = 64 * 1024) {
  std::error_code error;
  if (!fs::is_regular_file(file, error)) return std::nullopt;
  std::ifstream in(file, std::ios::binary);
  if (!in) return std::nullopt;
  std::string text(limit, '\0');
  in.read(text.data(), static_cast<std::streamsize>(limit));
  text.resize(static_cast<std::size_t>(in.gcount()));
  return text;
}

std::string first_line(std::string text) {
  text.resize(std::min(text.find_first_of("\r\n"), text.size()));
  return text;
}

fs::path resolved(const fs::path& path) {
  std::error_code error;
  fs::path result = fs::weakly_canonical(path, error);
  if (error) result = path.lexically_normal();
  if (!result.has_filename() && result.has_parent_path() && result != result.root_path()) result = result.parent_path();
  return result;
}

/// Where refs and configuration lie: another directory for a linked work tree.
fs::path common_dir_of(const fs::path& git_dir) {
  if (const auto text = read_small(git_dir / "commondir")) {
    const fs::path named = first_line(*text);
    return resolved(named.is_absolute() ? named : git_dir / named);
  }
  return git_dir;
}

/// git's own test, so that an empty or broken .git is passed by as git passes it.
bool is_git_dir(const fs::path& path) {
  std::error_code error;
  const fs::path head = path / "HEAD";
  if (fs::is_symlink(head, error)) {
    if (!fs::read_symlink(head, error).string().starts_with("refs/")) return false;
  } else {
    const auto text = read_small(head);
    if (!text) return false;
    const bool names_branch = text->starts_with("ref:") && trim(std::string_view(*text).substr(4)).starts_with("refs/");
    if (!names_branch && (text->size() < 40 || !from_hex(text->substr(0, 40)))) return false;
  }
  const fs::path common = common_dir_of(path);
  return fs::is_directory(common / "objects", error) && fs::is_directory(common / "refs", error);
}

std::string home_of(std::string_view user) {
  const passwd* entry = getpwnam(std::string(user).c_str());
  return entry && entry->pw_dir ? entry->pw_dir : "";
}

/// "~/x" and "~user/x"; anything else as it is. Empty: no such home.
std::string expand_home(const std::string& path, const fs::path& home) {
  if (!path.starts_with('~')) return path;
  const std::size_t slash = std::min(path.find('/'), path.size());
  const std::string base = slash == 1 ? home.string() : home_of(std::string_view(path).substr(1, slash - 1));
  return base.empty() ? "" : base + path.substr(slash);
}

bool is_remote_url(const GitConfigEntry& entry) { return entry.is("remote", "url") && entry.subsection && entry.value; }

class Reader {
 public:
  Reader(const GitRepository& repository, const GitEnvironment& environment)
      : repository_(repository), environment_(environment) {}

  Result<std::vector<GitConfigEntry>> read() {
    // A condition may ask for URLs that are only known when everything has been read; so everything is read twice then.
    TRY_VOID(read_all());
    if (!asks_for_urls_) return std::move(entries_);
    for (const auto& entry : entries_)
      if (is_remote_url(entry)) urls_.push_back(*entry.value);
    entries_.clear();
    urls_known_ = true;
    TRY_VOID(read_all());
    return std::move(entries_);
  }

 private:
  Result<void> read_all() {
    if (!environment_.no_system) TRY_VOID(file(environment_.system_file, 0));
    if (environment_.global_file) {
      TRY_VOID(file(*environment_.global_file, 0));
    } else {
      const fs::path config_home =
          environment_.config_home.empty() ? environment_.home / ".config" : environment_.config_home;
      TRY_VOID(file(config_home / "git" / "config", 0));
      TRY_VOID(file(environment_.home / ".gitconfig", 0));
    }
    const std::size_t local = entries_.size();
    TRY_VOID(file(repository_.common_dir / "config", 0));
    const bool has_own =
        std::any_of(entries_.begin() + static_cast<std::ptrdiff_t>(local), entries_.end(),
                    [](const auto& entry) { return entry.is("extensions", "worktreeconfig") && is_true(entry); });
    if (has_own) TRY_VOID(file(repository_.git_dir / "config.worktree", 0));
    for (const auto& [key, value] : environment_.settings) {
      const std::size_t first = key.find('.');
      const std::size_t last = key.rfind('.');
      if (first == std::string::npos) continue;
      GitConfigEntry entry{ascii_lower(key.substr(0, first)), std::nullopt, ascii_lower(key.substr(last + 1)), value};
      if (last > first) entry.subsection = key.substr(first + 1, last - first - 1);
      TRY_VOID(take(std::move(entry), {}, 0));
    }
    return {};
  }

  Result<void> file(const fs::path& path, int depth) {
    if (depth > kMaxIncludeDepth)
      return fail(Code::kInvalidInput, path.string() + " is included from within itself, or too deep");
    const auto text = read_small(path, kMaxGitConfigBytes + 1);
    if (!text) return {};
    TRY(auto entries, parse_git_config(*text, path.string()));
    for (auto& entry : entries) TRY_VOID(take(std::move(entry), path, depth));
    return {};
  }

  Result<void> take(GitConfigEntry entry, const fs::path& from, int depth) {
    const bool includes =
        entry.name == "path" && entry.value &&
        ((entry.section == "include" && !entry.subsection) ||
         (entry.section == "includeif" && entry.subsection && condition_holds(*entry.subsection, from)));
    const std::string target = includes ? *entry.value : "";
    entries_.push_back(std::move(entry));
    if (!includes) return {};
    const fs::path expanded = expand_home(target, environment_.home);
    if (expanded.empty() || (expanded.is_relative() && from.empty())) return {};
    return file(expanded.is_absolute() ? expanded : from.parent_path() / expanded, depth + 1);
  }

  bool condition_holds(const std::string& condition, const fs::path& from) {
    const auto after = [&condition](std::string_view prefix) -> std::optional<std::string> {
      if (!condition.starts_with(prefix)) return std::nullopt;
      return condition.substr(prefix.size());
    };
    if (const auto pattern = after("gitdir:")) return is_git_dir_like(*pattern, from, false);
    if (const auto pattern = after("gitdir/i:")) return is_git_dir_like(*pattern, from, true);
    if (const auto pattern = after("onbranch:")) {
      const auto head = read_small(repository_.git_dir / "HEAD");
      if (!head || !head->starts_with("ref:")) return false;
      const std::string ref(trim(std::string_view(*head).substr(4)));
      constexpr std::string_view kHeads = "refs/heads/";
      return ref.starts_with(kHeads) && matches_path(open_end(*pattern), ref.substr(kHeads.size()), false);
    }
    if (const auto pattern = after("hasconfig:remote.*.url:")) {
      asks_for_urls_ = true;
      return urls_known_ && std::any_of(urls_.begin(), urls_.end(), [&](const std::string& url) {
               return matches_path(open_end(*pattern), url, false);
             });
    }
    return false;
  }

  static std::string open_end(std::string pattern) {
    if (pattern.ends_with('/')) pattern += "**";
    return pattern;
  }

  bool is_git_dir_like(const std::string& written, const fs::path& from, bool ignore_case) const {
    const std::string text = repository_.git_dir.string();
    std::string pattern = expand_home(written, resolved(environment_.home));
    if (pattern.starts_with("./")) {
      if (from.empty()) return false;
      // Wildcards in the directory's own name are none.
      const std::string prefix = resolved(from).parent_path().string() + "/";
      const std::string start = text.substr(0, prefix.size());
      if (ignore_case ? !equal_ignoring_case(start, prefix) : start != prefix) return false;
      return matches_path(open_end(pattern.substr(2)), text.substr(prefix.size()), ignore_case);
    }
    if (!pattern.starts_with('/')) pattern.insert(0, "**/");
    return matches_path(open_end(pattern), text, ignore_case);
  }

  const GitRepository& repository_;
  const GitEnvironment& environment_;
  std::vector<GitConfigEntry> entries_;
  std::vector<std::string> urls_;
  bool asks_for_urls_ = false;
  bool urls_known_ = false;
};

/// url.<base>.insteadOf = <prefix>: the longest prefix wins, among equals the first.
struct Rewrites {
  std::vector<std::pair<std::string, std::string>> prefixes;  // prefix → base, in the order of the bases

  void add(const std::string& base, const std::string& prefix) {
    // git keeps them by base, in the order in which the bases were first seen.
    auto at = std::find_if(prefixes.rbegin(), prefixes.rend(), [&](const auto& p) { return p.second == base; });
    prefixes.emplace(at.base() == prefixes.begin() ? prefixes.end() : at.base(), prefix, base);
  }
  std::optional<std::string> apply(const std::string& url) const {
    const std::pair<std::string, std::string>* longest = nullptr;
    for (const auto& each : prefixes)
      if (url.starts_with(each.first) && (!longest || longest->first.size() < each.first.size())) longest = &each;
    if (!longest) return std::nullopt;
    return longest->second + url.substr(longest->first.size());
  }
};

}  // namespace

std::optional<GitRepository> find_git_repository(const fs::path& directory) {
  for (fs::path at = resolved(directory);; at = at.parent_path()) {
    const fs::path dot_git = at / ".git";
    std::error_code error;
    const auto status = fs::status(dot_git, error);
    if (fs::is_directory(status) && is_git_dir(dot_git)) {
      const fs::path git_dir = resolved(dot_git);
      return GitRepository{at, git_dir, common_dir_of(git_dir), false};
    }
    if (fs::is_regular_file(status)) {
      constexpr std::string_view kPrefix = "gitdir: ";
      const std::string line = first_line(read_small(dot_git).value_or(""));
      if (line.starts_with(kPrefix)) {
        const fs::path named = line.substr(kPrefix.size());
        const fs::path git_dir = resolved(named.is_absolute() ? named : at / named);
        // A linked work tree has a commondir; a .git file without one is a submodule's (or of --separate-git-dir).
        const bool is_linked = fs::exists(git_dir / "commondir", error);
        const bool in_modules = git_dir.string().find("/modules/") != std::string::npos;
        if (is_git_dir(git_dir)) return GitRepository{at, git_dir, common_dir_of(git_dir), in_modules && !is_linked};
      }
      return std::nullopt;  // git stops at a .git file that leads nowhere
    }
    if (at == at.parent_path()) return std::nullopt;
  }
}

GitEnvironment GitEnvironment::of_process() {
  const auto variable = [](const std::string& name) -> std::optional<std::string> {
    const char* value = std::getenv(name.c_str());
    return value ? std::optional<std::string>(value) : std::nullopt;
  };
  GitEnvironment environment;
  environment.home = variable("HOME").value_or("");
  environment.config_home = variable("XDG_CONFIG_HOME").value_or("");
  if (const auto file = variable("GIT_CONFIG_GLOBAL")) environment.global_file = *file;
  if (const auto file = variable("GIT_CONFIG_SYSTEM")) environment.system_file = *file;
  const std::string no_system = ascii_lower(variable("GIT_CONFIG_NOSYSTEM").value_or("0"));
  environment.no_system = no_system == "1" || no_system == "true" || no_system == "yes" || no_system == "on";
  const std::string count_text = variable("GIT_CONFIG_COUNT").value_or("0");
  const long count = std::strtol(count_text.c_str(), nullptr, 10);
  for (long i = 0; i < std::min(count, 1000L); ++i) {
    const auto key = variable("GIT_CONFIG_KEY_" + std::to_string(i));
    const auto value = variable("GIT_CONFIG_VALUE_" + std::to_string(i));
    if (key && value) environment.settings.emplace_back(*key, *value);
  }
  return environment;
}

Result<std::vector<GitConfigEntry>> read_git_config(const GitRepository& repository,
                                                    const GitEnvironment& environment) {
  return Reader(repository, environment).read();
}

std::vector<GitRemote> git_remotes(const std::vector<GitConfigEntry>& config) {
  Rewrites fetch, push;
  struct Urls {
    std::string name;
    std::vector<std::string> urls, push_urls;
  };
  std::vector<Urls> remotes;
  const auto remote = [&remotes](const std::string& name) -> Urls& {
    const auto known = std::find_if(remotes.begin(), remotes.end(), [&](const Urls& r) { return r.name == name; });
    if (known != remotes.end()) return *known;
    return remotes.emplace_back(Urls{name, {}, {}});
  };
  for (const auto& entry : config) {
    if (!entry.subsection || !entry.value) continue;
    if (entry.is("url", "insteadof")) fetch.add(*entry.subsection, *entry.value);
    if (entry.is("url", "pushinsteadof")) push.add(*entry.subsection, *entry.value);
    if (entry.is("remote", "url")) remote(*entry.subsection).urls.push_back(*entry.value);
    if (entry.is("remote", "pushurl")) remote(*entry.subsection).push_urls.push_back(*entry.value);
  }
  std::vector<GitRemote> out;
  for (const auto& [name, urls, push_urls] : remotes) {
    if (urls.empty()) continue;
    const std::string& url = urls.front();
    GitRemote each{name, url, fetch.apply(url).value_or(url), {}};
    each.push_url = each.fetch_url;
    if (!push_urls.empty()) {
      each.push_url = fetch.apply(push_urls.front()).value_or(push_urls.front());
    } else {
      for (auto at = urls.rbegin(); at != urls.rend(); ++at)
        if (auto rewritten = push.apply(*at)) each.push_url = std::move(*rewritten);
    }
    out.push_back(std::move(each));
  }
  return out;
}

}  // namespace tideline::sync
