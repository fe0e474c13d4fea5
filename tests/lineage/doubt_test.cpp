// A branch of a template that was taken without knowing: which columns are less sure for it, and which are not.

#include <gtest/gtest.h>

#include "lineage/lineage.h"
#include "sql/jinja.h"
#include "sql/jinja_macros.h"

namespace tideline::lineage {
namespace {

/// "a 1000, b 800" of the columns: the least confidence of their edges.
std::string confidences(std::string_view text) {
  Relations relations;
  for (const char* name : {"t", "u"})
    relations.add({"", "", name}, RelationOrigin::kBuilt,
                  std::make_shared<RelationColumns>(std::vector<std::string>{"id", "a", "b", "c", "d"}, 5, true));
  sql::JinjaMacros macros("shop");
  macros.add("shop",
             "{% macro either(x, y) %}{% if target.z %}{{ x }}{% else %}{{ y }}{% endif %}{% endmacro %}"
             "{% macro only_dev() %}{% if target.z %} where a > 1{% endif %}{% endmacro %}");
  sql::JinjaOptions options;
  options.macros = &macros;
  options.package = "shop";
  const sql::JinjaResult read = sql::read_jinja(text, options);
  const sql::JinjaDoubts doubts = sql::doubts_of(read);
  StandIns stand_ins;
  stand_ins.is_one_of_several = doubts.anywhere;
  stand_ins.doubtful = doubts.places;
  for (const auto& opaque : read.opaque)
    if (!opaque.placeholder.empty()) stand_ins.unknown.emplace(opaque.placeholder, opaque.name);
  Reader reader;
  reader.stand_ins = &stand_ins;
  std::string out;
  for (const auto& column : analyse(read.sql, sql::dialect(sql::DialectId::kPostgres), relations, reader).columns) {
    std::uint16_t least = 1000;
    for (const auto& edge : column.edges) least = std::min(least, edge.confidence);
    out += (out.empty() ? "" : ", ") + column.name + " " + (column.edges.empty() ? "-" : std::to_string(least));
  }
  return out;
}

struct Case {
  const char* text;
  const char* expected;
};

TEST(Doubt, InASelectListItIsOfTheItemsItTouches) {
  for (const Case& one : std::initializer_list<Case>{
           {"select a, {% if target.x %}b{% else %}c{% endif %} as b, c from t", "a 1000, b 800, c 1000"},
           {"select a, b + {% if target.x %}c{% else %}d{% endif %} as s, c from t", "a 1000, s 800, c 1000"},
           {"select a{% if target.x %}, b{% endif %}, c from t", "a 1000, b 800, c 1000"},
           {"select a,\n {% if target.x %}\n b, d,\n {% endif %} c from t", "a 1000, b 800, d 800, c 1000"},
           {"select a, b {% if target.x %}{% else %}+ 1{% endif %} as n, c from t", "a 1000, n 800, c 1000"},
           {"select a{% if target.x %}{% else %}, d{% endif %}\n, c from t", "a 800, c 1000"},
           {"select a, c {% if target.x %} as e {% else %} as f {% endif %} from t", "a 1000, e 800"},
           {"select a{% for x in run_query('q') %}, b as {{ 'n' }}{% endfor %}, c from t", "a 1000, n 800, c 1000"},
           {"select a, {{ either('b', 'c') }} as b, c from t", "a 1000, b 800, c 1000"},
           {"select a, (select max({% if target.x %}b{% else %}c{% endif %}) from u) as m from t", "a 1000, m 800"},
           {"with w as (select a, {% if target.x %}b{% else %}c{% endif %} as b from t) select b as n, a from w",
            "n 800, a 1000"},
           {"select {% if target.x %}a{% else %}b{% endif %} as a, 1 as one", "a -, one -"},
       })
    EXPECT_EQ(confidences(one.text), one.expected) << one.text;
}

TEST(Doubt, OfRowsItLeavesTheColumnsAsTheyAre) {
  for (const Case& one : std::initializer_list<Case>{
           {"select a from t where {% if target.x %}b > 1{% else %}c > 1{% endif %}", "a 1000"},
           {"select a from t {% if target.x %} where b > 1 {% endif %}", "a 1000"},
           {"select a from t {% if target.x %}{% else %} where b > 1 {% endif %}", "a 1000"},
           {"select a from t {{ only_dev() }}", "a 1000"},
           {"select a from t {{ only_dev() }} order by a", "a 1000"},
           {"select t.a from t join u on t.id = u.id {% if target.x %} and u.b = 1 {% endif %} where u.c = 1",
            "a 1000"},
           {"select a from t group by a {% if target.x %}, b{% endif %} order by 1", "a 1000"},
           {"select a from t order by {% if target.x %}b{% else %}c{% endif %} limit {% if target.x %}1{% else %}2{% "
            "endif %}",
            "a 1000"},
           {"with w as (select a from t {% if target.x %}limit 10{% endif %}) select a from w", "a 1000"},
       })
    EXPECT_EQ(confidences(one.text), one.expected) << one.text;
}

TEST(Doubt, AWholeQueryIsOfItsColumns) {
  EXPECT_EQ(confidences("with w as ({% if target.x %} select a from t {% else %} select a from u {% endif %}) "
                        "select w.a, u.b from w join u on true"),
            "a 800, b 1000");
  EXPECT_EQ(confidences("{% if target.x %} select a from t {% else %} select a from u {% endif %}"), "a 800");
}

TEST(Doubt, OfAnythingElseTheWholeHangsOnIt) {
  for (const Case& one : std::initializer_list<Case>{
           {"select a, b from {% if target.x %}t{% else %}u{% endif %}", "a 800, b 800"},
           {"select t.a, t.b from t {% if target.x %} join u on u.id = t.id {% endif %}", "a 800, b 800"},
           {"select a from t {% if target.x %} union all select b from u {% endif %}", "a 800"},
           {"select a, b {% if target.x %} from t {% else %} from u {% endif %}", "a 800, b 800"},
           {"select {% if target.x %}* {% else %}a, b{% endif %} from t", "id 800, a 800, b 800, c 800, d 800"},
           // What is set there may be used anywhere.
           {"{% if target.x %}{% set n = 'a' %}{% else %}{% set n = 'b' %}{% endif %}select {{ n }} as n, c from t",
            "n 800, c 800"},
           {"{% set n %}{% if target.x %}a{% else %}b{% endif %}{% endset %}select {{ n }} as n, c from t",
            "n 800, c 800"},
           {"{% set n = either('a', 'b') %}select {{ n }} as n, c from t", "n 800, c 800"},
       })
    EXPECT_EQ(confidences(one.text), one.expected) << one.text;
}

}  // namespace
}  // namespace tideline::lineage
