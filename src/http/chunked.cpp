#include "http/chunked.h"

#include <algorithm>

namespace tideline::http {

namespace {

/// Extensions and trailers are of no use to us; a sender of many means to keep us busy.
constexpr std::size_t kMaxOverheadBytes = 8 * 1024;
/// 15 hex digits fit 64 bits with room to spare.
constexpr unsigned kMaxSizeDigits = 15;

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool is_line_text(char c) { return c == '\t' || !((c >= 0 && c < 0x20) || c == 0x7f); }

}  // namespace

bool ChunkDecoder::take(char c) {
  switch (state_) {
    case State::kSize: {
      if (const int digit = hex_digit(c); digit >= 0) {
        left_ = left_ * 16 + static_cast<std::uint64_t>(digit);
        return ++digits_ <= kMaxSizeDigits;
      }
      if (digits_ == 0) return false;
      if (c == ';')
        state_ = State::kExtension;
      else if (c == '\r')
        state_ = State::kSizeLf;
      else
        return false;
      return true;
    }
    case State::kExtension:
      if (c == '\r') {
        state_ = State::kSizeLf;
        return true;
      }
      return is_line_text(c) && ++overhead_ <= kMaxOverheadBytes;
    case State::kSizeLf:
      state_ = left_ > 0 ? State::kData : State::kTrailer;
      line_empty_ = true;
      digits_ = 0;
      return c == '\n';
    case State::kDataCr:
      state_ = State::kDataLf;
      return c == '\r';
    case State::kDataLf:
      state_ = State::kSize;
      return c == '\n';
    case State::kTrailer:
      if (c == '\r') {
        state_ = line_empty_ ? State::kLastLf : State::kTrailerLf;
        return true;
      }
      // A line that begins with a space would be an obs-fold.
      if (line_empty_ && (c == ' ' || c == '\t')) return false;
      line_empty_ = false;
      return is_line_text(c) && ++overhead_ <= kMaxOverheadBytes;
    case State::kTrailerLf:
      state_ = State::kTrailer;
      line_empty_ = true;
      return c == '\n';
    case State::kLastLf:
      state_ = State::kDone;
      return c == '\n';
    case State::kData:
    case State::kDone:
      break;
  }
  return false;
}

Result<std::span<const char>> ChunkDecoder::step(std::span<const char>& input) {
  while (!input.empty() && state_ != State::kDone) {
    if (state_ == State::kData) {
      const auto data = input.first(static_cast<std::size_t>(std::min<std::uint64_t>(left_, input.size())));
      input = input.subspan(data.size());
      left_ -= data.size();
      if (left_ == 0) state_ = State::kDataCr;
      return data;
    }
    if (!take(input.front())) return fail(Code::kInvalidInput, "the chunked body is malformed");
    input = input.subspan(1);
  }
  return std::span<const char>{};
}

}  // namespace tideline::http
