#pragma once
// The rows of the API as views: what the store reads out of a result and an encoder writes. All public columns, those
// of the store (organization_id, row_version, times) too. The views live as long as what they were read from.
// Not for keeping: that is model/records.h.

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/ids.h"
#include "base/time.h"

namespace tideline::wire {

using Text = std::string_view;
template <class T>
using Maybe = std::optional<T>;

struct FileRow {
  Uuid id{};
  Uuid repository_id{};
  Uuid organization_id{};
  Uuid connection_id{};
  Text relative_path{};
  Maybe<Text> absolute_path{};
  Text file_type{};
  Maybe<Text> dialect{};
  Maybe<std::int64_t> size_bytes{};
  Maybe<Text> file_hash{};
  Timestamp parsed_at{};
  Text parser_used{};
  std::int64_t parse_confidence = 0;  // thousandths, as every confidence here
  Timestamp created_at{};
  Timestamp updated_at{};
  std::int64_t row_version = 0;
};

struct ObjectRow {
  Uuid id{};
  Maybe<Uuid> file_id{};
  Uuid repository_id{};
  Uuid organization_id{};
  Uuid connection_id{};
  Text name{};
  Maybe<Text> schema_name{};
  Maybe<Text> database_name{};
  Text full_name{};
  Text object_type{};
  Maybe<Text> definition{};
  Maybe<Text> compiled_definition{};
  Maybe<Text> description{};
  Text metadata{};  // JSON text, as every metadata here
  Maybe<std::int64_t> line_start{};
  Maybe<std::int64_t> line_end{};
  Maybe<Text> content_hash{};
  std::int64_t confidence = 0;
  Text extracted_from{};
  Text extraction_tier{};
  Maybe<Timestamp> compiled_as_of{};
  Maybe<Timestamp> catalog_as_of{};
  Timestamp created_at{};
  Timestamp updated_at{};
  std::int64_t row_version = 0;
};

struct ColumnRow {
  Uuid id{};
  Uuid object_id{};
  Uuid organization_id{};
  Uuid connection_id{};
  Text name{};
  Maybe<Text> data_type{};
  Maybe<bool> is_nullable{};
  bool is_primary_key = false;
  bool is_foreign_key = false;
  Maybe<Text> default_value{};
  Maybe<Text> description{};
  std::int64_t position = 0;
  Text metadata{};
  Timestamp updated_at{};
  std::int64_t row_version = 0;
};

struct DependencyRow {
  Uuid id{};
  Uuid organization_id{};
  Uuid connection_id{};
  Uuid source_object_id{};
  Uuid target_object_id{};
  Text dependency_type{};
  bool column_level = false;
  Maybe<Text> source_column{};
  Maybe<Text> target_column{};
  Maybe<Text> expression{};
  std::int64_t confidence = 0;
  Text metadata{};
  Uuid source_connection_id{};
  Text source_full_name{};
  Timestamp updated_at{};
  std::int64_t row_version = 0;
};

struct ColumnLineageRow {
  Uuid id{};
  Uuid organization_id{};
  Uuid connection_id{};
  Uuid source_object_id{};
  Text source_column{};
  Uuid target_object_id{};
  Text target_column{};
  Maybe<Text> expression{};
  Text transformation_type{};
  std::int64_t confidence = 0;
  Text extracted_from{};
  Text metadata{};
  Uuid source_connection_id{};
  Text source_full_name{};
  Timestamp updated_at{};
  std::int64_t row_version = 0;
};

/// What GET /documentation shows of the object a document is about.
struct DocumentedObject {
  Text name{};
  Text full_name{};
  Text object_type{};
  Maybe<Text> relative_path{};  // of its file, where it has one
};

struct DocumentationRow {
  Uuid id{};
  Uuid object_id{};
  Uuid organization_id{};
  Uuid connection_id{};
  Maybe<Text> executive_summary{};
  Maybe<Text> business_narrative{};
  Maybe<Text> transformation_cards{};  // JSON text
  Maybe<Text> code_explanations{};     // JSON text
  Maybe<Text> business_rules{};        // JSON text
  Maybe<Text> impact_analysis{};       // JSON text
  Maybe<Timestamp> generated_at{};
  Maybe<Text> model{};
  Maybe<Text> doc_version{};
  Maybe<Text> extra{};  // JSON text
  Timestamp updated_at{};
  std::int64_t row_version = 0;
  Maybe<DocumentedObject> object{};
};

}  // namespace tideline::wire
