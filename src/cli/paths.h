#pragma once
// Where things lie when nobody says (XDG base directories). Reads the environment; touches no file.

#include <filesystem>

namespace tideline::cli {

/// /var/lib/tideline for root, else $XDG_DATA_HOME/tideline-server (~/.local/share/tideline-server).
std::filesystem::path default_data_directory();
/// /etc/tideline/server.toml for root, else $XDG_CONFIG_HOME/tideline/server.toml.
std::filesystem::path default_server_config();
/// $XDG_CONFIG_HOME/tideline/credentials.toml: tokens by server, of mode 0600.
std::filesystem::path credentials_file();
/// $XDG_CONFIG_HOME/tideline/config.toml: the client's settings by workspace.
std::filesystem::path client_config();
/// $XDG_DATA_HOME/tideline: replicas, and what this machine remembers.
std::filesystem::path client_data_directory();

}  // namespace tideline::cli
