#pragma once
// Request and Response: what a handler takes and gives. Plain data, no socket behind it that a handler could see, so a
// handler is called in a test with a Request made by hand (MemoryBody). Semantics by RFC 9110. Not thread-safe.

#include <chrono>
#include <concepts>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <boost/asio/any_io_executor.hpp>

#include "http/body.h"

namespace tideline::http {

enum class Method { kGet, kHead, kPost, kPut, kPatch, kDelete, kOptions, kOther };

/// "GET" …; kOther is "OTHER" (Request::method_name has the real one).
std::string_view to_string(Method method);

/// A point in time up to which something may take. Passed down, never a length of time.
using Deadline = std::chrono::steady_clock::time_point;

/// The header fields of a request in the order they came. Views into memory that the request's owner keeps. Names are
/// compared without regard to case. O(n) look-up: there are a dozen of them.
class Headers {
 public:
  using Field = std::pair<std::string_view, std::string_view>;

  void add(std::string_view name, std::string_view value) { fields_.emplace_back(name, value); }
  void clear() { fields_.clear(); }
  /// The value of the first field of that name.
  std::optional<std::string_view> find(std::string_view name) const;
  /// The first value, or an empty view.
  std::string_view get(std::string_view name) const { return find(name).value_or(std::string_view{}); }
  std::size_t count(std::string_view name) const;
  /// All values of that name joined by ", " (RFC 9110 §5.2); nullopt when there is none.
  std::optional<std::string> joined(std::string_view name) const;

  auto begin() const { return fields_.begin(); }
  auto end() const { return fields_.end(); }
  std::size_t size() const { return fields_.size(); }

 private:
  std::vector<Field> fields_;
};

struct Request {
  explicit Request(BodyReader& body_reader) : body(body_reader) {}

  Method method = Method::kGet;
  std::string_view method_name = "GET";
  std::string_view target;  // as sent: never to be logged, the query may hold secrets
  std::string_view path;    // as sent, up to the '?'
  std::string_view query;   // as sent, behind the '?': for Query::parse
  /// The path cut at '/', each part percent-decoded: "/a/b%2Fc" is {"a", "b/c"}, "/" is {""}. Checked before a handler
  /// sees it: valid UTF-8, no NUL, no "." or "..".
  std::vector<std::string> segments;
  Headers headers;
  BodyReader& body;
  std::string request_id;  // of the client where it sent a sane one, else made here; is in the answer as X-Request-Id
  std::string peer;        // address of the other end of the connection, without port
  Deadline deadline = Deadline::max();    // the handler's answer should be there by then
  boost::asio::any_io_executor executor;  // where the handler runs
  std::size_t worker = 0;                 // index of the thread it runs on: 0 … threads-1
  /// Set by the handler: a name from a small closed set ("/organizations/:id/heads"), for metrics and logs. The path
  /// itself is neither: it is unbounded and may hold what is no one's business.
  std::string_view route = "unknown";

  bool is_head() const { return method == Method::kHead; }
};

/// The body of an answer.
class Body {
 public:
  Body() = default;
  // Not explicit: `response.body = std::move(text)` reads as what it is.
  Body(std::string text) : value_(std::move(text)) {}
  /// Shared and sent without copying: for what is cached. Not changed by anyone once it is here.
  Body(std::shared_ptr<const std::string> shared) : value_(std::move(shared)) {}
  template <std::derived_from<BodySource> Source>
  Body(std::unique_ptr<Source> source) : value_(std::unique_ptr<BodySource>(std::move(source))) {}

  BodySource* source() const {
    const auto* held = std::get_if<std::unique_ptr<BodySource>>(&value_);
    return held ? held->get() : nullptr;
  }
  /// The bytes of a body that is not a source.
  std::string_view view() const;

 private:
  std::variant<std::monostate, std::string, std::shared_ptr<const std::string>, std::unique_ptr<BodySource>> value_;
};

/// The header fields of an answer. The server adds Date, Server, X-Request-Id, Content-Length or Transfer-Encoding, and
/// Connection. A name or value that could break out of its line (CR, LF, NUL) is left out and logged.
class ResponseHeaders {
 public:
  using Field = std::pair<std::string, std::string>;

  void add(std::string_view name, std::string_view value) { fields_.emplace_back(name, value); }
  /// Replaces all fields of that name.
  void set(std::string_view name, std::string_view value);
  std::optional<std::string_view> find(std::string_view name) const;
  auto begin() const { return fields_.begin(); }
  auto end() const { return fields_.end(); }

 private:
  std::vector<Field> fields_;
};

struct Response {
  unsigned status = 200;
  ResponseHeaders headers;
  Body body;
  /// Say "Connection: close" and close after this answer.
  bool close = false;
};

inline constexpr std::string_view kJsonType = "application/json";

/// An answer with Content-Type application/json. Caching headers are the caller's.
Response json_response(std::string json, unsigned status = 200);
Response json_response(std::shared_ptr<const std::string> json, unsigned status = 200);
Response text_response(std::string text, std::string_view content_type, unsigned status = 200);

/// "Not Found" for 404; "Unknown" for a status without a name here.
std::string_view reason_phrase(unsigned status);

/// One thing that is wrong with one parameter of a request (query, path or body member).
struct FieldError {
  std::string parameter;
  std::string message;
};

}  // namespace tideline::http
