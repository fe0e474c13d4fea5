#include "model/repository_name.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "base/text.h"

namespace tideline {
namespace {

using Segments = std::vector<std::string>;

std::string decode_percent(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size()) {
      // A slash that was hidden so is part of a name and stays hidden: it must not make two names of one.
      if (const auto byte = from_hex(text.substr(i + 1, 2)); byte && byte->front() != '/') {
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
    if (!part.empty() && part != ".") out.push_back(ascii_lower(decode_percent(part)));
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
    if (s.size() == 1 && !repo.empty()) s.push_back(repo);
    if (!repo.empty()) s.push_back(repo);
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

}  // namespace tideline
