#pragma once
// What a server is to a replica, as a value: rows by id, tombstones, one clock, digests; and pages of it in any size.
// Small enough to be seen to be right, so that replicas can be compared with it row by row.

#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <map>
#include <random>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "model/row_encoder.h"
#include "replica/replica.h"
#include "replica/rows.h"
#include "replica/writer_impl.h"

namespace tideline::replica::test {

/// What was to succeed did not.
struct Failure : std::runtime_error {
  explicit Failure(Error of) : std::runtime_error(describe(of) + " [" + of.detail + "]"), error(std::move(of)) {}
  Error error;
};

template <class T>
T must(Result<T> result) {
  if (!result) throw Failure(std::move(result.error()));
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

class TempDirectory {
 public:
  TempDirectory() {
    std::string pattern = (std::filesystem::temp_directory_path() / "tideline-replica-XXXXXX").string();
    if (!::mkdtemp(pattern.data())) throw std::runtime_error("mkdtemp failed");
    path_ = pattern;
  }
  ~TempDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempDirectory(const TempDirectory&) = delete;
  TempDirectory& operator=(const TempDirectory&) = delete;
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

inline const OrganizationId kOrganization{*Uuid::parse("0a000000-0000-4000-8000-000000000001")};
inline constexpr const char* kServer = "https://tideline.example.org";

/// A row as it stands on the server; no bytes: a tombstone.
struct ServerRow {
  Kind kind = Kind::kConnection;
  Version version;
  std::string bytes;
};

struct ServerConnection {
  std::int64_t incarnation = 1;
  Version version;
  std::map<Uuid, ServerRow> rows;
};

class ModelServer {
 public:
  Version version;
  std::map<ConnectionId, ServerConnection> connections;

  ConnectionId add_connection(const std::string& name) {
    const ConnectionId id{Uuid::v5(kOrganization.value, name + std::to_string(version.value))};
    ++version.value;
    connections[id] = {.incarnation = version.value, .version = {}, .rows = {}};
    begin(id);
    put(id, ConnectionRecord{.id = id.value,
                             .type = "github",
                             .name = name,
                             .full_name = "acme/" + name,
                             .subdir = "",
                             .url = std::nullopt,
                             .aliases = {}});
    return id;
  }
  /// A version of this connection: what is put and removed from here on is of it.
  void begin(ConnectionId id) { connections.at(id).version = {++version.value}; }

  template <class Record>
  void put(ConnectionId id, const Record& record, std::string_view unknown = {}) {
    std::string bytes;
    append_row_bytes(bytes, record);
    bytes += unknown;
    connections.at(id).rows[record.id] = {Record::kKind, connections.at(id).version, std::move(bytes)};
  }
  void remove(ConnectionId connection, const Uuid& id) {
    ServerRow& row = connections.at(connection).rows.at(id);
    row.bytes.clear();
    row.version = connections.at(connection).version;
  }

  Digest digest(ConnectionId id) const {
    Digest digest;
    for (const auto& [row_id, row] : connections.at(id).rows)
      if (!row.bytes.empty()) digest.of(row.kind).add(hash_of_row_bytes(row.bytes));
    return digest;
  }

  /// Rows behind the cursor, at most `limit`; the cursor is "<version> <kind> <id>" of the last one.
  wire::ChangesEnd page(ConnectionId id, const std::string& cursor, std::size_t limit, PageStage& stage) const {
    const ServerConnection& connection = connections.at(id);
    std::vector<std::pair<std::string, Uuid>> order;
    for (const auto& [row_id, row] : connection.rows) {
      if (cursor.empty() && row.bytes.empty()) continue;  // a first sync has no tombstones
      order.emplace_back(place(row, row_id), row_id);
    }
    std::sort(order.begin(), order.end());
    wire::ChangesEnd end;
    end.cursor = cursor.empty() ? "0" : cursor;
    end.snapshot = version;
    end.up_to_date = true;
    for (const auto& [at, row_id] : order) {
      if (at <= cursor) continue;
      if (limit-- == 0) {
        end.up_to_date = false;
        break;
      }
      const ServerRow& row = connection.rows.at(row_id);
      if (row.bytes.empty())
        must(stage.tombstone({row.kind, row_id, row.version}));
      else
        must(stage.row({row.version, hash_of_row_bytes(row.bytes), row.bytes}));
      end.cursor = at;
    }
    if (end.up_to_date) {
      end.connection_version = connection.version;
      end.digest = digest(id);
    }
    return end;
  }

  BucketDigests buckets(ConnectionId id, Kind kind) const {
    BucketDigests buckets;
    for (const auto& [row_id, row] : connections.at(id).rows)
      if (row.kind == kind && !row.bytes.empty()) buckets[bucket_of(row_id)].add(hash_of_row_bytes(row.bytes));
    return buckets;
  }

 private:
  static std::string place(const ServerRow& row, const Uuid& id) {
    std::string number = std::to_string(row.version.value);
    number.insert(0, 8 - number.size(), '0');
    return number + " " + std::to_string(static_cast<int>(row.kind)) + " " + id.to_string();
  }
};

inline WriterOptions options_for(const std::filesystem::path& file) {
  return {.file = file, .organization = kOrganization, .server = kServer, .what = "test"};
}

/// One round of a client: fetch what is behind, confirm what is not, apply. `pages`: rows a page, for each in turn.
inline Applied sync(Writer& writer, const ModelServer& server, const std::function<std::size_t()>& page_size,
                    const std::set<ConnectionId>& wanted) {
  WriterState state = must(writer.state());
  if (!state.complete && !state.building) must(writer.begin_new("epoch-1", NewFile::kFirstSync, Timestamp::now()));
  for (const auto& position : must(writer.state()).connections)
    if (!wanted.contains(position.connection)) must(writer.remove(position.connection));
  for (const ConnectionId& id : wanted) {
    const ServerConnection& connection = server.connections.at(id);
    Position position = must(writer.position(id));
    if (position.incarnation != connection.incarnation) must(writer.restart(id, connection.incarnation));
    if (writer.confirm(id, connection.version, server.digest(id), server.version)) continue;
    for (;;) {
      position = must(writer.position(id));
      PageStage stage = must(writer.begin_page(id));
      const wire::ChangesEnd end = server.page(id, position.cursor, page_size(), stage);
      must(stage.finish(end));
      if (end.up_to_date) break;
    }
  }
  return must(writer.apply());
}
inline Applied sync(Writer& writer, const ModelServer& server, std::size_t page_size = 100) {
  std::set<ConnectionId> all;
  for (const auto& [id, connection] : server.connections) all.insert(id);
  return sync(writer, server, [page_size] { return page_size; }, all);
}

/// All rows of the file behind the link, as bytes, with their versions: read with nothing but SQL on the tables.
inline std::map<Uuid, std::pair<Version, std::string>> rows_of(const std::filesystem::path& file) {
  std::map<Uuid, std::pair<Version, std::string>> rows;
  Database database;
  // One that was replaced and removed while it was opened (SQLite: IOERR_FSTAT, it looks for the file beside its log):
  // the one that took its place.
  for (;;) {
    const auto behind_link = std::filesystem::read_symlink(file);
    database = must(Database::open(file, Database::Mode::kRead, 5000));
    const auto begun = database.run("begin; select count(*) from sync_state");
    if (begun) break;
    if (std::filesystem::read_symlink(file) == behind_link) must(begun);
  }
  for (const auto& table : must(read_layout(database))) {
    RowReader reader = must(RowReader::open(database, table));
    while (const auto row = must(reader.next())) rows[row->id] = {row->version, std::string(row->bytes)};
  }
  return rows;
}
inline std::map<Uuid, std::pair<Version, std::string>> rows_of(const ModelServer& server,
                                                               const std::set<ConnectionId>& wanted) {
  std::map<Uuid, std::pair<Version, std::string>> rows;
  for (const auto& id : wanted)
    for (const auto& [row_id, row] : server.connections.at(id).rows)
      if (!row.bytes.empty()) rows[row_id] = {row.version, row.bytes};
  return rows;
}
inline std::map<Uuid, std::pair<Version, std::string>> rows_of(const ModelServer& server) {
  std::set<ConnectionId> all;
  for (const auto& [id, connection] : server.connections) all.insert(id);
  return rows_of(server, all);
}

// ---- Rows to try with

inline ObjectRecord make_object(ConnectionId connection, const std::string& name, const std::string& description = "",
                                const std::string& type = "model") {
  const std::string unique_id = type + ".shop." + name;
  ObjectRecord record;
  record.id = object_id(connection, unique_id);
  record.connection_id = connection.value;
  record.name = name;
  record.schema_name = "marts";
  record.database_name = "warehouse";
  record.full_name = type == "test" || type == "exposure" ? unique_id : "warehouse.marts." + name;
  record.object_type = type;
  record.definition = "select * from " + name + "_source";
  if (!description.empty()) record.description = description;
  record.metadata = {"{\"unique_id\":\"" + unique_id + "\"}"};
  record.extracted_from = "manifest";
  record.extraction_tier = "GOLD";
  return record;
}

inline ColumnRecord make_column(ConnectionId connection, const ObjectRecord& object, const std::string& name,
                                std::int64_t position, const std::string& description = "") {
  ColumnRecord record;
  record.id = column_id(connection, object.object_type + ".shop." + object.name, name);
  record.connection_id = connection.value;
  record.object_id = object.id;
  record.name = name;
  record.data_type = "text";
  record.is_nullable = position % 2 == 0;
  record.position = position;
  if (!description.empty()) record.description = description;
  return record;
}

inline DependencyRecord make_dependency(ConnectionId connection, const ObjectRecord& source, const ObjectRecord& target,
                                        const std::string& type = "ref") {
  DependencyRecord record;
  record.id = dependency_id(connection, target.object_type + ".shop." + target.name, source.id, type);
  record.connection_id = connection.value;
  record.source_object_id = source.id;
  record.target_object_id = target.id;
  record.dependency_type = type;
  record.source_connection_id = source.connection_id;
  record.source_full_name = source.full_name;
  return record;
}

inline ColumnLineageRecord make_lineage(ConnectionId connection, const ObjectRecord& source, const std::string& from,
                                        const ObjectRecord& target, const std::string& to,
                                        const std::string& type = "direct") {
  ColumnLineageRecord record;
  record.id = column_lineage_id(connection, target.object_type + ".shop." + target.name, to, source.id, from, type);
  record.connection_id = connection.value;
  record.source_object_id = source.id;
  record.source_column = from;
  record.target_object_id = target.id;
  record.target_column = to;
  record.transformation_type = type;
  record.extracted_from = "compiled_sql";
  record.source_connection_id = source.connection_id;
  record.source_full_name = source.full_name;
  return record;
}

/// A random change of one connection: rows added, changed, removed, brought back.
inline void change(ModelServer& server, ConnectionId id, std::mt19937& random, int edits) {
  server.begin(id);
  for (int i = 0; i < edits; ++i) {
    const int number = static_cast<int>(random() % 40);
    const ObjectRecord object = make_object(id, "model_" + std::to_string(number),
                                            "Words of it " + std::to_string(random() % 1000) + " é\u4e2d");
    const ColumnRecord column = make_column(id, object, "column_" + std::to_string(random() % 4),
                                            static_cast<std::int64_t>(random() % 9), random() % 2 ? "said" : "");
    switch (random() % 6) {
      case 0:
      case 1:
        server.put(id, object);
        break;
      case 2:
        server.put(id, column);
        break;
      case 3: {
        DocumentationRecord document;
        document.id = documentation_id(id, object.id);
        document.connection_id = id.value;
        document.object_id = object.id;
        document.executive_summary = "Why there is " + object.name + " " + std::to_string(random() % 100);
        server.put(id, document);
        break;
      }
      case 4: {  // a field of a later release
        std::string unknown;
        unknown += '\x00';
        unknown += '\x63';
        unknown += '\x01';
        unknown.append("\0\0\0\2", 4).append("hi");
        server.put(id, make_column(id, object, "late", 3), unknown);
        break;
      }
      default: {
        auto& rows = server.connections.at(id).rows;
        auto at = rows.begin();
        std::advance(at, static_cast<std::ptrdiff_t>(random() % rows.size()));
        if (at->second.kind != Kind::kConnection) server.remove(id, at->first);
      }
    }
  }
}

}  // namespace tideline::replica::test
