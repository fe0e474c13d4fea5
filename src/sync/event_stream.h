#pragma once
// Server-sent events (WHATWG HTML §9.2.6), read as the bytes come. Bounded: a line or an event that grows beyond
// kMaxEventBytes is an error, and the stream is to be given up.

#include <chrono>
#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"

namespace tideline::sync {

inline constexpr std::size_t kMaxEventBytes = 64 * 1024;

struct ServerEvent {
  std::string type = "message";
  std::string data;  // lines joined by line feeds
  std::string id;    // the last one seen
};

/// Not thread-safe. After an error it stays in error.
class EventStreamParser {
 public:
  /// Calls `on_event` for each event that `bytes` completes, in order. kTooLarge: a line or an event without end.
  Result<void> feed(std::string_view bytes, const std::function<void(const ServerEvent&)>& on_event);
  /// What the server last asked for, between two attempts to connect.
  std::optional<std::chrono::milliseconds> retry() const { return retry_; }

 private:
  void line(std::string_view text, const std::function<void(const ServerEvent&)>& on_event);

  std::string line_;
  ServerEvent event_;
  bool has_data_ = false;
  bool after_cr_ = false;
  bool at_start_ = true;
  bool failed_ = false;
  std::optional<std::chrono::milliseconds> retry_;
};

}  // namespace tideline::sync
