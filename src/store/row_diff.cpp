#include "store/row_diff.h"

#include <algorithm>

namespace tideline::store {

void KnownRows::seal() {
  std::sort(entries_.begin(), entries_.end(), [](const Entry& a, const Entry& b) { return a.id < b.id; });
}

const KnownRows::Entry* KnownRows::find(const Uuid& id) const {
  const auto at = std::lower_bound(entries_.begin(), entries_.end(), id,
                                   [](const Entry& entry, const Uuid& wanted) { return entry.id < wanted; });
  return at != entries_.end() && at->id == id ? &*at : nullptr;
}

KnownRows::Match KnownRows::compare(const Uuid& id, const RowHash& hash) const {
  const Entry* const entry = find(id);
  if (!entry) return Match::kNew;
  return entry->hash == hash ? Match::kSame : Match::kDifferent;
}

KnownRows::Match KnownRows::see(const Uuid& id, const RowHash& hash) {
  // Entries are ours: only the view that find() hands out is const.
  auto* const entry = const_cast<Entry*>(find(id));
  if (!entry) return Match::kNew;
  entry->seen = true;
  return entry->hash == hash ? Match::kSame : Match::kDifferent;
}

std::vector<const KnownRows::Entry*> KnownRows::unseen() const {
  std::vector<const Entry*> gone;
  for (const auto& entry : entries_) {
    if (!entry.seen) gone.push_back(&entry);
  }
  return gone;
}

}  // namespace tideline::store
