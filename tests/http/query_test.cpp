#include "http/query.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "base/text.h"

namespace tideline::http {
namespace {

std::string shown(std::string_view raw) {
  const auto query = Query::parse(raw);
  std::string text;
  if (!query) {
    for (const auto& error : query.error()) text += "!" + error.parameter;
    return text;
  }
  for (const auto& [name, value] : *query) text += "(" + name + "=" + value + ")";
  return text;
}

TEST(Query, ReadsWhatFormsSend) {
  const std::pair<std::string_view, std::string_view> table[] = {
      {"", ""},
      {"a=1&b=2&a=3", "(a=1)(b=2)(a=3)"},
      {"a", "(a=)"},
      {"a=", "(a=)"},
      {"=b", "(=b)"},
      {"&&a=1&", "(a=1)"},
      {"a=b=c", "(a=b=c)"},
      {"a=x+y%20z%2B", "(a=x y z+)"},
      {"t=2026-01-31T12%3A00%3A00Z", "(t=2026-01-31T12:00:00Z)"},
      {"%61%5B%5D=%C3%A4", "(a[]=ä)"},
  };
  for (const auto& [raw, expected] : table) EXPECT_EQ(shown(raw), expected) << raw;
}

TEST(Query, NamesEveryBadParameter) {
  const std::pair<std::string_view, std::string_view> table[] = {
      {"limit=%", "!limit"}, {"limit=%2", "!limit"}, {"limit=%zz", "!limit"}, {"limit=%+1", "!limit"},
      {"a=%ff", "!a"},       {"a=%00", "!a"},        {"a=%ed%a0%80", "!a"},   {"a=1&b=%&c=2&d=%f", "!b!d"},
      {"%zz=1", "!%zz"},     {"a=%c0%80", "!a"},
  };
  for (const auto& [raw, expected] : table) EXPECT_EQ(shown(raw), expected) << raw;
  EXPECT_FALSE(Query::parse(std::string(kMaxQueryNameBytes + 1, 'n') + "=1"));
}

TEST(Query, LimitsTheNumberOfParameters) {
  std::string raw;
  for (std::size_t i = 0; i < kMaxQueryParameters; ++i) raw += "a=1&";
  EXPECT_TRUE(Query::parse(raw));
  const auto over = Query::parse(raw + "a=1");
  ASSERT_FALSE(over);
  EXPECT_EQ(over.error().size(), 1u);
}

TEST(Query, FindsFirstAllAndNone) {
  const auto query = Query::parse("a=1&b=&a=2");
  ASSERT_TRUE(query);
  EXPECT_EQ(query->find("a"), "1");
  EXPECT_EQ(query->find("b"), "");
  EXPECT_EQ(query->find("c"), std::nullopt);
  EXPECT_EQ(query->all("a"), (std::vector<std::string_view>{"1", "2"}));
  EXPECT_EQ(query->count("a"), 2u);
}

RC_GTEST_PROP(Query, WhatIsEncodedComesBack, (const std::vector<std::pair<std::string, std::string>>& parameters)) {
  std::string raw;
  std::vector<std::pair<std::string, std::string>> expected;
  for (const auto& [name, value] : parameters) {
    const bool text = is_valid_utf8(name) && is_valid_utf8(value) && (name + value).find('\0') == std::string::npos;
    if (!text || name.size() > kMaxQueryNameBytes) continue;
    raw += "&" + percent_encode(name) + "=" + percent_encode(value);
    expected.emplace_back(name, value);
  }
  const auto query = Query::parse(raw);
  RC_ASSERT(query.has_value());
  RC_ASSERT(std::equal(query->begin(), query->end(), expected.begin(), expected.end()));
}

RC_GTEST_PROP(Query, AnyBytesGiveTextOrAnError, (const std::string& raw)) {
  if (const auto query = Query::parse(raw))
    for (const auto& [name, value] : *query) RC_ASSERT(is_valid_utf8(name) && is_valid_utf8(value));
  else
    RC_ASSERT(!query.error().empty());
}

}  // namespace
}  // namespace tideline::http
