// What is not known of the column lineage: as the push wrote it into the metadata of models and columns.

#include "base/json.h"
#include "base/text.h"
#include "replica/view_impl.h"

namespace tideline::replica {
namespace {

LineageState state_of(const Json& metadata) {
  LineageState state;
  const Json* lineage = metadata.find("lineage");
  if (lineage == nullptr) return state;
  state.status = lineage->string_at("status").value_or("");
  if (const Json* complete = lineage->find("columns_complete"); complete != nullptr && complete->if_bool() != nullptr)
    state.columns_complete = *complete->if_bool();
  state.of_file = lineage->string_at("of").value_or("") == "template";
  const Json* reasons = lineage->find("reasons");
  if (const Json::Array* all = reasons != nullptr ? reasons->if_array() : nullptr)
    for (const Json& one : *all)
      state.gaps.push_back({one.string_at("reason").value_or(""), one.string_at("subject").value_or(""),
                            one.string_at("at").value_or("")});
  return state;
}

}  // namespace

LineageState lineage_state(std::string_view metadata) {
  const auto parsed = Json::parse(metadata, "metadata");
  return parsed ? state_of(*parsed) : LineageState();
}

Result<std::vector<ModelState>> View::lineage_states() {
  static const std::string kSql = "select " + std::string(kObjectRefColumns) +
                                  ", c.full_name, f.relative_path, o.metadata from objects o "
                                  "join connections c on c.id = o.connection_id left join files f on f.id = o.file_id "
                                  "where o.object_type in ('model', 'snapshot') order by c.full_name, o.name, o.id";
  std::vector<ModelState> found;
  TRY(auto query, Query::begin(*impl_, kSql));
  for (;;) {
    TRY(const bool row, query->step());
    if (!row) return found;
    ModelState one{object_ref_at(*impl_, *query, 0), query->text_at(kObjectRefColumnCount),
                   query->optional_text_at(kObjectRefColumnCount + 1),
                   lineage_state(query->text_at(kObjectRefColumnCount + 2))};
    if (!one.lineage.status.empty()) found.push_back(std::move(one));
  }
}

Result<ColumnState> View::column_state(const Uuid& object, std::string_view column) {
  ColumnState state;
  TRY(auto query, Query::begin(*impl_,
                               "select c.metadata, o.metadata from columns c join objects o on o.id = c.object_id "
                               "where c.object_id = ?1 and c.name = ?2"));
  query->id(1, object);
  query->text(2, column);
  TRY(const bool row, query->step());
  if (!row) return state;
  const auto metadata = Json::parse(query->text_at(0), "metadata");
  if (!metadata) return state;
  state.constant = metadata->string_at("constant");
  if (const Json* in_sql = metadata->find("in_sql"); in_sql != nullptr && in_sql->if_bool() != nullptr)
    state.in_sql = *in_sql->if_bool();
  const Json* gaps = metadata->find("lineage_gaps");
  if (const Json::Array* all = gaps != nullptr ? gaps->if_array() : nullptr)
    for (const Json& one : *all)
      if (one.if_string() != nullptr) state.gaps.push_back(*one.if_string());
  const LineageState model = lineage_state(query->text_at(1));
  if (!model.columns_complete || model.status == "failed")
    for (const auto& gap : model.gaps) state.gaps_of_model.push_back(gap.reason);
  return state;
}

}  // namespace tideline::replica
