#pragma once
// Which server, organization, workspace and replica a command of the client is about. What flags and variables do not
// say comes from what the workspace was last synced with, then from the user's own configuration, then from the last
// login; never from a file in the repository.

#include <filesystem>
#include <optional>
#include <string>

#include "base/error.h"
#include "cli/options.h"
#include "replica/queries.h"
#include "sync/api.h"
#include "sync/local_state.h"
#include "sync/workspace.h"

namespace tideline::cli {

struct ClientContext {
  sync::Workspace workspace;
  sync::LocalState state;
  std::optional<sync::WorkspaceMemory> memory;  // of this workspace, if it is of this server and organization
  sync::ServerTarget target;                    // token empty: none
  std::filesystem::path replica;
};

/// kInvalidInput: it is not known which server (the hint is `tideline login`).
Result<ClientContext> find_context(const Place& place);
/// The same, for what asks the server: kUnauthenticated without a token, kInvalidInput where it would not be safe.
Result<ClientContext> find_context_with_token(const Place& place);

/// The token as it is now: TIDELINE_TOKEN, or of the credentials file.
Result<std::string> present_token(const sync::ServerTarget& target);

/// A reader of the context's replica; where there is none, the error says how to get one.
Result<replica::Reader> open_replica(const ClientContext& context);

/// The replica as it is now, with the connections of the workspace as what names mean first: those that were matched or
/// chosen; of "all", those that its name matches.
Result<replica::View> view_of(const ClientContext& context, replica::Reader& reader);

struct Opened {
  replica::Reader reader;
  replica::View view;
};
/// What a question is asked of: the replica of the directory's workspace, as view_of has it.
Result<Opened> open_view(const Place& place);

/// A failure in the words of who typed the command.
Error told(const sync::SyncError& error, const ClientContext& context);

/// "2 minutes ago".
std::string ago(Timestamp then, Timestamp now);
/// "in 12 days"; "now" where it is past.
std::string until(Timestamp then, Timestamp now);

}  // namespace tideline::cli
