#pragma once
// The name of a repository, out of whatever people and git call it by. Pure.
//
// Taken is "owner/repo", a bare name, or a git remote URL in any of its forms: scheme://, scp-like
// (git@host:owner/repo.git), with user, port, ".git", trailing slash, any case; sub-groups of GitLab; the several forms
// of Azure DevOps and Bitbucket; the address of a page inside a repository; a sub-directory after "//" or "#".

#include <string>
#include <string_view>

namespace tideline {

/// A repository's place: what is left when scheme, user, port, suffixes and case are gone. Percent signs are decoded.
struct RepositoryName {
  std::string host;    // "github.com"; empty when none is said, or one without a dot (an alias in an ssh config)
  std::string path;    // "owner/repo", "group/sub/repo", Azure: "organization/project/repo"
  std::string subdir;  // "" unless said
  bool operator==(const RepositoryName&) const = default;
};

/// Of a URL or a plain name; never fails: text that is neither comes out as a path in lower case. Linear.
RepositoryName repository_name(std::string_view text);

}  // namespace tideline
