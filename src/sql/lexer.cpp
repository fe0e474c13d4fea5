#include "sql/lexer.h"

#include <array>
#include <cstring>

namespace tideline::sql {
namespace {

enum CharClass : std::uint8_t { kBlank = 1, kWordStart = 2, kDigit = 4, kDollar = 8, kHash = 16 };

constexpr std::array<std::uint8_t, 256> make_classes() {
  std::array<std::uint8_t, 256> classes{};
  for (char c : std::string_view(" \t\n\r\f\v")) classes[static_cast<unsigned char>(c)] = kBlank;
  for (unsigned c = 'a'; c <= 'z'; ++c) classes[c] = classes[c - 'a' + 'A'] = kWordStart;
  for (unsigned c = 0x80; c <= 0xff; ++c) classes[c] = kWordStart;  // letters of other scripts, in UTF-8
  classes['_'] = kWordStart;
  for (unsigned c = '0'; c <= '9'; ++c) classes[c] = kDigit;
  classes['$'] = kDollar;
  classes['#'] = kHash;
  return classes;
}
constexpr auto kClasses = make_classes();

bool is(char c, unsigned classes) { return (kClasses[static_cast<unsigned char>(c)] & classes) != 0; }

struct Spelling {
  std::string_view text;
  Op op;
};
// Of those with the same first byte, the longest first. `>>` is not here: it closes two angle brackets of a type.
constexpr Spelling kOperators[] = {
    {"(", Op::kLeftParen},   {")", Op::kRightParen},    {"[", Op::kLeftBracket},    {"]", Op::kRightBracket},
    {"{", Op::kLeftBrace},   {"}", Op::kRightBrace},    {",", Op::kComma},          {";", Op::kSemicolon},
    {".", Op::kDot},         {"::", Op::kDoubleColon},  {":=", Op::kColonEquals},   {":", Op::kColon},
    {"=>", Op::kFatArrow},   {"==", Op::kDoubleEquals}, {"=", Op::kEquals},         {"<=>", Op::kNullSafeEquals},
    {"<<%", Op::kOther},     {"<+>", Op::kOther},       {"<->", Op::kOther},        {"<#>", Op::kOther},
    {"<<=", Op::kOther},     {"<<|", Op::kOther},       {"<>", Op::kNotEquals},     {"<=", Op::kLessEquals},
    {"<<", Op::kShiftLeft},  {"<@", Op::kOther},        {"<", Op::kLess},           {">=", Op::kGreaterEquals},
    {">", Op::kGreater},     {"!~~*", Op::kOther},      {"!~~", Op::kOther},        {"!~*", Op::kOther},
    {"!~", Op::kOther},      {"!=", Op::kNotEquals},    {"!<", Op::kGreaterEquals}, {"!>", Op::kLessEquals},
    {"!", Op::kExclamation}, {"+=", Op::kOther},        {"+", Op::kPlus},           {"->>", Op::kDoubleArrow},
    {"->", Op::kArrow},      {"-|-", Op::kOther},       {"-=", Op::kOther},         {"-", Op::kMinus},
    {"**", Op::kDoubleStar}, {"*=", Op::kOther},        {"*", Op::kStar},           {"//", Op::kDoubleSlash},
    {"/=", Op::kOther},      {"/", Op::kSlash},         {"%>>", Op::kOther},        {"%=", Op::kOther},
    {"%", Op::kPercent},     {"^@", Op::kOther},        {"^=", Op::kOther},         {"^", Op::kCaret},
    {"&&&", Op::kOther},     {"&&", Op::kOther},        {"&<|", Op::kOther},        {"&<", Op::kOther},
    {"&>", Op::kOther},      {"&", Op::kAmpersand},     {"||/", Op::kOther},        {"||", Op::kDoubleBar},
    {"|>>", Op::kOther},     {"|&>", Op::kOther},       {"|>", Op::kPipe},          {"|/", Op::kOther},
    {"|=", Op::kOther},      {"|", Op::kBar},           {"~~*", Op::kOther},        {"~~", Op::kOther},
    {"~*", Op::kOther},      {"~=", Op::kOther},        {"~", Op::kTilde},          {"#>>", Op::kHashDoubleArrow},
    {"#>", Op::kHashArrow},  {"#-", Op::kOther},        {"##", Op::kOther},         {"#", Op::kOther},
    {"@@@", Op::kOther},     {"@>", Op::kOther},        {"@@", Op::kOther},         {"@?", Op::kOther},
    {"@-@", Op::kOther},     {"@", Op::kOther},         {"?|", Op::kOther},         {"?&", Op::kOther},
};

class Lexer {
 public:
  Lexer(std::string_view text, const Dialect& dialect) : text_(text), dialect_(dialect) {}

  std::vector<Token> run() {
    tokens_.reserve(text_.size() / 4 + 8);
    while (at_ < text_.size()) {
      auto begin = at_;
      op_ = Op::kNone;
      keyword_ = Keyword::kNone;
      auto kind = next();
      push(kind, begin);
      if (kind != TokenKind::kSpace && kind != TokenKind::kComment) {
        before_ = kind;
        before_end_ = at_;
      }
    }
    op_ = Op::kNone;
    keyword_ = Keyword::kNone;
    push(TokenKind::kEnd, at_);
    return std::move(tokens_);
  }

 private:
  static constexpr auto kNotFound = std::string_view::npos;

  void push(TokenKind kind, std::size_t begin) {
    tokens_.push_back(Token{.kind = kind,
                            .op = static_cast<std::uint8_t>(op_),
                            .keyword = keyword_,
                            .span = {static_cast<std::uint32_t>(begin), static_cast<std::uint32_t>(at_)}});
  }

  char peek(std::size_t ahead = 0) const { return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0'; }
  bool starts(std::string_view with) const { return text_.compare(at_, with.size(), with) == 0; }
  bool word_char(char c) const { return is(c, kWordStart | kDigit | kDollar) || (c == '#' && dialect_.hash_in_words); }

  /// The bytes of a blank outside ASCII that begins here, or 0: no-break spaces, byte order marks, those of U+2000.
  std::size_t wide_blank() const {
    auto byte = [&](std::size_t i) { return static_cast<unsigned char>(peek(i)); };
    if (byte(0) == 0xc2 && byte(1) == 0xa0) return 2;
    if (byte(0) == 0xe2 && byte(1) == 0x80 && ((byte(2) >= 0x80 && byte(2) <= 0x8b) || byte(2) == 0xaf)) return 3;
    if (byte(0) == 0xe3 && byte(1) == 0x80 && byte(2) == 0x80) return 3;
    if (byte(0) == 0xef && byte(1) == 0xbb && byte(2) == 0xbf) return 3;
    return 0;
  }

  TokenKind next() {
    char c = peek();
    if (is(c, kBlank) || static_cast<unsigned char>(c) >= 0xc2) {
      auto begin = at_;
      for (;;) {
        if (at_ < text_.size() && is(peek(), kBlank)) {
          ++at_;
        } else if (auto wide = wide_blank()) {
          at_ += wide;
        } else {
          break;
        }
      }
      if (at_ > begin) return TokenKind::kSpace;
    }
    if (is(c, kWordStart)) return word();
    if (is(c, kDigit)) return number();
    switch (c) {
      case '\'':
        return string('\'', dialect_.backslash_escapes);
      case '"':
        if (dialect_.double_quote_is_string) return string('"', dialect_.backslash_escapes);
        return quoted_name('"');
      case '`':
        return quoted_name('`');
      case '[':
        if (dialect_.bracket_identifiers) return quoted_name(']');
        break;
      case '-':
        // A rule of dashes is no chain of minus signs, whatever MySQL says: StarRocks takes it for the comment it is.
        if (starts("--") &&
            (!dialect_.dash_needs_space || at_ + 2 >= text_.size() || is(peek(2), kBlank) || peek(2) == '-'))
          return line();
        break;
      case '#':
        if (dialect_.hash_comments) return line();
        if (dialect_.hash_in_words) return word();
        break;
      case '/':
        if (starts("/*")) return block_comment();
        if (dialect_.slash_comments && starts("//")) return line();
        break;
      case '{':
        if (starts("{{")) return until("}}");
        if (starts("{%")) return until("%}");
        if (starts("{#")) return until("#}");
        break;
      case '.':
        // After a name it separates, whatever follows: t.1, schema.2024_orders.
        if (is(peek(1), kDigit) &&
            (before_end_ != at_ ||
             (before_ != TokenKind::kWord && before_ != TokenKind::kQuotedName && before_ != TokenKind::kNumber &&
              before_ != TokenKind::kTemplate && !closed_before()))) {
          return number();
        }
        break;
      case '$':
        return dollar();
      case '@':
        if (auto kind = at_sign(); kind != TokenKind::kError) return kind;
        break;
      case '?':
        if (dialect_.json_arrows && (peek(1) == '|' || peek(1) == '&') && peek(2) != '|') break;
        ++at_;
        return TokenKind::kParameter;
      case '%':
        if (auto end = pyformat_end()) {
          at_ = end;
          return TokenKind::kParameter;
        }
        break;
      default:
        break;
    }
    return punctuation();
  }

  bool closed_before() const {
    return before_ == TokenKind::kOperator && (last_op_ == Op::kRightParen || last_op_ == Op::kRightBracket);
  }

  TokenKind punctuation() {
    for (const auto& [spelling, op] : kOperators) {
      if (spelling[0] != peek() || !starts(spelling)) continue;
      // T-SQL: a<@b compares with a variable.
      if (dialect_.at_is_variable && spelling.size() == 2 && spelling[1] == '@') continue;
      at_ += spelling.size();
      op_ = last_op_ = op;
      return TokenKind::kOperator;
    }
    ++at_;
    return TokenKind::kError;
  }

  TokenKind word() {
    auto begin = at_;
    while (at_ < text_.size() && word_char(text_[at_]) &&
           !(static_cast<unsigned char>(text_[at_]) >= 0xc2 && wide_blank())) {
      ++at_;
    }
    auto text = text_.substr(begin, at_ - begin);
    if (char quote = peek(); (quote == '\'' || quote == '"') && text.size() <= 2) {
      if (auto kind = prefixed_string(text, quote); kind != TokenKind::kWord) return kind;
    }
    if (peek() == '\'' && dialect_.id == DialectId::kMysql && text[0] == '_' && text.starts_with("_utf8")) {
      return string('\'', true);
    }
    if (peek() == '&' && (text == "u" || text == "U") && (peek(1) == '\'' || peek(1) == '"')) {
      ++at_;
      return peek() == '\'' ? string('\'', false) : quoted_name('"');
    }
    keyword_ = keyword_of(text);
    return TokenKind::kWord;
  }

  /// Oracle's q'[it's]': the end is the bracket's partner, or the same character, before a quote.
  TokenKind q_quoted() {
    char end[2] = {peek(1), '\''};
    constexpr std::string_view kOpening = "([{<";
    constexpr std::string_view kClosing = ")]}>";
    if (auto bracket = kOpening.find(end[0]); bracket != kNotFound) end[0] = kClosing[bracket];
    auto found = at_ + 2 < text_.size() ? text_.find({end, 2}, at_ + 2) : kNotFound;
    at_ = found == kNotFound ? text_.size() : found + 2;
    return found == kNotFound ? TokenKind::kError : TokenKind::kString;
  }

  /// kWord: it is no prefix of the string that follows.
  TokenKind prefixed_string(std::string_view prefix, char quote) {
    if (dialect_.id == DialectId::kOracle && quote == '\'' && (prefix.back() | 0x20) == 'q' &&
        (prefix.size() == 1 || (prefix[0] | 0x20) == 'n')) {
      return q_quoted();
    }
    bool raw = false;
    bool escapes = dialect_.backslash_escapes;
    if (quote == '"' && !dialect_.double_quote_is_string) return TokenKind::kWord;
    if (prefix.size() == 1) {
      switch (prefix[0] | 0x20) {
        case 'e':
          if (dialect_.prefixed_strings) return TokenKind::kWord;
          escapes = true;
          break;
        case 'r':
          if (!dialect_.prefixed_strings) return TokenKind::kWord;
          raw = true;
          break;
        case 'b':
        case 'n':
        case 'x':
          break;
        default:
          return TokenKind::kWord;
      }
    } else if (!dialect_.prefixed_strings || !((prefix[0] | 0x20) == 'r' || (prefix[0] | 0x20) == 'b') ||
               !((prefix[1] | 0x20) == 'r' || (prefix[1] | 0x20) == 'b') || (prefix[0] | 0x20) == (prefix[1] | 0x20)) {
      return TokenKind::kWord;
    } else {
      raw = true;
    }
    // In a raw string a backslash stays as it is; BigQuery's still keeps a quote after it from ending the string.
    return string(quote, raw ? dialect_.triple_quotes : escapes);
  }

  TokenKind string(char quote, bool escapes) {
    if (dialect_.triple_quotes && peek(1) == quote && peek(2) == quote) {
      at_ += 3;
      const char triple[] = {quote, quote, quote};
      return closing({triple, 3}, escapes, false);
    }
    ++at_;
    return closing({&quote, 1}, escapes, true);
  }

  /// Runs over the text up to and including `end`; over all of it where there is none.
  TokenKind closing(std::string_view end, bool escapes, bool doubled) {
    const char stops[] = {end[0], escapes ? '\\' : end[0], '\0'};
    for (;;) {
      at_ = escapes ? text_.find_first_of(stops, at_) : text_.find(end[0], at_);
      if (at_ == kNotFound) {
        at_ = text_.size();
        return TokenKind::kError;
      }
      if (escapes && text_[at_] == '\\') {
        at_ = at_ + 2 < text_.size() ? at_ + 2 : text_.size();
        if (at_ == text_.size()) return TokenKind::kError;
        continue;
      }
      if (!starts(end)) {
        ++at_;
        continue;
      }
      if (doubled && peek(1) == end[0]) {
        at_ += 2;
        continue;
      }
      at_ += end.size();
      return TokenKind::kString;
    }
  }

  TokenKind quoted_name(char end) {
    ++at_;
    auto kind = closing({&end, 1}, end == '`' && dialect_.backslash_escapes && dialect_.triple_quotes, true);
    return kind == TokenKind::kString ? TokenKind::kQuotedName : kind;
  }

  TokenKind until(std::string_view end) {
    auto found = text_.find(end, at_ + 2);
    at_ = found == kNotFound ? text_.size() : found + end.size();
    return found == kNotFound ? TokenKind::kError : TokenKind::kTemplate;
  }

  TokenKind line() {
    auto found = text_.find('\n', at_);
    at_ = found == kNotFound ? text_.size() : found;
    return TokenKind::kComment;
  }

  TokenKind block_comment() {
    bool hint = peek(2) == '+';
    at_ += 2;
    for (std::size_t depth = 1;;) {
      at_ = text_.find_first_of("*/", at_);
      if (at_ == kNotFound) {
        at_ = text_.size();
        return TokenKind::kError;
      }
      if (starts("*/")) {
        at_ += 2;
        if (--depth == 0) return hint ? TokenKind::kHint : TokenKind::kComment;
      } else if (dialect_.nested_comments && starts("/*")) {
        at_ += 2;
        ++depth;
      } else {
        ++at_;
      }
    }
  }

  void digits(bool hexadecimal) {
    auto good = [&](char c) { return is(c, kDigit) || c == '_' || (hexadecimal && is(c, kWordStart)); };
    while (at_ < text_.size() && good(text_[at_])) ++at_;
  }

  /// Letters that follow belong to it: 1L, 10BD, and names that begin with a digit, which some dialects allow.
  TokenKind number() {
    char second = static_cast<char>(peek(1) | 0x20);
    if (peek() == '0' && (second == 'x' || second == 'b' || second == 'o')) {
      digits(true);
      return TokenKind::kNumber;
    }
    auto begin = at_;
    digits(false);
    bool member = before_ == TokenKind::kOperator && last_op_ == Op::kDot;  // t.1.2 is two indexes
    if (at_ == begin ||
        (peek() == '.' && peek(1) != '.' && !member && !(is(peek(1), kWordStart) && (peek(1) | 0x20) != 'e'))) {
      ++at_;
      digits(false);
    }
    if ((peek() | 0x20) == 'e' &&
        (is(peek(1), kDigit) || ((peek(1) == '+' || peek(1) == '-') && is(peek(2), kDigit)))) {
      at_ += 2;
      digits(false);
    }
    while (at_ < text_.size() && is(text_[at_], kWordStart | kDigit) && !wide_blank()) ++at_;
    return dialect_.digit_names && is_name_with_digits(text_.substr(begin, at_ - begin)) ? TokenKind::kWord
                                                                                         : TokenKind::kNumber;
  }

  /// 7_day_average is a name where names may begin with a digit; 7L, 7BD, 7e3 are numbers.
  static bool is_name_with_digits(std::string_view text) {
    std::size_t digits = 0;
    while (digits < text.size() && is(text[digits], kDigit)) ++digits;
    if (digits == 0 || digits == text.size() || text.find('.') != kNotFound) return false;
    auto rest = text.substr(digits);
    constexpr std::string_view kSuffixes[] = {"l", "s", "y", "d", "f", "bd"};
    for (auto suffix : kSuffixes) {
      if (rest.size() == suffix.size() && (rest[0] | 0x20) == suffix[0] && (rest.back() | 0x20) == suffix.back())
        return false;
    }
    if ((rest[0] | 0x20) == 'e' && rest.size() > 1 && (is(rest[1], kDigit) || rest[1] == '-' || rest[1] == '+'))
      return false;
    return rest.find_first_not_of('_') != kNotFound && !(rest[0] == '_' && is(rest[1], kDigit));
  }

  TokenKind dollar() {
    if (dialect_.dollar_quotes) {
      auto end = at_ + 1;
      while (end < text_.size() && is(text_[end], kWordStart | kDigit)) ++end;
      if (end < text_.size() && text_[end] == '$' && !is(peek(1), kDigit)) {
        auto tag = text_.substr(at_, end + 1 - at_);
        auto found = text_.find(tag, end + 1);
        at_ = found == kNotFound ? text_.size() : found + tag.size();
        return found == kNotFound ? TokenKind::kError : TokenKind::kString;
      }
    }
    if (peek(1) == '{') {
      // No name is longer; a search without a bound would, for each of many, go over the rest of the text.
      constexpr std::size_t kLongestName = 256;
      if (auto end = text_.substr(at_, kLongestName).find_first_of("}\n");
          end != kNotFound && text_[at_ + end] == '}') {
        at_ += end + 1;
        return TokenKind::kParameter;
      }
    }
    ++at_;
    if (!is(peek(), kWordStart | kDigit)) return TokenKind::kError;
    while (at_ < text_.size() && is(text_[at_], kWordStart | kDigit)) ++at_;
    return TokenKind::kParameter;
  }

  /// kError, and nothing taken, where @ is an operator.
  TokenKind at_sign() {
    if (dialect_.id == DialectId::kSnowflake) {
      ++at_;
      while (at_ < text_.size() &&
             (is(text_[at_], kWordStart | kDigit | kDollar) || std::strchr("~%/.-=*\"", text_[at_])) &&
             text_[at_] != '\0') {
        ++at_;
      }
      return TokenKind::kStage;
    }
    std::size_t signs = peek(1) == '@' ? 2 : 1;
    if (!is(peek(signs), kWordStart) || (signs == 2 && !dialect_.at_is_variable)) return TokenKind::kError;
    if (dialect_.caret_is_power) return TokenKind::kError;  // PostgreSQL and its kin: @x is |x|
    at_ += signs;
    while (at_ < text_.size() && word_char(text_[at_])) ++at_;
    return TokenKind::kParameter;
  }

  /// Where %(name)s ends, or 0. `a %(b)` is a remainder.
  std::size_t pyformat_end() const {
    if (peek(1) != '(') return 0;
    auto end = at_ + 2;
    while (end < text_.size() && is(text_[end], kWordStart | kDigit)) ++end;
    if (end == at_ + 2 || text_.compare(end, 2, ")s") != 0) return 0;
    return end + 2 < text_.size() && word_char(text_[end + 2]) ? 0 : end + 2;
  }

  std::string_view text_;
  const Dialect& dialect_;
  std::size_t at_ = 0;
  TokenKind before_ = TokenKind::kEnd;  // the last that is neither space nor comment
  std::size_t before_end_ = 0;
  Op op_ = Op::kNone;
  Op last_op_ = Op::kNone;
  Keyword keyword_ = Keyword::kNone;
  std::vector<Token> tokens_;
};

}  // namespace

std::vector<Token> lex(std::string_view text, const Dialect& dialect) { return Lexer(text, dialect).run(); }

}  // namespace tideline::sql
