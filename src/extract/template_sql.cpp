#include "extract/template_sql.h"

#include <algorithm>
#include <limits>

#include "base/text.h"

namespace tideline::extract {
namespace {

// Of a subject: a condition may be long.
constexpr std::size_t kMaxSubjectBytes = 80;
// Of one model. Loops over lists can name a relation for each item.
constexpr std::size_t kMaxEntries = 5'000;
constexpr std::size_t kMaxMarks = 50;

std::optional<std::uint32_t> number(const Json& value) {
  const std::int64_t* whole = value.if_int();
  if (whole == nullptr || *whole < 0 || *whole > std::numeric_limits<std::uint32_t>::max()) return std::nullopt;
  return static_cast<std::uint32_t>(*whole);
}

/// A piece of the template, without its braces, on one line.
std::string quoted(std::string_view text) {
  text = trim(text);
  while (!text.empty() && (text.front() == '{' || text.front() == '%' || text.front() == '-')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == '}' || text.back() == '%' || text.back() == '-')) text.remove_suffix(1);
  text = trim(text);
  std::string out;
  for (const char c : text) {
    const bool is_space = c == ' ' || c == '\n' || c == '\r' || c == '\t';
    if (is_space && (out.empty() || out.back() == ' ')) continue;
    out += is_space ? ' ' : c;
  }
  if (out.size() <= kMaxSubjectBytes) return out;
  std::size_t cut = kMaxSubjectBytes;
  while (cut > 0 && (static_cast<unsigned char>(out[cut]) & 0xC0U) == 0x80) --cut;
  return out.substr(0, cut) + "…";
}

}  // namespace

std::string subject_of(const sql::JinjaOpaque& opaque, std::string_view definition) {
  const auto written = [&] {
    const sql::Span span = opaque.file;
    if (span.end > definition.size() || span.begin >= span.end) return std::string();
    return quoted(sql::text_of(span, definition));
  };
  if (!opaque.within.empty()) return quoted(opaque.within);
  switch (opaque.reason) {
    case sql::OpaqueReason::kMacro:
    case sql::OpaqueReason::kRuntime:
      if (!opaque.name.empty()) return quoted(opaque.name);
      return written();
    case sql::OpaqueReason::kVariable:
      return opaque.name.empty() ? written() : "var " + quoted(opaque.name);
    case sql::OpaqueReason::kEnvironment:
      return opaque.name.empty() ? written() : "env_var " + quoted(opaque.name);
    default:
      return written();
  }
}

std::optional<Json> to_json(const sql::JinjaResult& read, std::string_view definition, sql::Position begin,
                            const std::function<std::string(const sql::JinjaRelation&)>& unique_id) {
  if (read.truncated || read.sql.size() > kMaxTemplateSqlBytes || read.relation_index.size() > kMaxEntries ||
      read.map.pieces().size() > kMaxTemplateSqlBytes / 16)
    return std::nullopt;
  Json::Object relations, unknown;
  Json::Array marks, map;
  for (const auto& [name, index] : read.relation_index) {
    const auto& relation = read.relations[index];
    if (relation.kind != sql::JinjaRelation::Kind::kThis) relations.emplace_back(name, Json(unique_id(relation)));
  }
  for (const auto& opaque : read.opaque) {
    if (opaque.silent && opaque.placeholder.empty()) continue;
    if (!opaque.placeholder.empty()) {
      if (unknown.size() == kMaxEntries) return std::nullopt;
      unknown.emplace_back(opaque.placeholder, Json(subject_of(opaque, definition)));
    } else if (marks.size() < kMaxMarks) {
      Json::Array mark;
      mark.emplace_back(subject_of(opaque, definition));
      mark.emplace_back(static_cast<std::int64_t>(opaque.file.begin));
      marks.emplace_back(std::move(mark));
    }
  }
  for (const auto& piece : read.map.pieces()) {
    map.emplace_back(static_cast<std::int64_t>(piece.sql.end - piece.sql.begin));
    map.emplace_back(static_cast<std::int64_t>(piece.file.begin));
    map.emplace_back(piece.verbatim ? std::int64_t{-1} : static_cast<std::int64_t>(piece.file.end - piece.file.begin));
  }
  Json::Object out;
  out.emplace_back("sql", Json(read.sql));
  if (!relations.empty()) out.emplace_back("relations", Json(std::move(relations)));
  if (!unknown.empty()) out.emplace_back("unknown", Json(std::move(unknown)));
  if (!marks.empty()) out.emplace_back("marks", Json(std::move(marks)));
  const sql::JinjaDoubts doubts = sql::doubts_of(read);
  if (doubts.anywhere || doubts.places.size() > kMaxMarks) {
    out.emplace_back("several", Json(true));
  } else if (!doubts.places.empty()) {
    Json::Array places;
    for (const sql::Span place : doubts.places) {
      places.emplace_back(static_cast<std::int64_t>(place.begin));
      places.emplace_back(static_cast<std::int64_t>(place.end));
    }
    out.emplace_back("doubtful", Json(std::move(places)));
  }
  out.emplace_back("map", Json(std::move(map)));
  out.emplace_back("line", Json(std::int64_t{begin.line}));
  out.emplace_back("column", Json(std::int64_t{begin.column}));
  return Json(std::move(out));
}

std::optional<TemplateSql> read_template_sql(std::string_view json) {
  const auto parsed = Json::parse(json, "tideline_sql");
  if (!parsed) return std::nullopt;
  TemplateSql out;
  auto sql = parsed->string_at("sql");
  if (!sql || sql->size() > kMaxTemplateSqlBytes) return std::nullopt;
  out.sql = std::move(*sql);
  const auto texts = [&](std::string_view key, std::vector<std::pair<std::string, std::string>>& into) {
    const Json* members = parsed->find(key);
    if (members == nullptr || members->if_object() == nullptr) return;
    for (const auto& [name, text] : *members->if_object())
      if (text.if_string() != nullptr) into.emplace_back(name, *text.if_string());
  };
  texts("relations", out.relations);
  texts("unknown", out.unknown);
  if (const Json* marks = parsed->find("marks"); marks != nullptr && marks->if_array() != nullptr) {
    for (const Json& mark : *marks->if_array()) {
      const auto* pair = mark.if_array();
      if (pair == nullptr || pair->size() != 2 || (*pair)[0].if_string() == nullptr) continue;
      if (out.marks.size() < kMaxMarks) out.marks.push_back({*(*pair)[0].if_string(), number((*pair)[1]).value_or(0)});
    }
  }
  if (const Json* several = parsed->find("several"); several != nullptr && several->if_bool() != nullptr)
    out.is_one_of_several = *several->if_bool();
  if (const Json* places = parsed->find("doubtful"); places != nullptr && places->if_array() != nullptr) {
    const auto& ends = *places->if_array();
    for (std::size_t i = 0; i + 1 < ends.size(); i += 2) {
      const auto begin = number(ends[i]), end = number(ends[i + 1]);
      if (!begin || !end || *begin > *end || *end > out.sql.size()) return std::nullopt;
      out.doubtful.push_back({*begin, *end});
    }
  }
  for (auto [key, into] : {std::pair("line", &out.line), std::pair("column", &out.column)})
    if (const Json* value = parsed->find(key)) *into = std::max(number(*value).value_or(1), 1U);
  const Json* map = parsed->find("map");
  const auto* numbers = map == nullptr ? nullptr : map->if_array();
  if (numbers == nullptr || numbers->size() % 3 != 0) return std::nullopt;
  std::uint64_t at = 0;
  for (std::size_t i = 0; i < numbers->size(); i += 3) {
    const auto length = number((*numbers)[i]), begin = number((*numbers)[i + 1]), extent = number((*numbers)[i + 2]);
    if (!length || !begin) return std::nullopt;
    const bool verbatim = !extent;
    const std::uint64_t end = std::uint64_t{*begin} + (verbatim ? *length : *extent);
    if (at + *length > out.sql.size() || end > std::numeric_limits<std::uint32_t>::max()) return std::nullopt;
    sql::JinjaPiece piece;
    piece.sql = {static_cast<std::uint32_t>(at), static_cast<std::uint32_t>(at + *length)};
    piece.file = {*begin, static_cast<std::uint32_t>(end)};
    piece.verbatim = verbatim;
    out.map.add(piece);
    at += *length;
  }
  return out;
}

}  // namespace tideline::extract
