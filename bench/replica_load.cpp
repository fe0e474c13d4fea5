// replica_load [--scale X] [--rounds N] [--directory DIR]: a first sync into a replica, from the pages in memory to the
// file in place, verified, indexed and searchable; beside it, in the same run, the sqlite3 shell's .import of the same
// rows into the same tables with their indexes and search. Then changes, and the questions people ask. What was loaded
// is checked before anything is timed.

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "bench/measure.h"
#include "bench/organization.h"
#include "replica/queries.h"
#include "replica/replica.h"
#include "replica/schema.h"
#include "replica/verify.h"
#include "wire/changes_page.h"
#include "wire/row_bytes.h"

namespace {

using namespace tideline;
using bench::cpu_seconds;
using bench::must;
using bench::resident_mb;
using namespace tideline::replica;
using Clock = std::chrono::steady_clock;
namespace fs = std::filesystem;

constexpr std::size_t kPageBytes = std::size_t{4} << 20;  // as a server's

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

struct Pages {
  std::map<ConnectionId, std::vector<std::string>> of;
  std::int64_t rows = 0;
  std::size_t bytes = 0;
};

/// As a server pages: by version, kind, id.
Pages make_pages(const bench::OrganizationSpec& spec) {
  struct Row {
    Kind kind;
    Uuid id;
    Version version;
    std::string bytes;
  };
  std::map<ConnectionId, std::vector<Row>> rows;
  bench::each_row(spec, [&](const bench::MadeRow& row) {
    rows[row.connection].push_back({row.kind, row.id, row.version, std::string(row.bytes)});
  });
  const Version version = bench::describe_organization(spec).version;
  Pages pages;
  for (auto& [connection, all] : rows) {
    std::sort(all.begin(), all.end(), [](const Row& a, const Row& b) {
      return std::tie(a.version, a.kind, a.id) < std::tie(b.version, b.kind, b.id);
    });
    wire::ChangesEnd end;
    end.snapshot = version;
    end.connection_version = all.back().version;
    for (std::size_t at = 0; at < all.size();) {
      std::string page;
      wire::ChangesPageWriter writer(page);
      for (; at < all.size() && page.size() < kPageBytes; ++at) {
        const RowHash hash = hash_of_row_bytes(all[at].bytes);
        writer.add_row(all[at].version, hash, [&](std::string& out) { out += all[at].bytes; });
        end.digest.of(all[at].kind).add(hash);
        ++pages.rows;
      }
      end.cursor = std::to_string(at);
      end.up_to_date = at == all.size();
      writer.finish(end.to_json());
      pages.bytes += page.size();
      pages.of[connection].push_back(std::move(page));
    }
  }
  return pages;
}

void stage(Writer& writer, ConnectionId connection, const std::string& page) {
  wire::ChangesPageReader reader;
  reader.feed(page);
  PageStage into = must(writer.begin_page(connection));
  for (;;) {
    switch (must(reader.next())) {
      case wire::ChangesPageReader::Event::kRow:
        must(into.row(reader.row()));
        break;
      case wire::ChangesPageReader::Event::kTombstone:
        must(into.tombstone(reader.tombstone()));
        break;
      case wire::ChangesPageReader::Event::kEnd:
        must(into.finish(must(wire::ChangesEnd::parse(reader.end_json()))));
        return;
      case wire::ChangesPageReader::Event::kNeedInput:
        std::exit(1);
    }
  }
}

struct Load {
  double staging = 0, applying = 0, cpu_staging = 0, cpu = 0;
  double total() const { return staging + applying; }
};

Load load(const bench::OrganizationSpec& spec, const Pages& pages, const fs::path& file) {
  const auto start = Clock::now();
  const double cpu = cpu_seconds();
  auto writer = must(Writer::open({.file = file,
                                   .organization = bench::describe_organization(spec).id,
                                   .server = "https://example.org",
                                   .what = "bench"}));
  must(writer->begin_new("epoch", NewFile::kFirstSync, Timestamp::now()));
  for (const auto& [connection, of] : pages.of) {
    must(writer->restart(connection, 1));
    for (const auto& page : of) stage(*writer, connection, page);
  }
  Load measured;
  measured.staging = seconds_since(start);
  measured.cpu_staging = cpu_seconds() - cpu;
  const Applied applied = must(writer->apply());
  if (applied.outcome != Applied::Outcome::kApplied || applied.rows != pages.rows) {
    std::fprintf(stderr, "not applied\n");
    std::exit(1);
  }
  measured.applying = seconds_since(start) - measured.staging;
  measured.cpu = cpu_seconds() - cpu;
  return measured;
}

void shell(const std::string& command) {
  if (std::system(command.c_str()) != 0) {
    std::fprintf(stderr, "failed: %s\n", command.c_str());
    std::exit(1);
  }
}

struct Import {
  double wall = 0, cpu = 0;
};

/// The shell cannot import blobs or into STRICT tables: there ids are the text it reads, and all else is the same.
Import import_by_shell(const fs::path& file, const fs::path& directory) {
  const std::string database = directory / "import.sqlite", script = directory / "import.sql";
  std::string sql = "pragma page_size = 8192; pragma journal_mode = off; pragma synchronous = off;\n";
  std::string tables, indexes;
  Database source = must(Database::open(file, Database::Mode::kRead, 1000));
  Statement schema = must(source.prepare(
      "select type, sql from sqlite_schema where sql is not null and name not like 'sqlite_%' and tbl_name not like "
      "'sync_%' and (type = 'index' or sql like 'create virtual%' or (type = 'table' and tbl_name not like "
      "'search_%')) "
      "order by type = 'index', rowid"));
  while (must(schema.step())) {
    std::string text = schema.text_at(1);
    for (const auto& [from, to] : {std::pair<std::string, std::string>{" strict", ""}, {" blob", " text"}})
      for (std::size_t at; (at = text.find(from)) != std::string::npos;) text.replace(at, from.size(), to);
    sql += text + ";\n";
  }
  sql += ".mode csv\n";
  for (const auto& table : present_layout()) {
    const std::string csv = directory / (table.table + ".csv");
    std::string columns;
    Statement info =
        must(source.prepare("select name, type from pragma_table_info('" + table.table + "') order by cid"));
    while (must(info.step())) {
      const std::string name = info.text_at(0);
      columns += (columns.empty() ? "" : ", ") +
                 (info.text_at(1) == "BLOB" || info.text_at(1) == "blob" ? "hex(" + name + ")" : name);
    }
    if (!fs::exists(csv))
      shell("sqlite3 -readonly -csv " + file.string() + " \"select " + columns + " from " + table.table + "\" > " +
            csv);
    sql += ".import " + csv + " " + table.table + "\n";
  }
  for (const auto& [index, content, columns] :
       {std::tuple{"search_objects", "objects", "name, full_name, description"},
        {"search_object_names", "objects", "name, full_name"},
        {"search_columns", "columns", "name, description"},
        {"search_column_names", "columns", "name"},
        {"search_documentation", "object_documentation",
         "executive_summary, business_narrative, transformation_cards, code_explanations, business_rules, "
         "impact_analysis"}})
    sql += "insert into " + std::string(index) + "(rowid, " + columns + ") select seq, " + columns + " from " +
           content + " not indexed order by seq;\n";
  std::ofstream(script) << sql;
  fs::remove(database);
  const auto start = Clock::now();
  const double cpu = cpu_seconds(RUSAGE_CHILDREN);
  shell("sqlite3 " + database + " < " + script + " > /dev/null");
  const Import import{seconds_since(start), cpu_seconds(RUSAGE_CHILDREN) - cpu};
  Database imported = must(Database::open(database, Database::Mode::kRead, 1000));
  for (const auto& table : present_layout()) {
    const std::string count = "select count(*) from " + table.table;
    if (must(imported.number(count)) != must(source.number(count))) {
      std::fprintf(stderr, "%s was not imported\n", table.table.c_str());
      std::exit(1);
    }
  }
  return import;
}

/// A push of some models: objects and columns with another description, staged and applied, again and again.
void changes(const bench::OrganizationSpec& spec, const Pages& pages, const fs::path& file, int rounds) {
  constexpr std::size_t kObjects = 30, kColumns = 170;
  auto writer = must(Writer::open({.file = file,
                                   .organization = bench::describe_organization(spec).id,
                                   .server = "https://example.org",
                                   .what = "bench"}));
  const ConnectionId connection = pages.of.begin()->first;
  std::vector<ObjectRecord> objects;
  std::vector<ColumnRecord> columns;
  for (const auto& page : pages.of.begin()->second) {
    wire::ChangesPageReader reader;
    reader.feed(page);
    while (must(reader.next()) != wire::ChangesPageReader::Event::kEnd) {
      const auto kind = static_cast<Kind>(reader.row().bytes[0]);
      if (kind == Kind::kObject && objects.size() < kObjects)
        objects.push_back(must(wire::decode_row_bytes<ObjectRecord>(reader.row().bytes)).record);
      if (kind == Kind::kColumn && columns.size() < kColumns)
        columns.push_back(must(wire::decode_row_bytes<ColumnRecord>(reader.row().bytes)).record);
    }
  }
  std::vector<double> walls, cpus;
  for (int round = 0; round < rounds; ++round) {
    const Position position = must(writer->position(connection));
    wire::ChangesEnd end;
    end.connection_version = end.snapshot = must(writer->state()).version.value();
    ++end.connection_version.value;
    ++end.snapshot.value;
    end.cursor = "after " + std::to_string(round);
    end.up_to_date = true;
    end.digest = position.digest;
    std::string page;
    wire::ChangesPageWriter out(page);
    const auto add = [&](auto& record) {
      KindDigest& digest = end.digest.of(std::remove_reference_t<decltype(record)>::kKind);
      std::string bytes;
      append_row_bytes(bytes, record);
      digest.remove(hash_of_row_bytes(bytes));
      record.description = record.name + " of round " + std::to_string(round);
      bytes.clear();
      append_row_bytes(bytes, record);
      digest.add(hash_of_row_bytes(bytes));
      out.add_row(end.snapshot, hash_of_row_bytes(bytes), [&bytes](std::string& to) { to += bytes; });
    };
    for (auto& object : objects) add(object);
    for (auto& column : columns) add(column);
    out.finish(end.to_json());
    const auto start = Clock::now();
    const double cpu = cpu_seconds();
    for (const auto& one : must(writer->state()).connections)
      if (one.connection != connection) must(writer->confirm(one.connection, one.version, one.digest, end.snapshot));
    stage(*writer, connection, page);
    const Applied applied = must(writer->apply());
    walls.push_back(seconds_since(start));
    cpus.push_back(cpu_seconds() - cpu);
    if (applied.outcome != Applied::Outcome::kApplied || applied.version != end.snapshot) {
      std::fprintf(stderr, "a change was not applied\n");
      std::exit(1);
    }
    writer->settle();
  }
  std::sort(walls.begin(), walls.end());
  std::sort(cpus.begin(), cpus.end());
  std::printf("a push of %zu rows: p50 %.1f ms, worst of %zu %.1f ms; cpu %.1f, %.1f ms\n",
              objects.size() + columns.size(), walls[walls.size() / 2] * 1e3, walls.size(), walls.back() * 1e3,
              cpus[cpus.size() / 2] * 1e3, cpus.back() * 1e3);
}

void time_query(const char* what, int rounds, const std::function<std::size_t()>& ask) {
  std::vector<double> times;
  std::size_t results = 0;
  for (int i = 0; i < rounds; ++i) {
    const auto start = Clock::now();
    results = ask();
    times.push_back(seconds_since(start));
  }
  std::sort(times.begin(), times.end());
  std::printf("  %-44s %8.3f ms p50 %8.3f ms max %8zu results\n", what, times[times.size() / 2] * 1e3,
              times.back() * 1e3, results);
}

void queries(const bench::OrganizationSpec& spec, const fs::path& file) {
  Reader reader = must(Reader::open(file));
  const int objects = spec.objects;
  const std::string some = "customer_model_" + std::to_string(objects / 2 / 40 * 40 + 1);
  std::string column;
  Uuid id;
  {
    View view = must(reader.view());
    const auto resolution = must(view.resolve(some));
    id = resolution.target.value().object.id;
    const auto columns = must(view.columns(id));
    column = some + "." + (columns.empty() ? "" : columns[0].name);
  }
  const auto search = [&](const std::string& text) {
    return [&reader, text] {
      View view = must(reader.view());
      SearchQuery query;
      query.text = text;
      return must(view.search(query)).hits.size();
    };
  };
  std::printf("questions:\n");
  time_query("search, a word that is everywhere (order)", 20, search("order"));
  time_query("search, inside names (ustomer_mod)", 20, search("ustomer_mod"));
  time_query("search, two words of a description", 20, search("shipment ledger"));
  time_query("search, nothing", 20, search("xyzzyx"));
  time_query("resolve a name", 20, [&] { return must(must(reader.view()).resolve(column)).candidates.size() + 1; });
  time_query("show", 20, [&] { return must(must(reader.view()).show(id)).columns.size(); });
  for (const auto& [what, name] : {std::pair<const char*, std::string>{"lineage of a column, all the way", column},
                                   {"lineage of an object, all the way", some}})
    for (const std::size_t limit : {std::size_t{1000}, kMaxNodes})
      time_query(limit == 1000 ? what : "  without a limit", 5, [&] {
        View view = must(reader.view());
        const Target from = must(view.resolve(name)).target.value();
        return must(view.lineage({.from = from, .direction = Direction::kUpstream, .limit = limit})).nodes.size();
      });
  time_query("impact of a column", 5, [&] {
    View view = must(reader.view());
    const auto impact = must(view.impact(must(view.resolve(column)).target.value()));
    return impact.columns.size() + impact.influenced.size() + impact.objects.size();
  });
}

}  // namespace

int main(int argc, char** argv) {
  bench::OrganizationSpec spec;
  int rounds = 7;
  double scale = 1;
  fs::path directory = fs::temp_directory_path() / ("replica-load-" + std::to_string(::getpid()));
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string flag = argv[i];
    if (flag == "--rounds") rounds = std::atoi(argv[i + 1]);
    if (flag == "--scale") scale = std::atof(argv[i + 1]);
    if (flag == "--directory") directory = argv[i + 1];
  }
  if (scale != 1) {
    const std::string name = spec.name;
    spec = bench::neighbour(spec, 0, scale);
    spec.name = name;
    spec.connections = 3;
  }
  fs::create_directories(directory);
  const Pages pages = make_pages(spec);
  const fs::path file = directory / "replica.sqlite";
  load(spec, pages, file);
  const auto start = Clock::now();
  const VerifyReport report = must(verify(file));
  if (!report.sound() || report.rows != pages.rows) {
    std::fprintf(stderr, "the replica is not sound\n");
    return 1;
  }
  std::printf("%lld rows, %.1f MB of pages, file %.1f MB, verified from its columns in %.0f ms\n",
              static_cast<long long>(pages.rows), double(pages.bytes) / 1e6,
              double(fs::file_size(fs::canonical(file))) / 1e6, seconds_since(start) * 1e3);
  std::vector<Load> loads;
  std::vector<Import> imports;
  for (int round = 0; round < rounds; ++round) {
    const fs::path again = directory / ("round" + std::to_string(round)) / "replica.sqlite";
    loads.push_back(load(spec, pages, again));
    imports.push_back(import_by_shell(file, directory));
    fs::remove_all(again.parent_path());
  }
  std::sort(loads.begin(), loads.end(), [](const Load& a, const Load& b) { return a.total() < b.total(); });
  std::sort(imports.begin(), imports.end(), [](const Import& a, const Import& b) { return a.wall < b.wall; });
  const Load& middle = loads[loads.size() / 2];
  const Import& import = imports[imports.size() / 2];
  std::printf(
      "first sync: %.0f ms (rows %.0f; indexes, search, swap %.0f), best %.0f; cpu %.0f ms (%.0f; %.0f); peak memory "
      "%.0f MB\n",
      middle.total() * 1e3, middle.staging * 1e3, middle.applying * 1e3, loads[0].total() * 1e3, middle.cpu * 1e3,
      middle.cpu_staging * 1e3, (middle.cpu - middle.cpu_staging) * 1e3, resident_mb());
  std::printf("sqlite3 .import: %.0f ms, best %.0f; cpu %.0f ms: %.2f times as long, with %.2f times the cpu\n",
              import.wall * 1e3, imports[0].wall * 1e3, import.cpu * 1e3, import.wall / middle.total(),
              import.cpu / middle.cpu);
  queries(spec, file);
  changes(spec, pages, file, 100);
  if (!must(verify(file)).sound()) {
    std::fprintf(stderr, "the replica is not sound after the changes\n");
    return 1;
  }
  fs::remove_all(directory);
  return 0;
}
