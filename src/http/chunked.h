#pragma once
// Chunked transfer coding, receiving side (RFC 9112 §7.1). A state machine that keeps no bytes, so it takes input cut
// anywhere and knows to the byte where it stands. Extensions and trailers are checked for form and dropped. Inner to
// this folder, pure.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/error.h"

namespace tideline::http {

class ChunkDecoder {
 public:
  /// Takes from the front of `input`; returns content (a part of `input`), or nothing when the input is used up or the
  /// last chunk was seen (`done`). kInvalidInput when malformed.
  Result<std::span<const char>> step(std::span<const char>& input);
  bool done() const { return state_ == State::kDone; }

 private:
  enum class State { kSize, kExtension, kSizeLf, kData, kDataCr, kDataLf, kTrailer, kTrailerLf, kLastLf, kDone };

  /// Whether `c` may stand here; moves on.
  bool take(char c);

  State state_ = State::kSize;
  std::uint64_t left_ = 0;    // of the chunk's data
  unsigned digits_ = 0;       // of its size
  std::size_t overhead_ = 0;  // bytes of extensions and trailers so far
  bool line_empty_ = true;    // of the trailer
};

}  // namespace tideline::http
