#include "http/message.h"

#include <algorithm>

#include "base/text.h"

namespace tideline::http {

std::string_view to_string(Method method) {
  switch (method) {
    case Method::kGet:
      return "GET";
    case Method::kHead:
      return "HEAD";
    case Method::kPost:
      return "POST";
    case Method::kPut:
      return "PUT";
    case Method::kPatch:
      return "PATCH";
    case Method::kDelete:
      return "DELETE";
    case Method::kOptions:
      return "OPTIONS";
    case Method::kOther:
      return "OTHER";
  }
  return "OTHER";
}

std::optional<std::string_view> Headers::find(std::string_view name) const {
  for (const auto& [field, value] : fields_)
    if (equal_ignoring_case(field, name)) return value;
  return std::nullopt;
}

std::size_t Headers::count(std::string_view name) const {
  return static_cast<std::size_t>(std::count_if(
      fields_.begin(), fields_.end(), [&](const Field& field) { return equal_ignoring_case(field.first, name); }));
}

std::optional<std::string> Headers::joined(std::string_view name) const {
  std::optional<std::string> all;
  for (const auto& [field, value] : fields_) {
    if (!equal_ignoring_case(field, name)) continue;
    if (all)
      (*all += ", ") += value;
    else
      all.emplace(value);
  }
  return all;
}

std::string_view Body::view() const {
  if (const auto* text = std::get_if<std::string>(&value_)) return *text;
  if (const auto* shared = std::get_if<std::shared_ptr<const std::string>>(&value_))
    return *shared ? std::string_view(**shared) : std::string_view{};
  return {};
}

void ResponseHeaders::set(std::string_view name, std::string_view value) {
  std::erase_if(fields_, [&](const Field& field) { return equal_ignoring_case(field.first, name); });
  add(name, value);
}

std::optional<std::string_view> ResponseHeaders::find(std::string_view name) const {
  for (const auto& [field, value] : fields_)
    if (equal_ignoring_case(field, name)) return value;
  return std::nullopt;
}

namespace {
Response typed(Body body, std::string_view content_type, unsigned status) {
  Response response;
  response.status = status;
  response.headers.add("Content-Type", content_type);
  response.body = std::move(body);
  return response;
}
}  // namespace

Response json_response(std::string json, unsigned status) { return typed(Body(std::move(json)), kJsonType, status); }
Response json_response(std::shared_ptr<const std::string> json, unsigned status) {
  return typed(Body(std::move(json)), kJsonType, status);
}
Response text_response(std::string text, std::string_view content_type, unsigned status) {
  return typed(Body(std::move(text)), content_type, status);
}

std::string_view reason_phrase(unsigned status) {
  switch (status) {
    case 100:
      return "Continue";
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 202:
      return "Accepted";
    case 204:
      return "No Content";
    case 304:
      return "Not Modified";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 406:
      return "Not Acceptable";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 410:
      return "Gone";
    case 411:
      return "Length Required";
    case 412:
      return "Precondition Failed";
    case 413:
      return "Content Too Large";
    case 414:
      return "URI Too Long";
    case 415:
      return "Unsupported Media Type";
    case 417:
      return "Expectation Failed";
    case 422:
      return "Unprocessable Content";
    case 428:
      return "Precondition Required";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 502:
      return "Bad Gateway";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    case 505:
      return "HTTP Version Not Supported";
    case 507:
      return "Insufficient Storage";
    default:
      return "Unknown";
  }
}

}  // namespace tideline::http
