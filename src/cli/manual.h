#pragma once
// The manual page and the completions of shells, made from the arguments themselves, so that they cannot say anything
// else. Private to the units that know CLI11.

#include <string>

#include <CLI/CLI.hpp>

namespace tideline::cli {

/// docs/tideline.1 is this; a test holds it to it.
std::string manual_page(const CLI::App& app);
/// `shell`: bash, zsh or fish.
std::string completions(const CLI::App& app, const std::string& shell);

}  // namespace tideline::cli
