#pragma once
// From what a template consists of to SQL text: decides how what is not known stands in the SQL, by what stands around
// it, and keeps the map. Internal to the reading of Jinja.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sql/jinja.h"

namespace tideline::sql {

/// A part of the template's result, in the order of the file.
struct JinjaElement {
  enum class Kind : std::uint8_t { kText, kPlaced, kOpaque, kEnd };
  Kind kind = Kind::kText;
  Span file;               // of kText: its bytes
  std::string placed;      // of kPlaced
  std::size_t opaque = 0;  // of kOpaque: index in JinjaResult::opaque; of kEnd: the mark whose block ends here
  bool is_place = true;    // of kOpaque: something may stand there (no mere mark of a loop or a branch)
  std::size_t first_within = 0, end_within = 0;  // what of JinjaResult::opaque was met within it, in macros
};

/// Fills result.sql, result.map, and the places of result.opaque.
void write_sql(const std::vector<JinjaElement>& elements, std::string_view file, const JinjaOptions& options,
               JinjaResult& result);

}  // namespace tideline::sql
