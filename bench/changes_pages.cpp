// changes_pages --database CONNINFO [--name N] [--rounds N]: the pages of a first sync made in one process, without
// HTTP: what the database, the encoding, the compression and the reading of what came cost, and the same rows in the
// encoding that was not chosen (an array of JSON values a row). The database holds what make_organization wrote; every
// row is counted and every digest compared before anything is timed.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>

#include <boost/asio/io_context.hpp>
#include <boost/asio/thread_pool.hpp>

#include "base/json.h"
#include "bench/measure.h"
#include "bench/organization.h"
#include "http/compress.h"
#include "pg/run.h"
#include "server/changes.h"
#include "store/changes.h"
#include "store/connections.h"
#include "wire/changes_page.h"
#include "wire/json_rows.h"
#include "wire/row_bytes.h"

namespace {

using namespace tideline;
using bench::cpu_seconds;
using bench::must;
using Clock = std::chrono::steady_clock;

struct Setup {
  boost::asio::io_context io;
  boost::asio::thread_pool workers{2};
  bench::MadeOrganization organization;
  std::unique_ptr<store::Database> database;
  std::string cursor_key = std::string(32, 'k');
  int rounds = 7;

  store::Tenant tenant() const { return {organization.id, organization.user}; }
  static Deadline deadline() { return within(std::chrono::minutes(1)); }
};

/// The best of some rounds.
void time(const Setup& setup, const char* what, double bytes, const std::function<void()>& work) {
  double wall = 1e9, cpu = 0;
  for (int round = 0; round < setup.rounds; ++round) {
    const auto start = Clock::now();
    const double cpu_start = cpu_seconds();
    work();
    const double spent = std::chrono::duration<double>(Clock::now() - start).count();
    if (spent < wall) wall = spent, cpu = cpu_seconds() - cpu_start;
  }
  std::printf("%-52s %8.1f ms wall %8.1f ms cpu %8.2f MB\n", what, wall * 1e3, cpu * 1e3, bytes / 1e6);
}

store::awaitable<Result<std::int64_t>> read_all(store::Database& database, store::Tenant tenant,
                                                ConnectionId connection, std::string* page) {
  store::ChangesQuery query{.connection = connection, .from = {}, .low = {}, .max_bytes = std::size_t{1} << 40};
  CO_TRY(auto reader,
         co_await store::ChangesReader::open(database, tenant, query, store::Consistency::kPrimary, Setup::deadline()));
  std::string out;
  wire::ChangesPageWriter writer(out);
  std::int64_t rows = 0;
  for (;;) {
    CO_TRY(const auto chunk, co_await reader.next(Setup::deadline()));
    if (!chunk) break;
    for (const auto& run : chunk->runs) rows += run.end - run.begin;
    if (page) store::append_changes(writer, *chunk);
  }
  writer.finish("{}");
  if (page) *page = std::move(out);
  co_return rows;
}

/// A first sync, page by page, each made anew.
double sync_cold(Setup& setup, http::Encoding encoding, std::int64_t max_bytes) {
  server::PageCache pages(64 << 20);
  server::ListingCache listings;
  server::HeadsCache heads;
  server::ReadContext context{*setup.database, pages, listings, heads, setup.cursor_key, setup.workers.get_executor()};
  const auto states = must(pg::run(setup.io, setup.database->watch({setup.organization.id}, setup.deadline())));
  double bytes = 0;
  for (const auto& connection : setup.organization.connections) {
    server::ChangesRequest request{.connection = connection, .cursor = std::nullopt, .max_bytes = max_bytes};
    for (;;) {
      const auto page = must(pg::run(
          setup.io,
          server::changes_page(
              context,
              {.tenant = setup.tenant(), .state = states.at(0), .encoding = encoding, .deadline = setup.deadline()},
              request)));
      bytes += static_cast<double>(page.body->size());
      const std::string plain = must(http::decompress(*page.body, encoding, std::uint64_t{1} << 30));
      const auto end = must(wire::ChangesEnd::parse(std::string_view(plain).substr(plain.rfind("{\"cursor\""))));
      if (end.up_to_date) break;
      request.cursor = must(server::decode_cursor(end.cursor, setup.cursor_key));
    }
  }
  return bytes;
}

/// The encoding that was not chosen: [kind, row_version, values in the order of the tags], null where there is none.
std::string as_json_arrays(std::string_view page) {
  std::string out = "[";
  wire::ChangesPageReader reader;
  reader.feed(page);
  while (must(reader.next()) == wire::ChangesPageReader::Event::kRow) {
    const auto row = must(wire::read_row_bytes(reader.row().bytes));
    out += out.size() > 1 ? ",[" : "[";
    out += std::to_string(static_cast<int>(row.kind)) + "," + std::to_string(reader.row().row_version.value);
    const auto fields = wire::fields_of(row.kind);
    for (std::size_t tag = 1; tag <= fields.size(); ++tag) {
      out += ',';
      if (!row.value(tag)) {
        out += "null";
        continue;
      }
      switch (fields[tag - 1].type) {
        case FieldType::kText:
          append_json_string(out, row.text(tag));
          break;
        case FieldType::kJson:
          out += row.text(tag);
          break;
        case FieldType::kId:
          out += '"';
          wire::append_uuid(out, row.uuid(tag));
          out += '"';
          break;
        case FieldType::kBoolean:
          out += row.boolean(tag) ? "true" : "false";
          break;
        case FieldType::kInteger:
        case FieldType::kTime:
          out += std::to_string(row.integer(tag));
      }
    }
    out += ']';
  }
  return out + "]";
}

std::string compressed(std::string_view text, http::Encoding encoding) {
  std::string out;
  http::Compressor compressor(encoding);
  for (std::size_t at = 0; at < text.size(); at += 128 * 1024) compressor.write(text.substr(at, 128 * 1024), out);
  compressor.finish(out);
  return out;
}

void measure(Setup& setup) {
  std::vector<std::string> pages(setup.organization.connections.size());
  double plain = 0;
  std::int64_t rows = 0;
  for (std::size_t i = 0; i < pages.size(); ++i) {
    const ConnectionId connection = setup.organization.connections[i];
    rows += must(pg::run(setup.io, read_all(*setup.database, setup.tenant(), connection, &pages[i])));
    plain += static_cast<double>(pages[i].size());
    wire::ChangesPageReader reader;
    reader.feed(pages[i]);
    Digest digest;
    while (must(reader.next()) == wire::ChangesPageReader::Event::kRow)
      digest.of(must(wire::read_row_bytes(reader.row().bytes)).kind).add(reader.row().hash);
    const auto state =
        must(pg::run(setup.io, store::find_connection(*setup.database, setup.tenant(), connection, setup.deadline())));
    if (!state || digest != state->digest) {
      std::fprintf(stderr, "the digest of a connection is not that of its rows\n");
      std::exit(1);
    }
  }
  std::printf("%lld rows, digests checked\n", static_cast<long long>(rows));

  const auto for_all = [&](std::string* page) {
    for (const auto& connection : setup.organization.connections)
      must(pg::run(setup.io, read_all(*setup.database, setup.tenant(), connection, page)));
  };
  std::string scratch;
  time(setup, "rows alone", 0, [&] { for_all(nullptr); });
  time(setup, "rows and their bytes, one after the other", plain, [&] { for_all(&scratch); });
  time(setup, "received: hashes, check and fields", plain, [&] {
    for (const auto& page : pages) {
      wire::ChangesPageReader reader;
      reader.feed(page);
      while (must(reader.next()) == wire::ChangesPageReader::Event::kRow)
        must(wire::read_row_bytes(reader.row().bytes));
    }
  });
  std::string all, json;
  for (const auto& page : pages) all += page, json += as_json_arrays(page);
  for (const auto encoding : {http::Encoding::kZstd, http::Encoding::kGzip}) {
    for (const auto* text : {&all, &json}) {
      const auto small = static_cast<double>(compressed(*text, encoding).size());
      const std::string what = std::string(text == &all ? "row bytes, " : "JSON arrays, ") +
                               std::to_string(text->size() / 1'000'000) + " MB, by " +
                               std::string(http::to_string(encoding));
      time(setup, what.c_str(), small, [&] { compressed(*text, encoding); });
    }
  }
  time(setup, "JSON arrays parsed (one DOM)", static_cast<double>(json.size()), [&] {
    for (const auto& page : pages) must(Json::parse(as_json_arrays(page), "rows"));
  });
  time(setup, "  of which writing them", static_cast<double>(json.size()), [&] {
    for (const auto& page : pages) as_json_arrays(page);
  });
  for (const auto encoding : {http::Encoding::kIdentity, http::Encoding::kZstd, http::Encoding::kGzip})
    for (const std::int64_t max_bytes : {server::kDefaultChangesBytes / 4, server::kDefaultChangesBytes}) {
      const double bytes = sync_cold(setup, encoding, max_bytes);
      const std::string what = "a first sync in pages of " + std::to_string(max_bytes >> 10) + " KiB, " +
                               std::string(http::to_string(encoding));
      time(setup, what.c_str(), bytes, [&] { sync_cold(setup, encoding, max_bytes); });
    }
}

}  // namespace

int main(int argc, char** argv) {
  std::string conninfo;
  bench::OrganizationSpec spec;
  Setup setup;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string flag = argv[i];
    if (flag == "--database") conninfo = argv[i + 1];
    if (flag == "--name") spec.name = argv[i + 1];
    if (flag == "--rounds") setup.rounds = std::atoi(argv[i + 1]);
  }
  if (conninfo.empty()) {
    std::fprintf(stderr, "usage: changes_pages --database CONNINFO [--name N] [--rounds N]\n");
    return 2;
  }
  setup.organization = bench::describe_organization(spec);
  store::DatabaseOptions options;
  options.primary.conninfo = conninfo;
  options.primary.max_size = 4;
  setup.database = must(pg::run(setup.io, store::Database::open(setup.io.get_executor(), options, setup.deadline())));
  measure(setup);
  (void)pg::run(setup.io, setup.database->close(setup.deadline()));
  return 0;
}
