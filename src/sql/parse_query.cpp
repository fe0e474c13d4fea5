// WITH, SELECT and its clauses, set operations, VALUES, ORDER BY and LIMIT.

#include "base/text.h"
#include "sql/parse_state.h"

namespace tideline::sql {

/// Whether a query begins here. One that begins with a parenthesis is found on the way (parenthesized(), table()).
bool Parser::at_query(std::size_t ahead) {
  switch (keyword(ahead)) {
    case K::kSelect:
      return true;
    case K::kWith:
      return at_name(ahead + 1) && op(ahead + 1) != Op::kLeftParen && keyword(ahead + 1) != K::kTime;
    case K::kValues:
      return op(ahead + 1) == Op::kLeftParen;
    case K::kFrom:
      return at_name(ahead + 1) || op(ahead + 1) == Op::kLeftParen || peek(ahead + 1).kind == TokenKind::kString;
    case K::kPivot:
    case K::kUnpivot:
      return dialect_.id == DialectId::kDuckdb && (at_plain_name(ahead + 1) || op(ahead + 1) == Op::kLeftParen);
    case K::kTable:
      return at_plain_name(ahead + 1) && (op(ahead + 2) == Op::kRightParen || op(ahead + 2) == Op::kSemicolon ||
                                          peek(ahead + 2).kind == TokenKind::kEnd);
    default:
      return false;
  }
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
  return query_tail(with, body, from);
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
      return values();
    case K::kPivot:
    case K::kUnpivot:
      if (at_query()) return pivot_query();
      break;
    case K::kTable:
      if (at_plain_name(1)) {  // TABLE t is SELECT * FROM t
        auto from = begin();
        advance();
        auto* node = arena_.make<Select>();
        node->kind = Select::kKind;
        const auto* source = named_table();
        Builder<const TableReference*> tables(*this);
        tables.push(source);
        node->from = tables.done();
        finish(node, from);
        auto* all = make<Star>(from);
        all->span = {from, from};
        Builder<SelectItem> items(*this);
        items.push(star_item(all));
        node->items = items.done();
        return node;
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
  advance();
  Builder<ValuesRow> rows(*this);
  do {
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

With Parser::with_clause() {
  With with{};
  auto from = begin();
  advance();
  with.recursive = accept(K::kRecursive);
  Builder<Cte> ctes(*this);
  do {
    if (at(K::kSelect) || at_statement_start() || (at(Op::kLeftParen) && dialect_.id != DialectId::kClickhouse)) {
      if (ctes.size() > 0) break;  // a trailing comma
    }
    auto before = position_;
    ctes.push(cte());
    if (position_ == before) break;
  } while (accept(Op::kComma));
  with.ctes = ctes.done();
  with.span = since(from);
  return with;
}

Cte Parser::cte() {
  Cte out{};
  auto from = begin();
  if (!at_name() || ((flags_of(keyword()) & kNoName) != 0) ||
      !(keyword(1) == K::kAs || op(1) == Op::kLeftParen || keyword(1) == K::kUsing)) {
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
    while (!at_end() && !at(Op::kComma) && !at(K::kSelect) && !at(Op::kLeftParen) && !at_closing() &&
           !at_statement_start()) {
      advance();
      if (at(Op::kComma) && at_plain_name(1) && keyword(2) == K::kSet) advance();  // BY a, b SET
    }
    out.rest = joined(rest);
  }
  out.span = since(from);
  return out;
}

SelectItem Parser::star_item(const Star* star) {
  return {.value = star, .alias = {}, .aliases = {}, .span = star->span};
}

const QueryTerm* Parser::select() {
  Nest nest(*this);
  auto from = begin();
  auto* node = arena_.make<Select>();
  node->kind = Select::kKind;
  if (!nest) return finish(node, from);
  auto outer_case = case_depth_;
  case_depth_ = 0;
  if (accept(K::kFrom)) {  // FROM t SELECT a, or without SELECT
    node->from = from_list();
    if (!at(K::kSelect)) {
      auto* all = make<Star>(from);
      all->span = {from, from};
      Builder<SelectItem> items(*this);
      items.push(star_item(all));
      node->items = items.done();
    }
  }
  if (accept(K::kSelect)) {
    if (accept(K::kDistinct)) {
      node->distinct = true;
      if (accept(K::kOn)) {
        auto open = position_;
        if (expect(Op::kLeftParen, "`(` after DISTINCT ON")) {
          node->distinct_on = elements(Op::kRightParen);
          close(open);
        }
      }
    } else if (at(K::kAll) && op(1) != Op::kComma && op(1) != Op::kLeftParen) {
      advance();
    }
    if (at(K::kAs) && (keyword(1) == K::kStruct || keyword(1) == K::kValue)) {
      advance();
      node->as_what = lower(text());
      advance();
    }
    if (dialect_.top && at(K::kTop) &&
        (peek(1).kind == TokenKind::kNumber || op(1) == Op::kLeftParen || peek(1).kind == TokenKind::kParameter)) {
      advance();
      auto top_from = begin();
      node->top = infix(primary(), top_from, kPrecedencePostfix);
      auto first = position_;
      accept(K::kPercent);
      accept(K::kWith, K::kTies);
      node->top_rest = lower(joined(first));
    }
    if (accept(K::kDistinct)) node->distinct = true;  // Teradata's TOP n DISTINCT
    node->items = select_items(true);
  }
  select_clauses(*node);
  case_depth_ = outer_case;
  return finish(node, from);
}

List<SelectItem> Parser::select_items(bool stop_at_clause) {
  Builder<SelectItem> items(*this);
  for (;;) {
    if (at_end() || at_closing() || (stop_at_clause && at_clause() && !at(K::kOffset))) {
      if (items.size() == 0) unexpected("what to select");
      break;  // a trailing comma
    }
    items.push(select_item());
    if (!accept(Op::kComma)) break;
  }
  return items.done();
}

SelectItem Parser::select_item() {
  SelectItem item{};
  auto from = begin();
  auto first = position_;
  // alias: value (DuckDB), alias = value (T-SQL)
  bool named =
      at_plain_name() && ((op(1) == Op::kColon && dialect_.id == DialectId::kDuckdb) ||
                          (dialect_.equals_alias && op(1) == Op::kEquals && peek().kind != TokenKind::kParameter));
  bool string_named = dialect_.equals_alias && peek().kind == TokenKind::kString && op(1) == Op::kEquals;
  if (named || string_named) {
    item.alias = identifier();
    advance();
    item.value = expression();
  } else {
    item.value = expression();
    if (at(K::kAs) && op(1) == Op::kLeftParen) {
      advance();
      item.aliases = names_in_parentheses();
    } else {
      item.alias = alias(false);
    }
  }
  bool follows = at(Op::kComma) || at_end() || at_closing() || at_clause();
  if (!follows || (position_ == first && at(Op::kComma))) {
    if (!follows) unexpected("a comma or FROM");
    auto reported = from;
    skip_to_follow(true);
    // The name at the end is kept: the column is there, only its value is not known.
    if (position_ >= first + 2 && tokens_[position_ - 2].keyword == K::kAs &&
        (tokens_[position_ - 1].kind == TokenKind::kWord || tokens_[position_ - 1].kind == TokenKind::kQuotedName)) {
      item.alias = identifier_of(tokens_[position_ - 1]);
    } else {
      item.alias = {};
    }
    item.value = error_expression(reported);
  }
  item.span = since(from);
  return item;
}

const Expression* Parser::clause_expression() {
  auto from = begin();
  const auto* value = expression();
  if (!at_end() && !at_closing() && !at_clause()) {
    unexpected("the next clause or the end");
    while (!at_end() && !at_closing() && !at_clause()) {
      if (partners_[position_] != 0) position_ = partners_[position_];
      advance();
    }
    value = error_expression(from);
  }
  return value;
}

List<const Expression*> Parser::clause_expressions() {
  Builder<const Expression*> list(*this);
  do {
    if (at_end() || at_closing() || (at_clause() && list.size() > 0)) break;
    auto from = begin();
    const auto* value = group_element();
    if (!at_list_end(true) &&
        !(at(K::kWith) && (keyword(1) == K::kRollup || keyword(1) == K::kCube || at_word("totals", 1)))) {
      unexpected("a comma or the next clause");
      skip_to_follow(true);
      value = error_expression(from);
    }
    list.push(value);
  } while (accept(Op::kComma));
  return list.done();
}

const Expression* Parser::group_element() {
  auto from = begin();
  bool sets = at(K::kGrouping) && keyword(1) == K::kSets && op(2) == Op::kLeftParen;
  bool rollup = at(K::kRollup) && op(1) == Op::kLeftParen;
  bool cube = at(K::kCube) && op(1) == Op::kLeftParen;
  if (!sets && !rollup && !cube) return expression();
  Nest nest(*this);
  if (!nest) return error_expression(from);
  advance(sets ? 2 : 1);
  auto open = position_;
  advance();
  Builder<const Expression*> list(*this);
  while (!at(Op::kRightParen) && !at_end()) {
    auto start = begin();
    const auto* value = group_element();
    if (!at_list_end(false)) {
      unexpected("a comma or a closing parenthesis");
      skip_to_follow(false);
      value = error_expression(start);
    }
    list.push(value);
    if (!accept(Op::kComma)) break;
  }
  close(open);
  auto elements_list = list.done();
  auto* node = make<GroupingSet>(from);
  node->grouping = sets ? GroupingKind::kSets : rollup ? GroupingKind::kRollup : GroupingKind::kCube;
  node->elements = elements_list;
  return node;
}

List<const Expression*> Parser::group_by(Select& select) {
  if (at(K::kAll) && !(op(1) == Op::kLeftParen) && op(1) != Op::kDot) {
    advance();
    if (!(at(K::kGrouping) || at_plain_name()) || at_clause()) {
      select.group_by_all = true;
      return {};
    }
  } else if (at(K::kDistinct) && !at_list_end(true)) {
    advance();
  }
  auto from = begin();
  auto list = clause_expressions();
  while (at(K::kWith) && (keyword(1) == K::kRollup || keyword(1) == K::kCube)) {
    auto* node = make<GroupingSet>(from);
    node->grouping = keyword(1) == K::kRollup ? GroupingKind::kRollup : GroupingKind::kCube;
    node->with = true;
    node->elements = list;
    advance(2);
    finish(node, from);
    Builder<const Expression*> one(*this);
    one.push(node);
    list = one.done();
    if (!wrap()) break;
  }
  if (at(K::kWith) && at_word("totals", 1)) advance(2);
  if (at(K::kGrouping) && keyword(1) == K::kSets) {  // Hive: GROUP BY a, b GROUPING SETS (…)
    Builder<const Expression*> all(*this);
    for (const auto* value : list) all.push(value);
    all.push(group_element());
    list = all.done();
  }
  return list;
}

void Parser::select_clauses(Select& node) {
  int last = 0;
  bool from_first = !node.from.empty();
  auto clause = [&](int rank, const char* name, bool again) {
    if (again) {
      unexpected(std::string("no second ") + name);
    } else if (rank < last && !(from_first && rank <= 1)) {
      unexpected(std::string("no ") + name + " here: it stands earlier");
    }
    last = rank > last ? rank : last;
  };
  for (;;) {
    switch (keyword()) {
      case K::kInto:
        if (!node.into.empty() || !(dialect_.select_into || dialect_.id == DialectId::kGeneric)) return;
        advance();
        accept(K::kTemp) || accept(K::kTemporary) || accept(K::kUnlogged);
        accept(K::kTable);
        if (at_name()) {
          node.into = relation_name();
        } else {
          unexpected("a table after INTO");
        }
        continue;
      case K::kFrom:
        if (!node.from.empty()) return;
        clause(1, "FROM", false);
        advance();
        node.from = from_list();
        continue;
      case K::kPrewhere:
        clause(2, "PREWHERE", node.prewhere != nullptr);
        advance();
        node.prewhere = clause_expression();
        continue;
      case K::kWhere:
        clause(3, "WHERE", node.where != nullptr);
        advance();
        node.where = clause_expression();
        continue;
      case K::kStart:
        if (keyword(1) != K::kWith) return;
        advance(2);
        node.start_with = clause_expression();
        continue;
      case K::kConnect:
        if (keyword(1) != K::kBy) return;
        advance(2);
        node.no_cycle = accept(K::kNocycle);
        node.connect_by = clause_expression();
        continue;
      case K::kGroup:
        if (keyword(1) != K::kBy) return;
        clause(4, "GROUP BY", !node.group_by.empty() || node.group_by_all);
        advance(2);
        node.group_by = group_by(node);
        if (node.group_by.empty() && !node.group_by_all) unexpected("what to group by");
        continue;
      case K::kHaving:
        clause(5, "HAVING", node.having != nullptr);
        advance();
        node.having = clause_expression();
        continue;
      case K::kQualify:
        clause(6, "QUALIFY", node.qualify != nullptr);
        advance();
        node.qualify = clause_expression();
        continue;
      case K::kWindow:
        if (!at_name(1) || keyword(2) != K::kAs) return;
        clause(6, "WINDOW", !node.windows.empty());
        advance();
        node.windows = named_windows();
        continue;
      case K::kUsing:
        if (keyword(1) == K::kSample) {
          auto first = position_;
          while (!at_end() && !at_closing() && !at(K::kOrder) && !at(K::kLimit) && set_operator_precedence() == 0) {
            if (partners_[position_] != 0) position_ = partners_[position_];
            advance();
          }
          node.sample = joined(first);
          continue;
        }
        return;
      default:
        return;
    }
  }
}

List<NamedWindow> Parser::named_windows() {
  Builder<NamedWindow> windows(*this);
  do {
    NamedWindow window{};
    auto from = begin();
    window.name = name_or_error("the name of a window");
    if (!expect(K::kAs, "AS and a window")) break;
    if (at(Op::kLeftParen)) {
      window.window = window_in_parentheses();
    } else if (at_name()) {
      auto* alias_of = arena_.make<WindowSpec>();
      auto start = begin();
      alias_of->name = identifier();
      alias_of->named_only = true;
      alias_of->span = since(start);
      window.window = alias_of;
    } else {
      unexpected("a window in parentheses");
      break;
    }
    window.span = since(from);
    windows.push(window);
  } while (accept(Op::kComma));
  return windows.done();
}

OrderItem Parser::order_item() {
  OrderItem item{};
  auto from = begin();
  item.value = expression();
  if (accept(K::kDesc)) {
    item.descending = true;
  } else if (accept(K::kAsc)) {
    item.said_ascending = true;
  } else if (at(K::kUsing) && (op(1) == Op::kLess || op(1) == Op::kGreater)) {
    item.descending = op(1) == Op::kGreater;
    advance(2);
  }
  if (at(K::kNulls) && (keyword(1) == K::kFirst || keyword(1) == K::kLast)) {
    item.nulls = keyword(1) == K::kFirst ? NullsOrder::kFirst : NullsOrder::kLast;
    advance(2);
  }
  if (dialect_.id == DialectId::kClickhouse && at(K::kWith) && at_word("fill", 1)) {
    while (!at_end() && !at(Op::kComma) && !at_closing() && !at(K::kLimit) && !at(K::kSettings)) advance();
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
    bool option = at(K::kOption) && op(1) == Op::kLeftParen;
    bool settings = dialect_.id == DialectId::kClickhouse && (at(K::kSettings) || at(K::kFormat));
    bool using_sample = at(K::kUsing) && next == K::kSample;
    bool with_no = at(K::kWith) && dialect_.id != DialectId::kTsql && (at_word("ur", 1) || at_word("rr", 1));
    if (!locking && !option && !settings && !with_no && !using_sample) break;
    advance();
    if (locking) accept(K::kUpdate);
    while (!at_end() && !at_closing() && !at(K::kOption) && !at(K::kFor) && !at(K::kFormat) && !at(K::kLimit) &&
           !at(K::kWith) && !(at(K::kOffset)) && set_operator_precedence() == 0 && !at_statement_start()) {
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
        auto start = begin();
        advance();
        node->order_by_all = true;
        OrderItem item{};
        item.descending = accept(K::kDesc);
        if (!item.descending) item.said_ascending = accept(K::kAsc);
        if (at(K::kNulls)) {
          item.nulls = keyword(1) == K::kFirst ? NullsOrder::kFirst : NullsOrder::kLast;
          advance(2);
        }
        (void)start;
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
        } else {
          node->limit = first;
        }
      }
      if (accept(K::kWith, K::kTies)) node->with_ties = true;
    } else if (at(K::kOffset) && !at_list_end(false)) {
      advance();
      node->offset = number();
      accept(K::kRow) || accept(K::kRows);
    } else if (at(K::kFetch) && (keyword(1) == K::kFirst || keyword(1) == K::kNext)) {
      advance(2);
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
