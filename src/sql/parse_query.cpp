// WITH, set operations, VALUES, ORDER BY and LIMIT.

#include <algorithm>

#include "base/text.h"
#include "sql/parse_state.h"

namespace tideline::sql {

/// Whether a query begins here. One that begins with a parenthesis is found on the way (parenthesized(), table()).
bool Parser::at_query(std::size_t ahead) {
  switch (keyword(ahead)) {
    case K::kSelect:
      return true;
    case K::kWith:
      return at_with(ahead);
    case K::kValues:
      return op(ahead + 1) == Op::kLeftParen || (keyword(ahead + 1) == K::kRow && op(ahead + 2) == Op::kLeftParen) ||
             at_bare_values(ahead);
    case K::kFrom:
      return at_name(ahead + 1) || op(ahead + 1) == Op::kLeftParen || peek(ahead + 1).kind == TokenKind::kString;
    case K::kPivot:
    case K::kUnpivot:
      return dialect_.id == DialectId::kDuckdb && (at_plain_name(ahead + 1) || op(ahead + 1) == Op::kLeftParen);
    case K::kTable:
      return at_plain_name(ahead + 1) && (op(ahead + 2) == Op::kRightParen || op(ahead + 2) == Op::kSemicolon ||
                                          op(ahead + 2) == Op::kDot || peek(ahead + 2).kind == TokenKind::kEnd);
    default:
      return false;
  }
}

/// WITH that begins a query, and not what follows the name of a table or of a statement: WITH a AS (, WITH a (b) AS (.
bool Parser::at_with(std::size_t ahead) {
  auto next = keyword(ahead + 1);
  if (next == K::kRecursive) return at_name(ahead + 2);
  if (dialect_.id == DialectId::kClickhouse || dialect_.id == DialectId::kGeneric) {
    return (at_name(ahead + 1) || peek(ahead + 1).kind == TokenKind::kString ||
            peek(ahead + 1).kind == TokenKind::kNumber) &&
           next != K::kTime && op(ahead + 1) != Op::kLeftParen;
  }
  if (!at_name(ahead + 1)) return peek(ahead + 1).kind == TokenKind::kTemplate;
  if (at_word("function", ahead + 1) && next != K::kAs && keyword(ahead + 2) != K::kAs) return at_name(ahead + 2);
  auto after = keyword(ahead + 2);
  if (after == K::kAs) {
    return op(ahead + 3) == Op::kLeftParen || keyword(ahead + 3) == K::kNot || keyword(ahead + 3) == K::kMaterialized ||
           peek(ahead + 3).kind == TokenKind::kTemplate;
  }
  if (after == K::kUsing) return keyword(ahead + 3) == K::kKey;
  if (op(ahead + 2) != Op::kLeftParen) return false;
  if (keyword(ahead + 3) == K::kSelect) return true;  // the AS is left out
  auto close = partners_[std::min(position_ + ahead + 2, last_)];
  if (close == 0 || tokens_[close + 1].keyword == K::kUsing) return true;
  auto query = close + 2 <= last_ ? close + 2 : last_;
  return tokens_[close + 1].keyword == K::kAs &&
         (op_of(tokens_[query]) == Op::kLeftParen || tokens_[query].keyword == K::kNot ||
          tokens_[query].keyword == K::kMaterialized || tokens_[query].kind == TokenKind::kTemplate);
}

/// Trino, Spark: VALUES 1, 2.
bool Parser::at_bare_values(std::size_t ahead) {
  auto next = peek(ahead + 1).kind;
  return (dialect_.id == DialectId::kTrino || dialect_.id == DialectId::kDatabricks) && keyword(ahead) == K::kValues &&
         (next == TokenKind::kNumber || next == TokenKind::kString || keyword(ahead + 1) == K::kDate ||
          keyword(ahead + 1) == K::kNull || keyword(ahead + 1) == K::kTimestamp);
}

bool Parser::at_query_tail() {
  return set_operator_precedence() > 0 || at(K::kOrder, K::kBy) || at(K::kLimit) || at(K::kFetch) ||
         (at(K::kOffset) && peek(1).kind == TokenKind::kNumber) || at(Op::kPipe);
}

int Parser::set_operator_precedence() {
  std::size_t ahead = 0;
  if ((at(K::kFull) || at(K::kLeft) || at(K::kInner)) && (keyword(1) == K::kUnion || keyword(2) == K::kUnion)) {
    ahead = keyword(1) == K::kUnion ? 1 : 2;
  }
  switch (keyword(ahead)) {
    case K::kUnion:
    case K::kExcept:
      return 1;
    case K::kIntersect:
      return 2;
    case K::kMinus: {
      auto next = keyword(ahead + 1);
      return next == K::kSelect || next == K::kAll || next == K::kDistinct || next == K::kWith || next == K::kValues ||
                     next == K::kFrom ||
                     (op(ahead + 1) == Op::kLeftParen && (at_query(ahead + 2) || op(ahead + 2) == Op::kLeftParen))
                 ? 1
                 : 0;
    }
    default:
      return 0;
  }
}

SetLink Parser::set_link() {
  SetLink link{};
  auto from = begin();
  auto first = position_;
  while (at(K::kFull) || at(K::kLeft) || at(K::kInner) || at(K::kOuter)) advance();
  if (position_ > first) link.side = lower(joined(first));
  link.set = at(K::kUnion) ? SetKind::kUnion : at(K::kIntersect) ? SetKind::kIntersect : SetKind::kExcept;
  advance();
  link.all = accept(K::kAll);
  link.distinct = !link.all && accept(K::kDistinct);
  if (at(K::kBy) && keyword(1) == K::kName) {
    advance(2);
    link.by_name = true;
  } else if (at(K::kStrict) && keyword(1) == K::kCorresponding) {
    advance();
  }
  if (accept(K::kCorresponding)) {
    link.by_name = true;
    if (accept(K::kBy) && at(Op::kLeftParen)) link.by = names_in_parentheses();
  }
  if (link.by_name && at(K::kOn) && op(1) == Op::kLeftParen) {
    advance();
    link.by = names_in_parentheses();
  }
  link.span = since(from);
  return link;
}

const Query* Parser::query() {
  Nest nest(*this);
  auto from = begin();
  if (!nest) {
    auto* empty = make<Query>(from);
    empty->body = make<Select>(from);
    return empty;
  }
  With with{};
  if (at(K::kWith)) with = with_clause();
  return query_after_with(with, from);
}

const Query* Parser::query_after_with(const With& with, std::uint32_t from) {
  const auto* body = query_term(query_primary(), begin(), 0);
  const auto* whole = query_tail(with, body, from);
  // SELECT … ORDER BY a UNION SELECT …: the order is that of the first term, as ClickHouse and others have it.
  while (set_operator_precedence() > 0 && wrap()) {
    const QueryTerm* first = whole;
    if (!with.ctes.empty()) {
      auto* bare = arena_.make<Query>();
      *bare = *whole;
      bare->with = {};
      first = bare;
    }
    whole = query_tail(with, query_term(first, from, 0), from);
  }
  return whole;
}

const Query* Parser::continue_query(const Query* first, std::uint32_t from) {
  wrap();
  const QueryTerm* term = first;
  if (first->with.ctes.empty() && first->order_by.empty() && !first->order_by_all && first->limit == nullptr &&
      first->offset == nullptr && first->sorts.empty() && first->rest.empty()) {
    term = first->body;
  }
  return query_tail({}, query_term(term, from, 0), from);
}

const QueryTerm* Parser::query_term(const QueryTerm* first, std::uint32_t from, int minimum) {
  if (first->span.begin < from) from = first->span.begin;
  const auto* left = first;
  for (;;) {
    auto precedence = set_operator_precedence();
    if (precedence == 0 || precedence <= minimum) break;
    if (!wrap()) break;
    Builder<const QueryTerm*> terms(*this);
    Builder<SetLink> links(*this);
    terms.push(left);
    while (set_operator_precedence() == precedence) {
      links.push(set_link());
      auto term_from = begin();
      const auto* term = query_primary();
      terms.push(query_term(term, term_from, precedence));
    }
    auto term_list = terms.done();
    auto link_list = links.done();
    auto* node = make<SetOperation>(from);
    node->terms = term_list;
    node->links = link_list;
    left = node;
  }
  return left;
}

const QueryTerm* Parser::query_primary() {
  switch (keyword()) {
    case K::kSelect:
    case K::kFrom:
      return select();
    case K::kValues:
      return aliased_values_query();
    case K::kPivot:
    case K::kUnpivot:
      if (at_query()) return pivot_query();
      break;
    case K::kTable:
      if (at_plain_name(1)) {  // TABLE t is SELECT * FROM t
        auto from = begin();
        advance();
        return star_of(named_table(), from);
      }
      break;
    default:
      if (at(Op::kLeftParen)) return parenthesized_query();
      break;
  }
  unexpected("SELECT, VALUES or a query in parentheses");
  auto from = begin();
  auto* empty = make<Select>(from);
  return empty;
}

/// SELECT * FROM that, where the text has no SELECT.
const Select* Parser::star_of(const TableReference* source, std::uint32_t from) {
  auto* node = make<Select>(from);
  Builder<const TableReference*> tables(*this);
  tables.push(source);
  node->from = tables.done();
  auto* all = make<Star>(from);
  all->span = {from, from};
  Builder<SelectItem> items(*this);
  items.push(star_item(all));
  node->items = items.done();
  return node;
}

const QueryTerm* Parser::parenthesized_query() {
  Nest nest(*this);
  auto from = begin();
  if (!nest) return make<Select>(from);
  auto open = position_;
  advance();
  const auto* inner = query();
  if (!at(Op::kRightParen) && !at_end()) {
    unexpected("a closing parenthesis");
    skip_to_follow(false);
  }
  close(open);
  bool plain = inner->with.ctes.empty() && inner->order_by.empty() && !inner->order_by_all && inner->sorts.empty() &&
               inner->limit == nullptr && !inner->limit_all && inner->offset == nullptr &&
               inner->limit_by_count == nullptr && inner->rest.empty();
  return plain ? inner->body : inner;
}

const Query* Parser::query_in_parentheses(std::string_view) {
  auto open = position_;
  advance();
  auto outer_case = case_depth_;
  auto outer_arguments = argument_depth_;
  case_depth_ = argument_depth_ = 0;
  const auto* inner = query();
  case_depth_ = outer_case;
  argument_depth_ = outer_arguments;
  close(open);
  return inner;
}

const QueryTerm* Parser::values() {
  auto from = begin();
  bool bare = at_bare_values(0);
  advance();
  Builder<ValuesRow> rows(*this);
  do {
    if (bare && !at_end() && !at_closing()) {
      ValuesRow row{};
      auto row_from = begin();
      Builder<const Expression*> one(*this);
      one.push(expression());
      row.values = one.done();
      row.span = since(row_from);
      rows.push(row);
      continue;
    }
    if (!at(Op::kLeftParen)) {
      if (at_end() || at_closing()) break;  // trailing comma
      if (at(K::kRow) && op(1) == Op::kLeftParen) {
        advance();
      } else {
        unexpected("a row in parentheses");
        break;
      }
    }
    ValuesRow row{};
    auto row_from = begin();
    auto open = position_;
    advance();
    row.values = elements(Op::kRightParen);
    close(open);
    row.span = since(row_from);
    rows.push(row);
  } while (accept(Op::kComma));
  auto list = rows.done();
  auto* node = make<Values>(from);
  node->rows = list;
  return node;
}

/// VALUES (1) AS t (a) where a query stands (Snowflake, Spark): SELECT * FROM it.
const QueryTerm* Parser::aliased_values_query() {
  auto from = begin();
  const auto* body = values();
  bool alias_follows = at(K::kAs) || (at_name() && may_be_alias(true) && op(1) == Op::kLeftParen);
  if (!alias_follows || (dialect_.id != DialectId::kSnowflake && dialect_.id != DialectId::kDatabricks)) return body;
  auto* derived = make<DerivedTable>(from);
  derived->query = wrap_term(body);
  derived->alias = table_alias();
  finish(derived, from);
  if (!wrap() || !wrap()) return body;
  return star_of(derived, from);
}

With Parser::with_clause() {
  With with{};
  auto from = begin();
  advance();
  with.recursive = accept(K::kRecursive);
  while (at_word("function") && at_name(1) && keyword(1) != K::kAs && op(2) == Op::kLeftParen) {
    skip_function();
    if (accept(K::kWith)) with.recursive = accept(K::kRecursive);
  }
  Builder<Cte> ctes(*this);
  do {
    if (at(K::kSelect) || at_statement_start() || (at(Op::kLeftParen) && dialect_.id != DialectId::kClickhouse)) {
      if (ctes.size() > 0 || tokens_[position_ - 1].keyword != K::kWith) break;  // a trailing comma; only functions
    }
    auto before = position_;
    ctes.push(cte());
    if (position_ == before) break;
  } while (accept(Op::kComma));
  with.ctes = ctes.done();
  with.span = since(from);
  return with;
}

/// WITH FUNCTION f(x bigint) RETURNS bigint RETURN …: what follows is read, the function is not.
void Parser::skip_function() {
  advance();
  auto block = [&] {
    return at(K::kBegin) || at(K::kCase) || at(K::kIf) || at_word("loop") || at_word("while") || at_word("repeat");
  };
  // Oracle's RETURN before the body says the type.
  while (!at_end() && !at(K::kBegin) && (dialect_.id == DialectId::kOracle || !at_word("return"))) skip_one();
  if (accept_word("return")) {
    expression();
  } else if (at(K::kBegin)) {
    std::size_t depth = 0;
    for (;;) {  // over its semicolons, to the END of the BEGIN
      if (peek().kind == TokenKind::kEnd) break;
      if (at(K::kEnd)) {
        advance();
        if (at(K::kIf) || at(K::kCase) || at_word("loop") || at_word("while") || at_word("repeat")) advance();
        if (--depth == 0) break;
        continue;
      }
      if (block()) ++depth;
      advance();
    }
    if (at(Op::kSemicolon) && dialect_.id == DialectId::kOracle) advance();
  }
  accept(Op::kComma);
}

Cte Parser::cte() {
  Cte out{};
  auto from = begin();
  bool names_query = keyword(1) == K::kAs || op(1) == Op::kLeftParen || keyword(1) == K::kUsing;
  if (op(1) == Op::kLeftParen && dialect_.id == DialectId::kClickhouse) {  // WITH f(x) AS y, or WITH c (x) AS (…)
    auto close = partners_[position_ + 1];
    names_query = close != 0 && tokens_[close + 1].keyword == K::kAs && op_of(tokens_[close + 2]) == Op::kLeftParen;
  }
  if (!at_name() || ((flags_of(keyword()) & kNoName) != 0) || !names_query) {
    if (dialect_.id == DialectId::kClickhouse || dialect_.id == DialectId::kGeneric) {  // WITH expression AS name
      out.value = expression();
      if (expect(K::kAs, "AS and a name")) out.name = name_or_error("a name after AS");
      out.span = since(from);
      return out;
    }
    unexpected("the name of a common table expression");
    if (!at_name() || (flags_of(keyword()) & kNoName) != 0) return out;
  }
  out.name = identifier();
  if (at(Op::kLeftParen) && at_query(1)) {  // WITH t (SELECT …): the AS is left out
    out.query = query_in_parentheses("a query");
    out.span = since(from);
    return out;
  }
  if (at(Op::kLeftParen)) out.columns = names_in_parentheses();
  auto rest = position_;
  if (at(K::kUsing) && keyword(1) == K::kKey && op(2) == Op::kLeftParen) {
    advance(2);
    names_in_parentheses();
    out.rest = joined(rest);
  }
  if (!expect(K::kAs, "AS and a query")) {
    if (!at(Op::kLeftParen)) {
      out.query = nullptr;
      return out;
    }
  }
  if (at(K::kNot) && keyword(1) == K::kMaterialized) {
    advance(2);
    out.materialized = Materialized::kNo;
  } else if (accept(K::kMaterialized)) {
    out.materialized = Materialized::kYes;
  }
  if (!at(Op::kLeftParen)) {
    if (dialect_.id == DialectId::kClickhouse && at_name()) {
      // WITH name AS other: a name for a value
      out.value = expression();
      out.span = since(from);
      return out;
    }
    unexpected("a query in parentheses");
    out.span = since(from);
    return out;
  }
  if (keyword(1) == K::kInsert || keyword(1) == K::kUpdate || keyword(1) == K::kDelete || keyword(1) == K::kMerge) {
    auto open = position_;
    advance();
    out.statement = statement();
    close(open);
  } else {
    out.query = query_in_parentheses("a query");
  }
  rest = position_;
  if (at(K::kSearch) || at(K::kCycle)) {
    Builder<Identifier> added(*this);
    bool listed = true;  // BY a, b SET: its commas end nothing
    while (!at_end() && !(at(Op::kComma) && !listed) && !at(K::kSelect) && !at(Op::kLeftParen) && !at_closing() &&
           !at_statement_start()) {
      if (at(K::kSearch) || at(K::kCycle)) listed = true;
      bool names = at(K::kSet) || (at(K::kUsing) && !listed);
      if (at(K::kSet)) listed = false;
      advance();
      if (names && at_name()) added.push(identifier());
    }
    out.rest = joined(rest);
    out.added = added.done();
  }
  out.span = since(from);
  return out;
}

OrderItem Parser::order_item() {
  OrderItem item{};
  auto from = begin();
  item.value = expression();
  if (accept(K::kDesc)) {
    item.descending = true;
  } else if (accept(K::kAsc)) {
    item.said_ascending = true;
  } else if (at(K::kUsing) && keyword(1) == K::kOperator && op(2) == Op::kLeftParen) {
    advance(2);
    skip_one();
  } else if (at(K::kUsing) && (op(1) == Op::kLess || op(1) == Op::kGreater)) {
    item.descending = op(1) == Op::kGreater;
    advance(2);
  }
  if (at(K::kNulls) && (keyword(1) == K::kFirst || keyword(1) == K::kLast)) {
    item.nulls = keyword(1) == K::kFirst ? NullsOrder::kFirst : NullsOrder::kLast;
    advance(2);
  }
  bool fill = at(K::kWith) && at_word("fill", 1);
  if (dialect_.id == DialectId::kClickhouse && (fill || (at_word("interpolate") && op(1) == Op::kLeftParen))) {
    auto first = position_;
    while (!at_end() && !at(Op::kComma) && !at_closing() && !at(K::kLimit) && !at(K::kSettings)) skip_one();
    item.fill = joined(first);
  }
  item.span = since(from);
  return item;
}

List<OrderItem> Parser::order_items(bool) {
  Builder<OrderItem> items(*this);
  do {
    if (at_end() || at_closing()) break;
    auto from = begin();
    auto item = order_item();
    bool tail = at(K::kRows) || at(K::kRange) || at(K::kGroups) || at(K::kLimit) || at(K::kOffset) || at(K::kFetch) ||
                at(K::kFor) || at(K::kOption) || at(K::kSettings) || at(K::kFormat) || at(K::kSeparator) ||
                at(K::kIgnore) || at(K::kRespect) || at(K::kUsing) || at(K::kWith) || at(K::kOn) || at(K::kReturning) ||
                at(K::kFrom) || at(K::kAbsent) || at(K::kNull) || at(K::kIn);
    if (!at_list_end(true) && !tail) {
      unexpected("a comma, ASC, DESC or the end of the order");
      skip_to_follow(true);
      item.value = error_expression(from);
      item.span = since(from);
    }
    items.push(item);
  } while (accept(Op::kComma));
  if (items.size() == 0) unexpected("what to order by");
  return items.done();
}

std::string_view Parser::query_rest() {
  auto first = position_;
  for (;;) {
    auto next = keyword(1);
    bool locking = at(K::kFor) && (next == K::kUpdate || at_word("share", 1) || next == K::kNo || next == K::kKey ||
                                   next == K::kJson || at_word("xml", 1) || at_word("browse", 1) || next == K::kFetch);
    bool lock = at_lock();
    bool option = at(K::kOption) && op(1) == Op::kLeftParen;
    bool settings = dialect_.id == DialectId::kClickhouse && (at(K::kSettings) || at(K::kFormat));
    bool using_sample = at(K::kUsing) && next == K::kSample;
    bool with_no = at(K::kWith) && dialect_.id != DialectId::kTsql && (at_word("ur", 1) || at_word("rr", 1));
    if (!locking && !option && !settings && !with_no && !using_sample && !lock) break;
    advance();
    if (locking) accept(K::kUpdate);
    while (!at_end() && !at_closing() && !at(K::kOption) && !at(K::kFor) && !at(K::kFormat) && !at(K::kLimit) &&
           !at(K::kWith) && !(at(K::kOffset)) && set_operator_precedence() == 0 && !at_statement_start() && !at_go()) {
      if (at(Op::kComma) && locking && !at_name(1)) break;
      if (partners_[position_] != 0) position_ = partners_[position_];
      advance();
      if (locking && at(K::kUpdate)) advance();
    }
  }
  return joined(first);
}

const Query* Parser::query_tail(const With& with, const QueryTerm* body, std::uint32_t from) {
  auto* node = arena_.make<Query>();
  node->kind = Query::kKind;
  node->with = with;
  node->body = body;
  Builder<SortClause> sorts(*this);
  auto number = [&]() -> const Expression* {
    if (peek().kind == TokenKind::kNumber && op(1) == Op::kPercent) return literal(LiteralKind::kNumber);  // LIMIT 10%
    return expression(kPrecedenceComparison);
  };
  for (;;) {
    if (at(Op::kPipe)) {
      node->sorts = sorts.done();
      finish(node, from);
      const QueryTerm* input = node;
      bool plain = with.ctes.empty() && node->order_by.empty() && !node->order_by_all && node->sorts.empty() &&
                   node->limit == nullptr && node->offset == nullptr && node->rest.empty();
      if (plain) input = node->body;
      if (!with.ctes.empty()) {
        // WITH … FROM t |> …: the names are those of the whole.
        auto* bare = arena_.make<Query>();
        *bare = *node;
        bare->with = {};
        input = bare->order_by.empty() && bare->limit == nullptr && bare->offset == nullptr ? bare->body : bare;
      }
      const auto* piped = pipe_operators(input, from);
      auto* whole = arena_.make<Query>();
      whole->kind = Query::kKind;
      whole->with = with;
      whole->body = piped;
      return finish(whole, from);
    }
    if (at(K::kOrder) && (keyword(1) == K::kBy || (at_word("siblings", 1) && keyword(2) == K::kBy))) {
      advance(keyword(1) == K::kBy ? 2 : 3);
      if (at(K::kAll) && op(1) != Op::kLeftParen) {
        advance();
        node->order_by_all = true;
        node->order_all_descending = accept(K::kDesc);
        if (!node->order_all_descending) accept(K::kAsc);
        if (at(K::kNulls)) {
          node->order_all_nulls = keyword(1) == K::kFirst ? NullsOrder::kFirst : NullsOrder::kLast;
          advance(2);
        }
      } else {
        node->order_by = order_items(true);
      }
    } else if ((at(K::kSort) || at(K::kCluster) || at(K::kDistribute)) && keyword(1) == K::kBy) {
      SortClause sort{};
      sort.sort = at(K::kSort) ? SortKind::kSortBy : at(K::kCluster) ? SortKind::kClusterBy : SortKind::kDistributeBy;
      advance(2);
      sort.items = order_items(true);
      sorts.push(sort);
    } else if (at(K::kLimit)) {
      advance();
      if (accept(K::kAll)) {
        node->limit_all = true;
      } else if (at(K::kNull) && dialect_.id == DialectId::kSnowflake) {
        advance();
        node->limit_all = true;
      } else {
        const auto* first = number();
        if (accept(Op::kComma)) {  // LIMIT offset, count
          node->offset = first;
          first = number();
        }
        if (accept(Op::kPercent) || accept(K::kPercent)) node->limit_percent = true;
        if (at(K::kOffset) && keyword(2) == K::kBy) {
          advance();
          number();
        }
        if (accept(K::kBy)) {
          node->limit_by_count = first;
          node->limit_by = clause_expressions();
        } else if (at(K::kOver) && op(1) == Op::kLeftParen) {  // Vertica: LIMIT 1 OVER (PARTITION BY a ORDER BY b)
          advance();
          const auto* window = window_in_parentheses();
          Builder<const Expression*> by(*this);
          for (const auto* one : window->partition_by) by.push(one);
          for (const auto& one : window->order_by) by.push(one.value);
          node->limit_by_count = first;
          node->limit_by = by.done();
        } else {
          node->limit = first;
        }
      }
      if (accept(K::kWith, K::kTies)) node->with_ties = true;
    } else if (at(K::kOffset) && !at_list_end(false)) {
      advance();
      node->offset = number();
      accept(K::kRow) || accept(K::kRows);
    } else if (at(K::kFetch) &&
               (keyword(1) == K::kFirst || keyword(1) == K::kNext || peek(1).kind == TokenKind::kNumber)) {
      advance(peek(1).kind == TokenKind::kNumber ? 1 : 2);
      if (!at(K::kRow) && !at(K::kRows)) {
        node->limit = number();
        node->limit_percent = accept(K::kPercent);
      } else {
        auto* one = make<Literal>(begin());
        one->literal = LiteralKind::kNumber;
        one->text = "1";
        node->limit = one;
      }
      accept(K::kRow) || accept(K::kRows);
      if (accept(K::kWith, K::kTies)) {
        node->with_ties = true;
      } else {
        accept(K::kOnly);
      }
    } else {
      auto rest = query_rest();
      if (rest.empty()) break;
      node->rest = rest;
    }
  }
  node->sorts = sorts.done();
  return finish(node, from);
}

}  // namespace tideline::sql
