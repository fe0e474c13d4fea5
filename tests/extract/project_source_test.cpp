#include "extract/project_source.h"

#include <cstdlib>
#include <fstream>
#include <map>
#include <set>

#include <unistd.h>

#include <gtest/gtest.h>

#include "base/json.h"
#include "extract/artifacts.h"
#include "extract/dbt_names.h"

namespace tideline::extract {
namespace {

/// The manifest of a project of these files; fails the test where there is none.
Json read(std::initializer_list<std::pair<const char*, const char*>> files,
          std::vector<std::string>* problems = nullptr) {
  ProjectFiles project;
  project.packages.push_back({"", {}});
  for (const auto& [path, text] : files) {
    std::string where = path;
    if (where.starts_with("dbt_packages/")) {
      const std::size_t end = where.find('/', 13);
      if (project.packages.back().directory != where.substr(0, end))
        project.packages.push_back({where.substr(0, end), {}});
      where = where.substr(end + 1);
    }
    project.packages.back().files.push_back({where, text});
  }
  const auto document = describe_project(project);
  EXPECT_TRUE(document) << (document ? "" : document.error().message);
  if (!document) return {};
  if (problems != nullptr) *problems = document->problems;
  // What reads manifests reads it.
  const auto artifacts = Artifacts::from_memory(document->manifest);
  EXPECT_TRUE(artifacts) << (artifacts ? "" : artifacts.error().message);
  for (std::size_t i = 0; artifacts && i < artifacts->size(); ++i)
    EXPECT_TRUE(artifacts->read(i)) << artifacts->unique_id(i);
  return *Json::parse(document->manifest, "manifest");
}

const Json& node(const Json& manifest, const char* section, const char* id) {
  static const Json kNone;
  const Json* found = manifest.find(section)->find(id);
  EXPECT_NE(found, nullptr) << id << " is not among the " << section;
  return found == nullptr ? kNone : *found;
}
std::string member(const Json& json, const char* key) {
  const Json* value = json.find(key);
  return value == nullptr ? "absent" : value->canonical();
}
std::string config(const Json& json, const char* key) { return member(*json.find("config"), key); }
std::string upstream(const Json& json) { return member(*json.find("depends_on"), "nodes"); }

TEST(ProjectSource, TheExampleHasTheIdsAndEdgesOfItsManifest) {
  const std::filesystem::path root = std::filesystem::path(TIDELINE_SOURCE_DIR) / "examples/shop";
  const auto files = load_project(root);
  ASSERT_TRUE(files) << files.error().message;
  const auto document = describe_project(*files);
  ASSERT_TRUE(document);
  EXPECT_TRUE(document->problems.empty()) << document->problems.front();
  const auto project = Artifacts::from_memory(document->manifest);
  const auto manifest = Artifacts::open(root / "target/manifest.json", "");
  ASSERT_TRUE(project);
  ASSERT_TRUE(manifest);
  ASSERT_EQ(project->size(), manifest->size());
  for (std::size_t i = 0; i < project->size(); ++i) {
    ASSERT_EQ(project->unique_id(i), manifest->unique_id(i));
    const auto ours = project->read(i), theirs = manifest->read(i);
    ASSERT_TRUE(ours && theirs);
    EXPECT_EQ(ours->relative_path, theirs->relative_path) << ours->unique_id;
    EXPECT_EQ(ours->definition, theirs->definition) << ours->unique_id;
    EXPECT_EQ(ours->description, theirs->description) << ours->unique_id;
    EXPECT_EQ(ours->owner, theirs->owner) << ours->unique_id;
    const auto edges = [](const ObjectFacts& facts) {
      std::vector<std::pair<std::string, std::string>> list;
      for (const auto& edge : facts.dependencies) list.emplace_back(edge.upstream_unique_id, edge.type);
      return list;
    };
    EXPECT_EQ(edges(*ours), edges(*theirs)) << ours->unique_id;
    ASSERT_EQ(ours->columns.size(), theirs->columns.size()) << ours->unique_id;
    for (std::size_t c = 0; c < ours->columns.size(); ++c) {
      EXPECT_EQ(ours->columns[c].name, theirs->columns[c].name);
      EXPECT_EQ(ours->columns[c].description, theirs->columns[c].description);
      EXPECT_EQ(ours->columns[c].meta, theirs->columns[c].meta);
      EXPECT_EQ(ours->columns[c].is_foreign_key, theirs->columns[c].is_foreign_key);
    }
  }
}

TEST(ProjectSource, ConfigurationComesFromTheTreeThenTheYmlThenTheFile) {
  const Json m =
      read({{"dbt_project.yml",
             "name: p\nmodels:\n  +tags: all\n  p:\n    marts:\n      +materialized: table\n      +schema: m\n"
             "      +tags: [a]\n      +meta: {x: 1, y: 1}\n    off: {+enabled: false}\n"},
            {"models/marts/a.sql", "{{ config(materialized='incremental', tags=['c']) }}select 1"},
            {"models/marts/b.sql", "select 1"},
            {"models/off/c.sql", "select 1"},
            {"models/d.sql", "{{ config(enabled=false) }}select 1"},
            {"models/s.yml", "models:\n  - name: a\n    config: {materialized: view, tags: b, meta: {y: 2}}\n"}});
  const Json& a = node(m, "nodes", "model.p.a");
  EXPECT_EQ(config(a, "materialized"), "\"incremental\"");
  EXPECT_EQ(config(a, "schema"), "\"m\"");
  EXPECT_EQ(config(a, "tags"), R"(["all","a","b","c"])");
  EXPECT_EQ(config(a, "meta"), R"({"x":1,"y":2})");
  // The target's schema is not known, so this is no schema yet.
  EXPECT_EQ(member(a, "schema"), "absent");
  EXPECT_EQ(config(node(m, "nodes", "model.p.b"), "materialized"), "\"table\"");
  EXPECT_EQ(m.find("nodes")->find("model.p.c"), nullptr);
  EXPECT_EQ(m.find("nodes")->find("model.p.d"), nullptr);
}

TEST(ProjectSource, PackagesHaveTheirVariablesAndTheProjectOverrulesThem) {
  const Json m =
      read({{"dbt_project.yml", "name: p\nvars:\n  q: {table: from_p}\nmodels:\n  q: {+materialized: table}\n"},
            {"models/a.sql", "select * from {{ ref('q', 'b') }} {{ q.helper() }}"},
            {"models/from_p.sql", "select 1"},
            {"macros/m.sql", "{% macro own() %}{{ q.helper() }}{% endmacro %}"},
            {"dbt_packages/q/dbt_project.yml",
             "name: q\nvars: {table: x, src: \"{{ source('s', 't') }}\"}\nmodels: {q: {+materialized: ephemeral}}\n"},
            {"dbt_packages/q/models/b.sql", "select * from {{ ref(var('table')) }} join {{ var('src') }}"},
            {"dbt_packages/q/models/c.sql", "select 1"},
            {"dbt_packages/q/models/s.yml", "sources: [{name: s, tables: [{name: t}]}]\n"},
            {"dbt_packages/q/macros/m.sql", "{% macro helper() %}{{ ref('c') }}{% endmacro %}"}});
  EXPECT_EQ(upstream(node(m, "nodes", "model.p.a")), R"(["model.q.b","model.q.c"])");
  EXPECT_EQ(upstream(node(m, "nodes", "model.q.b")), R"(["model.p.from_p","source.q.s.t"])");
  EXPECT_EQ(config(node(m, "nodes", "model.q.b"), "materialized"), "\"table\"");
  EXPECT_EQ(member(*node(m, "macros", "macro.p.own").find("depends_on"), "macros"), R"(["macro.q.helper"])");
}

TEST(ProjectSource, VersionsDocumentsAndTests) {
  const Json m =
      read({{"dbt_project.yml", "name: p\n"},
            {"models/d.md", "{% docs about %}\nOne row per *x*.\n{% enddocs %}"},
            {"models/m_v1.sql", "select 1"},
            {"models/m2.sql", "select 2"},
            {"models/r.sql", "select * from {{ ref('m') }} join {{ ref('m', v=1) }}"},
            {"models/s.yml",
             "models:\n  - name: m\n    description: \"{{ doc('about') }}\"\n    latest_version: 2\n    columns: "
             "[{name: a, tests: [unique]}, {name: b}]\n"
             "    versions:\n      - {v: 1, columns: [{include: all, exclude: [b]}]}\n      - {v: 2, defined_in: m2}\n"
             "  - name: r\n    tests:\n      - dbt_utils.unique_combination_of_columns: {combination_of_columns: "
             "[a_rather_long_name, another_rather_long_name]}\n"
             "      - named: {name: my_test, severity: warn, x: \"ref('m')\"}\n"}});
  const Json& v1 = node(m, "nodes", "model.p.m.v1");
  EXPECT_EQ(member(v1, "description"), "\"One row per *x*.\"");
  EXPECT_EQ(member(v1, "latest_version"), "2");
  EXPECT_EQ(v1.find("columns")->find("b"), nullptr);
  EXPECT_NE(node(m, "nodes", "model.p.m.v2").find("columns")->find("b"), nullptr);
  EXPECT_EQ(upstream(node(m, "nodes", "model.p.r")), R"(["model.p.m.v1","model.p.m.v2"])");
  std::set<std::string> tests;
  for (const auto& [id, test] : *m.find("nodes")->if_object())
    if (id.starts_with("test."))
      tests.insert(id.substr(0, id.rfind('.')) + " " + *test.string_at("raw_code") + upstream(test));
  EXPECT_EQ(
      tests,
      (std::set<std::string>{
          R"(test.p.unique_m_v1_a {{ test_unique(**_dbt_generic_test_kwargs) }}["model.p.m.v1"])",
          R"(test.p.unique_m_v2_a {{ test_unique(**_dbt_generic_test_kwargs) }}["model.p.m.v2"])",
          R"(test.p.my_test {{ test_named(**_dbt_generic_test_kwargs) }}{{ config(severity="warn") }}["model.p.m.v2","model.p.r"])",
          "test.p.dbt_utils_unique_combination_of_columns_r_a_rather_long_name__another_rather_long_name "
          "{{ dbt_utils.test_unique_combination_of_columns(**_dbt_generic_test_kwargs) }}"
          "{{ config(alias=\"dbt_utils_unique_combination_o_b102105d4b4ae5ffad243c1af7c96eac\") }}[\"model.p.r\"]"}));
}

TEST(ProjectSource, ABadFileLosesOnlyItself) {
  std::vector<std::string> problems;
  const Json m = read({{"dbt_project.yml", "name: p\n"},
                       {"models/a.sql", "select 1"},
                       {"models/b.sql", "\nselect {{ ref('a' }} from {{ ref('gone') }}"},
                       {"models/bad.yml", "models:\n  - name: a\n   description: x\n"},
                       {"models/good.yml", "models:\n  - name: a\n    description: y\n    columns: none\n"}},
                      &problems);
  EXPECT_EQ(member(node(m, "nodes", "model.p.a"), "description"), "\"y\"");
  EXPECT_EQ(upstream(node(m, "nodes", "model.p.b")), R"(["model.p.a"])");
  EXPECT_EQ(problems, (std::vector<std::string>{
                          "models/bad.yml:3:4: while parsing a block collection, did not find expected '-' indicator",
                          "models/good.yml:4:14: `columns`: expected a list, found a text",
                          "models/b.sql:2:18: expected `,` or `)`, found the end of the tag",
                          "model.p.b: refers to gone, which is disabled or not there"}));
}

TEST(ProjectSource, SaysWhatTheFilesDoNotTell) {
  const Json m = read({{"dbt_project.yml", "name: p\n"},
                       {"models/a.sql", "select 1"},
                       {"models/b.sql",
                        "select {{ m(1) }}\n{% if target.name == 'x' %} from {{ ref('a') }} {% endif %}\njoin {{ "
                        "ref(env_var('X')) }}"}});
  EXPECT_EQ(member(node(m, "nodes", "model.p.b"), "tideline"),
            R"({"conditional":["a"],"opaque":[{"line":1,"name":"m","reason":"macro"},{"line":2,"reason":"branch"},)"
            R"({"line":3,"name":"X","reason":"environment"}],"unresolved_lines":[3]})");
}

TEST(ProjectSource, RefusesWhatIsNoProject) {
  EXPECT_EQ(load_project(TIDELINE_SOURCE_DIR "/src").error().code, Code::kNotFound);
  ProjectFiles files;
  files.packages.push_back({"", {{"dbt_project.yml", "profile: x\n"}}});
  EXPECT_EQ(describe_project(files).error().message, "dbt_project.yml:1:1: expected `name`, the name of the project");
}

/// A directory that is the project `p` with things beside it; gone at the end.
class ProjectLinks : public testing::Test {
 protected:
  void SetUp() override {
    root_ = std::filesystem::temp_directory_path() / ("tideline-project-" + std::to_string(::getpid()));
    std::filesystem::remove_all(root_);
    write("p/dbt_project.yml", "name: p\n");
    write("p/models/a.sql", "select 1");
    write("q/secret.sql", "select 1");
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  void write(const std::filesystem::path& path, const char* text) {
    std::filesystem::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << text;
  }
  void link(const std::filesystem::path& target, const std::filesystem::path& path) {
    std::filesystem::create_directories((root_ / path).parent_path());
    std::filesystem::create_symlink(target, root_ / path);
  }
  static std::vector<std::string> paths(const PackageFiles& package) {
    std::vector<std::string> paths;
    for (const auto& file : package.files) paths.push_back(file.path);
    return paths;
  }

  std::filesystem::path root_;
};
using Paths = std::vector<std::string>;

TEST_F(ProjectLinks, NothingOutsideOfTheProjectIsRead) {
  write("p/dbt_project.yml", "name: p\nmodel-paths: [models, ../q, /etc, away]\npackages-install-path: ../installed\n");
  write("installed/other/dbt_project.yml", "name: other\n");
  link(root_ / "q", "p/models/folder");
  link(root_ / "q/secret.sql", "p/models/file.sql");
  link("../../q/secret.sql", "p/models/relative.sql");
  link("file.sql", "p/models/twice.sql");
  link("nowhere.sql", "p/models/broken.sql");
  link("../q", "p/away");
  link(root_ / "q/secret.sql", "p/packages.yml");
  const auto files = load_project(root_ / "p");
  ASSERT_TRUE(files);
  ASSERT_EQ(files->packages.size(), 1U);
  EXPECT_EQ(paths(files->packages[0]), (Paths{"dbt_project.yml", "models/a.sql"}));
  auto problems = files->problems;
  std::sort(problems.begin(), problems.end());
  const std::string q = std::filesystem::canonical(root_ / "q").string();
  const std::string left_out = "; it was left out";
  EXPECT_EQ(problems, (Paths{"away: leads out of the project, to " + q + left_out,
                             "dbt_project.yml: the path ../installed leaves the project; its packages were left out",
                             "dbt_project.yml: the path ../q leaves the project; it was left out",
                             "dbt_project.yml: the path /etc leaves the project; it was left out",
                             "models/broken.sql: cannot be read: No such file or directory",
                             "models/file.sql: leads out of the project, to " + q + "/secret.sql" + left_out,
                             "models/folder: leads out of the project, to " + q + left_out,
                             "models/relative.sql: leads out of the project, to " + q + "/secret.sql" + left_out,
                             "models/twice.sql: leads out of the project, to " + q + "/secret.sql" + left_out}));
}

TEST_F(ProjectLinks, NorIsItsOwnFile) {
  write("q/dbt_project.yml", "name: q\n");
  std::filesystem::remove(root_ / "p/dbt_project.yml");
  link("../q/dbt_project.yml", "p/dbt_project.yml");
  const auto files = load_project(root_ / "p");
  ASSERT_FALSE(files);
  EXPECT_TRUE(files.error().message.starts_with("dbt_project.yml: leads out of the project, to "))
      << files.error().message;
}

TEST_F(ProjectLinks, WithinTheProjectTheyAreFollowed) {
  write("p/shared/deep/b.sql", "select 1");
  link("../../shared", "p/models/x/link");
  link("a.sql", "p/models/again.sql");
  const auto files = load_project(root_ / "p");
  ASSERT_TRUE(files);
  EXPECT_EQ(paths(files->packages[0]),
            (Paths{"dbt_project.yml", "models/a.sql", "models/again.sql", "models/x/link/deep/b.sql"}));
  EXPECT_EQ(files->problems, Paths());
  // So is the project by a link to it.
  link("p", "other");
  EXPECT_EQ(load_project(root_ / "other")->packages[0].files.size(), 4U);
}

TEST_F(ProjectLinks, ARingEnds) {
  link(".", "p/models/self");
  link("..", "p/models/up");
  for (const char* from : {"a", "b", "c"})
    for (const char* to : {"a", "b", "c"})
      link(std::filesystem::path("..") / to, std::filesystem::path("p/models") / from / ("to_" + std::string(to)));
  const auto files = load_project(root_ / "p");
  ASSERT_TRUE(files);
  EXPECT_EQ(paths(files->packages[0]), (Paths{"dbt_project.yml", "models/a.sql"}));
  EXPECT_EQ(files->problems, Paths());
}

TEST_F(ProjectLinks, AnInstalledPackageMayBeOneOfTheRepository) {
  write("repo/analytics/dbt_project.yml", "name: analytics\n");
  write("repo/shared/dbt_project.yml", "name: shared\n");
  write("repo/shared/macros/m.sql", "{% macro m() %}1{% endmacro %}");
  link(root_ / "q/secret.sql", "repo/shared/macros/secret.sql");
  link("../../shared", "repo/analytics/dbt_packages/shared");
  link("../../../p", "repo/analytics/dbt_packages/p");
  write("repo/analytics/packages.yml", "packages: [{package: some/other}]");
  auto files = load_project(root_ / "repo/analytics");
  ASSERT_TRUE(files);
  EXPECT_EQ(files->packages.size(), 1U) << "no repository is here";
  write("repo/.git/HEAD", "ref: refs/heads/main");
  files = load_project(root_ / "repo/analytics");
  ASSERT_TRUE(files);
  ASSERT_EQ(files->packages.size(), 2U);
  EXPECT_EQ(files->missing_packages, Paths{"some/other"});
  EXPECT_EQ(paths(files->packages[1]), (Paths{"dbt_project.yml", "macros/m.sql"}));
  ASSERT_EQ(files->problems.size(), 2U);
  EXPECT_TRUE(files->problems[0].starts_with("dbt_packages/p: leads out of the repository, to ")) << files->problems[0];
  EXPECT_TRUE(files->problems[1].starts_with("dbt_packages/shared/macros/secret.sql: leads out of the project, to "));
}

TEST(DbtNames, AreThoseOfTheRealProjects) {
  const char* root = std::getenv("TIDELINE_TEST_DATA");
  if (root == nullptr) GTEST_SKIP() << "TIDELINE_TEST_DATA is not set";
  std::size_t tests = 0, hashes = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(std::filesystem::path(root) / "dbt")) {
    if (entry.path().filename() != "manifest.json") continue;
    std::ifstream in(entry.path(), std::ios::binary);
    const auto manifest = Json::parse(std::string{std::istreambuf_iterator<char>(in), {}}, "manifest");
    ASSERT_TRUE(manifest);
    const bool is_first_version = manifest->find("metadata")->string_at("dbt_schema_version")->ends_with("/v1.json");
    for (const auto& [id, test] : *manifest->find("nodes")->if_object()) {
      const Json* metadata = test.find("test_metadata");
      if (metadata == nullptr || metadata->is_null()) continue;
      GenericTest generic;
      generic.name = *metadata->string_at("name");
      generic.name_space = metadata->string_at("namespace").value_or("");
      for (const auto& argument : *metadata->find("kwargs")->if_object()) {
        if (argument.first == "model")
          generic.model = *argument.second.if_string();
        else
          generic.arguments.push_back(argument);
      }
      const bool is_source = generic.model.find("source(") != std::string::npos;
      std::string target;
      const std::size_t call = generic.model.find(is_source ? "source(" : "ref(");
      for (std::size_t at = call; (at = generic.model.find('\'', at)) < generic.model.find(')', call);) {
        const std::size_t end = generic.model.find('\'', at + 1);
        target += (target.empty() ? "" : "_") + generic.model.substr(at + 1, end - at - 1);
        at = end + 1;
      }
      ++tests;
      EXPECT_EQ(test_names(generic, target, is_source).full, *test.string_at("name")) << id;
      if (is_first_version) continue;  // had no hashes
      EXPECT_TRUE(id.ends_with("." + test_hash(generic, *test.string_at("name")))) << id;
      ++hashes;
    }
  }
  EXPECT_GT(hashes, 1000U);
  std::cout << tests << " tests, " << hashes << " hashes\n";
}

}  // namespace
}  // namespace tideline::extract
