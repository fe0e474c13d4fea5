#include "extract/artifacts.h"

#include <filesystem>
#include <fstream>
#include <thread>

#include <gtest/gtest.h>
#include <unistd.h>

#include "base/json.h"
#include "extract/rows.h"
#include "model/row_hash.h"
#include "tests/support/generated_manifest.h"

namespace tideline::extract {
namespace {

using testing_support::generated_catalog;
using testing_support::generated_manifest;
using testing_support::ManifestOptions;

const ConnectionId kConnection{*Uuid::parse("11111111-2222-4333-8444-555555555555")};

/// A manifest of v12 whose `nodes` are given as text.
std::string manifest_with(const std::string& nodes, const std::string& more = "") {
  return R"({"metadata":{"dbt_schema_version":"https://schemas.getdbt.com/dbt/manifest/v12.json","project_name":"p"},)"
         R"("nodes":{)" +
         nodes + "}" + more + "}";
}
std::string model(const std::string& name, const std::string& members = "") {
  return "\"model.p." + name + "\":{\"resource_type\":\"model\",\"name\":\"" + name + "\"" + members + "}";
}

std::string refusal(std::string manifest, std::optional<std::string> catalog = {}) {
  const auto artifacts = Artifacts::from_memory(std::move(manifest), std::move(catalog));
  if (artifacts) return "taken";
  return std::string(to_string(artifacts.error().code)) + ": " + artifacts.error().message;
}

ObjectFacts facts(const Artifacts& artifacts, std::string_view id) {
  const auto at = artifacts.find(id);
  if (!at) {
    ADD_FAILURE() << id << " is not there";
    return {};
  }
  auto read = artifacts.read(*at);
  if (!read) ADD_FAILURE() << describe(read.error());
  return read ? *read : ObjectFacts{};
}

std::string metadata(const ObjectFacts& object, std::string_view key) {
  for (const auto& [name, json] : object.metadata)
    if (name == key) return json;
  return {};
}

TEST(Manifest, EveryVersionGivesTheSameProject) {
  for (int version = kOldestManifest; version <= kNewestManifest; ++version) {
    SCOPED_TRACE(version);
    const auto artifacts = Artifacts::from_memory(generated_manifest({.version = version}));
    ASSERT_TRUE(artifacts) << describe(artifacts.error());
    EXPECT_EQ(artifacts->manifest().schema_version, version);
    EXPECT_EQ(artifacts->manifest().project_name, "shop");
    EXPECT_EQ(artifacts->manifest().adapter_type, "snowflake");
    EXPECT_TRUE(artifacts->manifest().has_compiled_sql);
    EXPECT_TRUE(artifacts->warnings().texts.empty()) << artifacts->warnings().texts.front();
    // 5 models, 5 tests, seed, source, macro, exposure; then what the version has
    const std::size_t more = (version >= 4) + 2 * (version >= 10) + (version >= 11);
    EXPECT_EQ(artifacts->size(), 14 + more);
    EXPECT_FALSE(artifacts->find("macro.dbt.run_query"));

    const auto m0 = facts(*artifacts, "model.shop.m0");
    EXPECT_TRUE(m0.warnings.empty()) << m0.warnings.front();
    EXPECT_EQ(m0.name, "m0");
    EXPECT_EQ(m0.full_name, "analytics.main.m0");
    EXPECT_EQ(m0.relative_path, "models/m0.sql");
    EXPECT_TRUE(m0.definition && m0.definition->starts_with("select *"));
    EXPECT_TRUE(m0.compiled_definition && m0.compiled_definition->ends_with("analytics.main.x"));
    EXPECT_EQ(metadata(m0, "tags"), R"(["core","nightly"])");
    EXPECT_EQ(metadata(m0, "materialization"), "\"table\"");
    EXPECT_EQ(metadata(m0, "patch_path"), "\"models/schema.yml\"");
    EXPECT_EQ(m0.owner, version >= 9 ? "finance@shop.example" : "Ada");
    ASSERT_EQ(m0.columns.size(), 3U);
    EXPECT_EQ(m0.columns[0].is_primary_key, version >= 9);
    ASSERT_EQ(m0.dependencies.size(), 3U);
    EXPECT_EQ(m0.dependencies[0].upstream_unique_id + " " + m0.dependencies[0].type, "macro.shop.cents macro");
    EXPECT_EQ(m0.dependencies[1].upstream_unique_id + " " + m0.dependencies[1].type, "seed.shop.rates ref");
    EXPECT_EQ(m0.dependencies[2].upstream_unique_id + " " + m0.dependencies[2].type, "source.shop.raw.orders source");
    EXPECT_EQ(m0.dependencies[2].upstream_full_name, "lake.raw.ORDERS_V2");
    EXPECT_EQ(facts(*artifacts, "test.shop.not_null_m0_c0.0000000000").dependencies.at(0).type, "test");
    EXPECT_EQ(facts(*artifacts, "exposure.shop.board").owner, "Grace");
    if (version >= 10) {
      EXPECT_EQ(facts(*artifacts, "saved_query.shop.weekly").dependencies.at(0).type, "semantic");
    }
  }
}

TEST(Manifest, CutOffAtAnyByteIsRefusedWithThePlace) {
  const std::string whole = generated_manifest({.models = 1, .columns = 1});
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const auto artifacts = Artifacts::from_memory(whole.substr(0, size));
    ASSERT_FALSE(artifacts) << size;
    ASSERT_EQ(artifacts.error().code, Code::kInvalidInput);
    ASSERT_NE(artifacts.error().message.find(size == 0 ? "empty" : "cut off at byte " + std::to_string(size)),
              std::string::npos)
        << artifacts.error().message;
  }
}

TEST(Catalog, CutOffAtAnyByteIsRefusedWithThePlace) {
  const std::string manifest = generated_manifest({.models = 2, .columns = 1});
  const std::string whole = generated_catalog({.models = 2, .columns = 1});
  ASSERT_EQ(refusal(manifest, whole), "taken");
  for (std::size_t size = 1; size < whole.size(); ++size)
    ASSERT_EQ(refusal(manifest, whole.substr(0, size))
                  .find("invalid_input: catalog.json is cut off at byte " + std::to_string(size) + ":"),
              0U)
        << refusal(manifest, whole.substr(0, size));
}

TEST(Manifest, WhatIsNoManifestIsNamed) {
  const auto schema = [](const std::string& url) {
    return R"({"metadata":{"dbt_schema_version":")" + url + R"("},"nodes":{}})";
  };
  const std::string base = "https://schemas.getdbt.com/dbt/";
  EXPECT_EQ(refusal(schema(base + "run-results/v6.json")),
            "invalid_input: manifest.json is dbt's run-results (v6), not its manifest");
  EXPECT_EQ(refusal(schema(base + "catalog/v1.json")),
            "invalid_input: manifest.json is dbt's catalog (v1), not its manifest");
  EXPECT_EQ(refusal(schema(base + "manifest/v13.json")),
            "unsupported: manifest.json is of schema version v13; versions v1 to v12 are understood");
  EXPECT_EQ(refusal(schema(base + "manifest/v0.json")),
            "unsupported: manifest.json is of schema version v0; versions v1 to v12 are understood");
  EXPECT_NE(refusal(schema("something")).find("does not say which version"), std::string::npos);
  EXPECT_NE(refusal("{}").find("unsupported: manifest.json does not say"), std::string::npos);
  EXPECT_NE(refusal("<html>").find("'<' at byte 0"), std::string::npos);
  EXPECT_EQ(refusal(""), "invalid_input: manifest.json is empty");
  EXPECT_NE(refusal(schema(base + "manifest/v12.json")).find("has no nodes"), std::string::npos);
  EXPECT_EQ(refusal(generated_manifest({}), generated_manifest({})),
            "invalid_input: catalog.json is dbt's manifest (v12), not its catalog");
  EXPECT_NE(refusal(manifest_with("") + "{").find("where the end of the file should stand"), std::string::npos);
  EXPECT_NE(
      refusal(R"({"metadata":{"dbt_schema_version":"https://schemas.getdbt.com/dbt/manifest/v12.json"},"nodes":[]})")
          .find("\"nodes\" is not an object"),
      std::string::npos);
}

TEST(Manifest, FilesAreMappedFromDisk) {
  const auto folder = std::filesystem::temp_directory_path() / ("tideline-extract-" + std::to_string(::getpid()));
  std::filesystem::create_directory(folder);
  const auto write = [&](const char* name, const std::string& text) {
    std::ofstream(folder / name, std::ios::binary) << text;
    return folder / name;
  };
  // To the end of a page exactly: nothing readable lies behind it.
  std::string manifest = generated_manifest({});
  manifest.insert(1, 4096 - manifest.size() % 4096, ' ');
  const auto artifacts =
      Artifacts::open(write("manifest.json", manifest), write("catalog.json", generated_catalog({})));
  ASSERT_TRUE(artifacts) << describe(artifacts.error());
  for (std::size_t i = 0; i < artifacts->size(); ++i) EXPECT_TRUE(artifacts->read(i));
  EXPECT_EQ(Artifacts::open(folder / "absent.json", {}).error().code, Code::kNotFound);
  EXPECT_EQ(Artifacts::open(folder, {}).error().code, Code::kInvalidInput);
  EXPECT_EQ(Artifacts::open(write("empty.json", ""), {}).error().message, "manifest.json is empty");
  std::filesystem::remove_all(folder);
}

TEST(Manifest, DisabledObjectsAndHooksAreLeftOut) {
  const auto artifacts = Artifacts::from_memory(manifest_with(
      model("a") + "," + model("off", R"(,"config":{"enabled":false})") + "," +
          model("b", R"(,"depends_on":{"nodes":["model.p.off","model.p.a","model.p.a","function.p.f"]})") +
          R"(,"operation.p.hook":{"resource_type":"operation"},"rpc.p.x":{"resource_type":"rpc"})",
      R"(,"sources":{"source.p.s.t":{"config":{"enabled":false}}},"disabled":{"model.p.c":[{}]},"functions":{"f":{}})"));
  ASSERT_TRUE(artifacts) << describe(artifacts.error());
  ASSERT_EQ(artifacts->size(), 2U);
  ASSERT_EQ(artifacts->warnings().texts.size(), 1U);
  EXPECT_EQ(artifacts->warnings().texts[0], "1 of type \"rpc\" was left out: this version does not know that type");
  const auto b = facts(*artifacts, "model.p.b");
  ASSERT_EQ(b.dependencies.size(), 1U);
  EXPECT_EQ(b.warnings.size(), 2U);
  EXPECT_NE(b.warnings[0].find("function.p.f"), std::string::npos);
}

TEST(Manifest, TheProjectIsKnownByItsIdOrItsSize) {
  const auto named = [](const std::string& metadata) {
    const auto artifacts = Artifacts::from_memory(
        R"({"nodes":{"model.a.x":{"resource_type":"model"},"model.b.x":{"resource_type":"model"},"model.b.y":)"
        R"({"resource_type":"model"}},"macros":{"macro.a.m":{},"macro.b.m":{},"macro.c.1":{},"macro.c.2":{},)"
        R"("macro.c.3":{}},"metadata":{"dbt_schema_version":"https://schemas.getdbt.com/dbt/manifest/v4.json")" +
        metadata + "}}");
    return artifacts ? artifacts->manifest().project_name : describe(artifacts.error());
  };
  EXPECT_EQ(named(R"(,"project_id":"0cc175b9c0f1b6a831c399e269772661")"), "a");  // MD5 of "a"
  EXPECT_EQ(named(R"(,"project_id":"00000000000000000000000000000000")"), "b");
  EXPECT_EQ(named(""), "b");
  EXPECT_EQ(named(R"(,"project_name":"c")"), "c");
}

TEST(Manifest, PathsArePutIntoOneForm) {
  const auto artifacts = Artifacts::from_memory(manifest_with(
      model("win", R"(,"package_name":"p","original_file_path":"models\\staging\\win.SQL")") + "," +
      model("dep", R"(,"package_name":"q","original_file_path":"models/dep.py")") + "," +
      model("odd", R"(,"package_name":"p","original_file_path":"../../etc/x.md")") + "," + model("none") + "," +
      model(
          "win2",
          R"(,"package_name":"p","original_file_path":"models/staging/win.SQL",)"
          R"("checksum":{"name":"sha256","checksum":"8AAF3f82d6948a706a8fd6e40493a59446ab84436c800b9bb986d6af6d3dc073"})")));
  ASSERT_TRUE(artifacts) << describe(artifacts.error());
  std::string listed;
  for (const auto& file : artifacts->files(kConnection))
    listed += file.relative_path + " " + file.file_type + " " + file.file_hash.value_or("-").substr(0, 4) + "\n";
  EXPECT_EQ(listed,
            "../../etc/x.md markdown -\n"
            "dbt_packages/q/models/dep.py python -\n"
            "models/staging/win.SQL sql 8aaf\n");
}

TEST(Manifest, OfTwoEntriesWithOneKeyTheLastCounts) {
  const auto artifacts = Artifacts::from_memory(
      manifest_with(model("a", R"(,"description":"first")") + "," + model("a", R"(,"description":"second")")));
  ASSERT_TRUE(artifacts);
  ASSERT_EQ(artifacts->size(), 1U);
  EXPECT_EQ(facts(*artifacts, "model.p.a").description, "second");
  EXPECT_EQ(artifacts->warnings().texts.size(), 1U);
}

TEST(Manifest, TextADatabaseCannotHoldIsReplacedAndReported) {
  const auto artifacts = Artifacts::from_memory(manifest_with(
      model("a",
            R"(,"description":"x\u0000y\ud800","meta":{"k\u0000":"\u0000"},"columns":{"c\u0000":{"name":"c\u0000"}})") +
      R"(,"model.p.\u0000b":{"resource_type":"model"})"));
  ASSERT_TRUE(artifacts);
  const auto a = facts(*artifacts, "model.p.a");
  EXPECT_EQ(a.description, "x\xEF\xBF\xBDy\xEF\xBF\xBD");
  EXPECT_GE(a.warnings.size(), 2U);
  EXPECT_NE(a.warnings[0].find("model.p.a"), std::string::npos);
  EXPECT_TRUE(
      artifacts->find("model.p.\xEF\xBF\xBD"
                      "b"));
  for (std::size_t i = 0; i < artifacts->size(); ++i) {
    const auto rows = to_rows(*artifacts->read(i), nullptr, kConnection);
    for (const auto& text : {rows.object.description.value_or(""), rows.object.metadata.text, rows.object.name}) {
      EXPECT_EQ(text.find('\0'), std::string::npos);
      EXPECT_EQ(text.find("\\u0000"), std::string::npos);
    }
  }
}

TEST(Manifest, NoTextOfTheWholeHoldsU0000Either) {
  const auto artifacts = Artifacts::from_memory(
      R"({"metadata":{"dbt_schema_version":"https://schemas.getdbt.com/dbt/manifest/v12.json","adapter_type":"a\u0000",)"
      R"("project_name":"p"},"nodes":{"model.p.a":{"resource_type":"model","package_name":"p","group":"g",)"
      R"("original_file_path":"x.sql"}},"groups":{"group.p.g":{"name":"g","package_name":"p","owner":{"name":"o\u0000",)"
      R"("email":"\u0000"}}}})");
  ASSERT_TRUE(artifacts) << describe(artifacts.error());
  EXPECT_EQ(artifacts->files(kConnection).at(0).dialect, "a\xEF\xBF\xBD");
  EXPECT_EQ(facts(*artifacts, "model.p.a").owner, "o\xEF\xBF\xBD");
  EXPECT_EQ(metadata(facts(*artifacts, "model.p.a"), "owner_email"), "\"\xEF\xBF\xBD\"");
}

TEST(Manifest, HostileInputIsRefusedWithTheObjectNamed) {
  EXPECT_NE(refusal(manifest_with(model("a", ",\"meta\":" + std::string(100'000, '['))))
                .find("nested deeper than 512 levels near byte"),
            std::string::npos);
  EXPECT_EQ(refusal(manifest_with(model("a", ",\"description\":\"\xFF\""))),
            "invalid_input: manifest.json: model.p.a is not valid UTF-8");
  EXPECT_NE(refusal(manifest_with(model("a", std::string(",\"description\":\"\0\"", 18)))).find("model.p.a"),
            std::string::npos);
  EXPECT_EQ(refusal(manifest_with("\"model.p.a\":5")), "invalid_input: manifest.json: model.p.a is not an object");
  EXPECT_NE(refusal(manifest_with(std::string("\"model.p.\0\\u0061\":{}", 20))).find("unique_id"), std::string::npos);
  EXPECT_NE(refusal(manifest_with("\"" + std::string(5000, 'x') + "\":{}")).find("unique_id has 5000 bytes"),
            std::string::npos);
  EXPECT_NE(refusal(manifest_with(model("a", ",\"alias\":\"" + std::string(5000, 'x') + "\""))).find("5000 bytes"),
            std::string::npos);
  // What is not read is checked for its nesting alone.
  EXPECT_NE(refusal(manifest_with(model("a", ",\"config\":{]"))).find("invalid_input"), std::string::npos);
  EXPECT_NE(refusal(manifest_with(model("a", ",\"config\":{\"a\" 1}"))).find("model.p.a"), std::string::npos);

  // Deep inside one member, and only there: found when the object is read.
  const auto deep = Artifacts::from_memory(
      manifest_with(model("a", ",\"meta\":{\"x\":" + std::string(100, '[') + std::string(100, ']') + "}")));
  ASSERT_TRUE(deep);
  const auto read = deep->read(0);
  ASSERT_FALSE(read);
  EXPECT_NE(read.error().message.find("\"meta\" of model.p.a"), std::string::npos) << read.error().message;

  Limits small;
  small.max_entry_bytes = 1000;
  const auto large = Artifacts::from_memory(
      manifest_with(model("a", ",\"description\":\"" + std::string(2000, 'x') + "\"")), {}, small);
  ASSERT_FALSE(large);
  EXPECT_EQ(large.error().code, Code::kTooLarge);
  std::string columns;
  for (int i = 0; i < 20'001; ++i) columns += (i > 0 ? ",\"c" : "\"c") + std::to_string(i) + "\":{}";
  const auto wide = Artifacts::from_memory(manifest_with(model("a", ",\"columns\":{" + columns + "}")));
  ASSERT_TRUE(wide);
  EXPECT_EQ(wide->read(0).error().message, "manifest.json: model.p.a has more than 20000 columns");
  small.max_entries = 2;
  EXPECT_EQ(
      Artifacts::from_memory(manifest_with(model("a") + "," + model("b") + "," + model("c")), {}, small).error().code,
      Code::kTooLarge);
}

TEST(Manifest, ALongTextIsTaken) {
  const std::string sql(7 << 20, 'x');
  const auto artifacts = Artifacts::from_memory(manifest_with(model("a", ",\"raw_code\":\"" + sql + "\"")));
  ASSERT_TRUE(artifacts);
  EXPECT_EQ(facts(*artifacts, "model.p.a").definition, sql);
}

/// The document with the value at `path` replaced by `with`.
void print_replacing(const Json& value, const std::vector<std::string>& path, std::size_t depth,
                     const std::string& with, std::string& out) {
  if (depth == path.size()) {
    out += with;
  } else if (const auto* object = value.if_object()) {
    out += '{';
    for (const auto& [key, member] : *object) {
      if (out.back() != '{') out += ',';
      append_json_string(out, key);
      out += ':';
      if (key == path[depth])
        print_replacing(member, path, depth + 1, with, out);
      else
        out += member.canonical();
    }
    out += '}';
  } else {
    out += value.canonical();
  }
}

void each_path(const Json& value, std::vector<std::string>& path, std::size_t deepest,
               const std::function<void(const std::vector<std::string>&)>& visit) {
  if (path.size() > 2) visit(path);
  if (path.size() == deepest || value.if_object() == nullptr) return;
  for (const auto& [key, member] : *value.if_object()) {
    path.push_back(key);
    each_path(member, path, deepest, visit);
    path.pop_back();
  }
}

TEST(Manifest, AnyMemberOfAnyTypeIsTakenOrRefusedByName) {
  const auto whole = Json::parse(generated_manifest({.models = 1, .columns = 1}), "manifest").value();
  std::vector<std::string> path;
  int taken = 0, refused = 0;
  each_path(whole, path, 6, [&](const std::vector<std::string>& at) {
    if (at[0] == "metadata" || at[0] == "docs") return;
    for (const char* with :
         {"5", "\"x\"", "true", "null", "[]", "{}", "[[1],{}]", "{\"a\":{\"b\":1}}", "\"\\u0000\""}) {
      std::string text;
      print_replacing(whole, at, 0, with, text);
      std::string where;
      for (const auto& part : at) where += "/" + part;
      const auto artifacts = Artifacts::from_memory(text);
      if (!artifacts) {
        ++refused;
        EXPECT_NE(artifacts.error().message.find(at[1]), std::string::npos)
            << where << " " << with << " " << artifacts.error().message;
        continue;
      }
      ++taken;
      for (std::size_t i = 0; i < artifacts->size(); ++i) {
        const auto read = artifacts->read(i);
        ASSERT_TRUE(read) << where << " = " << with << ": " << describe(read.error());
        const auto rows = to_rows(*read, nullptr, kConnection);
        EXPECT_TRUE(Json::parse(rows.object.metadata.text, "metadata")) << rows.object.metadata.text;
        for (const auto& warning : read->warnings) EXPECT_NE(warning.find(read->unique_id), std::string::npos);
      }
    }
  });
  EXPECT_GT(taken, 1000);
  EXPECT_EQ(refused, 0);  // every member is optional, of whatever type
}

TEST(Manifest, WrongTypesLeaveAWarning) {
  const auto artifacts = Artifacts::from_memory(manifest_with(model(
      "a",
      R"(,"description":5,"tags":{"a":1},"columns":["x"],"depends_on":"none","raw_code":["select 1"],"version":{})")));
  ASSERT_TRUE(artifacts);
  const auto a = facts(*artifacts, "model.p.a");
  ASSERT_EQ(a.warnings.size(), 6U);
  EXPECT_EQ(a.warnings[0], "model.p.a: \"description\" is a number where a text is expected; it was left out");
}

TEST(Catalog, ColumnsComeInTheWarehousesOrder) {
  const auto artifacts = Artifacts::from_memory(generated_manifest({}), generated_catalog({}));
  ASSERT_TRUE(artifacts) << describe(artifacts.error());
  ASSERT_NE(artifacts->catalog(), nullptr);
  EXPECT_EQ(artifacts->catalog()->relations, 5U);
  EXPECT_EQ(artifacts->catalog()->unmatched, 0U);
  const auto m0 = facts(*artifacts, "model.shop.m0");
  ASSERT_TRUE(m0.catalog);
  ASSERT_EQ(m0.catalog->columns.size(), 4U);
  for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(m0.catalog->columns[i].name, "C" + std::to_string(i));
  EXPECT_EQ(m0.catalog->type, "BASE TABLE");
  EXPECT_FALSE(facts(*artifacts, "model.shop.m4").catalog);  // the last was not built
}

TEST(Catalog, WhatTheManifestDoesNotHaveIsCounted) {
  const auto artifacts = Artifacts::from_memory(generated_manifest({.models = 2}), generated_catalog({.models = 6}));
  ASSERT_TRUE(artifacts);
  EXPECT_EQ(artifacts->catalog()->unmatched, 3U);
}

TEST(Example, IsTakenWithoutAWarning) {
  const std::filesystem::path target = std::filesystem::path(TIDELINE_SOURCE_DIR) / "examples/shop/target";
  const auto artifacts = Artifacts::open(target / "manifest.json", target / "catalog.json");
  ASSERT_TRUE(artifacts) << describe(artifacts.error());
  EXPECT_TRUE(artifacts->warnings().texts.empty());
  EXPECT_EQ(artifacts->catalog()->unmatched, 0U);
  for (std::size_t i = 0; i < artifacts->size(); ++i) {
    const auto read = artifacts->read(i);
    ASSERT_TRUE(read) << describe(read.error());
    EXPECT_TRUE(read->warnings.empty()) << read->warnings.front();
  }
  const auto orders = facts(*artifacts, "model.shop.orders");
  EXPECT_EQ(orders.owner, "Finance Data");
  EXPECT_TRUE(orders.columns.at(0).is_primary_key && orders.columns.at(1).is_foreign_key);
}

TEST(Artifacts, CanBeReadFromSeveralThreads) {
  const auto artifacts = Artifacts::from_memory(generated_manifest({.models = 50}), generated_catalog({.models = 50}));
  ASSERT_TRUE(artifacts);
  std::array<Digest, 3> digests;
  std::vector<std::thread> threads;
  for (auto& digest : digests)
    threads.emplace_back([&artifacts, &digest] {
      for (std::size_t i = 0; i < artifacts->size(); ++i)
        digest.of(Kind::kObject).add(row_hash(to_rows(*artifacts->read(i), nullptr, kConnection).object));
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(digests[0], digests[1]);
  EXPECT_EQ(digests[0], digests[2]);
}

}  // namespace
}  // namespace tideline::extract
