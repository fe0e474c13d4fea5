#pragma once
// Synced rows on their way into the tables: collected as arrays, one a column, and written with one statement a kind.
// Not for deciding what to write. One thread at a time.

#include <optional>
#include <variant>
#include <vector>

#include "model/records.h"
#include "model/row_hash.h"
#include "store/record_rows.h"
#include "store/tenant.h"
#include "store/version_writer.h"

namespace tideline::store {

namespace detail {

using FieldArray = std::variant<pg::UuidArray, pg::TextArray, pg::Int8Array, pg::BoolArray, pg::TimestampArray,
                                pg::ArrayBuilder<JsonText>>;

template <class T>
struct ArrayOf;
template <>
struct ArrayOf<Uuid> {
  using Type = pg::UuidArray;
  static const Uuid& view(const Uuid& value) { return value; }
};
template <>
struct ArrayOf<std::string> {
  using Type = pg::TextArray;
  static std::string_view view(const std::string& value) { return value; }
};
template <>
struct ArrayOf<std::int64_t> {
  using Type = pg::Int8Array;
  static std::int64_t view(std::int64_t value) { return value; }
};
template <>
struct ArrayOf<Confidence> {
  using Type = pg::Int8Array;
  static std::int64_t view(Confidence value) { return value.thousandths; }
};
template <>
struct ArrayOf<bool> {
  using Type = pg::BoolArray;
  static bool view(bool value) { return value; }
};
template <>
struct ArrayOf<Timestamp> {
  using Type = pg::TimestampArray;
  static Timestamp view(Timestamp value) { return value; }
};
template <>
struct ArrayOf<JsonText> {
  using Type = pg::ArrayBuilder<JsonText>;
  static std::string_view view(const JsonText& value) { return value.text; }
};

template <class T>
struct FieldOf {
  using Value = T;
};
template <class T>
struct FieldOf<std::optional<T>> {
  using Value = T;
};

}  // namespace detail

/// Rows of one kind: an array for each field in tag order, and one of the row hashes.
template <class Record>
class RowArrays {
 public:
  RowArrays() {
    Record record;
    Record::for_each_field(record, [this]<class T>(int, const T&) {
      fields_.emplace_back(typename detail::ArrayOf<typename detail::FieldOf<T>::Value>::Type());
    });
  }

  void add(const Record& record, const RowHash& hash) {
    std::size_t at = 0;
    Record::for_each_field(record, [this, &at](int, const auto& value) { append(fields_[at++], value); });
    hashes_.add(hash.bytes);
    ++rows_;
  }

  std::size_t size() const { return rows_; }
  std::size_t size_bytes() const {
    std::size_t sum = hashes_.size_bytes();
    for (const auto& field : fields_) sum += std::visit([](const auto& array) { return array.size_bytes(); }, field);
    return sum;
  }
  /// Moves the arrays behind what is in `params`; afterwards this is empty and reusable.
  void take(pg::Params& params) {
    for (auto& field : fields_) std::visit([&params](auto& array) { params.add(std::move(array)); }, field);
    params.add(std::move(hashes_));
    *this = RowArrays();
  }

 private:
  template <class T>
  static void append(detail::FieldArray& field, const T& value) {
    using Map = detail::ArrayOf<T>;
    std::get<typename Map::Type>(field).add(Map::view(value));
  }
  template <class T>
  static void append(detail::FieldArray& field, const std::optional<T>& value) {
    if (value) {
      append(field, *value);
    } else {
      std::get<typename detail::ArrayOf<T>::Type>(field).add_null();
    }
  }

  std::vector<detail::FieldArray> fields_;
  pg::ByteaArray hashes_;
  std::size_t rows_ = 0;
};

/// Some rows of a connection, written at once: new ones and different ones alike.
struct RowBatch {
  RowArrays<FileRecord> files;
  RowArrays<ObjectRecord> objects;
  pg::BoolArray brings_compiled;  // one a row of `objects`
  pg::BoolArray brings_catalog;
  RowArrays<ColumnRecord> columns;
  RowArrays<DependencyRecord> dependencies;
  RowArrays<ColumnLineageRecord> lineage;
  std::vector<Uuid> touched;                 // objects whose own row stays, but something that hangs on it does not
  std::vector<Uuid> catalogued;              // of `touched`: those whose columns a catalog changed
  std::vector<std::pair<Kind, Uuid>> added;  // of all kinds: those that were not there

  std::size_t rows() const {
    return files.size() + objects.size() + columns.size() + dependencies.size() + lineage.size() + touched.size();
  }
  std::size_t size_bytes() const {
    return files.size_bytes() + objects.size_bytes() + columns.size_bytes() + dependencies.size_bytes() +
           lineage.size_bytes();
  }
  /// What is sent in one round trip: enough to keep the database busy, little enough to be copied a few times on the
  /// way.
  bool is_full() const { return size_bytes() >= (std::size_t{2} << 20) || rows() >= 10'000; }
};

/// Whose rows, and what stands in every one of them.
struct WriteContext {
  ConnectionId connection;
  LockedHead head;
  std::optional<Timestamp> generated_at;          // of the artifacts that bring compiled SQL …
  std::optional<Timestamp> catalog_generated_at;  // … and the catalog's facts
  bool has_tombstones = false;                    // of the connection: rows may come back
  bool has_hidden_documentation = false;
};

/// Documentation that came back with its object, or was hidden with it, by hash.
using DocumentationHashes = std::vector<RowHash>;

/// Writes the batch. Rows that come back lose their tombstones and keep their places; so does the documentation of
/// objects that come back, whose hashes are returned.
awaitable<Result<DocumentationHashes>> write_batch(TenantTransaction& transaction, const WriteContext& context,
                                                   RowBatch batch, Deadline deadline);

/// Removes rows of one kind (file to column lineage) by id and leaves tombstones. Of removed objects the documentation
/// is hidden, and its hashes are returned. Objects on which a removed row hung count as changed.
awaitable<Result<DocumentationHashes>> remove_rows(TenantTransaction& transaction, const WriteContext& context,
                                                   Kind kind, std::vector<Uuid> ids, Deadline deadline);

/// Objects that count as changed though their own row is not.
void add_touch(pg::Pipeline& pipeline, const Tenant& tenant, Version version, const std::vector<Uuid>& objects);

/// Rows of these kinds and ids are there again.
void add_forget_tombstones(pg::Pipeline& pipeline, const Tenant& tenant,
                           const std::vector<std::pair<Kind, Uuid>>& rows);

}  // namespace tideline::store
