#pragma once
// Error answers: RFC 9457 application/problem+json, which also carry `message` (same text as `detail`, what existing
// clients read), `request_id`, `hint` where there is one and `errors` for validation. Never cached. Pure but for the
// log record of an error that is ours.

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "http/message.h"

namespace tideline::http {

struct Problem {
  unsigned status = 500;
  std::string message;             // for the person who made the request
  std::string hint;                // what to do about it
  std::string code;                // for programs, where the status alone does not say it ("below_floor")
  std::string title;               // empty: the reason phrase of the status
  std::vector<FieldError> errors;  // one per bad parameter
};

/// Seconds that 429 and 503 ask a client to wait: longer than a failover of a connection takes, shorter than a person's
/// patience.
inline constexpr std::string_view kRetryAfterSeconds = "2";

/// The answer: Content-Type, Cache-Control: no-store; 401 also has WWW-Authenticate: Bearer, 429 and 503 Retry-After.
Response problem(const Problem& what, std::string_view request_id);
Response problem(unsigned status, std::string message, std::string_view request_id);
/// 400 with one entry per bad parameter.
Response problem(std::vector<FieldError> errors, std::string_view request_id);

/// The one table from Code to status. Where the answer is 5xx by our fault (kInternal, kCorrupt) the client is told the
/// request id and nothing else; `detail` goes to the log, with the request id, here and only here.
Response problem(const Error& error, std::string_view request_id);
unsigned status_of(Code code);

}  // namespace tideline::http
