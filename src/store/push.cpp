#include "store/push.h"

#include <algorithm>
#include <chrono>
#include <functional>
#include <unordered_map>

#include <boost/asio/experimental/awaitable_operators.hpp>

#include "base/json.h"
#include "base/text.h"
#include "pg/blocking.h"
#include "store/connection_rows.h"
#include "store/crossing.h"
#include "store/row_diff.h"
#include "store/row_writer.h"

namespace tideline::store {
namespace {

constexpr std::size_t kHeldObjects = 250;  // whose facts are fetched at once
constexpr std::size_t kRemovedAtOnce = 5'000;
constexpr int kHashesAtOnce = 5'000;
constexpr int kOptimisticAttempts = 2;  // then the comparison is made under the lock
constexpr std::size_t kMaxErrorBytes = 1'000;

constexpr pg::Statement kMayWrite{"may_write", "select enterprise.may_write()"};
constexpr pg::Statement kFileHashes{
    "file_hashes", "select id, row_hash from metadata.files where organization_id = $1 and connection_id = $2"};
constexpr pg::Statement kObjectHashes{
    "object_hashes", "select id, row_hash from metadata.objects where organization_id = $1 and connection_id = $2"};
constexpr pg::Statement kColumnHashes{
    "column_hashes", "select id, row_hash from metadata.columns where organization_id = $1 and connection_id = $2"};
constexpr pg::Statement kDependencyHashes{
    "dependency_hashes",
    "select id, row_hash from metadata.dependencies where organization_id = $1 and connection_id = $2"};
constexpr pg::Statement kLineageHashes{
    "columns_lineage_hashes",
    "select id, row_hash from metadata.columns_lineage where organization_id = $1 and connection_id = $2"
    " and extracted_from <> 'relation_name'"};  // those are not the push's: crossing.h
constexpr pg::Statement kHeldObjectFacts{"held_objects",
                                         "select id, compiled_definition, content_hash, metadata, schema_name,"
                                         " database_name, extraction_tier from metadata.objects"
                                         " where organization_id = $1 and id = any ($2)"};
constexpr pg::Statement kHeldColumnFacts{
    "held_columns",
    "select " TIDELINE_COLUMN_FIELDS
    " from metadata.columns where organization_id = $1 and object_id = any ($2) order by object_id, position, id"};
constexpr pg::Statement kHeldDependencyFacts{
    "held_dependencies", "select " TIDELINE_DEPENDENCY_FIELDS
                         " from metadata.dependencies where organization_id = $1 and target_object_id = any ($2)"
                         " order by target_object_id, id"};
constexpr pg::Statement kOtherRelations{
    "other_relations",
    "select id, connection_id, metadata::jsonb ->> 'unique_id', full_name, database_name, schema_name"
    " from (select distinct on (full_name_key) * from metadata.objects"
    "   where organization_id = $1 and connection_id <> $2"
    "   and object_type in ('model', 'seed', 'snapshot') and full_name_key = any ($3)"
    "   order by full_name_key, id) as first order by id"};
constexpr pg::Statement kOtherColumns{
    "other_columns",
    "select object_id, name from metadata.columns where organization_id = $1 and object_id = any ($2)"
    " order by object_id, position, id"};
constexpr pg::Statement kHasReturnable{
    "has_returnable",
    "select exists (select from metadata.tombstones where organization_id = $1 and connection_id = $2 and kind <> 1),"
    " exists (select from metadata.object_documentation"
    "   where organization_id = $1 and connection_id = $2 and hidden_at is not null)"};
constexpr pg::Statement kExtracting{
    "connection_extracting",
    "update enterprise.connections set status = 'extracting', extracting_until = now() +"
    " $3::bigint * interval '1 microsecond', activity = activity + 1"
    " where organization_id = $1 and id = $2"};
constexpr pg::Statement kCompleted{
    "connection_completed",
    "update enterprise.connections set status = 'completed', last_error = null, last_extracted_at = $3,"
    " object_count = $4, sources = (sources::jsonb || $5::text::jsonb)::json,"
    " manifest_generated_at = coalesce($6, manifest_generated_at), lineage = coalesce($7::text::json, lineage),"
    " activity = activity + 1"
    " where organization_id = $1 and id = $2"};
constexpr pg::Statement kRepositoryState{
    "repository_state",
    "update metadata.repositories set branch = coalesce($3, branch), commit = coalesce($4, commit), updated_at = $5"
    " where organization_id = $1 and id = $2"};
// Where data is served, it still is.
constexpr pg::Statement kRefused{
    "connection_refused",
    "update enterprise.connections set status = case when last_extracted_at is null then 'error' else 'completed' end,"
    " last_error = $3, activity = activity + 1 where organization_id = $1 and id = $2"};

const HeldFacts kNothingHeld;

/// What the connection holds, by ids and hashes: its objects from the beginning, the rest before it is compared.
struct Basis {
  std::optional<ConnectionState> connection;  // nullopt: not registered
  ConnectionId id;                            // its id, or the one it will have
  std::array<KnownRows, kKindCount> known;
  KnownRows& of(Kind kind) { return known[static_cast<std::size_t>(kind) - 1]; }
  const KnownRows& of(Kind kind) const { return known[static_cast<std::size_t>(kind) - 1]; }
};

/// What differs from it.
struct Comparison {
  bool all_new = false;  // the connection holds nothing: every object is in `objects`, and none was read yet
  std::vector<FileRecord> files;
  std::vector<std::size_t> objects;  // indexes: something of these is new or different
  std::int64_t counted_objects = 0;
};

Result<void> check_distinct(const ObjectRowSet& rows) {
  const auto has_duplicate = [](const auto& records) {
    std::vector<Uuid> ids;
    ids.reserve(records.size());
    for (const auto& record : records) ids.push_back(record.id);
    std::sort(ids.begin(), ids.end());
    return std::adjacent_find(ids.begin(), ids.end()) != ids.end();
  };
  if (has_duplicate(rows.columns) || has_duplicate(rows.dependencies) || has_duplicate(rows.lineage)) {
    return fail(Code::kInternal, "Two rows of " + rows.object.full_name + " have the same id.");
  }
  return {};
}

using Visit = std::function<void(std::size_t index, const ObjectRowSet&)>;

/// Where a walk over objects stands: at `next`, and with objects that need what the database holds of them.
struct Portion {
  std::size_t next = 0;
  std::vector<std::size_t> waiting;
};

/// Reads the objects order[from …] until there are none or `full()`. Blocking.
Result<Portion> read_portion(const RowSource& source, const ConnectionId& connection, const KnownRows& objects,
                             const std::vector<std::size_t>& order, std::size_t from, const std::function<bool()>& full,
                             const Visit& visit) {
  Portion portion{.next = from, .waiting = {}};
  for (; portion.next < order.size() && portion.waiting.size() < kHeldObjects && !full(); ++portion.next) {
    const std::size_t index = order[portion.next];
    const bool is_new = objects.find(source.object_id(index, connection)) == nullptr;
    TRY(const auto rows, source.read(index, connection, is_new ? &kNothingHeld : nullptr));
    if (!rows) {
      portion.waiting.push_back(index);
      continue;
    }
    TRY_VOID(check_distinct(*rows));
    visit(index, *rows);
  }
  return portion;
}

using HeldById = std::unordered_map<Uuid, HeldFacts>;

Result<void> read_waiting(const RowSource& source, const ConnectionId& connection,
                          const std::vector<std::size_t>& waiting, const HeldById& held, const Visit& visit) {
  for (const std::size_t index : waiting) {
    const auto found = held.find(source.object_id(index, connection));
    TRY(const auto rows, source.read(index, connection, found == held.end() ? &kNothingHeld : &found->second));
    if (!rows) return fail(Code::kInternal, "A source of rows asked twice for what is held.");
    TRY_VOID(check_distinct(*rows));
    visit(index, *rows);
  }
  return {};
}

std::string counts_json(const PushOutcome& outcome) {
  std::string text;
  JsonWriter json(text);
  json.begin_object();
  for (std::size_t i = 0; i < kKindCount; ++i) {
    const auto& change = outcome.changed[i];
    if (!change.any()) continue;
    json.key(table_name(static_cast<Kind>(i + 1))).begin_object();
    json.key("added").number(change.added).key("updated").number(change.updated);
    json.key("removed").number(change.removed).end_object();
  }
  json.end_object();
  return text;
}

/// Collects the rows that are new or different, and counts them.
class Collector {
 public:
  Collector(const Basis& basis, PushOutcome& outcome, Digest& digest)
      : basis_(basis), outcome_(outcome), digest_(digest) {}

  bool full() const { return batch_.is_full(); }
  bool empty() const { return batch_.rows() == 0; }
  RowBatch take() { return std::exchange(batch_, {}); }

  void add(const FileRecord& file) { collect(file, batch_.files); }
  void add(const ObjectRowSet& rows) {
    const bool object_differs = collect(rows.object, batch_.objects);
    if (object_differs) {
      batch_.brings_compiled.add(rows.brings_compiled);
      batch_.brings_catalog.add(rows.brings_catalog);
    }
    bool columns_differ = false;
    for (const auto& column : rows.columns) columns_differ |= collect(column, batch_.columns);
    bool hanging = columns_differ;
    for (const auto& dependency : rows.dependencies) hanging |= collect(dependency, batch_.dependencies);
    for (const auto& edge : rows.lineage) hanging |= collect(edge, batch_.lineage);
    if (hanging && !object_differs) batch_.touched.push_back(rows.object.id);
    if (columns_differ && !object_differs && rows.brings_catalog) batch_.catalogued.push_back(rows.object.id);
  }

 private:
  template <class Record>
  bool collect(const Record& record, RowArrays<Record>& rows) {
    const RowHash hash = row_hash(record);
    const auto* known = basis_.of(Record::kKind).find(record.id);
    if (known && known->hash == hash) return false;
    KindDigest& digest = digest_.of(Record::kKind);
    if (known) {
      digest.remove(known->hash);
      ++outcome_.of(Record::kKind).updated;
    } else {
      ++outcome_.of(Record::kKind).added;
      batch_.added.emplace_back(Record::kKind, record.id);
    }
    digest.add(hash);
    rows.add(record, hash);
    return true;
  }

  const Basis& basis_;
  PushOutcome& outcome_;
  Digest& digest_;
  RowBatch batch_;
};

/// One push. Lives in the frame of `push`; used by one coroutine.
class Push {
 public:
  Push(Database& database, PushRequest& request, const RowSource& source, boost::asio::any_io_executor blocking,
       Deadline deadline)
      : database_(database), request_(request), source_(source), blocking_(std::move(blocking)), deadline_(deadline) {}

  awaitable<Result<PushOutcome>> run();

 private:
  awaitable<Result<Basis>> load_basis(TenantTransaction& transaction);
  awaitable<Result<void>> load_the_rest(TenantTransaction& transaction, Basis& basis);
  awaitable<Result<void>> load_hashes(TenantTransaction& transaction, Basis& basis, Kind kind, pg::Statement statement);
  awaitable<Result<void>> prepare(const Basis& basis, TenantTransaction* locked);
  awaitable<Result<void>> tell_held(Preparation& preparation, const Basis& basis, TenantTransaction& transaction);
  awaitable<Result<std::vector<OtherRelation>>> fetch_others(TenantTransaction& transaction,
                                                             const ConnectionId& connection,
                                                             std::vector<std::string> names);
  awaitable<Result<Comparison>> compare(Basis& basis, TenantTransaction* locked);
  awaitable<Result<HeldById>> fetch_held(TenantTransaction& transaction, const ConnectionId& connection,
                                         const std::vector<std::size_t>& indexes);
  awaitable<Result<void>> walk(const Basis& basis, const std::vector<std::size_t>& order, TenantTransaction* locked,
                               std::function<bool()> full, Visit visit,
                               std::function<awaitable<Result<void>>()> after_portion);
  awaitable<Result<void>> visit_waiting(const Basis& basis, const std::vector<std::size_t>& waiting,
                                        TenantTransaction* locked, const Visit& visit);
  awaitable<Result<bool>> still_so(TenantTransaction& transaction, const Basis& basis);
  awaitable<Result<PushOutcome>> write(TenantTransaction transaction, LockedHead head, Basis basis,
                                       Comparison comparison);
  awaitable<Result<void>> write_rows(TenantTransaction& transaction, const WriteContext& context, const Basis& basis,
                                     Comparison& comparison, PushOutcome& outcome, Digest& digest);
  awaitable<Result<void>> flush_batch(TenantTransaction& transaction, const WriteContext& context, RowBatch batch,
                                      PushOutcome& outcome, Digest& digest);
  awaitable<Result<void>> remove_unseen(TenantTransaction& transaction, const WriteContext& context, const Basis& basis,
                                        PushOutcome& outcome, Digest& digest);
  awaitable<void> mark_extracting(ConnectionId connection);
  Result<void> check_age(const std::optional<ConnectionState>& connection) const;
  Result<void> check_deadline() const;

  Database& database_;
  PushRequest& request_;
  const RowSource& source_;
  boost::asio::any_io_executor blocking_;
  Deadline deadline_;
};

Result<void> Push::check_deadline() const {
  if (is_past(deadline_)) return fail(Code::kDeadline, "The push took longer than it may.");
  return {};
}

Result<void> Push::check_age(const std::optional<ConnectionState>& connection) const {
  if (request_.force || !connection || !connection->manifest_generated_at || !request_.generated_at) return {};
  if (*request_.generated_at >= *connection->manifest_generated_at) return {};
  return fail(Code::kConflict,
              "The manifest was generated at " + request_.generated_at->to_string() +
                  ", before the one that is here already (" + connection->manifest_generated_at->to_string() + ").",
              "Push a newer one, or force this one.");
}

awaitable<Result<Basis>> Push::load_basis(TenantTransaction& transaction) {
  Basis basis;
  CO_TRY(const auto may_write, co_await transaction.exec(kMayWrite, {}, deadline_));
  if (!may_write.boolean(0, 0)) {
    co_return fail(Code::kPermissionDenied, "You may not push to this organization.",
                   "It takes the role admin, or an API token with the scope push.");
  }
  CO_TRY(basis.connection, co_await fetch_connection(transaction, request_.target, deadline_));
  if (!basis.connection) {
    if (std::holds_alternative<ConnectionId>(request_.target)) {
      co_return fail(Code::kNotFound, "There is no such connection in this organization.");
    }
    basis.id = ConnectionId::random();
    co_return std::move(basis);
  }
  basis.id = ConnectionId{basis.connection->record.id};
  CO_TRY_VOID(co_await load_hashes(transaction, basis, Kind::kObject, kObjectHashes));
  co_return std::move(basis);
}

/// Beside what is prepared, and not before it: together they are the most that a push holds in memory.
awaitable<Result<void>> Push::load_the_rest(TenantTransaction& transaction, Basis& basis) {
  if (!basis.connection) co_return Result<void>();
  for (const auto& [kind, statement] :
       {std::pair(Kind::kFile, kFileHashes), std::pair(Kind::kColumn, kColumnHashes),
        std::pair(Kind::kDependency, kDependencyHashes), std::pair(Kind::kColumnLineage, kLineageHashes)})
    CO_TRY_VOID(co_await load_hashes(transaction, basis, kind, statement));
  co_return Result<void>();
}

awaitable<Result<void>> Push::load_hashes(TenantTransaction& transaction, Basis& basis, Kind kind,
                                          pg::Statement statement) {
  pg::Params params;
  params.add(request_.tenant.organization).add(basis.id);
  CO_TRY(auto rows, co_await transaction.stream(statement, std::move(params), kHashesAtOnce, deadline_));
  KnownRows& known = basis.of(kind);
  known.reserve(static_cast<std::size_t>(std::max<std::int64_t>(basis.connection->digest.of(kind).count, 0)));
  while (true) {
    CO_TRY(const auto chunk, co_await rows.next(deadline_));
    if (!chunk) break;
    for (int row = 0; row < chunk->rows(); ++row) known.add(chunk->uuid(row, 0), row_hash_at(*chunk, row, 1));
  }
  known.seal();
  co_return Result<void>();
}

awaitable<Result<HeldById>> Push::fetch_held(TenantTransaction& transaction, const ConnectionId& connection,
                                             const std::vector<std::size_t>& indexes) {
  pg::Pipeline pipeline;
  std::vector<pg::Statement> statements{kHeldObjectFacts, kHeldColumnFacts};
  if (source_.wants_dependencies()) statements.push_back(kHeldDependencyFacts);
  for (const auto statement : statements) {
    pg::UuidArray ids;
    for (const std::size_t index : indexes) ids.add(source_.object_id(index, connection));
    pg::Params params;
    params.add(request_.tenant.organization).add(std::move(ids));
    pipeline.add(statement, std::move(params));
  }
  CO_TRY(const auto results, co_await transaction.run(std::move(pipeline), deadline_));
  HeldById held;
  const auto& objects = results[0];
  for (int row = 0; row < objects.rows(); ++row) {
    HeldFacts& facts = held[objects.uuid(row, 0)];
    if (const auto compiled = objects.text_or_null(row, 1)) facts.compiled_definition = *compiled;
    if (const auto hash = objects.text_or_null(row, 2)) facts.content_hash = *hash;
    facts.object_metadata = JsonText{std::string(objects.text(row, 3))};
    if (const auto schema = objects.text_or_null(row, 4)) facts.schema_name = *schema;
    if (const auto database = objects.text_or_null(row, 5)) facts.database_name = *database;
    facts.extraction_tier = objects.text(row, 6);
  }
  for (int row = 0; row < results[1].rows(); ++row) {
    auto column = record_of<ColumnRecord>(results[1], row);
    const auto found = held.find(column.object_id);
    if (found != held.end()) found->second.columns.push_back(std::move(column));
  }
  for (int row = 0; results.size() > 2 && row < results[2].rows(); ++row) {
    auto dependency = record_of<DependencyRecord>(results[2], row);
    const auto found = held.find(dependency.target_object_id);
    if (found != held.end()) found->second.dependencies.push_back(std::move(dependency));
  }
  co_return std::move(held);
}

/// Visits the objects of `order` on a blocking thread, portion by portion. What the database holds is asked for in
/// `locked`, or in snapshots of its own. `after_portion` runs while the next one is read: what it takes from the
/// visitor it must take before it first waits.
awaitable<Result<void>> Push::walk(const Basis& basis, const std::vector<std::size_t>& order, TenantTransaction* locked,
                                   std::function<bool()> full, Visit visit,
                                   std::function<awaitable<Result<void>>()> after_portion) {
  using namespace boost::asio::experimental::awaitable_operators;
  std::size_t at = 0;
  const auto read_next = [&] {
    return pg::run_blocking(
        blocking_, [&] { return read_portion(source_, basis.id, basis.of(Kind::kObject), order, at, full, visit); });
  };
  CO_TRY(auto portion, co_await read_next());
  while (true) {
    CO_TRY_VOID(check_deadline());
    if (!portion.waiting.empty()) CO_TRY_VOID(co_await visit_waiting(basis, portion.waiting, locked, visit));
    at = portion.next;
    const bool is_last = at == order.size();
    if (!after_portion) {
      if (is_last) break;
      CO_TRY(portion, co_await read_next());
      continue;
    }
    if (is_last) {
      CO_TRY_VOID(co_await after_portion());
      break;
    }
    auto [written, next] = co_await (after_portion() && read_next());
    CO_TRY_VOID(std::move(written));
    CO_TRY(portion, std::move(next));
  }
  co_return Result<void>();
}

awaitable<Result<void>> Push::visit_waiting(const Basis& basis, const std::vector<std::size_t>& waiting,
                                            TenantTransaction* locked, const Visit& visit) {
  HeldById held;
  if (locked) {
    CO_TRY(held, co_await fetch_held(*locked, basis.id, waiting));
  } else {
    CO_TRY(auto snapshot, co_await database_.begin(request_.tenant, TenantTransaction::Mode::kSnapshot, deadline_));
    CO_TRY(held, co_await fetch_held(snapshot, basis.id, waiting));
    CO_TRY_VOID(co_await snapshot.commit(deadline_));
  }
  co_return co_await pg::run_blocking(blocking_, [&] { return read_waiting(source_, basis.id, waiting, held, visit); });
}

awaitable<Result<void>> Push::tell_held(Preparation& preparation, const Basis& basis, TenantTransaction& transaction) {
  CO_TRY(auto wanted, co_await pg::run_blocking(blocking_, [&] { return preparation.wanted(); }));
  std::erase_if(wanted, [&](std::size_t index) {
    return basis.of(Kind::kObject).find(source_.object_id(index, basis.id)) == nullptr;
  });
  for (std::size_t at = 0; at < wanted.size(); at += kHeldObjects) {
    CO_TRY_VOID(check_deadline());
    const auto first = wanted.begin() + static_cast<std::ptrdiff_t>(at);
    const auto last = wanted.begin() + static_cast<std::ptrdiff_t>(std::min(at + kHeldObjects, wanted.size()));
    const std::vector<std::size_t> portion(first, last);
    CO_TRY(const auto held, co_await fetch_held(transaction, basis.id, portion));
    const auto learn = [&]() -> Result<void> {
      for (const std::size_t index : portion) {
        const auto found = held.find(source_.object_id(index, basis.id));
        if (found != held.end()) TRY_VOID(preparation.learn(index, found->second));
      }
      return {};
    };
    CO_TRY_VOID(co_await pg::run_blocking(blocking_, learn));
  }
  CO_TRY(auto others, co_await fetch_others(transaction, basis.id, preparation.other_names()));
  preparation.learn_others(std::move(others));
  co_return Result<void>();
}

awaitable<Result<std::vector<OtherRelation>>> Push::fetch_others(TenantTransaction& transaction,
                                                                 const ConnectionId& connection,
                                                                 std::vector<std::string> names) {
  std::vector<OtherRelation> others;
  if (names.empty()) co_return std::move(others);
  pg::TextArray wanted;
  for (auto& name : names) wanted.add(std::move(name));
  pg::Params params;
  params.add(request_.tenant.organization).add(connection).add(std::move(wanted));
  CO_TRY(const auto objects, co_await transaction.exec(kOtherRelations, std::move(params), deadline_));
  pg::UuidArray ids;
  std::unordered_map<Uuid, std::size_t> places;
  for (int row = 0; row < objects.rows(); ++row) {
    OtherRelation& one = others.emplace_back();
    one.object = objects.uuid(row, 0);
    one.connection = objects.uuid(row, 1);
    one.unique_id = objects.text_or_null(row, 2).value_or("");
    one.full_name = objects.text(row, 3);
    if (const auto name = objects.text_or_null(row, 4)) one.database_name = *name;
    if (const auto name = objects.text_or_null(row, 5)) one.schema_name = *name;
    ids.add(one.object);
    places.emplace(one.object, others.size() - 1);
  }
  if (others.empty()) co_return std::move(others);
  pg::Params of_columns;
  of_columns.add(request_.tenant.organization).add(std::move(ids));
  CO_TRY(const auto columns, co_await transaction.exec(kOtherColumns, std::move(of_columns), deadline_));
  for (int row = 0; row < columns.rows(); ++row)
    others[places.at(columns.uuid(row, 0))].columns.emplace_back(columns.text(row, 1));
  co_return std::move(others);
}

awaitable<Result<void>> Push::prepare(const Basis& basis, TenantTransaction* locked) {
  Preparation* preparation = source_.preparation();
  if (preparation == nullptr) co_return Result<void>();
  if (locked != nullptr) {
    CO_TRY_VOID(co_await tell_held(*preparation, basis, *locked));
  } else {
    CO_TRY(auto snapshot, co_await database_.begin(request_.tenant, TenantTransaction::Mode::kSnapshot, deadline_));
    CO_TRY_VOID(co_await tell_held(*preparation, basis, snapshot));
    CO_TRY_VOID(co_await snapshot.commit(deadline_));
  }
  co_return co_await pg::run_blocking(blocking_, [preparation] { return preparation->finish(); });
}

awaitable<Result<Comparison>> Push::compare(Basis& basis, TenantTransaction* locked) {
  Comparison comparison;
  comparison.files = co_await pg::run_blocking(blocking_, [&] {
    auto files = source_.files(basis.id);
    KnownRows& known = basis.of(Kind::kFile);
    std::erase_if(
        files, [&](const FileRecord& file) { return known.see(file.id, row_hash(file)) == KnownRows::Match::kSame; });
    return files;
  });

  std::vector<std::size_t> all(source_.size());
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = i;
  comparison.all_new =
      std::all_of(basis.known.begin(), basis.known.end(), [](const KnownRows& known) { return known.size() == 0; });
  if (comparison.all_new) {
    comparison.objects = std::move(all);
    co_return std::move(comparison);
  }
  // Not for memory, which this walk does not fill: so that the deadline is looked at.
  std::size_t seen_in_portion = 0;
  const auto see_all = [&basis](auto kind, const auto& records) {
    bool differs = false;
    for (const auto& record : records) {
      if (basis.of(kind).see(record.id, row_hash(record)) != KnownRows::Match::kSame) differs = true;
    }
    return differs;
  };
  const Visit visit = [&](std::size_t index, const ObjectRowSet& rows) {
    ++seen_in_portion;
    bool differs = basis.of(Kind::kObject).see(rows.object.id, row_hash(rows.object)) != KnownRows::Match::kSame;
    differs |= see_all(Kind::kColumn, rows.columns);
    differs |= see_all(Kind::kDependency, rows.dependencies);
    differs |= see_all(Kind::kColumnLineage, rows.lineage);
    if (differs) comparison.objects.push_back(index);
    if (is_counted_object_type(rows.object.object_type)) ++comparison.counted_objects;
  };
  const auto full = [&] {
    if (seen_in_portion < 2'000) return false;
    seen_in_portion = 0;
    return true;
  };
  CO_TRY_VOID(co_await walk(basis, all, locked, full, visit, {}));
  // Objects that waited for what is held were visited out of turn.
  std::sort(comparison.objects.begin(), comparison.objects.end());
  co_return std::move(comparison);
}

/// Whether the connection is still what was compared with. The head is locked: it stays so.
awaitable<Result<bool>> Push::still_so(TenantTransaction& transaction, const Basis& basis) {
  const ConnectionRef ref = basis.connection ? ConnectionRef(basis.id) : request_.target;
  CO_TRY(const auto now, co_await fetch_connection(transaction, ref, deadline_));
  CO_TRY_VOID(check_age(now));
  if (!now || !basis.connection) co_return !now && !basis.connection;
  co_return now->version == basis.connection->version && now->incarnation == basis.connection->incarnation;
}

awaitable<void> Push::mark_extracting(ConnectionId connection) {
  // Only for those who look on: a push that cannot say so goes on.
  auto transaction = co_await database_.begin(request_.tenant, TenantTransaction::Mode::kWrite, deadline_);
  if (!transaction) co_return;
  pg::Params params;
  const auto left = std::chrono::duration_cast<std::chrono::microseconds>(deadline_ - std::chrono::steady_clock::now());
  params.add(request_.tenant.organization).add(connection).add(std::int64_t{left.count()});
  pg::Pipeline pipeline;
  pipeline.add(kExtracting, std::move(params));
  notify_activity(pipeline, request_.tenant);
  if (co_await transaction->run(std::move(pipeline), deadline_)) (void)co_await transaction->commit(deadline_);
}

awaitable<Result<PushOutcome>> Push::run() {
  for (int attempt = 0; attempt < kOptimisticAttempts; ++attempt) {
    CO_TRY(auto snapshot, co_await database_.begin(request_.tenant, TenantTransaction::Mode::kSnapshot, deadline_));
    CO_TRY(auto basis, co_await load_basis(snapshot));
    CO_TRY_VOID(co_await snapshot.commit(deadline_));
    CO_TRY_VOID(check_age(basis.connection));
    if (attempt == 0 && basis.connection) co_await mark_extracting(basis.id);
    CO_TRY_VOID(co_await prepare(basis, nullptr));
    // Of another snapshot: if that is of a newer state, the connection's version differs as well (still_so).
    CO_TRY(auto later, co_await database_.begin(request_.tenant, TenantTransaction::Mode::kSnapshot, deadline_));
    CO_TRY_VOID(co_await load_the_rest(later, basis));
    CO_TRY_VOID(co_await later.commit(deadline_));
    CO_TRY(auto comparison, co_await compare(basis, nullptr));
    CO_TRY(const auto turn, co_await database_.turn(request_.tenant.organization, deadline_));
    CO_TRY(auto transaction, co_await database_.begin(request_.tenant, TenantTransaction::Mode::kWrite, deadline_));
    CO_TRY(const auto head, co_await lock_head(transaction, deadline_));
    CO_TRY(const bool same, co_await still_so(transaction, basis));
    if (same) co_return co_await write(std::move(transaction), head, std::move(basis), std::move(comparison));
  }
  CO_TRY(const auto turn, co_await database_.turn(request_.tenant.organization, deadline_));
  CO_TRY(auto transaction, co_await database_.begin(request_.tenant, TenantTransaction::Mode::kWrite, deadline_));
  CO_TRY(const auto head, co_await lock_head(transaction, deadline_));
  CO_TRY(auto basis, co_await load_basis(transaction));
  CO_TRY_VOID(check_age(basis.connection));
  CO_TRY_VOID(co_await prepare(basis, &transaction));
  CO_TRY_VOID(co_await load_the_rest(transaction, basis));
  CO_TRY(auto comparison, co_await compare(basis, &transaction));
  co_return co_await write(std::move(transaction), head, std::move(basis), std::move(comparison));
}

awaitable<Result<void>> Push::flush_batch(TenantTransaction& transaction, const WriteContext& context, RowBatch batch,
                                          PushOutcome& outcome, Digest& digest) {
  CO_TRY(const auto shown, co_await write_batch(transaction, context, std::move(batch), deadline_));
  for (const auto& hash : shown) digest.of(Kind::kDocumentation).add(hash);
  outcome.of(Kind::kDocumentation).added += static_cast<std::int64_t>(shown.size());
  co_return Result<void>();
}

awaitable<Result<void>> Push::write_rows(TenantTransaction& transaction, const WriteContext& context,
                                         const Basis& basis, Comparison& comparison, PushOutcome& outcome,
                                         Digest& digest) {
  Collector collector(basis, outcome, digest);
  // While a batch is on its way the next one is collected, on another thread: it counts every kind but documentation,
  // which the batch alone counts.
  const auto flush = [&] { return flush_batch(transaction, context, collector.take(), outcome, digest); };
  for (const auto& file : comparison.files) {
    collector.add(file);
    if (collector.full()) CO_TRY_VOID(co_await flush());
  }
  comparison.files = {};
  const Visit visit = [&](std::size_t, const ObjectRowSet& rows) {
    collector.add(rows);
    if (comparison.all_new && is_counted_object_type(rows.object.object_type)) ++comparison.counted_objects;
  };
  CO_TRY_VOID(co_await walk(basis, comparison.objects, &transaction, [&] { return collector.full(); }, visit, flush));
  co_return collector.empty() ? Result<void>() : co_await flush();
}

awaitable<Result<void>> Push::remove_unseen(TenantTransaction& transaction, const WriteContext& context,
                                            const Basis& basis, PushOutcome& outcome, Digest& digest) {
  // Objects first: what hangs on them is then not looked for again.
  for (const Kind kind : {Kind::kObject, Kind::kColumn, Kind::kDependency, Kind::kColumnLineage, Kind::kFile}) {
    std::vector<Uuid> ids;
    for (const auto* gone : basis.of(kind).unseen()) {
      digest.of(kind).remove(gone->hash);
      ++outcome.of(kind).removed;
      ids.push_back(gone->id);
    }
    for (std::size_t at = 0; at < ids.size(); at += kRemovedAtOnce) {
      const auto first = ids.begin() + static_cast<std::ptrdiff_t>(at);
      const auto last = ids.begin() + static_cast<std::ptrdiff_t>(std::min(at + kRemovedAtOnce, ids.size()));
      CO_TRY(const auto hidden,
             co_await remove_rows(transaction, context, kind, std::vector<Uuid>(first, last), deadline_));
      for (const auto& hash : hidden) digest.of(Kind::kDocumentation).remove(hash);
      outcome.of(Kind::kDocumentation).removed += static_cast<std::int64_t>(hidden.size());
    }
  }
  co_return Result<void>();
}

awaitable<Result<PushOutcome>> Push::write(TenantTransaction transaction, LockedHead head, Basis basis,
                                           Comparison comparison) {
  const Tenant tenant = request_.tenant;
  PushOutcome outcome;
  outcome.connection = basis.id;
  Digest digest;
  WriteContext context{.connection = basis.id,
                       .head = head,
                       .generated_at = request_.generated_at,
                       .catalog_generated_at = request_.catalog_generated_at};
  if (basis.connection) {
    digest = basis.connection->digest;
    pg::Params params;
    params.add(tenant.organization).add(basis.id);
    CO_TRY(const auto returnable, co_await transaction.exec(kHasReturnable, std::move(params), deadline_));
    context.has_tombstones = returnable.boolean(0, 0);
    context.has_hidden_documentation = returnable.boolean(0, 1);
  } else {
    const auto& key = std::get<ConnectionKey>(request_.target);
    ConnectionRecord record;
    record.id = basis.id.value;
    record.type = key.type;
    record.name = default_name(key.full_name);
    record.full_name = key.full_name;
    record.subdir = key.subdir;
    record.url = request_.url;
    const ConnectionState made = new_connection(std::move(record), head);
    digest = made.digest;
    pg::Pipeline pipeline;
    add_insert(pipeline, tenant, made);
    CO_TRY_VOID(co_await transaction.run(std::move(pipeline), deadline_));
    outcome.of(Kind::kConnection).added = 1;
  }
  CO_TRY_VOID(co_await write_rows(transaction, context, basis, comparison, outcome, digest));
  CO_TRY_VOID(co_await remove_unseen(transaction, context, basis, outcome, digest));
  if (outcome.of(Kind::kObject).any() || outcome.of(Kind::kColumn).any()) {
    CO_TRY(const auto crossing, co_await refresh_crossing(transaction, context, deadline_));
    digest.of(Kind::kColumnLineage).add(crossing.difference);
    KindChange& counted = outcome.of(Kind::kColumnLineage);
    counted.added += crossing.added, counted.updated += crossing.updated, counted.removed += crossing.removed;
  }

  outcome.made = std::any_of(outcome.changed.begin(), outcome.changed.end(), [](const auto& c) { return c.any(); });
  outcome.version = outcome.made ? head.next : head.version;
  outcome.stamp = outcome.made ? head.next_stamp : head.stamp;
  pg::Params completed;
  completed.add(tenant.organization).add(basis.id).add(head.next_stamp).add(comparison.counted_objects);
  completed.add(request_.sources).add(request_.generated_at);
  const Preparation* preparation = source_.preparation();
  completed.add(preparation != nullptr ? std::optional(preparation->report()) : std::nullopt);
  pg::Params repository;
  repository.add(tenant.organization).add(basis.id).add(request_.branch).add(request_.commit).add(head.next_stamp);
  pg::Pipeline pipeline;
  pipeline.add(kCompleted, std::move(completed)).add(kRepositoryState, std::move(repository));
  if (outcome.made) {
    add_progress(pipeline, tenant, basis.id, head.next, digest);
  } else {
    notify_activity(pipeline, tenant);
  }
  CO_TRY_VOID(co_await transaction.run(std::move(pipeline), deadline_));
  if (outcome.made) {
    VersionNote note{.connection = basis.id,
                     .reason = "push",
                     .digest = digest,
                     .counts = counts_json(outcome),
                     .commit = request_.commit,
                     .branch = request_.branch};
    CO_TRY_VOID(co_await finish_version(transaction, head, std::move(note), deadline_));
  }
  CO_TRY_VOID(co_await transaction.commit(deadline_));
  co_return std::move(outcome);
}

/// As much of it as is kept, and as text that a database takes: it may quote an artifact.
std::string storable(std::string text) {
  if (text.size() > kMaxErrorBytes) {
    std::size_t cut = kMaxErrorBytes;
    while (cut > 0 && (static_cast<unsigned char>(text[cut]) & 0xC0) == 0x80) --cut;
    text.resize(cut);
  }
  std::replace(text.begin(), text.end(), '\0', ' ');
  if (!is_valid_utf8(text)) {
    std::replace_if(text.begin(), text.end(), [](unsigned char c) { return c >= 0x80; }, '?');
  }
  return text;
}

awaitable<Result<void>> note_refusal(Database& database, Tenant tenant, ConnectionRef target, std::string reason,
                                     Deadline deadline) {
  CO_TRY(auto transaction, co_await database.begin(tenant, TenantTransaction::Mode::kWrite, deadline));
  CO_TRY(const auto connection, co_await fetch_connection(transaction, std::move(target), deadline));
  if (!connection) co_return Result<void>();
  reason = storable(std::move(reason));
  pg::Params params;
  params.add(tenant.organization).add(connection->record.id).add(reason);
  pg::Pipeline pipeline;
  pipeline.add(kRefused, std::move(params));
  notify_activity(pipeline, tenant);
  CO_TRY_VOID(co_await transaction.run(std::move(pipeline), deadline));
  co_return co_await transaction.commit(deadline);
}

}  // namespace

awaitable<void> note_refused_push(Database& database, Tenant tenant, ConnectionRef target, std::string reason,
                                  Deadline deadline) {
  if (auto* key = std::get_if<ConnectionKey>(&target)) {
    auto normal = normalized(std::move(*key));
    if (!normal) co_return;
    target = std::move(*normal);
  }
  (void)co_await note_refusal(database, tenant, std::move(target), std::move(reason), deadline);
}

awaitable<Result<PushOutcome>> push(Database& database, PushRequest request, const RowSource& source,
                                    boost::asio::any_io_executor blocking, Deadline deadline) {
  if (auto* key = std::get_if<ConnectionKey>(&request.target)) {
    CO_TRY(request.target, normalized(std::move(*key)));
  }
  Push work(database, request, source, std::move(blocking), deadline);
  auto outcome = co_await work.run();
  if (outcome) co_return outcome;
  const Error& error = outcome.error();
  if (error.code != Code::kPermissionDenied && error.code != Code::kNotFound) {
    // Its own time: ours may be what ran out.
    co_await note_refused_push(database, request.tenant, request.target, describe(error),
                               within(std::chrono::seconds(5)));
  }
  co_return outcome;
}

}  // namespace tideline::store
