#include "extract/lineage_objects.h"

#include <algorithm>
#include <atomic>
#include <thread>
#include <utility>

#include "base/hash.h"
#include "base/json.h"
#include "base/text.h"

namespace tideline::extract {
namespace {

using lineage::RelationColumns;

// SQL kept between reading the facts and resolving; beyond it, facts are read again, and what is held is put aside.
// Small projects stay below.
constexpr std::size_t kKeptSqlBytes = std::size_t{16} << 20;
// Stands for a schema that is not known, so that no name with one can mean it: raw.orders is not the model orders.
constexpr std::string_view kUnknownPlace = "\x01";

std::string_view member(const ObjectFacts& facts, std::string_view key) {
  for (const auto& [name, json] : facts.metadata)
    if (name == key) return json;
  return {};
}

/// The catalog's columns, and those only the manifest names after them.
std::shared_ptr<const RelationColumns> columns_of(const ObjectFacts& facts, const Retained* held) {
  std::vector<std::string> names;
  std::set<std::string> seen;
  const auto put = [&](const std::string& name) {
    if (seen.insert(name).second) names.push_back(name);
  };
  const auto catalog = catalog_of(facts, held);
  const bool complete = catalog && !catalog->columns.empty();
  std::set<std::string> folded;
  if (complete)
    for (const auto& column : catalog->columns) put(column.name), folded.insert(ascii_lower(column.name));
  const bool from_file = !complete && !facts.seed_columns.empty();
  if (from_file)
    for (const auto& name : facts.seed_columns)
      if (folded.insert(ascii_lower(name)).second) put(name);
  std::size_t listed = names.size();
  for (const auto& column : facts.columns)
    if (folded.insert(ascii_lower(column.name)).second) put(column.name);
  const std::size_t documented = listed;
  if (!complete && !from_file) listed = names.size();
  if (names.empty()) return nullptr;
  return std::make_shared<RelationColumns>(names, listed, complete || from_file, documented);
}

/// Whether the compiled SQL that is held was compiled from this definition.
bool is_compiled_from(const ObjectFacts& facts, const Retained& held) {
  if (!held.compiled_definition || !facts.definition) return false;
  std::optional<std::string> from = held.content_hash;
  if (held.object_metadata)
    if (const auto earlier = Json::parse(held.object_metadata->text, "metadata"))
      if (auto hash = earlier->string_at("compiled_from_hash")) from = std::move(hash);
  return from == hex(sha256(*facts.definition));
}

/// The SQL made of the model's file, where that is the one to resolve.
std::shared_ptr<TemplateSql> template_of(const ObjectFacts& facts, const Retained* held) {
  if (!facts.template_sql || facts.compiled_definition) return nullptr;
  if (held != nullptr && is_compiled_from(facts, *held)) return nullptr;
  auto read = read_template_sql(*facts.template_sql);
  return read ? std::make_shared<TemplateSql>(std::move(*read)) : nullptr;
}

}  // namespace

std::string_view identifier_in(std::string_view full_name, std::string_view database, std::string_view schema) {
  for (const std::string_view part : {database, schema})
    if (!part.empty() && full_name.size() > part.size() && full_name.starts_with(part) && full_name[part.size()] == '.')
      full_name.remove_prefix(part.size() + 1);
  return full_name;
}

Result<void> LineageObjects::read(unsigned threads) {
  std::atomic<std::size_t> next{0};
  std::optional<Error> failure;
  const auto work = [&] {
    while (true) {
      const std::size_t i = next.fetch_add(1);
      if (i >= objects_.size()) return;
      auto facts = artifacts_.read(i);
      if (!facts) {
        const std::lock_guard lock(mutex_);
        if (!failure) failure = std::move(facts).error();
        next = objects_.size();
        return;
      }
      static_cast<void>(put(i, *facts, nullptr));  // of what is held alone there are errors
      if (!needs_retained(*facts)) continue;
      const std::lock_guard lock(mutex_);
      wanted_.push_back(i);
    }
  };
  std::vector<std::thread> others;
  for (unsigned i = 1; i < threads; ++i) others.emplace_back(work);
  work();
  for (auto& other : others) other.join();
  if (failure) return fail(std::move(*failure));
  std::sort(wanted_.begin(), wanted_.end());
  return {};
}

Result<void> LineageObjects::learn(std::size_t number, const Retained& held) {
  TRY(const auto facts, artifacts_.read(number));
  return put(number, facts, &held);
}

Result<void> LineageObjects::put(std::size_t number, const ObjectFacts& facts, const Retained* held) {
  LineageObject object;
  object.unique_id = artifacts_.unique_id(number);
  object.full_name = artifacts_.full_name(number);
  object.is_relation = facts.is_relation;
  object.is_snapshot = facts.object_type == "snapshot";
  object.is_model = facts.object_type == "model" || object.is_snapshot;
  object.is_ephemeral = object.is_model && !facts.is_relation;
  object.is_python = member(facts, "language") == "\"python\"";
  object.origin = facts.object_type == "source" ? lineage::RelationOrigin::kSource : lineage::RelationOrigin::kBuilt;
  for (const auto& dependency : facts.dependencies)
    if (dependency.type == "ref" || dependency.type == "source")
      if (const auto upstream = artifacts_.find(dependency.upstream_unique_id))
        object.upstream.push_back(static_cast<std::uint32_t>(*upstream));
  object.upstream.shrink_to_fit();

  std::string database = facts.database_name.value_or(""), schema = facts.schema_name.value_or("");
  object.identifier = identifier_in(object.full_name, database, schema);
  // A project's sources do not name the place; an earlier manifest did.
  if (facts.from_project && held != nullptr) {
    if (database.empty()) database = held->database_name.value_or("");
    if (schema.empty()) schema = held->schema_name.value_or("");
    std::string full_name(object.identifier);
    for (const auto* part : {&schema, &database})
      if (!part->empty()) full_name = *part + "." + full_name;
    object.full_name = keep_name(full_name);
  }
  if (facts.from_project && schema.empty()) schema = kUnknownPlace;
  object.database = keep_name(database);
  object.schema = keep_name(schema);
  if (object.is_relation) object.columns = columns_of(facts, held);

  std::optional<std::string> sql;
  if (object.is_model) {
    if (auto of_template = template_of(facts, held)) {
      object.sql = SqlSource::kTemplate;
      sql = std::exchange(of_template->sql, {});
      object.of_template = std::move(of_template);
    } else if ((sql = compiled_of(facts, held))) {
      object.sql = facts.compiled_definition ? SqlSource::kCompiled : SqlSource::kHeld;
    }
  }
  objects_[number] = std::move(object);
  return sql ? keep_sql(number, std::move(*sql)) : Result<void>();
}

const LineageObject* LineageObjects::find(std::string_view unique_id) const {
  const auto number = artifacts_.find(unique_id);
  return number ? &objects_[*number] : nullptr;
}

Result<void> LineageObjects::keep_sql(std::size_t number, std::string sql) {
  const std::lock_guard lock(mutex_);
  if (const auto before = sql_.extract(number)) sql_bytes_ -= before.mapped().size();
  sql_aside_.erase(number);
  const bool is_much = sql_bytes_ + sql.size() > kKeptSqlBytes;
  const bool is_held = objects_[number].sql == SqlSource::kHeld;
  if (is_much && !is_held) return {};
  if (is_much && !directory_.empty()) {
    if (!aside_) {
      TRY(aside_, ScratchFile::in(directory_));
    }
    TRY(sql_aside_[number], aside_->put(sql));
    return {};
  }
  sql_bytes_ += sql.size();
  sql_.emplace(number, std::move(sql));
  return {};
}

std::string_view LineageObjects::keep_name(std::string_view name) {
  if (name.empty()) return {};
  const std::lock_guard lock(mutex_);
  const auto found = names_.find(name);
  return found != names_.end() ? *found : *names_.emplace(name).first;
}

std::string_view LineageObjects::sql(std::size_t number, std::string& buffer) {
  if (const auto kept = sql_.find(number); kept != sql_.end()) {
    if (objects_[number].sql == SqlSource::kHeld) return kept->second;
    if (!kept->second.empty()) return buffer = std::exchange(kept->second, {});
  }
  if (const auto aside = sql_aside_.find(number); aside != sql_aside_.end()) {
    auto read = aside_->get(aside->second, buffer);
    if (read) return buffer;
    const std::lock_guard lock(mutex_);
    failure_ = std::move(read).error();
    return {};
  }
  auto facts = artifacts_.read(number);
  if (!facts) return {};
  if (objects_[number].sql == SqlSource::kCompiled && facts->compiled_definition)
    buffer = std::move(*facts->compiled_definition);
  if (objects_[number].sql == SqlSource::kTemplate && facts->template_sql)
    if (auto read = read_template_sql(*facts->template_sql)) buffer = std::move(read->sql);
  return buffer;
}

Result<void> LineageObjects::forget_sql() {
  sql_ = {};
  sql_bytes_ = 0;
  sql_aside_ = {};
  aside_.reset();
  for (LineageObject& object : objects_)
    if (object.sql == SqlSource::kHeld) object.sql = SqlSource::kNone;
  if (auto failure = std::exchange(failure_, std::nullopt)) return fail(std::move(*failure));
  return {};
}

}  // namespace tideline::extract
