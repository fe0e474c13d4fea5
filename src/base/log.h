#pragma once
// Structured log records. Layers describe what happened; the program decides where it goes (`set_log_sink`, default:
// nothing). No secret is ever a field: pass ids, counts, codes. Thread-safe.

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tideline {

enum class LogLevel { kDebug, kInfo, kWarning, kError };

using LogFields = std::vector<std::pair<std::string_view, std::string>>;

/// A plain function so that logging needs no lock; set once at start-up.
using LogSink = void (*)(LogLevel, std::string_view event, const LogFields&);
void set_log_sink(LogSink sink, LogLevel lowest);

/// Whether a record of that level would go anywhere: to be asked before fields are made on a busy path.
bool is_logged(LogLevel level);

/// `event` is a constant, lower case with spaces ("database ready"); what varies goes into the fields.
void log(LogLevel level, std::string_view event, LogFields fields = {});

}  // namespace tideline
