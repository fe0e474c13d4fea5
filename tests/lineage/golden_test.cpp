// Every case of golden/*.txt in every dialect it names. With TIDELINE_UPDATE_GOLDEN the files are written anew, for
// someone to read what changed.

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/lineage/golden.h"

namespace tideline::lineage::testing {
namespace {

std::vector<std::filesystem::path> files() {
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(TIDELINE_SOURCE_DIR "/tests/lineage/golden"))
    if (entry.path().extension() == ".txt") paths.push_back(entry.path());
  std::sort(paths.begin(), paths.end());
  return paths;
}

std::string text_of(const std::filesystem::path& path) {
  std::ostringstream out;
  out << std::ifstream(path).rdbuf();
  return out.str();
}

TEST(LineageGolden, EveryCaseInEveryDialect) {
  std::size_t count = 0;
  for (const auto& path : files()) {
    auto cases = read_cases(text_of(path));
    ASSERT_FALSE(cases.empty()) << path;
    for (auto& one : cases) {
      ASSERT_FALSE(one.dialects.empty()) << path << ": " << one.title;
      const std::string first = answer(one, one.dialects.front());
      if (std::getenv("TIDELINE_UPDATE_GOLDEN") != nullptr) one.expected = first;
      for (const auto& dialect : one.dialects) {
        ++count;
        EXPECT_EQ(answer(one, dialect), one.expected)
            << path.filename() << ": " << one.title << " (" << dialect << ")\n"
            << one.sql;
      }
    }
    if (std::getenv("TIDELINE_UPDATE_GOLDEN") != nullptr) std::ofstream(path) << write_cases(cases);
  }
  EXPECT_GE(count, 2400U);
}

}  // namespace
}  // namespace tideline::lineage::testing
