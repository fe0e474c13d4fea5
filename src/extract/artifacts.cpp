#include "extract/artifacts.h"

#include <algorithm>
#include <array>
#include <deque>
#include <map>
#include <set>
#include <unordered_map>
#include <utility>

#include <fmt/format.h>

#include "base/hash.h"
#include "base/json.h"
#include "base/text.h"
#include "extract/cutter.h"
#include "extract/input.h"
#include "extract/json_value.h"
#include "extract/node_reader.h"
#include "extract/project.h"

namespace tideline::extract {
namespace {

/// Warehouses allow at most 1,024 bytes (BigQuery); longer ones would not fit into a database's index.
constexpr std::size_t kMaxNameBytes = 1024;
/// Of a path: half of Linux's own limit, for the same reason.
constexpr std::size_t kMaxPathBytes = 2048;
/// `metadata` holds a dozen short members and an `env` of the user's choice.
constexpr std::size_t kMaxMetadataBytes = std::size_t{1} << 20;
/// Full names and paths kept in memory, all together.
constexpr std::size_t kMaxNamesBytes = std::size_t{64} << 20;

/// The members of a manifest that hold objects, and groups. In `nodes` the type stands in each entry.
enum class Section : std::uint8_t {
  kNodes,
  kSources,
  kMacros,
  kExposures,
  kMetrics,
  kSemanticModels,
  kSavedQueries,
  kUnitTests,
  kGroups,
};
constexpr std::array<std::pair<std::string_view, std::string_view>, 9> kSections{{{"nodes", ""},
                                                                                  {"sources", "source"},
                                                                                  {"macros", "macro"},
                                                                                  {"exposures", "exposure"},
                                                                                  {"metrics", "metric"},
                                                                                  {"semantic_models", "semantic_model"},
                                                                                  {"saved_queries", "saved_query"},
                                                                                  {"unit_tests", "unit_test"},
                                                                                  {"groups", "group"}}};

/// Object types by number, so that an entry keeps one byte.
constexpr std::array<std::string_view, 12> kTypes{"model",  "seed",           "snapshot",    "analysis",
                                                  "test",   "source",         "macro",       "exposure",
                                                  "metric", "semantic_model", "saved_query", "unit_test"};
constexpr std::uint8_t kNoType = 0xFF;

std::uint8_t type_number(std::string_view type) {
  const auto at = std::find(kTypes.begin(), kTypes.end(), type);
  return at == kTypes.end() ? kNoType : static_cast<std::uint8_t>(at - kTypes.begin());
}

/// An entry of a section as the cutter found it.
struct Raw {
  std::string_view key;
  Span span;
  Section section;
};

struct Entry {
  std::string_view unique_id;
  Span node;
  Span catalog;                              // size 0: not covered
  std::uint32_t name_at = 0, name_size = 0;  // the full name in `names`; size 0: the unique_id
  std::uint8_t type = 0;
};

struct File {
  std::string path;
  std::string hash;  // empty: not known
};

/// The second part of a unique_id: "type.package.name".
std::string_view package_in(std::string_view unique_id) {
  const std::size_t first = unique_id.find('.');
  if (first == std::string_view::npos) return {};
  const std::size_t second = unique_id.find('.', first + 1);
  return unique_id.substr(first + 1, second == std::string_view::npos ? second : second - first - 1);
}

struct Schema {
  std::string kind;  // manifest, catalog, run-results, sources …
  int version = 0;
};

/// From "https://schemas.getdbt.com/dbt/manifest/v12.json".
std::optional<Schema> schema_of(std::string_view url) {
  const auto parts = split(url, '/');
  if (parts.size() < 2 || !url.starts_with("http")) return std::nullopt;
  const std::string_view last = parts.back();
  if (last.size() < 2 || last[0] != 'v') return std::nullopt;
  Schema schema{std::string(parts[parts.size() - 2]), 0};
  std::size_t at = 1;
  for (; at < last.size() && last[at] >= '0' && last[at] <= '9' && at < 6; ++at)
    schema.version = schema.version * 10 + (last[at] - '0');
  if (at == 1 || last.substr(at) != ".json") return std::nullopt;
  return schema;
}

/// `metadata` of an artifact that says it is `wanted`, of a version from `oldest` to `newest`.
Result<std::pair<Json, int>> read_metadata(const Cutter& cutter, std::optional<Span> span, std::string_view label,
                                           std::string_view wanted, int oldest, int newest) {
  const std::string known = oldest == newest ? fmt::format("v{}", newest) : fmt::format("v{} to v{}", oldest, newest);
  const auto no_version = [&](std::string_view why) {
    return fail(Code::kUnsupported,
                fmt::format("{} does not say which version of dbt's {} it is ({}); versions {} are understood", label,
                            wanted, why, known),
                fmt::format("push the {} that dbt writes into target/",
                            wanted == "manifest" ? "manifest.json" : "catalog.json"));
  };
  if (!span) return no_version("there is no \"metadata\"");
  if (span->size > kMaxMetadataBytes)
    return fail(Code::kTooLarge,
                fmt::format("{}: \"metadata\" has {} bytes; the limit is {}", label, span->size, kMaxMetadataBytes));
  TRY(auto metadata, Json::parse(cutter.at(*span), fmt::format("{}: \"metadata\"", label)));
  const auto url = metadata.string_at("dbt_schema_version");
  if (!url) return no_version("metadata.dbt_schema_version is missing");
  const auto schema = schema_of(*url);
  if (!schema) return no_version(fmt::format("metadata.dbt_schema_version is \"{}\"", url->substr(0, 200)));
  if (schema->kind != wanted)
    return fail(Code::kInvalidInput,
                fmt::format("{} is dbt's {} (v{}), not its {}", label, schema->kind, schema->version, wanted),
                fmt::format("push target/{}.json as the {}", wanted, wanted));
  if (schema->version < oldest || schema->version > newest)
    return fail(Code::kUnsupported,
                fmt::format("{} is of schema version v{}; versions {} are understood", label, schema->version, known),
                schema->version > newest ? "update the server, or write the artifact with an older dbt" : "");
  return std::pair(std::move(metadata), schema->version);
}

/// The member as text a database can hold; empty where it is none.
std::string text_at(const Json& object, std::string_view key) {
  return without_nul(object.string_at(key).value_or(""));
}

std::optional<Timestamp> time_at(const Json& metadata, std::string_view key) {
  const auto text = metadata.string_at(key);
  return text ? Timestamp::parse(*text) : std::nullopt;
}

/// The dependency's type, by what stands at both ends.
std::string_view dependency_type(std::string_view upstream, std::string_view downstream) {
  if (upstream == "macro") return "macro";
  if (downstream == "test" || downstream == "unit_test") return "test";
  if (upstream == "source") return "source";
  if (upstream == "metric" || upstream == "semantic_model" || upstream == "saved_query") return "semantic";
  return "ref";
}

}  // namespace

struct Artifacts::Impl {
  Input manifest_input;
  std::optional<Input> catalog_input;
  Limits limits;
  ManifestInfo info;
  std::optional<CatalogInfo> catalog_info;
  Project project;
  std::vector<Entry> entries;
  std::string names;              // full names, one after the other
  std::deque<std::string> owned;  // unique_ids that had escapes; a deque does not move them
  std::vector<File> files;        // sorted by path once indexed
  Warnings warnings;

  explicit Impl(Input manifest) : manifest_input(std::move(manifest)) {}

  Result<void> index_manifest();
  Result<void> index_catalog();

  std::string_view full_name(const Entry& entry) const {
    return entry.name_size == 0 ? entry.unique_id : std::string_view(names).substr(entry.name_at, entry.name_size);
  }

 private:
  struct Building {
    NodeReader reader;
    std::unordered_map<std::string, std::uint32_t> file_numbers;
    std::map<std::string, std::size_t> left_out;  // type → how many
    std::size_t names_bytes = 0;
  };

  Result<std::string_view> key_text(std::string_view raw, std::string_view label);
  void find_project_name(const Json& metadata, const std::vector<Raw>& raws);
  Result<void> read_groups(const Cutter& cutter, const std::vector<Raw>& raws);
  Result<void> index_entry(const Raw& raw, Building& building);
  void sort_files();
  void warn(std::string text) { warnings.add(std::move(text), limits.max_warnings); }
};

namespace {

EntryText entry_text(const Input& input, Span span, std::string_view name) {
  return {input.bytes().substr(span.offset, span.size), input.bytes().size() - span.offset, name, input.label()};
}

}  // namespace

/// A key of the text as plain text: a view of the file where it has no escapes.
Result<std::string_view> Artifacts::Impl::key_text(std::string_view raw, std::string_view label) {
  if (raw.empty() || raw.size() > kMaxNameBytes)
    return fail(Code::kInvalidInput,
                fmt::format("{}: a unique_id has {} bytes; 1 to {} are possible", label, raw.size(), kMaxNameBytes));
  if (!is_valid_utf8(raw) || std::any_of(raw.begin(), raw.end(), [](unsigned char c) { return c < 0x20; }))
    return fail(Code::kInvalidInput, fmt::format("{}: a unique_id is not valid UTF-8 text", label));
  if (raw.find('\\') == std::string_view::npos) return raw;
  std::string text;
  bool replaced = false;
  if (!decode_json_string(raw, text, replaced))
    return fail(Code::kInvalidInput, fmt::format("{}: a unique_id is no valid JSON string", label));
  return owned.emplace_back(std::move(text));
}

void Artifacts::Impl::find_project_name(const Json& metadata, const std::vector<Raw>& raws) {
  info.project_name = text_at(metadata, "project_name");
  if (!info.project_name.empty()) return;
  std::map<std::string_view, std::size_t> objects_of;  // of each package; macros alone do not make a project
  for (const Raw& raw : raws) objects_of[package_in(raw.key)] += raw.section == Section::kMacros ? 0 : 1;
  const std::string id = text_at(metadata, "project_id");
  std::size_t most = 0;
  for (const auto& [package, objects] : objects_of) {
    if (!id.empty() && md5_hex(package) == id) {
      info.project_name = package;
      return;
    }
    if (objects > most) {
      most = objects;
      info.project_name = package;
    }
  }
}

Result<void> Artifacts::Impl::read_groups(const Cutter& cutter, const std::vector<Raw>& raws) {
  for (const Raw& raw : raws) {
    if (raw.section != Section::kGroups) continue;
    if (raw.span.size > kMaxMetadataBytes) continue;
    const auto group = Json::parse(cutter.at(raw.span), "group");
    const auto name = group ? group->string_at("name") : std::nullopt;
    const Json* owner = group ? group->find("owner") : nullptr;
    if (!name || owner == nullptr) {
      warn(fmt::format("group {}: has no name or owner; it was left out", raw.key));
      continue;
    }
    if (auto read = owner_of(owner->canonical()))
      project.groups[{text_at(*group, "package_name"), without_nul(*name)}] = std::move(*read);
  }
  return {};
}

Result<void> Artifacts::Impl::index_entry(const Raw& raw, Building& building) {
  const std::string& label = manifest_input.label();
  const auto section = static_cast<std::size_t>(raw.section);
  TRY(const auto unique_id, key_text(raw.key, label));
  if (raw.span.size > limits.max_entry_bytes)
    return fail(Code::kTooLarge, fmt::format("{}: {} has {} bytes; the limit is {}", label, unique_id, raw.span.size,
                                             limits.max_entry_bytes));
  TRY(auto node, building.reader.read(entry_text(manifest_input, raw.span, unique_id), Detail::kHead));
  if (!node.enabled) return {};

  const std::string_view type = raw.section != Section::kNodes ? kSections[section].second
                                : node[Field::kResourceType]   ? std::string_view(*node[Field::kResourceType])
                                                               : unique_id.substr(0, unique_id.find('.'));
  if (type == "operation") return {};  // hooks of the project: no object of the warehouse
  const std::uint8_t number = type_number(type);
  if (number == kNoType) {
    if (building.left_out.size() < limits.max_warnings || building.left_out.contains(std::string(type)))
      ++building.left_out[std::string(type)];
    return {};
  }
  for (const Field field :
       {Field::kName, Field::kAlias, Field::kIdentifier, Field::kDatabase, Field::kSchema, Field::kPackageName}) {
    if (node[field] && node[field]->size() > kMaxNameBytes)
      return fail(Code::kInvalidInput, fmt::format("{}: {} has a name of {} bytes; the limit is {}", label, unique_id,
                                                   node[field]->size(), kMaxNameBytes));
  }

  Entry entry;
  entry.unique_id = unique_id;
  entry.node = raw.span;
  entry.type = number;
  if (const std::string name = relation_name(node, type); !name.empty() && name != unique_id) {
    entry.name_at = static_cast<std::uint32_t>(names.size());
    entry.name_size = static_cast<std::uint32_t>(name.size());
    names += name;
    building.names_bytes += name.size();
  }
  if (auto path = relative_path(node, info.project_name)) {
    if (path->size() > kMaxPathBytes)
      return fail(Code::kInvalidInput, fmt::format("{}: the path of {} has {} bytes; the limit is {}", label, unique_id,
                                                   path->size(), kMaxPathBytes));
    const auto [at, fresh] = building.file_numbers.emplace(*path, static_cast<std::uint32_t>(files.size()));
    if (fresh) {
      building.names_bytes += 2 * path->size();
      files.push_back({std::move(*path), {}});
    }
    // Should objects of one file disagree, the least hash counts: the order of the manifest must not.
    if (auto& hash = node[Field::kFileHash]) {
      std::string& known = files[at->second].hash;
      if (known.empty() || *hash < known) known = std::move(*hash);
    }
  }
  if (building.names_bytes > kMaxNamesBytes)
    return fail(Code::kTooLarge, fmt::format("{}: names and paths take more than {} bytes", label, kMaxNamesBytes));
  if (node.has_compiled && number <= type_number("test")) info.has_compiled_sql = true;
  entries.push_back(entry);
  return {};
}

void Artifacts::Impl::sort_files() {
  std::sort(files.begin(), files.end(), [](const File& a, const File& b) { return a.path < b.path; });
  files.shrink_to_fit();
}

Result<void> Artifacts::Impl::index_manifest() {
  const std::string& label = manifest_input.label();
  const Cutter cutter(manifest_input.bytes(), label);
  std::optional<Span> metadata_span;
  std::array<std::optional<Span>, kSections.size()> sections;
  TRY_VOID(cutter.members([&](std::string_view key, Span value) -> Result<void> {
    if (key == "metadata") metadata_span = value;
    for (std::size_t i = 0; i < kSections.size(); ++i)
      if (key == kSections[i].first) sections[i] = value;
    return {};
  }));
  TRY(const auto metadata, read_metadata(cutter, metadata_span, label, "manifest", kOldestManifest, kNewestManifest));
  const Json& about = metadata.first;
  info.schema_version = metadata.second;
  info.dbt_version = text_at(about, "dbt_version");
  info.adapter_type = text_at(about, "adapter_type");
  if (const Json* tideline = about.find("tideline")) info.from_project = tideline->string_at("producer") == "project";
  project.from_sources = info.from_project;
  info.generated_at = time_at(about, "generated_at");
  info.invocation_id = text_at(about, "invocation_id");
  if (Uuid::parse(info.invocation_id)) project.invocation_id = info.invocation_id;

  std::vector<Raw> raws;
  for (std::size_t i = 0; i < kSections.size(); ++i) {
    if (!sections[i] || cutter.at(*sections[i]) == "null") continue;
    const std::string_view name = kSections[i].first;
    if (cutter.at(*sections[i]).front() != '{')
      return fail(Code::kInvalidInput, fmt::format("{}: \"{}\" is not an object", label, name));
    TRY_VOID(cutter.members(*sections[i], name, [&](std::string_view key, Span value) -> Result<void> {
      if (raws.size() == limits.max_entries)
        return fail(Code::kTooLarge, fmt::format("{} has more than {} entries", label, limits.max_entries));
      raws.push_back({key, value, static_cast<Section>(i)});
      return {};
    }));
  }
  find_project_name(about, raws);
  project.name = info.project_name;
  TRY_VOID(read_groups(cutter, raws));

  Building building;
  for (const Raw& raw : raws) {
    if (raw.section == Section::kGroups) continue;
    // Macros of packages (dbt's own among them) are most of a manifest, and none of the project's objects.
    if (raw.section == Section::kMacros && package_in(raw.key) != info.project_name) continue;
    TRY_VOID(index_entry(raw, building));
  }
  raws = {};
  for (const auto& [type, count] : building.left_out)
    warn(fmt::format("{} of type \"{}\" {} left out: this version does not know that type", count, type.substr(0, 100),
                     count == 1 ? "was" : "were"));

  // As JSON readers do: of two entries with one key the last counts.
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return a.unique_id != b.unique_id ? a.unique_id < b.unique_id : a.node.offset > b.node.offset;
  });
  std::size_t kept = 0;
  for (const Entry& entry : entries) {
    if (kept > 0 && entries[kept - 1].unique_id == entry.unique_id) {
      warn(fmt::format("{}: stands twice in the manifest; the last one was taken", entry.unique_id));
      continue;
    }
    entries[kept++] = entry;
  }
  entries.resize(kept);
  entries.shrink_to_fit();
  sort_files();
  const std::uint8_t macro = type_number("macro");
  if (std::all_of(entries.begin(), entries.end(), [&](const Entry& entry) { return entry.type == macro; }))
    return fail(Code::kInvalidInput, fmt::format("{} has no nodes: nothing of it would be shown", label),
                "was it written for another project, or with a selection that matched nothing?");
  return {};
}

Result<void> Artifacts::Impl::index_catalog() {
  const std::string& label = catalog_input->label();
  const Cutter cutter(catalog_input->bytes(), label);
  std::optional<Span> metadata_span, errors;
  std::array<std::optional<Span>, 2> sections;
  TRY_VOID(cutter.members([&](std::string_view key, Span value) -> Result<void> {
    if (key == "metadata") metadata_span = value;
    if (key == "nodes") sections[0] = value;
    if (key == "sources") sections[1] = value;
    if (key == "errors") errors = value;
    return {};
  }));
  TRY(const auto metadata, read_metadata(cutter, metadata_span, label, "catalog", 1, 1));
  CatalogInfo& about = catalog_info.emplace();
  about.generated_at = time_at(metadata.first, "generated_at");
  about.dbt_version = text_at(metadata.first, "dbt_version");

  // Entries are sorted by unique_id, and so found one by one without an index of the catalog.
  for (std::size_t i = 0; i < sections.size(); ++i) {
    if (!sections[i] || cutter.at(*sections[i]) == "null") continue;
    const std::string_view name = i == 0 ? "nodes" : "sources";
    if (cutter.at(*sections[i]).front() != '{')
      return fail(Code::kInvalidInput, fmt::format("{}: \"{}\" is not an object", label, name));
    TRY_VOID(cutter.members(*sections[i], name, [&](std::string_view key, Span value) -> Result<void> {
      ++about.relations;
      std::string decoded;
      bool replaced = false;
      if (key.find('\\') != std::string_view::npos && key.size() <= kMaxNameBytes &&
          decode_json_string(key, decoded, replaced))
        key = decoded;
      const auto at = std::lower_bound(entries.begin(), entries.end(), key,
                                       [](const Entry& entry, std::string_view id) { return entry.unique_id < id; });
      if (at == entries.end() || at->unique_id != key) {
        ++about.unmatched;
        return {};
      }
      if (value.size > limits.max_entry_bytes)
        return fail(Code::kTooLarge, fmt::format("{}: {} has {} bytes; the limit is {}", label, key, value.size,
                                                 limits.max_entry_bytes));
      if (at->catalog.size > 0) warn(fmt::format("{}: stands twice in the catalog; the last one was taken", key));
      at->catalog = value;
      return {};
    }));
  }
  if (errors && errors->size <= kMaxMetadataBytes)
    if (const auto list = Json::parse(cutter.at(*errors), "errors"); list && list->if_array() != nullptr)
      about.errors = list->if_array()->size();
  if (about.errors > 0)
    warn(
        fmt::format("{}: dbt noted {} errors while it read the warehouse; relations may be missing. Run `dbt docs "
                    "generate` again",
                    label, about.errors));
  return {};
}

Artifacts::Artifacts(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Artifacts::Artifacts(Artifacts&&) noexcept = default;
Artifacts& Artifacts::operator=(Artifacts&&) noexcept = default;
Artifacts::~Artifacts() = default;

Result<Artifacts> Artifacts::open(const std::filesystem::path& manifest, const std::filesystem::path& catalog,
                                  const Limits& limits) {
  TRY(auto input, Input::map(manifest, "manifest.json"));
  auto impl = std::make_unique<Impl>(std::move(input));
  impl->limits = limits;
  TRY_VOID(impl->index_manifest());
  if (!catalog.empty()) {
    TRY(auto second, Input::map(catalog, "catalog.json"));
    impl->catalog_input.emplace(std::move(second));
    TRY_VOID(impl->index_catalog());
  }
  return Artifacts(std::move(impl));
}

Result<Artifacts> Artifacts::from_memory(std::string manifest, std::optional<std::string> catalog,
                                         const Limits& limits) {
  auto impl = std::make_unique<Impl>(Input::memory(std::move(manifest), "manifest.json"));
  impl->limits = limits;
  TRY_VOID(impl->index_manifest());
  if (catalog) {
    impl->catalog_input.emplace(Input::memory(std::move(*catalog), "catalog.json"));
    TRY_VOID(impl->index_catalog());
  }
  return Artifacts(std::move(impl));
}

const ManifestInfo& Artifacts::manifest() const { return impl_->info; }
const CatalogInfo* Artifacts::catalog() const { return impl_->catalog_info ? &*impl_->catalog_info : nullptr; }
std::size_t Artifacts::size() const { return impl_->entries.size(); }
std::string_view Artifacts::unique_id(std::size_t index) const { return impl_->entries[index].unique_id; }
std::string_view Artifacts::object_type(std::size_t index) const { return kTypes[impl_->entries[index].type]; }
std::string_view Artifacts::full_name(std::size_t index) const { return impl_->full_name(impl_->entries[index]); }
const Warnings& Artifacts::warnings() const { return impl_->warnings; }

std::optional<std::size_t> Artifacts::find(std::string_view unique_id) const {
  const auto& entries = impl_->entries;
  const auto at = std::lower_bound(entries.begin(), entries.end(), unique_id,
                                   [](const Entry& entry, std::string_view id) { return entry.unique_id < id; });
  if (at == entries.end() || at->unique_id != unique_id) return std::nullopt;
  return static_cast<std::size_t>(at - entries.begin());
}

Result<ObjectFacts> Artifacts::read(std::size_t index) const {
  thread_local NodeReader reader;
  const Entry& entry = impl_->entries[index];
  const std::string_view type = kTypes[entry.type];
  TRY(auto node, reader.read(entry_text(impl_->manifest_input, entry.node, entry.unique_id), Detail::kAll));
  const auto upstream_nodes = std::move(node.upstream_nodes);
  const auto upstream_macros = std::move(node.upstream_macros);
  ObjectFacts facts = facts_of(std::move(node), entry.unique_id, type, impl_->project);

  const auto add = [&](const std::string& upstream, bool expected) {
    const auto at = find(upstream);
    if (!at) {
      if (expected)
        note(facts.warnings, fmt::format("{}: depends on {}, which the manifest has disabled or does not have; the "
                                         "dependency was left out",
                                         entry.unique_id, upstream.substr(0, 300)));
      return;
    }
    facts.dependencies.push_back(
        {upstream, std::string(full_name(*at)), std::string(dependency_type(object_type(*at), type))});
  };
  for (const auto& upstream : upstream_nodes) add(upstream, true);
  for (const auto& upstream : upstream_macros) add(upstream, package_in(upstream) == impl_->project.name);
  // A macro named among the nodes stands there twice.
  std::sort(facts.dependencies.begin(), facts.dependencies.end(),
            [](const auto& a, const auto& b) { return a.upstream_unique_id < b.upstream_unique_id; });
  facts.dependencies.erase(
      std::unique(facts.dependencies.begin(), facts.dependencies.end(),
                  [](const auto& a, const auto& b) { return a.upstream_unique_id == b.upstream_unique_id; }),
      facts.dependencies.end());

  if (facts.is_relation && entry.catalog.size > 0) {
    TRY(facts.catalog,
        reader.read_catalog(entry_text(*impl_->catalog_input, entry.catalog, entry.unique_id), facts.warnings));
  }
  reader.trim();

  // Two columns of one name cannot both be kept: their rows would be one.
  const auto drop_repeats = [&](auto& columns, std::string_view where) {
    std::set<std::string_view> seen;
    std::vector<std::size_t> repeats;
    for (std::size_t i = 0; i < columns.size(); ++i)
      if (!seen.insert(columns[i].name).second) repeats.push_back(i);
    if (repeats.empty()) return;
    note(facts.warnings, fmt::format("{}: {} columns of the {} have the name of an earlier one; they were left out",
                                     entry.unique_id, repeats.size(), where));
    auto kept = std::exchange(columns, {});
    std::size_t next = 0;
    for (std::size_t i = 0; i < kept.size(); ++i) {
      if (next < repeats.size() && repeats[next] == i)
        ++next;
      else
        columns.push_back(std::move(kept[i]));
    }
  };
  drop_repeats(facts.columns, "manifest");
  if (facts.catalog) drop_repeats(facts.catalog->columns, "catalog");
  return facts;
}

std::vector<FileRecord> Artifacts::files(const ConnectionId& connection) const {
  std::vector<FileRecord> records;
  records.reserve(impl_->files.size());
  for (const File& file : impl_->files) {
    FileRecord& record = records.emplace_back();
    record.id = file_id(connection, file.path);
    record.connection_id = connection.value;
    record.relative_path = file.path;
    record.file_type = file_type(file.path);
    if (!impl_->info.adapter_type.empty()) record.dialect = impl_->info.adapter_type;
    if (!file.hash.empty()) record.file_hash = file.hash;
    record.parser_used = impl_->info.from_project ? "dbt-project" : "dbt-manifest";
    if (impl_->info.from_project) record.parse_confidence = kProjectConfidence;
  }
  return records;
}

}  // namespace tideline::extract
