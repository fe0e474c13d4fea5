#pragma once
// Cryptographically strong random bytes (OpenSSL's generator). Thread-safe. Aborts when the system has none: nothing
// safe can be done without them.

#include <cstdint>
#include <span>

namespace tideline {

void fill_random(std::span<std::uint8_t> out);

}  // namespace tideline
