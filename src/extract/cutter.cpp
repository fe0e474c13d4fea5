#include "extract/cutter.h"

#include <bit>
#include <cstring>

#include <fmt/format.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace tideline::extract {
namespace {

constexpr std::size_t kBlock = 64;

/// One bit for each of 64 bytes: bit i stands for byte i.
struct Masks {
  std::uint64_t quote = 0;
  std::uint64_t backslash = 0;
  std::uint64_t open = 0;   // { [
  std::uint64_t close = 0;  // } ]
};

#if defined(__SSE2__)
Masks classify(const char* bytes) {
  Masks masks;
  const __m128i quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\');
  // '[' and '{', ']' and '}' differ in bit 5 alone.
  const __m128i fold = _mm_set1_epi8(0x20), open = _mm_set1_epi8('{'), close = _mm_set1_epi8('}');
  for (unsigned part = 0; part < 4; ++part) {
    const __m128i chunk = _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes + 16 * part));
    const __m128i folded = _mm_or_si128(chunk, fold);
    const auto bits = [part](__m128i equal) {
      return static_cast<std::uint64_t>(static_cast<unsigned>(_mm_movemask_epi8(equal))) << (16 * part);
    };
    masks.quote |= bits(_mm_cmpeq_epi8(chunk, quote));
    masks.backslash |= bits(_mm_cmpeq_epi8(chunk, backslash));
    masks.open |= bits(_mm_cmpeq_epi8(folded, open));
    masks.close |= bits(_mm_cmpeq_epi8(folded, close));
  }
  return masks;
}
#else
Masks classify(const char* bytes) {
  Masks masks;
  for (unsigned i = 0; i < kBlock; ++i) {
    const char c = bytes[i];
    masks.quote |= static_cast<std::uint64_t>(c == '"') << i;
    masks.backslash |= static_cast<std::uint64_t>(c == '\\') << i;
    masks.open |= static_cast<std::uint64_t>(c == '{' || c == '[') << i;
    masks.close |= static_cast<std::uint64_t>(c == '}' || c == ']') << i;
  }
  return masks;
}
#endif

/// Bit i of the result: whether an odd number of bits at or below i is set. With quotes as input: the opening quote and
/// the inside of each string.
std::uint64_t prefix_xor(std::uint64_t bits) {
  for (unsigned shift = 1; shift < 64; shift *= 2) bits ^= bits << shift;
  return bits;
}

/// The bytes that a backslash takes away. `carry` in and out: whether the first byte of the (next) block is one.
std::uint64_t escaped_bytes(std::uint64_t backslash, bool& carry) {
  std::uint64_t escaped = carry ? 1 : 0;
  carry = false;
  backslash &= ~escaped;
  while (backslash != 0) {
    const int first = std::countr_zero(backslash);
    if (first == 63) {
      carry = true;
      break;
    }
    escaped |= std::uint64_t{2} << first;
    backslash &= ~(std::uint64_t{3} << first);  // the backslash and what it escapes
  }
  return escaped;
}

constexpr bool is_space(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }

}  // namespace

std::uint64_t Cutter::skip_space(std::uint64_t at) const {
  while (at < text_.size() && is_space(text_[at])) ++at;
  return at;
}

tl::unexpected<Error> Cutter::cut_off(std::string_view name, std::string_view key) const {
  std::string where(name);
  if (!key.empty()) where += fmt::format("{}\"{}\"", where.empty() ? "" : " → ", key.substr(0, 200));
  if (where.empty()) where = "the outermost object";
  return fail(Code::kInvalidInput,
              fmt::format("{} is cut off at byte {}: the file ends inside {}", label_, text_.size(), where),
              "was dbt still writing it? Wait until the command has ended and push again");
}

tl::unexpected<Error> Cutter::unexpected(std::uint64_t at, std::string_view wanted) const {
  const auto byte = static_cast<unsigned char>(text_[at]);
  const std::string found = byte > 0x20 && byte < 0x7F ? fmt::format("'{}'", text_[at]) : fmt::format("0x{:02x}", byte);
  return fail(Code::kInvalidInput,
              fmt::format("{} is not valid JSON: {} at byte {}, where {} should stand", label_, found, at, wanted));
}

Result<std::uint64_t> Cutter::skip_string(std::uint64_t at, std::string_view name, std::string_view key) const {
  std::uint64_t from = at + 1;
  while (from < text_.size()) {
    const void* found = std::memchr(text_.data() + from, '"', text_.size() - from);
    if (found == nullptr) break;
    const auto quote = static_cast<std::uint64_t>(static_cast<const char*>(found) - text_.data());
    std::uint64_t slash = quote;
    while (slash > at + 1 && text_[slash - 1] == '\\') --slash;
    if ((quote - slash) % 2 == 0) return quote + 1;
    from = quote + 1;
  }
  return cut_off(name, key);
}

Result<std::uint64_t> Cutter::skip_container(std::uint64_t at, std::string_view name, std::string_view key) const {
  std::uint64_t depth = 0;
  std::uint64_t in_string = 0;  // all ones while a block starts inside a string
  bool escape = false;
  char tail[kBlock];
  for (std::uint64_t block = at; block < text_.size(); block += kBlock) {
    const char* bytes = text_.data() + block;
    if (text_.size() - block < kBlock) {
      std::memset(tail, ' ', kBlock);
      std::memcpy(tail, bytes, text_.size() - block);
      bytes = tail;
    }
    Masks masks = classify(bytes);
    if (masks.backslash != 0 || escape) masks.quote &= ~escaped_bytes(masks.backslash, escape);
    const std::uint64_t inside = prefix_xor(masks.quote) ^ in_string;
    in_string = static_cast<std::uint64_t>(0) - (inside >> 63);
    masks.open &= ~inside;
    masks.close &= ~inside;
    const auto closes = static_cast<std::uint64_t>(std::popcount(masks.close));
    if (closes < depth) {  // cannot end in this block
      depth += static_cast<std::uint64_t>(std::popcount(masks.open)) - closes;
    } else {
      for (std::uint64_t brackets = masks.open | masks.close; brackets != 0; brackets &= brackets - 1) {
        const std::uint64_t bit = brackets & (~brackets + 1);
        if ((masks.open & bit) != 0) {
          ++depth;
        } else if (--depth == 0) {
          return block + static_cast<std::uint64_t>(std::countr_zero(bit)) + 1;
        }
      }
    }
    if (depth > kMaxDepth)
      return fail(Code::kInvalidInput,
                  fmt::format("{} is nested deeper than {} levels near byte {}", label_, kMaxDepth, block));
  }
  return cut_off(name, key);
}

Result<std::uint64_t> Cutter::skip_value(std::uint64_t at, std::string_view name, std::string_view key) const {
  switch (text_[at]) {
    case '{':
    case '[':
      return skip_container(at, name, key);
    case '"':
      return skip_string(at, name, key);
    default:
      break;
  }
  std::uint64_t end = at;
  while (end < text_.size() && text_[end] != ',' && text_[end] != '}' && !is_space(text_[end])) {
    const char c = text_[end];
    const bool scalar =
        (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '+' || c == '.';
    if (!scalar) return unexpected(end, "a value");
    ++end;
  }
  if (end == text_.size()) return cut_off(name, key);
  if (end == at) return unexpected(at, "a value");
  return end;
}

Result<std::uint64_t> Cutter::cut_object(std::uint64_t at, std::string_view name, const Visit& visit) const {
  if (text_[at] != '{') return unexpected(at, "'{'");
  at = skip_space(at + 1);
  if (at < text_.size() && text_[at] == '}') return at + 1;
  while (at < text_.size()) {
    if (text_[at] != '"') return unexpected(at, "a key in quotes");
    TRY(const auto key_end, skip_string(at, name, {}));
    const std::string_view key = text_.substr(at + 1, key_end - at - 2);
    at = skip_space(key_end);
    if (at == text_.size()) return cut_off(name, key);
    if (text_[at] != ':') return unexpected(at, "':'");
    at = skip_space(at + 1);
    if (at == text_.size()) return cut_off(name, key);
    TRY(const auto end, skip_value(at, name, key));
    TRY_VOID(visit(key, Span{at, end - at}));
    at = skip_space(end);
    if (at == text_.size()) return cut_off(name, {});
    if (text_[at] == '}') return at + 1;
    if (text_[at] != ',') return unexpected(at, "',' or '}'");
    at = skip_space(at + 1);
  }
  return cut_off(name, {});
}

Result<void> Cutter::members(const Visit& visit) const {
  const std::uint64_t start = skip_space(0);
  if (start == text_.size()) return fail(Code::kInvalidInput, fmt::format("{} is empty", label_));
  TRY(const auto end, cut_object(start, {}, visit));
  const std::uint64_t rest = skip_space(end);
  if (rest < text_.size()) return unexpected(rest, "the end of the file");
  return {};
}

Result<void> Cutter::members(Span object, std::string_view name, const Visit& visit) const {
  TRY(const auto end, cut_object(object.offset, name, visit));
  // The span was found by counting brackets of both kinds; here '}' alone ends the object.
  if (end != object.offset + object.size)
    return fail(Code::kInvalidInput,
                fmt::format("{} is not valid JSON: brackets of \"{}\" do not match near byte {}", label_, name, end));
  return {};
}

}  // namespace tideline::extract
