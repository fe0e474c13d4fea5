#pragma once
// Log records to standard error, a line each: JSON, or logfmt (key=value). Set up once, at start.

#include "cli/options.h"

namespace tideline::cli {

void log_to_stderr(const LogOptions& options);

}  // namespace tideline::cli
