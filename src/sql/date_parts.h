#pragma once
// Words that name a unit of time where they stand for no column. Whatever the case. Internal to the parser.

#include <string_view>

namespace tideline::sql {

/// INTERVAL 3 days, '1' hour_minute.
bool is_interval_unit(std::string_view word);
/// date_trunc(month, x), datediff(dd, a, b): units, their abbreviations, and what else can be asked of a date.
bool is_date_part(std::string_view word);

}  // namespace tideline::sql
