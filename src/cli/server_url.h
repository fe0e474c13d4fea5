#pragma once
// The address of a server, as somebody wrote it.

#include <string>

#include "base/error.h"

namespace tideline::cli {

/// kInvalidInput: a user or a password stands in it. Tideline has no use for either, and an address is printed, logged
/// and remembered; so it is refused without being repeated.
Result<void> check_no_userinfo(const std::string& server);

/// That a token may be sent there. kInvalidInput: no URL, one with userinfo, or plain http to another machine.
Result<void> check_server(const std::string& server);

}  // namespace tideline::cli
