#pragma once

#include <cstdint>
#include <string>

namespace tideline {

/// Appends thousandths as a number, without trailing zeros: 950 → 0.95, 1000 → 1.
void append_confidence(std::string& out, std::int64_t thousandths);

}  // namespace tideline
