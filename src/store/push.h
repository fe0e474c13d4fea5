#pragma once
// A push: the rows a connection shall hold → the difference to what it holds → one transaction, one version.
//
// Rows come from a RowSource, an object at a time and twice: first, before any lock, to find what differs; then, under
// the organization's head, to write only that. So memory grows with the number of rows (32 bytes each), never with
// their size. If another writer changed the connection meanwhile, the comparison is made again; the third time under
// the lock, so that a push always ends.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "model/records.h"
#include "store/connections.h"
#include "store/database.h"

namespace tideline::store {

/// What the database holds for one object, for sources that keep facts they do not bring anew.
struct HeldFacts {
  std::optional<std::string> compiled_definition;
  std::optional<std::string> content_hash;
  std::optional<JsonText> object_metadata;  // nullopt: the object is not there
  std::vector<ColumnRecord> columns;        // by position
  std::optional<std::string> schema_name;
  std::optional<std::string> database_name;
  std::string extraction_tier;
  std::vector<DependencyRecord> dependencies;  // into the object, where the source says that it looks at them
};

/// All rows of one object. Their ids differ.
struct ObjectRowSet {
  ObjectRecord object;
  std::vector<ColumnRecord> columns;
  std::vector<DependencyRecord> dependencies;  // into this object
  std::vector<ColumnLineageRecord> lineage;    // into this object
  bool brings_compiled = false;                // compiled SQL and the catalog's facts are of this push,
  bool brings_catalog = false;                 // not held from earlier ones
};

/// A relation that another connection of the organization builds.
struct OtherRelation {
  Uuid object;
  Uuid connection;
  std::string unique_id;
  std::string full_name;
  std::optional<std::string> database_name;
  std::optional<std::string> schema_name;
  std::vector<std::string> columns;  // by position
};

/// What a source must know of the whole before it can give any rows (column lineage hangs on every object's SQL). Told
/// before each comparison, so before the organization's head is locked, unless two comparisons were overtaken.
/// Called by one thread at a time; those that may block say so.
class Preparation {
 public:
  virtual ~Preparation() = default;

  /// The objects, by index, of which it wants to know what is held; none of them is told that is not held. Blocking.
  virtual Result<std::vector<std::size_t>> wanted() = 0;
  virtual Result<void> learn(std::size_t index, const HeldFacts& held) = 0;  // blocking
  /// Full names in lower case: what other connections of the organization build under them is told.
  virtual std::vector<std::string> other_names() = 0;
  virtual void learn_others(std::vector<OtherRelation> relations) = 0;
  /// Everything was told. Blocking, and may take seconds.
  virtual Result<void> finish() = 0;
  /// What it came to, for who looks at the connection: a JSON object. After finish(), and short.
  virtual std::string report() const = 0;
};

/// The rows of one push. Must give the same at every call (between two preparations). Called from blocking threads, one
/// at a time.
class RowSource {
 public:
  virtual ~RowSource() = default;

  /// Every file, each id once.
  virtual std::vector<FileRecord> files(const ConnectionId& connection) const = 0;
  /// The number of objects; their ids differ.
  virtual std::size_t size() const = 0;
  virtual Uuid object_id(std::size_t index, const ConnectionId& connection) const = 0;
  /// Whether `read` looks at HeldFacts::dependencies.
  virtual bool wants_dependencies() const { return false; }
  /// Null: it needs none.
  virtual Preparation* preparation() const { return nullptr; }
  /// `held` null: not looked up, and nullopt is returned if it matters; the call is then repeated with it.
  virtual Result<std::optional<ObjectRowSet>> read(std::size_t index, const ConnectionId& connection,
                                                   const HeldFacts* held) const = 0;
};

struct PushRequest {
  Tenant tenant;
  ConnectionRef target;                   // a key that is not registered yet is, by the same version
  std::optional<std::string> url;         // of a connection registered so
  bool force = false;                     // take a manifest older than the one accepted before
  std::optional<Timestamp> generated_at;  // of the manifest
  std::optional<Timestamp> catalog_generated_at;
  std::string sources = "{}";  // JSON object: per source that is present, what wrote it; absent ones keep their entry
  std::optional<std::string> commit;
  std::optional<std::string> branch;
};

struct KindChange {
  std::int64_t added = 0;
  std::int64_t updated = 0;
  std::int64_t removed = 0;
  bool any() const { return added + updated + removed != 0; }
};

struct PushOutcome {
  ConnectionId connection;
  Version version;  // the one made, or the head found when there was nothing to write
  Timestamp stamp;
  bool made = false;
  std::array<KindChange, kKindCount> changed{};  // index = kind number - 1

  KindChange& of(Kind kind) { return changed[static_cast<std::size_t>(kind) - 1]; }
  const KindChange& of(Kind kind) const { return changed[static_cast<std::size_t>(kind) - 1]; }
};

/// kConflict: the manifest is older than the one accepted before (`force` takes it). kNotFound: no connection of that
/// id. kPermissionDenied, kUnavailable as in connections.h; errors of the source as they are. On any error the rows are
/// as they were; the connection's last_error says why. `blocking`: an executor of threads that may block.
awaitable<Result<PushOutcome>> push(Database& database, PushRequest request, const RowSource& source,
                                    boost::asio::any_io_executor blocking, Deadline deadline);

/// Notes on the connection, where there is one, that a push was refused before it began. Never fails the caller.
awaitable<void> note_refused_push(Database& database, Tenant tenant, ConnectionRef target, std::string reason,
                                  Deadline deadline);

}  // namespace tideline::store
