#pragma once
// What column lineage keeps of each object of a project from its facts until its rows are made. Little, for a project
// may have a hundred thousand: names lie in the artifacts, and SQL is read again where it is much. Internal to this
// folder.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/error.h"
#include "extract/artifacts.h"
#include "extract/rows.h"
#include "extract/scratch_file.h"
#include "extract/template_sql.h"
#include "lineage/relations.h"

namespace tideline::extract {

/// Where the SQL of an object stands.
enum class SqlSource : std::uint8_t { kNone, kCompiled, kTemplate, kHeld };

struct LineageObject {
  std::string_view unique_id;
  std::string_view full_name;
  std::string_view database, schema, identifier;  // of a relation
  std::shared_ptr<const lineage::RelationColumns> columns;
  std::vector<std::uint32_t> upstream;             // the objects that it refers to, by number
  std::shared_ptr<const TemplateSql> of_template;  // without the SQL itself
  SqlSource sql = SqlSource::kNone;
  lineage::RelationOrigin origin{};
  bool is_relation = false;
  bool is_model = false;  // or a snapshot
  bool is_ephemeral = false;
  bool is_snapshot = false;
  bool is_python = false;
  // What it was resolved as.
  lineage::RelationIndex relation = lineage::kNone;
  std::uint32_t model = lineage::kNone;
};

/// The relation's name in it: `full_name` without database and schema where it begins with them.
std::string_view identifier_in(std::string_view full_name, std::string_view database, std::string_view schema);

class LineageObjects {
 public:
  /// `artifacts` outlives this.
  explicit LineageObjects(const Artifacts& artifacts) : artifacts_(artifacts), objects_(artifacts.size()) {}

  /// SQL that is held is put aside in a file there where it is much: it cannot be read again. Without, it is in memory.
  void put_aside_in(std::filesystem::path directory) { directory_ = std::move(directory); }

  /// The facts of all objects. Errors: those of Artifacts::read. `threads` at least 1. Blocking.
  Result<void> read(unsigned threads);
  /// Those whose facts leave something out that may be held (needs_retained), ascending.
  const std::vector<std::size_t>& wanted() const { return wanted_; }
  /// What is held of one of them. The last time counts. Errors: those of Artifacts::read, and of ScratchFile.
  Result<void> learn(std::size_t number, const Retained& held);

  std::size_t size() const { return objects_.size(); }
  LineageObject& operator[](std::size_t number) { return objects_[number]; }
  const LineageObject& operator[](std::size_t number) const { return objects_[number]; }
  auto begin() const { return objects_.begin(); }
  auto end() const { return objects_.end(); }
  const LineageObject* find(std::string_view unique_id) const;

  /// A view of `buffer`, or of what lives until `forget_sql`. Of different objects by several threads at once. What was
  /// kept of it is given away: asked again, it is read again.
  std::string_view sql(std::size_t number, std::string& buffer);
  /// It was resolved. What is held of an object counts until here: it is learned again where it is to count again.
  /// Errors: SQL that was put aside could not be read, so that `sql` gave none.
  Result<void> forget_sql();

 private:
  Result<void> put(std::size_t number, const ObjectFacts& facts, const Retained* held);
  Result<void> keep_sql(std::size_t number, std::string sql);
  std::string_view keep_name(std::string_view name);

  const Artifacts& artifacts_;
  std::vector<LineageObject> objects_;
  std::vector<std::size_t> wanted_;
  std::filesystem::path directory_;
  std::mutex mutex_;  // of what follows, while facts are read
  std::unordered_map<std::size_t, std::string> sql_;
  std::size_t sql_bytes_ = 0;  // in `sql_`
  std::optional<ScratchFile> aside_;
  std::unordered_map<std::size_t, ScratchFile::Piece> sql_aside_;
  std::optional<Error> failure_;              // to read what was put aside
  std::set<std::string, std::less<>> names_;  // of databases, schemas, and others that the artifacts do not have
};

}  // namespace tideline::extract
