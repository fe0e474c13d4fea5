#include "base/log.h"

#include <atomic>

namespace tideline {
namespace {

std::atomic<LogSink> g_sink{nullptr};
std::atomic<LogLevel> g_lowest{LogLevel::kInfo};

}  // namespace

void set_log_sink(LogSink sink, LogLevel lowest) {
  g_lowest = lowest;
  g_sink = sink;
}

bool is_logged(LogLevel level) {
  return g_sink.load(std::memory_order_relaxed) != nullptr && level >= g_lowest.load(std::memory_order_relaxed);
}

void log(LogLevel level, std::string_view event, LogFields fields) {
  const LogSink sink = g_sink.load(std::memory_order_acquire);
  if (sink != nullptr && level >= g_lowest.load(std::memory_order_relaxed)) sink(level, event, fields);
}

}  // namespace tideline
