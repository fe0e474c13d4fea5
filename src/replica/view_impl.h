#pragma once
// What stands behind a View: a read-only connection with its prepared statements, and what the queries share. Not for
// includes from outside the folder.

#include <map>
#include <string>
#include <string_view>

#include "replica/files.h"
#include "replica/queries.h"
#include "replica/schema.h"
#include "replica/sqlite.h"

namespace tideline::replica {

struct View::Impl {
  int number = 0;  // of the database
  Database db;
  std::map<std::string, Statement, std::less<>> statements;
  // Of the present view:
  std::vector<ConnectionId> own;               // ascending; of the workspace; none: all
  std::map<ConnectionId, std::string> places;  // of all connections, once they were asked for
};

/// The database, where something of it can be read; as it stands where nothing may be written beside it.
Result<Database> open_for_reading(const ReplicaFiles& files, int number);

/// A statement in use: taken from those prepared, given back reset. The same one may be in use twice.
class Query {
 public:
  static Result<Query> begin(View::Impl& impl, std::string_view sql);
  Query(Query&& other) noexcept
      : impl_(std::exchange(other.impl_, nullptr)),
        sql_(std::move(other.sql_)),
        statement_(std::move(other.statement_)) {}
  Query& operator=(Query&&) = delete;
  ~Query();
  Statement& operator*() { return statement_; }
  Statement* operator->() { return &statement_; }

 private:
  Query(View::Impl& impl, std::string sql, Statement statement)
      : impl_(&impl), sql_(std::move(sql)), statement_(std::move(statement)) {}
  View::Impl* impl_;
  std::string sql_;
  Statement statement_;
};

/// Columns of `objects` (alias o) that make an ObjectRef, and the reference in the present row from `column` on.
inline constexpr std::string_view kObjectRefColumns =
    "o.id, o.connection_id, coalesce(json_extract(o.metadata, '$.unique_id'), ''), o.name, o.full_name, o.object_type";
inline constexpr int kObjectRefColumnCount = 6;
ObjectRef object_ref_at(const View::Impl& impl, const Statement& statement, int column);
/// `impl.places`.
Result<void> load_places(View::Impl& impl);
/// nullopt: the object is not in the replica.
Result<std::optional<ObjectRef>> find_object(View::Impl& impl, const Uuid& id);

/// The end of the names that begin with a prefix: no text that does sorts behind it.
std::string after_prefix(std::string_view prefix);

}  // namespace tideline::replica
