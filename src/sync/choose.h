#pragma once
// Which connections a workspace syncs: what the server finds under the workspace's names, or what a person chose.

#include <string>
#include <vector>

#include "sync/api.h"
#include "sync/local_state.h"
#include "sync/workspace.h"

namespace tideline::sync {

/// What was found, and what else there is.
struct Choice {
  std::vector<ChosenConnection> chosen;     // empty: nothing matched
  std::vector<ServerConnection> suggested;  // with reasons, when nothing matched
  std::vector<ServerConnection> other;      // the rest, when nothing matched
};

/// "acme/shop", or "acme/shop//analytics".
std::string shown_name(const ServerConnection& connection);

/// The same, with the type in front ("git:acme/shop") where another one of the organization is called so too.
std::string own_name(const ServerConnection& connection, const std::vector<ServerConnection>& all);

/// Asks for one name of the workspace after the other; the first that matches decides. A sub-directory that the server
/// does not know of counts as the repository it lies in, if that is registered for its top alone.
Answer<Choice> match_workspace(Api& api, const Workspace& workspace);

/// By id, full name, type and full name, name, or full name and sub-directory, whatever the case. kInvalidInput names
/// what is unknown, or what of several is meant.
Result<std::vector<ChosenConnection>> choose_by_hand(const std::vector<ServerConnection>& connections,
                                                     const std::vector<std::string>& wanted);

}  // namespace tideline::sync
