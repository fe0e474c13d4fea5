#include "cli/config_file.h"

#include <optional>

#include "cli/toml_file.h"

namespace tideline::cli {
namespace {

std::optional<std::string> scalar(const toml::node& node) {
  if (const auto* text = node.as_string()) return text->get();
  if (const auto* number = node.as_integer()) return std::to_string(number->get());
  if (const auto* flag = node.as_boolean()) return flag->get() ? "true" : "false";
  return std::nullopt;
}

}  // namespace

Result<Settings> read_settings(const std::filesystem::path& file) {
  TRY(toml::table table, read_toml(file));
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

}  // namespace tideline::cli
