#pragma once
// What a connection holds, as ids and hashes, held against what it shall hold: new, different, the same, gone. Pure;
// one thread at a time.

#include <cstdint>
#include <vector>

#include "base/ids.h"
#include "model/row_hash.h"

namespace tideline::store {

/// The rows of one kind: 33 bytes each, found in O(log n).
class KnownRows {
 public:
  struct Entry {
    Uuid id;
    RowHash hash;
    bool seen = false;
  };
  enum class Match { kNew, kDifferent, kSame };

  /// How many are about to be added: an array that grows by itself takes up to three times its size on the way.
  void reserve(std::size_t rows) { entries_.reserve(rows); }
  void add(const Uuid& id, const RowHash& hash) { entries_.push_back({id, hash, false}); }
  /// After the last add(), before anything else.
  void seal();

  std::size_t size() const { return entries_.size(); }
  /// nullptr: not known.
  const Entry* find(const Uuid& id) const;
  /// Compares, and notes that the row is still wanted.
  Match see(const Uuid& id, const RowHash& hash);
  Match compare(const Uuid& id, const RowHash& hash) const;
  /// Those never seen: in the order of ids.
  std::vector<const Entry*> unseen() const;

 private:
  std::vector<Entry> entries_;
};

}  // namespace tideline::store
