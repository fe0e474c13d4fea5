#pragma once
// What rows show of a query's text: places, excerpts, and the state of its lineage. Pure. Internal to this folder.

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "extract/template_sql.h"
#include "lineage/result.h"
#include "model/records.h"
#include "sql/token.h"

namespace tideline::extract {

/// The SQL that was resolved: as dbt compiled it, or as made of the model's file. In the latter case places are those
/// in the file.
class QueryText {
 public:
  static QueryText compiled(std::string sql) { return {std::move(sql), {}, nullptr}; }
  static QueryText of_template(std::shared_ptr<const TemplateSql> from, std::string sql, std::string definition) {
    return {std::move(sql), std::move(definition), std::move(from)};
  }

  bool is_template() const { return template_ != nullptr; }
  /// "line:column"; nullopt where it has no place.
  std::optional<std::string> place(const lineage::Gap& gap) const;
  /// The text of a span; what is too long is cut. Of a template the SQL, unless something in it only stands for what
  /// dbt would put there: then as it is written.
  std::optional<std::string> excerpt(sql::Span span) const;

 private:
  QueryText(std::string sql, std::string definition, std::shared_ptr<const TemplateSql> from)
      : sql_(std::move(sql)), definition_(std::move(definition)), template_(std::move(from)) {}

  std::string sql_;
  std::string definition_;
  std::shared_ptr<const TemplateSql> template_;
};

/// Canonical JSON of an object with further members, given as canonical JSON; those of the same key are replaced.
JsonText with_members(const JsonText& json, const std::map<std::string, std::string>& more);

std::string json_string(std::string_view text);

/// {"columns_complete":false,"of":"template","reasons":[{"at":"12:5","reason":…,"subject":…}],"status":…}, keys sorted;
/// `columns_complete` only where there are further columns, `of` only where the SQL is not compiled.
std::string status_json(const lineage::QueryLineage& result, const QueryText& text);

}  // namespace tideline::extract
