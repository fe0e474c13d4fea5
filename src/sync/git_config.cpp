#include "sync/git_config.h"

#include <algorithm>

#include "base/text.h"

namespace tideline::sync {
namespace {

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\v' || c == '\f' || c == '\r'; }
bool is_alpha(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_key(char c) { return is_alpha(c) || is_digit(c) || c == '-'; }
char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

/// The characters of a file as git sees them: CR LF is one line feed, and the end reads as a line feed.
class Characters {
 public:
  explicit Characters(std::string_view text) : text_(text) {}

  char next() {
    if (at_ >= text_.size()) {
      ended_ = true;
      return '\n';
    }
    char c = text_[at_++];
    if (c == '\r' && at_ < text_.size() && text_[at_] == '\n') {
      c = '\n';
      ++at_;
    }
    if (c == '\n') ++line_;
    return c;
  }
  bool ended() const { return ended_; }
  std::size_t line() const { return line_; }

 private:
  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t line_ = 1;
  bool ended_ = false;
};

/// After "[". False: not as git writes it.
bool read_section(Characters& in, GitConfigEntry& head) {
  head.section.clear();
  head.subsection.reset();
  for (;;) {
    char c = in.next();
    if (in.ended()) return false;
    if (c == ']') {
      if (head.section.empty()) return false;
      break;
    }
    if (is_space(c)) {
      while (c != '\n' && is_space(c)) c = in.next();
      if (c != '"') return false;
      std::string name;
      for (;;) {
        c = in.next();
        if (c == '\n') return false;
        if (c == '"') break;
        if (c == '\\' && (c = in.next()) == '\n') return false;
        name += c;
      }
      head.subsection = std::move(name);
      return in.next() == ']';
    }
    if (!is_key(c) && c != '.') return false;
    head.section += lower(c);
  }
  // The old way to write a sub-section: [remote.origin].
  if (const auto dot = head.section.find('.'); dot != std::string::npos) {
    head.subsection = head.section.substr(dot + 1);
    head.section.resize(dot);
  }
  return true;
}

/// After "=". nullopt: an open quote or an escape there is not.
std::optional<std::string> read_value(Characters& in) {
  std::string value;
  bool quoted = false;
  bool comment = false;
  std::size_t spaces = 0;
  for (;;) {
    char c = in.next();
    if (c == '\n') return quoted ? std::nullopt : std::optional(std::move(value));
    if (comment) continue;
    if (is_space(c) && !quoted) {
      if (!value.empty()) ++spaces;  // written only when something follows
      continue;
    }
    if (!quoted && (c == ';' || c == '#')) {
      comment = true;
      continue;
    }
    value.append(spaces, ' ');
    spaces = 0;
    if (c == '"') {
      quoted = !quoted;
      continue;
    }
    if (c == '\\') {
      switch (in.next()) {
        case '\n':
          continue;
        case 't':
          c = '\t';
          break;
        case 'b':
          c = '\b';
          break;
        case 'n':
          c = '\n';
          break;
        case '\\':
          break;
        case '"':
          c = '"';
          break;
        default:
          return std::nullopt;
      }
    }
    value += c;
  }
}

}  // namespace

Result<std::vector<GitConfigEntry>> parse_git_config(std::string_view text, std::string_view file) {
  if (text.size() > kMaxGitConfigBytes)
    return fail(Code::kTooLarge, std::string(file) + " has more than " + std::to_string(kMaxGitConfigBytes) + " bytes");
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  std::vector<GitConfigEntry> entries;
  GitConfigEntry head;
  Characters in(text);
  bool comment = false;
  for (;;) {
    char c = in.next();
    if (c == '\n') {
      if (in.ended()) return entries;
      comment = false;
      continue;
    }
    if (comment || is_space(c)) continue;
    const std::size_t line = in.line();
    const auto bad = [&] {
      return fail(Code::kInvalidInput, std::string(file) + ":" + std::to_string(line) + " is no line of a git config");
    };
    if (c == '#' || c == ';') {
      comment = true;
    } else if (c == '[') {
      if (!read_section(in, head)) return bad();
    } else if (is_alpha(c)) {
      GitConfigEntry entry = head;
      while (!in.ended() && is_key(c)) {
        entry.name += lower(c);
        c = in.next();
      }
      while (c == ' ' || c == '\t') c = in.next();
      if (c != '\n') {
        if (c != '=') return bad();
        auto value = read_value(in);
        if (!value) return bad();
        entry.value = std::move(value);
      }
      entries.push_back(std::move(entry));
      if (in.ended()) return entries;
    } else {
      return bad();
    }
  }
}

bool is_true(const GitConfigEntry& entry) {
  if (!entry.value) return true;
  const std::string text = ascii_lower(*entry.value);
  if (text == "true" || text == "yes" || text == "on") return true;
  return !text.empty() && std::all_of(text.begin(), text.end(), is_digit) &&
         text.find_first_not_of('0') != std::string::npos;
}

namespace {

struct Token {
  enum Kind { kByte, kAny, kClass, kStar, kAll, kDirectories } kind = kByte;
  char byte = 0;
  bool negated = false;
  std::vector<std::pair<unsigned char, unsigned char>> ranges{};  // of a class
};

/// nullopt: a pattern that git matches with nothing (an open class, a backslash at the end).
std::optional<std::vector<Token>> tokens_of(std::string_view pattern) {
  std::vector<Token> tokens;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    const char c = pattern[i];
    if (c == '\\') {
      if (++i == pattern.size()) return std::nullopt;
      tokens.push_back({.kind = Token::kByte, .byte = pattern[i]});
    } else if (c == '?') {
      tokens.push_back({.kind = Token::kAny});
    } else if (c == '*') {
      const std::size_t first = i;
      while (i + 1 < pattern.size() && pattern[i + 1] == '*') ++i;
      const bool alone = first == i;
      const bool open_left = first == 0 || pattern[first - 1] == '/';
      if (!alone && open_left && i + 1 == pattern.size()) {
        tokens.push_back({.kind = Token::kAll});
      } else if (!alone && open_left && pattern[i + 1] == '/') {
        tokens.push_back({.kind = Token::kDirectories});
        ++i;
      } else {
        tokens.push_back({.kind = Token::kStar});
      }
    } else if (c == '[') {
      Token token{.kind = Token::kClass};
      ++i;
      if (i < pattern.size() && (pattern[i] == '!' || pattern[i] == '^')) {
        token.negated = true;
        ++i;
      }
      bool first = true;
      for (;; first = false) {
        if (i >= pattern.size()) return std::nullopt;
        if (pattern[i] == ']' && !first) break;
        const auto take = [&]() -> std::optional<unsigned char> {
          if (pattern[i] == '\\' && ++i >= pattern.size()) return std::nullopt;
          return static_cast<unsigned char>(pattern[i++]);
        };
        const auto low = take();
        if (!low) return std::nullopt;
        auto high = low;
        if (i + 1 < pattern.size() && pattern[i] == '-' && pattern[i + 1] != ']') {
          ++i;
          if (!(high = take())) return std::nullopt;
        }
        token.ranges.emplace_back(*low, *high);
      }
      tokens.push_back(std::move(token));
    } else {
      tokens.push_back({.kind = Token::kByte, .byte = c});
    }
  }
  return tokens;
}

bool takes(const Token& token, char c, bool ignore_case) {
  switch (token.kind) {
    case Token::kByte:
      return ignore_case ? lower(token.byte) == lower(c) : token.byte == c;
    case Token::kAny:
    case Token::kStar:
      return c != '/';
    case Token::kClass: {
      if (c == '/') return false;
      const auto in = [&](char each) {
        const auto byte = static_cast<unsigned char>(each);
        return std::any_of(token.ranges.begin(), token.ranges.end(),
                           [byte](const auto& range) { return range.first <= byte && byte <= range.second; });
      };
      const char upper = c >= 'a' && c <= 'z' ? static_cast<char>(c - ('a' - 'A')) : c;
      return (in(c) || (ignore_case && (in(lower(c)) || in(upper)))) != token.negated;
    }
    case Token::kAll:
    case Token::kDirectories:
      return true;
  }
  return false;
}

}  // namespace

bool matches_path(std::string_view pattern, std::string_view text, bool ignore_case) {
  const auto tokens = tokens_of(pattern);
  if (!tokens) return false;
  // States of an automaton: how many tokens are done. A star stays in its state while it takes; a kDirectories is left
  // behind at once (it may stand for nothing), or with the slash that ends what it took.
  const std::size_t count = tokens->size();
  std::vector<char> now(count + 1, 0), then(count + 1, 0);
  const auto enter = [&](std::vector<char>& states, std::size_t state) {
    while (!states[state]) {
      states[state] = 1;
      if (state == count) break;
      const auto kind = (*tokens)[state].kind;
      if (kind != Token::kStar && kind != Token::kAll && kind != Token::kDirectories) break;
      ++state;
    }
  };
  // A kDirectories that has begun to take must not be left but with a slash: a state of its own.
  std::vector<char> inside(count, 0), inside_then(count, 0);
  enter(now, 0);
  for (const char c : text) {
    std::fill(then.begin(), then.end(), 0);
    std::fill(inside_then.begin(), inside_then.end(), 0);
    for (std::size_t state = 0; state < count; ++state) {
      const Token& token = (*tokens)[state];
      if (token.kind == Token::kDirectories) {
        if (now[state] || inside[state]) {
          inside_then[state] = 1;
          if (c == '/') enter(then, state + 1);
        }
      } else if (now[state] && takes(token, c, ignore_case)) {
        enter(then, token.kind == Token::kStar || token.kind == Token::kAll ? state : state + 1);
      }
    }
    std::swap(now, then);
    std::swap(inside, inside_then);
  }
  return now[count] != 0;
}

}  // namespace tideline::sync
