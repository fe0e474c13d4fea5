#pragma once
// TOML files (v1.0) of settings. Blocking; small files only.

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

}  // namespace tideline::cli
