#pragma once
// Bodies in motion. BodyReader: the body of a request, decoded (chunked, Content-Encoding) and limited, handed on piece
// by piece. BodySource: the body of an answer that is made piece by piece. Not for parsing what is inside: see
// multipart.h and base/json.h. Neither is thread-safe; both live on the request's executor.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <boost/asio/awaitable.hpp>

#include "base/error.h"

namespace tideline::http {

template <class T>
using awaitable = boost::asio::awaitable<T>;

/// Largest body a handler gets unless it asks for more with `BodyReader::limit`: no JSON request of ours comes near it,
/// and it may be held in memory by every connection at once.
inline constexpr std::uint64_t kDefaultBodyLimit = 8ULL * 1024 * 1024;

/// The bytes of a request's body as they lay on the wire, after chunked decoding. Implemented by the server's session,
/// and by MemoryBody.
class RawBody {
 public:
  virtual ~RawBody() = default;
  /// The next piece; empty at the end. Valid until the next call. kInvalidInput when the body was cut off or malformed,
  /// kDeadline when the sender stopped sending.
  virtual awaitable<Result<std::span<const char>>> next() = 0;
  /// Length by Content-Length; nullopt when it is not known beforehand.
  virtual std::optional<std::uint64_t> length() const = 0;
};

/// A body that is already in memory: lets a handler be called without a socket. Hands on at most `piece` bytes at once.
class MemoryBody final : public RawBody {
 public:
  explicit MemoryBody(std::string bytes = {}, std::size_t piece = 64 * 1024);
  awaitable<Result<std::span<const char>>> next() override;
  std::optional<std::uint64_t> length() const override { return bytes_.size(); }

 private:
  std::string bytes_;
  std::size_t piece_;
  std::size_t position_ = 0;
};

/// The decoded body of a request. Content-Encoding gzip, zstd and deflate (zlib) are undone on the way; the limit
/// counts decoded bytes, so a small body that unfolds into a huge one ends as kTooLarge, having cost no more than the
/// limit. Errors: kTooLarge (names the limit), kUnsupported (unknown Content-Encoding), kInvalidInput (corrupt, cut
/// off: names the byte). The first error stays: later calls return it again.
class BodyReader {
 public:
  /// `raw` outlives the reader. `content_encoding` is the header's value, empty when there is none.
  explicit BodyReader(RawBody& raw, std::string_view content_encoding = {});
  ~BodyReader();
  BodyReader(const BodyReader&) = delete;
  BodyReader& operator=(const BodyReader&) = delete;

  /// Sets the Content-Encoding, where it was not yet known. To be called before the first read.
  void encoded(std::string_view content_encoding) { content_encoding_ = content_encoding; }
  /// Sets the most decoded bytes this body may have. To be called before the first read.
  void limit(std::uint64_t bytes) { limit_ = bytes; }

  /// The next decoded bytes, at most 64 KB or so; empty at the end of the body. Valid until the next call.
  awaitable<Result<std::span<const char>>> next();

  /// The whole (rest of the) body. The smaller of `limit` and the reader's own limit holds.
  awaitable<Result<std::string>> read_all(std::uint64_t limit = kDefaultBodyLimit);

  /// Bytes that came over the wire (still encoded), and bytes handed on (decoded).
  std::uint64_t received() const { return received_; }
  std::uint64_t decoded() const { return decoded_; }
  /// Content-Length as announced: of the encoded bytes. For an early "out of disk", never to allocate by.
  std::optional<std::uint64_t> announced() const { return raw_.length(); }

 private:
  struct Decoder;

  awaitable<Result<std::span<const char>>> produce();
  Result<void> start();

  RawBody& raw_;
  std::string content_encoding_;
  std::unique_ptr<Decoder> decoder_;
  std::span<const char> pending_;
  std::optional<Error> error_;
  std::uint64_t limit_ = kDefaultBodyLimit;
  std::uint64_t received_ = 0;
  std::uint64_t decoded_ = 0;
  bool started_ = false;
  bool ended_ = false;
};

/// The body of an answer made while it is sent: goes out chunked, one chunk per piece. The server owns it, asks for one
/// piece at a time, and destroys it when the answer is complete, failed, or the client is gone.
class BodySource {
 public:
  virtual ~BodySource() = default;
  /// The next piece, nullopt at the end. An empty piece is skipped. An error (or an exception) breaks the connection
  /// off, so that the client cannot take half an answer for a whole one; it is logged.
  virtual awaitable<Result<std::optional<std::string>>> next() = 0;
  /// True for a source whose `next` may wait long for something to happen (server-sent events). The server then watches
  /// the client meanwhile and cancels the wait (Asio terminal cancellation) when it is gone or the server drains;
  /// `next` must wait by cancellable Asio operations only. A client that closes its sending side counts as gone.
  virtual bool waits_long() const { return false; }
};

}  // namespace tideline::http
