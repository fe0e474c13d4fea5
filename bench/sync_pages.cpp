// sync_pages --database CONNINFO [--name N] [--rounds N]: pages of the sync package made in one process, without HTTP:
// what the database, the encoding and the compression cost, and what the page cache saves. The database holds what
// make_organization wrote; every row is counted before anything is timed.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>

#include <boost/asio/io_context.hpp>
#include <boost/asio/thread_pool.hpp>

#include "base/json.h"
#include "bench/measure.h"
#include "bench/organization.h"
#include "pg/run.h"
#include "server/connections_listing.h"
#include "server/sync_package.h"
#include "store/sync_package.h"

namespace {

using namespace tideline;
using bench::cpu_seconds;
using bench::must;
using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }
double resident_mb() {
  std::ifstream statm("/proc/self/statm");
  long total = 0, resident = 0;
  statm >> total >> resident;
  return static_cast<double>(resident) * 4096 / 1e6;
}

struct Setup {
  std::string cursor_key = std::string(32, 'k');
  boost::asio::io_context io;
  boost::asio::thread_pool workers{2};
  std::unique_ptr<store::Database> database;
  bench::MadeOrganization organization;
  Deadline deadline() const { return within(std::chrono::seconds(60)); }
};

/// Only the rows, to nowhere: what the database and libpq cost.
store::awaitable<Result<std::int64_t>> read_rows(store::Database& database, store::Tenant tenant,
                                                 store::SyncPackageQuery query, Deadline deadline, std::string* text) {
  CO_TRY(auto reader, co_await store::SyncPackageReader::open(database, tenant, std::move(query),
                                                              store::Consistency::kPrimary, deadline));
  std::int64_t rows = 0;
  std::string out;
  wire::JsonRows json(out);
  for (;;) {
    CO_TRY(const auto chunk, co_await reader.next(deadline));
    if (!chunk) break;
    rows += chunk->rows.rows();
    if (!text) continue;
    store::append_rows(json, *chunk);
    *text += out;
    out.clear();
  }
  co_return rows;
}

void report(const char* what, double wall, double cpu, double bytes) {
  std::printf("%-44s %8.1f ms wall %8.1f ms cpu %8.2f MB\n", what, wall * 1e3, cpu * 1e3, bytes / 1e6);
}

void measure(Setup& setup, http::Encoding encoding, int rounds) {
  const store::Tenant tenant{setup.organization.id, setup.organization.user};
  std::vector<double> walls;
  double best_cpu = 0, plain = 0, encoded = 0;
  for (int round = 0; round < rounds; ++round) {
    server::PageCache pages(32 << 20);
    server::ListingCache listings;
    server::HeadsCache heads;
    server::ReadContext context{
        *setup.database, pages, listings, heads, setup.cursor_key, setup.workers.get_executor()};
    const auto states = must(pg::run(setup.io, setup.database->watch({tenant.organization}, setup.deadline())));
    const auto start = Clock::now();
    const double cpu = cpu_seconds();
    plain = encoded = 0;
    for (std::int64_t offset = 0; offset < 5000; offset += 1000) {
      server::SyncPackageRequest request;
      request.offset = offset;
      const auto page = must(pg::run(
          setup.io,
          server::sync_package(
              context, {.tenant = tenant, .state = states.at(0), .encoding = encoding, .deadline = setup.deadline()},
              request)));
      plain += static_cast<double>(page.plain_bytes);
      encoded += static_cast<double>(page.body->size());
    }
    walls.push_back(seconds_since(start));
    best_cpu = cpu_seconds() - cpu;
    // Plain pages do not all fit.
    if (round + 1 < rounds || encoding == http::Encoding::kIdentity) continue;
    const auto again = Clock::now();
    int hits = 0;
    while (seconds_since(again) < 0.5) {
      server::SyncPackageRequest request;
      request.offset = 1000 * (hits % 5);
      if (!server::cached_sync_package(
              context, {.tenant = tenant, .state = states[0], .encoding = encoding, .deadline = {}}, request))
        std::exit(1);
      ++hits;
    }
    std::printf("%-44s %8.0f /s\n", "  pages found in the cache", hits / seconds_since(again));
  }
  std::sort(walls.begin(), walls.end());
  report(("five pages, cold, " + std::string(http::to_string(encoding))).c_str(), walls[walls.size() / 2], best_cpu,
         encoded);
  std::printf("%-44s %8.2f MB plain, best %.1f ms, resident %.0f MB\n", "", plain / 1e6, walls[0] * 1e3, resident_mb());
}

}  // namespace

int main(int argc, char** argv) {
  std::string conninfo;
  bench::OrganizationSpec spec;
  int rounds = 7;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string flag = argv[i];
    if (flag == "--database") conninfo = argv[i + 1];
    if (flag == "--name") spec.name = argv[i + 1];
    if (flag == "--rounds") rounds = std::atoi(argv[i + 1]);
  }
  if (conninfo.empty()) {
    std::fprintf(stderr, "usage: sync_pages --database CONNINFO [--name N] [--rounds N]\n");
    return 2;
  }
  Setup setup;
  setup.organization = bench::describe_organization(spec);
  store::DatabaseOptions options;
  options.primary.conninfo = conninfo;
  options.primary.max_size = 4;
  setup.database = must(pg::run(setup.io, store::Database::open(setup.io.get_executor(), options, setup.deadline())));
  const store::Tenant tenant{setup.organization.id, setup.organization.user};

  store::SyncPackageQuery query;
  query.limit = 10'000;
  const auto rows = must(pg::run(setup.io, read_rows(*setup.database, tenant, query, setup.deadline(), nullptr)));
  const std::int64_t expected = spec.files + spec.objects + spec.columns + spec.dependencies + spec.lineage;
  if (rows != expected) {
    std::fprintf(stderr, "%lld rows, not %lld\n", static_cast<long long>(rows), static_cast<long long>(expected));
    return 1;
  }
  query.limit = 1000;
  std::string text;
  for (const bool encodes : {false, true}) {
    double best = 1e9, cpu_of_best = 0;
    for (int round = 0; round < rounds; ++round) {
      text.clear();
      const auto start = Clock::now();
      const double cpu = cpu_seconds();
      for (query.offset = 0; query.offset < 5000; query.offset += 1000)
        must(pg::run(setup.io, read_rows(*setup.database, tenant, query, setup.deadline(), encodes ? &text : nullptr)));
      if (const double wall = seconds_since(start); wall < best) best = wall, cpu_of_best = cpu_seconds() - cpu;
    }
    report(encodes ? "rows and their JSON, one after the other" : "rows alone", best, cpu_of_best,
           static_cast<double>(text.size()));
  }
  for (const auto encoding : {http::Encoding::kZstd, http::Encoding::kGzip}) {
    const auto start = Clock::now();
    const double cpu = cpu_seconds();
    std::string out;
    http::Compressor compressor(encoding);
    for (std::size_t at = 0; at < text.size(); at += 128 * 1024)
      compressor.write(std::string_view(text).substr(at, 128 * 1024), out);
    compressor.finish(out);
    report(("compression alone, " + std::string(http::to_string(encoding))).c_str(), seconds_since(start),
           cpu_seconds() - cpu, static_cast<double>(out.size()));
  }
  text = {};
  for (const auto encoding : {http::Encoding::kZstd, http::Encoding::kGzip, http::Encoding::kIdentity})
    measure(setup, encoding, rounds);
  (void)pg::run(setup.io, setup.database->close(setup.deadline()));
  return 0;
}
