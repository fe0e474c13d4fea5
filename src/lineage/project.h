#pragma once
// The lineage of a whole project: every model's query, in the order in which they read each other, on several threads,
// so that the columns of a model are known when another one reads them. What has not changed since the last time is not
// resolved again.
//
// Results do not depend on the number of threads. One thread uses a Project; it starts others itself.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lineage/lineage.h"
#include "lineage/relations.h"
#include "lineage/result.h"

namespace tideline::lineage {

struct Model {
  std::string id;                       // unique in the project
  RelationIndex relation = kNone;       // what it builds; kNone: nothing that is read by name
  std::vector<RelationIndex> upstream;  // what it says it reads
  const sql::Dialect* dialect = nullptr;
  Reason without_sql = Reason::kNone;         // kNoSql, kPythonModel: it has no query
  bool is_snapshot = false;                   // dbt adds columns of its own
  std::shared_ptr<const StandIns> stand_ins;  // where the SQL is made of a template
};

/// Counts of models.
struct Report {
  std::size_t models = 0;
  std::size_t analysed = 0;               // in full
  std::size_t partial = 0;                // something is missing
  std::size_t failed = 0;                 // nothing is known
  std::map<Reason, std::size_t> reasons;  // in how many models each came up
};

class Project {
 public:
  /// The compiled SQL of a model by its number: a view of what lives until `resolve` returns, or of `buffer`, where it
  /// has to be fetched. Called by several threads at once.
  using SqlOf = std::function<std::string_view(std::size_t model, std::string& buffer)>;

  /// `relations` complete: none is added later.
  explicit Project(std::unique_ptr<Relations> relations);
  ~Project();
  Project(Project&&) noexcept;
  Project& operator=(Project&&) noexcept;

  /// Its number: 0, 1, 2 … `upstream` need not be sorted.
  std::size_t add(Model model);
  std::size_t size() const;

  const Relations& relations() const;
  const Model& model(std::size_t number) const;

  /// Resolves what is new or whose SQL or upstream columns changed since the last call. `threads` at least 1.
  void resolve(const SqlOf& sql_of, unsigned threads);
  /// Takes over from an earlier state of the project what still holds: results of models of the same id, if both have
  /// the same relations. To be called before `resolve`.
  void take_over(Project&& earlier);

  /// Made anew of what is kept of it: linear in its size. Before `resolve` there is nothing in it.
  QueryLineage lineage(std::size_t number) const;
  /// Without that cost: the relations it reads, in the order of the text, and whether it has any unknown_columns.
  std::span<const RelationIndex> reads(std::size_t number) const;
  bool uses_unknown(std::size_t number) const;
  /// How many models the last `resolve` really resolved.
  std::size_t resolved() const;
  Report report() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// A column that a query uses of a relation which is not known to have it.
struct UnknownColumn {
  RelationIndex relation = kNone;
  std::string_view name;  // lives in the lineage
  bool is_read = false;   // false: only documentation of the query's own result says that it passes it on
};
/// Each once.
std::vector<UnknownColumn> unknown_columns(const QueryLineage& lineage);

}  // namespace tideline::lineage
