#include "cli/config_file.h"

#include <cerrno>
#include <cstring>

#include <sys/stat.h>
#include <toml++/toml.h>
#include <unistd.h>

namespace tideline::cli {
namespace {

Result<toml::table> parse(const std::filesystem::path& file) {
  try {
    return toml::parse_file(file.string());
  } catch (const toml::parse_error& error) {
    if (error.source().begin.line == 0)  // no line of it: the file itself
      return fail(Code::kInvalidInput, file.string() + ": " + std::string(error.description()));
    return fail(Code::kInvalidInput, file.string() + ":" + std::to_string(error.source().begin.line) + ": " +
                                         std::string(error.description()));
  }
}

std::optional<std::string> scalar(const toml::node& node) {
  if (const auto* text = node.as_string()) return text->get();
  if (const auto* number = node.as_integer()) return std::to_string(number->get());
  if (const auto* flag = node.as_boolean()) return flag->get() ? "true" : "false";
  return std::nullopt;
}

std::string without_trailing_slash(std::string url) {
  while (url.ends_with('/')) url.pop_back();
  return url;
}

}  // namespace

Result<Settings> read_settings(const std::filesystem::path& file) {
  TRY(toml::table table, parse(file));
  Settings settings;
  for (const auto& [key, node] : table) {
    std::string name(key.str());
    for (char& c : name)
      if (c == '_') c = '-';
    std::vector<std::string>& values = settings[name];
    bool understood = true;
    if (const auto* array = node.as_array()) {
      for (const toml::node& element : *array) {
        if (auto value = scalar(element))
          values.push_back(std::move(*value));
        else
          understood = false;
      }
    } else if (auto value = scalar(node)) {
      values.push_back(std::move(*value));
    } else {
      understood = false;
    }
    if (!understood)
      return fail(Code::kInvalidInput, file.string() + ":" + std::to_string(node.source().begin.line) + ": " + name +
                                           " must be text, a whole number, true or false, or a list of these");
  }
  return settings;
}

Result<std::optional<std::string>> stored_token(const std::filesystem::path& file, const std::string& server) {
  struct stat status{};
  if (stat(file.c_str(), &status) != 0) {
    if (errno == ENOENT || errno == ENOTDIR) return std::optional<std::string>();
    return fail(Code::kPermissionDenied, file.string() + " cannot be read: " + std::strerror(errno));
  }
  if ((status.st_mode & 077) != 0 || status.st_uid != geteuid())
    return fail(Code::kPermissionDenied, file.string() + " could be read by others, so the token in it is not used",
                "chmod 600 " + file.string() + ", as its owner; if others had access, revoke the token");
  TRY(toml::table table, parse(file));
  const toml::table* servers = table["servers"].as_table();
  if (!servers) return std::optional<std::string>();
  for (const auto& [key, node] : *servers) {
    if (without_trailing_slash(std::string(key.str())) != without_trailing_slash(server)) continue;
    const toml::table* entry = node.as_table();
    if (entry)
      if (const auto* token = entry->get_as<std::string>("token")) return std::optional<std::string>(token->get());
  }
  return std::optional<std::string>();
}

}  // namespace tideline::cli
