#include "sql/keywords.h"

#include <array>
#include <cstddef>

namespace tideline::sql {
namespace {

struct Entry {
  std::string_view name;
  std::uint8_t flags;
};

constexpr Entry kEntries[] = {{"", 0},
#define TIDELINE_SQL_KEYWORD(enumerator, name, flags) {name, flags},
                              TIDELINE_SQL_KEYWORDS(TIDELINE_SQL_KEYWORD)
#undef TIDELINE_SQL_KEYWORD
};

constexpr std::size_t kSlots = 1024;  // a quarter full: a word that is no keyword is refused after one probe or two
constexpr std::size_t kLongest = 17;

constexpr char upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; }

constexpr std::size_t hash(std::string_view word) {
  std::uint32_t value = 2166136261U;
  for (char c : word) value = (value ^ static_cast<unsigned char>(upper(c))) * 16777619U;
  return (value ^ (value >> 15U)) % kSlots;
}

constexpr std::array<std::uint16_t, kSlots> make_table() {
  std::array<std::uint16_t, kSlots> table{};
  for (std::uint16_t i = 1; i < std::size(kEntries); ++i) {
    auto slot = hash(kEntries[i].name);
    while (table[slot] != 0) slot = (slot + 1) % kSlots;
    table[slot] = i;
  }
  return table;
}
constexpr auto kTable = make_table();

constexpr std::size_t longest() {
  std::size_t length = 0;
  for (const auto& entry : kEntries) length = entry.name.size() > length ? entry.name.size() : length;
  return length;
}
static_assert(longest() == kLongest);

bool same(std::string_view word, std::string_view name) {
  if (word.size() != name.size()) return false;
  for (std::size_t i = 0; i < word.size(); ++i) {
    if (upper(word[i]) != name[i]) return false;
  }
  return true;
}

}  // namespace

Keyword keyword_of(std::string_view word) {
  if (word.size() < 2 || word.size() > kLongest) return Keyword::kNone;
  for (auto slot = hash(word); kTable[slot] != 0; slot = (slot + 1) % kSlots) {
    if (same(word, kEntries[kTable[slot]].name)) return static_cast<Keyword>(kTable[slot]);
  }
  return Keyword::kNone;
}

std::uint8_t flags_of(Keyword keyword) { return kEntries[static_cast<std::size_t>(keyword)].flags; }

std::string_view name_of(Keyword keyword) { return kEntries[static_cast<std::size_t>(keyword)].name; }

}  // namespace tideline::sql
