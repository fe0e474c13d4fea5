#pragma once
// Text → tokens. The tokens tile the text, whatever it is; nothing is thrown, and the time is linear. Pure.

#include <string_view>
#include <vector>

#include "sql/dialect.h"
#include "sql/keywords.h"
#include "sql/token.h"

namespace tideline::sql {

// clang-format off
enum class Op : std::uint8_t {
  kNone,
  kLeftParen, kRightParen, kLeftBracket, kRightBracket, kLeftBrace, kRightBrace,
  kComma, kSemicolon, kDot, kColon, kDoubleColon, kColonEquals, kFatArrow,
  kEquals, kDoubleEquals, kNotEquals, kLess, kLessEquals, kGreater, kGreaterEquals, kNullSafeEquals,
  kPlus, kMinus, kStar, kDoubleStar, kSlash, kDoubleSlash, kPercent, kCaret,
  kAmpersand, kBar, kDoubleBar, kTilde, kShiftLeft, kExclamation,
  kArrow, kDoubleArrow, kHashArrow, kHashDoubleArrow, kPipe, kOther,
};
// clang-format on

inline Op op_of(const Token& token) { return static_cast<Op>(token.op); }

/// All tokens in order, white space and comments too; the last is kEnd. `text` has at most kMaxTextBytes (parser.h).
std::vector<Token> lex(std::string_view text, const Dialect& dialect);

}  // namespace tideline::sql
