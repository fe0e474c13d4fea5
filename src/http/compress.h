#pragma once
// Content codings (RFC 9110 §8.4, §12.5.3): choosing one by Accept-Encoding, compressing at once or in pieces, and
// decompressing in bounded steps. zstd and gzip go out; deflate is understood on the way in. Objects are not
// thread-safe; functions are pure. Big inputs cost milliseconds: not on an I/O thread.

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/error.h"

namespace tideline::http {

enum class Encoding { kIdentity, kGzip, kZstd, kDeflate };

/// "identity", "gzip", "zstd", "deflate".
std::string_view to_string(Encoding encoding);
/// As written in Content-Encoding, without regard to case; "x-gzip" is gzip, empty is identity.
std::optional<Encoding> parse_encoding(std::string_view name);

/// What to send to a client with this Accept-Encoding (nullopt: no such header): the one of zstd, gzip, identity with
/// the highest q; among equals in that order, so that anyone who takes zstd gets it. nullopt: nothing we have is
/// acceptable (406). A malformed q counts as 0.
std::optional<Encoding> negotiate(std::optional<std::string_view> accept_encoding);

/// zstd 1 both compresses better and runs faster than gzip; gzip 1-6 by libdeflate.
inline constexpr int kZstdLevel = 1;
inline constexpr int kGzipLevel = 4;

/// One whole body. kIdentity: a copy. kDeflate is not sent and not allowed here.
std::string compress(std::string_view plain, Encoding encoding);

/// For bodies that are made in pieces: the plain text never lies in memory as a whole. kIdentity appends as it is.
class Compressor {
 public:
  explicit Compressor(Encoding encoding);
  ~Compressor();
  Compressor(Compressor&&) noexcept;
  Compressor& operator=(Compressor&&) noexcept;

  /// Appends to `out` what is ready: often nothing, as the compressor holds back up to some 100 KB.
  void write(std::string_view plain, std::string& out);
  /// Appends all that was written so far, such that the receiver can decode it. Costs ratio.
  void flush(std::string& out);
  /// Appends the rest and the end mark. Nothing may be written after it.
  void finish(std::string& out);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Undoes a coding in steps of at most kStepBytes, so the caller can stop a bomb after any step. Several gzip members
/// or zstd frames in a row are one text. A zstd frame that wants a window over 8 MB (ultra levels, --long) is refused:
/// its memory would be ours.
class Decompressor {
 public:
  static constexpr std::size_t kStepBytes = 64 * 1024;
  static constexpr int kMaxZstdWindowLog = 23;

  explicit Decompressor(Encoding encoding);
  ~Decompressor();
  Decompressor(Decompressor&&) noexcept;
  Decompressor& operator=(Decompressor&&) noexcept;

  /// Takes from the front of `input` and returns what that gave; empty when all of the input is taken and more is
  /// needed. The view is valid until the next call. kInvalidInput: corrupt, with the position in the encoded bytes.
  Result<std::span<const char>> step(std::span<const char>& input);
  /// To be called at the end of input: kInvalidInput when the stream is not complete.
  Result<void> finish() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// All of `encoded`, for small things and tests; kTooLarge beyond `limit` plain bytes.
Result<std::string> decompress(std::string_view encoded, Encoding encoding, std::uint64_t limit);

}  // namespace tideline::http
