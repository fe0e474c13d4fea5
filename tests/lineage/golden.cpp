#include "tests/lineage/golden.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <stdexcept>

#include "base/text.h"
#include "sql/dialect.h"

namespace tideline::lineage::testing {
namespace {

std::vector<std::string> words(std::string_view text) {
  std::istringstream in{std::string(text)};
  std::vector<std::string> out;
  for (std::string word; in >> word;) out.push_back(word);
  return out;
}

}  // namespace

std::vector<GoldenCase> read_cases(std::string_view text) {
  std::vector<GoldenCase> cases;
  std::istringstream in{std::string(text)};
  std::string* into = nullptr;
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("== ")) {
      cases.emplace_back().title = line.substr(3);
      into = nullptr;
    } else if (cases.empty()) {
      if (!line.empty() && !line.starts_with('#')) throw std::runtime_error("text before the first case: " + line);
    } else if (line.starts_with("dialects: ")) {
      cases.back().dialects = words(line.substr(10));
    } else if (line.starts_with("tables: ")) {
      cases.back().tables = line.substr(8);
    } else if (line == "sql:") {
      into = &cases.back().sql;
    } else if (line == "expect:") {
      into = &cases.back().expected;
    } else if (into != nullptr) {
      if (line.empty() && into == &cases.back().expected) continue;
      *into += line + "\n";
    } else if (!line.empty()) {
      throw std::runtime_error(cases.back().title + ": a line of nothing: " + line);
    }
  }
  return cases;
}

std::vector<GoldenCase> all_cases() {
  std::vector<GoldenCase> all;
  for (const auto& entry : std::filesystem::directory_iterator(TIDELINE_SOURCE_DIR "/tests/lineage/golden")) {
    if (entry.path().extension() != ".txt") continue;
    std::ostringstream text;
    text << std::ifstream(entry.path()).rdbuf();
    for (auto& one : read_cases(text.str())) all.push_back(std::move(one));
  }
  return all;
}

std::string write_cases(const std::vector<GoldenCase>& cases) {
  std::string out;
  for (const auto& one : cases) {
    if (!out.empty()) out += "\n";
    out += "== " + one.title + "\ndialects:";
    for (const auto& dialect : one.dialects) out += " " + dialect;
    if (!one.tables.empty()) out += "\ntables: " + one.tables;
    out += "\nsql:\n" + one.sql + "expect:\n" + one.expected;
  }
  return out;
}

Relations relations_of(std::string_view tables) {
  if (tables.starts_with('@')) {
    std::ostringstream schema;
    schema << std::ifstream(TIDELINE_SOURCE_DIR "/tests/lineage/golden/" + std::string(tables.substr(1)) + ".schema")
                  .rdbuf();
    std::string text = schema.str();
    std::replace(text.begin(), text.end(), '\n', ' ');
    if (text.empty() || text.starts_with('@')) throw std::runtime_error("no schema " + std::string(tables));
    return relations_of(text);
  }
  Relations relations;
  std::size_t at = 0;
  while ((at = tables.find_first_not_of(' ', at)) != std::string_view::npos) {
    const std::size_t open = tables.find('(', at), close = tables.find(')', at);
    if (open == std::string_view::npos || close == std::string_view::npos) throw std::runtime_error("tables: no ( )");
    const auto parts = split(tables.substr(at, open - at), '.');
    RelationName name;
    name.identifier = parts.back();
    if (parts.size() > 1) name.schema = parts[parts.size() - 2];
    if (parts.size() > 2) name.database = parts[parts.size() - 3];
    std::vector<std::string> columns;
    bool complete = true;
    for (const auto column : split(tables.substr(open + 1, close - open - 1), ',')) {
      if (trim(column) == "?")
        complete = false;
      else if (!trim(column).empty())
        columns.emplace_back(trim(column));
    }
    std::shared_ptr<const RelationColumns> known;
    if (complete || !columns.empty()) known = std::make_shared<RelationColumns>(columns, columns.size(), complete);
    relations.add(std::move(name), RelationOrigin::kBuilt, std::move(known));
    at = close + 1;
  }
  return relations;
}

std::string render(const QueryLineage& result, const Relations& relations) {
  const auto source = [&](std::uint32_t number) {
    const auto& column = result.sources[number];
    const auto& read = result.reads[column.read];
    const std::string name = read.relation == kNone ? read.name + "!" : relations.name(read.relation).identifier;
    return ascii_lower(name + "." + column.name);
  };
  std::string out;
  if (!result.target.empty()) {
    out += "into:";
    for (const auto& part : result.target) out += " " + ascii_lower(part);
    out += "\n";
  }
  for (const auto& column : result.columns) {
    out += ascii_lower(column.name) + ":";
    // By name: the order of sources is not told.
    std::map<std::string, std::string> edges;
    for (const auto& edge : column.edges) {
      std::string text =
          (edge.conditional ? " ~" : " ") + std::string(to_string(edge.kind)) + " " + source(edge.source);
      if (edge.confidence < 1000)
        text += " (" + std::to_string(edge.confidence) + " " + std::string(to_string(edge.doubt)) + ")";
      edges[source(edge.source)] += text;
    }
    bool first = true;
    for (const auto& [name, text] : edges) {
      out += (first ? "" : ",") + text;
      first = false;
    }
    if (column.constant) out += " constant";
    std::set<std::string> missing;
    for (const auto gap : column.gaps)
      missing.insert(" !" + std::string(to_string(result.gaps[gap].reason)) + " " +
                     ascii_lower(result.gaps[gap].subject));
    for (const auto& text : missing) out += text;
    out += "\n";
  }
  if (!result.columns_complete) out += "and more\n";
  std::set<std::string> influences;
  for (const auto& influence : result.influences)
    influences.insert(std::string(to_string(influence.kind)) + " " + source(influence.source));
  if (!influences.empty()) {
    out += "rows:";
    bool first = true;
    for (const auto& influence : influences) {
      out += (first ? " " : ", ") + influence;
      first = false;
    }
    out += "\n";
  }
  std::set<std::string> gaps;
  for (const auto& gap : result.gaps)
    gaps.insert("gap: " + std::string(to_string(gap.reason)) +
                (gap.subject.empty() ? "" : " " + ascii_lower(gap.subject)));
  for (const auto& gap : gaps) out += gap + "\n";
  if (result.failed) out += "failed\n";
  return out;
}

std::string answer(const GoldenCase& one, const std::string& dialect) {
  const Relations relations = relations_of(one.tables);
  return render(analyse(one.sql, sql::dialect_of_adapter(dialect), relations), relations);
}

}  // namespace tideline::lineage::testing
