#include "cli/server_url.h"

#include "cli/terminal.h"
#include "http/client.h"

namespace tideline::cli {

Result<void> check_no_userinfo(const std::string& server) {
  // Wherever it stands: no address of ours has one, and a password that was not escaped may end up in the path.
  if (server.find('@') == std::string::npos) return {};
  return wrong_arguments("the address of the server has a user, or a password, in it (before an @)",
                         "leave it out: the token comes from TIDELINE_TOKEN or tideline login");
}

Result<void> check_server(const std::string& server) {
  TRY_VOID(check_no_userinfo(server));
  if (server.find("://") == std::string::npos)
    return wrong_arguments("--server " + server + " is no URL",
                           "as in https://tideline.example.com or http://127.0.0.1:3001");
  if (!http::is_token_safe(server))
    return fail(Code::kInvalidInput, "a token is not sent to " + server, "use https, or http to this machine");
  return {};
}

}  // namespace tideline::cli
