#include "server/answer.h"

#include <algorithm>

#include "base/hash.h"
#include "base/text.h"
#include "http/conditional.h"
#include "http/digest_field.h"
#include "http/problem.h"

namespace tideline::server {
namespace {

// More would drown the reader, and could make an answer larger than its request.
constexpr std::size_t kMaxErrorsShown = 100;

// The q of a media range with its parameters; 1 where there is none, 0 where it is malformed.
double quality(std::string_view parameters) {
  for (std::string_view parameter : split(parameters, ';')) {
    parameter = trim(parameter);
    if (parameter.size() < 2 || (parameter[0] != 'q' && parameter[0] != 'Q') || parameter[1] != '=') continue;
    const std::string_view digits = parameter.substr(2);
    if (digits.empty() || digits.find_first_not_of("0123456789.") != std::string_view::npos) return 0;
    return digits.find_first_of("123456789") == std::string_view::npos ? 0 : 1;
  }
  return 1;
}

void add_caching(http::Response& response) {
  response.headers.add("Cache-Control", kCacheControl);
  response.headers.add("Vary", kVary);
}

void add_encoding(http::Response& response, http::Encoding encoding) {
  if (encoding != http::Encoding::kIdentity) response.headers.add("Content-Encoding", http::to_string(encoding));
}

bool is_read(const http::Request& request) {
  return request.method == http::Method::kGet || request.method == http::Method::kHead;
}

}  // namespace

bool accepts(const http::Headers& headers, std::string_view type) {
  if (!headers.find("Accept")) return true;
  const std::string accept = headers.joined("Accept").value_or(std::string());
  if (trim(accept).empty()) return true;
  const std::string_view family = type.substr(0, type.find('/'));
  // The most specific range that matches decides.
  int specificity = 0;
  bool taken = false;
  for (std::string_view range : split(accept, ',')) {
    const std::size_t semicolon = range.find(';');
    const std::string_view name = trim(range.substr(0, semicolon));
    int matched = 0;
    if (equal_ignoring_case(name, type))
      matched = 3;
    else if (name.ends_with("/*") && equal_ignoring_case(name.substr(0, name.size() - 2), family))
      matched = 2;
    else if (name == "*/*")
      matched = 1;
    if (matched <= specificity) continue;
    specificity = matched;
    taken = semicolon == std::string_view::npos || quality(range.substr(semicolon + 1)) > 0;
  }
  return taken;
}

http::Response page_answer(const http::Request& request, const Page& page, std::string_view type) {
  if (auto answer = http::not_modified(request, page.etag, kCacheControl, kVary)) return std::move(*answer);
  http::Response response;
  response.headers.add("Content-Type", type);
  response.body = page.body;
  add_encoding(response, page.encoding);
  response.headers.add("ETag", page.etag);
  if (!page.unencoded_digest.empty()) response.headers.add(http::kUnencodedDigest, page.unencoded_digest);
  add_caching(response);
  return response;
}

http::Response json_answer(const http::Request& request, std::string json, http::Encoding encoding, unsigned status) {
  if (json.size() < kCompressFrom) encoding = http::Encoding::kIdentity;
  std::string tag;
  if (is_read(request) && status == 200) {
    tag = http::entity_tag(xxh3_hex(json), encoding);
    if (auto answer = http::not_modified(request, tag, kCacheControl, kVary)) return std::move(*answer);
  }
  const std::string digest = http::unencoded_digest(json);
  if (encoding != http::Encoding::kIdentity) json = http::compress(json, encoding);
  http::Response response = http::json_response(std::move(json), status);
  add_encoding(response, encoding);
  if (!tag.empty()) response.headers.add("ETag", tag);
  response.headers.add(http::kUnencodedDigest, digest);
  add_caching(response);
  return response;
}

http::Response error_answer(const http::Request& request, const Error& error, bool of_content) {
  if (error.code == Code::kDeadline) {
    Error late = error;
    late.code = Code::kUnavailable;
    if (late.hint.empty()) late.hint = "try again";
    return http::problem(late, request.request_id);
  }
  if (error.code == Code::kUnsupported && of_content) {
    http::Problem what;
    what.status = 422;
    what.message = error.message;
    what.hint = error.hint;
    return http::problem(what, request.request_id);
  }
  return http::problem(error, request.request_id);
}

http::Response field_errors_answer(const http::Request& request, FieldErrors errors) {
  if (errors.size() > kMaxErrorsShown) {
    const std::size_t more = errors.size() - kMaxErrorsShown;
    errors.resize(kMaxErrorsShown);
    errors.push_back({"body", "and " + std::to_string(more) + " more"});
  }
  return http::problem(std::move(errors), request.request_id);
}

}  // namespace tideline::server
