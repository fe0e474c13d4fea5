#pragma once
// Query strings as application/x-www-form-urlencoded (WHATWG URL §5.1), read strictly: what a lenient reader would
// silently repair (a stray '%', bytes that are not UTF-8, a NUL) is an error that names the parameter. Pure.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <tl/expected.hpp>

#include "http/message.h"

namespace tideline::http {

/// More parameters than any call of ours takes, with room for a list sent as repeated parameters.
inline constexpr std::size_t kMaxQueryParameters = 512;
/// Longest name shown back in an error; a longer one is refused.
inline constexpr std::size_t kMaxQueryNameBytes = 128;

class Query {
 public:
  /// All errors at once, one entry per bad parameter. Empty pieces ("a=1&&b=2") are skipped; "a" is "a=".
  static tl::expected<Query, std::vector<FieldError>> parse(std::string_view raw);

  /// The first value of that name.
  std::optional<std::string_view> find(std::string_view name) const;
  /// All values of that name in the order they came.
  std::vector<std::string_view> all(std::string_view name) const;
  std::size_t count(std::string_view name) const;

  auto begin() const { return parameters_.begin(); }
  auto end() const { return parameters_.end(); }
  std::size_t size() const { return parameters_.size(); }

 private:
  std::vector<std::pair<std::string, std::string>> parameters_;
};

enum class PlusMeans { kSpace, kPlus };

/// Undoes %XX; nullopt on a '%' without two hex digits. Not checked: what the bytes are.
std::optional<std::string> percent_decode(std::string_view text, PlusMeans plus);
/// All but RFC 3986 unreserved characters as %XX: fit for a path segment or a query value.
std::string percent_encode(std::string_view text);

}  // namespace tideline::http
