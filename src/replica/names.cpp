// What a name means.

#include <algorithm>
#include <tuple>

#include "base/edit_distance.h"
#include "base/text.h"
#include "replica/view_impl.h"

namespace tideline::replica {
namespace {

constexpr std::size_t kMaxNameBytes = 2048;
constexpr std::size_t kMaxFound = 200;  // of one reading: more than that is a search

/// Parts between dots, without their quotes: "a"."b", `a.b`, [a].[b].
std::vector<std::string> parts_of(std::string_view name) {
  std::vector<std::string> parts(1);
  char closing = 0;
  for (std::size_t i = 0; i < name.size(); ++i) {
    const char c = name[i];
    if (closing != 0) {
      if (c != closing)
        parts.back() += c;
      else if (closing != ']' && i + 1 < name.size() && name[i + 1] == closing)
        parts.back() += name[++i];
      else
        closing = 0;
    } else if (c == '.') {
      parts.emplace_back();
    } else if ((c == '"' || c == '`' || c == '[') && parts.back().empty()) {
      closing = c == '[' ? ']' : c;
    } else {
      parts.back() += c;
    }
  }
  return parts;
}

std::string joined(const std::vector<std::string>& parts, std::size_t from, std::size_t to) {
  std::string text;
  for (std::size_t i = from; i < to; ++i) text.append(i == from ? "" : ".").append(parts[i]);
  return text;
}

/// What a name without more most likely means: relations before what reads them, before what checks them.
int rank_of(std::string_view type) {
  if (type == "model" || type == "seed" || type == "snapshot") return 0;
  if (type == "source" || type == "analysis") return 1;
  if (type == "test" || type == "unit_test" || type == "macro") return 3;
  return 2;
}

class Resolver {
 public:
  Resolver(View::Impl& impl, std::string_view name) : impl_(impl), name_(name) {}

  Result<std::vector<Target>> run() {
    TRY_VOID(load_places(impl_));
    for (const auto& [id, place] : impl_.places) connections_.push_back(id);
    read_place();
    parts_ = parts_of(name_);
    TRY_VOID(by_id());
    if (found_.empty()) TRY_VOID(each_reading(&Resolver::objects));
    // A relation whose name in the warehouse is not the object's own.
    if (found_.empty()) TRY_VOID(each_reading(&Resolver::by_identifier));
    if (std::any_of(found_.begin(), found_.end(), [](const Target& target) { return target.object.own; }))
      std::erase_if(found_, [](const Target& target) { return !target.object.own; });
    std::sort(found_.begin(), found_.end(), [](const Target& a, const Target& b) {
      const int left = rank_of(a.object.object_type), right = rank_of(b.object.object_type);
      return std::tie(left, a.object.full_name, a.object.id, a.column) <
             std::tie(right, b.object.full_name, b.object.id, b.column);
    });
    return std::move(found_);
  }

  /// What the name would mean without its last part; that is no column of it.
  const std::optional<Target>& without_column() const { return without_column_; }

 private:
  using Column = std::optional<std::string>;

  /// "acme/shop:" and what else says of which connection it is. Names may have a colon too: it has to be one of ours.
  void read_place() {
    for (auto colon = name_.find(':'); colon != std::string_view::npos; colon = name_.find(':', colon + 1)) {
      const std::string_view before = name_.substr(0, colon);
      std::vector<ConnectionId> meant;
      for (const auto& [id, place] : impl_.places)
        // Without its sub-directory: any of the repository.
        if (equal_ignoring_case(place, before) || equal_ignoring_case(place.substr(0, place.find("//")), before) ||
            equal_ignoring_case(id.to_string(), before))
          meant.push_back(id);
      if (meant.empty()) continue;
      connections_ = std::move(meant);
      name_.remove_prefix(colon + 1);
      return;
    }
  }

  Result<void> by_id() {
    const auto id = Uuid::parse(parts_[0]);
    if (!id) return {};
    TRY(auto object, find_object(impl_, *id));
    if (!object) return {};
    return add(std::move(*object), parts_.size() == 1 ? Column() : Column(joined(parts_, 1, parts_.size())));
  }

  /// The first parts name an object, and those behind them, if any, a column of it: more of the object first.
  Result<void> each_reading(Result<void> (Resolver::*read)(std::size_t count, const Column& column)) {
    TRY_VOID((this->*read)(parts_.size(), std::nullopt));
    for (std::size_t count = parts_.size() - 1; count > 0; --count)
      TRY_VOID((this->*read)(count, joined(parts_, count, parts_.size())));
    return {};
  }

  /// The first `count` parts name an object; what is behind them a column of it.
  Result<void> objects(std::size_t count, const Column& column) {
    const std::string whole = joined(parts_, 0, count);
    for (const auto& connection : connections_)
      for (const auto& spelling : {whole, ascii_lower(whole)}) {
        TRY(auto object, find_object(impl_, object_id(connection, spelling)));
        if (object) TRY_VOID(add(std::move(*object), column));
      }
    TRY_VOID(query("o.full_name = ?1 collate nocase", {whole}, column));
    // A source by its name and its table's, as lists name it.
    if (count > 1)
      TRY_VOID(
          query("o.name = ?2 collate nocase and o.object_type = 'source' and "
                "substr(json_extract(o.metadata, '$.unique_id'), -length(?1)) = ?1 collate nocase",
                {"." + whole, joined(parts_, 1, count)}, column));
    switch (count) {
      case 1:
        return query("o.name = ?1 collate nocase", {parts_[0]}, column);
      case 2:
        return query("o.name = ?2 collate nocase and o.schema_name = ?1 collate nocase", {parts_[0], parts_[1]},
                     column);
      case 3:
        return query(
            "o.name = ?3 collate nocase and o.schema_name = ?2 collate nocase and o.database_name = ?1 collate nocase",
            {parts_[0], parts_[1], parts_[2]}, column);
      default:
        return {};
    }
  }

  Result<void> by_identifier(std::size_t count, const Column& column) {
    if (count > 3) return {};
    // A scan: nothing was found by the indexes.
    return query("length(o.full_name) > length(?1) and substr(o.full_name, -length(?1)) = ?1 collate nocase",
                 {"." + joined(parts_, 0, count)}, column);
  }

  Result<void> query(std::string_view condition, const std::vector<std::string>& values, const Column& column) {
    TRY(auto query, Query::begin(impl_, "select " + std::string(kObjectRefColumns) + " from objects o where " +
                                            std::string(condition) + " limit " + std::to_string(kMaxFound)));
    for (std::size_t i = 0; i < values.size(); ++i) query->text(static_cast<int>(i) + 1, values[i]);
    for (;;) {
      TRY(const bool row, query->step());
      if (!row) return {};
      TRY_VOID(add(object_ref_at(impl_, *query, 0), column));
    }
  }

  Result<void> add(ObjectRef object, const Column& column) {
    if (std::find(connections_.begin(), connections_.end(), object.connection) == connections_.end()) return {};
    Target target{std::move(object), {}};
    if (column == "*") {
      target.column = column;
    } else if (column) {
      TRY(auto query, Query::begin(impl_,
                                   "select name from columns where object_id = ?1 and name = ?2 collate nocase "
                                   "order by name != ?2, name limit 1"));
      query->id(1, target.object.id).text(2, *column);
      TRY(const bool row, query->step());
      if (!row) {
        const bool better =
            !without_column_ || rank_of(target.object.object_type) < rank_of(without_column_->object.object_type);
        if (better) without_column_ = Target{std::move(target.object), column};
        return {};
      }
      target.column = query->text_at(0);
    }
    const auto same = [&target](const Target& other) {
      return other.object.id == target.object.id && other.column == target.column;
    };
    if (std::none_of(found_.begin(), found_.end(), same)) found_.push_back(std::move(target));
    return {};
  }

  View::Impl& impl_;
  std::string_view name_;  // without the connection
  std::vector<std::string> parts_;
  std::vector<ConnectionId> connections_;  // that may be meant
  std::vector<Target> found_;
  std::optional<Target> without_column_;
};

constexpr std::size_t kColumnsNamed = 5;

/// "It has amount, amount_cents …": the nearest ones.
std::string columns_near(const std::vector<ColumnDetails>& columns, std::string_view wanted) {
  if (columns.empty()) return "Nothing is known of its columns.";
  constexpr std::size_t kLongest = 128;
  const std::string lower = ascii_lower(wanted.substr(0, kLongest));
  std::vector<std::pair<std::size_t, std::size_t>> near;  // how far it is, which column
  for (std::size_t i = 0; i < columns.size(); ++i) {
    const std::string name = ascii_lower(std::string_view(columns[i].name).substr(0, kLongest));
    const bool inside = name.find(lower) != std::string::npos || lower.find(name) != std::string::npos;
    near.emplace_back(inside ? 0 : edit_distance(lower, name), i);
  }
  std::sort(near.begin(), near.end());
  std::string text = "It has ";
  for (std::size_t i = 0; i < std::min(near.size(), kColumnsNamed); ++i)
    text.append(i == 0 ? "" : ", ").append(columns[near[i].second].name);
  return text + (near.size() > kColumnsNamed ? " …" : ".");
}

}  // namespace

Result<Resolution> View::resolve(std::string_view name) {
  name = trim(name);
  if (name.empty() || name.size() > kMaxNameBytes) return fail(Code::kInvalidInput, "That is no name.");
  Resolver resolver(*impl_, name);
  TRY(auto found, resolver.run());
  Resolution resolution;
  if (found.empty()) {
    if (const auto& object = resolver.without_column()) {
      TRY(const auto there, columns(object->object.id));
      return fail(Code::kNotFound, object->object.name + " has no column " + *object->column + ".",
                  columns_near(there, *object->column));
    }
    SearchQuery near;
    near.text = name.substr(name.find_last_of('.') + 1);
    near.documentation = false;
    near.limit = 3;
    std::string hint;
    if (const auto answer = search(near))
      for (const auto& hit : answer->hits)
        hint.append(hint.empty() ? "There is " : ", ")
            .append(hit.object.place.empty() ? "" : hit.object.place + ":")
            .append(hit.object.full_name)
            .append(hit.column.empty() ? "" : ".")
            .append(hit.column);
    return fail(Code::kNotFound, "Nothing here is called " + std::string(name) + ".", hint.empty() ? "" : hint + ".");
  }
  const int best = rank_of(found[0].object.object_type);
  const auto others = std::find_if(found.begin(), found.end(),
                                   [best](const Target& target) { return rank_of(target.object.object_type) != best; });
  if (others - found.begin() == 1) {
    resolution.target = std::move(found[0]);
    found.erase(found.begin());
  }
  if (found.size() > Resolution::kMaxCandidates) found.resize(Resolution::kMaxCandidates);
  resolution.candidates = std::move(found);
  return resolution;
}

}  // namespace tideline::replica
