#include "server/workspace_match.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/text.h"

namespace tideline::server {
namespace {

using Segments = std::vector<std::string>;

std::string decode_percent(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size()) {
      if (const auto byte = from_hex(text.substr(i + 1, 2))) {
        out += static_cast<char>(byte->front());
        i += 2;
        continue;
      }
    }
    out += text[i];
  }
  return out;
}

bool is_scheme(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.';
  });
}

Segments segments_of(std::string_view path) {
  Segments out;
  for (const auto part : split(path, '/'))
    if (!part.empty() && part != ".") out.emplace_back(decode_percent(part));
  return out;
}

std::string join(const Segments& segments, std::size_t first, std::size_t count) {
  std::string out;
  for (std::size_t i = first; i < std::min(segments.size(), first + count); ++i) {
    if (!out.empty()) out += '/';
    out += segments[i];
  }
  return out;
}

void cut_suffix(std::string& text, std::string_view suffix) {
  if (text.size() > suffix.size() && text.ends_with(suffix)) text.resize(text.size() - suffix.size());
}

/// "git@host:2222" → "host". An IPv6 address keeps its brackets.
std::string host_of(std::string_view authority) {
  if (const auto at = authority.rfind('@'); at != std::string_view::npos) authority.remove_prefix(at + 1);
  if (const auto colon = authority.rfind(':'); colon != std::string_view::npos && !authority.ends_with(']'))
    authority = authority.substr(0, colon);
  std::string host(authority);
  if (host.starts_with("www.")) host.erase(0, 4);
  // Hosts that are another's second door, for networks that only let 443 through.
  if (host == "ssh.github.com") return "github.com";
  if (host == "altssh.gitlab.com") return "gitlab.com";
  if (host == "altssh.bitbucket.org") return "bitbucket.org";
  return host;
}

struct Place {
  std::string host;
  Segments segments;
};

/// Azure DevOps names one repository in five ways; made into organization/project/repo on dev.azure.com.
std::optional<Place> azure(const Place& place) {
  constexpr std::string_view kLegacy = ".visualstudio.com";
  constexpr std::string_view kHost = "dev.azure.com";
  Segments s = place.segments;
  const bool is_legacy = place.host.ends_with(kLegacy) && place.host != "vs-ssh.visualstudio.com";
  if (place.host == "ssh.dev.azure.com" || place.host == "vs-ssh.visualstudio.com") {
    if (!s.empty() && (s[0] == "v3" || s[0] == "v2")) s.erase(s.begin());
    return Place{std::string(kHost), s};
  }
  if (!is_legacy && place.host != kHost) return std::nullopt;
  if (is_legacy) {
    if (!s.empty() && s[0] == "defaultcollection") s.erase(s.begin());
    s.insert(s.begin(), place.host.substr(0, place.host.size() - kLegacy.size()));
  }
  const auto git = std::find(s.begin(), s.end(), "_git");
  if (git != s.end()) {
    const auto at = static_cast<std::size_t>(git - s.begin());
    const std::string repo = at + 1 < s.size() ? s[at + 1] : std::string();
    s.resize(at);
    // A project's first repository has the project's name, which is then said once.
    if (s.size() == 1) s.push_back(repo);
    s.push_back(repo);
  }
  return Place{std::string(kHost), s};
}

/// What a browser shows of a repository, and what Bitbucket's own server puts before its name.
void cut_to_repository(Place& place) {
  Segments& s = place.segments;
  if (const auto dash = std::find(s.begin(), s.end(), "-"); dash != s.end() && dash - s.begin() >= 2)
    s.erase(dash, s.end());  // GitLab: group/repo/-/tree/main
  if ((place.host == "github.com" || place.host == "bitbucket.org") && s.size() > 2) s.resize(2);
  if (place.host.empty() || place.host == "github.com" || place.host == "gitlab.com" || place.host == "bitbucket.org")
    return;
  if (s.size() >= 3 && s[0] == "scm") s.erase(s.begin());
  if (s.size() >= 4 && s[0] == "projects" && s[2] == "repos") s = {s[1], s[3]};
  if (s.size() >= 4 && s[0] == "users" && s[2] == "repos") s = {'~' + s[1], s[3]};
}

}  // namespace

RepositoryName repository_name(std::string_view text) {
  const std::string lower = ascii_lower(trim(text));
  std::string_view rest = lower;
  RepositoryName name;
  bool is_url = false;
  Place place;

  if (const auto scheme = rest.find("://"); scheme != std::string_view::npos && is_scheme(rest.substr(0, scheme))) {
    is_url = true;
    rest.remove_prefix(scheme + 3);
  }
  if (const auto hash = rest.find('#'); hash != std::string_view::npos) {
    name.subdir = join(segments_of(rest.substr(hash + 1)), 0, std::string::npos);
    rest = rest.substr(0, hash);
  }
  rest = rest.substr(0, rest.find('?'));
  if (const auto twice = rest.find("//", 1); twice != std::string_view::npos && twice + 2 < rest.size()) {
    if (name.subdir.empty()) name.subdir = join(segments_of(rest.substr(twice + 2)), 0, std::string::npos);
    rest = rest.substr(0, twice);
  }

  const auto slash = rest.find('/');
  const auto colon = rest.find(':');
  if (is_url) {
    place.host = host_of(rest.substr(0, slash));
    rest = slash == std::string_view::npos ? std::string_view() : rest.substr(slash);
  } else if (colon != std::string_view::npos && colon > 0 && (slash == std::string_view::npos || colon < slash)) {
    place.host = host_of(rest.substr(0, colon));  // scp-like: [user@]host:path
    rest.remove_prefix(colon + 1);
  } else if (slash != std::string_view::npos && rest.substr(0, slash).find('.') != std::string_view::npos &&
             std::count(rest.begin(), rest.end(), '/') >= 2 && slash > 0) {
    place.host = host_of(rest.substr(0, slash));  // host/owner/repo, as Go writes it
    rest.remove_prefix(slash);
  }
  place.segments = segments_of(rest);
  if (!place.segments.empty()) cut_suffix(place.segments.back(), ".git");
  if (const auto known = azure(place)) place = *known;
  cut_to_repository(place);
  if (!place.segments.empty()) cut_suffix(place.segments.back(), ".git");

  name.path = join(place.segments, 0, std::string::npos);
  if (place.host.find('.') != std::string::npos || place.host.starts_with('[')) name.host = place.host;
  return name;
}

namespace {

/// A connection's names in lower case.
struct Names {
  std::string full_name;
  std::string name;
  std::vector<std::string> former;
  RepositoryName url;
  std::string subdir;
};

Names names_of(const store::ListedConnection& connection) {
  Names names;
  names.full_name = repository_name(connection.full_name).path;
  names.name = ascii_lower(trim(connection.name));
  for (const auto& alias : connection.aliases) names.former.push_back(repository_name(alias).path);
  if (connection.url) names.url = repository_name(*connection.url);
  names.subdir = ascii_lower(connection.subdir);
  return names;
}

bool names_repository(const std::string& path, const Names& names) {
  return path == names.full_name || path == names.url.path ||
         std::find(names.former.begin(), names.former.end(), path) != names.former.end();
}

enum class Verdict { kNone, kExact, kOtherSubdir };

Verdict verdict(const RepositoryName& wanted, const std::string& plain, const Names& names) {
  if (wanted.path.empty()) return Verdict::kNone;
  if (!names.subdir.empty() && wanted.path == names.full_name + '/' + names.subdir) return Verdict::kExact;
  const bool is_named = names_repository(wanted.path, names) || plain == names.name || wanted.path == names.name;
  if (!is_named) return Verdict::kNone;
  return wanted.subdir.empty() || wanted.subdir == names.subdir ? Verdict::kExact : Verdict::kOtherSubdir;
}

std::string quoted(std::string_view text) { return '"' + std::string(text) + '"'; }

/// Why a part of one is a part of the other; empty when none is.
std::string partial(const RepositoryName& wanted, const Names& names) {
  if (wanted.path.empty()) return {};
  const auto last = wanted.path.rfind('/');
  const std::string repo = last == std::string::npos ? wanted.path : wanted.path.substr(last + 1);
  const auto contains = [](const std::string& whole, const std::string& part) {
    return !part.empty() && whole.find(part) != std::string::npos;
  };
  if (contains(names.full_name, wanted.path))
    return "The full name " + quoted(names.full_name) + " contains " + quoted(wanted.path) + '.';
  if (contains(wanted.path, names.full_name))
    return "The workspace " + quoted(wanted.path) + " contains the full name " + quoted(names.full_name) + '.';
  if (contains(names.name, repo)) return "The name " + quoted(names.name) + " contains " + quoted(repo) + '.';
  if (contains(repo, names.name))
    return "The workspace's repository " + quoted(repo) + " contains the name " + quoted(names.name) + '.';
  if (contains(names.full_name, repo))
    return "The full name " + quoted(names.full_name) + " contains " + quoted(repo) + '.';
  for (const auto& former : names.former)
    if (contains(former, wanted.path) || contains(wanted.path, former))
      return "The former full name " + quoted(former) + " matches in part.";
  return {};
}

}  // namespace

WorkspaceMatch match_connections(std::string_view workspace_identifier,
                                 const std::vector<store::ListedConnection>& connections) {
  const RepositoryName wanted = repository_name(workspace_identifier);
  const std::string plain = ascii_lower(trim(workspace_identifier));
  struct Judged {
    const store::ListedConnection* connection;
    Names names;
    Verdict verdict;
  };
  std::vector<Judged> judged;
  judged.reserve(connections.size());
  bool host_decides = false;  // the repository is here on the very host that was named
  for (const auto& connection : connections) {
    Names names = names_of(connection);
    const Verdict found = verdict(wanted, plain, names);
    if (found == Verdict::kExact && !wanted.host.empty() && names.url.host == wanted.host) host_decides = true;
    judged.push_back({&connection, std::move(names), found});
  }

  WorkspaceMatch match;
  for (const auto& [connection, names, found] : judged) {
    if (found == Verdict::kExact) {
      if (host_decides && !names.url.host.empty() && names.url.host != wanted.host) {
        match.suggested.push_back({connection, "The same name on " + names.url.host + '.'});
      } else {
        match.matched.push_back(connection);
      }
    } else if (found == Verdict::kOtherSubdir) {
      match.suggested.push_back(
          {connection, "The same repository, " +
                           (names.subdir.empty() ? std::string("at its root.") : "in " + quoted(names.subdir) + '.')});
    } else if (std::string reason = partial(wanted, names); !reason.empty()) {
      match.suggested.push_back({connection, std::move(reason)});
    } else {
      match.other.push_back(connection);
    }
  }
  return match;
}

}  // namespace tideline::server
