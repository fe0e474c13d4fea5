#include "sql/jinja.h"
#include "sql/jinja_macros.h"

#include <chrono>
#include <cstdlib>
#include <fstream>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace tideline::sql {
namespace {

// ---- Golden cases: tests/sql/golden/jinja.txt ----
//
//     === name
//     the template
//     ---
//     what it gives: the SQL, then the facts, a line each
//
// TIDELINE_UPDATE_GOLDEN=1 writes what it gives now; read the difference before you commit it.

std::string shown(const JinjaValue& value) {
  using Kind = JinjaValue::Kind;
  std::string out;
  switch (value.kind()) {
    case Kind::kUnknown:
      return "?";
    case Kind::kNone:
      return "none";
    case Kind::kBoolean:
      return value.run() == Truth::kYes ? "true" : value.run() == Truth::kNo ? "false" : "maybe";
    case Kind::kNumber:
    case Kind::kRelation:
    case Kind::kCallable:
      return std::string(value.as_text());
    case Kind::kPartial:
      return "~" + std::string(value.as_text());
    case Kind::kText:
      return '"' + std::string(value.as_text()) + '"';
    case Kind::kList:
      for (const JinjaValue& item : value.items()) out += (out.empty() ? "" : ", ") + shown(item);
      return "[" + out + "]";
    case Kind::kDict:
      for (std::size_t i = 0; i < value.keys().size(); ++i)
        out += (out.empty() ? "" : ", ") + value.keys()[i] + ": " + shown(value.items()[i]);
      return "{" + out + "}";
    case Kind::kOneOf:
      for (const JinjaValue& item : value.items()) out += (out.empty() ? "" : " | ") + shown(item);
      return out;
  }
  return "";
}

std::string shown(std::string_view file, Span span) {
  std::string text(text_of(span, file));
  for (char& c : text)
    if (c == '\n') c = ' ';
  return text.size() > 60 ? text.substr(0, 57) + "..." : text;
}

std::string when(Certainty certainty, std::int32_t block) {
  std::string out = certainty == Certainty::kMaybe ? " maybe" : certainty == Certainty::kNever ? " never" : "";
  if (block != kNoBlock) out += " in block " + std::to_string(block);
  return out;
}

std::string dump(std::string_view file, const JinjaResult& result) {
  std::string out = result.sql;
  if (!out.ends_with('\n')) out += '\n';
  out += "-\n";
  static constexpr const char* kRelations[] = {"ref", "source", "this"};
  static constexpr const char* kBlocks[] = {"macro", "test", "materialization", "snapshot", "docs"};
  for (const auto& block : result.blocks)
    out += std::string("block ") + kBlocks[static_cast<int>(block.kind)] + " " + block.name + "(" + block.parameters +
           ") " + shown(file, block.body) + "\n";
  for (const auto& r : result.relations)
    out += std::string(kRelations[static_cast<int>(r.kind)]) + " " + (r.package.empty() ? "" : r.package + " ") +
           (r.source.empty() ? "" : r.source + " ") + r.name + (r.version.empty() ? "" : " v" + r.version) + " = " +
           r.sql + when(r.certainty, r.block) + "\n";
  for (const auto& d : result.dynamic) out += "dynamic " + shown(file, d.file) + when(d.certainty, d.block) + "\n";
  for (const auto& c : result.config)
    out += "config " + c.key + " = " + shown(c.value) + when(c.certainty, c.block) + "\n";
  for (const auto& v : result.variables)
    out += (v.kind == JinjaVariable::Kind::kVar ? "var " : "env_var ") + v.name +
           (v.fallback ? " else " + shown(*v.fallback) : "") + "\n";
  for (const auto& m : result.macros)
    out += "macro " + (m.package.empty() ? "" : m.package + ".") + m.name + when(m.certainty, m.block) +
           (m.expanded ? " expanded" : "") + (m.nested ? " nested" : "") + "\n";
  for (const auto& d : result.docs) out += "doc " + d + "\n";
  for (const auto& o : result.opaque)
    out += std::string(o.silent ? "silent " : "") + "opaque " + std::string(to_string(o.reason)) +
           (o.name.empty() ? "" : " " + o.name) + (o.within.empty() ? "" : " within " + o.within) +
           (o.placeholder.empty() ? "" : " as " + o.placeholder) + ": " + shown(file, o.file) + "\n";
  for (const auto& p : result.problems) out += "problem at " + std::to_string(p.file.begin) + ": " + p.message + "\n";
  if (result.uses_incremental) out += "uses is_incremental\n";
  if (result.truncated) out += "truncated\n";
  return out;
}

struct Case {
  std::string name, file, expected;
};

std::string golden_path() { return TIDELINE_SOURCE_DIR "/tests/sql/golden/jinja.txt"; }

std::vector<Case> golden_cases() {
  std::ifstream in(golden_path());
  std::vector<Case> cases;
  std::string line;
  bool expected = false;
  while (std::getline(in, line)) {
    if (line.starts_with("=== ")) {
      cases.push_back({line.substr(4), "", ""});
      expected = false;
    } else if (line == "---") {
      expected = true;
    } else if (!cases.empty()) {
      (expected ? cases.back().expected : cases.back().file) += line + "\n";
    }
  }
  return cases;
}

TEST(Jinja, GivesWhatTheGoldenFileSays) {
  const std::map<std::string, JinjaValue, std::less<>> vars{
      {"known", JinjaValue::text("v1")},
      {"table", JinjaValue::text("{{ source('raw', 'orders') }}")},
      {"models", JinjaValue::list({JinjaValue::text("a"), JinjaValue::text("b")})}};
  std::ifstream macro_file(TIDELINE_SOURCE_DIR "/tests/sql/golden/jinja_macros.sql");
  const std::string of_shop{std::istreambuf_iterator<char>(macro_file), {}};
  const std::string of_utils =
      "{% macro twice(x) %}{{ x }} * 2{% endmacro %}\n"
      "{% macro shared() %}of utils{% endmacro %}\n"
      "{% macro indirect() %}{{ shared() }}{% endmacro %}\n"
      "{% macro quoted(x) %}{{ return(adapter.dispatch('quoted', 'utils')(x)) }}{% endmacro %}\n"
      "{% macro default__quoted(x) %}'{{ x }}'{% endmacro %}\n"
      "{% macro snowflake__quoted(x) %}$${{ x }}$${% endmacro %}\n"
      "{% macro only(x) %}{{ return(adapter.dispatch('only', macro_namespace='utils')(x)) }}{% endmacro %}\n"
      "{% macro redshift__only(x) %}only {{ x }}{% endmacro %}\n";
  JinjaMacros macros("shop");
  macros.add("shop", of_shop);
  macros.add("utils", of_utils);
  auto cases = golden_cases();
  ASSERT_GT(cases.size(), 20U);
  const bool update = std::getenv("TIDELINE_UPDATE_GOLDEN") != nullptr;
  std::string rewritten;
  for (const Case& c : cases) {
    JinjaOptions options;
    options.vars = &vars;
    options.package = "shop";
    if (c.name.find("(no macros)") == std::string::npos) options.macros = &macros;
    if (c.name.find("(snowflake)") != std::string::npos) options.adapter = "snowflake";
    options.incremental = c.name.find("(incremental)") != std::string::npos;
    if (c.name.find("(text)") != std::string::npos) options.mode = JinjaMode::kText;
    const std::string given = dump(c.file, read_jinja(c.file, options));
    rewritten += "=== " + c.name + "\n" + c.file + "---\n" + given;
    if (!update) EXPECT_EQ(given, c.expected) << "case: " << c.name;
  }
  if (update) std::ofstream(golden_path()) << rewritten;
}

// ---- The map ----

TEST(JinjaMap, LeadsFromSqlToTheFileAndBack) {
  const std::string file = "{{ config(a=1) }}select {{ x }} as b{# c #} from {{ ref('o') }} o";
  const JinjaResult result = read_jinja(file);
  ASSERT_EQ(result.sql, "select __jinja_1__ as b from __ref__.o o");
  const auto at = [](std::string_view text, std::string_view part) {
    const auto begin = static_cast<std::uint32_t>(text.find(part));
    return Span{begin, begin + static_cast<std::uint32_t>(part.size())};
  };
  for (const auto& [sql, source] : {std::pair("select", "select"),
                                    {"__jinja_1__", "{{ x }}"},
                                    {"as b", "as b"},
                                    {"__ref__.o", "{{ ref('o') }}"},
                                    {"b from __ref__.o o", "b{# c #} from {{ ref('o') }} o"}}) {
    EXPECT_EQ(result.map.to_file(at(result.sql, sql)), at(file, source)) << sql;
    EXPECT_EQ(result.map.to_sql(at(file, source)), at(result.sql, sql)) << source;
  }
  // What gives no SQL is where it would stand.
  EXPECT_EQ(result.map.to_sql(at(file, "{{ config(a=1) }}")), (Span{0, 0}));
  const Span comment = result.map.to_sql(at(file, "{# c #}"));
  EXPECT_TRUE(comment.empty());
  EXPECT_EQ(comment.begin, at(result.sql, " from").begin);
  EXPECT_EQ(result.map.to_sql({static_cast<std::uint32_t>(file.size()), static_cast<std::uint32_t>(file.size())}).begin,
            result.sql.size());
}

RC_GTEST_PROP(JinjaMap, TilesTheSqlOfAnyTemplate, ()) {
  static const std::vector<std::string> kParts{"select ",
                                               "a",
                                               ", ",
                                               "\n",
                                               " from ",
                                               "{{ ref('x') }}",
                                               "{% if a %}",
                                               "{% else %}",
                                               "{% endif %}",
                                               "{%- set v = 'abc' -%}",
                                               "{{ v }}",
                                               "{{ m(1) }}",
                                               "{# c #}",
                                               "{% for i in [1, 2] %}",
                                               "{% endfor %}",
                                               "{{",
                                               "}}",
                                               "{% set b %}",
                                               "{% endset %}",
                                               "'",
                                               "{% raw %}",
                                               "{% endraw %}",
                                               "{{ b ~ v }}",
                                               "{% macro m(p) %}",
                                               "{% endmacro %}",
                                               "-- ",
                                               "{{- 1 }}",
                                               "\"",
                                               "é"};
  std::string file;
  for (const auto part : *rc::gen::container<std::vector<std::size_t>>(rc::gen::inRange<std::size_t>(0, kParts.size())))
    file += kParts[part];
  const JinjaResult result = read_jinja(file);
  std::uint32_t sql = 0, place = 0;
  for (const JinjaPiece& piece : result.map.pieces()) {
    RC_ASSERT(piece.sql.begin == sql);
    RC_ASSERT(piece.again == (piece.file.begin < place));
    if (piece.verbatim) RC_ASSERT(text_of(piece.sql, result.sql) == text_of(piece.file, file));
    sql = piece.sql.end;
    if (!piece.again) place = piece.file.end;
  }
  RC_ASSERT(sql == result.sql.size());
}

// ---- Limits ----

TEST(Jinja, IsLinearInTemplatesMadeToBeSlow) {
  const auto repeated = [](std::string_view part, std::size_t times) {
    std::string out;
    for (std::size_t i = 0; i < times; ++i) out += part;
    return out;
  };
  std::string list = "{% set l = [";
  for (int i = 0; i < 300; ++i) list += "'" + std::to_string(i) + "',";
  list += "] %}";
  const std::vector<std::string> templates{
      repeated("{{", 500'000),
      repeated("{{ '", 250'000),
      repeated("{{ '}}' ", 100'000),
      repeated("{% raw %}", 100'000),
      repeated("{# ", 300'000),
      "{{ x" + repeated("[", 500'000),
      "{{ " + repeated("not ", 200'000) + "x }}",
      "{{ " + repeated("(", 300'000) + repeated(")", 300'000) + " }}",
      repeated("{% if a %}", 100'000),
      repeated("{% if a %}", 400) + repeated("{% endfor %}", 50'000),
      "{% set a = 'xxxxxxxxxxxxxxxx' %}" + repeated("{% set a = a ~ a %}", 50'000),
      "{% set a = '" + repeated("x", 500'000) + "' %}" + repeated("{{ a }}", 50'000),
      "{% set a = [1] %}" + repeated("{% set a = [a, a] %}", 50'000) + "{{ a }}",
      "{% set a = [1] %}" + repeated("{% do a.extend(a) %}", 50'000) + "{{ a | join(',') }}",
      list + "{% for a in l %}{% for b in l %}" + repeated("{{ ref(a ~ b) }}", 20'000) + "{% endfor %}{% endfor %}",
      repeated("{% macro m(a) %}{{ a }}", 50'000),
      "{{ config(pre_hook=[" + repeated("\"{{ ref('x') }}\",", 50'000) + "]) }}",
      repeated("select 'a", 100'000) + repeated("{{ x }}", 50'000),
  };
  for (std::size_t i = 0; i < templates.size(); ++i) {
    const auto begin = std::chrono::steady_clock::now();
    const JinjaResult result = read_jinja(templates[i]);
    const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begin);
    // A quadratic step takes minutes on any of these; sanitizers and busy machines take some seconds.
    EXPECT_LT(took.count(), 20'000) << "template " << i << ": " << templates[i].substr(0, 60);
    EXPECT_LE(result.sql.size(), (kMaxJinjaGrowth + 8) * templates[i].size() + kMaxJinjaGrowthBytes);
    EXPECT_LE(result.relations.size(), kMaxJinjaFacts);
  }
}

TEST(Jinja, LoopsAndMacrosMadeToBeSlowEnd) {
  const std::string many = "{% set many = range(0, 200) %}";
  std::string nested = many, open, close;
  for (int i = 0; i < 20; ++i) {
    open += "{% for i" + std::to_string(i) + " in many %}";
    close += "{% endfor %}";
  }
  std::string chain;
  for (int i = 0; i < 200; ++i)
    chain += "{% macro m" + std::to_string(i) + "(x) %}{{ m" + std::to_string(i + 1) + "(x) }}{{ m" +
             std::to_string(i + 1) + "(x) }}{% endmacro %}";
  chain += "{% macro m200(x) %}{{ x }}{% endmacro %}";
  const std::string deep = std::string(60, '(') + "again(x)" + std::string(60, ')');
  const std::string macros =
      "{% macro loop(x) %}{{ loop(x) }}{{ loop(x) }}{% endmacro %}"
      "{% macro again(x) %}{{ " +
      deep +
      " }}{% endmacro %}"
      "{% macro grow(x) %}{{ grow(x ~ x) }}{% endmacro %}"
      "{% macro lists(l) %}{% do l.extend(l) %}{{ lists(l) }}{% endmacro %}"
      "{% macro wide(a='" +
      std::string(100'000, 'x') +
      "') %}{{ a }}{% endmacro %}"
      "{% macro each(l) %}{% for x in l %}{{ each(l) }}{% endfor %}{% endmacro %}"
      "{% macro either(x) %}{% if x %}{{ return(either(x)) }}{% endif %}{{ return(either(x)) }}{% endmacro %}"
      "{% macro pass(f) %}{{ f(f) }}{% endmacro %}" +
      chain;
  JinjaMacros library("p");
  library.add("p", macros);
  std::vector<std::string> templates{
      nested + open + "{{ ref('x' ~ i0 ~ i19) }}" + close,
      many + "{% for a in many %}{% for b in many %}" + std::string(100'000, 'x') + "{% endfor %}{% endfor %}",
      "{% for a in range(0, 1000000) %}{{ ref('a' ~ a) }}{% endfor %}",
      many + "{% for a in many if loop(a) %}{{ a }}{% endfor %}",
      "{% set ns = namespace(t='x') %}" + many +
          "{% for a in many %}{% set ns.t = ns.t ~ ns.t %}{% endfor %}{{ ns.t }}",
      "{{ loop(1) }}",
      "{{ again(1) }}",
      "{{ grow('xxxx') }}",
      "{{ lists([1]) }}",
      many + "{{ each(many) }}",
      "{{ either(unknown) }}",
      "{{ pass(pass) }}",
      "{{ m0('x') }}",
      many + "{% for a in many %}{% for b in many %}{{ wide() }}{% endfor %}{% endfor %}",
      many + "{% for a in many %}{% for b in many %}{{ m190(a) }}{% endfor %}{% endfor %}",
  };
  std::string all;
  for (const auto& one : templates) all += one;
  templates.push_back(all);
  for (std::size_t i = 0; i < templates.size(); ++i) {
    JinjaOptions options;
    options.macros = &library;
    options.package = "p";
    const auto begin = std::chrono::steady_clock::now();
    const JinjaResult result = read_jinja(templates[i], options);
    const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begin);
    EXPECT_LT(took.count(), 20'000) << "template " << i << ": " << templates[i].substr(0, 60);
    EXPECT_LE(result.sql.size(), (kMaxJinjaGrowth + 8) * templates[i].size() + kMaxJinjaGrowthBytes);
    EXPECT_LE(result.relations.size(), kMaxJinjaFacts);
    if (i != 2) EXPECT_FALSE(result.opaque.empty()) << "template " << i;
  }
}

TEST(Jinja, RefusesWhatIsTooLarge) {
  const JinjaResult result = read_jinja(std::string(kMaxJinjaBytes + 1, ' '));
  EXPECT_TRUE(result.truncated);
  EXPECT_EQ(result.problems.size(), 1U);
}

TEST(Jinja, FindsARelationByItsNameInTheSql) {
  const JinjaResult result = read_jinja(
      "select * from {{ ref('pkg', 'a-b', v=2) }}, {{ ref('pkg', 'a_b', v=2) }}, {{ ref('pkg', 'a-b', v=2) }}");
  ASSERT_EQ(result.sql, "select * from __ref__.pkg.a_b_v2, __ref__.pkg.a_b_v2__2, __ref__.pkg.a_b_v2");
  ASSERT_NE(result.relation("__ref__.pkg.a_b_v2"), nullptr);
  EXPECT_EQ(result.relation("__ref__.pkg.a_b_v2")->name, "a-b");
  EXPECT_EQ(result.relation("__ref__.pkg.a_b_v2__2")->name, "a_b");
  EXPECT_EQ(result.relation("__ref__.other"), nullptr);
}

}  // namespace
}  // namespace tideline::sql
