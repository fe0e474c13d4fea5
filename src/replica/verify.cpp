#include "replica/verify.h"

#include <map>

#include "replica/files.h"
#include "replica/rows.h"
#include "replica/search_index.h"
#include "replica/view_impl.h"
#include "replica/writer_impl.h"

namespace tideline::replica {
namespace {

constexpr int kBusyMilliseconds = 10'000;

class Check {
 public:
  Check(Database& database, VerifyReport& report) : database_(database), report_(report) {}

  Result<void> run() {
    // SQLite's own first: what cannot be read says so, and the rest is checked as far as it can be.
    TRY_VOID(unless_corrupt("pages", [&] { return pages(); }));
    TRY_VOID(unless_corrupt("state", [&] { return check_state(database_); }));
    TRY_VOID(unless_corrupt("schema", [&] { return schema(); }));
    TRY_VOID(unless_corrupt("layout", [&]() -> Result<void> {
      TRY(layout_, read_layout(database_));
      TRY(connections_, known_connections(database_));
      return {};
    }));
    for (const auto& one : connections_) {
      if (!one.applied) continue;
      report_.connections.push_back(one.id);
      expected_[one.id];
      actual_[one.id];
      TRY_VOID(unless_corrupt("sync_buckets", [&]() -> Result<void> {
        TRY(expected_[one.id], load_buckets(database_, one.id));
        return {};
      }));
    }
    for (const auto& table : layout_)
      if (!table.fields.empty()) TRY_VOID(unless_corrupt(table.table, [&] { return rows(table); }));
    compare();
    return {};
  }

 private:
  /// Damage is what is looked for: it is noted, and other errors are errors.
  template <class Work>
  Result<void> unless_corrupt(const std::string& where, Work work) {
    Result<void> done = work();
    if (done) return {};
    if (!is_damage(done.error())) return done;
    report_.file_problems.push_back(where + ": " + done.error().message +
                                    (done.error().detail.empty() ? "" : " " + done.error().detail));
    return {};
  }

  Result<void> pages() {
    TRY(auto check, database_.prepare("pragma integrity_check(20)"));
    for (;;) {
      TRY(const bool row, check.step());
      if (!row) return {};
      std::string line = check.text_at(0);
      if (line == "ok") continue;
      // FTS5 tables are part of the check; they can be made anew from the rows.
      (line.find("inverted index") != std::string::npos ? report_.index_problems : report_.file_problems)
          .push_back(std::move(line));
    }
  }

  Result<void> schema() {
    TRY(const auto format, database_.number("pragma user_version"));
    if (format != kFormat) return {};
    TRY(const auto problems, schema_problems(database_));
    for (const auto& problem : problems) report_.file_problems.push_back("schema: " + problem);
    return {};
  }

  Result<void> rows(const TableLayout& table) {
    TRY(auto reader, RowReader::open(database_, table));
    for (;;) {
      TRY(const auto row, reader.next());
      if (!row) return {};
      ++report_.rows;
      const ConnectionId connection{row->connection};
      const std::uint8_t bucket = bucket_of(row->id);
      const RowHash hash = row->trusted_hash();
      std::string damage = row->damage;
      if (damage.empty() && hash == RowHash())
        damage = "its columns do not make its hash";
      else if (damage.empty() && !actual_.contains(connection))
        damage = "it belongs to no connection of the replica";
      actual_[connection][index_of(table.kind)][bucket].add(hash);
      if (damage.empty()) continue;
      if (report_.damaged_rows.size() < VerifyReport::kMaxListed)
        report_.damaged_rows.push_back({connection, table.kind, bucket, row->id, std::move(damage)});
    }
  }

  void compare() {
    for (const auto& [connection, buckets] : actual_) {
      const auto expected = expected_.find(connection);
      for (const Kind kind : kKinds)
        for (std::size_t i = 0; i < buckets[index_of(kind)].size(); ++i) {
          const KindDigest& actual = buckets[index_of(kind)][i];
          const KindDigest wanted = expected == expected_.end() ? KindDigest() : expected->second[index_of(kind)][i];
          if (actual != wanted)
            report_.damaged_buckets.push_back({connection, kind, static_cast<std::uint8_t>(i), wanted, actual});
        }
    }
    // The buckets themselves are held to the digest that the server gave.
    for (const auto& one : connections_)
      if (one.applied && !one.staged && digest_of(expected_[one.id]) != one.digest)
        report_.file_problems.push_back("sync_buckets: not those of connection " + one.id.to_string());
  }

  Database& database_;
  VerifyReport& report_;
  Layout layout_;
  std::vector<KnownConnection> connections_;
  std::map<ConnectionId, Buckets> expected_, actual_;
};

}  // namespace

Result<VerifyReport> verify(const std::filesystem::path& file) {
  const ReplicaFiles files(std::filesystem::absolute(file));
  const auto number = files.present();
  if (!number) return fail(Code::kNotFound, "There is no replica yet.", "Run `tideline sync`.");
  VerifyReport report;
  auto database = open_for_reading(files, *number);
  const auto begun = database ? database->run("begin; select count(*) from sqlite_schema")
                              : Result<void>(fail(std::move(database).error()));
  if (!begun && !is_damage(begun.error())) return fail(begun.error());
  if (!begun) {
    report.file_problems.push_back(begun.error().message + " " + begun.error().detail);
    return report;
  }
  TRY_VOID(Check(*database, report).run());
  // The search index checks itself only for who may write; beside a damaged file it would say nothing of worth.
  if (report.sound()) {
    TRY_VOID(database->run("rollback"));
    TRY(auto writable, Database::open(files.database(*number), Database::Mode::kWrite, kBusyMilliseconds));
    auto checked = check_search_index(writable);
    if (checked)
      report.index_problems = std::move(*checked);
    else if (says_read_only(writable, files.database(*number)))
      report.file_problems.push_back("the file says of itself that it may not be written");
    else if (checked.error().code != Code::kPermissionDenied && checked.error().code != Code::kNotFound)
      return fail(checked.error());
  }
  return report;
}

}  // namespace tideline::replica
