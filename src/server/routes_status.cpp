#include "http/problem.h"
#include "server/answer.h"
#include "server/openapi.h"
#include "server/page_cache.h"
#include "server/routes.h"

namespace tideline::server {
namespace {

// Several polls of the watch: one lost answer is no reason to take a server out of rotation.
constexpr std::chrono::milliseconds kReadyWithin{3'000};

http::Response status_answer(std::string_view status) {
  http::Response response = http::json_response(R"({"status":")" + std::string(status) + "\"}\n");
  response.headers.add("Cache-Control", "no-store");
  return response;
}

http::Response not_ready(const http::Request& request, std::string reason) {
  return http::problem(503, std::move(reason), request.request_id);
}

}  // namespace

http::Response get_health(Exchange&) { return status_answer("ok"); }

http::Response get_readiness(Exchange& exchange) {
  const Services& services = exchange.services;
  if (services.draining) return not_ready(exchange.request, "the server is shutting down");
  if (services.watch.age(std::chrono::steady_clock::now()) > kReadyWithin)
    return not_ready(exchange.request, "the database does not answer");
  return status_answer("ready");
}

http::Response get_metrics(Exchange& exchange) {
  const Services& services = exchange.services;
  std::string text;
  services.metrics.write(text);
  const auto gauge = [&](std::string_view name, std::string_view help, auto value) {
    write_metric(text, name, "gauge", help, static_cast<double>(value));
  };
  const auto counter = [&](std::string_view name, std::string_view help, auto value) {
    write_metric(text, name, "counter", help, static_cast<double>(value));
  };
  const PageCacheStats pages = services.reads.pages.stats();
  counter("tideline_page_cache_hits_total", "Answers taken from the page cache.", pages.hits);
  counter("tideline_page_cache_misses_total", "Answers that had to be made.", pages.misses);
  counter("tideline_page_cache_joined_total", "Answers that waited for another request's.", pages.joined);
  counter("tideline_page_cache_evictions_total", "Pages dropped for room.", pages.evictions);
  gauge("tideline_page_cache_bytes", "Bytes of the pages held.", pages.bytes);
  gauge("tideline_page_cache_pages", "Pages held.", pages.pages);
  const pg::PoolStats pool = services.database.primary_stats();
  gauge("tideline_database_connections_in_use", "Connections to the primary at work.", pool.in_use);
  gauge("tideline_database_connections_idle", "Connections to the primary at rest.", pool.idle);
  gauge("tideline_database_waiting", "Requests that wait for a connection to the primary.", pool.waiting);
  counter("tideline_database_connections_opened_total", "Connections made to the primary.", pool.opened);
  counter("tideline_database_connects_failed_total", "Connections that could not be made.", pool.failed_connects);
  gauge("tideline_watch_age_seconds", "Since the primary last confirmed rights and heads.",
        std::chrono::duration<double>(services.watch.age(std::chrono::steady_clock::now())).count());
  gauge("tideline_watched_organizations", "Organizations whose rights and heads are watched.",
        services.membership.size());
  counter("tideline_history_rewinds_total", "Times the database went back to an earlier version.",
          services.membership.rewinds());
  gauge("tideline_event_clients", "Clients that wait for events.", services.events.size());
  gauge("tideline_pushes_in_progress", "Pushes being taken.", services.uploads.in_use());
  write_process_metrics(text);
  http::Response response = http::text_response(std::move(text), "text/plain; version=0.0.4; charset=utf-8");
  response.headers.add("Cache-Control", "no-store");
  return response;
}

http::Response get_openapi(Exchange& exchange) {
  return json_answer(exchange.request, std::string(openapi_document()), exchange.encoding);
}

}  // namespace tideline::server
