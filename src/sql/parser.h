#pragma once
// Text → tree. parse() never throws on any input, and takes time linear in its length: a token is looked at a bounded
// number of times (Parsed::steps counts, and a test holds it to kMaxStepsPerToken). One bad expression, table or
// statement becomes an error node over what was skipped, with a diagnostic; what stands around it is read as usual.
// Pure; any number of threads at once.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "sql/arena.h"
#include "sql/ast.h"
#include "sql/dialect.h"

namespace tideline::sql {

/// How deep a tree may be: deeper statements are given up with a diagnostic. Real ones stay below 60; every recursive
/// walk over a tree of this depth fits a stack of 8 MiB, sanitizers included.
inline constexpr std::uint32_t kMaxDepth = 512;

/// Longest text that is read; a longer one gives no statement and one diagnostic. Generated SQL reaches 10 MB.
inline constexpr std::size_t kMaxTextBytes = std::size_t{256} << 20U;

/// Diagnostics kept of one text; the count goes on.
inline constexpr std::size_t kMaxDiagnostics = 100;

enum class DiagnosticCode : std::uint8_t {
  kSyntax,       // not as the grammar wants it
  kUnclosed,     // a string, quoted name, comment or parenthesis without its end
  kBadToken,     // a byte that begins nothing
  kTemplate,     // Jinja that nothing has replaced
  kTooDeep,      // deeper than kMaxDepth
  kTooLong,      // longer than kMaxTextBytes
  kUnsupported,  // known, not read
};

struct Diagnostic {
  DiagnosticCode code{};
  Span span;
  std::string message;  // "expected an expression after THEN, found `END`"
};

struct Parsed {
  Arena arena;                               // owns everything below, the text included
  std::string_view text;                     // a copy of what was given
  std::vector<const Statement*> statements;  // in order; empty ones (;;) are left out
  std::vector<Diagnostic> diagnostics;       // in order of discovery, at most kMaxDiagnostics
  std::size_t diagnostic_count = 0;
  std::size_t tokens = 0;  // without white space and comments
  std::size_t steps = 0;   // tokens looked at or consumed while parsing

  /// The query of the only statement if it has one (a SELECT, or that of CREATE … AS or INSERT), else null.
  const Query* query() const;
};

Parsed parse(std::string_view text, const Dialect& dialect);

/// One expression, for tools: the statement is a QueryStatement of a Select with this one item.
Parsed parse_expression(std::string_view text, const Dialect& dialect);

struct Position {
  std::uint32_t line = 1;    // from 1
  std::uint32_t column = 1;  // in bytes, from 1
};
/// O(offset).
Position position_of(std::uint32_t offset, std::string_view text);

}  // namespace tideline::sql
