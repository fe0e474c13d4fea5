#pragma once
// Cuts a template into text and tags, and a tag into tokens. Linear: each byte is looked at a bounded number of times,
// however many tags are left open. Internal to the reading of Jinja.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sql/token.h"

namespace tideline::sql {

struct JinjaToken {
  enum class Kind : std::uint8_t { kName, kText, kNumber, kOperator };
  Kind kind = Kind::kOperator;
  Span span;  // in the file; of a text with its quotes
};

struct JinjaTag {
  enum class Kind : std::uint8_t {
    kNone,        // no more tags
    kExpression,  // {{ … }}
    kStatement,   // {% … %}
    kComment,     // {# … #}
    kRaw,         // {% raw %} … {% endraw %}: `inner` is text as it stands
    kUnclosed,    // an opening without its end: what stands on its line belongs to it
  };
  Kind kind = Kind::kNone;
  Kind opened = Kind::kNone;                                 // what kUnclosed would have been
  Span span;                                                 // with its braces
  Span inner;                                                // of kRaw
  bool trims_left = false;                                   // {%-  …
  bool trims_right = false;                                  // … -%}
  bool inner_trims_left = false, inner_trims_right = false;  // of kRaw: the insides of its two tags
  std::vector<JinjaToken> tokens;                            // of expressions and statements
};

/// The text of a token of kind kText, escapes undone.
std::string unquoted(std::string_view token);

/// All tags of a text of less than 4 GiB, in order.
std::vector<JinjaTag> cut_template(std::string_view text);

class JinjaLexer {
 public:
  /// `text` must outlive the lexer and be shorter than 4 GiB.
  explicit JinjaLexer(std::string_view text);

  /// The next tag at or after `from`.
  JinjaTag next(std::size_t from);

 private:
  JinjaTag tag_at(std::size_t begin);
  bool tokenize(std::size_t begin, std::size_t limit, std::string_view closer, JinjaTag& tag);
  void unclosed(std::size_t begin, JinjaTag& tag);
  void raw(JinjaTag& tag);

  std::string_view text_;
  std::size_t last_close_[3];   // the last "}}", "%}", "#}"; npos: none
  std::size_t last_quote_[2];   // the last ' and "
  std::size_t no_endraw_from_;  // from here on there is no {% endraw %}
  std::size_t budget_;          // bytes that may still be looked at
};

}  // namespace tideline::sql
