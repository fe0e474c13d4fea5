// The first byte chooses the dialect. Tokens tile the text.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "sql/lexer.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const auto& dialect =
      tideline::sql::dialect(static_cast<tideline::sql::DialectId>(data[0] % tideline::sql::kDialectCount));
  std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  std::uint32_t at = 0;
  for (const auto& token : tideline::sql::lex(text, dialect)) {
    if (token.span.begin != at || (token.span.empty() && token.kind != tideline::sql::TokenKind::kEnd)) std::abort();
    at = token.span.end;
  }
  if (at != text.size()) std::abort();
  return 0;
}
