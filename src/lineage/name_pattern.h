#pragma once
// Regular expressions over column names: COLUMNS('amount_.*') in DuckDB and ClickHouse, which take RE2's syntax. Read
// here is what names need: literals, classes, groups, alternatives, repetition, anchors, (?i). Time is bounded by the
// pattern's size times the name's. Internal to this folder.

#include <array>
#include <bitset>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tideline::lineage {

class NamePattern {
 public:
  static constexpr std::size_t kMaxSize = 1000;  // of the pattern in bytes, and of what it becomes in instructions

  /// nullopt: not a pattern, or one with what is not read here (look-around, back references), or too large.
  static std::optional<NamePattern> parse(std::string_view pattern);

  /// The groups of the first place in `name` that matches, \0 first; empty: there is none. Adds the steps it took.
  std::vector<std::string_view> search(std::string_view name, std::size_t& steps) const;

 private:
  enum class Kind : std::uint8_t { kSet, kSplit, kJump, kSave, kBegin, kEnd, kBoundary, kMatch };
  struct Instruction {
    Kind kind{};
    std::uint32_t first = 0;   // where to go on; the set's number; the place saved
    std::uint32_t second = 0;  // of kSplit: the other way
  };
  class Compiler;

  std::vector<Instruction> program_;
  std::vector<std::bitset<256>> sets_;
  std::uint32_t groups_ = 1;
};

/// `text` with \0 … \9 replaced by the groups.
std::string substitute(std::string_view text, const std::vector<std::string_view>& groups);

}  // namespace tideline::lineage
