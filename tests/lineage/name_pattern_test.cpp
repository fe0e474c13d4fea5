#include "lineage/name_pattern.h"

#include <gtest/gtest.h>

namespace tideline::lineage {
namespace {

/// The groups, joined by |; "-": no match; "!": not read.
std::string groups(std::string_view pattern, std::string_view name) {
  const auto compiled = NamePattern::parse(pattern);
  if (!compiled) return "!";
  std::size_t steps = 0;
  const auto found = compiled->search(name, steps);
  if (found.empty()) return "-";
  std::string out;
  for (const auto group : found) out += (out.empty() ? "" : "|") + std::string(group);
  return out;
}

TEST(NamePattern, MatchesAsRe2Does) {
  struct Case {
    std::string_view pattern, name, groups;
  };
  for (const auto& [pattern, name, expected] : std::initializer_list<Case>{
           {"amount", "net_amount", "amount"},
           {"^amount", "net_amount", "-"},
           {"amount$", "net_amount", "amount"},
           {"^(net|tax)_(.*)$", "tax_total", "tax_total|tax|total"},
           {"a|ab|abc", "abc", "a"},  // the first alternative, not the longest
           {"(a|b|c|d)+", "dcba", "dcba|a"},
           {"a.*c", "abcbc", "abcbc"},
           {"a.*?c", "abcbc", "abc"},
           {"a+?", "aaa", "a"},
           {"x?y", "y", "y"},
           {"[a-c]{2}", "xabcx", "ab"},
           {"[^a-c]+", "abxyc", "xy"},
           {"a{2,}", "aaaa", "aaaa"},
           {"(ab){1,2}", "ababab", "abab|ab"},
           {"\\d+_\\w", "a12_b", "12_b"},
           {"\\bid\\b", "id", "id"},
           {"\\bid\\b", "order_id", "-"},
           {"(?i)AMOUNT", "Amount", "Amount"},
           {"(?i)[^a]", "Ab", "b"},
           {"(?:a|b)c", "bc", "bc"},
           {"a\\.b", "a.b", "a.b"},
           {"", "x", ""},
           {"[]a]", "]", "]"},
           {"(a)|(b)", "b", "b||b"},
           {"(a*)*", "aa", "aa|aa"},
           {"(?=a)", "a", "!"},
           {"(a)\\1", "aa", "!"},
           {"(", "a", "!"},
           {"a)", "a", "!"},
           {"*", "a", "!"},
           {"a{5,2}", "a", "!"},
           {"[b-a]", "a", "!"},
       }) {
    EXPECT_EQ(groups(pattern, name), expected) << pattern << " on " << name;
  }
}

TEST(NamePattern, TimeIsBounded) {
  const std::string name(500, 'a');
  for (std::string pattern : {"(a*)*b", "(a|a)*b", "(a|aa)+$", "((((a*)*)*)*)*b", "(.*)(.*)(.*)(.*)b"}) {
    const auto compiled = NamePattern::parse(pattern);
    ASSERT_TRUE(compiled) << pattern;
    std::size_t steps = 0;
    (void)compiled->search(name, steps);
    EXPECT_LE(steps, 100 * name.size()) << pattern;
  }
  EXPECT_FALSE(NamePattern::parse("((a{100}){100}){100}"));
  EXPECT_FALSE(NamePattern::parse(std::string(400, '(') + "a" + std::string(400, ')')));
  EXPECT_FALSE(NamePattern::parse(std::string(NamePattern::kMaxSize + 1, 'a')));
}

TEST(NamePattern, GroupsAreSubstituted) { EXPECT_EQ(substitute("\\2_\\1\\9!", {"a_b", "a", "b"}), "b_a!"); }

}  // namespace
}  // namespace tideline::lineage
