// What the database itself refuses, asked in the server's own role with no WHERE to help.
#include <set>

#include "tests/store/store_fixture.h"

namespace tideline::test {
namespace {

using Names = std::set<std::string>;

const Names kGlobalTables{"enterprise.organizations", "enterprise.users", "enterprise.user_identities",
                          "enterprise.schema_migrations", "enterprise.server_keys"};

class IsolationTest : public StoreTest {
 protected:
  void SetUp() override {
    StoreTest::SetUp();
    // The same project in both organizations, and a row in every table.
    for (const auto& who : {tenant(), other_tenant()}) {
      const auto connection = make_connection(who, "acme/shop");
      Project project;
      project.objects["model.a"] = {
          .columns = {{"id", "int"}, {"gone", "int"}}, .upstream = {"model.b"}, .lineage = {"id"}};
      project.objects["model.b"] = {.columns = {{"id", "int"}}};
      must(try_push(request_for(who, connection), project));
      project.objects["model.a"].columns.erase("gone");
      must(try_push(request_for(who, connection), project));
      store::DocumentationItem item;
      item.connection = connection;
      item.unique_id = "model.a";
      item.content.executive_summary = "text";
      must(run(store::put_documentation(*db_, who, {item}, soon())));
      must(run(in_tenant(who, "select metadata.upsert_ide_sync_session('" + who.organization.to_string() +
                                  "', 'acme/shop', 'hash', '1', null, null)")));
      add_service(who.organization, {"push"}, "secret" + who.organization.to_string());
    }
  }

  Names tables(const std::string& condition) {
    const auto rows =
        raw("select n.nspname || '.' || c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace"
            " where n.nspname in ('enterprise', 'metadata') and c.relkind in ('r', 'p') and " +
            condition);
    Names names;
    for (int row = 0; row < rows.rows(); ++row) names.emplace(rows.text(row, 0));
    return names;
  }
  Names tenant_tables() { return tables("c.relrowsecurity"); }

  pg::awaitable<Result<pg::ResultSet>> in_tenant(store::Tenant who, std::string sql) {
    co_return co_await with_settings("{\"sub\":\"" + who.user.to_string() + "\"}", who.organization.to_string(), sql);
  }
  /// As the server's login, switched to `authenticated`, with whatever identity.
  pg::awaitable<Result<pg::ResultSet>> with_settings(std::optional<std::string> claims,
                                                     std::optional<std::string> organization, std::string sql) {
    if (!server_) {
      CO_TRY(server_, co_await pg::Connection::connect(io.get_executor(), conninfo("tideline_server"), soon()));
    }
    pg::Pipeline pipeline;
    pipeline.add(pg::kBegin).add_text("set local role authenticated");
    if (claims) pipeline.add_text("select set_config('request.jwt.claims', " + pg::quote_literal(*claims) + ", true)");
    if (organization) {
      pipeline.add_text("select set_config('request.organization_id', " + pg::quote_literal(*organization) + ", true)");
    }
    pipeline.add_text(std::move(sql)).add(pg::kCommit);
    auto results = co_await server_->run_all(std::move(pipeline), soon());
    if (server_->needs_recovery()) CO_TRY_VOID(co_await server_->recover(soon()));
    if (!results) co_return fail(results.error());
    co_return std::move((*results)[results->size() - 2]);
  }
  Result<pg::ResultSet> ask(std::optional<std::string> claims, std::optional<std::string> organization,
                            const std::string& sql) {
    return run(with_settings(std::move(claims), std::move(organization), sql));
  }

  std::unique_ptr<pg::Connection> server_;
};

TEST_F(IsolationTest, EveryTableButTheGlobalOnesForcesRowLevelSecurity) {
  EXPECT_EQ(tables("not (c.relrowsecurity and c.relforcerowsecurity)"), kGlobalTables);
  for (const auto& table : tenant_tables())
    EXPECT_GT(count(table), 0) << table << " has no row: the tests below see nothing";
}

TEST_F(IsolationTest, EveryTenantTableAndItsIndexesLeadWithTheOrganization) {
  const auto rows =
      raw("select i.indexrelid::regclass::text from pg_index i join pg_class c on c.oid = i.indrelid"
          " join pg_namespace n on n.oid = c.relnamespace"
          " where n.nspname in ('enterprise', 'metadata') and c.relrowsecurity"
          " and (select attname from pg_attribute a where a.attrelid = c.oid and a.attnum = i.indkey[0]) <> "
          "'organization_id'"
          " order by 1");
  // Looked up before the organization is known: whose token, and which organizations a user has.
  Names names;
  for (int row = 0; row < rows.rows(); ++row) names.emplace(rows.text(row, 0));
  EXPECT_EQ(names, (Names{"enterprise.api_tokens_sha256", "enterprise.user_organization_roles_user"}));
}

TEST_F(IsolationTest, WithoutAnIdentityThereIsNoRow) {
  const std::string mine = org_.to_string();
  const std::string me = "{\"sub\":\"" + admin_user_.to_string() + "\"}";
  struct Case {
    std::string name;
    std::optional<std::string> claims, organization;
  };
  const std::vector<Case> cases{
      {"nothing set", {}, {}},
      {"empty strings, as a pooled connection has them", "", ""},
      {"no user", "{}", mine},
      {"no organization", me, {}},
      {"an empty user", "{\"sub\":\"\"}", mine},
      {"somebody unknown", "{\"sub\":\"" + Uuid::random().to_string() + "\"}", mine},
      {"a member of another organization", "{\"sub\":\"" + other_user_.to_string() + "\"}", mine},
      {"an organization that is not there", me, OrganizationId::random().to_string()},
  };
  for (const auto& table : tenant_tables()) {
    for (const auto& c : cases) {
      const auto rows = ask(c.claims, c.organization, "select * from " + table);
      // Members see their own membership, whichever organization the request is for.
      if (table == "enterprise.user_organization_roles" && c.claims && c.claims->find("-") != std::string::npos)
        continue;
      if (!rows) {
        EXPECT_EQ(rows.error().code, Code::kPermissionDenied) << table << ": " << rows.error().detail;
        continue;
      }
      EXPECT_EQ(rows->rows(), 0) << table << " with " << c.name;
    }
  }
}

TEST_F(IsolationTest, EachSeesItsOwnRowsAlone) {
  for (const auto& who : {tenant(), other_tenant(), store::Tenant{org_, member_user_}}) {
    for (const auto& table : tenant_tables()) {
      if (table == "enterprise.api_tokens") continue;  // nobody's but the administrator's
      const auto rows = must(run(in_tenant(who, "select organization_id from " + table)));
      for (int row = 0; row < rows.rows(); ++row) {
        EXPECT_EQ(rows.id<OrganizationId>(row, 0), who.organization) << table;
      }
      const bool own = table == "metadata.ide_sync_sessions" && who.user == member_user_;
      if (!own) EXPECT_GT(rows.rows(), 0) << table;
    }
    const auto roles = must(run(in_tenant(who, "select user_id from enterprise.user_organization_roles")));
    ASSERT_EQ(roles.rows(), 1);
    EXPECT_EQ(roles.id<UserId>(0, 0), who.user);
  }
}

TEST_F(IsolationTest, RequestsReadNoGlobalTableAndNoToken) {
  for (auto table : kGlobalTables) {
    const auto rows = run(in_tenant(tenant(), "select * from " + table));
    ASSERT_FALSE(rows) << table;
    EXPECT_EQ(rows.error().code, Code::kPermissionDenied) << table;
  }
  EXPECT_FALSE(run(in_tenant(tenant(), "select * from enterprise.api_tokens")));
}

TEST_F(IsolationTest, OnlyWritersWrite) {
  const auto reader = add_service(org_, {"read"}, "reader");
  const auto writer = add_service(org_, {"push"}, "writer");
  const Names synced{"enterprise.connections",
                     "metadata.heads",
                     "metadata.versions",
                     "metadata.tombstones",
                     "metadata.repositories",
                     "metadata.files",
                     "metadata.objects",
                     "metadata.columns",
                     "metadata.dependencies",
                     "metadata.columns_lineage",
                     "metadata.object_documentation"};
  for (const auto& table : synced) {
    const std::string update = "update " + table + " set organization_id = organization_id";
    // Not those the database works out itself: naming one is refused before any right is looked at.
    const std::string columns(raw("select string_agg(quote_ident(attname), ', ' order by attnum) from pg_attribute"
                                  " where attrelid = '" +
                                  table + "'::regclass and attnum > 0 and not attisdropped and attgenerated = ''")
                                  .text(0, 0));
    const std::string insert =
        "insert into " + table + " (" + columns + ") select " + columns + " from " + table + " limit 1";
    for (const auto user : {member_user_, reader, other_user_}) {
      const store::Tenant who{org_, user};
      EXPECT_EQ(must(run(in_tenant(who, update))).affected_rows(), 0) << table;
      EXPECT_EQ(must(run(in_tenant(who, "delete from " + table))).affected_rows(), 0) << table;
      const auto inserted = run(in_tenant(who, insert));
      if (user == other_user_) continue;  // he has nothing to insert
      ASSERT_FALSE(inserted) << table;
      EXPECT_EQ(inserted.error().code, Code::kPermissionDenied) << table << inserted.error().detail;
    }
    EXPECT_GT(must(run(in_tenant({org_, writer}, update))).affected_rows(), 0) << table;
    // A writer cannot move a row across the border either.
    const auto moved =
        run(in_tenant({org_, writer}, "update " + table + " set organization_id = '" + other_org_.to_string() + "'"));
    ASSERT_FALSE(moved) << table;
    EXPECT_EQ(moved.error().code, Code::kPermissionDenied) << table << moved.error().detail;
  }
}

TEST_F(IsolationTest, ARevokedOrExpiredTokenWritesNoMore) {
  const auto writer = add_service(org_, {"push"}, "writer");
  const std::string update = "update metadata.heads set floor = floor";
  EXPECT_EQ(must(run(in_tenant({org_, writer}, update))).affected_rows(), 1);
  raw("update enterprise.api_tokens set expires_at = now() - interval '1 s' where user_id = '" + writer.to_string() +
      "'");
  EXPECT_EQ(must(run(in_tenant({org_, writer}, update))).affected_rows(), 0);
  raw("update enterprise.api_tokens set expires_at = null, revoked_at = now() where user_id = '" + writer.to_string() +
      "'");
  EXPECT_EQ(must(run(in_tenant({org_, writer}, update))).affected_rows(), 0);
}

TEST_F(IsolationTest, SessionsAreTheirOwnersAndAdminsReadThem) {
  must(run(in_tenant({org_, member_user_}, "select metadata.upsert_ide_sync_session('" + org_.to_string() +
                                               "', 'w', 'h', '1', null, null)")));
  EXPECT_EQ(must(run(in_tenant({org_, member_user_}, "select * from metadata.ide_sync_sessions"))).rows(), 1);
  EXPECT_EQ(must(run(in_tenant(tenant(), "select * from metadata.ide_sync_sessions"))).rows(), 2);
  EXPECT_EQ(must(run(in_tenant(tenant(), "update metadata.ide_sync_sessions set ide_version = 'x'"))).affected_rows(),
            1);
  EXPECT_FALSE(run(in_tenant(tenant(), "select metadata.upsert_ide_sync_session('" + other_org_.to_string() +
                                           "', 'w', 'h', '1', null, null)")));
}

TEST_F(IsolationTest, TheServersLoginIsNothingByItself) {
  auto server = connect("tideline_server");
  EXPECT_TRUE(run(store::check_server_login(*server, soon())));
  EXPECT_TRUE(run(store::check_schema(*server, soon())));
  for (const auto& table : tenant_tables()) {
    pg::Pipeline pipeline;
    pipeline.add_text("select * from " + table);
    const auto rows = run(server->run_all(std::move(pipeline), soon()));
    ASSERT_FALSE(rows) << table;
    EXPECT_EQ(rows.error().code, Code::kPermissionDenied) << table;
  }
  for (const auto* role : {"tideline_owner", "tideline_admin", "postgres"}) {
    pg::Pipeline pipeline;
    pipeline.add_text(std::string("set role ") + role);
    EXPECT_FALSE(run(server->run_all(std::move(pipeline), soon()))) << role;
  }
  auto root = connect();
  EXPECT_EQ(run(store::check_server_login(*root, soon())).error().code, Code::kPermissionDenied);
  EXPECT_EQ(run(store::check_server_login(*admin_, soon())).error().code, Code::kPermissionDenied);
}

TEST_F(IsolationTest, APooledConnectionForgetsWhoUsedItLast) {
  auto single = open_database(1);
  const auto object_count = [&](store::Tenant who) {
    std::vector<store::Query> queries(1);
    queries[0].statement = {"test_objects", "select organization_id from metadata.objects"};
    const auto results = must(run(single->read(who, std::move(queries), soon(), store::Consistency::kPrimary)));
    for (int row = 0; row < results[0].rows(); ++row) {
      EXPECT_EQ(results[0].id<OrganizationId>(row, 0), who.organization);
    }
    return results[0].rows();
  };
  for (int round = 0; round < 20; ++round) {
    EXPECT_EQ(object_count(tenant()), 2);
    EXPECT_EQ(object_count(other_tenant()), 2);
    EXPECT_EQ(object_count({org_, other_user_}), 0);
    EXPECT_EQ(object_count({other_org_, admin_user_}), 0);
  }
  must(run(single->close(soon())));
}

}  // namespace
}  // namespace tideline::test
