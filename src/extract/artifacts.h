#pragma once
// A dbt project's artifacts as facts: manifest.json (schema v1–v12) and catalog.json (v1), cut into spans once and read
// an object at a time, so that memory grows with the number of objects and never with the size of the file.
//
// Not for comparing or storing: `rows.h` turns facts into the rows of the model.
//
// Thread-safety: an Artifacts is immutable once opened; all const members may be called from several threads at once.
// Blocking: `open`, `read` and `files` read from disk (a mapped file); never call them on an I/O thread. The files must
// not shrink while an Artifacts is open.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/ids.h"
#include "base/time.h"
#include "extract/facts.h"
#include "model/records.h"

namespace tideline::extract {

/// The manifest schemas this layer reads.
inline constexpr int kOldestManifest = 1;
inline constexpr int kNewestManifest = 12;

struct Limits {
  /// One entry of the manifest or the catalog. A node is parsed in memory at ten to twenty times its size, so this is
  /// what bounds the memory of `read`; the largest node seen in the wild is below 1 MiB.
  std::size_t max_entry_bytes = std::size_t{8} << 20;
  /// Entries of all sections together: about 150 bytes are kept for each.
  std::size_t max_entries = 1'000'000;
  /// Warnings kept; the rest is counted (`Warnings::dropped`).
  std::size_t max_warnings = 100;
};

struct ManifestInfo {
  int schema_version = 0;
  std::string dbt_version;
  std::string adapter_type;  // snowflake, bigquery …: the dialect of the project's SQL; may be empty
  /// metadata.project_name; before v10 the package whose MD5 is metadata.project_id; failing both, the package with
  /// the most objects.
  std::string project_name;
  std::optional<Timestamp> generated_at;
  std::string invocation_id;
  /// Written by describe_project (project_source.h), not by dbt: what only dbt knows is not in it.
  bool from_project = false;
  bool has_compiled_sql = false;  // at least one object carries compiled SQL (`dbt parse` and `dbt test` leave it out)
};

struct CatalogInfo {
  std::optional<Timestamp> generated_at;
  std::string dbt_version;
  std::size_t relations = 0;  // entries of the catalog
  std::size_t unmatched = 0;  // of these, those whose unique_id the manifest does not have: ignored
  std::size_t errors = 0;     // errors dbt noted while it asked the warehouse: the catalog may be incomplete
};

/// Things left out or put right on the way, each a sentence that names the object and what to do. Bounded.
struct Warnings {
  std::vector<std::string> texts;
  std::size_t dropped = 0;  // how many more there were

  void add(std::string text, std::size_t limit = Limits{}.max_warnings) {
    if (texts.size() < limit)
      texts.push_back(std::move(text));
    else
      ++dropped;
  }
};

class Artifacts {
 public:
  /// Maps the files, checks that they are whole and of a version we know, and indexes the objects: two passes over the
  /// manifest and one over the catalog. `catalog` empty: none was given. Errors: kInvalidInput (not JSON, cut off at
  /// byte N, not a manifest, no nodes, not UTF-8), kUnsupported (schema version), kTooLarge (an entry over the limits),
  /// kNotFound / kUnavailable (the file cannot be opened / read).
  static Result<Artifacts> open(const std::filesystem::path& manifest, const std::filesystem::path& catalog,
                                const Limits& limits = {});
  /// The same over bytes in memory, for small inputs and tests.
  static Result<Artifacts> from_memory(std::string manifest, std::optional<std::string> catalog = std::nullopt,
                                       const Limits& limits = {});

  Artifacts(Artifacts&&) noexcept;
  Artifacts& operator=(Artifacts&&) noexcept;
  ~Artifacts();

  const ManifestInfo& manifest() const;
  /// nullptr when no catalog was given.
  const CatalogInfo* catalog() const;

  /// The number of objects. They are sorted by unique_id (byte order) and their unique_ids differ.
  std::size_t size() const;
  /// These three are kept in memory and live as long as the Artifacts.
  std::string_view unique_id(std::size_t index) const;
  std::string_view object_type(std::size_t index) const;
  std::string_view full_name(std::size_t index) const;
  /// O(log size).
  std::optional<std::size_t> find(std::string_view unique_id) const;

  /// Parses the object's entries in the manifest and the catalog anew. kInvalidInput names the object and the place.
  Result<ObjectFacts> read(std::size_t index) const;

  /// The files the objects stand in: each once, sorted by relative path.
  std::vector<FileRecord> files(const ConnectionId& connection) const;

  /// Of the whole: types left out, duplicates, a catalog with errors. Those of one object come with its facts.
  const Warnings& warnings() const;

 private:
  struct Impl;
  explicit Artifacts(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace tideline::extract
