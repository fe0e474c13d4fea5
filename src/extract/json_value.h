#pragma once
// From simdjson's values to what the model keeps: plain text and canonical JSON. Internal to this folder: it includes
// simdjson.
//
// Python writes what RFC 8259 readers and PostgreSQL refuse: lone surrogates, U+0000, NaN. Text with the first two gets
// U+FFFD in their place, numbers that are none become null; both are reported.

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <simdjson.h>

namespace tideline::extract {

/// Appends the text of a JSON string, given without its quotes. `replaced` is set where U+FFFD stands for something
/// else. False: an escape that JSON does not have.
bool decode_json_string(std::string_view escaped, std::string& out, bool& replaced);

/// The text with U+FFFD for U+0000: for what other readers decoded.
std::string without_nul(std::string text);

enum class Empty { kKeep, kDrop };

/// What a member is once read.
enum class Shape { kText, kNull, kNumber, kBoolean, kObject, kArray, kBroken };
std::string_view to_string(Shape shape);

/// The shape of a value by its first byte; does not consume it.
Shape shape_of(simdjson::ondemand::value& value);

/// The text of a string value; nullopt: no valid string.
std::optional<std::string> text_of(simdjson::ondemand::value& value, bool& replaced);

/// Deeper values are refused: they stand inside other documents, which readers limit to Json::kMaxDepth.
inline constexpr std::size_t kMaxValueDepth = 48;

/// The canonical text of any value (as Json::canonical writes it; of a key that stands twice the last value counts).
/// Empty::kDrop leaves out members that are null or empty, also those that become empty thereby. nullopt: broken JSON
/// or nested deeper than kMaxValueDepth.
std::optional<std::string> canonical_of(simdjson::ondemand::value& value, Empty empty, bool& replaced);

/// Whether canonical text says nothing: null, "", [] or {}.
bool says_nothing(std::string_view canonical);

/// Canonical text of an object from members whose values are canonical already.
std::string object_of(const std::vector<std::pair<std::string, std::string>>& members);

}  // namespace tideline::extract
