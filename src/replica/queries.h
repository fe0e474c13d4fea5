#pragma once
// Questions to a replica. Read-only, safe in any number of processes beside its writer. A View is one snapshot: all
// that is asked of it is of the same version, whatever lands meanwhile. Statements are prepared once per Reader.
//
// A Reader and its views belong to one thread at a time; ReaderPool hands them out.

#include <array>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/ids.h"
#include "base/time.h"
#include "model/records.h"

namespace tideline::replica {

/// An object as lists show it.
struct ObjectRef {
  Uuid id{};
  ConnectionId connection{};
  std::string unique_id{};  // dbt's; "" where it has none
  std::string name{};
  std::string full_name{};
  std::string object_type{};
  bool here = true;     // false: an upstream end of a connection that is not synced; id and full_name alone are known
  bool own = true;      // of a connection of the workspace (View::prefer)
  std::string place{};  // of one that is not: its connection, which stands before its name, "acme/shop:orders"
};

struct ColumnRef {
  ObjectRef object{};
  std::string column{};
};

// ---- Names

/// What a name means: an object, or a column of it; of the column "*", what decides on its rows.
struct Target {
  ObjectRef object{};
  std::optional<std::string> column{};  // as it is written in the object
};

/// `target` where the name means one thing, else `candidates` (at most kMaxCandidates, best first).
struct Resolution {
  static constexpr std::size_t kMaxCandidates = 20;
  std::optional<Target> target;
  std::vector<Target> candidates;  // with a target: what else has that name, of lesser rank (a test, a macro …)
};

// ---- Search

struct SearchQuery {
  std::string text{};  // words; each has to occur, at the start of a word or inside a name
  bool objects = true;
  bool columns = true;
  bool documentation = true;
  std::vector<std::string> object_types{};  // empty: all
  std::size_t limit = 20;                   // at most kMaxSearch
};
inline constexpr std::size_t kMaxSearch = 1000;

struct SearchHit {
  enum class Where { kName, kNamePrefix, kNamePart, kDescription, kDocumentation };
  Kind kind = Kind::kObject;  // kObject, kColumn, kDocumentation
  ObjectRef object{};         // the column's, the document's, or itself
  std::string column{};       // of a column
  std::string text{};         // its description, or the passage of the document; cut to some 200 bytes
  Where where = Where::kName;
};

struct SearchAnswer {
  std::vector<SearchHit> hits;  // best first: by where, then shorter names, then by name
  bool more = false;            // there are others
};

// ---- One object

struct ColumnDetails {
  Uuid id{};
  std::string name{};
  std::optional<std::string> data_type{};
  std::optional<bool> is_nullable{};
  bool is_primary_key = false;
  bool is_foreign_key = false;
  std::optional<std::string> description{};
  std::int64_t position = 0;
  std::string metadata{};  // JSON
};

struct Neighbour {
  ObjectRef object{};
  std::string dependency_type{};  // ref, source, test, macro, semantic
};

struct ObjectDetails {
  ObjectRef object{};
  ObjectRecord record{};
  std::string connection_full_name{};
  std::optional<std::string> path{};  // of its file
  std::vector<ColumnDetails> columns{};
  std::vector<Neighbour> upstream{};
  std::vector<Neighbour> downstream{};
  std::vector<DocumentationRecord> documentation{};
};

// ---- Lineage

enum class Direction { kUpstream, kDownstream };

struct LineageQuery {
  Target from{};  // of a column where it has one, else of the object
  Direction direction = Direction::kUpstream;
  std::size_t depth = 0;     // 0: all the way
  bool influence = false;    // also what only decides on rows (joined, filtered, grouped, ordered); of `*` always
  std::size_t limit = 1000;  // of nodes; at most kMaxNodes
};
inline constexpr std::size_t kMaxNodes = 100'000;

struct LineageNode {
  ObjectRef object{};
  std::optional<std::string> column{};
  std::size_t depth = 0;  // edges from the start, on the shortest way
};

/// From the upstream end to the downstream end, as data flows: indexes into `nodes`.
struct LineageEdge {
  std::size_t source = 0;
  std::size_t target = 0;
  std::string type{};  // of objects: dependency_type; of columns: transformation_type
  std::optional<std::string> expression{};
  std::int64_t confidence = 1000;  // thousandths
  bool conditional = false;        // it only decides: of conditions and orders within the expression
  std::string reason{};            // of lineage/reason.h: why the confidence is lower
};

/// Breadth first: nodes[0] is where it began, depths ascend, each node is there once (cycles end by themselves).
/// Upstream with influences there is a node of the column "*" for the rows of an object, of the depth of what it is the
/// rows of, and an edge of type "rows" from it to that; what decides on the rows has edges to it.
struct Lineage {
  std::vector<LineageNode> nodes{};
  std::vector<LineageEdge> edges{};
  bool truncated = false;  // there are nodes beyond the limit, or beyond the depth
};

/// What is downstream of a column or an object, in the order of distance.
struct Impact {
  Target from{};
  std::vector<LineageNode> columns{};     // that take their value from it (for an object: from any of its columns)
  std::vector<LineageNode> influenced{};  // columns whose rows it decides on, and what takes its value from those
  std::vector<LineageNode> objects{};     // models, snapshots …: all that depend on it
  std::vector<LineageNode> tests{};       // tests and unit tests of any of these
  std::vector<LineageNode> exposures{};
  bool columns_known = true;  // false: no column lineage there, `objects` is all that can be said
  /// A model without column lineage reads what was reached: what depends on it is among `objects` as a whole.
  bool through_unknown = false;
  bool truncated = false;
};

// ---- What is not known of the lineage

struct LineageGap {
  std::string reason{};   // of lineage/reason.h
  std::string subject{};  // the relation, the macro …; may be empty
  std::string at{};       // "line:column"; may be empty
};

/// Of a model or a snapshot, as it was last pushed.
struct LineageState {
  std::string status{};  // complete, partial, failed; empty: it has none
  bool columns_complete = true;
  bool of_file = false;  // places are those of the model's file, else of its compiled SQL
  std::vector<LineageGap> gaps{};
};
/// Out of an object's metadata.
LineageState lineage_state(std::string_view metadata);

struct ModelState {
  ObjectRef object{};
  std::string connection{};           // its full name
  std::optional<std::string> path{};  // of its file
  LineageState lineage{};
};

/// Why a column has no edges, or not all.
struct ColumnState {
  std::optional<std::string> constant{};     // it is made of no column: the text
  std::vector<std::string> gaps{};           // reasons, of the column
  std::vector<std::string> gaps_of_model{};  // reasons why the model may give columns that are not known
  bool in_sql = true;                        // false: the SQL is known not to give it
};

// ---- Status

struct ConnectionStatus {
  ConnectionId id{};
  std::string type{};
  std::string full_name{};
  std::string subdir{};
  Version version{};
  Version valid_through{};
  std::array<std::int64_t, kKindCount> rows{};  // by kind
};

struct Status {
  std::string server{};
  OrganizationId organization{};
  std::string epoch{};
  std::int64_t schema = 0;
  std::optional<Version> version{};
  std::vector<ConnectionStatus> connections{};
  std::optional<Timestamp> applied_at{};
  std::optional<std::string> closed{};                       // why queries are refused
  std::vector<std::pair<std::string, std::string>> notes{};  // Writer::note, by key
  std::int64_t staged_rows = 0;
  std::uintmax_t file_bytes = 0;
  std::filesystem::path database{};  // the file behind the link
};

/// One snapshot. Errors of all: kCorrupt (a damaged file; the hint is `tideline verify`), kUnavailable (busy for long).
class View {
 public:
  View(View&& other) noexcept;
  View& operator=(View&&) = delete;
  ~View();

  /// The connections of the workspace: names mean what is of these first, and it alone is `own`. None: all are.
  Result<void> prefer(std::vector<ConnectionId> own);
  /// Of these, those that are in the replica.
  const std::vector<ConnectionId>& preferred() const;
  /// What stands before a name to say of which connection it is: the full name, with "//" and the sub-directory, or the
  /// id where that is no other's.
  Result<std::string> place(ConnectionId connection);
  /// `orders`, `schema.table`, `database.schema.table`, `source.table`, a unique_id or an object's id, each with or
  /// without a column (or `*`) behind it; before it a connection (`place`) and ":". Quotes as in SQL; whatever the
  /// case. What is of the workspace is meant before what is not. kNotFound, with what is near in the hint.
  Result<Resolution> resolve(std::string_view name);
  /// The object at this path from its project's root, if there is exactly one (a model file).
  Result<std::optional<ObjectRef>> object_of_file(std::string_view relative_path);
  Result<SearchAnswer> search(const SearchQuery& query);
  Result<ObjectDetails> show(const Uuid& object);
  Result<Lineage> lineage(const LineageQuery& query);
  /// Of all models and snapshots that have one, by connection and name.
  Result<std::vector<ModelState>> lineage_states();
  /// Nothing is said of a column that is not here.
  Result<ColumnState> column_state(const Uuid& object, std::string_view column);
  Result<Impact> impact(const Target& target, std::size_t limit = 1000);
  Result<std::vector<DocumentationRecord>> docs(const Uuid& object);
  Result<Status> status();
  /// Of an object, in order of position.
  Result<std::vector<ColumnDetails>> columns(const Uuid& object);

  struct Impl;
  /// For this folder.
  Impl& impl() { return *impl_; }

 private:
  friend class Reader;
  explicit View(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
  std::shared_ptr<Impl> impl_;
};

class Reader {
 public:
  /// kNotFound: no replica (yet). kUnsupported: of a newer program.
  static Result<Reader> open(std::filesystem::path file);
  Reader(Reader&&) noexcept;
  Reader& operator=(Reader&&) noexcept;
  ~Reader();

  /// The present snapshot, also after a new file took the old one's place. kPermissionDenied: the replica is closed.
  Result<View> view();
  /// As view, but of a closed replica too: for `status` alone.
  Result<View> view_even_closed();

 private:
  explicit Reader(std::filesystem::path file) : file_(std::move(file)) {}
  std::filesystem::path file_;
  std::shared_ptr<View::Impl> impl_;
};

/// Readers for any number of threads: one is opened when all are taken. Thread-safe.
class ReaderPool {
 public:
  explicit ReaderPool(std::filesystem::path file) : file_(std::move(file)) {}

  class Lease {
   public:
    Lease(ReaderPool& pool, std::unique_ptr<Reader> reader) : pool_(&pool), reader_(std::move(reader)) {}
    Lease(Lease&&) noexcept = default;
    Lease& operator=(Lease&&) = delete;
    ~Lease() {
      if (reader_) pool_->put_back(std::move(reader_));
    }
    Reader& operator*() { return *reader_; }
    Reader* operator->() { return reader_.get(); }

   private:
    ReaderPool* pool_;
    std::unique_ptr<Reader> reader_;
  };
  Result<Lease> acquire();

 private:
  void put_back(std::unique_ptr<Reader> reader);
  std::filesystem::path file_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Reader>> idle_;
};

}  // namespace tideline::replica
