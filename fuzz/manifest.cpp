// A manifest from a stranger: any bytes are refused or give rows whose JSON is canonical and whose ids differ.
#include <cstdint>
#include <cstdlib>
#include <set>
#include <string>

#include "base/json.h"
#include "base/text.h"
#include "extract/artifacts.h"
#include "extract/rows.h"

namespace {

void demand(bool condition) {
  if (!condition) std::abort();
}

/// What PostgreSQL takes as text.
bool is_text(std::string_view text) { return tideline::is_valid_utf8(text) && text.find('\0') == text.npos; }

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tideline;
  const auto artifacts = extract::Artifacts::from_memory({reinterpret_cast<const char*>(data), size});
  if (!artifacts) {
    demand(!artifacts.error().message.empty() && artifacts.error().code != Code::kInternal);
    return 0;
  }
  const ConnectionId connection{};
  for (std::size_t i = 0; i < artifacts->size(); ++i) {
    demand(artifacts->find(artifacts->unique_id(i)) == i);
    const auto facts = artifacts->read(i);
    if (!facts) continue;
    const auto rows = extract::to_rows(*facts, nullptr, connection);
    const auto metadata = Json::parse(rows.object.metadata.text, "metadata");
    if (metadata) demand(metadata->canonical() == rows.object.metadata.text);
    for (const auto* text : {&rows.object.name, &rows.object.full_name, &rows.object.metadata.text})
      demand(is_text(*text));
    for (const auto* text : {&rows.object.definition, &rows.object.compiled_definition, &rows.object.description})
      if (*text) demand(is_text(**text));
    std::set<Uuid> ids;
    for (const auto& column : rows.columns) demand(ids.insert(column.id).second && is_text(column.name));
    for (const auto& edge : rows.dependencies) demand(ids.insert(edge.id).second);

    // What was extracted without a catalog changes nothing when it is held and pushed again.
    const extract::Retained held{rows.object.compiled_definition, rows.object.content_hash, rows.object.metadata,
                                 rows.columns};
    demand(extract::to_rows(*facts, &held, connection).object.metadata == rows.object.metadata);
  }
  for (const auto& file : artifacts->files(connection)) demand(is_text(file.relative_path));
  return 0;
}
