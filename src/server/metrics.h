#pragma once
// Counters of the server, and their text for Prometheus (exposition format 0.0.4). Labels are from small closed sets:
// routes, methods, statuses; never a path, an id or anything a client made up. Thread-safe; counting is a few relaxed
// atomic additions.

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "http/server.h"
#include "server/router.h"

namespace tideline::server {

class Metrics {
 public:
  void count(const http::AccessRecord& record);

  enum class PushResult : std::uint8_t { kVersion, kUnchanged, kRefused, kFailed };
  void count_push(PushResult result) { ++pushes_[static_cast<std::size_t>(result)]; }
  /// Requests whose rights came from memory, or from a question to the primary.
  void count_rights(bool from_memory) { ++(from_memory ? rights_remembered_ : rights_asked_); }

  /// Appends all of it.
  void write(std::string& out) const;

 private:
  using Counter = std::atomic<std::uint64_t>;
  // Durations in milliseconds up to which a request falls into a bucket; the last is unbounded.
  static constexpr std::array<double, 11> kBuckets = {0.25, 0.5, 1, 2.5, 5, 10, 25, 100, 500, 2500, 10000};
  static constexpr std::array<unsigned, 27> kStatuses = {200, 201, 204, 206, 304, 400, 401, 403, 404,
                                                         405, 406, 408, 409, 410, 411, 413, 414, 415,
                                                         417, 422, 429, 431, 500, 501, 503, 507, 505};
  // Besides the routes: requests that matched none, and what was no request.
  static constexpr std::size_t kSlots = kActionCount + 1 + 2;

  struct Slot {
    std::array<Counter, kStatuses.size() + 1> statuses{};
    std::array<Counter, kBuckets.size() + 1> buckets{};
    Counter nanoseconds{0};
    Counter received_bytes{0};
    Counter sent_bytes{0};
    Counter cut{0};
  };
  static std::size_t slot_of(std::string_view route, std::string_view method);

  std::array<Slot, kSlots> slots_{};
  std::array<Counter, 4> pushes_{};
  Counter rights_remembered_{0};
  Counter rights_asked_{0};
};

/// One line group of the format: help, type and a value. `type`: "gauge" or "counter".
void write_metric(std::string& out, std::string_view name, std::string_view type, std::string_view help, double value);
/// Memory, start time, open files of this process, by the conventional names.
void write_process_metrics(std::string& out);

}  // namespace tideline::server
