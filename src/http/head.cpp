#include "http/head.h"

#include <algorithm>
#include <cstdint>
#include <cstring>

#include <boost/beast/http/basic_parser.hpp>

#include "base/text.h"
#include "http/query.h"
#include "http/server.h"

namespace tideline::http {

namespace {

namespace beast = boost::beast;

/// Empty lines tolerated ahead of a request: some old clients send one behind a body.
constexpr std::size_t kMaxLeadingLines = 4;
/// Room for the method, the version and the spaces beside the target.
constexpr std::size_t kMaxRequestLineBytes = kMaxTargetBytes + 64;

std::string_view view(beast::string_view text) { return {text.data(), text.size()}; }

/// Beast's callbacks, put down as views. Sees the head only: bodies are cut by the session.
class HeadParser final : public beast::http::basic_parser<true> {
 public:
  HeadParser(Request& request, Framing& framing) : request_(request), framing_(framing) {
    header_limit(static_cast<std::uint32_t>(kMaxHeaderBytes + 1));
    body_limit(boost::none);
    skip(true);
  }

  std::size_t fields = 0;

 private:
  void on_request_impl(beast::http::verb verb, beast::string_view method, beast::string_view target, int version,
                       beast::error_code&) override {
    request_.method_name = view(method);
    request_.target = view(target);
    framing_.http10 = version == 10;
    switch (verb) {
      case beast::http::verb::get:
        request_.method = Method::kGet;
        break;
      case beast::http::verb::head:
        request_.method = Method::kHead;
        break;
      case beast::http::verb::post:
        request_.method = Method::kPost;
        break;
      case beast::http::verb::put:
        request_.method = Method::kPut;
        break;
      case beast::http::verb::patch:
        request_.method = Method::kPatch;
        break;
      case beast::http::verb::delete_:
        request_.method = Method::kDelete;
        break;
      case beast::http::verb::options:
        request_.method = Method::kOptions;
        break;
      default:
        request_.method = Method::kOther;
    }
  }
  void on_field_impl(beast::http::field, beast::string_view name, beast::string_view value,
                     beast::error_code&) override {
    ++fields;
    request_.headers.add(view(name), view(value));
  }
  void on_header_impl(beast::error_code&) override {}
  void on_finish_impl(beast::error_code&) override {}
  // Never called: the body is skipped.
  void on_response_impl(int, beast::string_view, int, beast::error_code&) override {}
  void on_body_init_impl(const boost::optional<std::uint64_t>&, beast::error_code&) override {}
  std::size_t on_body_impl(beast::string_view body, beast::error_code&) override { return body.size(); }
  void on_chunk_header_impl(std::uint64_t, beast::string_view, beast::error_code&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, beast::string_view body, beast::error_code&) override {
    return body.size();
  }

  Request& request_;
  Framing& framing_;
};

/// Whether none of eight bytes is a control character (tabs are).
bool are_visible(const char* bytes) {
  constexpr std::uint64_t kEach = 0x0101'0101'0101'0101, kHigh = 0x80 * kEach;
  std::uint64_t word = 0;
  std::memcpy(&word, bytes, sizeof word);
  const std::uint64_t no_del = word ^ (0x7f * kEach);
  return ((((word - 0x20 * kEach) & ~word) | ((no_del - kEach) & ~no_del)) & kHigh) == 0;
}

Refusal bad(std::string message) { return Refusal{400, std::move(message), {}}; }

Refusal refusal_of(const beast::error_code& error, std::string_view head) {
  using E = beast::http::error;
  if (error == E::bad_method) return bad("the request's method is malformed");
  if (error == E::bad_target) return bad("the request's target is malformed");
  if (error == E::bad_version) {
    const std::string_view line = head.substr(0, head.find('\r'));
    const std::size_t space = line.rfind(' ');
    const std::string_view version = space == std::string_view::npos ? std::string_view{} : line.substr(space + 1);
    if (version.size() == 8 && version.starts_with("HTTP/") && version[6] == '.')
      return Refusal{505, "this server speaks HTTP/1.1 and HTTP/1.0", {}};
    return bad("the request line does not end with an HTTP version");
  }
  if (error == E::bad_content_length || error == E::multiple_content_length)
    return bad("Content-Length is malformed, or contradicts another field");
  if (error == E::bad_transfer_encoding) return bad("Transfer-Encoding contradicts another field");
  return bad("a header field is malformed");
}

/// Path into decoded segments. False: not a path we serve.
bool split_path(std::string_view path, std::vector<std::string>& segments) {
  path.remove_prefix(1);
  for (;;) {
    const std::size_t slash = path.find('/');
    const std::string_view raw = path.substr(0, slash);
    if (raw.find('%') == std::string_view::npos) {
      segments.emplace_back(raw);
    } else {
      auto decoded = percent_decode(raw, PlusMeans::kPlus);
      if (!decoded || decoded->find('\0') != std::string::npos || !is_valid_utf8(*decoded)) return false;
      segments.push_back(std::move(*decoded));
    }
    // A proxy in front may resolve these before it checks who may go where; so no one of us does.
    if (segments.back() == "." || segments.back() == "..") return false;
    if (slash == std::string_view::npos) return true;
    path.remove_prefix(slash + 1);
  }
}

std::optional<Refusal> parse_target(Request& request) {
  std::string_view target = request.target;
  if (target.size() > kMaxTargetBytes)
    return Refusal{414, "the target is longer than the limit of " + std::to_string(kMaxTargetBytes) + " bytes", {}};
  for (const char c : target)
    if (c <= 0x20 || c >= 0x7f || c == '#' || c == '\\')
      return bad("the target has a character that must be percent-encoded");

  if (target == "*" && request.method == Method::kOptions) {
    request.path = target;
    request.segments.emplace_back(target);
    return std::nullopt;
  }
  if (!target.starts_with('/')) {
    // absolute-form (RFC 9112 §3.2.2): what a client sends to a proxy; the origin drops scheme and authority.
    constexpr std::string_view kScheme = "http://";
    if (target.size() < kScheme.size() || !equal_ignoring_case(target.substr(0, kScheme.size()), kScheme))
      return bad("the target is neither a path nor an http URL");
    const std::string_view rest = target.substr(kScheme.size());
    const std::size_t authority_end = std::min(rest.find_first_of("/?"), rest.size());
    if (authority_end == 0) return bad("the target names no host");
    target = rest.substr(authority_end);
    if (!target.starts_with('/')) return bad("the target has no path");
  }
  const std::size_t mark = target.find('?');
  request.path = target.substr(0, mark);
  request.query = mark == std::string_view::npos ? std::string_view{} : target.substr(mark + 1);
  if (!split_path(request.path, request.segments))
    return bad("the path has a '%' escape that is malformed or not text, or a dot segment");
  return std::nullopt;
}

bool is_host_text(std::string_view host) {
  return !host.empty() && std::all_of(host.begin(), host.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("-._~%!$&'()*+,;=:[]").find(c) != std::string_view::npos;
  });
}

std::optional<Refusal> check_framing(const Request& request, Framing& framing) {
  std::size_t hosts = 0, lengths = 0, codings = 0, expects = 0;
  std::string_view host, length, coding, expect;
  framing.keep_alive = !framing.http10;
  for (const auto& [name, value] : request.headers) {
    switch (name.size()) {
      case 4:
        if (equal_ignoring_case(name, "Host")) ++hosts, host = value;
        break;
      case 6:
        if (equal_ignoring_case(name, "Expect")) ++expects, expect = value;
        break;
      case 10:
        if (equal_ignoring_case(name, "Connection"))
          for (const std::string_view token : split(value, ',')) {
            if (equal_ignoring_case(trim(token), "close")) framing.keep_alive = false;
            if (framing.http10 && equal_ignoring_case(trim(token), "keep-alive")) framing.keep_alive = true;
          }
        break;
      case 14:
        if (equal_ignoring_case(name, "Content-Length")) ++lengths, length = value;
        break;
      case 17:
        if (equal_ignoring_case(name, "Transfer-Encoding")) ++codings, coding = value;
        break;
      default:
        break;
    }
  }
  if (hosts > 1) return bad("there is more than one Host field");
  if (hosts == 0 && !framing.http10) return bad("there is no Host field");
  if (hosts == 1 && !is_host_text(host)) return bad("the Host field is malformed");

  if (codings > 0) {
    if (lengths > 0) return bad("Content-Length and Transfer-Encoding contradict each other");
    if (codings > 1) return bad("there is more than one Transfer-Encoding field");
    if (framing.http10) return bad("HTTP/1.0 has no Transfer-Encoding");
    if (!equal_ignoring_case(coding, "chunked"))
      return Refusal{501, "the only Transfer-Encoding known here is \"chunked\"",
                     "to compress a body, use Content-Encoding"};
    framing.chunked = true;
  }
  if (lengths > 1) return bad("there is more than one Content-Length field");
  if (lengths == 1) {
    // 18 digits fit 64 bits, whatever they are.
    if (length.empty() || length.size() > 18 ||
        !std::all_of(length.begin(), length.end(), [](char c) { return c >= '0' && c <= '9'; }))
      return bad("Content-Length is not a number of bytes");
    for (const char c : length)
      framing.content_length = framing.content_length * 10 + static_cast<std::uint64_t>(c - '0');
  }
  if (expects > 0 && !framing.http10) {
    if (expects > 1 || !equal_ignoring_case(expect, "100-continue"))
      return Refusal{417, "the only expectation known here is \"100-continue\"", {}};
    framing.expects_continue = framing.has_body();
  }
  return std::nullopt;
}

}  // namespace

HeadScanner::Status HeadScanner::refuse(unsigned status, std::string message, std::string hint) {
  refusal_ = {status, std::move(message), std::move(hint)};
  return Status::kRefused;
}

HeadScanner::Status HeadScanner::scan(std::string_view bytes) {
  while (position_ < bytes.size()) {
    if (position_ != line_begin_) {
      // Eight at a time, where nothing of what follows can be.
      const std::size_t most = begin_ + (first_line_ ? kMaxRequestLineBytes : kMaxHeaderBytes);
      const std::size_t end = std::min(bytes.size(), most);
      while (position_ + sizeof(std::uint64_t) <= end && are_visible(bytes.data() + position_))
        position_ += sizeof(std::uint64_t);
      if (position_ == bytes.size()) break;
    }
    const char c = bytes[position_];
    if (c == '\r') {
      if (position_ + 1 == bytes.size()) return Status::kMore;
      if (bytes[position_ + 1] != '\n') return refuse(400, "a line of the header ends in CR alone");
      const bool empty = position_ == line_begin_;
      position_ += 2;
      line_begin_ = position_;
      if (!empty) {
        first_line_ = false;
      } else if (!first_line_) {
        return Status::kComplete;
      } else {
        begin_ = position_;
        if (begin_ > 2 * kMaxLeadingLines) return refuse(400, "there are empty lines where a request should be");
      }
      continue;
    }
    if (c == '\n') return refuse(400, "a line of the header ends in LF alone");
    if ((c >= 0 && c < 0x20 && c != '\t') || c == 0x7f) {
      if (position_ == 0 && c == 0x16)
        return refuse(400, "this port speaks plain HTTP, and was sent TLS", "use http:// instead of https://");
      return refuse(400, "the header has a control character");
    }
    if (position_ == line_begin_ && (c == ' ' || c == '\t'))
      return refuse(400, first_line_ ? "the request line begins with a space"
                                     : "a header field is continued on the next line (obs-fold)");
    ++position_;
    if (first_line_ && position_ - begin_ > kMaxRequestLineBytes)
      return refuse(414, "the target is longer than the limit of " + std::to_string(kMaxTargetBytes) + " bytes");
    if (position_ - begin_ > kMaxHeaderBytes)
      return refuse(431, "the header is longer than the limit of " + std::to_string(kMaxHeaderBytes) + " bytes");
  }
  return Status::kMore;
}

std::optional<Refusal> parse_head(std::string_view head, Request& request, Framing& framing) {
  HeadParser parser(request, framing);
  beast::error_code error;
  parser.put(boost::asio::const_buffer(head.data(), head.size()), error);
  if (error) return refusal_of(error, head);
  if (!parser.is_header_done()) return bad("the header is malformed");
  if (parser.fields > kMaxHeaderFields)
    return Refusal{431, "there are more than " + std::to_string(kMaxHeaderFields) + " header fields", {}};
  if (auto refusal = check_framing(request, framing)) return refusal;
  return parse_target(request);
}

bool is_sane_request_id(std::string_view id) {
  return !id.empty() && id.size() <= 128 && std::all_of(id.begin(), id.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
           c == '.' || c == ':';
  });
}

}  // namespace tideline::http
