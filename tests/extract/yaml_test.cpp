#include "extract/yaml.h"

#include <gtest/gtest.h>

namespace tideline::extract {
namespace {

std::string read(std::string_view text) {
  const auto yaml = read_yaml(text, "a.yml");
  return yaml ? yaml->to_json().canonical() : yaml.error().message;
}

TEST(Yaml, ReadsScalarsAsPyYamlDoes) {
  EXPECT_EQ(read("[a, 'b', \"c\\n\", ~, null, yes, Off, true, 12, -0x1F, 017, 1_000, 1.5, 1.0e+3, 1e3, '12', !!str 12, "
                 "2020-01-02]"),
            R"(["a","b","c\n",null,null,true,false,true,12,-31,15,1000,1.5,1000,"1e3","12","12","2020-01-02"])");
  EXPECT_EQ(read(""), "null");
  EXPECT_EQ(read("a: |\n  x\n  y\nb: >\n  x\n  y\n"), R"({"a":"x\ny\n","b":"x y\n"})");
}

TEST(Yaml, KnowsWhereAValueStands) {
  const auto yaml = read_yaml("models:\n  - name: a\n    columns: x\n", "a.yml");
  ASSERT_TRUE(yaml);
  const Yaml& columns = *yaml->find("models")->items[0].find("columns");
  EXPECT_EQ(columns.line, 3U);
  EXPECT_EQ(columns.column, 14U);
}

TEST(Yaml, MergesAndAliases) {
  EXPECT_EQ(read("a: &x {p: 1, q: 2}\nb:\n  <<: *x\n  q: 3\nc: *x\n"),
            R"({"a":{"p":1,"q":2},"b":{"p":1,"q":3},"c":{"p":1,"q":2}})");
  EXPECT_EQ(read("a: 1\na: 2\n"), R"({"a":2})");
}

TEST(Yaml, SaysWhatIsWrongAndWhere) {
  EXPECT_EQ(read("a: [1, 2\nb: 3\n"), "a.yml:2:2: while parsing a flow sequence, did not find expected ',' or ']'");
  EXPECT_EQ(read("a:\n\t- b\n"),
            "a.yml:2:1: while scanning for the next token, found character that cannot start any token");
  EXPECT_EQ(read("a: *b\n"), "a.yml:1:4: an alias of what has no anchor before it");
  EXPECT_EQ(read("? [a]\n: b\n"), "a.yml:1:3: expected a text as a key, found a list");
  EXPECT_EQ(read("a: \xff\n"), "a.yml: is not UTF-8");
}

TEST(Yaml, BoundsWhatAliasesRepeat) {
  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 12; ++i) {
    const std::string before = "*a" + std::to_string(i - 1);
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + before;
    for (int k = 1; k < 10; ++k) bomb += ", " + before;
    bomb += "]\n";
  }
  EXPECT_NE(read(bomb).find("more than 1000000 values"), std::string::npos);
  EXPECT_NE(read(std::string(1000, '[')).find("nested deeper than 40"), std::string::npos);
  EXPECT_NE(read(std::string(kMaxYamlBytes + 1, ' ')).find("the limit is"), std::string::npos);
}

}  // namespace
}  // namespace tideline::extract
