#include "http/problem.h"

#include "base/json.h"
#include "base/log.h"

namespace tideline::http {

unsigned status_of(Code code) {
  switch (code) {
    case Code::kInvalidInput:
      return 400;
    case Code::kUnauthenticated:
      return 401;
    case Code::kPermissionDenied:
      return 403;
    case Code::kNotFound:
      return 404;
    case Code::kConflict:
      return 409;
    case Code::kGone:
      return 410;
    case Code::kTooLarge:
      return 413;
    case Code::kUnsupported:
      return 415;
    case Code::kResourceExhausted:
      return 507;
    case Code::kUnavailable:
      return 503;
    case Code::kDeadline:
      return 504;
    case Code::kCorrupt:
    case Code::kInternal:
      return 500;
  }
  return 500;
}

Response problem(const Problem& what, std::string_view request_id) {
  const std::string_view title = what.title.empty() ? reason_phrase(what.status) : std::string_view(what.title);
  std::string body;
  JsonWriter json(body);
  json.begin_object().key("type").string("about:blank").key("title").string(title);
  json.key("status").number(what.status).key("detail").string(what.message).key("message").string(what.message);
  if (!what.code.empty()) json.key("code").string(what.code);
  if (!what.hint.empty()) json.key("hint").string(what.hint);
  if (!request_id.empty()) json.key("request_id").string(request_id);
  if (!what.errors.empty()) {
    json.key("errors").begin_array();
    for (const auto& [parameter, message] : what.errors)
      json.begin_object().key("parameter").string(parameter).key("message").string(message).end_object();
    json.end_array();
  }
  json.end_object();

  Response response = text_response(std::move(body), "application/problem+json", what.status);
  response.headers.add("Cache-Control", "no-store");
  if (what.status == 401) response.headers.add("WWW-Authenticate", "Bearer");
  if (what.status == 429 || what.status == 503) response.headers.add("Retry-After", kRetryAfterSeconds);
  return response;
}

Response problem(unsigned status, std::string message, std::string_view request_id) {
  Problem what;
  what.status = status;
  what.message = std::move(message);
  return problem(what, request_id);
}

Response problem(std::vector<FieldError> errors, std::string_view request_id) {
  Problem what;
  what.status = 400;
  what.message = errors.size() == 1 ? errors.front().parameter + ": " + errors.front().message
                                    : std::to_string(errors.size()) + " parameters are not as they should be";
  what.errors = std::move(errors);
  return problem(what, request_id);
}

Response problem(const Error& error, std::string_view request_id) {
  Problem what;
  what.status = status_of(error.code);
  if (what.status == 500) {
    // The log has the story; the client gets the thread to pull on.
    log(LogLevel::kError, "request failed",
        {{"request_id", std::string(request_id)}, {"message", error.message}, {"detail", error.detail}});
    what.message = "something went wrong on the server";
    what.hint = "ask the operator to look for this request_id in the server's log";
  } else {
    if (what.status > 500)
      log(LogLevel::kWarning, "request refused",
          {{"request_id", std::string(request_id)}, {"message", error.message}, {"detail", error.detail}});
    what.message = error.message;
    what.hint = error.hint;
    what.code = error.reason;
  }
  return problem(what, request_id);
}

}  // namespace tideline::http
