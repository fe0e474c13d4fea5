// FROM: what stands between commas, and joins.

#include <vector>

#include "sql/parse_state.h"

namespace tideline::sql {

List<const TableReference*> Parser::from_list() {
  Builder<const TableReference*> tables(*this);
  do {
    if (tables.size() > 0 && (at_clause() || at_end() || at_closing())) break;  // a trailing comma
    auto from = begin();
    const auto* one = join_chain();
    bool follows = at_list_end(true) || at(K::kOn) || at(K::kUsing) || at(K::kSet) || at(K::kOption) || at(K::kFor) ||
                   at(K::kOffset) || at(K::kFetch) || at(K::kSettings) || at(K::kFormat) || at(K::kWindow) ||
                   at(K::kReturning);
    if (!follows) {
      unexpected("a comma, a join or the next clause");
      while (!at_list_end(true) && !at_join()) {
        if (partners_[position_] != 0) position_ = partners_[position_];
        advance();
      }
      if (at_join()) one = joins_after(one, from);
    }
    tables.push(one);
  } while (accept(Op::kComma));
  return tables.done();
}

bool Parser::at_join() {
  auto next = keyword(1);
  switch (keyword()) {
    case K::kJoin:
      return true;
    case K::kInner:
    case K::kLeft:
    case K::kRight:
    case K::kFull:
      return op(1) != Op::kLeftParen && set_operator_precedence() == 0;
    case K::kCross:
      return next == K::kJoin || next == K::kApply || next == K::kLateral || next == K::kNone;
    case K::kOuter:
      return next == K::kApply || next == K::kJoin;
    case K::kNatural:
      return true;
    case K::kAnti:
    case K::kSemi:
    case K::kPositional:
      return next == K::kJoin || next == K::kLeft || next == K::kRight;
    case K::kAsof:
      return next == K::kJoin || next == K::kLeft || next == K::kInner || next == K::kRight || next == K::kFull ||
             next == K::kAnti || next == K::kSemi;
    case K::kAll:
      return next == K::kJoin || next == K::kLeft || next == K::kRight || next == K::kInner || next == K::kFull;
    case K::kArray:
      return next == K::kJoin;
    case K::kGlobal:
    case K::kAny:
      return !may_be_alias(true);
    case K::kLateral:
      return next == K::kView;
    case K::kNone:
      return (dialect_.id == DialectId::kMysql && at_word("straight_join")) ||
             (dialect_.id == DialectId::kClickhouse && at_word("paste") && next == K::kJoin);
    default:
      return false;
  }
}

bool Parser::join_operator(Join& join) {
  if (accept(K::kLateral, K::kView)) {
    join.join = accept(K::kOuter) ? JoinKind::kLateralViewOuter : JoinKind::kLateralView;
    return true;
  }
  if (dialect_.id == DialectId::kMysql && accept_word("straight_join")) {
    join.join = JoinKind::kInner;
    return true;
  }
  if (at_word("paste") && keyword(1) == K::kJoin) {
    advance(2);
    join.join = JoinKind::kPositional;
    return true;
  }
  bool left = false;
  bool right = false;
  bool full = false;
  bool semi = false;
  bool anti = false;
  bool asof = false;
  bool cross = false;
  bool array_join = false;
  bool positional = false;
  bool outer = false;
  auto strict_from = position_;
  std::size_t strict = 0;
  for (;;) {
    auto word = keyword();
    if (word == K::kNatural) {
      join.natural = true;
    } else if (word == K::kLeft) {
      left = true;
    } else if (word == K::kRight) {
      right = true;
    } else if (word == K::kFull) {
      full = true;
    } else if (word == K::kSemi) {
      semi = true;
    } else if (word == K::kAnti) {
      anti = true;
    } else if (word == K::kAsof) {
      asof = true;
    } else if (word == K::kCross) {
      cross = true;
    } else if (word == K::kArray) {
      array_join = true;
    } else if (word == K::kPositional) {
      positional = true;
    } else if (word == K::kOuter) {
      outer = true;
    } else if (word == K::kGlobal || word == K::kAny || word == K::kAll) {
      if (strict == 0) strict_from = position_;
      ++strict;
    } else if (word == K::kInner || (word == K::kMerge && keyword(1) == K::kJoin)) {
    } else if (word == K::kNone && keyword(1) == K::kJoin &&
               (at_word("hash") || at_word("loop") || at_word("broadcast") || at_word("shuffle") || at_word("remote") ||
                at_word("directed") || at_word("nullaware"))) {
      // a hint: gone, as those in comments are
    } else {
      break;
    }
    advance();
    if (strict > 0 && position_ == strict_from + strict) join.strictness = joined(strict_from);
  }
  if (accept(K::kApply)) {
    join.join = outer ? JoinKind::kOuterApply : JoinKind::kCrossApply;
    return true;
  }
  if (!expect(K::kJoin, "JOIN")) return false;
  if ((at_word("each") || at_word("broadcast")) && at_name(1)) advance();
  if (array_join) {
    join.join = left ? JoinKind::kLeftArray : JoinKind::kArray;
  } else if (asof) {
    join.join = left ? JoinKind::kAsofLeft : JoinKind::kAsof;
  } else if (semi) {
    join.join = right ? JoinKind::kRightSemi : JoinKind::kSemi;
  } else if (anti) {
    join.join = right ? JoinKind::kRightAnti : JoinKind::kAnti;
  } else if (positional) {
    join.join = JoinKind::kPositional;
  } else if (cross) {
    join.join = JoinKind::kCross;
  } else {
    join.join = left ? JoinKind::kLeft : right ? JoinKind::kRight : full ? JoinKind::kFull : JoinKind::kInner;
  }
  return true;
}

const TableReference* Parser::comma_joins(const TableReference* first, std::uint32_t from) {
  if (!at(Op::kComma) || !wrap()) return first;  // one node, however many there are
  Builder<Join> joins(*this);
  while (at(Op::kComma)) {
    auto join_from = begin();
    advance();
    Join join{};
    join.join = JoinKind::kComma;
    join.right = join_chain();
    join.span = since(join_from);
    joins.push(join);
  }
  auto list = joins.done();
  auto* chain = make<JoinChain>(from);
  chain->first = first;
  chain->joins = list;
  return chain;
}

const TableReference* Parser::join_chain() {
  Nest nest(*this);
  auto from = begin();
  if (!nest) return error_table(from);
  const auto* chain = joins_after(table(), from);
  // FROM a JOIN b ON … PIVOT (…): of what is joined.
  while ((at(K::kPivot) || at(K::kUnpivot)) && op(1) == Op::kLeftParen && !given_up_) {
    chain = joins_after(table_suffixes(chain, from), from);
  }
  return chain;
}

const TableReference* Parser::joins_after(const TableReference* first, std::uint32_t from) {
  if (!at_join()) return first;
  if (!wrap()) return first;
  Builder<Join> joins(*this);
  std::vector<std::size_t> unconditioned;  // a JOIN b JOIN c ON … ON …: the last ON is the first JOIN's
  while (at_join()) {
    Join join{};
    auto join_from = begin();
    bool good = join_operator(join);
    bool view = join.join == JoinKind::kLateralView || join.join == JoinKind::kLateralViewOuter;
    bool array_join = join.join == JoinKind::kArray || join.join == JoinKind::kLeftArray;
    if (!good) {
      join.right = error_table(begin());
      joins.push(join);
      break;
    }
    if (view) {
      join.right = lateral_view_function();
    } else if (array_join) {
      auto call_from = begin();
      Builder<Argument> arguments(*this);
      do {
        auto start = begin();
        const auto* value = expression();
        if (accept(K::kAs)) {
          auto name = name_or_error("a name after AS");
          auto* aliased = make<Aliased>(start);
          aliased->value = value;
          aliased->alias = name;
          value = aliased;
        }
        arguments.push({.value = value, .name = {}, .arrow = {}, .lead = Lead::kComma});
      } while (accept(Op::kComma));
      auto list = arguments.done();
      auto* call = make<Call>(call_from);
      call->arguments = list;
      Builder<const Call*> calls(*this);
      calls.push(call);
      auto* function = make<TableFunction>(call_from);
      function->calls = calls.done();
      join.right = function;
    } else {
      join.right = table();
    }
    join.span = since(join_from);
    joins.push(join);
    if (at(K::kMatchCondition) && op(1) == Op::kLeftParen) {
      advance();
      auto open = position_;
      advance();
      joins.back().match_condition = expression();
      close(open);
      joins.back().span = since(join_from);
    }
    unconditioned.push_back(joins.size() - 1);
    while (!unconditioned.empty() && (at(K::kOn) || at(K::kUsing))) {
      if (at(K::kUsing) && op(1) != Op::kLeftParen && dialect_.id != DialectId::kClickhouse) break;
      auto index = unconditioned.back();
      unconditioned.pop_back();
      if (accept(K::kOn)) {
        auto start = begin();
        const auto* condition = expression();
        bool follows = at_list_end(true) || at_join() || at(K::kOn) || at(K::kUsing) || at(K::kSet) || at(K::kOption) ||
                       at(K::kFor) || at(K::kOffset) || at(K::kFetch) || at(K::kSettings) || at(K::kWindow) ||
                       at(K::kMatchCondition) || at(K::kReturning) || at(K::kFormat) ||
                       ((at(K::kPivot) || at(K::kUnpivot)) && op(1) == Op::kLeftParen);
        if (!follows) {
          unexpected("a join or the next clause after the condition");
          while (!at_list_end(true) && !at_join()) {
            if (partners_[position_] != 0) position_ = partners_[position_];
            advance();
          }
          condition = error_expression(start);
        }
        joins[index].on = condition;
      } else {
        advance();
        if (at(Op::kLeftParen)) {
          joins[index].using_columns = names_in_parentheses();
        } else {  // ClickHouse: USING a, b
          Builder<Identifier> names(*this);
          do {
            names.push(name_or_error("a column"));
          } while (accept(Op::kComma));
          joins[index].using_columns = names.done();
        }
        if (at(K::kAs) && at_plain_name(1)) joins[index].using_alias = table_alias();
      }
      joins[index].span = since(joins[index].span.begin);
    }
  }
  auto list = joins.done();
  auto* node = make<JoinChain>(from);
  node->first = first;
  node->joins = list;
  return node;
}

}  // namespace tideline::sql
