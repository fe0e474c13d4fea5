#pragma once
// How long to wait before trying again: full jitter, from 1 s up to 32 s, never less than the server asked for. Not for
// the wait before a pull after a hint: that is the server's spread_ms.

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>

namespace tideline::sync {

class Backoff {
 public:
  static constexpr std::chrono::milliseconds kFirst{1000};
  static constexpr std::chrono::milliseconds kLargest{32'000};
  /// A server that asks for more is not believed: nobody would look again today.
  static constexpr std::chrono::milliseconds kLargestAsked{600'000};

  /// `random`: evenly spread over all values.
  std::chrono::milliseconds next(std::uint64_t random, std::optional<std::chrono::milliseconds> asked) {
    const auto ceiling = kFirst * (1 << std::min(failures_, 5));
    ++failures_;
    const auto limit = std::min<std::chrono::milliseconds>(ceiling, kLargest);
    const auto jitter =
        std::chrono::milliseconds(static_cast<std::int64_t>(random % static_cast<std::uint64_t>(limit.count() + 1)));
    // What was asked for is the least; the jitter comes on top, or all who were sent away come back together.
    return asked ? std::min(*asked, kLargestAsked) + jitter / 4 : jitter;
  }
  void succeeded() { failures_ = 0; }
  int failures() const { return failures_; }

 private:
  int failures_ = 0;
};

}  // namespace tideline::sync
