// A template from a stranger: any bytes give SQL within its bounds, whose map to the file holds in both directions.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "sql/jinja.h"
#include "sql/jinja_macros.h"

namespace {

void demand(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tideline::sql;
  if (size == 0) return 0;
  JinjaOptions options;
  options.incremental = (data[0] & 1) != 0;
  options.backslash_escapes = (data[0] & 2) != 0;
  options.mode = (data[0] & 4) != 0 ? JinjaMode::kText : JinjaMode::kSql;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  // Its macros are those of its own text: they may call themselves and each other.
  JinjaMacros macros("p");
  if ((data[0] & 8) != 0) {
    macros.add("p", text);
    options.macros = &macros;
    options.package = "p";
  }
  if ((data[0] & 16) != 0) options.adapter = "redshift";
  const JinjaResult result = read_jinja(text, options);
  demand(result.sql.size() <= (kMaxJinjaGrowth + 8) * text.size() + kMaxJinjaGrowthBytes);

  const auto in_file = [&](Span span) { demand(span.begin <= span.end && span.end <= text.size()); };
  const auto in_sql = [&](Span span) { demand(span.begin <= span.end && span.end <= result.sql.size()); };
  std::uint32_t sql = 0, file = 0;
  for (const JinjaPiece& piece : result.map.pieces()) {
    demand(piece.sql.begin == sql && piece.sql.end > sql && piece.again == (piece.file.begin < file));
    in_file(piece.file);
    if (piece.verbatim) demand(text_of(piece.sql, result.sql) == text_of(piece.file, text));
    // There and back: the same bytes, or the whole of what stands for them.
    demand(result.map.to_file(piece.sql) == piece.file);
    if (!piece.again) {
      demand(result.map.to_sql(piece.file) == piece.sql);
      file = piece.file.end;
    }
    sql = piece.sql.end;
  }
  demand(sql == result.sql.size());
  const auto points = static_cast<std::uint32_t>(result.sql.size());
  for (std::uint32_t at = 0; at < points; at += 1 + points / 256) {
    const Span place = result.map.to_file({at, at + 1});
    in_file(place);
    const Span back = result.map.to_sql(place);
    demand(back.begin <= at);  // of a loop the first time
  }
  for (std::uint32_t at = 0; at < text.size(); at += 1 + static_cast<std::uint32_t>(text.size() / 256))
    in_sql(result.map.to_sql({at, at + 1}));

  for (const auto& block : result.blocks) {
    in_file(block.span);
    in_file(block.body);
    demand(block.span.begin <= block.body.begin && block.body.end <= block.span.end);
  }
  const auto blocks = static_cast<std::int32_t>(result.blocks.size());
  for (const auto& relation : result.relations) {
    in_file(relation.file);
    demand(relation.block >= kNoBlock && relation.block < blocks && !relation.sql.empty());
  }
  for (const auto& call : result.macros) in_file(call.file);
  for (const auto& config : result.config) in_file(config.file);
  for (const auto& variable : result.variables) in_file(variable.file);
  for (const auto& problem : result.problems) {
    in_file(problem.file);
    demand(!problem.message.empty());
  }
  for (const auto& opaque : result.opaque) {
    in_file(opaque.file);
    in_sql(opaque.sql);
  }
  return 0;
}
