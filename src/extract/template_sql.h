#pragma once
// The SQL of a model that dbt has not compiled: made of the model's file by sql/jinja.h where the project is read, and
// carried in the described project (project_source.h) to where lineage is resolved. Pure. Internal to this folder.
//
// As JSON, a node's member `tideline_sql`:
//   {"sql": "select * from __ref__.orders", "relations": {"__ref__.orders": "model.shop.orders"},
//    "unknown": {"__jinja_1__": "dbt_utils.star"}, "marks": [["if target.name == 'prod'", 17]], "several": true,
//    "doubtful": [7, 12],
//    "map": [14, 0, -1, 14, 14, 20], "line": 3, "column": 1}
// `relations`: "" where the project has nothing of that name. `marks`: what is left open and stands nowhere in the SQL,
// with its byte in the definition. `several`: a branch was taken without knowing whether it is, and anything may hang
// on it; `doubtful`: where alone something hangs on such a branch, begin and end of each place in the SQL. `map`: for
// each piece of the SQL its length, where it begins in the definition, and its length there, -1 where the bytes are the
// same. `line`, `column`: where the definition begins in the file.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"
#include "sql/jinja.h"
#include "sql/parser.h"

namespace tideline::extract {

struct TemplateMark {
  std::string subject;
  std::uint32_t begin = 0;
};

struct TemplateSql {
  std::string sql;
  std::vector<std::pair<std::string, std::string>> relations;  // what stands in the SQL → unique_id, or ""
  std::vector<std::pair<std::string, std::string>> unknown;    // what stands in the SQL → what only dbt can put there
  std::vector<TemplateMark> marks;
  bool is_one_of_several = false;   // a branch was taken whose condition is not known, and anything may hang on it
  std::vector<sql::Span> doubtful;  // what alone hangs on such branches, in the SQL
  sql::JinjaMap map;                // between the SQL and the definition
  std::uint32_t line = 1, column = 1;
};

/// More SQL than this is not carried: with its map it must fit into an entry of a manifest.
inline constexpr std::size_t kMaxTemplateSqlBytes = std::size_t{2} << 20;

/// How a gap names it: "dbt_utils.star", "var('x')", "if target.name == 'prod'".
std::string subject_of(const sql::JinjaOpaque& opaque, std::string_view definition);

/// `unique_id` of a relation that the SQL names; "" for none. nullopt: too much.
std::optional<Json> to_json(const sql::JinjaResult& read, std::string_view definition, sql::Position begin,
                            const std::function<std::string(const sql::JinjaRelation&)>& unique_id);

/// nullopt: not as described above.
std::optional<TemplateSql> read_template_sql(std::string_view json);

}  // namespace tideline::extract
