// SQL that lineage keeps no more is read again, and says the same.

#include "extract/lineage_objects.h"

#include <gtest/gtest.h>

#include "extract/project_source.h"

namespace tideline::extract {
namespace {

std::string sql_of(LineageObjects& objects, std::size_t number) {
  std::string buffer;
  return std::string(objects.sql(number, buffer));
}

TEST(LineageObjects, CompiledSqlIsReadAgain) {
  const auto artifacts = Artifacts::from_memory(
      R"({"metadata":{"dbt_schema_version":"https://schemas.getdbt.com/dbt/manifest/v12.json","project_name":"p"},)"
      R"("nodes":{"model.p.a":{"resource_type":"model","name":"a","compiled_code":"select 1 as id"}}})");
  ASSERT_TRUE(artifacts);
  LineageObjects objects(*artifacts);
  ASSERT_TRUE(objects.read(2));
  EXPECT_EQ(sql_of(objects, 0), "select 1 as id");
  EXPECT_EQ(sql_of(objects, 0), "select 1 as id");
  ASSERT_TRUE(objects.forget_sql());
  EXPECT_EQ(sql_of(objects, 0), "select 1 as id");
  EXPECT_EQ(objects[0].sql, SqlSource::kCompiled);
}

TEST(LineageObjects, SqlOfATemplateIsMadeAgain) {
  ProjectFiles project;
  project.packages.push_back({"", {}});
  project.packages.back().files = {{"dbt_project.yml", "name: shop\n"},
                                   {"models/a.sql", "select * from {{ ref('b') }}"},
                                   {"models/b.sql", "select 1 as id"}};
  const auto document = describe_project(project);
  ASSERT_TRUE(document);
  const auto artifacts = Artifacts::from_memory(document->manifest);
  ASSERT_TRUE(artifacts);
  LineageObjects objects(*artifacts);
  ASSERT_TRUE(objects.read(1));
  const std::string before = sql_of(objects, 0);
  EXPECT_EQ(before, "select * from __ref__.b");
  EXPECT_EQ(objects[0].upstream, std::vector<std::uint32_t>{1});
  ASSERT_TRUE(objects.forget_sql());
  EXPECT_EQ(sql_of(objects, 0), before);
}

TEST(LineageObjects, WhatIsHeldCountsOnce) {
  const auto artifacts = Artifacts::from_memory(
      R"({"metadata":{"dbt_schema_version":"https://schemas.getdbt.com/dbt/manifest/v12.json","project_name":"p"},)"
      R"("nodes":{"model.p.a":{"resource_type":"model","name":"a"}}})");
  ASSERT_TRUE(artifacts);
  LineageObjects objects(*artifacts);
  ASSERT_TRUE(objects.read(1));
  EXPECT_EQ(objects.wanted(), std::vector<std::size_t>{0});
  EXPECT_EQ(objects[0].sql, SqlSource::kNone);
  Retained held;
  for (const char* sql : {"select 1 as id", "select 2 as id"}) {
    held.compiled_definition = sql;
    ASSERT_TRUE(objects.learn(0, held));
    EXPECT_EQ(objects[0].sql, SqlSource::kHeld);
    EXPECT_EQ(sql_of(objects, 0), sql);
  }
  ASSERT_TRUE(objects.forget_sql());
  EXPECT_EQ(objects[0].sql, SqlSource::kNone);
  EXPECT_EQ(sql_of(objects, 0), "");
}

TEST(LineageObjects, MuchThatIsHeldIsPutAside) {
  std::string nodes;
  constexpr std::size_t kModels = 40;
  for (std::size_t i = 0; i < kModels; ++i)
    nodes += (i > 0 ? "," : "") + std::string("\"model.p.m_") + std::to_string(100 + i) +
             R"(":{"resource_type":"model","name":"a"})";
  const auto artifacts = Artifacts::from_memory(
      R"({"metadata":{"dbt_schema_version":"https://schemas.getdbt.com/dbt/manifest/v12.json","project_name":"p"},)"
      R"("nodes":{)" +
      nodes + "}}");
  ASSERT_TRUE(artifacts);
  const auto sql = [](std::size_t i) { return "select " + std::to_string(i) + std::string(1'000'000, ' ') + "as id"; };
  for (const std::string& directory : {std::string(), ::testing::TempDir()}) {
    LineageObjects objects(*artifacts);
    ASSERT_TRUE(objects.read(1));
    objects.put_aside_in(directory);
    Retained held;
    for (std::size_t i = 0; i < kModels; ++i) {
      held.compiled_definition = "select before";
      ASSERT_TRUE(objects.learn(i, held));
      held.compiled_definition = sql(i);
      ASSERT_TRUE(objects.learn(i, held));
    }
    for (std::size_t i = 0; i < kModels; ++i) EXPECT_EQ(sql_of(objects, i), sql(i));
    ASSERT_TRUE(objects.forget_sql());
    EXPECT_EQ(sql_of(objects, kModels - 1), "");
  }
  LineageObjects objects(*artifacts);
  ASSERT_TRUE(objects.read(1));
  objects.put_aside_in("/nonexistent");
  Retained held;
  held.compiled_definition = std::string(17'000'000, ' ');
  EXPECT_EQ(objects.learn(0, held).error().code, Code::kUnavailable);
}

}  // namespace
}  // namespace tideline::extract
