#include "bench/organization.h"

#include <algorithm>
#include <array>
#include <random>

#include "base/hash.h"
#include "base/json.h"
#include "base/text.h"
#include "model/records.h"
#include "model/row_encoder.h"
#include "model/row_hash.h"

namespace tideline::bench {
namespace {

constexpr std::int64_t kStart = 1'760'000'000'000'000;  // 2025-10-09
constexpr Uuid kSpace{{0x6b, 0xa7, 0xb8, 0x12, 0x9d, 0xad, 0x11, 0xd1, 0x80, 0xb4, 0x00, 0xc0, 0x4f, 0xd4, 0x30, 0xc8}};

/// Not std::uniform_int_distribution: its numbers differ between standard libraries.
class Dice {
 public:
  explicit Dice(std::uint64_t seed) : engine_(seed) {}
  std::size_t below(std::size_t n) { return static_cast<std::size_t>(engine_() % n); }
  bool one_in(std::size_t n) { return below(n) == 0; }
  template <class T, std::size_t N>
  const T& of(const std::array<T, N>& items) {
    return items[below(N)];
  }

 private:
  std::mt19937_64 engine_;
};

constexpr std::array<std::string_view, 40> kNouns{
    "order",    "customer", "invoice",  "payment",   "session", "event",    "product", "shipment", "refund",  "account",
    "contract", "vendor",   "employee", "inventory", "price",   "discount", "region",  "currency", "ledger",  "budget",
    "campaign", "click",    "visit",    "ticket",    "agent",   "channel",  "segment", "cohort",   "balance", "tax",
    "journal",  "asset",    "lease",    "warehouse", "carrier", "supplier", "quote",   "lead",     "contact", "survey"};
constexpr std::array<std::string_view, 16> kSuffixes{"id",     "amount", "count", "total", "date", "at",
                                                     "status", "type",   "name",  "code",  "rate", "flag",
                                                     "key",    "rank",   "usd",   "note"};
constexpr std::array<std::string_view, 8> kTypes{"VARCHAR",      "NUMBER(38,0)", "TIMESTAMP_NTZ", "BOOLEAN",
                                                 "NUMBER(18,2)", "DATE",         "FLOAT",         "VARIANT"};
constexpr std::array<std::string_view, 4> kLayers{"staging", "intermediate", "marts", "reporting"};
constexpr std::array<std::string_view, 6> kFunctions{"coalesce", "nullif", "greatest", "round", "date_trunc", "lower"};
constexpr std::array<std::string_view, 9> kTransformations{"direct", "renamed",  "calculated", "aggregated", "window",
                                                           "joined", "filtered", "grouped",    "ordered"};

std::string column_name(Dice& dice) {
  std::string name(dice.of(kNouns));
  if (dice.one_in(3)) name.append("_").append(dice.of(kNouns));
  return name.append("_").append(dice.of(kSuffixes));
}

std::string model_sql(Dice& dice, std::size_t bytes) {
  std::string sql =
      "{{ config(materialized='" + std::string(dice.one_in(2) ? "table" : "view") + "') }}\n\nwith source as (\n";
  int cte = 0;
  while (sql.size() < bytes) {
    if (cte > 0) sql += ",\n\nstep_" + std::to_string(cte) + " as (\n";
    sql += "    select\n";
    for (std::size_t i = 0, n = 6 + dice.below(10); i < n; ++i) {
      const std::string a = column_name(dice), b = column_name(dice);
      switch (dice.below(5)) {
        case 0:
          sql += "        " + a + ",\n";
          break;
        case 1:
          sql += "        " + a + " as " + b + ",\n";
          break;
        case 2:
          sql.append("        ").append(dice.of(kFunctions)) +=
              "(" + a + ", " + std::to_string(dice.below(1000)) + ") as " + b + ",\n";
          break;
        case 3:
          sql += "        case when " + a + " > " + std::to_string(dice.below(100)) + " then " + b + " else 0 end as " +
                 b + "_adj,\n";
          break;
        default:
          sql += "        sum(" + a + ") over (partition by " + b + " order by updated_at) as running_" + a + ",\n";
      }
    }
    sql += "        updated_at\n    from {{ ref('stg_" + std::string(dice.of(kNouns)) + "s') }}\n    where " +
           column_name(dice) + " is not null\n)";
    ++cte;
  }
  sql += "\n\nselect * from step_" + std::to_string(std::max(0, cte - 1)) + "\n";
  return sql;
}

void put_escaped(std::string& line, std::string_view text) {
  for (const char c : text) {
    switch (c) {
      case '\\':
        line += "\\\\";
        break;
      case '\n':
        line += "\\n";
        break;
      case '\t':
        line += "\\t";
        break;
      case '\r':
        line += "\\r";
        break;
      default:
        line += c;
    }
  }
}

/// One line of COPY's text format.
class Line {
 public:
  Line& add(const std::string& text) {
    separate();
    put_escaped(text_, text);
    return *this;
  }
  Line& add(const char* text) { return add(std::string(text)); }
  Line& add(const JsonText& json) { return add(json.text); }
  Line& add(const Uuid& id) { return add(id.to_string()); }
  Line& add(const Confidence& value) { return add(value.thousandths); }
  Line& add(std::int64_t number) { return add(std::to_string(number)); }
  Line& add(int number) { return add(std::int64_t{number}); }
  Line& add(bool flag) { return add(flag ? "t" : "f"); }
  Line& add(const Timestamp& time) { return add(time.to_string()); }
  Line& add(const RowHash& hash) {
    separate();
    text_ += "\\\\x" + hex(hash.bytes);
    return *this;
  }
  Line& add(const Digest& digest) {
    const std::string bytes = digest.to_bytes();
    separate();
    text_ += "\\\\x" + hex({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
    return *this;
  }
  Line& null() {
    separate();
    text_ += "\\N";
    return *this;
  }
  template <class T>
  Line& add(const std::optional<T>& value) {
    return value ? add(*value) : null();
  }
  template <class Record>
  Line& content(const Record& record) {
    Record::for_each_field(record, [this](int, const auto& value) { this->add(value); });
    return *this;
  }
  std::string_view end() {
    text_ += '\n';
    return text_;
  }

 private:
  void separate() {
    if (!text_.empty()) text_ += '\t';
  }
  std::string text_;
};

struct MadeObject {
  ObjectRecord record;
  std::vector<std::string> columns;
  int connection = 0;
};

std::string unique_id(std::size_t index) { return "model.bench.object_" + std::to_string(index); }

class Maker {
 public:
  Maker(const OrganizationSpec& spec, const std::function<void(std::string_view)>& write,
        std::function<void(const MadeRow&)> each = {})
      : spec_(spec), made_(describe_organization(spec)), write_(write), each_(std::move(each)), dice_(spec.seed) {
    digests_.resize(made_.connections.size());
    counts_.resize(made_.connections.size());
  }

  void run() {
    write_("begin;\n");
    write_("insert into enterprise.organizations (id, name) values ('" + made_.id.to_string() + "', '" + spec_.name +
           "');\n");
    write_("insert into enterprise.users (id, email) values ('" + made_.user.to_string() + "', '" + spec_.name +
           "@example.org');\n");
    write_("insert into enterprise.user_organization_roles (organization_id, user_id, role) values ('" +
           made_.id.to_string() + "', '" + made_.user.to_string() + "', 'admin');\n");
    write_("delete from metadata.heads where organization_id = '" + made_.id.to_string() + "';\n");
    repositories();
    files();
    objects();
    columns();
    dependencies();
    lineage();
    documents();
    connections();
    versions();
    write_("commit;\n");
  }

 private:
  Version version_of(int connection) const { return Version{2 * (connection + 1)}; }  // registered, then pushed
  Timestamp stamp_of(Version version) const { return {kStart + version.value * 60'000'000 + 123'456}; }
  int connection_of(std::size_t index, int total) const {
    // Unequal on purpose: the first holds half.
    const auto n = static_cast<std::size_t>(made_.connections.size());
    if (n == 1 || index * 2 < static_cast<std::size_t>(total)) return 0;
    return static_cast<int>(1 + index % (n - 1));
  }
  const ConnectionId& id_of(int connection) const { return made_.connections[static_cast<std::size_t>(connection)]; }

  void copy(std::string_view table, std::string_view fields) {
    write_("copy " + std::string(table) + " (" + std::string(fields) + ") from stdin;\n");
  }
  void end_copy() { write_("\\.\n"); }
  template <class Record>
  RowHash count(int connection, const Record& record) {
    const RowHash hash = row_hash(record);
    digests_[static_cast<std::size_t>(connection)].of(Record::kKind).add(hash);
    if (each_) {
      bytes_.clear();
      append_row_bytes(bytes_, record);
      const Version pushed = version_of(connection);
      each_({.connection = id_of(connection),
             .kind = Record::kKind,
             .id = record.id,
             .version = Record::kKind == Kind::kConnection ? Version{pushed.value - 1} : pushed,
             .bytes = bytes_});
    }
    return hash;
  }
  /// A row of those whose line is: organization, stamp, version, content, hash.
  template <class Record>
  void write_row(int connection, const Record& record) {
    const Version version = version_of(connection);
    const RowHash hash = count(connection, record);
    write_(Line().add(made_.id.value).add(stamp_of(version)).add(version.value).content(record).add(hash).end());
  }

  void repositories() {
    copy("metadata.repositories", "organization_id, id, connection_id, name");
    for (const auto& connection : made_.connections)
      write_(Line().add(made_.id.value).add(connection.value).add(connection.value).add("bench").end());
    end_copy();
  }

  std::string path_of(int index) const {
    return "models/" + std::string(kLayers[static_cast<std::size_t>(index) % kLayers.size()]) + "/" +
           std::string(kNouns[static_cast<std::size_t>(index) % kNouns.size()]) + "/model_" + std::to_string(index) +
           ".sql";
  }

  void files() {
    copy("metadata.files",
         "organization_id, repository_id, parsed_at, created_at, updated_at, row_version, created_version, "
         "id, connection_id, relative_path, file_type, dialect, size_bytes, file_hash, parser_used, parse_confidence, "
         "row_hash");
    for (int i = 0; i < spec_.files; ++i) {
      const int connection = connection_of(static_cast<std::size_t>(i), spec_.files);
      const Version version = version_of(connection);
      const FileRecord file{.id = file_id(id_of(connection), path_of(i)),
                            .connection_id = id_of(connection).value,
                            .relative_path = path_of(i),
                            .file_type = "sql",
                            .dialect = "snowflake",
                            .size_bytes = static_cast<std::int64_t>(1000 + dice_.below(3000)),
                            .file_hash = hex(sha256(path_of(i) + spec_.name)),
                            .parser_used = "dbt-manifest",
                            .parse_confidence = {1000}};
      const Timestamp stamp = stamp_of(version);
      write_(Line()
                 .add(made_.id.value)
                 .add(file.connection_id)
                 .add(stamp)
                 .add(stamp)
                 .add(stamp)
                 .add(version.value)
                 .add(version.value)
                 .content(file)
                 .add(count(connection, file))
                 .end());
    }
    end_copy();
  }

  void objects() {
    copy("metadata.objects",
         "organization_id, repository_id, created_at, updated_at, row_version, created_version, changed_version, "
         "catalog_as_of, "
         "id, connection_id, file_id, name, schema_name, database_name, full_name, object_type, definition, "
         "compiled_definition, description, metadata, line_start, line_end, content_hash, confidence, extracted_from, "
         "extraction_tier, row_hash");
    for (int i = 0; i < spec_.objects; ++i) {
      const auto index = static_cast<std::size_t>(i);
      MadeObject object;
      object.connection = connection_of(index, spec_.objects);
      const std::string name = std::string(kNouns[index % kNouns.size()]) + "_model_" + std::to_string(i);
      const std::string schema = "analytics_" + std::string(kLayers[index % kLayers.size()]);
      std::string sql = model_sql(dice_, 800 + dice_.below(2'600));
      object.record = {.id = object_id(id_of(object.connection), unique_id(index)),
                       .connection_id = id_of(object.connection).value,
                       .file_id = spec_.files > 0 ? std::optional(file_of(i, object.connection)) : std::nullopt,
                       .name = name,
                       .schema_name = schema,
                       .database_name = "warehouse",
                       .full_name = "warehouse." + schema + "." + name,
                       .object_type = i % 20 == 0 ? "source" : "model",
                       .definition = sql,
                       .compiled_definition = std::nullopt,
                       .description = "All " + std::string(dice_.of(kNouns)) + "s by " + std::string(dice_.of(kNouns)) +
                                      ", one row each.",
                       .metadata = {"{\"materialized\":\"table\",\"owner\":\"data\",\"tags\":[\"" +
                                    std::string(dice_.of(kLayers)) + "\"],\"unique_id\":\"" + unique_id(index) + "\"}"},
                       .line_start = 1,
                       .line_end = std::count(sql.begin(), sql.end(), '\n'),
                       .content_hash = hex(sha256(sql)),
                       .confidence = {1000},
                       .extracted_from = "manifest",
                       .extraction_tier = "GOLD"};
      const Version version = version_of(object.connection);
      const Timestamp stamp = stamp_of(version);
      write_(Line()
                 .add(made_.id.value)
                 .add(object.record.connection_id)
                 .add(stamp)
                 .add(stamp)
                 .add(version.value)
                 .add(version.value)
                 .add(version.value)
                 .add(stamp)
                 .content(object.record)
                 .add(count(object.connection, object.record))
                 .end());
      ++counts_[static_cast<std::size_t>(object.connection)];
      object.record.definition.reset();
      objects_.push_back(std::move(object));
    }
    end_copy();
  }

  Uuid file_of(int object, int connection) const {
    int file = object % spec_.files;  // objects and files are cut alike, but for a few around the borders
    while (connection_of(static_cast<std::size_t>(file), spec_.files) != connection) file = (file + 1) % spec_.files;
    return file_id(id_of(connection), path_of(file));
  }

  void columns() {
    copy("metadata.columns",
         "organization_id, updated_at, row_version, id, connection_id, object_id, name, data_type, is_nullable, "
         "is_primary_key, "
         "is_foreign_key, default_value, description, position, metadata, row_hash");
    for (int i = 0; i < spec_.columns; ++i) {
      // In order of their objects, as a push writes them.
      const auto at = static_cast<std::size_t>(static_cast<std::int64_t>(i) * spec_.objects / spec_.columns);
      MadeObject& object = objects_[at];
      const std::string name = column_name(dice_) + "_" + std::to_string(object.columns.size());
      object.columns.push_back(name);
      const ColumnRecord column{.id = column_id(id_of(object.connection), unique_id(at), name),
                                .connection_id = object.record.connection_id,
                                .object_id = object.record.id,
                                .name = name,
                                .data_type = std::string(dice_.of(kTypes)),
                                .is_nullable = !dice_.one_in(4),
                                .is_primary_key = object.columns.size() == 1,
                                .is_foreign_key = dice_.one_in(8),
                                .default_value = std::nullopt,
                                .description = dice_.one_in(3)
                                                   ? std::nullopt
                                                   : std::optional("The " + std::string(dice_.of(kNouns)) + " of the " +
                                                                   std::string(dice_.of(kNouns)) + "."),
                                .position = static_cast<std::int64_t>(object.columns.size()),
                                .metadata = {"{}"}};
      write_row(object.connection, column);
    }
    end_copy();
  }

  void dependencies() {
    copy("metadata.dependencies",
         "organization_id, updated_at, row_version, id, connection_id, source_object_id, target_object_id, "
         "dependency_type, "
         "column_level, source_column, target_column, expression, confidence, metadata, source_connection_id, "
         "source_full_name, row_hash");
    for (int i = 0; i < spec_.dependencies; ++i) {
      const auto at = static_cast<std::size_t>(static_cast<std::int64_t>(i) * spec_.objects / spec_.dependencies);
      const MadeObject& target = objects_[at];
      // Distinct upstream objects of one target: consecutive i step through the others.
      const MadeObject& source = objects_[(at + 1 + static_cast<std::size_t>(i) * 7) % objects_.size()];
      const DependencyRecord edge{.id = dependency_id(id_of(target.connection), unique_id(at), source.record.id, "ref"),
                                  .connection_id = target.record.connection_id,
                                  .source_object_id = source.record.id,
                                  .target_object_id = target.record.id,
                                  .dependency_type = "ref",
                                  .column_level = false,
                                  .source_column = std::nullopt,
                                  .target_column = std::nullopt,
                                  .expression = std::nullopt,
                                  .confidence = {1000},
                                  .metadata = {"{}"},
                                  .source_connection_id = source.record.connection_id,
                                  .source_full_name = source.record.full_name};
      write_row(target.connection, edge);
    }
    end_copy();
  }

  void lineage() {
    copy("metadata.columns_lineage",
         "organization_id, updated_at, row_version, id, connection_id, source_object_id, source_column, "
         "target_object_id, "
         "target_column, expression, transformation_type, confidence, extracted_from, metadata, source_connection_id, "
         "source_full_name, row_hash");
    for (int i = 0; i < spec_.lineage; ++i) {
      const auto at = static_cast<std::size_t>(static_cast<std::int64_t>(i) * spec_.objects / spec_.lineage);
      const MadeObject& target = objects_[at];
      const MadeObject& source = objects_[(at + 1 + static_cast<std::size_t>(i) * 3) % objects_.size()];
      if (target.columns.empty() || source.columns.empty()) continue;
      const std::string& from = source.columns[dice_.below(source.columns.size())];
      const std::string& to = target.columns[static_cast<std::size_t>(i) % target.columns.size()];
      const std::string type(dice_.of(kTransformations));
      const ColumnLineageRecord edge{
          .id = column_lineage_id(id_of(target.connection), unique_id(at), to, source.record.id, from, type),
          .connection_id = target.record.connection_id,
          .source_object_id = source.record.id,
          .source_column = from,
          .target_object_id = target.record.id,
          .target_column = to,
          .expression = dice_.one_in(2) ? std::nullopt : std::optional("coalesce(" + from + ", 0)"),
          .transformation_type = type,
          .confidence = {static_cast<std::int64_t>(800 + 50 * dice_.below(5))},
          .extracted_from = "compiled_sql",
          .metadata = {"{}"},
          .source_connection_id = source.record.connection_id,
          .source_full_name = source.record.full_name};
      write_row(target.connection, edge);
    }
    end_copy();
  }

  void documents() {
    copy("metadata.object_documentation",
         "organization_id, updated_at, row_version, id, connection_id, object_id, executive_summary, "
         "business_narrative, "
         "transformation_cards, code_explanations, business_rules, impact_analysis, generated_at, model, doc_version, "
         "extra, row_hash");
    for (int i = 0; i < std::min(spec_.documents, spec_.objects); ++i) {
      const MadeObject& object = objects_[static_cast<std::size_t>(i)];
      const Version version = version_of(object.connection);
      const DocumentationRecord document{.id = documentation_id(id_of(object.connection), object.record.id),
                                         .connection_id = object.record.connection_id,
                                         .object_id = object.record.id,
                                         .executive_summary = "What " + object.record.name + " is for.",
                                         .business_narrative = std::nullopt,
                                         .transformation_cards = JsonText{"[]"},
                                         .code_explanations = std::nullopt,
                                         .business_rules = JsonText{"[\"one row each\"]"},
                                         .impact_analysis = std::nullopt,
                                         .generated_at = stamp_of(version),
                                         .model = "example",
                                         .doc_version = "1",
                                         .extra = std::nullopt};
      write_row(object.connection, document);
    }
    end_copy();
  }

  void connections() {
    copy("enterprise.connections",
         "organization_id, row_version, incarnation, updated_at, status, last_extracted_at, object_count, version, "
         "digest, "
         "id, type, name, full_name, subdir, url, aliases, row_hash");
    for (std::size_t i = 0; i < made_.connections.size(); ++i) {
      const std::string repository = "repo-" + std::to_string(i);
      const ConnectionRecord connection{.id = made_.connections[i].value,
                                        .type = "github",
                                        .name = repository,
                                        .full_name = spec_.name + "/" + repository,
                                        .subdir = "",
                                        .url = "https://github.com/" + spec_.name + "/" + repository,
                                        .aliases = {"[]"}};
      const Version pushed = version_of(static_cast<int>(i)), registered{pushed.value - 1};
      const RowHash hash = count(static_cast<int>(i), connection);
      write_(Line()
                 .add(made_.id.value)
                 .add(registered.value)
                 .add(registered.value)
                 .add(stamp_of(registered))
                 .add("completed")
                 .add(stamp_of(pushed))
                 .add(counts_[i])
                 .add(pushed.value)
                 .add(digests_[i])
                 .content(connection)
                 .add(hash)
                 .end());
    }
    end_copy();
  }

  void versions() {
    copy("metadata.versions", "organization_id, version, connection_id, reason, digest, committed_at, user_id");
    for (std::size_t i = 0; i < made_.connections.size(); ++i) {
      const Version pushed = version_of(static_cast<int>(i)), registered{pushed.value - 1};
      for (const Version version : {registered, pushed})
        write_(Line()
                   .add(made_.id.value)
                   .add(version.value)
                   .add(made_.connections[i].value)
                   .add(version == pushed ? "push" : "connection")
                   .add(digests_[i])
                   .add(stamp_of(version))
                   .add(made_.user.value)
                   .end());
    }
    end_copy();
    copy("metadata.heads", "organization_id, version, stamp, floor");
    write_(Line().add(made_.id.value).add(made_.version.value).add(made_.stamp).add(0).end());
    end_copy();
  }

  const OrganizationSpec& spec_;
  MadeOrganization made_;
  const std::function<void(std::string_view)>& write_;
  std::function<void(const MadeRow&)> each_;
  std::string bytes_;
  Dice dice_;
  std::vector<Digest> digests_;
  std::vector<std::int64_t> counts_;
  std::vector<MadeObject> objects_;
};

}  // namespace

MadeOrganization describe_organization(const OrganizationSpec& spec) {
  const std::string name = spec.name + ":" + std::to_string(spec.seed);
  MadeOrganization made{.id = {Uuid::v5(kSpace, "organization:" + name)},
                        .user = {Uuid::v5(kSpace, "user:" + name)},
                        .connections = {},
                        .version = {2 * spec.connections},
                        .stamp = {kStart + 2 * spec.connections * 60'000'000LL + 123'456}};
  for (int i = 0; i < spec.connections; ++i)
    made.connections.push_back({Uuid::v5(kSpace, "connection:" + name + ":" + std::to_string(i))});
  return made;
}

void write_organization(const OrganizationSpec& spec, const std::function<void(std::string_view)>& write) {
  Maker(spec, write).run();
}

void each_row(const OrganizationSpec& spec, const std::function<void(const MadeRow&)>& each) {
  const std::function<void(std::string_view)> nowhere = [](std::string_view) {};
  Maker(spec, nowhere, each).run();
}

OrganizationSpec neighbour(const OrganizationSpec& spec, int index, double fraction) {
  const auto part = [fraction](int n) { return static_cast<int>(n * fraction); };
  return {.seed = spec.seed + static_cast<std::uint64_t>(index),
          .name = spec.name + "-" + std::to_string(index),
          .connections = 1,
          .files = part(spec.files),
          .objects = part(spec.objects),
          .columns = part(spec.columns),
          .dependencies = part(spec.dependencies),
          .lineage = part(spec.lineage),
          .documents = part(spec.documents)};
}

}  // namespace tideline::bench
