#pragma once
// The relations a query may read: models, seeds, snapshots, sources, objects of other projects. Known by database,
// schema and identifier; a query may leave the first ones out. Filled by one thread, then read by many; the columns of
// a relation that become known only when its own query is resolved are published once, by `infer`.

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "lineage/names.h"

namespace tideline::lineage {

using RelationIndex = std::uint32_t;

struct RelationName {
  std::string database;  // empty: not known
  std::string schema;    // the same
  std::string identifier;
};

/// The columns of a relation, in the warehouse's order. A project keeps those of each of its relations, so they take
/// little more than their names.
class RelationColumns {
 public:
  /// The first `listed` names are what * stands for, if `complete`; those after them are known to be there as well.
  /// Those from `documented` on only somebody's documentation has.
  RelationColumns(const std::vector<std::string>& names, std::size_t listed, bool complete,
                  std::size_t documented = SIZE_MAX);

  std::size_t size() const { return by_name_.size(); }
  std::size_t listed() const { return listed_; }
  bool complete() const { return complete_; }
  /// Whether documentation alone has it.
  bool is_only_documented(std::size_t i) const { return i >= documented_; }
  std::string_view name(std::size_t i) const {
    return std::string_view(text_).substr(begins_[i], begins_[i + 1] - begins_[i]);
  }
  /// Of everything above.
  std::uint64_t fingerprint() const { return fingerprint_; }
  /// kNone: not among them. O(log size).
  std::uint32_t find(const Name& name, const sql::Dialect& dialect) const;

  friend bool operator==(const RelationColumns&, const RelationColumns&) = default;

 private:
  std::string text_;                    // the names, one after the other
  std::vector<std::uint32_t> begins_;   // of each in `text_`, and the end of the last one
  std::vector<std::uint32_t> by_name_;  // their numbers, in the order of less_ignoring_case and then of the warehouse
  std::size_t listed_;
  std::size_t documented_;
  bool complete_;
  std::uint64_t fingerprint_;
};

/// What built a relation: where several have one name, the smaller counts.
enum class RelationOrigin : std::uint8_t { kBuilt, kSource, kOtherProject };

class Relations {
 public:
  /// `columns` null: none known. Its index: 0, 1, 2 …
  RelationIndex add(RelationName name, RelationOrigin origin, std::shared_ptr<const RelationColumns> columns);
  std::size_t size() const { return entries_.size(); }

  RelationName name(RelationIndex relation) const;
  RelationOrigin origin(RelationIndex relation) const { return entries_[relation].origin; }

  /// As given at first, or null.
  const RelationColumns* columns(RelationIndex relation) const { return entries_[relation].columns.get(); }
  /// As `infer` published them; before that, or without, as given at first.
  const RelationColumns* inferred(RelationIndex relation) const;
  /// Those who read it meanwhile see the earlier columns, which stay as long as this does; the same columns again are
  /// not kept. One thread a relation.
  void infer(RelationIndex relation, std::shared_ptr<const RelationColumns> columns);

  /// The relation of that name: database.schema.identifier, or the last one or two of them. Of several, in this order:
  /// one of `declared` (what the reader says it reads, sorted), the dialect's own spelling, the least origin, the least
  /// index. nullopt: none; or several in different places, and none of them declared.
  std::optional<RelationIndex> find(std::span<const Name> parts, const sql::Dialect& dialect,
                                    std::span<const RelationIndex> declared) const;

 private:
  using Place = std::pair<std::string, std::string>;  // database and schema

  struct Entry {
    std::string identifier;
    const Place* place = nullptr;
    RelationOrigin origin{};
    std::shared_ptr<const RelationColumns> columns;
    std::vector<std::shared_ptr<const RelationColumns>> inferred;  // the last one counts
    std::atomic<const RelationColumns*> published{nullptr};
  };

  std::deque<Entry> entries_;
  std::set<Place> places_;
  /// The keys are the entries' own.
  std::unordered_map<std::string_view, std::vector<RelationIndex>, HashIgnoringCase, SameIgnoringCase> by_identifier_;
};

}  // namespace tideline::lineage
