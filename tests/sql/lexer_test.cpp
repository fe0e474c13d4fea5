#include "sql/lexer.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <string>
#include <vector>

#include "tests/sql/corpus.h"

namespace tideline::sql {
namespace {

void expect_tiles(std::string_view text, const Dialect& in) {
  auto tokens = lex(text, in);
  std::uint32_t at = 0;
  for (const auto& token : tokens) {
    ASSERT_EQ(token.span.begin, at);
    ASSERT_TRUE(token.span.end > token.span.begin || token.kind == TokenKind::kEnd);
    at = token.span.end;
  }
  ASSERT_EQ(at, text.size());
  ASSERT_EQ(tokens.back().kind, TokenKind::kEnd);
}

RC_GTEST_PROP(LexerProperty, TokensTileAnyText, ()) {
  auto pieces = *rc::gen::container<std::vector<std::string>>(rc::gen::oneOf(
      rc::gen::element<std::string>("'", "\"", "`", "[", "]", "$$", "$a$", "$1", "--", "/*", "*/", "/*+", "#", "//",
                                    "\n", " ", "{{", "}}", "{%", "%}", "{#", "#}", "r'", "b\"", "rb'", "'''", "\"\"\"",
                                    "\\", "::", "->>", "->", "=>", "@x", "@@", "?", "%(a)s", "${x}", "1.5e-3", ".5",
                                    "0xff", "a.b", "a", "select", "\xc2\xa0", "\xef\xbb\xbf", "\xff", ">>", "|>", "<=>",
                                    "E'", "N'", "u&'", ":a", "!"),
      rc::gen::string<std::string>()));
  std::string text;
  for (const auto& piece : pieces) text += piece;
  for (std::size_t id = 0; id < kDialectCount; ++id) expect_tiles(text, dialect(static_cast<DialectId>(id)));
}

TEST(LexerCorpus, TokensTileRealTexts) {
  auto texts = test::corpus();
  if (texts.empty()) GTEST_SKIP() << "TIDELINE_TEST_DATA is not set";
  for (const auto& [origin, adapter, text] : texts) expect_tiles(text, dialect_of_adapter(adapter));
}

/// Kinds and texts of what is neither space nor comment.
std::vector<std::string> words(std::string_view text, DialectId id) {
  static constexpr std::string_view kKinds[] = {"end",    "space",     "comment", "hint", "word",     "name", "string",
                                                "number", "parameter", "stage",   "op",   "template", "error"};
  std::vector<std::string> out;
  for (const auto& token : lex(text, dialect(id))) {
    if (token.kind == TokenKind::kSpace || token.kind == TokenKind::kComment || token.kind == TokenKind::kEnd) continue;
    out.push_back(std::string(kKinds[static_cast<std::size_t>(token.kind)]) + " " +
                  std::string(text_of(token.span, text)));
  }
  return out;
}
using Words = std::vector<std::string>;

TEST(Lexer, StringsEndWhereTheDialectEndsThem) {
  EXPECT_EQ(words(R"('it''s' x)", DialectId::kPostgres), (Words{"string 'it''s'", "word x"}));
  EXPECT_EQ(words(R"('a\' x)", DialectId::kPostgres), (Words{R"(string 'a\')", "word x"}));
  EXPECT_EQ(words(R"('a\' x')", DialectId::kSnowflake), (Words{R"(string 'a\' x')"}));
  EXPECT_EQ(words(R"(E'a\' x')", DialectId::kPostgres), (Words{R"(string E'a\' x')"}));
  EXPECT_EQ(words(R"(r'\d' "s")", DialectId::kBigquery), (Words{R"(string r'\d')", R"(string "s")"}));
  EXPECT_EQ(words("'''a 'b' c''' d", DialectId::kBigquery), (Words{"string '''a 'b' c'''", "word d"}));
  EXPECT_EQ(words(R"("a""b" d)", DialectId::kPostgres), (Words{R"(name "a""b")", "word d"}));
  EXPECT_EQ(words("$$ it's $$ $t$ $$ $t$", DialectId::kPostgres), (Words{"string $$ it's $$", "string $t$ $$ $t$"}));
  EXPECT_EQ(words("[a]]b] [1]", DialectId::kTsql), (Words{"name [a]]b]", "name [1]"}));
}

TEST(Lexer, CommentsAreTheDialects) {
  EXPECT_EQ(words("a /* /* */ b */ c", DialectId::kPostgres), (Words{"word a", "word c"}));
  EXPECT_EQ(words("a /* /* */ b", DialectId::kSnowflake), (Words{"word a", "word b"}));
  EXPECT_EQ(words("a # b\nc", DialectId::kBigquery), (Words{"word a", "word c"}));
  EXPECT_EQ(words("a // b\nc", DialectId::kSnowflake), (Words{"word a", "word c"}));
  EXPECT_EQ(words("a // b", DialectId::kDuckdb), (Words{"word a", "op //", "word b"}));
  EXPECT_EQ(words("1--1", DialectId::kMysql), (Words{"number 1", "op -", "op -", "number 1"}));
  EXPECT_EQ(words("1 /*+ x */", DialectId::kDatabricks), (Words{"number 1", "hint /*+ x */"}));
  EXPECT_EQ(words("a /* b", DialectId::kDatabricks), (Words{"word a", "error /* b"}));
}

TEST(Lexer, NumbersNamesAndSigns) {
  EXPECT_EQ(words("1.5e-3 .5 1. 0xFF 1_000 t.1 a.5b", DialectId::kDuckdb),
            (Words{"number 1.5e-3", "number .5", "number 1.", "number 0xFF", "number 1_000", "word t", "op .",
                   "number 1", "word a", "op .", "number 5b"}));
  EXPECT_EQ(words("a::int->'x'->>'y' #>> z", DialectId::kPostgres),
            (Words{"word a", "op ::", "word int", "op ->", "string 'x'", "op ->>", "string 'y'", "op #>>", "word z"}));
  EXPECT_EQ(
      words("array<array<int>> a>=b", DialectId::kBigquery),
      (Words{"word array", "op <", "word array", "op <", "word int", "op >", "op >", "word a", "op >=", "word b"}));
  EXPECT_EQ(words("@x @@y #t a<@x", DialectId::kTsql),
            (Words{"parameter @x", "parameter @@y", "word #t", "word a", "op <", "parameter @x"}));
  EXPECT_EQ(words("a<@b @> c ?| d", DialectId::kPostgres),
            (Words{"word a", "op <@", "word b", "op @>", "word c", "op ?|", "word d"}));
  EXPECT_EQ(words("@~/a/b.csv $1 x:y", DialectId::kSnowflake),
            (Words{"stage @~/a/b.csv", "parameter $1", "word x", "op :", "word y"}));
  EXPECT_EQ(words("{{ a }} {% if b %} {# c #}", DialectId::kGeneric),
            (Words{"template {{ a }}", "template {% if b %}", "template {# c #}"}));
  EXPECT_EQ(words("%(a)s a %(b)", DialectId::kGeneric),
            (Words{"parameter %(a)s", "word a", "op %", "op (", "word b", "op )"}));
}

TEST(Dialect, NamesAreTheSameByItsRules) {
  auto same = [](std::string_view a, bool a_quoted, std::string_view b, bool b_quoted, NameKind kind, DialectId id) {
    return normalize_identifier(a, a_quoted, kind, dialect(id)) == normalize_identifier(b, b_quoted, kind, dialect(id));
  };
  EXPECT_TRUE(same("Id", false, "ID", true, NameKind::kColumn, DialectId::kSnowflake));
  EXPECT_FALSE(same("id", false, "id", true, NameKind::kColumn, DialectId::kSnowflake));
  EXPECT_TRUE(same("Id", false, "id", true, NameKind::kColumn, DialectId::kPostgres));
  EXPECT_FALSE(same("Id", false, "Id", true, NameKind::kColumn, DialectId::kPostgres));
  EXPECT_TRUE(same("Id", true, "iD", false, NameKind::kColumn, DialectId::kBigquery));
  EXPECT_FALSE(same("T", false, "t", false, NameKind::kRelation, DialectId::kBigquery));
  EXPECT_TRUE(same("Id", true, "iD", true, NameKind::kColumn, DialectId::kDuckdb));
  EXPECT_EQ(dialect_of_adapter("SQLServer").id, DialectId::kTsql);
  EXPECT_EQ(dialect_of_adapter("spark").id, DialectId::kDatabricks);
  EXPECT_EQ(dialect_of_adapter("nobody").id, DialectId::kGeneric);
}

}  // namespace
}  // namespace tideline::sql
