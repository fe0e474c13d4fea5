#pragma once
// Which connections a workspace belongs to. Pure.
//
// A workspace identifier is whatever model/repository_name.h takes: "owner/repo", a bare name, any form of a git
// remote.

#include <string>
#include <string_view>
#include <vector>

#include "store/listing.h"

namespace tideline::server {

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
