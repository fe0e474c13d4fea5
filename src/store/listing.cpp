#include "store/listing.h"

#include <utility>

#include "base/json.h"
#include "store/record_rows.h"
#include "store/row_views.h"

namespace tideline::store {
namespace {

constexpr pg::Statement kListingState{
    "listing_state",
    "select h.version, enterprise.epoch(), (select coalesce(sum(c.activity), 0)::bigint from enterprise.connections c"
    "                    where c.organization_id = $1)"
    "  from metadata.heads h where h.organization_id = $1"};
constexpr pg::Statement kListing{
    "listing",
    "select id, type, name, full_name, subdir, url, aliases, status, last_error, last_extracted_at, object_count,"
    "       sources, version, lineage"
    "  from enterprise.connections where organization_id = $1"
    " order by lower(full_name) collate \"C\", subdir collate \"C\", type collate \"C\", id"};

// $1 organization, $2 connections or null, $3 objects or null.
constexpr pg::Statement kDocuments{
    "documents",
    "select " TIDELINE_DOCUMENTATION_VIEW ", " TIDELINE_DOCUMENTED_OBJECT_VIEW
    "  from metadata.object_documentation d"
    "  join metadata.objects o on o.organization_id = $1 and o.id = d.object_id"
    "  left join metadata.files f on f.organization_id = $1 and f.id = o.file_id"
    " where d.organization_id = $1 and d.hidden_at is null"
    "   and ($2::uuid[] is null or d.connection_id = any ($2)) and ($3::uuid[] is null or d.object_id = any ($3))"
    " order by o.full_name collate \"C\", d.id"};

std::vector<std::string> texts_of(std::string_view json) {
  std::vector<std::string> texts;
  const auto parsed = Json::parse(json, "aliases");
  if (!parsed || !parsed->if_array()) return texts;  // ours, and so an array; if not, a listing without aliases serves
  for (const Json& item : *parsed->if_array())
    if (const auto* text = item.if_string()) texts.push_back(*text);
  return texts;
}

std::optional<std::string> owned(std::optional<std::string_view> text) {
  return text ? std::optional<std::string>(*text) : std::nullopt;
}

}  // namespace

awaitable<Result<ConnectionListing>> read_connection_listing(Database& database, Tenant tenant, Consistency consistency,
                                                             Deadline deadline) {
  std::vector<Query> queries(2);
  queries[0].statement = kListingState;
  queries[1].statement = kListing;
  for (Query& query : queries) query.params.add(tenant.organization);
  CO_TRY(const auto results, co_await database.read(tenant, std::move(queries), deadline, consistency));
  const auto& state = results[0];
  const auto& rows = results[1];
  if (state.empty()) co_return fail(Code::kPermissionDenied, "Access denied to organization");

  ConnectionListing listing{.epoch = state.uuid(0, 1),
                            .version = Version{state.int64(0, 0)},
                            .activity = state.int64(0, 2),
                            .connections = {}};
  listing.connections.reserve(static_cast<std::size_t>(rows.rows()));
  for (int row = 0; row < rows.rows(); ++row) {
    listing.connections.push_back({.id = rows.id<ConnectionId>(row, 0),
                                   .type = std::string(rows.text(row, 1)),
                                   .name = std::string(rows.text(row, 2)),
                                   .full_name = std::string(rows.text(row, 3)),
                                   .subdir = std::string(rows.text(row, 4)),
                                   .url = owned(rows.text_or_null(row, 5)),
                                   .aliases = texts_of(rows.text(row, 6)),
                                   .status = std::string(rows.text(row, 7)),
                                   .last_error = owned(rows.text_or_null(row, 8)),
                                   .last_extracted_at = rows.timestamp_or_null(row, 9),
                                   .object_count = rows.int64(row, 10),
                                   .sources = std::string(rows.text(row, 11)),
                                   .lineage = owned(rows.text_or_null(row, 13)),
                                   .version = Version{rows.int64(row, 12)}});
  }
  co_return std::move(listing);
}

awaitable<Result<DocumentationReader>> DocumentationReader::open(Database& database, Tenant tenant,
                                                                 DocumentationQuery query, Consistency consistency,
                                                                 Deadline deadline) {
  CO_TRY(auto transaction, co_await database.begin(tenant, TenantTransaction::Mode::kSnapshot, deadline, consistency));
  DocumentationReader reader(std::move(transaction));
  pg::Params organization;
  organization.add(tenant.organization);
  CO_TRY(const auto state, co_await reader.transaction_.exec(kListingState, std::move(organization), deadline));
  if (state.empty()) co_return fail(Code::kPermissionDenied, "Access denied to organization");
  reader.version_ = Version{state.int64(0, 0)};
  reader.epoch_ = state.uuid(0, 1);

  pg::Params params;
  params.add(tenant.organization);
  add_connections(params, query.connections);
  if (query.objects) {
    params.add(array_of(*query.objects));
  } else {
    params.add_null();
  }
  constexpr int kChunkRows = 64;
  CO_TRY(reader.stream_, co_await reader.transaction_.stream(kDocuments, std::move(params), kChunkRows, deadline));
  co_return std::move(reader);
}

awaitable<Result<std::optional<RowChunk>>> DocumentationReader::next(Deadline deadline) {
  CO_TRY(auto rows, co_await stream_->next(deadline));
  if (!rows) co_return std::optional<RowChunk>();
  co_return std::optional(RowChunk{Kind::kDocumentation, std::move(*rows)});
}

}  // namespace tideline::store
