#pragma once
// A result at rest. As values it takes some hundred bytes a column, in many small pieces; as bytes about a tenth, in
// one. Only the process that packed reads it: the bytes are no format. Pure.

#include <string>
#include <string_view>

#include "lineage/result.h"

namespace tideline::lineage {

/// As few bytes as are simply had: numbers are short where they are small, a name that was there before is a number.
std::string pack(const QueryLineage& lineage);

/// What was packed. `bytes` must be what `pack` gave, or empty: then nothing was resolved yet.
QueryLineage unpack(std::string_view bytes);

}  // namespace tideline::lineage
