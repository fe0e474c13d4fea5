#pragma once
// What lineage must know of functions by name: which look at several rows, of which arguments only decide, what columns
// table functions have. Names are those of the dialects we read, together: where two dialects mean different things by
// one name, the difference does not matter here. Internal to this folder.

#include <optional>
#include <span>
#include <string_view>

#include "sql/dialect.h"

namespace tideline::lineage {

/// `name` in lower case. sum, count, array_agg, percentile_cont …
bool is_aggregate(std::string_view name);
/// row_number, lag … : they look at other rows even where OVER was not read.
bool is_window_function(std::string_view name);
/// The number of leading arguments that only decide which of the others is taken: if(c, a, b), nvl2(c, a, b) 1.
std::size_t deciding_arguments(std::string_view name);
/// sumIf(x, condition): the last argument only decides (ClickHouse).
bool is_conditional_aggregate(std::string_view name);
/// A word for a part of a date, which some functions take as an argument.
bool is_date_part(std::string_view name);
/// A word that stands for a value without being a column of the relation: sysdate, rownum, _partitiontime.
bool is_pseudo_column(std::string_view name, const sql::Dialect& dialect);

/// level and the like, where there is a CONNECT BY.
bool is_pseudo_of_hierarchy(std::string_view name);

struct TableFunctionColumns {
  std::span<const std::string_view> names;
  bool alias_is_column = false;  // a single value: the table's alias names the column as well
};
/// nullopt: not known.
std::optional<TableFunctionColumns> table_function_columns(std::string_view name, const sql::Dialect& dialect);

/// Whether a select item may use the alias of an earlier one.
bool has_lateral_aliases(const sql::Dialect& dialect);
/// Whether an alias hides a column of the same name (ClickHouse).
bool prefers_aliases(const sql::Dialect& dialect);

}  // namespace tideline::lineage
