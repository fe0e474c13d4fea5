// A catalog from a stranger beside a good manifest: it is refused, or its facts come back from the rows they went into.
#include <cstdint>
#include <cstdlib>
#include <set>
#include <string>

#include "base/text.h"
#include "extract/artifacts.h"
#include "extract/rows.h"

namespace {

void demand(bool condition) {
  if (!condition) std::abort();
}

constexpr const char* kManifest =
    R"({"metadata":{"dbt_schema_version":"https://schemas.getdbt.com/dbt/manifest/v12.json","project_name":"p"},"nodes":{
"model.p.a":{"resource_type":"model","name":"a","database":"d","schema":"s","columns":{"id":{"name":"id"},"Name":{}}},
"seed.p.b":{"resource_type":"seed","name":"b"}},"sources":{"source.p.s.t":{"name":"t","identifier":"T"}}})";

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tideline;
  const auto artifacts =
      extract::Artifacts::from_memory(kManifest, std::string(reinterpret_cast<const char*>(data), size));
  if (!artifacts) {
    demand(!artifacts.error().message.empty() && artifacts.error().code != Code::kInternal);
    return 0;
  }
  const ConnectionId connection{};
  for (std::size_t i = 0; i < artifacts->size(); ++i) {
    auto facts = artifacts->read(i);
    if (!facts) continue;
    const auto rows = extract::to_rows(*facts, nullptr, connection);
    std::set<Uuid> ids;
    for (const auto& column : rows.columns) {
      demand(ids.insert(column.id).second);
      demand(is_valid_utf8(column.name) && column.name.find('\0') == std::string::npos);
    }
    const extract::Retained held{rows.object.compiled_definition, rows.object.content_hash, rows.object.metadata,
                                 rows.columns};
    facts->catalog.reset();
    const auto again = extract::to_rows(*facts, &held, connection);
    demand(again.object.metadata == rows.object.metadata && again.columns.size() == rows.columns.size());
    for (std::size_t c = 0; c < rows.columns.size(); ++c)
      demand(again.columns[c].metadata == rows.columns[c].metadata && again.columns[c].id == rows.columns[c].id);
  }
  return 0;
}
