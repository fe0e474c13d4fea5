#pragma once

#include <cstddef>
#include <string_view>

namespace tideline {

/// How many letters are to be changed, added, left out or swapped with their neighbour. O(a × b): names are short.
std::size_t edit_distance(std::string_view a, std::string_view b);

}  // namespace tideline
