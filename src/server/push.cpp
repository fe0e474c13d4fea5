#include "server/push.h"

#include <malloc.h>

#include <algorithm>
#include <memory>
#include <thread>
#include <unordered_set>
#include <utility>
#include <variant>

#include "base/json.h"
#include "base/text.h"
#include "extract/artifacts.h"
#include "extract/lineage_rows.h"
#include "extract/rows.h"
#include "pg/blocking.h"
#include "store/connections.h"

namespace tideline::server {
namespace {

constexpr std::size_t kManyObjects = 20'000;

extract::Retained retained_of(const store::HeldFacts& held) {
  return {.compiled_definition = held.compiled_definition,
          .content_hash = held.content_hash,
          .object_metadata = held.object_metadata,
          .columns = held.columns,
          .schema_name = held.schema_name,
          .database_name = held.database_name,
          .extraction_tier = held.extraction_tier};
}

/// The column lineage of a dbt project's artifacts: resolved for the whole before the rows of any object are made.
class ArtifactLineage : public store::Preparation {
 public:
  /// `directory`: for what is put aside while it is resolved.
  ArtifactLineage(const extract::Artifacts& artifacts, std::string dialect, std::filesystem::path directory,
                  unsigned threads)
      : artifacts_(artifacts), dialect_(std::move(dialect)), directory_(std::move(directory)), threads_(threads) {}

  Result<std::vector<std::size_t>> wanted() override {
    if (!lineage_) {
      TRY(auto lineage, extract::ProjectLineage::read(artifacts_, dialect_, threads_));
      lineage_.emplace(std::move(lineage));
      lineage_->put_aside_in(directory_);
    }
    return lineage_->wanted();
  }
  Result<void> learn(std::size_t index, const store::HeldFacts& held) override {
    return lineage_->learn(index, retained_of(held));
  }
  std::vector<std::string> other_names() override { return lineage_->foreign_names(); }
  void learn_others(std::vector<store::OtherRelation> relations) override {
    std::vector<extract::ForeignRelation> foreign;
    for (auto& one : relations)
      foreign.push_back({one.object, one.connection, std::move(one.unique_id), std::move(one.full_name),
                         one.database_name.value_or(""), one.schema_name.value_or(""), std::move(one.columns)});
    lineage_->learn_foreign(std::move(foreign));
  }
  Result<void> finish() override {
    trim();
    auto resolved = lineage_->resolve(threads_);
    trim();
    return resolved;
  }
  std::string report() const override { return to_json(resolved()); }

  void add_to(std::size_t index, const extract::ObjectFacts& facts, const extract::Retained* held,
              const ConnectionId& connection, extract::ObjectRows& rows) const {
    if (lineage_) lineage_->add_to(index, facts, held, connection, rows);
  }
  lineage::Report resolved() const { return lineage_ ? lineage_->report() : lineage::Report(); }

 private:
  /// Reading, learning and resolving each free what another thread does not get from malloc.
  void trim() const {
    if (artifacts_.size() >= kManyObjects) ::malloc_trim(0);
  }

  const extract::Artifacts& artifacts_;
  std::string dialect_;
  std::filesystem::path directory_;
  unsigned threads_;
  std::optional<extract::ProjectLineage> lineage_;
};

/// The rows of a dbt project's artifacts.
class ArtifactRows : public store::RowSource {
 public:
  /// `dialect`: of the connection, where the artifacts do not say it.
  ArtifactRows(const extract::Artifacts& artifacts, std::optional<std::string> dialect, ArtifactLineage& lineage)
      : artifacts_(artifacts), lineage_(lineage), dialect_(std::move(dialect)) {}

  store::Preparation* preparation() const override { return &lineage_; }

  std::vector<FileRecord> files(const ConnectionId& connection) const override {
    auto files = artifacts_.files(connection);
    for (FileRecord& file : files)
      if (!file.dialect) file.dialect = dialect_;
    return files;
  }
  bool wants_dependencies() const override { return artifacts_.manifest().from_project; }
  std::size_t size() const override { return artifacts_.size(); }
  Uuid object_id(std::size_t index, const ConnectionId& connection) const override {
    return tideline::object_id(connection, artifacts_.unique_id(index));
  }

  Result<std::optional<store::ObjectRowSet>> read(std::size_t index, const ConnectionId& connection,
                                                  const store::HeldFacts* held) const override {
    TRY(auto facts, artifacts_.read(index));
    if (!held && extract::needs_retained(facts)) return std::optional<store::ObjectRowSet>();
    note_warnings(index, facts);
    const bool is_held = held && held->object_metadata;
    extract::Retained retained;
    if (is_held) {
      retained = retained_of(*held);
      for (const auto& edge : held->dependencies)
        if (is_there(edge.source_object_id, connection)) retained.dependencies.push_back(edge);
    }
    const extract::Retained* kept = is_held ? &retained : nullptr;
    auto rows = extract::to_rows(facts, kept, connection);
    lineage_.add_to(index, facts, kept, connection, rows);
    return std::optional(store::ObjectRowSet{.object = std::move(rows.object),
                                             .columns = std::move(rows.columns),
                                             .dependencies = std::move(rows.dependencies),
                                             .lineage = std::move(rows.lineage),
                                             .brings_compiled = facts.compiled_definition.has_value(),
                                             .brings_catalog = facts.catalog.has_value()});
  }

  /// Those of the whole and of the objects read so far.
  extract::Warnings warnings() const {
    extract::Warnings all = artifacts_.warnings();
    for (const auto& text : of_objects_.texts) all.add(text);
    all.dropped += of_objects_.dropped;
    return all;
  }

 private:
  bool is_there(const Uuid& object, const ConnectionId& connection) const {
    if (ids_.empty())
      for (std::size_t i = 0; i < artifacts_.size(); ++i) ids_.insert(object_id(i, connection));
    return ids_.contains(object);
  }

  /// Objects are read again to be written: each speaks once.
  void note_warnings(std::size_t index, const extract::ObjectFacts& facts) const {
    if (facts.warnings.empty()) return;
    if (noted_.empty()) noted_.resize(artifacts_.size());
    if (noted_[index]) return;
    noted_[index] = true;
    for (const auto& text : facts.warnings) of_objects_.add(text);
  }

  const extract::Artifacts& artifacts_;
  ArtifactLineage& lineage_;
  mutable extract::Warnings of_objects_;  // read() is called by one thread at a time
  mutable std::vector<bool> noted_;
  std::optional<std::string> dialect_;
  mutable std::unordered_set<Uuid> ids_;
};

/// The adapter that an earlier push of the connection named.
store::awaitable<std::optional<std::string>> earlier_dialect(store::Database& database, const ArtifactPush& push,
                                                             Deadline deadline) {
  const auto connections = co_await store::list_connections(database, push.tenant, deadline);
  if (!connections) co_return std::nullopt;
  for (const auto& connection : *connections) {
    const auto& record = connection.record;
    const auto* id = std::get_if<ConnectionId>(&push.target);
    const auto* key = std::get_if<store::ConnectionKey>(&push.target);
    if (id != nullptr ? record.id != id->value
                      : !equal_ignoring_case(record.full_name, key->full_name) || record.type != key->type ||
                            record.subdir != key->subdir)
      continue;
    const auto sources = Json::parse(connection.sources, "sources");
    for (const char* source : {"manifest", "project"}) {
      const Json* pushed = sources ? sources->find(source) : nullptr;
      auto adapter = pushed != nullptr ? pushed->string_at("adapter_type") : std::nullopt;
      if (adapter && !adapter->empty()) co_return adapter;
    }
    co_return std::nullopt;
  }
  co_return std::nullopt;
}

/// What brought each source that is present. `adapter`: the artifacts', or the connection's where they do not say it.
std::string sources_json(const extract::Artifacts& artifacts, const std::string& adapter) {
  std::string text;
  JsonWriter json(text);
  const auto put_time = [&](const std::optional<Timestamp>& time) {
    json.key("generated_at");
    time ? json.string(time->to_string()) : json.null();
  };
  const auto& manifest = artifacts.manifest();
  json.begin_object();
  if (manifest.from_project) {  // what a manifest brought before keeps its entry
    json.key("project").begin_object().key("project_name").string(manifest.project_name);
    if (!adapter.empty()) json.key("adapter_type").string(adapter);
    json.end_object();
  } else {
    json.key("manifest").begin_object();
    put_time(manifest.generated_at);
    json.key("schema_version").number(manifest.schema_version).key("dbt_version").string(manifest.dbt_version);
    json.key("adapter_type")
        .string(manifest.adapter_type)
        .key("project_name")
        .string(manifest.project_name)
        .end_object();
  }
  if (manifest.has_compiled_sql) {
    json.key("compiled").begin_object();
    put_time(manifest.generated_at);
    json.end_object();
  }
  if (const auto* catalog = artifacts.catalog()) {
    json.key("catalog").begin_object();
    put_time(catalog->generated_at);
    json.key("dbt_version").string(catalog->dbt_version).end_object();
  }
  json.end_object();
  return text;
}

}  // namespace

store::awaitable<Result<ArtifactPushOutcome>> push_artifacts(store::Database& database, ArtifactPush push,
                                                             boost::asio::any_io_executor blocking, Deadline deadline) {
  const auto artifacts =
      co_await pg::run_blocking(blocking, [&] { return extract::Artifacts::open(push.manifest, push.catalog); });
  if (!artifacts) {
    co_await store::note_refused_push(database, push.tenant, push.target, describe(artifacts.error()),
                                      within(std::chrono::seconds(5)));
    co_return fail(artifacts.error());
  }

  std::optional<std::string> dialect;
  if (artifacts->manifest().from_project) dialect = co_await earlier_dialect(database, push, deadline);
  const std::string& adapter = artifacts->manifest().adapter_type;
  const std::string spoken = adapter.empty() ? dialect.value_or("") : adapter;
  ArtifactLineage lineage(*artifacts, spoken, push.manifest.parent_path(),
                          std::max(std::thread::hardware_concurrency(), 1U));
  const ArtifactRows rows(*artifacts, std::move(dialect), lineage);
  store::PushRequest request{.tenant = push.tenant,
                             .target = push.target,
                             .url = push.url,
                             .force = push.force,
                             .generated_at = artifacts->manifest().generated_at,
                             .catalog_generated_at = std::nullopt,
                             .sources = sources_json(*artifacts, spoken),
                             .commit = push.commit,
                             .branch = push.branch};
  if (const auto* catalog = artifacts->catalog()) request.catalog_generated_at = catalog->generated_at;
  CO_TRY(auto stored, co_await store::push(database, std::move(request), rows, blocking, deadline));
  auto warnings = rows.warnings();
  co_return ArtifactPushOutcome{.stored = std::move(stored),
                                .warnings = std::move(warnings.texts),
                                .warnings_dropped = warnings.dropped,
                                .lineage = lineage.resolved()};
}

std::string to_json(const lineage::Report& report) {
  std::string text;
  JsonWriter json(text);
  const auto number = [&](std::string_view key, std::size_t value) {
    json.key(key).number(static_cast<std::int64_t>(value));
  };
  json.begin_object();
  number("models", report.models);
  number("analysed", report.analysed);
  number("partial", report.partial);
  number("failed", report.failed);
  json.key("reasons").begin_object();
  for (const auto& [reason, models] : report.reasons) number(to_string(reason), models);
  json.end_object().end_object();
  return text;
}

std::string to_json(const ArtifactPushOutcome& outcome) {
  std::string text;
  JsonWriter json(text);
  json.begin_object();
  json.key("connection_id").string(outcome.stored.connection.to_string());
  json.key("version").number(outcome.stored.version.value);
  json.key("changed").begin_object();
  for (std::size_t i = 0; i < kKindCount; ++i) {
    const auto& change = outcome.stored.changed[i];
    if (!change.any()) continue;
    json.key(table_name(static_cast<Kind>(i + 1))).begin_object();
    json.key("added").number(change.added).key("updated").number(change.updated);
    json.key("removed").number(change.removed).end_object();
  }
  json.end_object();
  json.key("lineage").raw(to_json(outcome.lineage));
  json.key("warnings").begin_array();
  for (const auto& warning : outcome.warnings) json.string(warning);
  if (outcome.warnings_dropped != 0) {
    json.string("and " + std::to_string(outcome.warnings_dropped) + " more warnings");
  }
  json.end_array().end_object();
  return text;
}

}  // namespace tideline::server
