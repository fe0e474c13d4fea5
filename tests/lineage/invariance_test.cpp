// What must not change lineage, over every golden case in its dialects and over the compiled SQL of real projects:
// white space and comments, the names of aliases, whether a step is a CTE or a subquery, printing and reading again.

#include <gtest/gtest.h>

#include "sql/dump.h"
#include "sql/lexer.h"
#include "sql/parser.h"
#include "sql/print.h"
#include "tests/lineage/golden.h"
#include "tests/lineage/transforms.h"
#include "tests/sql/corpus.h"

namespace tideline::lineage::testing {
namespace {

struct Input {
  std::string origin, adapter;
  GoldenCase one;
};

const std::vector<Input>& inputs() {
  static const auto kInputs = [] {
    std::vector<Input> all;
    for (const GoldenCase& one : all_cases())
      for (const auto& adapter : one.dialects) all.push_back({one.title, adapter, one});
    for (const auto& text : sql::test::corpus()) {
      GoldenCase one;
      one.sql = text.text;
      all.push_back({text.origin, text.adapter, one});
    }
    return all;
  }();
  return kInputs;
}

/// Names that are made of the text of an expression have its blanks, comments and aliases in them.
std::string plain(const std::string& answer) {
  std::string out;
  for (std::size_t i = 0; i < answer.size(); ++i) {
    if (answer.compare(i, kRenamed.size(), kRenamed) == 0) {
      i += kRenamed.size() - 1;
    } else if (answer.compare(i, kComment.size(), kComment) == 0) {
      i += kComment.size() - 1;
    } else if (answer[i] == '\n' || answer[i] == '\t' || answer[i] == ' ') {
      if (!out.empty() && out.back() != ' ') out += ' ';
    } else {
      out += answer[i];
    }
  }
  return out;
}

/// How many inputs the change could be made to.
template <class Change>
std::size_t expect_no_change(Change change) {
  std::size_t changed = 0;
  for (const Input& input : inputs()) {
    const auto& dialect = sql::dialect_of_adapter(input.adapter);
    GoldenCase other = input.one;
    const std::optional<std::string> text = change(input.one.sql, dialect);
    if (!text) continue;
    ++changed;
    other.sql = *text;
    EXPECT_EQ(plain(answer(other, input.adapter)), plain(answer(input.one, input.adapter)))
        << input.origin << " (" << input.adapter << ")\n"
        << other.sql.substr(0, 4000);
  }
  return changed;
}

TEST(LineageInvariance, WhiteSpaceAndComments) {
  EXPECT_GT(expect_no_change([](const std::string& sql, const sql::Dialect& dialect) {
              return std::optional(with_other_space(sql, dialect));
            }),
            2000U);
}

TEST(LineageInvariance, NamesOfAliases) { EXPECT_GT(expect_no_change(with_other_aliases), 500U); }

TEST(LineageInvariance, CtesInPlaceOfTheirNames) { EXPECT_GT(expect_no_change(with_ctes_inlined), 300U); }

TEST(LineageInvariance, TokensTileEveryInput) {
  for (const Input& input : inputs()) {
    std::string all;
    for (const auto& token : sql::lex(input.one.sql, sql::dialect_of_adapter(input.adapter)))
      all += sql::text_of(token.span, input.one.sql);
    EXPECT_EQ(all, input.one.sql) << input.origin << " (" << input.adapter << ")";
  }
}

TEST(LineageInvariance, PrintedSqlParsesToTheSameTree) {
  for (const Input& input : inputs()) {
    const auto& dialect = sql::dialect_of_adapter(input.adapter);
    const auto parsed = sql::parse(input.one.sql, dialect);
    if (parsed.diagnostic_count > 0) continue;
    for (const auto* statement : parsed.statements) {
      const std::string printed = sql::print(*statement);
      const auto again = sql::parse(printed, dialect);
      ASSERT_EQ(again.statements.size(), 1U) << input.origin << " (" << input.adapter << ")\n" << printed;
      EXPECT_EQ(sql::dump(*again.statements[0]), sql::dump(*statement)) << input.origin << " (" << input.adapter << ")";
    }
  }
}

}  // namespace
}  // namespace tideline::lineage::testing
