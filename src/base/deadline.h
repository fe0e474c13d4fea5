#pragma once
// A deadline is a point in time, passed down unchanged, so that the parts of a request share one budget instead of each
// starting its own. Steady clock: setting the wall clock neither fires nor delays it.

#include <chrono>

namespace tideline {

using Deadline = std::chrono::steady_clock::time_point;

/// The deadline `duration` from now.
inline Deadline within(std::chrono::steady_clock::duration duration) {
  return std::chrono::steady_clock::now() + duration;
}

inline bool is_past(Deadline deadline) { return std::chrono::steady_clock::now() >= deadline; }

}  // namespace tideline
