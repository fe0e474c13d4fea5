#include "sql/jinja_writer.h"

#include <algorithm>
#include <array>

#include "base/text.h"

namespace tideline::sql {
namespace {

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v'; }
bool is_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '$' ||
         (static_cast<unsigned char>(c) & 0x80U) != 0;
}
char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

// Sorted. Words after which an expression, a name or a type must follow. After any other word, what is not known
// would become an alias: there it stands for a clause.
constexpr std::array<std::string_view, 57> kAwaiting{
    "all",      "and",    "any",      "as",    "between", "by",     "case",      "cast",    "create",  "cross",
    "cube",     "delete", "distinct", "div",   "else",    "except", "exists",    "explode", "extract", "filter",
    "for",      "from",   "full",     "group", "having",  "ilike",  "in",        "inner",   "insert",  "intersect",
    "interval", "into",   "is",       "join",  "lateral", "left",   "like",      "limit",   "merge",   "mod",
    "not",      "offset", "on",       "or",    "order",   "over",   "partition", "qualify", "rlike",   "select",
    "set",      "some",   "then",     "union", "using",   "values", "view"};
constexpr std::array<std::string_view, 6> kAwaitingMore{"table", "update", "when", "where", "window", "with"};

bool awaits(std::string_view word) {
  return std::find(kAwaiting.begin(), kAwaiting.end(), word) != kAwaiting.end() ||
         std::find(kAwaitingMore.begin(), kAwaitingMore.end(), word) != kAwaitingMore.end();
}
bool is_set_operation(std::string_view word) {
  return word == "union" || word == "intersect" || word == "except" || word == "minus";
}
bool begins_query(std::string_view word) {
  return word == "select" || word == "with" || word == "(" || word == "values" || word == "from" || word == "insert" ||
         word == "create" || word == "merge" || word == "delete" || word == "update";
}

constexpr std::string_view kPlaceholder = "__jinja_";

/// Longest word that is compared with another.
constexpr std::size_t kMaxWord = 12;

/// Follows SQL text byte by byte: whether it stands in a string or a comment, and what came last.
class Follower {
 public:
  explicit Follower(bool backslash_escapes) : backslash_escapes_(backslash_escapes) {}

  void feed(std::string_view text) {
    for (const char c : text) step(c);
  }

  bool in_code() const { return mode_ == Mode::kCode; }
  bool in_word() const { return mode_ == Mode::kCode && in_word_; }
  /// The last tokens: a word in lower case, "x" for any operand, or one character of punctuation; empty: none.
  std::string_view last() const { return last_[0]; }
  std::string_view before() const { return last_[1]; }

 private:
  enum class Mode : std::uint8_t { kCode, kQuoted, kLineComment, kBlockComment };

  void push(std::string_view token) {
    std::swap(last_[1], last_[0]);
    last_[0] = token.substr(0, kMaxWord);
  }

  void step(char c) {
    const char previous = std::exchange(previous_, c);
    switch (mode_) {
      case Mode::kLineComment:
        if (c == '\n') mode_ = Mode::kCode;
        return;
      case Mode::kBlockComment:
        if (previous == '*' && c == '/') {
          mode_ = Mode::kCode;
          previous_ = ' ';
        }
        return;
      case Mode::kQuoted:
        if (escaped_) {
          escaped_ = false;
        } else if (c == '\\' && backslash_escapes_ && quote_ != '`') {
          escaped_ = true;
        } else if (c == quote_) {
          mode_ = Mode::kCode;
          push("x");
        }
        return;
      case Mode::kCode:
        break;
    }
    if (is_name(c)) {
      if (!in_word_) push("");
      in_word_ = true;
      if (last_[0].size() < kMaxWord) last_[0] += lower(c);
      return;
    }
    in_word_ = false;
    if (is_space(c)) return;
    if (c == '\'' || c == '"' || c == '`') {
      mode_ = Mode::kQuoted;
      quote_ = c;
    } else if (c == '-' && previous == '-') {
      mode_ = Mode::kLineComment;
      last_[0] = std::exchange(last_[1], "");
    } else if (c == '*' && previous == '/') {
      mode_ = Mode::kBlockComment;
      last_[0] = std::exchange(last_[1], "");
      previous_ = ' ';
    } else {
      push(std::string_view(&c, 1));
    }
  }

  bool backslash_escapes_;
  Mode mode_ = Mode::kCode;
  bool in_word_ = false, escaped_ = false;
  char quote_ = 0, previous_ = ' ';
  std::string last_[2];
};

/// The first word (lower case) or character of SQL in `text`; empty: only white space and comments.
std::string first_token(std::string_view text) {
  std::size_t at = 0;
  for (;;) {
    while (at < text.size() && is_space(text[at])) ++at;
    if (at == text.size()) return {};
    if (text.substr(at, 2) == "--") {
      at = std::min(text.find('\n', at), text.size());
    } else if (text.substr(at, 2) == "/*") {
      const std::size_t close = text.find("*/", at + 2);
      at = close == std::string_view::npos ? text.size() : close + 2;
    } else {
      break;
    }
  }
  std::string token;
  while (at < text.size() && is_name(text[at]) && token.size() < kMaxWord) token += lower(text[at++]);
  if (token.empty()) token = text[at];
  return token;
}

enum class Place : std::uint8_t { kName, kQuery, kNothing };

/// What may stand after `follower` and before `next` ("": the end).
Place place_of(const Follower& follower, std::string_view next, bool touches) {
  if (!follower.in_code() || touches) return Place::kName;
  const std::string_view last = follower.last(), before = follower.before();
  const bool ends = next.empty() || next == ")" || next == ";" || is_set_operation(next);
  const bool at_start = last.empty() || last == ";";
  const bool after_set = is_set_operation(last) || ((last == "all" || last == "distinct") && is_set_operation(before));
  const bool in_parentheses = last == "(" && (before == "as" || before == "materialized" || before == "from" ||
                                              before == "join" || before == "exists" || before.empty());
  if (at_start || after_set || in_parentheses) {
    if (ends) return Place::kQuery;
    if (at_start || begins_query(next)) return Place::kNothing;
    return after_set ? Place::kQuery : Place::kName;
  }
  const char c = last.front();
  if (is_name(c)) return awaits(last) ? Place::kName : Place::kNothing;
  return c == ')' || c == ']' || c == '}' ? Place::kNothing : Place::kName;
}

}  // namespace

void write_sql(const std::vector<JinjaElement>& elements, std::string_view file, const JinjaOptions& options,
               JinjaResult& result) {
  using Kind = JinjaElement::Kind;
  const auto text_at = [&](const JinjaElement& element) -> std::string_view {
    return element.kind == Kind::kText ? text_of(element.file, file) : std::string_view(element.placed);
  };
  // What follows each element, found from the end.
  std::vector<std::string> next(elements.size());
  std::string following;
  for (std::size_t i = elements.size(); i-- > 0;) {
    next[i] = following;
    if (elements[i].kind == Kind::kOpaque) {
      if (elements[i].is_place) following = "x";
    } else if (elements[i].kind != Kind::kEnd)
      if (auto token = first_token(text_at(elements[i])); !token.empty()) {
        following = std::move(token);
      }
  }

  Follower follower(options.backslash_escapes);
  const auto write = [&](std::string_view text, Span in_file, bool verbatim) {
    const auto begin = static_cast<std::uint32_t>(result.sql.size());
    result.sql += text;
    follower.feed(text);
    result.map.add({{begin, static_cast<std::uint32_t>(result.sql.size())}, in_file, verbatim});
  };
  // Within what a macro or a variable gave, placeholders are written as those of the file are.
  const auto write_placed = [&](const JinjaElement& element, std::string_view following_token) {
    const std::string_view text = element.placed;
    const auto begin = static_cast<std::uint32_t>(result.sql.size());
    const auto put = [&](std::string_view part) {
      result.sql += part;
      follower.feed(part);
    };
    std::size_t from = 0;
    for (std::size_t at = 0; (at = text.find(kPlaceholder, at)) != std::string_view::npos;) {
      std::size_t end = at + kPlaceholder.size();
      std::size_t number = 0;
      while (end < text.size() && text[end] >= '0' && text[end] <= '9' && number <= result.opaque.size())
        number = number * 10 + static_cast<std::size_t>(text[end++] - '0');
      const bool is_one = text.substr(end, 2) == "__" && number > 0 && number <= result.opaque.size() &&
                          !result.opaque[number - 1].placeholder.empty();
      if (!is_one) {
        at = end;
        continue;
      }
      end += 2;
      put(text.substr(from, at - from));
      std::string next_token = first_token(text.substr(end));
      if (next_token.empty()) next_token = following_token;
      const bool touches = follower.in_word() || (end < text.size() && is_name(text[end]));
      JinjaOpaque& opaque = result.opaque[number - 1];
      const auto place_begin = static_cast<std::uint32_t>(result.sql.size());
      const Place place = place_of(follower, next_token, touches);
      if (place == Place::kQuery) put("select * from ");
      if (place != Place::kNothing) put(text.substr(at, end - at));
      if (opaque.sql.empty()) opaque.sql = {place_begin, static_cast<std::uint32_t>(result.sql.size())};
      at = from = end;
    }
    put(text.substr(from));
    result.map.add({{begin, static_cast<std::uint32_t>(result.sql.size())}, element.file, false});
  };
  // Loops and branches within what a macro gave: any of it hangs on them.
  const auto bound_within = [&](const JinjaElement& element, std::uint32_t begin) {
    for (std::size_t i = element.first_within; i < element.end_within; ++i) {
      JinjaOpaque& mark = result.opaque[i];
      if (mark.reason != OpaqueReason::kBranch && mark.reason != OpaqueReason::kLoop) continue;
      mark.sql = {begin, static_cast<std::uint32_t>(result.sql.size())};
      mark.bounded = true;
    }
  };
  for (std::size_t i = 0; i < elements.size(); ++i) {
    const JinjaElement& element = elements[i];
    if (element.kind == Kind::kEnd) {
      JinjaOpaque& mark = result.opaque[element.opaque];
      mark.sql.end = static_cast<std::uint32_t>(result.sql.size());
      mark.bounded = true;
      continue;
    }
    if (element.kind == Kind::kText) {
      write(text_at(element), element.file, true);
      continue;
    }
    if (element.kind == Kind::kPlaced) {
      const auto placed_begin = static_cast<std::uint32_t>(result.sql.size());
      write_placed(element, next[i]);
      bound_within(element, placed_begin);
      continue;
    }
    JinjaOpaque& opaque = result.opaque[element.opaque];
    const auto begin = static_cast<std::uint32_t>(result.sql.size());
    if (element.is_place && options.mode == JinjaMode::kText) {
      write(text_of(element.file, file), element.file, true);
    } else if (element.is_place) {
      std::size_t after = i + 1;
      while (after < elements.size() && elements[after].kind == Kind::kEnd) ++after;
      const bool touches_next =
          after < elements.size() && !text_at(elements[after]).empty() && is_name(text_at(elements[after]).front());
      const Place place = place_of(follower, next[i], follower.in_word() || touches_next);
      if (place != Place::kNothing) {
        opaque.placeholder = "__jinja_" + std::to_string(element.opaque + 1) + "__";
        write((place == Place::kQuery ? "select * from " : "") + opaque.placeholder, element.file, false);
      }
    }
    opaque.sql = {begin, static_cast<std::uint32_t>(result.sql.size())};
    bound_within(element, begin);
  }
}

}  // namespace tideline::sql
