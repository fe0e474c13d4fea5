#pragma once
// What the benchmark programs share: results that have to be there, and the time that was used.

#include <sys/resource.h>

#include <cstdio>
#include <cstdlib>
#include <type_traits>
#include <utility>

#include "base/error.h"

namespace tideline::bench {

/// The value, or the end of the program with what went wrong.
template <class T>
T must(Result<T> result) {
  if (!result) {
    std::fprintf(stderr, "%s [%s]\n", describe(result.error()).c_str(), result.error().detail.c_str());
    std::exit(1);
  }
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

/// Of all threads of this process (RUSAGE_SELF), or of all its children that have ended (RUSAGE_CHILDREN).
inline double cpu_seconds(int whose = RUSAGE_SELF) {
  rusage usage{};
  getrusage(whose, &usage);
  const auto of = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
  };
  return of(usage.ru_utime) + of(usage.ru_stime);
}

/// At its peak, of this process.
inline double resident_mb() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

}  // namespace tideline::bench
