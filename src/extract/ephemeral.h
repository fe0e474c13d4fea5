#pragma once
// Where SQL is not compiled, an ephemeral model stands in it as a relation. No table of that name is ever built: its
// readers take their values from what it reads. Pure. Internal to this folder.

#include <cstdint>
#include <functional>
#include <unordered_map>
#include <vector>

#include "lineage/result.h"

namespace tideline::extract {

class SeeThrough {
 public:
  /// The lineage of a model as it was resolved; must live as long as this.
  using LineageOf = std::function<const lineage::QueryLineage&(std::uint32_t model)>;
  /// The number of the ephemeral model that a relation stands for; kNone: it is none.
  using EphemeralOf = std::function<std::uint32_t(lineage::RelationIndex)>;

  SeeThrough(LineageOf lineage, EphemeralOf ephemeral)
      : lineage_(std::move(lineage)), ephemeral_(std::move(ephemeral)) {}

  /// Works out the model's lineage with every read of an ephemeral model replaced by what that one reads, down to
  /// relations that exist. Models that read each other are left as they are. Edges of a model are bounded.
  void add(std::uint32_t model);

  /// nullptr: as it was resolved, for it reads none.
  const lineage::QueryLineage* find(std::uint32_t model) const;

 private:
  std::vector<std::uint32_t> read_by(const lineage::QueryLineage& lineage) const;
  lineage::QueryLineage replaced(const lineage::QueryLineage& lineage) const;

  LineageOf lineage_;
  EphemeralOf ephemeral_;
  std::unordered_map<std::uint32_t, bool> seen_;  // true: done
  std::unordered_map<std::uint32_t, lineage::QueryLineage> replaced_;
};

}  // namespace tideline::extract
