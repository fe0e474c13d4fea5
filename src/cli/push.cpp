// `tideline push`: a dbt project's artifacts to a server, in one request.

#include <cstdlib>
#include <string>

#include <unistd.h>

#include "base/ids.h"
#include "base/json.h"
#include "cli/config_file.h"
#include "cli/options.h"
#include "cli/paths.h"
#include "cli/terminal.h"
#include "http/client.h"
#include "http/query.h"

namespace tideline::cli {
namespace {

Result<std::string> token_for(const std::string& server) {
  if (const char* token = std::getenv("TIDELINE_TOKEN"); token && *token) return std::string(token);
  TRY(auto token, stored_token(credentials_file(), server));
  if (token) return *token;
  return fail(Code::kUnauthenticated, "no token for " + server,
              "set TIDELINE_TOKEN (an operator makes one: tideline admin api-token create --scope push …), or put it "
              "into " +
                  credentials_file().string());
}

std::string url_of(const PushOptions& options) {
  std::string base = options.server;
  while (base.ends_with('/')) base.pop_back();
  std::string url = base + "/api/metadata-sync/organizations/" + http::percent_encode(options.organization) +
                    "/artifacts?full_name=" + http::percent_encode(options.connection);
  const auto add = [&url](const char* name, const std::string& value) {
    if (!value.empty()) url += std::string("&") + name + "=" + http::percent_encode(value);
  };
  add("type", options.type);
  add("subdir", options.subdir);
  add("commit", options.commit);
  add("branch", options.branch);
  if (options.force) url += "&force=true";
  return url;
}

/// "objects: 3 added, 1 updated, 0 removed", a line for each table that changed.
void print_summary(const Json& answer) {
  const Json* version = answer.find("version");
  const Json* changed = answer.find("changed");
  std::string lines;
  const Json::Object* tables = changed ? changed->if_object() : nullptr;
  for (const auto& [table, counts] : tables ? *tables : Json::Object{}) {
    std::string parts;
    for (const char* what : {"added", "updated", "removed"}) {
      const Json* count = counts.find(what);
      const std::int64_t n = count && count->if_int() ? *count->if_int() : 0;
      if (n > 0) parts += (parts.empty() ? "" : ", ") + std::to_string(n) + " " + what;
    }
    if (!parts.empty()) lines += "  " + table + ": " + parts + "\n";
  }
  const std::string at = version && version->if_int() ? " (version " + std::to_string(*version->if_int()) + ")" : "";
  if (lines.empty())
    print_line("nothing changed" + at);
  else
    print_line("pushed" + at + "\n" + lines.substr(0, lines.size() - 1));
  const Json* warnings = answer.find("warnings");
  if (const Json::Array* texts = warnings ? warnings->if_array() : nullptr)
    for (const Json& text : *texts)
      if (text.if_string()) std::fprintf(stderr, "warning: %s\n", text.if_string()->c_str());
}

Result<std::string> send(const PushOptions& options) {
  if (!OrganizationId::parse(options.organization))
    return fail(Code::kInvalidInput, "--org " + options.organization + " is no id",
                "an id looks like 0b3f9c1e-7d42-4c55-9e0a-5a4f6c1d2e3f; tideline admin org list shows them");
  if (options.server.find("://") == std::string::npos)
    return fail(Code::kInvalidInput, "--server " + options.server + " is no URL",
                "as in https://tideline.example.com or http://127.0.0.1:3001");
  if (!http::is_token_safe(options.server))
    return fail(Code::kInvalidInput, "a token is not sent to " + options.server, "use https, or http to this machine");
  http::ClientRequest request;
  TRY(request.token, token_for(options.server));
  request.method = "PUT";
  request.url = url_of(options);
  request.form.emplace_back("manifest", options.manifest);
  if (!options.catalog.empty()) request.form.emplace_back("catalog", options.catalog);

  ProgressBar bar("pushing");
  request.progress = [&bar](std::uint64_t done, std::uint64_t total) {
    if (total > 0 && done >= total)
      bar.note("… the server compares");
    else
      bar.update(done, total);
    return true;
  };
  http::ClientOptions client_options;
  client_options.ca_file = options.ca_file;
  // The server is silent while it compares; a manifest of 500 MB takes it some ten seconds.
  client_options.stall_timeout = std::chrono::minutes(10);
  client_options.user_agent = "tideline/" TIDELINE_VERSION;
  http::Client client(client_options);
  TRY(auto response, client.send(request));
  if (response.status >= 400) {
    Error error = http::error_of(response);
    if (error.code == Code::kConflict && !options.force) error.hint += " (--force)";
    if (error.code == Code::kPermissionDenied && error.hint.empty())
      error.hint = "the token must be of this organization: of a member of it, or made there with the scope push";
    return fail(std::move(error));
  }
  return std::move(response.body);
}

}  // namespace

int push(const PushOptions& options) {
  auto answer = send(options);
  if (!answer) {
    report(answer.error());
    return kFailed;
  }
  if (options.json) {
    print_line(*answer);
    return kOk;
  }
  const auto parsed = Json::parse(*answer, "answer of the server");
  if (!parsed) return report(parsed.error());
  print_summary(*parsed);
  return kOk;
}

}  // namespace tideline::cli
