#include "replica/rows.h"
#include "replica/view_impl.h"

namespace tideline::replica {
namespace {

template <class Record>
Result<std::vector<Record>> records(View::Impl& impl, std::string_view where, const Uuid& id) {
  std::vector<Record> found;
  TRY(auto reader, RowReader::open(impl.db, present_layout()[index_of(Record::kKind)], where));
  reader.statement().id(1, id);
  for (;;) {
    TRY(const auto row, reader.next());
    if (!row) return found;
    if (!row->damage.empty())
      return fail(Code::kCorrupt, "A row of the replica is damaged.", "Run `tideline verify --repair`.", row->damage);
    TRY(const auto fields, wire::read_row_bytes(row->bytes));
    found.push_back(wire::record_of<Record>(fields));
  }
}

/// Both directions: the end that is asked for comes first, and for upstream ends there are names also where the object
/// itself is not here.
Result<std::vector<Neighbour>> neighbours(View::Impl& impl, std::string_view sql, const Uuid& object) {
  std::vector<Neighbour> found;
  TRY(auto query, Query::begin(impl, sql));
  query->id(1, object);
  for (;;) {
    TRY(const bool row, query->step());
    if (!row) return found;
    Neighbour& one = found.emplace_back();
    one.dependency_type = query->text_at(0);
    TRY(const auto there, find_object(impl, query->id_at(1)));
    if (there) {
      one.object = *there;
      continue;
    }
    one.object.id = query->id_at(1);
    one.object.connection = {query->id_at(2)};
    one.object.full_name = query->text_at(3);
    one.object.name = one.object.full_name;
    one.object.here = one.object.own = false;
  }
}

}  // namespace

Result<std::vector<ColumnDetails>> View::columns(const Uuid& object) {
  std::vector<ColumnDetails> found;
  TRY(auto query,
      Query::begin(*impl_,
                   "select id, name, data_type, is_nullable, is_primary_key, is_foreign_key, description, position, "
                   "metadata from columns where object_id = ?1 order by position, name"));
  query->id(1, object);
  for (;;) {
    TRY(const bool row, query->step());
    if (!row) return found;
    ColumnDetails& column = found.emplace_back();
    column.id = query->id_at(0);
    column.name = query->text_at(1);
    column.data_type = query->optional_text_at(2);
    if (!query->is_null(3)) column.is_nullable = query->integer_at(3) != 0;
    column.is_primary_key = query->integer_at(4) != 0;
    column.is_foreign_key = query->integer_at(5) != 0;
    column.description = query->optional_text_at(6);
    column.position = query->integer_at(7);
    column.metadata = query->text_at(8);
  }
}

Result<std::vector<DocumentationRecord>> View::docs(const Uuid& object) {
  return records<DocumentationRecord>(*impl_, "where object_id = ?1 order by id", object);
}

Result<ObjectDetails> View::show(const Uuid& object) {
  ObjectDetails details;
  TRY(const auto reference, find_object(*impl_, object));
  if (!reference) return fail(Code::kNotFound, "The object is not in the replica.");
  details.object = *reference;
  TRY(auto of_id, records<ObjectRecord>(*impl_, "where id = ?1", object));
  details.record = std::move(of_id.at(0));
  {
    TRY(auto query, Query::begin(*impl_, "select full_name from connections where id = ?1"));
    query->id(1, details.object.connection.value);
    TRY(const bool row, query->step());
    if (row) details.connection_full_name = query->text_at(0);
  }
  if (details.record.file_id) {
    TRY(auto query, Query::begin(*impl_, "select relative_path from files where id = ?1"));
    query->id(1, *details.record.file_id);
    TRY(const bool row, query->step());
    if (row) details.path = query->text_at(0);
  }
  TRY(details.columns, columns(object));
  TRY(details.upstream, neighbours(*impl_,
                                   "select dependency_type, source_object_id, source_connection_id, source_full_name "
                                   "from dependencies where target_object_id = ?1 "
                                   "order by dependency_type, source_full_name",
                                   object));
  TRY(details.downstream, neighbours(*impl_,
                                     "select d.dependency_type, d.target_object_id, d.connection_id, '' "
                                     "from dependencies d left join objects o on o.id = d.target_object_id "
                                     "where d.source_object_id = ?1 order by d.dependency_type, o.full_name",
                                     object));
  TRY(details.documentation, docs(object));
  return details;
}

Result<std::optional<ObjectRef>> View::object_of_file(std::string_view relative_path) {
  static const std::string kSql = "select " + std::string(kObjectRefColumns) +
                                  " from files f join objects o on o.file_id = f.id where f.relative_path = ?1 "
                                  "and o.object_type not in ('test', 'unit_test', 'macro') limit 2";
  TRY(auto query, Query::begin(*impl_, kSql));
  query->text(1, relative_path);
  TRY(const bool first, query->step());
  if (!first) return std::optional<ObjectRef>();
  ObjectRef object = object_ref_at(*impl_, *query, 0);
  TRY(const bool second, query->step());
  return second ? std::nullopt : std::optional(std::move(object));
}

}  // namespace tideline::replica
