// Each construct in each dialect that has it: tests/sql/golden/parse_<dialect>.txt. An entry is the lines of its SQL
// and one line "= tree"; blank lines and lines that begin with "# " are between entries. TIDELINE_UPDATE_GOLDEN=1
// writes the trees anew.

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "sql/dump.h"
#include "sql/lexer.h"
#include "sql/parser.h"
#include "sql/print.h"
#include "tests/sql/corpus.h"

namespace tideline::sql {
namespace {

/// Its trees; for each diagnostic, its words.
std::string trees(const Parsed& parsed) {
  std::string out;
  for (const auto* statement : parsed.statements) out += (out.empty() ? "" : " ; ") + dump(*statement);
  for (const auto& diagnostic : parsed.diagnostics) out += " ! " + diagnostic.message;
  return out;
}

void expect_round_trip(const std::string& text, const Dialect& dialect, const std::string& origin) {
  auto parsed = parse(text, dialect);
  if (parsed.diagnostic_count > 0) return;
  for (const auto* statement : parsed.statements) {
    auto printed = print(*statement);
    auto again = parse(printed, dialect);
    ASSERT_EQ(again.diagnostic_count, 0U) << origin << "\n" << printed << "\n" << again.diagnostics[0].message;
    ASSERT_EQ(again.statements.size(), 1U) << origin << "\n" << printed;
    ASSERT_EQ(dump(*again.statements[0]), dump(*statement)) << origin << "\n" << printed;
  }
}

class GoldenTrees : public testing::TestWithParam<DialectId> {};

TEST_P(GoldenTrees, EachConstruct) {
  const auto& in = dialect(GetParam());
  auto path =
      std::filesystem::path(TIDELINE_SOURCE_DIR) / "tests/sql/golden" / ("parse_" + std::string(in.name) + ".txt");
  std::ifstream file(path);
  if (!file) GTEST_SKIP() << "no " << path;
  bool update = std::getenv("TIDELINE_UPDATE_GOLDEN") != nullptr;
  std::string written;
  std::string text;
  std::size_t number = 0;
  std::size_t entries = 0;
  auto check = [&](const std::string* expected) {
    if (text.empty()) return;
    ++entries;
    auto made = trees(parse(text, in));
    written += "= " + made + "\n";
    if (!update) {
      EXPECT_NE(expected, nullptr) << path << ":" << number << ": no tree";
      if (expected != nullptr) {
        EXPECT_EQ(made, *expected) << path << ":" << number << "\n" << text;
      }
    }
    expect_round_trip(text, in, path.string() + ":" + std::to_string(number));
    text.clear();
  };
  for (std::string line; std::getline(file, line);) {
    ++number;
    if (line.starts_with("= ")) {
      auto expected = line.substr(2);
      check(&expected);
      continue;
    }
    if (line.empty() || line.starts_with("# ")) check(nullptr);
    written += line + "\n";
    if (!line.empty() && !line.starts_with("# ")) text += line + "\n";
  }
  check(nullptr);
  if (update) std::ofstream(path) << written;
  EXPECT_GT(entries, 0U);
}

INSTANTIATE_TEST_SUITE_P(Dialects, GoldenTrees,
                         testing::Values(DialectId::kGeneric, DialectId::kSnowflake, DialectId::kBigquery,
                                         DialectId::kRedshift, DialectId::kDatabricks, DialectId::kDuckdb,
                                         DialectId::kPostgres, DialectId::kTrino, DialectId::kTsql,
                                         DialectId::kClickhouse, DialectId::kMysql, DialectId::kOracle,
                                         DialectId::kSqlite),
                         [](const auto& parameter) { return std::string(dialect(parameter.param).name); });

TEST(PrintCorpus, PrintedSqlOfRealProjectsParsesToTheSameTree) {
  auto texts = test::corpus();
  if (texts.empty()) GTEST_SKIP() << "TIDELINE_TEST_DATA is not set";
  for (const auto& [origin, adapter, text] : texts) expect_round_trip(text, dialect_of_adapter(adapter), origin);
}

}  // namespace
}  // namespace tideline::sql
