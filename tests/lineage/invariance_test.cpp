// What must not change lineage, over every golden case in its dialects and over the compiled SQL of real projects:
// white space and comments, the names of aliases, whether a step is a CTE or a subquery, printing and reading again.

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "base/text.h"
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

std::string edges_of(const QueryLineage& result, const OutputColumn& column) {
  std::set<std::string> edges;  // their order is that of the text
  for (const auto& edge : column.edges) {
    const auto& source = result.sources[edge.source];
    edges.insert(" " + std::string(to_string(edge.kind)) + " " + result.reads[source.read].name + "." + source.name);
  }
  std::string out;
  for (const auto& edge : edges) out += edge;
  return out;
}

bool is_unread(const QueryLineage& result, const OutputColumn& column) {
  return std::any_of(column.gaps.begin(), column.gaps.end(),
                     [&](std::uint32_t gap) { return result.gaps[gap].reason == Reason::kParseError; });
}

TEST(LineageInvariance, ABadExpressionLosesOnlyItself) {
  std::size_t tried = 0;
  for (const Input& input : inputs()) {
    const auto& dialect = sql::dialect_of_adapter(input.adapter);
    const std::string& text = input.one.sql;
    const auto parsed = sql::parse(text, dialect);
    if (parsed.diagnostic_count > 0 || parsed.query() == nullptr || text.find("|>") != std::string::npos) continue;
    const auto* select = sql::as<sql::Select>(parsed.query()->body);
    if (select == nullptr || select->items.size() < 2 || !select->into.empty()) continue;
    const Relations relations = relations_of(input.one.tables);
    const auto whole = analyse(text, dialect, relations);
    // Names that are given, so that they stay when the value is lost.
    const bool named = std::all_of(select->items.begin(), select->items.end(), [](const sql::SelectItem& item) {
      return item.alias && item.alias.span.begin > item.value->span.begin;
    });
    if (!named || whole.columns.size() != select->items.size()) continue;
    for (const std::string_view bad : {"x y z", "1 +", "a = = b", "f(a b)", "case when", "[1", "(a", "f(a, b"}) {
      if (bad[0] == '[' && dialect.bracket_identifiers) continue;  // a name without end
      const std::size_t broken = tried++ % select->items.size();
      const auto span = select->items[broken].value->span;
      // What uses its alias, or one inside it, goes with it.
      const std::string lower = ascii_lower(text), alias = ascii_lower(select->items[broken].alias.text);
      if (lower.find(alias) != lower.rfind(alias) ||
          lower.substr(span.begin, span.end - span.begin).find(" as ") != std::string::npos)
        continue;
      const std::string changed = text.substr(0, span.begin) + std::string(bad) + " as " +
                                  std::string(sql::text_of(select->items[broken].alias.span, text)) +
                                  text.substr(select->items[broken].span.end);
      const auto result = analyse(changed, dialect, relations);
      EXPECT_EQ(result.columns.size(), whole.columns.size()) << input.origin << " (" << input.adapter << ")\n"
                                                             << changed.substr(0, 3000);
      if (result.columns.size() != whole.columns.size()) continue;
      for (std::size_t i = 0; i < result.columns.size(); ++i) {
        if (i == broken || is_unread(result, result.columns[i])) continue;
        EXPECT_EQ(edges_of(result, result.columns[i]), edges_of(whole, whole.columns[i]))
            << input.origin << " (" << input.adapter << ") column " << i << "\n"
            << changed.substr(0, 3000);
      }
    }
  }
  EXPECT_GT(tried, 2000U);
}

TEST(LineageInvariance, ABadStatementLosesOnlyItself) {
  for (const Input& input : inputs()) {
    const auto& dialect = sql::dialect_of_adapter(input.adapter);
    const Relations relations = relations_of(input.one.tables);
    const auto whole = analyse(input.one.sql, dialect, relations);
    const auto result = analyse("select from where; insert into (; " + input.one.sql, dialect, relations);
    ASSERT_EQ(result.columns.size(), whole.columns.size()) << input.origin << " (" << input.adapter << ")";
    for (std::size_t i = 0; i < result.columns.size(); ++i)
      EXPECT_EQ(edges_of(result, result.columns[i]), edges_of(whole, whole.columns[i])) << input.origin;
  }
}

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
