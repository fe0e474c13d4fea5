// `tideline push`: a dbt project's artifacts to a server, in one request.

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>

#include <unistd.h>

#include "base/ids.h"
#include "base/json.h"
#include "base/text.h"
#include "cli/credentials.h"
#include "cli/options.h"
#include "cli/paths.h"
#include "cli/server_url.h"
#include "cli/terminal.h"
#include "extract/project_source.h"
#include "http/client.h"
#include "http/query.h"
#include "lineage/reason.h"
#include "sql/dialect.h"

namespace tideline::cli {
namespace {

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

/// "lineage: 13 of 14 models in full, 1 in part, 0 not at all", and a line for each reason with what to do; empty where
/// there are no models.
std::string lineage_lines(const Json& answer) {
  const Json* lineage = answer.find("lineage");
  const auto number = [](const Json* of, std::string_view key) {
    const Json* value = of != nullptr ? of->find(key) : nullptr;
    return value != nullptr && value->if_int() != nullptr ? std::to_string(*value->if_int()) : std::string("0");
  };
  if (number(lineage, "models") == "0") return {};
  std::string lines = "lineage: " + number(lineage, "analysed") + " of " + number(lineage, "models") +
                      " models in full, " + number(lineage, "partial") + " in part, " + number(lineage, "failed") +
                      " not at all";
  const Json* reasons = lineage->find("reasons");
  if (const Json::Object* counts = reasons != nullptr ? reasons->if_object() : nullptr)
    for (const auto& [reason, models] : *counts) {
      const bool one = models.if_int() != nullptr && *models.if_int() == 1;
      lines += "\n  " + reason + " in " + number(reasons, reason) + (one ? " model" : " models");
      if (const auto advice = lineage::advice(lineage::reason_of(reason)); !advice.empty())
        lines += ": " + std::string(advice);
    }
  if (number(lineage, "analysed") != number(lineage, "models"))
    lines += "\n  which, and where: tideline lineage --gaps, once it is synced";
  return lines;
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
  if (const std::string line = lineage_lines(answer); !line.empty()) print_line(line);
  const Json* warnings = answer.find("warnings");
  if (const Json::Array* texts = warnings ? warnings->if_array() : nullptr)
    for (const Json& text : *texts)
      if (text.if_string()) std::fprintf(stderr, "warning: %s\n", text.if_string()->c_str());
}

/// A file of this user alone that goes with its owner.
class TemporaryFile {
 public:
  TemporaryFile() = default;
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  ~TemporaryFile() {
    if (!path_.empty()) ::unlink(path_.c_str());
  }

  Result<void> write(std::string_view text) {
    std::error_code error;
    std::string name = (std::filesystem::temp_directory_path(error) / "tideline-project-XXXXXX").string();
    const int file = error ? -1 : ::mkstemp(name.data());
    if (file < 0)
      return fail(Code::kResourceExhausted, "no temporary file can be made",
                  "set TMPDIR to a folder that can be written");
    path_ = name;
    bool written = true;
    while (written && !text.empty()) {
      const ssize_t bytes = ::write(file, text.data(), text.size());
      written = bytes > 0 || (bytes < 0 && errno == EINTR);
      if (bytes > 0) text.remove_prefix(static_cast<std::size_t>(bytes));
    }
    if (::close(file) != 0 || !written)
      return fail(Code::kResourceExhausted, "the temporary file cannot be written",
                  "make room in " + path_.parent_path().string());
    return {};
  }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

/// Reads the project and writes what there is to push into `file`.
Result<void> read_project(const PushOptions& options, TemporaryFile& file) {
  if (!options.adapter.empty() && !sql::is_adapter_or_dialect(options.adapter))
    std::fprintf(stderr, "warning: no adapter is known as %s: its SQL is read as a mixture of dialects\n",
                 printable(options.adapter).c_str());
  TRY(const auto files, extract::load_project(options.project));
  if (!files.missing_packages.empty() && !options.without_packages) {
    std::string names;
    for (const auto& name : files.missing_packages) names += (names.empty() ? "" : ", ") + name;
    return fail(Code::kInvalidInput, "packages of this project are not installed: " + names,
                "run dbt deps; or push --without-packages, which removes what they had brought");
  }
  TRY(const auto document, extract::describe_project(files, ascii_lower(options.adapter)));
  constexpr std::size_t kShown = 100;
  for (std::size_t i = 0; i < document.problems.size() && i < kShown; ++i)
    std::fprintf(stderr, "warning: %s\n", document.problems[i].c_str());
  if (document.problems.size() > kShown)
    std::fprintf(stderr, "warning: and %zu more\n", document.problems.size() - kShown);
  if (document.objects == 0)
    return fail(Code::kInvalidInput, "there is nothing in the project " + document.project_name,
                "its folders are named in dbt_project.yml");
  return file.write(document.manifest);
}

/// What was not said is the login's.
Result<std::string> complete(PushOptions& options) {
  std::string token = token_of_environment();
  if (token.empty() || options.server.empty() || options.organization.empty()) {
    TRY(auto login, find_login(credentials_file(), options.server, options.organization));
    if (login) {
      if (options.server.empty()) options.server = login->server;
      if (options.organization.empty()) options.organization = login->organization;
      if (options.ca_file.empty()) options.ca_file = login->ca_file;
      if (token.empty()) token = std::move(login->token);
    }
  }
  if (options.server.empty() || options.organization.empty())
    return fail(Code::kInvalidInput, "it is not said to which server and organization",
                "--server and --org, TIDELINE_SERVER and TIDELINE_ORG, or tideline login");
  return token;
}

/// The server knows the parts of a push by what they are; whoever sent them knows the files.
void name_file(std::string& message, std::string_view part, const std::filesystem::path& file) {
  if (!file.empty() && message.starts_with(part)) message = printable(file.string()) + message.substr(part.size());
}

Result<std::string> send(PushOptions options) {
  TRY(std::string token, complete(options));
  if (!OrganizationId::parse(options.organization))
    return wrong_arguments("--org " + options.organization + " is no id",
                           "an id looks like 0b3f9c1e-7d42-4c55-9e0a-5a4f6c1d2e3f; tideline admin org list shows them");
  TRY_VOID(check_server(options.server));
  if (token.empty())
    return fail(Code::kUnauthenticated, "no token for " + options.server,
                "set TIDELINE_TOKEN (an operator makes one: tideline admin api-token create --scope push …), or "
                "tideline login");
  http::ClientRequest request;
  request.token = std::move(token);
  request.method = "PUT";
  request.url = url_of(options);
  TemporaryFile described;
  if (!options.project.empty()) TRY_VOID(read_project(options, described));
  request.form.emplace_back("manifest", options.project.empty() ? options.manifest : described.path());
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
    name_file(error.message, "manifest.json", options.project.empty() ? options.manifest : "");
    name_file(error.message, "catalog.json", options.catalog);
    const bool is_about_type = error.hint.find("type=") != std::string::npos;
    if (error.code == Code::kConflict && is_about_type)
      error.hint = "say which with --type; tideline connections lists them";
    else if (error.code == Code::kConflict && !options.force && error.hint.find("force") != std::string::npos)
      error.hint += " (--force)";
    if (error.code == Code::kPermissionDenied && error.hint.empty())
      error.hint = "the token must be of this organization: of a member of it, or made there with the scope push";
    if (error.code == Code::kUnauthenticated && error.hint.empty())
      error.hint = "get a new token: tideline login, or TIDELINE_TOKEN";
    if (error.code == Code::kUnauthenticated || error.code == Code::kPermissionDenied) add_source_of_token(error);
    // No server of ours answers so.
    if (error.code == Code::kInternal &&
        response.header("content-type").value_or("").find("problem+json") == std::string_view::npos)
      error.hint = "is there a Tideline at " + options.server + "?";
    return fail(std::move(error));
  }
  return std::move(response.body);
}

}  // namespace

int push(const PushOptions& options) {
  auto answer = send(options);
  if (!answer) return report(answer.error());
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
