#pragma once
// The handlers of the routes (router.h), by the files they stand in. Each takes an Exchange whose caller has the right
// the route asks for, and gives the answer.

#include "server/service.h"

namespace tideline::server {

// routes_status.cpp
http::Response get_health(Exchange& exchange);
http::Response get_readiness(Exchange& exchange);
http::Response get_metrics(Exchange& exchange);
http::Response get_openapi(Exchange& exchange);

// routes_reads.cpp
http::awaitable<http::Response> get_sync_package(Exchange& exchange);
http::awaitable<http::Response> get_connections(Exchange& exchange);
http::awaitable<http::Response> get_documentation(Exchange& exchange);
http::awaitable<http::Response> post_match_workspace(Exchange& exchange);

// routes_sync.cpp
http::awaitable<http::Response> get_heads(Exchange& exchange);
http::awaitable<http::Response> get_changes(Exchange& exchange);
http::awaitable<http::Response> get_events(Exchange& exchange);
http::awaitable<http::Response> get_digest(Exchange& exchange);
http::awaitable<http::Response> get_rows(Exchange& exchange);

// routes_sessions.cpp
http::awaitable<http::Response> post_session(Exchange& exchange);
http::awaitable<http::Response> get_sessions(Exchange& exchange);
http::awaitable<http::Response> patch_session(Exchange& exchange);

// routes_connections.cpp
http::awaitable<http::Response> put_connection(Exchange& exchange);
http::awaitable<http::Response> update_connection(Exchange& exchange);
http::awaitable<http::Response> delete_connection(Exchange& exchange);

// routes_push.cpp
http::awaitable<http::Response> put_artifacts(Exchange& exchange);
http::awaitable<http::Response> put_artifacts_by_name(Exchange& exchange);
http::awaitable<http::Response> put_documentation(Exchange& exchange);

}  // namespace tideline::server
