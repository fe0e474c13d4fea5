// What must not change lineage: white space and comments, the names of aliases, whether a step is a CTE or a subquery,
// the number of threads; and what must not take long.

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>

#include "lineage/project.h"
#include "sql/lexer.h"
#include "tests/lineage/golden.h"

namespace tideline::lineage::testing {
namespace {

/// A chain of queries, each over the last; every column is made of some of the one before.
struct Chain {
  struct Step {
    std::vector<std::string> items;  // with % for the alias of what is read
    std::string where;
  };
  std::vector<Step> steps;
  std::vector<std::string> aliases;
};

Chain any_chain() {
  Chain chain;
  std::vector<std::string> columns{"id", "amount", "status"};
  const int steps = *rc::gen::inRange(1, 6);
  for (int i = 0; i < steps; ++i) {
    Chain::Step step;
    std::vector<std::string> made;
    const int count = *rc::gen::inRange(1, 5);
    for (int c = 0; c < count; ++c) {
      const auto a = *rc::gen::elementOf(columns), b = *rc::gen::elementOf(columns);
      const std::string name = "c" + std::to_string(i) + "_" + std::to_string(c);
      const auto shape = *rc::gen::inRange(0, 6);
      std::string text = "%." + a;
      if (shape == 1) text = "%." + a + " + %." + b;
      if (shape == 2) text = "case when %." + a + " > 0 then %." + b + " end";
      if (shape == 3) text = "sum(%." + a + ") over (partition by %." + b + ")";
      if (shape == 4) text = "coalesce(" + a + ", '-')";
      if (shape == 5) text = "'constant'";
      step.items.push_back(text + " as " + name);
      made.push_back(name);
    }
    if (*rc::gen::arbitrary<bool>()) step.where = "%." + *rc::gen::elementOf(columns) + " is not null";
    columns = made;
    chain.steps.push_back(std::move(step));
    chain.aliases.push_back("a" + std::to_string(*rc::gen::inRange(0, 1000)) + "x" + std::to_string(i));
  }
  return chain;
}

std::string with_alias(std::string text, const std::string& alias) {
  for (std::size_t at = text.find('%'); at != std::string::npos; at = text.find('%', at)) text.replace(at, 1, alias);
  return text;
}

std::string select_of(const Chain::Step& step, const std::string& from, const std::string& alias) {
  std::string sql = "select ";
  for (std::size_t i = 0; i < step.items.size(); ++i) sql += (i > 0 ? ", " : "") + step.items[i];
  sql += " from " + from + " " + alias;
  if (!step.where.empty()) sql += " where " + step.where;
  return with_alias(sql, alias);
}

std::string as_ctes(const Chain& chain) {
  std::string sql = "with ";
  for (std::size_t i = 0; i < chain.steps.size(); ++i)
    sql += (i > 0 ? ", s" : "s") + std::to_string(i) + " as (" +
           select_of(chain.steps[i], i == 0 ? "orders" : "s" + std::to_string(i - 1), chain.aliases[i]) + ")";
  return sql + " select * from s" + std::to_string(chain.steps.size() - 1);
}

std::string as_subqueries(const Chain& chain) {
  std::string from = "orders";
  for (std::size_t i = 0; i < chain.steps.size(); ++i) {
    const std::string inner = select_of(chain.steps[i], from, chain.aliases[i]);
    from = "(" + inner + ")";
  }
  return "select * from " + from + " last_one";
}

std::string lineage_of(const std::string& sql) {
  static const Relations relations = relations_of("orders(id, amount, status)");
  return render(analyse(sql, sql::dialect_of_adapter("postgres"), relations), relations);
}

RC_GTEST_PROP(LineageProperties, ACteAndASubqueryAreTheSame, ()) {
  const Chain chain = any_chain();
  const std::string expected = lineage_of(as_ctes(chain));
  RC_ASSERT(expected.find("gap:") == std::string::npos);
  RC_ASSERT(lineage_of(as_subqueries(chain)) == expected);
}

RC_GTEST_PROP(LineageProperties, AliasesAreOnlyNames, ()) {
  Chain chain = any_chain();
  const std::string expected = lineage_of(as_ctes(chain));
  for (auto& alias : chain.aliases) alias = "other_" + alias;
  RC_ASSERT(lineage_of(as_ctes(chain)) == expected);
}

TEST(LineageProperties, StepsGrowWithTheText) {
  // Each CTE reads the last one three times: what doubles at every step must not be walked as often.
  const auto fan_out = [](int count) {
    std::string sql = "with a0 as (select id x from orders)";
    for (int i = 1; i < count; ++i) {
      const std::string last = "a" + std::to_string(i - 1);
      sql += ", a" + std::to_string(i) + " as (select p.x + q.x + r.x x from " + last + " p, " + last + " q, " + last +
             " r)";
    }
    return sql + " select x from a" + std::to_string(count - 1);
  };
  static const Relations relations = relations_of("orders(id)");
  const auto steps = [&](int count) {
    const auto result = analyse(fan_out(count), sql::dialect_of_adapter("postgres"), relations);
    EXPECT_EQ(result.columns.size(), 1U);
    EXPECT_EQ(result.columns[0].edges.size(), 1U);
    return result.steps;
  };
  const std::size_t few = steps(100), many = steps(1000);
  EXPECT_LT(many, few * 15);
}

TEST(LineageProperties, WhatDoublesEveryStepIsGivenUp) {
  std::string sql = "with a0 as (select * from orders)";
  for (int i = 1; i < 60; ++i) {
    const std::string last = "a" + std::to_string(i - 1);
    sql += ", a" + std::to_string(i) + " as (select p.*, q.* from " + last + " p, " + last + " q)";
  }
  const Relations relations = relations_of("orders(id, amount, status)");
  const auto result = analyse(sql + " select * from a59", sql::dialect_of_adapter("postgres"), relations);
  ASSERT_FALSE(result.gaps.empty());
  EXPECT_EQ(result.gaps.front().reason, Reason::kTooComplex);
}

TEST(LineageProperties, AWideUnionIsLinear) {
  std::string sql;
  for (int i = 0; i < 20'000; ++i) sql += (i > 0 ? " union all " : "") + std::string("select id, amount from orders");
  const Relations relations = relations_of("orders(id, amount)");
  const auto result = analyse(sql, sql::dialect_of_adapter("postgres"), relations);
  ASSERT_EQ(result.columns.size(), 2U);
  EXPECT_EQ(result.columns[1].edges.size(), 1U);
  EXPECT_LT(result.steps, 4 * sql.size());
}

std::string repeated(std::size_t count, const std::function<std::string(std::size_t)>& part) {
  std::string out;
  for (std::size_t i = 0; i < count; ++i) out += part(i);
  return out;
}

TEST(LineageHostile, StepsAreInProportionToTheText) {
  const auto n = [](std::size_t i) { return std::to_string(i); };
  struct Case {
    std::string_view adapter;
    std::string sql;
  };
  const std::vector<Case> cases{
      {"bigquery", "select a0" + repeated(100'000, [&](std::size_t i) { return ", a" + n(i); }) + " from orders"},
      {"postgres", "select " + std::string(50'000, '(') + "id" + std::string(50'000, ')') + " from orders"},
      {"postgres", "select " + repeated(30'000, [](std::size_t) { return "case when id then "; }) + "1 from orders"},
      {"clickhouse", "select 1" +
                         repeated(20'000, [&](std::size_t i) { return ", a" + n(i + 1) + " + 1 as a" + n(i); }) +
                         " from orders"},
      {"clickhouse",
       "with id as b0" +
           repeated(5'000, [&](std::size_t i) { return ", b" + n(i) + " + b" + n(i) + " as b" + n(i + 1); }) +
           " select b5000 from orders"},
      {"sqlserver", "select id into #t0 from orders;" +
                        repeated(5'000,
                                 [&](std::size_t i) {
                                   return "select x.id + y.id as id into #t" + n(i + 1) + " from #t" + n(i) + " x, #t" +
                                          n(i) + " y;";
                                 }) +
                        "select id from #t5000"},
      {"bigquery", "select x.* from (select array_agg(o)[offset(0)] as x from orders o)" +
                       repeated(2'000, [](std::size_t) { return " union all select id from orders"; })},
      {"duckdb", "select " + repeated(3'000, [](std::size_t) { return "columns('i.*|a+'), "; }) + "1 from orders"},
      {"duckdb", "select columns('" + std::string(900, '(') + "a" + std::string(900, ')') + "') from orders"},
      {"bigquery", "from orders o" + repeated(200, [](std::size_t) { return " |> extend o.id + 1 as x |> drop x"; })},
      {"trino",
       "select * from " + repeated(100, [](std::size_t) { return "table(f(table(select * from "; }) + "orders"},
      {"snowflake", "select * from orders match_recognize (measures " +
                        repeated(20'000, [&](std::size_t i) { return "last(a.id) as m" + n(i) + ", "; }) +
                        "1 as z pattern (a+) define a as id > 1)"},
      {"oracle", "select * from orders, json_table(doc, '$' columns (" +
                     repeated(20'000, [&](std::size_t i) { return "c" + n(i) + " number path '$', "; }) +
                     "z number path '$'))"},
  };
  const Relations relations = relations_of("orders(id, amount, status, doc)");
  for (const auto& [adapter, sql] : cases) {
    const auto result = analyse(sql, sql::dialect_of_adapter(adapter), relations);
    EXPECT_LE(result.steps, kFreeSteps + kStepsPerByte * sql.size() + 4 * kMaxColumns) << sql.substr(0, 80);
  }
}

TEST(LineageHostile, TenMegabytesInOneStatement) {
  std::string sql = "select id";
  while (sql.size() < 10'000'000) sql += ", case when amount > 0 then amount + 1 end as c" + std::to_string(sql.size());
  sql += " from orders";
  const Relations relations = relations_of("orders(id, amount)");
  const auto result = analyse(sql, sql::dialect_of_adapter("snowflake"), relations);
  EXPECT_LE(result.steps, 2 * sql.size());
  EXPECT_GT(result.columns.size(), kMaxColumns / 2);
}

// ---- Projects ----

struct Models {
  std::vector<std::string> sql;
  std::vector<std::vector<RelationIndex>> upstream;  // of models by their number; relation = number + 1
};

Project project_of(const Models& models) {
  auto relations = std::make_unique<Relations>();
  relations->add({"", "", "raw"}, RelationOrigin::kSource,
                 std::make_shared<RelationColumns>(std::vector<std::string>{"id", "amount"}, 2, true));
  for (std::size_t i = 0; i < models.sql.size(); ++i)
    relations->add({"", "", "m" + std::to_string(i)}, RelationOrigin::kBuilt, nullptr);
  Project project(std::move(relations));
  for (std::size_t i = 0; i < models.sql.size(); ++i) {
    Model model;
    model.id = "m" + std::to_string(i);
    model.relation = static_cast<RelationIndex>(i + 1);
    model.upstream = models.upstream[i];
    model.dialect = &sql::dialect_of_adapter("postgres");
    project.add(std::move(model));
  }
  return project;
}

void resolve(Project& project, const Models& models, unsigned threads) {
  project.resolve([&](std::size_t i, std::string&) -> std::string_view { return models.sql[i]; }, threads);
}

TEST(LineageProject, ModelsAreResolvedInTheOrderInWhichTheyReadEachOther) {
  const Models models{{"select * from m1", "select id, amount * 2 as twice from raw"}, {{2}, {0}}};
  Project project = project_of(models);
  resolve(project, models, 2);
  EXPECT_EQ(render(project.lineage(0), project.relations()), "id: direct m1.id\ntwice: direct m1.twice\n");
  EXPECT_EQ(project.report().analysed, 2U);
}

TEST(LineageProject, WhatIsReadWithoutBeingDeclaredIsResolvedAgain) {
  const Models models{{"select * from m1", "select * from m2", "select id from raw"}, {{}, {}, {0}}};
  Project project = project_of(models);
  resolve(project, models, 2);
  EXPECT_EQ(render(project.lineage(0), project.relations()), "id: direct m1.id\n");
  EXPECT_EQ(render(project.lineage(1), project.relations()), "id: direct m2.id\n");
}

TEST(LineageProject, OnlyWhatChangedIsResolvedAgain) {
  Models models{{"select id, amount from raw", "select * from m0", "select id from m1", "select id from raw"},
                {{0}, {1}, {2}, {0}}};
  Project project = project_of(models);
  resolve(project, models, 2);
  EXPECT_EQ(project.resolved(), 4U);
  resolve(project, models, 2);
  EXPECT_EQ(project.resolved(), 0U);
  models.sql[0] = "select id, amount, 1 as n from raw";  // its columns change, and with them those of m1, but not of m2
  resolve(project, models, 2);
  EXPECT_EQ(project.resolved(), 3U);
  models.sql[0] = "select id, amount + 1 as amount, 1 as n from raw";  // the same columns
  resolve(project, models, 2);
  EXPECT_EQ(project.resolved(), 1U);

  Project next = project_of(models);
  next.take_over(std::move(project));
  resolve(next, models, 1);
  EXPECT_EQ(next.resolved(), 0U);
  EXPECT_EQ(render(next.lineage(2), next.relations()), "id: direct m1.id\n");
}

TEST(LineageProject, AStarOverColumnsThatAreNotKnownGivesWhatIsReadOfIt) {
  const Models models{{"select * from nowhere", "select * from m0", "select id, upper(kind) as k from m1"},
                      {{}, {1}, {2}}};
  Project project = project_of(models);
  resolve(project, models, 2);
  EXPECT_EQ(render(project.lineage(1), project.relations()),
            "id: direct m0.id (950 unknown_columns)\nkind: direct m0.kind (950 unknown_columns)\nand more\n"
            "gap: unknown_columns m0\n");
  EXPECT_EQ(project.lineage(0).columns.size(), 2U);
  resolve(project, models, 1);
  EXPECT_EQ(project.resolved(), 0U);
}

TEST(LineageProject, ACycleIsSaid) {
  const Models models{{"select id from m1", "select id from m0"}, {{2}, {1}}};
  Project project = project_of(models);
  resolve(project, models, 2);
  EXPECT_EQ(project.report().reasons.at(Reason::kCycle), 2U);
}

TEST(LineageProject, ThreadsDoNotMatter) {
  Models models;
  for (std::size_t i = 0; i < 300; ++i) {
    const std::size_t from = i * 7919 % (i + 1);
    models.sql.push_back(from == i ? "select * from raw"
                                   : "select *, id as c" + std::to_string(i) + " from m" + std::to_string(from));
    models.upstream.push_back({static_cast<RelationIndex>(from == i ? 0 : from + 1)});
  }
  Project one = project_of(models), four = project_of(models);
  resolve(one, models, 1);
  resolve(four, models, 4);
  for (std::size_t i = 0; i < models.sql.size(); ++i)
    EXPECT_EQ(render(one.lineage(i), one.relations()), render(four.lineage(i), four.relations()));
}

}  // namespace
}  // namespace tideline::lineage::testing
