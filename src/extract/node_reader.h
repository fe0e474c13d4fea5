#pragma once
// Reads one entry of the manifest (a node, source, macro, exposure, metric …) of any version into one shape: the
// spellings of v1–v12 are told apart here and nowhere else. Internal to this folder.
//
// Tolerant: unknown members are passed over; a member of the wrong type counts as absent and leaves a warning.
// Refused: what is no JSON object, not UTF-8, or broken.

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "extract/facts.h"

namespace tideline::extract {

/// Members that are kept as they are: text, or canonical JSON where the comment says so.
enum class Field : std::uint8_t {
  kResourceType,
  kName,
  kPackageName,
  kDatabase,
  kSchema,
  kAlias,
  kIdentifier,
  kRelationName,
  kOriginalFilePath,
  kPatchPath,
  kRawCode,       // raw_code; raw_sql before v7; macro_sql
  kCompiledCode,  // compiled_code; compiled_sql before v7
  kFileHash,      // checksum.checksum where checksum.name is sha256
  kLanguage,
  kDescription,
  kMeta,  // JSON; meta, else config.meta
  kMaterialized,
  kGroup,
  kAccess,
  kSeverity,
  kVersion,        // JSON: a number or a text
  kLatestVersion,  // JSON
  kOwner,          // JSON
  kSourceName,
  kLoader,
  kFreshness,     // JSON
  kTestMetadata,  // JSON
  kColumnName,
  kAttachedNode,
  kType,
  kMaturity,
  kUrl,
  kLabel,
  kModel,
  kExpression,   // expression; sql before v6
  kTypeParams,   // JSON
  kFilter,       // JSON; filter or filters
  kEntities,     // JSON
  kDimensions,   // JSON
  kMeasures,     // JSON
  kQueryParams,  // JSON
  kExports,      // JSON
  kArguments,    // JSON
  kConstraints,  // JSON
  kPrimaryKey,   // JSON
  kOpenEnds,     // JSON; tideline: what a project read without dbt leaves open
  kSeedColumns,  // JSON; tideline_columns: those of a seed's file
  kTemplateSql,  // JSON; tideline_sql: what its file gives as SQL (template_sql.h)
  kCount,
};

struct Node {
  std::array<std::optional<std::string>, static_cast<std::size_t>(Field::kCount)> fields;
  bool enabled = true;
  bool has_compiled = false;
  std::vector<std::string> tags;  // sorted, each once
  std::vector<ManifestColumn> columns;
  std::vector<std::string> upstream_nodes;
  std::vector<std::string> upstream_macros;
  std::vector<std::string> warnings;

  std::optional<std::string>& operator[](Field field) { return fields[static_cast<std::size_t>(field)]; }
  const std::optional<std::string>& operator[](Field field) const { return fields[static_cast<std::size_t>(field)]; }
};

/// kHead: what the index needs (names, path, whether it is enabled and compiled). kAll: everything.
enum class Detail { kHead, kAll };

/// One entry: its bytes within a text, of which `readable` bytes from the start of the entry may be read.
struct EntryText {
  std::string_view bytes;
  std::size_t readable = 0;
  std::string_view name;   // unique_id, for messages
  std::string_view label;  // the file, for messages
};

/// Reusable; one per thread. Keeps buffers of the size of the largest entry read since the last `trim`.
class NodeReader {
 public:
  NodeReader();
  ~NodeReader();

  Result<Node> read(const EntryText& entry, Detail detail);
  Result<CatalogFacts> read_catalog(const EntryText& entry, std::vector<std::string>& warnings);
  /// Gives buffers above 1 MiB back.
  void trim();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tideline::extract
