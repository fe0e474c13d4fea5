#include "cli/toml_file.h"

#include <string>

namespace tideline::cli {

Result<toml::table> read_toml(const std::filesystem::path& file) {
  try {
    return toml::parse_file(file.string());
  } catch (const toml::parse_error& error) {
    if (error.source().begin.line == 0)  // no line of it: the file itself
      return fail(Code::kInvalidInput, file.string() + ": " + std::string(error.description()));
    return fail(Code::kInvalidInput, file.string() + ":" + std::to_string(error.source().begin.line) + ": " +
                                         std::string(error.description()));
  }
}

}  // namespace tideline::cli
