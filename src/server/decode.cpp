#include "server/decode.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "base/json.h"
#include "base/text.h"
#include "server/changes.h"
#include "server/fields.h"

namespace tideline::server {
namespace {

constexpr TextRule kFullName{.max_bytes = kMaxFullNameBytes};
constexpr TextRule kWorkspace{.max_bytes = kMaxWorkspaceBytes};
constexpr TextRule kHash{.max_bytes = kMaxHashBytes};
constexpr TextRule kLabel{.max_bytes = kMaxLabelBytes};
constexpr TextRule kErrorMessage{.max_bytes = kMaxErrorMessageBytes, .may_have_control_characters = true};
constexpr TextRule kCursor{.max_bytes = kMaxCursorBytes};
constexpr TextRule kUniqueId{.max_bytes = kMaxUniqueIdBytes};
// Bounded by the body alone.
constexpr TextRule kProse{.max_bytes = std::size_t{1} << 30, .may_be_empty = true, .may_have_control_characters = true};
constexpr std::string_view kSubdirRule = "must be a folder inside the repository, such as analytics/dbt";
constexpr std::string_view kIdRule = "must be a UUID (8-4-4-4-12 hex digits)";

template <class T>
Decoded<T> finish(T value, FieldErrors errors) {
  if (!errors.empty()) return tl::unexpected(std::move(errors));
  return value;
}

template <class Id>
Id path_id(std::string_view name, std::string_view text, FieldErrors& errors) {
  const auto id = Id::parse(text);
  if (!id) errors.push_back({std::string(name), std::string(kIdRule)});
  return id.value_or(Id{});
}

// The body as an object, or null (which has no member) after noting why it is none.
Json object_of(std::string_view body, FieldErrors& errors) {
  auto parsed = Json::parse(body, "request body");
  if (!parsed) {
    errors.push_back({"body", parsed.error().message});
    return {};
  }
  if (parsed->if_object() == nullptr) {
    errors.push_back({"body", "must be a JSON object"});
    return {};
  }
  return std::move(*parsed);
}

ConnectionFilter as_connections(const std::optional<std::vector<Uuid>>& ids) {
  if (!ids) return std::nullopt;
  std::vector<ConnectionId> connections;
  connections.reserve(ids->size());
  for (const Uuid& id : *ids) connections.push_back({id});
  return connections;
}

std::optional<std::string> subdir_of(const std::optional<std::string>& text, FieldErrors& errors) {
  if (!text) return std::nullopt;
  auto normal = normalize_subdir(*text);
  if (!normal) errors.push_back({"subdir", std::string(kSubdirRule)});
  return normal;
}

void check_type(const std::optional<std::string>& type, FieldErrors& errors) {
  if (!type) return;
  if (auto message = check_connection_type(*type)) errors.push_back({"type", std::move(*message)});
}

void check_repository_url(const std::optional<std::string>& url, FieldErrors& errors) {
  if (!url) return;
  if (auto message = check_url(*url)) errors.push_back({"url", std::move(*message)});
}

constexpr std::array<std::string_view, 13> kDocumentationMembers = {
    "object_id", "connection_id", "unique_id", "executive_summary", "business_narrative", "transformation_cards",
    "code_explanations", "business_rules", "impact_analysis", "generated_at", "model", "doc_version",
    // what GET answers and is not the generator's:
    "id"};

std::optional<JsonText> other_members(const Json::Object& members) {
  Json::Object others;
  for (const auto& [name, value] : members) {
    const bool is_ours = std::ranges::find(kDocumentationMembers, name) != kDocumentationMembers.end();
    if (!is_ours && name != "objects" && !value.is_null()) others.emplace_back(name, value);
  }
  if (others.empty()) return std::nullopt;
  return JsonText{Json(std::move(others)).canonical()};
}

DocumentationItem documentation_item(const Json& json, const std::string& place, FieldErrors& errors) {
  DocumentationItem item;
  const Json::Object* members = json.if_object();
  if (members == nullptr) {
    errors.push_back({place, "must be an object"});
    return item;
  }
  JsonFields fields(json, errors, place + ".");
  const bool by_object = fields.find("object_id") != nullptr;
  const bool by_name = fields.find("connection_id") != nullptr || fields.find("unique_id") != nullptr;
  if (by_object) {
    item.object_id = fields.id("object_id");
  } else if (by_name) {
    if (const auto id = fields.id("connection_id")) item.connection_id = ConnectionId{*id};
    if (fields.find("connection_id") == nullptr) fields.wrong("connection_id", "is required beside unique_id");
    item.unique_id = fields.required_text("unique_id", kUniqueId);
  } else {
    errors.push_back({place, "must name its object: object_id, or connection_id and unique_id"});
  }
  item.executive_summary = fields.text("executive_summary", kProse);
  item.business_narrative = fields.text("business_narrative", kProse);
  item.transformation_cards = fields.json("transformation_cards");
  item.code_explanations = fields.json("code_explanations");
  item.business_rules = fields.json("business_rules");
  item.impact_analysis = fields.json("impact_analysis");
  item.generated_at = fields.timestamp("generated_at");
  item.model = fields.text("model", kLabel);
  item.doc_version = fields.text("doc_version", kLabel);
  item.extra = other_members(*members);
  return item;
}

}  // namespace

Decoded<OrganizationId> decode_organization(std::string_view id) {
  FieldErrors errors;
  auto value = path_id<OrganizationId>("orgId", id, errors);
  return finish(value, std::move(errors));
}

Decoded<ConnectionId> decode_connection(std::string_view id) {
  FieldErrors errors;
  auto value = path_id<ConnectionId>("id", id, errors);
  return finish(value, std::move(errors));
}

Decoded<SyncPackageRequest> decode_sync_package(const http::Query& query) {
  FieldErrors errors;
  QueryFields fields(query, errors);
  SyncPackageRequest request;
  request.connection_ids = as_connections(fields.ids("connection_ids"));
  request.last_sync = fields.timestamp("last_sync_timestamp");
  request.include_documentation = fields.flag("include_documentation", false);
  request.limit = fields.integer("limit", kDefaultPageLimit, 1, kMaxPageLimit);
  request.offset = fields.integer("offset", 0, 0, kMaxSafeInteger);
  request.as_of = fields.timestamp("as_of");
  return finish(std::move(request), std::move(errors));
}

Decoded<ReadDocumentationRequest> decode_read_documentation(const http::Query& query) {
  FieldErrors errors;
  QueryFields fields(query, errors);
  ReadDocumentationRequest request;
  request.connection_ids = as_connections(fields.ids("connection_ids"));
  request.object_ids = fields.ids("object_ids");
  return finish(std::move(request), std::move(errors));
}

Decoded<HeadsQuery> decode_heads(const http::Query& query) {
  FieldErrors errors;
  QueryFields fields(query, errors);
  HeadsQuery request;
  request.wait = std::chrono::seconds(fields.integer("wait", 0, 0, kMaxWaitSeconds));
  request.since = fields.text("since", kLabel).value_or(std::string());
  if (!request.since.empty() && request.since.front() != '"') request.since = '"' + request.since + '"';
  return finish(std::move(request), std::move(errors));
}

Decoded<ChangesQuery> decode_changes(std::string_view id, const http::Query& query) {
  FieldErrors errors;
  QueryFields fields(query, errors);
  ChangesQuery request;
  request.connection = path_id<ConnectionId>("id", id, errors);
  request.cursor = fields.text("cursor", kCursor);
  request.max_bytes = fields.integer("max_bytes", kDefaultChangesBytes, 1, kMaxChangesBytes);
  return finish(std::move(request), std::move(errors));
}

Decoded<BucketQuery> decode_buckets(std::string_view id, const http::Query& query, bool of_one) {
  FieldErrors errors;
  QueryFields fields(query, errors);
  BucketQuery request;
  request.connection = path_id<ConnectionId>("id", id, errors);
  const auto required = [&](std::string_view name, std::int64_t least, std::int64_t most) {
    if (!query.find(name)) fields.wrong(name, "is required");
    return fields.integer(name, least, least, most);
  };
  request.kind = static_cast<Kind>(required("kind", 1, static_cast<std::int64_t>(kKindCount)));
  if (of_one) request.bucket = static_cast<std::uint8_t>(required("bucket", 0, 255));
  request.at_least = fields.integer("at_least", 0, 0, kMaxSafeInteger);
  return finish(std::move(request), std::move(errors));
}

Decoded<PushTarget> decode_push_target(const http::Query& query) {
  FieldErrors errors;
  QueryFields fields(query, errors);
  PushTarget target;
  if (query.count("full_name") == 0)
    fields.wrong("full_name", "is required: the connection's name, such as owner/repo");
  target.full_name = fields.text("full_name", kFullName).value_or(std::string());
  if (const auto type = fields.single("type"); type && !type->empty()) target.type = std::string(*type);
  check_type(target.type, errors);
  if (const auto subdir = fields.single("subdir"))
    target.subdir = subdir_of(std::string(*subdir), errors).value_or(std::string());
  return finish(std::move(target), std::move(errors));
}

Decoded<PushNotes> decode_push_notes(const http::Query& query) {
  FieldErrors errors;
  QueryFields fields(query, errors);
  PushNotes notes;
  for (std::string_view name : {"force", "commit", "branch", "url"})
    if (const auto value = fields.single(name)) decode_push_part(notes, name, *value, errors);
  return finish(std::move(notes), std::move(errors));
}

bool is_push_note(std::string_view name) {
  return name == "force" || name == "commit" || name == "branch" || name == "url";
}

void decode_push_part(PushNotes& notes, std::string_view name, std::string_view value, FieldErrors& errors) {
  if (name == "force") {
    const auto flag = parse_flag(value);
    if (!flag) errors.push_back({"force", "must be true or false"});
    notes.force = flag.value_or(false);
    return;
  }
  // CI sets these from variables that may be unset: empty is "not known".
  if (value.empty()) return;
  auto message = name == "url" ? check_url(value) : check_text(value, kLabel);
  if (message)
    errors.push_back({std::string(name), std::move(*message)});
  else if (name == "commit")
    notes.commit = std::string(value);
  else if (name == "branch")
    notes.branch = std::string(value);
  else
    notes.url = std::string(value);
}

Decoded<MatchWorkspaceRequest> decode_match_workspace(std::string_view body) {
  FieldErrors errors;
  const Json json = object_of(body, errors);
  MatchWorkspaceRequest request;
  if (json.if_object() != nullptr)
    request.workspace_identifier = JsonFields(json, errors).required_text("workspace_identifier", kWorkspace);
  return finish(std::move(request), std::move(errors));
}

Decoded<RegisterSessionRequest> decode_register_session(std::string_view body) {
  FieldErrors errors;
  const Json json = object_of(body, errors);
  RegisterSessionRequest request;
  if (json.if_object() != nullptr) {
    JsonFields fields(json, errors);
    request.workspace_identifier = fields.required_text("workspace_identifier", kWorkspace);
    request.workspace_hash = fields.nullable_text("workspace_hash", kHash).value_or(std::nullopt);
    request.ide_version = fields.nullable_text("ide_version", kLabel).value_or(std::nullopt);
    if (auto mode = fields.one_of("sync_mode", {"workspace-aware", "manual", "sync-all"}))
      request.sync_mode = std::move(*mode);
    request.connection_ids = as_connections(fields.ids("connection_ids"));
  }
  return finish(std::move(request), std::move(errors));
}

Decoded<UpdateSessionRequest> decode_update_session(std::string_view id, std::string_view body) {
  FieldErrors errors;
  UpdateSessionRequest request;
  request.id = path_id<SessionId>("id", id, errors);
  const Json json = object_of(body, errors);
  if (json.if_object() != nullptr) {
    JsonFields fields(json, errors);
    request.total_objects_synced = fields.integer("total_objects_synced", 0, kMaxSafeInteger);
    request.sync_status = fields.one_of("sync_status", {"active", "inactive", "error"});
    request.error_message = fields.nullable_text("error_message", kErrorMessage);
    request.synced_version = fields.integer("synced_version", 0, kMaxSafeInteger);
    if (const auto versions = fields.numbers_by_id("connection_versions", kMaxSafeInteger)) {
      request.connection_versions.emplace();
      for (const auto& [connection, version] : *versions)
        request.connection_versions->emplace_back(ConnectionId{connection}, Version{version});
    }
  }
  return finish(std::move(request), std::move(errors));
}

Decoded<RegisterConnectionRequest> decode_register_connection(std::string_view body) {
  FieldErrors errors;
  const Json json = object_of(body, errors);
  RegisterConnectionRequest request;
  if (json.if_object() != nullptr) {
    JsonFields fields(json, errors);
    if (const auto id = fields.id("id")) request.id = ConnectionId{*id};
    auto type = fields.text("type", {.may_be_empty = true});
    check_type(type, errors);
    if (type) request.type = std::move(*type);
    request.full_name = fields.required_text("full_name", kFullName);
    request.name = fields.text("name", kFullName);
    request.subdir = subdir_of(fields.text("subdir", {.max_bytes = kMaxSubdirBytes, .may_be_empty = true}), errors)
                         .value_or(std::string());
    request.url = fields.nullable_text("url", {.max_bytes = kMaxUrlBytes}).value_or(std::nullopt);
    check_repository_url(request.url, errors);
  }
  return finish(std::move(request), std::move(errors));
}

Decoded<UpdateConnectionRequest> decode_update_connection(std::string_view id, std::string_view body) {
  FieldErrors errors;
  UpdateConnectionRequest request;
  request.id = path_id<ConnectionId>("id", id, errors);
  const Json json = object_of(body, errors);
  if (json.if_object() != nullptr) {
    JsonFields fields(json, errors);
    request.type = fields.text("type", {.may_be_empty = true});
    check_type(request.type, errors);
    request.full_name = fields.text("full_name", kFullName);
    request.name = fields.text("name", kFullName);
    request.subdir = subdir_of(fields.text("subdir", {.max_bytes = kMaxSubdirBytes, .may_be_empty = true}), errors);
    request.url = fields.nullable_text("url", {.max_bytes = kMaxUrlBytes});
    if (request.url) check_repository_url(*request.url, errors);
  }
  return finish(std::move(request), std::move(errors));
}

Decoded<WriteDocumentationRequest> decode_write_documentation(std::string_view body) {
  FieldErrors errors;
  const Json json = object_of(body, errors);
  WriteDocumentationRequest request;
  if (json.if_object() == nullptr) return tl::unexpected(std::move(errors));
  const Json* list = json.find("documentation");
  const Json::Array* items = list != nullptr ? list->if_array() : nullptr;
  if (items == nullptr) {
    errors.push_back({"documentation", list == nullptr ? "is required" : "must be a list of objects"});
  } else if (items->size() > kMaxDocumentationItems) {
    errors.push_back({"documentation", "must have at most " + std::to_string(kMaxDocumentationItems) + " entries"});
  } else {
    request.items.reserve(items->size());
    for (std::size_t i = 0; i < items->size(); ++i)
      request.items.push_back(documentation_item((*items)[i], "documentation[" + std::to_string(i) + "]", errors));
  }
  return finish(std::move(request), std::move(errors));
}

}  // namespace tideline::server
