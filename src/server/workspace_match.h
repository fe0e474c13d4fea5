#pragma once
// Which connections a workspace belongs to. Pure.
//
// A workspace identifier is "owner/repo", a bare name, or a git remote URL in any of its forms: scheme://, scp-like
// (git@host:owner/repo.git), with user, port, ".git", trailing slash, any case; sub-groups of GitLab; the several forms
// of Azure DevOps and Bitbucket; the address of a page inside a repository; a sub-directory after "//" or "#".

#include <string>
#include <string_view>
#include <vector>

#include "store/listing.h"

namespace tideline::server {

/// A repository's place: what is left when scheme, user, port, suffixes and case are gone. Percent signs are decoded.
struct RepositoryName {
  std::string host;    // "github.com"; empty when none is said, or one without a dot (an alias in an ssh config)
  std::string path;    // "owner/repo", "group/sub/repo", Azure: "organization/project/repo"
  std::string subdir;  // "" unless said
  bool operator==(const RepositoryName&) const = default;
};

/// Of a URL or a plain name; never fails: text that is neither comes out as a path in lower case.
RepositoryName repository_name(std::string_view text);

struct SuggestedConnection {
  const store::ListedConnection* connection = nullptr;
  std::string reason;  // one sentence
};

/// Each connection in exactly one of the three, in the order of the listing.
struct WorkspaceMatch {
  std::vector<const store::ListedConnection*> matched;
  std::vector<SuggestedConnection> suggested;
  std::vector<const store::ListedConnection*> other;
};

/// Exact: the identifier names the connection by full_name, name, a former full name, or its URL; where several hosts
/// have the repository, the identifier's host decides, and so does its sub-directory. Suggested: a part matches either
/// way. The pointers live as long as `connections`. O(connections × length of names).
WorkspaceMatch match_connections(std::string_view workspace_identifier,
                                 const std::vector<store::ListedConnection>& connections);

}  // namespace tideline::server
