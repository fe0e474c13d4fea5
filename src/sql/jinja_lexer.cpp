#include "sql/jinja_lexer.h"

#include <algorithm>

namespace tideline::sql {
namespace {

constexpr auto kNpos = std::string_view::npos;
/// Looks at a byte of the file, over all tags. A proper file needs one; only openings without an end need more, and a
/// file that takes more than this is text from there on.
constexpr std::size_t kLooksPerByte = 16;

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || is_digit(c) ||
         (static_cast<unsigned char>(c) & 0x80U);
}
Span span_of(std::size_t begin, std::size_t end) {
  return {static_cast<std::uint32_t>(begin), static_cast<std::uint32_t>(end)};
}

}  // namespace

std::string unquoted(std::string_view token) {
  std::string out;
  if (token.size() < 2) return out;
  token = token.substr(1, token.size() - 2);
  for (std::size_t i = 0; i < token.size(); ++i) {
    if (token[i] != '\\' || i + 1 == token.size()) {
      out += token[i];
      continue;
    }
    switch (const char c = token[++i]) {
      case 'n':
        out += '\n';
        break;
      case 't':
        out += '\t';
        break;
      case 'r':
        out += '\r';
        break;
      case '\n':
        break;
      case '\\':
      case '\'':
      case '"':
        out += c;
        break;
      default:
        out += '\\';
        out += c;
    }
  }
  return out;
}

std::vector<JinjaTag> cut_template(std::string_view text) {
  std::vector<JinjaTag> tags;
  JinjaLexer lexer(text);
  for (std::size_t at = 0;;) {
    JinjaTag tag = lexer.next(at);
    if (tag.kind == JinjaTag::Kind::kNone) return tags;
    at = tag.span.end;
    tags.push_back(std::move(tag));
  }
}

JinjaLexer::JinjaLexer(std::string_view text)
    : text_(text),
      last_close_{text.rfind("}}"), text.rfind("%}"), text.rfind("#}")},
      last_quote_{text.rfind('\''), text.rfind('"')},
      no_endraw_from_(text.size()),
      budget_(kLooksPerByte * text.size() + 1024) {}

JinjaTag JinjaLexer::next(std::size_t from) {
  while (budget_ > 0) {
    const std::size_t brace = text_.find('{', from);
    if (brace == kNpos || brace + 1 >= text_.size()) break;
    const char second = text_[brace + 1];
    if (second == '{' || second == '%' || second == '#') return tag_at(brace);
    from = brace + 1;
  }
  return {};
}

JinjaTag JinjaLexer::tag_at(std::size_t begin) {
  JinjaTag tag;
  const char second = text_[begin + 1];
  std::size_t at = begin + 2;
  if (at < text_.size() && (text_[at] == '-' || text_[at] == '+')) tag.trims_left = text_[at++] == '-';

  const int which = second == '{' ? 0 : second == '%' ? 1 : 2;
  static constexpr JinjaTag::Kind kKinds[] = {JinjaTag::Kind::kExpression, JinjaTag::Kind::kStatement,
                                              JinjaTag::Kind::kComment};
  static constexpr std::string_view kClosers[] = {"}}", "%}", "#}"};
  tag.kind = kKinds[which];
  if (last_close_[which] == kNpos || last_close_[which] < at) {
    unclosed(begin, tag);
    return tag;
  }
  if (tag.kind == JinjaTag::Kind::kComment) {
    const std::size_t close = text_.find("#}", at);  // there is one
    tag.trims_right = close > at && text_[close - 1] == '-';
    tag.span = span_of(begin, close + 2);
    return tag;
  }
  if (!tokenize(at, text_.size(), kClosers[which], tag)) {
    tag.tokens.clear();
    unclosed(begin, tag);
    return tag;
  }
  tag.span = span_of(begin, tag.span.end);
  if (tag.kind == JinjaTag::Kind::kStatement && tag.tokens.size() == 1 &&
      text_of(tag.tokens.front().span, text_) == "raw")
    raw(tag);
  return tag;
}

/// Up to and with the closer; false where it is not found before `limit`, or another tag begins first.
bool JinjaLexer::tokenize(std::size_t begin, std::size_t limit, std::string_view closer, JinjaTag& tag) {
  using Kind = JinjaToken::Kind;
  std::size_t at = begin;
  int braces = 0;
  while (at < limit && budget_ > 0) {
    const char c = text_[at];
    const std::size_t start = at;
    if (is_space(c)) {
      ++at;
      --budget_;
      continue;
    }
    const char after = at + 1 < limit ? text_[at + 1] : '\0';
    // }} closes an open dict first, as Jinja counts braces.
    if (!(closer == "}}" && braces > 0)) {
      const bool minus = (c == '-' || c == '+') && text_.substr(at + 1, 2) == closer;
      if (minus || text_.substr(at, 2) == closer) {
        tag.trims_right = minus && c == '-';
        tag.span.end = static_cast<std::uint32_t>(at + (minus ? 3 : 2));
        return true;
      }
    }
    Kind kind = Kind::kOperator;
    if (c == '\'' || c == '"') {
      const std::size_t last = last_quote_[c == '"' ? 1 : 0];
      if (last <= at) return false;
      kind = Kind::kText;
      for (++at; at < limit && text_[at] != c; ++at)
        if (text_[at] == '\\') ++at;
      if (at >= limit) {
        budget_ -= std::min(budget_, at - start);
        return false;
      }
      ++at;
    } else if (is_digit(c)) {
      kind = Kind::kNumber;
      while (at < limit && (is_name(text_[at]) || (text_[at] == '.' && at + 1 < limit && is_digit(text_[at + 1]))))
        ++at;
    } else if (is_name(c)) {
      kind = Kind::kName;
      while (at < limit && is_name(text_[at])) ++at;
    } else {
      if (c == '{' && (after == '{' || after == '%' || after == '#')) return false;
      if (c == '{') ++braces;
      if (c == '}') --braces;
      const bool two = (after == '=' && (c == '=' || c == '!' || c == '<' || c == '>')) || (c == '*' && after == '*') ||
                       (c == '/' && after == '/');
      at += two ? 2 : 1;
    }
    budget_ -= std::min(budget_, at - start);
    tag.tokens.push_back({kind, span_of(start, at)});
  }
  return false;
}

/// Ends with the line: what stands after it is read as if nothing had been opened. Its tokens are kept, as somebody may
/// be writing there.
void JinjaLexer::unclosed(std::size_t begin, JinjaTag& tag) {
  // Another tag on the same line is one of its own.
  std::size_t end = begin + 2;
  for (; end < text_.size() && text_[end] != '\n'; ++end) {
    const char after = end + 1 < text_.size() ? text_[end + 1] : '\0';
    if (text_[end] == '{' && (after == '{' || after == '%' || after == '#')) break;
  }
  budget_ -= std::min(budget_, end - begin);
  tag.opened = tag.kind;
  tag.kind = JinjaTag::Kind::kUnclosed;
  tag.trims_right = false;
  if (tag.opened != JinjaTag::Kind::kComment)
    tokenize(begin + 2, end, tag.opened == JinjaTag::Kind::kExpression ? "}}" : "%}", tag);
  tag.span = span_of(begin, end);
}

/// The tag is {% raw %}: goes on to its end, or stays what it is where there is none.
void JinjaLexer::raw(JinjaTag& tag) {
  if (tag.span.end >= no_endraw_from_) return;
  for (std::size_t at = tag.span.end; (at = text_.find("{%", at)) != kNpos; at += 2) {
    std::size_t word = at + 2;
    const bool trims_left = word < text_.size() && text_[word] == '-';
    if (trims_left || (word < text_.size() && text_[word] == '+')) ++word;
    while (word < text_.size() && is_space(text_[word])) ++word;
    if (text_.substr(word, 6) != "endraw") continue;
    word += 6;
    while (word < text_.size() && is_space(text_[word])) ++word;
    const bool trims_right = word < text_.size() && text_[word] == '-';
    if (trims_right || (word < text_.size() && text_[word] == '+')) ++word;
    if (text_.substr(word, 2) != "%}") continue;
    tag.kind = JinjaTag::Kind::kRaw;
    tag.inner = span_of(tag.span.end, at);
    tag.inner_trims_left = tag.trims_right;
    tag.inner_trims_right = trims_left;
    tag.trims_right = trims_right;
    tag.span.end = static_cast<std::uint32_t>(word + 2);
    return;
  }
  no_endraw_from_ = tag.span.end;
}

}  // namespace tideline::sql
