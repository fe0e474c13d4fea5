#include "tests/lineage/transforms.h"

#include <algorithm>
#include <map>
#include <vector>

#include "base/text.h"
#include "sql/keywords.h"
#include "sql/lexer.h"

namespace tideline::lineage::testing {
namespace {

using K = sql::Keyword;
using sql::Op;
using sql::TokenKind;

constexpr std::size_t kMaxInlined = 200'000;

/// The tokens that count, each with the clause it stands in.
struct Words {
  std::string text;
  std::vector<sql::Token> tokens;
  std::vector<K> clauses;  // SELECT, FROM, JOIN, ON …: the last one of the same parentheses

  Words(const std::string& from, const sql::Dialect& dialect) : text(from) {
    std::vector<K> open{K::kNone};
    for (const sql::Token& token : sql::lex(text, dialect)) {
      if (token.kind == TokenKind::kSpace || token.kind == TokenKind::kComment || token.kind == TokenKind::kHint ||
          token.kind == TokenKind::kEnd)
        continue;
      const Op op = op_of(token);
      if ((op == Op::kRightParen || op == Op::kRightBracket) && open.size() > 1) open.pop_back();
      switch (token.keyword) {
        case K::kSelect:
        case K::kFrom:
        case K::kJoin:
        case K::kOn:
        case K::kUsing:
        case K::kWhere:
        case K::kGroup:
        case K::kHaving:
        case K::kOrder:
        case K::kQualify:
        case K::kLimit:
        case K::kWindow:
        case K::kWith:
        case K::kSet:
        case K::kUnion:
        case K::kExcept:
        case K::kIntersect:
          open.back() = token.keyword;
          break;
        default:
          break;
      }
      tokens.push_back(token);
      clauses.push_back(open.back());
      if (op == Op::kLeftParen || op == Op::kLeftBracket) open.push_back(K::kNone);
    }
  }

  std::size_t size() const { return tokens.size(); }
  Op op(std::size_t i) const { return i < size() ? op_of(tokens[i]) : Op::kNone; }
  K keyword(std::size_t i) const { return i < size() ? tokens[i].keyword : K::kNone; }
  bool is_name(std::size_t i) const {
    return i < size() &&
           (tokens[i].kind == TokenKind::kQuotedName ||
            (tokens[i].kind == TokenKind::kWord && tokens[i].keyword == K::kNone && name(i) != "straight_join"));
  }
  /// Without quotes, in lower case.
  std::string name(std::size_t i) const {
    auto word = sql::text_of(tokens[i].span, text);
    if (tokens[i].kind == TokenKind::kQuotedName && word.size() >= 2) word = word.substr(1, word.size() - 2);
    return ascii_lower(word);
  }
  bool in_tables(std::size_t i) const { return clauses[i] == K::kFrom || clauses[i] == K::kJoin; }
  std::size_t partner(std::size_t open) const {
    std::size_t depth = 0;
    for (std::size_t i = open; i < size(); ++i) {
      if (op(i) == Op::kLeftParen) ++depth;
      if (op(i) == Op::kRightParen && --depth == 0) return i;
    }
    return size();
  }
};

}  // namespace

std::string with_other_space(const std::string& sql, const sql::Dialect& dialect) {
  std::string out;
  for (const sql::Token& token : sql::lex(sql, dialect)) {
    const bool is_space = token.kind == TokenKind::kSpace;
    out += is_space ? "\n\t" + std::string(kComment) + " " : std::string(sql::text_of(token.span, sql));
  }
  return out;
}

std::optional<std::string> with_other_aliases(const std::string& sql, const sql::Dialect& dialect) {
  const Words words(sql, dialect);
  struct Use {
    std::vector<std::size_t> places;
    bool is_qualifier = false, is_alias = false, is_other = false;
  };
  std::map<std::string, Use> uses;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (words.tokens[i].kind != TokenKind::kQuotedName && words.tokens[i].kind != TokenKind::kWord) continue;
    if (i > 0 && words.op(i - 1) == Op::kDot) continue;  // a column, whatever its name
    Use& use = uses[words.name(i)];
    use.places.push_back(i);
    if (words.op(i + 1) == Op::kDot) {
      use.is_qualifier = true;
      continue;
    }
    const bool after_table =
        i > 0 && (words.keyword(i - 1) == K::kAs || words.is_name(i - 1) || words.op(i - 1) == Op::kRightParen);
    if (words.in_tables(i) && words.is_name(i) && after_table && words.op(i + 1) != Op::kLeftParen)
      use.is_alias = true;
    else
      use.is_other = true;
  }
  std::map<std::size_t, bool> renamed;
  for (const auto& [name, use] : uses)
    if (use.is_qualifier && use.is_alias && !use.is_other)
      for (const std::size_t place : use.places) renamed[place] = true;
  if (renamed.empty()) return std::nullopt;
  std::string out;
  std::size_t from = 0;
  for (const auto& [place, unused] : renamed) {
    const sql::Token& token = words.tokens[place];
    const std::size_t end = token.span.end - (token.kind == TokenKind::kQuotedName ? 1 : 0);
    out += sql.substr(from, end - from);
    out += kRenamed;
    from = end;
  }
  return out + sql.substr(from);
}

std::optional<std::string> with_ctes_inlined(const std::string& sql, const sql::Dialect& dialect) {
  const Words words(sql, dialect);
  if (words.size() == 0 || words.keyword(0) != K::kWith || words.keyword(1) == K::kRecursive) return std::nullopt;
  for (std::size_t i = 1; i < words.size(); ++i)
    if (words.keyword(i) == K::kWith || words.op(i) == Op::kSemicolon) return std::nullopt;
  std::map<std::string, std::string> bodies;
  // The words [first, last) with the queries so far in place of their names. nullopt: too long.
  const auto inlined = [&](std::size_t first, std::size_t last) -> std::optional<std::string> {
    std::string out;
    std::size_t from = words.tokens[first].span.begin;
    for (std::size_t i = first; i < last; ++i) {
      const K before = i > first ? words.keyword(i - 1) : K::kNone;
      const bool is_table =
          words.in_tables(i) &&
          (before == K::kFrom || before == K::kJoin || (i > first && words.op(i - 1) == Op::kComma)) &&
          words.op(i + 1) != Op::kDot && words.op(i + 1) != Op::kLeftParen && words.is_name(i);
      if (!is_table) continue;
      const auto body = bodies.find(words.name(i));
      if (body == bodies.end()) continue;
      const auto& span = words.tokens[i].span;
      out += sql.substr(from, span.begin - from) + "(" + body->second + "\n)";
      const bool has_alias = words.keyword(i + 1) == K::kAs || (words.is_name(i + 1) && i + 1 < last);
      if (!has_alias) out += " " + sql.substr(span.begin, span.end - span.begin);
      from = span.end;
      if (out.size() > kMaxInlined) return std::nullopt;
    }
    return out + sql.substr(from, words.tokens[last - 1].span.end - from);
  };
  std::size_t i = 1;
  for (;;) {
    if (!words.is_name(i) || words.keyword(i + 1) != K::kAs || words.op(i + 2) != Op::kLeftParen) return std::nullopt;
    const std::string name = words.name(i);
    const std::size_t open = i + 2, close = words.partner(open);
    if (close >= words.size() || close == open + 1 || words.keyword(open + 1) != K::kSelect) return std::nullopt;
    for (std::size_t inside = open; inside < close; ++inside)  // recursive without the word
      if (words.is_name(inside) && words.name(inside) == name && words.in_tables(inside) &&
          bodies.find(name) == bodies.end() && words.op(inside - 1) != Op::kDot)
        return std::nullopt;
    auto body = inlined(open + 1, close);
    if (!body) return std::nullopt;
    bodies[name] = *std::move(body);
    i = close + 1;
    if (words.op(i) != Op::kComma) break;
    ++i;
  }
  if (words.keyword(i) != K::kSelect) return std::nullopt;
  return inlined(i, words.size());
}

}  // namespace tideline::lineage::testing
