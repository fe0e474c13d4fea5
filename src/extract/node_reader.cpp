#include "extract/node_reader.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include <fmt/format.h>

#include "base/json.h"
#include "base/text.h"
#include "extract/json_value.h"

namespace tideline::extract {
namespace {

namespace ondemand = simdjson::ondemand;

/// Buffers above this are not kept from one entry to the next.
constexpr std::size_t kKeptBytes = std::size_t{1} << 20;
/// A longer name than any warehouse allows: the column is left out.
constexpr std::size_t kMaxColumnNameBytes = 4096;
/// Twice what the most generous warehouse allows (BigQuery: 10,000). A column takes half a kilobyte as a row.
constexpr std::size_t kMaxColumns = 20'000;

enum class How : std::uint8_t { kText, kScalar, kJson, kTrimmed, kSpecial };

struct Known {
  std::string_view key;
  How how;
  Field field;
  bool head;
};

// Sorted by key. kSpecial: handled by name in `member`.
constexpr std::array kKnown{
    Known{"access", How::kText, Field::kAccess, false},
    Known{"alias", How::kText, Field::kAlias, true},
    Known{"arguments", How::kTrimmed, Field::kArguments, false},
    Known{"attached_node", How::kText, Field::kAttachedNode, false},
    Known{"calculation_method", How::kText, Field::kType, false},
    Known{"checksum", How::kSpecial, Field::kFileHash, true},
    Known{"column_name", How::kText, Field::kColumnName, false},
    Known{"columns", How::kSpecial, Field::kCount, false},
    Known{"compiled_code", How::kText, Field::kCompiledCode, true},
    Known{"compiled_sql", How::kText, Field::kCompiledCode, true},
    Known{"config", How::kSpecial, Field::kCount, true},
    Known{"constraints", How::kTrimmed, Field::kConstraints, false},
    Known{"database", How::kText, Field::kDatabase, true},
    Known{"depends_on", How::kSpecial, Field::kCount, false},
    Known{"description", How::kText, Field::kDescription, false},
    Known{"dimensions", How::kTrimmed, Field::kDimensions, false},
    Known{"entities", How::kTrimmed, Field::kEntities, false},
    Known{"exports", How::kTrimmed, Field::kExports, false},
    Known{"expression", How::kText, Field::kExpression, false},
    Known{"filter", How::kTrimmed, Field::kFilter, false},
    Known{"filters", How::kTrimmed, Field::kFilter, false},
    Known{"freshness", How::kTrimmed, Field::kFreshness, false},
    Known{"group", How::kText, Field::kGroup, false},
    Known{"identifier", How::kText, Field::kIdentifier, true},
    Known{"label", How::kText, Field::kLabel, false},
    Known{"language", How::kText, Field::kLanguage, false},
    Known{"latest_version", How::kScalar, Field::kLatestVersion, false},
    Known{"loader", How::kText, Field::kLoader, false},
    Known{"macro_sql", How::kText, Field::kRawCode, false},
    Known{"maturity", How::kText, Field::kMaturity, false},
    Known{"measures", How::kTrimmed, Field::kMeasures, false},
    Known{"meta", How::kJson, Field::kMeta, false},
    Known{"model", How::kText, Field::kModel, false},
    Known{"name", How::kText, Field::kName, true},
    Known{"original_file_path", How::kText, Field::kOriginalFilePath, true},
    Known{"owner", How::kTrimmed, Field::kOwner, false},
    Known{"package_name", How::kText, Field::kPackageName, true},
    Known{"patch_path", How::kText, Field::kPatchPath, false},
    Known{"primary_key", How::kTrimmed, Field::kPrimaryKey, false},
    Known{"query_params", How::kTrimmed, Field::kQueryParams, false},
    Known{"raw_code", How::kText, Field::kRawCode, false},
    Known{"raw_sql", How::kText, Field::kRawCode, false},
    Known{"relation_name", How::kText, Field::kRelationName, false},
    Known{"resource_type", How::kText, Field::kResourceType, true},
    Known{"schema", How::kText, Field::kSchema, true},
    Known{"source_name", How::kText, Field::kSourceName, false},
    Known{"sql", How::kText, Field::kExpression, false},
    Known{"tags", How::kSpecial, Field::kCount, false},
    Known{"test_metadata", How::kTrimmed, Field::kTestMetadata, false},
    Known{"tideline", How::kTrimmed, Field::kOpenEnds, false},
    Known{"tideline_columns", How::kTrimmed, Field::kSeedColumns, false},
    Known{"tideline_sql", How::kJson, Field::kTemplateSql, false},
    Known{"type", How::kText, Field::kType, false},
    Known{"type_params", How::kTrimmed, Field::kTypeParams, false},
    Known{"url", How::kText, Field::kUrl, false},
    Known{"version", How::kScalar, Field::kVersion, false},
};
static_assert(std::is_sorted(kKnown.begin(), kKnown.end(), [](auto& a, auto& b) { return a.key < b.key; }));

const Known* known(std::string_view key) {
  const auto at = std::lower_bound(kKnown.begin(), kKnown.end(), key, [](auto& k, auto text) { return k.key < text; });
  return at != kKnown.end() && at->key == key ? &*at : nullptr;
}

/// What one entry's reading carries along: the place for messages and for what could not be taken.
struct Context {
  const EntryText& entry;
  std::vector<std::string>& warnings;

  void wrong_type(std::string_view field, Shape found, std::string_view wanted) {
    note(warnings, fmt::format("{}: \"{}\" is {} where {} is expected; it was left out", entry.name, field,
                               to_string(found), wanted));
  }
  void replaced(std::string_view field) {
    note(warnings, fmt::format("{}: \"{}\" holds what text cannot (U+0000, half a surrogate pair, a number that is "
                               "none); U+FFFD or null stands in its place",
                               entry.name, field));
  }
};

/// The text of a member; absent where it is null or of another type.
std::optional<std::string> read_text(ondemand::value& value, std::string_view field, Context& context) {
  const Shape shape = shape_of(value);
  if (shape == Shape::kNull) return std::nullopt;
  if (shape != Shape::kText) {
    context.wrong_type(field, shape, "a text");
    return std::nullopt;
  }
  bool replaced = false;
  auto text = text_of(value, replaced);
  if (!text)
    note(context.warnings, fmt::format("{}: \"{}\" has a broken escape; it was left out", context.entry.name, field));
  if (replaced) context.replaced(field);
  return text;
}

/// Canonical JSON of a member; absent where it says nothing. A structure that cannot be read is an error: simdjson
/// cannot go on behind it.
Result<std::optional<std::string>> read_json(ondemand::value& value, Empty empty, std::string_view field,
                                             Context& context) {
  bool replaced = false;
  auto text = canonical_of(value, empty, replaced);
  if (!text)
    return fail(Code::kInvalidInput, fmt::format("{}: \"{}\" of {} is not valid JSON or nested too deep (limit {})",
                                                 context.entry.label, field, context.entry.name, kMaxValueDepth));
  if (replaced) context.replaced(field);
  if (says_nothing(*text)) return std::optional<std::string>();
  return std::optional<std::string>(std::move(*text));
}

tl::unexpected<Error> broken(const EntryText& entry, simdjson::error_code error) {
  if (error == simdjson::UTF8_ERROR)
    return fail(Code::kInvalidInput, fmt::format("{}: {} is not valid UTF-8", entry.label, entry.name),
                "dbt writes UTF-8; was the file converted?");
  return fail(Code::kInvalidInput, fmt::format("{} is not valid JSON inside {}: {}", entry.label, entry.name,
                                               simdjson::error_message(error)));
}

tl::unexpected<Error> too_many_columns(const EntryText& entry) {
  return fail(Code::kTooLarge, fmt::format("{}: {} has more than {} columns", entry.label, entry.name, kMaxColumns));
}

/// Calls `member(key, value)`, which returns Result<void>, for each member of an object.
template <class Member>
Result<void> each_member(ondemand::object object, const EntryText& entry, Member&& member) {
  for (auto item : object) {
    ondemand::field field;
    if (const auto error = std::move(item).get(field)) return broken(entry, error);
    ondemand::value value = field.value();
    const char* raw = field.key().raw();
    const char* quote = raw;
    while (*quote != '"') quote += *quote == '\\' ? 2 : 1;
    TRY_VOID(member(std::string_view(raw, static_cast<std::size_t>(quote - raw)), value));
  }
  return {};
}

/// The members of `value` where it is an object; a warning where it is neither that nor null.
template <class Member>
Result<void> each_member_of(ondemand::value& value, std::string_view field, Context& context, Member&& member) {
  const Shape shape = shape_of(value);
  if (shape == Shape::kNull) return {};
  if (shape != Shape::kObject) {
    context.wrong_type(field, shape, "an object");
    return {};
  }
  ondemand::object object;
  if (const auto error = value.get_object().get(object)) return broken(context.entry, error);
  return each_member(object, context.entry, std::forward<Member>(member));
}

/// A list of texts, or one text standing for a list of one (dbt allows that of tags).
Result<void> read_texts(ondemand::value& value, std::string_view field, Context& context,
                        std::vector<std::string>& out) {
  const Shape shape = shape_of(value);
  if (shape == Shape::kText) {
    if (auto text = read_text(value, field, context)) out.push_back(std::move(*text));
    return {};
  }
  if (shape == Shape::kNull) return {};
  if (shape != Shape::kArray) {
    context.wrong_type(field, shape, "a list of texts");
    return {};
  }
  ondemand::array array;
  if (const auto error = value.get_array().get(array)) return broken(context.entry, error);
  for (auto item : array) {
    ondemand::value element;
    if (const auto error = item.get(element)) return broken(context.entry, error);
    if (auto text = read_text(element, field, context)) out.push_back(std::move(*text));
  }
  return {};
}

void sort_unique(std::vector<std::string>& texts) {
  std::sort(texts.begin(), texts.end());
  texts.erase(std::unique(texts.begin(), texts.end()), texts.end());
}

std::string json_of(std::vector<std::string> texts) {
  sort_unique(texts);
  std::string out;
  JsonWriter writer(out);
  writer.begin_array();
  for (const auto& text : texts) writer.string(text);
  writer.end_array();
  return out;
}

/// What constraints say of one column.
struct KeyFacts {
  bool primary_key = false;
  bool foreign_key = false;
  bool not_null = false;

  void add(std::string_view type) {
    if (equal_ignoring_case(type, "primary_key")) primary_key = not_null = true;
    if (equal_ignoring_case(type, "foreign_key")) foreign_key = true;
    if (equal_ignoring_case(type, "not_null")) not_null = true;
  }
  void apply(ManifestColumn& column) const {
    column.is_primary_key |= primary_key;
    column.is_foreign_key |= foreign_key;
    if (not_null) column.is_nullable = false;
  }
};

/// The list in canonical text; empty where it is none.
Json::Array list_in(const std::optional<std::string>& canonical) {
  if (!canonical) return {};
  const auto parsed = Json::parse(*canonical, "list");
  return parsed && parsed->if_array() != nullptr ? *parsed->if_array() : Json::Array{};
}

/// Constraints of the model and its list of key columns, spread over the columns they name.
void spread_constraints(const Node& node, std::vector<ManifestColumn>& columns) {
  if (!node[Field::kConstraints] && !node[Field::kPrimaryKey]) return;
  std::unordered_map<std::string, KeyFacts> by_column;  // looked up only, never walked
  for (const Json& constraint : list_in(node[Field::kConstraints])) {
    const Json* names = constraint.find("columns");
    if (names == nullptr || names->if_array() == nullptr) continue;
    for (const Json& name : *names->if_array())
      if (name.if_string() != nullptr)
        by_column[ascii_lower(*name.if_string())].add(constraint.string_at("type").value_or(""));
  }
  // dbt infers this list from tests too, so it says nothing of nulls.
  for (const Json& name : list_in(node[Field::kPrimaryKey]))
    if (name.if_string() != nullptr) by_column[ascii_lower(*name.if_string())].primary_key = true;
  for (auto& column : columns)
    if (const auto found = by_column.find(ascii_lower(column.name)); found != by_column.end())
      found->second.apply(column);
}

Result<ManifestColumn> read_column(std::string_view key, ondemand::value& value, Context& context) {
  ManifestColumn column;
  bool replaced = false;
  decode_json_string(key, column.name, replaced);
  std::vector<std::string> tags;
  std::optional<std::string> meta, config_meta;
  const std::string field = "columns." + column.name;
  TRY_VOID(each_member_of(value, field, context, [&](std::string_view member, ondemand::value& inner) -> Result<void> {
    if (member == "name") {
      if (auto name = read_text(inner, field + ".name", context); name && !name->empty()) column.name = *name;
    } else if (member == "data_type") {
      column.data_type = read_text(inner, field + ".data_type", context);
    } else if (member == "description") {
      column.description = read_text(inner, field + ".description", context);
    } else if (member == "tags") {
      TRY_VOID(read_texts(inner, field + ".tags", context, tags));
    } else if (member == "meta") {
      TRY(meta, read_json(inner, Empty::kKeep, field + ".meta", context));
    } else if (member == "constraints") {
      TRY(auto constraints, read_json(inner, Empty::kDrop, field + ".constraints", context));
      column.constraints = constraints.value_or("[]");
    } else if (member == "config") {
      TRY_VOID(each_member_of(inner, field + ".config", context,
                              [&](std::string_view name, ondemand::value& setting) -> Result<void> {
                                if (name == "tags") return read_texts(setting, field + ".config.tags", context, tags);
                                if (name == "meta") {
                                  TRY(config_meta, read_json(setting, Empty::kKeep, field + ".config.meta", context));
                                }
                                return {};
                              }));
    }
    return {};
  }));
  column.tags = json_of(std::move(tags));
  column.meta = meta ? *meta : config_meta.value_or("{}");
  if (column.data_type && column.data_type->empty()) column.data_type.reset();
  if (column.description && column.description->empty()) column.description.reset();
  if (column.constraints != "[]") {
    KeyFacts keys;
    for (const Json& constraint : list_in(column.constraints)) keys.add(constraint.string_at("type").value_or(""));
    keys.apply(column);
  }
  return column;
}

}  // namespace

struct NodeReader::Impl {
  ondemand::parser parser;
  std::string padded;
  ondemand::document document;

  /// The entry as an object; valid until the next call.
  Result<ondemand::object> start(const EntryText& entry) {
    std::string_view bytes = entry.bytes;
    std::size_t readable = entry.readable;
    if (readable < bytes.size() + simdjson::SIMDJSON_PADDING) {  // at the end of the text
      padded.assign(bytes);
      padded.resize(bytes.size() + simdjson::SIMDJSON_PADDING, ' ');
      bytes = std::string_view(padded).substr(0, bytes.size());
      readable = padded.size();
    }
    if (const auto error = parser.iterate(simdjson::padded_string_view(bytes, readable)).get(document))
      return broken(entry, error);
    ondemand::object object;
    if (const auto error = document.get_object().get(object)) {
      if (error == simdjson::INCORRECT_TYPE)
        return fail(Code::kInvalidInput, fmt::format("{}: {} is not an object", entry.label, entry.name));
      return broken(entry, error);
    }
    return object;
  }
};

NodeReader::NodeReader() : impl_(std::make_unique<Impl>()) {}
NodeReader::~NodeReader() = default;

void NodeReader::trim() {
  if (impl_->parser.capacity() > kKeptBytes || impl_->padded.capacity() > kKeptBytes) impl_ = std::make_unique<Impl>();
}

Result<Node> NodeReader::read(const EntryText& entry, Detail detail) {
  TRY(auto object, impl_->start(entry));
  Node node;
  Context context{entry, node.warnings};
  std::optional<std::string> config_meta, config_group, config_access;

  const auto config = [&](std::string_view key, ondemand::value& value) -> Result<void> {
    if (key == "enabled") {
      bool enabled = true;
      if (shape_of(value) == Shape::kBoolean && !value.get_bool().get(enabled)) node.enabled = enabled;
      return {};
    }
    if (detail == Detail::kHead) return {};
    if (key == "materialized") node[Field::kMaterialized] = read_text(value, "config.materialized", context);
    if (key == "severity") node[Field::kSeverity] = read_text(value, "config.severity", context);
    if (key == "group") config_group = read_text(value, "config.group", context);
    if (key == "access") config_access = read_text(value, "config.access", context);
    if (key == "tags") return read_texts(value, "config.tags", context, node.tags);
    if (key == "meta") {
      TRY(config_meta, read_json(value, Empty::kKeep, "config.meta", context));
    }
    return {};
  };
  const auto depends_on = [&](std::string_view key, ondemand::value& value) -> Result<void> {
    if (key == "nodes") return read_texts(value, "depends_on.nodes", context, node.upstream_nodes);
    if (key == "macros") return read_texts(value, "depends_on.macros", context, node.upstream_macros);
    return {};
  };
  const auto special = [&](std::string_view key, ondemand::value& value) -> Result<void> {
    if (key == "config") return each_member_of(value, key, context, config);
    if (key == "depends_on") return each_member_of(value, key, context, depends_on);
    if (key == "tags") return read_texts(value, key, context, node.tags);
    if (key == "columns") {
      node.columns.clear();
      return each_member_of(value, key, context, [&](std::string_view name, ondemand::value& inner) -> Result<void> {
        if (node.columns.size() == kMaxColumns) return too_many_columns(entry);
        TRY(auto column, read_column(name, inner, context));
        if (column.name.empty() || column.name.size() > kMaxColumnNameBytes)
          note(context.warnings, fmt::format("{}: a column has {} name; it was left out", entry.name,
                                             column.name.empty() ? "no" : "too long a"));
        else
          node.columns.push_back(std::move(column));
        return {};
      });
    }
    // checksum: an object, but a plain text in unit tests, where it is not that of the file
    if (shape_of(value) != Shape::kObject) return {};
    std::optional<std::string> name, sum;
    TRY_VOID(each_member_of(value, key, context, [&](std::string_view part, ondemand::value& inner) -> Result<void> {
      if (part == "name") name = read_text(inner, "checksum.name", context);
      if (part == "checksum") sum = read_text(inner, "checksum.checksum", context);
      return {};
    }));
    if (name && sum && equal_ignoring_case(*name, "sha256") && sum->size() == 64 && from_hex(*sum))
      node[Field::kFileHash] = ascii_lower(*sum);
    return {};
  };

  TRY_VOID(each_member(object, entry, [&](std::string_view key, ondemand::value& value) -> Result<void> {
    const Known* member = known(key);
    if (member == nullptr || (detail == Detail::kHead && !member->head)) return {};
    switch (member->how) {
      case How::kText: {
        if (member->field == Field::kCompiledCode) {
          const std::string_view token = value.raw_json_token();
          node.has_compiled = shape_of(value) == Shape::kText && !token.starts_with("\"\"");
          if (detail == Detail::kHead) return {};
        }
        auto text = read_text(value, key, context);
        // An earlier spelling that is null does not undo the later one.
        if (text || !node[member->field]) node[member->field] = std::move(text);
        return {};
      }
      case How::kScalar: {
        const Shape shape = shape_of(value);
        if (shape == Shape::kNull) return {};
        if (shape != Shape::kText && shape != Shape::kNumber) {
          context.wrong_type(key, shape, "a number or a text");
          return {};
        }
        TRY(node[member->field], read_json(value, Empty::kKeep, key, context));
        return {};
      }
      case How::kJson:
      case How::kTrimmed: {
        const Shape shape = shape_of(value);
        if (shape == Shape::kNull) return {};
        if (shape != Shape::kObject && shape != Shape::kArray) {
          context.wrong_type(key, shape, "an object or a list");
          return {};
        }
        TRY(auto json, read_json(value, member->how == How::kJson ? Empty::kKeep : Empty::kDrop, key, context));
        if (json) node[member->field] = std::move(json);
        return {};
      }
      case How::kSpecial:
        return special(key, value);
    }
    return {};
  }));

  if (detail == Detail::kHead) return node;
  sort_unique(node.tags);
  sort_unique(node.upstream_nodes);
  sort_unique(node.upstream_macros);
  if (!node[Field::kMeta]) node[Field::kMeta] = std::move(config_meta);
  if (!node[Field::kGroup]) node[Field::kGroup] = std::move(config_group);
  if (!node[Field::kAccess]) node[Field::kAccess] = std::move(config_access);
  spread_constraints(node, node.columns);
  return node;
}

Result<CatalogFacts> NodeReader::read_catalog(const EntryText& entry, std::vector<std::string>& warnings) {
  TRY(auto object, impl_->start(entry));
  Context context{entry, warnings};
  CatalogFacts facts;
  struct Indexed {
    CatalogColumn column;
    double index;
    std::size_t ordinal;
  };
  std::vector<Indexed> columns;
  const auto present = [](std::optional<std::string> text) {
    if (text && text->empty()) text.reset();
    return text;
  };
  const auto column = [&](std::string_view key, ondemand::value& value) -> Result<void> {
    if (columns.size() == kMaxColumns) return too_many_columns(entry);
    Indexed read{{}, static_cast<double>(columns.size()), columns.size()};
    bool replaced = false;
    decode_json_string(key, read.column.name, replaced);
    const std::string field = "catalog columns." + read.column.name;
    TRY_VOID(each_member_of(value, field, context, [&](std::string_view part, ondemand::value& inner) -> Result<void> {
      if (part == "name") {
        if (auto name = read_text(inner, field + ".name", context); name && !name->empty()) read.column.name = *name;
      } else if (part == "type") {
        read.column.data_type = present(read_text(inner, field + ".type", context));
      } else if (part == "comment") {
        read.column.comment = present(read_text(inner, field + ".comment", context));
      } else if (part == "index") {
        // From 0 or from 1, by adapter: only the order counts.
        if (shape_of(inner) != Shape::kNumber || inner.get_double().get(read.index))
          context.wrong_type(field + ".index", shape_of(inner), "a number");
      }
      return {};
    }));
    if (read.column.name.empty() || read.column.name.size() > kMaxColumnNameBytes)
      note(warnings, fmt::format("{}: a column of the catalog has {} name; it was left out", entry.name,
                                 read.column.name.empty() ? "no" : "too long a"));
    else
      columns.push_back(std::move(read));
    return {};
  };
  const auto metadata = [&](std::string_view key, ondemand::value& value) -> Result<void> {
    if (key == "type") facts.type = present(read_text(value, "catalog metadata.type", context));
    if (key == "owner") facts.owner = present(read_text(value, "catalog metadata.owner", context));
    if (key == "comment") facts.comment = present(read_text(value, "catalog metadata.comment", context));
    return {};
  };
  TRY_VOID(each_member(object, entry, [&](std::string_view key, ondemand::value& value) -> Result<void> {
    if (key == "metadata") return each_member_of(value, "catalog metadata", context, metadata);
    if (key == "columns") {
      columns.clear();
      return each_member_of(value, "catalog columns", context, column);
    }
    return {};
  }));
  std::sort(columns.begin(), columns.end(), [](const auto& a, const auto& b) {
    return a.index != b.index ? a.index < b.index : a.ordinal < b.ordinal;
  });
  for (auto& read : columns) facts.columns.push_back(std::move(read.column));
  return facts;
}

}  // namespace tideline::extract
