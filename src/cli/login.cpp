// `tideline login` and `tideline logout`: a token, checked against the server and kept for this user alone.

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>

#include <termios.h>
#include <unistd.h>

#include "base/json.h"
#include "base/text.h"
#include "cli/client_context.h"
#include "cli/credentials.h"
#include "cli/options.h"
#include "cli/paths.h"
#include "cli/server_url.h"
#include "cli/terminal.h"
#include "cli/watch_lock.h"
#include "replica/replica.h"
#include "sync/private_file.h"

namespace tideline::cli {
namespace {

constexpr std::size_t kMaxTokenBytes = 64 * 1024;

std::string ask(const std::string& question, bool hidden) {
  std::fprintf(stderr, "%s: ", question.c_str());
  std::fflush(stderr);
  termios before{};
  const bool changed = hidden && tcgetattr(STDIN_FILENO, &before) == 0;
  if (changed) {
    termios silent = before;
    silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
  }
  std::string line;
  std::getline(std::cin, line);
  if (changed) {
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
    std::fputc('\n', stderr);
  }
  return std::string(trim(line));
}

bool has_person() { return isatty(STDIN_FILENO) == 1 && isatty(STDERR_FILENO) == 1; }

bool is_from_environment(const LoginOptions& options) {
  return options.token_file.empty() && !token_of_environment().empty();
}

Result<std::string> read_token(const LoginOptions& options) {
  std::string token;
  if (!options.token_file.empty()) {
    if (options.token_file == "-") {
      std::getline(std::cin, token);
    } else {
      TRY(auto text, sync::read_file(options.token_file));
      if (!text) return wrong_arguments("there is no file " + options.token_file);
      token = std::move(*text);
    }
  } else if (is_from_environment(options)) {
    std::fprintf(stderr, "the token is taken from the variable TIDELINE_TOKEN (unset it to be asked for one)\n");
    token = token_of_environment();
  } else if (has_person()) {
    token = ask("Token (not shown)", true);
  } else {
    std::getline(std::cin, token);
  }
  token = std::string(trim(token));
  if (token.empty())
    return fail(Code::kInvalidInput, "no token was given", "--token-file, TIDELINE_TOKEN, or type it at a terminal");
  if (token.size() > kMaxTokenBytes || token.find_first_of(" \t\r\n") != std::string::npos)
    return fail(Code::kInvalidInput, "what was given is no token");
  return token;
}

/// tdl_<organization>_<secret> says whose it is.
std::string organization_in(const std::string& token) {
  constexpr std::string_view kPrefix = "tdl_";
  if (!token.starts_with(kPrefix) || token.size() < kPrefix.size() + 37) return {};
  const std::string id = token.substr(kPrefix.size(), 36);
  return OrganizationId::parse(id) ? id : std::string();
}

/// When the token ends, where it says so itself. Not verified: to be shown, no more.
std::optional<Timestamp> expiry_of(const std::string& token) {
  const auto parts = split(token, '.');
  if (parts.size() != 3) return std::nullopt;
  const auto claims = from_base64url(parts[1]);
  const auto json = claims ? Json::parse(*claims, "token") : Result<Json>(fail(Code::kInvalidInput, ""));
  const Json* exp = json ? json->find("exp") : nullptr;
  if (!exp || !exp->if_int() || *exp->if_int() <= 0 || *exp->if_int() > 4'000'000'000) return std::nullopt;
  return Timestamp{*exp->if_int() * 1'000'000};
}

/// A file that is broken is replaced, and stays beside the new one: there may be other tokens in it.
Result<void> keep(const Login& login) {
  auto stored = store_login(credentials_file(), login);
  if (stored || stored.error().code != Code::kInvalidInput) return stored;
  std::filesystem::path aside = credentials_file();
  aside += ".broken";
  std::error_code error;
  std::filesystem::rename(credentials_file(), aside, error);
  if (error) return stored;
  std::fprintf(stderr, "warning: %s\n  what was there is in %s now\n", stored.error().message.c_str(), aside.c_str());
  return store_login(credentials_file(), login);
}

Result<void> log_in(LoginOptions options) {
  Place& place = options.place;
  if (place.server.empty() && has_person()) place.server = ask("Server (https://…)", false);
  if (place.server.empty())
    return wrong_arguments("it is not said to which server", "--server URL, or TIDELINE_SERVER");
  Login login{without_trailing_slash(place.server), place.organization, {}, {}};
  TRY_VOID(check_server(login.server));
  TRY(login.token, read_token(options));
  if (login.organization.empty()) login.organization = organization_in(login.token);
  if (login.organization.empty() && has_person()) login.organization = ask("Organization (its id)", false);
  const auto organization = OrganizationId::parse(login.organization);
  if (!organization)
    return wrong_arguments(
        login.organization.empty() ? "it is not said which organization" : "--org " + login.organization + " is no id",
        "--org ID; an id looks like 0b3f9c1e-7d42-4c55-9e0a-5a4f6c1d2e3f");
  login.organization = organization->to_string();
  if (!place.ca_file.empty()) {
    std::error_code error;
    login.ca_file = std::filesystem::absolute(place.ca_file, error);
  }

  static const std::atomic<bool> stop = false;
  sync::Api api({login.server, *organization, login.token, login.ca_file, "tideline/" TIDELINE_VERSION}, stop);
  auto connections = api.connections();
  if (!connections) {
    Error error = connections.error().error;
    if (connections.error().trouble == sync::Trouble::kUnauthenticated)
      error.hint = "is it complete, of this server, and not past its time?";
    if (connections.error().trouble == sync::Trouble::kDenied && error.hint.empty())
      error.hint = "the token must be of a member of this organization, or made there with the scope read";
    if (is_from_environment(options)) error.detail += "the token is that of the variable TIDELINE_TOKEN\n";
    return fail(std::move(error));
  }
  TRY_VOID(keep(login));
  const auto expiry = expiry_of(login.token);
  if (place.json) {
    std::string line;
    JsonWriter json(line);
    json.begin_object().key("server").string(login.server).key("organization").string(login.organization);
    json.key("connections").number(static_cast<std::int64_t>(connections->size()));
    json.key("token_expires_at");
    if (expiry)
      json.string(expiry->to_string());
    else
      json.null();
    json.key("credentials").string(credentials_file().string()).end_object();
    print_line(line);
    return {};
  }
  print_line("logged in to " + login.server);
  const auto count = connections->size();
  print_line("  organization " + login.organization + ", " + std::to_string(count) +
             (count == 1 ? " connection" : " connections"));
  if (expiry) print_line("  the token holds until " + expiry->to_string().substr(0, 19) + "Z");
  print_line("  kept in " + credentials_file().string());
  return {};
}

Result<void> log_out(const LogoutOptions& options) {
  const Place& place = options.place;
  TRY_VOID(check_no_userinfo(place.server));
  std::string server = without_trailing_slash(place.server);
  std::string organization = place.organization;
  std::vector<sync::ServerTarget> purged;
  if (server.empty()) {
    TRY(const ClientContext context, find_context(place));
    server = context.target.server;
    organization = context.target.organization.to_string();
  }
  TRY(const auto removed, remove_login(credentials_file(), server, organization));
  sync::LocalState state(client_data_directory());
  std::int64_t deleted = 0;
  std::vector<std::string> organizations;
  for (const auto& login : removed) organizations.push_back(login.organization);
  if (removed.empty() && !organization.empty()) organizations.push_back(organization);
  if (options.purge) {
    for (const auto& text : organizations) {
      const auto id = OrganizationId::parse(text);
      if (!id) continue;
      const auto file = state.replica_file(server, *id);
      replica::WriterOptions writer_options{.file = file, .organization = *id, .server = server, .what = "logout"};
      auto writer = replica::Writer::open(writer_options);
      if (!writer && writer.error().code == Code::kCorrupt) writer = replica::Writer::open(writer_options, true);
      if (!writer) return fail(std::move(writer.error()));
      TRY_VOID((*writer)->purge());
      std::error_code error;
      std::filesystem::remove(watch_lock_file(file), error);
      TRY_VOID(state.forget(server, *id));
      ++deleted;
    }
  }
  if (place.json) {
    std::string line;
    JsonWriter json(line);
    json.begin_object().key("server").string(server).key("logged_out").begin_array();
    for (const auto& login : removed) json.string(login.organization);
    json.end_array().key("replicas_deleted").number(deleted).end_object();
    print_line(line);
    return {};
  }
  if (removed.empty())
    print_line("there was no login for " + server);
  else
    print_line("logged out of " + server);
  if (options.purge)
    print_line(deleted == 1 ? "  its replica is deleted" : "  " + std::to_string(deleted) + " replicas are deleted");
  else
    print_line("  replicas stay and can be queried; --purge deletes them");
  return {};
}

}  // namespace

int login(const LoginOptions& options) { return ended(log_in(options)); }

int logout(const LogoutOptions& options) { return ended(log_out(options)); }

}  // namespace tideline::cli
