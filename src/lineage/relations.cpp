#include "lineage/relations.h"

#include <algorithm>
#include <numeric>
#include <tuple>

namespace tideline::lineage {

RelationColumns::RelationColumns(const std::vector<std::string>& names, std::size_t listed, bool complete,
                                 std::size_t documented)
    : by_name_(names.size()),
      listed_(listed),
      documented_(std::min(documented, names.size())),
      complete_(complete),
      fingerprint_((listed * 2 + (complete ? 1 : 0)) * 0x9E3779B97F4A7C15ULL + documented_) {
  std::size_t bytes = 0;
  for (const auto& one : names) bytes += one.size();
  text_.reserve(bytes);
  begins_.reserve(names.size() + 1);
  for (const auto& one : names) {
    fingerprint_ = fingerprint_ * 0x9E3779B97F4A7C15ULL + std::hash<std::string>()(one);
    begins_.push_back(static_cast<std::uint32_t>(text_.size()));
    text_ += one;
  }
  begins_.push_back(static_cast<std::uint32_t>(text_.size()));
  std::iota(by_name_.begin(), by_name_.end(), 0U);
  std::ranges::sort(by_name_, [this](std::uint32_t a, std::uint32_t b) {
    return same_ignoring_case(name(a), name(b)) ? a < b : less_ignoring_case(name(a), name(b));
  });
}

std::uint32_t RelationColumns::find(const Name& name, const sql::Dialect& dialect) const {
  const auto name_of = [this](std::uint32_t i) { return this->name(i); };
  const auto found = std::ranges::equal_range(by_name_, name.text, less_ignoring_case, name_of);
  if (found.empty()) return kNone;
  if (found.size() == 1) return found.front();
  const std::string exact = sql::normalize_identifier(name.text, name.quoted, sql::NameKind::kColumn, dialect);
  const auto at = std::ranges::find(found, exact, name_of);
  return at == found.end() ? found.front() : *at;
}

RelationIndex Relations::add(RelationName name, RelationOrigin origin, std::shared_ptr<const RelationColumns> columns) {
  const auto index = static_cast<RelationIndex>(entries_.size());
  Entry& entry = entries_.emplace_back();
  entry.identifier = std::move(name.identifier);
  entry.place = &*places_.emplace(std::move(name.database), std::move(name.schema)).first;
  entry.origin = origin;
  entry.columns = std::move(columns);
  by_identifier_[entry.identifier].push_back(index);
  return index;
}

RelationName Relations::name(RelationIndex relation) const {
  const Entry& entry = entries_[relation];
  return {entry.place->first, entry.place->second, entry.identifier};
}

const RelationColumns* Relations::inferred(RelationIndex relation) const {
  const auto* published = entries_[relation].published.load(std::memory_order_acquire);
  return published != nullptr ? published : entries_[relation].columns.get();
}

void Relations::infer(RelationIndex relation, std::shared_ptr<const RelationColumns> columns) {
  if (const auto* known = inferred(relation); known != nullptr && *known == *columns) return;
  Entry& entry = entries_[relation];
  const RelationColumns* last = columns.get();
  entry.inferred.push_back(std::move(columns));
  entry.published.store(last, std::memory_order_release);
}

std::optional<RelationIndex> Relations::find(std::span<const Name> parts, const sql::Dialect& dialect,
                                             std::span<const RelationIndex> declared) const {
  if (parts.empty()) return std::nullopt;
  const auto found = by_identifier_.find(parts.back().text);
  if (found == by_identifier_.end()) return std::nullopt;
  const std::vector<RelationIndex>& candidates = found->second;
  const Name* schema = parts.size() > 1 ? &parts[parts.size() - 2] : nullptr;
  const Name* database = parts.size() > 2 ? &parts[parts.size() - 3] : nullptr;
  const auto fits = [](const Name* asked, const std::string& known) {
    return asked == nullptr || asked->text.empty() || known.empty() || same_ignoring_case(asked->text, known);
  };
  const auto is_spelt = [&](const Name* asked, const std::string& known) {
    return asked == nullptr ||
           sql::normalize_identifier(asked->text, asked->quoted, sql::NameKind::kRelation, dialect) == known;
  };
  using Rank = std::tuple<bool, RelationOrigin, RelationIndex>;
  std::optional<Rank> best;
  const Place* first = nullptr;
  bool several_places = false;
  const auto consider = [&](RelationIndex candidate) {
    const Entry& entry = entries_[candidate];
    const auto& [in_database, in_schema] = *entry.place;
    if (!fits(schema, in_schema) || !fits(database, in_database)) return;
    if (first == nullptr) first = entry.place;
    several_places |= !same_ignoring_case(first->second, in_schema) || !same_ignoring_case(first->first, in_database);
    const bool spelt = candidates.size() == 1 || (is_spelt(&parts.back(), entry.identifier) &&
                                                  is_spelt(schema, in_schema) && is_spelt(database, in_database));
    const Rank rank{!spelt, entry.origin, candidate};
    if (!best || rank < *best) best = rank;
  };
  // Hundreds may have one name: what is declared is few of them, or they few of what is declared.
  if (declared.size() < candidates.size()) {
    for (const RelationIndex one : declared)
      if (same_ignoring_case(entries_[one].identifier, parts.back().text)) consider(one);
  } else {
    for (const RelationIndex one : candidates)
      if (std::binary_search(declared.begin(), declared.end(), one)) consider(one);
  }
  if (best) return std::get<RelationIndex>(*best);
  for (const RelationIndex one : candidates) consider(one);
  // Which of several schemas is meant when none is named, only the session knows.
  if (!best || several_places) return std::nullopt;
  return std::get<RelationIndex>(*best);
}

}  // namespace tideline::lineage
