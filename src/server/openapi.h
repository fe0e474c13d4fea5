#pragma once
// The OpenAPI 3.1 document of this server, as text. The tests hold every answer against it.

#include <string_view>

namespace tideline::server {

/// JSON. The same for every call.
std::string_view openapi_document();

}  // namespace tideline::server
