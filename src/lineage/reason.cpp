#include "lineage/reason.h"

#include <array>

namespace tideline::lineage {
namespace {

struct Text {
  std::string_view word;
  std::string_view advice;
};

constexpr std::array<Text, kReasonCount> kTexts{{
    {"", ""},
    {"no_sql", "Run `dbt compile` (or build, run, docs generate) and push that manifest: it carries the compiled SQL."},
    {"python_model", "Lineage of Python models is not read; their columns come from the catalog."},
    {"no_query", "The SQL has no SELECT. Nothing to do, unless it should have one."},
    {"parse_error", "Look at the place named; if the warehouse takes this SQL, please report it."},
    {"opaque_macro", "Run `dbt compile` and push its manifest: there the macro is replaced by its SQL."},
    {"unsupported", "The construct named is read but not followed; please report it."},
    {"unknown_relation", "Declare the relation as a source, or use ref()."},
    {"unknown_columns", "Run `dbt docs generate` and push the catalog, or document the columns of the relation."},
    {"unknown_column", "Check the name; if it is right, run `dbt docs generate` and push the catalog."},
    {"undocumented_column", "The catalog does not list it: run `dbt docs generate` again and push the catalog."},
    {"ambiguous_column", "Write the relation's alias before the column, or push a catalog."},
    {"dynamic_pivot", "The columns depend on data: list the values in the PIVOT, or push a catalog."},
    {"table_function", "Name the columns after the alias: f(x) as t (a, b)."},
    {"union_by_name", "Run `dbt docs generate` and push the catalog: then positions are known."},
    {"column_count", "Give the terms of the set operation the same number of columns."},
    {"duplicate_column", "Give each output column a name of its own."},
    {"too_complex", "The query is larger than what is followed; split it into models."},
    {"cycle", "The models read each other; declare the one that is not built here as a source."},
}};

}  // namespace

std::string_view to_string(Reason reason) { return kTexts[static_cast<std::size_t>(reason)].word; }
Reason reason_of(std::string_view word) {
  for (std::size_t i = 1; i < kTexts.size(); ++i)
    if (kTexts[i].word == word) return static_cast<Reason>(i);
  return Reason::kNone;
}
std::string_view advice(Reason reason) { return kTexts[static_cast<std::size_t>(reason)].advice; }

}  // namespace tideline::lineage
