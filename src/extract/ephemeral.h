#pragma once
// Where SQL is not compiled, an ephemeral model stands in it as a relation. No table of that name is ever built: its
// readers take their values from what it reads. Pure. Internal to this folder.

#include <cstdint>
#include <functional>
#include <string>
#include <unordered_map>
#include <vector>

#include "lineage/project.h"
#include "lineage/result.h"

namespace tideline::extract {

class SeeThrough {
 public:
  /// The number of the ephemeral model that a relation stands for; kNone: it is none.
  using EphemeralOf = std::function<std::uint32_t(lineage::RelationIndex)>;

  /// `project` is resolved and outlives this.
  SeeThrough(const lineage::Project& project, EphemeralOf ephemeral)
      : project_(project), ephemeral_(std::move(ephemeral)) {}

  /// Works out the model's lineage with every read of an ephemeral model replaced by what that one reads, down to
  /// relations that exist. Models that read each other are left as they are. Edges of a model are bounded.
  void add(std::uint32_t model);

  /// Whether it reads any, so that its lineage is not what was resolved.
  bool has(std::uint32_t model) const { return replaced_.contains(model); }
  /// As it was resolved, or seen through.
  lineage::QueryLineage lineage(std::uint32_t model) const;

 private:
  std::vector<std::uint32_t> read_by(std::uint32_t model) const;
  lineage::QueryLineage replaced(const lineage::QueryLineage& lineage) const;

  const lineage::Project& project_;
  EphemeralOf ephemeral_;
  std::unordered_map<std::uint32_t, bool> seen_;             // true: done
  std::unordered_map<std::uint32_t, std::string> replaced_;  // packed
};

}  // namespace tideline::extract
