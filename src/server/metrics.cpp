#include "server/metrics.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>

#include <sys/resource.h>
#include <unistd.h>

namespace tideline::server {
namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;

void append_value(std::string& out, double value) {
  std::array<char, 32> text;
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value).ptr;
  out.append(text.data(), end);
}

void header(std::string& out, std::string_view name, std::string_view type, std::string_view help) {
  ((out += "# HELP ") += name) += ' ';
  (out += help) += '\n';
  ((out += "# TYPE ") += name) += ' ';
  (out += type) += '\n';
}

void line(std::string& out, std::string_view name, std::string_view labels, double value) {
  out += name;
  if (!labels.empty()) ((out += '{') += labels) += '}';
  out += ' ';
  append_value(out, value);
  out += '\n';
}

}  // namespace

std::size_t Metrics::slot_of(std::string_view route, std::string_view method) {
  if (method == "HEAD") method = "GET";
  const auto all = routes();
  for (std::size_t i = 0; i < all.size(); ++i)
    if (all[i].name == route && http::to_string(all[i].method) == method) return i;
  return route == "none" ? all.size() + 1 : all.size();
}

void Metrics::count(const http::AccessRecord& record) {
  Slot& slot = slots_[slot_of(record.route, record.method)];
  const auto status = static_cast<std::size_t>(std::ranges::find(kStatuses, record.status) - kStatuses.begin());
  slot.statuses[status].fetch_add(1, kRelaxed);
  const double milliseconds = std::chrono::duration<double, std::milli>(record.duration).count();
  const auto bucket = static_cast<std::size_t>(std::ranges::lower_bound(kBuckets, milliseconds) - kBuckets.begin());
  slot.buckets[bucket].fetch_add(1, kRelaxed);
  slot.nanoseconds.fetch_add(static_cast<std::uint64_t>(record.duration.count()), kRelaxed);
  slot.received_bytes.fetch_add(record.received_bytes, kRelaxed);
  slot.sent_bytes.fetch_add(record.sent_bytes, kRelaxed);
  if (!record.complete) slot.cut.fetch_add(1, kRelaxed);
}

void Metrics::write(std::string& out) const {
  const auto all = routes();
  const auto labels_of = [&](std::size_t slot) {
    std::string labels = "route=\"";
    labels += slot < all.size() ? all[slot].name : slot == all.size() ? "other" : "none";
    labels += "\",method=\"";
    labels += slot < all.size() ? http::to_string(all[slot].method) : "other";
    return labels += '"';
  };
  const auto is_used = [&](std::size_t slot) {
    return std::ranges::any_of(slots_[slot].statuses,
                               [](const Counter& counter) { return counter.load(kRelaxed) != 0; });
  };

  header(out, "tideline_http_requests_total", "counter", "Requests answered.");
  for (std::size_t i = 0; i < kSlots; ++i) {
    for (std::size_t status = 0; status <= kStatuses.size(); ++status) {
      const std::uint64_t count = slots_[i].statuses[status].load(kRelaxed);
      if (count == 0) continue;
      const std::string code = status < kStatuses.size() ? std::to_string(kStatuses[status]) : "other";
      line(out, "tideline_http_requests_total", labels_of(i) + ",status=\"" + code + '"', static_cast<double>(count));
    }
  }
  header(out, "tideline_http_request_duration_seconds", "histogram",
         "From the first byte of a request to the last of its answer.");
  for (std::size_t i = 0; i < kSlots; ++i) {
    if (!is_used(i)) continue;
    const std::string labels = labels_of(i);
    std::uint64_t sum = 0;
    for (std::size_t bucket = 0; bucket < kBuckets.size(); ++bucket) {
      sum += slots_[i].buckets[bucket].load(kRelaxed);
      std::string le = labels + ",le=\"";
      append_value(le, kBuckets[bucket] / 1000);
      line(out, "tideline_http_request_duration_seconds_bucket", le + '"', static_cast<double>(sum));
    }
    sum += slots_[i].buckets[kBuckets.size()].load(kRelaxed);
    line(out, "tideline_http_request_duration_seconds_bucket", labels + ",le=\"+Inf\"", static_cast<double>(sum));
    line(out, "tideline_http_request_duration_seconds_sum", labels,
         static_cast<double>(slots_[i].nanoseconds.load(kRelaxed)) / 1e9);
    line(out, "tideline_http_request_duration_seconds_count", labels, static_cast<double>(sum));
  }
  const auto totals = [&](std::string_view name, std::string_view help, Counter Slot::* counter) {
    header(out, name, "counter", help);
    for (std::size_t i = 0; i < kSlots; ++i)
      if (is_used(i)) line(out, name, labels_of(i), static_cast<double>((slots_[i].*counter).load(kRelaxed)));
  };
  totals("tideline_http_received_bytes_total", "Bytes of request bodies, as they came over the wire.",
         &Slot::received_bytes);
  totals("tideline_http_sent_bytes_total", "Bytes of answers, heads included.", &Slot::sent_bytes);
  totals("tideline_http_cut_total", "Answers whose client was gone before they were through.", &Slot::cut);

  header(out, "tideline_pushes_total", "counter", "Pushes by how they ended.");
  constexpr std::array<std::string_view, 4> kResults = {"version", "unchanged", "refused", "failed"};
  for (std::size_t i = 0; i < kResults.size(); ++i)
    line(out, "tideline_pushes_total", "result=\"" + std::string(kResults[i]) + '"',
         static_cast<double>(pushes_[i].load(kRelaxed)));
  header(out, "tideline_rights_total", "counter", "Requests by where the caller's rights came from.");
  line(out, "tideline_rights_total", "source=\"memory\"", static_cast<double>(rights_remembered_.load(kRelaxed)));
  line(out, "tideline_rights_total", "source=\"primary\"", static_cast<double>(rights_asked_.load(kRelaxed)));
}

void write_metric(std::string& out, std::string_view name, std::string_view type, std::string_view help, double value) {
  header(out, name, type, help);
  line(out, name, {}, value);
}

void write_process_metrics(std::string& out) {
  std::ifstream statm("/proc/self/statm");
  double pages = 0;
  double resident = 0;
  if (statm >> pages >> resident) {
    const auto page_bytes = static_cast<double>(::sysconf(_SC_PAGESIZE));
    write_metric(out, "process_virtual_memory_bytes", "gauge", "Virtual memory.", pages * page_bytes);
    write_metric(out, "process_resident_memory_bytes", "gauge", "Resident memory.", resident * page_bytes);
  }
  rusage usage{};
  if (::getrusage(RUSAGE_SELF, &usage) == 0) {
    const auto seconds = [](const timeval& time) {
      return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
    };
    write_metric(out, "process_cpu_seconds_total", "counter", "Time of the processors, user and system.",
                 seconds(usage.ru_utime) + seconds(usage.ru_stime));
  }
  std::error_code error;
  const std::filesystem::directory_iterator files("/proc/self/fd", error);
  if (!error)
    write_metric(out, "process_open_fds", "gauge", "Open files and sockets.",
                 static_cast<double>(std::distance(begin(files), end(files))));
}

}  // namespace tideline::server
