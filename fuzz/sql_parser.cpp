// The first byte chooses the dialect. Whatever the text: no crash, steps in proportion to tokens; and where nothing is
// wrong with it, what is printed from the tree parses to the same tree.

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "sql/dump.h"
#include "sql/parser.h"
#include "sql/print.h"

using namespace tideline::sql;

namespace {
constexpr std::size_t kMaxStepsPerToken = 100;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const auto& in = dialect(static_cast<DialectId>(data[0] % kDialectCount));
  auto parsed = parse({reinterpret_cast<const char*>(data) + 1, size - 1}, in);
  if (parsed.steps > kMaxStepsPerToken * (parsed.tokens + 10)) std::abort();
  for (const auto* statement : parsed.statements) {
    auto tree = dump(*statement);
    auto printed = print(*statement);
    if (parsed.diagnostic_count > 0) continue;
    auto again = parse(printed, in);
    if (again.diagnostic_count > 0 || again.statements.size() != 1 || dump(*again.statements[0]) != tree) {
      std::fprintf(stderr, "%s\n%s\n%s\n%s\n", tree.c_str(), printed.c_str(),
                   again.statements.empty() ? "" : dump(*again.statements[0]).c_str(),
                   again.diagnostics.empty() ? "" : again.diagnostics[0].message.c_str());
      std::abort();
    }
  }
  return 0;
}
