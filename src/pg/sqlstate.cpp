#include "pg/sqlstate.h"

#include <libpq-fe.h>

#include <string>

#include "base/text.h"

namespace tideline::pg {
namespace {

// Longest match wins: five characters name one condition, fewer a class.
struct Entry {
  std::string_view prefix;
  Code code;
};
constexpr Entry kTable[] = {
    {"57014", Code::kDeadline},           // statement_timeout, or cancelled because our deadline passed
    {"25P03", Code::kDeadline},           // idle_in_transaction_session_timeout
    {"40001", Code::kUnavailable},        // serialization failure
    {"40P01", Code::kUnavailable},        // deadlock
    {"55P03", Code::kUnavailable},        // lock not had in time
    {"53100", Code::kResourceExhausted},  // disk full
    {"53200", Code::kResourceExhausted},  // out of memory
    {"53300", Code::kUnavailable},        // too many connections
    {"57P0", Code::kUnavailable},         // shutting down, crashed, starting up
    {"08", Code::kUnavailable},           // connection failure
    {"25006", Code::kUnavailable},        // read-only transaction: a standby was asked to write
    {"54000", Code::kTooLarge},           // program limit exceeded
    {"23505", Code::kConflict},           // unique violation
    {"42501", Code::kPermissionDenied},   // privilege, or a row that row level security refuses
    {"28", Code::kPermissionDenied},      // authentication
    {"22", Code::kInvalidInput},          // data exception
    {"23", Code::kInvalidInput},          // integrity constraint
};

std::string_view message_of(Code code) {
  switch (code) {
    case Code::kDeadline:
      return "the database did not answer in time";
    case Code::kUnavailable:
      return "the database is not available just now";
    case Code::kResourceExhausted:
      return "the database has run out of space";
    case Code::kTooLarge:
      return "this is more than the database takes at once";
    case Code::kConflict:
      return "this exists already";
    case Code::kPermissionDenied:
      return "the database does not permit this";
    case Code::kInvalidInput:
      return "the database refused a value";
    default:
      return "the database could not carry this out";
  }
}

std::string_view hint_of(Code code) {
  switch (code) {
    case Code::kDeadline:
    case Code::kUnavailable:
      return "try again";
    case Code::kResourceExhausted:
      return "free some space on the disk that holds the database";
    default:
      return "";
  }
}

constexpr std::string_view kStateMark = "SQLSTATE ";
constexpr std::string_view kConstraintMark = " constraint=";

Error make(Code code, std::string detail) {
  return Error{code, std::string(message_of(code)), std::string(hint_of(code)), std::move(detail)};
}

std::string_view field(const pg_result* result, int which) {
  const char* text = PQresultErrorField(result, which);
  return text ? std::string_view(text) : std::string_view();
}

}  // namespace

Code code_of_sqlstate(std::string_view sqlstate) {
  const Entry* best = nullptr;
  for (const Entry& entry : kTable)
    if (sqlstate.starts_with(entry.prefix) && (!best || entry.prefix.size() > best->prefix.size())) best = &entry;
  return best ? best->code : Code::kInternal;
}

Error error_of(const pg_result* result) {
  const std::string_view state = field(result, PG_DIAG_SQLSTATE);
  if (state.empty()) {  // made by libpq itself: the connection broke, or memory ran out
    const char* words = PQresultErrorMessage(result);
    return make(Code::kUnavailable, std::string(trim(words ? words : "")));
  }
  std::string detail = std::string(kStateMark) + std::string(state);
  if (const auto constraint = field(result, PG_DIAG_CONSTRAINT_NAME); !constraint.empty())
    detail.append(kConstraintMark).append(constraint);
  detail.append(": ").append(field(result, PG_DIAG_MESSAGE_PRIMARY));
  for (const int which : {PG_DIAG_MESSAGE_DETAIL, PG_DIAG_MESSAGE_HINT, PG_DIAG_CONTEXT})
    if (const auto text = field(result, which); !text.empty()) detail.append("; ").append(text);
  return make(code_of_sqlstate(state), std::move(detail));
}

Error error_of(const pg_conn* connection) {
  const char* words = connection ? PQerrorMessage(connection) : "out of memory";
  return make(Code::kUnavailable, std::string(trim(words ? words : "")));
}

std::string_view sqlstate_of(const Error& error) {
  const std::string_view detail = error.detail;
  if (!detail.starts_with(kStateMark) || detail.size() < kStateMark.size() + 5) return {};
  return detail.substr(kStateMark.size(), 5);
}

std::string_view constraint_of(const Error& error) {
  if (sqlstate_of(error).empty()) return {};
  std::string_view rest = std::string_view(error.detail).substr(kStateMark.size() + 5);
  if (!rest.starts_with(kConstraintMark)) return {};
  rest.remove_prefix(kConstraintMark.size());
  return rest.substr(0, rest.find(": "));
}

}  // namespace tideline::pg
