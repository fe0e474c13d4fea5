#pragma once
// Cuts a large JSON text into the spans of its members without parsing them: a scan for quotes and brackets, 64 bytes
// at a time. It checks what it needs to cut (nesting, commas, the end of the text) and leaves the rest to the parser
// that reads the spans. Linear in the size of the text, constant memory, no recursion.

#include <cstdint>
#include <functional>
#include <string_view>

#include "base/error.h"

namespace tideline::extract {

/// Bytes of the text, by position: a Span does not keep the text alive.
struct Span {
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
};

class Cutter {
 public:
  /// Deeper nesting is refused. dbt's own artifacts stay below 20.
  static constexpr std::uint64_t kMaxDepth = 512;

  /// `label` names the text in messages; both must outlive the cutter.
  Cutter(std::string_view text, std::string_view label) : text_(text), label_(label) {}

  /// `key` is the text between the quotes, escapes and all.
  using Visit = std::function<Result<void>(std::string_view key, Span value)>;

  /// The members of the root, which must be an object with nothing but white space around it.
  /// kInvalidInput names the byte: cut off (with the member it ends in), or what stands where it should not.
  Result<void> members(const Visit& visit) const;
  /// The members of the object at `object`, a span this cutter gave. `name` is what messages call it ("nodes").
  Result<void> members(Span object, std::string_view name, const Visit& visit) const;

  std::string_view at(Span span) const { return text_.substr(span.offset, span.size); }

 private:
  Result<std::uint64_t> cut_object(std::uint64_t at, std::string_view name, const Visit& visit) const;
  Result<std::uint64_t> skip_value(std::uint64_t at, std::string_view name, std::string_view key) const;
  Result<std::uint64_t> skip_container(std::uint64_t at, std::string_view name, std::string_view key) const;
  Result<std::uint64_t> skip_string(std::uint64_t at, std::string_view name, std::string_view key) const;
  std::uint64_t skip_space(std::uint64_t at) const;
  tl::unexpected<Error> cut_off(std::string_view name, std::string_view key) const;
  tl::unexpected<Error> unexpected(std::uint64_t at, std::string_view wanted) const;

  std::string_view text_;
  std::string_view label_;
};

}  // namespace tideline::extract
