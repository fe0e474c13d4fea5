#pragma once
// Names found by name. Warehouses disagree about the case of identifiers, and so do the tools that describe them: the
// catalog of one adapter says AMOUNT where the manifest says amount. So names match when they differ by case alone;
// only where that leaves several does the dialect's rule decide.

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sql/ast_node.h"
#include "sql/dialect.h"

namespace tideline::lineage {

inline constexpr std::uint32_t kNone = UINT32_MAX;

/// A name as it stands in SQL (quoted or not), or as a catalog has it (then it counts as quoted).
struct Name {
  std::string_view text;
  bool quoted = false;

  Name() = default;
  Name(std::string_view name, bool is_quoted) : text(name), quoted(is_quoted) {}
  explicit Name(const sql::Identifier& identifier) : text(identifier.text), quoted(identifier.quoted()) {}
};

bool same_ignoring_case(std::string_view a, std::string_view b);
std::uint32_t hash_ignoring_case(std::string_view text);
/// An order in which names that differ by case alone are one; shorter ones come first.
bool less_ignoring_case(std::string_view a, std::string_view b);

/// For containers.
struct HashIgnoringCase {
  std::size_t operator()(std::string_view text) const { return hash_ignoring_case(text); }
};
struct SameIgnoringCase {
  bool operator()(std::string_view a, std::string_view b) const { return same_ignoring_case(a, b); }
};

/// Positions by name, ignoring case. The names stay with the caller, who gives them again at each call.
class NameIndex {
 public:
  /// Below this many names looking at each is as fast.
  static constexpr std::size_t kScanned = 8;

  template <class NameAt>
  void build(std::size_t count, const NameAt& name_at) {
    slots_.clear();
    next_.clear();
    count_ = count;
    if (count <= kScanned) return;
    std::size_t size = 16;
    while (size < 2 * count) size *= 2;
    slots_.assign(size, kNone);
    next_.assign(count, kNone);
    // From the back, so that of equal names the first is found first.
    for (std::size_t i = count; i-- > 0;) {
      const std::string_view name = name_at(i);
      std::size_t at = hash_ignoring_case(name) & (size - 1);
      while (slots_[at] != kNone && !same_ignoring_case(name_at(slots_[at]), name)) at = (at + 1) & (size - 1);
      next_[i] = slots_[at];
      slots_[at] = static_cast<std::uint32_t>(i);
    }
  }

  /// The first position of that name, or kNone.
  template <class NameAt>
  std::uint32_t find(std::string_view name, const NameAt& name_at) const {
    if (slots_.empty()) return scan(0, name, name_at);
    std::size_t at = hash_ignoring_case(name) & (slots_.size() - 1);
    while (slots_[at] != kNone && !same_ignoring_case(name_at(slots_[at]), name)) at = (at + 1) & (slots_.size() - 1);
    return slots_[at];
  }
  /// The next position of the same name after `position`, or kNone.
  template <class NameAt>
  std::uint32_t next(std::uint32_t position, const NameAt& name_at) const {
    return slots_.empty() ? scan(position + 1, name_at(position), name_at) : next_[position];
  }

 private:
  template <class NameAt>
  std::uint32_t scan(std::size_t from, std::string_view name, const NameAt& name_at) const {
    for (std::size_t i = from; i < count_; ++i)
      if (same_ignoring_case(name_at(i), name)) return static_cast<std::uint32_t>(i);
    return kNone;
  }

  std::size_t count_ = 0;
  std::vector<std::uint32_t> slots_;
  std::vector<std::uint32_t> next_;
};

}  // namespace tideline::lineage
