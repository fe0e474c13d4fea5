#pragma once
// Small projects that change at random, from a seed.

#include <random>
#include <string>

#include "tests/store/store_fixture.h"

namespace tideline::test {

class RandomProject {
 public:
  explicit RandomProject(std::uint32_t seed) : random_(seed) {}

  /// A few changes to the project: objects come, go, move and change.
  void mutate(Project& project) {
    for (int changes = below(5); changes >= 0; --changes) mutate_one(project);
  }
  bool chance(int percent) { return below(100) < percent; }
  int below(int n) { return std::uniform_int_distribution<int>(0, n - 1)(random_); }

 private:
  std::string name() { return "model.m" + std::to_string(below(9)); }
  void mutate_one(Project& project) {
    const std::string id = name();
    if (chance(25)) {
      project.objects.erase(id);
      return;
    }
    auto& object = project.objects[id];
    object.file = "models/f" + std::to_string(below(5)) + ".sql";
    switch (below(6)) {
      case 0:
        object.description = "d" + std::to_string(below(3));
        break;
      case 1:
        object.columns["c" + std::to_string(below(4))] = chance(50) ? "int" : "text";
        break;
      case 2:
        object.columns.erase("c" + std::to_string(below(4)));
        break;
      case 3:
        object.upstream = {name()};
        break;
      case 4:
        object.lineage.assign(1, "c" + std::to_string(below(4)));
        if (chance(30)) object.lineage.clear();
        break;
      default:
        object.keeps_compiled = chance(30);
        object.compiled = object.keeps_compiled ? std::nullopt : std::optional("select " + std::to_string(below(4)));
    }
  }

  std::mt19937 random_;
};

}  // namespace tideline::test
