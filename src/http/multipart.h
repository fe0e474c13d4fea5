#pragma once
// multipart/form-data (RFC 7578, RFC 2046 §5.1), read in one pass and bounded memory: a part's content is handed on
// while it arrives, wherever the pieces of the input are cut. MultipartParser is pure; MultipartReader puts it on a
// BodyReader. Not for nested multipart (RFC 7578 §4.3 deprecates it). Not thread-safe.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/error.h"
#include "http/body.h"

namespace tideline::http {

/// A push has two or three parts.
inline constexpr std::size_t kMaxParts = 16;
/// Header of one part: name, file name and type.
inline constexpr std::size_t kMaxPartHeaderBytes = 8 * 1024;
/// RFC 2046 §5.1.1.
inline constexpr std::size_t kMaxBoundaryBytes = 70;

struct Part {
  std::string name;
  std::optional<std::string> filename;  // as the client says: for messages only, never a path
  std::string content_type;             // empty: not given (text/plain by RFC 7578)
};

/// The boundary named by a Content-Type; kUnsupported when that is not multipart/form-data, kInvalidInput when it has
/// no good boundary.
Result<std::string> multipart_boundary(std::string_view content_type);

/// Turns pieces of input into events. `feed` gives it a piece, which must stay valid until `next` said kNeedInput;
/// then feed the next one, or `finish` at the end.
class MultipartParser {
 public:
  enum class Event {
    kNeedInput,  // the piece is used up
    kPart,       // a part begins: part()
    kData,       // some of its content: data(), valid until the next call of next()
    kPartEnd,
    kEnd,  // the closing boundary was seen; whatever follows (epilogue) is ignored
  };

  explicit MultipartParser(std::string_view boundary);
  ~MultipartParser();
  MultipartParser(MultipartParser&&) noexcept;
  MultipartParser& operator=(MultipartParser&&) noexcept;

  void feed(std::string_view piece);
  /// kInvalidInput with the byte where the form is malformed; kTooLarge for too many parts or too long a part header.
  Result<Event> next();
  /// kInvalidInput "cut off at byte N" unless the closing boundary was seen.
  Result<void> finish() const;

  const Part& part() const;
  std::string_view data() const;
  /// Bytes taken so far.
  std::uint64_t position() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// The form in a request's body. Errors are those of the body and of the parser.
class MultipartReader {
 public:
  MultipartReader(BodyReader& body, std::string_view boundary);

  /// The next part, skipping what is left of the one before; nullptr after the last. The pointer is valid until the
  /// next call.
  awaitable<Result<const Part*>> next_part();
  /// More of this part's content; empty at its end. Valid until the next call.
  awaitable<Result<std::span<const char>>> next_data();
  /// The rest of this part; kTooLarge beyond `limit`.
  awaitable<Result<std::string>> read_part(std::uint64_t limit);

 private:
  awaitable<Result<MultipartParser::Event>> advance();

  BodyReader& body_;
  MultipartParser parser_;
  bool in_part_ = false;
  bool ended_ = false;
};

}  // namespace tideline::http
