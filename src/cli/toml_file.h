#pragma once
// A TOML file as a table; for the units of this folder that read or write one.

#include <filesystem>

#include <toml++/toml.h>

#include "base/error.h"

namespace tideline::cli {

/// kInvalidInput names file and line.
Result<toml::table> read_toml(const std::filesystem::path& file);

}  // namespace tideline::cli
