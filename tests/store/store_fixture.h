#pragma once
// A migrated database with two organizations in it, and rows made by hand: small projects whose every part a test can
// change.

#include <map>
#include <string>
#include <vector>

#include <boost/asio/thread_pool.hpp>

#include "base/hash.h"
#include "store/admin.h"
#include "store/connections.h"
#include "store/database.h"
#include "store/documentation.h"
#include "store/migrate.h"
#include "store/prune.h"
#include "store/push.h"
#include "store/record_rows.h"
#include "tests/support/cluster_fixture.h"

namespace tideline::test {

/// Objects by unique_id, each with what hangs on it; any of it may be changed between pushes.
struct Project {
  struct Object {
    std::string type = "model";
    std::string file = "models/a.sql";
    std::optional<std::string> compiled = std::nullopt;
    std::string description = {};
    std::map<std::string, std::string> columns = {};  // name → data type
    std::vector<std::string> upstream = {};           // unique_ids
    std::vector<std::string> lineage = {};            // columns, each from the first upstream's column of that name
    bool keeps_compiled = false;                      // brings none, and keeps what is held
  };
  std::map<std::string, Object> objects;
};

class ProjectRows : public store::RowSource {
 public:
  explicit ProjectRows(Project project) : project_(std::move(project)) {
    for (const auto& [id, object] : project_.objects) ids_.push_back(id);
  }
  std::vector<FileRecord> files(const ConnectionId& connection) const override {
    std::map<std::string, FileRecord> files;
    for (const auto& [id, object] : project_.objects) {
      FileRecord file;
      file.id = file_id(connection, object.file);
      file.connection_id = connection.value;
      file.relative_path = object.file;
      file.file_type = "sql";
      file.size_bytes = static_cast<std::int64_t>(object.file.size());
      file.parser_used = "test";
      files.emplace(object.file, std::move(file));
    }
    std::vector<FileRecord> list;
    for (auto& [path, file] : files) list.push_back(std::move(file));
    return list;
  }
  std::size_t size() const override { return ids_.size(); }
  Uuid object_id(std::size_t index, const ConnectionId& connection) const override {
    return tideline::object_id(connection, ids_[index]);
  }
  Result<std::optional<store::ObjectRowSet>> read(std::size_t index, const ConnectionId& connection,
                                                  const store::HeldFacts* held) const override {
    const std::string& id = ids_[index];
    const auto& source = project_.objects.at(id);
    if (source.keeps_compiled && !held) return std::optional<store::ObjectRowSet>();
    store::ObjectRowSet rows;
    ObjectRecord& object = rows.object;
    object.id = tideline::object_id(connection, id);
    object.connection_id = connection.value;
    object.file_id = file_id(connection, source.file);
    object.name = id;
    object.full_name = "db.schema." + id;
    object.object_type = source.type;
    object.definition = "select '" + id + "' -- ünïcode 漢字";
    object.compiled_definition = source.keeps_compiled ? held->compiled_definition : source.compiled;
    object.description = source.description;
    object.metadata.text = "{\"unique_id\":\"" + id + "\"}";
    object.line_start = 1;
    object.confidence.thousandths = 990;
    object.extracted_from = "manifest";
    object.extraction_tier = "GOLD";
    rows.brings_compiled = source.compiled.has_value();
    std::int64_t position = 0;
    for (const auto& [name, type] : source.columns) {
      ColumnRecord column;
      column.id = column_id(connection, id, name);
      column.connection_id = connection.value;
      column.object_id = object.id;
      column.name = name;
      column.data_type = type;
      if (position % 2 == 0) column.is_nullable = position % 4 == 0;
      column.is_primary_key = position == 0;
      column.position = ++position;
      rows.columns.push_back(std::move(column));
    }
    for (const auto& upstream : source.upstream) {
      DependencyRecord edge;
      edge.source_object_id = tideline::object_id(connection, upstream);
      edge.id = dependency_id(connection, id, edge.source_object_id, "ref");
      edge.connection_id = edge.source_connection_id = connection.value;
      edge.target_object_id = object.id;
      edge.dependency_type = "ref";
      edge.source_full_name = "db.schema." + upstream;
      rows.dependencies.push_back(std::move(edge));
    }
    for (const auto& name : source.lineage) {
      if (source.upstream.empty()) break;
      ColumnLineageRecord edge;
      edge.source_object_id = tideline::object_id(connection, source.upstream.front());
      edge.id = column_lineage_id(connection, id, name, edge.source_object_id, name, "direct");
      edge.connection_id = edge.source_connection_id = connection.value;
      edge.source_column = edge.target_column = name;
      edge.target_object_id = object.id;
      edge.transformation_type = "direct";
      edge.extracted_from = "compiled";
      edge.source_full_name = "db.schema." + source.upstream.front();
      rows.lineage.push_back(std::move(edge));
    }
    return std::optional(std::move(rows));
  }

 private:
  Project project_;
  std::vector<std::string> ids_;
};

class StoreTest : public DatabaseTest {
 protected:
  void SetUp() override {
    DatabaseTest::SetUp();
    auto root = connect();
    must(run(store::migrate(*root, soon())));
    admin_ = connect("tideline_admin");
    org_ = make_organization("Alpha");
    other_org_ = make_organization("Beta");
    admin_user_ = add_user(org_, "admin@alpha.example", "admin");
    member_user_ = add_user(org_, "member@alpha.example", "member");
    other_user_ = add_user(other_org_, "admin@beta.example", "admin");
    db_ = open_database(8);
  }
  void TearDown() override {
    if (db_) (void)run(db_->close(soon()));
    db_.reset();
    admin_.reset();
    DatabaseTest::TearDown();
  }

  std::unique_ptr<store::Database> open_database(std::size_t connections) {
    store::DatabaseOptions options;
    options.primary.conninfo = conninfo("tideline_server");
    options.primary.max_size = connections;
    return must(run(store::Database::open(io.get_executor(), std::move(options), soon())));
  }
  OrganizationId make_organization(const std::string& name) {
    return must(run(store::admin::create_organization(*admin_, name, std::nullopt, soon()))).id;
  }
  UserId add_user(OrganizationId organization, const std::string& email, const std::string& role) {
    return must(run(store::admin::add_user(*admin_, organization, email, role, soon()))).id;
  }
  /// The service user behind a new API token.
  UserId add_service(OrganizationId organization, std::vector<std::string> scopes, const std::string& secret) {
    return must(run(store::admin::create_api_token(*admin_, organization, "ci", std::move(scopes), std::nullopt,
                                                   sha256(secret), soon())))
        .user;
  }

  store::Tenant tenant() const { return {org_, admin_user_}; }
  store::Tenant other_tenant() const { return {other_org_, other_user_}; }

  ConnectionId make_connection(const std::string& full_name = "acme/shop") {
    return make_connection(tenant(), full_name);
  }
  ConnectionId make_connection(store::Tenant who, const std::string& full_name,
                               std::optional<ConnectionId> id = std::nullopt) {
    store::ConnectionSpec spec{.id = id, .key = {"github", full_name, ""}, .name = {}, .url = {}};
    return must(run(store::register_connection(*db_, who, std::move(spec), soon()))).connection;
  }

  static store::PushRequest request_for(store::Tenant who, store::ConnectionRef target) {
    return {.tenant = who,
            .target = std::move(target),
            .url = {},
            .generated_at = {},
            .catalog_generated_at = {},
            .commit = {},
            .branch = {}};
  }
  Result<store::PushOutcome> try_push(store::PushRequest request, const Project& project) {
    const ProjectRows rows(project);
    return run(store::push(*db_, std::move(request), rows, blocking_.get_executor(), soon()));
  }
  store::PushOutcome push(ConnectionId connection, const Project& project) {
    return must(try_push(request_for(tenant(), connection), project));
  }

  store::ConnectionState state_of(ConnectionId connection) { return state_of(tenant(), connection); }
  store::ConnectionState state_of(store::Tenant who, ConnectionId connection) {
    return must(run(store::find_connection(*db_, who, connection, soon()))).value();
  }

  /// Rows of one statement as the superuser: what really is there.
  pg::ResultSet raw(std::string sql) {
    if (!root_) root_ = connect();
    pg::Pipeline pipeline;
    pipeline.add_text(std::move(sql));
    return std::move(must(run(root_->run_all(std::move(pipeline), soon()))).front());
  }
  std::int64_t count(const std::string& from) { return raw("select count(*) from " + from).int64(0, 0); }

  /// The digest of the rows that are there: from the stored hashes, having checked that each hash is the one of its
  /// row's columns.
  Digest recomputed_digest(ConnectionId connection) {
    Digest digest;
    add_rows<ConnectionRecord>(digest, "enterprise.connections", TIDELINE_CONNECTION_FIELDS, "id", connection);
    add_rows<FileRecord>(digest, "metadata.files", TIDELINE_FILE_FIELDS, "connection_id", connection);
    add_rows<ObjectRecord>(digest, "metadata.objects", TIDELINE_OBJECT_FIELDS, "connection_id", connection);
    add_rows<ColumnRecord>(digest, "metadata.columns", TIDELINE_COLUMN_FIELDS, "connection_id", connection);
    add_rows<DependencyRecord>(digest, "metadata.dependencies", TIDELINE_DEPENDENCY_FIELDS, "connection_id",
                               connection);
    add_rows<ColumnLineageRecord>(digest, "metadata.columns_lineage", TIDELINE_LINEAGE_FIELDS, "connection_id",
                                  connection);
    add_rows<DocumentationRecord>(digest, "metadata.object_documentation", TIDELINE_DOCUMENTATION_FIELDS,
                                  "hidden_at is null and connection_id", connection);
    return digest;
  }
  void expect_digest_holds(ConnectionId connection) {
    const auto state = state_of(connection);
    EXPECT_EQ(state.digest, recomputed_digest(connection)) << "at version " << state.version.value;
    const auto history = raw("select digest from metadata.versions where connection_id = '" + connection.to_string() +
                             "' order by version desc limit 1");
    if (!history.empty() && !history.is_null(0, 0)) {
      const auto bytes = history.bytea(0, 0);
      EXPECT_EQ(Digest::from_bytes({reinterpret_cast<const char*>(bytes.data()), bytes.size()}), state.digest);
    }
  }

  std::unique_ptr<pg::Connection> admin_;
  std::unique_ptr<store::Database> db_;
  boost::asio::thread_pool blocking_{2};
  OrganizationId org_, other_org_;
  UserId admin_user_, member_user_, other_user_;

 private:
  template <class Record>
  void add_rows(Digest& digest, const std::string& table, const std::string& fields, const std::string& key,
                ConnectionId connection) {
    const auto rows =
        raw("select row_hash, " + fields + " from " + table + " where " + key + " = '" + connection.to_string() + "'");
    for (int row = 0; row < rows.rows(); ++row) {
      RowHash stored;
      const auto bytes = rows.bytea(row, 0);
      ASSERT_EQ(bytes.size(), stored.bytes.size());
      std::copy(bytes.begin(), bytes.end(), stored.bytes.begin());
      EXPECT_EQ(stored, row_hash(store::record_of<Record>(rows, row, 1))) << table << " row " << row;
      digest.of(Record::kKind).add(stored);
    }
  }

  std::unique_ptr<pg::Connection> root_;
};

}  // namespace tideline::test
