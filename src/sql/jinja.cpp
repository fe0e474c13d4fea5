#include "sql/jinja.h"

#include <algorithm>
#include <utility>

#include "sql/jinja_lexer.h"
#include "sql/jinja_state.h"
#include "sql/jinja_walk.h"
#include "sql/jinja_writer.h"

namespace tideline::sql {
namespace {

/// What the templates in hooks refer to is what the file refers to.
void add_hooks(const std::vector<std::pair<std::string, Span>>& hooks, const JinjaOptions& options,
               JinjaResult& result) {
  for (const auto& [text, call] : hooks) {
    JinjaResult of_hook;
    const auto tags = cut_template(text);
    JinjaState state(text.size(), options, of_hook);
    JinjaWalk(state, text, tags).run();
    const auto merge = [&, span = call](auto& from, auto& into) {
      for (auto& fact : from) {
        if (into.size() >= kMaxJinjaFacts) {
          result.truncated = true;
          return;
        }
        fact.file = span;
        fact.block = kNoBlock;
        into.push_back(std::move(fact));
      }
    };
    merge(of_hook.relations, result.relations);
    merge(of_hook.macros, result.macros);
    merge(of_hook.variables, result.variables);
  }
}

}  // namespace

std::string_view to_string(OpaqueReason reason) {
  switch (reason) {
    case OpaqueReason::kMacro:
      return "macro";
    case OpaqueReason::kVariable:
      return "variable";
    case OpaqueReason::kEnvironment:
      return "environment";
    case OpaqueReason::kRuntime:
      return "runtime";
    case OpaqueReason::kExpression:
      return "expression";
    case OpaqueReason::kLoop:
      return "loop";
    case OpaqueReason::kBranch:
      return "branch";
    case OpaqueReason::kTooMuch:
      return "too_much";
  }
  return "expression";
}

void JinjaMap::add(JinjaPiece piece) {
  if (piece.sql.empty()) return;
  const std::uint32_t reached = first_.empty() ? 0 : pieces_[first_.back()].file.end;
  piece.again = piece.file.begin < reached;
  if (!pieces_.empty()) {
    JinjaPiece& last = pieces_.back();
    if (last.verbatim && piece.verbatim && last.file.end == piece.file.begin && last.again == piece.again) {
      last.sql.end = piece.sql.end;
      last.file.end = piece.file.end;
      return;
    }
  }
  if (!piece.again) first_.push_back(static_cast<std::uint32_t>(pieces_.size()));
  pieces_.push_back(piece);
}

Span JinjaMap::to_file(Span sql) const {
  const auto piece_at = [&](std::uint32_t offset) {
    return std::upper_bound(pieces_.begin(), pieces_.end(), offset,
                            [](std::uint32_t at, const JinjaPiece& piece) { return at < piece.sql.end; });
  };
  if (pieces_.empty()) return {};
  const auto first = piece_at(sql.begin);
  if (first == pieces_.end()) return {pieces_.back().file.end, pieces_.back().file.end};
  const std::uint32_t begin = first->verbatim ? first->file.begin + (sql.begin - first->sql.begin) : first->file.begin;
  if (sql.end <= sql.begin) return {begin, begin};
  auto last = piece_at(sql.end - 1);
  if (last == pieces_.end()) --last;
  const std::uint32_t end =
      last->verbatim ? last->file.begin + (std::min(sql.end, last->sql.end) - last->sql.begin) : last->file.end;
  return {begin, end};
}

Span JinjaMap::to_sql(Span file) const {
  const auto piece_at = [&](std::uint32_t offset) {
    return std::upper_bound(first_.begin(), first_.end(), offset,
                            [&](std::uint32_t at, std::uint32_t piece) { return at < pieces_[piece].file.end; });
  };
  const std::uint32_t size = pieces_.empty() ? 0 : pieces_.back().sql.end;
  const auto at = piece_at(file.begin);
  if (at == first_.end()) return {size, size};
  const JinjaPiece& first = pieces_[*at];
  std::uint32_t begin = first.sql.begin;
  if (first.verbatim && file.begin > first.file.begin) begin += file.begin - first.file.begin;
  if (file.end <= file.begin) return {begin, begin};
  const auto to = piece_at(file.end - 1);
  if (to == first_.end()) return {begin, std::max(begin, pieces_[first_.back()].sql.end)};
  const JinjaPiece& last = pieces_[*to];
  if (file.end <= last.file.begin) return {begin, std::max(begin, last.sql.begin)};
  const std::uint32_t end = last.verbatim ? last.sql.begin + (file.end - last.file.begin) : last.sql.end;
  return {begin, std::max(begin, end)};
}

const JinjaRelation* JinjaResult::relation(std::string_view text) const {
  const auto found = relation_index.find(text);
  return found == relation_index.end() ? nullptr : &relations[found->second];
}

JinjaDoubts doubts_of(const JinjaResult& read) {
  JinjaDoubts doubts;
  for (const JinjaOpaque& opaque : read.opaque) {
    if (opaque.silent || (opaque.reason != OpaqueReason::kBranch && opaque.reason != OpaqueReason::kLoop)) continue;
    if (opaque.bounded && !read.sets_in_branch)
      doubts.places.push_back(opaque.sql);
    else
      doubts.anywhere = true;
  }
  return doubts;
}

JinjaResult read_jinja(std::string_view text, const JinjaOptions& options) {
  JinjaResult result;
  if (text.size() > kMaxJinjaBytes) {
    result.problems.push_back({{},
                               "a template has at most " + std::to_string(kMaxJinjaBytes) + " bytes; this one has " +
                                   std::to_string(text.size())});
    result.truncated = true;
    return result;
  }
  const auto tags = cut_template(text);
  JinjaState state(text.size(), options, result);
  write_sql(JinjaWalk(state, text, tags).run(), text, options, result);
  for (std::size_t i = 0; i < result.relations.size(); ++i)
    result.relation_index.try_emplace(result.relations[i].sql, i);
  add_hooks(state.hooks, options, result);
  return result;
}

}  // namespace tideline::sql
