#pragma once
// Cases of lineage as text: input SQL, dialects, known columns, and what is expected. See golden/README.md.

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "lineage/lineage.h"
#include "lineage/relations.h"

namespace tideline::lineage::testing {

struct GoldenCase {
  std::string title;
  std::vector<std::string> dialects;
  std::string tables;  // "orders(id, amount) raw.events(?)"
  std::string sql;
  std::string expected;
};

/// Of one file. Throws std::runtime_error where it is not as golden/README.md says.
std::vector<GoldenCase> read_cases(std::string_view text);
/// Of all files.
std::vector<GoldenCase> all_cases();
std::string write_cases(const std::vector<GoldenCase>& cases);

/// The relations a case names; columns as written.
Relations relations_of(std::string_view tables);

/// A result as a case has it, in lower case.
std::string render(const QueryLineage& result, const Relations& relations);

std::string answer(const GoldenCase& one, const std::string& dialect);

}  // namespace tideline::lineage::testing
