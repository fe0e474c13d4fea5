#include "cli/paths.h"

#include <cstdlib>

#include <pwd.h>
#include <unistd.h>

namespace tideline::cli {
namespace {

// As git and ssh find it.
std::filesystem::path home_directory() {
  if (const char* home = std::getenv("HOME"); home && home[0] == '/') return home;
  // One thread, at the start: nobody else is in getpwuid.
  const passwd* entry = getpwuid(geteuid());  // NOLINT(concurrency-mt-unsafe)
  return entry && entry->pw_dir && entry->pw_dir[0] == '/' ? entry->pw_dir : "/";
}

// The specification says that a relative path in these variables is to be ignored.
std::filesystem::path base_directory(const char* variable, const char* below_home) {
  if (const char* value = std::getenv(variable); value && value[0] == '/') return value;
  return home_directory() / below_home;
}

}  // namespace

std::filesystem::path default_data_directory() {
  if (geteuid() == 0) return "/var/lib/tideline";
  return base_directory("XDG_DATA_HOME", ".local/share") / "tideline-server";
}

std::filesystem::path default_server_config() {
  if (geteuid() == 0) return "/etc/tideline/server.toml";
  return base_directory("XDG_CONFIG_HOME", ".config") / "tideline" / "server.toml";
}

std::filesystem::path credentials_file() {
  return base_directory("XDG_CONFIG_HOME", ".config") / "tideline" / "credentials.toml";
}

std::filesystem::path client_config() {
  return base_directory("XDG_CONFIG_HOME", ".config") / "tideline" / "config.toml";
}

std::filesystem::path client_data_directory() { return base_directory("XDG_DATA_HOME", ".local/share") / "tideline"; }

}  // namespace tideline::cli
