#pragma once
// TOML files (v1.0): the server's settings and the client's credentials. Blocking; small files only.

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"

namespace tideline::cli {

/// Name → values (one, or those of an array). Names are as the flags', with '-' or '_' between words ("data-dir").
using Settings = std::map<std::string, std::vector<std::string>>;

/// A flat file of strings, numbers, booleans and arrays of them. kInvalidInput names file and line.
Result<Settings> read_settings(const std::filesystem::path& file);

/// The token for `server` in a credentials file:
///
///   [servers."https://tideline.example.com"]
///   token = "…"
///
/// nullopt: no such file, or none for that server. kPermissionDenied: others could read the file.
Result<std::optional<std::string>> stored_token(const std::filesystem::path& file, const std::string& server);

}  // namespace tideline::cli
