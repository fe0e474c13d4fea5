#include "wire/json_rows.h"

#include <charconv>

#include "base/json.h"

namespace tideline::wire {

void append_uuid(std::string& out, const Uuid& id) {
  static constexpr char kHex[] = "0123456789abcdef";
  char text[36];
  std::size_t at = 0;
  for (std::size_t i = 0; i < id.bytes.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text[at++] = '-';
    text[at++] = kHex[id.bytes[i] >> 4];
    text[at++] = kHex[id.bytes[i] & 15];
  }
  out.append(text, sizeof text);
}

void JsonRows::begin_row() {
  if (!first_) out_ += ',';
  first_ = false;
}

void JsonRows::put(const Uuid& id) {
  out_ += '"';
  append_uuid(out_, id);
  out_ += '"';
}

void JsonRows::put(std::string_view text) { append_json_string(out_, text); }

void JsonRows::put(std::int64_t number) {
  char digits[20];
  const auto end = std::to_chars(digits, digits + sizeof digits, number).ptr;
  out_.append(digits, static_cast<std::size_t>(end - digits));
}

void JsonRows::put_flag(Maybe<bool> flag) {
  if (flag) {
    put_flag(*flag);
  } else {
    out_ += "null";
  }
}

void JsonRows::put(Timestamp time) {
  const auto hash = static_cast<std::uint64_t>(time.micros) * 0x9E3779B97F4A7C15ULL >> 60;
  WrittenTime& written = times_[hash];
  if (written.time != time || written.text.empty()) written = {time, '"' + time.to_string() + '"'};
  out_ += written.text;
}

void JsonRows::put_json(const Maybe<Text>& text) { out_ += text ? *text : "null"; }

template <class T>
void JsonRows::put(const Maybe<T>& maybe) {
  if (maybe) {
    put(*maybe);
  } else {
    out_ += "null";
  }
}

void JsonRows::add(const FileRow& row) {
  begin_row();
  out_ += "{\"id\":", put(row.id);
  out_ += ",\"repository_id\":", put(row.repository_id);
  out_ += ",\"organization_id\":", put(row.organization_id);
  out_ += ",\"connection_id\":", put(row.connection_id);
  out_ += ",\"relative_path\":", put(row.relative_path);
  out_ += ",\"absolute_path\":", put(row.absolute_path);
  out_ += ",\"file_type\":", put(row.file_type);
  out_ += ",\"dialect\":", put(row.dialect);
  out_ += ",\"size_bytes\":", put(row.size_bytes);
  out_ += ",\"file_hash\":", put(row.file_hash);
  out_ += ",\"parsed_at\":", put(row.parsed_at);
  out_ += ",\"parser_used\":", put(row.parser_used);
  out_ += ",\"parse_confidence\":", append_confidence(out_, row.parse_confidence);
  out_ += ",\"created_at\":", put(row.created_at);
  out_ += ",\"updated_at\":", put(row.updated_at);
  out_ += ",\"row_version\":", put(row.row_version);
  out_ += '}';
}

void JsonRows::add(const ObjectRow& row) {
  begin_row();
  out_ += "{\"id\":", put(row.id);
  out_ += ",\"file_id\":", put(row.file_id);
  out_ += ",\"repository_id\":", put(row.repository_id);
  out_ += ",\"organization_id\":", put(row.organization_id);
  out_ += ",\"connection_id\":", put(row.connection_id);
  out_ += ",\"name\":", put(row.name);
  out_ += ",\"schema_name\":", put(row.schema_name);
  out_ += ",\"database_name\":", put(row.database_name);
  out_ += ",\"full_name\":", put(row.full_name);
  out_ += ",\"object_type\":", put(row.object_type);
  out_ += ",\"definition\":", put(row.definition);
  out_ += ",\"compiled_definition\":", put(row.compiled_definition);
  out_ += ",\"description\":", put(row.description);
  out_ += ",\"metadata\":", put_json(row.metadata);
  out_ += ",\"line_start\":", put(row.line_start);
  out_ += ",\"line_end\":", put(row.line_end);
  out_ += ",\"content_hash\":", put(row.content_hash);
  out_ += ",\"confidence\":", append_confidence(out_, row.confidence);
  out_ += ",\"extracted_from\":", put(row.extracted_from);
  out_ += ",\"extraction_tier\":", put(row.extraction_tier);
  out_ += ",\"compiled_as_of\":", put(row.compiled_as_of);
  out_ += ",\"catalog_as_of\":", put(row.catalog_as_of);
  out_ += ",\"created_at\":", put(row.created_at);
  out_ += ",\"updated_at\":", put(row.updated_at);
  out_ += ",\"row_version\":", put(row.row_version);
  out_ += '}';
}

void JsonRows::add(const ColumnRow& row) {
  begin_row();
  out_ += "{\"id\":", put(row.id);
  out_ += ",\"object_id\":", put(row.object_id);
  out_ += ",\"organization_id\":", put(row.organization_id);
  out_ += ",\"connection_id\":", put(row.connection_id);
  out_ += ",\"name\":", put(row.name);
  out_ += ",\"data_type\":", put(row.data_type);
  out_ += ",\"is_nullable\":", put_flag(row.is_nullable);
  out_ += ",\"is_primary_key\":", put_flag(row.is_primary_key);
  out_ += ",\"is_foreign_key\":", put_flag(row.is_foreign_key);
  out_ += ",\"default_value\":", put(row.default_value);
  out_ += ",\"description\":", put(row.description);
  out_ += ",\"position\":", put(row.position);
  out_ += ",\"metadata\":", put_json(row.metadata);
  out_ += ",\"updated_at\":", put(row.updated_at);
  out_ += ",\"row_version\":", put(row.row_version);
  out_ += '}';
}

void JsonRows::add(const DependencyRow& row) {
  begin_row();
  out_ += "{\"id\":", put(row.id);
  out_ += ",\"organization_id\":", put(row.organization_id);
  out_ += ",\"connection_id\":", put(row.connection_id);
  out_ += ",\"source_object_id\":", put(row.source_object_id);
  out_ += ",\"target_object_id\":", put(row.target_object_id);
  out_ += ",\"dependency_type\":", put(row.dependency_type);
  out_ += ",\"column_level\":", put_flag(row.column_level);
  out_ += ",\"source_column\":", put(row.source_column);
  out_ += ",\"target_column\":", put(row.target_column);
  out_ += ",\"expression\":", put(row.expression);
  out_ += ",\"confidence\":", append_confidence(out_, row.confidence);
  out_ += ",\"metadata\":", put_json(row.metadata);
  out_ += ",\"source_connection_id\":", put(row.source_connection_id);
  out_ += ",\"source_full_name\":", put(row.source_full_name);
  out_ += ",\"updated_at\":", put(row.updated_at);
  out_ += ",\"row_version\":", put(row.row_version);
  out_ += '}';
}

void JsonRows::add(const ColumnLineageRow& row) {
  begin_row();
  out_ += "{\"id\":", put(row.id);
  out_ += ",\"organization_id\":", put(row.organization_id);
  out_ += ",\"connection_id\":", put(row.connection_id);
  out_ += ",\"source_object_id\":", put(row.source_object_id);
  out_ += ",\"source_column\":", put(row.source_column);
  out_ += ",\"target_object_id\":", put(row.target_object_id);
  out_ += ",\"target_column\":", put(row.target_column);
  out_ += ",\"expression\":", put(row.expression);
  out_ += ",\"transformation_type\":", put(row.transformation_type);
  out_ += ",\"confidence\":", append_confidence(out_, row.confidence);
  out_ += ",\"extracted_from\":", put(row.extracted_from);
  out_ += ",\"metadata\":", put_json(row.metadata);
  out_ += ",\"source_connection_id\":", put(row.source_connection_id);
  out_ += ",\"source_full_name\":", put(row.source_full_name);
  out_ += ",\"updated_at\":", put(row.updated_at);
  out_ += ",\"row_version\":", put(row.row_version);
  out_ += '}';
}

void JsonRows::add(const DocumentationRow& row) {
  begin_row();
  out_ += "{\"id\":", put(row.id);
  out_ += ",\"object_id\":", put(row.object_id);
  out_ += ",\"organization_id\":", put(row.organization_id);
  out_ += ",\"connection_id\":", put(row.connection_id);
  out_ += ",\"executive_summary\":", put(row.executive_summary);
  out_ += ",\"business_narrative\":", put(row.business_narrative);
  out_ += ",\"transformation_cards\":", put_json(row.transformation_cards);
  out_ += ",\"code_explanations\":", put_json(row.code_explanations);
  out_ += ",\"business_rules\":", put_json(row.business_rules);
  out_ += ",\"impact_analysis\":", put_json(row.impact_analysis);
  out_ += ",\"generated_at\":", put(row.generated_at);
  out_ += ",\"model\":", put(row.model);
  out_ += ",\"doc_version\":", put(row.doc_version);
  out_ += ",\"extra\":", put_json(row.extra);
  out_ += ",\"updated_at\":", put(row.updated_at);
  out_ += ",\"row_version\":", put(row.row_version);
  if (row.object) {
    out_ += ",\"objects\":{\"name\":", put(row.object->name);
    out_ += ",\"full_name\":", put(row.object->full_name);
    out_ += ",\"object_type\":", put(row.object->object_type);
    out_ += ",\"files\":";
    if (row.object->relative_path) {
      out_ += "{\"relative_path\":", put(*row.object->relative_path);
      out_ += '}';
    } else {
      out_ += "null";
    }
    out_ += '}';
  }
  out_ += '}';
}

}  // namespace tideline::wire
