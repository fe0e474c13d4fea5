// Search: five places in the order of how much a hit there says, each asked for a bounded number of rows, so that a
// word that is everywhere costs no more than one that is rare.

#include <algorithm>
#include <set>
#include <tuple>

#include "base/text.h"
#include "replica/view_impl.h"

namespace tideline::replica {
namespace {

using Where = SearchHit::Where;

constexpr std::size_t kMaxWords = 8;
constexpr std::size_t kMaxTextBytes = 512;
constexpr std::size_t kShownBytes = 200;
constexpr std::size_t kTrigram = 3;  // characters: shorter ones are found at the start of words alone

std::size_t characters_of(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

std::string cut(std::string_view text) {
  if (text.size() <= kShownBytes) return std::string(text);
  std::size_t end = kShownBytes;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  return std::string(text.substr(0, end)) + "…";
}

/// A word as FTS5 has words: letters and digits; `order_amount` is two.
std::vector<std::string> tokens_of(std::string_view text) {
  std::vector<std::string> tokens(1);
  for (const char c : text) {
    const bool part = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                      static_cast<unsigned char>(c) >= 0x80;
    if (part)
      tokens.back() += c;
    else if (!tokens.back().empty())
      tokens.emplace_back();
  }
  if (tokens.back().empty()) tokens.pop_back();
  return tokens;
}

class Search {
 public:
  Search(View::Impl& impl, const SearchQuery& query)
      : impl_(impl), query_(query), text_(trim(query.text)), wanted_(query.limit + 1) {
    for (const auto word : split(text_, ' '))
      if (!trim(word).empty() && words_.size() < kMaxWords) words_.emplace_back(trim(word));
    for (const auto& token : tokens_of(text_)) match_.append(match_.empty() ? "\"" : " \"").append(token).append("\"*");
    long_enough_ = !words_.empty() && std::all_of(words_.begin(), words_.end(), [](const std::string& word) {
      return characters_of(word) >= kTrigram;
    });
  }

  Result<SearchAnswer> run() {
    if (words_.empty()) return fail(Code::kInvalidInput, "There is nothing to search for.");
    const std::string end = after_prefix(text_);
    TRY_VOID(both(Where::kName, "o.name = ?1 collate nocase", "c.name = ?1 collate nocase", {text_}));
    TRY_VOID(both(Where::kNamePrefix, "o.name >= ?1 collate nocase and o.name < ?2 collate nocase",
                  "c.name >= ?1 collate nocase and c.name < ?2 collate nocase", {text_, end}));
    if (long_enough_)
      TRY_VOID(both(Where::kNamePart,
                    "o.seq in (select rowid from search_object_names where " + like("name") +
                        " union all select rowid from search_object_names where " + like("full_name") + ")",
                    "c.seq in (select rowid from search_column_names where " + like("name") + ")", patterns()));
    if (!match_.empty()) {
      TRY_VOID(both(Where::kDescription, "o.seq in (select rowid from search_objects where search_objects match ?1)",
                    "c.seq in (select rowid from search_columns where search_columns match ?1)", {match_}));
      if (query_.documentation && !enough()) TRY_VOID(documentation());
    }
    return answer();
  }

 private:
  std::string like(std::string_view column) const {
    std::string condition;
    for (std::size_t i = 0; i < words_.size(); ++i)
      condition.append(i == 0 ? "" : " and ").append(column).append(" like ?").append(std::to_string(i + 1));
    return condition;
  }
  // LIKE without ESCAPE, which FTS5 would not answer from its index: `_` and `%` match more than themselves there, and
  // what they match in excess is dropped when the rows are read.
  std::vector<std::string> patterns() const {
    std::vector<std::string> patterns;
    for (const auto& word : words_) patterns.push_back("%" + word + "%");
    return patterns;
  }

  std::string of_types(std::size_t first) const {
    std::string condition;
    for (std::size_t i = 0; i < query_.object_types.size(); ++i)
      condition.append(i == 0 ? " and o.object_type in (?" : ", ?").append(std::to_string(first + i));
    return condition.empty() ? condition : condition + ")";
  }

  Result<void> rows(Where where, Kind kind, std::string_view select, std::string_view condition,
                    const std::vector<std::string>& values) {
    const std::size_t limit = std::max<std::size_t>(wanted_ * 2, 100);
    TRY(auto query, Query::begin(impl_, std::string(select) + std::string(condition) + of_types(values.size() + 1) +
                                            " limit " + std::to_string(limit)));
    int parameter = 0;
    for (const auto& value : values) query->text(++parameter, value);
    for (const auto& type : query_.object_types) query->text(++parameter, type);
    for (;;) {
      TRY(const bool row, query->step());
      if (!row) return {};
      SearchHit hit;
      hit.kind = kind;
      hit.where = where;
      hit.object = object_ref_at(impl_, *query, 0);
      hit.column = query->text_at(kObjectRefColumnCount);
      hit.text = cut(query->bytes_at(kObjectRefColumnCount + 1));
      if (where == Where::kNamePart && !has_all_words(hit)) continue;
      const Uuid id = query->id_at(kObjectRefColumnCount + 2);
      if (seen_.insert({kind, id}).second) hits_.push_back(std::move(hit));
    }
  }
  /// Objects and columns of one place; nothing when better places have given enough.
  Result<void> both(Where where, std::string_view of_objects, std::string_view of_columns,
                    const std::vector<std::string>& values) {
    if (enough()) return {};
    if (query_.objects) TRY_VOID(objects(where, of_objects, values));
    if (query_.columns) TRY_VOID(columns(where, of_columns, values));
    return {};
  }
  bool enough() const { return hits_.size() >= wanted_; }
  Result<void> objects(Where where, std::string_view condition, const std::vector<std::string>& values) {
    static const std::string kSelect =
        "select " + std::string(kObjectRefColumns) + ", '', coalesce(o.description, ''), o.id from objects o where ";
    return rows(where, Kind::kObject, kSelect, condition, values);
  }
  Result<void> columns(Where where, std::string_view condition, const std::vector<std::string>& values) {
    static const std::string kSelect = "select " + std::string(kObjectRefColumns) +
                                       ", c.name, coalesce(c.description, ''), c.id "
                                       "from columns c join objects o on o.id = c.object_id where ";
    return rows(where, Kind::kColumn, kSelect, condition, values);
  }
  Result<void> documentation() {
    static const std::string kSelect =
        "select " + std::string(kObjectRefColumns) +
        ", '', coalesce(d.executive_summary, d.business_narrative, ''), d.id "
        "from object_documentation d join objects o on o.id = d.object_id where "
        "d.seq in (select rowid from search_documentation where search_documentation match ?1)";
    return rows(Where::kDocumentation, Kind::kDocumentation, kSelect, "", {match_});
  }

  bool has_all_words(const SearchHit& hit) const {
    const std::string name = ascii_lower(hit.column.empty() ? hit.object.name : hit.column);
    const std::string full_name = hit.column.empty() ? ascii_lower(hit.object.full_name) : name;
    const auto in = [](const std::string& text, const std::string& word) {
      // Beyond ASCII SQLite's folding was the judge.
      return std::any_of(word.begin(), word.end(), [](char c) { return static_cast<unsigned char>(c) >= 0x80; }) ||
             text.find(ascii_lower(word)) != std::string::npos;
    };
    return std::all_of(words_.begin(), words_.end(), [&](const std::string& word) { return in(name, word); }) ||
           std::all_of(words_.begin(), words_.end(), [&](const std::string& word) { return in(full_name, word); });
  }

  SearchAnswer answer() {
    const auto key = [](const SearchHit& hit) {
      const std::string& name = hit.column.empty() ? hit.object.name : hit.column;
      return std::tuple(hit.where, !hit.object.own, name.size(), hit.kind, std::string_view(name),
                        std::string_view(hit.object.full_name), hit.object.id);
    };
    std::sort(hits_.begin(), hits_.end(), [&key](const SearchHit& a, const SearchHit& b) { return key(a) < key(b); });
    SearchAnswer answer;
    answer.more = hits_.size() > query_.limit;
    if (answer.more) hits_.resize(query_.limit);
    answer.hits = std::move(hits_);
    return answer;
  }

  View::Impl& impl_;
  const SearchQuery& query_;
  std::string text_;
  std::size_t wanted_;
  std::vector<std::string> words_;
  std::string match_;
  bool long_enough_ = false;
  std::set<std::pair<Kind, Uuid>> seen_;
  std::vector<SearchHit> hits_;
};

}  // namespace

Result<SearchAnswer> View::search(const SearchQuery& query) {
  if (query.text.size() > kMaxTextBytes) return fail(Code::kInvalidInput, "The text to search for is too long.");
  if (query.limit == 0 || query.limit > kMaxSearch)
    return fail(Code::kInvalidInput, "The limit of a search is from 1 to " + std::to_string(kMaxSearch) + ".");
  return Search(*impl_, query).run();
}

}  // namespace tideline::replica
