#include "extract/lineage_text.h"

#include <algorithm>

#include "base/json.h"
#include "base/text.h"
#include "extract/json_value.h"
#include "sql/parser.h"

namespace tideline::extract {
namespace {

constexpr std::size_t kMaxExpressionBytes = 1'000;  // of the text of an edge
constexpr std::size_t kMaxGapsShown = 20;           // of one object

bool stands_in(std::string_view sql) {
  return sql.find("__jinja_") != std::string_view::npos || sql.find("__ref__.") != std::string_view::npos ||
         sql.find("__source__.") != std::string_view::npos || sql.find("__this__.") != std::string_view::npos;
}

}  // namespace

std::optional<std::string> QueryText::place(const lineage::Gap& gap) const {
  sql::Position at;
  if (template_ == nullptr) {
    if (gap.span.empty() || gap.span.begin > sql_.size()) return std::nullopt;
    at = sql::position_of(gap.span.begin, sql_);
  } else {
    std::uint32_t begin = template_->map.to_file(gap.span).begin;
    if (gap.span.empty()) {
      const auto mark = std::find_if(template_->marks.begin(), template_->marks.end(),
                                     [&](const TemplateMark& one) { return one.subject == gap.subject; });
      if (mark == template_->marks.end()) return std::nullopt;
      begin = mark->begin;
    }
    at = sql::position_of(std::min(begin, static_cast<std::uint32_t>(definition_.size())), definition_);
    if (at.line == 1) at.column += template_->column - 1;
    at.line += template_->line - 1;
  }
  return std::to_string(at.line) + ":" + std::to_string(at.column);
}

std::optional<std::string> QueryText::excerpt(sql::Span span) const {
  if (span.empty() || span.end > sql_.size() || span.begin > span.end) return std::nullopt;
  std::string_view text = trim(sql::text_of(span, sql_));
  if (template_ != nullptr && stands_in(text)) {
    const sql::Span file = template_->map.to_file(span);
    if (file.begin < file.end && file.end <= definition_.size()) text = trim(sql::text_of(file, definition_));
  }
  if (text.size() <= kMaxExpressionBytes) return std::string(text);
  std::size_t cut = kMaxExpressionBytes;
  while (cut > 0 && (static_cast<unsigned char>(text[cut]) & 0xC0) == 0x80) --cut;
  return std::string(text.substr(0, cut)) + "…";
}

JsonText with_members(const JsonText& json, const std::map<std::string, std::string>& more) {
  std::map<std::string, std::string> members;
  if (const auto parsed = Json::parse(json.text, "metadata"); parsed && parsed->if_object() != nullptr)
    for (const auto& [key, value] : *parsed->if_object()) members[key] = value.canonical();
  for (const auto& [key, value] : more) members[key] = value;
  return {object_of({members.begin(), members.end()})};
}

std::string json_string(std::string_view text) {
  std::string out;
  append_json_string(out, text);
  return out;
}

std::string status_json(const lineage::QueryLineage& result, const QueryText& text) {
  std::string out;
  JsonWriter json(out);
  json.begin_object();
  if (!result.columns_complete && !result.failed) json.key("columns_complete").boolean(false);
  if (text.is_template()) json.key("of").string("template");
  if (!result.gaps.empty()) {
    json.key("reasons").begin_array();
    for (std::size_t i = 0; i < result.gaps.size() && i < kMaxGapsShown; ++i) {
      const auto& gap = result.gaps[i];
      json.begin_object();
      if (const auto at = text.place(gap)) json.key("at").string(*at);
      json.key("reason").string(to_string(gap.reason));
      if (!gap.subject.empty()) json.key("subject").string(gap.subject);
      json.end_object();
    }
    json.end_array();
  }
  json.key("status").string(result.failed ? "failed" : result.gaps.empty() ? "complete" : "partial");
  json.end_object();
  return out;
}

}  // namespace tideline::extract
