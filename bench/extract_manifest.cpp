// Reads a manifest (and a catalog) as a push does, to the hash of every row, and says how long it took and how much
// memory of its own it needed at most.
//
//   bench/make_manifest.py --manifest target/manifest.json --megabytes 500 --out /tmp/big
//   build/bench/extract_manifest /tmp/big/manifest.json [/tmp/big/catalog.json]

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "extract/artifacts.h"
#include "extract/rows.h"
#include "model/row_hash.h"

namespace {

using Clock = std::chrono::steady_clock;

/// Anonymous memory of this process, in MiB: mapped files are the page cache's.
double anonymous_mib() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("RssAnon:")) return std::strtod(line.c_str() + 8, nullptr) / 1024;
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  using namespace tideline;
  if (argc < 2) {
    std::fprintf(stderr, "usage: extract_manifest MANIFEST [CATALOG]\n");
    return 2;
  }
  const std::filesystem::path manifest = argv[1], catalog = argc > 2 ? argv[2] : "";
  double megabytes = static_cast<double>(std::filesystem::file_size(manifest)) / 1e6;
  if (!catalog.empty()) megabytes += static_cast<double>(std::filesystem::file_size(catalog)) / 1e6;
  const auto seconds_since = [](Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
  };

  const auto start = Clock::now();
  const auto artifacts = extract::Artifacts::open(manifest, catalog);
  if (!artifacts) {
    std::fprintf(stderr, "%s\n", describe(artifacts.error()).c_str());
    return 1;
  }
  const double opened = seconds_since(start);
  double peak = anonymous_mib();

  const ConnectionId connection{*Uuid::parse("11111111-2222-4333-8444-555555555555")};
  Digest digest;
  for (std::size_t i = 0; i < artifacts->size(); ++i) {
    const auto facts = artifacts->read(i);
    if (!facts) {
      std::fprintf(stderr, "%s\n", describe(facts.error()).c_str());
      return 1;
    }
    const auto rows = extract::to_rows(*facts, nullptr, connection);
    digest.of(Kind::kObject).add(row_hash(rows.object));
    for (const auto& row : rows.columns) digest.of(Kind::kColumn).add(row_hash(row));
    for (const auto& row : rows.dependencies) digest.of(Kind::kDependency).add(row_hash(row));
    if (i % 1024 == 0) peak = std::max(peak, anonymous_mib());
  }
  peak = std::max(peak, anonymous_mib());
  const double read = seconds_since(start) - opened;
  for (const auto& row : artifacts->files(connection)) digest.of(Kind::kFile).add(row_hash(row));
  peak = std::max(peak, anonymous_mib());
  const double total = seconds_since(start);
  std::printf("%.0f MB: open %.2f s (%.0f MB/s), rows and hashes %.2f s (%.0f MB/s), in all %.2f s (%.0f MB/s)\n",
              megabytes, opened, megabytes / opened, read, megabytes / read, total, megabytes / total);
  std::printf("%lld objects, %lld columns, %lld dependencies, %lld files; digest %s\n",
              static_cast<long long>(digest.of(Kind::kObject).count),
              static_cast<long long>(digest.of(Kind::kColumn).count),
              static_cast<long long>(digest.of(Kind::kDependency).count),
              static_cast<long long>(digest.of(Kind::kFile).count), digest.fingerprint().c_str());
  std::printf("anonymous memory at most %.0f MiB\n", peak);
  return 0;
}
