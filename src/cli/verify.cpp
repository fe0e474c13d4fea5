// `tideline verify`: the replica against itself, and with --repair what is damaged from the server again.

#include <algorithm>
#include <atomic>

#include "base/json.h"
#include "cli/client_context.h"
#include "cli/options.h"
#include "cli/terminal.h"
#include "replica/verify.h"
#include "sync/engine.h"

namespace tideline::cli {
namespace {

std::vector<replica::Mismatch> kinds_of(const replica::VerifyReport& report) {
  std::vector<replica::Mismatch> kinds;
  const auto add = [&kinds](ConnectionId connection, Kind kind) {
    const bool known = std::any_of(kinds.begin(), kinds.end(), [&](const auto& each) {
      return each.connection == connection && each.kind == kind;
    });
    if (!known) kinds.push_back({connection, kind, {}, {}});
  };
  for (const auto& each : report.damaged_rows) add(each.connection, each.kind);
  for (const auto& each : report.damaged_buckets) add(each.connection, each.kind);
  return kinds;
}

struct Repaired {
  replica::VerifyReport after;
  sync::PullReport pull;
};

/// What the workspaces of this machine chose, and what was found in the replica.
Result<sync::Wanted> wanted_of(const ClientContext& context, const replica::VerifyReport& found) {
  TRY(const auto workspaces, context.state.workspaces(context.target.server, context.target.organization));
  sync::Wanted wanted{.all = false, .connections = found.connections};
  for (const auto& workspace : workspaces) {
    wanted.all = wanted.all || workspace.mode == sync::SyncMode::kAll;
    for (const auto& connection : workspace.connections)
      if (!wanted.has(connection.id)) wanted.connections.push_back(connection.id);
  }
  if (!wanted.all && wanted.connections.empty())
    return fail(Code::kNotFound, "nothing in the replica can be read, and no workspace says what it held",
                "tideline sync, in a workspace, makes it anew");
  return wanted;
}

Result<Repaired> repair(const Place& place, const replica::VerifyReport& found) {
  TRY(const ClientContext context, find_context_with_token(place));
  TRY(const sync::Wanted wanted, wanted_of(context, found));
  static const std::atomic<bool> stop = false;
  sync::Api api(context.target, stop);
  sync::Engine engine(api, {.file = context.replica,
                            .organization = context.target.organization,
                            .server = context.target.server,
                            .what = "verify --repair",
                            .asked_for = true});
  ProgressBar bar("repairing");
  engine.on_progress = [&bar](const sync::PullProgress& progress) {
    bar.update_count(static_cast<std::uint64_t>(progress.rows), static_cast<std::uint64_t>(progress.total), "rows");
  };
  const auto anew = [&]() -> Result<Repaired> {
    TRY_VOID(engine.open_damaged());
    auto pulled = engine.rebuild(wanted, replica::NewFile::kDamaged);
    if (!pulled) return fail(told(pulled.error(), context));
    TRY(auto after, replica::verify(context.replica));
    return Repaired{std::move(after), std::move(*pulled)};
  };
  // Pages or indexes that cannot be read are not mended row by row.
  if (!found.file_problems.empty() || !found.index_problems.empty()) return anew();
  TRY_VOID(engine.open());
  auto pulled = engine.repair(wanted, kinds_of(found));
  if (!pulled) return fail(told(pulled.error(), context));
  TRY(auto after, replica::verify(context.replica));
  if (!after.sound() && !pulled->new_file) return anew();
  return Repaired{std::move(after), std::move(*pulled)};
}

void print_damage(const replica::VerifyReport& report) {
  constexpr std::size_t kShown = 10;
  for (std::size_t i = 0; i < std::min(report.damaged_rows.size(), kShown); ++i) {
    const auto& row = report.damaged_rows[i];
    print_line("  " + std::string(table_name(row.kind)) + " " + row.id.to_string() + ": " + printable(row.what));
  }
  if (report.damaged_rows.size() > kShown)
    print_line("  … and " + std::to_string(report.damaged_rows.size() - kShown) + " rows more");
  for (std::size_t i = 0; i < std::min(report.damaged_buckets.size(), kShown); ++i) {
    const auto& bucket = report.damaged_buckets[i];
    std::string line = "  " + std::string(table_name(bucket.kind)) + ", bucket " + std::to_string(bucket.bucket);
    if (report.connections.size() > 1) line += " of connection " + bucket.connection.to_string();
    line += ": not what the server verified";
    if (bucket.actual.count != bucket.expected.count)
      line += ", " + std::to_string(bucket.actual.count) + " of " + std::to_string(bucket.expected.count) + " rows";
    print_line(line);
  }
  if (report.damaged_buckets.size() > kShown)
    print_line("  … and " + std::to_string(report.damaged_buckets.size() - kShown) + " buckets more");
  for (const auto& text : report.file_problems) print_line("  file: " + printable(text));
  for (const auto& text : report.index_problems) print_line("  search index: " + printable(text));
}

void write_report(JsonWriter& json, const replica::VerifyReport& report) {
  json.key("sound").boolean(report.sound()).key("rows").number(report.rows);
  json.key("damaged_rows").number(static_cast<std::int64_t>(report.damaged_rows.size()));
  json.key("damaged_buckets").number(static_cast<std::int64_t>(report.damaged_buckets.size()));
  json.key("damage").begin_object().key("rows").begin_array();
  for (const auto& row : report.damaged_rows) {
    json.begin_object().key("connection_id").string(row.connection.to_string());
    json.key("kind").string(table_name(row.kind)).key("bucket").number(row.bucket);
    json.key("id").string(row.id.to_string()).key("what").string(row.what).end_object();
  }
  json.end_array().key("buckets").begin_array();
  for (const auto& bucket : report.damaged_buckets) {
    json.begin_object().key("connection_id").string(bucket.connection.to_string());
    json.key("kind").string(table_name(bucket.kind)).key("bucket").number(bucket.bucket);
    json.key("rows").number(bucket.actual.count).key("rows_expected").number(bucket.expected.count).end_object();
  }
  json.end_array().end_object();
  for (const auto& [name, texts] :
       {std::pair("file_problems", &report.file_problems), std::pair("index_problems", &report.index_problems)}) {
    json.key(name).begin_array();
    for (const auto& text : *texts) json.string(text);
    json.end_array();
  }
}

Result<int> run(const VerifyOptions& options) {
  TRY(const ClientContext context, find_context(options.place));
  auto checked = replica::verify(context.replica);
  if (!checked && checked.error().code == Code::kNotFound)
    return fail(Code::kNotFound, "there is no replica of this organization here yet", "tideline sync makes it");
  if (!checked) return fail(checked.error());
  const replica::VerifyReport& found = *checked;
  std::optional<Repaired> repaired;
  if (!found.sound() && options.repair) {
    TRY(repaired, repair(options.place, found));
  }
  const bool sound = repaired ? repaired->after.sound() : found.sound();
  if (options.place.json) {
    std::string text;
    JsonWriter json(text);
    json.begin_object();
    write_report(json, found);
    json.key("repaired");
    if (repaired) {
      json.begin_object();
      write_report(json, repaired->after);
      json.key("buckets_repaired")
          .number(repaired->pull.buckets_repaired)
          .key("new_file")
          .boolean(repaired->pull.new_file);
      json.end_object();
    } else {
      json.null();
    }
    json.end_object();
    print_line(text);
    return sound ? kOk : kFailed;
  }
  if (found.sound()) {
    print_line("sound: " + with_commas(found.rows) + " rows, each is what its hash says");
    return kOk;
  }
  print_line("damaged");
  print_damage(found);
  if (!repaired) {
    print_line("tideline verify --repair fetches it again");
    return kFailed;
  }
  if (sound)
    print_line(repaired->pull.new_file
                   ? "made anew: sound, " + with_commas(repaired->after.rows) + " rows"
                   : "repaired: sound, " + std::to_string(repaired->pull.buckets_repaired) + " parts fetched again");
  else
    print_damage(repaired->after);
  return sound ? kOk : kFailed;
}

}  // namespace

int verify(const VerifyOptions& options) {
  const auto code = run(options);
  return code ? *code : report(code.error());
}

}  // namespace tideline::cli
