#include "cli/credentials.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <sstream>

#include <sys/stat.h>
#include <unistd.h>

#include "cli/toml_file.h"
#include "sync/private_file.h"

namespace tideline::cli {
namespace {

/// An empty table where there is no file.
Result<toml::table> read(const std::filesystem::path& file) {
  struct stat status{};
  if (stat(file.c_str(), &status) != 0) {
    if (errno == ENOENT || errno == ENOTDIR) return toml::table();
    return fail(Code::kPermissionDenied, file.string() + " cannot be read: " + std::strerror(errno));
  }
  if ((status.st_mode & 077) != 0 || status.st_uid != geteuid())
    return fail(Code::kPermissionDenied, file.string() + " could be read by others, so the token in it is not used",
                "chmod 600 " + file.string() + ", as its owner; if others had access, revoke the token");
  auto table = read_toml(file);
  if (!table)
    table.error().hint = "mend it, or get a token for it anew: tideline login keeps what is there as " +
                         file.filename().string() + ".broken";
  return table;
}

std::string text_at(const toml::table& table, std::string_view key) {
  const auto* value = table.get_as<std::string>(key);
  return value ? value->get() : std::string();
}

/// Of a server's entry. Empty token: none.
Login login_of(const std::string& server, const toml::table& entry, const std::string& organization) {
  Login login{server, organization.empty() ? text_at(entry, "organization") : organization, {}, {}};
  if (const auto* own = entry.get_as<toml::table>("organizations")) login.token = text_at(*own, login.organization);
  if (login.token.empty()) login.token = text_at(entry, "token");
  login.ca_file = text_at(entry, "ca_file");
  return login;
}

Result<void> write(const std::filesystem::path& file, const toml::table& table) {
  std::ostringstream text;
  text << table << '\n';
  return sync::replace_private_file(file, text.str());
}

}  // namespace

std::string token_of_environment() {
  const char* token = std::getenv("TIDELINE_TOKEN");
  return token ? token : "";
}

void add_source_of_token(Error& error) {
  if (!token_of_environment().empty())
    error.detail += "the token is that of the variable TIDELINE_TOKEN, which wins over the one of tideline login\n";
}

std::string without_trailing_slash(std::string url) {
  while (url.ends_with('/')) url.pop_back();
  return url;
}

Result<std::optional<Login>> find_login(const std::filesystem::path& file, const std::string& server,
                                        const std::string& organization) {
  TRY(const toml::table table, read(file));
  const toml::table* servers = table["servers"].as_table();
  const std::string wanted = without_trailing_slash(server.empty() ? text_at(table, "current") : server);
  if (!servers) return std::optional<Login>();
  for (const auto& [key, node] : *servers) {
    const std::string name = without_trailing_slash(std::string(key.str()));
    // A file written by hand need not name the current server where it has but one.
    if (name != wanted && !(wanted.empty() && servers->size() == 1)) continue;
    if (const toml::table* entry = node.as_table()) {
      Login login = login_of(name, *entry, organization);
      if (!login.token.empty()) return std::optional(std::move(login));
    }
  }
  return std::optional<Login>();
}

Result<std::vector<Login>> list_logins(const std::filesystem::path& file) {
  TRY(const toml::table table, read(file));
  std::vector<Login> logins;
  const toml::table* servers = table["servers"].as_table();
  if (!servers) return logins;
  for (const auto& [key, node] : *servers) {
    const toml::table* entry = node.as_table();
    if (!entry) continue;
    const std::string name = without_trailing_slash(std::string(key.str()));
    if (const auto* own = entry->get_as<toml::table>("organizations"))
      for (const auto& [organization, token] : *own)
        logins.push_back(login_of(name, *entry, std::string(organization.str())));
    Login general = login_of(name, *entry, {});
    bool listed = general.token.empty();
    for (const auto& each : logins)
      listed = listed || (each.server == name && each.organization == general.organization);
    if (!listed) logins.push_back(std::move(general));
  }
  return logins;
}

Result<void> store_login(const std::filesystem::path& file, const Login& login) {
  TRY(toml::table table, read(file));
  const std::string server = without_trailing_slash(login.server);
  if (!table["servers"].is_table()) table.insert_or_assign("servers", toml::table());
  toml::table& servers = *table["servers"].as_table();
  if (!servers[server].is_table()) servers.insert_or_assign(server, toml::table());
  toml::table& entry = *servers[server].as_table();
  if (!entry["organizations"].is_table()) entry.insert_or_assign("organizations", toml::table());
  entry["organizations"].as_table()->insert_or_assign(login.organization, login.token);
  entry.insert_or_assign("organization", login.organization);
  if (login.ca_file.empty())
    entry.erase("ca_file");
  else
    entry.insert_or_assign("ca_file", login.ca_file.string());
  table.insert_or_assign("current", server);
  return write(file, table);
}

Result<std::vector<Login>> remove_login(const std::filesystem::path& file, const std::string& server,
                                        const std::string& organization) {
  TRY(toml::table table, read(file));
  TRY(const std::vector<Login> logins, list_logins(file));
  std::vector<Login> removed;
  for (const auto& login : logins)
    if (login.server == server && (organization.empty() || login.organization == organization))
      removed.push_back(login);
  toml::table* servers = table["servers"].as_table();
  if (removed.empty() || !servers) return removed;
  for (auto at = servers->begin(); at != servers->end();) {
    toml::table* entry =
        without_trailing_slash(std::string(at->first.str())) == server ? at->second.as_table() : nullptr;
    if (!entry) {
      ++at;
      continue;
    }
    auto* own = entry->get_as<toml::table>("organizations");
    if (own && !organization.empty()) own->erase(organization);
    const bool others = !organization.empty() && own && !own->empty();
    if (others) {
      // The token for any organization is also this one's, and goes with it.
      entry->erase("token");
      if (text_at(*entry, "organization") == organization)
        entry->insert_or_assign("organization", std::string(own->begin()->first.str()));
      ++at;
    } else {
      at = servers->erase(at);
    }
  }
  if (!(*servers).contains(text_at(table, "current"))) {
    table.erase("current");
    if (!servers->empty()) table.insert_or_assign("current", std::string(servers->begin()->first.str()));
  }
  TRY_VOID(write(file, table));
  return removed;
}

}  // namespace tideline::cli
