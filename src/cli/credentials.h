#pragma once
// Who logged in where: the tokens, in a file that is the user's alone (mode 0600), outside of every repository.
//
//   current = "https://tideline.example.com"          # what commands use when no server is named
//
//   [servers."https://tideline.example.com"]
//   organization = "0b3f9c1e-…"                        # and no organization
//   token = "…"                                        # for any organization of that server
//   ca_file = "/etc/ssl/acme.pem"                      # of a private authority; may be missing
//
//   [servers."https://tideline.example.com".organizations]
//   "0b3f9c1e-…" = "tdl_…"                             # a token of that organization; wins over the one above
//
// Blocking; small files only.

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"

namespace tideline::cli {

/// TIDELINE_TOKEN; empty where it is not set.
std::string token_of_environment();

/// Says of a token that was refused that it is TIDELINE_TOKEN's, which wins over the one of `tideline login`.
void add_source_of_token(Error& error);

struct Login {
  std::string server;        // without a slash at its end
  std::string organization;  // id; may be empty in files written by hand
  std::string token;
  std::filesystem::path ca_file{};
};

/// The login for `server` (empty: the current one) and `organization` (empty: the server's own choice). nullopt: none,
/// or no such file. kPermissionDenied: others could read the file, so nothing in it is used.
Result<std::optional<Login>> find_login(const std::filesystem::path& file, const std::string& server,
                                        const std::string& organization);
/// Every server and organization there is a token for, in the order of their names.
Result<std::vector<Login>> list_logins(const std::filesystem::path& file);
/// Adds or replaces it and makes it the current one. The file is replaced as a whole, so a reader sees the old or the
/// new one; comments in it are lost.
Result<void> store_login(const std::filesystem::path& file, const Login& login);
/// What was taken out (empty: nothing was there). An empty organization takes out all of the server's.
Result<std::vector<Login>> remove_login(const std::filesystem::path& file, const std::string& server,
                                        const std::string& organization);

std::string without_trailing_slash(std::string url);

}  // namespace tideline::cli
