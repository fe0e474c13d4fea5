#include "cli/log_output.h"

#include <string>

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include "base/json.h"
#include "base/log.h"
#include "base/time.h"

namespace tideline::cli {
namespace {

// Set before the first record and never again; a plain pointer, because the sink is a plain function.
spdlog::logger* output = nullptr;

std::string_view name_of(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return "debug";
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kWarning:
      return "warning";
    case LogLevel::kError:
      return "error";
  }
  return "error";
}

// What a writer of keys (LogFields) left as an identifier stays readable; everything else is quoted.
bool is_plain(std::string_view text) {
  return !text.empty() && text.find_first_of(" =\"\\\n\r\t") == std::string_view::npos &&
         std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c != 127; });
}

void write_json(LogLevel level, std::string_view event, const LogFields& fields) {
  std::string line;
  JsonWriter json(line);
  json.begin_object();
  json.key("time").string(Timestamp::now().to_string());
  json.key("level").string(name_of(level));
  json.key("event").string(event);
  for (const auto& [key, value] : fields) json.key(key).string(value);
  json.end_object();
  output->log(spdlog::level::info, line);
}

void write_logfmt(LogLevel level, std::string_view event, const LogFields& fields) {
  std::string line = "time=" + Timestamp::now().to_string() + " level=";
  line += name_of(level);
  const auto add = [&line](std::string_view key, std::string_view value) {
    line += ' ';
    line += key;
    line += '=';
    if (is_plain(value))
      line += value;
    else
      append_json_string(line, value);
  };
  add("event", event);
  for (const auto& [key, value] : fields) add(key, value);
  output->log(spdlog::level::info, line);
}

LogLevel level_of(std::string_view name) {
  if (name == "debug") return LogLevel::kDebug;
  if (name == "warning") return LogLevel::kWarning;
  if (name == "error") return LogLevel::kError;
  return LogLevel::kInfo;
}

}  // namespace

void log_to_stderr(const LogOptions& options) {
  static const auto logger = spdlog::stderr_logger_mt("tideline");
  logger->set_pattern("%v");
  logger->flush_on(spdlog::level::info);
  output = logger.get();
  set_log_sink(options.json ? write_json : write_logfmt, level_of(options.level));
}

}  // namespace tideline::cli
