#include "server/workspace_match.h"

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "model/repository_name.h"

namespace tideline::server {
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
