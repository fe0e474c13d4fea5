#include "sql/date_parts.h"

#include <algorithm>
#include <iterator>

#include "base/text.h"

namespace tideline::sql {
namespace {

constexpr std::string_view kUnits[] = {
    "year",    "years",   "quarter",     "quarters",     "month",       "months",       "week",       "weeks",
    "day",     "days",    "hour",        "hours",        "minute",      "minutes",      "second",     "seconds",
    "isoweek", "isoyear", "millisecond", "milliseconds", "microsecond", "microseconds", "nanosecond", "nanoseconds",
    "decade",  "decades", "century",     "centuries",    "millennium",  "millennia"};
// Of MySQL's intervals alone.
constexpr std::string_view kCompound[] = {
    "hour_minute", "day_hour",        "day_minute",         "day_second",         "hour_second",     "minute_second",
    "year_month",  "day_microsecond", "second_microsecond", "minute_microsecond", "hour_microsecond"};
// Of functions alone.
constexpr std::string_view kParts[] = {"yyyy",
                                       "yy",
                                       "y",
                                       "yr",
                                       "qtr",
                                       "qq",
                                       "q",
                                       "mm",
                                       "mon",
                                       "m",
                                       "wk",
                                       "ww",
                                       "w",
                                       "iso_week",
                                       "weekiso",
                                       "week_iso",
                                       "yearofweek",
                                       "yearofweekiso",
                                       "dd",
                                       "d",
                                       "dayofweek",
                                       "dayofweekiso",
                                       "dayofweek_iso",
                                       "dow",
                                       "dw",
                                       "weekday",
                                       "dayofyear",
                                       "doy",
                                       "dy",
                                       "hh",
                                       "h",
                                       "mi",
                                       "n",
                                       "min",
                                       "ss",
                                       "s",
                                       "sec",
                                       "ms",
                                       "us",
                                       "mcs",
                                       "ns",
                                       "epoch",
                                       "epoch_second",
                                       "epoch_millisecond",
                                       "epoch_microsecond",
                                       "epoch_nanosecond",
                                       "timezone_hour",
                                       "timezone_minute",
                                       "tzoffset",
                                       "day_of_week",
                                       "day_of_year",
                                       "month_name",
                                       "sunday",
                                       "monday",
                                       "tuesday",
                                       "wednesday",
                                       "thursday",
                                       "friday",
                                       "saturday"};

template <std::size_t N>
bool is_among(const std::string_view (&words)[N], std::string_view word) {
  return std::any_of(std::begin(words), std::end(words),
                     [&](std::string_view one) { return equal_ignoring_case(one, word); });
}

}  // namespace

bool is_interval_unit(std::string_view word) { return is_among(kUnits, word) || is_among(kCompound, word); }
bool is_date_part(std::string_view word) { return is_among(kUnits, word) || is_among(kParts, word); }

}  // namespace tideline::sql
