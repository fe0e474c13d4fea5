// What a name means.

#include <algorithm>
#include <tuple>

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

std::string joined(const std::vector<std::string>& parts, std::size_t count) {
  std::string text;
  for (std::size_t i = 0; i < count; ++i) text.append(i == 0 ? "" : ".").append(parts[i]);
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
  Resolver(View::Impl& impl, std::string_view name) : impl_(impl), parts_(parts_of(name)) {}

  Result<std::vector<Target>> run() {
    TRY(auto connections, Query::begin(impl_, "select id from sync_connections order by id"));
    for (;;) {
      TRY(const bool row, connections->step());
      if (!row) break;
      connections_.push_back({connections->id_at(0)});
    }
    TRY_VOID(objects(parts_.size(), std::nullopt));
    if (parts_.size() > 1) TRY_VOID(objects(parts_.size() - 1, parts_.back()));
    if (found_.empty()) {
      // A relation whose name in the warehouse is not the object's own.
      TRY_VOID(by_identifier(parts_.size(), std::nullopt));
      if (parts_.size() > 1) TRY_VOID(by_identifier(parts_.size() - 1, parts_.back()));
    }
    std::sort(found_.begin(), found_.end(), [](const Target& a, const Target& b) {
      const int left = rank_of(a.object.object_type), right = rank_of(b.object.object_type);
      return std::tie(left, a.object.full_name, a.object.id, a.column) <
             std::tie(right, b.object.full_name, b.object.id, b.column);
    });
    return std::move(found_);
  }

 private:
  /// The first `count` parts name an object; what is behind them a column of it.
  Result<void> objects(std::size_t count, const std::optional<std::string>& column) {
    const std::string whole = joined(parts_, count);
    for (const auto& connection : connections_)
      for (const auto& spelling : {whole, ascii_lower(whole)}) {
        TRY(auto object, find_object(impl_, object_id(connection, spelling)));
        if (object) TRY_VOID(add(std::move(*object), column));
      }
    TRY_VOID(query("o.full_name = ?1 collate nocase", {whole}, column));
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

  Result<void> by_identifier(std::size_t count, const std::optional<std::string>& column) {
    if (count > 3) return {};
    // A scan: nothing was found by the indexes.
    return query("length(o.full_name) > length(?1) and substr(o.full_name, -length(?1)) = ?1 collate nocase",
                 {"." + joined(parts_, count)}, column);
  }

  Result<void> query(std::string_view condition, const std::vector<std::string>& values,
                     const std::optional<std::string>& column) {
    TRY(auto query, Query::begin(impl_, "select " + std::string(kObjectRefColumns) + " from objects o where " +
                                            std::string(condition) + " limit " + std::to_string(kMaxFound)));
    for (std::size_t i = 0; i < values.size(); ++i) query->text(static_cast<int>(i) + 1, values[i]);
    for (;;) {
      TRY(const bool row, query->step());
      if (!row) return {};
      TRY_VOID(add(object_ref_at(*query, 0), column));
    }
  }

  Result<void> add(ObjectRef object, const std::optional<std::string>& column) {
    Target target{std::move(object), {}};
    if (column) {
      TRY(auto query, Query::begin(impl_,
                                   "select name from columns where object_id = ?1 and name = ?2 collate nocase "
                                   "order by name != ?2, name limit 1"));
      query->id(1, target.object.id).text(2, *column);
      TRY(const bool row, query->step());
      if (!row) return {};
      target.column = query->text_at(0);
    }
    const auto same = [&target](const Target& other) {
      return other.object.id == target.object.id && other.column == target.column;
    };
    if (std::none_of(found_.begin(), found_.end(), same)) found_.push_back(std::move(target));
    return {};
  }

  View::Impl& impl_;
  std::vector<std::string> parts_;
  std::vector<ConnectionId> connections_;
  std::vector<Target> found_;
};

}  // namespace

Result<Resolution> View::resolve(std::string_view name) {
  name = trim(name);
  if (name.empty() || name.size() > kMaxNameBytes) return fail(Code::kInvalidInput, "That is no name.");
  TRY(auto found, Resolver(*impl_, name).run());
  Resolution resolution;
  if (found.empty()) {
    SearchQuery near;
    near.text = name.substr(name.find_last_of('.') + 1);
    near.documentation = false;
    near.limit = 3;
    std::string hint;
    if (const auto answer = search(near))
      for (const auto& hit : answer->hits)
        hint.append(hint.empty() ? "There is " : ", ")
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
