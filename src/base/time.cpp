#include "base/time.h"

#include <chrono>

#include <fmt/format.h>

namespace tideline {
namespace {

using std::chrono::floor;

class Scanner {
 public:
  explicit Scanner(std::string_view text) : rest_(text) {}

  bool number(std::size_t digits, int& out) {
    if (rest_.size() < digits) return false;
    out = 0;
    for (std::size_t i = 0; i < digits; ++i) {
      if (rest_[i] < '0' || rest_[i] > '9') return false;
      out = out * 10 + (rest_[i] - '0');
    }
    rest_.remove_prefix(digits);
    return true;
  }
  bool any_of(std::string_view characters) {
    if (rest_.empty() || characters.find(rest_.front()) == std::string_view::npos) return false;
    last_ = rest_.front();
    rest_.remove_prefix(1);
    return true;
  }
  bool done() const { return rest_.empty(); }
  char last() const { return last_; }

 private:
  std::string_view rest_;
  char last_ = 0;
};

bool fraction(Scanner& scan, std::int64_t& micros) {
  std::int64_t scale = 100'000;
  int digit = 0, count = 0;
  while (scan.number(1, digit)) {
    if (++count > 9) return false;
    micros += digit * scale;
    scale /= 10;
  }
  return count > 0;
}

}  // namespace

Timestamp Timestamp::now() {
  const auto since = std::chrono::system_clock::now().time_since_epoch();
  return {std::chrono::duration_cast<std::chrono::microseconds>(since).count()};
}

std::optional<Timestamp> Timestamp::parse(std::string_view text) {
  Scanner scan(text);
  int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0;
  std::int64_t micros = 0, offset_minutes = 0;
  if (!scan.number(4, year) || !scan.any_of("-") || !scan.number(2, month) || !scan.any_of("-") || !scan.number(2, day))
    return std::nullopt;
  if (!scan.done()) {
    if (!scan.any_of("Tt ") || !scan.number(2, hour) || !scan.any_of(":") || !scan.number(2, minute))
      return std::nullopt;
    if (scan.any_of(":") && !scan.number(2, second)) return std::nullopt;
    if (scan.any_of(".,") && !fraction(scan, micros)) return std::nullopt;
    if (scan.any_of("+-")) {
      const int sign = scan.last() == '-' ? -1 : 1;
      int hours = 0, minutes = 0;
      if (!scan.number(2, hours)) return std::nullopt;
      if (!scan.done() && (scan.any_of(":"), !scan.number(2, minutes))) return std::nullopt;
      if (hours > 23 || minutes > 59) return std::nullopt;
      offset_minutes = sign * (hours * 60 + minutes);
    } else {
      scan.any_of("Zz");
    }
  }
  if (!scan.done() || year < 1 || hour > 23 || minute > 59 || second > 59) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  if (!date.ok()) return std::nullopt;
  const std::int64_t days = std::chrono::sys_days(date).time_since_epoch().count();
  const std::int64_t seconds = days * 86'400 + hour * 3'600 + (minute - offset_minutes) * 60 + second;
  return Timestamp{seconds * 1'000'000 + micros};
}

std::string Timestamp::to_string() const {
  const std::chrono::sys_time<std::chrono::microseconds> point{std::chrono::microseconds(micros)};
  const auto midnight = floor<std::chrono::days>(point);
  const std::chrono::year_month_day date(midnight);
  const std::chrono::hh_mm_ss clock(point - midnight);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()), clock.hours().count(),
                     clock.minutes().count(), clock.seconds().count(), clock.subseconds().count());
}

}  // namespace tideline
