#pragma once
// The head of an HTTP/1.1 request (RFC 9112 §2–§5): where it ends, and what it says. Pure: the session feeds it from a
// socket, the fuzzer from memory. Stricter than the standard asks wherever leniency has let two parties disagree about
// where a request ends (request smuggling): bare LF, obs-fold, repeated or conflicting framing fields are refused.
// Inner to this folder. The grammar of lines is Beast's parser; the rest is here.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "http/message.h"

namespace tideline::http {

/// Why a request cannot be served: the answer's status and what to tell the sender.
struct Refusal {
  unsigned status = 400;
  std::string message;
  std::string hint;
};

/// Finds the end of a head while it arrives, and refuses what can be refused before it is whole.
class HeadScanner {
 public:
  enum class Status { kMore, kComplete, kRefused };

  /// `bytes` is all that has come since the last reset, from its first byte on: a longer one at each call. Looks at
  /// each byte once.
  Status scan(std::string_view bytes);
  void reset() { *this = HeadScanner{}; }

  /// After kComplete: the head is bytes[begin, end), with the empty line that ends it. Empty lines ahead of it (RFC
  /// 9112 §2.2) are left out.
  std::size_t begin() const { return begin_; }
  std::size_t end() const { return position_; }
  const Refusal& refusal() const { return refusal_; }

 private:
  Status refuse(unsigned status, std::string message, std::string hint = {});

  std::size_t begin_ = 0;
  std::size_t position_ = 0;
  std::size_t line_begin_ = 0;
  bool first_line_ = true;
  Refusal refusal_;
};

/// How the message is framed and what becomes of the connection.
struct Framing {
  std::uint64_t content_length = 0;  // 0 when there is no body
  bool chunked = false;
  bool keep_alive = false;
  bool expects_continue = false;
  bool http10 = false;

  bool has_body() const { return chunked || content_length > 0; }
};

/// Reads a complete head into `request` (method, target and its parts, headers; all views point into `head`) and
/// `framing`; or says why not.
std::optional<Refusal> parse_head(std::string_view head, Request& request, Framing& framing);

/// Whether a client's X-Request-Id is fit to be repeated in logs and answers.
bool is_sane_request_id(std::string_view id);

}  // namespace tideline::http
