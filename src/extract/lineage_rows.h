#pragma once
// The column lineage of a project's objects, as rows: facts of all objects in, resolved once for the project, then for
// each object its `columns_lineage` rows and the columns nothing else knows of.
//
// What a row says: docs/lineage.md. Everything is a function of the facts (and of what is held of an object where they
// bring no compiled SQL or catalog), so the same project gives the same rows.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/ids.h"
#include "extract/artifacts.h"
#include "extract/facts.h"
#include "extract/rows.h"
#include "lineage/project.h"

namespace tideline::extract {

/// A relation that another connection of the organization builds: sources of this project that name it hang on it.
struct ForeignRelation {
  Uuid object;
  Uuid connection;
  std::string unique_id;
  std::string full_name;
  std::string database;  // empty: not known
  std::string schema;    // the same
  std::vector<std::string> columns;
};

/// Use: read, learn what is held of the objects in `wanted`, resolve, then add_to for each object. Only add_to may be
/// called by several threads at once.
class ProjectLineage {
 public:
  /// Reads the facts of all objects. `artifacts` outlives the result; `adapter_type` is the SQL's dialect. Errors:
  /// those of Artifacts::read. `threads` at least 1. Blocking.
  static Result<ProjectLineage> read(const Artifacts& artifacts, std::string adapter_type, unsigned threads);

  ProjectLineage(ProjectLineage&&) noexcept;
  ProjectLineage& operator=(ProjectLineage&&) noexcept;
  ~ProjectLineage();

  /// The objects whose facts leave something out that may be held (needs_retained), ascending.
  const std::vector<std::size_t>& wanted() const;
  /// SQL that is held (learn) is put aside in a file there where it is much. Without, all of it is in memory.
  void put_aside_in(std::filesystem::path directory);
  /// What is held of one of them. The last time counts. Errors: those of Artifacts::read; the disk is full.
  Result<void> learn(std::size_t object, const Retained& held);
  /// The names (database.schema.identifier, in lower case) under which other connections may build what this project
  /// reads as a source.
  std::vector<std::string> foreign_names() const;
  void learn_foreign(std::vector<ForeignRelation> foreign);
  /// Blocking: for 6,000 models about a second. May be called again after everything held was learned again: SQL that
  /// is not in the artifacts is not kept beyond it. Errors: that SQL, put aside, could not be read again.
  Result<void> resolve(unsigned threads);

  /// Adds to the rows of an object, made by `to_rows` of the same facts, its lineage, the columns that are inferred,
  /// and to the metadata what is known of both. Thread-safe.
  void add_to(std::size_t object, const ObjectFacts& facts, const Retained* held, const ConnectionId& connection,
              ObjectRows& rows) const;

  /// Of models and snapshots.
  lineage::Report report() const;

  /// For tools: the object's result, nullopt where it has no query; and what reads and relations stand for.
  std::optional<lineage::QueryLineage> lineage(std::size_t object) const;
  std::string_view unique_id(lineage::RelationIndex relation) const;

 private:
  struct Impl;
  explicit ProjectLineage(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace tideline::extract
