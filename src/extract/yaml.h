#pragma once
// YAML 1.1 as PyYAML's safe loader reads it, which is how dbt reads its files: a tree that knows where each value
// stands. Bytes from strangers: depth, size and the copies that aliases make are bounded. Internal to this folder.

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/json.h"

namespace tideline::extract {

/// Of one file. dbt's own largest examples stay below 1 MB.
inline constexpr std::size_t kMaxYamlBytes = std::size_t{16} << 20;
/// Values nested in each other: they become JSON, whose readers stop at 64.
inline constexpr int kMaxYamlDepth = 40;
/// Values of one file, those that aliases repeat included: ten lines of aliases of aliases make a billion.
inline constexpr std::size_t kMaxYamlNodes = 1'000'000;

struct Yaml {
  enum class Kind : std::uint8_t { kNull, kBoolean, kInteger, kFloat, kText, kList, kMap };

  Kind kind = Kind::kNull;
  std::string text;                    // of a scalar, as written; a boolean: "true" or "false"; an integer: in decimal
  std::vector<Yaml> items;             // of a list; of a map its values
  std::vector<std::string> keys;       // of a map; each once: of a key that stands twice the last value counts
  std::uint32_t line = 0, column = 0;  // from 1

  bool is_null() const { return kind == Kind::kNull; }
  bool is_text() const { return kind == Kind::kText; }
  bool is_list() const { return kind == Kind::kList; }
  bool is_map() const { return kind == Kind::kMap; }
  bool is_scalar() const { return kind < Kind::kList && kind != Kind::kNull; }
  /// The member of a map; nullptr: no map, no such key, or its value is null.
  const Yaml* find(std::string_view key) const;
  /// The scalar as text; empty for anything else.
  std::string_view scalar_at(std::string_view key) const;

  Json to_json() const;
};
/// "a list", "a map", "a text" …
std::string_view to_string(Yaml::Kind kind);

/// The first document; null for an empty file. kInvalidInput: "path:line:column: what"; kTooLarge.
Result<Yaml> read_yaml(std::string_view text, std::string_view path);

}  // namespace tideline::extract
