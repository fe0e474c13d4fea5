#include "store/changes.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/hash.h"
#include "store/record_rows.h"

namespace tideline::store {
namespace {

// The plan that reads a batch is a walk along the index from a key on; what the planner knows of a table of one large
// organization can make it prefer to sort everything for each batch.
constexpr pg::Statement kHead{
    "changes_head",
    "select enterprise.epoch(), h.version, h.floor, c.incarnation, c.version, c.digest, at_low.digest,"
    "       at_floor.version, set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true),"
    "       set_config('enable_sort', 'off', true), set_config('plan_cache_mode', 'force_generic_plan', true)"
    "  from metadata.heads h"
    "  left join enterprise.connections c on c.organization_id = $1 and c.id = $2"
    "  left join lateral (select v.digest from metadata.connection_versions v"
    "     where v.organization_id = $1 and v.connection_id = $2 and v.version <= $3 order by v.version desc limit 1)"
    "     at_low on true"
    "  left join lateral (select v.version from metadata.connection_versions v"
    "     where v.organization_id = $1 and v.connection_id = $2 and v.version <= h.floor"
    "     order by v.version desc limit 1) at_floor on true"
    " where h.organization_id = $1"};

// $1 organization, $2 connection, $3 row_version and $4 id of what was read last, $5 how many.
#define TIDELINE_CHANGES(table, key, fields, condition)                                         \
  "select row_version, row_hash, " fields " from " table " where organization_id = $1 and " key \
  " = $2 and (row_version, id) > ($3, $4)" condition " order by row_version, id limit $5"
constexpr std::array<pg::Statement, kKindCount> kRows{{
    {"changes_connections", TIDELINE_CHANGES("enterprise.connections", "id", TIDELINE_CONNECTION_FIELDS, "")},
    {"changes_files", TIDELINE_CHANGES("metadata.files", "connection_id", TIDELINE_FILE_FIELDS, "")},
    {"changes_objects", TIDELINE_CHANGES("metadata.objects", "connection_id", TIDELINE_OBJECT_FIELDS, "")},
    {"changes_columns", TIDELINE_CHANGES("metadata.columns", "connection_id", TIDELINE_COLUMN_FIELDS, "")},
    {"changes_dependencies",
     TIDELINE_CHANGES("metadata.dependencies", "connection_id", TIDELINE_DEPENDENCY_FIELDS, "")},
    {"changes_columns_lineage",
     TIDELINE_CHANGES("metadata.columns_lineage", "connection_id", TIDELINE_LINEAGE_FIELDS, "")},
    {"changes_documentation", TIDELINE_CHANGES("metadata.object_documentation", "connection_id",
                                               TIDELINE_DOCUMENTATION_FIELDS, " and hidden_at is null")},
}};
#undef TIDELINE_CHANGES
constexpr pg::Statement kTombstones{
    "changes_tombstones",
    "select row_version, kind, id from metadata.tombstones where organization_id = $1 and connection_id = $2"
    "   and (row_version, kind, id) > ($3, $4, $5) order by row_version, kind, id limit $6"};

// $1 organization, $2 connection, $3 row_version and $4 id of what was read last, $5 how many.
#define TIDELINE_HASHES(table, key, condition)                                          \
  "select row_version, id, row_hash from " table " where organization_id = $1 and " key \
  " = $2 and (row_version, id) > ($3, $4)" condition " order by row_version, id limit $5"
constexpr std::array<pg::Statement, kKindCount> kHashes{{
    {"hashes_connections", TIDELINE_HASHES("enterprise.connections", "id", "")},
    {"hashes_files", TIDELINE_HASHES("metadata.files", "connection_id", "")},
    {"hashes_objects", TIDELINE_HASHES("metadata.objects", "connection_id", "")},
    {"hashes_columns", TIDELINE_HASHES("metadata.columns", "connection_id", "")},
    {"hashes_dependencies", TIDELINE_HASHES("metadata.dependencies", "connection_id", "")},
    {"hashes_columns_lineage", TIDELINE_HASHES("metadata.columns_lineage", "connection_id", "")},
    {"hashes_documentation",
     TIDELINE_HASHES("metadata.object_documentation", "connection_id", " and hidden_at is null")},
}};
#undef TIDELINE_HASHES

// $1 organization, $2 connection, $3 bucket.
#define TIDELINE_BUCKET(table, key, fields, condition)                                          \
  "select row_version, row_hash, " fields " from " table " where organization_id = $1 and " key \
  " = $2 and get_byte(sha256(uuid_send(id)), 0) = $3" condition
constexpr std::array<pg::Statement, kKindCount> kBucketRows{{
    {"bucket_connections", TIDELINE_BUCKET("enterprise.connections", "id", TIDELINE_CONNECTION_FIELDS, "")},
    {"bucket_files", TIDELINE_BUCKET("metadata.files", "connection_id", TIDELINE_FILE_FIELDS, "")},
    {"bucket_objects", TIDELINE_BUCKET("metadata.objects", "connection_id", TIDELINE_OBJECT_FIELDS, "")},
    {"bucket_columns", TIDELINE_BUCKET("metadata.columns", "connection_id", TIDELINE_COLUMN_FIELDS, "")},
    {"bucket_dependencies", TIDELINE_BUCKET("metadata.dependencies", "connection_id", TIDELINE_DEPENDENCY_FIELDS, "")},
    {"bucket_columns_lineage",
     TIDELINE_BUCKET("metadata.columns_lineage", "connection_id", TIDELINE_LINEAGE_FIELDS, "")},
    {"bucket_documentation", TIDELINE_BUCKET("metadata.object_documentation", "connection_id",
                                             TIDELINE_DOCUMENTATION_FIELDS, " and hidden_at is null")},
}};
#undef TIDELINE_BUCKET

constexpr pg::Statement kHeadsVersion{
    "heads_version", "select enterprise.epoch(), version from metadata.heads where organization_id = $1"};
constexpr pg::Statement kHeadsConnections{
    "heads_connections",
    "select id, incarnation, version, digest from enterprise.connections where organization_id = $1 order by id"};

constexpr std::size_t kTombstoneStream = kKindCount;
constexpr int kFirstField = 2;  // behind row_version and row_hash
constexpr std::int64_t kMinBatch = 16;
constexpr std::int64_t kMaxBatch = 4096;         // the columns of a project have some 300 bytes each
constexpr std::size_t kBatchBytes = 512 * 1024;  // of a batch in memory, about: several are there at once
constexpr int kSampledRows = 64;                 // of a batch, to know how large its rows are
constexpr std::int64_t kGrowth = 8;              // of one batch over the one before
constexpr std::int64_t kHashesAtOnce = 8192;
constexpr std::size_t kTombstoneBytes = 30;  // on the wire

constexpr Uuid kLastId{
    {0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF}};

Result<Digest> digest_at(const pg::ResultSet& rows, int row, int column) {
  const auto bytes = rows.bytea(row, column);
  const auto digest = Digest::from_bytes({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  if (!digest) return fail(Code::kCorrupt, "The digest of a connection has the wrong length.");
  return *digest;
}

void put(RowEncoder& out, std::uint16_t tag, const pg::ResultSet& rows, int row, int column, const Uuid&) {
  out.id(tag, rows.uuid(row, column));
}
void put(RowEncoder& out, std::uint16_t tag, const pg::ResultSet& rows, int row, int column, const std::string&) {
  out.text(tag, rows.text(row, column));
}
void put(RowEncoder& out, std::uint16_t tag, const pg::ResultSet& rows, int row, int column, const JsonText&) {
  out.json(tag, rows.text(row, column));
}
void put(RowEncoder& out, std::uint16_t tag, const pg::ResultSet& rows, int row, int column, std::int64_t) {
  out.integer(tag, rows.int64(row, column));
}
void put(RowEncoder& out, std::uint16_t tag, const pg::ResultSet& rows, int row, int column, const Confidence&) {
  out.integer(tag, rows.int64(row, column));
}
void put(RowEncoder& out, std::uint16_t tag, const pg::ResultSet& rows, int row, int column, bool) {
  out.boolean(tag, rows.boolean(row, column));
}
void put(RowEncoder& out, std::uint16_t tag, const pg::ResultSet& rows, int row, int column, const Timestamp&) {
  out.time(tag, rows.timestamp(row, column));
}
template <class T>
void put(RowEncoder& out, std::uint16_t tag, const pg::ResultSet& rows, int row, int column, const std::optional<T>&) {
  if (!rows.is_null(row, column)) put(out, tag, rows, row, column, T{});
}

/// The row's bytes, straight from the columns: no record in between, which would copy every text once more.
template <class Record>
void append_columns(std::string& out, const pg::ResultSet& rows, int row) {
  static const Record kTypes;
  RowEncoder encoder(out, Record::kKind);
  int column = kFirstField;
  Record::for_each_field(kTypes,
                         [&](std::uint16_t tag, const auto& type) { put(encoder, tag, rows, row, column++, type); });
}

void append_columns(std::string& out, Kind kind, const pg::ResultSet& rows, int row) {
  switch (kind) {
    case Kind::kConnection:
      return append_columns<ConnectionRecord>(out, rows, row);
    case Kind::kFile:
      return append_columns<FileRecord>(out, rows, row);
    case Kind::kObject:
      return append_columns<ObjectRecord>(out, rows, row);
    case Kind::kColumn:
      return append_columns<ColumnRecord>(out, rows, row);
    case Kind::kDependency:
      return append_columns<DependencyRecord>(out, rows, row);
    case Kind::kColumnLineage:
      return append_columns<ColumnLineageRecord>(out, rows, row);
    case Kind::kDocumentation:
      return append_columns<DocumentationRecord>(out, rows, row);
  }
}

ChangesPosition position_at(std::size_t stream, const pg::ResultSet& rows, int row) {
  const Version version{rows.int64(row, 0)};
  if (stream == kTombstoneStream) return {version, static_cast<std::uint8_t>(rows.int64(row, 1)), rows.uuid(row, 2)};
  return {version, static_cast<std::uint8_t>(stream + 1), rows.uuid(row, kFirstField)};
}

pg::Params head_params(const Tenant& tenant, ConnectionId connection, std::optional<Version> low) {
  pg::Params params;
  params.add(tenant.organization).add(connection);
  params.add(low ? std::optional(low->value) : std::nullopt);
  return params;
}

Result<ChangesHead> head_of(const pg::ResultSet& rows, std::optional<Version> low) {
  // The head is there for every organization, and hidden from those who are not in it.
  if (rows.empty()) return fail(Code::kPermissionDenied, "Access denied to organization");
  ChangesHead head{.epoch = rows.uuid(0, 0),
                   .version = Version{rows.int64(0, 1)},
                   .floor = Version{rows.int64(0, 2)},
                   .connection = std::nullopt};
  if (rows.is_null(0, 3)) return head;
  ConnectionHead& connection = head.connection.emplace();
  connection.incarnation = Version{rows.int64(0, 3)};
  connection.version = Version{rows.int64(0, 4)};
  TRY(connection.digest, digest_at(rows, 0, 5));
  if (!rows.is_null(0, 6)) {
    TRY(connection.digest_at_low, digest_at(rows, 0, 6));
  }
  connection.is_low_forgotten = low && !rows.is_null(0, 7) && rows.int64(0, 7) > low->value;
  return head;
}

awaitable<Result<TenantTransaction>> begin_snapshot(Database& database, Tenant tenant, Consistency consistency,
                                                    Deadline deadline) {
  co_return co_await database.begin(tenant, TenantTransaction::Mode::kSnapshot, deadline, consistency);
}

}  // namespace

ChangesPosition ChangesPosition::behind(Version version) { return {version, 0xFF, kLastId}; }

void append_changes(wire::ChangesPageWriter& page, const ChangesChunk& chunk) {
  for (const auto& run : chunk.runs) {
    const pg::ResultSet& rows = *run.rows;
    for (int row = run.begin; row < run.end; ++row) {
      const Version version{rows.int64(row, 0)};
      if (!run.kind) {
        page.add_tombstone({static_cast<Kind>(rows.int64(row, 1)), rows.uuid(row, 2), version});
        continue;
      }
      page.add_row(version, row_hash_at(rows, row, 1),
                   [&](std::string& out) { append_columns(out, *run.kind, rows, row); });
    }
  }
}

awaitable<Result<ChangesReader>> ChangesReader::open(Database& database, Tenant tenant, ChangesQuery query,
                                                     Consistency consistency, Deadline deadline) {
  CO_TRY(auto transaction, co_await begin_snapshot(database, tenant, consistency, deadline));
  ChangesReader reader(std::move(transaction), std::move(query));
  CO_TRY_VOID(co_await reader.read_head(deadline));
  co_return std::move(reader);
}

awaitable<Result<void>> ChangesReader::read_head(Deadline deadline) {
  CO_TRY(const auto rows, co_await transaction_.exec(
                              kHead, head_params(transaction_.tenant(), query_.connection, query_.low), deadline));
  CO_TRY(head_, head_of(rows, query_.low));
  position_ = query_.from;
  co_return Result<void>();
}

void ChangesReader::begin_streams() {
  begun_ = true;
  const ChangesPosition& from = query_.from;
  for (std::size_t stream = 0; stream < kKindCount; ++stream) {
    const auto kind = static_cast<std::uint8_t>(stream + 1);
    // Of kinds behind that of the position the version's own rows are still to come.
    streams_[stream].bound = kind > from.kind   ? ChangesPosition{Version{from.version.value - 1}, kind, kLastId}
                             : kind < from.kind ? ChangesPosition{from.version, kind, kLastId}
                                                : from;
  }
  // What an earlier connection of this id left behind is none of this one's.
  const Version least = std::max(query_.low.value_or(head_.version), head_.connection->incarnation);
  streams_[kTombstoneStream].bound = std::max(from, ChangesPosition::behind(least));
}

bool ChangesReader::needs_refill() const {
  return std::ranges::any_of(streams_, [](const Stream& stream) {
    return !stream.exhausted && (!stream.rows || stream.at == stream.rows->rows());
  });
}

awaitable<Result<void>> ChangesReader::refill(Deadline deadline) {
  pg::Pipeline pipeline;
  std::vector<std::size_t> asked;
  for (std::size_t i = 0; i < kStreams; ++i) {
    Stream& stream = streams_[i];
    if (stream.exhausted || (stream.rows && stream.at < stream.rows->rows())) continue;
    pg::Params params;
    params.add(transaction_.tenant().organization).add(query_.connection).add(stream.bound.version);
    if (i == kTombstoneStream) params.add(std::int64_t{stream.bound.kind});
    params.add(stream.bound.id).add(stream.batch);
    pipeline.add(i == kTombstoneStream ? kTombstones : kRows[i], std::move(params));
    asked.push_back(i);
  }
  CO_TRY(auto results, co_await transaction_.run(std::move(pipeline), deadline));
  for (std::size_t n = 0; n < asked.size(); ++n) {
    Stream& stream = streams_[asked[n]];
    auto rows = std::make_shared<const pg::ResultSet>(std::move(results[n]));
    const int count = rows->rows();
    stream.exhausted = count < stream.batch;
    if (count > 0) {
      stream.bound = position_at(asked[n], *rows, count - 1);
      const int sample = std::min(count, kSampledRows);
      std::size_t bytes = 1;
      for (int row = 0; row < sample; ++row) bytes += rows->row_bytes(row);
      const auto fitting = static_cast<std::int64_t>(kBatchBytes / (bytes / static_cast<std::size_t>(sample) + 1));
      stream.batch = std::clamp(fitting, kMinBatch, std::min(kMaxBatch, stream.batch * kGrowth));
    }
    stream.rows = std::move(rows);
    stream.at = 0;
  }
  co_return Result<void>();
}

ChangesChunk ChangesReader::merge() {
  ChangesChunk chunk;
  const auto has_entries = [](const Stream& stream) { return stream.at < stream.rows->rows(); };
  while (!full_ && !needs_refill()) {
    // The stream whose turn it is, and the entry of another one up to which it lasts.
    std::size_t first = kStreams;
    ChangesPosition least, until;
    bool bounded = false;
    for (std::size_t i = 0; i < kStreams; ++i) {
      if (!has_entries(streams_[i])) continue;
      const ChangesPosition at = position_at(i, *streams_[i].rows, streams_[i].at);
      if (first == kStreams || at < least) {
        if (first != kStreams) until = least, bounded = true;
        least = at;
        first = i;
      } else if (!bounded || at < until) {
        until = at;
        bounded = true;
      }
    }
    if (first == kStreams) {
      exhausted_ = true;
      break;
    }
    Stream& stream = streams_[first];
    ChangesChunk::Run run{first == kTombstoneStream ? std::nullopt : std::optional(static_cast<Kind>(first + 1)),
                          stream.rows, stream.at, stream.at};
    while (run.end < stream.rows->rows()) {
      const ChangesPosition at = position_at(first, *stream.rows, run.end);
      if (bounded && until < at) break;
      bytes_ += first == kTombstoneStream ? kTombstoneBytes : stream.rows->row_bytes(run.end);
      position_ = at;
      ++run.end;
      if (bytes_ >= query_.max_bytes) {
        full_ = true;
        break;
      }
    }
    stream.at = run.end;
    chunk.runs.push_back(std::move(run));
  }
  // The last entry may be the one that filled the page.
  if (full_ && !needs_refill() && std::ranges::none_of(streams_, has_entries)) exhausted_ = true;
  return chunk;
}

awaitable<Result<std::optional<ChangesChunk>>> ChangesReader::next(Deadline deadline) {
  if (!head_.connection) co_return std::optional<ChangesChunk>();
  if (!begun_) begin_streams();
  while (!full_ && !exhausted_) {
    if (needs_refill()) CO_TRY_VOID(co_await refill(deadline));
    auto chunk = merge();
    if (!chunk.runs.empty()) co_return std::optional(std::move(chunk));
  }
  co_return std::optional<ChangesChunk>();
}

// ---- Buckets

std::uint8_t bucket_of(const Uuid& id) {
  return sha256({reinterpret_cast<const char*>(id.bytes.data()), id.bytes.size()})[0];
}

awaitable<Result<BucketDigests>> read_bucket_digests(Database& database, Tenant tenant, ConnectionId connection,
                                                     Kind kind, Consistency consistency, Deadline deadline) {
  CO_TRY(auto transaction, co_await begin_snapshot(database, tenant, consistency, deadline));
  CO_TRY(const auto head, co_await transaction.exec(kHead, head_params(tenant, connection, {}), deadline));
  BucketDigests digests;
  CO_TRY(digests.head, head_of(head, {}));
  if (!digests.head.connection) co_return digests;
  ChangesPosition last;
  for (;;) {
    pg::Params params;
    params.add(tenant.organization).add(connection).add(last.version).add(last.id).add(kHashesAtOnce);
    CO_TRY(const auto rows,
           co_await transaction.exec(kHashes[static_cast<std::size_t>(kind) - 1], std::move(params), deadline));
    for (int row = 0; row < rows.rows(); ++row)
      digests.buckets[bucket_of(rows.uuid(row, 1))].add(row_hash_at(rows, row, 2));
    if (rows.rows() < kHashesAtOnce) break;
    last.version = Version{rows.int64(rows.rows() - 1, 0)};
    last.id = rows.uuid(rows.rows() - 1, 1);
  }
  co_return digests;
}

awaitable<Result<BucketRows>> read_bucket(Database& database, Tenant tenant, ConnectionId connection, Kind kind,
                                          std::uint8_t bucket, Consistency consistency, Deadline deadline) {
  CO_TRY(auto transaction, co_await begin_snapshot(database, tenant, consistency, deadline));
  CO_TRY(const auto head, co_await transaction.exec(kHead, head_params(tenant, connection, {}), deadline));
  BucketRows bucket_rows;
  CO_TRY(bucket_rows.head, head_of(head, {}));
  pg::Params params;
  params.add(tenant.organization).add(connection).add(std::int32_t{bucket});
  CO_TRY(auto found,
         co_await transaction.exec(kBucketRows[static_cast<std::size_t>(kind) - 1], std::move(params), deadline));
  auto rows = std::make_shared<const pg::ResultSet>(std::move(found));
  for (int row = 0; row < rows->rows(); ++row) bucket_rows.digest.add(row_hash_at(*rows, row, 1));
  bucket_rows.rows.runs.push_back({kind, rows, 0, rows->rows()});
  co_return std::move(bucket_rows);
}

// ---- Heads

awaitable<Result<Heads>> read_heads(Database& database, Tenant tenant, Consistency consistency, Deadline deadline) {
  std::vector<Query> queries(2);
  queries[0].statement = kHeadsVersion;
  queries[1].statement = kHeadsConnections;
  for (Query& query : queries) query.params.add(tenant.organization);
  CO_TRY(const auto results, co_await database.read(tenant, std::move(queries), deadline, consistency));
  if (results[0].empty()) co_return fail(Code::kPermissionDenied, "Access denied to organization");
  Heads heads{.epoch = results[0].uuid(0, 0), .version = Version{results[0].int64(0, 1)}, .connections = {}};
  for (int row = 0; row < results[1].rows(); ++row) {
    CO_TRY(auto digest, digest_at(results[1], row, 3));
    heads.connections.push_back({.id = results[1].id<ConnectionId>(row, 0),
                                 .incarnation = Version{results[1].int64(row, 1)},
                                 .version = Version{results[1].int64(row, 2)},
                                 .digest = digest});
  }
  co_return std::move(heads);
}

}  // namespace tideline::store
