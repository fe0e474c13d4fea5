#pragma once
// Tokens and spans. The tokens of a text tile it: each byte belongs to exactly one token, white space and comments
// included.

#include <cstdint>
#include <string_view>

namespace tideline::sql {

/// Bytes [begin, end) of the text.
struct Span {
  std::uint32_t begin = 0;
  std::uint32_t end = 0;
  bool empty() const { return begin == end; }
  friend bool operator==(Span, Span) = default;
};

enum class TokenKind : std::uint8_t {
  kEnd,         // after the last byte; empty
  kSpace,       // blanks and line ends
  kComment,     // -- …, /* … */, and the dialect's others
  kHint,        // /*+ … */
  kWord,        // identifier or keyword, without quotes
  kQuotedName,  // "x", `x`, [x]: an identifier in the dialect's quotes
  kString,      // with its prefix (r, b, e, u&, x, n …), or dollar quotes
  kNumber,
  kParameter,  // ?, $1, :name, @name, @@name, %(name)s, ${name}
  kStage,      // @~, @%t, @stage/path (Snowflake)
  kOperator,   // punctuation; the longest that fits, except that >> comes as two
  kTemplate,   // {{ … }}, {% … %}, {# … #}: what Jinja has not replaced; is for the parser an error
  kError,      // a byte that begins no token, or a string, name or comment without its end (up to the end of the text)
};

enum class Keyword : std::uint16_t;  // keywords.h; 0 for other words

struct Token {
  TokenKind kind = TokenKind::kEnd;
  std::uint8_t op = 0;  // of kOperator: an Op (lexer.h)
  Keyword keyword{};    // of kWord
  Span span;
};

inline std::string_view text_of(Span span, std::string_view text) {
  return text.substr(span.begin, span.end - span.begin);
}

}  // namespace tideline::sql
