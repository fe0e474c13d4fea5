#include "store/connections.h"

#include <algorithm>

#include "base/json.h"
#include "base/text.h"
#include "store/connection_rows.h"
#include "store/crossing.h"
#include "store/version_writer.h"

namespace tideline::store {
namespace {

constexpr std::size_t kMaxTypeBytes = 32;
constexpr std::size_t kMaxNameBytes = 512;  // a name, a full name, a sub-directory
constexpr std::size_t kMaxUrlBytes = 2048;
constexpr std::size_t kMaxAliases = 32;  // the oldest go first

constexpr pg::Statement kRemoveFiles{
    "connection_remove_files",
    "with gone as (delete from metadata.files where organization_id = $1 and connection_id = $2"
    "   returning id, created_version)"
    " insert into metadata.tombstones (organization_id, kind, id, connection_id, row_version, created_version)"
    " select $1, 2, id, $2, $3, created_version from gone"
    " on conflict (organization_id, kind, id) do update set row_version = excluded.row_version"};
constexpr pg::Statement kRemoveObjects{
    "connection_remove_objects",
    "with gone as (delete from metadata.objects where organization_id = $1 and connection_id = $2"
    "   returning id, created_version)"
    " insert into metadata.tombstones (organization_id, kind, id, connection_id, row_version, created_version)"
    " select $1, 3, id, $2, $3, created_version from gone"
    " on conflict (organization_id, kind, id) do update set row_version = excluded.row_version"};
constexpr pg::Statement kRemoveColumns{
    "connection_remove_columns", "delete from metadata.columns where organization_id = $1 and connection_id = $2"};
constexpr pg::Statement kRemoveDependencies{
    "connection_remove_dependencies",
    "delete from metadata.dependencies where organization_id = $1 and connection_id = $2"};
constexpr pg::Statement kRemoveLineage{
    "connection_remove_lineage",
    "delete from metadata.columns_lineage where organization_id = $1 and connection_id = $2"};
constexpr pg::Statement kRemoveDocumentation{
    "connection_remove_documentation",
    "delete from metadata.object_documentation where organization_id = $1 and connection_id = $2"};
constexpr pg::Statement kRemoveRepository{
    "connection_remove_repository",
    "delete from metadata.repositories where organization_id = $1 and connection_id = $2"};
// They hold no positions, and the connection's tombstone says it all.
constexpr pg::Statement kRemoveTombstones{
    "connection_remove_tombstones",
    "delete from metadata.tombstones where organization_id = $1 and connection_id = $2 and kind not in (2, 3)"};
constexpr pg::Statement kRemoveConnection{
    "connection_remove",
    "with gone as (delete from enterprise.connections where organization_id = $1 and id = $2 returning incarnation)"
    " insert into metadata.tombstones (organization_id, kind, id, connection_id, row_version, created_version)"
    " select $1, 1, $2, $2, $3, incarnation from gone"};

Result<void> check_text(std::string_view field, std::string_view text, std::size_t limit) {
  if (text.size() > limit) {
    return fail(Code::kInvalidInput, std::string(field) + " is longer than " + std::to_string(limit) + " bytes.");
  }
  const bool plain = is_valid_utf8(text) && std::none_of(text.begin(), text.end(), [](char c) {
                       return static_cast<unsigned char>(c) < ' ' || c == '\x7f';
                     });
  if (!plain) return fail(Code::kInvalidInput, std::string(field) + " must be UTF-8 text without control characters.");
  return {};
}

Result<std::string> normalized_full_name(std::string_view full_name) {
  TRY_VOID(check_text("full_name", full_name, kMaxNameBytes));
  full_name = trim(full_name);
  while (full_name.starts_with('/')) full_name.remove_prefix(1);
  while (full_name.ends_with('/')) full_name.remove_suffix(1);
  if (full_name.empty()) return fail(Code::kInvalidInput, "full_name must not be empty.");
  return std::string(full_name);
}

/// "./a//b/" → "a/b".
Result<std::string> normalized_subdir(std::string_view subdir) {
  TRY_VOID(check_text("subdir", subdir, kMaxNameBytes));
  std::string out;
  for (const auto part : split(trim(subdir), '/')) {
    if (part.empty() || part == ".") continue;
    if (part == "..") return fail(Code::kInvalidInput, "subdir must lie inside the repository (no \"..\").");
    if (!out.empty()) out += '/';
    out += part;
  }
  return out;
}

Result<void> check_name(const std::optional<std::string>& name) {
  if (!name) return {};
  if (trim(*name).empty()) return fail(Code::kInvalidInput, "name must not be empty.");
  return check_text("name", *name, kMaxNameBytes);
}

Result<void> check_url(const std::optional<std::string>& url) {
  return url ? check_text("url", *url, kMaxUrlBytes) : Result<void>();
}

/// `record` gives up `full_name`, which stays findable.
void retire_name(ConnectionRecord& record, const std::string& new_full_name) {
  Json::Array aliases;
  if (const auto parsed = Json::parse(record.aliases.text, "aliases"); parsed && parsed->if_array()) {
    for (const auto& alias : *parsed->if_array()) {
      const auto* text = alias.if_string();
      if (text && !equal_ignoring_case(*text, record.full_name) && !equal_ignoring_case(*text, new_full_name)) {
        aliases.push_back(alias);
      }
    }
  }
  // A change of case alone leaves no other name behind.
  if (!equal_ignoring_case(record.full_name, new_full_name)) aliases.emplace_back(record.full_name);
  if (aliases.size() > kMaxAliases) aliases.erase(aliases.begin());
  record.aliases.text = Json(std::move(aliases)).canonical();
  record.full_name = new_full_name;
}

WriteOutcome unchanged(const ConnectionId& connection, const LockedHead& head) {
  return {.connection = connection, .version = head.version, .stamp = head.stamp, .made = false};
}

awaitable<Result<WriteOutcome>> finish(TenantTransaction& transaction, const LockedHead& head, ConnectionId connection,
                                       std::string reason, std::optional<Digest> digest, Deadline deadline) {
  VersionNote note{.connection = connection,
                   .reason = std::move(reason),
                   .digest = digest,
                   .counts = "{}",
                   .commit = {},
                   .branch = {}};
  CO_TRY_VOID(co_await finish_version(transaction, head, std::move(note), deadline));
  CO_TRY_VOID(co_await transaction.commit(deadline));
  co_return WriteOutcome{.connection = connection, .version = head.next, .stamp = head.next_stamp, .made = true};
}

/// Writes `after` where it differs from what is there.
awaitable<Result<WriteOutcome>> replace(TenantTransaction& transaction, const LockedHead& head, ConnectionState state,
                                        ConnectionRecord after, std::string reason, Deadline deadline) {
  const ConnectionId id{state.record.id};
  const RowHash old_hash = row_hash(state.record);
  const RowHash new_hash = row_hash(after);
  if (old_hash == new_hash) co_return unchanged(id, head);
  state.digest.of(Kind::kConnection).remove(old_hash);
  state.digest.of(Kind::kConnection).add(new_hash);
  state.record = std::move(after);
  state.row_version = state.version = head.next;
  state.updated_at = head.next_stamp;
  pg::Pipeline pipeline;
  add_update(pipeline, transaction.tenant(), state);
  CO_TRY_VOID(co_await transaction.run(std::move(pipeline), deadline));
  co_return co_await finish(transaction, head, id, std::move(reason), state.digest, deadline);
}

tl::unexpected<Error> no_such_connection() {
  return fail(Code::kNotFound, "There is no such connection in this organization.");
}

}  // namespace

Result<ConnectionKey> normalized(ConnectionKey key) {
  key.type = ascii_lower(trim(key.type));
  const bool is_word = !key.type.empty() && key.type.size() <= kMaxTypeBytes &&
                       std::all_of(key.type.begin(), key.type.end(), [](char c) {
                         return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
                       });
  if (!is_word) {
    return fail(Code::kInvalidInput, "type must be a word such as github, gitlab, git or local.");
  }
  TRY(key.full_name, normalized_full_name(key.full_name));
  TRY(key.subdir, normalized_subdir(key.subdir));
  return key;
}

awaitable<Result<WriteOutcome>> register_connection(Database& database, Tenant tenant, ConnectionSpec spec,
                                                    Deadline deadline) {
  CO_TRY(spec.key, normalized(std::move(spec.key)));
  CO_TRY_VOID(check_name(spec.name));
  CO_TRY_VOID(check_url(spec.url));
  CO_TRY(const auto turn, co_await database.turn(tenant.organization, deadline));
  CO_TRY(auto transaction, co_await database.begin(tenant, TenantTransaction::Mode::kWrite, deadline));
  CO_TRY(const auto head, co_await lock_head(transaction, deadline));
  CO_TRY(auto existing, co_await fetch_connection_exactly(transaction, spec.key, deadline));
  if (existing) {
    if (spec.id && spec.id->value != existing->record.id) {
      co_return fail(Code::kConflict, spec.key.full_name + " is registered already, with another id.");
    }
    ConnectionRecord after = existing->record;
    if (spec.name) after.name = *spec.name;
    if (spec.url) after.url = *spec.url;
    co_return co_await replace(transaction, head, std::move(*existing), std::move(after), "update", deadline);
  }

  const ConnectionId id = spec.id ? *spec.id : ConnectionId::random();
  if (spec.id) {
    CO_TRY(const auto same_id, co_await fetch_connection(transaction, ConnectionRef(id), deadline));
    if (same_id) {
      co_return fail(Code::kConflict, "This id is that of " + same_id->record.full_name + " already.",
                     "To rename that connection, update it.");
    }
  }
  ConnectionRecord record;
  record.id = id.value;
  record.type = spec.key.type;
  record.name = spec.name ? *spec.name : default_name(spec.key.full_name);
  record.full_name = spec.key.full_name;
  record.subdir = spec.key.subdir;
  record.url = spec.url;
  const ConnectionState state = new_connection(std::move(record), head);
  pg::Pipeline pipeline;
  add_insert(pipeline, tenant, state);
  CO_TRY_VOID(co_await transaction.run(std::move(pipeline), deadline));
  co_return co_await finish(transaction, head, id, "register", state.digest, deadline);
}

awaitable<Result<WriteOutcome>> update_connection(Database& database, Tenant tenant, ConnectionId id,
                                                  ConnectionChange change, Deadline deadline) {
  CO_TRY_VOID(check_name(change.name));
  if (change.url) CO_TRY_VOID(check_url(*change.url));
  if (change.full_name) {
    CO_TRY(change.full_name, normalized_full_name(*change.full_name));
  }
  if (change.subdir) {
    CO_TRY(change.subdir, normalized_subdir(*change.subdir));
  }
  CO_TRY(const auto turn, co_await database.turn(tenant.organization, deadline));
  CO_TRY(auto transaction, co_await database.begin(tenant, TenantTransaction::Mode::kWrite, deadline));
  CO_TRY(const auto head, co_await lock_head(transaction, deadline));
  CO_TRY(auto existing, co_await fetch_connection(transaction, ConnectionRef(id), deadline));
  if (!existing) co_return no_such_connection();

  ConnectionRecord after = existing->record;
  if (change.name) after.name = *change.name;
  if (change.url) after.url = *change.url;
  if (change.subdir) after.subdir = *change.subdir;
  if (change.full_name && *change.full_name != after.full_name) retire_name(after, *change.full_name);
  const ConnectionKey key{after.type, after.full_name, after.subdir};
  CO_TRY(const auto same_key, co_await fetch_connection_exactly(transaction, key, deadline));
  if (same_key && same_key->record.id != id.value) {
    co_return fail(Code::kConflict, "Another connection has the name " + after.full_name + " already.");
  }
  co_return co_await replace(transaction, head, std::move(*existing), std::move(after), "update", deadline);
}

awaitable<Result<WriteOutcome>> delete_connection(Database& database, Tenant tenant, ConnectionId id,
                                                  Deadline deadline) {
  CO_TRY(const auto turn, co_await database.turn(tenant.organization, deadline));
  CO_TRY(auto transaction, co_await database.begin(tenant, TenantTransaction::Mode::kWrite, deadline));
  CO_TRY(const auto head, co_await lock_head(transaction, deadline));
  CO_TRY(const auto existing, co_await fetch_connection(transaction, ConnectionRef(id), deadline));
  if (!existing) co_return no_such_connection();
  pg::Pipeline pipeline;
  for (const auto statement : {kRemoveFiles, kRemoveObjects}) {
    pg::Params params;
    params.add(tenant.organization).add(id).add(head.next);
    pipeline.add(statement, std::move(params));
  }
  for (const auto statement : {kRemoveColumns, kRemoveDependencies, kRemoveLineage, kRemoveDocumentation,
                               kRemoveRepository, kRemoveTombstones}) {
    pg::Params params;
    params.add(tenant.organization).add(id);
    pipeline.add(statement, std::move(params));
  }
  pg::Params params;
  params.add(tenant.organization).add(id).add(head.next);
  pipeline.add(kRemoveConnection, std::move(params));
  CO_TRY_VOID(co_await transaction.run(std::move(pipeline), deadline));
  WriteContext context;
  context.connection = id;
  context.head = head;
  CO_TRY_VOID(co_await refresh_crossing(transaction, context, deadline));
  co_return co_await finish(transaction, head, id, "delete", std::nullopt, deadline);
}

awaitable<Result<std::optional<ConnectionState>>> find_connection(Database& database, Tenant tenant, ConnectionRef ref,
                                                                  Deadline deadline) {
  if (auto* key = std::get_if<ConnectionKey>(&ref)) {
    CO_TRY(ref, normalized(std::move(*key)));
  }
  CO_TRY(auto transaction, co_await database.begin(tenant, TenantTransaction::Mode::kSnapshot, deadline));
  CO_TRY(auto found, co_await fetch_connection(transaction, std::move(ref), deadline));
  CO_TRY_VOID(co_await transaction.commit(deadline));
  co_return std::move(found);
}

}  // namespace tideline::store
