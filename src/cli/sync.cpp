// `tideline sync`: which connections, then one pull, or a watch that goes on.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <ctime>
#include <thread>

#include "base/json.h"
#include "cli/client_context.h"
#include "cli/credentials.h"
#include "cli/options.h"
#include "cli/paths.h"
#include "cli/terminal.h"
#include "cli/watch_lock.h"
#include "sync/choose.h"
#include "sync/engine.h"
#include "sync/sessions.h"
#include "sync/watch.h"

namespace tideline::cli {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Clock = std::chrono::steady_clock;

/// Another `tideline sync` on the same replica is waited for so long.
constexpr seconds kOtherWriter{60};

/// What passes by itself is asked again so often, unless the server asks for more time than a person waits.
constexpr int kTriesAgain = 3;
constexpr milliseconds kFirstPause{250};
constexpr milliseconds kLongestPause{30'000};

std::atomic<bool> stopping = false;
std::atomic<sync::Watch*> watching = nullptr;

void on_signal(int) {
  stopping = true;
  if (sync::Watch* watch = watching) watch->wake();
}

void end_on_signals() {
  struct sigaction action{};
  action.sa_handler = on_signal;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

/// How long to wait before the question that failed for the `failures`-th time is asked again. nullopt: not to be.
std::optional<milliseconds> pause_before_trying_again(const sync::SyncError& error, int failures) {
  const bool broken = error.trouble == sync::Trouble::kNetwork && error.error.code != Code::kDeadline;
  const bool passes = broken || error.trouble == sync::Trouble::kBusy || error.trouble == sync::Trouble::kDamaged;
  if (!passes || failures > kTriesAgain || stopping) return std::nullopt;
  const milliseconds pause = std::max(error.retry_after.value_or(milliseconds(0)), kFirstPause * (1 << (failures - 1)));
  return pause <= kLongestPause ? std::optional(pause) : std::nullopt;
}

/// `ask()`, an Answer, until there is one, the failure is not one that passes, or it was tried often enough. Says so
/// whenever it waits.
template <class Ask>
auto patiently(const Ask& ask, ProgressBar* bar = nullptr) {
  for (int failures = 1;; ++failures) {
    auto answer = ask();
    if (answer) return answer;
    const auto pause = pause_before_trying_again(answer.error(), failures);
    if (!pause) return answer;
    if (bar) bar->clear();
    char seconds[32];
    std::snprintf(seconds, sizeof seconds, "%.2g s", std::chrono::duration<double>(*pause).count());
    std::fprintf(stderr, "tideline: %s: trying again in %s\n", answer.error().error.message.c_str(), seconds);
    for (const auto until = Clock::now() + *pause; Clock::now() < until && !stopping;)
      std::this_thread::sleep_for(milliseconds(20));
  }
}

/// What a person sees when nothing of the server's is this workspace's.
Error nothing_matched(const ClientContext& context, const sync::Choice& choice) {
  Error error{Code::kNotFound, "no connection of the organization matches this workspace", {}, {}};
  for (const auto& name : context.workspace.names)
    error.detail += "tried " + printable(name.identifier) + " — " + printable(name.origin) + "\n";
  for (const auto& note : context.workspace.notes) error.detail += printable(note) + "\n";
  constexpr std::size_t kShown = 10;
  const auto list = [&](const char* title, const std::vector<sync::ServerConnection>& connections) {
    if (connections.empty()) return;
    error.detail += std::string(title) + "\n";
    for (std::size_t i = 0; i < std::min(connections.size(), kShown); ++i)
      error.detail += "- " + printable(sync::shown_name(connections[i])) +
                      (connections[i].reason.empty() ? "" : " — " + printable(connections[i].reason)) + "\n";
    if (connections.size() > kShown) error.detail += "… and " + std::to_string(connections.size() - kShown) + " more\n";
  };
  list("it may be one of these:", choice.suggested);
  list(choice.suggested.empty() ? "the organization has:" : "the others are:", choice.other);
  error.hint = choice.suggested.empty() && choice.other.empty()
                   ? "the organization has no connections yet: tideline push makes one"
                   : "choose with: tideline connections use NAME";
  return error;
}

/// What this workspace syncs: as chosen by hand, else as the server matches now, else (no answer) as it was last.
Result<sync::WorkspaceMemory> choose(sync::Api& api, const ClientContext& context, bool watches) {
  sync::WorkspaceMemory memory = context.memory.value_or(sync::WorkspaceMemory{
      context.workspace.root.string(), context.target.server, context.target.organization, "", {}, {}});
  memory.identifier = context.workspace.identifier;
  if (context.memory && memory.mode != sync::SyncMode::kWorkspace) return memory;
  const auto ask = [&] { return sync::match_workspace(api, context.workspace); };
  auto choice = watches ? ask() : patiently(ask);
  if (!choice) {
    const auto trouble = choice.error().trouble;
    const bool passes = trouble != sync::Trouble::kRefused;
    if (watches && passes && !memory.connections.empty()) return memory;
    return fail(told(choice.error(), context));
  }
  if (choice->chosen.empty()) return fail(nothing_matched(context, *choice));
  memory.connections = std::move(choice->chosen);
  return memory;
}

/// Of all workspaces of this organization on this machine: they share one replica.
Result<sync::Wanted> wanted_of(const ClientContext& context) {
  TRY(const auto workspaces, context.state.workspaces(context.target.server, context.target.organization));
  sync::Wanted wanted;
  for (const auto& workspace : workspaces) {
    wanted.all = wanted.all || workspace.mode == sync::SyncMode::kAll;
    for (const auto& connection : workspace.connections)
      if (std::find(wanted.connections.begin(), wanted.connections.end(), connection.id) == wanted.connections.end())
        wanted.connections.push_back(connection.id);
  }
  std::sort(wanted.connections.begin(), wanted.connections.end());
  return wanted;
}

/// For `tideline status`: what kept this from asking for changes at all.
void note_problem(const ClientContext& context, const Error& error) {
  std::error_code ignored;
  if (error.code == Code::kNotFound || !std::filesystem::exists(context.replica, ignored)) return;
  // One that is being written notes its own.
  auto writer = replica::Writer::open({.file = context.replica,
                                       .organization = context.target.organization,
                                       .server = context.target.server,
                                       .what = "sync"});
  if (!writer) return;
  static_cast<void>((*writer)->note("problem", describe(error)));
  static_cast<void>((*writer)->note("failed_at", Timestamp::now().to_string()));
}

sync::SessionRegistration session_of(const std::string& machine, const sync::WorkspaceMemory& memory) {
  sync::SessionRegistration session{.workspace_identifier = memory.identifier,
                                    .workspace_hash = sync::workspace_hash(machine, memory.root),
                                    .ide_version = "tideline " TIDELINE_VERSION,
                                    .sync_mode = std::string(sync::to_string(memory.mode)),
                                    .connections = {},
                                    .all = memory.mode == sync::SyncMode::kAll};
  if (!session.all)
    for (const auto& connection : memory.connections) session.connections.push_back(connection.id);
  return session;
}

/// Of all workspaces that use this replica.
Result<std::vector<sync::SessionRegistration>> sessions_of(const ClientContext& context) {
  TRY(const std::string machine, context.state.machine_id());
  TRY(const auto workspaces, context.state.workspaces(context.target.server, context.target.organization));
  std::vector<sync::SessionRegistration> sessions;
  for (const auto& workspace : workspaces) sessions.push_back(session_of(machine, workspace));
  return sessions;
}

void write_report(JsonWriter& json, const sync::PullReport& report) {
  json.key("version");
  if (report.version)
    json.number(report.version->value);
  else
    json.null();
  json.key("changed").boolean(report.changed);
  json.key("rows_written").number(report.rows_written).key("rows_removed").number(report.rows_removed);
  json.key("rows_received").number(report.rows_received);
  json.key("bytes_received").number(static_cast<std::int64_t>(report.bytes_received));
  json.key("new_file").boolean(report.new_file).key("buckets_repaired").number(report.buckets_repaired);
  json.key("notes").begin_array();
  for (const auto& note : report.notes) json.string(note);
  json.end_array();
}

std::string summary(const sync::PullReport& report) {
  std::string text = "version " + (report.version ? with_commas(report.version->value) : std::string("?")) + ": ";
  if (!report.changed) return text + "nothing changed";
  text += with_commas(report.rows_written) + (report.rows_written == 1 ? " row" : " rows");
  if (report.rows_removed > 0) text += ", " + with_commas(report.rows_removed) + " removed";
  if (report.bytes_received > 0) text += ", " + human_bytes(report.bytes_received) + " received";
  return text;
}

void print_chosen(const sync::WorkspaceMemory& memory) {
  if (memory.mode == sync::SyncMode::kAll)
    print_line("all connections of the organization");
  else
    for (const auto& connection : memory.connections)
      print_line(printable(connection.name) + "  (" + printable(connection.why) + ")");
}

/// Another process keeps this replica up to date: what is left is to wait until it has.
Result<sync::PullReport> wait_for_watcher(sync::Api& api, const ClientContext& context, const sync::Wanted& wanted) {
  auto heads = patiently([&] { return api.heads(); });
  if (!heads) return fail(told(heads.error(), context));
  if (!*heads) return fail(Code::kUnavailable, "the server did not say where it is", "try again");
  std::vector<ConnectionId> expected;
  for (const auto& head : (*heads)->connections)
    if (wanted.has(head.id)) expected.push_back(head.id);
  const auto deadline = Clock::now() + kOtherWriter;
  while (!stopping && Clock::now() < deadline) {
    if (auto reader = replica::Reader::open(context.replica)) {
      auto view = reader->view();
      auto status = view ? view->status() : Result<replica::Status>(fail(view.error()));
      if (status && status->version && *status->version >= (*heads)->version) {
        const bool all_there = std::all_of(expected.begin(), expected.end(), [&](const ConnectionId& id) {
          return std::any_of(status->connections.begin(), status->connections.end(),
                             [&](const auto& each) { return each.id == id; });
        });
        if (all_there) {
          sync::PullReport report;
          report.version = status->version;
          report.notes.emplace_back("A running `tideline sync --watch` keeps this replica up to date.");
          return report;
        }
      }
    }
    std::this_thread::sleep_for(milliseconds(20));
  }
  return fail(Code::kDeadline, "the running `tideline sync --watch` did not come to the server's version in time",
              "tideline status says what is in its way");
}

/// kConflict: a watcher has it.
Result<void> open_engine(sync::Engine& engine, const ClientContext& context) {
  const auto deadline = Clock::now() + kOtherWriter;
  for (;;) {
    auto opened = engine.open();
    const bool taken = !opened && opened.error().code == Code::kConflict;
    if (!taken || is_watched(context.replica) || stopping || Clock::now() > deadline) return opened;
    std::this_thread::sleep_for(milliseconds(50));
  }
}

std::string time_of_day() {
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  localtime_r(&now, &local);
  char text[16];
  std::strftime(text, sizeof text, "%H:%M:%S", &local);
  return text;
}

void print_event(const sync::WatchEvent& event, bool as_json) {
  if (as_json) {
    std::string text;
    JsonWriter json(text);
    json.begin_object()
        .key("at")
        .string(Timestamp::now().to_string())
        .key("state")
        .string(sync::to_string(event.state));
    if (!event.message.empty()) json.key("message").string(event.message);
    if (event.report) write_report(json, *event.report);
    json.end_object();
    print_line(text);
    return;
  }
  const std::string at = time_of_day() + "  ";
  if (event.report) {
    for (const auto& note : event.report->notes) print_line(at + note);
    if (event.report->changed) print_line(at + summary(*event.report));
    return;
  }
  switch (event.state) {
    case sync::WatchState::kLive:
      print_line(at + "connected");
      break;
    case sync::WatchState::kPolling:
      print_line(at + "connected; events do not get through, so it asks");
      break;
    default:
      print_line(at + printable(event.message));
  }
}

Result<int> watch(const SyncOptions& options, const ClientContext& context, sync::Api& api, sync::Engine& engine,
                  ProgressBar& bar) {
  sync::Api listener(context.target, stopping);
  sync::WatchOptions watch_options;
  watch_options.sessions = [&context] { return sessions_of(context); };
  watch_options.wanted = [&context] { return wanted_of(context); };
  watch_options.token = [&context] { return present_token(context.target); };
  watch_options.files = {credentials_file(), context.state.workspaces_file()};
  watch_options.on_event = [&](const sync::WatchEvent& event) {
    bar.clear();
    print_event(event, options.place.json);
  };
  sync::Watch watch(api, listener, engine, std::move(watch_options), stopping);
  watching = &watch;
  const auto ended = watch.run();
  watching = nullptr;
  if (!ended) return fail(ended.error());
  // Said good-bye to with an api that nobody stopped.
  static const std::atomic<bool> never = false;
  sync::Api farewell(context.target, never);
  watch.leave(farewell);
  return kOk;
}

Result<int> run(const SyncOptions& options) {
  end_on_signals();
  const auto began = Clock::now();
  TRY(ClientContext context, find_context_with_token(options.place));
  if (!options.workspace.empty()) {
    context.workspace.identifier = options.workspace;
    context.workspace.names = {{options.workspace, "--workspace"}};
    if (context.memory) context.memory->mode = sync::SyncMode::kWorkspace;
  }
  std::optional<sync::FileLock> watch_lock;
  if (options.watch) {
    // Whoever only looks whether somebody watches holds the lock for a moment.
    for (int attempt = 0; attempt < 5 && !watch_lock; ++attempt) {
      if (attempt > 0) std::this_thread::sleep_for(milliseconds(20));
      TRY(watch_lock, take_watch_lock(context.replica));
    }
    if (!watch_lock) {
      const std::string line = "another `tideline sync --watch` keeps this replica up to date already";
      if (options.place.json) {
        std::string text;
        JsonWriter(text).begin_object().key("state").string("elsewhere").key("message").string(line).end_object();
        print_line(text);
      } else {
        print_line(line);
      }
      return kOk;
    }
  }
  sync::Api api(context.target, stopping);
  auto choice = choose(api, context, options.watch);
  if (!choice) {
    note_problem(context, choice.error());
    return fail(std::move(choice.error()));
  }
  sync::WorkspaceMemory memory = std::move(*choice);
  TRY_VOID(context.state.remember(memory));
  TRY(const sync::Wanted wanted, wanted_of(context));
  if (!options.place.json) print_chosen(memory);

  sync::Engine engine(api, {.file = context.replica,
                            .organization = context.target.organization,
                            .server = context.target.server,
                            .what = options.watch ? "sync --watch" : "sync"});
  auto opened = open_engine(engine, context);
  ProgressBar bar("syncing");
  engine.on_progress = [&bar](const sync::PullProgress& progress) {
    if (progress.stage == "receiving")
      bar.update_count(static_cast<std::uint64_t>(progress.rows), static_cast<std::uint64_t>(progress.total), "rows");
    else
      bar.note(progress.stage);
  };
  if (!opened && (opened.error().code != Code::kConflict || options.watch)) return fail(opened.error());
  if (options.watch) return watch(options, context, api, engine, bar);

  sync::PullReport report;
  if (!opened) {
    TRY(report, wait_for_watcher(api, context, wanted));
  } else {
    auto pulled = patiently([&] { return engine.pull(wanted); }, &bar);
    const Timestamp now = Timestamp::now();
    static_cast<void>(engine.writer().note("problem", pulled ? "" : describe(pulled.error().error)));
    static_cast<void>(engine.writer().note(pulled ? "checked_at" : "failed_at", now.to_string()));
    const bool reachable = pulled || pulled.error().trouble != sync::Trouble::kNetwork;
    if (const auto state = engine.writer().state(); state && reachable) {
      TRY(const std::string machine, context.state.machine_id());
      sync::Sessions sessions;
      sessions.set({session_of(machine, memory)});
      sessions.tell(api, engine.writer(), *state, pulled ? "active" : "error",
                    pulled ? "" : pulled.error().error.message);
    }
    if (!pulled) return fail(told(pulled.error(), context));
    report = std::move(*pulled);
  }
  bar.clear();
  const std::chrono::duration<double> took = Clock::now() - began;
  if (options.place.json) {
    std::string text;
    JsonWriter json(text);
    json.begin_object().key("server").string(context.target.server);
    json.key("organization").string(context.target.organization.to_string());
    json.key("workspace").string(memory.root).key("identifier").string(memory.identifier);
    json.key("sync_mode").string(sync::to_string(memory.mode)).key("connections").begin_array();
    for (const auto& connection : memory.connections) {
      json.begin_object().key("id").string(connection.id.to_string()).key("name").string(connection.name);
      json.key("why").string(connection.why).end_object();
    }
    json.end_array();
    write_report(json, report);
    json.key("milliseconds").number(static_cast<std::int64_t>(took.count() * 1000)).end_object();
    print_line(text);
    return kOk;
  }
  for (const auto& note : report.notes) print_line(note);
  char time[32];
  std::snprintf(time, sizeof time, ", %.2f s", took.count());
  print_line(summary(report) + time);
  return kOk;
}

}  // namespace

int sync(const SyncOptions& options) {
  const auto code = run(options);
  return code ? *code : report(code.error());
}

}  // namespace tideline::cli
