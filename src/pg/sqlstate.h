#pragma once
// What the server's error codes (SQLSTATE, PostgreSQL documentation, appendix A) mean to a caller: one table. An Error
// made here never shows SQL or data in `message`; `detail` has the server's words for the log. Pure, thread-safe.

#include <string_view>

#include "base/error.h"

struct pg_result;
struct pg_conn;

namespace tideline::pg {

/// kUnavailable for what may succeed when tried again, kConflict for a unique violation, …; kInternal for the rest.
Code code_of_sqlstate(std::string_view sqlstate);

/// The failure a result reports.
Error error_of(const pg_result* result);
/// The connection is gone or was never made; libpq's words become the detail.
Error error_of(const pg_conn* connection);

/// The five characters of an Error made by error_of; empty for any other.
std::string_view sqlstate_of(const Error& error);
/// The constraint that was violated, where the server named one; else empty.
std::string_view constraint_of(const Error& error);

}  // namespace tideline::pg
